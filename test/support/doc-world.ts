import { execFile } from "node:child_process";
import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { goTool } from "../../scripts/go-tool.ts";
import { startOperator, type OperatorProcess } from "../../scripts/quickstart/operator-process.ts";
import { createApiClient, type OwnedApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { errorMessage } from "../../src/std/errors.ts";
import { formatYaml } from "../../src/std/yaml.ts";
import { applyAsFluxCli, installManifests } from "./bootstrap.ts";
import { readRenderInput, render } from "./build-from-yaml.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { docWorlds } from "./doc-blocks.ts";
import { namespace, type FluxCluster } from "./flux-cluster.ts";
import { applyServed, leaveAsGoOperator } from "./go-operator.ts";
import { applyFile, connectAsOperator, forbiddenRequests } from "./installation.ts";
import { runJobPods, type JobPods } from "./job-pods.ts";
import { previousOwners } from "./previous-owners.ts";

const root = join(import.meta.dirname, "../..");
const version = "2.9.4";
const components = ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"];

/** A cluster and a shell in a folder with the project, for what documents show. */
export type DocWorld = AsyncDisposable & {
  /** Makes the cluster as `world` says, and the folder empty but for the project. Throws for a world that is not known. */
  become(world: string): Promise<void>;
  write(name: string, content: string): Promise<void>;
  /** Runs lines of bash, and throws with what they said when one of them fails. Gives back their output. */
  shell(lines: string): Promise<string>;
  /** What the operator was refused since the last call. */
  forbidden(): Promise<readonly string[]>;
};

type Bare = Pick<FluxCluster, "plane" | "client">;

const worlds: { readonly [name in (typeof docWorlds)[number]]: (cluster: Bare) => Promise<void> } = {
  "an empty cluster": async () => {},
  "a cluster with the operator": installOperator,
  "a cluster with Flux": async (cluster) => {
    await installOperator(cluster);
    await applyFile(cluster.plane, "examples/flux-instance.yaml");
    await untilReady(cluster);
  },
  "a cluster after flux install": async ({ client }) => applyAsFluxCli(installManifests(version, components), client),
  "a cluster after flux bootstrap": async (cluster) => {
    await installBy("flux bootstrap", cluster);
    for (const object of bootstrapSync) await applyServed(object, "kustomize-controller", cluster);
  },
  "a cluster after helm install flux2": async (cluster) => {
    const metadata = { name: namespace };
    await cluster.plane.rest.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata });
    await installBy("Helm 4", cluster);
  },
  "a cluster after the Go operator": async (cluster) => {
    const { plane } = cluster;
    await applyFile(plane, "packaging/yaml/crds.yaml");
    const established = ["wait", "--for=condition=Established", "crd/fluxinstances.fluxcd.controlplane.io"];
    await run(plane.binaries.kubectl, established, { HOME: plane.folder, KUBECONFIG: plane.kubeconfigPath });
    await leaveAsGoOperator({ name: "documents", ...goOperatorCase() }, cluster);
  },
};

async function installOperator({ plane }: Bare): Promise<void> {
  const { complaints } = await applyFile(plane, "packaging/yaml/install.yaml");
  if (complaints !== "") throw new Error(complaints);
}

async function installBy(name: string, cluster: Bare): Promise<void> {
  const owner = previousOwners.find((one) => one.name === name);
  await owner?.install(installManifests(version, components), cluster);
}

const bootstrapSync: readonly KubeObject[] = [
  {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: namespace, namespace },
    spec: {
      interval: "1m",
      url: "ssh://git@github.com/example/fleet",
      ref: { branch: "main" },
      secretRef: { name: namespace },
    },
  },
  {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: namespace, namespace },
    spec: {
      interval: "10m",
      path: "./clusters/production",
      prune: true,
      sourceRef: { kind: "GitRepository", name: namespace },
    },
  },
];

function goOperatorCase(): Pick<Parameters<typeof leaveAsGoOperator>[0], "instanceYaml" | "want"> {
  const spec = { distribution: { version, registry: "ghcr.io/fluxcd" }, components };
  const metadata = { name: "flux", namespace };
  const instance = { apiVersion: "fluxcd.controlplane.io/v1", kind: "FluxInstance", metadata, spec };
  const instanceYaml = formatYaml(instance);
  return { instanceYaml, want: { version, images: [], objects: render(readRenderInput(instanceYaml)).objects } };
}

const deploymentPath = `/apis/apps/v1/namespaces/${namespace}/deployments/flux-operator`;

async function untilReady({ plane }: Bare): Promise<void> {
  const args = ["-n", namespace, "wait", "--for=condition=Ready", "fluxinstance/flux", "--timeout=90s"];
  await run(plane.binaries.kubectl, args, { HOME: plane.folder, KUBECONFIG: plane.kubeconfigPath });
}

