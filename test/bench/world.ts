import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { AuditEvent } from "../../scripts/control-plane/audit.ts";
import type { ApiClient, WatchEvent } from "../../src/client/api-client.ts";
import { createApiClient, type OwnedApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import type { GroupVersionKind } from "../../src/kube/gvk.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { namespace } from "./instance.ts";

const root = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);
const timeoutMs = 120_000;

/** A cluster of its own with the CRDs and the namespace, and a client that the audit log tells from the operator. */
export type World = AsyncDisposable & {
  readonly plane: ControlPlane;
  readonly client: ApiClient;
  kubectl(...args: readonly string[]): Promise<void>;
  /** Empties the cluster and brings CRDs and namespace again. */
  renew(signal: AbortSignal): Promise<void>;
};

export async function createWorld(signal: AbortSignal): Promise<World> {
  const plane = await startControlPlane({ variant: "full", signal });
  const client = await connect(plane);
  const kubectl = async (...args: readonly string[]): Promise<void> => {
    await run(plane.binaries.kubectl, ["--kubeconfig", plane.kubeconfigPath, ...args], { signal });
  };
  const prepare = async (): Promise<void> => {
    await kubectl("apply", "--server-side", "-f", join(root, "packaging", "yaml", "crds.yaml"));
    await kubectl("create", "namespace", namespace);
  };
  await prepare();
  return {
    plane,
    client,
    kubectl,
    renew: async () => {
      await plane.reset(signal);
      await prepare();
    },
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await plane.stop();
    },
  };
}

async function connect(plane: ControlPlane): Promise<OwnedApiClient> {
  const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
  return createApiClient({ connection, userAgent: "bench", clock: systemClock });
}

export type Awaited = {
  readonly gvk: GroupVersionKind;
  readonly act: () => Promise<unknown>;
  readonly until: (event: Exclude<WatchEvent, { kind: "bookmark" }>) => boolean;
  /** 2 minutes by default. */
  readonly patienceMs?: number;
};

/** Milliseconds from the moment `act` is called to the arrival of the first event for which `until` holds. */
export async function timeUntil(client: ApiClient, awaited: Awaited, signal: AbortSignal): Promise<number> {
  const { gvk, act, until, patienceMs = timeoutMs } = awaited;
  const { resourceVersion } = await client.list(gvk, {}, signal);
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  const events = client.watch(gvk, { resourceVersion, timeoutMs: patienceMs, idleMs: patienceMs }, stop);
  const seen = (async (): Promise<number> => {
    for await (const event of events) if (event.kind !== "bookmark" && until(event)) return performance.now();
    throw new Error(`Cannot measure: nothing happened to ${gvk.kind} within ${patienceMs / 1000} s`);
  })();
  const startMs = performance.now();
  try {
    const [endMs] = await Promise.all([seen, act()]);
    return endMs - startMs;
  } finally {
    done.abort();
    await seen.catch(() => undefined);
  }
}

const pollMs = 250;
const quietPolls = 3;

/**
 * The requests of the operator so far, without its leader lease and its watches, once there were no new ones for 750 ms: what follows
 * an action (events, a second look) counts.
 */
export async function operatorRequests({ plane }: World): Promise<readonly AuditEvent[]> {
  let before = -1;
  for (let polls = 0; ; polls += 1) {
    const requests = (await plane.auditEvents()).filter(isOperatorRequest);
    if (requests.length !== before) polls = 0;
    if (polls === quietPolls) return requests;
    before = requests.length;
    await sleep(pollMs);
  }
}

function isOperatorRequest({ userAgent, verb, objectRef, stage }: AuditEvent): boolean {
  if (userAgent?.startsWith("flux-operator/") !== true) return false;
  return stage === "ResponseComplete" && verb !== "watch" && objectRef?.resource !== "leases";
}
