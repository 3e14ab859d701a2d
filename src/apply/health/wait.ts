import type { ApiClient } from "../../client/api-client.ts";
import { ApiError, ConnectionError, isExpired } from "../../client/api-error.ts";
import { type GroupVersionKind, gvkOf } from "../../kube/gvk.ts";
import { podKind, replicaSetKind } from "../../kube/kinds.ts";
import type { KubeObject } from "../../kube/object.ts";
import { backoffMs } from "../../std/backoff.ts";
import type { Clock } from "../../std/clock.ts";
import { UnreachableError } from "../../std/errors.ts";
import { HealthBoard, type HealthDeps, type Unready } from "./health-board.ts";

/** How a wait for health has ended. */
export type WaitResult =
  | { readonly kind: "ready" }
  /** `failed` objects will not become ready by waiting. */
  | { readonly kind: "failed"; readonly unready: readonly Unready[] }
  | { readonly kind: "timeout"; readonly unready: readonly Unready[] }
  /** Another client has deleted or changed objects, or removed the labels by which they are selected: waiting does not bring them back. */
  | { readonly kind: "drifted"; readonly unready: readonly Unready[] }
  | { readonly kind: "interrupted" };

/** What to wait for, and how long. */
export type WaitOptions = {
  readonly timeoutMs: number;
  /** Selects at least the objects that are waited for, so that one watch for each kind sees them all. */
  readonly labelSelector: string;
  /** Aborted when the instance changes: the wait ends as `interrupted`. */
  readonly interrupt: AbortSignal;
  /** Called with what is waited for after 5 seconds, and again when these are other objects. */
  readonly onWaiting?: (unready: readonly Unready[]) => void;
};

/** A client that only lists and watches. */
export type WaitDeps = HealthDeps & {
  readonly client: Pick<ApiClient, "list" | "watch">;
  readonly clock: Clock;
};

/** A watch that has been silent for so long is started again from a list; the API server sends bookmarks every minute. */
const idleMs = 90_000;
const watchMs = 300_000;
/** Pause before a new list after a watch broke; longer when that happens again and again. */
const relist = { baseMs: 1_000, maxMs: 5_000 };
/** A watch that lived for so long was a good one: a new list after its end is no repetition. */
const goodWatchMs = 10_000;
/** How often it is looked whether a trouble has stood for too long: time alone makes no event. */
const pulseMs = 1_000;
/** `onWaiting` is called after so many pulses, and not more often. */
const tellPulses = 5;

/**
 * Watches `objects` until all are ready (`readinessOf`), one cannot become ready or is deleted, or `timeoutMs` have passed. Pods of Deployments
 * are watched too, since only they know some reasons (image pull, crash loop). No polling. Throws as ApiClient for what is not a passing
 * failure.
 */
export async function waitUntilReady(
  objects: readonly KubeObject[],
  options: WaitOptions,
  deps: WaitDeps,
  signal: AbortSignal,
): Promise<WaitResult> {
  if (objects.length === 0) return { kind: "ready" };
  const board = new HealthBoard(objects, deps, options.timeoutMs);
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal, options.interrupt]);
  // The first verdict counts, whatever comes in until the watches have stopped.
  let result: WaitResult | undefined;
  const look = (): void => {
    result ??= verdictOf(board, deps.clock.monotonicMs());
    if (result !== undefined) ended.abort(new Error("verdict reached"));
  };
  const watches = kindsOf(objects).map((gvk) =>
    follow(gvk, { board, look, labelSelector: options.labelSelector }, deps, stop),
  );
  const pulse = beat({ board, look }, options, deps, stop);
  try {
    await Promise.race([Promise.all(watches), deps.clock.sleep(options.timeoutMs, stop)]);
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    ended.abort(new Error("the wait is over"));
    await Promise.allSettled([...watches, pulse]);
  }
  signal.throwIfAborted();
  if (result !== undefined) return result;
  return options.interrupt.aborted ? { kind: "interrupted" } : { kind: "timeout", unready: board.unready() };
}

/** Undefined while the verdict is open. */
function verdictOf(board: HealthBoard, nowMs: number): WaitResult | undefined {
  const verdict = board.verdict(nowMs);
  switch (verdict) {
    case "ready":
      return { kind: "ready" };
    case "drifted":
    case "failed":
      return { kind: verdict, unready: board.unready() };
    case "open":
      return undefined;
    default:
      throw new UnreachableError(verdict);
  }
}

async function beat(
  { board, look }: Pick<Followed, "board" | "look">,
  { onWaiting }: WaitOptions,
  { clock }: WaitDeps,
  stop: AbortSignal,
): Promise<void> {
  let told = "";
  for (let pulses = 1; ; pulses += 1) {
    await clock.sleep(pulseMs, stop);
    look();
    if (pulses % tellPulses > 0) continue;
    const unready = board.unready();
    const names = unready.map(({ object }) => object).join();
    if (names !== told) onWaiting?.(unready);
    told = names;
  }
}

/** Kinds to watch; cluster-wide and namespaced alike, the label selector keeps it small. */
function kindsOf(objects: readonly KubeObject[]): readonly GroupVersionKind[] {
  const byKey = new Map(objects.map((object) => [`${object.apiVersion}/${object.kind}`, gvkOf(object)]));
  const withPods = [...byKey.values()].some((gvk) => gvk.kind === "Deployment");
  return withPods ? [...byKey.values(), replicaSetKind, podKind] : [...byKey.values()];
}

type Followed = {
  readonly board: HealthBoard;
  /** Called after each list and each event. */
  readonly look: () => void;
  readonly labelSelector: string;
};

/** Lists and watches one kind until `stop`; a watch that ends is started again from a list. */
async function follow(
  gvk: GroupVersionKind,
  { board, look, labelSelector }: Followed,
  { client, clock }: WaitDeps,
  stop: AbortSignal,
): Promise<void> {
  const selection = board.selectionOf(gvk, labelSelector);
  for (let short = 0; !stop.aborted;) {
    const beganMs = clock.monotonicMs();
    let isBroken = false;
    try {
      const list = await client.list(gvk, selection, stop);
      board.replace(gvk, list.items);
      look();
      const watch = { ...selection, resourceVersion: list.resourceVersion, timeoutMs: watchMs, idleMs };
      for await (const event of client.watch(gvk, watch, stop)) {
        board.see(event);
        look();
      }
    } catch (error) {
      stop.throwIfAborted();
      if (!isPassing(error)) throw error;
      isBroken = !isExpired(error);
    }
    short = clock.monotonicMs() - beganMs >= goodWatchMs ? 0 : short + 1;
    // The first time, what has ended or expired is looked at again at once; however it ends, this is never a loop of requests.
    if (isBroken || short > 1) await clock.sleep(backoffMs(Math.max(1, short), relist), stop);
  }
}

/** Whether a failure may be over in a moment: a restart of the API server, a full queue, a lost connection. */
function isPassing(error: unknown): boolean {
  if (isExpired(error) || error instanceof ConnectionError) return true;
  return error instanceof ApiError && (error.status === 429 || error.status >= 500);
}
