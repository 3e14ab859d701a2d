import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { startChild, type Child } from "../processes.ts";
import { addresses, cgroupName, nodeName } from "./addresses.ts";
import { nodeFiles } from "./files.ts";
import { giveLink } from "./network.ts";

/** The folder of the control plane, in which the node gets one of its own, and that of kubelet and kube-proxy. */
export type NodePlace = { readonly plane: string; readonly binaries: string };

/**
 * Starts the node as one process in namespaces of its own: kubelet, kube-proxy and containerd end with it, and so do all containers, mounts, links
 * and rules. It dies with this process.
 */
export async function startNodeProcess({ plane, binaries }: NodePlace, signal: AbortSignal): Promise<Child> {
  const node = join(plane, "node");
  for (const [path, text] of Object.entries(nodeFiles({ node, plane }))) {
    await mkdir(dirname(join(node, path)), { recursive: true });
    await writeFile(join(node, path), text);
  }
  const settings = {
    NODE: node,
    PLANE: plane,
    BINARIES: binaries,
    NODE_NAME: nodeName,
    NODE_ADDRESS: addresses.node,
    HOST_ADDRESS: addresses.host,
    CGROUP: cgroupName,
  };
  const namespaces = ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"];
  const child = startChild(plane, {
    name: "node",
    path: "unshare",
    args: [
      ...namespaces,
      "env",
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
      "bash",
      join(import.meta.dirname, "init.sh"),
    ],
  });
  if (child.process.pid === undefined) throw new Error("Cannot start the node: unshare could not be executed");
  await giveLink(child.process.pid, signal);
  return child;
}
