import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fluxInstanceCrd } from "../../src/api/crd.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { containersOf } from "../../src/kube/pod-template.ts";
import { systemClock } from "../../src/std/clock.ts";
import { startControlPlane, type ControlPlane } from "../support/control-plane.ts";
import { manifest } from "../support/flux-cluster.ts";
import { runInProcess } from "../support/run-cli.ts";

const root = join(import.meta.dirname, "../..");
const instances = "/apis/fluxcd.controlplane.io/v1/namespaces/flux-system/fluxinstances";

let plane: ControlPlane;

before(async () => {
  plane = await startControlPlane({ variant: "light" });
  await plane.rest.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fluxInstanceCrd());
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "flux-system" } };
  await plane.rest.create("/api/v1/namespaces", namespace);
  const deadline = AbortSignal.timeout(60_000);
  while ((await plane.rest.request("GET", instances)).status === 404) await systemClock.sleep(50, deadline);
});
after(() => plane?.stop());

/** What of an object counts at a marketplace: where images come from, with which Secret, and as whom a pod speaks to its cloud. */
function marksOf(objects: readonly KubeObject[]): JsonObject {
  const deployments = objects.filter(({ kind }) => kind === "Deployment");
  const source = objects.find(
    ({ kind, metadata }) => kind === "ServiceAccount" && metadata.name === "source-controller",
  );
  const annotations = Object.entries(source?.metadata.annotations ?? {});
  const pods = deployments.map((one) => fieldsOf(fieldsOf(fieldsOf(one["spec"])["template"])["spec"]));
  const images = deployments.flatMap(containersOf).map(({ image }) => textOf(image));
  return {
    registries: [...new Set(images.map((image) => image.replace(/\/[^/]+$/, "")))],
    pinned: images.every((image) => image.includes("@sha256:")),
    pullSecrets: [
      ...new Set(
        pods.flatMap((pod) => listOf(pod["imagePullSecrets"]).map((entry) => textOf(fieldsOf(entry)["name"]))),
      ),
    ],
    identity: Object.fromEntries(annotations.filter(([key]) => !key.startsWith("kustomize.toolkit.fluxcd.io/"))),
    users: [...new Set(pods.map((pod) => JSON.stringify(fieldsOf(pod["securityContext"]))))],
  };
}

const group = '{"fsGroup":1337}';

for (const { name, marks } of [
  {
    name: "aws",
    marks: {
      registries: ["709825985650.dkr.ecr.us-east-1.amazonaws.com/controlplane/fluxcd"],
      pinned: true,
      pullSecrets: [],
      identity: { "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/flux-source-controller" },
      users: [group],
    },
  },
  {
    name: "azure",
    marks: {
      registries: ["team.azurecr.io/flux"],
      pinned: true,
      pullSecrets: [],
      identity: { "azure.workload.identity/client-id": "00000000-0000-4000-8000-000000000001" },
      users: [group],
    },
  },
  {
    name: "gcp",
    marks: {
      registries: ["europe-docker.pkg.dev/team-project/flux"],
      pinned: true,
      pullSecrets: [],
      identity: { "iam.gke.io/gcp-service-account": "flux-source@team-project.iam.gserviceaccount.com" },
      users: [group],
    },
  },
  {
    name: "openshift",
    marks: {
      registries: ["ghcr.io/controlplaneio-fluxcd/distroless"],
      pinned: true,
      pullSecrets: ["enterprise-flux-auth"],
      identity: {},
      users: ["{}"],
    },
  },
]) {
  const path = `examples/marketplace-${name}.yaml`;

  test(`${path} is what the API server takes, and so is all that it renders to`, async () => {
    const taken = await plane.rest.request("POST", `${instances}?dryRun=All&fieldValidation=Strict`, {
      body: await manifest(path),
    });
    assert.equal(taken.status, 201, JSON.stringify(taken.body));
    const built = await runInProcess(["build", "instance", "-f", join(root, path), "-o", "json"]);
    assert.equal(built.exitCode, 0, built.stderr);
    const objects = listOf(fieldsOf(JSON.parse(built.stdout))["items"]) as readonly KubeObject[];
    assert.deepEqual(marksOf(objects), marks);
    const diff = ["diff", "instance", "-f", join(root, path), "--kubeconfig", plane.kubeconfigPath];
    const { exitCode, stderr } = await runInProcess(diff);
    assert.equal(exitCode, 1, stderr);
    // The namespace is there already.
    const counts = `${objects.length} objects: ${objects.length - 1} created, 1 changed, 0 pruned, 0 unchanged`;
    assert.equal(stderr.trim().split("\n").at(-1), counts);
  });
}
