import { orEmptyPattern } from "../../src/api/schema/patterns.ts";
import type { ObjectSchema } from "../../src/api/schema/build.ts";
import { fluxInstanceSpecSchema } from "../../src/api/schema/spec.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/std/json.ts";
import type { ChartValue } from "./chart-values.ts";
import type { ForeignValue } from "./foreign-values.ts";

/** values.schema.json of a chart: draft 7, which every Helm 3 reads. A misspelt value is refused; those that are ignored may be anything. */
export function valuesSchema(values: readonly ChartValue[], foreign: readonly ForeignValue[]): JsonObject {
  const roots = new Set(foreign.map(({ value }) => value.split(".")[0] ?? ""));
  const strange = [...roots].filter((root) => !values.some(({ name }) => name === root));
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    type: "object",
    additionalProperties: false,
    properties: {
      ...Object.fromEntries(values.map((value) => [value.name, schemaOf(value)])),
      ...Object.fromEntries(strange.map((root) => [root, { description: "Has no effect.", type: "object" }])),
      global: { description: "What Helm hands to the charts within a chart.", type: "object" },
    },
  };
}

/** The part of the declaration of FluxInstance that a chart's value `instance` follows. */
export const instanceValue = "instance";

/** One value of a chart as JSON Schema. */
export function schemaOf(value: ChartValue): JsonObject {
  const { description, members, default: byDefault, schema } = value;
  const words = description === "" ? {} : { description };
  if (value.path === instanceValue) return { ...words, ...writtenBySpec(fluxInstanceSpecSchema) };
  if (members === undefined) return { ...words, type: typeOf(byDefault), default: byDefault, ...schema };
  return {
    ...words,
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(members.map((member) => [member.name, schemaOf(member)])),
  };
}

/** The type of a value by its default. */
export function typeOf(value: JsonValue): string {
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

/** Keywords of the declaration that JSON Schema does not have, and what holds for stored objects only. */
const dropped = new Set(["required", "default", "absent", "listKeys", "words", "orMap", "format"]);

/**
 * A node of the declaration as the chart takes it: empty means not set, and what must be there may come from the chart's defaults. Items of lists
 * have no defaults, and are as the API server wants them.
 */
function writtenBySpec(node: JsonObject | ObjectSchema): JsonObject {
  const { properties, type, enum: choices, pattern } = node;
  const isText = type === "string";
  const kept = Object.entries(node).filter(([keyword]) => !dropped.has(keyword) && !keyword.startsWith("x-"));
  return {
    ...(Object.fromEntries(
      kept.filter(([keyword]) => keyword !== "minLength" && keyword !== "minItems"),
    ) as JsonObject),
    ...(isText && Array.isArray(choices) && { enum: [...new Set([...choices, ""])] }),
    ...(isText && typeof pattern === "string" && { pattern: orEmptyPattern(pattern) }),
    ...(isJsonObject(properties) && { properties: mapMembers(properties, writtenBySpec) }),
    ...(isJsonObject(node["items"]) && { items: asDeclared(node["items"]) }),
  };
}

function asDeclared(node: JsonObject): JsonObject {
  const { properties, items } = node;
  const kept = Object.entries(node).filter(
    ([keyword]) => keyword === "required" || (!dropped.has(keyword) && !keyword.startsWith("x-")),
  );
  return {
    ...Object.fromEntries(kept),
    ...(isJsonObject(properties) && { properties: mapMembers(properties, asDeclared) }),
    ...(isJsonObject(items) && { items: asDeclared(items) }),
  };
}

function mapMembers(members: JsonObject, map: (node: JsonObject) => JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(members).map(([name, member]) => [name, isJsonObject(member) ? map(member) : member]),
  );
}

/** What the declaration says of the value at `path` ("instance.sync.url"); undefined where it has none. */
export function declaredDescription(path: string): string | undefined {
  const [root, ...names] = path.split(".");
  if (root !== instanceValue) return undefined;
  let node: unknown = fluxInstanceSpecSchema;
  for (const name of names) {
    const { properties } = isJsonObject(node) ? node : {};
    node = isJsonObject(properties) ? properties[name] : undefined;
  }
  const description = isJsonObject(node) ? node["description"] : undefined;
  return typeof description === "string" ? description : undefined;
}
