import { join } from "node:path";
import type { JsonObject } from "../../../src/kube/object.ts";
import { cniFolder } from "./absent.ts";
import { addresses, cgroupName, nodeName, registryHost } from "./addresses.ts";

/** The node's folder and that of its control plane, which has the certificates. */
export type NodeFolders = { readonly node: string; readonly plane: string };

/** Files of the control plane's folder that the node reads. */
export const nodeCredentials = {
  servingCert: "kubelet.crt",
  servingKey: "kubelet.key",
  kubelet: "kubelet.kubeconfig",
  proxy: "kube-proxy.kubeconfig",
} as const;

/** Contents by path in the node's folder. JSON is YAML, which kubelet and kube-proxy read. */
export function nodeFiles(folders: NodeFolders): { readonly [path: string]: string } {
  return {
    "kubelet.json": JSON.stringify(kubelet(folders)),
    "kube-proxy.json": JSON.stringify(kubeProxy(folders)),
    "containerd.toml": containerd(folders),
    "cni/10-bridge.conflist": JSON.stringify(bridge),
    ...withoutTls(registryHost),
  };
}

/** The file by which containerd speaks plain HTTP with a registry; it is read at each pull. */
export function withoutTls(host: string): { readonly [path: string]: string } {
  const text = `server = "http://${host}"\n[host."http://${host}"]\n  capabilities = ["pull", "resolve"]\n`;
  return { [`certs.d/${host}/hosts.toml`]: text };
}

function kubelet({ plane }: NodeFolders): JsonObject {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    failCgroupV1: false,
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${cgroupName}`,
    enforceNodeAllocatable: [],
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    address: addresses.node,
    healthzPort: 0,
    tlsCertFile: join(plane, nodeCredentials.servingCert),
    tlsPrivateKeyFile: join(plane, nodeCredentials.servingKey),
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(plane, "ca.crt") },
    },
    authorization: { mode: "Webhook" },
    clusterDomain: "cluster.local",
    clusterDNS: [addresses.dns],
    resolvConf: "",
    failSwapOn: false,
    // The machine's disk is not the node's to clean up.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    evictionHard: { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
    serializeImagePulls: false,
    nodeStatusUpdateFrequency: "10s",
    // Renewed after a quarter of it.
    nodeLeaseDurationSeconds: 20,
    syncFrequency: "10s",
    volumePluginDir: "/run/kubelet-volumeplugins",
  };
}

function kubeProxy({ plane }: NodeFolders): JsonObject {
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "nftables",
    clusterCIDR: addresses.podRange,
    hostnameOverride: nodeName,
    bindAddress: addresses.node,
    healthzBindAddress: "127.0.0.1:10256",
    metricsBindAddress: "127.0.0.1:10249",
    clientConnection: { kubeconfig: join(plane, nodeCredentials.proxy) },
    // Connection tracking is the kernel's, which the node shares.
    conntrack: { maxPerCore: 0, min: 0, tcpCloseWaitTimeout: "0s", tcpEstablishedTimeout: "0s" },
  };
}

const bridge: JsonObject = {
  cniVersion: "0.4.0",
  name: "pods",
  plugins: [
    {
      type: "bridge",
      bridge: "cni0",
      isGateway: true,
      ipMasq: false,
      hairpinMode: true,
      ipam: {
        type: "host-local",
        ranges: [[{ subnet: addresses.podRange }]],
        routes: [{ dst: "0.0.0.0/0" }],
        dataDir: "/run/cni-ipam",
      },
    },
  ],
};

/** `restrict_oom_score_adj`: without CAP_SYS_RESOURCE runc dies when it is asked to lower a score. */
function containerd({ node }: NodeFolders): string {
  const cri = "io.containerd.grpc.v1.cri";
  return `version = 2
root = "${node}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."${cri}"]
  sandbox_image = "${registryHost}/pause:1"
  restrict_oom_score_adj = true
  [plugins."${cri}".cni]
    bin_dir = "${cniFolder}"
    conf_dir = "${node}/cni"
  [plugins."${cri}".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."${cri}".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."${cri}".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."${cri}".registry]
    config_path = "${node}/certs.d"
`;
}
