import { orEmptyPattern } from "./patterns.ts";

/**
 * A JSON Schema (draft 2020-12) of values of type `T`, which exists for the compiler only. The builders are ours and not
 * TypeBox's, which would import 370 modules (a third of what a CLI has to start) for eight keywords; TypeBox validates.
 */
export type Schema<T = unknown> = { readonly type?: string; readonly [keyword: string]: unknown } & {
  readonly [valueType]?: () => T;
};
declare const valueType: unique symbol;

/** A field that may be left out. */
export type Optional<S extends Schema> = { readonly optional: S };

/** The type of what a schema accepts. */
export type ValueOf<S extends Schema> = S extends Schema<infer T> ? T : never;

/**
 * Keywords beside JSON Schema's: `absent` is what a missing value means where the API server stores no default (shown
 * in the reference only), `listKeys` makes a list a map for server-side apply. `uniqueItems` becomes a set.
 */
export type FieldOptions = {
  readonly default?: unknown;
  readonly absent?: string;
  readonly listKeys?: readonly string[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
};

type Member = Schema | Optional<Schema>;
type Members = { readonly [name: string]: Member };
type OptionalNames<M extends Members> = { [Name in keyof M]: M[Name] extends Optional<Schema> ? Name : never }[keyof M];
type ObjectOf<M extends Members> = {
  readonly [Name in Exclude<keyof M, OptionalNames<M>>]: M[Name] extends Schema<infer T> ? T : never;
} & {
  readonly [Name in OptionalNames<M>]?: M[Name] extends Optional<Schema<infer T>> ? T : never;
};
/** An intersection as the one object type that it is. */
type Flat<T> = { [Name in keyof T]: T[Name] };

/** The schema of an object with named fields. */
export type ObjectSchema<T = unknown> = Schema<T> & { readonly properties: { readonly [name: string]: Schema } };

/** An object that has no fields but these. */
export function fields<M extends Members>(description: string, members: M): ObjectSchema<Flat<ObjectOf<M>>> {
  return { ...openFields(description, members), additionalProperties: false };
}

/** An object in which unknown fields, which a newer operator may have written, are accepted. */
export function openFields<M extends Members>(description: string, members: M): ObjectSchema<Flat<ObjectOf<M>>> {
  const entries = Object.entries<Member>(members);
  const required = entries.filter(([, member]) => !isOptional(member)).map(([name]) => name);
  return {
    type: "object",
    ...(required.length > 0 && { required }),
    properties: Object.fromEntries(
      entries.map(([name, member]) => [name, isOptional(member) ? member.optional : member]),
    ),
    description,
  };
}

/**
 * Marks a field that may be left out. Text may also be written as "", as charts do with what they leave out; `parseFluxInstance` takes it for
 * absent, so that the type need not know.
 */
export function optional<S extends Schema>(schema: S): Optional<S> {
  return { optional: schema.type === "string" ? orEmpty(schema) : schema };
}

function orEmpty<S extends Schema>(schema: S): S {
  const { enum: values, pattern } = schema;
  return {
    ...schema,
    ...(Array.isArray(values) && { enum: [...values, ""] }),
    ...(typeof pattern === "string" && { pattern: orEmptyPattern(pattern) }),
  };
}

function isOptional(member: Member): member is Optional<Schema> {
  return "optional" in member;
}

/** A string. */
export function text(description: string, options: FieldOptions = {}): Schema<string> {
  return { type: "string", description, ...options };
}

/**
 * Text or a map. A structural schema has no form for that, so the API server takes anything; `words` are for the reference, and `orMap` is for
 * the published types.
 */
export function textOr<T>(description: string, words: string, orMap: ObjectSchema<T>): Schema<string | T> {
  return { description, words, orMap, "x-kubernetes-preserve-unknown-fields": true };
}

/** true or false. */
export function flag(description: string, options: FieldOptions = {}): Schema<boolean> {
  return { type: "boolean", description, ...options };
}

/** A whole number from 0 on (int64). */
export function count(description: string): Schema<number> {
  return { type: "integer", description, format: "int64", minimum: 0 };
}

/** One of `values`. */
export function choice<const Value extends string>(
  description: string,
  values: readonly Value[],
  options: FieldOptions = {},
): Schema<Value> {
  return { enum: values, type: "string", description, ...options };
}

/** A list of `items`. */
export function list<T>(description: string, items: Schema<T>, options: FieldOptions = {}): Schema<readonly T[]> {
  return { type: "array", items, description, ...options };
}

/** A map from text to text, with at most `maxProperties` entries whose values `value` bounds. */
export function textMap(
  description: string,
  value: FieldOptions,
  maxProperties: number,
): Schema<{ readonly [key: string]: string }> {
  return { type: "object", description, maxProperties, additionalProperties: { type: "string", ...value } };
}
