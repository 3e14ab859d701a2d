import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { dieWithParent } from "../control-plane/processes.ts";

export type OperatorOptions = {
  readonly kubeconfigPath: string;
  /** Where its log goes. */
  readonly folder: string;
  /** The one namespace in which it reconciles; flux-system by default. */
  readonly namespace?: string;
  /** What is run: src/operator/main.ts by default, or a bundle of it. */
  readonly main?: string;
  readonly args?: readonly string[];
  readonly env?: { readonly [name: string]: string };
};

/** The operator as a process of its own, as `npm start` runs it. It dies with the process that started it. */
export type OperatorProcess = AsyncDisposable & {
  readonly process: ChildProcess;
  readonly logPath: string;
  /** Its log so far, one line an entry. */
  log(): readonly string[];
  stop(signal?: NodeJS.Signals): Promise<void>;
};

const root = resolve(import.meta.dirname, "../..");

let started = 0;

export function startOperator(options: OperatorOptions): OperatorProcess {
  started += 1;
  const logPath = join(options.folder, `operator-${started}.log`);
  const log = openSync(logPath, "w", 0o600);
  const { path, args } = dieWithParent({
    path: process.execPath,
    args: [
      // As `npm start`: a small young generation costs no CPU here, and saves 30 MB.
      "--max-semi-space-size=1",
      "--openssl-config=/dev/null",
      options.main ?? join(root, "src", "operator", "main.ts"),
      `--kubeconfig=${options.kubeconfigPath}`,
      "--metrics-addr=127.0.0.1:0",
      "--health-addr=127.0.0.1:0",
      ...(options.args ?? []),
    ],
  });
  const namespace = options.namespace ?? "flux-system";
  const env = { ...process.env, RUNTIME_NAMESPACE: namespace, ...options.env };
  const child = spawn(path, args, { stdio: ["ignore", log, log], env });
  closeSync(log);
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  };
  return {
    process: child,
    logPath,
    log: () =>
      readFileSync(logPath, "utf8")
        .split("\n")
        .filter((line) => line !== ""),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}
