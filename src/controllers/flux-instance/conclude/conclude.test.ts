import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf, specOf } from "../../../../test/support/small-release.ts";
import { createTestLog } from "../../../../test/support/test-log.ts";
import { fluxInstance } from "../../../api/names.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { fieldsOf } from "../../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import type { EventRecorder } from "../../../runtime/events.ts";
import { systemClock } from "../../../std/clock.ts";
import { ReasonedError } from "../../../std/errors.ts";
import type { TargetWithNews } from "../decision.ts";
import { worldOf } from "../world.ts";
import { Conclusion } from "./conclude.ts";
import { StatusWriter } from "./status-writer.ts";

const signal = new AbortController().signal;

/** The reasons of the events that follow when each of `targets` has been applied after the one before it. */
async function eventsOf(targets: readonly TargetWithNews[]): Promise<readonly (readonly string[])[]> {
  const told: string[][] = [];
  let status: JsonObject = {};
  for (const target of targets) {
    const instance: KubeObject = {
      apiVersion: fluxInstance.storageApiVersion,
      kind: fluxInstance.kind,
      metadata: { name: "flux", namespace: "flux-system", generation: 1 },
      status,
    };
    const reasons: string[] = [];
    const client: Pick<ApiClient, "patch"> = {
      patch: async (_ref, patch) => {
        if (patch.kind === "merge") status = Object.assign({}, status, fieldsOf(fieldsOf(patch.value)["status"]));
        return instance;
      },
    };
    const events: EventRecorder = {
      record: (_about, { reason }) => void reasons.push(reason),
      run: async () => undefined,
    };
    const world = worldOf(instance, new Map(), "flux-system");
    const conclusion = new Conclusion(world, new StatusWriter(instance, client), {
      events,
      clock: systemClock,
      log: createTestLog().log,
    });
    await conclusion.applied(
      target,
      { changes: [], inventory: [], unattended: [], warnings: [] },
      { sync: undefined },
      signal,
    );
    told.push(reasons);
  }
  return told;
}

const loose: TargetWithNews = {
  spec: specOf(),
  release: releaseOf("2.8.0"),
  latestVersion: "2.8.0",
  rendering: {
    version: "2.8.0",
    revision: `v2.8.0@sha256:${"1".repeat(64)}`,
    objects: [],
    images: [],
    patches: [],
    unpinned: { reason: "no digest is known", components: ["source-controller"] },
  },
};
const problem = new ReasonedError({ reason: "ArtifactFailed", retry: "backoff", message: "Cannot pull it" });

test("Conclusion tells once that images are not pinned, whatever else UpToDate says meanwhile", async () => {
  assert.deepEqual(await eventsOf([loose, { ...loose, problem }, loose]), [["UnpinnedImages"], ["ArtifactFailed"], []]);
});
