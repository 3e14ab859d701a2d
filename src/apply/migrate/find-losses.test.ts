import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError } from "../../../test/support/table-client.ts";
import type { ApiClient } from "../../client/api-client.ts";
import type { KubeObject } from "../../kube/object.ts";
import { findLosses } from "./find-losses.ts";

const signal = new AbortController().signal;

function thing(name: string): KubeObject {
  return { apiVersion: "example.com/v1", kind: "Thing", metadata: { name, namespace: "b" }, spec: { old: 1 } };
}

/** The second page comes too late, so that all is asked for once more. */
const expiring: Pick<ApiClient, "listPage"> = {
  listPage: async (_gvk, { pageSize, continue: token }) => {
    if (token !== undefined) throw apiError(410, "Expired");
    const whole = pageSize === 0;
    return {
      items: whole ? [thing("x"), thing("y")] : [thing("x")],
      resourceVersion: "1",
      next: whole ? undefined : "next",
    };
  },
};

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
