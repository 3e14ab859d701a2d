import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { packNpmPackage } from "../scripts/npm/pack.ts";
import { schemaTypes } from "../scripts/npm/schema-types.ts";
import { parseFluxInstance } from "../src/api/flux-instance.ts";
import { problemsOf } from "../src/api/problems.ts";
import { rules } from "../src/api/rules.ts";
import { fluxInstanceSchema } from "../src/api/schema/instance.ts";
import type { JsonObject, JsonValue } from "../src/kube/object.ts";
import { isJsonObject } from "../src/std/json.ts";
import { parseKubeYaml } from "../src/std/yaml.ts";
import { goldenAbsent, readGoldenCases } from "./support/golden-cases.ts";
import { acceptedCases } from "./support/instance-cases.ts";
import { typeErrors } from "./support/type-check.ts";

const root = join(import.meta.dirname, "..");
const typesFolder = join(root, "packaging/npm/flux-instance-types");
const folder = mkdtempSync(join(tmpdir(), "npm-"));
after(() => rmSync(folder, { recursive: true, force: true }));
mkdirSync(join(folder, "node_modules/@flux-operator"), { recursive: true });
symlinkSync(typesFolder, join(folder, "node_modules/@flux-operator/flux-instance-types"));

type Named = { readonly name: string; readonly instance: JsonValue };

/** The names of the instances that the types refuse. Each is a line of one program. */
async function refusedByTypes(file: string, cases: readonly Named[]): Promise<readonly string[]> {
  const lines = cases.map(({ instance }, index) => `const c${index}: FluxInstance = ${JSON.stringify(instance)};`);
  const head = 'import type { FluxInstance } from "@flux-operator/flux-instance-types";';
  writeFileSync(join(folder, file), [head, ...lines].join("\n"));
  const errors = await typeErrors(folder, [file]);
  return errors.map((error) => cases[Number(error.replace(`${file}:`, "")) - 2]?.name ?? error);
}

/** A value that the schema takes, with every field that there is or only with those that it needs. Rules are none of the types' business. */
function sampleOf(node: unknown, which: "all" | "required"): JsonValue {
  if (!isJsonObject(node)) return "1h";
  const { type, properties, required, items, additionalProperties, format, enum: values } = node;
  if (Array.isArray(values)) return values[0] ?? "";
  if (format === "date-time") return "2026-01-01T00:00:00Z";
  if (isJsonObject(properties)) {
    const wanted = Object.entries(properties).filter(
      ([name]) => which === "all" || (Array.isArray(required) && required.includes(name)),
    );
    return Object.fromEntries(wanted.map(([name, child]) => [name, sampleOf(child, which)]));
  }
  if (type === "array") return [sampleOf(items, which)];
  if (type === "object") return isJsonObject(additionalProperties) ? { key: "value" } : {};
  if (type === "boolean") return true;
  return type === "integer" ? 1 : "1h";
}

/** An instance for each thing that can be wrong in one place: the type, an unknown field, a missing field, another choice. */
function spoiled(node: unknown, path: string, put: (value: JsonValue | undefined) => JsonValue): readonly Named[] {
  if (!isJsonObject(node)) return [];
  const { properties, items, enum: values } = node;
  const sample = sampleOf(node, "required");
  const isMap = isJsonObject(sample) && !isJsonObject(properties);
  const own = [
    { name: `${path}: another type`, instance: put(typeof sample === "string" ? { other: 1 } : "text") },
    ...(Array.isArray(values) ? [{ name: `${path}: another choice`, instance: put("other") }] : []),
    ...(isMap ? [{ name: `${path}: a number in the map`, instance: put({ key: 1 }) }] : []),
  ];
  if (isJsonObject(items)) return [...own, ...spoiled(items, `${path}[]`, (value) => put([value ?? "1h"]))];
  if (!isJsonObject(properties) || !isJsonObject(sample)) return own;
  const below = Object.entries(properties).flatMap(([name, child]) => {
    const putChild = (value: JsonValue | undefined): JsonValue => {
      const { [name]: _, ...others } = sample;
      return put(value === undefined ? others : { ...others, [name]: value });
    };
    const at = path === "" ? name : `${path}.${name}`;
    return [{ name: `${at}: missing`, instance: putChild(undefined) }].concat(spoiled(child, at, putChild));
  });
  return [...own, { name: `${path}: an unknown field`, instance: put({ ...sample, other: 1 }) }, ...below];
}

const ruleMessages = new Set(rules.map(({ message }) => message));

