// Tests: test/integration/migration.test.ts
import { consolidateStorage, type MigrateDeps } from "../../../apply/migrate/migrate.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import { isDefinition } from "../../../kube/definition.ts";
import type { Target } from "../../../render/target.ts";
import { errorMessage, ReasonedError } from "../../../std/errors.ts";
import { isForced, type World } from "../world.ts";
import { knownDefinitions } from "./migration.ts";

type PlannedTarget = { readonly planned: readonly PlannedObject[]; readonly target: Target; readonly world: World };

/**
 * Moves stored objects to the storage version of their kind, and resolves to what failed, in sentences. Only the next upgrade needs this, so a
 * failure does not fail the reconcile.
 */
export async function tidyStorage(
  { planned, target, world }: PlannedTarget,
  deps: MigrateDeps,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (!movesStorage(target, world)) return [];
  const all = target.rendering.objects.filter(isDefinition);
  try {
    await consolidateStorage(isForced(world) ? all : knownDefinitions(planned), deps, signal);
    return [];
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ReasonedError) && !(error instanceof AggregateError)) throw error;
    return [errorMessage(error)];
  }
}

/**
 * Whether stored objects are moved: `spec.migrateResources` asks for it, and this version is not the one that was both applied and attempted
 * last (after a failed upgrade it is not), or the reconcile is forced.
 */
export function movesStorage({ spec, rendering }: Target, world: World): boolean {
  const { lastAppliedVersion, lastAttemptedRevision = "" } = world.recorded;
  const isThere =
    lastAppliedVersion === rendering.version && lastAttemptedRevision.startsWith(`v${lastAppliedVersion}@`);
  return spec.migrateResources && (isForced(world) || !isThere);
}
