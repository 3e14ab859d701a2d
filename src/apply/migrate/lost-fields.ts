import { definedKind, versionsOf } from "../../kube/definition.ts";
import { fieldsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../kube/object.ts";
import { deepEqual, isJsonObject } from "../../std/json.ts";

/** How the schema of a kind's spec changes between two storage versions. */
export type SpecChange = { readonly from: JsonObject; readonly to: JsonObject };

/** What the storage versions of two CRDs say about `spec`. */
export function specChange(live: KubeObject, desired: KubeObject): SpecChange {
  return { from: storedSpec(live), to: storedSpec(desired) };
}

/** Whether an object may lose anything of its spec. */
export function narrows({ from, to }: SpecChange): boolean {
  if (keepsAll(to)) return false;
  if (keepsAll(from)) return true;
  const children = Object.entries(fieldsOf(from["properties"])).some(([name, child]) => {
    const next = childSchema(to, name);
    return next === undefined || narrows({ from: fieldsOf(child), to: next });
  });
  return children || narrowsWithin("items", { from, to }) || narrowsWithin("additionalProperties", { from, to });
}

/**
 * Paths of `spec` ("spec.chart.spec.valuesFile") that pruning by the new schema would drop, sorted. A value that is a default of the old schema
 * is no loss.
 */
export function lostFields(spec: JsonValue | undefined, change: SpecChange): readonly string[] {
  return [...new Set(lostBelow(spec, change, "spec"))].toSorted();
}

function lostBelow(value: JsonValue | undefined, { from, to }: SpecChange, path: string): readonly string[] {
  if (Array.isArray(value)) {
    const change = { from: fieldsOf(from["items"]), to: fieldsOf(to["items"]) };
    return value.flatMap((item: JsonValue) => lostBelow(item, change, `${path}[]`));
  }
  if (!isJsonObject(value) || keepsAll(to)) return [];
  return Object.entries(value).flatMap(([name, child]) => {
    const before = childSchema(from, name) ?? {};
    const after = childSchema(to, name);
    if (after !== undefined) return lostBelow(child, { from: before, to: after }, `${path}.${name}`);
    return deepEqual(child, before["default"]) ? [] : [`${path}.${name}`];
  });
}

function narrowsWithin(field: "items" | "additionalProperties", { from, to }: SpecChange): boolean {
  const inner = from[field];
  return isJsonObject(inner) && narrows({ from: inner, to: fieldsOf(to[field]) });
}

/** The schema of one member; undefined when pruning drops it. */
function childSchema(schema: JsonObject, name: string): JsonObject | undefined {
  const own = fieldsOf(schema["properties"])[name];
  if (own !== undefined) return fieldsOf(own);
  const others = schema["additionalProperties"];
  return others === undefined || others === false ? undefined : fieldsOf(others);
}

/** Members of an object of such a schema are never pruned. */
function keepsAll(schema: JsonObject): boolean {
  return schema["x-kubernetes-preserve-unknown-fields"] === true || schema["additionalProperties"] === true;
}

function storedSpec(definition: KubeObject): JsonObject {
  const { storage } = definedKind(definition);
  const version = versionsOf(definition).find((candidate) => textOf(candidate["name"]) === storage) ?? {};
  const schema = fieldsOf(fieldsOf(version["schema"])["openAPIV3Schema"]);
  return fieldsOf(fieldsOf(schema["properties"])["spec"]);
}
