import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { bundleAnnotations, bundleFiles } from "../scripts/olm/bundle.ts";
import { specDescriptors } from "../scripts/olm/descriptors.ts";
import { defaultInstance } from "../scripts/manifests/instance.ts";
import { canonicalInstance } from "../src/api/canonical.ts";
import { embeddedVersions, loadRelease } from "../src/distribution/load.ts";
import { targetOf } from "../src/render/target.ts";
import { fluxInstanceCrd } from "../src/api/crd.ts";
import { parseFluxInstance } from "../src/api/flux-instance.ts";
import { fluxInstance } from "../src/api/names.ts";
import { fieldsOf, listOf, textOf } from "../src/kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../src/kube/object.ts";
import { operatorVersion } from "../src/std/version.ts";
import { parseKubeYaml, parseKubeYamlDocuments } from "../src/std/yaml.ts";

const folder = join(import.meta.dirname, "../packaging");
const read = (path: string): string => readFileSync(join(folder, path), "utf8");
const manifest = (name: string): JsonObject => fieldsOf(parseKubeYaml(read(`olm/bundle/manifests/${name}`)));

let installed: readonly KubeObject[];
let csv: JsonObject;
let spec: JsonObject;
let strategy: JsonObject;
before(() => {
  installed = parseKubeYamlDocuments(read("yaml/install.yaml")) as readonly KubeObject[];
  csv = manifest("flux-operator.clusterserviceversion.yaml");
  spec = fieldsOf(csv["spec"]);
  strategy = fieldsOf(fieldsOf(spec["install"])["spec"]);
});

function theInstalled(kind: string, name: string): KubeObject {
  const found = installed.find((object) => object.kind === kind && object.metadata.name === name);
  assert.ok(found !== undefined, `${kind}/${name} in install.yaml`);
  return found;
}

function installedRules(kind: string): JsonValue {
  return theInstalled(kind, "flux-operator-manager")["rules"] ?? null;
}

test("the ClusterServiceVersion grants the rules of install.yaml, and no others", () => {
  assert.deepEqual(
    { cluster: strategy["clusterPermissions"], namespace: strategy["permissions"] },
    {
      cluster: [{ serviceAccountName: "flux-operator", rules: installedRules("ClusterRole") }],
      namespace: [{ serviceAccountName: "flux-operator", rules: installedRules("Role") }],
    },
  );
});

test("the ClusterServiceVersion has the Deployment of install.yaml, but for the user, whom OpenShift chooses", () => {
  const { metadata, spec } = theInstalled("Deployment", "flux-operator");
  const template = fieldsOf(fieldsOf(spec)["template"]);
  const pod = fieldsOf(template["spec"]);
  const { runAsUser, runAsGroup, ...context } = fieldsOf(pod["securityContext"]);
  assert.deepEqual([runAsUser, runAsGroup, context["runAsNonRoot"]], [65532, 65532, true]);
  const withoutUser = { ...template, spec: { ...pod, securityContext: context } };
  assert.deepEqual(strategy["deployments"], [
    { name: "flux-operator", label: metadata.labels, spec: { ...fieldsOf(spec), template: withoutUser } },
  ]);
});

function withoutNamespace(object: KubeObject): JsonObject {
  const { namespace: _namespace, ...metadata } = object.metadata;
  return { ...object, metadata };
}

for (const kind of ["CustomResourceDefinition", "Service", "ClusterRole"])
  test(`what the bundle has of kind ${kind} is what install.yaml has, without a namespace`, () => {
    const files = [...bundleFiles(installed, "image").keys()].filter((path) => path.startsWith("manifests/"));
    const beside = files.map((path) => manifest(path.slice("manifests/".length))).filter((one) => one["kind"] === kind);
    const want = installed.filter((one) => one.kind === kind && one.metadata.name !== "flux-operator-manager");
    assert.ok(want.length > 0);
    assert.deepEqual(beside, want.map(withoutNamespace));
  });

