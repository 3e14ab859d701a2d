import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readinessOf } from "../../../src/kube/readiness.ts";
import type { KubeObject } from "../../../src/kube/object.ts";
import { goTool, hasGoTool, type GoToolName } from "../../go-tool.ts";
import { startChild, type Child } from "../processes.ts";
import type { Progress } from "../progress.ts";
import { RestError, type Rest } from "../rest.ts";
import { nodeName, registryHost } from "./addresses.ts";
import { clusterServices } from "./dns.ts";
import { pushProgram } from "./images.ts";

/** The registry that the node pulls from. It keeps all in memory. */
export function startNodeRegistry(folder: string, program: string): Child {
  const configuration = {
    version: "0.1",
    log: { level: "info", formatter: "json", accesslog: { disabled: true } },
    storage: { inmemory: {} },
    http: { addr: registryHost, secret: "of this cluster" },
  };
  const path = join(folder, "registry.json");
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(configuration));
  return startChild(folder, {
    name: "registry",
    path: "env",
    args: ["OTEL_TRACES_EXPORTER=none", program, "serve", path],
  });
}

/** What the node and its registry run that is built here, in the order in which it is needed. */
const programs = ["registry", "crane", "stand-in", "coredns"] as const satisfies readonly GoToolName[];

/** Builds what is not there yet, which takes minutes on a fresh machine, so that nobody who waits for the node waits for a compiler. */
export async function provideNodePrograms(progress: Progress, signal: AbortSignal): Promise<void> {
  for (const name of programs)
    if (!(await hasGoTool(name))) await progress.step(`build ${name}`, () => goTool(name, signal));
}

/** Pushes the images of DNS and of the container that holds a pod's namespaces, as soon as the registry listens. */
export async function pushNodeImages(signal: AbortSignal): Promise<void> {
  while (!(await answers(signal))) await sleep(25, undefined, { signal });
  await pushProgram({ program: "stand-in", reference: `${registryHost}/pause:1` }, signal);
  await pushProgram({ program: "coredns", reference: `${registryHost}/coredns:1` }, signal);
}

async function answers(signal: AbortSignal): Promise<boolean> {
  try {
    return (await fetch(`http://${registryHost}/v2/`, { signal })).ok;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

/** Installs the cluster's DNS, and resolves when the node is Ready, pods have a service account and DNS answers. */
export async function untilNodeServes(rest: Rest, signal: AbortSignal): Promise<void> {
  for (const object of clusterServices) await rest.create(pathOf(object), object, signal);
  const isThere = async (path: string, holds: (object: KubeObject) => boolean): Promise<void> => {
    while (!(await isAs(rest, path, holds, signal))) await sleep(50, undefined, { signal });
  };
  await isThere(`/api/v1/nodes/${nodeName}`, isReadyNode);
  await isThere("/api/v1/namespaces/default/serviceaccounts/default", () => true);
  await isThere(
    "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
    (object) => readinessOf(object).status === "Current",
  );
}

async function isAs(
  rest: Rest,
  path: string,
  holds: (object: KubeObject) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return holds(await rest.get(path, signal));
  } catch (error) {
    if (error instanceof RestError) return false;
    throw error;
  }
}

function isReadyNode({ spec, status }: KubeObject): boolean {
  const { conditions = [] } = (status ?? {}) as { readonly conditions?: readonly { type: string; status: string }[] };
  const isReady = conditions.some((condition) => condition.type === "Ready" && condition.status === "True");
  return isReady && !("taints" in ((spec ?? {}) as object));
}

const plurals: { readonly [kind: string]: string } = {
  ServiceAccount: "serviceaccounts",
  ConfigMap: "configmaps",
  Service: "services",
  Deployment: "deployments",
  ClusterRole: "clusterroles",
  ClusterRoleBinding: "clusterrolebindings",
};

function pathOf({ apiVersion, kind, metadata }: KubeObject): string {
  const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const place = metadata.namespace === undefined ? "" : `/namespaces/${metadata.namespace}`;
  return `${base}${place}/${plurals[kind]}`;
}
