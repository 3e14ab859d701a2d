import { builtInKinds } from "../../../src/client/built-in-kinds.ts";
import { fieldsOf, listOf, textOf } from "../../../src/kube/fields.ts";
import { formatApiVersion, gvkOf } from "../../../src/kube/gvk.ts";
import type { JsonObject, JsonValue, KubeObject, ManagedFieldsEntry, ObjectMeta } from "../../../src/kube/object.ts";
import { matchesSelector, parseSelector } from "../../../src/kube/selector.ts";
import { applyJsonPatch, readOperation } from "../../../src/patch/json-patch.ts";
import { canonicalJson, deepEqual, isJsonArray, isJsonObject } from "../../../src/std/json.ts";
import { parseFields, formatFields } from "./field-set.ts";
import { mergeTypeOfKind, mergeTypeOfSchema, type MergeType } from "./list-types.ts";
import { afterApply, afterUpdate, withoutManagers, type Writer } from "./managers.ts";

export type Request = {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string;
};

export type Answer = { readonly status: number; readonly body: JsonObject | string; readonly retryAfter?: number };

/** One change of one object; `before` is undefined for a new one, `after` for one that is gone. */
export type Change = {
  readonly version: number;
  readonly before?: KubeObject;
  readonly after?: KubeObject;
};

/** A watch: what the server sends to it, in order. */
export type Watch = { readonly next: () => string | undefined; readonly isOver: () => boolean };

export type MemoryServer = {
  /** The answer to any request but a watch. */
  handle(request: Request): Answer;
  /** Undefined for a request that is no watch. An answer is a refusal. */
  openWatch(request: Request): Watch | Answer | undefined;
  /** Ends all watches, and forgets what has changed until now when `expire` is set. */
  dropWatches(expire: boolean): void;
  /** All objects as they are stored. */
  objects(): readonly KubeObject[];
  find(kind: string, namespace: string, name: string): KubeObject | undefined;
  /** Called after each change. */
  onChange(listener: (change: Change) => void): void;
  /** What the controllers in the API server itself have to do; each call does one thing. */
  readonly works: (() => void)[];
};

type Kind = {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** All versions that are served; the first is the preferred one. */
  readonly versions: readonly string[];
  readonly storage: string;
  readonly hasStatus: boolean;
  readonly type: MergeType;
  /** Undefined for built-in kinds. */
  readonly definition?: KubeObject;
};

class Refusal extends Error {
  readonly answer: Answer;
  constructor(code: number, reason: string, message: string, details: JsonObject = {}) {
    super(message);
    const body = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, details, code };
    this.answer = { status: code, body };
  }
}

const cleanup = "customresourcecleanup.apiextensions.k8s.io";
const definitionKind = "CustomResourceDefinition.apiextensions.k8s.io";
/** Kinds of which the API server counts changes of the spec. */
const counted = new Set([
  "Deployment",
  "ReplicaSet",
  "NetworkPolicy",
  "CustomResourceDefinition",
  "PodDisruptionBudget",
]);
/** Kinds of which a PUT makes an object that is not there. */
const createdByPut = new Set(["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Lease"]);
/** Kinds of which the answer to a deletion is the object. */
const answersDeleted = new Set(["ServiceAccount", "Service", "PersistentVolumeClaim", "ResourceQuota", "Pod"]);
const withoutStatus = new Set([
  "ConfigMap",
  "Secret",
  "ServiceAccount",
  "ClusterRole",
  "ClusterRoleBinding",
  "Role",
  "RoleBinding",
  "Event",
  "Lease",
]);

const builtIns: readonly Kind[] = [...builtInKinds.values()].map(({ group, version, kind, plural, namespaced }) => ({
  group,
  version,
  kind,
  plural,
  namespaced,
  versions: [version],
  storage: version,
  hasStatus: !withoutStatus.has(kind),
  type: mergeTypeOfKind(kind),
}));

/** An API server in memory. `nowMs` is its wall clock. It keeps what the tests of the model rely on: see docs/decisions/model-check.md. */
export function createMemoryServer(nowMs: () => number, options: { readonly minor?: string } = {}): MemoryServer {
  return new Server(nowMs, options.minor ?? "34");
}

type Target = {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly query: URLSearchParams;
};

class Server implements MemoryServer {
  readonly #nowMs: () => number;
  readonly #minor: string;
  /** By "Kind.group", then by "namespace/name". */
  readonly #stored = new Map<string, Map<string, KubeObject>>();
  #kinds: readonly Kind[] = builtIns;
  readonly #listeners: ((change: Change) => void)[] = [];
  #changes: Change[] = [];
  #forgotten = 0;
  #version = 100;
  #uids = 0;
  #watchEpoch = 0;
  /** Whether the request that is being answered has made an object. */
  #created = false;
  readonly works: (() => void)[] = [];

  constructor(nowMs: () => number, minor: string) {
    this.#nowMs = nowMs;
    this.#minor = minor;
  }

  onChange(listener: (change: Change) => void): void {
    this.#listeners.push(listener);
  }

