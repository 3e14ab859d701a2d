import assert from "node:assert/strict";
import { outcomeAnnotation } from "../../../scripts/control-plane/stages.ts";
import type { DeletionPolicy } from "../../../src/api/spec.ts";
import { canonicalInstance } from "../../../src/api/canonical.ts";
import { parseStoredFluxInstance } from "../../../src/api/flux-instance.ts";
import { embeddedVersions, loadRelease } from "../../../src/distribution/load.ts";
import { fieldsOf, listOf, textOf } from "../../../src/kube/fields.ts";
import { compareForApply } from "../../../src/kube/order.ts";
import { targetOf } from "../../../src/render/target.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../../src/kube/object.ts";
import { condition, isReady, namespace, statusOf } from "../flux-cluster.ts";
import { fluxFinalizer } from "../removable.ts";
import { type CrashWorld, type Instance } from "./world.ts";

/** A change in the middle of which the operator is killed. */
export type Scenario = {
  readonly name: string;
  /** Makes what the change begins with; the operator is not killed. */
  readonly before: (world: CrashWorld) => Promise<void>;
  readonly change: (world: CrashWorld) => Promise<void>;
  readonly isDone: (instance: Instance) => boolean;
  /** What the user wants instead, once the operator was killed; without a kill, once the change is done. */
  readonly instead?: Pick<Scenario, "change" | "isDone">;
  /** Throws where what the end leaves, by name, is not what the change is for. */
  readonly holds?: (contents: ReadonlyMap<string, string>) => void;
};

export const newest = "2.9.4";
const older = "2.8.5";
/** The API versions that users' objects are stored in are dropped between these. */
export const oldest = "2.2.3";
const thirdParty = "example.com/audit";

const components = ["source-controller", "kustomize-controller"];
export const sync = { kind: "GitRepository", url: "https://git.example.com/fleet", ref: "refs/heads/main", path: "./" };

export function instance(
  version: string,
  spec: JsonObject = {},
  annotations: { readonly [name: string]: string } = {},
): KubeObject {
  return {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace, annotations },
    spec: {
      distribution: { version, registry: "ghcr.io/fluxcd" },
      components,
      ...spec,
    },
  };
}

export const runs = (version: string) => (now: Instance) =>
  now !== undefined && isReady(now) && statusOf(now)["lastAppliedVersion"] === version;
export const isGone = (now: Instance): boolean => now === undefined;

/** As `installed` with what users have of Flux's kinds, held by its finalizer and by one of somebody else's. */
async function used(world: CrashWorld): Promise<void> {
  for (const object of inUse) await world.apply(object);
}

const inUse: readonly KubeObject[] = [
  {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: "app", namespace: "apps", finalizers: [fluxFinalizer, thirdParty] },
    spec: { interval: "1m0s", url: "https://git.example.com/app" },
  },
  {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "app", namespace: "apps", finalizers: [fluxFinalizer] },
    spec: { interval: "10m0s", prune: true, sourceRef: { kind: "GitRepository", name: "app" } },
  },
  {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "app", namespace: "default", finalizers: [fluxFinalizer] },
    spec: { interval: "10m0s", prune: true, sourceRef: { kind: "GitRepository", name: "app", namespace: "apps" } },
  },
];

/** Stored in versions that 2.9 does not serve. */
export const stored: readonly KubeObject[] = [
  {
    apiVersion: "source.toolkit.fluxcd.io/v1beta2",
    kind: "OCIRepository",
    metadata: { name: "app", namespace: "apps" },
    spec: { interval: "5m0s", url: "oci://example.com/app" },
  },
  {
    apiVersion: "source.toolkit.fluxcd.io/v1beta2",
    kind: "Bucket",
    metadata: { name: "app", namespace: "apps", finalizers: [thirdParty] },
    spec: { interval: "5m0s", bucketName: "app", endpoint: "s3.example.com" },
  },
  ...inUse,
];

/** Flux as it comes without an operator. */
function previous(version: string): readonly KubeObject[] {
  const catalogue = { versions: embeddedVersions, load: loadRelease };
  const { objects } = targetOf(canonicalInstance(parseStoredFluxInstance(instance(version))), catalogue).rendering;
  return objects.toSorted(compareForApply).map(withoutOwner);
}

function withoutOwner(object: KubeObject): KubeObject {
  const labels = Object.entries(object.metadata.labels ?? {}).filter(
    ([key]) => !key.startsWith("fluxcd.controlplane.io/"),
  );
  return { ...object, metadata: { ...object.metadata, labels: Object.fromEntries(labels) } };
}

async function install(world: CrashWorld, object: KubeObject, version: string): Promise<void> {
  await world.apply(object);
  await world.until(runs(version));
}

const crashing = {
  target: { kind: "Deployment", name: "kustomize-controller" },
  patch: `- op: add\n  path: /spec/template/metadata/annotations/${outcomeAnnotation.replace("/", "~1")}\n  value: crash-loop\n`,
};

