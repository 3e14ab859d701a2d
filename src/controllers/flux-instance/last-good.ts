import { gunzipSync, gzipSync } from "node:zlib";
import { labels, lastGoodName, operatorName, ownerLabels } from "../../api/names.ts";
import type { ResolvedDigests } from "../../distribution/images.ts";
import type { Release } from "../../distribution/release.ts";
import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject, ObjectMeta } from "../../kube/object.ts";
import { sha256Digest } from "../../std/digest.ts";
import { ReasonedError } from "../../std/errors.ts";
import { canonicalJson, deepEqual, isJsonObject } from "../../std/json.ts";

/** The last revision that was applied and healthy (with `spec.wait: false`: applied), with all that it takes to render it again. */
export type LastGood = {
  /**
   * `spec` of the FluxInstance as the user wrote it. It is parsed again like any stored spec, so a newer operator adds the defaults of new
   * fields.
   */
  readonly spec: JsonObject;
  readonly release: Release;
  /** Absent when the release is embedded. */
  readonly artifactRevision?: string;
  /** Digests that the registry gave for its images; absent when they are the release's. */
  readonly digests?: ResolvedDigests;
  /** "2.9.4" */
  readonly version: string;
  /** "v2.9.4@sha256:<64 hex>" */
  readonly revision: string;
  /** The first generation of the instance that was applied as this revision. */
  readonly generation: number;
};

/**
 * The upgrade from the last good revision that failed. While generation, artifact, operator and revision are the same, it is not retried before
 * `retryAt`.
 */
export type FailedAttempt = {
  readonly generation: number;
  readonly artifactRevision?: string;
  readonly operatorVersion: string;
  readonly version: string;
  readonly revision: string;
  readonly reason: string;
  readonly message: string;
  /** The components whose images were rebuilt under the same tag; absent when there were none. */
  readonly rebuilt?: readonly string[];
  /** How often it has failed, from 1. */
  readonly attempts: number;
  /** RFC 3339. */
  readonly retryAt: string;
};

/** What the ConfigMap records: the last good revision, and the upgrade that has failed since. */
export type LastGoodRecord = { readonly good: LastGood; readonly failed?: FailedAttempt };

/** What is known of the record. */
export type LastGoodState =
  | { readonly kind: "absent" }
  | ({ readonly kind: "known" } & LastGoodRecord)
  /** It cannot be read or written, or its content is damaged, for instance by hand; `message` says what is wrong. */
  | { readonly kind: "damaged"; readonly message: string };

/** The record is too large for a ConfigMap. */
export class LastGoodError extends ReasonedError {}

const keys = { good: "lastGood.json", failed: "failedAttempt.json", release: "release.json.gz" } as const;

/** The API server takes 1 MiB with all metadata; a release is about 12 KiB. */
export const longestBytes = 900 * 1024;
/** No release is larger. Content that unpacks to more is damaged. */
const longestReleaseBytes = 64 * 1024 * 1024;

/**
 * The ConfigMap that keeps `record`. Its owner is `instance`, so Kubernetes deletes both together. Throws LastGoodError when it would be larger
 * than 900 KiB.
 */
export function encodeLastGood(instance: KubeObject, record: LastGoodRecord): KubeObject {
  const { namespace = "", name, uid = "" } = instance.metadata;
  const { data, packed, sizeBytes } = contentOf(record);
  if (sizeBytes > longestBytes) throw tooLarge(namespace, sizeBytes);
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: lastGoodName,
      namespace,
      labels: {
        [labels.managedBy]: operatorName,
        [labels.partOf]: "flux",
        ...ownerLabels({ namespace, name }),
      },
      ownerReferences: [{ apiVersion: instance.apiVersion, kind: instance.kind, name, uid }],
    },
    data,
    binaryData: { [keys.release]: packed.base64 },
  };
}

/** How large the record is in its ConfigMap, which takes at most `longestBytes`. */
export function lastGoodBytes(record: LastGoodRecord): number {
  return contentOf(record).sizeBytes;
}

