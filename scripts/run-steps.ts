import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";

export type Step = { readonly name: string; readonly command: readonly [string, ...string[]] };

const root = join(import.meta.dirname, "..");

/**
 * Runs `steps` one after the other from the root of the project and stops at the first that fails, with its exit code.
 * Output of a step goes through as it comes; each ends with a line that says how long it took.
 */
export async function runSteps(steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    const startMs = performance.now();
    const code = await runStep(step);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    console.log(`${code === 0 ? "ok" : "FAILED"}  ${step.name}  ${seconds} s`);
    if (code !== 0) {
      process.exitCode = code;
      return;
    }
  }
}

function runStep(step: Step): Promise<number> {
  const [program, ...args] = step.command;
  const path = [join(root, "node_modules", ".bin"), process.env["PATH"] ?? ""].join(delimiter);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = spawn(program, args, { cwd: root, stdio: "inherit", env: { ...process.env, PATH: path } });
  child.once("error", reject);
  child.once("exit", (code, signal) => resolve(signal === null ? (code ?? 1) : 1));
  return promise;
}
