import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { embeddedVersions } from "../distribution/load.ts";
import { fieldsOf, listOf, textOf } from "../kube/fields.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { operatorVersion } from "../std/version.ts";
import { parseKubeYamlDocuments } from "../std/yaml.ts";
import { runInProcess } from "../../test/support/run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "flux-operator-cli-"));
after(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const run = (args: readonly string[], input = "") => runInProcess(args, { input });
const build = (input: string, ...args: readonly string[]) => run(["build", "instance", "-f", "-", ...args], input);

const distribution = { version: "2.9.x", registry: "ghcr.io/fluxcd" };

function instance(spec: JsonObject, metadata: JsonObject = { name: "flux", namespace: "flux-system" }): JsonObject {
  return { apiVersion: "fluxcd.controlplane.io/v1", kind: "FluxInstance", metadata, spec: { distribution, ...spec } };
}
const documents = (...objects: readonly JsonObject[]) => objects.map((each) => JSON.stringify(each)).join("\n---\n");
const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" } };

/** Ten lists, each of nine of the one before. */
const bomb = Array.from({ length: 10 }, (_, index) => {
  const items = index === 0 ? "x" : Array.from({ length: 9 }, () => `*a${index - 1}`).join(",");
  return `a${index}: &a${index} [${items}]\n`;
}).join("");

const namesOf = (objects: readonly JsonValue[]) =>
  objects.map(fieldsOf).map(({ kind, metadata }) => `${textOf(kind)}/${textOf(fieldsOf(metadata)["name"])}`);
const namespacesOf = (objects: readonly JsonValue[]) =>
  new Set(objects.flatMap((object) => textOf(fieldsOf(fieldsOf(object)["metadata"])["namespace"]) || []));

test("build instance prints the same objects as YAML documents and as a v1 List, CRDs first and Deployments last", async () => {
  const input = JSON.stringify(instance({ components: ["source-controller"] }));
  const [yaml, json] = [await build(input), await build(input, "-o", "json")];
  const objects = parseKubeYamlDocuments(yaml.stdout);
  const list = fieldsOf(JSON.parse(json.stdout));
  assert.deepEqual({ exitCode: yaml.exitCode, stderr: yaml.stderr }, { exitCode: 0, stderr: "" });
  assert.deepEqual([list["apiVersion"], list["kind"]], ["v1", "List"]);
  assert.deepEqual(objects, listOf(list["items"]));
  const names = namesOf(objects);
  assert.equal(names[0], "CustomResourceDefinition/buckets.source.toolkit.fluxcd.io");
  assert.equal(names.at(-1), "Deployment/source-controller");
  assert.ok(names.includes("Namespace/flux-system"));
});

test("build instance puts an instance without a namespace into flux-system, or where -n says", async () => {
  const input = JSON.stringify(instance({}, { name: "flux" }));
  for (const { args, want } of [
    { args: [], want: "flux-system" },
    { args: ["-n", "gitops"], want: "gitops" },
  ]) {
    const { stdout } = await build(input, ...args);
    assert.deepEqual(namespacesOf(parseKubeYamlDocuments(stdout)), new Set([want]));
  }
});

test("build instance takes the Go operator's spellings of its options", async () => {
  const flux = fileOf("flux.yaml", documents(instance({}, { name: "flux" })));
  const artifact = join(folder, "no-artifact");
  const plain = await run(["build", "instance", "-f", flux, "-n", "gitops"]);
  assert.equal(plain.exitCode, 0);
  for (const args of [
    [`--filename=${flux}`, "-n=gitops"],
    ["--filename", flux, "--namespace=gitops"],
    [`-f=${flux}`, "-n", "gitops"],
  ])
    assert.deepEqual(await run(["build", "instance", ...args]), plain, args.join(" "));
  const places = [
    ["--distribution", artifact],
    ["--distribution-artifact", artifact],
    [`--distribution-artifact=${artifact}`],
  ];
  const outcomes = await Promise.all(places.map((place) => run(["build", "instance", "-f", flux, ...place])));
  assert.deepEqual(
    outcomes,
    outcomes.map(() => outcomes[0]),
  );
  assert.match(outcomes[0]?.stderr ?? "", /^error: .*no-artifact/);
});

const rename = (kind: string, name: string, to: string) => ({
  patch: JSON.stringify([{ op: "replace", path: "/metadata/name", value: to }]),
  target: { kind, name },
});

test("build instance takes references along when patches rename what they refer to", async () => {
  const patches = [
    rename("ServiceAccount", "source-controller", "flux-source"),
    rename("PersistentVolumeClaim", "source-controller", "artifacts"),
    rename("ClusterRole", "crd-controller-flux-system", "flux-crds"),
  ];
  const storage = { class: "standard", size: "1Gi" };
  const { stdout, exitCode } = await build(JSON.stringify(instance({ storage, kustomize: { patches } })));
  const objects = parseKubeYamlDocuments(stdout).map(fieldsOf);
  const named = (kind: string, name: string) =>
    fieldsOf(objects.find((object) => object["kind"] === kind && fieldsOf(object["metadata"])["name"] === name));
  const pod = fieldsOf(fieldsOf(fieldsOf(named("Deployment", "source-controller")["spec"])["template"])["spec"]);
  const claims = listOf(pod["volumes"]).flatMap((volume) => fieldsOf(volume)["persistentVolumeClaim"] ?? []);
  const binding = named("ClusterRoleBinding", "crd-controller-flux-system");
  const subjects = listOf(binding["subjects"]).map((subject) => textOf(fieldsOf(subject)["name"]));
  assert.deepEqual(
    [exitCode, pod["serviceAccountName"], claims, fieldsOf(binding["roleRef"])["name"]],
    [0, "flux-source", [{ claimName: "artifacts" }], "flux-crds"],
  );
  assert.ok(subjects.includes("flux-source") && !subjects.includes("source-controller"), subjects.join());
});

const fleet = { kind: "GitRepository", url: "https://host/fleet", ref: "refs/heads/main", path: "a" };

for (const { kind, name, why } of [
  { kind: "Namespace", name: "flux-system", why: "the name is that of the instance's namespace" },
  {
    kind: "CustomResourceDefinition",
    name: "buckets.source.toolkit.fluxcd.io",
    why: "the API server takes no other name",
  },
  { kind: "Deployment", name: "helm-controller", why: "the operator finds a controller by the name of its Deployment" },
  {
    kind: "Service",
    name: "notification-controller",
    why: "the controllers reach each other by the name of this Service",
  },
  { kind: "Service", name: "source-controller-a", why: "the controllers reach each other by the name of this Service" },
  { kind: "GitRepository", name: "flux-system", why: "spec.sync.name names the source and the Kustomization" },
  {
    kind: "ServiceAccount",
    name: "kustomize-controller",
    why: "the Kustomization of spec.sync runs as this ServiceAccount",
  },
])
  test(`build instance refuses to rename ${kind} ${name}, which is found by its name`, async () => {
    const spec = {
      sync: fleet,
      cluster: { multitenant: true },
      shards: ["a"],
      kustomize: { patches: [rename(kind, name, "other")] },
    };
    const { exitCode, stderr } = await build(JSON.stringify(instance(spec)));
    const object = ["Namespace", "CustomResourceDefinition"].includes(kind)
      ? `${kind}/${name}`
      : `${kind}/flux-system/${name}`;
    const told = `Cannot apply spec.kustomize.patches[0] to ${object}: it renames it to other, and ${why}`;
    assert.deepEqual([exitCode, stderr.includes(told)], [1, true], stderr);
  });

for (const operation of [
  { op: "remove", path: "/metadata/labels" },
  { op: "replace", path: "/metadata/labels/app.kubernetes.io~1component", value: "sources" },
])
  test(`build instance refuses to ${operation.op} the label by which a controller is found`, async () => {
    const patches = [{ patch: JSON.stringify([operation]), target: { kind: "Deployment", name: "source-controller" } }];
    const { exitCode, stderr } = await build(JSON.stringify(instance({ kustomize: { patches } })));
    assert.deepEqual(
      [exitCode, stderr],
      [
        1,
        "error: standard input: Cannot apply spec.kustomize.patches[0] to Deployment/flux-system/source-controller: it takes the label " +
          "app.kubernetes.io/component: source-controller from it, by which the operator finds the controller to apply it in order; leave the label as it is\n",
      ],
    );
  });

test("build instance says why there is not what a patch names", async () => {
  const sync = { kind: "GitRepository", url: "https://host/fleet", ref: "refs/heads/main", path: "a" };
  const patch = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: other}\n";
  const { stderr } = await build(JSON.stringify(instance({ sync, kustomize: { patches: [{ patch }] } })));
  assert.equal(
    stderr,
    "error: standard input: Cannot apply spec.kustomize.patches[0]: there is no kustomize.toolkit.fluxcd.io/v1 Kustomization other: " +
      "spec.sync makes GitRepository and Kustomization flux-system; change that, correct apiVersion, kind, name and namespace, or remove the patch\n",
  );
});

