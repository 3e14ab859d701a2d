import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { canonicalInstance } from "../../src/api/canonical.ts";
import { parseStoredFluxInstance } from "../../src/api/flux-instance.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import { gvkOf } from "../../src/kube/gvk.ts";
import { deploymentKind } from "../../src/kube/kinds.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { readinessOf } from "../../src/kube/readiness.ts";
import { targetOf } from "../../src/render/target.ts";
import { systemClock } from "../../src/std/clock.ts";
import { formatYaml } from "../../src/std/yaml.ts";
import { isReady, namespace, startFluxCluster, type FluxCluster } from "../support/flux-cluster.ts";
import { previousOwners } from "../support/previous-owners.ts";
import { runInProcess } from "../support/run-cli.ts";

const never = new AbortController().signal;
const eventKind = { group: "", version: "v1", kind: "Event" };
const instancePath = `/apis/fluxcd.controlplane.io/v1/namespaces/${namespace}/fluxinstances/flux`;
const components = ["source-controller", "kustomize-controller", "notification-controller"];

let cluster: FluxCluster;

before(async () => {
  cluster = await startFluxCluster();
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

function instanceOf(spec: JsonObject = {}): KubeObject {
  const distribution = { version: "2.9.4", registry: "ghcr.io/fluxcd" };
  return {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace },
    spec: { distribution, components, ...spec },
  };
}

function rendered(instance: KubeObject): readonly KubeObject[] {
  const catalogue = { versions: embeddedVersions, load: loadRelease };
  return targetOf(canonicalInstance(parseStoredFluxInstance(instance)), catalogue).rendering.objects;
}

const ourLabel = /^fluxcd\.controlplane\.io\/|^app\.kubernetes\.io\/managed-by$/;
const ourAnnotation = /^fluxcd\.controlplane\.io\/|^kustomize\.toolkit\.fluxcd\.io\//;

type Texts = { readonly [key: string]: string };

function without(texts: Texts | undefined, ours: RegExp): Texts {
  return Object.fromEntries(Object.entries(texts ?? {}).filter(([key]) => !ours.test(key)));
}

/** Flux as somebody else installs it: with one controller more than the instance has, and notification-controller not as we have it. */
function previous(): readonly KubeObject[] {
  const more = rendered(instanceOf({ components: [...components, "image-reflector-controller"] }));
  return more.map((object) => {
    const labels = without(object.metadata.labels, ourLabel);
    const annotations = without(object.metadata.annotations, ourAnnotation);
    return withExtras({ ...object, metadata: { ...object.metadata, labels, annotations } });
  });
}

function withExtras(object: KubeObject): KubeObject {
  const { kind, metadata, spec } = object;
  if (kind !== "Deployment" || metadata.name !== "notification-controller") return object;
  const { template, ...rest } = fieldsOf(spec);
  const podSpec = fieldsOf(fieldsOf(template)["spec"]);
  const [manager] = listOf(podSpec["containers"]).map(fieldsOf);
  const env = [...listOf(manager?.["env"]), { name: "PREVIOUS", value: "1" }];
  const args = [...listOf(manager?.["args"]), "--concurrent=99"];
  const containers = [{ ...manager, env, args }];
  return {
    ...object,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, previous: "1" },
      annotations: { "previous.example/of": "1" },
    },
    spec: { ...rest, template: { ...fieldsOf(template), spec: { ...podSpec, containers } } },
  };
}

async function liveObjects(): Promise<readonly KubeObject[]> {
  return await Promise.all(
    rendered(instanceOf()).map((object) => {
      const { name, namespace: at = "" } = object.metadata;
      return cluster.client.get(gvkOf(object), { namespace: at, name }, never);
    }),
  );
}

async function deployment(name: string): Promise<KubeObject> {
  return await cluster.client.get(deploymentKind, { namespace, name }, never);
}

