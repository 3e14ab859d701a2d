import { isBuiltInGroup } from "../../kube/object-id.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../kube/object.ts";
import { canonicalQuantity } from "../../kube/quantity.ts";
import { isJsonArray, isJsonObject } from "../../std/json.ts";

/**
 * Writes objects of Kubernetes' own kinds as its typed clients do: canonical quantities, empty optional fields left out, structs that cannot be
 * left out as {}. Then server-side apply sees no difference where there is none, and what the Go operator has applied stays as it is. Custom
 * resources and CRDs are not changed.
 */
export function normalise(objects: readonly KubeObject[]): readonly KubeObject[] {
  return objects.map((object) => {
    if (object.kind === "CustomResourceDefinition" || !isBuiltInGroup(object.apiVersion)) return object;
    const compacted = compact(object);
    const always = alwaysPresent[object.kind];
    return always === undefined ? asObject(object, compacted) : asObject(object, withStructs(compacted, always));
  });
}

/** Fields by kind, as paths of map keys, that Go's structs always write. */
const alwaysPresent: { readonly [kind: string]: readonly (readonly string[])[] } = {
  Namespace: [["spec"]],
  Deployment: [["spec", "strategy"]],
  NetworkPolicy: [["spec", "podSelector"]],
  PersistentVolumeClaim: [["spec", "resources"]],
};

/** Maps whose keys are the user's, and not fields. */
const textMaps: ReadonlySet<string> = new Set([
  "labels",
  "annotations",
  "matchLabels",
  "nodeSelector",
  "data",
  "stringData",
]);
const quantityMaps: ReadonlySet<string> = new Set(["limits", "requests", "hard"]);
const quantities: ReadonlySet<string> = new Set(["divisor", "sizeLimit"]);

/** Fields that are no pointers in Go: false and 0 mean the same as absent and are left out. */
const omittedWhenFalse: ReadonlySet<string> = new Set([
  "hostNetwork",
  "hostPID",
  "hostIPC",
  "readOnly",
  "stdin",
  "stdinOnce",
  "tty",
  "paused",
  "publishNotReadyAddresses",
]);
const omittedWhenZero: ReadonlySet<string> = new Set([
  "initialDelaySeconds",
  "timeoutSeconds",
  "periodSeconds",
  "successThreshold",
  "failureThreshold",
  "minReadySeconds",
  "hostPort",
  "nodePort",
]);
/** Pointers to text: "" means something else than absent. */
const keptWhenEmpty: ReadonlySet<string> = new Set(["storageClassName", "name", "key", "op", "path"]);

/** Structs in lists that gain a field: containers, ports, env sources. */
const completed: { readonly [list: string]: JsonObject } = {
  containers: { resources: {} },
  initContainers: { resources: {} },
  ports: { protocol: "TCP" },
};

function compact(object: JsonObject): JsonObject {
  let changed = false;
  const fields: { [key: string]: JsonValue } = {};
  for (const key of Object.keys(object)) {
    const before = object[key];
    const after = compactField(key, before);
    if (after !== undefined) fields[key] = after;
    if (after !== before) changed = true;
  }
  return changed ? fields : object;
}

function compactField(key: string, value: JsonValue | undefined): JsonValue | undefined {
  if (value === null || value === undefined) return undefined;
  if (value === "" && !keptWhenEmpty.has(key)) return undefined;
  if (value === false && omittedWhenFalse.has(key)) return undefined;
  if (value === 0 && omittedWhenZero.has(key)) return undefined;
  if (quantities.has(key)) return quantity(value);
  if (isJsonArray(value)) return compactList(key, value);
  if (!isJsonObject(value)) return value;
  if (quantityMaps.has(key)) return compactQuantities(value);
  if (textMaps.has(key)) return Object.keys(value).length === 0 ? undefined : value;
  if (key === "resourceFieldRef" && value["divisor"] === undefined) return { ...compact(value), divisor: "0" };
  return compact(value);
}

function compactList(key: string, list: readonly JsonValue[]): JsonValue | undefined {
  if (list.length === 0) return undefined;
  const additions = completed[key];
  let changed = false;
  const items = list.map((item) => {
    if (!isJsonObject(item)) return item;
    const compacted = compact(item);
    const after =
      additions === undefined || isComplete(compacted, additions) ? compacted : { ...additions, ...compacted };
    if (after !== item) changed = true;
    return after;
  });
  return changed ? items : list;
}

function isComplete(object: JsonObject, additions: JsonObject): boolean {
  return Object.keys(additions).every((key) => object[key] !== undefined);
}

function compactQuantities(map: JsonObject): JsonObject | undefined {
  const entries = Object.entries(map).filter(([, value]) => value !== null);
  if (entries.length === 0) return undefined;
  const written = entries.map(([key, value]) => [key, quantity(value)] as const);
  return written.every(([key, value]) => map[key] === value) ? map : Object.fromEntries(written);
}

function quantity(value: JsonValue): JsonValue {
  return typeof value === "string" || typeof value === "number" ? canonicalQuantity(String(value)) : value;
}

function withStructs(object: JsonObject, paths: readonly (readonly string[])[]): JsonObject {
  return paths.reduce((value, path) => withStruct(value, path), object);
}

function withStruct(object: JsonObject, [key, ...rest]: readonly string[]): JsonObject {
  if (key === undefined) return object;
  const field = object[key];
  const next = withStruct(isJsonObject(field) ? field : {}, rest);
  return next === field ? object : { ...object, [key]: next };
}

/** The functions above never remove apiVersion, kind or name. */
function asObject(object: KubeObject, changed: JsonObject): KubeObject {
  return changed === object ? object : { ...changed, ...identity(object, changed) };
}

function identity(object: KubeObject, changed: JsonObject): Pick<KubeObject, "apiVersion" | "kind" | "metadata"> {
  const metadata = isJsonObject(changed["metadata"]) ? changed["metadata"] : {};
  return { apiVersion: object.apiVersion, kind: object.kind, metadata: { ...metadata, name: object.metadata.name } };
}
