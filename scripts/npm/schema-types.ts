import type { JsonObject } from "../../src/kube/object.ts";
import { isJsonObject } from "../../src/std/json.ts";
import { limitOf } from "../api-reference.ts";

/**
 * TypeScript declarations of `schema`: an interface an object, named by its path (`FluxInstanceSpecSync`), with the descriptions, defaults and
 * limits as comments. Narrower than the schema in two things: an optional text may not be "", which means the same as leaving it out, and what is
 * only read (`status`) has the known fields only, so that compilers find a wrong name.
 */
export function schemaTypes(name: string, schema: { readonly [keyword: string]: unknown }): string {
  if (!isJsonObject(schema)) throw new TypeError(`Cannot make types of ${name}: it has no schema`);
  return interfaces({ key: "", name, node: schema, isRead: false }).join("\n\n");
}

/** A node of the schema with the name that its interface has if it is an object. */
type Place = { readonly key: string; readonly name: string; readonly node: JsonObject; readonly isRead: boolean };

function interfaces(place: Place): readonly string[] {
  const members = membersOf(place);
  const { required, additionalProperties } = place.node;
  const isClosed = place.isRead || additionalProperties === false;
  const lines = members.flatMap((member) => {
    const mark = Array.isArray(required) && required.includes(member.key) ? "" : "?";
    return [...comment(meaningOf(member.node), "  "), `  readonly ${member.key}${mark}: ${typeOf(member)};`];
  });
  const own = [
    ...comment(meaningOf(place.node), ""),
    `export interface ${place.name} {`,
    ...lines,
    ...(isClosed ? [] : ["  readonly [field: string]: unknown;"]),
    "}",
  ];
  const below = members.map(objectIn).filter(isNamed).flatMap(interfaces);
  return [own.join("\n"), ...below];
}

function membersOf({ name, node, isRead }: Place): readonly Place[] {
  const { properties } = node;
  return Object.entries(isJsonObject(properties) ? properties : {}).map(([key, child]) => ({
    key,
    name: `${name}${key.charAt(0).toUpperCase()}${key.slice(1)}`,
    node: isJsonObject(child) ? child : {},
    isRead: isRead || key === "status",
  }));
}

/** What a list has in it, or what may be written instead of text; else the place itself. */
function objectIn(place: Place): Place {
  const { items, orMap } = place.node;
  const node = [items, orMap].find(isJsonObject);
  return node === undefined ? place : { ...place, node };
}

function isNamed({ node }: Place): boolean {
  return isJsonObject(node["properties"]);
}

function typeOf(place: Place): string {
  const { node, name } = place;
  if (isNamed(place)) return name;
  if (isJsonObject(node["orMap"])) return `string | ${name}`;
  if (Array.isArray(node["enum"]))
    return node["enum"].flatMap((value) => (value === "" ? [] : [JSON.stringify(value)])).join(" | ");
  if (node["type"] === "array") {
    const type = isJsonObject(node["items"]) ? typeOf(objectIn(place)) : "unknown";
    return type.includes(" ") ? `readonly (${type})[]` : `readonly ${type}[]`;
  }
  if (node["type"] === "object") {
    const type = isJsonObject(node["additionalProperties"]) ? "string" : "unknown";
    return `{ readonly [key: string]: ${type} }`;
  }
  const { type } = node;
  return (typeof type === "string" ? plainTypes[type] : undefined) ?? "unknown";
}

const plainTypes: { readonly [type: string]: string } = {
  string: "string",
  boolean: "boolean",
  integer: "number",
  number: "number",
};

function meaningOf(node: JsonObject): readonly string[] {
  const { description, default: stored, absent } = node;
  const meaning = `${typeof description === "string" ? description : ""}${limitOf(node)}`.trim();
  const ifLeftOut = stored ?? absent;
  const value = typeof ifLeftOut === "string" ? ifLeftOut : JSON.stringify(ifLeftOut);
  const isTold = value !== undefined && !["", "{}", "[]"].includes(value);
  return [...(meaning === "" ? [] : [meaning]), ...(isTold ? [`Default: ${value}`] : [])];
}

function comment(lines: readonly string[], indent: string): readonly string[] {
  const safe = lines.map((line) => line.replaceAll("*/", "*\\/"));
  if (safe.length === 0) return [];
  if (safe.length === 1) return [`${indent}/** ${safe.join("")} */`];
  return [`${indent}/**`, ...safe.map((line) => `${indent} * ${line}`), `${indent} */`];
}