test("build instance takes several files, several documents and a List, and names the source of each", async () => {
  const a = fileOf("a.yaml", documents(instance({}), instance({}, { name: "flux", namespace: "b" })));
  const c = fileOf("c.json", JSON.stringify({ apiVersion: "v1", kind: "List", items: [instance({})] }));
  const { exitCode, stdout } = await run(["build", "instance", "-f", a, "-f", c]);
  assert.equal(exitCode, 0);
  const sources = stdout.split("\n").filter((line) => line.startsWith("# "));
  assert.deepEqual(sources, [`# Source: ${a} (document 1)`, `# Source: ${a} (document 2)`, `# Source: ${c}`]);
});

test("build instance says on stderr what patches matched and what is doubtful", async () => {
  const patch = JSON.stringify([{ op: "add", path: "/metadata/annotations/note", value: "x" }]);
  const metadata = { name: "flux", annotations: { "fluxcd.controlplane.io/reconcileEvery": "often" } };
  const patches = [
    { patch, target: { kind: "Deployment", name: "source-controller" } },
    { patch, target: { kind: "StatefulSet" } },
  ];
  const spec = { components: ["source-controller"], kustomize: { patches } };
  const mirror = { ...distribution, registry: "mirror.example" };
  const { exitCode, stderr } = await build(JSON.stringify(instance({ ...spec, distribution: mirror }, metadata)));
  const lines = stderr.trimEnd().split("\n");
  assert.equal(exitCode, 0);
  assert.match(lines[0] ?? "", /^warning: standard input: annotation .*reconcileEvery is "often"/);
  assert.match(lines[1] ?? "", /^warning: standard input: images are not pinned by digest: .*\(source-controller\)$/);
  assert.deepEqual(lines.slice(2), [
    "standard input: spec.kustomize.patches[0] matched 1 object: Deployment/flux-system/source-controller",
    "warning: standard input: spec.kustomize.patches[1] matched no object: correct its target, or set spec.kustomize.strict to refuse such patches",
  ]);
});

