import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { goTool } from "../../scripts/go-tool.ts";
import { kubeconfig } from "../../scripts/control-plane/kubeconfig.ts";
import { cleanEnvironment, dieWithParent, hasEnded, logTail } from "../../scripts/control-plane/processes.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import type { ControlPlane } from "./control-plane.ts";

/** The controllers of which we run the real program. */
export const realControllers = ["source-controller", "kustomize-controller"] as const;
export type RealController = (typeof realControllers)[number];

/** A Flux controller, as the container of a pod would run it. */
export type FluxProcess = {
  readonly process: ChildProcess;
  readonly logPath: string;
  /** Resolves when the process has ended. */
  readonly ended: Promise<unknown>;
};

/**
 * Starts the controller with the arguments of the pod's first container and the rights of its service account; artifacts are served at
 * `port`. Only what this machine lacks is changed: addresses and folders, patience, no leader election (which wants a file that only
 * pods have), and events go nowhere, since no name of a service resolves here.
 */
export async function startFluxProcess(
  { name, port }: { readonly name: RealController; readonly port: number },
  pod: KubeObject,
  plane: ControlPlane,
): Promise<FluxProcess> {
  const binary = await goTool(name, new AbortController().signal);
  const folder = join(plane.folder, pod.metadata.name);
  const storage = join(folder, "data");
  await mkdir(storage, { recursive: true });
  const namespace = pod.metadata.namespace ?? "";
  const account = textOf(fieldsOf(pod["spec"])["serviceAccountName"]);
  const token = await plane.serviceAccountToken({ namespace, name: account });
  const kubeconfigPath = join(folder, "kubeconfig");
  await writeFile(kubeconfigPath, kubeconfig(plane.server, plane.caPem, { kind: "token", token }), { mode: 0o600 });
  const logPath = join(plane.folder, `${pod.metadata.name}.log`);
  const log = openSync(logPath, "a", 0o600);
  const { path, args } = dieWithParent({
    path: binary,
    args: [...argsOf(pod, namespace), ...localArgs, ...ownArgs(name, storage, `127.0.0.1:${port}`)],
  });
  const env = {
    ...cleanEnvironment(),
    RUNTIME_NAMESPACE: namespace,
    KUBECONFIG: kubeconfigPath,
    TMPDIR: folder,
    HOME: folder,
  };
  const process = spawn(path, args, { cwd: folder, stdio: ["ignore", log, log], env });
  closeSync(log);
  return { process, logPath, ended: once(process, "exit") };
}

/** Asks the process to end, kills it when it has not done so after `graceMs`, and resolves when it is gone. */
export async function endFluxProcess({ process, ended }: FluxProcess, graceMs: number): Promise<void> {
  if (hasEnded(process)) return;
  process.kill("SIGTERM");
  const late = setTimeout(() => process.kill("SIGKILL"), graceMs);
  await ended;
  clearTimeout(late);
}

/** Throws when the process ended though nobody asked it to. */
export async function checkAlive({ process, logPath }: FluxProcess): Promise<void> {
  if (hasEnded(process))
    throw new Error(`A Flux controller ended by itself; ${logPath}:\n${await logTail(logPath, 20)}`);
}

const localArgs = ["--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0"];
const dropped = [
  "--enable-leader-election",
  "--events-addr=",
  "--storage-path=",
  "--storage-addr=",
  "--storage-adv-addr=",
];

function argsOf(pod: KubeObject, namespace: string): readonly string[] {
  const container = fieldsOf(listOf(fieldsOf(pod["spec"])["containers"])[0]);
  return listOf(container["args"])
    .map((arg) => textOf(arg).replaceAll("$(RUNTIME_NAMESPACE)", namespace))
    .filter((arg) => !dropped.some((flag) => arg.startsWith(flag)));
}

function ownArgs(name: RealController, storage: string, address: string): readonly string[] {
  // By default an artifact that has moved meanwhile is asked for during two minutes.
  if (name === "kustomize-controller") return ["--http-retry=1"];
  return [`--storage-path=${storage}`, `--storage-addr=${address}`, `--storage-adv-addr=${address}`];
}

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("Cannot find a free port");
  return address.port;
}
