import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ControlPlane } from "../control-plane.ts";
import { askEtcd } from "./programs.ts";

/** The fault world has three. */
export const etcds = ["etcd", "etcd-2", "etcd-3"] as const;

/** The folder that etcd writes to. */
export function dataOf({ folder }: ControlPlane, name: string): string {
  return join(folder, `${name}-data`);
}

/** Puts what is in the folder `from` in the place of what that etcd has written, which must not run. */
export async function replaceData(plane: ControlPlane, name: string, from: string): Promise<void> {
  await rm(dataOf(plane, name), { recursive: true });
  await cp(from, dataOf(plane, name), { recursive: true });
}

/** Whether that etcd takes a key that is nothing of Kubernetes; rejects where it does not answer. */
export async function put(plane: ControlPlane, name: string, text = `${performance.now()}`): Promise<boolean> {
  const [key, value] = ["test", text].map((part) => Buffer.from(part).toString("base64"));
  return (await askEtcd(plane, name, "/v3/kv/put", { key, value }))["header"] !== undefined;
}
