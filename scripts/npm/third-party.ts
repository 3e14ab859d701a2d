import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { errorMessage } from "../../src/std/errors.ts";
import { cacheFolder } from "../cache-folder.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const packages = join(root, "packaging/npm");

/**
 * A folder in the cache whose node_modules has what packaging/npm/package-lock.json says; installed on first use. What lies in a folder
 * of it finds these packages, as Node and TypeScript look for them upwards. Two installers at once do not collide: the first one wins.
 */
export async function thirdPartyFolder(signal: AbortSignal): Promise<string> {
  const lock = await readFile(join(packages, "package-lock.json"));
  const digest = createHash("sha256").update(lock).digest("hex").slice(0, 16);
  const folder = join(cacheFolder(), "npm", digest);
  if (existsSync(folder)) return folder;
  await mkdir(join(folder, ".."), { recursive: true });
  const installing = await mkdtemp(`${folder}-`);
  try {
    for (const file of ["package.json", "package-lock.json", ".npmrc"])
      await cp(join(packages, file), join(installing, file));
    // Install scripts would download Pulumi's plugins.
    await npm(["ci", "--ignore-scripts"], installing, signal);
    await rename(installing, folder);
  } catch (error) {
    await rm(installing, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** What npm says in `folder`, run by the Node that all our code runs on. */
export async function npm(args: readonly string[], folder: string, signal: AbortSignal): Promise<string> {
  const path = [join(root, "node_modules/.bin"), process.env["PATH"] ?? ""].join(delimiter);
  const env = { ...process.env, PATH: path };
  const { stdout } = await run("npm", args, { cwd: folder, signal, env }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new Error(`Cannot run npm ${args.join(" ")}: ${errorMessage(cause)}`, { cause });
  });
  return stdout;
}
