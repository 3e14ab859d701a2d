/**
 * The process that owns one cluster. Its owner holds the other end of its standard input: when that closes, whichever way the owner
 * ended, all components are killed and the folder is removed. Speaks JSON lines: one SupervisorOrder in, SupervisorEvents out.
 */
import { createInterface } from "node:readline";
import { once } from "node:events";
import { Cluster } from "./cluster.ts";
import type { SupervisorEvent, SupervisorOrder } from "./cluster.ts";

const report = (event: SupervisorEvent): void => void process.stdout.write(`${JSON.stringify(event)}\n`);

// The owner may be gone while we still write to it.
process.stdout.on("error", () => undefined);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.stdin.destroy());

const lines = createInterface({ input: process.stdin });
const closed = once(process.stdin, "close");
const [line] = await Promise.race([once(lines, "line"), closed]);
if (typeof line === "string") {
  const order: SupervisorOrder = JSON.parse(line);
  await using cluster = new Cluster(order, report);
  process.on("uncaughtException", (error) => report({ kind: "failed", message: `Supervisor failed: ${error.stack}` }));
  await Promise.race([cluster.start(), closed]);
  await closed;
}
