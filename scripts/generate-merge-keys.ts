import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { canonicalJson, type JsonValue } from "../src/std/json.ts";
import { writeKustomizeTable } from "./kustomize-table.ts";

/** Writes src/patch/merge-keys-table.ts from the OpenAPI document inside of the kustomize that tools/kustomize pins. */

type SourceField = { merge: boolean; keys: string[] | null; of: string };
type Source = {
  kinds: Record<string, string>;
  clusterScoped: string[];
  shapes: Record<string, Record<string, SourceField>>;
};

const root = join(import.meta.dirname, "..");
const tool = execFileSync("go", ["run", "./mergekeys"], { cwd: join(root, "tools/kustomize"), encoding: "utf8" });
const source: Source = JSON.parse(tool);

/** Definition -> short name; definitions of equal content share one. */
const names = new Map<string, string>();
const byContent = new Map<string, string>();
const taken = new Set<string>();

function nameOf(definition: string): string {
  const known = names.get(definition);
  if (known !== undefined) return known;
  const content = canonicalJson(shapeOf(definition));
  const name = byContent.get(content) ?? freeName(definition.split(".").at(-1) ?? definition);
  byContent.set(content, name);
  names.set(definition, name);
  return name;
}

function freeName(base: string): string {
  let name = base;
  for (let suffix = 2; taken.has(name); suffix += 1) name = `${base}${suffix}`;
  taken.add(name);
  return name;
}

function shapeOf(definition: string): { [field: string]: JsonValue } {
  const fields = Object.entries(source.shapes[definition] ?? {}).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(
    fields.map(([field, { merge, keys, of }]) => [
      field,
      { ...(merge ? { keys: keys ?? [] } : {}), ...(of === "" ? {} : { of: nameOf(of) }) },
    ]),
  );
}

const kinds = Object.fromEntries(
  Object.keys(source.kinds)
    .toSorted()
    .map((kind) => [kind, nameOf(source.kinds[kind] ?? "")]),
);
const shapes = Object.fromEntries([...byContent].map(([content, name]) => [name, JSON.parse(content)]));
writeKustomizeTable(
  "src/patch/merge-keys-table.ts",
  `// Written by scripts/generate-merge-keys.ts; do not edit.

/** A field that leads to merged lists. \`keys\`: it is such a list (no keys: of scalars). \`of\`: the shape of the value or the items. */
export type FieldShape = { readonly keys?: readonly string[]; readonly of?: string };

export const shapes: { readonly [shape: string]: { readonly [field: string]: FieldShape } } = ${JSON.stringify(shapes)};

/** "apiVersion/kind" -> shape. */
export const kindShapes: { readonly [kind: string]: string } = ${JSON.stringify(kinds)};

/** "apiVersion/kind" of the built-in kinds without namespace. */
export const clusterScopedKinds: ReadonlySet<string> = new Set(${JSON.stringify(source.clusterScoped)});
`,
);