for (const { name, input, want } of [
  {
    name: "no documents",
    input: "# nothing\n---\n",
    want: "error: standard input: is empty: it must hold a FluxInstance\n",
  },
  {
    name: "text that is no YAML",
    input: "a: [1\nb: 2",
    want: /^error: standard input: Cannot read YAML: line \d+, column \d+: /,
  },
  {
    name: "a key twice",
    input: "kind: FluxInstance\nkind: FluxInstance",
    want: "error: standard input: Cannot read YAML: line 2, column 1: a key stands twice in one map: remove one\n",
  },
  {
    name: "another kind",
    input: documents(instance({}), configMap),
    want: "error: standard input (document 2): holds ConfigMap settings, which is no FluxInstance: take it out, or pass another file\n",
  },
  {
    name: "text instead of an object",
    input: "hello",
    want: "error: standard input: holds something without a kind, which is no FluxInstance: take it out, or pass another file\n",
  },
  {
    name: "comments without an object",
    input: "# to be written\n---\n",
    want: "error: standard input: is empty: it must hold a FluxInstance\n",
  },
  {
    name: "aliases that would fill the memory",
    input: bomb,
    want: /^error: standard input: Cannot read YAML: line 1, column 1: Excessive alias count /,
  },
  {
    name: "lists without end",
    input: "[".repeat(20_000),
    want: /^error: standard input: Cannot read YAML: line 1, column \d+: it is nested too deeply\n$/,
  },
  {
    name: "a file that is too large",
    input: `#${"x".repeat(8 * 1024 * 1024)}`,
    want: "error: standard input: is larger than 8 MiB: pass only files of FluxInstances\n",
  },
  {
    name: "a version of the API that is not there",
    input: JSON.stringify({ ...instance({}), apiVersion: "fluxcd.controlplane.io/v2" }),
    want: /^error: standard input: .*\n {2}apiVersion is "fluxcd.controlplane.io\/v2", which is none of those allowed: use /,
  },
  {
    name: "an object without metadata and spec",
    input: "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\n",
    want: /\n {2}metadata is required: add it\n {2}spec is required: add it\n/,
  },
  {
    name: "a namespace that cannot be",
    input: JSON.stringify(instance({}, { name: "flux", namespace: "Flux_System" })),
    want: /\n {2}metadata.namespace is "Flux_System", which is not a DNS label: /,
  },
  {
    name: "a version that YAML reads as a number",
    input:
      "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {name: flux}\nspec: {distribution: {version: 2.8, registry: ghcr.io/fluxcd}}",
    want: /\n {2}spec.distribution.version must be text, not the number 2.8: put it in quotes\n$/,
  },
  {
    name: "an unknown component and an unknown field, both at once",
    input: JSON.stringify(instance({ components: ["source-controler"], shard: [] })),
    want: /^error: standard input: Cannot use this FluxInstance:\n {2}spec.shard is no field of FluxInstance: .*\n {2}spec.components\[0\] is "source-controler", which is none of those allowed: use /,
  },
  {
    name: "another name",
    input: JSON.stringify(instance({}, { name: "other" })),
    want: /^error: standard input: Cannot use this FluxInstance:\n {2}metadata.name must be flux/,
  },
  {
    name: "two names of one field",
    input: JSON.stringify(instance({ distribution: { ...distribution, pullSecret: "a", imagePullSecret: "b" } })),
    want: /distribution.pullSecret and distribution.imagePullSecret are two names of one field/,
  },
  {
    name: "a range that matches nothing",
    input: JSON.stringify(instance({ distribution: { ...distribution, version: "1.x" } })),
    want: /^error: standard input: Cannot find a release for version range "1.x": .*; change spec.distribution.version\n$/,
  },
  {
    name: "a patch whose path does not exist",
    input: JSON.stringify(
      instance({
        kustomize: { patches: [{ patch: "- {op: remove, path: /spec/nope}", target: { kind: "Deployment" } }] },
      }),
    ),
    want: /^error: standard input: Cannot .*patches\[0\].*\/spec\/nope/,
  },
  {
    name: "a strict patch that matches nothing",
    input: JSON.stringify(
      instance({ kustomize: { strict: true, patches: [{ patch: "[]", target: { kind: "StatefulSet" } }] } }),
    ),
    want: /^error: standard input: .*spec.kustomize.patches\[0\].target matches no object; correct the target/,
  },
  {
    name: "every bad document, each with its place",
    input: documents(instance({ wait: "yes" }), instance({}), instance({ wait: 1 })),
    want: /^error: standard input \(document 1\): .*\n {2}spec.wait must be .*\nerror: standard input \(document 3\): .*\n {2}spec.wait must be .*\n$/,
  },
]) {
  test(`build instance refuses ${name}, and prints nothing else`, async () => {
    const { exitCode, stdout, stderr } = await build(input);
    assert.deepEqual({ exitCode, stdout }, { exitCode: 1, stdout: "" });
    if (typeof want === "string") assert.equal(stderr, want);
    else assert.match(stderr, want);
  });
}

