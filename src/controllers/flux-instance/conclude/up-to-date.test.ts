import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf } from "../../../../test/support/small-release.ts";
import { canonicalInstance } from "../../../api/canonical.ts";
import { parseStoredFluxInstance } from "../../../api/flux-instance.ts";
import { fluxInstance } from "../../../api/names.ts";
import { conditionTypes, legalReasons } from "../../../api/reasons.ts";
import type { Unpinned } from "../../../render/rendering.ts";
import { targetOfRelease } from "../../../render/target.ts";
import type { Hold } from "../decision.ts";
import { holdCondition } from "./up-to-date.ts";

const { storageApiVersion: apiVersion, kind } = fluxInstance;
const metadata = { name: "flux", namespace: "flux-system" };
const spec = { distribution: { version: "2.8.x", registry: "ghcr.io/fluxcd" }, components: ["source-controller"] };
const instance = canonicalInstance(parseStoredFluxInstance({ apiVersion, kind, metadata, spec }));
const waiting = targetOfRelease(instance, releaseOf("2.8.1"), { latestVersion: "2.9.0", artifactRevision: undefined });
const paused: Hold["gate"] = { kind: "paused" };
const outside: Hold["gate"] = { kind: "outside", opensMs: Date.parse("2026-05-02T02:00:00Z") };
const unpinned: Unpinned = { reason: "no digest is known", components: ["source-controller"] };

for (const { name, gate = paused, from = "2.8.0", parts = {}, want } of [
  {
    name: "names both versions and what to do",
    want: ["UpgradePaused", "The change of Flux from 2.8.0 to 2.8.1 waits until spec.upgrade.paused is removed"],
  },
  {
    name: "names the time at which the next window opens",
    gate: outside,
    want: [
      "OutsideWindow",
      "The change of Flux from 2.8.0 to 2.8.1 waits until 2026-05-02T02:00:00Z, when the next window of spec.upgrade.windows opens",
    ],
  },
  {
    name: "tells a new edition of the version that runs, and why it will fail",
    from: "2.8.1",
    parts: { refusal: "Cannot apply Service/flux-system/a" },
    want: [
      "UpgradePaused",
      "A rebuilt Flux 2.8.1 (same version, other images) waits until spec.upgrade.paused is removed; the API server would reject it: Cannot apply Service/flux-system/a",
    ],
  },
  {
    name: "tells why nothing is changed",
    parts: { obstacle: { kind: "unknown-release" } as const },
    want: [
      "UpgradePaused",
      "The change of Flux from 2.8.0 to 2.8.1 waits until spec.upgrade.paused is removed; until then nothing is changed: this operator does not include Flux 2.8.0, so drift cannot be repaired",
    ],
  },
  {
    name: "tells why what runs cannot be built any more",
    parts: { obstacle: { kind: "unbuildable", message: "no" } as const },
    want: [
      "UpgradePaused",
      "The change of Flux from 2.8.0 to 2.8.1 waits until spec.upgrade.paused is removed; until then nothing is changed: with Flux 2.8.0 it cannot be built: no",
    ],
  },
  {
    name: "still tells that images of what runs are not pinned",
    parts: { rendering: { unpinned } },
    want: [
      "UpgradePaused",
      "The change of Flux from 2.8.0 to 2.8.1 waits until spec.upgrade.paused is removed; images are not pinned by digest: no digest is known (source-controller)",
    ],
  },
]) {
  test(`holdCondition() ${name}`, () => {
    const [reason, message] = want;
    assert.deepEqual(holdCondition({ gate, waiting, from }, parts), {
      type: conditionTypes.upToDate,
      status: "False",
      reason,
      message,
    });
    assert.ok(legalReasons.UpToDate.False.some((legal) => legal === reason));
  });
}
