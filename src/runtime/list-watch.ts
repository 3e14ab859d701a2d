import { isAbortOf } from "../client/abort.ts";
import type { ApiClient, Selection, WatchEvent } from "../client/api-client.ts";
import { ApiError, NoSuchKindError, isExpired } from "../client/api-error.ts";
import type { GroupVersionKind } from "../kube/gvk.ts";
import type { KubeObject } from "../kube/object.ts";
import { backoffMs, withJitter } from "../std/backoff.ts";
import type { Random } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import { UnreachableError } from "../std/errors.ts";
import type { Logger } from "./log.ts";

/** What is known of the objects, and so what to do next. */
export type ListWatchState =
  /** Nothing that a watch could continue from: list. */
  | { readonly kind: "empty" }
  /** Everything as of `version`: open a watch. */
  | { readonly kind: "listed"; readonly version: string }
  /** The watch has delivered everything up to `version`: continue to read. */
  | { readonly kind: "watching"; readonly version: string };

/** What happened in a state. */
export type ListWatchEvent =
  | { readonly kind: "listed"; readonly version: string }
  | { readonly kind: "opened" }
  /** An event or a bookmark came. */
  | { readonly kind: "advanced"; readonly version: string }
  /** The server ended the watch, as it does after its timeout, or asked to come back later (429): what it knew then, it knows now. */
  | { readonly kind: "ended" }
  /**
   * No list, no watch, or one that broke: refused, reset, silent, malformed. The server may come back with an older state, when etcd is
   * restored; a watch from a version that it has not reached would be silent, without an error, about what happens until then.
   */
  | { readonly kind: "failed" }
  /** The version is expired (410). */
  | { readonly kind: "gone" };

/** The next state. An event that the state does not expect leads to the safe side, a new list. Pure. */
export function stepListWatch(state: ListWatchState, event: ListWatchEvent): ListWatchState {
  switch (event.kind) {
    case "listed":
      return { kind: "listed", version: event.version };
    case "gone":
    case "failed":
      return { kind: "empty" };
    case "opened":
      return state.kind === "listed" ? { kind: "watching", version: state.version } : { kind: "empty" };
    case "advanced":
      return state.kind === "watching" ? { kind: "watching", version: event.version } : { kind: "empty" };
    case "ended":
      return state.kind === "empty" ? state : { kind: "listed", version: state.version };
    default:
      throw new UnreachableError(event);
  }
}

/** What receives the objects. */
export type ListWatchSink = {
  replace(objects: readonly KubeObject[]): void;
  put(object: KubeObject): void;
  remove(object: KubeObject): void;
  /** The API server has sent something. */
  contact(): void;
  /** The API server has accepted a watch, or delivers through it. */
  watching(): void;
  /** A list or a watch has failed. */
  failed(error: unknown): void;
};

/** Which objects of one kind to follow, and the sink that receives them. */
export type ListWatchOptions = {
  readonly client: Pick<ApiClient, "list" | "watch">;
  readonly gvk: GroupVersionKind;
  readonly selection: Selection;
  readonly sink: ListWatchSink;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: Partial<ListWatchLimits>;
};

/** Times in milliseconds. */
export type ListWatchLimits = {
  /** The server ends a watch after this time, lengthened by up to itself. */
  readonly watchTimeoutMs: number;
  /** A watch that is silent for longer is cut off; the API server sends a bookmark about every minute. */
  readonly idleMs: number;
  readonly backoff: { readonly baseMs: number; readonly maxMs: number };
  /** A watch that lived for so long was a good one: the backoff is reset. */
  readonly goodWatchMs: number;
};

const defaultLimits: ListWatchLimits = {
  watchTimeoutMs: 5 * 60_000,
  idleMs: 150_000,
  backoff: { baseMs: 500, maxMs: 30_000 },
  goodWatchMs: 10_000,
};

/** Lists and watches, again after every failure, until the signal is aborted. */
export async function runListWatch(options: ListWatchOptions, signal: AbortSignal): Promise<void> {
  await new ListWatch(options, signal).run();
}

class ListWatch {
  readonly #options: ListWatchOptions;
  readonly #limits: ListWatchLimits;
  readonly #signal: AbortSignal;
  #state: ListWatchState = { kind: "empty" };
  #stream: AsyncIterator<WatchEvent> | undefined;
  #openedMs = 0;
  /** Failures since the last success. */
  #failures = 0;

