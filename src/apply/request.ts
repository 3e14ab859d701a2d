import type { ApiError } from "../client/api-error.ts";
import type { KubeObject, ObjectKey } from "../kube/object.ts";

/** Of every server-side apply, as the Go operator has it. */
export const fieldManager = "flux-operator";
/** Requests in flight at a time; more does not make the API server faster on two cores. */
export const requestLimit = 8;

export function keyOf(object: KubeObject): ObjectKey {
  return { namespace: object.metadata.namespace ?? "", name: object.metadata.name };
}

/** 4xx about the object itself, as opposed to a server that is busy or a permission that we lack. */
export function isVerdict(error: ApiError): boolean {
  return error.status >= 400 && error.status < 500 && ![401, 403, 408, 429].includes(error.status);
}
