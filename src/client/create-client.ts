import { fieldsOf, listOf } from "../kube/fields.ts";
import { gvkOf, type GroupVersionKind } from "../kube/gvk.ts";
import { describeObject } from "../kube/object-id.ts";
import type { JsonObject, KubeObject, ObjectKey } from "../kube/object.ts";
import { UnreachableError } from "../std/errors.ts";
import { isJsonObject } from "../std/json.ts";
import type {
  ApiClient,
  ApplyOptions,
  DeleteOptions,
  DeleteResult,
  ListOptions,
  ObjectList,
  ObjectPage,
  ObjectPatch,
  ObjectRef,
  PageOptions,
  Selection,
  ReviewKind,
  ServerVersion,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./api-client.ts";
import { ApiError, ConnectionError, NoSuchKindError, isExpired } from "./api-error.ts";
import type { ApiResource } from "./api-resource.ts";
import { Discovery } from "./discovery.ts";
import { toKubeObject, toPage } from "./object-body.ts";
import { pageSizeOf } from "./pages.ts";
import { resourcePath, type Query } from "./resource-path.ts";
import { Transport, type HttpRequest, type TransportOptions } from "./transport.ts";
import { watchEvents } from "./watch.ts";

/** A client that owns sockets: the caller must call `close` at the end. */
export type OwnedApiClient = ApiClient & {
  /**
   * The same client over the same sockets, but `check` is called right before a write leaves us, at each attempt, and what it throws ends the
   * write: a leader that has lost its lease writes no more, however long the write was held up.
   */
  guardWrites(check: () => void): ApiClient;
  close(): Promise<void>;
};

/** The client for one API server. It opens no connection before the first request. */
export function createApiClient(options: TransportOptions): OwnedApiClient {
  const transport = new Transport(options);
  return new RawClient({ transport, discovery: new Discovery(transport) });
}

const json = { "content-type": "application/json" };
const partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const partialList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

type Write = {
  readonly ref: ObjectRef;
  readonly request: Pick<HttpRequest, "method" | "headers" | "body" | "idempotent">;
  readonly verb: string;
};

type Shared = { readonly transport: Transport; readonly discovery: Discovery };

class RawClient implements OwnedApiClient {
  readonly #transport: Transport;
  readonly #mayWrite: (() => void) | undefined;
  readonly discovery: Discovery;

  constructor({ transport, discovery }: Shared, mayWrite?: () => void) {
    this.#transport = transport;
    this.discovery = discovery;
    this.#mayWrite = mayWrite;
  }

  guardWrites(check: () => void): ApiClient {
    return new RawClient({ transport: this.#transport, discovery: this.discovery }, check);
  }

  async get(gvk: GroupVersionKind, key: ObjectKey, signal: AbortSignal): Promise<KubeObject> {
    const action = `get ${describeObject({ kind: gvk.kind, ...key })}`;
    const path = resourcePath(await this.#resource(gvk, signal), key);
    const answer = await this.#send({ method: "GET", path, action, idempotent: true }, gvk, signal);
    return toKubeObject(answer, { gvk, action });
  }

  async getOrUndefined(gvk: GroupVersionKind, key: ObjectKey, signal: AbortSignal): Promise<KubeObject | undefined> {
    return await orAbsent(this.get(gvk, key, signal));
  }

  async list(gvk: GroupVersionKind, options: ListOptions, signal: AbortSignal): Promise<ObjectList> {
    try {
      return await this.#listPages(gvk, options, signal);
    } catch (error) {
      // The snapshot of the pages was compacted away: a single answer with everything needs none.
      if (!isExpired(error)) throw error;
      return await this.#listPages(gvk, { ...options, pageSize: 0 }, signal);
    }
  }

  async listPage(gvk: GroupVersionKind, options: PageOptions, signal: AbortSignal): Promise<ObjectPage> {
    const action = `list ${gvk.kind}`;
    const resource = await this.#resource(gvk, signal);
    const headers = options.metadataOnly === true ? { accept: partialList } : {};
    const limit = options.pageSize === 0 ? undefined : options.pageSize;
    const query = { ...selectorQuery(options), limit, continue: options.continue };
    const path = resourcePath(resource, { namespace: options.namespace }, query);
    const answer = await this.#send({ method: "GET", path, headers, action, idempotent: true }, gvk, signal);
    return toPage(answer, { gvk, action });
  }

  async create(object: KubeObject, options: WriteOptions, signal: AbortSignal): Promise<KubeObject> {
    const request = { method: "POST", headers: json, body: JSON.stringify(object), idempotent: false } as const;
    return await this.#write({ ref: refOf(object), request, verb: "create" }, writeQuery(options), {
      ...options,
      signal,
    });
  }

  async apply(object: KubeObject, options: ApplyOptions, signal: AbortSignal): Promise<KubeObject> {
    const headers = { "content-type": "application/apply-patch+yaml" };
    const request = { method: "PATCH", headers, body: JSON.stringify(object), idempotent: true } as const;
    const query = { ...writeQuery(options), force: options.force ?? true };
    return await this.#write({ ref: refOf(object), request, verb: "apply" }, query, { ...options, signal });
  }

  async replace(object: KubeObject, options: WriteOptions, signal: AbortSignal): Promise<KubeObject> {
    const request = { method: "PUT", headers: json, body: JSON.stringify(object), idempotent: false } as const;
    return await this.#write({ ref: refOf(object), request, verb: "replace" }, writeQuery(options), {
      ...options,
      signal,
    });
  }

  async patch(ref: ObjectRef, patch: ObjectPatch, options: WriteOptions, signal: AbortSignal): Promise<KubeObject> {
    const request = { method: "PATCH", ...patchBody(patch), idempotent: false } as const;
    return await this.#write({ ref, request, verb: "patch" }, writeQuery(options), { ...options, signal });
  }

  async delete(ref: ObjectRef, options: DeleteOptions, signal: AbortSignal): Promise<DeleteResult> {
    const answer = await orAbsent(this.#delete(ref, options, signal));
    if (answer === undefined) return { kind: "absent" };
    this.#afterWrite(ref.gvk);
    if (isJsonObject(answer) && answer["kind"] === ref.gvk.kind) {
      const object = toKubeObject(answer, { gvk: ref.gvk, action: describeWrite("delete", ref) });
      if (stillThere(object)) return { kind: "terminating", object };
    }
    return { kind: "deleted" };
  }

  async *watch(
    gvk: GroupVersionKind,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    const resource = await this.#resource(gvk, signal);
    const query = {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: options.resourceVersion,
      timeoutSeconds: Math.ceil(options.timeoutMs / 1000),
      ...selectorQuery(options),
    };
    const request: HttpRequest = {
      method: "GET",
      path: resourcePath(resource, { namespace: options.namespace }, query),
      headers: options.metadataOnly === true ? { accept: partial } : {},
      action: `watch ${gvk.kind}`,
      idempotent: true,
    };
    const { idleMs, onContact } = options;
    try {
      yield* watchEvents(this.#transport, request, { gvk, idleMs, onContact }, signal);
    } catch (error) {
      throw this.#kindIsGone(error, gvk) ? new NoSuchKindError(describeKind(gvk)) : error;
    }
  }

  async serverVersion(signal: AbortSignal): Promise<ServerVersion> {
    const action = "ask the API server for its version";
    const answer = await this.#transport.json({ method: "GET", path: "/version", action, idempotent: true }, signal);
    const { gitVersion, major, minor } = isJsonObject(answer) ? answer : {};
    if (typeof gitVersion !== "string" || typeof major !== "string" || typeof minor !== "string")
      throw new ConnectionError(action, "the answer names none");
    return { gitVersion, major, minor };
  }

  async schemaOf({ group, version, kind }: GroupVersionKind, signal: AbortSignal): Promise<JsonObject | undefined> {
    const path = `/openapi/v3/${group === "" ? "api" : `apis/${group}`}/${version}`;
    const request = { method: "GET", path, action: `read the schema of ${kind}`, idempotent: true } as const;
    const answer = await this.#transport.json(request, signal);
    const components = isJsonObject(answer) ? fieldsOf(answer["components"]) : {};
    const schemas = Object.values(fieldsOf(components["schemas"])).map(fieldsOf);
    return schemas.find((schema) =>
      listOf(schema["x-kubernetes-group-version-kind"])
        .map(fieldsOf)
        .some((named) => named["group"] === group && named["version"] === version && named["kind"] === kind),
    );
  }

  async review(kind: ReviewKind, spec: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    const action = `create ${kind}`;
    const path = `/apis/authorization.k8s.io/v1/${kind.toLowerCase()}s`;
    const body = JSON.stringify({ apiVersion: "authorization.k8s.io/v1", kind, spec });
    const request = { method: "POST", path, headers: json, body, action, idempotent: true } as const;
    const answer = await this.#transport.json(request, signal);
    const status = isJsonObject(answer) ? answer["status"] : undefined;
    if (!isJsonObject(status)) throw new ConnectionError(action, "the answer has no status");
    return status;
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  async #listPages(gvk: GroupVersionKind, options: ListOptions, signal: AbortSignal): Promise<ObjectList> {
    const items: KubeObject[] = [];
    for (let next: string | undefined; ;) {
      const rest = next === undefined ? {} : { continue: next };
      const page = await this.listPage(
        gvk,
        { ...options, pageSize: options.pageSize ?? pageSizeOf(options), ...rest },
        signal,
      );
      items.push(...page.items);
      next = page.next;
      if (next === undefined) return { items, resourceVersion: page.resourceVersion };
    }
  }

  async #write(
    write: Write,
    query: Query,
    { signal, subresource }: WriteOptions & { signal: AbortSignal },
  ): Promise<KubeObject> {
    const { ref, request, verb } = write;
    const action = describeWrite(verb, ref, subresource);
    const place = request.method === "POST" ? { namespace: ref.key.namespace } : { ...ref.key, subresource };
    const path = resourcePath(await this.#resource(ref.gvk, signal), place, query);
    const answer = await this.#send({ ...request, path, action }, ref.gvk, signal);
    this.#afterWrite(ref.gvk);
    return toKubeObject(answer, { gvk: ref.gvk, action });
  }

  async #delete(ref: ObjectRef, options: DeleteOptions, signal: AbortSignal): Promise<unknown> {
    const { uid, resourceVersion, propagationPolicy, dryRun } = options;
    const body = {
      apiVersion: "v1",
      kind: "DeleteOptions",
      propagationPolicy: propagationPolicy ?? "Background",
      ...(uid === undefined && resourceVersion === undefined ? {} : { preconditions: { uid, resourceVersion } }),
      ...(dryRun === true ? { dryRun: ["All"] } : {}),
    };
    const path = resourcePath(await this.#resource(ref.gvk, signal), ref.key);
    const action = describeWrite("delete", ref);
    return await this.#send(
      { method: "DELETE", path, headers: json, body: JSON.stringify(body), action, idempotent: false },
      ref.gvk,
      signal,
    );
  }

  async #resource(gvk: GroupVersionKind, signal: AbortSignal): Promise<ApiResource> {
    const resource = await this.discovery.find(gvk, signal);
    if (resource === undefined) throw new NoSuchKindError(describeKind(gvk));
    return resource;
  }

  async #send(request: HttpRequest, gvk: GroupVersionKind, signal: AbortSignal): Promise<unknown> {
    const check = request.method === "GET" ? undefined : this.#mayWrite;
    try {
      return await this.#transport.json({ ...request, ...(check === undefined ? {} : { check }) }, signal);
    } catch (error) {
      throw this.#kindIsGone(error, gvk) ? new NoSuchKindError(describeKind(gvk)) : error;
    }
  }

  /** A 404 that names no object is about the kind: its CRD was deleted, or no longer serves this version. */
  #kindIsGone(error: unknown, gvk: GroupVersionKind): boolean {
    if (!(error instanceof ApiError) || error.status !== 404 || error.objectName !== undefined) return false;
    this.discovery.invalidate(gvk.group);
    return true;
  }

  #afterWrite(gvk: GroupVersionKind): void {
    if (gvk.kind === "CustomResourceDefinition" || gvk.kind === "APIService") this.discovery.invalidate();
  }
}

