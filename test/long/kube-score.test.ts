import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { goTool } from "../../scripts/go-tool.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { isDefinition } from "../../src/kube/definition.ts";
import { formatYaml } from "../../src/std/yaml.ts";
import { objectsIn, rendered } from "../support/helm.ts";

const root = join(import.meta.dirname, "../..");

/** What kube-score calls critical and we leave as it is, and why. */
const left: readonly { readonly check: string; readonly why: string }[] = [
  {
    check: "container-ephemeral-storage-request-and-limit",
    why: "it writes no file, and a limit would have the kubelet evict it for the log that the kubelet itself keeps",
  },
  {
    check: "container-image-pull-policy",
    why: "the tag is that of a version, which is never pushed again; with Always no pod could start while the registry is away",
  },
];

let program: string;
before(async () => {
  program = await goTool("kube-score", new AbortController().signal);
});

/** "Deployment/flux-operator: check", for all that is critical in `objects`, once each. */
async function criticalIn(objects: readonly KubeObject[]): Promise<readonly string[]> {
  const args = ["score", "--output-format=json", "--kubernetes-version=v1.33", "-"];
  const { promise, resolve } = Promise.withResolvers<string>();
  // It ends with 1 where something is critical, which is no failure here.
  const child = execFile(program, args, { maxBuffer: 16e6 }, (_error, stdout) => resolve(stdout));
  child.stdin?.end(objects.map((object) => `---\n${formatYaml(object)}`).join(""));
  const scored = listOf(JSON.parse(await promise)).map(fieldsOf);
  assert.ok(scored.length > 0, "it has scored something");
  const critical = scored.flatMap(({ type_meta: type, object_meta: meta, checks }) =>
    listOf(checks)
      .map(fieldsOf)
      .filter(({ grade, skipped }) => skipped !== true && Number(grade) <= 1)
      .map(
        ({ check }) =>
          `${textOf(fieldsOf(type)["kind"])}/${textOf(fieldsOf(meta)["name"])}: ${textOf(fieldsOf(check)["id"])}`,
      ),
  );
  return [...new Set(critical)].toSorted();
}

const sources: readonly {
  readonly name: string;
  readonly objects: () => Promise<readonly KubeObject[]>;
  readonly pods: readonly string[];
}[] = [
  {
    name: "packaging/yaml/install.yaml",
    objects: async () => objectsIn(await readFile(join(root, "packaging/yaml/install.yaml"), "utf8")),
    pods: ["Deployment/flux-operator"],
  },
  {
    name: "the chart flux-operator",
    objects: async () => {
      const { objects, hooks } = await rendered("flux-operator", {});
      return [...objects, ...hooks];
    },
    pods: ["Deployment/flux-operator", "Job/flux-operator-uninstall"],
  },
  {
    name: "the chart flux-instance",
    objects: async () => (await rendered("flux-instance", { "healthcheck.enabled": true })).hooks,
    pods: ["Job/flux-healthcheck"],
  },
];

for (const { name, objects, pods } of sources)
  test(`kube-score finds nothing critical in ${name} that is not left with a reason`, async () => {
    // It knows nothing of CRDs, and ours is long.
    const all = (await objects()).filter((object) => !isDefinition(object));
    const want = pods.flatMap((pod) => left.map(({ check }) => `${pod}: ${check}`));
    assert.deepEqual(await criticalIn(all), want.toSorted());
  });
