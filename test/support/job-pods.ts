import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { kubeconfig } from "../../scripts/control-plane/kubeconfig.ts";
import { cleanEnvironment, dieWithParent } from "../../scripts/control-plane/processes.ts";
import type { OwnedApiClient } from "../../src/client/create-client.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { podKind } from "../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import type { ControlPlane } from "./control-plane.ts";
import { changesOf } from "./record-objects.ts";

/** What the container of a Job's pod has done. */
export type JobRun = {
  readonly job: string;
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs the pods of Jobs until it is disposed of. */
export type JobPods = AsyncDisposable & {
  /** Runs that have ended, in their order. Throws when one could not be started. */
  runs(): readonly JobRun[];
};

const cli = join(import.meta.dirname, "../../src/cli/main.ts");
const command = ["/nodejs/bin/node", "--openssl-config=/dev/null", "/app/flux-operator.mjs"];

/**
 * Runs the command line for each pod of a Job that kwok has given a node: with the arguments of its container, as its service account. The pod then
 * is what its exit code says. Pods of Jobs with another command are none of ours, and are a failure.
 */
export function runJobPods(plane: ControlPlane, client: OwnedApiClient): JobPods {
  const stop = new AbortController();
  const started = new Set<string>();
  const ended: JobRun[] = [];
  const failures: unknown[] = [];
  const running: Promise<void>[] = [];
  const fail = (error: unknown): void => {
    if (!stop.signal.aborted) failures.push(error);
  };
  const run = async (pod: KubeObject, job: string): Promise<void> => {
    const outcome = await runPod(pod, plane);
    ended.push({ job, ...outcome });
    await endPod(pod, outcome.exitCode === 0, plane);
  };
  const watch = async (): Promise<void> => {
    for await (const pod of changesOf(client, { gvk: podKind }, stop.signal)) {
      const { name: job } = fieldsOf(ownersOf(pod).find(({ kind }) => kind === "Job"));
      const uid = pod.metadata.uid ?? "";
      if (typeof job !== "string" || started.has(uid) || fieldsOf(pod["status"])["phase"] !== "Running") continue;
      started.add(uid);
      running.push(run(pod, job).catch(fail));
    }
  };
  const watching = watch().catch(fail);
  return {
    runs: () => {
      if (failures.length > 0) throw new AggregateError(failures, "a Job's pod could not be run");
      return [...ended];
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await watching;
      await Promise.all(running);
    },
  };
}

function ownersOf({ metadata }: KubeObject): readonly JsonObject[] {
  return listOf(metadata["ownerReferences"]).map(fieldsOf);
}

async function runPod(pod: KubeObject, plane: ControlPlane): Promise<Omit<JobRun, "job">> {
  const spec = fieldsOf(pod["spec"]);
  const container = fieldsOf(listOf(spec["containers"])[0]);
  if (listOf(container["command"]).map(textOf).join(" ") !== command.join(" "))
    throw new Error(`Cannot run ${pod.metadata.name}: its command is not ${command.join(" ")}`);
  const namespace = pod.metadata.namespace ?? "";
  const token = await plane.serviceAccountToken({ namespace, name: textOf(spec["serviceAccountName"]) });
  const folder = join(plane.folder, pod.metadata.name);
  await mkdir(folder, { recursive: true });
  const kubeconfigPath = join(folder, "kubeconfig");
  await writeFile(kubeconfigPath, kubeconfig(plane.server, plane.caPem, { kind: "token", token }), { mode: 0o600 });
  const { path, args } = dieWithParent({
    path: process.execPath,
    args: [cli, ...listOf(container["args"]).map(textOf)],
  });
  const child = spawn(path, args, {
    env: { ...cleanEnvironment(), HOME: folder, KUBECONFIG: kubeconfigPath },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await closed;
  return { exitCode: child.exitCode, stdout, stderr };
}

/** Ready stays: without it, kwok would start the pod again. A pod that was deleted meanwhile needs no end. */
async function endPod({ metadata }: KubeObject, isDone: boolean, plane: ControlPlane): Promise<void> {
  const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/status`;
  const status = { phase: isDone ? "Succeeded" : "Failed" };
  const { status: code } = await plane.rest.request("PATCH", path, { body: { status } });
  if (code !== 200 && code !== 404) throw new Error(`Cannot end the pod ${metadata.name}: API server answered ${code}`);
}
