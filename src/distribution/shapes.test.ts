import assert from "node:assert/strict";
import { test } from "node:test";

import { shapesOf } from "./shapes.ts";
import type { Shapes } from "./shapes.ts";

/** What each boundary changes against the release before it, as seen in the official manifests. */
const changes: readonly {
  readonly before: string;
  readonly from: string;
  readonly changed: readonly (keyof Shapes)[];
}[] = [
  { before: "2.2.3", from: "2.3.0", changed: ["goRuntimeLimits", "livenessPing"] },
  { before: "2.3.0", from: "2.4.0", changed: ["partOfEverywhere"] },
  { before: "2.4.0", from: "2.5.1", changed: [] },
  { before: "2.5.1", from: "2.6.0", changed: ["serviceAccountTokens"] },
  { before: "2.6.0", from: "2.6.4", changed: [] },
  { before: "2.6.4", from: "2.7.0", changed: ["goRuntimeLimits", "podLabels", "sourceWatcher"] },
  { before: "2.7.0", from: "2.7.3", changed: [] },
  { before: "2.7.3", from: "2.7.4", changed: ["sourceWatcherAggregation"] },
  { before: "2.7.4", from: "2.9.0", changed: [] },
  { before: "2.9.0", from: "2.9.1", changed: ["crdsOptOutOfSubstitution"] },
  { before: "2.9.1", from: "2.9.3", changed: [] },
  { before: "2.9.3", from: "2.9.4", changed: ["webhookPort"] },
  { before: "2.9.4", from: "2.10.0", changed: [] },
];

for (const { before, from, changed } of changes) {
  test(`shapesOf(${from}) differs from ${before} in ${changed.join(", ") || "nothing"}`, () => {
    const [old, young] = [shapesOf(before), shapesOf(from)];
    const differing = Object.entries(young).filter(
      ([name, value]) =>
        JSON.stringify(value) !== JSON.stringify(Object.entries(old).find(([key]) => key === name)?.[1]),
    );
    assert.deepEqual(differing.map(([name]) => name).toSorted(), changed.toSorted());
  });
}
