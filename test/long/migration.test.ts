import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { WatchEvent } from "../../src/client/api-client.ts";
import { ApiError } from "../../src/client/api-error.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { mapConcurrent } from "../../src/std/concurrent.ts";
import { oldHelmRelease } from "../support/helm-release.ts";
import {
  condition,
  isReady,
  namespace,
  startFluxCluster,
  statusOf,
  type FluxCluster,
} from "../support/flux-cluster.ts";

const never = new AbortController().signal;
const count = 2_000;
const patienceMs = 120_000;
const definitionKind = { group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition" };
const definitionKey = { namespace: "", name: "helmreleases.helm.toolkit.fluxcd.io" };
const releaseKind = { group: "helm.toolkit.fluxcd.io", version: "v2beta2", kind: "HelmRelease" };

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster();
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

function release(index: number): KubeObject {
  return oldHelmRelease(`web-${String(index).padStart(4, "0")}`, index);
}

async function releases(version: string): Promise<readonly KubeObject[]> {
  return (await cluster.client.list({ ...releaseKind, version }, { pageSize: 500 }, never)).items;
}

function identities(objects: readonly KubeObject[]): readonly unknown[] {
  return objects.map(({ metadata, spec }) => [metadata.name, metadata.uid, spec]);
}

async function storedVersions(): Promise<readonly string[]> {
  const definition = await cluster.client.get(definitionKind, definitionKey, never);
  return listOf(statusOf(definition)["storedVersions"]).map(textOf);
}

/** Resolves, with their new resourceVersions, once `wanted` of `before` have been rewritten. A changed definition ends every watch. */
async function rewritten(before: readonly KubeObject[], wanted: number): Promise<ReadonlyMap<string, string>> {
  const known = new Map(before.map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
  const deadline = AbortSignal.timeout(patienceMs);
  const seen = new Map<string, string>();
  const see = ({ metadata: { name, resourceVersion = "" } }: KubeObject): boolean => {
    if (known.get(name) !== resourceVersion) seen.set(name, resourceVersion);
    return seen.size >= wanted;
  };
  for (;;) {
    const { items, resourceVersion } = await cluster.client.list(releaseKind, { metadataOnly: true }, deadline);
    if (items.some(see)) return seen;
    for await (const event of changesAfter(resourceVersion, deadline)) {
      if (event.kind === "modified" && see(event.object)) return seen;
    }
  }
}

/** Events until the watch ends. The API server refuses it (429) while it takes up a changed definition; the next list waits for that. */
async function* changesAfter(resourceVersion: string, deadline: AbortSignal): AsyncGenerator<WatchEvent> {
  const watch = { timeoutMs: patienceMs, idleMs: patienceMs, resourceVersion, metadataOnly: true };
  try {
    yield* cluster.client.watch(releaseKind, watch, deadline);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 429)) throw error;
  }
}

/** A policy of somebody else's that lets nobody change one release. */
function refusing(name: string): readonly JsonObject[] {
  const apiVersion = "admissionregistration.k8s.io/v1";
  const rule = {
    apiGroups: ["helm.toolkit.fluxcd.io"],
    apiVersions: ["*"],
    resources: ["helmreleases"],
    operations: ["UPDATE"],
  };
  const expression = `object.metadata.name != "${name}"`;
  return [
    {
      apiVersion,
      kind: "ValidatingAdmissionPolicy",
      metadata: { name: "hands-off" },
      spec: { matchConstraints: { resourceRules: [rule] }, validations: [{ expression, message: "hands off" }] },
    },
    {
      apiVersion,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name: "hands-off" },
      spec: { policyName: "hands-off", validationActions: ["Deny"] },
    },
  ];
}

describe(`${count} objects, and an operator that is killed half-way`, { concurrency: 1 }, () => {
  let was: readonly KubeObject[];
  let early: ReadonlyMap<string, string>;

  test("are stored in a version that the next Flux does not have", async () => {
    await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } });
    await cluster.apply({
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: { name: "flux", namespace },
      spec: {
        distribution: { version: "2.2.3", registry: "ghcr.io/fluxcd" },
        components: ["source-controller", "helm-controller"],
      },
    });
    await cluster.instanceWhen("ready", isReady);
    const indexes = Array.from({ length: count }, (_, index) => index);
    await mapConcurrent(indexes, 8, (index) =>
      cluster.client.apply(release(index), { fieldManager: `team-${index % 3}` }, never),
    );
    was = await releases("v2beta2");
    assert.equal(was.length, count);
  });

  test("are served in the old version while some lie in the new one", async () => {
    const half = rewritten(was, count / 2);
    await cluster.patchInstance({ spec: { distribution: { version: "2.9.4" } } });
    early = await half;
    await cluster.operator.stop("SIGKILL");
    assert.deepEqual(await storedVersions(), ["v2beta2", "v2"]);
    assert.deepEqual(identities(await releases("v2beta2")), identities(was));
    assert.deepEqual(identities(await releases("v2")), identities(was));
  });

  test("wait in the old version when somebody refuses one, which is named", async () => {
    const refused = `web-${count - 1}`;
    for (const object of refusing(refused)) await cluster.apply(object);
    await cluster.restartOperator();
    const instance = await cluster.instanceWhen("refused", (object) =>
      (condition(object, "Ready") ?? "").includes(`HelmRelease/apps/${refused}`),
    );
    assert.match(
      condition(instance, "Ready") ?? "",
      /^False\/ReconciliationFailed: Cannot store HelmRelease\/apps\/web-1999 as helm\.toolkit\.fluxcd\.io\/v2: the API server refuses it: .*hands off/,
    );
    assert.deepEqual(await storedVersions(), ["v2beta2", "v2"]);
    assert.deepEqual(identities(await releases("v2beta2")), identities(was));
    const path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/hands-off";
    await cluster.plane.rest.delete(path);
  });

  test("all arrive, and those that had arrived before are not written again", async () => {
    const instance = await cluster.instanceWhen(
      "ready at 2.9.4",
      (object) => isReady(object) && statusOf(object)["lastAppliedVersion"] === "2.9.4",
    );
    assert.equal(condition(instance, "Reconciling"), undefined);
    assert.deepEqual(await storedVersions(), ["v2"]);
    const now = await releases("v2");
    assert.deepEqual(identities(now), identities(was));
    const again = now.filter(({ metadata }) => {
      const version = early.get(metadata.name);
      return version !== undefined && version !== metadata.resourceVersion;
    });
    assert.ok(early.size >= count / 2);
    assert.deepEqual(identities(again), []);
    for (const { metadata } of now) {
      for (const { apiVersion } of metadata.managedFields ?? []) assert.equal(apiVersion, "helm.toolkit.fluxcd.io/v2");
    }
    assert.deepEqual(fieldsOf((await cluster.client.get(definitionKind, definitionKey, never))["spec"])["conversion"], {
      strategy: "None",
    });
  });
});
