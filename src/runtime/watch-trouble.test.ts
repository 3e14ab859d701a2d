import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError } from "../../test/support/table-client.ts";
import { ConnectionError, NoSuchKindError } from "../client/api-error.ts";
import { WatchHealth } from "./watch-trouble.ts";

const forbidden = apiError(403, "Forbidden", "not allowed");
const reset = new ConnectionError("watch Service", "reset");

/** What is told when these things happen, each at its time in seconds; "ok" when the API server delivers. */
function toldOf(story: readonly (readonly [number, unknown])[]): {
  readonly told: readonly string[];
  readonly isInDoubt: boolean;
} {
  let nowMs = 0;
  const told: string[] = [];
  const health = new WatchHealth({ monotonicMs: () => nowMs }, (trouble) =>
    told.push(trouble === undefined ? "well" : `${trouble.reason}: ${trouble.message}`),
  );
  for (const [atS, event] of story) {
    nowMs = atS * 1000;
    if (event === "ok") health.works();
    else health.failed(event);
  }
  return { told, isInDoubt: health.isInDoubt };
}

for (const { name, story, told, isInDoubt } of [
  { name: "is well while it is heard", story: [[0, "ok"]], told: [], isInDoubt: false },
  {
    name: "is in trouble at once when it is refused, and tells that once",
    story: [
      [0, forbidden],
      [1, forbidden],
    ],
    told: ["Forbidden: Cannot ask: not allowed"],
    isInDoubt: true,
  },
  {
    name: "is well again when it is heard",
    story: [
      [0, forbidden],
      [1, "ok"],
    ],
    told: ["Forbidden: Cannot ask: not allowed", "well"],
    isInDoubt: false,
  },
  {
    name: "is in doubt while the API server restarts",
    story: [
      [0, reset],
      [59, reset],
    ],
    told: [],
    isInDoubt: true,
  },
  {
    name: "is in trouble when that takes longer than a minute",
    story: [
      [0, reset],
      [60, reset],
    ],
    told: ["Unreachable: Cannot watch Service: reset"],
    isInDoubt: true,
  },
  {
    name: "is in doubt, and no more, when its version has expired or the server is busy",
    story: [
      [0, apiError(410, "Expired")],
      [1, apiError(429, "TooManyRequests")],
    ],
    told: [],
    isInDoubt: true,
  },
  {
    name: "waits for a kind that is not installed",
    story: [
      [0, new NoSuchKindError("Thing")],
      [90, new NoSuchKindError("Thing")],
    ],
    told: [],
    isInDoubt: true,
  },
] satisfies readonly {
  name: string;
  story: readonly (readonly [number, unknown])[];
  told: readonly string[];
  isInDoubt: boolean;
}[]) {
  test(`WatchHealth ${name}`, () => assert.deepEqual(toldOf(story), { told, isInDoubt }));
}
