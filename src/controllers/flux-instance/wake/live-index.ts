import { labels } from "../../../api/names.ts";
import type { Ledger } from "../../../apply/ledger.ts";
import type { Selection } from "../../../client/api-client.ts";
import type { LiveMetadata } from "../../../apply/planned-object.ts";
import { formatApiVersion, gvkOf, type GroupVersionKind } from "../../../kube/gvk.ts";
import { deploymentKind } from "../../../kube/kinds.ts";
import { formatObjectId, isBuiltInGroup, objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject, ObjectKey, ObjectMeta } from "../../../kube/object.ts";
import { readinessOf, type Readiness } from "../../../kube/readiness.ts";
import type { Informer, ObjectChange } from "../../../runtime/informer.ts";
import { deepEqual } from "../../../std/json.ts";
import { managedKinds } from "../managed-kinds.ts";

/**
 * Kinds whose managed objects are watched, so that drift is seen when it happens. Deployments are watched in full, since health
 * is read from their status; of the others metadata is enough. Kinds that Flux itself brings are not served before it is there.
 */
export const watchedKinds: readonly GroupVersionKind[] = managedKinds.map(({ group, version, kind }) => ({
  group,
  version,
  kind,
}));

/** Whether the health of the kind's objects is reported: Deployments, and the sync objects. Of other kinds metadata is enough. */
export function hasHealth(gvk: GroupVersionKind): boolean {
  return gvk.kind === deploymentKind.kind || !isBuiltInGroup(formatApiVersion(gvk));
}

/**
 * The objects that the instances of this namespace own. Their own labels select them, since the user may set any other; and all that is in a
 * namespace is in theirs, so that nobody fills our memory with objects that carry the labels elsewhere.
 */
export function managedSelection(namespace: string): Pick<Selection, "namespace" | "labelSelector"> {
  return { namespace, labelSelector: `${labels.ownerName},${labels.ownerNamespace}` };
}

/** Keeps a watched object whole, since managedFields distinguish a new status from a change by another client. */
export function keepWhole(object: KubeObject): KubeObject {
  return object;
}

/** The live objects that we manage, as the watches know them. */
export type LiveIndex = {
  /** Metadata of the objects of one instance. */
  metadata(owner: ObjectKey): LiveMetadata;
  /** The whole Deployment; undefined when the watch does not know it. */
  deployment(key: ObjectKey): KubeObject | undefined;
  /** The kinds that cannot be watched, each as a sentence, sorted. */
  troubles(): readonly string[];
};

/**
 * What a watch that has failed once knew is left out until the next one is accepted: then nobody knows what has changed since, and whoever asks
 * for these objects must ask the API server. `informers` run for the life of the process; `followed` has those that run only while their kind is
 * served.
 */
export function createLiveIndex(
  informers: readonly Informer[],
  followed: { readonly informers: readonly Informer[] },
): LiveIndex {
  const deployments = informers.find((informer) => informer.gvk.kind === deploymentKind.kind);
  return {
    metadata: (owner) =>
      new Map(
        [...informers, ...followed.informers]
          .filter(({ isTrusted }) => isTrusted)
          .flatMap((informer) => informer.list())
          .filter((object) => ownerOf(object)?.name === owner.name && ownerOf(object)?.namespace === owner.namespace)
          .map((object): [string, ObjectMeta] => [formatObjectId(objectIdOf(object)), object.metadata]),
      ),
    deployment: (key) => (deployments?.isTrusted === true ? deployments.get(key) : undefined),
    troubles: () => [...informers, ...followed.informers].flatMap(troubleOf).toSorted(),
  };
}

function troubleOf({ gvk, trouble }: Pick<Informer, "gvk" | "trouble">): readonly string[] {
  if (trouble === undefined) return [];
  const what = `${gvk.kind} is looked at only when the instance is reconciled, since it cannot be watched`;
  return [`${what}: ${trouble.message}; allow the operator to list and watch it`];
}

/**
 * The keys of the instances to reconcile after a change of a managed object: another client has changed it, or its health is another one. An
 * object that was given to another owner concerns both. One that nobody has applied concerns nobody, whatever its labels say, and one whose
 * repairs another client undoes waits for its next repair.
 */
export function keysOfDrift(
  change: ObjectChange,
  ledger: Pick<Ledger, "isDrift" | "has" | "isContested">,
): readonly ObjectKey[] {
  const { object } = change;
  const id = objectIdOf(object);
  if (!ledger.has(id)) return [];
  const live = change.kind === "deleted" ? undefined : object.metadata;
  if (ledger.isDrift(id, live)) return ledger.isContested(id) ? [] : ownersOf(change);
  if (change.kind !== "updated" || !hasHealth(gvkOf(object))) return [];
  return deepEqual(toldHealth(object), toldHealth(change.previous)) ? [] : ownersOf(change);
}

/** What of an object's health the instance tells at once: of sync objects also why they are not ready. */
function toldHealth(object: KubeObject): Partial<Readiness> {
  const { status, message } = readinessOf(object);
  return isBuiltInGroup(object.apiVersion) ? { status } : { status, message };
}

/** The owners before and after the change, each once. */
function ownersOf(change: ObjectChange): readonly ObjectKey[] {
  const states = change.kind === "updated" ? [change.previous, change.object] : [change.object];
  const owners = states.flatMap((state) => ownerOf(state) ?? []);
  return owners.filter(
    ({ namespace, name }, index) =>
      index === owners.findIndex((one) => one.name === name && one.namespace === namespace),
  );
}

function ownerOf(object: KubeObject): ObjectKey | undefined {
  const name = object.metadata.labels?.[labels.ownerName];
  const namespace = object.metadata.labels?.[labels.ownerNamespace];
  return name === undefined || namespace === undefined ? undefined : { namespace, name };
}
