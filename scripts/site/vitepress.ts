import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../cache-folder.ts";

const run = promisify(execFile);
const pinned = join(import.meta.dirname, "../../tools/site");

/** The folder node_modules that has vitepress, as tools/site pins it. Installed on first use, without running any package's scripts, then kept in the cache. */
export async function vitepressModules(signal: AbortSignal): Promise<string> {
  const lock = await readFile(join(pinned, "package-lock.json"));
  const folder = join(cacheFolder(), "site", createHash("sha256").update(lock).digest("hex").slice(0, 12));
  const modules = join(folder, "node_modules");
  if (existsSync(modules)) return modules;
  await mkdir(join(folder, ".."), { recursive: true });
  const building = await mkdtemp(`${folder}-`);
  try {
    for (const file of ["package.json", "package-lock.json"]) await cp(join(pinned, file), join(building, file));
    await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: building, signal });
    await rename(building, folder);
  } catch (error) {
    await rm(building, { recursive: true });
    // Another process may have installed the same meanwhile.
    if (!existsSync(modules)) throw error;
  }
  return modules;
}
