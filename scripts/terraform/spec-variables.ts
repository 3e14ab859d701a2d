import type { ObjectSchema, Schema } from "../../src/api/schema/build.ts";
import { patternMeaning, withoutEmpty } from "../../src/api/schema/patterns.ts";
import { fluxInstanceSpecSchema } from "../../src/api/schema/spec.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/std/json.ts";
import { around, literal, objectOf, quoted, type Expression, type Member } from "./hcl.ts";
import type { Validation, Variable } from "./variable.ts";

/** The fields of the spec that have defaults; others are left out unless they are set, like `sync`. */
const alwaysSet = new Set(["distribution", "components", "cluster"]);

/** A variable for each field of the spec. `defaults` are those of the chart flux-instance, so that both ask for the same. */
export function specVariables(defaults: JsonObject): readonly Variable[] {
  return Object.entries(fluxInstanceSpecSchema.properties).map(([field, schema]) => {
    const chartDefault = defaults[field];
    return {
      name: snakeCase(field),
      description: described(schema["description"]),
      type: typeOf(schema, chartDefault),
      default: defaultOf(field, schema, chartDefault),
      nullable: !alwaysSet.has(field),
      validations: validationsOf(snakeCase(field), schema),
    };
  });
}

/** Names of the fields of the spec, and below each those of the fields that it has. */
export function specFields(): { readonly [field: string]: readonly string[] } {
  const properties = Object.entries<Schema>(fluxInstanceSpecSchema.properties);
  return Object.fromEntries(properties.map(([field, schema]) => [field, Object.keys(membersOf(schema))]));
}

/** "driftIgnore" as Terraform writes names: "drift_ignore". */
export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function defaultOf(field: string, schema: Schema, chartDefault: JsonValue | undefined): JsonValue {
  if (!alwaysSet.has(field)) return null;
  return schema.type === "object" ? {} : (chartDefault ?? null);
}

function typeOf(schema: Schema, chartDefault: JsonValue | undefined): Expression {
  switch (schema.type) {
    case undefined:
      return ["any"];
    case "boolean":
      return ["bool"];
    case "integer":
      return ["number"];
    case "array":
      return around("list(", typeOf(schema["items"] as Schema, undefined), ")");
    case "object":
      return "properties" in schema ? objectType(schema as ObjectSchema, chartDefault) : ["map(string)"];
    default:
      return ["string"];
  }
}

function objectType(schema: ObjectSchema, chartDefaults: JsonValue | undefined): Expression {
  const defaults = isJsonObject(chartDefaults) ? chartDefaults : {};
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const members = Object.entries(schema.properties).map(([name, member]): Member => {
    const type = typeOf(member, defaults[name]);
    const given = memberDefault(member, defaults[name], required.includes(name));
    if (given === "none") return { name, value: type };
    return { name, value: around("optional(", type, given === "null" ? ")" : `, ${given.text})`) };
  });
  return objectOf("object(", members, ")");
}

/** A field that must be there and that the chart has as "" is given so, unless it must not be empty. */
function memberDefault(
  schema: Schema,
  chartDefault: JsonValue | undefined,
  isRequired: boolean,
): "none" | "null" | { readonly text: string } {
  const isEmpty = chartDefault === undefined || ["", "[]", "{}"].includes(emptyText(chartDefault));
  if (!isEmpty && !isJsonObject(chartDefault)) return { text: literal(chartDefault) };
  if (!isRequired) return "null";
  return chartDefault === "" && schema["minLength"] === undefined ? { text: '""' } : "none";
}

const emptyText = (value: JsonValue): string => (value === "" ? "" : JSON.stringify(value));

/** What a plan checks: choices and forms of texts, in objects and in lists of texts. The API server checks the rest. */
function validationsOf(at: string, schema: Schema): readonly Validation[] {
  if (schema.type === "object")
    return Object.entries(membersOf(schema)).flatMap(([name, member]) => validationsOf(`${at}.${name}`, member));
  const value = `var.${at}`;
  if (schema.type !== "array")
    return checksOf(schema, value).map(({ condition, must }) => ({
      condition: `try(${value}, null) == null || can(${condition})`,
      message: sentence(`${at} must be ${must}`),
    }));
  return checksOf(schema["items"] as Schema, "item").map(({ condition, must }) => ({
    condition: `alltrue([for item in try(coalesce(${value}), []) : can(${condition})])`,
    message: sentence(`Each of ${at} must be ${must}`),
  }));
}

type Check = { readonly condition: string; readonly must: string };

/** Conditions that have no value where the text is wrong, so that `can` tells. */
function checksOf(schema: Schema, value: string): readonly Check[] {
  const { enum: choices, pattern } = schema;
  if (Array.isArray(choices)) {
    const words = choices.filter((choice) => choice !== "");
    return [{ condition: `index(${literal(choices)}, ${value})`, must: oneOf(words) }];
  }
  if (typeof pattern !== "string") return [];
  const must = patternMeaning(pattern) ?? `text that matches ${withoutEmpty(pattern)}`;
  return [{ condition: `regex(${quoted(pattern)}, ${value})`, must }];
}

function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function membersOf(schema: Schema): { readonly [name: string]: Schema } {
  return "properties" in schema ? (schema as ObjectSchema).properties : {};
}

const sentence = (words: string): string => (words.endsWith(".") ? words : `${words}.`);

function described(text: unknown): string {
  if (typeof text !== "string") throw new TypeError("Cannot describe a variable: its field has no description");
  return text;
}
