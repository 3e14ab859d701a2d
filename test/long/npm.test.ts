import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { packNpmPackages } from "../../scripts/npm/pack.ts";
import { parseFluxInstance } from "../../src/api/flux-instance.ts";
import type { JsonObject, JsonValue } from "../../src/kube/object.ts";
import { parseKubeYaml } from "../../src/std/yaml.ts";
import { compilePrograms, npmWorld, type NpmWorld } from "../support/npm-packages.ts";
import { typeErrors, type TypeScriptSettings } from "../support/type-check.ts";

const run = promisify(execFile);
let world: NpmWorld;
before(async () => {
  world = await npmWorld();
  await compilePrograms(world, ["examples/pulumi/index.ts", "examples/cdk8s/main.ts"]);
});
after(async () => world[Symbol.asyncDispose]());

test("the package of Pulumi components has its code, its declarations, and no source", () => {
  const files = world.packed.find(({ name }) => name === "pulumi")?.files;
  const modules = ["flux-instance", "flux-operator", "index", "inputs", "operator-values"];
  const compiled = modules.flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`]);
  assert.deepEqual(files, ["LICENSE", "README.md", ...compiled, "package.json"]);
});

test("the packages have the same bytes each time", async () => {
  const again = await packNpmPackages(join(world.folder, "again"), new AbortController().signal);
  const bytes = (packed: typeof again) => Promise.all(packed.map(({ file }) => readFile(file)));
  assert.deepEqual(await bytes(again), await bytes(world.packed));
});

const refused = `import { FluxInstance, FluxOperator } from "@flux-operator/pulumi";
import * as pulumi from "@pulumi/pulumi";
import type { FluxInstance as Written } from "@flux-operator/flux-instance-types";
const distribution = { version: pulumi.output("2.x"), registry: "ghcr.io/fluxcd" };
new FluxInstance("all-inputs", { spec: { distribution, components: [pulumi.secret("source-controller" as const)] } });
new FluxInstance("no-distribution", { spec: {} });
new FluxInstance("a-typo", { spec: { distribution, sinc: {} } });
new FluxInstance("another-choice", { spec: { distribution, cluster: { size: "huge" } } });
new FluxInstance("an-output-of-another-type", { spec: { distribution, wait: pulumi.output("yes") } });
new FluxInstance("a-name", { metadata: { name: "flux" }, spec: { distribution } });
new FluxOperator("no-chart", {});
new FluxOperator("another-value", { chart: "c", values: { logLevel: "loud" } });
new FluxOperator("unknown-value", { chart: "c", values: { replicas: 2 } });
new FluxOperator("all-inputs", { chart: pulumi.output("c"), values: { image: { tag: pulumi.output("v1") } } });
export const tag = new FluxInstance("outputs", { spec: { distribution } }).status.lastAppliedVersion?.apply((v) => v?.length);
export const typo = new FluxInstance("outputs", { spec: { distribution } }).status.lastAppliedVersion?.apply((v) => v + v.size);
`;
const refusedLines = [6, 7, 8, 9, 10, 11, 12, 13, 16].map((line) => `refused.ts:${line}`);

/** How programs of Pulumi and cdk8s are compiled: as Pulumi's own template, as Node runs modules, and for a bundler. */
const settings: readonly (TypeScriptSettings & { readonly name: string; readonly older: boolean })[] = [
  { name: "TypeScript 7, nodenext", older: false },
  { name: "TypeScript 7, bundler", older: false, compilerOptions: { module: "esnext", moduleResolution: "bundler" } },
  {
    name: "TypeScript 5, commonjs",
    older: true,
    compilerOptions: { module: "commonjs", moduleResolution: "node10", skipLibCheck: true },
  },
];
for (const { name, older, compilerOptions = {} } of settings)
  test(`${name}: the examples compile, and what no operator takes is refused`, async () => {
    await writeFile(join(world.folder, "refused.ts"), refused);
    const tsc = older ? { tsc: world.olderTsc } : {};
    const files = ["refused.ts", "examples/pulumi/index.ts", "examples/cdk8s/main.ts"];
    const errors = await typeErrors(world.folder, files, {
      ...tsc,
      compilerOptions: { ...compilerOptions, types: ["node"] },
    });
    assert.deepEqual(errors, refusedLines);
  });

test("TypeScript 5 finds nothing wrong in the declarations of FluxInstance themselves", async () => {
  const program = 'import { fluxInstance } from "@flux-operator/flux-instance-types";\nfluxInstance({});\n';
  await writeFile(join(world.folder, "types.ts"), program);
  const strict = { exactOptionalPropertyTypes: true, moduleResolution: "node10", module: "commonjs" };
  const errors = await typeErrors(world.folder, ["types.ts"], { tsc: world.olderTsc, compilerOptions: strict });
  assert.deepEqual(errors, ["types.ts:2"]);
});

test("ES modules and CommonJS import the same values", async () => {
  const names = "apiVersion, kind, fluxInstance";
  await writeFile(
    join(world.folder, "both.mjs"),
    `import { createRequire } from "node:module";
import { ${names} } from "@flux-operator/flux-instance-types";
import { FluxInstance, FluxOperator } from "@flux-operator/pulumi";
const required = createRequire(import.meta.url);
const types = required("@flux-operator/flux-instance-types");
const components = required("@flux-operator/pulumi");
console.log(JSON.stringify([
  Object.is(types.fluxInstance, fluxInstance), Object.is(components.FluxInstance, FluxInstance),
  Object.is(components.FluxOperator, FluxOperator), apiVersion, kind,
]));`,
  );
  const { stdout } = await run(process.execPath, ["both.mjs"], { cwd: world.folder });
  assert.deepEqual(JSON.parse(stdout), [true, true, true, "fluxcd.controlplane.io/v1", "FluxInstance"]);
});

test("the example of cdk8s writes an instance that the operator takes", async () => {
  const example = join(world.folder, "examples/cdk8s");
  await run(process.execPath, ["main.js"], { cwd: example });
  const written = parseKubeYaml(await readFile(join(example, "dist/flux.k8s.yaml"), "utf8"));
  const { apiVersion, kind, metadata, spec } = parseFluxInstance(written);
  assert.deepEqual(
    { apiVersion, kind, metadata, spec },
    {
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: { name: "flux", namespace: "flux-system" },
      spec: {
        distribution: { version: "2.9.x", registry: "ghcr.io/fluxcd" },
        components: ["source-controller", "kustomize-controller"],
        cluster: { type: "aws", size: "medium", multitenant: true },
        sync: {
          kind: "OCIRepository",
          url: "oci://registry.example.com/fleet",
          ref: { semver: ">=1.0.0" },
          path: "clusters/production",
        },
      },
    },
  );
});

/** What a program asks Pulumi's engine for. */
type Registered = {
  readonly type: string;
  readonly name: string;
  readonly inputs: JsonValue;
  readonly dependsOn: readonly string[];
  readonly deleteBeforeReplace: boolean;
};

type Request = {
  getType(): string;
  getName(): string;
  getDependenciesList(): readonly string[];
  getDeletebeforereplace(): boolean;
};
type Output<T> = { apply(use: (value: T) => void): void };
type Options = { readonly [option: string]: unknown };
type Pulumi = {
  readonly runtime: {
    setMocks(mocks: object, project: string, stack: string, preview: boolean): Promise<void>;
    setConfig(name: string, value: string): void;
    getMonitor(): { registerResource(request: Request, answer: unknown): Promise<void> };
  };
  output<T>(value: T): Output<T>;
  all<T>(values: readonly unknown[]): Output<T>;
};
type Components = {
  readonly FluxInstance: new (name: string, args?: object, options?: Options) => { readonly urn: Output<string> };
  readonly FluxOperator: new (name: string, args?: object, options?: Options) => { readonly urn: Output<string> };
};

const status: JsonObject = { lastAppliedVersion: "2.9.4" };

/** Resources that `program` registers, with Pulumi's own mocks in place of the engine, and what it exports. */
async function registered(
  program: (components: Components, pulumi: Pulumi) => readonly unknown[],
): Promise<{ readonly resources: readonly Registered[]; readonly outputs: JsonValue }> {
  const pulumi = world.require("@pulumi/pulumi") as Pulumi;
  const inputsOf = new Map<string, JsonValue>();
  const mocks = {
    call: () => ({}),
    newResource: ({ type, name, inputs }: { type: string; name: string; inputs: JsonObject }) => {
      inputsOf.set(`${type} ${name}`, inputs);
      return { id: `${name}-id`, state: type.endsWith(":FluxInstance") ? { ...inputs, status } : inputs };
    },
  };
  await pulumi.runtime.setMocks(mocks, "fleet", "dev", false);
  const monitor = pulumi.runtime.getMonitor();
  const requests: Request[] = [];
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, answer) => {
    requests.push(request);
    return register(request, answer);
  };
  const exported = program(world.require("@flux-operator/pulumi") as Components, pulumi);
  const { promise, resolve } = Promise.withResolvers<readonly JsonValue[]>();
  pulumi.all<readonly JsonValue[]>(exported).apply(resolve);
  const outputs = [...(await promise)];
  const resources = requests.map((request) => ({
    type: request.getType(),
    name: request.getName(),
    inputs: inputsOf.get(`${request.getType()} ${request.getName()}`) ?? null,
    dependsOn: request.getDependenciesList().map((urn) => urn.replace(/^.*::/, "")),
    deleteBeforeReplace: request.getDeletebeforereplace(),
  }));
  return { resources, outputs };
}

const component = { type: "flux-operator:index:FluxOperator", inputs: {}, dependsOn: [], deleteBeforeReplace: false };
const release = { type: "kubernetes:helm.sh/v3:Release", dependsOn: [], deleteBeforeReplace: true };
/** What the SDK itself adds. */
const compat = "true";
const instance = { type: "kubernetes:fluxcd.controlplane.io/v1:FluxInstance", deleteBeforeReplace: true };
const head = { apiVersion: "fluxcd.controlplane.io/v1", kind: "FluxInstance" };
const waits = { "pulumi.com/waitFor": "condition=Ready" };
const distribution = { version: "2.9.x", registry: "ghcr.io/fluxcd" };

test("the example of Pulumi installs the operator, then the instance, and tells the version that runs", async () => {
  const { resources, outputs } = await registered((_, { runtime }) => {
    runtime.setConfig("fleet:chart", "oci://registry.example.com/charts/flux-operator");
    const example = world.require("./examples/pulumi/index.js") as { readonly version: unknown };
    return [example.version];
  });
  assert.deepEqual(outputs, ["2.9.4"]);
  assert.deepEqual(resources, [
    { ...component, name: "flux-operator" },
    {
      ...release,
      name: "flux-operator",
      inputs: {
        name: "flux-operator",
        chart: "oci://registry.example.com/charts/flux-operator",
        namespace: "flux-system",
        createNamespace: true,
        compat,
        values: { logLevel: "info", resources: { limits: { memory: "512Mi" } } },
      },
    },
    {
      ...instance,
      name: "flux",
      // On the release, and so the instance is deleted before the operator.
      dependsOn: ["flux-operator"],
      inputs: {
        ...head,
        metadata: { name: "flux", namespace: "flux-system", annotations: waits },
        spec: {
          distribution,
          components: ["source-controller", "kustomize-controller"],
          cluster: { type: "kubernetes", networkPolicy: true },
        },
      },
    },
  ]);
});

test("an instance stands in the namespace of its operator, and outputs may be anywhere in its spec", async () => {
  const { resources } = await registered(({ FluxInstance, FluxOperator }, pulumi) => {
    const args = { chart: "./chart", version: "0.1.0", namespace: pulumi.output("fleet"), timeoutSeconds: 600 };
    const operator = new FluxOperator("operator", args);
    const spec = { distribution: { ...distribution, version: pulumi.output("2.8.x") } };
    const metadata = { labels: { team: "a" }, annotations: { "pulumi.com/waitFor": "condition=Synced" } };
    return [new FluxInstance("flux", { operator, metadata, spec }).urn];
  });
  assert.deepEqual(resources.slice(1), [
    {
      ...release,
      name: "operator",
      inputs: {
        name: "flux-operator",
        chart: "./chart",
        version: "0.1.0",
        namespace: "fleet",
        createNamespace: true,
        compat,
        timeout: 600,
      },
    },
    {
      ...instance,
      name: "flux",
      dependsOn: ["operator"],
      inputs: {
        ...head,
        metadata: {
          name: "flux",
          namespace: "fleet",
          labels: { team: "a" },
          annotations: { "pulumi.com/waitFor": "condition=Synced" },
        },
        spec: { distribution: { ...distribution, version: "2.8.x" } },
      },
    },
  ]);
});

test("an instance without an operator depends on nothing, and may not wait", async () => {
  const { resources } = await registered(({ FluxInstance }) => [
    new FluxInstance("flux", { metadata: { namespace: "fleet" }, spec: { distribution }, wait: false }).urn,
  ]);
  assert.deepEqual(resources, [
    {
      ...instance,
      name: "flux",
      dependsOn: [],
      inputs: { ...head, metadata: { name: "flux", namespace: "fleet", annotations: {} }, spec: { distribution } },
    },
  ]);
});

const refusals: readonly {
  readonly name: string;
  readonly message: string;
  readonly make: (components: Components) => unknown;
}[] = [
  {
    name: "an operator without a chart",
    make: ({ FluxOperator }) => new FluxOperator("op", {}),
    message:
      "FluxOperator op has no chart: set chart to the operator's, such as oci://registry.example.com/charts/flux-operator",
  },
  {
    name: "an instance without a spec",
    make: ({ FluxInstance }) => new FluxInstance("flux"),
    message: "FluxInstance flux has no spec: set at least spec.distribution.version and spec.distribution.registry",
  },
  {
    name: "an instance with a name of its own",
    make: ({ FluxInstance }) => new FluxInstance("f", { metadata: { name: "other" }, spec: { distribution } }),
    message: 'FluxInstance f has the metadata.name "other": remove it, the one instance of a cluster is named flux',
  },
  {
    name: "an instance in another namespace than its operator",
    make: ({ FluxInstance, FluxOperator }) => {
      const operator = new FluxOperator("op", { chart: "./chart" });
      return new FluxInstance("flux", { operator, metadata: { namespace: "fleet" }, spec: { distribution } });
    },
    message:
      "FluxInstance flux has both operator and metadata.namespace: remove metadata.namespace, the instance stands in the operator's",
  },
];
for (const { name, make, message } of refusals)
  test(`a program is refused that asks for ${name}`, async () => {
    await assert.rejects(
      registered((components) => [make(components)]),
      { message },
    );
  });