const polled = { "fluxcd.controlplane.io/reconcileArtifactEvery": "1s" };
const impatient = { "fluxcd.controlplane.io/reconcileTimeout": "15s" };

function uninstall(deletionPolicy: DeletionPolicy): Scenario {
  return {
    name: `uninstall with policy ${deletionPolicy}`,
    before: async (world) => {
      await install(world, instance(newest, { sync, deletionPolicy }), newest);
      await used(world);
    },
    change: (world) => world.change(undefined),
    isDone: isGone,
    holds: (contents) => {
      const ours = [...contents.keys()].filter((name) =>
        /^apps\/v1 Deployment\/flux-system|^rbac.* ClusterRole(Binding)?\/.*-flux-system$/.test(name),
      );
      const definitions = [...contents.keys()].filter((name) =>
        / CustomResourceDefinition\/.*toolkit\.fluxcd\.io$/.test(name),
      );
      const resources = [...contents].flatMap(([name, text]) =>
        /^\S+\.toolkit\.fluxcd\.io\//.test(name) ? [stateOf(name, text)] : [],
      );
      const keeps = deletionPolicy === "KeepResources";
      assert.deepEqual([ours, definitions.length > 0, resources], [[], keeps, keeps ? kept : []]);
    },
  };
}

/** Somebody else's finalizer stays, and nothing is left suspended. */
const kept = [
  "Kustomization/apps/app runs, held by []",
  "Kustomization/default/app runs, held by []",
  "Kustomization/flux-system/flux-system runs, held by []",
  `GitRepository/apps/app runs, held by [${thirdParty}]`,
  "GitRepository/flux-system/flux-system runs, held by []",
];

function stateOf(name: string, text: string): string {
  const { metadata, spec } = fieldsOf(JSON.parse(text) as JsonValue);
  const suspended = fieldsOf(spec)["suspend"] === true ? "suspended" : "runs";
  return `${name.split(" ")[1]} ${suspended}, held by [${listOf(fieldsOf(metadata)["finalizers"]).map(textOf).join(", ")}]`;
}

export const scenarios = {
  install: {
    name: "install",
    before: async () => undefined,
    change: (world) => world.apply(instance(newest, { sync })),
    isDone: runs(newest),
  },
  upgrade: {
    name: "upgrade over a bridge",
    before: async (world) => {
      await install(world, instance(oldest), oldest);
      for (const object of stored) await world.apply(object);
    },
    change: (world) => world.change({ spec: { distribution: { version: newest } } }),
    isDone: runs(newest),
  },
  rollback: {
    name: "upgrade that is rolled back",
    before: async (world) => {
      await install(
        world,
        instance(older, { components: [...components, "notification-controller"] }, impatient),
        older,
      );
      await used(world);
    },
    // Whoever prunes before everything is healthy deletes notification-controller, and makes another one when it goes back.
    change: (world) =>
      world.change({ spec: { distribution: { version: newest }, components, kustomize: { patches: [crashing] } } }),
    isDone: (now) =>
      now !== undefined &&
      statusOf(now)["observedGeneration"] === now.metadata.generation &&
      condition(now, "Ready")?.startsWith("False/UpgradeFailed: ") === true &&
      condition(now, "Stalled") !== undefined,
  },
  takeover: {
    name: "takeover of an older Flux",
    before: async (world) => {
      for (const object of previous(older)) await world.apply(object, "kubectl");
      await used(world);
    },
    change: (world) => world.apply(instance(newest)),
    isDone: runs(newest),
  },
  shards: {
    name: "change of shards",
    before: async (world) => {
      await install(world, instance(newest, { sharding: { shards: ["a", "b"] } }), newest);
      await used(world);
    },
    change: (world) => world.change({ spec: { sharding: { shards: ["b", "c"] } } }),
    isDone: (now) => runs(newest)(now) && now?.metadata.generation === 2,
  },
  // Whoever writes before it records what it is about to make leaves the shard that nobody wants any more.
  mind: {
    name: "shard added and taken back",
    before: (world) => install(world, instance(newest, { sharding: { shards: ["a", "b"] } }), newest),
    change: (world) => world.change({ spec: { sharding: { shards: ["a", "b", "c"] } } }),
    isDone: (now) => runs(newest)(now) && now?.metadata.generation === 2,
    instead: {
      change: (world) => world.change({ spec: { sharding: { shards: ["a", "b"] } } }),
      isDone: (now) => runs(newest)(now) && now?.metadata.generation === 3,
    },
  },
  artifact: {
    name: "change of the artifact",
    before: async (world) => {
      const artifact = await world.publish([older]);
      const distribution = { version: "2.x", registry: "ghcr.io/fluxcd", artifact, artifactInsecure: true };
      await install(world, instance(older, { distribution }, polled), older);
      await used(world);
    },
    change: async (world) => void (await world.publish([older, newest])),
    isDone: runs(newest),
  },
  uninstall: uninstall("Uninstall"),
  keep: uninstall("KeepResources"),
} as const satisfies { readonly [name: string]: Scenario };
