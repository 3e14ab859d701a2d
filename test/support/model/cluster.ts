import { fieldsOf, listOf, textOf } from "../../../src/kube/fields.ts";
import { gvkOf } from "../../../src/kube/gvk.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../../src/kube/object.ts";
import type { Clock } from "../../../src/std/clock.ts";
import { sha256Hex } from "../../../src/std/digest.ts";
import { canonicalJson, deepEqual } from "../../../src/std/json.ts";
import { pathOfObject, type Answer, type MemoryServer } from "./api-server.ts";

export const fluxFinalizer = "finalizers.fluxcd.io";
const forEver = new AbortController().signal;

/** An image that crashes, whatever else does. */
export const brokenImage = "example.com/broken:1";
const revision = "deployment.kubernetes.io/revision";
const hashLabel = "pod-template-hash";
const plurals: { readonly [kind: string]: string } = {
  GitRepository: "gitrepositories",
  OCIRepository: "ocirepositories",
  Kustomization: "kustomizations",
};
const reconciledBy: { readonly [kind: string]: string } = {
  GitRepository: "source-controller",
  OCIRepository: "source-controller",
  Kustomization: "kustomize-controller",
};

/** The path of an object in the cluster of the model. */
export function pathFor(object: KubeObject): string {
  return pathOfObject(object, plurals[object.kind] ?? `${object.kind.toLowerCase()}s`);
}

/** The path of all objects of the kind, in its namespace. */
export function collectionOf(object: KubeObject): string {
  return pathFor(object).replace(/\/[^/]+$/, "");
}

/**
 * What Kubernetes and Flux do by themselves: Deployments make pods, pods run, owners take what is theirs with them, namespaces end, Flux's
 * controllers hold their objects by a finalizer and take workloads along. One work is one step of one of them.
 */
export class Cluster {
  readonly #server: MemoryServer;
  readonly #works = new Map<string, () => void>();
  /** Whether containers of this image crash. */
  isSick: (image: string) => boolean = () => false;
  #pods = 0;
  readonly #clock: Clock;
  readonly #startMs: number;

  /** `startMs` is how long a pod takes to start, in milliseconds. */
  constructor(server: MemoryServer, { clock, startMs }: { readonly clock: Clock; readonly startMs: number }) {
    this.#server = server;
    this.#clock = clock;
    this.#startMs = startMs;
    server.onChange(({ before, after }) => {
      for (const object of [before, after]) if (object !== undefined) this.#noticed(object);
      if (after === undefined) this.#later("garbage", () => this.#collectGarbage());
      if (before?.kind === "Pod" || after?.kind === "Pod") this.#lookAtFlux();
    });
  }

  /** The names of what is to be done. */
  works(): readonly string[] {
    return [...this.#works.keys()];
  }

  work(name: string): void {
    const step = this.#works.get(name);
    this.#works.delete(name);
    step?.();
  }

  /** All pods are looked at again, as their kubelet does. */
  lookAtPods(): void {
    for (const object of this.#server.objects()) if (object.kind === "Pod") this.#noticed(object);
  }

  #later(name: string, step: () => void): void {
    this.#works.set(name, step);
  }

  #noticed(object: KubeObject): void {
    const { kind, metadata } = object;
    const { name, namespace = "" } = metadata;
    const owner = ownersOf(object)[0];
    if (kind === "Deployment")
      this.#later(`deployment ${namespace}/${name}`, () => this.#syncDeployment(namespace, name));
    if (kind === "ReplicaSet")
      this.#later(`deployment ${namespace}/${owner?.name}`, () => this.#syncDeployment(namespace, owner?.name ?? ""));
    if (kind === "Pod") {
      this.#later(`pod ${namespace}/${name}`, () => this.#syncPod(namespace, name));
      const deployment = (owner?.name ?? "").replace(/-[0-9a-f]+$/, "");
      this.#later(`deployment ${namespace}/${deployment}`, () => this.#syncDeployment(namespace, deployment));
    }
    if (kind === "Namespace" || metadata.deletionTimestamp !== undefined)
      this.#later(`namespaces`, () => this.#endNamespaces());
    if ((metadata.finalizers ?? []).includes("foregroundDeletion"))
      this.#later("garbage", () => this.#collectGarbage());
    if (reconciledBy[kind] !== undefined)
      this.#later(`flux ${kind} ${namespace}/${name}`, () => this.#reconcileFlux(kind, namespace, name));
  }

