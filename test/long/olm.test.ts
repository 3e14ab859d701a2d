import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { Readable } from "node:stream";
import { goTool } from "../../scripts/go-tool.ts";
import { readTar } from "../../scripts/image/debian.ts";
import { platforms } from "../../scripts/image/platform.ts";
import { bundleAnnotations } from "../../scripts/olm/bundle.ts";
import { bundleName } from "../../scripts/olm/csv.ts";
import { catalogLabels } from "../../scripts/olm/files.ts";
import { writeBundleImage, writeCatalogImage } from "../../scripts/olm/images.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, JsonValue } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { formatYaml, parseKubeYaml } from "../../src/std/yaml.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { startRegistry } from "../support/registry.ts";

const run = promisify(execFile);
const olm = join(import.meta.dirname, "../../packaging/olm");
const manifests = join(olm, "bundle/manifests");
const csvFile = "flux-operator.clusterserviceversion.yaml";
const never = new AbortController().signal;

type Findings = { readonly errors: readonly string[]; readonly warnings: readonly string[] };

async function validate(folder: string): Promise<Findings> {
  const { stdout } = await run(await goTool("olm-validate", never), [folder]);
  return JSON.parse(stdout) as Findings;
}

test("operator-framework's validators find no error in the bundle, and nothing to warn of", async () => {
  assert.deepEqual(await validate(join(olm, "bundle")), { errors: [], warnings: [] });
});

type Change = (fields: JsonObject) => JsonObject;
const inSpec =
  (change: Change): Change =>
  (csv) => ({ ...csv, spec: change(fieldsOf(csv["spec"])) });

