import assert from "node:assert/strict";
import { test } from "node:test";
import type { ApiResource } from "./api-resource.ts";
import { builtInKinds } from "./built-in-kinds.ts";
import { resourcePath } from "./resource-path.ts";

function kind(groupKind: string): ApiResource {
  const resource = builtInKinds.get(groupKind);
  assert.ok(resource);
  return resource;
}

for (const { name, got, want } of [
  { name: "of a core collection in all namespaces", got: resourcePath(kind("Secret"), {}), want: "/api/v1/secrets" },
  {
    name: "of an object in a namespace",
    got: resourcePath(kind("Deployment.apps"), { namespace: "a", name: "b", subresource: "status" }),
    want: "/apis/apps/v1/namespaces/a/deployments/b/status",
  },
  {
    name: "ignores the namespace of cluster-scoped kinds and escapes names",
    got: resourcePath(kind("ClusterRole.rbac.authorization.k8s.io"), { namespace: "a", name: "b:c/d" }),
    want: "/apis/rbac.authorization.k8s.io/v1/clusterroles/b%3Ac%2Fd",
  },
  {
    name: "leaves out what is not asked",
    got: resourcePath(kind("Pod"), {}, { labelSelector: "a in (b,c)", limit: 500, continue: undefined }),
    want: "/api/v1/pods?labelSelector=a+in+%28b%2Cc%29&limit=500",
  },
]) {
  test(`resourcePath() ${name}`, () => assert.equal(got, want));
}
