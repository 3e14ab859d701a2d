import { fluxInstance } from "../api/names.ts";
import { createApiClient, type OwnedApiClient } from "../client/create-client.ts";
import { loadConnection } from "../client/load-connection.ts";
import { parseApiVersion, type GroupVersionKind } from "../kube/gvk.ts";
import { systemClock } from "../std/clock.ts";
import { operatorVersion } from "../std/version.ts";
import type { Terminal } from "./terminal.ts";

/** The flags that say which cluster is meant. */
export type ClusterOptions = { readonly kubeconfig?: string; readonly context?: string };

/** The kind of FluxInstance in the API version in which the command line reads and deletes it. */
export const instanceKind: GroupVersionKind = {
  ...parseApiVersion(fluxInstance.storageApiVersion),
  kind: fluxInstance.kind,
};

/** A client of the cluster that flags and environment name; the caller closes it. Throws ConnectionConfigError. */
export async function connectToCluster(
  { kubeconfig, context }: ClusterOptions,
  { env }: Pick<Terminal, "env">,
): Promise<OwnedApiClient> {
  const connection = await loadConnection({
    env,
    clock: systemClock,
    ...(kubeconfig !== undefined && { kubeconfig }),
    ...(context !== undefined && { context }),
  });
  return createApiClient({ connection, userAgent: `flux-operator-cli/${operatorVersion}`, clock: systemClock });
}
