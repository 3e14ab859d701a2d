import { Errors } from "typebox/schema";
import { Settings } from "typebox/system";
import type { TLocalizedValidationError } from "typebox/error";
import { isJsonObject } from "../std/json.ts";
import { fieldOfPointer, joinField, parsePointer } from "../std/json-pointer.ts";
import { brokenRules, type Problem } from "./evaluate-rules.ts";
import { refProblems } from "./sync-ref.ts";
import type { Schema } from "./schema/build.ts";
import { patternMeaning, withoutEmpty } from "./schema/patterns.ts";

export type { Problem };

/** Keywords that bound a value of the right type. */
const bounds = new Set([
  "pattern",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "uniqueItems",
  "maxProperties",
  "minimum",
]);

/** How strict a check is. */
export type ProblemOptions = {
  /** "ignore" accepts lists and texts of any size and form. */
  readonly bounds: "hold" | "ignore";
};

/** Everything in `value` that the schema (up to 100 errors) or a rule refuses; empty when it is valid. */
export function problemsOf(schema: Schema, value: unknown, options: ProblemOptions): readonly Problem[] {
  // TypeBox stops at 8 errors, and has only this global setting. No other module sets it.
  Settings.Set({ maxErrors: 100 });
  const [, errors] = Errors(schema, value);
  const counted = options.bounds === "hold" ? errors : errors.filter(({ keyword }) => !bounds.has(keyword));
  const broken = [...counted.flatMap((error) => describe(error, value, schema)), ...refProblems(value)];
  const byRule = brokenRules(value, { tolerant: broken.length > 0 });
  const blamed = new Set(broken.map(({ field }) => field));
  return [...broken, ...byRule.filter(({ field }) => !blamed.has(field))];
}

function describe(error: TLocalizedValidationError, root: unknown, schema: Schema): readonly Problem[] {
  const field = fieldOfPointer(error.instancePath);
  if (error.keyword === "required") {
    return error.params.requiredProperties.map((name) => ({
      field: joinField(field, name),
      message: "is required: add it",
    }));
  }
  if (error.keyword === "additionalProperties") {
    const parent = valueAt(schema, error.schemaPath);
    const known =
      isJsonObject(parent) && isJsonObject(parent["properties"]) ? Object.keys(parent["properties"]) : undefined;
    // A map's values are refused one by one, each with an error of its own.
    if (known === undefined) return [];
    return error.params.additionalProperties.map((name) => ({
      field: joinField(field, name),
      message: unknownField(name, known),
    }));
  }
  const sentence = sentences[error.keyword];
  const value = valueAt(root, error.instancePath);
  const message = sentence === undefined ? `${quote(value)} ${error.message}` : sentence(value, boundOf(error.params));
  return message === undefined ? [] : [{ field, message }];
}

/** By keyword: what is wrong with `value`, given what the keyword demands. Undefined where another error says it. */
const sentences: { readonly [keyword: string]: (value: unknown, bound: string) => string | undefined } = {
  boolean: () => undefined,
  type: (value, bound) =>
    `must be ${typeNames[bound] ?? bound}, not ${typeName(value)}${bound === "string" && isBare(value) ? ": put it in quotes" : ""}`,
  enum: (value, bound) =>
    typeof value === "string" ? `is ${quote(value)}, which is none of those allowed: use ${bound}` : undefined,
  pattern: (value, bound) =>
    `is ${quote(value)}, which is not ${patternMeaning(bound) ?? `of the form ${withoutEmpty(bound)}`}`,
  maxLength: (_, bound) => `has more than the ${bound} characters allowed: shorten it`,
  minLength: () => "is empty: give it a value",
  maxItems: (_, bound) => `has more than the ${bound} items allowed: remove some`,
  minItems: () => "is an empty list: add an item or remove the field",
  maxProperties: (_, bound) => `has more than the ${bound} entries allowed: remove some`,
  uniqueItems: () => "has an item twice: list each once",
};

const typeNames: { readonly [type: string]: string } = {
  object: "a map",
  array: "a list",
  boolean: "true or false",
  string: "text",
  integer: "a whole number",
};

/** The one parameter of a keyword. */
function boundOf(params: object): string {
  const bound: unknown = Object.values(params)[0];
  if (Array.isArray(bound)) return bound.filter((choice) => choice !== "").join(", ");
  return typeof bound === "number" ? String(bound) : typeof bound === "string" ? bound : "";
}

function unknownField(name: string, known: readonly string[]): string {
  const near = known.find((other) => distance(name.toLowerCase(), other.toLowerCase()) <= 2);
  return near === undefined
    ? "is no field of FluxInstance in this version of the operator: remove it, or use a version that has it"
    : `is no field of FluxInstance: did you mean ${near}?`;
}

/** What YAML makes of text without quotes, such as 2.8 or on. */
function isBare(value: unknown): boolean {
  return typeof value === "number" || typeof value === "boolean";
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  return `the ${typeof value} ${quote(value)}`;
}

/** Values may be long, and a message may not. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 64 ? `${text.slice(0, 64)}...` : text;
}

function valueAt(root: unknown, pointer: string): unknown {
  return parsePointer(pointer).reduce<unknown>(
    (value, segment) => (typeof value === "object" && value !== null ? Reflect.get(value, segment) : undefined),
    root,
  );
}

/** Levenshtein distance; names of fields are short. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