  objects(): readonly KubeObject[] {
    return [...this.#stored.values()].flatMap((objects) => Array.from(objects.values()));
  }

  find(kind: string, namespace: string, name: string): KubeObject | undefined {
    const group = [...this.#stored.keys()].find((key) => key === kind || key.startsWith(`${kind}.`));
    return this.#stored.get(group ?? "")?.get(`${namespace}/${name}`);
  }

  dropWatches(expire: boolean): void {
    this.#watchEpoch += 1;
    if (!expire) return;
    this.#forgotten = this.#version;
    this.#changes = [];
  }

  handle(request: Request): Answer {
    try {
      this.#created = false;
      const body = this.#answer(request);
      return { status: this.#created ? 201 : 200, body };
    } catch (error) {
      if (error instanceof Refusal) return error.answer;
      if (error instanceof NotServed) return { status: 404, body: "404 page not found\n" };
      throw error;
    }
  }

  openWatch(request: Request): Watch | Answer | undefined {
    if (request.method !== "GET" || !/[?&]watch=true/.test(request.path)) return undefined;
    try {
      return this.#watch(this.#target(request), request);
    } catch (error) {
      if (error instanceof Refusal) return error.answer;
      if (error instanceof NotServed) return { status: 404, body: "404 page not found\n" };
      throw error;
    }
  }

  #answer(request: Request): JsonObject {
    const own = this.#aboutServer(request);
    if (own !== undefined) return own;
    const target = this.#target(request);
    const shape = (object: KubeObject): JsonObject => asRequested(inVersion(object, target.kind), request);
    switch (request.method) {
      case "GET":
        return target.name === "" ? this.#list(target, request) : shape(this.#present(target));
      case "POST":
        return shape(this.#create(target, parseBody(request)));
      case "PUT":
        return shape(this.#replace(target, parseBody(request)));
      case "PATCH":
        return shape(this.#patch(target, request));
      case "DELETE":
        return this.#delete(target, request);
      default:
        throw new Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
    }
  }

  // Discovery, version and reviews.

  #aboutServer({ method, path, body }: Request): JsonObject | undefined {
    const [, root, group, version, more] = (path.split("?")[0] ?? "").split("/");
    if (root === "version") return { gitVersion: `v1.${this.#minor}.0`, major: "1", minor: this.#minor };
    if (method === "POST" && group === "authorization.k8s.io") return review(parseJson(body));
    if (root === "api" && group === "v1" && version === undefined) return this.#resources("", "v1");
    if (root !== "apis" || group === undefined || more !== undefined) return undefined;
    const kinds = this.#served().filter((kind) => kind.group === group);
    if (kinds.length === 0) throw new NotServed();
    if (version !== undefined) return this.#resources(group, version);
    const versions = [...new Set(kinds.flatMap((kind) => kind.versions))].toSorted(byPriority);
    const named = versions.map((one) => ({ groupVersion: `${group}/${one}`, version: one }));
    return { kind: "APIGroup", apiVersion: "v1", name: group, versions: named, preferredVersion: named[0] ?? {} };
  }

  #resources(group: string, version: string): JsonObject {
    const found = this.#served().filter((kind) => kind.group === group && kind.versions.includes(version));
    if (found.length === 0) throw new NotServed();
    const resources = found.map(({ kind, plural, namespaced }) => ({
      name: plural,
      kind,
      namespaced,
      verbs: ["list"],
    }));
    return { kind: "APIResourceList", groupVersion: formatApiVersion({ group, version }), resources };
  }

  #served(): readonly Kind[] {
    return this.#kinds;
  }

  #target({ path }: Request): Target {
    const url = new URL(path, "http://memory");
    const parts = url.pathname.split("/").slice(1).map(decodeURIComponent);
    const [group, version, ...rest] = parts[0] === "api" ? ["", ...parts.slice(1)] : parts.slice(1);
    const inNamespace = rest[0] === "namespaces" && rest.length > 2 && rest[2] !== "status" && rest[2] !== "finalize";
    const [namespace, [plural, name = "", subresource = ""]] = inNamespace
      ? [rest[1] ?? "", rest.slice(2)]
      : ["", rest];
    const kind = this.#served().find(
      (one) => one.group === group && one.plural === plural && one.versions.includes(version ?? ""),
    );
    if (kind === undefined || (kind.namespaced && namespace === "" && name !== "")) throw new NotServed();
    return { kind: { ...kind, version: version ?? "" }, namespace, name, subresource, query: url.searchParams };
  }

  // Reads.

  #of(kind: Pick<Kind, "group" | "kind">): Map<string, KubeObject> {
    const id = kind.group === "" ? kind.kind : `${kind.kind}.${kind.group}`;
    const found = this.#stored.get(id) ?? new Map<string, KubeObject>();
    this.#stored.set(id, found);
    return found;
  }

