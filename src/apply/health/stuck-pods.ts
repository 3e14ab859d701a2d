import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { readinessOf } from "../../kube/readiness.ts";

/** Why the pods of a Deployment do not get ready, in a short phrase that stays the same while the cause does. */
export type Trouble = {
  readonly message: string;
  /** How long it may stand before waiting does not help any more, in milliseconds; undefined where it may pass at any time. */
  readonly graceMs: number | undefined;
};

const second = 1_000;
const minute = 60 * second;

/** Nothing that happens in the cluster mends it. */
const never = 0;
/** It passes when a user or another controller adds what is missing, which is often done in the same minute. */
const short = minute;
/** It passes when a registry, a name server or a webhook answers again. */
const long = 3 * minute;
/** A container that has ended so often does not run because another one comes up. */
const manyRestarts = 3;

/** What a waiting container's reason means. Source: kubelet pkg/kubelet/images/types.go, kuberuntime and container/sync_result.go. */
const waitingReasons: { readonly [reason: string]: { readonly phrase: string; readonly graceMs: number } } = {
  ErrImagePull: { phrase: "cannot pull its image", graceMs: long },
  ImagePullBackOff: { phrase: "cannot pull its image", graceMs: long },
  ImageInspectError: { phrase: "cannot pull its image", graceMs: long },
  RegistryUnavailable: { phrase: "cannot pull its image", graceMs: long },
  SignatureValidationFailed: { phrase: "has an image whose signature is refused", graceMs: short },
  InvalidImageName: { phrase: "has an image name that is not valid", graceMs: never },
  ErrImageNeverPull: { phrase: "has an image that is not on the node and is never pulled", graceMs: short },
  CreateContainerConfigError: { phrase: "cannot be configured", graceMs: short },
  CreateContainerError: { phrase: "cannot be created", graceMs: short },
  RunContainerError: { phrase: "cannot be started", graceMs: short },
  StartError: { phrase: "cannot be started", graceMs: short },
};

/** What was found of a Deployment besides itself. */
export type Surroundings = { readonly replicaSets: readonly KubeObject[]; readonly pods: readonly KubeObject[] };

/**
 * The trouble of the pods that `deployment` asks for now; undefined when there is none. Pods of an older template are left out: they may be the
 * very reason for the upgrade. The newest ReplicaSet tells which are new, since webhooks may change every field of a pod.
 */
export function troubleOf(deployment: KubeObject, { replicaSets, pods }: Surroundings): Trouble | undefined {
  const newest = newestReplicaSet(deployment, replicaSets);
  if (newest === undefined) return undefined;
  const own = pods.filter(
    (pod) =>
      isOwnedBy(pod, newest) && pod.metadata.deletionTimestamp === undefined && readinessOf(pod).status !== "Current",
  );
  const troubles = [...own.flatMap(troublesOfPod), ...refusedPods(newest)];
  return troubles.toSorted((left, right) => patienceOf(left) - patienceOf(right))[0];
}

function patienceOf({ graceMs }: Trouble): number {
  return graceMs ?? Number.POSITIVE_INFINITY;
}

const revision = "deployment.kubernetes.io/revision";

/** Undefined until the Deployment's controller has seen what it asks for now. */
function newestReplicaSet(deployment: KubeObject, replicaSets: readonly KubeObject[]): KubeObject | undefined {
  const { metadata, status } = deployment;
  const { observedGeneration } = fieldsOf(status);
  if (metadata.generation !== undefined && observedGeneration !== metadata.generation) return undefined;
  return replicaSets.find(
    (set) => isOwnedBy(set, deployment) && set.metadata.annotations?.[revision] === metadata.annotations?.[revision],
  );
}

function isOwnedBy({ metadata }: KubeObject, owner: KubeObject): boolean {
  const uids = listOf(metadata["ownerReferences"]).map((reference) => textOf(fieldsOf(reference)["uid"]));
  return owner.metadata.uid !== undefined && uids.includes(owner.metadata.uid);
}

function troublesOfPod(pod: KubeObject): readonly Trouble[] {
  const status = fieldsOf(pod["status"]);
  const containers = [...listOf(status["initContainerStatuses"]), ...listOf(status["containerStatuses"])].map(fieldsOf);
  const secrets = listOf(fieldsOf(pod["spec"])["imagePullSecrets"]).map((secret) => textOf(fieldsOf(secret)["name"]));
  return [...containers.flatMap((one) => troublesOfContainer(one, secrets)), ...unschedulable(status)];
}

