import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, specOf } from "../../../test/support/small-release.ts";
import type { ClusterSpec, Component } from "../../api/spec.ts";
import { managerOf, podTemplate } from "../deployment.ts";
import { readField } from "../edit.ts";
import { selectObjects } from "./select-objects.ts";
import { useCloudIdentity } from "./use-cloud-identity.ts";
import { useProxy } from "./use-proxy.ts";

const components: readonly Component[] = ["source-controller", "kustomize-controller"];
const context = (cluster: Partial<ClusterSpec>) =>
  contextOf(specOf({ cluster, components }), releaseOf("2.9.4", components));

function identified(cluster: Partial<ClusterSpec>) {
  const drafts = useCloudIdentity(selectObjects(context(cluster)), context(cluster));
  return drafts.flatMap(({ object }) => {
    if (object.kind === "ServiceAccount") return [object.metadata];
    if (object.kind === "Deployment") return [readField(object, [...podTemplate, "metadata", "labels"])];
    return [];
  });
}
const kustomize = [{ name: "kustomize-controller" }, { app: "kustomize-controller" }];

for (const { name, identity, want } of [
  {
    name: "annotates the ServiceAccount for EKS",
    identity: { aws: { roleARN: "arn:aws:iam::1:role/flux" } },
    want: [
      { name: "source-controller", annotations: { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/flux" } },
      { app: "source-controller" },
    ],
  },
  {
    name: "annotates the ServiceAccount and labels the pods for AKS",
    identity: { azure: { clientID: "c", tenantID: "t" } },
    want: [
      {
        name: "source-controller",
        annotations: { "azure.workload.identity/client-id": "c", "azure.workload.identity/tenant-id": "t" },
      },
      { app: "source-controller", "azure.workload.identity/use": "true" },
    ],
  },
  {
    name: "annotates the ServiceAccount for GKE",
    identity: { gcp: { serviceAccountEmail: "flux@p.iam.gserviceaccount.com" } },
    want: [
      {
        name: "source-controller",
        annotations: { "iam.gke.io/gcp-service-account": "flux@p.iam.gserviceaccount.com" },
      },
      { app: "source-controller" },
    ],
  },
]) {
  test(`useCloudIdentity() ${name}, and no other controller's`, () => {
    const identities = [{ components: ["source-controller"] as const, ...identity }];
    assert.deepEqual(identified({ identities }), [...want, ...kustomize]);
  });
}

test("useCloudIdentity() refuses two identities for one controller", () => {
  const aws = { roleARN: "arn:aws:iam::1:role/flux" };
  const identities = [
    { components, aws },
    { components: ["source-controller"] as const, aws },
  ];
  assert.throws(() => identified({ identities }), {
    reason: "BuildFailed",
    message:
      "Cannot build the instance: spec.cluster.identities[1].components source-controller already has an identity; " +
      "name each controller in one identity only",
  });
});

for (const { name, proxy, want } of [
  {
    name: "sets the variables and keeps the cluster's own names off the proxy",
    proxy: { http: "http://p:1", https: "http://p:2", noProxy: ["10.0.0.0/8", ".svc"] },
    want: [
      { name: "HTTP_PROXY", value: "http://p:1" },
      { name: "HTTPS_PROXY", value: "http://p:2" },
      { name: "NO_PROXY", value: "10.0.0.0/8,.svc,$(KUBERNETES_SERVICE_HOST),.corp.internal,.corp.internal." },
    ],
  },
  {
    name: "sets only what is given",
    proxy: { https: "http://p:2" },
    want: [
      { name: "HTTPS_PROXY", value: "http://p:2" },
      { name: "NO_PROXY", value: "$(KUBERNETES_SERVICE_HOST),.svc,.corp.internal,.corp.internal." },
    ],
  },
  { name: "adds nothing without a proxy", proxy: undefined, want: undefined },
]) {
  test(`useProxy() ${name}`, () => {
    const cluster = { domain: "corp.internal", ...(proxy === undefined ? {} : { proxy }) };
    const managers = useProxy(selectObjects(context(cluster)), context(cluster))
      .filter(({ object }) => object.kind === "Deployment")
      .map(({ object }) => managerOf(object)?.["env"]);
    assert.deepEqual(managers, [want, want]);
  });
}
