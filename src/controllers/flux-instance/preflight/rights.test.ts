import assert from "node:assert/strict";
import { test } from "node:test";
import { releaseOf, specOf } from "../../../../test/support/small-release.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { accessesOf, type Access } from "../rights/access.ts";
import { neededFor } from "../rights/needed.ts";
import { worldOf } from "../world.ts";
import { findMissing, judgeRights, type MissingAccess } from "./rights.ts";
import type { Subject } from "./subject.ts";

const signal = new AbortController().signal;
const service: KubeObject = { apiVersion: "v1", kind: "Service", metadata: { name: "web", namespace: "gitops" } };
const own: KubeObject = {
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { name: "flux", namespace: "gitops" },
};
const stale = { inventory: { entries: [{ id: "gitops_old__Service", v: "v1" }] } };

function subject(given: Partial<Subject> & { readonly status?: JsonObject } = {}): Subject {
  const { status = {}, ...rest } = given;
  return {
    planned: [],
    isForbidden: false,
    world: worldOf({ ...own, status }, new Map(), "gitops"),
    target: {
      spec: specOf(),
      latestVersion: "2.9.4",
      release: releaseOf("2.9.4"),
      rendering: { version: "2.9.4", revision: "v2.9.4@sha256:0", objects: [service], images: [], patches: [] },
    },
    ...rest,
  };
}

const watchPods: Access = { scope: "namespace", verb: "watch", group: "", resource: "pods" };
const deleteServices: Access = { scope: "namespace", verb: "delete", group: "", resource: "services" };
const bindAdmin: Access = {
  scope: "cluster",
  verb: "bind",
  group: "rbac.authorization.k8s.io",
  resource: "clusterroles",
  name: "cluster-admin",
};
const remedy = "give it the rules that its manifests and its chart have (docs/security.md)";
const recreated: PlannedObject = { object: service, action: "recreate", live: service };

for (const { name, missing = {}, given = {}, want } of [
  { name: "finds nothing where nothing is missing", want: [] },
  {
    name: "refuses what the apply needs",
    missing: { now: [watchPods] },
    want: [{ kind: "refuse", text: `the operator may not watch pods in gitops; ${remedy}` }],
  },
  {
    name: "warns of what a removal needs",
    missing: { toDelete: [deleteServices] },
    want: [
      {
        kind: "warn",
        text: `the operator may not delete services in gitops, so that it can neither prune nor uninstall; ${remedy}`,
      },
    ],
  },
  {
    name: "refuses what a removal needs where the plan prunes",
    missing: { toDelete: [deleteServices] },
    given: { status: stale },
    want: [{ kind: "refuse", text: `the operator may not delete services in gitops; ${remedy}` }],
  },
  {
    name: "refuses what a removal needs where the plan recreates",
    missing: { toDelete: [deleteServices] },
    given: { planned: [recreated] },
    want: [{ kind: "refuse", text: `the operator may not delete services in gitops; ${remedy}` }],
  },
  { name: "grants what the API server lets it grant", missing: { toGrant: [bindAdmin] }, want: [] },
  {
    name: "names what it would need to grant where the API server refused",
    missing: { toGrant: [bindAdmin] },
    given: { isForbidden: true },
    want: [
      {
        kind: "refuse",
        text: `the operator may not bind clusterroles.rbac.authorization.k8s.io named cluster-admin; ${remedy}`,
      },
    ],
  },
] satisfies readonly {
  name: string;
  missing?: Partial<MissingAccess>;
  given?: Parameters<typeof subject>[0];
  want: readonly { kind: "refuse" | "warn"; text: string }[];
}[]) {
  test(`judgeRights() ${name}`, () => {
    const none: MissingAccess = { now: [], toDelete: [], toGrant: [] };
    assert.deepEqual(judgeRights({ ...none, ...missing }, subject(given)), want);
  });
}

const all = { resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }] };

test("findMissing() asks no further where the rules allow all", async () => {
  const asked: unknown[] = [];
  const review = async (kind: string, spec: JsonObject): Promise<JsonObject> => {
    asked.push([kind, spec]);
    return all;
  };
  assert.deepEqual(await findMissing(subject(), { review }, signal), { now: [], toDelete: [], toGrant: [] });
  assert.deepEqual(asked, [
    ["SelfSubjectRulesReview", { namespace: "gitops" }],
    ["SelfSubjectRulesReview", { namespace: "-" }],
  ]);
});

/** RBAC knows no rule; another authorizer allows all but one thing. */
async function allowAllButPods(kind: string, { resourceAttributes }: JsonObject): Promise<JsonObject> {
  if (kind === "SelfSubjectRulesReview") return { resourceRules: [], incomplete: true };
  return {
    allowed:
      JSON.stringify(resourceAttributes) !== '{"verb":"watch","group":"","resource":"pods","namespace":"gitops"}',
  };
}

test("findMissing() asks of each access that the rules lack, which another authorizer may allow", async () => {
  assert.deepEqual((await findMissing(subject(), { review: allowAllButPods }, signal)).now, [watchPods]);
});

function verbs(list: readonly Access[], wanted: string): readonly string[] {
  return list.filter(({ resource }) => resource === wanted).map(({ verb }) => verb);
}

test("neededFor() leaves out verbs that show by themselves before the first write", () => {
  const { now, toDelete, toGrant } = neededFor([service]);
  assert.deepEqual(
    { secrets: verbs(now, "secrets"), classes: verbs(now, "storageclasses"), services: verbs(now, "services") },
    { secrets: ["get"], classes: [], services: ["get", "list", "watch", "create", "patch"] },
  );
  assert.deepEqual([verbs(toDelete, "services"), toGrant], [["delete"], []]);
});

test("accessesOf() of an unnamed right has no name", () =>
  assert.deepEqual(accessesOf({ scope: "namespace", group: "", resources: ["pods"], verbs: ["watch"], why: "waits" }), [
    watchPods,
  ]));
