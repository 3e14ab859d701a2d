import { instanceKey, instanceKind, isReadyAt, toVersion } from "./instance.ts";
import type { Step } from "./life.ts";
import type { Row } from "./row.ts";
import { operatorRequests, timeUntil } from "./world.ts";

const wall: Row = { measure: "upgrade 2.8.3 -> 2.9.4 to Ready", unit: "s", go: 8_000, goal: 4_000 };
const requests: Row = { measure: "upgrade 2.8.3 -> 2.9.4 to Ready: requests", unit: "requests", go: 422 };

/** From the change of the version to Ready at the new one. */
export const upgrade: Step = async ({ world }, signal) => {
  const { client } = world;
  const before = await operatorRequests(world);
  const value = { spec: { distribution: { version: toVersion } } };
  const target = { gvk: instanceKind, key: instanceKey };
  const ms = await timeUntil(
    client,
    {
      gvk: instanceKind,
      act: () => client.patch(target, { kind: "merge", value }, { fieldManager: "bench" }, signal),
      until: ({ object }) => isReadyAt(object, toVersion),
    },
    signal,
  );
  const after = await operatorRequests(world);
  return [
    { row: wall, value: ms },
    { row: requests, value: after.length - before.length },
  ];
};