/** Managers of the fields of an object, status and scale aside. */
function managersOf({ metadata }: KubeObject): readonly string[] {
  const entries = (metadata.managedFields ?? []).filter(({ subresource = "" }) => subresource === "");
  return entries.map(({ manager, operation }) => `${manager}/${operation}`).toSorted();
}

function marksOf({ metadata }: KubeObject): readonly string[] {
  const keys = [...Object.keys(metadata.annotations ?? {}), ...Object.keys(metadata.labels ?? {})];
  return keys.filter((key) => /last-applied|meta\.helm\.sh|^kustomize\.toolkit\.fluxcd\.io\/name|^previous/.test(key));
}

function environmentOf(object: KubeObject): readonly string[] {
  const [manager] = containersOf(object);
  return listOf(manager?.["env"]).map((entry) => textOf(fieldsOf(entry)["name"]));
}

function containersOf(object: KubeObject): readonly JsonObject[] {
  const { template } = fieldsOf(object["spec"]);
  return listOf(fieldsOf(fieldsOf(template)["spec"])["containers"]).map(fieldsOf);
}

/** What a restart of its pods would change. */
function podsOf({ metadata, spec }: KubeObject): string {
  return JSON.stringify([metadata.uid, fieldsOf(spec)["template"]]);
}

async function told(reason: string, message: RegExp): Promise<void> {
  await cluster.objectWhen(
    eventKind,
    `told: ${String(message)}`,
    (event) => event["reason"] === reason && message.test(textOf(event["message"])),
  );
}

function addition(path: string, value: JsonValue): JsonObject {
  return { op: "add", path, value };
}

/** What the instance did not have, so that the next owner finds nothing. */
async function removeRest(): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  const rest = previous().filter(({ kind }) => kind !== "Namespace");
  const refs = rest.map((object) => ({ gvk: gvkOf(object), key: { namespace, name: object.metadata.name } }));
  for (const ref of refs) await cluster.client.delete(ref, { propagationPolicy: "Foreground" }, never);
  for (const { gvk, key } of refs) {
    while ((await cluster.client.getOrUndefined(gvk, key, never)) !== undefined) await systemClock.sleep(50, deadline);
  }
}

