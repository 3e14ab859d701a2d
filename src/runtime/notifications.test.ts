import assert from "node:assert/strict";
import { test } from "node:test";
import { TestClock } from "../../test/support/test-clock.ts";
import { createTestLog } from "../../test/support/test-log.ts";
import type { EventNote, Regarding } from "./events.ts";
import { createNotifier, type NotificationResult, type Notifier } from "./notifications.ts";

const address = new URL("http://notification-controller.flux-system.svc.cluster.local./");
const instance: Regarding = {
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { name: "flux", namespace: "flux-system", uid: "u1", resourceVersion: "7" },
};
const noteOf = (message: string): EventNote => ({ type: "Warning", reason: "BuildFailed", message });

type World = {
  readonly notifier: Notifier;
  readonly clock: TestClock;
  /** Messages in the order in which they were posted, with repetitions. */
  readonly posted: readonly string[];
  readonly bodies: readonly string[];
  readonly results: readonly NotificationResult[];
  /** Level, message and what else is said of the line. */
  readonly said: () => readonly string[];
  readonly stop: () => Promise<void>;
};

/** `answer` gives the status for a message; "never" for no answer, "away" where nothing listens. */
function start(answer: (message: string) => number | "never" | "away"): World {
  const clock = new TestClock(Date.UTC(2026, 10, 27));
  const { log, lines } = createTestLog();
  const [posted, bodies, results]: [string[], string[], NotificationResult[]] = [[], [], []];
  const post = (_: URL, body: string, signal: AbortSignal): Promise<number> => {
    const { message } = JSON.parse(body) as { readonly message: string };
    posted.push(message);
    bodies.push(body);
    const status = answer(message);
    if (status === "away") return Promise.reject(new Error("connect ECONNREFUSED"));
    if (status !== "never") return Promise.resolve(status);
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason));
    return promise;
  };
  const notifier = createNotifier({
    addressOf: (_, { reason }) => (reason === "Progressing" ? undefined : address),
    component: "flux-operator",
    process: "flux-operator-0",
    post,
    observe: (result) => results.push(result),
    log,
    clock,
    random: () => 0,
  });
  const abort = new AbortController();
  const running = notifier.run(abort.signal);
  return {
    notifier,
    clock,
    posted,
    bodies,
    results,
    said: () =>
      lines.map(({ level, message, why, dropped }) => [level, message, why, dropped].filter(Boolean).join(": ")),
    stop: async () => {
      abort.abort(new Error("stop"));
      await clock.advance(2_000);
      await running;
    },
  };
}

test("a note is sent as Flux's event", async () => {
  const { notifier, clock, bodies, results, said, stop } = start(() => 202);
  notifier.record(instance, { type: "Normal", reason: "Progressing", message: "no" });
  notifier.record(instance, {
    type: "Normal",
    reason: "ReconciliationSucceeded",
    message: "Flux 2.9.4 applied",
    annotations: { "fluxcd.controlplane.io/revision": "v2.9.4@sha256:1" },
  });
  notifier.record(instance, noteOf("m".repeat(5_000)));
  await clock.advance(0);
  await stop();
  const involvedObject = {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    namespace: "flux-system",
    name: "flux",
    uid: "u1",
    resourceVersion: "7",
  };
  const common = {
    involvedObject,
    timestamp: "2026-11-27T00:00:00Z",
    reportingController: "flux-operator",
    reportingInstance: "flux-operator-0",
  };
  assert.deepEqual(
    bodies.map((body) => JSON.parse(body) as unknown),
    [
      {
        ...common,
        severity: "info",
        message: "Flux 2.9.4 applied",
        reason: "ReconciliationSucceeded",
        metadata: { "fluxcd.controlplane.io/revision": "v2.9.4@sha256:1" },
      },
      { ...common, severity: "error", message: `${"m".repeat(4_093)}...`, reason: "BuildFailed" },
    ],
  );
  assert.deepEqual([results, said()], [["sent", "sent"], []]);
});

for (const { status, result, lines } of [
  { status: 429, result: "limited", lines: [] },
  { status: 400, result: "refused", lines: ["error: notification-controller refuses a notification"] },
  { status: 301, result: "refused", lines: ["error: notification-controller refuses a notification"] },
])
  test(`a note that is answered with ${status} is ${result}, and not tried again`, async () => {
    const { notifier, clock, posted, results, said, stop } = start(() => status);
    notifier.record(instance, noteOf("a"));
    await clock.advance(60_000);
    await stop();
    assert.deepEqual([posted, results, said()], [["a"], [result], lines]);
  });

for (const { name, fault } of [
  { name: "away", fault: "away" },
  { name: "failing", fault: 503 },
  { name: "slow", fault: "never" },
] as const)
  test(`notes wait while notification-controller is ${name}, and are sent in their order when it answers`, async () => {
    let well = false;
    const { notifier, clock, posted, results, said, stop } = start(() => (well ? 202 : fault));
    notifier.record(instance, noteOf("a"));
    notifier.record(instance, noteOf("b"));
    await clock.advance(60_000);
    assert.deepEqual([new Set(posted), results], [new Set(["a"]), []]);
    assert.ok(posted.length > 3 && posted.length < 9, `${posted.length} attempts in a minute`);
    well = true;
    await clock.advance(40_000);
    await stop();
    assert.deepEqual(
      [posted.slice(-2), results],
      [
        ["a", "b"],
        ["sent", "sent"],
      ],
    );
    assert.deepEqual(said(), ["error: Cannot reach notification-controller", "info: Notifications are sent again"]);
  });

test("a note that nobody takes for 10 minutes is dropped, counted and told", async () => {
  let well = false;
  const { notifier, clock, results, said, stop } = start(() => (well ? 202 : "away"));
  notifier.record(instance, noteOf("a"));
  await clock.advance(10 * 60_000);
  well = true;
  notifier.record(instance, noteOf("b"));
  await clock.advance(60_000);
  await stop();
  assert.deepEqual(results, ["dropped", "sent"]);
  assert.deepEqual(said(), [
    "error: Cannot reach notification-controller",
    "error: Notifications are dropped: notification-controller did not answer for 10 minutes",
    "info: Notifications are sent again: 1",
  ]);
});

test("of a flood the newest hundred wait, the others are dropped, counted and told once", async () => {
  let well = false;
  const { notifier, clock, posted, results, said, stop } = start(() => (well ? 202 : "away"));
  for (let number = 0; number < 1_000; number += 1) notifier.record(instance, noteOf(`${number}`));
  well = true;
  await clock.advance(60_000);
  await stop();
  assert.equal(posted.at(-1), "999");
  assert.deepEqual(
    ["dropped", "sent"].map((wanted) => results.filter((result) => result === wanted).length),
    [900, 100],
  );
  assert.deepEqual(said(), [
    "error: Notifications are dropped: more than 100 are waiting",
    "info: Notifications are sent again: 900",
  ]);
});

test("what is left when the operator stops is tried once, for 2 seconds in all", async () => {
  const { notifier, clock, posted, results, stop } = start((message) => (message === "b" ? 202 : "never"));
  notifier.record(instance, noteOf("a"));
  notifier.record(instance, noteOf("b"));
  await clock.advance(1_000);
  await stop();
  assert.deepEqual(
    [posted, results],
    [
      ["a", "a"],
      ["dropped", "dropped"],
    ],
  );
});
