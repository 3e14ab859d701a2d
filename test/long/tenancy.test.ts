import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fieldsOf } from "../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { parseKubeYamlDocuments } from "../../src/std/yaml.ts";
import { docBlocks } from "../support/doc-blocks.ts";
import { condition, isReady, namespace } from "../support/flux-cluster.ts";
import {
  application,
  kustomizationKind,
  startRealWorld,
  type RealWorld,
  type Workload,
} from "../support/real-world.ts";

const guide = docBlocks(readFileSync(join(import.meta.dirname, "../../docs/multi-tenancy.md"), "utf8"));
let world: RealWorld;

/** The objects of a file that the guide shows. */
function shown(file: string): readonly KubeObject[] {
  const block = guide.find(({ marker }) => marker?.kind === "file" && marker.name === file);
  return parseKubeYamlDocuments(block?.content ?? "") as readonly KubeObject[];
}

before(async () => {
  world = await startRealWorld();
  const { cluster } = world;
  await cluster.apply({
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name: "flux", namespace },
    spec: {
      distribution: { version: "2.9.4", registry: "ghcr.io/fluxcd" },
      components: ["source-controller", "kustomize-controller"],
      cluster: { multitenant: true },
    },
  });
  await cluster.instanceWhen("ready", isReady);
  for (const object of shown("team.yaml")) await cluster.apply(object);
  await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: "other" } });
});
after(async () => {
  await world[Symbol.asyncDispose]();
});

/**
 * Pushes what a team's repository has, applies the guide's source and Kustomization for it under the name `name` with `spec` changed, and gives
 * back what kustomize-controller says in the end.
 */
async function sync(name: string, objects: readonly Workload[], spec: JsonObject = {}): Promise<string> {
  const { cluster, registry } = world;
  await world.push(name, objects);
  for (const object of shown("team-sync.yaml")) {
    const isSource = object.kind === "OCIRepository";
    const own = isSource
      ? { url: `${registry}/${name}`, insecure: true }
      : { sourceRef: { kind: "OCIRepository", name }, ...spec };
    await cluster.apply({
      ...object,
      metadata: { ...object.metadata, name },
      spec: JSON.parse(JSON.stringify({ ...fieldsOf(object["spec"]), ...own })) as JsonObject,
    });
  }
  const seen = await cluster.objectWhen(
    kustomizationKind,
    "ready or failed",
    (object) => /^(True|False)\/(?!DependencyNotReady|ArtifactFailed)/.test(condition(object, "Ready") ?? ""),
    { namespace: "team", name },
  );
  return condition(seen, "Ready") ?? "";
}

const statusAt = async (path: string): Promise<number> => (await world.cluster.plane.rest.request("GET", path)).status;

describe("a team of docs/multi-tenancy.md", () => {
  test("applies what it likes in its own namespace", async () => {
    assert.match(await sync("shop", application("team", "shop", {})), /^True\//);
    assert.equal(await statusAt("/apis/apps/v1/namespaces/team/deployments/shop"), 200);
  });

  test("applies nothing in another namespace", async () => {
    assert.match(
      await sync("outside", application("other", "shop", {})),
      /^False\/.*User "system:serviceaccount:team:team" cannot patch resource "\w+" in API group "\w*" in the namespace "other"/s,
    );
    assert.equal(await statusAt("/api/v1/namespaces/other/configmaps/shop"), 404);
  });

  test("applies nothing of the whole cluster", async () => {
    const metadata = { name: "team-role" };
    const role = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata, rules: [] };
    assert.match(
      await sync("cluster", [role]),
      /^False\/.*"system:serviceaccount:team:team" cannot .* at the cluster scope/s,
    );
  });

  test("applies nothing without a service account of its own", async () => {
    assert.match(
      await sync("nobody", application("team", "nobody", {}), { serviceAccountName: "" }),
      /^False\/.*User "system:serviceaccount:team:default" cannot /s,
    );
  });

  test("uses no source of another namespace", async () => {
    const sourceRef = { kind: "OCIRepository", name: "platform", namespace: "other" };
    assert.match(
      await sync("thief", application("team", "thief", {}), { sourceRef }),
      /^False\/AccessDenied: .*cross-namespace references have been blocked/s,
    );
  });
});
