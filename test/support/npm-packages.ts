import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { packNpmPackages, type PackedPackage } from "../../scripts/npm/pack.ts";
import { npmScope } from "../../scripts/npm/packages.ts";
import { thirdPartyFolder } from "../../scripts/npm/third-party.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

/** A folder for programs that use our packages, installed from what would be published, beside the packages of others that they need. */
export type NpmWorld = AsyncDisposable & {
  readonly folder: string;
  readonly packed: readonly PackedPackage[];
  /** A TypeScript of before its rewrite in Go, as most users of Pulumi and cdk8s have it. */
  readonly olderTsc: string;
  /** What a CommonJS module exports; a name that begins with "." is a path from the folder, and that module runs each time. */
  require(name: string): unknown;
};

/** Makes that folder, with our examples in it, compiled. */
export async function npmWorld(): Promise<NpmWorld> {
  const { signal } = new AbortController();
  const folder = await mkdtemp(join(await thirdPartyFolder(signal), "test-"));
  const dispose = () => rm(folder, { recursive: true, force: true });
  try {
    return { ...(await install(folder, signal)), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function install(folder: string, signal: AbortSignal): Promise<Omit<NpmWorld, typeof Symbol.asyncDispose>> {
  const packed = await packNpmPackages(join(folder, "packed"), signal);
  for (const { name, file } of packed) {
    const place = join(folder, "node_modules", npmScope, name);
    await mkdir(place, { recursive: true });
    await run("tar", ["-xzf", file, "--strip-components=1", "-C", place]);
  }
  await cp(join(root, "packaging/npm/examples"), join(folder, "examples"), { recursive: true });
  const require = createRequire(join(folder, "program.js"));
  return {
    folder,
    packed,
    olderTsc: require.resolve("typescript/bin/tsc"),
    require: (name) => {
      if (name.startsWith(".")) Reflect.deleteProperty(require.cache, require.resolve(name));
      return require(name);
    },
  };
}

/** Compiles files of the folder to CommonJS beside them. Types are checked elsewhere. */
export async function compilePrograms({ folder }: NpmWorld, files: readonly string[]): Promise<void> {
  const esbuild = join(root, "node_modules/.bin/esbuild");
  await run(esbuild, [...files, "--format=cjs", "--platform=node", `--outbase=.`, "--outdir=."], { cwd: folder });
}
