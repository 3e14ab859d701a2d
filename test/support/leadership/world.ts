import { readFile } from "node:fs/promises";
import { startOperator, type OperatorProcess } from "../../../scripts/quickstart/operator-process.ts";
import { fluxInstanceCrd } from "../../../src/api/crd.ts";
import { fieldsOf, textOf } from "../../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../../src/kube/object.ts";
import { systemClock } from "../../../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "../control-plane.ts";
import { isReady, namespace, statusOf } from "../flux-cluster.ts";
import { freePort } from "../flux-process.ts";
import { connectAsOperator, grantRights } from "../installation.ts";
import { clockAhead } from "../process-clock.ts";
import { startWireProxy, type FaultRule, type WireProxy } from "../wire-proxy.ts";
import type { Candidate } from "./law.ts";

const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/flux-operator`;
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
/** Longer than anything takes on a busy machine. */
const patienceMs = 120_000;

/** How long a lease is valid, and how long its holder trusts in it: shorter than by default, so that a test need not wait for so long. */
export const leaseMs = 8_000;
const flags = [
  `--leader-election-lease-duration=${leaseMs}ms`,
  "--leader-election-renew-deadline=6s",
  "--leader-election-retry-period=1s",
];

/** A pod of the operator: a process behind a wire and with a clock of its own, that is started again when it ends. */
export type Pod = Candidate & {
  readonly wire: Pick<WireProxy, "inject" | "heal" | "cutAll">;
  /** What its processes, one after the other, have said of the lease. */
  story(): string;
  /** Whether the process that runs could not renew the lease in time, as on a machine that is too busy. */
  isLate(): boolean;
  /** How many of its processes have ended. */
  readonly ends: number;
  /** As when its node has no time for it: SIGSTOP, and SIGCONT. */
  stop(): void;
  proceed(): void;
  /**
   * Stops it at its next request of that kind, and resolves then: `late`, when the API server has answered, and the pod has not heard of it;
   * `hold`, before the API server has got it.
   */
  stopAt(kind: "late" | "hold", request: Pick<FaultRule, "method" | "path">): Promise<void>;
  /** Lets the wire pass on what it holds, and resolves when the answer has come as far as the socket of the pod. */
  deliver(): Promise<void>;
};

/** A cluster with several operators, each with its own credentials, and a FluxInstance. */
export type LeadershipWorld = AsyncDisposable & {
  readonly plane: ControlPlane;
  readonly pods: readonly Pod[];
  /** Waits for the pod that the Lease names, other than `not`. */
  leader(not?: Pod): Promise<Pod>;
  /** Waits until all pods have heard who leads, and one of them does. */
  settled(): Promise<Pod>;
  lease(): Promise<JsonObject | undefined>;
  /** The spec of the Lease becomes this; `undefined` deletes it. Whatever its holder writes meanwhile. */
  meddle(spec: JsonObject | undefined): Promise<void>;
  /** JSON merge patch of the instance. */
  change(patch: JsonObject): Promise<void>;
  /** Waits until the instance is Ready at its newest generation, with that version. */
  ready(version: string): Promise<void>;
  until(what: string, holds: () => boolean | Promise<boolean>, patienceMs?: number): Promise<void>;
};

/** One operator for each of `clocksMs`, which says by how much its wall clock is wrong. */
export async function startLeadershipWorld(
  instance: KubeObject,
  clocksMs: readonly number[],
): Promise<LeadershipWorld> {
  const plane = await startControlPlane({ variant: "full" });
  const { rest } = plane;
  await rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());
  await rest.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await grantRights(plane);
  const pods: RunningPod[] = [];
  for (const clockMs of clocksMs) pods.push(await startPod(plane, `pod-${pods.length + 1}`, clockMs));

  const until: LeadershipWorld["until"] = async (what, holds, timeMs = patienceMs) => {
    const deadline = AbortSignal.timeout(timeMs);
    while (!(await holds())) {
      if (deadline.aborted) throw new Error(`${what} did not come:\n${pods.map((pod) => pod.story()).join("\n")}`);
      await systemClock.sleep(50, deadline).catch(() => undefined);
    }
  };
  const lease = async (): Promise<JsonObject | undefined> => {
    const { status, body } = await rest.request("GET", leasePath);
    return status === 200 ? fieldsOf(fieldsOf(body)["spec"]) : undefined;
  };
  const world: LeadershipWorld = {
    plane,
    pods,
    until,
    lease,
    leader: async (not) => {
      let found: Pod | undefined;
      await until("another leader", async () => {
        const holder = textOf((await lease())?.["holderIdentity"]);
        found = pods.find((pod) => pod !== not && holder.includes(pod.uid));
        return found !== undefined;
      });
      if (found === undefined) throw new Error("nobody leads");
      return found;
    },
    settled: async () => {
      for (const pod of pods) await until(`the readiness of ${pod.name}`, () => pod.isReady());
      return await world.leader();
    },
    meddle: async (spec) => {
      await until("the change of the lease", async () => {
        if (spec === undefined) return await rest.delete(leasePath).then(() => true);
        const { body } = await rest.request("GET", leasePath);
        const { status } = await rest.request("PUT", leasePath, { body: { ...fieldsOf(body), spec } });
        return status === 200;
      });
    },
    change: async (patch) => void (await rest.patch(instancePath, patch)),
    ready: (version) =>
      until(`the instance at ${version}`, async () => {
        const now = await rest.get(instancePath);
        return isReady(now) && statusOf(now)["lastAppliedVersion"] === version;
      }),
    [Symbol.asyncDispose]: async () => {
      for (const pod of pods) await pod.end();
      await plane.stop();
    },
  };
  await until("the CRD", async () => {
    const path = instancePath.slice(0, instancePath.lastIndexOf("/"));
    return (await rest.request("POST", path, { body: instance })).status === 201;
  });
  return world;
}

type RunningPod = Pod & { isReady(): Promise<boolean>; end(): Promise<void> };

async function startPod(plane: ControlPlane, name: string, clockMs: number): Promise<RunningPod> {
  const wire = await startWireProxy(plane);
  const kubeconfigPath = await connectAsOperator(plane, wire.server, name);
  const address = `127.0.0.1:${await freePort()}`;
  const uid = `uid-of-${name}`;
  const args = [...flags, `--health-addr=${address}`];
  const env = { RUNTIME_POD_UID: uid, NODE_OPTIONS: clockAhead(clockMs) };
  const over = new AbortController();
  let delivery = Promise.withResolvers<void>();
  let passed = Promise.withResolvers<void>();
  let ends = 0;
  const processes: OperatorProcess[] = [];
  let operator: OperatorProcess;
  const run = (): void => {
    operator = startOperator({ kubeconfigPath, folder: plane.folder, args, env });
    processes.push(operator);
    operator.process.once("exit", () => {
      ends += 1;
      // As the kubelet does, but sooner.
      systemClock.sleep(500, over.signal).then(run, () => undefined);
    });
  };
  run();
  return {
    name,
    uid,
    credential: await credentialOf(kubeconfigPath),
    wire,
    get ends() {
      return ends;
    },
    story: () =>
      [name, ...processes.flatMap((each) => each.log()).filter((line) => /lease|Starting/i.test(line))].join("\n"),
    isLate: () => operator.log().some((line) => line.includes("Cannot get or renew the lease")),
    stop: () => void operator.process.kill("SIGSTOP"),
    proceed: () => void operator.process.kill("SIGCONT"),
    stopAt: async (kind, request) => {
      const hit = Promise.withResolvers<void>();
      const onHit = (): void => {
        operator.process.kill("SIGSTOP");
        hit.resolve();
      };
      delivery = Promise.withResolvers<void>();
      passed = Promise.withResolvers<void>();
      wire.inject({ ...request, fault: { kind, until: delivery.promise }, onHit, onPassed: passed.resolve });
      await hit.promise;
    },
    deliver: async () => {
      delivery.resolve();
      await passed.promise;
    },
    isReady: async () => {
      const signal = AbortSignal.timeout(2_000);
      const answer = await fetch(`http://${address}/readyz`, { signal }).catch(() => undefined);
      return answer?.status === 200;
    },
    end: async () => {
      over.abort();
      await operator.stop("SIGKILL");
      await wire.stop();
    },
  };
}

/** How the audit log names the token. */
async function credentialOf(kubeconfigPath: string): Promise<string> {
  const [, claims = ""] = /eyJ[\w-]+\.([\w-]+)\./.exec(await readFile(kubeconfigPath, "utf8")) ?? [];
  const { jti } = fieldsOf(JSON.parse(Buffer.from(claims, "base64url").toString("utf8")));
  return `JTI=${textOf(jti)}`;
}
