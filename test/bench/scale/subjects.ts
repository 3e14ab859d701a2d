import { ownerLabels } from "../../../src/api/names.ts";
import { componentNames } from "../../../src/distribution/release.ts";
import { fieldsOf } from "../../../src/kube/fields.ts";
import { configMapKind, deploymentKind } from "../../../src/kube/kinds.ts";
import type { JsonObject, KubeObject } from "../../../src/kube/object.ts";
import { mapConcurrent } from "../../../src/std/concurrent.ts";
import { oldHelmRelease } from "../../support/helm-release.ts";
import { instanceKey, instanceKind, namespace } from "../instance.ts";
import { applyMany, ready, startSubject, type Cost, type Subject } from "./subject.ts";

/** What is measured for one size: the cost of each step, by its name. */
export type Measured = { readonly steps: { readonly [step: string]: Cost }; readonly sizes?: Sizes };

/** Bytes of what the operator records of an instance, as JSON. */
export type Sizes = {
  readonly objects: number;
  readonly deployments: number;
  readonly instanceBytes: number;
  readonly lastGoodBytes: number;
};

export type Measure = (size: number, main: string | undefined, signal: AbortSignal) => Promise<Measured>;

const newest = "2.9.4";

function instanceOf(version: string, spec: JsonObject): KubeObject {
  return {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { ...instanceKey },
    spec: { distribution: { version, registry: "ghcr.io/fluxcd" }, ...spec },
  };
}

async function install(subject: Subject, version: string, spec: JsonObject, signal: AbortSignal): Promise<Cost> {
  const instance = instanceOf(version, spec);
  return await subject.measure(
    () => subject.world.client.create(instance, { fieldManager: "bench" }, signal),
    ready(version),
  );
}

/** Seven components in so many shards: install, a reconcile on request, uninstall. */
export const shards: Measure = async (size, main, signal) => {
  await using subject = await startSubject(main, signal);
  const { client } = subject.world;
  const names = Array.from({ length: size }, (_, index) => `shard-${index}`);
  const installed = await install(subject, newest, { components: componentNames, sharding: { shards: names } }, signal);
  const reconcile = await subject.settle("again");
  const sizes = await sizesOf(subject, signal);
  const uninstall = await subject.measure(
    () => client.delete({ gvk: instanceKind, key: instanceKey }, {}, signal),
    (instance) => instance === undefined,
  );
  return { steps: { install: installed, "reconcile, nothing changed": reconcile, uninstall }, sizes };
};

async function sizesOf({ world: { client } }: Subject, signal: AbortSignal): Promise<Sizes> {
  const instance = await client.get(instanceKind, instanceKey, signal);
  const record = await client.get(configMapKind, { namespace, name: "flux-operator-last-good" }, signal);
  const { items } = await client.list(deploymentKind, { namespace, metadataOnly: true }, signal);
  const entries = fieldsOf(fieldsOf(instance["status"])["inventory"])["entries"];
  return {
    objects: Array.isArray(entries) ? entries.length : 0,
    deployments: items.length,
    instanceBytes: Buffer.byteLength(JSON.stringify(instance)),
    lastGoodBytes: Buffer.byteLength(JSON.stringify(record)),
  };
}

/** So many HelmReleases in a version that the next Flux does not have: upgrade over seven minors, in one step. */
export const migration: Measure = async (size, main, signal) => {
  await using subject = await startSubject(main, signal);
  await install(subject, "2.2.3", { components: ["source-controller", "helm-controller"] }, signal);
  await subject.world.kubectl("create", "namespace", "apps");
  await applyMany(subject, size, (index) => oldHelmRelease(`web-${index}`, index), signal);
  const upgrade = await subject.measure(
    () => subject.change({ spec: { distribution: { version: newest } } }),
    ready(newest),
  );
  return { steps: { "upgrade 2.2.3 to 2.9.4": upgrade } };
};

/** One in so many Kustomizations has a large inventory. They lie side by side, so that whole pages are full of them. */
const largeOneIn = 40;
const largeBytes = 200_000;
const kustomizationKind = { group: "kustomize.toolkit.fluxcd.io", version: "v1", kind: "Kustomization" };

/** So many Kustomizations, which a Flux with a narrower schema might take fields from: downgrade by a minor, for which each is read. */
export const losses: Measure = async (size, main, signal) => {
  await using subject = await startSubject(main, signal);
  const { client } = subject.world;
  await install(subject, newest, { components: ["source-controller", "kustomize-controller"] }, signal);
  await subject.world.kubectl("create", "namespace", "apps");
  await applyMany(subject, size, kustomization, signal);
  const large = Array.from({ length: Math.ceil(size / largeOneIn) }, (_, index) => index);
  await mapConcurrent(large, 4, async (index) => {
    const target = { gvk: kustomizationKind, key: { namespace: "apps", name: nameOf(index) } };
    const value = { status: { inventory: { entries: inventoryEntries() } } };
    await client.patch(target, { kind: "merge", value }, { fieldManager: "flux", subresource: "status" }, signal);
  });
  const before = "2.8.3";
  const downgrade = await subject.measure(
    () => subject.change({ spec: { distribution: { version: before } } }),
    ready(before),
  );
  return { steps: { "downgrade 2.9.4 to 2.8.3": downgrade } };
};

const nameOf = (index: number): string => `app-${String(index).padStart(5, "0")}`;

function kustomization(index: number): KubeObject {
  return {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: nameOf(index), namespace: "apps" },
    spec: {
      interval: "10m",
      path: `./apps/${index}`,
      prune: true,
      sourceRef: { kind: "GitRepository", name: "fleet" },
    },
  };
}

function inventoryEntries(): readonly JsonObject[] {
  const count = Math.round(largeBytes / JSON.stringify(inventoryEntry(1_000)).length);
  return Array.from({ length: count }, (_, index) => inventoryEntry(index));
}

function inventoryEntry(index: number): JsonObject {
  return { id: `apps_web-of-some-team-${index}_apps_Deployment`, v: "v1" };
}

/** So many Deployments in the operator's namespace to which somebody has copied the labels of ours: they come, a reconcile, a new process. */
export const watches: Measure = async (size, main, signal) => {
  await using subject = await startSubject(main, signal);
  await install(subject, newest, {}, signal);
  const copied = await subject.measure(
    async () => {
      await applyMany(subject, size, copy, signal);
      await subject.change({ metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": "copied" } } });
    },
    (instance) => fieldsOf(instance?.["status"])["lastHandledReconcileAt"] === "copied",
  );
  return { steps: { "copies come": copied, "reconcile, nothing changed": await subject.settle("again") } };
};

function copy(index: number): KubeObject {
  const name = `copy-${index}`;
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels: ownerLabels(instanceKey) },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "main", image: "example.com/app:v1", env: [{ name: "A", value: "b" }] }] },
      },
    },
  };
}