function troublesOfContainer(container: JsonObject, pullSecrets: readonly string[]): readonly Trouble[] {
  const state = fieldsOf(container["state"]);
  const reason = textOf(fieldsOf(state["waiting"])["reason"]);
  const name = `container ${textOf(container["name"])}`;
  if (state["running"] !== undefined && container["ready"] === false)
    return [{ message: `${name} runs, but is not ready`, graceMs: undefined }];
  const hasFailed = Number(fieldsOf(state["terminated"])["exitCode"] ?? 0) !== 0;
  if (reason === "CrashLoopBackOff" || hasFailed)
    return [{ message: `${name} crashes${lastExit(container)}`, graceMs: crashGraceMs(container) }];
  const known = waitingReasons[reason];
  if (known === undefined) return [];
  const image = known.phrase.endsWith("its image") ? ` ${imageOf(container, pullSecrets)}` : "";
  return [{ message: `${name} ${known.phrase}${image}`, graceMs: known.graceMs }];
}

/** "ghcr.io/fluxcd/source-controller:v1.9.4 with imagePullSecret registry". Which secret is in use may be all that is wrong. */
function imageOf(container: JsonObject, pullSecrets: readonly string[]): string {
  const image = shortImage(textOf(container["image"]));
  if (pullSecrets.length === 0) return image;
  return `${image} with imagePullSecret${pullSecrets.length === 1 ? "" : "s"} ${pullSecrets.join(", ")}`;
}

/** Without the digest where there is a tag, by which a person knows it. */
function shortImage(image: string): string {
  return image.replace(/(:[\w.-]+)@sha256:[0-9a-f]{64}$/, "$1");
}

/** The kubelet says CrashLoopBackOff after the second exit, when what the container needs may still be coming up. */
function crashGraceMs({ restartCount }: JsonObject): number {
  return typeof restartCount === "number" && restartCount >= manyRestarts ? never : long;
}

/** The kubelet shows an exit as the state for a moment, and as the last one while it waits to try again. */
function lastExit({ state, lastState }: JsonObject): string {
  const terminated = fieldsOf(fieldsOf(state)["terminated"] ?? fieldsOf(lastState)["terminated"]);
  const code = terminated["exitCode"];
  if (typeof code !== "number") return "";
  const reason = textOf(terminated["reason"]);
  return `: exit code ${code}${reason === "" ? "" : ` (${reason})`}`;
}

/** What the scheduler's words mean, the first that fits. Source: ErrReason* in kubernetes pkg/scheduler/framework/plugins. */
const unscheduledBecause: readonly { readonly says: RegExp; readonly phrase: string }[] = [
  { says: /Insufficient /, phrase: "no node has room for its pod" },
  { says: /persistent ?volume/i, phrase: "no node has a volume for the PersistentVolumeClaim of its pod" },
  { says: /scheduling gates/, phrase: "a scheduling gate holds its pod" },
];

/** A node or a volume may be added at any time. */
function unschedulable(status: JsonObject): readonly Trouble[] {
  const found = listOf(status["conditions"])
    .map(fieldsOf)
    .find((entry) => entry["type"] === "PodScheduled" && entry["status"] === "False");
  if (found === undefined) return [];
  const known = unscheduledBecause.find(({ says }) => says.test(textOf(found["message"])));
  return [{ message: known?.phrase ?? "no node takes its pod", graceMs: undefined }];
}

/** Why the API server does not take a pod: the words of a refusal that stay the same, and how long it may stand. */
const refusals: readonly { readonly says: RegExp; readonly phrase: string; readonly graceMs: number }[] = [
  { says: /violates PodSecurity "([^"]+)"/, phrase: "PodSecurity $1 refuses its pods", graceMs: short },
  { says: /exceeded quota: ([^,]+)/, phrase: "ResourceQuota $1 has no room for its pods", graceMs: short },
  { says: /failed calling webhook "([^"]+)"/, phrase: "webhook $1 does not answer for its pods", graceMs: long },
  { says: /admission webhook "([^"]+)" denied/, phrase: "webhook $1 refuses its pods", graceMs: short },
  {
    says: /serviceaccount "([^"]+)" not found/,
    phrase: "ServiceAccount $1 of its pods does not exist",
    graceMs: short,
  },
];

function refusedPods(replicaSet: KubeObject): readonly Trouble[] {
  const failure = listOf(fieldsOf(replicaSet["status"])["conditions"])
    .map(fieldsOf)
    .find((entry) => entry["type"] === "ReplicaFailure" && entry["status"] === "True");
  if (failure === undefined) return [];
  const message = textOf(failure["message"]);
  for (const { says, phrase, graceMs } of refusals) {
    const [, name] = says.exec(message) ?? [];
    if (name !== undefined) return [{ message: phrase.replace("$1", name), graceMs }];
  }
  return [{ message: "the API server refuses its pods", graceMs: long }];
}
