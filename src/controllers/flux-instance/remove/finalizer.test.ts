import assert from "node:assert/strict";
import { test } from "node:test";
import { tableClient } from "../../../../test/support/table-client.ts";
import { finalizer, fluxInstance } from "../../../api/names.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { ensureFinalizer, hasFinalizer, removeFinalizer } from "./finalizer.ts";

const signal = new AbortController().signal;
const audit = "example.com/audit";

function instanceWith(finalizers: readonly string[], uid = "u"): KubeObject {
  const metadata = { namespace: "flux-system", name: "flux", uid, resourceVersion: "7", finalizers };
  return { apiVersion: fluxInstance.storageApiVersion, kind: fluxInstance.kind, metadata };
}

function patched(finalizers: readonly string[]): string {
  const value = { metadata: { resourceVersion: "7", finalizers } };
  return `patch FluxInstance/flux-system/flux ${JSON.stringify(value)}`;
}

for (const { name, live, seen = live, run, writes } of [
  {
    name: "ensureFinalizer() adds ours behind those of others",
    live: instanceWith([audit]),
    run: ensureFinalizer,
    writes: [patched([audit, finalizer])],
  },
  { name: "ensureFinalizer() writes nothing twice", live: instanceWith([finalizer]), run: ensureFinalizer, writes: [] },
  {
    name: "removeFinalizer() removes ours and no other, as they are now",
    live: instanceWith([finalizer, audit]),
    seen: instanceWith([finalizer]),
    run: removeFinalizer,
    writes: [patched([audit])],
  },
  {
    name: "removeFinalizer() leaves an instance alone that was created since",
    live: instanceWith([finalizer], "another"),
    seen: instanceWith([finalizer]),
    run: removeFinalizer,
    writes: [],
  },
]) {
  test(name, async () => {
    const client = tableClient([live]);
    await run(seen, client, signal);
    assert.deepEqual(client.writes, writes);
  });
}

test("removeFinalizer() has nothing to do for an instance that is deleted", async () => {
  const client = tableClient([]);
  await removeFinalizer(instanceWith([finalizer]), client, signal);
  assert.deepEqual(client.writes, []);
});

test("hasFinalizer() looks for ours", () =>
  assert.deepEqual([instanceWith([audit]), instanceWith([audit, finalizer])].map(hasFinalizer), [false, true]));
