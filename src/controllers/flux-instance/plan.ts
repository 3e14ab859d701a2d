import type { ManagedObject } from "../../apply/inventory.ts";
import type { Loss } from "../../apply/migrate/find-losses.ts";
import type { PlannedObject } from "../../apply/planned-object.ts";
import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import { groupKindKey, type GroupKind } from "../../kube/gvk.ts";
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import type { Rendering } from "../../render/rendering.ts";
import { deepEqual } from "../../std/json.ts";
import { shorten } from "../../std/shorten.ts";

/** `status.plan`: what an installation, an upgrade or a new configuration changes, recorded before its first write. */
export type Plan = {
  /** Absent for an installation. */
  readonly from?: string;
  readonly to: string;
  readonly revision: string;
  /** When its first write was made (RFC 3339); absent while it waits, and when it was refused before that. */
  readonly startedAt?: string;
  readonly images: readonly PlannedImage[];
} & Partial<Consequences>;

/** One image: `name` is "repository:tag", and `digest` is absent when the image is not pinned. */
export type PlannedImage = { readonly name: string; readonly digest?: string };

/** What only the API server can tell; absent from the plan when it refuses the objects. */
export type Consequences = {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  /** "HelmRelease.helm.toolkit.fluxcd.io/v2beta1" */
  readonly droppedVersions: readonly string[];
  /** "HelmRelease/apps/web: spec.chart.spec.valuesFile" */
  readonly objectsLosingFields: readonly string[];
};

/** What dry-runs and the lists of stored objects say about a plan. */
export type Foreseen = {
  readonly planned: readonly PlannedObject[];
  readonly stale: readonly ManagedObject[];
  readonly migrations: readonly { readonly kind: GroupKind; readonly droppedStored: readonly string[] }[];
  readonly losses: readonly Loss[];
};

/** How many objects that lose fields are named; of the others the plan has only the number. */
const namedLosses = 50;

/** The plan for `rendering`. `from` is the version that runs, undefined before an installation. Without `foreseen` the plan has no consequences. */
export function planOf(rendering: Rendering, from: string | undefined, foreseen?: Foreseen): Plan {
  return {
    ...(from === undefined ? {} : { from }),
    to: rendering.version,
    revision: rendering.revision,
    images: plannedImages(rendering),
    ...(foreseen === undefined ? {} : consequencesOf(foreseen)),
  };
}

/** The images of `rendering`, as `status.plan` and `status.lastAppliedImages` list them. */
export function plannedImages({ images }: Rendering): readonly PlannedImage[] {
  return images.map(({ repository, tag, digest }) => ({
    name: `${repository}:${tag}`,
    ...(digest === undefined ? {} : { digest }),
  }));
}

function consequencesOf({ planned, stale, migrations, losses }: Foreseen): Consequences {
  const count = (...actions: readonly PlannedObject["action"][]): number =>
    planned.filter(({ action }) => actions.includes(action)).length;
  const named = losses.map(({ object, fields }) => `${object}: ${fields.join(", ")}`);
  return {
    added: count("create", "blind"),
    changed: count("configure", "migrate", "recreate"),
    removed: stale.length,
    droppedVersions: migrations
      .flatMap(({ kind, droppedStored }) => droppedStored.map((version) => `${groupKindKey(kind)}/${version}`))
      .toSorted(),
    objectsLosingFields: shorten(named, namedLosses),
  };
}

/**
 * The plan for status when `next` is about to be carried out and `recorded` is there. A plan that has begun stays as it was before it began,
 * since at a retry less is left to do. A new configuration on the way to the same version keeps its `startedAt`.
 */
export function followingPlan(recorded: Plan | undefined, next: Plan): Plan {
  if (recorded?.startedAt === undefined || recorded.to !== next.to) return next;
  return recorded.revision === next.revision ? recorded : { ...next, startedAt: recorded.startedAt };
}

/** Whether the change to the release of `rendering` has begun, so that it is better finished than stopped. */
export function hasBegun(recorded: Plan | undefined, rendering: Rendering): boolean {
  if (recorded?.startedAt === undefined || recorded.to !== rendering.version) return false;
  return (
    recorded.from !== recorded.to || deepEqual(imagesToJson(recorded.images), imagesToJson(plannedImages(rendering)))
  );
}

function imagesToJson(images: readonly PlannedImage[]): readonly JsonObject[] {
  return images.map((image) => ({ ...image }));
}

/** Reads `status.plan` as the API server returns it; undefined when there is none. */
export function readPlan(value: JsonValue | undefined): Plan | undefined {
  const fields = fieldsOf(value);
  const { added, changed, removed } = fields;
  const texts = { from: textOf(fields["from"]), startedAt: textOf(fields["startedAt"]) };
  if (textOf(fields["revision"]) === "") return undefined;
  return {
    ...(texts.from === "" ? {} : { from: texts.from }),
    to: textOf(fields["to"]),
    revision: textOf(fields["revision"]),
    ...(texts.startedAt === "" ? {} : { startedAt: texts.startedAt }),
    images: listOf(fields["images"]).map((image) => readImage(fieldsOf(image))),
    ...(typeof added === "number" && typeof changed === "number" && typeof removed === "number"
      ? { added, changed, removed, ...readNames(fields) }
      : {}),
  };
}

function readNames(fields: JsonObject): Pick<Consequences, "droppedVersions" | "objectsLosingFields"> {
  return {
    droppedVersions: listOf(fields["droppedVersions"]).map(textOf),
    objectsLosingFields: listOf(fields["objectsLosingFields"]).map(textOf),
  };
}

function readImage(fields: JsonObject): PlannedImage {
  const digest = textOf(fields["digest"]);
  return { name: textOf(fields["name"]), ...(digest === "" ? {} : { digest }) };
}