  #live({ kind, namespace, name }: Target): KubeObject | undefined {
    return this.#of(kind).get(`${namespace}/${name}`);
  }

  #present(target: Target): KubeObject {
    const live = this.#live(target);
    if (live === undefined) throw notFound(target.kind, target.name);
    return live;
  }

  #list({ kind, namespace, query }: Target, request: Request): JsonObject {
    const isSelected = selection(namespace, query);
    const items = [...this.#of(kind).values()]
      .filter(isSelected)
      .toSorted((left, right) => (pathOf(left) < pathOf(right) ? -1 : 1))
      .map((object) => asRequested(inVersion(object, kind), request));
    return {
      kind: `${kind.kind}List`,
      apiVersion: formatApiVersion(kind),
      metadata: { resourceVersion: `${this.#version}` },
      items,
    };
  }

  #watch({ kind, namespace, query }: Target, request: Request): Watch {
    const isSelected = selection(namespace, query);
    const from = Number(query.get("resourceVersion"));
    if (from < this.#forgotten) return expired();
    let at = this.#changes.findIndex(({ version }) => version > from);
    if (at < 0) at = this.#changes.length;
    const changes = this.#changes;
    const epoch = this.#watchEpoch;
    const isOver = (): boolean => this.#watchEpoch !== epoch || !this.#kinds.some((one) => one.kind === kind.kind);
    const next = (): string | undefined => {
      for (; at < changes.length;) {
        const line = eventOf(changes[at] as Change, { kind, isSelected, request });
        at += 1;
        if (line !== undefined) return line;
      }
      return undefined;
    };
    return { next, isOver };
  }

  // Writes.

  #create(target: Target, given: KubeObject): KubeObject {
    const { kind, namespace, query } = target;
    const name = given.metadata.name ?? `${textOf(given.metadata["generateName"])}${this.#uids}`;
    if (this.#of(kind).has(`${namespace}/${name}`))
      throw new Refusal(409, "AlreadyExists", `${resourceName(kind)} "${name}" already exists`, detailsOf(kind, name));
    const place = { ...target, name };
    this.#mayCreate(place);
    const born = this.#born(given, place, { hasStatus: false });
    const writer = writerOf(target, "Update");
    const object = afterUpdate(undefined, born, {
      writer,
      type: kind.type,
      time: this.#time(),
      ownable: owns(target),
      isCustom: kind.definition !== undefined,
    });
    return this.#store(undefined, this.#completed(undefined, object, kind), { dryRun: isDryRun(query), kind });
  }

  #mayCreate({ kind, namespace, name }: Target): void {
    if (kind.definition?.metadata.deletionTimestamp !== undefined)
      throw new Refusal(405, "MethodNotAllowed", "create not allowed while custom resource definition is terminating");
    if (!kind.namespaced) return;
    const within = this.find("Namespace", "", namespace);
    if (within === undefined) throw notFound({ ...kind, group: "", plural: "namespaces" }, namespace);
    if (within.metadata.deletionTimestamp === undefined) return;
    const message = `${resourceName(kind)} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`;
    const causes = [
      {
        reason: "NamespaceTerminating",
        message: `namespace ${namespace} is being terminated`,
        field: "metadata.namespace",
      },
    ];
    throw new Refusal(403, "Forbidden", message, { ...detailsOf(kind, name), causes });
  }

  #born(given: KubeObject, { kind, namespace, name }: Target, { hasStatus }: { hasStatus: boolean }): KubeObject {
    const { status, ...rest } = given as KubeObject & { readonly status?: JsonValue };
    this.#created = true;
    this.#uids += 1;
    const isCounted = counted.has(kind.kind) || kind.definition !== undefined;
    const metadata: ObjectMeta = {
      ...given.metadata,
      name,
      ...(kind.namespaced ? { namespace } : {}),
      uid: `00000000-0000-4000-8000-${`${this.#uids}`.padStart(12, "0")}`,
      creationTimestamp: this.#time(),
      ...(isCounted ? { generation: 1 } : {}),
    };
    const keepsStatus = status !== undefined && (hasStatus || !kind.hasStatus);
    return { ...rest, metadata, ...(keepsStatus ? { status } : {}) };
  }

  #replace(target: Target, given: KubeObject): KubeObject {
    const { resourceVersion, uid } = given.metadata;
    if (this.#live(target) === undefined && createdByPut.has(target.kind.kind)) return this.#create(target, given);
    const live = this.#present(target);
    const isOther = resourceVersion !== undefined && resourceVersion !== live.metadata.resourceVersion;
    if (isOther || (uid !== undefined && uid !== live.metadata.uid)) throw conflict(target);
    const isWithoutStatus = target.kind.hasStatus && given["status"] === undefined && target.subresource === "";
    return this.#update(target, live, isWithoutStatus ? withoutStatusOwners(given, live) : given);
  }

  #patch(target: Target, request: Request): KubeObject {
    const type = request.headers?.["content-type"] ?? "";
    if (type.startsWith("application/apply-patch")) return this.#apply(target, parseBody(request));
    const live = this.#present(target);
    const shown = inVersion(live, target.kind);
    const body = parseJson(request.body);
    const next = type.startsWith("application/json-patch")
      ? jsonPatched(shown, body, target)
      : mergePatched(shown, body);
    const { resourceVersion, uid } = fieldsOf((next as KubeObject).metadata);
    if (resourceVersion !== live.metadata.resourceVersion) throw conflict(target);
    if (uid !== live.metadata.uid)
      throw new Refusal(
        409,
        "Conflict",
        `Precondition failed: UID in precondition: ${textOf(uid)}`,
        detailsOf(target.kind, target.name),
      );
    return this.#update(target, live, next as KubeObject);
  }

  #update(target: Target, live: KubeObject, given: KubeObject): KubeObject {
    const { kind } = target;
    const next = this.#confined(target, live, given);
    const writer = writerOf(target, "Update");
    const before = inVersion(live, kind);
    const base = afterUpdate(before, next, {
      writer,
      type: kind.type,
      time: this.#time(),
      ownable: owns(target),
      isCustom: kind.definition !== undefined,
    });
    const isNoMore = deepEqual(withoutManagers(before), withoutManagers(base)) && sameManagers(before, base);
    if (isNoMore) return live;
    return this.#store(live, this.#completed(live, base, kind), { dryRun: isDryRun(target.query), kind });
  }

  /** A write of the status changes nothing else, and any other one no status. What the API server alone decides stays. */
  #confined({ kind, subresource }: Target, live: KubeObject, given: KubeObject): KubeObject {
    const fixed = fixedMetadata(live);
    const { managedFields, finalizers: wanted } = given.metadata;
    const managed = managersGiven(managedFields, live);
    if (subresource === "status") {
      const { managedFields: _, ...metadata } = live.metadata;
      const { status: __, ...rest } = live;
      const { status } = given as KubeObject & { readonly status?: JsonValue };
      const shown = { ...rest, apiVersion: formatApiVersion(kind), metadata: { ...metadata, ...managed } };
      return status === undefined ? shown : { ...shown, status };
    }
    const { managedFields: _, ...metadata } = given.metadata;
    const { status: __, ...rest } = given as KubeObject & { readonly status?: JsonValue };
    const status = kind.hasStatus ? live["status"] : given["status"];
    const isGoing = live.metadata.deletionTimestamp !== undefined;
    // No finalizer is added to what is being deleted.
    const finalizers = isGoing
      ? (wanted ?? []).filter((one) => (live.metadata.finalizers ?? []).includes(one))
      : wanted;
    const { finalizers: ___, ...others } = metadata;
    const ours = finalizers === undefined || finalizers.length === 0 ? {} : { finalizers };
    return {
      ...rest,
      apiVersion: formatApiVersion(kind),
      metadata: { ...withoutNulls(others), ...ours, ...fixed, ...managed },
      ...(status === undefined ? {} : { status }),
    } as KubeObject;
  }

  #apply(target: Target, config: KubeObject): KubeObject {
    const { kind, name, query } = target;
    const live = this.#live(target);
    if (live === undefined) {
      if (config.metadata.uid !== undefined || target.subresource !== "") throw notFound(kind, name);
      this.#mayCreate(target);
    }
    const { resourceVersion } = config.metadata;
    if (resourceVersion !== undefined && resourceVersion !== live?.metadata.resourceVersion) throw conflict(target);
    const writer = writerOf(target, "Apply");
    const before = live === undefined ? undefined : inVersion(live, kind);
    const options = {
      writer,
      type: kind.type,
      time: this.#time(),
      ownable: owns(target),
      force: query.get("force") === "true",
    };
    const applied = afterApply(before, config, options);
    if ("conflicts" in applied) throw managerConflict(applied.conflicts);
    if (live === undefined) {
      const born = this.#born(applied.object, target, { hasStatus: false });
      return this.#store(undefined, this.#completed(undefined, born, kind), { dryRun: isDryRun(query), kind });
    }
    const next = this.#confined(target, live, { ...applied.object, metadata: { ...applied.object.metadata } });
    if (deepEqual(withoutManagers(before ?? live), withoutManagers(next)) && sameManagers(before ?? live, next))
      return live;
    return this.#store(live, this.#completed(live, next, kind), { dryRun: isDryRun(query), kind });
  }

  /** What the API server adds and checks by itself. */
  #completed(live: KubeObject | undefined, next: KubeObject, kind: Kind): KubeObject {
    const stored = { ...next, apiVersion: formatApiVersion({ group: kind.group, version: kind.storage }) };
    const complete = `${kind.kind}.${kind.group}` === definitionKind ? definition(live, stored) : stored;
    if (live === undefined) return complete;
    const { generation } = live.metadata;
    if (generation === undefined || !isNewGeneration(live, complete, kind)) return complete;
    return { ...complete, metadata: { ...complete.metadata, generation: generation + 1 } };
  }

  #store(
    live: KubeObject | undefined,
    next: KubeObject,
    { dryRun, kind }: { dryRun: boolean; kind: Kind },
  ): KubeObject {
    if (dryRun) return next;
    const isGone =
      next.metadata.deletionTimestamp !== undefined &&
      (next.metadata.finalizers ?? []).length === 0 &&
      !isPodInGrace(next);
    this.#version += 1;
    const written = { ...next, metadata: { ...next.metadata, resourceVersion: `${this.#version}` } };
    const objects = this.#of(kind);
    if (isGone) objects.delete(pathOf(next));
    else objects.set(pathOf(next), written);
    this.#tell({
      version: this.#version,
      ...(live === undefined ? {} : { before: live }),
      ...(isGone ? {} : { after: written }),
    });
    return written;
  }

  #tell(change: Change): void {
    this.#changes.push(change);
    const object = change.after ?? change.before;
    if (object?.kind === "CustomResourceDefinition") this.#afterDefinition(object.metadata.name);
    for (const listener of this.#listeners) listener(change);
  }

  #delete(target: Target, request: Request): JsonObject {
    const { kind, name } = target;
    const live = this.#present(target);
    const options = request.body === undefined || request.body === "" ? {} : fieldsOf(parseJson(request.body));
    const { uid, resourceVersion } = fieldsOf(options["preconditions"]);
    const isOther =
      (uid !== undefined && uid !== live.metadata.uid) ||
      (resourceVersion !== undefined && resourceVersion !== live.metadata.resourceVersion);
    if (isOther) throw new Refusal(409, "Conflict", `Precondition failed`, detailsOf(kind, name));
    const dryRun = isDryRun(target.query) || options["dryRun"] !== undefined;
    const going = this.#going(live, options);
    if ((going.metadata.finalizers ?? []).length === 0 && !isPodInGrace(going)) {
      if (!dryRun) this.#drop(kind, live);
      if (!answersDeleted.has(kind.kind)) return deleted(kind, live);
      const resourceVersion = dryRun ? live.metadata.resourceVersion : `${this.#version}`;
      return asRequested(
        inVersion({ ...live, metadata: { ...live.metadata, resourceVersion } } as KubeObject, kind),
        request,
      );
    }
    if (dryRun) return asRequested(inVersion(going, kind), request);
    if (live.metadata.deletionTimestamp !== undefined) return asRequested(inVersion(live, kind), request);
    return asRequested(inVersion(this.#store(live, going, { dryRun: false, kind }), kind), request);
  }

  #drop(kind: Kind, live: KubeObject): void {
    this.#version += 1;
    this.#of(kind).delete(pathOf(live));
    this.#tell({ version: this.#version, before: live });
  }

  #going(live: KubeObject, { propagationPolicy, gracePeriodSeconds }: JsonObject): KubeObject {
    const isAtOnce = gracePeriodSeconds === 0 && live.kind === "Pod";
    if (isAtOnce) return { ...live, metadata: { ...live.metadata, deletionGracePeriodSeconds: 0 } };
    if (live.metadata.deletionTimestamp !== undefined) return live;
    const foreground = propagationPolicy === "Foreground";
    const { generation } = live.metadata;
    const own = [
      ...(live.metadata.finalizers ?? []),
      ...(foreground && live.kind !== "Namespace" ? ["foregroundDeletion"] : []),
      ...(live.kind === "CustomResourceDefinition" ? [cleanup] : []),
      ...(live.kind === "Namespace" ? ["kubernetes"] : []),
    ];
    const metadata = {
      ...live.metadata,
      ...(own.length === 0 ? {} : { finalizers: own }),
      deletionTimestamp: this.#time(),
      deletionGracePeriodSeconds: live.kind === "Pod" ? 30 : 0,
      ...(generation === undefined ? {} : { generation: generation + 1 }),
    };
    const going = { ...live, metadata } as KubeObject;
    if (live.kind === "CustomResourceDefinition") return withCondition(going, "Terminating", this.#time());
    if (live.kind === "Namespace") return { ...going, status: { phase: "Terminating" } };
    return going;
  }

  #time(): string {
    return `${new Date(this.#nowMs()).toISOString().slice(0, 19)}Z`;
  }

  // Definitions of custom kinds.

  #afterDefinition(name: string): void {
    this.works.push(() => this.#followDefinition(name));
  }

  /** Serves what an established definition says, establishes a new one, and cleans up after one that is being deleted. */
  #followDefinition(name: string): void {
    const found = this.find("CustomResourceDefinition", "", name);
    const others = this.#kinds.filter(({ definition }) => definition?.metadata.name !== name);
    if (found === undefined) {
      this.#kinds = others;
      return;
    }
    const kind = kindOf(found);
    if (found.metadata.deletionTimestamp !== undefined) {
      this.#kinds = [...others, kind];
      this.#cleanUp(found, kind);
      return;
    }
    if (hasCondition(found, "Established")) {
      this.#kinds = [...others, kind];
      return;
    }
    const accepted = { ...fieldsOf(fieldsOf(found["spec"])["names"]) };
    const status = { ...fieldsOf(found["status"]), acceptedNames: accepted };
    const established = withCondition(
      withCondition({ ...found, status }, "NamesAccepted", this.#time()),
      "Established",
      this.#time(),
    );
    this.#store(found, established, { dryRun: false, kind: kindFor("CustomResourceDefinition") });
  }

  #cleanUp(found: KubeObject, kind: Kind): void {
    const left = [...this.#of(kind).values()];
    const going = left.find((object) => object.metadata.deletionTimestamp === undefined);
    if (going !== undefined) {
      this.handle({ method: "DELETE", path: pathIn(kind, going) });
      this.#afterDefinition(found.metadata.name);
      return;
    }
    if (left.length > 0) {
      // It looks again when the last one is gone.
      const listener = (change: Change): void => {
        if (change.after !== undefined || change.before?.kind !== kind.kind) return;
        this.#listeners.splice(this.#listeners.indexOf(listener), 1);
        this.#afterDefinition(found.metadata.name);
      };
      this.#listeners.push(listener);
      return;
    }
    const finalizers = (found.metadata.finalizers ?? []).filter((one) => one !== cleanup);
    const { finalizers: _, ...metadata } = found.metadata;
    const next = {
      ...found,
      metadata: { ...metadata, ...(finalizers.length === 0 ? {} : { finalizers }) },
    } as KubeObject;
    if (finalizers.length !== (found.metadata.finalizers ?? []).length)
      this.#store(found, next, { dryRun: false, kind: kindFor("CustomResourceDefinition") });
  }
}

