import { deploymentKind } from "../../src/kube/kinds.ts";
import { instanceKey, instanceKind, namespace } from "./instance.ts";
import type { Step } from "./life.ts";
import type { Row } from "./row.ts";
import { operatorRequests, timeUntil } from "./world.ts";

const wall: Row = { measure: "uninstall", unit: "s", go: 5_700, goal: 3_000 };
const requests: Row = { measure: "uninstall: requests", unit: "requests" };

/** From the deletion of the instance until it is gone, and with it all that it brought. */
export const uninstall: Step = async ({ world }, signal) => {
  const { client } = world;
  const before = await operatorRequests(world);
  const act = () => client.delete({ gvk: instanceKind, key: instanceKey }, {}, signal);
  const ms = await timeUntil(client, { gvk: instanceKind, act, until: ({ kind }) => kind === "deleted" }, signal);
  const left = await client.list(deploymentKind, { namespace, metadataOnly: true }, signal);
  if (left.items.length > 0) throw new Error(`Cannot measure uninstall: ${left.items.length} Deployments are left`);
  const after = await operatorRequests(world);
  return [
    { row: wall, value: ms },
    { row: requests, value: after.length - before.length },
  ];
};
