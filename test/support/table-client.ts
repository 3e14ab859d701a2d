import type { ApiClient, DeleteOptions, ObjectRef } from "../../src/client/api-client.ts";
import { ApiError } from "../../src/client/api-error.ts";
import { gvkOf, type GroupKind, type GroupVersionKind } from "../../src/kube/gvk.ts";
import type { JsonValue, KubeObject, ObjectKey } from "../../src/kube/object.ts";
import { describeObject } from "../../src/kube/object-id.ts";
import { matchesSelector, parseSelector } from "../../src/kube/selector.ts";
import { isJsonObject } from "../../src/std/json.ts";

export type TableClient = Pick<ApiClient, "getOrUndefined" | "list" | "listPage" | "patch" | "delete" | "discovery"> & {
  /** What is left, in the order in which it was given. */
  readonly objects: () => readonly KubeObject[];
  /** "delete Deployment/a/b {...}", "patch ...", in their order. */
  readonly writes: readonly string[];
};

export type TableOptions = {
  /** What the server answers instead to "get", "list", "patch" or "delete" of "Kind/namespace/name" ("Kind" for a list). */
  readonly refuse?: (verb: string, what: string) => Error | undefined;
};

/** A list of objects behind the client's own methods, for what no real API server can be brought to do at will. */
export function tableClient(given: readonly KubeObject[], { refuse }: TableOptions = {}): TableClient {
  let objects = given;
  const writes: string[] = [];
  const check = (verb: string, what: string): void => {
    const error = refuse?.(verb, what);
    if (error !== undefined) throw error;
  };
  const find = (kind: GroupVersionKind, key: ObjectKey): KubeObject | undefined =>
    objects.find((object) => isOf(kind, object) && isAt(key, object));
  const resourceOf = (kind: KindAtVersion) => {
    const found = objects.find((object) => isOf(kind, object));
    return found === undefined ? undefined : { ...gvkOf(found), plural: "", namespaced: true };
  };
  const present = (verb: string, { gvk, key }: ObjectRef): KubeObject => {
    check(verb, describeObject({ kind: gvk.kind, ...key }));
    const found = find(gvk, key);
    if (found === undefined) throw apiError(404, "NotFound");
    return found;
  };
  const list: TableClient["list"] = async (gvk, { labelSelector = "" }) => {
    check("list", gvk.kind);
    const selector = parseSelector(labelSelector);
    const items = objects.filter((o) => isOf(gvk, o) && matchesSelector(selector, o.metadata.labels ?? {}));
    return { items, resourceVersion: "1" };
  };
  return {
    objects: () => objects,
    writes,
    list,
    discovery: {
      find: async (kind) => resourceOf(kind),
      findPreferred: async ({ group, kind }) => resourceOf({ group, kind }),
      resourcesOf: async () => [],
      invalidate: () => undefined,
    },
    listPage: async (gvk, options, signal) => ({ ...(await list(gvk, options, signal)), next: undefined }),
    getOrUndefined: async (gvk, key) => {
      check("get", describeObject({ kind: gvk.kind, ...key }));
      return find(gvk, key);
    },
    patch: async (target, patch, options) => {
      const found = present("patch", target);
      if (patch.kind !== "merge") throw new TypeError("only merge patches are understood");
      const part = options.subresource === undefined ? "" : `/${options.subresource}`;
      writes.push(`patch ${nameOf(target)}${part} ${JSON.stringify(patch.value)}`);
      const patched = merge(found, patch.value) as KubeObject;
      objects = objects.map((object) => (object === found ? patched : object));
      return patched;
    },
    delete: async (target, options: DeleteOptions) => {
      const found = present("delete", target);
      writes.push(`delete ${nameOf(target)} ${JSON.stringify(options)}`);
      const { uid = found.metadata.uid, resourceVersion = found.metadata.resourceVersion } = options;
      if (uid !== found.metadata.uid || resourceVersion !== found.metadata.resourceVersion) {
        throw apiError(409, "Conflict");
      }
      if ((found.metadata.finalizers ?? []).length > 0) {
        const object = { ...found, metadata: { ...found.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
        objects = objects.map((other) => (other === found ? object : other));
        return { kind: "terminating", object };
      }
      objects = objects.filter((object) => object !== found);
      return { kind: "deleted" };
    },
  };
}

/** An answer of the API server with this status, reason and message. */
export function apiError(code: number, reason: string, message = `answered ${reason}`): ApiError {
  return new ApiError("ask", { code, reason, message, causes: [] });
}

function nameOf({ gvk, key }: ObjectRef): string {
  return describeObject({ kind: gvk.kind, namespace: key.namespace, name: key.name });
}

type KindAtVersion = GroupKind & { readonly version?: string };

/** An object is served at the version that it was given at, and at no other. */
function isOf({ group, version, kind }: KindAtVersion, object: KubeObject): boolean {
  const own = gvkOf(object);
  return own.kind === kind && own.group === group && (version === undefined || own.version === version);
}

function isAt(key: ObjectKey, { metadata }: KubeObject): boolean {
  return metadata.name === key.name && (metadata.namespace ?? "") === key.namespace;
}

/** RFC 7396. */
function merge(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const base = isJsonObject(target) ? target : {};
  const kept = Object.entries(base).filter(([key]) => !(key in patch));
  const set = Object.entries(patch).filter(([, value]) => value !== null);
  return Object.fromEntries([...kept, ...set.map(([key, value]) => [key, merge(base[key], value)] as const)]);
}
