import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What one command of git has written. */
export async function git(root: string, ...args: readonly string[]): Promise<string> {
  return (await run("git", args, { cwd: root, maxBuffer: 1e8 })).stdout.trimEnd();
}
