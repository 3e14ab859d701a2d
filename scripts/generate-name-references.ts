import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fieldsOf, listOf, textOf } from "../src/kube/fields.ts";
import type { JsonValue } from "../src/kube/object.ts";
import { parseKubeYaml } from "../src/std/yaml.ts";
import { writeKustomizeTable } from "./kustomize-table.ts";

/** Writes src/patch/name-references-table.ts from the table inside of the kustomize that tools/kustomize pins. */

/** The built-in kinds of a release and of what an instance adds to it that may refer to others by name. */
const referrers = new Set([
  "ClusterRole",
  "ClusterRoleBinding",
  "Deployment",
  "PersistentVolumeClaim",
  "Role",
  "RoleBinding",
  "ServiceAccount",
]);

const root = join(import.meta.dirname, "..");
const module = execFileSync("go", ["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kustomize/api"], {
  cwd: join(root, "tools/kustomize"),
  encoding: "utf8",
}).trim();
const source = readFileSync(join(module, "internal/konfig/builtinpluginconsts/namereference.go"), "utf8");
const [, yaml] = /nameReferenceFieldSpecs = `([^`]*)`/.exec(source) ?? [];
if (yaml === undefined) throw new Error("kustomize keeps its table of name references elsewhere: look for it");

const rows = listOf(fieldsOf(parseKubeYaml(yaml))["nameReference"]).flatMap((reference) => {
  const { kind, group, fieldSpecs } = fieldsOf(reference);
  return listOf(fieldSpecs)
    .map(fieldsOf)
    .filter((spec) => referrers.has(textOf(spec["kind"])))
    .map((spec) => ({
      kind: textOf(kind),
      group: textOf(group),
      by: textOf(spec["kind"]),
      path: pathOf(spec["path"]),
    }));
});
writeKustomizeTable(
  "src/patch/name-references-table.ts",
  `// Written by scripts/generate-name-references.ts; do not edit.

/** A field of the kind \`by\` that holds the name of an object of \`kind\` and \`group\` ("": any); lists on the way are all looked into. */
export type NameReference = {
  readonly kind: string;
  readonly group: string;
  readonly by: string;
  readonly path: readonly string[];
};

export const nameReferences: readonly NameReference[] = ${JSON.stringify(rows)};
`,
);

function pathOf(path: JsonValue | undefined): readonly string[] {
  return textOf(path).split("/");
}
