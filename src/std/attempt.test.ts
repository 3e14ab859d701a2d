import assert from "node:assert/strict";
import { test } from "node:test";
import { attempt, attemptAsync } from "./attempt.ts";
import { ReasonedError } from "./errors.ts";

const reasoned = new ReasonedError({ reason: "BuildFailed", retry: "on-change", message: "Cannot build it" });
const bug = new TypeError("broken");
const open = new AbortController().signal;
const aborted = AbortSignal.abort(new Error("shutting down"));

function throwing(error: Error): () => never {
  return () => {
    throw error;
  };
}

test("attempt() gives what the work returns", () =>
  assert.equal(
    attempt(() => 1),
    1,
  ));
test("attempt() gives a ReasonedError as a value", () => assert.equal(attempt(throwing(reasoned)), reasoned));
test("attempt() throws a bug on", () => assert.throws(() => attempt(throwing(bug)), bug));

test("attemptAsync() gives what the work resolves to, or its ReasonedError", async () => {
  assert.equal(await attemptAsync(async () => 1, open), 1);
  assert.equal(await attemptAsync(() => Promise.reject(reasoned), open), reasoned);
});

for (const { name, error, signal, want } of [
  { name: "a bug", error: bug, signal: open, want: bug },
  { name: "the signal's reason, whatever failed", error: reasoned, signal: aborted, want: /shutting down/ },
]) {
  test(`attemptAsync() throws ${name}`, () =>
    assert.rejects(
      attemptAsync(() => Promise.reject(error), signal),
      want,
    ));
}
