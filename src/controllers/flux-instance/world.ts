// Tests: src/controllers/flux-instance/decide/decide.test.ts
import { readAnnotations, type ReconcileSettings } from "../../api/annotations.ts";
import { canonicalInstance, type CanonicalInstance } from "../../api/canonical.ts";
import { parseStoredFluxInstance } from "../../api/flux-instance.ts";
import { ownerLabels } from "../../api/names.ts";
import type { LiveMetadata } from "../../apply/planned-object.ts";
import type { KubeObject, ObjectKey } from "../../kube/object.ts";
import { formatSelector } from "../../kube/selector.ts";
import { attempt } from "../../std/attempt.ts";
import type { ReasonedError } from "../../std/errors.ts";
import { trustedRecord, type LastGoodState } from "./last-good.ts";
import { readStatus, type FluxInstanceStatus } from "./status.ts";

/** All that a reconcile knows of the world when it decides; read once, by `gather`. */
export type World = {
  readonly key: ObjectKey;
  readonly instance: KubeObject;
  readonly generation: number;
  readonly settings: ReconcileSettings;
  /** What the spec asks for, read as a stored one; the error when it cannot be used. */
  readonly desired: CanonicalInstance | ReasonedError;
  /** What the instance's status says, which may have been written by the Go operator. */
  readonly recorded: FluxInstanceStatus;
  /** Metadata of the live objects that carry our owner labels. */
  readonly live: LiveMetadata;
  /** The kinds that cannot be watched, as sentences. */
  readonly unwatched: readonly string[];
  /** Who undoes our repairs of which objects, as sentences. */
  readonly contested: readonly string[];
  /** Which pods run other images than were applied, as a sentence; absent when none does, as far as is known. */
  readonly otherImages?: string;
  /** What the cluster's definition of FluxInstance lacks, as a sentence; undefined when it lacks nothing. */
  readonly olderDefinition: string | undefined;
  /** The last good revision, and the upgrade that has failed since. */
  readonly lastGood: LastGoodState;
  /** The operator's namespace, the only one in which an instance is reconciled. */
  readonly ownNamespace: string;
};

/**
 * The world from what was read. `live` is the metadata of the managed objects; `lastGood` is what the ConfigMap has, which counts only with the
 * digest that status has; it is not read for an instance in another namespace.
 * Pure: a spec that cannot be used becomes the error in `desired`.
 */
export function worldOf(
  instance: KubeObject,
  live: LiveMetadata,
  ownNamespace: string,
  lastGood: LastGoodState = { kind: "absent" },
): World {
  return {
    key: { namespace: instance.metadata.namespace ?? "", name: instance.metadata.name },
    instance,
    generation: instance.metadata.generation ?? 0,
    settings: readAnnotations(instance.metadata.annotations),
    desired: attempt(() => canonicalInstance(parseStoredFluxInstance(instance))),
    recorded: readStatus(instance["status"]),
    live,
    unwatched: [],
    contested: [],
    olderDefinition: undefined,
    lastGood: trustedRecord(lastGood, instance),
    ownNamespace,
  };
}

/** Label selector of the objects that the instance `key` owns. */
export function ownerSelector(key: ObjectKey): string {
  return formatSelector(ownerLabels(key));
}

/** Whether the user asks for this reconcile: `requestedAt` has not been handled yet. */
export function isRequested({ settings: { requestedAt }, recorded }: World): boolean {
  return requestedAt !== undefined && requestedAt !== recorded.lastHandledReconcileAt;
}

/** Whether the user forces this reconcile: `forceAt` equals `requestedAt`, and has not been handled yet. */
export function isForced({ settings, recorded }: World): boolean {
  const { forceAt, requestedAt } = settings;
  return forceAt !== undefined && forceAt === requestedAt && forceAt !== recorded.lastHandledForceAt;
}
