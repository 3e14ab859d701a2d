import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, ConnectionError } from "../client/api-error.ts";
import type { Clock } from "../std/clock.ts";
import { lookUntilDone, type Look } from "./look-until.ts";

/** A clock on which only sleeping takes time. */
function sleepyClock(): Clock {
  let now = 0;
  return { nowMs: () => now, monotonicMs: () => now, sleep: async (ms) => void (now += ms) };
}

type Answer = Look | Error;
const waiting = (why: string): Look => ({ kind: "waiting", why });
const status = (code: number, message: string) => new ApiError("get it", { code, reason: "", message, causes: [] });

/** Looks get the answers in turn, the last one again and again. */
async function run(answers: readonly Answer[]): Promise<{ readonly end: string; readonly stderr: string }> {
  let stderr = "";
  let turn = 0;
  const look = async (): Promise<Look> => {
    const answer = answers[Math.min(turn++, answers.length - 1)];
    if (answer instanceof Error || answer === undefined) throw answer ?? new Error("no answer");
    return answer;
  };
  const end = await lookUntilDone(
    look,
    { timeoutMs: 3_500, clock: sleepyClock() },
    { stderr: { write: (text) => (stderr += text) } },
    new AbortController().signal,
  ).catch((error: unknown) => `threw ${String(error)}`);
  return { end, stderr };
}

const done: Look = { kind: "done", message: "it is ready" };
const cases: readonly { name: string; answers: readonly Answer[]; want: { end: string; stderr: string } }[] = [
  { name: "resolves to the message of a first look", answers: [done], want: { end: "it is ready", stderr: "" } },
  {
    name: "tells each new reason to wait, once",
    answers: [waiting("a"), waiting("a"), waiting("b"), done],
    want: { end: "it is ready", stderr: "a\nb\n" },
  },
  {
    name: "throws what failed at once",
    answers: [waiting("a"), { kind: "failed", message: "it cannot be" }],
    want: { end: "threw WaitError: it cannot be", stderr: "a\n" },
  },
  {
    name: "throws the last reason when the time is over",
    answers: [waiting("a"), waiting("b")],
    want: { end: "threw WaitError: Timed out after 3.5s: b", stderr: "a\nb\n" },
  },
  {
    name: "asks an API server again that does not answer or is busy",
    answers: [new ConnectionError("get it", "connection refused"), status(429, "busy"), status(503, "away"), done],
    want: {
      end: "it is ready",
      stderr: "Cannot get it: connection refused\nCannot get it: busy\nCannot get it: away\n",
    },
  },
  {
    name: "does not ask again where a permission is missing",
    answers: [status(403, "forbidden"), done],
    want: { end: "threw ApiError: Cannot get it: forbidden", stderr: "" },
  },
];

for (const { name, answers, want } of cases)
  test(`lookUntilDone() ${name}`, async () => assert.deepEqual(await run(answers), want));

const lookWaiting = async (): Promise<Look> => waiting("a");

test("lookUntilDone() ends when its signal is aborted", async () => {
  const clock = sleepyClock();
  const stop = new AbortController();
  const sleep = async (): Promise<void> => {
    stop.abort(new Error("received SIGTERM"));
    stop.signal.throwIfAborted();
  };
  const patience = { timeoutMs: 1_000, clock: { ...clock, sleep } };
  await assert.rejects(
    lookUntilDone(lookWaiting, patience, { stderr: { write: () => undefined } }, stop.signal),
    /received SIGTERM/,
  );
});
