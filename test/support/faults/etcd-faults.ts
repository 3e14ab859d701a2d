import { once } from "node:events";
import { cp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { killChild } from "../../../scripts/control-plane/processes.ts";
import { createRest } from "../../../scripts/control-plane/rest.ts";
import { fieldsOf, listOf } from "../../../src/kube/fields.ts";
import { systemClock } from "../../../src/std/clock.ts";
import type { ControlPlane } from "../control-plane.ts";
import { freePort } from "../flux-process.ts";
import { dataOf, etcds, put, replaceData } from "./etcds.ts";
import type { PlaneFault } from "./plane-faults.ts";
import { askEtcd, commandLineOf, endProgram, endPrograms, startProgram, untilServed } from "./programs.ts";

/** The leader of the three is killed. */
export const loseLeader: PlaneFault = async ({ plane }) => {
  const dead = await endProgram(plane, await leaderOf(plane));
  return async () => {
    startProgram(plane, dead);
    await untilServed(plane.rest);
  };
};

/** Two of the three are killed. */
export const loseMajority: PlaneFault = async ({ plane }) => {
  const dead = [await endProgram(plane, etcds[0]), await endProgram(plane, etcds[1])];
  return async () => {
    for (const command of dead) startProgram(plane, command);
    await untilServed(plane.rest);
  };
};

/** etcd takes nothing in any more, as where its disk is full up to its quota. */
export const useUpSpace: PlaneFault = async ({ plane }) => {
  const last = etcds[2];
  const command = await endProgram(plane, last);
  startProgram(plane, [...command, "--quota-backend-bytes=1"]);
  const deadline = AbortSignal.timeout(20_000);
  // The first write, whoever makes it, raises the alarm of all three.
  while (await put(plane, etcds[0])) await systemClock.sleep(50, deadline);
  return async () => {
    await endProgram(plane, last);
    startProgram(plane, command);
    const { alarms } = await askEtcd(plane, etcds[0], "/v3/maintenance/alarm", { action: "GET" });
    for (const alarm of listOf(alarms))
      await askEtcd(plane, etcds[0], "/v3/maintenance/alarm", { ...fieldsOf(alarm), action: "DEACTIVATE" });
    const room = AbortSignal.timeout(60_000);
    while (!(await put(plane, etcds[0]))) await systemClock.sleep(50, room);
    await untilServed(plane.rest);
  };
};

/**
 * Three seconds of what was written are lost: etcd is restored from a copy, and all of Kubernetes is started again, as its documentation asks
 * for. What others hold is then newer than what there is.
 */
export const restoreOlder: PlaneFault = async ({ plane }) => {
  const copies = join(plane.folder, "copies");
  const stopped = await endPrograms(plane, etcds);
  await rm(copies, { recursive: true, force: true });
  for (const name of etcds) await cp(dataOf(plane, name), join(copies, name), { recursive: true });
  for (const command of stopped) startProgram(plane, command);
  await untilServed(plane.rest);
  return async () => {
    const others = ["kube-controller-manager", "kube-scheduler", "kwok", "kube-apiserver"];
    const all = (await endPrograms(plane, [...others, ...etcds])).toReversed();
    for (const name of etcds) await replaceData(plane, name, join(copies, name));
    for (const command of all) startProgram(plane, command);
    await untilServed(plane.rest);
  };
};

/** How far the second API server is behind. */
const lagMs = 2_000;

/** Every second request is answered by another API server, which hears of everything two seconds late. */
export const lagBehind: PlaneFault = async ({ plane, wire }) => {
  const relay = await startRelay(join(plane.folder, "etcd:1"), join(plane.folder, "late:1"));
  const port = await freePort();
  const command = await commandLineOf(plane, "kube-apiserver");
  const child = startProgram(plane, [...command, "--etcd-servers=unix://late:1", `--secure-port=${port}`]);
  const server = `https://127.0.0.1:${port}`;
  const { caPem, token } = plane;
  await using rest = createRest({ server, caPem, token });
  await untilServed(rest);
  relay.lag();
  let count = 0;
  wire.inject({
    when: () => (count += 1) % 2 === 0,
    fault: { kind: "elsewhere", server },
    times: Number.POSITIVE_INFINITY,
  });
  return async () => {
    await killChild(child);
    await relay.stop();
  };
};

/** Passes on what is said to and by the socket at `to`; after `lag`, what comes from there is late. */
async function startRelay(to: string, at: string): Promise<{ lag(): void; stop(): Promise<void> }> {
  let byMs = 0;
  const sockets = new Set<Socket>();
  const relay = createServer((near) => {
    const far = connect(to);
    for (const socket of [near, far]) {
      sockets.add(socket);
      // Whichever of the two ends, so does the other.
      socket.on("error", () => undefined).on("close", () => [near, far].forEach((one) => one.destroy()));
    }
    near.pipe(far);
    far.on("data", (part: Buffer) => {
      if (byMs === 0) near.write(part);
      else setTimeout(() => near.write(part), byMs).unref();
    });
  });
  relay.listen(at);
  await once(relay, "listening");
  return {
    lag: () => {
      byMs = lagMs;
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      relay.close();
      await once(relay, "close");
    },
  };
}

async function leaderOf(plane: ControlPlane): Promise<string> {
  for (const name of etcds) {
    const { header, leader } = await askEtcd(plane, name, "/v3/maintenance/status", {});
    if (leader === fieldsOf(header)["member_id"]) return name;
  }
  throw new Error("None of the etcds leads");
}
