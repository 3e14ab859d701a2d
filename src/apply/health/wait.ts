import type { ApiClient } from "../../client/api-client.ts";
import { ApiError, ConnectionError, isExpired } from "../../client/api-error.ts";
import { type GroupVersionKind, gvkOf } from "../../kube/gvk.ts";
import { podKind } from "../../kube/kinds.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Clock } from "../../std/clock.ts";
import { UnreachableError } from "../../std/errors.ts";
import type { Installer } from "../installer.ts";
import { HealthBoard, type Unready } from "./health-board.ts";

export type WaitResult =
  | { readonly kind: "ready" }
  /** `failed` objects will not become ready by waiting. */
  | { readonly kind: "failed"; readonly unready: readonly Unready[] }
  | { readonly kind: "timeout"; readonly unready: readonly Unready[] }
  /** Somebody has deleted objects meanwhile, or taken them out of the selector: waiting alone brings them back no more. */
  | { readonly kind: "missing"; readonly unready: readonly Unready[] }
  | { readonly kind: "interrupted" };

export type WaitOptions = {
  readonly timeoutMs: number;
  /** Selects at least the objects waited for, so that one watch a kind sees them all. */
  readonly labelSelector: string;
  /** Aborted when something newer is wanted: the wait ends as `interrupted`. */
  readonly interrupt: AbortSignal;
  /** Told what is waited for, once that takes longer than a moment, and again when it is other objects. */
  readonly onWaiting?: (unready: readonly Unready[]) => void;
};

export type WaitDeps = {
  readonly client: Pick<ApiClient, "list" | "watch">;
  readonly clock: Clock;
  readonly installer: Pick<Installer, "podSelector">;
};

/** A watch that has been silent for so long is looked at anew; the API server sends bookmarks every minute. */
const idleMs = 90_000;
const watchMs = 300_000;
/** Pause before a new list after a watch broke. */
const relistMs = 1_000;
/** From this time on, and not more often, whoever wants to know is told what is waited for. */
const tellMs = 5_000;

/**
 * Watches `objects` until all are ready (`readinessOf`), one cannot become so or is gone, or the time is over. Pods of Deployments are
 * watched too, for the reason that only they know (image pull, crash loop). No polling.
 */
export async function waitUntilReady(
  objects: readonly KubeObject[],
  options: WaitOptions,
  deps: WaitDeps,
  signal: AbortSignal,
): Promise<WaitResult> {
  if (objects.length === 0) return { kind: "ready" };
  const board = new HealthBoard(objects, deps.installer);
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal, options.interrupt]);
  // The first verdict counts, whatever comes in until the watches have stopped.
  let result: WaitResult | undefined;
  const look = (): void => {
    result ??= verdictOf(board);
    if (result !== undefined) ended.abort(new Error("verdict reached"));
  };
  const watches = kindsOf(objects).map((gvk) =>
    follow(gvk, { board, look, labelSelector: options.labelSelector }, deps, stop),
  );
  const told = tell(board, options, deps, stop);
  try {
    await Promise.race([Promise.all(watches), deps.clock.sleep(options.timeoutMs, stop)]);
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    ended.abort(new Error("the wait is over"));
    await Promise.allSettled([...watches, told]);
  }
  signal.throwIfAborted();
  if (result !== undefined) return result;
  return options.interrupt.aborted ? { kind: "interrupted" } : { kind: "timeout", unready: board.unready() };
}

/** Undefined while it is open. */
function verdictOf(board: HealthBoard): WaitResult | undefined {
  const verdict = board.verdict();
  switch (verdict) {
    case "ready":
      return { kind: "ready" };
    case "missing":
    case "failed":
      return { kind: verdict, unready: board.unready() };
    case "open":
      return undefined;
    default:
      throw new UnreachableError(verdict);
  }
}

async function tell(
  board: HealthBoard,
  { onWaiting }: WaitOptions,
  { clock }: WaitDeps,
  stop: AbortSignal,
): Promise<void> {
  if (onWaiting === undefined) return;
  for (let told = ""; ;) {
    await clock.sleep(tellMs, stop);
    const unready = board.unready();
    const names = unready.map(({ object }) => object).join();
    if (names !== told) onWaiting(unready);
    told = names;
  }
}

/** Kinds to watch; cluster-wide and namespaced alike, the label selector keeps it small. */
function kindsOf(objects: readonly KubeObject[]): readonly GroupVersionKind[] {
  const byKey = new Map(objects.map((object) => [`${object.apiVersion}/${object.kind}`, gvkOf(object)]));
  const withPods = [...byKey.values()].some((gvk) => gvk.kind === "Deployment");
  return withPods ? [...byKey.values(), podKind] : [...byKey.values()];
}

type Followed = {
  readonly board: HealthBoard;
  /** Called after each piece of news. */
  readonly look: () => void;
  readonly labelSelector: string;
};

/** Lists and watches one kind until `stop`; a watch that ends is begun anew from a list. */
async function follow(
  gvk: GroupVersionKind,
  { board, look, labelSelector }: Followed,
  { client, clock }: WaitDeps,
  stop: AbortSignal,
): Promise<void> {
  const selection = board.selectionOf(gvk, labelSelector);
  while (!stop.aborted) {
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
      if (!isExpired(error)) await clock.sleep(relistMs, stop);
    }
  }
}

/** What may be over in a moment: a restart of the API server, a full queue, a lost connection. */
function isPassing(error: unknown): boolean {
  if (isExpired(error) || error instanceof ConnectionError) return true;
  return error instanceof ApiError && (error.status === 429 || error.status >= 500);
}
