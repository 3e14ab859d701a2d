import type { JsonObject } from "../src/kube/object.ts";
import { isJsonObject } from "../src/std/json.ts";

/** A field of a schema: its path, with [] behind each list on the way, its own node, and whether it must be there. */
export type SchemaField = { readonly path: string; readonly node: JsonObject; readonly isRequired: boolean };

/** All fields below `node`, each before what is in it. The items of a list of text or numbers are no fields. */
export function schemaFields(node: unknown, path = ""): readonly SchemaField[] {
  if (!isJsonObject(node)) return [];
  const { properties, items, required } = node;
  if (isJsonObject(items)) return schemaFields(items, `${path}[]`);
  const below = isJsonObject(properties) ? Object.entries(properties) : [];
  return below.flatMap(([name, child]) => {
    if (!isJsonObject(child)) return [];
    const at = path === "" ? name : `${path}.${name}`;
    const isRequired = Array.isArray(required) && required.includes(name);
    return [{ path: at, node: child, isRequired }].concat(schemaFields(child, at));
  });
}
