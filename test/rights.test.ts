import assert from "node:assert/strict";
import { test } from "node:test";
import type { Right } from "../src/controllers/flux-instance/rights/right.ts";
import { renderedIn } from "../scripts/rights/rendered.ts";
import { rightsFor } from "../scripts/rights/rights.ts";
import { defaultInstance, instanceWithoutRoles, rolesForOthers } from "../scripts/manifests/instance.ts";
import { canonicalInstance } from "../src/api/canonical.ts";
import { parseFluxInstance } from "../src/api/flux-instance.ts";
import { embeddedVersions, loadRelease } from "../src/distribution/load.ts";
import { nameObject } from "../src/kube/object-id.ts";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import { targetOf } from "../src/render/target.ts";
import { withRights } from "../scripts/rights/table.ts";
import { allows, requestsOf, type ResourceRequest } from "./support/rights.ts";

const rbacGroup = "rbac.authorization.k8s.io";
const rendered = renderedIn("gitops");
const own = rightsFor(rendered, "own");

function withVerb(rights: readonly Right[], verb: string): readonly JsonObject[] {
  return rights
    .filter(({ verbs }) => verbs.includes(verb))
    .map(({ scope, resources, names = ["any"] }) => ({ scope, resources, names }));
}

test("no right is a wildcard, and none lets the operator be another user, make tokens or run commands in pods", () => {
  const tooMuch = own.filter(
    ({ group, resources, verbs }) =>
      [group, ...resources, ...verbs].includes("*") ||
      ["impersonate", "deletecollection"].some((verb) => verbs.includes(verb)) ||
      ["pods/exec", "serviceaccounts/token", "users", "groups"].some((resource) => resources.includes(resource)),
  );
  assert.deepEqual(tooMuch, []);
});

test("the operator escalates the roles that it renders in its namespace, and no others", () => {
  assert.deepEqual(withVerb(own, "escalate"), [
    {
      scope: "cluster",
      resources: ["clusterroles"],
      names: ["crd-controller-gitops", "flux-edit-gitops", "flux-view-gitops"],
    },
  ]);
});

test("the operator binds the roles that its bindings refer to, and no others", () => {
  assert.deepEqual(withVerb(own, "bind"), [
    { scope: "cluster", resources: ["clusterroles"], names: ["cluster-admin", "crd-controller-gitops"] },
  ]);
});

test("the operator writes kinds without a namespace by name only, but for the instance and Flux's custom resources", () => {
  const unnamed = own.filter(
    ({ scope, names, verbs }) =>
      scope === "cluster" && names === undefined && verbs.some((verb) => !["get", "list", "watch"].includes(verb)),
  );
  assert.deepEqual([...new Set(unnamed.map(({ group, resources }) => group || resources.join()))].toSorted(), [
    "events",
    "fluxcd.controlplane.io",
    "helm.toolkit.fluxcd.io",
    "image.toolkit.fluxcd.io",
    "kustomize.toolkit.fluxcd.io",
    "notification.toolkit.fluxcd.io",
    "source.extensions.fluxcd.io",
    "source.toolkit.fluxcd.io",
  ]);
});

test("Secrets are read in the operator's namespace, and written nowhere", () => {
  const secrets = own.filter(({ group, resources }) => group === "" && resources.includes("secrets"));
  assert.deepEqual(
    secrets.map(({ scope, verbs }) => ({ scope, verbs })),
    [{ scope: "namespace", verbs: ["get", "list"] }],
  );
});

test("with cluster roles that others write, the operator lacks all that it needs to write them, and nothing else", () => {
  const external = rightsFor(rendered, "external");
  const lacking = own.filter((right) => !external.some(({ why }) => why === right.why));
  assert.deepEqual(
    lacking.map(({ group, resources, verbs }) => ({ group, resources, verbs })),
    [
      { group: rbacGroup, resources: ["clusterrolebindings"], verbs: ["get", "create", "patch", "delete"] },
      { group: rbacGroup, resources: ["clusterrolebindings"], verbs: ["create", "patch"] },
      { group: rbacGroup, resources: ["clusterroles"], verbs: ["get", "create", "patch", "delete"] },
      { group: rbacGroup, resources: ["clusterroles"], verbs: ["escalate"] },
      { group: rbacGroup, resources: ["clusterroles"], verbs: ["bind"] },
    ],
  );
});

test("an instance whose cluster roles others write renders all but these, and these are what the default instance renders", () => {
  const catalogue = { versions: embeddedVersions, load: (version: string) => loadRelease(version) };
  const namesOf = (instance: KubeObject): readonly string[] =>
    targetOf(canonicalInstance(parseFluxInstance(instance)), catalogue).rendering.objects.map(nameObject);
  const rest = namesOf(instanceWithoutRoles);
  assert.deepEqual(
    rest.filter((name) => name.startsWith("ClusterRole")),
    [],
  );
  assert.deepEqual([...rest, ...rolesForOthers().map(nameObject)].toSorted(), namesOf(defaultInstance).toSorted());
});

const right: Right = {
  scope: "namespace",
  group: "apps",
  resources: ["deployments"],
  verbs: ["patch"],
  names: ["web"],
  why: "tests",
};
const request: ResourceRequest = {
  verb: "patch",
  group: "apps",
  resource: "deployments",
  namespace: "gitops",
  name: "web",
};
for (const { name, asked, want } of [
  { name: "what it names", asked: request, want: true },
  { name: "not another verb", asked: { ...request, verb: "delete" }, want: false },
  { name: "not another group", asked: { ...request, group: "" }, want: false },
  { name: "not a subresource", asked: { ...request, resource: "deployments/scale" }, want: false },
  { name: "not another namespace", asked: { ...request, namespace: "default" }, want: false },
  { name: "not another object", asked: { ...request, name: "api" }, want: false },
]) {
  test(`allows() allows ${name}`, () => assert.equal(allows(right, asked, "gitops"), want));
}

const event = {
  stage: "ResponseComplete",
  verb: "patch",
  requestURI: "/",
  user: { username: "operator" },
  requestReceivedTimestamp: "",
  stageTimestamp: "",
  objectRef: { apiGroup: "apps", resource: "deployments", namespace: "gitops", name: "web" },
};
test("requestsOf() an apply that creates asks for both verbs", () => {
  assert.deepEqual(requestsOf({ ...event, responseStatus: { code: 201 } }), [request, { ...request, verb: "create" }]);
});
test("requestsOf() an apply that changes asks for one", () => {
  assert.deepEqual(requestsOf({ ...event, responseStatus: { code: 200 } }), [request]);
});
test("requestsOf() discovery asks for nothing", () => {
  const { objectRef: _, ...path } = event;
  assert.deepEqual(requestsOf({ ...path, verb: "get" }), []);
});
test("requestsOf() a question about one's own rights asks for nothing", () => {
  const objectRef = { apiGroup: "authorization.k8s.io", resource: "selfsubjectrulesreviews" };
  assert.deepEqual(requestsOf({ ...event, verb: "create", objectRef }), []);
});

test("withRights() refuses a document without its marks", () => {
  assert.throws(
    () => withRights("# Security\n", own),
    /^Error: Cannot write the table of rights: the document has no /,
  );
});
