import { objectAnnotations } from "../../../api/names.ts";
import { conditionTypes } from "../../../api/reasons.ts";
import type { ManagedObject } from "../../../apply/inventory.ts";
import { requestLimit } from "../../../apply/request.ts";
import { findCondition } from "../../../kube/conditions.ts";
import { isDefinition, servedKind, type ServedKind } from "../../../kube/definition.ts";
import { fieldsOf } from "../../../kube/fields.ts";
import { keyOf, nameObject } from "../../../kube/object-id.ts";
import type { KubeObject, ObjectKey } from "../../../kube/object.ts";
import type { Target } from "../../../render/target.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { enumerate } from "../../../std/shorten.ts";
import { componentOf } from "../flux-controllers.ts";
import { kindOfDefinition, resourcesOf, type CustomResourceDeps } from "../remove/custom-resources.ts";
import type { World } from "../world.ts";

const namedAtMost = 5;

/** Whether resources may be labelled for a shard that does not exist: Deployments are pruned, or the Unattended condition is set already. */
export function mayHaveUnattended(stale: readonly ManagedObject[], { recorded }: World): boolean {
  const known = findCondition(recorded.conditions, conditionTypes.unattended) !== undefined;
  return known || stale.some(({ kind }) => kind === "Deployment");
}

/**
 * Unattended custom resources of Flux: those of `retained` CRDs, whose component is not installed, and with `strays` also those labelled for a
 * shard that does not exist. One sentence for each kind, sorted; empty when there are none. Throws as ApiClient.
 */
export async function readUnattended(
  {
    target,
    retained,
    strays,
  }: { readonly target: Target; readonly retained: readonly ManagedObject[]; readonly strays: boolean },
  world: World,
  deps: CustomResourceDeps,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const orphaned = await mapConcurrent(retained, requestLimit, async (definition) => {
    const kind = await kindOfDefinition(definition, world, deps, signal);
    if (kind === undefined) return [];
    return sentence(kind, await resourcesOf(kind, undefined, deps, signal), "their component is not installed");
  });
  const selector = strays ? strayedSelector(target) : undefined;
  if (selector === undefined) return orphaned.flat().toSorted();
  const strayed = await mapConcurrent(shardedKinds(target), requestLimit, async (kind) =>
    sentence(
      kind,
      await resourcesOf(kind, selector, deps, signal),
      "they are labelled for a shard that does not exist",
    ),
  );
  return [...orphaned.flat(), ...strayed.flat()].toSorted();
}

/**
 * Controllers that are scaled to 0, by a patch of the spec or, where `driftIgnore` allows that, by others: one sentence for each, sorted. `live` is
 * what the watch knows of a Deployment.
 */
export function scaledToNothing(
  { rendering: { objects } }: Target,
  live: (key: ObjectKey) => KubeObject | undefined,
): readonly string[] {
  const idle = objects
    .filter(({ kind }) => kind === "Deployment")
    .filter((object) => fieldsOf((live(keyOf(object)) ?? object)["spec"])["replicas"] === 0);
  return idle.map((object) => `the resources of ${nameObject(object)}: it is scaled to 0`).toSorted();
}

/** Undefined without shards: then the controllers reconcile every object, whatever its label. */
function strayedSelector({ spec: { sharding } }: Target): string | undefined {
  if (sharding === undefined || sharding.shards.length === 0) return undefined;
  return `${sharding.key},${sharding.key} notin (${sharding.shards.join(",")})`;
}

/** Kinds of the components that run in shards; the other components reconcile every object. */
function shardedKinds({ rendering: { objects } }: Target): readonly ServedKind[] {
  const sharded = new Set(objects.filter(isShard).map(componentOf));
  return objects
    .filter((object) => isDefinition(object) && sharded.has(componentOf(object)))
    .flatMap((definition) => servedKind(definition) ?? []);
}

function isShard({ kind, metadata }: KubeObject): boolean {
  return kind === "Deployment" && metadata.annotations?.[objectAnnotations.shardRole] === "shard";
}

function sentence({ plural }: ServedKind, items: readonly KubeObject[], why: string): readonly string[] {
  if (items.length === 0) return [];
  const names = items.map(({ metadata }) => `${metadata.namespace ?? ""}/${metadata.name}`).toSorted();
  return [`${items.length} ${plural} (${enumerate(names, namedAtMost)}): ${why}`];
}
