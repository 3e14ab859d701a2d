import { componentNames } from "../../distribution/release.ts";
import type { KubeObject } from "../../kube/object.ts";
import { nameObject } from "../../kube/object-id.ts";
import type { PatchResource } from "../../patch/apply-patches.ts";
import type { RenderContext } from "../draft.ts";

/** What a patch names; a field that it leaves open is undefined. */
export type Wanted = { readonly apiVersion?: string; readonly kind?: string; readonly name?: string };

/** The field of the spec that keeps an object out, as a clause; undefined when there is none. */
export function whyAbsent(wanted: Wanted, { spec, release }: RenderContext): string | undefined {
  const { name } = wanted;
  if (name === undefined) return undefined;
  const isWanted = (object: KubeObject): boolean => isNamed(wanted, object);
  const component = componentNames.find(
    (candidate) => name === candidate || (release.components[candidate] ?? []).some(isWanted),
  );
  if (component !== undefined && !spec.components.includes(component))
    return `${component} is not among spec.components`;
  if (!spec.cluster.networkPolicy && release.policies.some(isWanted)) return "spec.cluster.networkPolicy is false";
  if (wanted.kind === "PersistentVolumeClaim" && spec.storage === undefined) return "there is no spec.storage";
  if (sourceKinds.has(wanted.kind ?? "")) {
    const made =
      spec.sync === undefined ? undefined : `${spec.sync.kind} and Kustomization ${spec.sync.name ?? ""}`.trim();
    return made === undefined ? "there is no spec.sync" : `spec.sync makes ${made}`;
  }
  return whyNoShard(wanted, spec);
}

const sourceKinds: ReadonlySet<string> = new Set(["GitRepository", "OCIRepository", "Bucket", "Kustomization"]);

function isNamed({ kind, name }: Wanted, object: KubeObject): boolean {
  return object.metadata.name === name && (kind === undefined || object.kind === kind);
}

/** "source-controller-b" is a shard's name where b is one in the spec. */
function whyNoShard({ kind, name = "" }: Wanted, { components, sharding }: RenderContext["spec"]): string | undefined {
  if (kind !== "Deployment" && kind !== "Service") return undefined;
  const main = components.find((component) => name.startsWith(`${component}-`));
  if (main === undefined) return undefined;
  const shard = name.slice(main.length + 1);
  return sharding?.shards.includes(shard) === true ? undefined : `${shard} is not among spec.sharding.shards`;
}

/** An object of the same kind and name that a patch misses by its apiVersion or namespace, as a clause; undefined when there is none. */
export function whyMissed(wanted: Wanted, resources: readonly PatchResource[]): string | undefined {
  const near = resources.find(({ object }) => isNamed(wanted, object));
  return near === undefined ? undefined : `${nameObject(near.object)} is of ${near.object.apiVersion}`;
}