  #ask(method: string, path: string, body?: JsonValue, more: { readonly [header: string]: string } = {}): Answer {
    const manager = `fieldManager=kube-controller-manager`;
    const full = `${path}${path.includes("?") ? "&" : "?"}${manager}`;
    const headers = { "content-type": "application/merge-patch+json", ...more };
    return this.#server.handle({
      method,
      path: full,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  #all(kind: string): readonly KubeObject[] {
    return this.#server.objects().filter((object) => object.kind === kind);
  }

  // Deployments, ReplicaSets and pods.

  #syncDeployment(namespace: string, name: string): void {
    const deployment = this.#server.find("Deployment", namespace, name);
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return;
    const spec = fieldsOf(deployment["spec"]);
    const hash = sha256Hex(canonicalJson(spec["template"] ?? {})).slice(0, 8);
    const sets = this.#all("ReplicaSet").filter((set) => isOwnedBy(set, deployment));
    const newest = sets.find(({ metadata }) => metadata.labels?.[hashLabel] === hash);
    const highest = Math.max(0, ...sets.map(revisionOf));
    if (newest === undefined) return this.#createSet(deployment, hash, `${highest + 1}`);
    if (revisionOf(newest) < highest) return void this.#annotate(newest, `${highest + 1}`);
    if (deployment.metadata.annotations?.[revision] !== newest.metadata.annotations?.[revision])
      return void this.#annotate(deployment, newest.metadata.annotations?.[revision] ?? "");
    const wanted = typeof spec["replicas"] === "number" ? spec["replicas"] : 1;
    const pods = this.#all("Pod").filter((pod) => sets.some((set) => isOwnedBy(pod, set)));
    this.#scale({ deployment, newest, wanted, pods });
    this.#tell(deployment, newest, wanted);
  }

  #createSet(deployment: KubeObject, hash: string, number: string): void {
    const { namespace = "", name } = deployment.metadata;
    const template = fieldsOf(fieldsOf(deployment["spec"])["template"]);
    const set: KubeObject = {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: {
        name: `${name}-${hash}`,
        namespace,
        labels: { ...labelsOf(template), [hashLabel]: hash },
        annotations: { [revision]: number },
        ownerReferences: [ownerReference(deployment)],
      },
      spec: { template },
    };
    this.#ask("POST", collectionOf(set), set);
    this.#later(`deployment ${namespace}/${name}`, () => this.#syncDeployment(namespace, name));
  }

  #annotate(object: KubeObject, number: string): Answer {
    return this.#ask("PATCH", pathFor(object), { metadata: { annotations: { [revision]: number } } });
  }

  #scale(given: { deployment: KubeObject; newest: KubeObject; wanted: number; pods: readonly KubeObject[] }): void {
    const { deployment, newest, wanted, pods } = given;
    const own = pods.filter((pod) => isOwnedBy(pod, newest) && !isGoing(pod));
    const old = pods.filter((pod) => !isOwnedBy(pod, newest));
    const isRecreated = fieldsOf(fieldsOf(deployment["spec"])["strategy"])["type"] === "Recreate";
    for (const pod of own.slice(wanted)) this.#ask("DELETE", pathFor(pod));
    const isReplaced = isRecreated || wanted === 0 || own.filter(isPodReady).length >= wanted;
    if (isReplaced) for (const pod of old.filter((one) => !isGoing(one))) this.#ask("DELETE", pathFor(pod));
    if (isRecreated && old.length > 0) return;
    for (let count = own.length; count < wanted; count += 1) this.#createPod(newest);
  }

  #createPod(set: KubeObject): void {
    const template = fieldsOf(fieldsOf(set["spec"])["template"]);
    const { namespace = "" } = set.metadata;
    this.#pods += 1;
    const pod: KubeObject = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: `${set.metadata.name}-${this.#pods}`,
        namespace,
        labels: set.metadata.labels ?? {},
        ownerReferences: [ownerReference(set)],
      },
      spec: template["spec"] ?? {},
    };
    this.#ask("POST", `/api/v1/namespaces/${namespace}/pods`, pod);
  }

  #tell(deployment: KubeObject, newest: KubeObject, wanted: number): void {
    const sets = this.#all("ReplicaSet").filter((set) => isOwnedBy(set, deployment));
    const pods = this.#all("Pod").filter((pod) => sets.some((set) => isOwnedBy(pod, set)) && !isGoing(pod));
    const own = pods.filter((pod) => isOwnedBy(pod, newest));
    const ready = pods.filter(isPodReady).length;
    const isAvailable = own.filter(isPodReady).length >= wanted;
    const status = {
      observedGeneration: deployment.metadata.generation ?? 0,
      replicas: pods.length,
      updatedReplicas: own.length,
      readyReplicas: ready,
      availableReplicas: ready,
      conditions: [
        condition("Available", isAvailable, isAvailable ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable"),
        condition("Progressing", true, isAvailable ? "NewReplicaSetAvailable" : "ReplicaSetUpdated"),
      ],
    };
    if (!deepEqual(deployment["status"], status)) this.#ask("PATCH", `${pathFor(deployment)}/status`, { status });
  }

  /** Whether the pod has not been there for long enough; it is looked at again when it has. */
  #isStarting(pod: KubeObject): boolean {
    const startedMs = Date.parse(pod.metadata.creationTimestamp ?? "") + this.#startMs;
    const leftMs = startedMs - this.#clock.nowMs();
    if (leftMs > 0) void this.#clock.sleep(leftMs, forEver).then(() => this.#noticed(pod));
    return leftMs > 0;
  }

  #syncPod(namespace: string, name: string): void {
    const pod = this.#server.find("Pod", namespace, name);
    if (pod === undefined) return;
    if (isGoing(pod)) return void this.#ask("DELETE", pathFor(pod), { gracePeriodSeconds: 0 });
    const images = listOf(fieldsOf(pod["spec"])["containers"]).map(fieldsOf);
    const isSick = images.some(({ image }) => textOf(image) === brokenImage || this.isSick(textOf(image)));
    if (!isSick && !isPodReady(pod) && this.#isStarting(pod)) return;
    const containerStatuses = images.map(({ name = "", image = "" }) =>
      isSick
        ? {
            name,
            image,
            ready: false,
            restartCount: 5,
            state: { waiting: { reason: "CrashLoopBackOff" } },
            lastState: { terminated: { exitCode: 1 } },
          }
        : { name, image, ready: true, restartCount: 0, state: { running: {} } },
    );
    const status = {
      phase: "Running",
      conditions: [condition("Ready", !isSick, isSick ? "ContainersNotReady" : "")],
      containerStatuses,
    };
    if (!deepEqual(pod["status"], status)) this.#ask("PATCH", `${pathFor(pod)}/status`, { status });
  }

  // Owners and namespaces.

  #collectGarbage(): void {
    const uids = new Set(this.#server.objects().map(({ metadata }) => metadata.uid));
    for (const object of this.#server.objects()) {
      const owners = ownersOf(object);
      const isOrphan = owners.length > 0 && owners.every(({ uid }) => !uids.has(uid));
      const isWith = owners.some(({ uid }) => this.#isLeavingInForeground(uid));
      if ((isOrphan || isWith) && !isGoing(object))
        this.#ask("DELETE", pathFor(object), isWith ? { propagationPolicy: "Foreground" } : {});
    }
    for (const object of this.#server.objects()) {
      const finalizers = object.metadata.finalizers ?? [];
      if (!finalizers.includes("foregroundDeletion")) continue;
      const isHeld = this.#server.objects().some((other) => isOwnedBy(other, object));
      if (isHeld) continue;
      const left = finalizers.filter((one) => one !== "foregroundDeletion");
      this.#ask("PATCH", pathFor(object), { metadata: { finalizers: left } });
    }
  }

  #isLeavingInForeground(uid: string): boolean {
    const owner = this.#server.objects().find(({ metadata }) => metadata.uid === uid);
    return owner !== undefined && isGoing(owner) && (owner.metadata.finalizers ?? []).includes("foregroundDeletion");
  }

  #endNamespaces(): void {
    for (const namespace of this.#all("Namespace").filter(isGoing)) {
      const within = this.#server.objects().filter(({ metadata }) => metadata.namespace === namespace.metadata.name);
      for (const object of within.filter((one) => !isGoing(one))) this.#ask("DELETE", pathFor(object));
      if (within.length === 0) this.#ask("PATCH", pathFor(namespace), { metadata: { finalizers: [] } });
    }
  }

  // Flux.

  #lookAtFlux(): void {
    for (const object of this.#server.objects()) {
      const { namespace = "", name } = object.metadata;
      if (reconciledBy[object.kind] !== undefined)
        this.#later(`flux ${object.kind} ${namespace}/${name}`, () =>
          this.#reconcileFlux(object.kind, namespace, name),
        );
    }
  }

  #reconcileFlux(kind: string, namespace: string, name: string): void {
    const object = this.#server.find(kind, namespace, name);
    const controller = reconciledBy[kind] ?? "";
    if (object === undefined || !this.#runs(controller)) return;
    const finalizers = object.metadata.finalizers ?? [];
    const spec = fieldsOf(object["spec"]);
    if (isGoing(object)) {
      if (
        kind === "Kustomization" &&
        spec["suspend"] !== true &&
        spec["prune"] === true &&
        finalizers.includes(fluxFinalizer)
      )
        this.#deleteWorkloads(name, namespace);
      if (finalizers.includes(fluxFinalizer))
        this.#ask("PATCH", pathFor(object), {
          metadata: { finalizers: finalizers.filter((one) => one !== fluxFinalizer) },
        });
      return;
    }
    if (!finalizers.includes(fluxFinalizer))
      return void this.#ask("PATCH", pathFor(object), { metadata: { finalizers: [...finalizers, fluxFinalizer] } });
    const status = {
      observedGeneration: object.metadata.generation ?? 0,
      conditions: [condition("Ready", true, "Succeeded")],
    };
    if (spec["suspend"] !== true && !deepEqual(object["status"], status))
      this.#ask("PATCH", `${pathFor(object)}/status`, { status });
  }

  #runs(controller: string): boolean {
    // A controller goes on until its pod has ended.
    return this.#all("Pod").some((pod) => isPodReady(pod) && pod.metadata.labels?.["app"] === controller);
  }

  #deleteWorkloads(name: string, namespace: string): void {
    for (const object of this.#server.objects()) {
      const { labels = {} } = object.metadata;
      const isOf =
        labels["kustomize.toolkit.fluxcd.io/name"] === name &&
        labels["kustomize.toolkit.fluxcd.io/namespace"] === namespace;
      if (isOf && gvkOf(object).group !== "kustomize.toolkit.fluxcd.io") this.#ask("DELETE", pathFor(object));
    }
  }
}

