import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AuditEvent } from "../../../scripts/control-plane/audit.ts";
import { startOperator, type OperatorProcess } from "../../../scripts/quickstart/operator-process.ts";
import { fluxInstanceCrd } from "../../../src/api/crd.ts";
import { createApiClient } from "../../../src/client/create-client.ts";
import { loadConnection } from "../../../src/client/load-connection.ts";
import { loadRelease } from "../../../src/distribution/load.ts";
import { fieldsOf } from "../../../src/kube/fields.ts";
import type { GroupVersionKind } from "../../../src/kube/gvk.ts";
import { gvkOf } from "../../../src/kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../../src/kube/object.ts";
import { systemClock } from "../../../src/std/clock.ts";
import { artifactFiles } from "../artifact-of.ts";
import { startControlPlane, type ControlPlane } from "../control-plane.ts";
import { namespace } from "../flux-cluster.ts";
import { connectAsOperator, forbiddenRequests, grantRights } from "../installation.ts";
import { recordObjects } from "../record-objects.ts";
import { copyImage, pushImage, startRegistry, type RegistryProcess } from "../registry.ts";
import { fluxFinalizer } from "../removable.ts";
import { statusFaults } from "../status-faults.ts";
import { tarGzOf } from "../tarball.ts";
import { startWireProxy, type SeenRequest, type WireProxy } from "../wire-proxy.ts";
import { contentOf, identitiesOf, listEverything, uidsOf } from "./contents.ts";
import { neighbours } from "./neighbours.ts";

export const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const instanceKind: GroupVersionKind = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };
/** A custom resource of Flux in which somebody else has a finalizer, too. */
const audited = "/apis/source.toolkit.fluxcd.io/v1/namespaces/apps/gitrepositories/app";
const never = new AbortController().signal;
/** Longer than anything takes on a busy machine. */
const patienceMs = 120_000;

export type Instance = KubeObject | undefined;

/** A cluster with things of others in it, where one operator at a time is killed on its wire. */
export type CrashWorld = AsyncDisposable & {
  readonly plane: ControlPlane;
  /** What the operator's requests come through. */
  readonly wire: WireProxy;
  /** The operator's log so far, one line an entry. */
  log(): readonly string[];
  /** Sends the operator a signal. */
  signal(name: NodeJS.Signals): void;
  /** Whether the operator has ended. */
  isDead(): boolean;
  instance(): Promise<Instance>;
  /** Asks for a reconcile; resolves to what `status.lastHandledReconcileAt` says when that has ended. */
  request(): Promise<string>;
  /** From now on "Kind/namespace/name" does not count as of others: the test itself changes it. */
  disown(name: string): void;
  /** What was written since `arm`, in the order in which it was answered: "PATCH /apis/apps/v1/...". */
  readonly writes: readonly string[];
  /** Takes everything away, puts the things of others back, and starts an operator that is not killed. */
  begin(): Promise<void>;
  /** From now on, what there is must stay the very same objects for as long as they are there. */
  keep(): Promise<void>;
  /** From now on: the operator is killed when it has made so many writes, before it hears of the last one's answer. */
  arm(position: number): void;
  /** Waits for the instance to be as wanted. */
  until(wanted: (instance: Instance) => boolean): Promise<void>;
  /** Waits for the end of the operator, or for the instance to be as wanted and a reconcile on request to be through; says which. */
  dead(wanted: (instance: Instance) => boolean): Promise<boolean>;
  /** Starts another operator, which is not killed. */
  revive(): void;
  /**
   * Kills whichever operator runs, the first after one write and each other one after one more than the one before, until the instance is as
   * wanted. Resolves to how many there were. (Objects are moved to another storage version anew by each, so one write for each would not do.)
   */
  live(wanted: (instance: Instance) => boolean): Promise<number>;
  apply(object: KubeObject, fieldManager?: string): Promise<void>;
  /** JSON merge patch of the instance; `undefined` deletes it. */
  change(patch: JsonObject | undefined): Promise<void>;
  /** Makes the artifact of the instance one that has these releases, with the same digest each time; gives back its address. */
  publish(versions: readonly string[]): Promise<string>;
  /**
   * What everything in the cluster says, by name, but for what changes by itself. Fails unless all that is of others is the very same as at
   * the beginning, and nothing that there was at `keep` was deleted and made anew.
   */
  contents(): Promise<ReadonlyMap<string, string>>;
};

