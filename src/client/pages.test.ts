import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError } from "../../test/support/table-client.ts";
import type { KubeObject } from "../kube/object.ts";
import type { ApiClient } from "./api-client.ts";
import { listAll } from "./pages.ts";

const signal = new AbortController().signal;
const gvk = { group: "example.com", version: "v1", kind: "Thing" };

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

test("listAll() gives each object once, also when the list expires between two pages", async () => {
  assert.deepEqual(await listAll(gvk, {}, expiring, signal), [thing("x"), thing("y")]);
});