type OwnerReference = { readonly uid: string; readonly name: string };

export function ownersOf({ metadata }: KubeObject): readonly OwnerReference[] {
  return listOf(metadata["ownerReferences"])
    .map(fieldsOf)
    .map(({ uid, name }) => ({ uid: textOf(uid), name: textOf(name) }));
}

function isOwnedBy(object: KubeObject, owner: KubeObject): boolean {
  return ownersOf(object).some(({ uid }) => uid === owner.metadata.uid);
}

function ownerReference({ apiVersion, kind, metadata }: KubeObject): JsonObject {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? "", controller: true, blockOwnerDeletion: true };
}

function labelsOf(template: JsonObject): { readonly [name: string]: string } {
  return fieldsOf(fieldsOf(template["metadata"])["labels"]) as { readonly [name: string]: string };
}

function revisionOf({ metadata }: KubeObject): number {
  return Number(metadata.annotations?.[revision] ?? 0);
}

export function isGoing({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

export function isPodReady(pod: KubeObject): boolean {
  const conditions = listOf(fieldsOf(pod["status"])["conditions"]).map(fieldsOf);
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}

function condition(type: string, isTrue: boolean, reason: string): JsonObject {
  return { type, status: isTrue ? "True" : "False", reason, message: "", lastTransitionTime: "2026-01-01T00:00:00Z" };
}
