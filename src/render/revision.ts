import type { JsonValue, KubeObject } from "../kube/object.ts";
import { compareIds } from "../kube/order.ts";
import { sha256Digest } from "../std/digest.ts";
import { canonicalJson } from "../std/json.ts";

/** "v2.9.4@sha256:<64 hex>": the version and the digest of the objects' canonical JSON in the order of their ids. */
export function revisionOf(version: string, objects: readonly KubeObject[]): string {
  const texts = objects.toSorted(compareIds).map(canonicalText);
  return `v${version}@${sha256Digest(`[${texts.join(",")}]`)}`;
}

/** Specs of CRDs are shared by all renderings of a release and are nine tenths of the text. */
const specTexts = new WeakMap<object, string>();

function canonicalText(object: KubeObject): string {
  if (object.kind !== "CustomResourceDefinition") return canonicalJson(object);
  const members = Object.entries(object).map(([key, value]) => `${JSON.stringify(key)}:${memberText(key, value)}`);
  return `{${members.toSorted().join(",")}}`;
}

function memberText(key: string, value: JsonValue): string {
  return key === "spec" && typeof value === "object" && value !== null ? specText(value) : canonicalJson(value);
}

function specText(spec: object & JsonValue): string {
  const known = specTexts.get(spec);
  if (known !== undefined) return known;
  const text = canonicalJson(spec);
  specTexts.set(spec, text);
  return text;
}
