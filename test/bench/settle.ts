import { fieldsOf } from "../../src/kube/fields.ts";
import { instanceKey, instanceKind } from "./instance.ts";
import type { Life, Step } from "./life.ts";
import { cpuMs, procAbsent } from "./process.ts";
import { median, type Row } from "./row.ts";
import { operatorRequests, timeUntil } from "./world.ts";

const requests: Row = {
  measure: "reconcile when nothing changed: requests",
  unit: "requests",
  go: 217,
  goal: 5,
  note: "asked for by requestedAt, until its echo is in the status",
};
export const cpuRow: Row = { measure: "reconcile when nothing changed: CPU", unit: "ms", go: 900, goal: 30 };
const wall: Row = { measure: "reconcile when nothing changed: wall", unit: "ms", go: 1_350, goal: 100 };

/** The kernel counts CPU time in steps of 10 ms: the mean of so many reconciles is fine enough. */
const times = 10;

/** Asks for a reconcile again and again; the process's CPU time between them counts too. */
export const settle: Step = async (life, signal) => {
  const { world, pid } = life;
  const before = await operatorRequests(world);
  const cpuBeforeMs = await cpuMs(pid);
  const walls: number[] = [];
  for (let time = 0; time < times; time += 1) walls.push(await settleOnce(life, `bench-${time}`, signal));
  const cpuAfterMs = await cpuMs(pid);
  const after = await operatorRequests(world);
  return [
    { row: requests, value: (after.length - before.length) / times },
    { row: wall, value: median(walls) },
    ...(procAbsent === undefined ? [{ row: cpuRow, value: (cpuAfterMs - cpuBeforeMs) / times }] : []),
  ];
};

async function settleOnce({ world: { client } }: Life, mark: string, signal: AbortSignal): Promise<number> {
  const value = { metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": mark } } };
  const target = { gvk: instanceKind, key: instanceKey };
  return await timeUntil(
    client,
    {
      gvk: instanceKind,
      act: () => client.patch(target, { kind: "merge", value }, { fieldManager: "bench" }, signal),
      until: ({ object }) => fieldsOf(object["status"])["lastHandledReconcileAt"] === mark,
    },
    signal,
  );
}