function refOf(object: KubeObject): ObjectRef {
  return { gvk: gvkOf(object), key: { namespace: object.metadata.namespace ?? "", name: object.metadata.name } };
}

function patchBody(patch: ObjectPatch): Pick<HttpRequest, "headers" | "body"> {
  switch (patch.kind) {
    case "json":
      return { headers: { "content-type": "application/json-patch+json" }, body: JSON.stringify(patch.operations) };
    case "merge":
      return { headers: { "content-type": "application/merge-patch+json" }, body: JSON.stringify(patch.value) };
    default:
      throw new UnreachableError(patch);
  }
}

function writeQuery({ fieldManager, dryRun, dropsUnknownFields }: WriteOptions): Query {
  const fieldValidation = dropsUnknownFields === true ? "Ignore" : "Strict";
  return { fieldManager, fieldValidation, dryRun: dryRun === true ? "All" : undefined };
}

function selectorQuery({ labelSelector, fieldSelector }: Selection): Query {
  return { labelSelector, fieldSelector };
}

/** The API server answers with the object also when it is deleted at once, for kinds without a grace period. */
function stillThere(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

async function orAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof NoSuchKindError) return undefined;
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

function describeWrite(verb: string, { gvk, key }: ObjectRef, subresource?: string): string {
  const what = describeObject({ kind: gvk.kind, ...key });
  return subresource === undefined ? `${verb} ${what}` : `${verb} ${subresource} of ${what}`;
}

function describeKind({ group, version, kind }: GroupVersionKind): string {
  return `${kind} in ${group === "" ? version : `${group}/${version}`}`;
}
