import type { JsonObject } from "../../src/kube/object.ts";
import { textOf } from "../../src/kube/fields.ts";
import { schemaFields, type SchemaField } from "../schema-fields.ts";

/** How the console of OpenShift shows and edits a field. `path` is below spec or status, with [0] behind each list. */
export type Descriptor = {
  readonly path: string;
  readonly displayName: string;
  readonly description: string;
  readonly "x-descriptors"?: readonly string[];
};

const console = "urn:alm:descriptor:com.tectonic.ui:";
const kubernetes = "urn:alm:descriptor:io.kubernetes";

/** One descriptor for each field of spec. */
export function specDescriptors(schema: unknown): readonly Descriptor[] {
  return schemaFields(schema).map((field) => descriptorOf(field, [...groupOf(field), ...specWidgets(field)]));
}

/** One descriptor for each field of status. */
export function statusDescriptors(schema: unknown): readonly Descriptor[] {
  return schemaFields(schema).map((field) => descriptorOf(field, statusWidgets(field)));
}

function descriptorOf({ path, node }: SchemaField, widgets: readonly string[]): Descriptor {
  return {
    path: path.replaceAll("[]", "[0]"),
    displayName: wordsOf(path),
    description: textOf(node["description"]),
    ...(widgets.length > 0 && { "x-descriptors": widgets }),
  };
}

/** "Image pull secret" for "distribution.imagePullSecret". */
function wordsOf(path: string): string {
  const words = (path.split(".").at(-1) ?? "").replaceAll(
    /([a-z])([A-Z])/g,
    (_all, before: string, after: string) => `${before} ${after.toLowerCase()}`,
  );
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Fields of one object are shown together, under the name of that object. */
function groupOf({ path }: SchemaField): readonly string[] {
  const parent = path.split(".").at(-2);
  if (parent === undefined) return [];
  const kind = parent.endsWith("[]") ? "arrayFieldGroup" : "fieldGroup";
  return [`${console}${kind}:${parent.replaceAll("[]", "")}`];
}

/** The names of fields that name an object of Kubernetes, which the console then offers to choose from. */
const references: readonly { readonly paths: RegExp; readonly kind: string }[] = [
  { paths: /secret$/i, kind: "Secret" },
  { paths: /secretRef\.name$/i, kind: "Secret" },
  { paths: /ServiceAccount$/, kind: "ServiceAccount" },
  { paths: /^storage\.class$/, kind: "StorageClass" },
];

/** Objects, maps and lists have none: the console shows them by the schema of the CRD. */
function specWidgets({ path, node }: SchemaField): readonly string[] {
  if (isAlias(node)) return [`${console}hidden`];
  const reference = node["type"] === "string" ? references.find(({ paths }) => paths.test(path)) : undefined;
  if (reference !== undefined) return [`${kubernetes}:${reference.kind}`];
  if (Array.isArray(node["enum"]))
    return node["enum"].flatMap((value) => (value === "" ? [] : [`${console}select:${textOf(value)}`]));
  const widget = { boolean: "booleanSwitch", integer: "number", string: "text" }[textOf(node["type"] ?? "")];
  return widget === undefined ? [] : [`${console}${widget}`];
}

/** The names of v1alpha1 stand for fields that are shown anyhow. */
function isAlias(node: JsonObject): boolean {
  return textOf(node["description"]).startsWith("Other name of ");
}

function statusWidgets({ path, node }: SchemaField): readonly string[] {
  if (path === "conditions") return [`${kubernetes}.conditions`];
  return node["type"] === "string" || node["type"] === "integer" ? ["urn:alm:descriptor:text"] : [];
}
