import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { goTool } from "../../scripts/go-tool.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { compareForApply } from "../../src/kube/order.ts";
import { formatYaml } from "../../src/std/yaml.ts";
import type { FluxCluster } from "./flux-cluster.ts";

type Cluster = Pick<FluxCluster, "client" | "plane">;

const run = promisify(execFile);
const never = new AbortController().signal;

/** Who may have installed Flux before us, by their own tools where these run here, else by the requests that they make. */
export type PreviousOwner = {
  readonly name: string;
  /** The field managers that the installation leaves. */
  readonly managers: readonly string[];
  install(objects: readonly KubeObject[], cluster: Cluster): Promise<void>;
  /** Makes the tool forget its installation. */
  tidy?(cluster: Cluster): Promise<void>;
};

export const previousOwners: readonly PreviousOwner[] = [
  {
    name: "kubectl apply",
    managers: ["kubectl-client-side-apply"],
    install: (objects, cluster) => kubectl(["apply", "-f", "-"], objects, cluster),
  },
  {
    name: "kubectl apply --server-side",
    managers: ["kubectl"],
    install: (objects, cluster) => kubectl(["apply", "--server-side", "-f", "-"], objects, cluster),
  },
  {
    name: "Helm 3",
    managers: ["helm"],
    install: (objects, cluster) => helm("helm", objects, cluster),
    tidy: forgetReleases,
  },
  {
    name: "Helm 4",
    managers: ["helm"],
    install: (objects, cluster) => helm("helm-4", objects, cluster),
    tidy: forgetReleases,
  },
  {
    name: "flux bootstrap",
    managers: ["flux", "kustomize-controller"],
    install: async (objects, cluster) => {
      await applyAs("flux", objects, cluster);
      await applyAs("kustomize-controller", objects.map(asSynced), cluster);
    },
  },
];

/** As kustomize-controller labels what it applies. */
function asSynced(object: KubeObject): KubeObject {
  const owner = {
    "kustomize.toolkit.fluxcd.io/name": "flux-system",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
  };
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...owner } } };
}

async function applyAs(manager: string, objects: readonly KubeObject[], { client }: Cluster): Promise<void> {
  for (const object of objects.toSorted(compareForApply)) await client.apply(object, { fieldManager: manager }, never);
}

async function kubectl(args: readonly string[], objects: readonly KubeObject[], cluster: Cluster): Promise<void> {
  const { plane } = cluster;
  const file = join(plane.folder, "previous.yaml");
  await writeFile(
    file,
    objects
      .toSorted(compareForApply)
      .map((object) => `---\n${formatYaml(object)}`)
      .join(""),
  );
  const named = args.map((arg) => (arg === "-" ? file : arg));
  await run(plane.binaries.kubectl, [...named, "--kubeconfig", plane.kubeconfigPath], {
    env: { HOME: plane.folder },
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** A chart of these objects, installed as release `flux2`. Helm makes no namespace that exists. */
async function helm(tool: "helm" | "helm-4", objects: readonly KubeObject[], { plane }: Cluster): Promise<void> {
  const binary = await goTool(tool, never);
  const chart = join(plane.folder, `chart-${tool}`);
  await mkdir(join(chart, "templates"), { recursive: true });
  const meta: JsonObject = { apiVersion: "v2", name: "flux2", version: "2.0.0" };
  await writeFile(join(chart, "Chart.yaml"), formatYaml(meta));
  const templates = objects.filter(({ kind }) => kind !== "Namespace").map((object) => `---\n${formatYaml(object)}`);
  await writeFile(join(chart, "templates", "all.yaml"), templates.join(""));
  const args = ["install", "flux2", chart, "--namespace", "flux-system", "--kubeconfig", plane.kubeconfigPath];
  await run(binary, args, { env: { HOME: plane.folder }, maxBuffer: 64 * 1024 * 1024 });
}

async function forgetReleases({ plane }: Cluster): Promise<void> {
  await plane.rest.delete("/api/v1/namespaces/flux-system/secrets?labelSelector=owner%3Dhelm");
}