  constructor(options: ListWatchOptions, signal: AbortSignal) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#signal = signal;
  }

  async run(): Promise<void> {
    try {
      while (!this.#signal.aborted) this.#state = stepListWatch(this.#state, await this.#nextEvent());
    } catch (error) {
      if (!isAbortOf(this.#signal, error)) throw error;
    } finally {
      await this.#closeStream();
    }
  }

  async #nextEvent(): Promise<ListWatchEvent> {
    try {
      return await this.#act();
    } catch (error) {
      if (this.#signal.aborted) throw error;
      return await this.#afterFailure(error);
    }
  }

  async #act(): Promise<ListWatchEvent> {
    switch (this.#state.kind) {
      case "empty":
        return await this.#list();
      case "listed":
        return this.#open(this.#state.version);
      case "watching":
        return await this.#read();
      default:
        throw new UnreachableError(this.#state);
    }
  }

  async #list(): Promise<ListWatchEvent> {
    const { client, gvk, selection, sink } = this.#options;
    const list = await client.list(gvk, selection, this.#signal);
    sink.contact();
    sink.replace(list.items);
    return { kind: "listed", version: list.resourceVersion };
  }

  /** Sends nothing: the first read does. */
  #open(resourceVersion: string): ListWatchEvent {
    const { client, gvk, selection, random, clock, sink } = this.#options;
    const timeoutMs = withJitter(this.#limits.watchTimeoutMs, 1, random);
    const watch = {
      ...selection,
      resourceVersion,
      timeoutMs,
      idleMs: this.#limits.idleMs,
      onContact: () => {
        sink.contact();
        sink.watching();
      },
    };
    this.#openedMs = clock.monotonicMs();
    this.#stream = client.watch(gvk, watch, this.#signal)[Symbol.asyncIterator]();
    return { kind: "opened" };
  }

  async #read(): Promise<ListWatchEvent> {
    const next = await this.#stream?.next();
    if (next === undefined || next.done === true) return await this.#afterEnd();
    return { kind: "advanced", version: this.#deliver(next.value) };
  }

  #deliver(event: WatchEvent): string {
    const { sink } = this.#options;
    if (event.kind === "bookmark") return event.resourceVersion;
    if (event.kind === "deleted") sink.remove(event.object);
    else sink.put(event.object);
    return event.object.metadata.resourceVersion ?? this.#versionSoFar();
  }

  #versionSoFar(): string {
    return this.#state.kind === "empty" ? "" : this.#state.version;
  }

  async #afterEnd(): Promise<ListWatchEvent> {
    if (!this.#watchWasGood()) await this.#pause(0);
    return { kind: "ended" };
  }

  async #afterFailure(error: unknown): Promise<ListWatchEvent> {
    const { log, gvk, sink } = this.#options;
    await this.#closeStream();
    if (error instanceof ApiError || error instanceof NoSuchKindError) sink.contact();
    sink.failed(error);
    const gone = isExpired(error);
    const level = gone || error instanceof NoSuchKindError ? "debug" : "error";
    log[level](this.#state.kind === "empty" ? "Cannot list, trying again" : "Watch failed, trying again", {
      kind: gvk.kind,
      error,
    });
    if (!this.#watchWasGood()) await this.#pause(error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0);
    if (gone) return { kind: "gone" };
    return { kind: error instanceof ApiError && error.status === 429 ? "ended" : "failed" };
  }

  /** Also true for a list that follows a good watch, so that its first retry is quick. */
  #watchWasGood(): boolean {
    const good =
      this.#state.kind === "watching" && this.#options.clock.monotonicMs() - this.#openedMs >= this.#limits.goodWatchMs;
    if (good) this.#failures = 0;
    return good;
  }

  async #pause(atLeastMs: number): Promise<void> {
    const { clock, random } = this.#options;
    this.#failures += 1;
    const ms = withJitter(Math.max(atLeastMs, backoffMs(this.#failures, this.#limits.backoff)), 0.5, random);
    await clock.sleep(ms, this.#signal);
  }

  async #closeStream(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    await stream?.return?.();
  }
}
