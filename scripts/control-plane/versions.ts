import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export const binaryNames = [
  "etcd",
  "kube-apiserver",
  "kubectl",
  "kube-controller-manager",
  "kube-scheduler",
  "kwok",
  "kubelet",
  "kube-proxy",
] as const;
export type BinaryName = (typeof binaryNames)[number];

/** Binaries that come from one place, because one Go module (`tools/<name>`) pins their version. */
export type Suite = {
  readonly name: SuiteName;
  /** With the "v". */
  readonly version: string;
  /** Folder of the go.mod. */
  readonly moduleFolder: string;
  /** Changes with the pinned modules and the build arguments: the key of what we built. */
  readonly buildKey: string;
};

export type SuiteName = "etcd" | "kubernetes" | "kwok" | "kubelet";

type SuiteFacts = {
  readonly module: string;
  /** Go package of each binary. */
  readonly packages: Partial<Record<BinaryName, string>>;
  /** Values of -ldflags, `$V` stands for the version. */
  readonly stamps: readonly string[];
};

const base = "k8s.io/component-base/version";
const kubernetesStamps = [
  `${base}.gitVersion=$V`,
  `${base}.gitMajor=$MAJOR`,
  `${base}.gitMinor=$MINOR`,
  `${base}.gitTreeState=clean`,
];

export const suites: Readonly<Record<SuiteName, SuiteFacts>> = {
  etcd: {
    module: "go.etcd.io/etcd/server/v3",
    packages: { etcd: "go.etcd.io/etcd/server/v3" },
    stamps: [],
  },
  kubernetes: {
    module: "k8s.io/kubernetes",
    packages: {
      "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
      kubectl: "k8s.io/kubernetes/cmd/kubectl",
      "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
      "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    },
    stamps: kubernetesStamps,
  },
  /** The same version of Kubernetes; a module of its own, since only the variant `node` needs what these two require. */
  kubelet: {
    module: "k8s.io/kubernetes",
    packages: { kubelet: "k8s.io/kubernetes/cmd/kubelet", "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy" },
    stamps: kubernetesStamps,
  },
  kwok: { module: "sigs.k8s.io/kwok", packages: { kwok: "sigs.k8s.io/kwok/cmd/kwok" }, stamps: [] },
};

/** Reads the suite's version out of its go.mod, the one place where it is written. */
export async function readSuite(toolsFolder: string, name: SuiteName): Promise<Suite> {
  const moduleFolder = join(toolsFolder, name);
  const text = await readFile(join(moduleFolder, "go.mod"), "utf8");
  const { module } = suites[name];
  const version = text
    .split("\n")
    .map((line) =>
      line
        .replace(/^require\s+/, "")
        .trim()
        .split(/\s+/),
    )
    .find(([path]) => path === module)?.[1];
  if (version === undefined)
    throw new Error(`Cannot read the version of ${module}: ${join(moduleFolder, "go.mod")} does not require it`);
  const key = createHash("sha256").update(text).update(goBuildArgs(name, version).join("\0"));
  return { name, version, moduleFolder, buildKey: key.digest("hex").slice(0, 12) };
}

/**
 * Arguments of `go build` but for output and packages. Unoptimised and without debug information: that builds in two thirds of the
 * time, and the API server is hardly slower (3.9 instead of 3.4 s until ready). No -trimpath: with it, modules that kwok's go.mod
 * replaces by those of Kubernetes would be compiled again.
 */
export function goBuildArgs(name: SuiteName, version: string): readonly string[] {
  const [major = "", minor = ""] = version.slice(1).split(".");
  const values = suites[name].stamps.map((stamp) =>
    stamp.replace("$V", version).replace("$MAJOR", major).replace("$MINOR", minor),
  );
  const ldflags = ["-s", "-w", ...values.map((value) => `-X ${value}`)].join(" ");
  return ["build", "-buildvcs=false", "-gcflags=all=-N -l -dwarf=false", `-ldflags=${ldflags}`];
}

/**
 * `full`: etcd, API server, controller manager, scheduler, kwok, one fake node, StorageClass `standard`. `light`: etcd and API server only: no pod
 * runs, no namespace ends. `node`: as `full`, with a real node, on which pods really run, instead of kwok, and a registry that it pulls from.
 */
export type Variant = "full" | "light" | "node";
