import type { GroupKind, GroupVersionKind } from "../kube/gvk.ts";

/** Where a kind lives in the API: "/apis/apps/v1/namespaces/<ns>/deployments". */
export type ApiResource = GroupVersionKind & {
  readonly plural: string;
  readonly namespaced: boolean;
  /** "get", "list", "watch", "delete"...; empty for kinds of the built-in table, which have them all. */
  readonly verbs: readonly string[];
};

export type Discovery = {
  /** The kind in exactly this version; undefined when it is not served. */
  find(gvk: GroupVersionKind, signal: AbortSignal): Promise<ApiResource | undefined>;
  /** The kind in the version that the server prefers; undefined when it is not served. */
  findPreferred(kind: GroupKind, signal: AbortSignal): Promise<ApiResource | undefined>;
  /** All kinds of a group in the server's preferred version; empty when the group is not served. */
  resourcesOf(group: string, signal: AbortSignal): Promise<readonly ApiResource[]>;
  /** Forgets what is known of a group; of all groups without an argument. Called by the client itself after it writes a CRD. */
  invalidate(group?: string): void;
};
