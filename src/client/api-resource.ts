import type { GroupVersionKind } from "../kube/gvk.ts";

/** The path of a kind in the API: "/apis/apps/v1/namespaces/<ns>/deployments". */
export type ApiResource = GroupVersionKind & {
  readonly plural: string;
  readonly namespaced: boolean;
  /** Says which version is stored, if the server says so: see `storageHash`. */
  readonly storageVersionHash?: string;
};
