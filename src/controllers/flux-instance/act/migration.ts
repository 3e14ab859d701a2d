// Tests: test/integration/migration.test.ts
import { instanceAnnotations } from "../../../api/names.ts";
import { migrationOf, type Migration } from "../../../apply/migrate/bridge.ts";
import { findLosses, type Loss } from "../../../apply/migrate/find-losses.ts";
import { MigrationError, type MigrationProgress } from "../../../apply/migrate/migrate.ts";
import type { PlannedObject } from "../../../apply/planned-object.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { isDefinition } from "../../../kube/definition.ts";
import type { KubeObject } from "../../../kube/object.ts";
import type { Target } from "../../../render/target.ts";
import { enumerate } from "../../../std/shorten.ts";
import { isForced, type World } from "../world.ts";

/** A migration with the desired CRD that needs it. */
export type PlannedMigration = Migration & { readonly definition: KubeObject };

/** What the CRDs of a plan mean for stored objects. */
export type MigrationOutlook = { readonly migrations: readonly PlannedMigration[]; readonly losses: readonly Loss[] };

/** Finds what has to happen to stored objects before the CRDs of the plan can be applied. Writes nothing. Throws as ApiClient. */
export async function foreseeMigration(
  planned: readonly PlannedObject[],
  deps: { readonly client: Pick<ApiClient, "listPage"> },
  signal: AbortSignal,
): Promise<MigrationOutlook> {
  const changing = planned.filter(({ object, action }) => isDefinition(object) && action !== "unchanged");
  const migrations = changing.flatMap(({ object, live }) => {
    const migration = live === undefined ? undefined : migrationOf(live, object);
    return migration === undefined ? [] : [{ ...migration, definition: object }];
  });
  return { migrations, losses: await findLosses(changing, deps, signal) };
}

/**
 * The migrations to carry out. Throws MigrationError when `spec.migrateResources` forbids one that is needed, or when objects would lose fields
 * and the user has not forced the reconcile.
 */
export function agreedMigrations(
  { migrations, losses }: MigrationOutlook,
  target: Target,
  world: World,
): readonly PlannedMigration[] {
  if (!target.spec.migrateResources) {
    const needed = migrations.filter(({ droppedStored }) => droppedStored.length > 0);
    if (needed.length > 0) throw notAllowed(needed, target);
  }
  if (losses.length > 0 && !isForced(world)) throw wouldLose(losses, target);
  return target.spec.migrateResources ? migrations : [];
}

/** The CRDs of the plan that exist already, and so may have objects. */
export function knownDefinitions(planned: readonly PlannedObject[]): readonly KubeObject[] {
  return planned.filter(({ object, live }) => isDefinition(object) && live !== undefined).map(({ object }) => object);
}

/** The progress message. It changes at most once for each kind, and only for kinds that have objects. */
export function migrationMessage({ kinds, of, objects }: MigrationProgress): string {
  return `Moving objects to the versions that are stored from now on: ${kinds} of ${of} kinds done, ${objects} objects`;
}

function notAllowed(migrations: readonly PlannedMigration[], { rendering }: Target): MigrationError {
  const kinds = migrations.map(({ kind, droppedStored }) => `${kind.kind} (${droppedStored.join(", ")})`).toSorted();
  return refusal(
    rendering.version,
    `objects are stored in versions that it no longer has: ${kinds.join(", ")}; set spec.migrateResources to true to have them moved`,
  );
}

const shownLosses = 10;

function wouldLose(losses: readonly Loss[], { rendering }: Target): MigrationError {
  const lost = losses.map(({ object, fields }) => `${object} (${fields.join(", ")})`);
  return refusal(
    rendering.version,
    `objects would lose fields that it does not have: ${enumerate(lost, shownLosses)}; remove these fields, or accept the loss with the annotations ${instanceAnnotations.forceAt} and ${instanceAnnotations.requestedAt} set to the same new value`,
  );
}

function refusal(version: string, why: string): MigrationError {
  return new MigrationError({
    reason: "ReconciliationFailed",
    retry: "backoff",
    message: `Cannot change to Flux ${version}: ${why}; nothing was changed`,
  });
}