type Content = {
  readonly data: { readonly [key: string]: string };
  readonly packed: Packed;
  readonly sizeBytes: number;
};

function contentOf({ good, failed }: LastGoodRecord): Content {
  const { release, ...facts } = good;
  const packed = packRelease(release);
  const data = {
    [keys.good]: canonicalJson({ ...facts, releaseDigest: packed.digest }),
    ...(failed === undefined ? {} : { [keys.failed]: canonicalJson({ ...failed }) }),
  };
  const sizeBytes = Object.values(data).reduce((sum, text) => sum + Buffer.byteLength(text), packed.base64.length);
  return { data, packed, sizeBytes };
}

/** What `configMap` records about `instance`; `absent` when it belongs to another instance of the same name. */
export function decodeLastGood(configMap: KubeObject, instance: KubeObject): LastGoodState {
  if (!belongsTo(configMap, instance)) return { kind: "absent" };
  try {
    const data = fieldsOf(configMap["data"]);
    const { releaseDigest, ...facts } = readGood(parseText(data, keys.good));
    const release = unpackRelease(textOf(fieldsOf(configMap["binaryData"])[keys.release]), releaseDigest);
    const failed = data[keys.failed] === undefined ? undefined : readFailed(parseText(data, keys.failed));
    return { kind: "known", good: { ...facts, release }, ...(failed === undefined ? {} : { failed }) };
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    return { kind: "damaged", message: damaged(configMap.metadata, error.message) };
  }
}

/**
 * Digest of all that is rendered from `good`: "sha256:<64 hex>". The operator pins it in `status.lastGoodDigest`, because every Flux controller
 * may write ConfigMaps, and what the record says is applied with the operator's rights.
 */
export function goodDigest(good: LastGood): string {
  return sha256Digest(canonicalJson(comparableGood(good)));
}

/** `state`, or `damaged` when its good revision is not the one whose digest is pinned in the status of `instance`. */
export function trustedRecord(state: LastGoodState, { metadata, status }: KubeObject): LastGoodState {
  if (state.kind !== "known" || goodDigest(state.good) === fieldsOf(status)["lastGoodDigest"]) return state;
  const configMap = { name: lastGoodName, namespace: metadata.namespace ?? "" };
  return { kind: "damaged", message: damaged(configMap, "it is not the record that status.lastGoodDigest names") };
}

/** Whether both records say the same. Releases are compared by digest, and the generation is ignored. */
export function sameRecord(left: LastGoodRecord, right: LastGoodRecord): boolean {
  return deepEqual(comparable(left), comparable(right));
}

function comparable({ good, failed }: LastGoodRecord): JsonValue {
  return { ...comparableGood(good), failed: failed === undefined ? null : { ...failed } };
}

function comparableGood(good: LastGood): JsonObject {
  return { ...good, generation: 0, release: packRelease(good.release).digest };
}

type Packed = { readonly base64: string; readonly digest: string };
const packs = new WeakMap<Release, Packed>();

/** Memoised by identity: the same release is compared at every reconcile. */
function packRelease(release: Release): Packed {
  const known = packs.get(release);
  if (known !== undefined) return known;
  const text = canonicalJson({ ...release });
  const packed = { base64: gzipSync(text, { level: 9 }).toString("base64"), digest: sha256Digest(text) };
  packs.set(release, packed);
  return packed;
}

/** Accepts only what `packRelease` has made: its digest is recorded beside it. */
function unpackRelease(base64: string, digest: string): Release {
  const text = unpack(base64);
  if (sha256Digest(text) !== digest) throw new DamagedError(`${keys.release} is not the release that was kept`);
  const release: unknown = JSON.parse(text);
  if (!isRelease(release)) throw new DamagedError(`${keys.release} has no release`);
  return release;
}

function unpack(base64: string): string {
  if (base64 === "") throw new DamagedError(`${keys.release} is missing`);
  try {
    return gunzipSync(Buffer.from(base64, "base64"), { maxOutputLength: longestReleaseBytes }).toString("utf8");
  } catch {
    throw new DamagedError(`${keys.release} cannot be unpacked`);
  }
}

