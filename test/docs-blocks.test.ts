import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv } from "ajv";
import { schemaProblems } from "../src/apply/plan/validate-blind.ts";
import { componentNames } from "../src/distribution/release.ts";
import { fieldsOf, listOf, textOf } from "../src/kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../src/kube/object.ts";
import { fieldTypes, kindTypes } from "../src/patch/field-types-table.ts";
import { isJsonObject } from "../src/std/json.ts";
import { formatYaml, parseKubeYamlDocuments } from "../src/std/yaml.ts";
import { readDocuments } from "../scripts/site/pages.ts";
import { readRenderInput, render } from "./support/build-from-yaml.ts";
import { docBlocks, docWorlds, isShell, type DocBlock } from "./support/doc-blocks.ts";

const root = join(import.meta.dirname, "..");

type Block = DocBlock & { readonly path: string };

const blocks: readonly Block[] = readDocuments(root).flatMap(({ path, text }) =>
  docBlocks(text).map((block) => Object.assign(block, { path })),
);

const kustomizationFields = new Set(["apiVersion", "kind", "resources", "images", "patches", "namespace"]);

const everything = {
  apiVersion: "fluxcd.controlplane.io/v1",
  kind: "FluxInstance",
  metadata: { name: "flux", namespace: "flux-system" },
  spec: { distribution: { version: "2.x", registry: "ghcr.io/fluxcd" }, components: componentNames },
};

/** CRDs as the operator installs them for the newest release, by the kind that they define. */
const fluxDefinitions = new Map(
  render(readRenderInput(formatYaml(everything)))
    .objects.filter(({ kind }) => kind === "CustomResourceDefinition")
    .map((crd) => [textOf(fieldsOf(fieldsOf(crd["spec"])["names"])["kind"]), crd]),
);

/** What is wrong with something other than a FluxInstance, for which test/docs.test.ts is. */
function problemsOf(shown: JsonObject): readonly string[] {
  const { apiVersion, kind } = shown;
  if (kind === "FluxInstance") return [];
  if (kind === undefined) return problemsOfPart(shown);
  const gvk = `${textOf(apiVersion)}/${textOf(kind)}`;
  const type = kindTypes[gvk];
  if (type !== undefined) return unknownFields(shown, type, textOf(kind));
  if (gvk === "kustomize.config.k8s.io/v1beta1/Kustomization")
    return Object.keys(shown).flatMap((field) => (kustomizationFields.has(field) ? [] : [`has no field ${field}`]));
  const definition = fluxDefinitions.get(textOf(kind));
  if (definition === undefined) return [`${gvk} is a kind that this test does not know`];
  return schemaProblems(shown as KubeObject, definition);
}

/** Without a kind it is a part of a FluxInstance, or values of a chart. */
function problemsOfPart(shown: JsonObject): readonly string[] {
  if (shown["spec"] !== undefined || shown["verify"] !== undefined) return [];
  const chart = shown["instance"] === undefined ? "flux-operator" : "flux-instance";
  const schema = JSON.parse(
    readFileSync(join(root, "packaging/charts", chart, "values.schema.json"), "utf8"),
  ) as JsonObject;
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  if (ajv.validate(schema, shown)) return [];
  return (ajv.errors ?? []).map(({ instancePath, message }) => `${chart}: ${instancePath} ${message}`);
}

/** Fields that Kubernetes does not have in a value of that type. */
function unknownFields(value: JsonValue | undefined, type: string, path: string): readonly string[] {
  if (type.startsWith("[]"))
    return listOf(value).flatMap((item, index) => unknownFields(item, type.slice(2), `${path}[${index}]`));
  const fields = fieldTypes[type];
  if (fields === undefined || !isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([name, below]) => {
    const of = fields[name];
    return of === undefined ? [`${path} has no field ${name}`] : unknownFields(below, of, `${path}.${name}`);
  });
}

test("every piece of YAML in a document is something that Kubernetes, Flux, kustomize or a chart takes", () => {
  const refused = blocks
    .filter(({ language }) => language === "yaml")
    .flatMap(({ path, line, content }) =>
      parseKubeYamlDocuments(content)
        .flatMap((shown) => problemsOf(fieldsOf(shown)))
        .map((problem) => `${path}:${line}: ${problem}`),
    );
  assert.deepEqual(refused, []);
});

for (const { name, shown, want } of [
  {
    name: "a built-in kind with a field that there is not",
    shown: { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "a", labls: {} } },
    want: ["ServiceAccount.metadata has no field labls"],
  },
  {
    name: "a kind of Flux without what it needs",
    shown: { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "OCIRepository", metadata: {}, spec: { url: "oci://x" } },
    want: ["spec.interval is required"],
  },
  { name: "an unknown kind", shown: { kind: "Thing" }, want: ["/Thing is a kind that this test does not know"] },
  {
    name: "a value that the chart does not have",
    shown: { fipps: true },
    want: ["flux-operator:  must NOT have additional properties"],
  },
])
  test(`YAML of ${name} is refused`, () => assert.deepEqual(problemsOf(shown), want));

/** In these, each block of shell says whether it is run, by a comment above it. */
function isGuide(path: string): boolean {
  return path === "README.md" || /^docs\/[^/]+$/.test(path);
}

