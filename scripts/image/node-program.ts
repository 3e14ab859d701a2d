import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { createGunzip } from "node:zlib";
import { cacheFolder } from "../cache-folder.ts";
import { readTar } from "./debian.ts";
import { pinnedFile } from "./pinned-file.ts";
import type { Platform } from "./platform.ts";

const run = promisify(execFile);
const lockPath = join(import.meta.dirname, "../../package-lock.json");

/** The Node package of a platform as package-lock.json pins it. */
export async function nodePackage({ nodePackage: name }: Platform): Promise<{ version: string; integrity: string }> {
  const lock = JSON.parse(await readFile(lockPath, "utf8")) as {
    readonly packages: { readonly [path: string]: { readonly version?: string; readonly integrity?: string } };
  };
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) throw new Error(`package-lock.json does not pin ${name}`);
  return { version, integrity };
}

/** Node for a platform, also for another one than this machine's, from the npm registry or the cache. */
export async function nodeProgram(platform: Platform): Promise<Uint8Array> {
  const { version, integrity } = await nodePackage(platform);
  const name = `${platform.nodePackage}@${version}`;
  const packed = await pinnedFile(
    { name, digest: integrity, sources: [{ from: "the npm registry", read: () => packNpm(name) }] },
    join(cacheFolder(), "node", `${platform.nodePackage}-${version}.tgz`),
  );
  const files = await readTar(Readable.from([packed]).pipe(createGunzip()));
  const program = files.find(({ path }) => path === "package/bin/node");
  if (program?.kind !== "file") throw new Error(`${name} has no bin/node`);
  return program.content;
}

/** The packed files of a package ("name@version") from the npm registry, by npm itself. */
export async function packNpm(name: string): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "node-package-"));
  try {
    const { stdout } = await run("npm", ["pack", name, "--pack-destination", folder, "--json"]);
    const [{ filename }] = JSON.parse(stdout) as [{ readonly filename: string }];
    return await readFile(join(folder, filename));
  } finally {
    await rm(folder, { recursive: true });
  }
}
