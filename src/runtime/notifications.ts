import { withDeadline } from "../client/abort.ts";
import { nameObject } from "../kube/object-id.ts";
import { backoffMs, withJitter, type Random } from "../std/backoff.ts";
import { timestamp, type Clock } from "../std/clock.ts";
import type { EventNote, Regarding } from "./events.ts";
import type { LogFields, Logger } from "./log.ts";
import type { Post } from "./post-json.ts";

/** What became of a notification: `limited` is Flux's word for one that it has had lately, `dropped` ones never got an answer. */
export const notificationResults = ["sent", "limited", "refused", "dropped"] as const;
export type NotificationResult = (typeof notificationResults)[number];

/** Takes notes of what happened, and sends them to notification-controller beside the reconciles. */
export type Notifier = {
  /** Returns at once. What cannot be sent is counted and logged, and never fails the caller. */
  record(regarding: Regarding, note: EventNote): void;
  /** Sends the notes, one after the other. Resolves after the signal is aborted and what was left has been tried once. */
  run(signal: AbortSignal): Promise<void>;
};

/** `addressOf` gives where a note goes; undefined for nowhere. */
export type NotifierOptions = {
  readonly addressOf: (regarding: Regarding, note: EventNote) => URL | undefined;
  /** "flux-operator" */
  readonly component: string;
  /** The name of the pod. */
  readonly process: string;
  readonly post: Post;
  readonly observe: (result: NotificationResult) => void;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
};

type Waiting = {
  readonly address: URL;
  readonly body: string;
  readonly fields: LogFields;
  readonly recordedMs: number;
};

const maxWaiting = 100;
/** The Go operator's patience for one answer. */
const answerMs = 5_000;
/** Long enough for an upgrade of notification-controller itself; what is older is no news. */
const keepMs = 10 * 60_000;
const retries = { baseMs: 1_000, maxMs: 30_000 };
/** How long what is left at the end may take. */
const flushMs = 2_000;
const maxMessage = 4_096;

/** Sends events in the form of fluxcd/pkg apis/event/v1beta1, in their order. */
export function createNotifier(options: NotifierOptions): Notifier {
  return new QueuedNotifier(options);
}

class QueuedNotifier implements Notifier {
  readonly #options: NotifierOptions;
  #waiting: Waiting[] = [];
  /** Whether trouble was logged, and how many notifications were lost in it. */
  #trouble: { dropped: number } | undefined;
  #wake: () => void = () => undefined;

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  record(regarding: Regarding, note: EventNote): void {
    const { addressOf, clock } = this.#options;
    const address = addressOf(regarding, note);
    if (address === undefined) return;
    const body = JSON.stringify(eventOf(regarding, note, this.#options));
    const fields = { object: nameObject(regarding), reason: note.reason };
    this.#waiting.push({ address, body, fields, recordedMs: clock.monotonicMs() });
    const oldest = this.#waiting.length > maxWaiting ? this.#waiting.shift() : undefined;
    if (oldest !== undefined) this.#drop(oldest, `more than ${maxWaiting} are waiting`);
    this.#wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#wake();
    signal.addEventListener("abort", onAbort, { once: true });
    while (!signal.aborted) {
      const first = this.#waiting.shift();
      if (first === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else await this.#deliver(first, signal);
    }
    signal.removeEventListener("abort", onAbort);
    await this.#flush();
  }

  async #deliver(note: Waiting, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      if (await this.#attempt(note, signal)) return;
      const delayMs = withJitter(backoffMs(attempt, retries), 0.1, random);
      const isOld = clock.monotonicMs() + delayMs - note.recordedMs > keepMs;
      if (isOld && !signal.aborted) return this.#drop(note, "notification-controller did not answer for 10 minutes");
      await clock.sleep(delayMs, signal).catch(() => undefined);
      if (signal.aborted) return void this.#waiting.unshift(note);
    }
  }

  /** Whether the note needs no further attempt. */
  async #attempt(note: Waiting, signal: AbortSignal): Promise<boolean> {
    const { post, clock } = this.#options;
    try {
      const limit = { signal, timeoutMs: answerMs, timeoutReason: unanswered, clock };
      const status = await withDeadline(limit, (own) => post(note.address, note.body, own));
      if (status >= 500 || status === 408) throw new Error(`it answers with status ${status}`);
      this.#answered(note, status);
      return true;
    } catch (error) {
      if (!signal.aborted)
        this.#inTrouble("Cannot reach notification-controller", { address: note.address.host, error });
      return false;
    }
  }

  #answered({ fields }: Waiting, status: number): void {
    const { observe, log } = this.#options;
    const result = status < 300 ? "sent" : status === 429 ? "limited" : "refused";
    observe(result);
    if (result === "refused") log.error("notification-controller refuses a notification", { ...fields, status });
    if (this.#trouble === undefined || this.#waiting.length > 0) return;
    log.info("Notifications are sent again", { dropped: this.#trouble.dropped });
    this.#trouble = undefined;
  }

  #drop({ fields }: Waiting, why: string): void {
    this.#options.observe("dropped");
    this.#inTrouble("Notifications are dropped", { ...fields, why }).dropped += 1;
  }

  /** Logs the first of what goes wrong, until all is well again, and the first loss in it. */
  #inTrouble(message: string, fields: LogFields): { dropped: number } {
    const isNews = this.#trouble === undefined || ("why" in fields && this.#trouble.dropped === 0);
    this.#trouble ??= { dropped: 0 };
    if (isNews) this.#options.log.error(message, fields);
    return this.#trouble;
  }

  async #flush(): Promise<void> {
    const { clock } = this.#options;
    const ending = { signal: new AbortController().signal, timeoutMs: flushMs, timeoutReason: shuttingDown, clock };
    const left = this.#waiting;
    this.#waiting = [];
    await withDeadline(ending, async (signal) => {
      for (const note of left) {
        if (signal.aborted || !(await this.#attempt(note, signal))) this.#drop(note, "the operator stops");
      }
    });
  }
}

function unanswered(): Error {
  return new Error(`no answer within ${answerMs / 1_000} s`);
}

function shuttingDown(): Error {
  return new Error("shutting down");
}

/** Source: github.com/fluxcd/pkg/apis/event/v1beta1, type Event. */
function eventOf(
  { apiVersion, kind, metadata }: Regarding,
  { type, reason, message, annotations }: EventNote,
  { component, process, clock }: NotifierOptions,
): object {
  const { namespace, name, uid, resourceVersion } = metadata;
  return {
    involvedObject: { apiVersion, kind, namespace, name, uid, resourceVersion },
    severity: type === "Warning" ? "error" : "info",
    timestamp: timestamp(clock),
    message: message.length > maxMessage ? `${message.slice(0, maxMessage - 3)}...` : message,
    reason,
    ...(annotations === undefined ? {} : { metadata: annotations }),
    reportingController: component,
    reportingInstance: process,
  };
}
