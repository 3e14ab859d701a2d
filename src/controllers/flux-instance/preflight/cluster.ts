// Tests: src/controllers/flux-instance/preflight/judge.test.ts
import {
  isOlderMinor,
  kubernetesMinor,
  minimumKubernetesFor,
  testedKubernetes,
} from "../../../distribution/kubernetes-versions.ts";
import type { ServerVersion } from "../../../client/api-client.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { fieldsOf, textOf } from "../../../kube/fields.ts";
import { nameObject } from "../../../kube/object-id.ts";
import { isBeingDeleted, liveMetadataOf, refuse, warn, type Finding, type Subject } from "./subject.ts";

/** The API server's version against what the Flux minor needs and what this operator has seen. */
export function judgeKubernetes({ gitVersion, major, minor }: ServerVersion, { target }: Subject): readonly Finding[] {
  const flux = target.rendering.version;
  const running = kubernetesMinor(gitVersion) ?? kubernetesMinor(`${major}.${minor}`);
  if (running === undefined) {
    return [
      warn(`the Kubernetes version ${gitVersion} cannot be read, so it was not checked that Flux ${flux} runs on it`),
    ];
  }
  const minimum = minimumKubernetesFor(flux);
  if (minimum === undefined) {
    return [warn(`this operator does not know which Kubernetes Flux ${flux} needs; a newer operator does`)];
  }
  if (isOlderMinor(running, minimum)) {
    const remedy = "upgrade Kubernetes, or choose an older Flux in spec.distribution.version";
    return [refuse(`Flux ${flux} needs Kubernetes ${minimum} or newer, and this is ${gitVersion}; ${remedy}`)];
  }
  if (!isOlderMinor(testedKubernetes, running)) return [];
  return [
    warn(
      `Kubernetes ${running} is newer than ${testedKubernetes}, the newest that this operator is tested with; upgrade the operator`,
    ),
  ];
}

/** Refuses a namespace that is being deleted or does not exist (undefined). */
export function judgeNamespace(namespace: KubeObject | undefined, { world }: Subject): readonly Finding[] {
  if (namespace !== undefined && !isBeingDeleted(namespace)) return [];
  const state = namespace === undefined ? "does not exist any more" : "is being deleted";
  const remedy = "create it and the FluxInstance again once it is deleted";
  return [refuse(`Namespace/${world.key.namespace} ${state}, and nothing new can be created in it; ${remedy}`)];
}

/** `missing` are the classes of the plan's claims that the cluster does not have. A claim that exists keeps its volume without one. */
export function judgeStorageClasses(missing: readonly string[], { planned, world }: Subject): readonly Finding[] {
  return planned.flatMap((one) => {
    const storageClass = classOf(one.object);
    if (!missing.includes(storageClass) || liveMetadataOf(one, world) !== undefined) return [];
    const claim = nameObject(one.object);
    return [
      refuse(
        `StorageClass/${storageClass}, which ${claim} asks for, does not exist; create it, or change spec.storage.class`,
      ),
    ];
  });
}

/** Refuses another class for claims that exist (`live`): the API server would, in words that do not say what to do. */
export function judgeClaims(live: readonly KubeObject[], subject: Pick<Subject, "target">): readonly Finding[] {
  return claimsOf(subject).flatMap((claim) => {
    const existing = live.find(({ metadata }) => metadata.name === claim.metadata.name);
    const [is, wanted] = [existing === undefined ? "" : classOf(existing), classOf(claim)];
    if (is === "" || wanted === "" || is === wanted) return [];
    const remedy = `keep ${is} in spec.storage.class, or remove spec.storage, wait until Ready is True, and set it again`;
    return [refuse(`${nameObject(claim)} has the StorageClass ${is}, which cannot be changed to ${wanted}; ${remedy}`)];
  });
}

/** The claims that are desired, also where the dry-run was refused. */
export function claimsOf({ target }: Pick<Subject, "target">): readonly KubeObject[] {
  return target.rendering.objects.filter(({ kind }) => kind === "PersistentVolumeClaim");
}

/** Empty for a claim that takes the default class or asks for none, and for what is no claim. */
export function classOf(object: KubeObject): string {
  if (object.kind !== "PersistentVolumeClaim") return "";
  return textOf(fieldsOf(object["spec"])["storageClassName"]);
}

const pullSecretTypes = ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"];

/** Warns of a pull secret that does not exist (undefined), or that the kubelet ignores because of its type. */
export function judgePullSecret(secret: KubeObject | undefined, { target, world }: Subject): readonly Finding[] {
  const name = `Secret/${world.key.namespace}/${target.spec.distribution.imagePullSecret ?? ""}`;
  const where = `${name}, named in spec.distribution.imagePullSecret,`;
  if (secret === undefined) {
    return [
      warn(`${where} does not exist, so images are pulled without login; create it with type ${pullSecretTypes[0]}`),
    ];
  }
  const type = textOf(secret["type"]);
  if (pullSecretTypes.includes(type)) return [];
  return [
    warn(`${where} has type ${type}, so the kubelet ignores it; create it again with type ${pullSecretTypes[0]}`),
  ];
}
