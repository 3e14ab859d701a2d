import type { JsonObject, JsonValue } from "../std/json.ts";

export type { JsonObject, JsonValue } from "../std/json.ts";

/** One `metadata.managedFields` entry (KEP-555). `fieldsV1` is kept opaque. */
export type ManagedFieldsEntry = {
  readonly manager?: string;
  readonly operation?: string;
  readonly apiVersion?: string;
  readonly time?: string;
  readonly fieldsType?: string;
  readonly fieldsV1?: JsonObject;
  readonly subresource?: string;
};

/** `metadata` of an object (metav1.ObjectMeta), with the fields that are read. */
export type ObjectMeta = {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: { readonly [key: string]: string };
  readonly annotations?: { readonly [key: string]: string };
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly managedFields?: readonly ManagedFieldsEntry[];
  readonly [field: string]: JsonValue;
};

/** A Kubernetes object as raw JSON. Unknown fields are kept: this is no model of a kind. */
export type KubeObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: JsonValue;
};

/** Namespace and name of an object; `namespace` is "" for cluster-scoped ones. */
export type ObjectKey = { readonly namespace: string; readonly name: string };