test("build instance refuses bytes that are no UTF-8, and prints nothing else", async () => {
  const broken = join(folder, "latin1.yaml");
  writeFileSync(
    broken,
    Buffer.from(JSON.stringify(instance({ commonMetadata: { annotations: { a: "\u00e9" } } })), "latin1"),
  );
  const { exitCode, stdout, stderr } = await run(["build", "instance", "-f", broken]);
  const want = `error: ${broken}: is no UTF-8 text: save it as UTF-8, or pass another file\n`;
  assert.deepEqual({ exitCode, stdout, stderr }, { exitCode: 1, stdout: "", stderr: want });
});

for (const { name, args, exitCode, want } of [
  { name: "no arguments", args: [], exitCode: 1, want: /^Usage: flux-operator / },
  { name: "an unknown command", args: ["destroy"], exitCode: 1, want: /^error: unknown command 'destroy'/ },
  {
    name: "build without a file",
    args: ["build", "instance"],
    exitCode: 1,
    want: /^error: required option '-f, --file/,
  },
  {
    name: "an unknown output format",
    args: ["build", "instance", "-f", "-", "-o", "xml"],
    exitCode: 1,
    want: /^error: option '-o, --output <format>' argument 'xml' is invalid. Allowed choices are yaml, json/,
  },
  {
    name: "a file that is not there",
    args: ["build", "instance", "-f", "no-such.yaml"],
    exitCode: 1,
    want: "error: no-such.yaml: cannot be read: there is no such file; correct the path after -f\n",
  },
  {
    name: "a folder",
    args: ["build", "instance", "-f", folder],
    exitCode: 1,
    want: `error: ${folder}: cannot be read: it is a folder; name its files, each after an -f of its own\n`,
  },
  { name: "diff without a file", args: ["diff", "instance"], exitCode: 2, want: /^error: required option '-f, --file/ },
  { name: "diff of something else", args: ["diff", "cluster"], exitCode: 2, want: /^error: unknown command 'cluster'/ },
  {
    name: "diff with a kubeconfig that is not there",
    args: ["diff", "instance", "-f", fileOf("good.yaml", JSON.stringify(instance({}))), "--kubeconfig", "/no/such"],
    exitCode: 2,
    want: "error: Cannot read /no/such: there is no such file\n",
  },
  {
    name: "diff of two instances",
    args: ["diff", "instance", "-f", fileOf("two.yaml", documents(instance({}), instance({})))],
    exitCode: 2,
    want: /^error: Cannot compare .*two.yaml \(document 1\), .*two.yaml \(document 2\) with one cluster: .*; pass one\n$/,
  },
]) {
  test(`flux-operator refuses ${name} with exit code ${exitCode}`, async () => {
    const result = await run(args);
    assert.deepEqual({ exitCode: result.exitCode, stdout: result.stdout }, { exitCode, stdout: "" });
    if (typeof want === "string") assert.equal(result.stderr, want);
    else assert.match(result.stderr, want);
  });
}

for (const { name, args, want } of [
  { name: "its version", args: ["--version"], want: `${operatorVersion}\n` },
  {
    name: "the versions of Flux, newest first",
    args: ["list", "versions"],
    want: `${embeddedVersions.toReversed().join("\n")}\n`,
  },
  { name: "help of build", args: ["build", "instance", "--help"], want: /Exit codes: 0 built, 1 / },
  { name: "help of diff", args: ["diff", "instance", "--help"], want: /Exit codes: 0 nothing would change, 1 .*, 2 / },
]) {
  test(`flux-operator prints ${name}`, async () => {
    const { exitCode, stdout, stderr } = await run(args);
    assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: "" });
    if (typeof want === "string") assert.equal(stdout, want);
    else assert.match(stdout, want);
  });
}
