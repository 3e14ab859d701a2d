import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { AuditEvent } from "../../scripts/control-plane/audit.ts";
import { startOperator, type OperatorProcess } from "../../scripts/quickstart/operator-process.ts";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { createApiClient, type OwnedApiClient } from "../../src/client/create-client.ts";
import { loadConnection } from "../../src/client/load-connection.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { GroupVersionKind } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject, ObjectKey } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";
import { isJsonObject } from "../../src/std/json.ts";
import { parseKubeYaml } from "../../src/std/yaml.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { connectAsOperator, forbiddenRequests, grantRights } from "./installation.ts";
import { recordObjects, untilObject } from "./record-objects.ts";
import { recordSecrets } from "./secret-leaks.ts";
import { snapshotOf, untilGone } from "./snapshot.ts";
import { statusFaults } from "./status-faults.ts";

const root = resolve(import.meta.dirname, "../..");
export const namespace = "flux-system";
const instanceKind: GroupVersionKind = { group: "fluxcd.controlplane.io", version: "v1", kind: "FluxInstance" };
const eventKind: GroupVersionKind = { group: "", version: "v1", kind: "Event" };
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const leasePath = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/flux-operator`;
/** Longer than anything takes on a busy machine; a test that waits so long has failed. */
const patienceMs = 90_000;

/** A full cluster with our CRD, the namespace flux-system and, between `start` and `stop`, the operator as a process. */
export type FluxCluster = AsyncDisposable & {
  readonly plane: ControlPlane;
  readonly client: OwnedApiClient;
  readonly operator: OperatorProcess;
  /** Ends the operator by `signal` and starts another, which leads at once. */
  restartOperator(signal?: NodeJS.Signals): Promise<void>;
  /** Server-side apply as a user would do it. */
  apply(object: JsonObject): Promise<KubeObject>;
  /** JSON merge patch of the instance. */
  patchInstance(patch: JsonObject): Promise<KubeObject>;
  instance(): Promise<KubeObject>;
  /** Waits, on a watch, for the instance in `namespace` to be as `wanted` says. Fails with the last state seen. */
  instanceWhen(what: string, wanted: (instance: KubeObject) => boolean, inNamespace?: string): Promise<KubeObject>;
  /** Waits, on a watch, until one object of the kind is as `wanted` says; with `key`, that one. */
  objectWhen(
    gvk: GroupVersionKind,
    what: string,
    wanted: (object: KubeObject) => boolean,
    key?: ObjectKey,
  ): Promise<KubeObject>;
  /**
   * Waits for an event whose "Reason: message" contains `text` or matches it, and gives all that do. An event follows the status that it
   * is about, so it may be a moment away when that is seen.
   */
  told(text: string | RegExp): Promise<readonly string[]>;
  /** Asks for a reconcile and waits for its end. */
  reconcile(): Promise<KubeObject>;
  /** Waits until the object of that name in the snapshot is gone. */
  gone(name: string): Promise<void>;
  /** Every object in the cluster that does not change by itself: "Kind/namespace/name" -> "uid@resourceVersion". */
  snapshot(): Promise<ReadonlyMap<string, string>>;
  /** Writes of the operator so far, leases and events aside. */
  writes(): Promise<readonly AuditEvent[]>;
};

export type FluxClusterOptions = {
  /** Installs what the operator needs and gives the kubeconfig that it connects with; by default it has the rights of install.yaml. */
  readonly kubeconfig?: (plane: ControlPlane) => Promise<string>;
  /** Whether the test had this refused on purpose. */
  readonly isMeantToFail?: (event: AuditEvent) => boolean;
  /** The operator's program, where it is not src/operator/main.ts. */
  readonly main?: string;
  /** More arguments and variables of the operator. */
  readonly args?: readonly string[];
  readonly env?: { readonly [name: string]: string };
};

export async function startFluxCluster(options: FluxClusterOptions = {}): Promise<FluxCluster> {
  const plane = await startControlPlane({ variant: "full" });
  const connection = await loadConnection({ kubeconfig: plane.kubeconfigPath, env: {}, clock: systemClock });
  const client = createApiClient({ connection, userAgent: "test", clock: systemClock });
  await plane.rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());
  await plane.rest.create("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await untilServed(client);
  const kubeconfigPath = await (options.kubeconfig ?? connectWithRights)(plane);
  const start = (): OperatorProcess =>
    startOperator({
      kubeconfigPath,
      folder: plane.folder,
      args: options.args ?? [],
      env: options.env ?? {},
      ...(options.main === undefined ? {} : { main: options.main }),
    });
  let operator = start();
  const operators = [operator];
  const never = new AbortController().signal;
  const instances = recordObjects(client, instanceKind);
  const secrets = recordSecrets(client);

  const objectWhen: FluxCluster["objectWhen"] = (gvk, what, isSo, key) =>
    untilObject(client, { gvk, key, isSo, patienceMs }, (last) => {
      const tail = operator.log().slice(-15).join("\n");
      return `${gvk.kind} never became ${what}; last seen: ${last}\n${tail}`;
    });
  const cluster: FluxCluster = {
    plane,
    client,
    get operator() {
      return operator;
    },
    restartOperator: async (signal) => {
      await operator.stop(signal);
      // Who is killed gives nothing back; a test of anything else need not wait until the lease is over.
      if (signal === "SIGKILL") await plane.rest.delete(leasePath);
      operator = start();
      operators.push(operator);
    },
    apply: async (object) => {
      const typed = object as KubeObject;
      return await client.apply(typed, { fieldManager: "test" }, never);
    },
    patchInstance: (patch) => plane.rest.patch(instancePath, patch),
    instance: () => plane.rest.get(instancePath),
    objectWhen,
    instanceWhen: (what, wanted, inNamespace = namespace) =>
      objectWhen(instanceKind, what, (object) => object.metadata.namespace === inNamespace && wanted(object)),
    told: async (text) => {
      const isTold = (told: string): boolean => (text instanceof RegExp ? text.test(told) : told.includes(text));
      await objectWhen(eventKind, `told: ${String(text)}`, (event) => isTold(toldBy(event)));
      const { items } = await client.list(eventKind, { namespace }, never);
      return items.map(toldBy).filter(isTold);
    },
    reconcile: async () => {
      const at = `${Date.now()}-${Math.random()}`;
      const echoes = await echoesOf(plane);
      await cluster.patchInstance({ metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": at } } });
      const instance = await cluster.instanceWhen(
        "reconciled",
        (object) => statusOf(object)["lastHandledReconcileAt"] === at,
      );
      // A watch may tell of a write before the audit log does.
      const deadline = AbortSignal.timeout(patienceMs);
      while ((await echoesOf(plane)) === echoes) await systemClock.sleep(20, deadline);
      return instance;
    },
    gone: (name) => untilGone(plane, name, AbortSignal.timeout(patienceMs)),
    snapshot: () => snapshotOf(plane),
    writes: async () => (await plane.auditEvents()).filter(isWriteOfOurs),
    [Symbol.asyncDispose]: async () => {
      await operator.stop("SIGKILL");
      const seen = await instances.stop();
      const leaks = await secrets.stop([
        ...operators.map((one) => ({ where: basename(one.logPath), text: one.log().join("\n") })),
        ...seen.map(({ status }) => ({ where: "status", text: JSON.stringify(status ?? {}) })),
      ]);
      const asked = (await plane.auditEvents()).filter((event) => options.isMeantToFail?.(event) !== true);
      await client.close();
      await plane.stop();
      assert.deepEqual(forbiddenRequests(asked), [], "the operator has asked for nothing that its rights do not allow");
      assert.deepEqual(statusFaults(seen), [], "every status that was seen is legal");
      assert.deepEqual(leaks, [], "no value of a Secret stands in the log, in an event or in a status");
    },
  };
  return cluster;
}

async function connectWithRights(plane: ControlPlane): Promise<string> {
  await grantRights(plane);
  return await connectAsOperator(plane);
}

/** Manifest of a file in the project, as `kubectl apply -f` would read it. */
export async function manifest(path: string): Promise<KubeObject> {
  const parsed = parseKubeYaml(await readFile(join(root, path), "utf8"));
  if (!isJsonObject(parsed)) throw new Error(`${path} has no object`);
  return parsed as KubeObject;
}

export function statusOf(object: KubeObject): JsonObject {
  return fieldsOf(object["status"]);
}

/** "Ready=True/ReconciliationSucceeded: message", or undefined when there is no such condition. */
export function condition(object: KubeObject, type: string): string | undefined {
  const found = listOf(statusOf(object)["conditions"])
    .map(fieldsOf)
    .find((entry) => entry["type"] === type);
  if (found === undefined) return undefined;
  return `${textOf(found["status"])}/${textOf(found["reason"])}: ${textOf(found["message"])}`;
}

/** Whether the reconcile of the instance's latest generation has ended well. */
export function isReady(instance: KubeObject): boolean {
  return (
    statusOf(instance)["observedGeneration"] === instance.metadata.generation &&
    condition(instance, "Ready")?.startsWith("True/") === true
  );
}

export type StatusRecord = { stop(): Promise<readonly string[]> };

/** Watches every status that an instance gets until `stop`, which answers what was wrong with any of them. */
export function recordStatuses(client: OwnedApiClient): StatusRecord {
  const record = recordObjects(client, instanceKind);
  return { stop: async () => statusFaults(await record.stop()) };
}

/** A definition is served a moment after it was created. */
export async function untilServed(client: OwnedApiClient): Promise<void> {
  const deadline = AbortSignal.timeout(patienceMs);
  while ((await client.discovery.find(instanceKind, deadline)) === undefined) await systemClock.sleep(50, deadline);
}

function toldBy(event: KubeObject): string {
  return `${textOf(event["reason"])}: ${textOf(event["message"])}`;
}

/** How many writes of the instance's status are in the audit log. */
async function echoesOf(plane: ControlPlane): Promise<number> {
  const written = (await plane.auditEvents()).filter(isWriteOfOurs);
  return written.filter(({ objectRef }) => objectRef?.subresource === "status").length;
}

const writeVerbs = new Set(["create", "update", "patch", "delete", "deletecollection"]);

function isWriteOfOurs(event: AuditEvent): boolean {
  const resource = event.objectRef?.resource ?? "";
  return (
    writeVerbs.has(event.verb) &&
    (event.userAgent ?? "").startsWith("flux-operator/") &&
    resource !== "leases" &&
    resource !== "events" &&
    // A question: nothing is stored.
    event.objectRef?.apiGroup !== "authorization.k8s.io" &&
    !event.requestURI.includes("dryRun=All")
  );
}
