import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { conditionFaults } from "../../src/api/reasons.ts";
import { readStatus } from "../../src/controllers/flux-instance/status.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { gvkOf, parseApiVersion } from "../../src/kube/gvk.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";

const run = promisify(execFile);
const never = new AbortController().signal;
const key = { namespace: "apps", name: "web" };
const definitionKind = { group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition" };

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster();
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

const chart = { spec: { chart: "web", version: "1.x", sourceRef: { kind: "HelmRepository", name: "web" } } };

/** What users have, in versions that Flux 2.2 serves and 2.9 does not. Stored in the storage version of 2.2, whatever is asked for. */
const written: readonly KubeObject[] = [
  user("helm.toolkit.fluxcd.io/v2beta1", "HelmRelease", {
    interval: "5m0s",
    chart,
    values: { replicas: 2, nested: { a: [1] } },
  }),
  user("source.toolkit.fluxcd.io/v1beta1", "Bucket", { interval: "5m0s", bucketName: "b", endpoint: "s3.example.com" }),
  user("source.toolkit.fluxcd.io/v1beta2", "GitRepository", { interval: "5m0s", url: "https://git.example.com/web" }),
  user("source.toolkit.fluxcd.io/v1beta2", "OCIRepository", { interval: "5m0s", url: "oci://example.com/web" }),
  user("kustomize.toolkit.fluxcd.io/v1beta2", "Kustomization", {
    interval: "5m0s",
    prune: true,
    sourceRef: { kind: "GitRepository", name: "web" },
  }),
  user("image.toolkit.fluxcd.io/v1beta1", "ImagePolicy", {
    imageRepositoryRef: { name: "web" },
    policy: { semver: { range: "1.x" } },
  }),
  user("image.toolkit.fluxcd.io/v1beta1", "ImageUpdateAutomation", {
    interval: "5m0s",
    sourceRef: { kind: "GitRepository", name: "web" },
    git: { commit: { author: { email: "bot@example.com", name: "bot" } }, push: { branch: "main" } },
    update: { path: "./apps", strategy: "Setters" },
  }),
  user("notification.toolkit.fluxcd.io/v1beta2", "Alert", {
    providerRef: { name: "chat" },
    eventSources: [{ kind: "Kustomization", name: "*" }],
  }),
];

function user(apiVersion: string, kind: string, spec: JsonObject): KubeObject {
  return { apiVersion, kind, metadata: key, spec };
}

/** As `kubectl apply -f` does it, which leaves an "Update" entry and an annotation. */
async function kubectlApply(objects: readonly KubeObject[]): Promise<void> {
  const file = join(cluster.plane.folder, "objects.json");
  await writeFile(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
  await run(cluster.plane.binaries.kubectl, ["--kubeconfig", cluster.plane.kubeconfigPath, "apply", "-f", file]);
}

/** Somebody else who applies, and a controller that writes status, both at the version of the object. */
async function touch(object: KubeObject): Promise<void> {
  const { apiVersion, kind } = object;
  const labelled = { ...object, metadata: { ...object.metadata, labels: { team: "a" } } };
  await cluster.client.apply(labelled, { fieldManager: "gitops" }, never);
  const ref = { gvk: gvkOf({ apiVersion, kind }), key };
  const patch = { kind: "merge", value: { status: { observedGeneration: 1 } } } as const;
  await cluster.client.patch(ref, patch, { fieldManager: "controller", subresource: "status" }, never);
}

/** The definitions of Flux by kind. */
async function definitions(): Promise<
  ReadonlyMap<string, { served: readonly string[]; storage: string; stored: readonly string[] }>
> {
  const { items } = await cluster.client.list(
    definitionKind,
    { labelSelector: "app.kubernetes.io/part-of=flux" },
    never,
  );
  return new Map(
    items.map((item) => {
      const spec = fieldsOf(item["spec"]);
      const versions = listOf(spec["versions"]).map(fieldsOf);
      return [
        textOf(fieldsOf(spec["names"])["kind"]),
        {
          served: versions.map((version) => textOf(version["name"])),
          storage: textOf(versions.find((version) => version["storage"] === true)?.["name"]),
          stored: listOf(statusOf(item)["storedVersions"]).map(textOf),
        },
      ];
    }),
  );
}

/** The written objects as they are now, in the storage version. */
async function live(): Promise<readonly KubeObject[]> {
  const known = await definitions();
  return await Promise.all(
    written.map(({ apiVersion, kind }) => {
      const { group } = parseApiVersion(apiVersion);
      const version = known.get(kind)?.storage ?? "";
      cluster.client.discovery.invalidate(group);
      return cluster.client.get({ group, version, kind }, key, never);
    }),
  );
}

/** The members of `spec` that the user wrote; defaults may come and go. */
function ownSpec(object: KubeObject): JsonObject {
  const wanted = fieldsOf(written.find(({ kind }) => kind === object.kind)?.["spec"]);
  const spec = fieldsOf(object["spec"]);
  return Object.fromEntries(Object.keys(wanted).map((key) => [key, spec[key] ?? null]));
}

/** Entries whose version the API server no longer has. */
async function strays(): Promise<readonly string[]> {
  const known = await definitions();
  return (await live()).flatMap((object) =>
    (object.metadata.managedFields ?? [])
      .filter(
        ({ apiVersion = "" }) => known.get(object.kind)?.served.includes(parseApiVersion(apiVersion).version) !== true,
      )
      .map(({ manager, apiVersion }) => `${nameObject(object)}: ${manager} at ${apiVersion}`),
  );
}

/** Who owns fields, of status too: "Update gitops status". */
function ownersOf({ metadata }: KubeObject): ReadonlySet<string> {
  const entries = metadata.managedFields ?? [];
  return new Set(entries.map(({ operation, manager, subresource = "" }) => `${operation} ${manager} ${subresource}`));
}

async function assertMoved(was: readonly KubeObject[]): Promise<void> {
  const now = await live();
  assert.deepEqual(
    now.map((object) => [nameObject(object), object.metadata.uid, ownSpec(object)]),
    was.map((object) => [nameObject(object), object.metadata.uid, ownSpec(object)]),
  );
  for (const [kind, { stored, storage }] of await definitions()) assert.deepEqual(stored, [storage], kind);
  assert.deepEqual(await strays(), []);
  assert.deepEqual(now.map(ownersOf), was.map(ownersOf));
  for (const object of now) {
    const { apiVersion, kind } = object;
    const spec = written.find((candidate) => candidate.kind === kind)?.["spec"] ?? {};
    const next: KubeObject = { apiVersion, kind, metadata: { ...key, labels: { team: "b" } }, spec };
    const applied = await cluster.client.apply(next, { fieldManager: "gitops" }, never);
    assert.equal(applied.metadata.labels?.["team"], "b", nameObject(object));
  }
}

async function changeTo(version: string, patch: JsonObject): Promise<KubeObject> {
  await cluster.patchInstance(patch);
  const instance = await cluster.instanceWhen(
    `ready at ${version}`,
    (object) => isReady(object) && statusOf(object)["lastAppliedVersion"] === version,
  );
  assert.deepEqual(conditionFaults(readStatus(instance["status"]).conditions), []);
  return instance;
}

/** Everything in the cluster but the instance. */
async function others(): Promise<readonly string[]> {
  const entries = [...(await cluster.snapshot())].filter(([name]) => !name.startsWith("FluxInstance/"));
  return entries.map(([name, at]) => `${name} ${at}`);
}

/** Waits until `patch` of the instance is refused for something that matches `why`; nothing but the instance may have changed. */
async function assertRefused(patch: JsonObject, why: RegExp): Promise<void> {
  const was = await others();
  await cluster.patchInstance(patch);
  const refused = await cluster.instanceWhen("refused", (object) => why.test(condition(object, "Ready") ?? ""));
  assert.match(condition(refused, "Ready") ?? "", /^False\/ReconciliationFailed: .*; nothing was changed$/);
  assert.deepEqual(await others(), was);
}

describe("objects in versions that the next Flux no longer has", { concurrency: 1 }, () => {
  let was: readonly KubeObject[];

  test("are there, from several managers", async () => {
    await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } });
    await cluster.apply({
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: { name: "flux", namespace },
      spec: {
        distribution: { version: "2.2.3", registry: "ghcr.io/fluxcd" },
        components: [
          "source-controller",
          "kustomize-controller",
          "helm-controller",
          "notification-controller",
          "image-reflector-controller",
          "image-automation-controller",
        ],
      },
    });
    await cluster.instanceWhen("ready", isReady);
    await kubectlApply(written);
    for (const object of written) await touch(object);
    was = await live();
    const owners = new Set(["Apply gitops ", "Update kubectl-client-side-apply ", "Update controller status"]);
    for (const object of was) assert.deepEqual(ownersOf(object), owners);
  });

  test("stay where they are, and so does Flux, while the instance says so", async () => {
    await assertRefused(
      { spec: { migrateResources: false, distribution: { version: "2.9.4" } } },
      /HelmRelease \(v2beta2\).*spec\.migrateResources/,
    );
    await cluster.patchInstance({ spec: { migrateResources: null, distribution: { version: "2.2.3" } } });
    await cluster.instanceWhen("ready again", isReady);
  });

  test("do not lose fields without a word", async () => {
    const more = user("helm.toolkit.fluxcd.io/v2beta2", "HelmRelease", {
      interval: "5m0s",
      chart: { spec: { ...chart.spec, valuesFile: "prod.yaml" } },
    });
    await cluster.apply({ ...more, metadata: { name: "careful", namespace: "apps" } });
    await assertRefused(
      { spec: { distribution: { version: "2.9.4" } } },
      /HelmRelease\/apps\/careful \(spec\.chart\.spec\.valuesFile\)/,
    );
  });

  test("move in one step over seven minors once that is accepted, and anybody can apply them afterwards", async () => {
    const told = cluster.instanceWhen("told of the move", (object) =>
      / [1-9]\d* of \d+ kinds done, [1-9]\d* objects$/.test(condition(object, "Reconciling") ?? ""),
    );
    const at = "2026-01-01T00:00:00Z";
    const annotations = { "reconcile.fluxcd.io/forceAt": at, "reconcile.fluxcd.io/requestedAt": at };
    await changeTo("2.9.4", { metadata: { annotations }, spec: { distribution: { version: "2.9.x" } } });
    assert.deepEqual(conditionFaults(readStatus((await told)["status"]).conditions), []);
    await assertMoved(was);
    const careful = { namespace: "apps", name: "careful" };
    const moved = await cluster.client.get(
      { group: "helm.toolkit.fluxcd.io", version: "v2", kind: "HelmRelease" },
      careful,
      never,
    );
    assert.deepEqual(fieldsOf(fieldsOf(fieldsOf(moved["spec"])["chart"])["spec"])["valuesFile"], undefined);
    assert.deepEqual((await definitions()).get("HelmRelease")?.served, ["v2"]);
  });

  test("cost nothing once they have moved", async () => {
    const before = (await cluster.writes()).length;
    await cluster.reconcile();
    const writes = (await cluster.writes()).slice(before).map((event) => event.requestURI.split("?")[0]);
    assert.deepEqual(writes, [`/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux/status`]);
  });

  test("keep Flux from going back when they use what the older one does not know", async () => {
    await cluster.apply({
      apiVersion: "helm.toolkit.fluxcd.io/v2",
      kind: "HelmRelease",
      metadata: { name: "modern", namespace: "apps" },
      spec: { interval: "5m0s", chartRef: { kind: "OCIRepository", name: "web" } },
    });
    await assertRefused(
      { spec: { distribution: { version: "2.2.3" } } },
      /HelmRelease\/apps\/modern \(spec\.chartRef\)/,
    );
    await cluster.plane.rest.delete("/apis/helm.toolkit.fluxcd.io/v2/namespaces/apps/helmreleases/modern");
  });

  test("go back with it otherwise", async () => {
    await changeTo("2.2.3", { spec: { distribution: { version: "2.2.x" } } });
    await assertMoved(was);
    assert.deepEqual((await definitions()).get("HelmRelease")?.served, ["v2beta1", "v2beta2"]);
  });
});
