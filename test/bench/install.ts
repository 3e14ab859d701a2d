import type { KubeObject } from "../../src/kube/object.ts";
import { fromVersion, instance, instanceKind, isReadyAt } from "./instance.ts";
import type { Step } from "./life.ts";
import type { Row } from "./row.ts";
import { operatorRequests, timeUntil } from "./world.ts";

const wall: Row = {
  measure: "install to Ready",
  unit: "s",
  go: 8_400,
  goal: 3_000,
  note: "2.8.3 with six components, multitenant, two shards: 16 Deployments; the operator has just started",
};
const requests: Row = { measure: "install to Ready: requests", unit: "requests", go: 354 };

/** From the creation of the instance to its Ready. */
export const install: Step = async ({ world }, signal) => {
  const { client } = world;
  const before = await operatorRequests(world);
  const act = () => client.create(instance, { fieldManager: "bench" }, signal);
  const ms = await timeUntil(client, { gvk: instanceKind, act, until: isReady }, signal);
  const after = await operatorRequests(world);
  return [
    { row: wall, value: ms },
    { row: requests, value: after.length - before.length },
  ];
};

function isReady({ object }: { readonly object: KubeObject }): boolean {
  return isReadyAt(object, fromVersion);
}
