import type { KubeObject } from "./object.ts";

/** A kind; the core group is "". */
export type GroupKind = { readonly group: string; readonly kind: string };
/** A kind in one API version. */
export type GroupVersionKind = GroupKind & { readonly version: string };

/** Splits an `apiVersion` ("v1", "apps/v1"). Reads it as apimachinery's schema.ParseGroupVersion does. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf("/");
  if (slash === -1) return { group: "", version: apiVersion };
  return { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/** The reverse of `parseApiVersion`. */
export function formatApiVersion(gv: { readonly group: string; readonly version: string }): string {
  return gv.group === "" ? gv.version : `${gv.group}/${gv.version}`;
}

/** The kind and version of an object. */
export function gvkOf(object: Pick<KubeObject, "apiVersion" | "kind">): GroupVersionKind {
  return { ...parseApiVersion(object.apiVersion), kind: object.kind };
}

/** "Kind.group", the key of tables by kind; "Kind" for the core group. */
export function groupKindKey(gk: GroupKind): string {
  return gk.group === "" ? gk.kind : `${gk.kind}.${gk.group}`;
}
