import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { writeKustomizeTable } from "./kustomize-table.ts";

/** Writes src/patch/field-types-table.ts from the OpenAPI document inside of the kustomize that tools/kustomize pins. */

/** The built-in kinds of a release and of what an instance adds to it. */
const kinds = [
  "apps/v1/Deployment",
  "networking.k8s.io/v1/NetworkPolicy",
  "policy/v1/PodDisruptionBudget",
  "rbac.authorization.k8s.io/v1/ClusterRole",
  "rbac.authorization.k8s.io/v1/ClusterRoleBinding",
  "rbac.authorization.k8s.io/v1/Role",
  "rbac.authorization.k8s.io/v1/RoleBinding",
  "v1/ConfigMap",
  "v1/Namespace",
  "v1/PersistentVolumeClaim",
  "v1/ResourceQuota",
  "v1/Secret",
  "v1/Service",
  "v1/ServiceAccount",
];

type Source = { kinds: Record<string, string>; types: Record<string, Record<string, string>> };

const root = join(import.meta.dirname, "..");
const tool = execFileSync("go", ["run", "./fieldtypes", ...kinds], {
  cwd: join(root, "tools/kustomize"),
  encoding: "utf8",
});
const source: Source = JSON.parse(tool);

/** "io.k8s.api.core.v1.PodSpec" is PodSpec; the wrapping of lists and maps stays. */
function shortName(type: string): string {
  const [, wrapping = "", name = ""] = /^((?:\[\]|\{\})*)(.*)$/.exec(type) ?? [];
  return wrapping + (name.split(".").at(-1) ?? name);
}

const sorted = <Value>(map: Record<string, Value>): (readonly [string, Value])[] =>
  Object.entries(map).toSorted(([left], [right]) => (left < right ? -1 : 1));

const types: Record<string, Record<string, string>> = {};
for (const [name, fields] of sorted(source.types)) {
  const short = shortName(name);
  if (types[short] !== undefined) throw new Error(`Cannot shorten ${name}: another definition is ${short}, too`);
  const known = sorted(fields).filter(([, type]) => !type.endsWith("any"));
  types[short] = Object.fromEntries(known.map(([field, type]) => [field, shortName(type)]));
}
const roots = Object.fromEntries(sorted(source.kinds).map(([kind, name]) => [kind, shortName(name)]));
writeKustomizeTable(
  "src/patch/field-types-table.ts",
  `// Written by scripts/generate-field-types.ts; do not edit.
/* oxlint-disable max-lines -- a generated table, one field a line */

/**
 * The fields of each type. A field is text, integer, number, flag, quantity, intOrText or one of these types; "[]" before it makes a
 * list of it and "{}" a map.
 */
export const fieldTypes: { readonly [type: string]: { readonly [field: string]: string } } = ${JSON.stringify(types)};

/** "apiVersion/kind" -> type. */
export const kindTypes: { readonly [kind: string]: string } = ${JSON.stringify(roots)};
`,
);
