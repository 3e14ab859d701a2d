import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archiveName, moduleArchive } from "../../scripts/terraform/archive.ts";
import { snakeCase } from "../../scripts/terraform/spec-variables.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { canonicalJson, isJsonObject } from "../../src/std/json.ts";
import { operatorVersion } from "../../src/std/version.ts";
import { parseKubeYaml } from "../../src/std/yaml.ts";
import { chartCases, type ChartCase } from "../support/chart-cases.ts";
import { rendered } from "../support/helm.ts";
import {
  eachProgram,
  moduleFolder,
  plan,
  quiet,
  setUpTerraform,
  type Terraform,
  type TerraformProgram,
} from "../support/terraform.ts";

async function inFolder(program: TerraformProgram, use: (terraform: Terraform) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "terraform-"));
  try {
    await use(await setUpTerraform(program, { folder }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a plan would make, by address. */
async function planned(terraform: Terraform): Promise<ReadonlyMap<string, JsonObject>> {
  await terraform.done(...plan, "-out=plan");
  const shown: unknown = JSON.parse(await terraform.done("show", "-json", "plan"));
  const changes = listOf(isJsonObject(shown) ? shown["resource_changes"] : undefined).map(fieldsOf);
  return new Map(changes.map(({ address, change }) => [textOf(address), fieldsOf(fieldsOf(change)["after"])]));
}

/** Values as `--set` has them, as a map. */
function nested(values: JsonObject): JsonObject {
  const all: { [name: string]: JsonValue } = {};
  for (const [path, value] of Object.entries(values)) {
    const names = path.split(".");
    const last = names.pop() ?? path;
    let at = all;
    for (const name of names) {
      const below = at[name];
      const next: { [name: string]: JsonValue } = isJsonObject(below) ? { ...below } : {};
      at[name] = next;
      at = next;
    }
    at[last] = value;
  }
  return all;
}

/** Terraform has null where a chart has what is empty. */
function withoutEmpty(value: JsonValue): JsonValue {
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value)
    .map(([name, member]) => [name, withoutEmpty(member)] as const)
    .filter(([, member]) => !['""', "[]", "{}", "null"].includes(JSON.stringify(member)));
  return Object.fromEntries(kept);
}

/** A chart has what is empty where Terraform has null in `instance_spec`: a default that is not wanted. */
function removedDefaults({ components, cluster }: JsonObject): JsonObject {
  const empty = Object.entries(fieldsOf(cluster)).filter(([, value]) => value === "");
  return {
    ...(Array.isArray(components) && components.length === 0 && { components: null }),
    ...(empty.length > 0 && { cluster: Object.fromEntries(empty.map(([name]) => [name, null])) }),
  };
}

type Use = { readonly name: string; readonly one: ChartCase; readonly variables: JsonObject };

/** One case of a chart as uses of the module: of an instance by the variables of its fields, and by the spec as a whole. */
function usesOf(one: ChartCase, index: number): readonly Use[] {
  const values = nested(one.values);
  const namespace = one.options?.namespace ?? "flux-system";
  if (one.chart === "flux-operator")
    return [{ name: `operator${index}`, one, variables: { namespace, operator_values: values } }];
  const spec = fieldsOf(withoutEmpty(values["instance"] ?? {}));
  const removed = removedDefaults(fieldsOf(values["instance"]));
  const common = { namespace, instance_annotations: fieldsOf(values["commonAnnotations"]) };
  const fields = Object.fromEntries(Object.entries(spec).map(([field, value]) => [snakeCase(field), value]));
  const { sync, storage, sharding, ...others } = spec;
  return [
    { name: `fields${index}`, one, variables: { ...common, ...fields, instance_spec: removed } },
    {
      name: `spec${index}`,
      one,
      variables: {
        ...common,
        instance_spec: { ...others, ...removed },
        ...(sync !== undefined && { sync }),
        ...(storage !== undefined && { storage }),
        ...(sharding !== undefined && { sharding }),
      },
    },
  ];
}

const uses = chartCases.filter(({ values }) => values["createInstance"] !== false).flatMap(usesOf);

/** What Helm makes of a case, and of what Terraform makes of it. */
async function bothOf(
  { name, one }: Use,
  after: ReadonlyMap<string, JsonObject>,
): Promise<readonly [unknown, unknown]> {
  const want = await rendered(one.chart, one.values, one.options ?? {});
  if (one.chart === "flux-operator") {
    const [text] = listOf(after.get(`module.${name}.helm_release.operator`)?.["values"]);
    const { objects, hooks } = await rendered(one.chart, fieldsOf(parseKubeYaml(textOf(text))), one.options ?? {});
    const crd = after.get(`module.${name}.kubectl_manifest.crd[0]`);
    const crds = crd === undefined ? [] : [parseKubeYaml(textOf(crd["yaml_body"]))];
    return [sorted([...crds, ...objects, ...hooks]), sorted([...want.objects, ...want.hooks])];
  }
  const have = parseKubeYaml(textOf(after.get(`module.${name}.kubectl_manifest.instance`)?.["yaml_body"]));
  const wanted = want.objects.find(({ kind }) => kind === "FluxInstance");
  return [instanceOf(have), instanceOf(wanted)];
}

/** Objects without the marks that Helm gives to a CRD. */
function sorted(objects: readonly JsonValue[]): readonly string[] {
  return objects
    .map(fieldsOf)
    .map(({ kind = null, metadata = null, ...rest }) => {
      const { name = null } = fieldsOf(metadata);
      return canonicalJson({ kind, metadata: kind === "CustomResourceDefinition" ? { name } : metadata, ...rest });
    })
    .toSorted();
}

/** Labels aside, which are Helm's. */
function instanceOf(object: JsonValue | KubeObject | undefined): JsonObject {
  const { apiVersion, kind, metadata, spec } = fieldsOf(object);
  const { labels: _, ...rest } = fieldsOf(metadata);
  return { apiVersion: apiVersion ?? null, kind: kind ?? null, metadata: rest, spec: spec ?? null };
}

eachProgram("makes of every value set what Helm makes of it", async (program) => {
  await inFolder(program, async (terraform) => {
    await terraform.write(Object.fromEntries(uses.map(({ name, variables }) => [name, variables])));
    await terraform.done("init", ...quiet);
    const after = await planned(terraform);
    assert.ok(uses.length >= 40);
    for (const use of uses) {
      const [have, want] = await bothOf(use, after);
      assert.deepEqual(have, want, `${use.one.chart} with ${use.one.name}`);
    }
  });
});

const refused: readonly { readonly variables: JsonObject; readonly says: RegExp }[] = [
  { variables: { cluster: { type: "openshft" } }, says: /cluster\.type must be kubernetes, openshift, aws, / },
  { variables: { components: ["helm"] }, says: /Each of components must be source-controller, / },
  { variables: { storage: { size: "big" } }, says: /storage\.size must be a quantity such as 10Gi\./ },
  { variables: { sync: { path: "clusters/one" } }, says: /attribute "url" is required/ },
  { variables: { wait: "soon" }, says: /a bool is required/ },
  { variables: { namespace: "Flux" }, says: /namespace must be a DNS label/ },
  { variables: { timeout: 0.5 }, says: /timeout must be a whole number of seconds/ },
  { variables: { sync_credentials: { username: "git" } }, says: /sync_credentials without sync: set sync/ },
  { variables: { sync_credentials: { "a b": "c" } }, says: /sync_credentials must have entries/ },
  { variables: { charts: "nowhere" }, says: /There is no chart in nowhere\/flux-operator: / },
  { variables: { operator_values: ["a"] }, says: /operator_values must be a map\./ },
  {
    variables: { instance_spec: { multitenant: true } },
    says: /instance_spec: a FluxInstance has no field multitenant; docs\/api\.md/,
  },
  {
    variables: { instance_spec: { cluster: { multiTenant: true } } },
    says: /instance_spec: cluster has no field multiTenant; it has type, domain, size, /,
  },
];

eachProgram("refuses variables at the plan, in the words of their validation", async (program) => {
  await inFolder(program, async (terraform) => {
    await terraform.write({ flux: {} });
    await terraform.done("init", ...quiet);
    for (const { variables, says } of refused) {
      await terraform.write({ flux: variables });
      const { exitCode, stderr } = await terraform.run(...plan);
      // What is said is broken into lines of 80 characters, with a bar before each.
      assert.match(stderr.replaceAll(/[│\s]+/g, " "), says);
      assert.equal(exitCode, 1);
    }
  });
});

eachProgram("plans each example", async (program) => {
  const folder = await mkdtemp(join(tmpdir(), "terraform-"));
  try {
    const examples = join(folder, "packaging/terraform/examples");
    await cp(join(moduleFolder, ".."), join(folder, "packaging"), { recursive: true });
    for (const name of await readdir(examples)) {
      const terraform = await setUpTerraform(program, { folder: join(folder, name), root: join(examples, name) });
      await terraform.done("init", ...quiet);
      await terraform.done("validate", "-no-color");
      const secrets = { git: "git_token", oci: "registry_password" } as const;
      const secret = name === "git" || name === "oci" ? [`-var=${secrets[name]}=hunter2`] : [];
      const said = await terraform.done(...plan, ...secret);
      assert.match(said, /Plan: [45] to add, 0 to change, 0 to destroy\./);
      assert.doesNotMatch(said, /hunter2/);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

eachProgram("makes a login at the registry of an OCIRepository", async (program) => {
  await inFolder(program, async (terraform) => {
    const sync = { kind: "OCIRepository", url: "oci://registry.example.com:5000/fleet/one", ref: "latest" };
    const login = { username: "flux", password: "hunter2" };
    await terraform.write({
      login: { sync, sync_credentials: login },
      spec: { instance_spec: { sync: { ...sync, path: "" } }, sync_credentials: login },
      certificates: { sync: { ...sync, pullSecret: "fleet" }, sync_credentials: { ...login, "ca.crt": "PEM" } },
    });
    await terraform.done("init", ...quiet);
    const after = await planned(terraform);
    const secretOf = (name: string) =>
      fieldsOf(parseKubeYaml(textOf(after.get(`module.${name}.kubectl_manifest.sync_secret[0]`)?.["yaml_body"])));
    assert.deepEqual(secretOf("spec"), secretOf("login"));
    const instances = ["login", "spec"].map((name) =>
      textOf(after.get(`module.${name}.kubectl_manifest.instance`)?.["yaml_body"]),
    );
    const syncs = instances.map((text) => fieldsOf(fieldsOf(parseKubeYaml(text))["spec"])).map(({ sync }) => sync);
    assert.deepEqual(syncs, [
      { ...sync, path: "", interval: "1m", pullSecret: "flux-system" },
      { ...sync, path: "", pullSecret: "flux-system" },
    ]);
    const { data, ...secret } = secretOf("login");
    const metadata = { name: "flux-system", namespace: "flux-system" };
    assert.deepEqual(secret, { apiVersion: "v1", kind: "Secret", metadata, type: "kubernetes.io/dockerconfigjson" });
    assert.deepEqual(JSON.parse(atob(textOf(fieldsOf(data)[".dockerconfigjson"]))), {
      auths: { "registry.example.com:5000": { ...login, auth: btoa("flux:hunter2") } },
    });
    const { type, metadata: named, data: entries } = secretOf("certificates");
    assert.deepEqual([type, fieldsOf(named)["name"]], ["Opaque", "fleet"]);
    assert.deepEqual(entries, { username: btoa("flux"), password: btoa("hunter2"), "ca.crt": btoa("PEM") });
  });
});

eachProgram("plans with values that other resources have after the apply only", async (program) => {
  await inFolder(program, async (terraform) => {
    const id = "${terraform_data.other.id}";
    await terraform.write({ flux: { create_namespace: false } });
    const file = async (name: string, content: JsonObject): Promise<void> =>
      await writeFile(join(terraform.folder, "root", name), JSON.stringify(content));
    await file("other.tf.json", { resource: { terraform_data: { other: {} } } });
    const unknown = {
      distribution: { registry: id },
      sync: { url: `https://example.com/${id}`, ref: "refs/heads/main" },
      sync_credentials: { username: "git", password: id },
      operator_values: { image: { repository: id } },
    };
    await file("main_override.tf.json", { module: { flux: unknown } });
    await terraform.done("init", ...quiet);
    assert.match(await terraform.done(...plan), /Plan: 6 to add, 0 to change, 0 to destroy\./);
  });
});

eachProgram("takes the module with its charts from the file of a release", async (program) => {
  await inFolder(program, async (terraform) => {
    const file = join(terraform.folder, archiveName);
    await writeFile(file, await moduleArchive());
    await terraform.write({ flux: {} }, `${file}//packaging/terraform`);
    await terraform.done("init", ...quiet);
    const after = await planned(terraform);
    assert.equal(after.get("module.flux.helm_release.operator")?.["version"], operatorVersion);
  });
});
