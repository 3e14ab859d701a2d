import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AuditEvent } from "../../scripts/control-plane/audit.ts";
import { kubeconfig } from "../../scripts/control-plane/kubeconfig.ts";
import { operatorName } from "../../src/api/names.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { parseKubeYamlDocuments } from "../../src/std/yaml.ts";
import type { ControlPlane } from "./control-plane.ts";

const root = join(import.meta.dirname, "../..");

/** The user as whom the operator of packaging/yaml/install.yaml runs. */
export const operatorUser = `system:serviceaccount:flux-system:${operatorName}`;

/** What kubectl has written: its lines on standard output, and warnings or errors on the other. */
export type Said = { readonly lines: readonly string[]; readonly complaints: string };

/** `kubectl apply --server-side` with a file of the project, or with a folder that is a kustomization, as the cluster's admin. */
export async function applyFile(plane: ControlPlane, path: string): Promise<Said> {
  const flag = path.endsWith(".yaml") ? "-f" : "-k";
  return await kubectl(plane, plane.kubeconfigPath, ["apply", "--server-side", flag, join(root, path)]);
}

/** Runs kubectl against the cluster, and never throws for what it says. */
export async function kubectl(plane: ControlPlane, kubeconfigPath: string, args: readonly string[]): Promise<Said> {
  const { promise, resolve } = Promise.withResolvers<Said>();
  execFile(plane.binaries.kubectl, ["--kubeconfig", kubeconfigPath, ...args], (_error, stdout, stderr) =>
    resolve({ lines: stdout.split("\n").filter((line) => line !== ""), complaints: stderr }),
  );
  return await promise;
}

/**
 * A kubeconfig with a token of the operator's service account, as its pod has it; `server` is a proxy where one stands between, and `name` is
 * another where there are several operators.
 */
export async function connectAsOperator(
  plane: ControlPlane,
  server = plane.server,
  name = "operator",
): Promise<string> {
  const token = await plane.serviceAccountToken({ namespace: "flux-system", name: operatorName });
  const path = join(plane.folder, `${name}.kubeconfig`);
  await writeFile(path, kubeconfig(server, plane.caPem, { kind: "token", token }), { mode: 0o600 });
  return path;
}

/** Makes the operator's service account, with the rights of packaging/yaml/install.yaml and no others. Its namespace has to be there. */
export async function grantRights({ rest }: ControlPlane): Promise<void> {
  const text = await readFile(join(root, "packaging/yaml/install.yaml"), "utf8");
  const documents = text.split(/^---$/m).filter((document) => accountOrRight.test(document));
  for (const object of parseKubeYamlDocuments(documents.join("---\n")) as readonly KubeObject[]) {
    const { apiVersion, kind, metadata } = object;
    const group = apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;
    const within = metadata.namespace === undefined ? "" : `/namespaces/${metadata.namespace}`;
    await rest.create(`${group}${within}/${kind.toLowerCase()}s`, object);
  }
}

const accountOrRight = /^kind: (ServiceAccount|(Cluster)?Role(Binding)?)$/m;

/** What the operator asked for and was not allowed, in the API server's words. What a namespace that ends takes no more is no question of rights. */
export function forbiddenRequests(events: readonly AuditEvent[]): readonly string[] {
  return events
    .filter(({ user, responseStatus }) => user.username === operatorUser && responseStatus?.code === 403)
    .map(({ verb, requestURI, responseStatus }) => `${verb} ${requestURI}: ${responseStatus?.message ?? ""}`)
    .filter((refusal) => !refusal.endsWith("because it is being terminated"));
}
