import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { npmPackages, npmScope, type NpmPackage } from "./packages.ts";
import { npm, thirdPartyFolder } from "./third-party.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const sources = (name: NpmPackage): string => join(root, "packaging/npm", name);

export type PackedPackage = {
  readonly name: NpmPackage;
  readonly file: string;
  /** Paths in the package, in alphabetical order. */
  readonly files: readonly string[];
};

/** Packs each of our npm packages into `folder` as it would be published. The same sources give the same bytes. */
export async function packNpmPackages(folder: string, signal: AbortSignal): Promise<readonly PackedPackage[]> {
  const packed: PackedPackage[] = [];
  for (const name of npmPackages) packed.push(await packNpmPackage(name, folder, signal));
  return packed;
}

/** As `packNpmPackages`, one of them. */
export async function packNpmPackage(name: NpmPackage, folder: string, signal: AbortSignal): Promise<PackedPackage> {
  const isCompiled = existsSync(join(sources(name), "tsconfig.json"));
  const stage = await mkdtemp(join(isCompiled ? await thirdPartyFolder(signal) : tmpdir(), "stage-"));
  try {
    await mkdir(folder, { recursive: true });
    await cp(sources(name), stage, { recursive: true });
    await cp(join(root, "LICENSE"), join(stage, "LICENSE"));
    if (isCompiled) await compile(name, stage, signal);
    const answer = await npm(["pack", "--json", "--ignore-scripts", `--pack-destination=${folder}`], stage, signal);
    const { filename, files } = packedIn(answer);
    return { name, file: join(folder, filename), files: files.map(({ path }) => path).toSorted() };
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** Compiles a staged package, beside those of ours that it needs. */
async function compile(name: NpmPackage, stage: string, signal: AbortSignal): Promise<void> {
  const types = "flux-instance-types";
  await cp(sources(types), join(stage, "node_modules", npmScope, types), { recursive: true });
  await run(join(root, "node_modules/.bin/tsc"), ["-p", "."], { cwd: stage, signal }).catch((cause: unknown) => {
    const said = cause instanceof Error && "stdout" in cause ? String(cause.stdout).trim() : "";
    throw new Error(`Cannot compile packaging/npm/${name}: ${said}`, { cause });
  });
}

type Packed = { readonly filename: string; readonly files: readonly { readonly path: string }[] };

/** npm 11 answers with a list, later ones with a map. */
function packedIn(answer: string): Packed {
  const [packed] = Object.values(JSON.parse(answer) as { readonly [name: string]: Packed });
  if (packed === undefined) throw new Error(`Cannot read what npm packed: ${answer}`);
  return packed;
}
