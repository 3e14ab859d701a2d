import assert from "node:assert/strict";
import { test } from "node:test";
import { definition, managed, owned, world } from "../../../../test/support/removable.ts";
import { tableClient } from "../../../../test/support/table-client.ts";
import { nameObject } from "../../../kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { refuseUnlisted } from "./unlisted.ts";

const signal = new AbortController().signal;

function service(name: string, metadata: JsonObject = {}): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "flux-system", labels: owned, ...metadata },
  };
}

function namespace(name: string): KubeObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: owned } };
}

const said = (names: string): string =>
  `Cannot remove all of Flux: not in the inventory of this instance, but with its labels: ${names}; to have them removed, set spec.deletionPolicy to Orphan, create the FluxInstance again, and delete it when it is Ready; what is still named then, delete yourself`;

for (const { name, live, listed = [], goes = () => true, want } of [
  { name: "takes it that nothing is left", live: [], want: undefined },
  { name: "takes what the inventory lists", live: [service("a")], listed: [service("a")], want: undefined },
  {
    name: "names what it lacks, of all kinds",
    live: [service("a"), service("b"), definition(), namespace("flux-system")],
    listed: [service("a")],
    want: "CustomResourceDefinition/gitrepositories.source.toolkit.fluxcd.io, Namespace/flux-system, Service/flux-system/b",
  },
  {
    name: "counts what is too much to name",
    live: ["a", "b", "c", "d", "e", "f", "g"].map((one) => service(one)),
    want: "Service/flux-system/a, Service/flux-system/b, Service/flux-system/c and 4 more",
  },
  {
    name: "leaves out what a tenant labels",
    live: [service("a", { namespace: "b" }), namespace("b")],
    want: undefined,
  },
  {
    name: "leaves out what the user keeps",
    live: [service("a", { annotations: { "fluxcd.controlplane.io/prune": "disabled" } })],
    want: undefined,
  },
  {
    name: "leaves out what is being deleted",
    live: [service("a", { deletionTimestamp: "2026-01-01T00:00:00Z" })],
    want: undefined,
  },
  {
    name: "leaves out what the deletion policy keeps",
    live: [service("a"), definition()],
    goes: ({ kind }: { readonly kind: string }) => kind !== "CustomResourceDefinition",
    want: "Service/flux-system/a",
  },
]) {
  test(`refuseUnlisted() ${name}`, async () => {
    const client = tableClient(live);
    const asked = refuseUnlisted({ objects: listed.map(managed), goes }, world, { client }, signal);
    await (want === undefined ? asked : assert.rejects(asked, { name: "UnlistedError", message: said(want) }));
    assert.deepEqual([client.objects().map(nameObject), client.writes], [live.map(nameObject), []]);
  });
}
