import type { ApiClient } from "../../src/client/api-client.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { apiError } from "./table-client.ts";

/** A Thing with a field that is old. */
export function thing(name: string): KubeObject {
  return { apiVersion: "example.com/v1", kind: "Thing", metadata: { name, namespace: "b" }, spec: { old: 1 } };
}

/** The second page comes too late, so that all is asked for once more. */
export const expiring: Pick<ApiClient, "listPage"> = {
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
