import { isDeepStrictEqual } from "node:util";
import { fieldsOf, listOf, textOf } from "../../../src/kube/fields.ts";
import { nameObject } from "../../../src/kube/object-id.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../../src/kube/object.ts";
import { canonicalJson } from "../../../src/std/json.ts";
import type { ControlPlane } from "../control-plane.ts";
import { listEvery } from "../snapshot.ts";

/** Kinds whose objects have names by chance, or come and go with others. */
const passing = new Set(["IPAddress", "ControllerRevision", "PersistentVolume"]);

/** Every object of the cluster, with its kind and version, but for what changes by itself. */
export async function listEverything(plane: ControlPlane): Promise<readonly KubeObject[]> {
  return (await listEvery(plane)).filter(({ kind }) => !passing.has(kind));
}

/** What names one state of each object: another uid is another object, anything else that differs a write. */
export function identitiesOf(all: readonly KubeObject[]): ReadonlyMap<string, string> {
  return new Map(
    all.filter((object) => !isRestless(object)).map((object) => [nameOf(object), canonicalJson(stateOf(object))]),
  );
}

/** What has a status is written by controllers of Kubernetes at any time: of that, all but what they wrote. */
function stateOf(object: KubeObject): JsonObject {
  const { metadata, status, ...rest } = object as KubeObject & JsonObject;
  const { uid, resourceVersion, managedFields, ...kept } = fieldsOf(metadata);
  if (status === undefined) return { uid: uid ?? "", resourceVersion: resourceVersion ?? "" };
  return { ...rest, metadata: { ...kept, uid: uid ?? "" }, writes: [...writesOf(managedFields)] };
}

/** What tells an object from another one of the same name. */
export function uidsOf(all: readonly KubeObject[]): ReadonlyMap<string, string> {
  return new Map(all.map((object) => [nameOf(object), object.metadata.uid ?? ""]));
}

/** Our namespace is labelled, the aggregated roles of the API server take in what Flux's roles grant. */
function isRestless({ kind, metadata, aggregationRule }: KubeObject): boolean {
  return (kind === "Namespace" && metadata.name === "flux-system") || aggregationRule !== undefined;
}

function nameOf(object: KubeObject): string {
  return `${object.apiVersion} ${nameObject(object)}`;
}

/** The object by name, without what differs from one installation of the same to the next. */
export function contentOf(object: KubeObject): readonly (readonly [string, string])[] {
  if (isRestless(object)) return [[nameOf(object), '"is there"']];
  const { metadata, status, ...rest } = object as KubeObject & JsonObject;
  const said = { ...rest, metadata: metadataOf(fieldsOf(metadata)), ...statusOf(object.kind, fieldsOf(status)) };
  return [[nameOf(object), canonicalJson(withoutChance(said))]];
}

function metadataOf(metadata: JsonObject): JsonObject {
  const { labels, annotations, finalizers, ownerReferences, deletionTimestamp, managedFields } = metadata;
  const { "reconcile.fluxcd.io/requestedAt": _, ...told } = fieldsOf(annotations);
  return {
    ...(labels === undefined ? {} : { labels }),
    annotations: told,
    finalizers: finalizers ?? [],
    owners: listOf(ownerReferences).map((owner) => textOf(fieldsOf(owner)["name"])),
    isEnding: deletionTimestamp !== undefined,
    managers: [
      ...new Set(writesOf(managedFields).map(({ manager, operation }) => `${textOf(manager)} ${textOf(operation)}`)),
    ].toSorted(),
  };
}

/** Who wrote what and when, but for Kubernetes itself: which part of it writes an object, and when, is a matter of moments. */
function writesOf(managedFields: JsonValue | undefined): readonly JsonObject[] {
  return listOf(managedFields)
    .map(fieldsOf)
    .filter(({ manager }) => !/^(kube-|kwok)/.test(textOf(manager)));
}

/** Of the status what tells that the work is done: what stays stored, and what the instance has, in which state. */
function statusOf(kind: string, status: JsonObject): JsonObject {
  if (kind === "CustomResourceDefinition") return { storedVersions: status["storedVersions"] ?? [] };
  if (kind !== "FluxInstance") return {};
  const { conditions, inventory, components, lastAppliedVersion, lastAppliedRevision, lastAttemptedRevision } = status;
  const states = listOf(conditions)
    .map(fieldsOf)
    .map(
      ({ type, status: value, reason, message }) =>
        `${textOf(type)}=${textOf(value)}/${textOf(reason)}: ${textOf(message)}`,
    );
  const known = { inventory, components, lastAppliedVersion, lastAppliedRevision, lastAttemptedRevision };
  return { states, ...(JSON.parse(JSON.stringify(known)) as JsonObject) };
}

/** Addresses that the API server draws, times, and how often the spec had changed when the same was last good. */
const drawn = new Set(["clusterIP", "clusterIPs", "nodePort", "uid", "firstReconciledAt", "at"]);

function withoutChance(value: JsonValue): JsonValue {
  if (typeof value === "string") return value.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z|(?<="generation":)\d+/g, "<any>");
  if (Array.isArray(value)) return value.map(withoutChance);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !drawn.has(key))
      .map(([key, inner]) => [key, withoutChance(inner ?? null)]),
  );
}

/** "<path> is <value>, not <value>" for each place in which what `contentOf` gave differs. */
export function differencesOf(
  found: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): readonly string[] {
  const names = [...new Set([...found.keys(), ...wanted.keys()])];
  return names.flatMap((name) => differences(parsed(found.get(name)), parsed(wanted.get(name)), name));
}

function parsed(text: string | undefined): JsonValue | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as JsonValue);
}

function at(value: object, key: string): JsonValue | undefined {
  return Object.entries(value).find(([name]) => name === key)?.[1] as JsonValue | undefined;
}

/** "<path> is <value>, not <value>" for each place in which two values differ. */
function differences(is: JsonValue | undefined, wanted: JsonValue | undefined, path: string): readonly string[] {
  if (isDeepStrictEqual(is, wanted)) return [];
  const [left, right] = [is, wanted].map((value) => (typeof value === "object" && value !== null ? value : undefined));
  if (left === undefined || right === undefined)
    return [`${path} is ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`];
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...keys].flatMap((key) => differences(at(left, key), at(right, key), `${path}.${key}`));
}
