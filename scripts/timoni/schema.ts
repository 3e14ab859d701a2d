import { isJsonObject, type JsonObject, type JsonValue } from "../../src/std/json.ts";
import { block, cueComment, cueLabel, cueMatch, cueValue } from "./cue.ts";

/** What stands under it in a schema is CUE already. */
export const cueKeyword = "x-cue";

/**
 * A JSON Schema as a CUE type, from the second line on indented by `indent`. Where `byDefault` has a value, that is the default; a field that is
 * neither required nor has one may be left out. Throws a TypeError for a type that it does not know.
 */
export function cueType(node: JsonObject, indent = "", byDefault?: JsonValue): string {
  const ready = node[cueKeyword];
  if (typeof ready === "string") return ready;
  if (isJsonObject(node["properties"])) return structOf(node, indent, isJsonObject(byDefault) ? byDefault : {});
  if (node["type"] === "object") return mapOf(node, indent);
  if (node["type"] === "array") return listOf(node, indent, byDefault);
  return withDefault(scalarOf(node), byDefault);
}

function structOf({ properties, required }: JsonObject, indent: string, defaults: JsonObject): string {
  const below = `${indent}\t`;
  const lines = Object.entries(isJsonObject(properties) ? properties : {}).map(([name, member]) => {
    if (!isJsonObject(member)) throw new TypeError(`Cannot make a CUE type: ${name} is no schema`);
    const byDefault = defaults[name];
    const needed = Array.isArray(required) && required.includes(name);
    const mark = byDefault !== undefined ? "" : needed ? "!" : "?";
    const description = typeof member["description"] === "string" ? member["description"] : "";
    return `${cueComment(description, below)}${cueLabel(name)}${mark}: ${cueType(member, below, byDefault)}`;
  });
  return block("{", lines, "}", indent);
}

function mapOf({ additionalProperties, maxProperties }: JsonObject, indent: string): string {
  const value = isJsonObject(additionalProperties) ? cueType(additionalProperties, indent) : "_";
  const bound = typeof maxProperties === "number" ? ` & struct.MaxFields(${maxProperties})` : "";
  return `{[string]: ${value}}${bound}`;
}

function listOf({ items, minItems, maxItems, uniqueItems }: JsonObject, indent: string, byDefault?: JsonValue): string {
  const type = [
    `[...${isJsonObject(items) ? cueType(items, indent) : "_"}]`,
    ...(typeof minItems === "number" ? [`list.MinItems(${minItems})`] : []),
    ...(typeof maxItems === "number" ? [`list.MaxItems(${maxItems})`] : []),
    ...(uniqueItems === true ? ["list.UniqueItems()"] : []),
  ];
  // An open list without items is an empty one.
  const isEmpty = Array.isArray(byDefault) && byDefault.length === 0;
  return withDefault(type, isEmpty ? undefined : byDefault);
}

function scalarOf(node: JsonObject): readonly string[] {
  const { type, enum: choices, pattern, minLength, maxLength, minimum, format } = node;
  if (Array.isArray(choices)) return [choices.map((choice) => cueValue(choice)).join(" | ")];
  if (format === "int-or-string") return ["int | string"];
  if (type === "string")
    return [
      "string",
      ...(typeof minLength === "number" ? [`strings.MinRunes(${minLength})`] : []),
      ...(typeof maxLength === "number" ? [`strings.MaxRunes(${maxLength})`] : []),
      ...(typeof pattern === "string" ? [cueMatch(pattern)] : []),
    ];
  if (type === "boolean") return ["bool"];
  if (type === "number") return ["number"];
  if (type === "integer") return ["int", ...(typeof minimum === "number" ? [`>=${minimum}`] : [])];
  // `textOr` is the one that declares no type.
  if (type === undefined) return ["string | {...}"];
  throw new TypeError(`Cannot make a CUE type of ${JSON.stringify(node)}`);
}

/** All of `type` must hold; or it is left out, and `byDefault` holds. */
function withDefault(type: readonly string[], byDefault?: JsonValue): string {
  if (byDefault === undefined) return type.join(" & ");
  const marked = cueValue(byDefault);
  const [only = ""] = type;
  if (type.length > 1) return `*${marked} | (${type.join(" & ")})`;
  // A choice that is the default already need not stand twice.
  const others = only.split(" | ").filter((choice) => choice !== marked);
  return [`*${marked}`, ...others].join(" | ");
}