/** Whether the schema refuses `value`, leaving aside bounds and rules, which no type has. */
function isRefused(value: JsonValue): boolean {
  return problemsOf(fluxInstanceSchema, value, { bounds: "ignore" }).some(({ message }) => !ruleMessages.has(message));
}

test("the types of FluxInstance refuse, in each field, what its schema refuses there, and accept the rest", async () => {
  const cases = [
    { name: "every field", instance: sampleOf(fluxInstanceSchema, "all") },
    // The status may have fields of a newer operator, which types do not name: it is read and not written.
    ...spoiled(fluxInstanceSchema, "", (value) => value ?? {}).filter(
      ({ name }) => !/^:|^status.*: an unknown field$/.test(name),
    ),
  ];
  const refused = cases.filter(({ instance }) => isRefused(instance));
  assert.ok(refused.length > 200 && refused.length < cases.length - 100, `${refused.length} of ${cases.length}`);
  assert.deepEqual(
    await refusedByTypes("spoiled.ts", cases),
    refused.map(({ name }) => name),
  );
});

test("the types accept every FluxInstance of the examples, of the table of admission and of the reference cases", async () => {
  const examples = readdirSync(join(root, "examples")).map((name) => ({
    name,
    instance: parseKubeYaml(readFileSync(join(root, "examples", name), "utf8")),
  }));
  const golden = readGoldenCases()
    .filter(({ want }) => want !== undefined)
    .map(({ name, instanceYaml }) => ({ name, instance: parseKubeYaml(instanceYaml) }));
  if (goldenAbsent === undefined) assert.ok(golden.length > 50);
  const cases = [...examples, ...acceptedCases, ...golden].map(({ name, instance }) => ({
    name,
    // A field that is null is absent.
    instance: JSON.parse(JSON.stringify(parseFluxInstance(instance)), (_, value) => value ?? undefined) as JsonObject,
  }));
  assert.deepEqual(await refusedByTypes("accepted.ts", cases), []);
});

test("schemaTypes() writes descriptions, defaults and limits as comments", () => {
  const schema = {
    type: "object",
    additionalProperties: false,
    required: ["name"],
    description: "A thing.",
    properties: {
      name: { type: "string", description: "Its name, no */ in it." },
      sizes: {
        type: "array",
        description: "Sizes.",
        maxItems: 2,
        absent: "all",
        items: { type: "string", enum: ["s", "m", ""] },
      },
      parts: {
        type: "array",
        items: { type: "object", properties: { count: { type: "integer", default: 1 } } },
      },
    },
  };
  assert.equal(
    schemaTypes("Thing", schema),
    `/** A thing. */
export interface Thing {
  /** Its name, no *\\/ in it. */
  readonly name: string;
  /**
   * Sizes. (0 to 2 items)
   * Default: all
   */
  readonly sizes?: readonly ("s" | "m")[];
  readonly parts?: readonly ThingParts[];
}

export interface ThingParts {
  /** Default: 1 */
  readonly count?: number;
  readonly [field: string]: unknown;
}`,
  );
});

test("fluxInstance() completes a spec to the instance of a cluster", () => {
  const types: unknown = createRequire(import.meta.url)(typesFolder);
  assert.ok(typeof types === "object" && types !== null && "fluxInstance" in types);
  const { fluxInstance } = types as { fluxInstance: (spec: JsonObject, metadata?: JsonObject) => JsonObject };
  const spec = { distribution: { version: "2.x", registry: "ghcr.io/fluxcd" } };
  const head = { apiVersion: "fluxcd.controlplane.io/v1", kind: "FluxInstance" };
  const plain = { ...head, metadata: { name: "flux", namespace: "flux-system" }, spec };
  assert.deepEqual(fluxInstance(spec), plain);
  assert.deepEqual(parseFluxInstance(fluxInstance(spec)), plain);
  assert.deepEqual(fluxInstance(spec, { namespace: "fleet", labels: { team: "a" } }), {
    ...plain,
    metadata: { name: "flux", namespace: "fleet", labels: { team: "a" } },
  });
});

test("the package of types has four files, and the same bytes each time", async () => {
  const { signal } = new AbortController();
  const [first, second] = await Promise.all(
    ["one", "two"].map((name) => packNpmPackage("flux-instance-types", join(folder, name), signal)),
  );
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual(first.files, ["LICENSE", "README.md", "index.d.ts", "index.js", "package.json"]);
  assert.deepEqual(readFileSync(first.file), readFileSync(second.file));
});
