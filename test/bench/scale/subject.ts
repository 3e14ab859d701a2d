import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { startOperator, type OperatorProcess } from "../../../scripts/quickstart/operator-process.ts";
import { fieldsOf } from "../../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../../src/kube/object.ts";
import { mapConcurrent } from "../../../src/std/concurrent.ts";
import { instanceKey, instanceKind, isReadyAt } from "../instance.ts";
import { cpuMs, memoryOf, transferredBytes, type Memory } from "../process.ts";
import { createWorld, operatorRequests, timeUntil, type World } from "../world.ts";

/** What one step cost the operator. Times in milliseconds. */
export type Cost = {
  readonly ms: number;
  /** Without its lease and its watches. */
  readonly requests: number;
  /** Read and written by the process, nearly all of it from and to the API server. */
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly cpuMs: number;
  /** The most that was seen, each 50 ms. */
  readonly peak: Memory;
  /** The machine's load of the last minute when the step began, in processes. */
  readonly load: number;
};

/** A cluster of its own with an operator of its own. */
export type Subject = AsyncDisposable & {
  readonly world: World;
  readonly operator: OperatorProcess;
  readonly pid: number;
  /** Does `act` and measures until the instance is as `until` says and the operator is quiet. */
  measure(act: () => Promise<unknown>, until: (instance: KubeObject | undefined) => boolean): Promise<Cost>;
  /** JSON merge patch of the instance. */
  change(patch: JsonObject): Promise<unknown>;
  /** The cost of a reconcile on request. */
  settle(mark: string): Promise<Cost>;
};

const patienceMs = 900_000;
const lookMs = 50;
const writers = 16;
/** A machine that is busy with the cluster takes the lease from nobody. */
const patient = ["--leader-election-lease-duration=20m", "--leader-election-renew-deadline=19m"];

export async function startSubject(main: string | undefined, signal: AbortSignal): Promise<Subject> {
  const world = await createWorld(signal);
  const { kubeconfigPath, folder } = world.plane;
  const operator = startOperator({ kubeconfigPath, folder, args: patient, ...(main === undefined ? {} : { main }) });
  const { pid } = operator.process;
  if (pid === undefined) throw new Error("Cannot start the operator");
  const ended = new AbortController();
  operator.process.once("exit", () => ended.abort(new Error("The operator has ended")));
  while ((await operatorRequests(world)).length === 0) await sleep(lookMs, undefined, { signal });
  const change = (value: JsonObject): Promise<unknown> => {
    const target = { gvk: instanceKind, key: instanceKey };
    return world.client.patch(target, { kind: "merge", value }, { fieldManager: "bench" }, signal);
  };
  const measure: Subject["measure"] = async (act, until) => {
    const load = loadavg()[0] ?? Number.NaN;
    const before = (await operatorRequests(world)).length;
    const [from, cpuFromMs] = [await transferredBytes(pid), await cpuMs(pid)];
    const peak = watchPeak(pid);
    try {
      const wanted = { gvk: instanceKind, act, patienceMs };
      const ms = await timeUntil(
        world.client,
        { ...wanted, until: ({ kind, object }) => until(kind === "deleted" ? undefined : object) },
        AbortSignal.any([signal, ended.signal]),
      );
      const requests = (await operatorRequests(world)).length - before;
      const to = await transferredBytes(pid);
      const bytes = { readBytes: to.read - from.read, writtenBytes: to.written - from.written };
      return { ms, requests, ...bytes, cpuMs: (await cpuMs(pid)) - cpuFromMs, peak: await peak.stop(), load };
    } catch (error) {
      process.stderr.write(`The end of the operator's log:\n${operator.log().slice(-10).join("\n")}\n`);
      throw error;
    }
  };
  return {
    world,
    operator,
    pid,
    measure,
    change,
    settle: (mark) =>
      measure(
        () => change({ metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": mark } } }),
        (instance) => fieldsOf(instance?.["status"])["lastHandledReconcileAt"] === mark,
      ),
    [Symbol.asyncDispose]: async () => {
      await operator.stop("SIGKILL");
      await world[Symbol.asyncDispose]();
    },
  };
}

function watchPeak(pid: number): { stop(): Promise<Memory> } {
  const over = new AbortController();
  let peak: Memory = { residentBytes: 0, anonymousBytes: 0 };
  const watch = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const now = await memoryOf(pid);
      peak = {
        residentBytes: Math.max(peak.residentBytes, now.residentBytes),
        anonymousBytes: Math.max(peak.anonymousBytes, now.anonymousBytes),
      };
      await sleep(lookMs);
    }
  };
  const watching = watch();
  watching.catch(() => undefined);
  return {
    stop: async () => {
      over.abort();
      await watching;
      return peak;
    },
  };
}

export const ready =
  (version: string) =>
  (instance: KubeObject | undefined): boolean =>
    instance !== undefined && isReadyAt(instance, version);

/** Applies `count` objects as somebody else, some at a time. */
export async function applyMany(
  { world: { client } }: Pick<Subject, "world">,
  count: number,
  make: (index: number) => KubeObject,
  signal: AbortSignal,
): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => index);
  await mapConcurrent(indexes, writers, (index) => client.apply(make(index), { fieldManager: "users" }, signal));
}
