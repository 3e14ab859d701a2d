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

const operatorByFile = "install.yaml: Deployment/flux-operator";
const operatorByChart = "flux-operator: Deployment/flux-operator";
const jobs = ["flux-operator: Job/flux-operator-uninstall", "flux-instance: Job/flux-healthcheck"];

/** What kube-score calls critical and stays as it is, where, and why. */
const left: readonly { readonly check: string; readonly of: readonly string[]; readonly why: string }[] = [
  {
    check: "container-ephemeral-storage-request-and-limit",
    of: [operatorByFile, operatorByChart, ...jobs],
    why: "nothing is written, and with a limit the kubelet would evict the pod for the log that it keeps of it",
  },
  {
    check: "container-image-pull-policy",
    of: [operatorByFile, operatorByChart, ...jobs],
    why: "the tag is that of a version, which is not pushed again; with Always no pod starts while the registry is away",
  },
  {
    check: "container-security-context-user-group-id",
    of: [operatorByChart, ...jobs],
    why: "the image names user 65532, which runAsNonRoot holds it to; OpenShift refuses a user that the pod names",
  },
  { check: "pod-networkpolicy", of: jobs, why: "their pods serve nothing, and end" },
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

const sources: readonly { readonly name: string; readonly objects: () => Promise<readonly KubeObject[]> }[] = [
  {
    name: "install.yaml",
    objects: async () => objectsIn(await readFile(join(root, "packaging/yaml/install.yaml"), "utf8")),
  },
  {
    name: "flux-operator",
    objects: async () => {
      const { objects, hooks } = await rendered("flux-operator", {});
      return [...objects, ...hooks];
    },
  },
  {
    name: "flux-instance",
    objects: async () => (await rendered("flux-instance", { "healthcheck.enabled": true })).hooks,
  },
];

for (const { name, objects } of sources)
  test(`kube-score finds nothing critical in ${name} that is not left with a reason`, async () => {
    // It knows nothing of CRDs, and ours is long.
    const all = (await objects()).filter((object) => !isDefinition(object));
    const found = (await criticalIn(all)).map((one) => `${name}: ${one}`);
    const want = left.flatMap(({ check, of }) => of.map((object) => `${object}: ${check}`));
    assert.deepEqual(found, want.filter((one) => one.startsWith(`${name}: `)).toSorted());
  });
