import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { diffObjects, newObjectLines } from "./object-diff.ts";

function secret(data: JsonObject, annotations: { readonly [key: string]: string } = {}): KubeObject {
  return { apiVersion: "v1", kind: "Secret", metadata: { name: "keys", annotations }, data };
}
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

test("diffObjects() tells which data of a Secret changed, and shows none of it", () => {
  const before = secret({ a: "c2VjcmV0", b: "b2xk", c: "Z29uZQ==" }, { [lastApplied]: "c2VjcmV0", note: "old" });
  const after = secret({ a: "c2VjcmV0", b: "bmV3", d: "YWRkZWQ=" }, { [lastApplied]: "bmV3", note: "new" });
  assert.deepEqual(diffObjects(before, after), [
    "@@ -3,9 +3,9 @@",
    " metadata:",
    "   name: keys",
    "   annotations:",
    `-    ${lastApplied}: "*** (before)"`,
    "-    note: old",
    `+    ${lastApplied}: "*** (after)"`,
    "+    note: new",
    " data:",
    '   a: "***"',
    '-  b: "*** (before)"',
    '-  c: "*** (before)"',
    '+  b: "*** (after)"',
    '+  d: "*** (after)"',
  ]);
});

test("newObjectLines() shows no data of a Secret", () => {
  const lines = newObjectLines({ ...secret({ a: "c2VjcmV0" }), stringData: { b: "secret" } });
  assert.deepEqual(lines.slice(-4), ["+data:", '+  a: "***"', "+stringData:", '+  b: "***"']);
});

test("diffObjects() leaves out status and what the API server writes by itself", () => {
  const before = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", uid: "1", resourceVersion: "7" } };
  const after = { ...before, metadata: { name: "a", uid: "2", resourceVersion: "8" }, status: { ready: true } };
  assert.deepEqual(diffObjects(before, after), []);
});