for (const owner of previousOwners) {
  describe(`an installation by ${owner.name}`, { concurrency: 1 }, () => {
    const pods = new Map<string, string>();

    test("runs", async () => {
      const objects = previous();
      await owner.install(objects, cluster);
      for (const { metadata } of objects.filter(({ kind }) => kind === "Deployment")) {
        const ready = await cluster.objectWhen(
          deploymentKind,
          "available",
          (object) => object.metadata.name === metadata.name && readinessOf(object).status === "Current",
        );
        pods.set(metadata.name, podsOf(ready));
      }
      const managers = new Set((await liveObjects()).flatMap(managersOf).map((name) => name.split("/")[0] ?? ""));
      assert.deepEqual(
        owner.managers.filter((name) => !managers.has(name)),
        [],
        "the tool has left its marks",
      );
    });

    test("is compared with the instance before anything is written", async () => {
      const file = join(cluster.plane.folder, "instance.yaml");
      await writeFile(file, formatYaml(instanceOf()));
      const { stdout, exitCode } = await runInProcess([
        "diff",
        "instance",
        "-f",
        file,
        "--kubeconfig",
        cluster.plane.kubeconfigPath,
      ]);
      assert.equal(exitCode, 1);
      const changed = stdout
        .split("\n# ")
        .find((part) => part.includes("Deployment/flux-system/notification-controller"));
      const lines = (changed ?? "").split("\n").filter((line) => line.startsWith("-") || line.includes("taken over"));
      for (const gone of [
        `taken over from ${owner.managers.join(", ")}`,
        "PREVIOUS",
        "--concurrent=99",
        "previous.example/of",
      ])
        assert.ok(
          lines.some((line) => line.includes(gone)),
          `${gone} is shown:\n${changed}`,
        );
    });

    test("becomes ours, with no pod replaced where nothing differs and nothing left to previous owners", async () => {
      await cluster.client.apply(instanceOf(), { fieldManager: "test" }, never);
      await cluster.instanceWhen("ready", isReady);
      const objects = await liveObjects();
      const foreign = objects.flatMap((object) =>
        managersOf(object).map((manager) => `${nameObject(object)} ${manager}`),
      );
      const expected = /^(Namespace\/| ?\S+ (flux-operator\/Apply|kube-|test\/))/;
      assert.deepEqual(
        foreign.filter((name) => !expected.test(name)),
        [],
      );
      assert.deepEqual(objects.flatMap(marksOf), []);
      for (const object of objects.filter(({ kind }) => kind === "Deployment")) {
        if (object.metadata.name === "notification-controller") assert.ok(!environmentOf(object).includes("PREVIOUS"));
        else assert.equal(podsOf(object), pods.get(object.metadata.name), "the same pods");
      }
      await told("TakenOver", new RegExp(`^Taking over \\d+ objects from ${owner.managers.join(", ")}$`));
      await told("TakenOver", /Deployment\/flux-system\/notification-controller \(.*env\[name=PREVIOUS\]/);
      await told("Leftovers", /Deployment\/flux-system\/image-reflector-controller: these controllers keep running/);
    });

    test("is settled then, and compares as equal", async () => {
      const before = await cluster.snapshot();
      await cluster.reconcile();
      const after = await cluster.snapshot();
      const changed = [...after].filter(([name, at]) => before.get(name) !== at).map(([name]) => name);
      assert.deepEqual(changed, ["FluxInstance/flux-system/flux"]);
    });

    test("gives up what a patch has added when the patch goes", async () => {
      const patch = JSON.stringify([
        addition("/metadata/labels/added", "1"),
        addition("/spec/template/spec/containers/0/env/-", { name: "ADDED", value: "1" }),
      ]);
      await cluster.patchInstance({
        spec: { kustomize: { patches: [{ patch, target: { kind: "Deployment", name: "source-controller" } }] } },
      });
      await cluster.instanceWhen("patched", isReady);
      const patched = await deployment("source-controller");
      assert.ok(environmentOf(patched).includes("ADDED") && patched.metadata.labels?.["added"] === "1");
      await cluster.patchInstance({ spec: { kustomize: null } });
      await cluster.instanceWhen("unpatched", isReady);
      assert.equal(podsOf(await deployment("source-controller")), pods.get("source-controller"));
      assert.equal((await deployment("source-controller")).metadata.labels?.["added"], undefined);
    });

    test("goes to the Go operator without a change, and gives up what that one drops", async () => {
      for (const object of rendered(instanceOf())) {
        const options = { fieldManager: "flux-operator", dryRun: true };
        const answer = await cluster.client.apply(object, options, never);
        const { name, namespace: at = "" } = object.metadata;
        const live = await cluster.client.get(gvkOf(object), { namespace: at, name }, never);
        assert.equal(answer.metadata.resourceVersion, live.metadata.resourceVersion, nameObject(object));
        const { "app.kubernetes.io/part-of": _, ...labels } = object.metadata.labels ?? {};
        const less = await cluster.client.apply(
          { ...object, metadata: { ...object.metadata, labels } },
          options,
          never,
        );
        assert.equal(less.metadata.labels?.["app.kubernetes.io/part-of"], undefined, nameObject(object));
      }
    });

    test("goes when the instance goes, once the controller that it had left is gone", async () => {
      await deployment("image-reflector-controller");
      await cluster.plane.rest.delete(`/apis/apps/v1/namespaces/${namespace}/deployments/image-reflector-controller`);
      await cluster.plane.rest.delete(instancePath);
      const deadline = AbortSignal.timeout(60_000);
      while ((await cluster.plane.rest.request("GET", instancePath)).status !== 404)
        await systemClock.sleep(50, deadline);
      await cluster.plane.rest.delete(`/api/v1/namespaces/${namespace}/events`);
      await owner.tidy?.(cluster);
      await removeRest();
    });
  });
}
