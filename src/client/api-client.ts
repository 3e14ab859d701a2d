import type { GroupVersionKind } from "../kube/gvk.ts";
import type { JsonObject, JsonValue, KubeObject, ObjectKey } from "../kube/object.ts";
import type { Discovery } from "./discovery.ts";

/** Which objects of a kind. Without `namespace`, those of all namespaces. */
export type Selection = {
  readonly namespace?: string;
  /** "a=b,c in (d,e)" */
  readonly labelSelector?: string;
  /** "metadata.name=flux" */
  readonly fieldSelector?: string;
  /** Asks for metadata only: the objects have apiVersion, kind and metadata. */
  readonly metadataOnly?: boolean;
};

/** What to list. */
export type ListOptions = Selection & {
  /** Objects per page; by default as many as fit into an answer. All pages are read. */
  readonly pageSize?: number;
};

/** A consistent list; a watch can continue from its `resourceVersion`. */
export type ObjectList = { readonly items: readonly KubeObject[]; readonly resourceVersion: string };

/** Which page to list. */
export type PageOptions = Selection & {
  /** At most so many objects; 0 means all. */
  readonly pageSize: number;
  /** The `next` of the page before. */
  readonly continue?: string;
};

/** One page of a consistent list; `next` is undefined on the last. */
export type ObjectPage = ObjectList & { readonly next: string | undefined };

/** What to watch, from which version on and how long. */
export type WatchOptions = Selection & {
  /** Changes after this version are reported. */
  readonly resourceVersion: string;
  /** The server ends the watch after this time; jitter is up to the caller. */
  readonly timeoutMs: number;
  /** The watch fails when nothing, not even a bookmark, has come for so long. */
  readonly idleMs: number;
  /** Called when the server has accepted the watch, and on each received chunk. */
  readonly onContact?: () => void;
};

/** One event of a watch. A bookmark has only the version up to which everything was delivered. */
export type WatchEvent =
  | { readonly kind: "added" | "modified" | "deleted"; readonly object: KubeObject }
  | { readonly kind: "bookmark"; readonly resourceVersion: string };

/** A subresource that is written. */
export type Subresource = "status";

/** How an object is written. With `dryRun` nothing is stored. */
export type WriteOptions = {
  readonly fieldManager: string;
  readonly dryRun?: boolean;
  readonly subresource?: Subresource;
  /** Whether a field that the server's schema lacks is dropped. By default the whole write is refused. */
  readonly dropsUnknownFields?: boolean;
};

/** How an object is applied. */
export type ApplyOptions = WriteOptions & {
  /** Whether fields are taken over from other field managers, instead of failing with a Conflict. True by default. */
  readonly force?: boolean;
};

/** Names one object in one version of its kind. */
export type ObjectRef = { readonly gvk: GroupVersionKind; readonly key: ObjectKey };

/** A JSON patch (RFC 6902) or a merge patch (RFC 7396). */
export type ObjectPatch =
  | { readonly kind: "json"; readonly operations: readonly JsonObject[] }
  | { readonly kind: "merge"; readonly value: JsonValue };

/** How an object is deleted. Background by default. */
export type DeleteOptions = {
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  /** Deletes only this very object, or this very state of it; else ApiError 409. */
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly dryRun?: boolean;
};

/** What a deletion did. `terminating`: finalizers, a grace period or dependents still block it; `absent`: there was no such object. */
export type DeleteResult =
  | { readonly kind: "deleted" }
  | { readonly kind: "terminating"; readonly object: KubeObject }
  | { readonly kind: "absent" };

/** What GET /version says, as far as it is used. `gitVersion` is like "v1.33.4-eks-99d6cc0". */
export type ServerVersion = { readonly gitVersion: string; readonly major: string; readonly minor: string };

/** A question that every user may ask about itself, by Kubernetes' own role system:basic-user. */
export type ReviewKind = "SelfSubjectAccessReview" | "SelfSubjectRulesReview";

/**
 * The API server, in raw JSON: no field is dropped, renamed or revived. Objects are addressed by kind and key; the key's namespace
 * is ignored for cluster-scoped kinds. Every method throws ApiError (the server refused), ConnectionError (no answer),
 * NoSuchKindError (kind not served), or the signal's reason when that is aborted.
 */
export type ApiClient = {
  get(gvk: GroupVersionKind, key: ObjectKey, signal: AbortSignal): Promise<KubeObject>;
  /** Undefined when there is no such object, or when its kind is not served. */
  getOrUndefined(gvk: GroupVersionKind, key: ObjectKey, signal: AbortSignal): Promise<KubeObject | undefined>;
  /** All pages of a consistent list. Items carry apiVersion and kind. */
  list(gvk: GroupVersionKind, options: ListOptions, signal: AbortSignal): Promise<ObjectList>;
  /** One page, for lists that are too long to keep in memory. A `next` is valid for minutes: when it is too old, ApiError for which `isExpired`. */
  listPage(gvk: GroupVersionKind, options: PageOptions, signal: AbortSignal): Promise<ObjectPage>;
  create(object: KubeObject, options: WriteOptions, signal: AbortSignal): Promise<KubeObject>;
  /** Server-side apply with strict field validation. `managedFields` of the given object must be absent. */
  apply(object: KubeObject, options: ApplyOptions, signal: AbortSignal): Promise<KubeObject>;
  /** PUT: `metadata.resourceVersion` of the object is the precondition. */
  replace(object: KubeObject, options: WriteOptions, signal: AbortSignal): Promise<KubeObject>;
  patch(target: ObjectRef, patch: ObjectPatch, options: WriteOptions, signal: AbortSignal): Promise<KubeObject>;
  delete(target: ObjectRef, options: DeleteOptions, signal: AbortSignal): Promise<DeleteResult>;
  /** One watch request; returns when the server ends it. Throws ApiError also for ERROR events, such as one for which `isExpired`. */
  watch(gvk: GroupVersionKind, options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchEvent>;
  serverVersion(signal: AbortSignal): Promise<ServerVersion>;
  /**
   * The schema of a kind as the API server publishes it (OpenAPI v3), which every user may read by Kubernetes' own role system:discovery;
   * undefined when it is not among those of its version.
   */
  schemaOf(gvk: GroupVersionKind, signal: AbortSignal): Promise<JsonObject | undefined>;
  /** The status of the answer to a question about the caller's own rights, of authorization.k8s.io/v1. Nothing is stored. */
  review(kind: ReviewKind, spec: JsonObject, signal: AbortSignal): Promise<JsonObject>;
  readonly discovery: Pick<Discovery, "find" | "findPreferred" | "resourcesOf" | "invalidate">;
};
