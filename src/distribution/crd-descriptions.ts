import { fieldsOf, listOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { isJsonObject } from "../std/json.ts";

/** Keywords of a schema whose value is a schema, a list of schemas, or a map of schemas. */
const nested: ReadonlySet<string> = new Set(["items", "additionalProperties", "not"]);
const lists: ReadonlySet<string> = new Set(["allOf", "anyOf", "oneOf"]);
const maps: ReadonlySet<string> = new Set(["properties", "patternProperties", "definitions"]);

/**
 * The fields of a CRD without the descriptions in its schemas, as `controller-gen crd:maxDescLen=0` writes them. Fields
 * that are named "description", and defaults and enumerations with such a member, stay.
 */
export function withoutDescriptions(crd: JsonObject): JsonObject {
  const spec = fieldsOf(crd["spec"]);
  const versions = listOf(spec["versions"]).map((version) => stripVersion(fieldsOf(version)));
  return { ...crd, spec: { ...spec, versions } };
}

function stripVersion(version: JsonObject): JsonObject {
  const { openAPIV3Schema } = fieldsOf(version["schema"]);
  return openAPIV3Schema === undefined ? version : { ...version, schema: { openAPIV3Schema: strip(openAPIV3Schema) } };
}

function strip(schema: JsonValue): JsonValue {
  if (!isJsonObject(schema)) return schema;
  const kept = Object.entries(schema).filter(([keyword]) => keyword !== "description");
  return Object.fromEntries(kept.map(([keyword, value]) => [keyword, stripKeyword(keyword, value)]));
}

function stripKeyword(keyword: string, value: JsonValue): JsonValue {
  if (nested.has(keyword)) return strip(value);
  if (lists.has(keyword)) return listOf(value).map(strip);
  if (!maps.has(keyword)) return value;
  return Object.fromEntries(Object.entries(fieldsOf(value)).map(([name, schema]) => [name, strip(schema)]));
}
