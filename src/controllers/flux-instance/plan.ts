import type { ManagedObject } from "../../apply/inventory.ts";
import type { Loss } from "../../apply/migrate/find-losses.ts";
import type { PlannedObject } from "../../apply/planned-object.ts";
import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import { groupKindKey, type GroupKind } from "../../kube/gvk.ts";
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import type { Rendering } from "../../render/rendering.ts";
import { deepEqual } from "../../std/json.ts";
import { shorten } from "../../std/shorten.ts";

/** `status.plan`: what an installation, an upgrade or a new configuration does, before it does it. */
export type Plan = {
  /** Absent for an installation. */
  readonly from?: string;
  readonly to: string;
  readonly revision: string;
  /** When its first write was made; absent while it waits, and where it was refused before that. */
  readonly startedAt?: string;
  readonly images: readonly PlannedImage[];
} & Partial<Consequences>;

export type PlannedImage = { readonly name: string; readonly digest?: string };

/** What only the API server can tell; absent from the plan where it refuses the objects. */
export type Consequences = {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  /** "HelmRelease.helm.toolkit.fluxcd.io/v2beta1" */
  readonly droppedVersions: readonly string[];
  /** "HelmRelease/apps/web: spec.chart.spec.valuesFile" */
  readonly objectsLosingFields: readonly string[];
};

export type Foreseen = {
  readonly planned: readonly PlannedObject[];
  readonly stale: readonly ManagedObject[];
  readonly migrations: readonly { readonly kind: GroupKind; readonly droppedStored: readonly string[] }[];
  readonly losses: readonly Loss[];
};

/** So many objects that lose fields are named one by one. */
const namedLosses = 50;

/** `from` is the version that runs. */
export function planOf(rendering: Rendering, from: string | undefined, foreseen?: Foreseen): Plan {
  return {
    ...(from === undefined ? {} : { from }),
    to: rendering.version,
    revision: rendering.revision,
    images: plannedImages(rendering),
    ...(foreseen === undefined ? {} : consequencesOf(foreseen)),
  };
}

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
 * The plan to show when `next` is about to be carried out and `recorded` stands in status. What has begun is told as it was before it
 * began: at a retry less is left to do. A new configuration on the way to the same version does not begin anew.
 */
export function followingPlan(recorded: Plan | undefined, next: Plan): Plan {
  if (recorded?.startedAt === undefined || recorded.to !== next.to) return next;
  return recorded.revision === next.revision ? recorded : { ...next, startedAt: recorded.startedAt };
}

/** Whether the way to the release of `rendering` has begun, so that it is better finished than left. */
export function hasBegun(recorded: Plan | undefined, rendering: Rendering): boolean {
  if (recorded?.startedAt === undefined || recorded.to !== rendering.version) return false;
  return (
    recorded.from !== recorded.to || deepEqual(imagesToJson(recorded.images), imagesToJson(plannedImages(rendering)))
  );
}

function imagesToJson(images: readonly PlannedImage[]): readonly JsonObject[] {
  return images.map((image) => ({ ...image }));
}

/** As the API server has it; undefined where there is none. */
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