class NotServed extends Error {}

function kindFor(name: string): Kind {
  const found = builtIns.find(({ kind }) => kind === name);
  if (found === undefined) throw new Error(`${name} is no built-in kind`);
  return found;
}

function kindOf(definition: KubeObject): Kind {
  const { group, names, scope, versions } = fieldsOf(definition["spec"]);
  const all = listOf(versions).map(fieldsOf);
  const served = all.filter((one) => one["served"] === true).map((one) => textOf(one["name"]));
  const storage = all.find((one) => one["storage"] === true) ?? {};
  const schema = fieldsOf(fieldsOf(storage["schema"])["openAPIV3Schema"]);
  return {
    group: textOf(group),
    version: "",
    kind: textOf(fieldsOf(names)["kind"]),
    plural: textOf(fieldsOf(names)["plural"]),
    namespaced: scope === "Namespaced",
    versions: served.toSorted(byPriority),
    storage: textOf(storage["name"]),
    hasStatus: isJsonObject(fieldsOf(storage["subresources"])["status"]),
    type: mergeTypeOfSchema(schema),
    definition,
  };
}

/** v2 before v1 before v1beta2. Source: apimachinery version.CompareKubeAwareVersionStrings. */
function byPriority(left: string, right: string): number {
  return rankOf(right) - rankOf(left);
}

