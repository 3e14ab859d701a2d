import { isAbortOf, withDeadline } from "../client/abort.ts";
import type { ApiClient } from "../client/api-client.ts";
import { isForbidden, isNotFound } from "../client/api-error.ts";
import { eventKind } from "../kube/kinds.ts";
import { nameObject } from "../kube/object-id.ts";
import type { KubeObject } from "../kube/object.ts";
import { backoffMs } from "../std/backoff.ts";
import type { Random } from "../std/backoff.ts";
import { timestamp } from "../std/clock.ts";
import type { Clock } from "../std/clock.ts";
import type { Logger } from "./log.ts";

/** Something that happened, for `kubectl describe` and `kubectl events`. */
export type EventNote = {
  readonly type: "Normal" | "Warning";
  /** A reason of conditions, or one that only events have. */
  readonly reason: string;
  readonly message: string;
  readonly annotations?: { readonly [key: string]: string };
};

/** The object that an event is about. */
export type Regarding = Pick<KubeObject, "apiVersion" | "kind" | "metadata">;

/** Takes events from the reconciles, and writes them beside these. */
export type EventRecorder = {
  /** Takes note and returns at once. What cannot be written is logged, and never fails the caller. */
  record(regarding: Regarding, note: EventNote): void;
  /** Writes the notes. Resolves after the signal is aborted and everything noted by then was written or given up. */
  run(signal: AbortSignal): Promise<void>;
};

/** `component` is the source and the field manager of the events; `random` makes their names unique. */
export type EventRecorderOptions = {
  readonly client: Pick<ApiClient, "create" | "patch">;
  /** "flux-operator" */
  readonly component: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
};

/** `count` is how often the note was recorded since the last write. */
type Pending = { readonly regarding: Regarding; readonly note: EventNote; readonly count: number };
type Written = {
  readonly namespace: string;
  readonly name: string;
  readonly count: number;
  readonly writtenMs: number;
};

const maxPending = 500;
const maxWritten = 500;
/** The API server deletes events after an hour, so an equal note becomes a new event after this time. */
const sameForMs = 10 * 60_000;
const maxAttempts = 3;
/** How long the notes that are left at shutdown may take. */
const flushMs = 2_000;
/** As client-go: the API server refuses longer ones. */
const maxMessage = 1024;

/** Writes core v1 Events as client-go does: equal ones raise `count` of the first. */
export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  return new Recorder(options);
}

class Recorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #written = new Map<string, Written>();
  #wake: () => void = () => undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record(regarding: Regarding, note: EventNote): void {
    const id = JSON.stringify([nameObject(regarding), regarding.metadata.uid, note]);
    const known = this.#pending.get(id);
    if (known === undefined && this.#pending.size >= maxPending) {
      this.#options.log.error("Too many events are waiting, one is dropped", {
        object: nameObject(regarding),
        reason: note.reason,
      });
      return;
    }
    this.#pending.set(id, { regarding, note, count: (known?.count ?? 0) + 1 });
    this.#wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#wake();
    signal.addEventListener("abort", onAbort, { once: true });
    while (!signal.aborted) {
      await this.#writePending(signal);
      if (signal.aborted) break;
      if (this.#pending.size === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    signal.removeEventListener("abort", onAbort);
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const { clock } = this.#options;
    const limit = { signal: new AbortController().signal, timeoutMs: flushMs, timeoutReason: shuttingDown, clock };
    await withDeadline(limit, (signal) => this.#writePending(signal));
  }

  async #writePending(signal: AbortSignal): Promise<void> {
    for (let first = this.#pending.entries().next(); first.done !== true; first = this.#pending.entries().next()) {
      if (signal.aborted) return;
      const [id, pending] = first.value;
      this.#pending.delete(id);
      await this.#writeWithRetries(id, pending, signal);
    }
  }

  async #writeWithRetries(id: string, pending: Pending, signal: AbortSignal): Promise<void> {
    const { log, clock } = this.#options;
    const fields = { object: nameObject(pending.regarding), reason: pending.note.reason };
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#write(id, pending, signal);
      } catch (error) {
        if (isAbortOf(signal, error)) return this.#putBack(id, pending);
        // A namespace that is being deleted accepts no events. That is no error.
        if (isForbidden(error) || isNotFound(error)) return log.debug("Event refused", { ...fields, error });
        if (attempt === maxAttempts) return log.error("Event lost", { ...fields, error });
        await clock.sleep(backoffMs(attempt, { baseMs: 500, maxMs: 5_000 }), signal).catch(() => undefined);
      }
    }
  }

  #putBack(id: string, pending: Pending): void {
    if (!this.#pending.has(id)) this.#pending.set(id, pending);
  }

  async #write(id: string, pending: Pending, signal: AbortSignal): Promise<void> {
    const before = this.#written.get(id);
    const recent = before !== undefined && this.#options.clock.monotonicMs() - before.writtenMs < sameForMs;
    if (recent && (await this.#raiseCount(before, pending, signal)))
      return this.#remember(id, { ...before, count: before.count + pending.count });
    const event = eventObject(pending, this.#options);
    await this.#options.client.create(event, { fieldManager: this.#options.component }, signal);
    this.#remember(id, {
      namespace: event.metadata.namespace ?? "",
      name: event.metadata.name,
      count: pending.count,
      writtenMs: 0,
    });
  }

  /** False when the event has been deleted by now. */
  async #raiseCount(before: Written, pending: Pending, signal: AbortSignal): Promise<boolean> {
    const { client, component, clock } = this.#options;
    const value = { count: before.count + pending.count, lastTimestamp: timestamp(clock) };
    try {
      await client.patch(
        { gvk: eventKind, key: before },
        { kind: "merge", value },
        { fieldManager: component },
        signal,
      );
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** Last written last, so that the oldest is dropped first. */
  #remember(id: string, written: Written): void {
    this.#written.delete(id);
    this.#written.set(id, { ...written, writtenMs: this.#options.clock.monotonicMs() });
    const [oldest] = this.#written.keys();
    if (this.#written.size > maxWritten && oldest !== undefined) this.#written.delete(oldest);
  }
}

function shuttingDown(): Error {
  return new Error("shutting down");
}

function eventObject(
  { regarding, note, count }: Pending,
  { component, clock, random }: EventRecorderOptions,
): KubeObject {
  const { name, namespace, uid, resourceVersion } = regarding.metadata;
  const unique = `${clock.nowMs().toString(16)}${Math.floor(random() * 0x1_0000_0000)
    .toString(16)
    .padStart(8, "0")}`;
  const { annotations } = note;
  const nowText = timestamp(clock);
  const about = { apiVersion: regarding.apiVersion, kind: regarding.kind, name };
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: {
      name: `${name.slice(0, 200)}.${unique}`,
      namespace: namespace ?? "default",
      ...(annotations === undefined ? {} : { annotations }),
    },
    involvedObject: {
      ...about,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    type: note.type,
    reason: note.reason,
    message: note.message.length > maxMessage ? `${note.message.slice(0, maxMessage - 3)}...` : note.message,
    count,
    firstTimestamp: nowText,
    lastTimestamp: nowText,
    source: { component },
    reportingComponent: component,
    reportingInstance: "",
  };
}