for (const { name, change, want } of [
  {
    name: "no name of the provider",
    change: inSpec((spec) => ({ ...spec, provider: {} })),
    want: { errors: [/csv.Spec.Provider.Name not specified/], warnings: [] },
  },
  {
    name: "an example of a version that it does not own",
    change: inSpec((spec) => {
      const { owned } = fieldsOf(spec["customresourcedefinitions"]);
      return { ...spec, customresourcedefinitions: { owned: listOf(owned).slice(0, 1) } };
    }),
    want: { errors: [/v1alpha1, Kind=FluxInstance: example must have a provided API/], warnings: [] },
  },
  {
    name: "no icon",
    change: inSpec(({ icon: _icon, ...spec }) => spec),
    want: { errors: [], warnings: [/csv.Spec.Icon not specified/] },
  },
  {
    name: "no examples",
    change: (csv: JsonObject) => ({
      ...csv,
      metadata: { name: bundleName, annotations: { capabilities: "None" } },
    }),
    want: { errors: [/Capabilities None is not a valid/], warnings: [/example annotations not found/] },
  },
])
  test(`operator-framework's validators find a bundle with ${name}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "olm-"));
    try {
      await cp(join(olm, "bundle"), folder, { recursive: true });
      const file = join(folder, "manifests", csvFile);
      await writeFile(file, formatYaml(change(fieldsOf(parseKubeYaml(await readFile(file, "utf8"))))));
      const { errors, warnings } = await validate(folder);
      const found = { errors: errors.length, warnings: warnings.length };
      assert.deepEqual(
        found,
        { errors: want.errors.length, warnings: want.warnings.length },
        errors.concat(warnings).join("\n"),
      );
      for (const [index, expression] of want.errors.entries()) assert.match(errors[index] ?? "", expression);
      for (const [index, expression] of want.warnings.entries()) assert.match(warnings[index] ?? "", expression);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

describe("on a real API server", () => {
  const namespace = "flux-system";
  const instances = "/apis/fluxcd.controlplane.io";
  let plane: ControlPlane;
  let csv: JsonObject;

  before(async () => {
    plane = await startControlPlane({ variant: "light" });
    csv = fieldsOf(parseKubeYaml(await readFile(join(manifests, csvFile), "utf8")));
    const annotations = fieldsOf(fieldsOf(csv["metadata"])["annotations"]);
    const template: unknown = JSON.parse(textOf(annotations["operatorframework.io/suggested-namespace-template"]));
    await plane.rest.create("/api/v1/namespaces", template as JsonObject & { kind: string });
  });
  after(() => plane?.stop());

  /** Creates an object for real, or asks the server whether it could; complains of every field that the server does not know. */
  async function create(path: string, object: JsonValue, dryRun: boolean): Promise<void> {
    const query = `fieldManager=olm&fieldValidation=Strict${dryRun ? "&dryRun=All" : ""}`;
    const { status, body } = await plane.rest.request("POST", `${path}?${query}`, { body: object });
    assert.equal(status, 201, JSON.stringify(body));
  }

  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  /** What OLM makes of each list of the install strategy, as its documentation has it. */
  const madeByOlm: readonly {
    readonly from: string;
    readonly make: (one: JsonObject) => readonly [string, JsonObject][];
  }[] = [
    { from: "clusterPermissions", make: (one) => rolesOf(one, "Cluster", rbac) },
    { from: "permissions", make: (one) => rolesOf(one, "", `${rbac}/namespaces/${namespace}`) },
    {
      from: "deployments",
      make: ({ name, label, spec }) => [
        [
          `/apis/apps/v1/namespaces/${namespace}/deployments`,
          {
            apiVersion: "apps/v1",
            kind: "Deployment",
            metadata: { name: name ?? "", labels: label ?? {} },
            spec: spec ?? {},
          },
        ],
      ],
    },
  ];

  function rolesOf(
    { rules, serviceAccountName }: JsonObject,
    scope: string,
    path: string,
  ): readonly [string, JsonObject][] {
    const [name, apiVersion] = ["flux-operator.v1", "rbac.authorization.k8s.io/v1"];
    const subjects = [{ kind: "ServiceAccount", name: serviceAccountName ?? "", namespace }];
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: `${scope}Role`, name };
    return [
      [
        `${path}/${scope.toLowerCase()}roles`,
        { apiVersion, kind: `${scope}Role`, metadata: { name }, rules: rules ?? [] },
      ],
      [
        `${path}/${scope.toLowerCase()}rolebindings`,
        { apiVersion, kind: `${scope}RoleBinding`, metadata: { name }, roleRef, subjects },
      ],
    ];
  }

  test("what OLM makes of the ClusterServiceVersion is accepted without a field that is not known", async () => {
    const strategy = fieldsOf(fieldsOf(fieldsOf(csv["spec"])["install"])["spec"]);
    const made = madeByOlm.flatMap(({ from, make }) => listOf(strategy[from]).map(fieldsOf).flatMap(make));
    assert.deepEqual(
      made.map(([, { kind }]) => kind),
      ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Deployment"],
    );
    for (const [path, object] of made) await create(path, object, true);
  });

  test("what stands beside it is accepted, and then the examples of both versions are", async () => {
    const paths = new Map([
      ["CustomResourceDefinition", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"],
      ["ClusterRole", `${rbac}/clusterroles`],
      ["Service", `/api/v1/namespaces/${namespace}/services`],
    ]);
    const files = (await readdir(manifests)).filter((name) => name !== csvFile);
    for (const name of files) {
      const object = fieldsOf(parseKubeYaml(await readFile(join(manifests, name), "utf8")));
      await create(paths.get(textOf(object["kind"])) ?? name, object, false);
    }
    assert.equal(files.length, 4);
    const annotations = fieldsOf(fieldsOf(csv["metadata"])["annotations"]);
    const examples = JSON.parse(textOf(annotations["alm-examples"])) as readonly JsonObject[];
    const deadline = AbortSignal.timeout(60_000);
    for (const example of examples) {
      const version = textOf(example["apiVersion"]).split("/")[1];
      const path = `${instances}/${version}/namespaces/${namespace}/fluxinstances`;
      while ((await plane.rest.request("GET", path)).status === 404) await systemClock.sleep(50, deadline);
      await create(path, example, true);
    }
  });
});

const about = {
  title: "",
  description: "",
  version: "0.1.0",
  revision: "0".repeat(40),
  created: "2026-01-01T00:00:00Z",
};

/** The files below a folder of packaging/olm, by path from there. */
async function textsIn(folder: string): Promise<ReadonlyMap<string, string>> {
  const found = await readdir(join(olm, folder), { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = files.map(async (file): Promise<[string, string]> => [
    file.slice(join(olm, folder).length + 1),
    await readFile(file, "utf8"),
  ]);
  return new Map(await Promise.all(texts));
}

for (const { name, folder, write, labels, within } of [
  { name: "bundle", folder: "bundle", write: writeBundleImage, labels: bundleAnnotations, within: "" },
  { name: "catalogue", folder: "catalog", write: writeCatalogImage, labels: catalogLabels, within: "configs/" },
])
  test(`a real registry takes the image of the ${name}, which has its files and labels for each platform, the same twice`, async () => {
    const layout = await mkdtemp(join(tmpdir(), "olm-image-"));
    try {
      const texts = await textsIn(folder);
      const digest = await write(layout, texts, about);
      assert.equal(await write(layout, new Map([...texts].toReversed()), about), digest);
      await using registry = await startRegistry({ kind: "open" }, never);
      const crane = await goTool("crane", never);
      const reference = `${registry.host}/flux-operator-${folder}:v0.1.0`;
      await run(crane, ["push", layout, reference, "--insecure"]);
      for (const { architecture } of platforms) {
        const flags = [`--platform=linux/${architecture}`, "--insecure"];
        const { stdout } = await run(crane, ["config", reference, ...flags], { maxBuffer: 1e7 });
        const config = fieldsOf(fieldsOf(JSON.parse(stdout) as JsonValue)["config"]);
        const has = Object.entries(fieldsOf(config["Labels"])).filter(([label]) => label in labels);
        assert.deepEqual(Object.fromEntries(has), labels);
        const exported = await run(crane, ["export", reference, "-", ...flags], { maxBuffer: 1e8, encoding: "buffer" });
        const files = await readTar(Readable.from([exported.stdout]));
        const content = files.flatMap((file): [string, string][] =>
          file.kind === "file" ? [[file.path, Buffer.from(file.content).toString("utf8")]] : [],
        );
        const want = [...texts].map(([path, text]): [string, string] => [`${within}${path}`, text]);
        assert.deepEqual(new Map(content), new Map(want));
      }
    } finally {
      await rm(layout, { recursive: true });
    }
  });