function rankOf(version: string): number {
  const [, major = "0", stage = "", minor = "0"] = /^v(\d+)(alpha|beta)?(\d+)?$/.exec(version) ?? [];
  const stages: { readonly [name: string]: number } = { "": 2, beta: 1, alpha: 0 };
  return (stages[stage] ?? 0) * 10_000 + Number(major) * 100 + Number(minor);
}

function definition(live: KubeObject | undefined, next: KubeObject): KubeObject {
  const versions = listOf(fieldsOf(next["spec"])["versions"]).map(fieldsOf);
  const status = fieldsOf((live ?? next)["status"]);
  const own = next["status"] === undefined ? status : fieldsOf(next["status"]);
  const storage = textOf(versions.find((one) => one["storage"] === true)?.["name"]);
  const before = listOf(own["storedVersions"]).map(textOf);
  const storedVersions = before.includes(storage) ? before : [...before, storage];
  const names = new Set(versions.map((one) => textOf(one["name"])));
  const lost = storedVersions.flatMap((version, index) => (names.has(version) ? [] : [{ version, index }]));
  if (lost.length > 0) {
    const causes = lost.map(({ version, index }) => ({
      reason: "FieldValueInvalid",
      message: `Invalid value: "${version}": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${version} and removes ${version} from status.storedVersions`,
      field: `status.storedVersions[${index}]`,
    }));
    const message = `CustomResourceDefinition.apiextensions.k8s.io "${next.metadata.name}" is invalid: ${causes.map(({ field, message }) => `${field}: ${message}`).join(", ")}`;
    throw new Refusal(422, "Invalid", message, {
      ...detailsOf(kindFor("CustomResourceDefinition"), next.metadata.name),
      causes,
    });
  }
  return { ...next, status: { ...own, storedVersions } };
}

