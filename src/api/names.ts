/**
 * The API group of FluxInstance. All values in this file are relied on by users, dashboards and installations of the Go operator, and never
 * change.
 */
export const group = "fluxcd.controlplane.io";

/** The names of the kind FluxInstance. */
export const fluxInstance = {
  group,
  kind: "FluxInstance",
  listKind: "FluxInstanceList",
  plural: "fluxinstances",
  singular: "fluxinstance",
  /** The name of the one instance that a cluster may have. */
  name: "flux",
  storageApiVersion: `${group}/v1`,
  /** All served versions, the stored one first. */
  apiVersions: [`${group}/v1`, `${group}/v1alpha1`],
  crd: `fluxinstances.${group}`,
} as const;

/** The finalizer that keeps an instance until its removal is complete. */
export const finalizer = `${group}/finalizer`;

/** Field manager of server-side apply, value of `app.kubernetes.io/managed-by`, event source and leader lease. */
export const operatorName = "flux-operator";

/** The name of the ConfigMap beside the instance that records the last good revision. */
export const lastGoodName = "flux-operator-last-good";

/** Labels that are written to or read from managed objects. */
export const labels = {
  managedBy: "app.kubernetes.io/managed-by",
  instance: "app.kubernetes.io/instance",
  version: "app.kubernetes.io/version",
  partOf: "app.kubernetes.io/part-of",
  component: "app.kubernetes.io/component",
  ownerName: `${group}/name`,
  ownerNamespace: `${group}/namespace`,
} as const;

/** The labels of an object that the instance `owner` owns. */
export function ownerLabels(owner: { readonly namespace: string; readonly name: string }): {
  readonly [label: string]: string;
} {
  return { [labels.ownerName]: owner.name, [labels.ownerNamespace]: owner.namespace };
}

/** What the objects of the instance `owner` have in common: its labels and, where they are in one, its namespace. */
export function ownerOf({ namespace, name }: { readonly namespace: string; readonly name: string }): {
  readonly labels: { readonly [label: string]: string };
  readonly namespace: string;
} {
  return { labels: ownerLabels({ namespace, name }), namespace };
}

/** Annotations that are read on a FluxInstance. */
export const instanceAnnotations = {
  reconcile: `${group}/reconcile`,
  reconcileEvery: `${group}/reconcileEvery`,
  reconcileArtifactEvery: `${group}/reconcileArtifactEvery`,
  reconcileTimeout: `${group}/reconcileTimeout`,
  requestedAt: "reconcile.fluxcd.io/requestedAt",
  forceAt: "reconcile.fluxcd.io/forceAt",
} as const;

/** Annotations that are written to or read from managed objects. */
export const objectAnnotations = {
  prune: `${group}/prune`,
  deletionRetriedAt: `${group}/deletionRetriedAt`,
  revision: `${group}/revision`,
  shardRole: "sharding.fluxcd.io/role",
} as const;
