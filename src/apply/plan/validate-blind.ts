import { Environment } from "@marcbachmann/cel-js";
import type { TLocalizedValidationError } from "typebox/error";
import { Errors } from "typebox/schema";
import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import { gvkOf } from "../../kube/gvk.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../kube/object.ts";
import { fieldOfPointer, joinField } from "../../std/json-pointer.ts";
import { isJsonObject } from "../../std/json.ts";

/**
 * What the schema in the CRD `definition` refuses of a custom resource that the API server cannot be asked about yet: "spec.url is required".
 * Defaults, unknown fields and CEL count as the API server counts them. What cannot be checked here (formats, rules about an older object,
 * rules that our CEL cannot evaluate) is left to it. Empty when nothing is wrong.
 */
export function schemaProblems(object: KubeObject, definition: KubeObject): readonly string[] {
  const { version } = gvkOf(object);
  const versions = listOf(fieldsOf(definition["spec"])["versions"]).map(fieldsOf);
  const found = versions.find((one) => one["name"] === version && one["served"] === true);
  if (found === undefined) return [`apiVersion ${object.apiVersion} is not served`];
  const schema = fieldsOf(fieldsOf(found["schema"])["openAPIV3Schema"]);
  const value = fieldsOf(withDefaults(object, schema));
  const [, errors] = Errors(rootSchema(schema), value);
  const problems = errors.flatMap(describe);
  return [...new Set(problems.length > 0 ? problems : brokenRules(value, schema, ""))].toSorted();
}

function withDefaults(value: JsonValue, schema: JsonObject): JsonValue {
  if (Array.isArray(value)) return value.map((item) => withDefaults(item, fieldsOf(schema["items"])));
  if (!isJsonObject(value)) return value;
  const properties = fieldsOf(schema["properties"]);
  const defaults = Object.entries(properties).flatMap(([name, property]): [string, JsonValue][] => {
    const byDefault = fieldsOf(property)["default"];
    return byDefault === undefined || value[name] !== undefined ? [] : [[name, byDefault]];
  });
  const entries = [...Object.entries(value), ...defaults];
  return Object.fromEntries(entries.map(([name, below]) => [name, withDefaults(below, schemaOf(name, schema))]));
}

function schemaOf(name: string, schema: JsonObject): JsonObject {
  return fieldsOf(fieldsOf(schema["properties"])[name] ?? schema["additionalProperties"]);
}

/** The API server validates apiVersion, kind and metadata itself. */
function rootSchema(schema: JsonObject): JsonObject {
  const root = jsonSchema(schema);
  return { ...root, properties: { ...fieldsOf(root["properties"]), apiVersion: true, kind: true, metadata: true } };
}

/**
 * JSON Schema for a structural schema (apiextensions v1 JSONSchemaProps): an object that does not say otherwise takes no other fields.
 * Source: apiextensions-apiserver pkg/apiserver/schema and pruning.
 */
function jsonSchema(schema: JsonObject): JsonObject {
  const {
    properties,
    items,
    additionalProperties: _other,
    type,
    enum: allowed,
    nullable,
    pattern,
    format: _,
    ...rest
  } = schema;
  const types =
    schema["x-kubernetes-int-or-string"] === true ? ["integer", "string"] : type === undefined ? [] : [type];
  const canBeNull = nullable === true;
  return {
    ...bounds(rest),
    ...(types.length === 0 ? {} : { type: canBeNull ? [...types, "null"] : types }),
    ...(allowed === undefined ? {} : { enum: canBeNull ? [...listOf(allowed), null] : allowed }),
    ...(typeof pattern === "string" && isPattern(pattern) ? { pattern } : {}),
    ...(items === undefined ? {} : { items: jsonSchema(fieldsOf(items)) }),
    ...(properties === undefined ? {} : { properties: mapValues(fieldsOf(properties), jsonSchema) }),
    ...otherFields(schema),
  };
}

function otherFields(schema: JsonObject): JsonObject {
  const { additionalProperties, type } = schema;
  if (type !== "object" || schema["x-kubernetes-preserve-unknown-fields"] === true) return {};
  if (isJsonObject(additionalProperties)) return { additionalProperties: jsonSchema(additionalProperties) };
  if (additionalProperties === true) return {};
  const embedded = schema["x-kubernetes-embedded-resource"] === true ? ["apiVersion", "kind", "metadata"] : [];
  const patternProperties = Object.fromEntries(embedded.map((name) => [`^${name}$`, true]));
  return { additionalProperties: false, ...(embedded.length === 0 ? {} : { patternProperties }) };
}

/** OpenAPI 3.0 writes an exclusive bound as a flag beside the bound. */
function bounds({ exclusiveMinimum, exclusiveMaximum, minimum, maximum, ...rest }: JsonObject): JsonObject {
  return {
    ...rest,
    ...(minimum === undefined ? {} : { [exclusiveMinimum === true ? "exclusiveMinimum" : "minimum"]: minimum }),
    ...(maximum === undefined ? {} : { [exclusiveMaximum === true ? "exclusiveMaximum" : "maximum"]: maximum }),
  };
}

/** Patterns are RE2's; one that JavaScript cannot compile is left to the API server. */
function isPattern(pattern: string): boolean {
  try {
    return new RegExp(pattern, "u").source !== "";
  } catch {
    return false;
  }
}

function mapValues(fields: JsonObject, change: (schema: JsonObject) => JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, change(fieldsOf(schema))]));
}

function describe(error: TLocalizedValidationError): readonly string[] {
  const field = fieldOfPointer(error.instancePath);
  if (error.keyword === "required")
    return error.params.requiredProperties.map((name) => `${joinField(field, name)} is required`);
  // TypeBox reports this for a map, too, of which only the value is wrong. An unknown field is reported as "boolean".
  if (error.keyword === "additionalProperties") return [];
  if (error.keyword === "boolean") return [`${field} is no field of this version`];
  if (error.keyword === "type") return [`${field} must be ${[error.params.type].flat().join(" or ")}`];
  if (error.keyword === "enum") return [`${field} must be one of ${error.params.allowedValues.map(String).join(", ")}`];
  return [`${field} ${error.message}`];
}

/** `x-kubernetes-validations` of a value that fits its schema. */
function brokenRules(value: JsonValue, schema: JsonObject, field: string): readonly string[] {
  const own = listOf(schema["x-kubernetes-validations"])
    .map(fieldsOf)
    .filter((rule) => isBroken(textOf(rule["rule"]), value))
    .map(
      (rule) => `${field === "" ? "the object" : field} is refused: ${textOf(rule["message"]) || textOf(rule["rule"])}`,
    );
  if (Array.isArray(value)) {
    const items = fieldsOf(schema["items"]);
    return [...own, ...value.flatMap((item, index) => brokenRules(item, items, `${field}[${index}]`))];
  }
  if (!isJsonObject(value)) return own;
  const below = Object.entries(value).flatMap(([name, one]) =>
    brokenRules(one, schemaOf(name, schema), joinField(field, name)),
  );
  return [...own, ...below];
}

const environment = new Environment().registerVariable("self", "dyn");

function isBroken(rule: string, self: JsonValue): boolean {
  if (/\boldSelf\b/.test(rule)) return false;
  try {
    return environment.parse(rule)({ self }) === false;
  } catch {
    return false; // A rule that our CEL cannot evaluate is left to the API server.
  }
}
