import { formatApiVersion } from "../kube/gvk.ts";
import type { GroupVersionKind } from "../kube/gvk.ts";
import type { KubeObject } from "../kube/object.ts";
import { isJsonObject } from "../std/json.ts";
import type { ObjectPage } from "./api-client.ts";
import { ConnectionError } from "./api-error.ts";

/**
 * An object from an answer, unchanged but for apiVersion and kind: items of lists have neither, and metadata-only answers say
 * PartialObjectMetadata. Throws ConnectionError when it has no name.
 */
export function toKubeObject(value: unknown, { gvk, action }: { gvk: GroupVersionKind; action: string }): KubeObject {
  if (!isJsonObject(value) || !isJsonObject(value["metadata"]) || typeof value["metadata"]["name"] !== "string") {
    throw new ConnectionError(action, "the answer is no Kubernetes object");
  }
  // It is checked as far as we rely on it; the rest is opaque.
  return { ...value, apiVersion: formatApiVersion(gvk), kind: gvk.kind } as KubeObject;
}

/** A page from the answer to a list. Throws ConnectionError when it is no list. */
export function toPage(value: unknown, of: { gvk: GroupVersionKind; action: string }): ObjectPage {
  if (!isJsonObject(value) || !isJsonObject(value["metadata"]))
    throw new ConnectionError(of.action, "the answer is no list");
  const { resourceVersion, continue: next } = value["metadata"];
  const items: unknown = value["items"] ?? [];
  if (!Array.isArray(items)) throw new ConnectionError(of.action, "the answer is no list");
  return {
    items: items.map((item: unknown) => toKubeObject(item, of)),
    resourceVersion: typeof resourceVersion === "string" ? resourceVersion : "",
    next: typeof next === "string" && next !== "" ? next : undefined,
  };
}
