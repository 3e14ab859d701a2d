import { join } from "node:path";

import { ConnectionConfigError, cachedFile, readText } from "./connection.ts";
import type { Connection, LoadConnectionOptions } from "./connection.ts";
import { readKubeconfig } from "./kubeconfig.ts";

/**
 * Looks where controller-runtime looks: the given kubeconfig, KUBECONFIG, the service account of the Pod, ~/.kube/config. Throws
 * ConnectionConfigError when there is none, or when the one that is found cannot be used.
 */
export async function loadConnection(options: LoadConnectionOptions): Promise<Connection> {
  const { env, context } = options;
  const named = options.kubeconfig ?? nonEmpty(env["KUBECONFIG"]);
  if (named !== undefined)
    return await readKubeconfig({ ...options, paths: named.split(":").filter((path) => path !== "") });
  if (context === undefined && nonEmpty(env["KUBERNETES_SERVICE_HOST"]) !== undefined) return await inCluster(options);
  const home = nonEmpty(env["HOME"]);
  if (home !== undefined) return await readKubeconfig({ ...options, paths: [join(home, ".kube", "config")] });
  throw new ConnectionConfigError("Cannot find a cluster: set KUBECONFIG or pass --kubeconfig");
}

async function inCluster({ env, clock, serviceAccountDir }: LoadConnectionOptions): Promise<Connection> {
  const dir = serviceAccountDir ?? "/var/run/secrets/kubernetes.io/serviceaccount";
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = nonEmpty(env["KUBERNETES_SERVICE_PORT"]) ?? "443";
  const token = cachedFile(join(dir, "token"), clock);
  await token(true);
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace: (await readText(join(dir, "namespace"))).trim(),
    tls: async () => ({ ca: await readText(join(dir, "ca.crt")), insecure: false }),
    authorization: async (fresh) => `Bearer ${await token(fresh)}`,
  };
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
