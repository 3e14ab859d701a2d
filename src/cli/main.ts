import { enableCompileCache } from "node:module";

// Before anything is imported: from the second run on, nothing is parsed or stripped of its types again.
enableCompileCache();
const { runCli } = await import("./run.ts");

const interruption = new AbortController();
process.once("SIGINT", () => interruption.abort());
process.once("SIGTERM", () => interruption.abort());
// Whoever reads us has read enough (`| head`): nothing is wrong, and nothing is left to do.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

process.exitCode = await runCli(
  process.argv.slice(2),
  {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    color: process.stdout.isTTY && process.stdout.hasColors(),
  },
  interruption.signal,
);