/** What is wrong with what a block says of itself. */
function problemsOfMarker(block: Block): readonly string[] {
  const { path, marker } = block;
  if (!isShell(block)) return marker === undefined || marker.kind === "file" ? [] : ["only shell is run"];
  if (marker === undefined) return isGuide(path) ? ["put <!-- run --> or <!-- not run: WHY --> above it"] : [];
  if (marker.kind === "file") return ["a file is no shell"];
  if (marker.kind === "run")
    return marker.world === undefined || docWorlds.some((world) => world === marker.world)
      ? []
      : [`there is no world "${marker.world}", only ${docWorlds.join(", ")}`];
  const files = [...marker.why.matchAll(/(?:test|docs)\/[\w./-]+\.\w+/g)].map(([file]) => file);
  return files.flatMap((file) => (existsSync(join(root, file)) ? [] : [`there is no ${file}`]));
}

test("every block of shell in a guide is run, or says why it is not", () => {
  assert.deepEqual(
    blocks.flatMap((block) => problemsOfMarker(block).map((problem) => `${block.path}:${block.line}: ${problem}`)),
    [],
  );
});

/** Commands of shell: continued lines and quoted ones joined; comments, output and what is given to a command with <<'END' aside. */
const commands: readonly (Pick<Block, "path"> & { readonly line: string })[] = blocks
  .filter(isShell)
  .flatMap(({ path, language, content }) =>
    (language === "console" ? content.replaceAll(/^(?!\$ ).*\n|^\$ /gm, "") : content)
      .replaceAll(/<<'END'\n[\s\S]*?^END$/gm, "")
      .replaceAll(/(^|\s)#.*$/gm, "")
      .replaceAll(/\\\n\s*/g, " ")
      .replaceAll(/'[^']*'/g, (quoted) => quoted.replaceAll("\n", " "))
      .split("\n")
      .flatMap((line) => (line.trim() === "" ? [] : [{ path, line: line.trim() }])),
  );

/** Words of each simple command in a line, without their quotes. */
function simpleCommands(line: string): readonly (readonly string[])[] {
  const words = line.match(/\|\||&&|[|;]|(?:[^\s'"|;&]|'[^']*'|"[^"]*"|&(?!&))+/g) ?? [];
  const all: string[][] = [[]];
  for (const word of words) {
    if (/^(\|\||&&|[|;])$/.test(word)) all.push([]);
    else all.at(-1)?.push(word.replaceAll(/^['"]|['"]$/g, ""));
  }
  return all.filter((one) => one.length > 0);
}

const known = [
  "bin/flux-operator flux-operator node_modules/.bin/node npm npx git",
  "cat cd cp curl diff grep head jq ls mkdir sed sha256sum sort tail tar test uniq",
  "az aws gcloud docker flux cosign buildah crane skopeo trivy grype timoni cue terraform tofu pulumi opm promtool",
];
const programs = new Set(known.flatMap((names) => names.split(" ")));
const kubectlVerbs = new Set(
  "annotate apply auth create delete diff events get label logs patch port-forward rollout scale set wait".split(" "),
);
const helmVerbs = new Set("install list package push rollback uninstall upgrade".split(" "));
const flagsWithValue = /^(-n|-l|-L|-o|-f|-k|-p|--for|--type|--timeout|--context|--namespace|--patch)$/;

/** What is wrong with a command of the document `path`, by its words. */
function problemsOfCommand(path: string, words: readonly string[]): readonly string[] {
  const [program = "", ...rest] = words;
  if (/^\w+=/.test(program) || programs.has(program)) return [];
  const isKubectl = program === "kubectl" || program === "oc";
  if (!isKubectl && program !== "helm") return [`${program} is a program that this test does not know`];
  const values = new Set(rest.flatMap((word, index) => (flagsWithValue.test(word) ? [index + 1] : [])));
  const verb = rest.find((word, index) => !word.startsWith("-") && !values.has(index)) ?? "";
  if (!(isKubectl ? kubectlVerbs : helmVerbs).has(verb)) return [`${program} has no verb ${verb}`];
  return rest.flatMap((word, index) =>
    isKubectl && /^(-f|-k)$/.test(rest[index - 1] ?? "") ? missingFile(path, word) : [],
  );
}

/** A file is in the project, or one that the document has shown. */
function missingFile(path: string, name: string): readonly string[] {
  if (name === "-" || name.startsWith("http") || existsSync(join(root, name))) return [];
  const shown = blocks.some(
    ({ path: of, marker }) => of === path && marker?.kind === "file" && `${marker.name}/`.startsWith(`${name}/`),
  );
  return shown ? [] : [`there is no ${name}`];
}

test("every command in a document calls a program, a verb and a file that there are", () => {
  const wrong = commands.flatMap(({ path, line }) =>
    simpleCommands(line).flatMap((words) =>
      problemsOfCommand(path, words).map((problem) => `${path}: ${line}: ${problem}`),
    ),
  );
  assert.deepEqual(wrong, []);
});

for (const { line, want } of [
  { line: "kubetcl get pods", want: "kubetcl is a program that this test does not know" },
  { line: "npm ci && kubectl -n a gte pods | grep x", want: "kubectl has no verb gte" },
  { line: "kubectl apply -f packaging/nothing.yaml", want: "there is no packaging/nothing.yaml" },
  { line: "helm instal x", want: "helm has no verb instal" },
])
  test(`${line} is refused`, () =>
    assert.deepEqual(
      simpleCommands(line).flatMap((words) => problemsOfCommand("README.md", words)),
      [want],
    ));
