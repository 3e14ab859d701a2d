import assert from "node:assert/strict";
import { test } from "node:test";
import { expiring } from "../../../test/support/expiring-pages.ts";
import type { KubeObject } from "../../kube/object.ts";
import { findLosses } from "./find-losses.ts";

const signal = new AbortController().signal;

function definition(properties: { readonly [field: string]: object }): KubeObject {
  const schema = { openAPIV3Schema: { type: "object", properties: { spec: { type: "object", properties } } } };
  const versions = [{ name: "v1", served: true, storage: true, schema }];
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "things.example.com" },
    spec: { group: "example.com", names: { kind: "Thing", plural: "things" }, versions },
  } as unknown as KubeObject;
}

test("findLosses() names each object once, also when the list expires between two pages", async () => {
  const planned = {
    object: definition({}),
    action: "configure",
    live: definition({ old: { type: "integer" } }),
  } as const;
  assert.deepEqual(await findLosses([planned], { client: expiring }, signal), [
    { object: "Thing/b/x", fields: ["spec.old"] },
    { object: "Thing/b/y", fields: ["spec.old"] },
  ]);
});
