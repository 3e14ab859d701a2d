import type { ApiClient, WatchEvent } from "../../src/client/api-client.ts";
import { isConflict, isNotFound } from "../../src/client/api-error.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import { podKind } from "../../src/kube/kinds.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import type { ControlPlane } from "./control-plane.ts";
import { namespace } from "./flux-cluster.ts";
import {
  checkAlive,
  endFluxProcess,
  freePort,
  realControllers,
  startFluxProcess,
  type FluxProcess,
} from "./flux-process.ts";

/** Holds a pod until its process is gone, as a kubelet does. */
const finalizer = "kwok.flux-operator.test/process";
const labelSelector = `app.kubernetes.io/component in (${realControllers.join(",")})`;
const graceMs = 10_000;

/** The real source-controller and kustomize-controller: a process for each of their pods. */
export type RealFlux = AsyncDisposable & {
  /** Pods whose process runs, by the name of their Deployment, sorted. Throws when a process ended by itself, or could not be started. */
  running(): Promise<readonly string[]>;
  /** From now on a controller goes on for so long after its pod was told to end, as with a preStop hook; 0 at first. */
  linger(ms: number): void;
};

type PodProcess = { readonly deployment: string; readonly started: Promise<FluxProcess | undefined>; ending: boolean };

/** By Deployment: resolves when its last process has ended. Stands in for leader election: two of them never work at once. */
type Turns = Map<string, Promise<unknown>>;

/**
 * Starts a process when kwok lets a pod run. A pod that is deleted stays, by a finalizer, until its process is gone; where the pod goes
 * all the same, the process is killed at once.
 */
export function startRealFlux(plane: ControlPlane, client: ApiClient): RealFlux {
  const stop = new AbortController();
  const pods = new Map<string, PodProcess>();
  const turns: Turns = new Map();
  /** Of source-controllers, by Deployment: as the address of their services, it stays when a pod goes. */
  const ports = new Map<string, number>();
  let lingerMs = 0;
  const failures: unknown[] = [];
  const fail = (error: unknown): void => {
    if (!stop.signal.aborted) failures.push(error);
  };

  const start = async (pod: KubeObject): Promise<FluxProcess | undefined> => {
    const name = realControllers.find((known) => known === pod.metadata.labels?.["app.kubernetes.io/component"]);
    if (name === undefined || !(await setFinalizer(pod, true, client, stop.signal))) return undefined;
    const deployment = deploymentOf(pod);
    const port = ports.get(deployment) ?? (await freePort());
    ports.set(deployment, port);
    const { promise: over, resolve: pass } = Promise.withResolvers<unknown>();
    const before = turns.get(deployment);
    turns.set(deployment, over);
    let running: FluxProcess | undefined;
    try {
      await before;
      running = await startFluxProcess({ name, port }, pod, plane);
      return running;
    } finally {
      pass(running?.ended);
    }
  };
  const end = async (pod: KubeObject, entry: PodProcess): Promise<void> => {
    const running = await entry.started;
    if (running !== undefined) {
      await systemClock.sleep(lingerMs, stop.signal);
      await endFluxProcess(running, graceMs);
    }
    await setFinalizer(pod, false, client, stop.signal);
  };
  const see = (pod: KubeObject): void => {
    const uid = pod.metadata.uid ?? "";
    const entry = pods.get(uid);
    if (entry === undefined && pod.metadata.deletionTimestamp === undefined && isRunning(pod)) {
      const started = start(pod);
      pods.set(uid, { deployment: deploymentOf(pod), started, ending: false });
      started.catch(fail);
    }
    if (entry === undefined || entry.ending || pod.metadata.deletionTimestamp === undefined) return;
    entry.ending = true;
    end(pod, entry).catch(fail);
  };
  const lose = (uid: string): void => {
    const entry = pods.get(uid);
    pods.delete(uid);
    entry?.started.then((running) => running?.process.kill("SIGKILL")).catch(fail);
  };
  const watching = watchPods(client, { see, lose, known: () => [...pods.keys()] }, stop.signal).catch(fail);

  return {
    running: async () => {
      if (failures.length > 0) throw new AggregateError(failures, "the Flux controllers could not be run");
      const names: string[] = [];
      for (const { deployment, started, ending } of pods.values()) {
        const running = await started;
        if (running === undefined || ending) continue;
        await checkAlive(running);
        names.push(deployment);
      }
      return names.toSorted();
    },
    linger: (ms) => {
      lingerMs = ms;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await watching;
      for (const { started } of pods.values()) {
        const running = await started.catch(() => undefined);
        if (running !== undefined) await endFluxProcess(running, 0);
      }
    },
  };
}

type Observer = {
  see(pod: KubeObject): void;
  lose(uid: string): void;
  known(): readonly string[];
};

async function watchPods(client: ApiClient, observer: Observer, signal: AbortSignal): Promise<void> {
  const selection = { namespace, labelSelector };
  while (!signal.aborted) {
    const { items, resourceVersion } = await client.list(podKind, selection, signal);
    const alive = new Set(items.map(({ metadata }) => metadata.uid ?? ""));
    for (const uid of observer.known()) if (!alive.has(uid)) observer.lose(uid);
    for (const pod of items) observer.see(pod);
    const watch = { ...selection, resourceVersion, timeoutMs: 300_000, idleMs: 600_000 };
    for await (const event of client.watch(podKind, watch, signal)) tell(event, observer);
  }
}

function tell(event: WatchEvent, observer: Observer): void {
  if (event.kind === "added" || event.kind === "modified") observer.see(event.object);
  if (event.kind === "deleted") observer.lose(event.object.metadata.uid ?? "");
}

/** Whether the pod is still there, and could be given the finalizer. */
async function setFinalizer(pod: KubeObject, held: boolean, client: ApiClient, signal: AbortSignal): Promise<boolean> {
  const key = { namespace, name: pod.metadata.name };
  const live = await client.getOrUndefined(podKind, key, signal);
  if (live === undefined || live.metadata.uid !== pod.metadata.uid) return false;
  if (held && live.metadata.deletionTimestamp !== undefined) return false;
  const others = (live.metadata.finalizers ?? []).filter((name) => name !== finalizer);
  const { uid = "", resourceVersion = "" } = live.metadata;
  const metadata = { uid, resourceVersion, finalizers: held ? [...others, finalizer] : others };
  try {
    await client.patch({ gvk: podKind, key }, { kind: "merge", value: { metadata } }, { fieldManager: "test" }, signal);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    if (isConflict(error)) return await setFinalizer(pod, held, client, signal);
    throw error;
  }
}

function isRunning(pod: KubeObject): boolean {
  return textOf(fieldsOf(pod["status"])["phase"]) === "Running";
}

/** A pod is named "<deployment>-<hash of the template>-<random>". */
function deploymentOf(pod: KubeObject): string {
  return pod.metadata.name.split("-").slice(0, -2).join("-");
}
