import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { isJsonObject } from "../../src/std/json.ts";

/** Folder of the reference cases, beside the checkout; absent on machines that do not have it. */
const goldenRoot = join(import.meta.dirname, "../../../shared/golden");

export type GoldenImage = {
  readonly name: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
};
export type GoldenResult = {
  readonly version: string;
  readonly images: readonly GoldenImage[];
  readonly objects: readonly KubeObject[];
};
/** `want` is undefined where the build must be refused. */
export type GoldenCase = {
  readonly name: string;
  readonly instanceYaml: string;
  readonly want: GoldenResult | undefined;
};

/** Why the cases cannot be run here; undefined when they can. */
export const goldenAbsent = existsSync(goldenRoot) ? undefined : "no ../shared/golden beside this checkout";

export function readGoldenCases(): readonly GoldenCase[] {
  if (goldenAbsent !== undefined) return [];
  const schemas = readCrdSpecs();
  return readdirSync(join(goldenRoot, "cases"))
    .toSorted()
    .map((name) => readCase(name, schemas));
}

/** An object as both sides of a comparison write it: without status, times, generator marks and CRD descriptions. */
export function comparable(object: KubeObject): JsonObject {
  const { status: _status, metadata, ...fields } = object;
  const { creationTimestamp: _time, annotations, ...others } = metadata;
  const { "controller-gen.kubebuilder.io/version": _generator, ...kept } = annotations ?? {};
  const meta = annotations === undefined ? others : { ...others, annotations: kept };
  if (object.kind !== "CustomResourceDefinition") return { ...fields, metadata: meta };
  return { ...fields, spec: strippedSpec(fields["spec"]), metadata: meta };
}

/** The objects by kind, namespace and name: their order does not count. */
export function byId(objects: readonly KubeObject[]): { readonly [id: string]: JsonObject } {
  return Object.fromEntries(
    objects.map((object) => [
      `${object.kind} ${object.metadata.namespace ?? ""}/${object.metadata.name}`,
      comparable(object),
    ]),
  );
}

/** "path: got X, want Y" of the first place where two values differ, undefined when they are equal. */
export function firstDifference(
  got: JsonValue | undefined,
  want: JsonValue | undefined,
  path = "",
): string | undefined {
  if (got === want) return undefined;
  if (!isCompound(got) || !isCompound(want) || Array.isArray(got) !== Array.isArray(want)) {
    return `${path}: got ${show(got)}, want ${show(want)}`;
  }
  const left = new Map(Object.entries(got));
  const right = new Map(Object.entries(want));
  for (const key of new Set([...left.keys(), ...right.keys()])) {
    const difference = firstDifference(left.get(key), right.get(key), `${path}/${key}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}

function readCase(name: string, schemas: ReadonlyMap<string, JsonObject>): GoldenCase {
  const folder = join(goldenRoot, "cases", name);
  const instanceYaml = readFileSync(join(folder, "instance.yaml"), "utf8");
  const expected = readJson(join(folder, "expected.json")) as GoldenResult | { readonly error: true };
  if ("error" in expected) return { name, instanceYaml, want: undefined };
  const objects = expected.objects.map((object) => withCrdSpec(object, schemas));
  return { name, instanceYaml, want: { ...expected, objects } };
}

function readCrdSpecs(): ReadonlyMap<string, JsonObject> {
  const folder = join(goldenRoot, "crds");
  return new Map(
    readdirSync(folder).map((file) => [file.replace(".json", ""), readJson(join(folder, file)) as JsonObject]),
  );
}

function withCrdSpec(object: KubeObject, schemas: ReadonlyMap<string, JsonObject>): KubeObject {
  const { spec } = object;
  const digest = isJsonObject(spec) ? spec["$crd"] : undefined;
  if (typeof digest !== "string") return object;
  const schema = schemas.get(digest);
  if (schema === undefined) throw new Error(`Cannot read ${object.metadata.name}: no crds/${digest}.json`);
  return { ...object, spec: schema };
}

/** The cases of a release share the specs of its CRDs, so each is stripped once. */
const strippedSpecs = new WeakMap<object, JsonValue>();

function strippedSpec(spec: JsonValue | undefined): JsonValue {
  if (!isJsonObject(spec)) return null;
  const known = strippedSpecs.get(spec);
  if (known !== undefined) return known;
  const stripped = withoutDescriptions(spec);
  strippedSpecs.set(spec, stripped);
  return stripped;
}

function withoutDescriptions(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(withoutDescriptions);
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value).filter(([key, field]) => key !== "description" || typeof field !== "string");
  return Object.fromEntries(kept.map(([key, field]) => [key, withoutDescriptions(field)]));
}

function isCompound(value: JsonValue | undefined): value is JsonObject | readonly JsonValue[] {
  return typeof value === "object" && value !== null;
}

function show(value: JsonValue | undefined): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 200);
}

/** The reference files are trusted test data; who reads them names their format. */
function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, "utf8"));
}
