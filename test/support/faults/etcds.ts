import { join } from "node:path";
import type { ControlPlane } from "../control-plane.ts";
import { askEtcd } from "./programs.ts";

/** The fault world has three. */
export const etcds = ["etcd", "etcd-2", "etcd-3"] as const;

/** The folder that etcd writes to. */
export function dataOf({ folder }: ControlPlane, name: string): string {
  return join(folder, `${name}-data`);
}

/** Whether that etcd takes a key that is nothing of Kubernetes; rejects where it does not answer. */
export async function put(plane: ControlPlane, name: string, text = `${performance.now()}`): Promise<boolean> {
  const [key, value] = ["test", text].map((part) => Buffer.from(part).toString("base64"));
  return (await askEtcd(plane, name, "/v3/kv/put", { key, value }))["header"] !== undefined;
}