function run(
  program: string,
  args: readonly string[],
  env: { readonly [name: string]: string },
  cwd = root,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = { cwd, env: { PATH: process.env["PATH"] ?? "", ...env }, timeout: 150_000 };
  execFile(program, args, options, (error, stdout, stderr) => {
    if (error === null) resolve(stdout + stderr);
    else reject(new Error(`${error.message}\n${stdout}${stderr}`));
  });
  return promise;
}

export async function startDocWorld(): Promise<DocWorld> {
  const plane = await startControlPlane({ variant: "full" });
  const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
  const client = createApiClient({ connection, userAgent: "test", clock: systemClock });
  const programs = await linkPrograms(plane);
  let pods: ClusterPods | undefined;
  let folder = "";
  let asked = 0;
  return {
    become: async (world) => {
      const name = docWorlds.find((known) => known === world);
      if (name === undefined) throw new Error(`There is no world "${world}", only ${docWorlds.join(", ")}`);
      await pods?.[Symbol.asyncDispose]();
      await plane.reset();
      client.discovery.invalidate();
      pods = runPods(plane, client);
      folder = await mkdtemp(join(plane.folder, "docs-"));
      await mkdir(join(folder, "bin"));
      for (const part of ["packaging", "examples", "bin/flux-operator"])
        await symlink(join(root, part), join(folder, part));
      await worlds[name]({ plane, client });
    },
    write: async (name, content) => {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    },
    shell: async (lines) => {
      const env = { PATH: `${programs}:${process.env["PATH"]}`, HOME: folder, KUBECONFIG: plane.kubeconfigPath };
      try {
        return await run("bash", ["--norc", "-euo", "pipefail", "-c", lines], env, folder);
      } catch (error) {
        throw new Error(`${String(error)}\n${pods?.said() ?? ""}`, { cause: error });
      }
    },
    forbidden: async () => {
      const events = await plane.auditEvents();
      const since = events.slice(asked);
      asked = events.length;
      return forbiddenRequests(since);
    },
    [Symbol.asyncDispose]: async () => {
      await pods?.[Symbol.asyncDispose]();
      await client.close();
      await plane.stop();
    },
  };
}

/** A folder for PATH with the programs that documents call. */
async function linkPrograms(plane: ControlPlane): Promise<string> {
  const folder = join(plane.folder, "programs");
  await mkdir(folder);
  await symlink(plane.binaries.kubectl, join(folder, "kubectl"));
  await symlink(await goTool("helm-4", new AbortController().signal), join(folder, "helm"));
  return folder;
}

type ClusterPods = AsyncDisposable & { said(): string };

/** Runs what the pods would run: the operator as long as it has a Deployment, and the Jobs of Helm's hooks. */
function runPods(plane: ControlPlane, client: OwnedApiClient): ClusterPods {
  const stop = new AbortController();
  const jobs: JobPods = runJobPods(plane, client);
  let operator: OperatorProcess | undefined;
  const look = async (): Promise<void> => {
    const { status, body } = await plane.rest.request("GET", deploymentPath);
    const isWanted = status === 200 && isOurs(body);
    if (isWanted && operator === undefined) {
      const kubeconfigPath = await connectAsOperator(plane);
      operator = startOperator({ kubeconfigPath, folder: plane.folder });
    }
    if (!isWanted) {
      await operator?.stop();
      operator = undefined;
    }
  };
  const watch = async (): Promise<void> => {
    const key = { namespace, fieldSelector: "metadata.name=flux-operator" };
    while (!stop.signal.aborted) {
      const { resourceVersion } = await client.list(deploymentKind, key, stop.signal);
      await look();
      const options = { ...key, resourceVersion, timeoutMs: 60_000, idleMs: 120_000 };
      for await (const _ of client.watch(deploymentKind, options, stop.signal)) await look();
    }
  };
  let failure = "";
  const watching = watch().catch((error: unknown) => {
    if (!stop.signal.aborted) failure = errorMessage(error);
  });
  return {
    said: () => {
      const log = operator?.log().slice(-15).join("\n") ?? "no operator runs";
      return `${log}\n${JSON.stringify(jobs.runs().at(-1) ?? {})}\n${failure}`;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await watching;
      await operator?.stop("SIGKILL");
      await jobs[Symbol.asyncDispose]();
    },
  };
}

/** The Go operator's Deployment has the same name, and no pods of ours. */
function isOurs(deployment: unknown): boolean {
  const { spec, metadata } = deployment as Partial<KubeObject> & { readonly spec?: JsonObject };
  return spec?.["replicas"] !== 0 && metadata?.deletionTimestamp === undefined;
}
