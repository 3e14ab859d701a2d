import * as Type from "typebox";
import type { Static, TObject, TProperties, TSchema, TUnsafe } from "typebox";

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

export type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** The type of what a schema accepts. */
export type ValueOf<Schema extends TSchema> = DeepReadonly<Static<Schema>>;

/** An object that has no fields but these. */
export function fields<P extends TProperties>(description: string, properties: P): TObject<P> {
  return Type.Object(properties, { description, additionalProperties: false });
}

/** An object in which fields that a newer operator wrote are let through. */
export function openFields<P extends TProperties>(description: string, properties: P): TObject<P> {
  return Type.Object(properties, { description });
}

export function text(description: string, options: FieldOptions = {}) {
  return Type.String({ description, ...options });
}

export function flag(description: string, options: FieldOptions = {}) {
  return Type.Boolean({ description, ...options });
}

export function count(description: string) {
  return Type.Integer({ description, format: "int64", minimum: 0 });
}

export function choice<Values extends string[]>(
  description: string,
  values: readonly [...Values],
  options: FieldOptions = {},
) {
  return Type.Enum(values, { type: "string", description, ...options });
}

export function list<Item extends TSchema>(description: string, items: Item, options: FieldOptions = {}) {
  return Type.Array(items, { description, ...options });
}

/** A map from text to text. */
export function textMap(
  description: string,
  value: FieldOptions,
  maxProperties: number,
): TUnsafe<{ [key: string]: string }> {
  return Type.Unsafe({
    type: "object",
    description,
    maxProperties,
    additionalProperties: { type: "string", ...value },
  });
}
