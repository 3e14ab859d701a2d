import type { Step } from "./life.ts";
import { procAbsent, residentBytes } from "./process.ts";
import type { Row } from "./row.ts";
import { operatorRequests } from "./world.ts";

const idle: Row = { measure: "resident memory, idle", unit: "MB", go: 76_000_000, goal: 75_000_000 };
const installed: Row = {
  measure: "resident memory, after installs",
  unit: "MB",
  go: 106_000_000,
  goal: 100_000_000,
  note: "VmRSS after an install and an upgrade",
};

export const memoryRows: readonly Row[] = [idle, installed];

export const idleMemory = memoryStep(idle);
export const installedMemory = memoryStep(installed);

function memoryStep(row: Row): Step {
  return async ({ world, pid }) => {
    if (procAbsent !== undefined) return [];
    await operatorRequests(world);
    return [{ row, value: await residentBytes(pid) }];
  };
}
