import { fieldsOf } from "../../../src/kube/fields.ts";
import { nameObject } from "../../../src/kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../../src/kube/object.ts";
import { managedKinds } from "../../../src/controllers/flux-instance/managed-kinds.ts";
import { systemClock } from "../../../src/std/clock.ts";
import { startFluxCluster, type FluxCluster } from "../flux-cluster.ts";
import { connectAsOperator, grantRights } from "../installation.ts";
import { startWireProxy, type Fault as WireFault, type WireProxy } from "../wire-proxy.ts";
import { instancePath, type Stage, type Trouble } from "./stage.ts";
import type { Fault } from "./wire.ts";

/** A stage on a real control plane, with the operator as a process behind a wire that can be broken. */
export type RealStage = Stage & AsyncDisposable & { readonly cluster: FluxCluster; calm(): Promise<void> };

/** Nobody has asked for anything for so long: there is nothing left to do. */
const quietMs = 3_000;
const pollMs = 100;

export async function startRealStage(): Promise<RealStage> {
  let proxy: WireProxy | undefined;
  const cluster = await startFluxCluster({
    kubeconfig: async (plane) => {
      await grantRights(plane);
      proxy = await startWireProxy({ server: plane.server, caPem: plane.caPem });
      return await connectAsOperator(plane, proxy.server);
    },
    args: ["--enable-leader-election=false"],
  });
  if (proxy === undefined) throw new Error("the operator has no wire");
  return realStage(cluster, proxy);
}

function realStage(cluster: FluxCluster, proxy: WireProxy): RealStage {
  const { rest } = cluster.plane;
  const stop = new AbortController();
  const troubles: Promise<void>[] = [];
  let moments = 0;
  const requests = (): number => proxy.requests.filter(({ path }) => !path.includes("watch=true")).length;
  const untilRequests = async (count: number): Promise<void> => {
    let [last, quiet] = [requests(), 0];
    while (requests() < count && quiet < quietMs) {
      await systemClock.sleep(pollMs, stop.signal);
      quiet = requests() === last ? quiet + pollMs : 0;
      last = requests();
    }
  };
  const strike = async ({ after, fault, times }: Trouble): Promise<void> => {
    const from = requests() + after;
    while (requests() < from) await systemClock.sleep(pollMs, stop.signal);
    if (fault === "killed") await cluster.restartOperator("SIGKILL");
    else proxy.inject({ fault: faultOnWire(fault), times });
  };
  return {
    cluster,
    ask: async (method, path, body, contentType) => {
      const full = `${path}${path.includes("?") ? "&" : "?"}fieldManager=kubectl`;
      const type = contentType === undefined ? {} : { contentType };
      const { status, body: answer } = await rest.request(method, full, {
        ...type,
        ...(body === undefined ? {} : { body }),
      });
      return { status, body: typeof answer === "string" ? answer : fieldsOf(answer) };
    },
    instance: async () => {
      const { status, body } = await rest.request("GET", instancePath);
      return status === 200 ? (body as KubeObject) : undefined;
    },
    managed: async () => {
      const selector = { labelSelector: "fluxcd.controlplane.io/name=flux" };
      const kinds = managedKinds.filter(({ kind }) => kind !== "Namespace");
      const lists = await Promise.all(kinds.map((kind) => cluster.client.list(kind, selector, stop.signal)));
      return lists
        .flatMap(({ items }) => items)
        .toSorted((left, right) => (nameObject(left) < nameObject(right) ? -1 : 1));
    },
    trouble: async (trouble) => void troubles.push(strike(trouble).catch(unlessStopped)),
    restart: () => cluster.restartOperator("SIGKILL"),
    dropWatches: async () => proxy.cutAll(),
    sicken: async (minor) => {
      if (minor !== undefined) console.log(`no pod of ${minor} crashes on a real plane: passed over`);
    },
    run: (steps = Number.POSITIVE_INFINITY) => untilRequests(requests() + steps),
    pass: () => untilRequests(Number.POSITIVE_INFINITY),
    moment: () => {
      moments += 1;
      return `moment-${moments}`;
    },
    onRestore: () => undefined,
    onUse: () => undefined,
    calm: async () => {
      stop.abort(new Error("all is calm"));
      await Promise.all(troubles);
      proxy.heal();
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("the play is over"));
      await Promise.all(troubles);
      await cluster[Symbol.asyncDispose]();
      await proxy.stop();
    },
  };

  function unlessStopped(error: unknown): void {
    if (!stop.signal.aborted) throw error;
  }
}

function faultOnWire(fault: Fault): WireFault {
  if (fault === "refused" || fault === "reset") return { kind: "reset" };
  if (fault === "lost") return { kind: "cut", afterBytes: 0 };
  const status: JsonObject = { kind: "Status", apiVersion: "v1", status: "Failure", message: "not now", code: fault };
  const headers: { readonly [name: string]: string } = fault === 429 ? { "retry-after": "1" } : {};
  return { kind: "answer", status: fault, headers, body: JSON.stringify(status) };
}
