import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, parseDurationMs } from "./duration.ts";

for (const { text, want } of [
  { text: "1h30m", want: 5_400_000 },
  { text: "10m", want: 600_000 },
  { text: "10m0s", want: 600_000 },
  { text: "500ms", want: 500 },
  { text: "1.5h", want: 5_400_000 },
  { text: ".5s", want: 500 },
  { text: "1.s", want: 1_000 },
  { text: "2us", want: 0.002 },
  { text: "2\u00b5s", want: 0.002 },
  { text: "0", want: 0 },
  { text: "0s", want: 0 },
  { text: "-1m", want: -60_000 },
  { text: "+1m", want: 60_000 },
  { text: "", want: undefined },
  { text: "10", want: undefined },
  { text: "10 m", want: undefined },
  { text: "10d", want: undefined },
  { text: "m", want: undefined },
  { text: ".s", want: undefined },
  { text: "1h-5m", want: undefined },
  { text: "10min", want: undefined },
]) {
  test(`parseDurationMs() reads "${text}" as ${want}`, () => assert.equal(parseDurationMs(text), want));
}

for (const { ms, want } of [
  { ms: 5_400_000, want: "1h30m" },
  { ms: 600_000, want: "10m" },
  { ms: 90_000, want: "1m30s" },
  { ms: 1_500, want: "1.5s" },
  { ms: 500, want: "500ms" },
  { ms: 0.2, want: "0s" },
  { ms: 0, want: "0s" },
  { ms: -60_000, want: "-1m" },
  { ms: 90_061_001, want: "25h1m1.001s" },
]) {
  test(`formatDuration() writes ${ms} ms as "${want}" and reads it back`, () => {
    assert.equal(formatDuration(ms), want);
    assert.equal(parseDurationMs(want), Math.round(ms));
  });
}
