// Tests: src/controllers/flux-instance/preflight/judge.test.ts
import { ownerOf } from "../../../api/names.ts";
import { isOwned } from "../../../apply/ownership.ts";
import { fieldsOf, listOf, textOf } from "../../../kube/fields.ts";
import { formatObjectId, nameObject, objectIdOf } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { overlaps, watchesAll } from "../flux-controllers.ts";
import { deploymentsOf, enumerateSorted, liveMetadataOf, refuse, warn, type Finding, type Subject } from "./subject.ts";

const helmRelease = "meta.helm.sh/release-name";

/**
 * Judges the Flux controllers of all namespaces. Two controllers must never reconcile one object, so those that run and watch what the plan's
 * controllers will watch are refused; the others cause a warning.
 */
export function judgeInstallations(controllers: readonly KubeObject[], subject: Subject): readonly Finding[] {
  const own = subject.world.key.namespace;
  const byNamespace = Map.groupBy(controllers, ({ metadata }) => metadata.namespace ?? "");
  return [...byNamespace]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([namespace, found]) => (namespace === own ? judgeOwn(found, subject) : judgeOther(found, subject)));
}

/** Controllers in our own namespace are taken over, except those with our labels that neither the plan nor the inventory has. */
function judgeOwn(found: readonly KubeObject[], subject: Subject): readonly Finding[] {
  return [...judgeHelm(found), ...judgeForgotten(found, subject)];
}

/** The Go operator loses track of objects when it is interrupted, since it writes the new inventory before it deletes. */
function judgeForgotten(found: readonly KubeObject[], { planned, world }: Subject): readonly Finding[] {
  const known = new Set([
    ...planned.map(({ object }) => formatObjectId(objectIdOf(object))),
    ...(world.recorded.inventory?.entries ?? []).map(({ id }) => id),
  ]);
  const forgotten = found.filter(
    (one) => isOwned(one, ownerOf(world.key)) && isRunning(one) && !known.has(formatObjectId(objectIdOf(one))),
  );
  if (planned.length === 0 || forgotten.length === 0) return [];
  return [
    warn(
      `these controllers carry the labels of this instance, but are neither in its spec nor in its inventory: ${enumerateSorted(forgotten.map(nameObject))}; delete them, they keep running and would block its deletion`,
    ),
  ];
}

function judgeOther(found: readonly KubeObject[], { planned }: Subject): readonly Finding[] {
  const wanted = deploymentsOf(planned).map(({ object }) => object);
  const rivals = found.filter((other) => isRunning(other) && wanted.some((object) => watchesTheSame(other, object)));
  if (rivals.length === 0) {
    return [
      warn(
        `another installation of Flux is there: ${enumerateSorted(found.map(described))}; remove it if it is not needed`,
      ),
    ];
  }
  return [
    refuse(
      `another installation of Flux reconciles the same objects: ${enumerateSorted(rivals.map(described))}; remove it, or scale it to 0`,
    ),
  ];
}

/** Helm does not know that the instance takes them over. */
function judgeHelm(found: readonly KubeObject[]): readonly Finding[] {
  const releases = found.flatMap(({ metadata }) => metadata.annotations?.[helmRelease] ?? []);
  if (releases.length === 0) return [];
  return [
    warn(
      `the Helm release ${enumerateSorted(releases)} installed controllers that this instance takes over; do not upgrade or uninstall it, ` +
        `but let Helm forget it by deleting its Secrets (label owner=helm)`,
    ),
  ];
}

function described(deployment: KubeObject): string {
  const release = deployment.metadata.annotations?.[helmRelease];
  return release === undefined ? nameObject(deployment) : `${nameObject(deployment)} of the Helm release ${release}`;
}

function isRunning(deployment: KubeObject): boolean {
  return fieldsOf(deployment["spec"])["replicas"] !== 0 || Number(fieldsOf(deployment["status"])["replicas"] ?? 0) > 0;
}

/** The two are in different namespaces, so one must watch beyond its own. */
function watchesTheSame(left: KubeObject, right: KubeObject): boolean {
  return (watchesAll(left) || watchesAll(right)) && overlaps(left, right);
}

const kustomizeLabels = {
  name: "kustomize.toolkit.fluxcd.io/name",
  namespace: "kustomize.toolkit.fluxcd.io/namespace",
};

/** "namespace/name" of the Kustomizations that have applied objects of the plan, such as those of a bootstrap. */
export function kustomizationsOf({ planned, world }: Subject): readonly string[] {
  const named = planned.flatMap((one) => {
    const found = liveMetadataOf(one, world)?.labels ?? {};
    const { [kustomizeLabels.name]: name, [kustomizeLabels.namespace]: namespace } = found;
    return name === undefined || namespace === undefined ? [] : [`${namespace}/${name}`];
  });
  return [...new Set(named)].toSorted();
}

/**
 * `kustomizations` are those that exist. An object keeps the labels of a Kustomization that no longer applies it, so the inventory of the
 * Kustomization decides.
 */
export function judgeKustomizations(kustomizations: readonly KubeObject[], { planned }: Subject): readonly Finding[] {
  return kustomizations.flatMap((kustomization) => {
    const entries = listOf(fieldsOf(fieldsOf(kustomization["status"])["inventory"])["entries"]);
    const applied = new Set(entries.map((entry) => textOf(fieldsOf(entry)["id"])));
    const shared = planned
      .map(({ object }) => object)
      .filter((object) => applied.has(formatObjectId(objectIdOf(object))));
    if (shared.length === 0) return [];
    const names = enumerateSorted(shared.map(nameObject));
    return [
      warn(
        `${nameObject(kustomization)} also applies ${names}; remove them from its source (they will not be deleted)`,
      ),
    ];
  });
}

/** Warns of `kinds`: those of the Go operator that have objects and that this operator does not reconcile. */
export function judgeOperatorKinds(kinds: readonly string[]): readonly Finding[] {
  if (kinds.length === 0) return [];
  return [warn(`there are objects that this operator leaves alone and does not reconcile: ${enumerateSorted(kinds)}`)];
}