function hasCondition(object: KubeObject, type: string): boolean {
  const conditions = listOf(fieldsOf(object["status"])["conditions"]).map(fieldsOf);
  return conditions.some((one) => one["type"] === type && one["status"] === "True");
}

function withCondition(object: KubeObject, type: string, time: string): KubeObject {
  const status = fieldsOf(object["status"]);
  const others = listOf(status["conditions"]).filter((one) => fieldsOf(one)["type"] !== type);
  const added = { type, status: "True", reason: type, message: "", lastTransitionTime: time };
  return { ...object, status: { ...status, conditions: [...others, added] } };
}

function isNewGeneration(live: KubeObject, next: KubeObject, kind: Kind): boolean {
  const isAnnotated = kind.kind === "Deployment" && !deepEqual(live.metadata.annotations, next.metadata.annotations);
  if (kind.definition === undefined) return isAnnotated || !deepEqual(live["spec"], next["spec"]);
  const { metadata: _, status, apiVersion: __, ...before } = live as KubeObject & { readonly status?: JsonValue };
  const {
    metadata: ___,
    status: ____,
    apiVersion: _____,
    ...after
  } = next as KubeObject & { readonly status?: JsonValue };
  const isChanged = !deepEqual(before, after);
  return isChanged || (!kind.hasStatus && !deepEqual(status, next["status"]));
}

