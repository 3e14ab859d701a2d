import assert from "node:assert/strict";
import { test } from "node:test";
import { accessesOf, allows, describeAccesses, readRules, type Access, type Rule } from "./access.ts";

const role = { group: "rbac.authorization.k8s.io", resource: "clusterroles" };
const pods: Access = { scope: "namespace", verb: "watch", group: "", resource: "pods" };
const status: Access = { scope: "cluster", verb: "patch", group: "example.com", resource: "things/status" };
const one: Access = { scope: "cluster", verb: "patch", ...role, name: "crd-controller" };

function rule(verbs: string, groups: string, resources: string, names = ""): Rule {
  const [v = [], g = [], r = [], n = []] = [verbs, groups, resources, names].map((text) => text.split(" "));
  return { verbs: v, groups: g, resources: r, names: names === "" ? [] : n };
}

for (const { name, given, access, want } of [
  { name: "takes what the rule lists", given: rule("list watch", "apps ", "pods"), access: pods, want: true },
  { name: "refuses another verb", given: rule("list", "", "pods"), access: pods, want: false },
  { name: "refuses another group", given: rule("watch", "apps", "pods"), access: pods, want: false },
  { name: "refuses another resource", given: rule("watch", "", "services"), access: pods, want: false },
  { name: "takes every wildcard", given: rule("*", "*", "*"), access: pods, want: true },
  {
    name: "refuses all objects where the rule names some",
    given: rule("*", "*", "*", "web"),
    access: pods,
    want: false,
  },
  {
    name: "takes a name",
    given: rule("patch", role.group, "clusterroles", "a crd-controller"),
    access: one,
    want: true,
  },
  { name: "refuses another name", given: rule("patch", role.group, "clusterroles", "a"), access: one, want: false },
  {
    name: "takes a name where the rule has none",
    given: rule("patch", role.group, "clusterroles"),
    access: one,
    want: true,
  },
  {
    name: "refuses a subresource by its resource",
    given: rule("patch", "example.com", "things"),
    access: status,
    want: false,
  },
  {
    name: "takes a subresource of any resource",
    given: rule("patch", "example.com", "*/status"),
    access: status,
    want: true,
  },
  { name: "takes a subresource by the wildcard", given: rule("patch", "example.com", "*"), access: status, want: true },
]) {
  test(`allows() ${name}`, () => assert.equal(allows(given, access), want));
}

test("readRules() reads what the API server answers, and takes absent lists as empty", () =>
  assert.deepEqual(
    readRules({
      resourceRules: [
        { verbs: ["get"], apiGroups: [""], resources: ["secrets"], resourceNames: ["login"] },
        { verbs: ["list"], resources: null },
      ],
    }),
    [rule("get", "", "secrets", "login"), { verbs: ["list"], groups: [], resources: [], names: [] }],
  ));

test("accessesOf() is every verb on every resource and name, but for optional verbs", () =>
  assert.deepEqual(
    accessesOf({
      scope: "cluster",
      group: "g",
      resources: ["a", "b"],
      verbs: ["get", "list"],
      names: ["x", "y"],
      optional: ["list"],
      why: "needs it",
    }),
    [
      { scope: "cluster", verb: "get", group: "g", resource: "a", name: "x" },
      { scope: "cluster", verb: "get", group: "g", resource: "a", name: "y" },
      { scope: "cluster", verb: "get", group: "g", resource: "b", name: "x" },
      { scope: "cluster", verb: "get", group: "g", resource: "b", name: "y" },
    ],
  ));

test("describeAccesses() joins verbs on the same objects, and says where", () =>
  assert.deepEqual(
    describeAccesses(
      [
        pods,
        { ...pods, verb: "list" },
        one,
        { ...one, name: "a" },
        { ...one, verb: "get", name: "a" },
        { ...status, verb: "get" },
        { ...pods, resource: "services" },
        { ...pods, verb: "list", resource: "services" },
      ],
      "flux-system",
    ),
    [
      "get clusterroles.rbac.authorization.k8s.io named a",
      "get things/status.example.com",
      "patch clusterroles.rbac.authorization.k8s.io named a, crd-controller",
      "watch, list pods, services in flux-system",
    ],
  ));
