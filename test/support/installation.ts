import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { kubeconfig } from "../../scripts/control-plane/kubeconfig.ts";
import { operatorName } from "../../src/api/names.ts";
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

/** A kubeconfig with a token of the operator's service account, as its pod has it. */
export async function connectAsOperator(plane: ControlPlane): Promise<string> {
  const token = await plane.serviceAccountToken({ namespace: "flux-system", name: operatorName });
  const path = join(plane.folder, "operator.kubeconfig");
  await writeFile(path, kubeconfig(plane.server, plane.caPem, { kind: "token", token }), { mode: 0o600 });
  return path;
}
