import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { labels } from "../../src/api/names.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { isReady, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";

const never = new AbortController().signal;
const services = { group: "", version: "v1", kind: "Service" };
const name = "source-controller";
const common = { [labels.managedBy]: "platform-team", [labels.partOf]: "platform", team: "platform" };

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster();
  await cluster.apply({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace },
    spec: {
      distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" },
      components: [name],
      commonMetadata: { labels: common },
    },
  });
  await cluster.instanceWhen("Ready", isReady);
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

for (const { label, value } of [
  { label: "team", value: "edited" },
  { label: labels.managedBy, value: null },
  { label: labels.partOf, value: "flux" },
  { label: labels.ownerName, value: "another" },
  { label: labels.ownerName, value: null },
  { label: labels.ownerNamespace, value: "another" },
  { label: labels.ownerNamespace, value: null },
]) {
  test(`a Service whose label ${label} becomes ${value ?? "absent"} is repaired at once, whatever labels the user has set`, async () => {
    const own = { gvk: services, key: { namespace, name } };
    const before = await cluster.client.get(services, own.key, never);
    const patch = { kind: "merge", value: { metadata: { labels: { [label]: value } } } } as const;
    await cluster.client.patch(own, patch, { fieldManager: "somebody" }, never);
    const isBack = ({ metadata }: KubeObject): boolean =>
      metadata.name === name && metadata.labels?.[label] === before.metadata.labels?.[label];
    await cluster.objectWhen(services, "as it was", isBack);
  });
}

test("kinds in namespaces are watched in the operator's namespace alone", async () => {
  const watches = (await cluster.plane.auditEvents()).filter(
    ({ verb, userAgent = "" }) => verb === "watch" && userAgent.startsWith("flux-operator/"),
  );
  const everywhere = watches.filter(({ objectRef }) => objectRef?.namespace === undefined);
  const resources = new Set(everywhere.map(({ objectRef }) => objectRef?.resource));
  assert.deepEqual([...resources].map((resource) => resource ?? "").toSorted(), [
    "clusterrolebindings",
    "clusterroles",
    "customresourcedefinitions",
    "fluxinstances",
    "namespaces",
  ]);
});
