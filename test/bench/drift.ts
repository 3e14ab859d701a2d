import type { ObjectPatch } from "../../src/client/api-client.ts";
import { isDeepStrictEqual } from "node:util";
import type { GroupVersionKind } from "../../src/kube/gvk.ts";
import type { KubeObject, ObjectKey } from "../../src/kube/object.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import { namespace } from "./instance.ts";
import type { Life, Step } from "./life.ts";
import type { Row } from "./row.ts";
import { operatorRequests, timeUntil } from "./world.ts";

const hourMs = 3_600_000;
const deleted: Row = {
  measure: "a deleted managed object is back",
  unit: "ms",
  go: hourMs,
  goal: 1_000,
  note: "the Go operator looks at the next interval, 1 h by default",
};
const edited: Row = { measure: "an edited managed object is back", unit: "ms", go: hourMs, goal: 1_000 };

type Target = { readonly gvk: GroupVersionKind; readonly key: ObjectKey };

const deployment = (name: string): Target => ({ gvk: deploymentKind, key: { namespace, name } });
const clusterRole: Target = {
  gvk: { group: "rbac.authorization.k8s.io", version: "v1", kind: "ClusterRole" },
  key: { namespace: "", name: "crd-controller-flux-system" },
};
const networkPolicy: Target = {
  gvk: { group: "networking.k8s.io", version: "v1", kind: "NetworkPolicy" },
  key: { namespace, name: "allow-egress" },
};

const deletions: readonly Target[] = [deployment("helm-controller"), networkPolicy, clusterRole];

/** `field` is what the edit changes. */
const edits: readonly (Target & { readonly patch: ObjectPatch; readonly field: string })[] = [
  {
    ...deployment("kustomize-controller"),
    field: "spec",
    patch: { kind: "merge", value: { spec: { replicas: 0 } } },
  },
  { ...networkPolicy, field: "spec", patch: { kind: "merge", value: { spec: { policyTypes: ["Ingress"] } } } },
  { ...clusterRole, field: "rules", patch: { kind: "merge", value: { rules: [] } } },
];

/** One object after the other is deleted, then edited; each wait begins when the operator is quiet. */
export const drift: Step = async (life, signal) => {
  const samples = [];
  for (const target of deletions) samples.push({ row: deleted, value: await deleteOne(life, target, signal) });
  for (const edit of edits) samples.push({ row: edited, value: await editOne(life, edit, signal) });
  await operatorRequests(life.world);
  return samples;
};

async function deleteOne({ world }: Life, { gvk, key }: Target, signal: AbortSignal): Promise<number> {
  await operatorRequests(world);
  const { client } = world;
  const act = () => client.delete({ gvk, key }, {}, signal);
  const until = (event: { kind: string; object: KubeObject }) => event.kind === "added" && isObject(event.object, key);
  return await timeUntil(client, { gvk, act, until }, signal);
}

async function editOne(
  { world }: Life,
  { gvk, key, patch, field }: (typeof edits)[number],
  signal: AbortSignal,
): Promise<number> {
  await operatorRequests(world);
  const { client } = world;
  const before = await client.get(gvk, key, signal);
  let wasEdited = false;
  const until = ({ object }: { object: KubeObject }): boolean => {
    if (!isObject(object, key)) return false;
    const same = isDeepStrictEqual(object[field], before[field]);
    wasEdited ||= !same;
    return wasEdited && same;
  };
  const act = () => client.patch({ gvk, key }, patch, { fieldManager: "bench" }, signal);
  return await timeUntil(client, { gvk, act, until }, signal);
}

function isObject({ metadata }: KubeObject, { namespace: place, name }: ObjectKey): boolean {
  return metadata.name === name && (metadata.namespace ?? "") === place;
}
