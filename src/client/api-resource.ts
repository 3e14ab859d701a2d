import type { GroupVersionKind } from "../kube/gvk.ts";

/** Where a kind lives in the API: "/apis/apps/v1/namespaces/<ns>/deployments". */
export type ApiResource = GroupVersionKind & {
  readonly plural: string;
  readonly namespaced: boolean;
  /** Tells which version is stored, where the server says so: see `storageHash`. */
  readonly storageVersionHash?: string;
};
