import type { KubeObject } from "./object.ts";

/** Group is "" for the core group. */
export type GroupKind = { readonly group: string; readonly kind: string };
export type GroupVersionKind = GroupKind & { readonly version: string };

/** Splits an `apiVersion` ("v1", "apps/v1"). Same reading as apimachinery's schema.ParseGroupVersion. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf("/");
  if (slash === -1) return { group: "", version: apiVersion };
  return { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

export function formatApiVersion(gv: { readonly group: string; readonly version: string }): string {
  return gv.group === "" ? gv.version : `${gv.group}/${gv.version}`;
}

export function gvkOf(object: Pick<KubeObject, "apiVersion" | "kind">): GroupVersionKind {
  return { ...parseApiVersion(object.apiVersion), kind: object.kind };
}

/** "Kind.group", the key of tables by kind; the core group leaves "Kind". */
export function groupKindKey(gk: GroupKind): string {
  return gk.group === "" ? gk.kind : `${gk.kind}.${gk.group}`;
}