/** Fields of metadata that no client changes. */
function fixedMetadata({ metadata }: KubeObject): { readonly [field: string]: JsonValue } {
  const { name, namespace, uid, creationTimestamp, generation, deletionTimestamp, resourceVersion } = metadata;
  const fixed = { name, namespace, uid, creationTimestamp, generation, deletionTimestamp, resourceVersion };
  const grace = metadata["deletionGracePeriodSeconds"];
  const all = { ...fixed, ...(grace === undefined ? {} : { deletionGracePeriodSeconds: grace }) };
  return Object.fromEntries(Object.entries(all).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}

function withoutNulls(metadata: { readonly [field: string]: JsonValue | undefined }): JsonObject {
  return Object.fromEntries(
    Object.entries(metadata).flatMap(([key, value]) => {
      if (value === null || value === undefined) return [];
      return isJsonObject(value) && Object.keys(value).length === 0 ? [] : [[key, value]];
    }),
  );
}

/**
 * Who owns a status by another API version of the kind loses it by a write that leaves the status out: the API server knows only for the
 * version of the request that it is put back.
 */
function withoutStatusOwners(given: KubeObject, live: KubeObject): KubeObject {
  const entries = managersGiven(given.metadata.managedFields, live).managedFields ?? [];
  const managedFields = entries.map((entry) =>
    entry.apiVersion === given.apiVersion ? entry : withoutStatusFields(entry),
  );
  return { ...given, metadata: { ...given.metadata, managedFields } };
}

function withoutStatusFields(entry: ManagedFieldsEntry): ManagedFieldsEntry {
  const { "f:status": _, ...fieldsV1 } = entry.fieldsV1 ?? {};
  return { ...entry, fieldsV1 };
}

/** Managers that a write leaves out stay; only a list with one empty entry removes them. */
function managersGiven(
  given: ObjectMeta["managedFields"],
  { metadata }: KubeObject,
): Pick<ObjectMeta, "managedFields"> {
  if (given !== undefined && isReset(given)) return {};
  const managedFields = given === undefined || given.length === 0 ? metadata.managedFields : given;
  return managedFields === undefined ? {} : { managedFields };
}

function isReset(managed: readonly unknown[]): boolean {
  return managed.length === 1 && isJsonObject(managed[0]) && Object.keys(managed[0]).length === 0;
}

function sameManagers(left: KubeObject, right: KubeObject): boolean {
  const [one, two] = [left, right].map(({ metadata }) => canonicalJson((metadata.managedFields ?? []).map(timeless)));
  return one === two;
}

function timeless(timed: ManagedFieldsEntry): JsonObject {
  const { time: _, ...entry } = timed;
  return { ...entry, fieldsV1: formatFields(parseFields(entry.fieldsV1)) };
}

function isPodInGrace({ kind, metadata }: KubeObject): boolean {
  return kind === "Pod" && metadata["deletionGracePeriodSeconds"] !== 0;
}

function inVersion(object: KubeObject, kind: Kind): KubeObject {
  const apiVersion = formatApiVersion(kind);
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}

function asRequested(object: KubeObject, { headers, method }: Request): JsonObject {
  if (method !== "GET" || headers?.["accept"]?.includes("PartialObjectMetadata") !== true) return object;
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}

function pathOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

function pathIn(kind: Kind, { metadata }: KubeObject): string {
  const root = kind.group === "" ? "/api" : "/apis";
  const within = kind.namespaced ? `/namespaces/${metadata.namespace ?? ""}` : "";
  const version = kind.version === "" ? kind.storage : kind.version;
  return `${root}/${formatApiVersion({ group: kind.group, version })}${within}/${kind.plural}/${metadata.name}`;
}

/** The path of an object of a built-in kind, or of a custom one whose plural is given. */
export function pathOfObject(object: KubeObject, plural?: string): string {
  const gvk = gvkOf(object);
  const builtIn = builtIns.find(({ kind, group }) => kind === gvk.kind && group === gvk.group);
  const kind = builtIn ?? { ...kindFor("ConfigMap"), ...gvk, plural: plural ?? "", storage: gvk.version };
  const namespaced = builtIn?.namespaced ?? object.metadata.namespace !== undefined;
  return pathIn({ ...kind, version: gvk.version, namespaced }, object);
}

function selection(namespace: string, query: URLSearchParams): (object: KubeObject) => boolean {
  const selector = parseSelector(query.get("labelSelector") ?? "");
  const name = /^metadata\.name=(.+)$/.exec(query.get("fieldSelector") ?? "")?.[1];
  return ({ metadata }) =>
    (namespace === "" || metadata.namespace === namespace) &&
    (name === undefined || metadata.name === name) &&
    matchesSelector(selector, metadata.labels ?? {});
}

type Seen = {
  readonly kind: Kind;
  readonly isSelected: (object: KubeObject) => boolean;
  readonly request: Request;
};

/** What a watch says of a change: an object that leaves the selection is deleted for it. */
function eventOf({ before, after, version }: Change, { kind, isSelected, request }: Seen): string | undefined {
  const object = after ?? before;
  if (object === undefined || object.kind !== kind.kind || gvkOf(object).group !== kind.group) return undefined;
  const was = before !== undefined && isSelected(before);
  const is = after !== undefined && isSelected(after);
  if (!was && !is) return undefined;
  const type = is ? (was ? "MODIFIED" : "ADDED") : "DELETED";
  const told = (is ? after : before) ?? object;
  const current = { ...told, metadata: { ...told.metadata, resourceVersion: `${version}` } } as KubeObject;
  return `${JSON.stringify({ type, object: asRequested(inVersion(current, kind), request) })}\n`;
}

function expired(): Watch {
  const status = {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    reason: "Expired",
    code: 410,
    message: "too old resource version",
  };
  const lines = [`${JSON.stringify({ type: "ERROR", object: status })}\n`];
  return { next: () => lines.shift(), isOver: () => true };
}

function writerOf({ query, kind, subresource }: Target, operation: Writer["operation"]): Writer {
  const manager = query.get("fieldManager") ?? "unknown";
  const apiVersion = formatApiVersion(kind);
  return { manager, operation, apiVersion, ...(subresource === "" ? {} : { subresource }) };
}

/** Which fields a write by this path can change. Source: the ResetFields of each kind's strategy. */
function owns({ kind, subresource }: Target): (path: string) => boolean {
  if (subresource === "status") return (path) => path.startsWith("f:status");
  return kind.hasStatus ? (path) => !path.startsWith("f:status") : () => true;
}

function isDryRun(query: URLSearchParams): boolean {
  return query.get("dryRun") === "All";
}

function parseJson(body: string | undefined): JsonValue {
  return JSON.parse(body ?? "null") as JsonValue;
}

function parseBody({ body }: Request): KubeObject {
  return parseJson(body) as KubeObject;
}

function jsonPatched(live: KubeObject, patch: JsonValue, { kind, name }: Target): JsonValue {
  try {
    return applyJsonPatch(live, isJsonArray(patch) ? patch.map(readOperation) : []);
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    throw new Refusal(
      422,
      "Invalid",
      `the server rejected our request due to an error in our request: ${message}`,
      detailsOf(kind, name),
    );
  }
}

/** RFC 7396. */
export function mergePatched(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const base = isJsonObject(target) ? target : {};
  const kept = Object.entries(base).filter(([key]) => !(key in patch));
  const set = Object.entries(patch).filter(([, value]) => value !== null);
  return Object.fromEntries([...kept, ...set.map(([key, value]) => [key, mergePatched(base[key], value)] as const)]);
}

function resourceName({ plural, group }: Pick<Kind, "plural" | "group">): string {
  return group === "" ? plural : `${plural}.${group}`;
}

function detailsOf({ plural, group }: Pick<Kind, "plural" | "group">, name: string): JsonObject {
  return { name, ...(group === "" ? {} : { group }), kind: plural };
}

function notFound(kind: Pick<Kind, "plural" | "group">, name: string): Refusal {
  return new Refusal(404, "NotFound", `${resourceName(kind)} "${name}" not found`, detailsOf(kind, name));
}

function conflict({ kind, name }: Target): Refusal {
  const message = `Operation cannot be fulfilled on ${resourceName(kind)} "${name}": the object has been modified; please apply your changes to the latest version and try again`;
  return new Refusal(409, "Conflict", message, detailsOf(kind, name));
}

function managerConflict(conflicts: readonly { manager: string; path: string }[]): Refusal {
  const causes = conflicts.map(({ manager, path }) => ({
    reason: "FieldManagerConflict",
    message: `conflict with "${manager}"`,
    field: path
      .split("\u0001")
      .map((element) => `.${element.replace(/^f:/, "")}`)
      .join(""),
  }));
  const message = `Apply failed with ${conflicts.length} conflict${conflicts.length === 1 ? "" : "s"}`;
  return new Refusal(409, "Conflict", message, { causes });
}

function deleted(kind: Kind, { metadata }: KubeObject): JsonObject {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { ...detailsOf(kind, metadata.name), uid: metadata.uid ?? "" },
  };
}

/** Everything is allowed. */
function review(asked: JsonValue): JsonObject {
  const everything = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
  return {
    ...fieldsOf(asked),
    status: { allowed: true, resourceRules: [everything], nonResourceRules: [], incomplete: false },
  };
}