test("bundleFiles() refuses an object of which it is not known what becomes of it", () => {
  const claim = { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: "data" } };
  assert.throws(
    () => bundleFiles([...installed, claim], "image"),
    /Cannot put PersistentVolumeClaim\/data into the OLM/,
  );
});

/** All fields in the CRD's schema below `node`, as descriptors name them. */
function pathsIn(node: JsonValue | undefined, at = ""): readonly string[] {
  const { properties, items } = fieldsOf(node);
  if (items !== undefined) return pathsIn(items, `${at}[0]`);
  return Object.entries(fieldsOf(properties)).flatMap(([name, child]) => {
    const path = at === "" ? name : `${at}.${name}`;
    return [path].concat(pathsIn(child, path));
  });
}

for (const [index, apiVersion] of fluxInstance.apiVersions.entries())
  test(`every field of ${apiVersion} has one descriptor with name and text, and every descriptor a field`, () => {
    const owned = listOf(fieldsOf(spec["customresourcedefinitions"])["owned"]).map(fieldsOf);
    assert.deepEqual(
      owned.map(({ name, kind, version }) => [name, kind, `${fluxInstance.group}/${textOf(version)}`])[index],
      [fluxInstance.crd, fluxInstance.kind, apiVersion],
    );
    const versions = listOf(fieldsOf(fluxInstanceCrd()["spec"])["versions"]).map(fieldsOf);
    const schema = fieldsOf(fieldsOf(fieldsOf(versions[index]?.["schema"])["openAPIV3Schema"])["properties"]);
    for (const part of ["spec", "status"]) {
      const descriptors = listOf(owned[index]?.[`${part}Descriptors`]).map(fieldsOf);
      assert.deepEqual(
        descriptors.map(({ path }) => path),
        pathsIn(schema[part]),
      );
      const unnamed = descriptors.filter(({ displayName, description }) => !displayName || !description);
      assert.deepEqual(unnamed, []);
    }
  });

test("each owned version names kinds that its instance really consists of, as the scorecard wants it", () => {
  const instance = canonicalInstance(parseFluxInstance(defaultInstance));
  const { rendering } = targetOf(instance, { versions: embeddedVersions, load: (version) => loadRelease(version) });
  const rendered = new Set(rendering.objects.map(({ apiVersion, kind }) => `${kind} ${apiVersion.split("/").at(-1)}`));
  for (const { resources } of listOf(fieldsOf(spec["customresourcedefinitions"])["owned"]).map(fieldsOf)) {
    const named = listOf(resources).map(
      (one) => `${textOf(fieldsOf(one)["kind"])} ${textOf(fieldsOf(one)["version"])}`,
    );
    assert.ok(named.length > 0);
    assert.deepEqual(
      named.filter((one) => !rendered.has(one)),
      [],
    );
  }
});

const ui = "urn:alm:descriptor:com.tectonic.ui:";
const text = { type: "string", description: "Words." };
for (const { name, schema, want } of [
  { name: "text", schema: text, want: ["text"] },
  { name: "flag", schema: { type: "boolean" }, want: ["booleanSwitch"] },
  { name: "count", schema: { type: "integer" }, want: ["number"] },
  { name: "choice", schema: { type: "string", enum: ["a", "b", ""] }, want: ["select:a", "select:b"] },
  { name: "pullSecret", schema: text, want: ["urn:alm:descriptor:io.kubernetes:Secret"] },
  { name: "tenantDefaultServiceAccount", schema: text, want: ["urn:alm:descriptor:io.kubernetes:ServiceAccount"] },
  { name: "shards", schema: { type: "array", description: "Other name of sharding.shards." }, want: ["hidden"] },
  { name: "labels", schema: { type: "object", additionalProperties: text }, want: undefined },
])
  test(`specDescriptors() gives the field ${name} ${want?.join(", ") ?? "no widget"}`, () => {
    const [descriptor] = specDescriptors({ properties: { [name]: schema } });
    const widgets = descriptor?.["x-descriptors"]?.map((one) => one.replace(ui, ""));
    assert.deepEqual([descriptor?.path, widgets], [name, want]);
  });