function isRelease(value: unknown): value is Release {
  if (!isJsonObject(value)) return false;
  const lists = [value["rbac"], value["policies"], ...Object.values(fieldsOf(value["components"]))];
  return typeof value["version"] === "string" && isJsonObject(value["images"]) && lists.every(Array.isArray);
}

/** Says in a few words what is wrong; it becomes part of the state's message. */
class DamagedError extends Error {}

function damaged({ namespace, name }: Pick<ObjectMeta, "namespace" | "name">, why: string): string {
  return `Cannot use ConfigMap ${namespace}/${name}, which keeps what was last healthy: ${why}; it is rewritten after the next success, and until then a failed upgrade is not rolled back`;
}

function parseText(data: JsonObject, key: string): JsonObject {
  const text = textOf(data[key]);
  if (text === "") throw new DamagedError(`${key} is missing`);
  try {
    const value: unknown = JSON.parse(text);
    if (isJsonObject(value)) return value;
  } catch {
    throw new DamagedError(`${key} is no JSON`);
  }
  throw new DamagedError(`${key} is no JSON object`);
}

function readGood(fields: JsonObject): Omit<LastGood, "release"> & { readonly releaseDigest: string } {
  const { spec, artifactRevision, digests } = fields;
  if (!isJsonObject(spec)) throw new DamagedError(`${keys.good} has no spec`);
  return {
    spec,
    version: textIn(fields, keys.good, "version"),
    revision: textIn(fields, keys.good, "revision"),
    releaseDigest: textIn(fields, keys.good, "releaseDigest"),
    generation: numberIn(fields, keys.good, "generation"),
    ...(artifactRevision === undefined ? {} : { artifactRevision: textIn(fields, keys.good, "artifactRevision") }),
    ...(digests === undefined ? {} : { digests: readDigests(fieldsOf(digests)) }),
  };
}

function readDigests(fields: JsonObject): ResolvedDigests {
  return Object.fromEntries(Object.keys(fields).map((image) => [image, textIn(fields, keys.good, image)]));
}

function readFailed(fields: JsonObject): FailedAttempt {
  const { artifactRevision, rebuilt } = fields;
  return {
    generation: numberIn(fields, keys.failed, "generation"),
    ...(artifactRevision === undefined ? {} : { artifactRevision: textIn(fields, keys.failed, "artifactRevision") }),
    ...(rebuilt === undefined ? {} : { rebuilt: listOf(rebuilt).map(textOf) }),
    operatorVersion: textIn(fields, keys.failed, "operatorVersion"),
    version: textIn(fields, keys.failed, "version"),
    revision: textIn(fields, keys.failed, "revision"),
    reason: textIn(fields, keys.failed, "reason"),
    message: textIn(fields, keys.failed, "message"),
    attempts: numberIn(fields, keys.failed, "attempts"),
    retryAt: textIn(fields, keys.failed, "retryAt"),
  };
}

function textIn(fields: JsonObject, key: string, field: string): string {
  const value = textOf(fields[field]);
  if (value === "") throw new DamagedError(`${key} has no ${field}`);
  return value;
}

function numberIn(fields: JsonObject, key: string, field: string): number {
  const value = fields[field];
  if (typeof value !== "number") throw new DamagedError(`${key} has no ${field}`);
  return value;
}

function belongsTo({ metadata }: KubeObject, instance: KubeObject): boolean {
  const owners = listOf(metadata["ownerReferences"]).map(fieldsOf);
  return owners.length === 0 || owners.some(({ uid }) => uid === instance.metadata.uid);
}

function tooLarge(namespace: string, sizeBytes: number): LastGoodError {
  return new LastGoodError({
    reason: "ReconciliationFailed",
    retry: "backoff",
    message: `Cannot keep what was applied in ConfigMap ${namespace}/${lastGoodName}: it takes ${sizeBytes} of at most ${longestBytes} bytes; a failed upgrade is not rolled back while the spec or the release is so large`,
  });
}
