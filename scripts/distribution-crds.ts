import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import { lt } from "semver";
import { parse } from "yaml";

import { cacheFolder } from "./cache-folder.ts";
import type { CrdSchema } from "../src/distribution/components/controller.ts";
import type { ComponentName } from "../src/distribution/release.ts";
import { isJsonObject } from "../src/std/json.ts";
import type { JsonValue } from "../src/std/json.ts";

const root = join(import.meta.dirname, "..");
const run = promisify(execFile);

/** What a controller's API module of one version declares, by CRD name; "refused" when the module cannot be had. */
export type ModuleCrds =
  | { readonly kind: "crds"; readonly crds: readonly CrdSchema[] }
  | { readonly kind: "refused"; readonly message: string };

/** Reads CRDs out of API modules with controller-gen. `close` removes its temporary files. */
export type CrdGenerator = AsyncDisposable & {
  generate(component: ComponentName, release: string, tag: string): Promise<ModuleCrds>;
};

/**
 * The two controller-gens that Flux's CRDs need: from 0.16 on a field marked both required and omitempty is required,
 * and Flux took that up with 2.4.
 */
export function generatorTool(release: string): "controller-gen-0.15" | "controller-gen" {
  return lt(release, "2.4.0") ? "controller-gen-0.15" : "controller-gen";
}

/** "github.com/fluxcd/source-controller/api"; source-watcher's carries its major. */
export function apiModule(component: ComponentName): string {
  return component === "source-watcher"
    ? "github.com/fluxcd/source-watcher/api/v2"
    : `github.com/fluxcd/${component}/api`;
}

export async function openCrdGenerator(): Promise<CrdGenerator> {
  const temporary = await mkdtemp(join(tmpdir(), "flux-crds-"));
  const built = new Map<string, Promise<string>>();
  const build = (tool: string): Promise<string> => {
    const known = built.get(tool) ?? buildTool(tool, join(temporary, tool));
    built.set(tool, known);
    return known;
  };
  return {
    async generate(component, release, tag) {
      const tool = generatorTool(release);
      const cached = await readCache(tool, component, tag);
      if (cached !== undefined) return { kind: "crds", crds: cached };
      const source = await downloadModule(apiModule(component), tag);
      if (source.kind === "refused") return source;
      const output = await runGenerator(
        await build(tool),
        source.folder,
        join(temporary, `${tool}-${component}-${tag}`),
      );
      const crds = await readCrds(output);
      await writeCache(tool, component, { tag, crds });
      return { kind: "crds", crds };
    },
    [Symbol.asyncDispose]: () => rm(temporary, { recursive: true, force: true }),
  };
}

async function buildTool(tool: string, target: string): Promise<string> {
  const folder = join(root, "tools", tool);
  await run("go", ["build", "-o", target, "sigs.k8s.io/controller-tools/cmd/controller-gen"], { cwd: folder });
  return target;
}

type Download =
  | { readonly kind: "folder"; readonly folder: string }
  | { readonly kind: "refused"; readonly message: string };

async function downloadModule(module: string, version: string): Promise<Download> {
  // Outside of any module, or Go would resolve the version against the module it stands in.
  const answer = await run("go", ["mod", "download", "-json", `${module}@${version}`], { cwd: tmpdir() }).catch(
    (error: unknown) => {
      if (hasCode(error, "ENOENT")) throw new GoMissingError(error);
      // Go answers in JSON even where it fails.
      if (error instanceof Error && "stdout" in error && typeof error.stdout === "string")
        return { stdout: error.stdout };
      throw error;
    },
  );
  const result: unknown = answer.stdout === "" ? {} : JSON.parse(answer.stdout);
  if (!isJsonObject(result)) throw new Error(`Cannot download ${module}@${version}: go answered ${answer.stdout}`);
  if (typeof result["Dir"] === "string") return { kind: "folder", folder: result["Dir"] };
  return { kind: "refused", message: typeof result["Error"] === "string" ? result["Error"] : answer.stdout };
}

/** Go is what builds controller-gen and fetches the modules. */
export class GoMissingError extends Error {
  override readonly name = "GoMissingError";

  constructor(cause: unknown) {
    super("Cannot read API modules: go is not in PATH", { cause });
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

async function runGenerator(program: string, source: string, work: string): Promise<string> {
  const copy = join(work, "source");
  const output = join(work, "crds");
  await cp(source, copy, { recursive: true });
  await run("chmod", ["-R", "u+w", copy]);
  await run(program, ["crd:maxDescLen=0", "paths=./...", `output:crd:dir=${output}`], {
    cwd: copy,
    // A module's own go.sum may lack what only its tests need.
    env: { ...process.env, GOFLAGS: "-mod=mod" },
  });
  return output;
}

async function readCrds(folder: string): Promise<readonly CrdSchema[]> {
  const files = (await readdir(folder)).toSorted();
  const crds = await Promise.all(files.map(async (file) => readCrd(parse(await readFile(join(folder, file), "utf8")))));
  return crds.toSorted((left, right) => (left.name < right.name ? -1 : 1));
}

function readCrd(document: unknown): CrdSchema {
  const metadata = isJsonObject(document) ? document["metadata"] : undefined;
  const spec = isJsonObject(document) ? document["spec"] : undefined;
  if (!isJsonObject(metadata) || typeof metadata["name"] !== "string" || !isJsonObject(spec)) {
    throw new Error(`Cannot read a CRD: it has no name or no spec`);
  }
  const stripped = withoutDescriptions(spec);
  if (!isJsonObject(stripped)) throw new Error(`Cannot read CRD ${metadata["name"]}: its spec is not an object`);
  return { name: metadata["name"], spec: stripped };
}

/** Drops text under `description`, but not a property of that name. */
function withoutDescriptions(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(withoutDescriptions);
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value).filter(([key, member]) => key !== "description" || typeof member !== "string");
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutDescriptions(member)]));
}

/** Published module versions never change, so what was generated once holds. */
function cachePath(tool: string, component: ComponentName, tag: string): string {
  return join(cacheFolder(), "crds", tool, `${component}@${tag}.json`);
}

async function readCache(
  tool: string,
  component: ComponentName,
  tag: string,
): Promise<readonly CrdSchema[] | undefined> {
  const text = await readFile(cachePath(tool, component, tag), "utf8").catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const crds: unknown = JSON.parse(text);
  if (!Array.isArray(crds)) throw new Error(`Cannot read ${cachePath(tool, component, tag)}: not a list`);
  return crds.map((crd: unknown) => {
    if (!isJsonObject(crd) || typeof crd["name"] !== "string" || !isJsonObject(crd["spec"])) {
      throw new Error(`Cannot read ${cachePath(tool, component, tag)}: not CRDs`);
    }
    return { name: crd["name"], spec: crd["spec"] };
  });
}

async function writeCache(
  tool: string,
  component: ComponentName,
  { tag, crds }: { readonly tag: string; readonly crds: readonly CrdSchema[] },
): Promise<void> {
  const path = cachePath(tool, component, tag);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.${process.pid}`, JSON.stringify(crds));
  await rename(`${path}.${process.pid}`, path);
}