test("specDescriptors() names fields below a list by its first item, and shows them as its group", () => {
  const schema = { properties: { hosts: { type: "array", items: { properties: { dnsName: text } } } } };
  assert.deepEqual(specDescriptors(schema)[1], {
    path: "hosts[0].dnsName",
    displayName: "Dns name",
    description: "Words.",
    "x-descriptors": [`${ui}arrayFieldGroup:hosts`, `${ui}text`],
  });
});

test("each example of the ClusterServiceVersion is a FluxInstance that the operator accepts, of each version one", () => {
  const annotations = fieldsOf(fieldsOf(csv["metadata"])["annotations"]);
  const examples = JSON.parse(textOf(annotations["alm-examples"])) as readonly KubeObject[];
  const parsed = examples.map((example) => parseFluxInstance(example));
  assert.deepEqual(
    parsed.map(({ apiVersion, metadata }) => [apiVersion, metadata.namespace, metadata.name]),
    fluxInstance.apiVersions.map((apiVersion) => [apiVersion, "flux-system", "flux"]),
  );
  assert.deepEqual(JSON.parse(textOf(annotations["operatorframework.io/initialization-resource"])), examples[0]);
});

test("the namespace that OLM suggests is the one of install.yaml", () => {
  const annotations = fieldsOf(fieldsOf(csv["metadata"])["annotations"]);
  const template: unknown = JSON.parse(textOf(annotations["operatorframework.io/suggested-namespace-template"]));
  assert.deepEqual(template, theInstalled("Namespace", "flux-system"));
});

test("bundle.Dockerfile has the labels of metadata/annotations.yaml", () => {
  const labels = [...read("olm/bundle.Dockerfile").matchAll(/^LABEL (\S+?)=(.*)$/gm)].map(([, label, value]) => [
    label,
    value,
  ]);
  const { annotations } = fieldsOf(parseKubeYaml(read("olm/bundle/metadata/annotations.yaml")));
  assert.deepEqual([Object.fromEntries(labels), annotations], [bundleAnnotations, bundleAnnotations]);
});

test("the catalogue has one package, one channel and one bundle, which name each other", () => {
  const documents = parseKubeYamlDocuments(read("olm/catalog/flux-operator/catalog.yaml")).map(fieldsOf);
  const [pack, channel, bundle] = documents;
  assert.equal(documents.length, 3);
  assert.deepEqual(
    [pack?.["schema"], pack?.["name"], pack?.["defaultChannel"]],
    ["olm.package", "flux-operator", "stable"],
  );
  const name = `flux-operator.v${operatorVersion}`;
  assert.deepEqual(channel, {
    schema: "olm.channel",
    package: "flux-operator",
    name: "stable",
    entries: [{ name, skipRange: `<${operatorVersion}` }],
  });
  const { schema, package: packageName, properties, relatedImages, image } = bundle ?? {};
  assert.deepEqual([schema, bundle?.["name"], packageName], ["olm.bundle", name, "flux-operator"]);
  assert.equal(fieldsOf(csv["metadata"])["name"], name);
  const rows = listOf(properties).map(fieldsOf);
  assert.deepEqual(
    rows.slice(0, -1).map(({ value }) => value),
    [
      { packageName: "flux-operator", version: operatorVersion },
      ...["v1", "v1alpha1"].map((version) => ({ group: fluxInstance.group, kind: "FluxInstance", version })),
    ],
  );
  const metadata = fieldsOf(rows.at(-1)?.["value"]);
  assert.deepEqual(metadata["crdDescriptions"], spec["customresourcedefinitions"]);
  assert.deepEqual(metadata["annotations"], fieldsOf(csv["metadata"])["annotations"]);
  assert.deepEqual(relatedImages, [{ name: "", image }, ...listOf(spec["relatedImages"])]);
});
