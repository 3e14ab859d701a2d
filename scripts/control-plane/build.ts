import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { hasCode } from "./lock.ts";
import { dieWithParent } from "./processes.ts";
import { goBuildArgs, suites } from "./versions.ts";
import type { BinaryName, Suite } from "./versions.ts";

/** `go` is missing, or `go build` failed: the message has its last lines. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}

export type BuildOptions = {
  /** Existing folder; the binary appears in it whole or not at all. */
  readonly folder: string;
  readonly signal: AbortSignal;
};

/** Builds one binary from the module that `tools/<suite>/go.mod` pins. */
export async function buildBinary(suite: Suite, binary: BinaryName, { folder, signal }: BuildOptions): Promise<void> {
  await requireGo(suite.moduleFolder);
  const packagePath = suites[suite.name].packages[binary];
  if (packagePath === undefined) throw new BuildError(`${binary} is not in ${suite.name}`);
  const draft = join(folder, `.${binary}.${process.pid}.tmp`);
  try {
    await runGo([...goBuildArgs(suite.name, suite.version), "-o", draft, packagePath], suite.moduleFolder, signal);
    await rename(draft, join(folder, binary));
  } finally {
    await rm(draft, { force: true });
  }
}

const execute = promisify(execFile);

/** Asks in the module's folder, where Go also says whether it is new enough for it. */
async function requireGo(cwd: string): Promise<void> {
  try {
    await execute("go", ["list", "-m"], { cwd, env: environment() });
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) throw new BuildError("go is not on the PATH", { cause });
    throw new BuildError(cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : String(cause), {
      cause,
    });
  }
}

/** A person's own GOFLAGS or workspace must not change what is built; without cgo no C compiler is needed. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, GOFLAGS: "-mod=readonly", GOWORK: "off", CGO_ENABLED: "0" };
}

async function runGo(args: readonly string[], cwd: string, signal: AbortSignal): Promise<void> {
  const command = dieWithParent({ path: "go", args });
  const go = spawn(command.path, command.args, {
    cwd,
    env: environment(),
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  go.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-20_000)));
  const kill = (): void => void go.kill("SIGINT");
  signal.addEventListener("abort", kill, { once: true });
  try {
    const [code] = await once(go, "close");
    signal.throwIfAborted();
    if (code === 0) return;
    const lines = said.split("\n").filter((line) => line !== "" && !line.startsWith("go: downloading"));
    throw new BuildError(`go build failed in ${cwd}:\n${lines.slice(-15).join("\n")}`);
  } finally {
    signal.removeEventListener("abort", kill);
  }
}