export type CrashWorldOptions = {
  /** How many etcds the cluster has: 1 by default. */
  readonly etcds?: number;
  /** More arguments of the operator. */
  readonly args?: readonly string[];
  /** More of the operator's environment. */
  readonly env?: { readonly [name: string]: string };
  /** Gives the kubeconfig with which the operator connects to that server. */
  readonly connect?: (plane: ControlPlane, server: string) => Promise<string>;
  /** Whether the test had this refused on purpose. */
  readonly isMeantToFail?: (event: AuditEvent) => boolean;
};

export async function startCrashWorld(options: CrashWorldOptions = {}): Promise<CrashWorld> {
  const plane = await startControlPlane({ variant: "full", etcds: options.etcds ?? 1 });
  const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
  const admin = createApiClient({ connection, userAgent: "test", clock: systemClock });
  const statuses = recordObjects(admin, instanceKind);
  let operator: OperatorProcess | undefined;
  let kubeconfigPath = "";
  let left = Number.POSITIVE_INFINITY;
  let requested = 0;
  let theirs: ReadonlyMap<string, string> = new Map();
  let kept: ReadonlyMap<string, string> = new Map();
  const writes: string[] = [];
  let registry: RegistryProcess | undefined;
  const published = new Set<string>();
  const over = new AbortController();
  const auditor = audit(plane, over.signal);
  const wire = await startWireProxy({
    server: plane.server,
    caPem: plane.caPem,
    onAnswer: (request, status) => {
      if (status >= 300 || !isWrite(request)) return;
      writes.push(`${request.method} ${request.path.split("?")[0]}`);
      left -= 1;
      if (left === 0) operator?.process.kill("SIGKILL");
    },
  });

  const start = (): void => {
    left = Number.POSITIVE_INFINITY;
    operator = startOperator({
      kubeconfigPath,
      folder: plane.folder,
      args: ["--enable-leader-election=false", ...(options.args ?? [])],
      env: options.env ?? {},
    });
  };
  const isDead = (): boolean => operator?.process.exitCode !== null || operator.process.signalCode !== null;
  const instance = async (): Promise<Instance> => {
    const { status, body } = await plane.rest.request("GET", instancePath);
    return status === 200 ? (body as KubeObject) : undefined;
  };
  const apply: CrashWorld["apply"] = async (object, fieldManager = "test") => {
    await admin.discovery.find(gvkOf(object), never);
    await whenServed(() => admin.apply(object, { fieldManager }, never));
  };
  const change: CrashWorld["change"] = async (patch) => {
    if (patch === undefined) await plane.rest.delete(instancePath);
    else await plane.rest.patch(instancePath, patch);
  };
  /** A reconcile on request, so that whatever a reconcile still does after its last word is done, too. */
  const request = async (): Promise<string> => {
    requested += 1;
    await change({ metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": `${requested}` } } });
    return `${requested}`;
  };

  const world: CrashWorld = {
    plane,
    wire,
    log: () => operator?.log() ?? [],
    signal: (name) => void operator?.process.kill(name),
    isDead,
    instance,
    request,
    disown: (disowned) => {
      theirs = new Map([...theirs].filter(([name]) => !name.endsWith(` ${disowned}`)));
    },
    writes,
    begin: async () => {
      await operator?.stop("SIGKILL");
      await plane.reset();
      await plane.rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());
      await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
      await grantRights(plane);
      kubeconfigPath = await (options.connect ?? connectAsOperator)(plane, wire.server);
      for (const object of neighbours) await apply(object);
      theirs = await settledIdentities(plane);
      kept = new Map();
      start();
    },
    keep: async () => {
      kept = uidsOf(await listEverything(plane));
    },
    arm: (position) => {
      writes.length = 0;
      left = position;
    },
    until: async (wanted) => assert.equal(await world.dead(wanted), false, "the operator runs"),
    dead: async (wanted) => {
      const deadline = AbortSignal.timeout(patienceMs);
      let asked: string | undefined;
      for (;;) {
        if (isDead()) return true;
        const now = await instance();
        if (now === undefined && wanted(now)) return false;
        if (now !== undefined && wanted(now)) {
          asked ??= await request();
          if (fieldsOf(now["status"])["lastHandledReconcileAt"] === asked) return false;
        }
        if (deadline.aborted) throw new Error(complaintOf(now, operator));
        await systemClock.sleep(25, deadline);
      }
    },
    revive: start,
    live: async (wanted) => {
      const deadline = AbortSignal.timeout(5 * patienceMs);
      let lives = 1;
      left = 1;
      while (!wanted(await instance())) {
        if (deadline.aborted) throw new Error(complaintOf(await instance(), operator));
        if (isDead()) {
          lives += 1;
          start();
          left = lives;
        }
        await systemClock.sleep(25, deadline);
      }
      await operator?.stop("SIGKILL");
      start();
      return lives;
    },
    apply,
    change,
    publish: async (versions) => {
      registry ??= await startRegistry({ kind: "open" }, never);
      const repository = `${registry.host}/org/manifests`;
      const tag = `with-${versions.join("-")}`;
      if (!published.has(tag)) {
        const tarball = join(plane.folder, `${tag}.tgz`);
        await writeFile(
          tarball,
          await tarGzOf(Object.fromEntries(artifactFiles(...versions.map((version) => loadRelease(version))))),
        );
        await pushImage({ tarball, to: `${repository}:${tag}` }, never);
        published.add(tag);
      }
      await copyImage(`${repository}:${tag}`, `${repository}:latest`, never);
      return `oci://${repository}:latest`;
    },
    contents: async () => {
      const all = await listEverything(plane);
      const identities = identitiesOf(all);
      const changed = [...theirs].filter(([name, at]) => identities.get(name) !== at);
      assert.deepEqual(changed, [], "what is of others is what it was");
      const uids = uidsOf(all);
      const anew = [...kept].filter(([name, uid]) => uids.has(name) && uids.get(name) !== uid).map(([name]) => name);
      assert.deepEqual(anew, [], "nothing was deleted and made anew");
      return new Map(all.flatMap((object) => contentOf(object)).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    },
    [Symbol.asyncDispose]: async () => {
      await operator?.stop("SIGKILL");
      over.abort();
      await auditor;
      const seen = await statuses.stop();
      const asked = (await plane.auditEvents()).filter((event) => options.isMeantToFail?.(event) !== true);
      const forbidden = forbiddenRequests(asked);
      await admin.close();
      await wire.stop();
      await registry?.[Symbol.asyncDispose]();
      await plane.stop();
      assert.deepEqual(forbidden, [], "the operator has asked for nothing that its rights do not allow");
      assert.deepEqual(statusFaults(seen), [], "every status that was seen is legal");
    },
  };
  return world;
}

function isWrite({ method, path }: SeenRequest): boolean {
  return (
    ["POST", "PUT", "PATCH", "DELETE"].includes(method) && !/\/events\b|\/leases\b|reviews\b|dryRun=All/.test(path)
  );
}

function complaintOf(instance: Instance, operator: OperatorProcess | undefined): string {
  const { conditions } = fieldsOf(instance?.["status"]);
  const lines = operator?.log().slice(-15).join("\n");
  return `The instance did not become as wanted: ${JSON.stringify(conditions)}\n${lines}`;
}

async function whenServed<Result>(ask: () => Promise<Result>): Promise<Result> {
  const deadline = AbortSignal.timeout(30_000);
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (deadline.aborted) throw error;
      await systemClock.sleep(50, deadline);
    }
  }
}

/** Somebody else's controller: gives its object free once Flux has let go of it. */
async function audit({ rest }: ControlPlane, signal: AbortSignal): Promise<void> {
  const look = async (): Promise<void> => {
    const { status, body } = await rest.request("GET", audited);
    const { metadata } = status === 200 ? (body as KubeObject) : { metadata: undefined };
    if (metadata?.deletionTimestamp !== undefined && metadata.finalizers?.includes(fluxFinalizer) !== true)
      await rest.request("PATCH", audited, { body: { metadata: { finalizers: null } } });
  };
  while (!signal.aborted) {
    // The API server may be away for a moment: that is looked at elsewhere.
    await look().catch(() => undefined);
    await systemClock.sleep(50, signal).catch(() => undefined);
  }
}

/** What is of others, once Kubernetes has done its part to it. */
async function settledIdentities(plane: ControlPlane): Promise<ReadonlyMap<string, string>> {
  const deployment = "/apis/apps/v1/namespaces/apps/deployments/web";
  const deadline = AbortSignal.timeout(patienceMs);
  while (fieldsOf((await plane.rest.get(deployment))["status"])["availableReplicas"] !== 1)
    await systemClock.sleep(25, deadline);
  return identitiesOf(await listEverything(plane));
}
