import type { BinaryName } from "./binaries.ts";
import { addresses } from "./node/addresses.ts";
import type { Variant } from "./versions.ts";

export type ComponentName = Exclude<BinaryName, "kubectl" | "kubelet" | "kube-proxy">;

/** `order` 0 starts at once, 1 when the API server answers. Arguments are relative to the cluster's folder. */
export type Component = {
  /** The program's, but of the second etcd on: "etcd-2". */
  readonly name: string;
  readonly program: ComponentName;
  readonly order: 0 | 1;
  readonly args: readonly string[];
};

/** Files in the cluster's folder. */
export const files = {
  caCert: "ca.crt",
  caKey: "ca.key",
  serverCert: "apiserver.crt",
  serverKey: "apiserver.key",
  accountKey: "service-accounts.key",
  accountPublicKey: "service-accounts.pub",
  tokens: "tokens.csv",
  auditPolicy: "audit-policy.json",
  auditLog: "audit.log",
  stages: "stages.yaml",
  admin: "admin.kubeconfig",
  kubeletClientCert: "apiserver-kubelet-client.crt",
  kubeletClientKey: "apiserver-kubelet-client.key",
} as const;

export type Shape = { readonly variant: Variant; readonly etcds: number };

export function componentsOf({ variant, etcds }: Shape, port: number): readonly Component[] {
  const names = Array.from({ length: etcds }, (_, index) => (index === 0 ? "etcd" : `etcd-${index + 1}`));
  const base = [...names.map((name) => etcd(name, names)), apiServer(port, names)];
  if (variant === "light") return base;
  if (variant === "full") return [...base, ...workers];
  return [...base, ...workers]
    .filter(({ program }) => program !== "kwok")
    .map((component) => withFlags(component, nodeFlags[component.program] ?? []));
}

/** On which address the API server listens. */
export function serverAddress(variant: Variant): string {
  return variant === "node" ? addresses.host : "127.0.0.1";
}

/** What a real node asks of the others. */
const nodeFlags: { readonly [program in ComponentName]?: readonly string[] } = {
  // Where a node can reach the API server, and how the API server reaches the kubelet.
  "kube-apiserver": [
    `--bind-address=${addresses.host}`,
    `--advertise-address=${addresses.host}`,
    "--endpoint-reconciler-type=lease",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    `--kubelet-client-certificate=${files.kubeletClientCert}`,
    `--kubelet-client-key=${files.kubeletClientKey}`,
    `--kubelet-certificate-authority=${files.caCert}`,
    "--kubelet-preferred-address-types=InternalIP",
  ],
  // The node's range of pods is in its CNI configuration. A node that has stopped is noticed after 20 seconds and not 50; it tells of itself every 5.
  "kube-controller-manager": [
    `--cluster-cidr=${addresses.clusterRange}`,
    "--allocate-node-cidrs=false",
    "--node-monitor-grace-period=20s",
  ],
};

/** The component with `flags` in place of those of the same names. */
function withFlags(component: Component, flags: readonly string[]): Component {
  const names = new Set(flags.map(nameOf));
  return { ...component, args: [...component.args.filter((arg) => !names.has(nameOf(arg))), ...flags] };
}

function nameOf(flag: string): string {
  return flag.split("=")[0] ?? flag;
}

/** etcd listens on Unix sockets in the cluster's folder: no port to lose, nobody else to reach it. It wants something that looks like a port. */
function clientUrl(name: string): string {
  return `unix://${name}:1`;
}

function peerUrl(name: string): string {
  return `unix://${name}-peer:1`;
}

function etcd(name: string, all: readonly string[]): Component {
  return {
    name,
    program: "etcd",
    order: 0,
    args: [
      `--name=${name}`,
      `--data-dir=${name}-data`,
      `--listen-client-urls=${clientUrl(name)}`,
      `--advertise-client-urls=${clientUrl(name)}`,
      `--listen-peer-urls=${peerUrl(name)}`,
      `--initial-advertise-peer-urls=${peerUrl(name)}`,
      `--initial-cluster=${all.map((member) => `${member}=${peerUrl(member)}`).join(",")}`,
      // Nothing here outlives the machine, so nothing needs to reach its disk.
      "--unsafe-no-fsync",
      "--heartbeat-interval=50",
      "--election-timeout=250",
      "--log-level=warn",
    ],
  };
}

function apiServer(port: number, etcds: readonly string[]): Component {
  return {
    name: "kube-apiserver",
    program: "kube-apiserver",
    order: 0,
    args: [
      `--etcd-servers=${etcds.map(clientUrl).join(",")}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      `--tls-cert-file=${files.serverCert}`,
      `--tls-private-key-file=${files.serverKey}`,
      `--client-ca-file=${files.caCert}`,
      `--token-auth-file=${files.tokens}`,
      "--authorization-mode=RBAC",
      "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
      `--service-account-key-file=${files.accountPublicKey}`,
      `--service-account-signing-key-file=${files.accountKey}`,
      "--service-cluster-ip-range=10.96.0.0/16",
      // The one API server listens on the loopback address, which may not stand in Endpoints.
      "--endpoint-reconciler-type=none",
      "--allow-privileged=true",
      `--audit-policy-file=${files.auditPolicy}`,
      `--audit-log-path=${files.auditLog}`,
      // In MB. By itself the API server begins another file after 100 MB, which half an hour makes.
      "--audit-log-maxsize=100000",
      "--profiling=false",
    ],
  };
}

const workers: readonly Component[] = [
  {
    name: "kube-controller-manager",
    program: "kube-controller-manager",
    order: 1,
    args: [
      "--kubeconfig=kube-controller-manager.kubeconfig",
      "--secure-port=0",
      "--leader-elect=false",
      "--use-service-account-credentials=true",
      `--service-account-private-key-file=${files.accountKey}`,
      `--root-ca-file=${files.caCert}`,
      "--kube-api-qps=500",
      "--kube-api-burst=1000",
      "--profiling=false",
    ],
  },
  {
    name: "kube-scheduler",
    program: "kube-scheduler",
    order: 1,
    args: [
      "--kubeconfig=kube-scheduler.kubeconfig",
      "--secure-port=0",
      "--leader-elect=false",
      "--kube-api-qps=500",
      "--kube-api-burst=1000",
      "--profiling=false",
    ],
  },
  {
    name: "kwok",
    program: "kwok",
    order: 1,
    args: [
      "--kubeconfig=kwok.kubeconfig",
      `--config=${files.stages}`,
      "--manage-all-nodes=true",
      "--node-ip=10.0.0.1",
      "--node-port=0",
      "--node-lease-duration-seconds=40",
    ],
  },
];
