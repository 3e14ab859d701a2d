import { enableCompileCache } from "node:module";
import { isAbsolute, join } from "node:path";
import { setFlagsFromString } from "node:v8";

// At the end Node waits for what is compiled beside us, and that may wait for us (nodejs/node#54918): it must be compiled in our own time.
for (const flag of ["--no-opt", "--no-maglev", "--no-concurrent-sparkplug"]) setFlagsFromString(flag);
// This comes before any import: from the second run on, nothing is compiled or stripped of its types again. The cache is in the user's own
// folder, since files in Node's default below /tmp might be another user's code.
const { XDG_CACHE_HOME: cacheHome = "", HOME: home = "" } = process.env;
const cache = [cacheHome, join(home, ".cache")].find(isAbsolute);
if (cache !== undefined) enableCompileCache(join(cache, "flux-operator", "compiled"));
if ((process.env["OPENSSL_CONF"] ?? "") !== "") await takeOpenssl();
const { runCli } = await import("./run.ts");

const interruption = new AbortController();
process.once("SIGINT", () => interruption.abort());
process.once("SIGTERM", () => interruption.abort());
// The reader of our output has read enough (`| head`): nothing is wrong, and nothing is left to do.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

const exitCode = await runCli(
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
// Node 26.10 was seen to spin for ever in its own clean-up of handles. What was printed must have left us before: a pipe of macOS takes its time.
for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.write("", resolve));
process.exit(exitCode);

/** The chart's Jobs have the operator's provider, and no Node that dies of it with a stack trace. */
async function takeOpenssl(): Promise<void> {
  const { OpensslConfigError, takeOpensslConfig } = await import("../client/openssl-config.ts");
  try {
    takeOpensslConfig(process.env);
  } catch (error) {
    if (!(error instanceof OpensslConfigError)) throw error;
    console.error(`error: ${error.message}`);
    process.exit(2);
  }
}
