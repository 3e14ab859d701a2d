import assert from "node:assert/strict";
import { test } from "node:test";
import { apiError } from "../../../../test/support/table-client.ts";
import { releaseOf, smallDeployment, specOf } from "../../../../test/support/small-release.ts";
import { edit } from "../../../render/edit.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { listControllerPods, otherImages, otherImagesText, readOtherImages, runningDigest } from "./running-images.ts";

const [one = "", two = ""] = ["1", "2"].map((digit) => `sha256:${digit.repeat(64)}`);
const repository = "ghcr.io/fluxcd/source-controller";
const never = new AbortController().signal;

for (const { name, imageID, want } of [
  { name: "of containerd and CRI-O", imageID: `${repository}@${one}`, want: one },
  { name: "of dockershim", imageID: `docker-pullable://${repository}@${one}`, want: one },
  { name: "of a registry with a port", imageID: `127.0.0.1:5000/a@${one}`, want: one },
  { name: "of a configuration", imageID: one, want: undefined },
  { name: "of a configuration in docker", imageID: `docker://${one}`, want: undefined },
  { name: "of another algorithm", imageID: `${repository}@sha512:00`, want: undefined },
  { name: "of a container that waits", imageID: "", want: undefined },
]) {
  test(`runningDigest() ${name}`, () => assert.equal(runningDigest(imageID), want));
}

function deploymentWith(image: string, name = "source-controller"): KubeObject {
  const path = ["spec", "template", "spec", "containers"];
  return edit(smallDeployment(name, []), path, () => [{ name: "manager", image }]);
}

function podWith(imageID: string, metadata: Partial<KubeObject["metadata"]> = {}): KubeObject {
  const containerStatuses = [
    { name: "sidecar", imageID: `proxy@${two}` },
    { name: "manager", imageID },
  ];
  const labels = { app: "source-controller" };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "pod", labels, ...metadata },
    status: { containerStatuses },
  };
}

const deployment = deploymentWith(`${repository}:v1@${one}`);
const differs = { name: "source-controller", applied: `${repository}@${one}`, running: `${repository}@${two}` };

for (const { name, objects = [deployment], pods, want } of [
  { name: "has none of the same digest", pods: [podWith(`${repository}@${one}`)], want: [] },
  { name: "has none of the same digest of a mirror", pods: [podWith(`mirror.example/a@${one}`)], want: [] },
  { name: "has none of a form that says nothing", pods: [podWith(two)], want: [] },
  { name: "names another digest", pods: [podWith(`${repository}@${two}`)], want: [differs] },
  {
    name: "names a digest once for all pods",
    pods: [podWith(`${repository}@${two}`), podWith(`mirror.example/a@${two}`)],
    want: [differs],
  },
  {
    name: "leaves out pods of others",
    pods: [podWith(`${repository}@${two}`, { labels: { app: "other" } })],
    want: [],
  },
  {
    name: "leaves out pods that are being deleted",
    pods: [podWith(`${repository}@${two}`, { deletionTimestamp: "2026-01-01T00:00:00Z" })],
    want: [],
  },
  {
    name: "has none of an image that is not pinned",
    objects: [deploymentWith(`${repository}:v1`)],
    pods: [podWith(`${repository}@${two}`)],
    want: [],
  },
]) {
  test(`otherImages() ${name}`, () => assert.deepEqual(otherImages(objects, pods), want));
}

test("otherImagesText() names controllers and digests in a fixed order, and says where to look", () => {
  const other = { ...differs, name: "helm-controller" };
  const text =
    "pods run other images than were applied: helm-controller runs sha256:222222222222 instead of sha256:111111111111, " +
    "source-controller runs sha256:222222222222 instead of sha256:111111111111; " +
    "look for an admission webhook that changes images, or for a mirror in the configuration of the nodes";
  assert.equal(otherImagesText([differs, other]), text);
  assert.equal(otherImagesText([other, differs]), text);
  assert.equal(otherImagesText([]), undefined);
});

test("listControllerPods() asks for the pods of the pinned controllers only, and for none where there are none", async () => {
  const asked: unknown[] = [];
  const list = async (_: unknown, selection: unknown) => {
    asked.push(selection);
    return { items: [], resourceVersion: "1" };
  };
  const objects = [deployment, deploymentWith(`${repository}:v1@${one}`, "shard"), deploymentWith("a:v1", "other")];
  assert.deepEqual(await listControllerPods(objects, "flux-system", { client: { list } }, never), []);
  assert.deepEqual(asked.splice(0), [{ namespace: "flux-system", labelSelector: "app in (source-controller,shard)" }]);
  assert.deepEqual(await listControllerPods([], "flux-system", { client: { list } }, never), []);
  assert.deepEqual(asked, []);
});

const failing = (status: number) => ({ client: { list: () => Promise.reject(apiError(status, "Refused")) } });

test("listControllerPods() is none where pods may not be listed, and throws what else goes wrong", async () => {
  assert.deepEqual(await listControllerPods([deployment], "flux-system", failing(403), never), []);
  await assert.rejects(listControllerPods([deployment], "flux-system", failing(500), never), { status: 500 });
});

const target = {
  spec: specOf({ distribution: { digests: "Registry" } }),
  release: releaseOf("2.9.0"),
  rendering: { version: "2.9.0", revision: "v2.9.0@sha256:0", objects: [deployment], images: [], patches: [] },
  latestVersion: "2.9.0",
};

for (const { name, platforms, isTold } of [
  {
    name: "tells what has nothing in common with what was applied",
    platforms: { [one]: [one, "a"], [two]: [two, "b"] },
    isTold: true,
  },
  {
    name: "takes the manifest of a platform for the same",
    platforms: { [one]: [one, two], [two]: [two] },
    isTold: false,
  },
  {
    name: "takes another index of the same manifest for the same",
    platforms: { [one]: [one, "a"], [two]: [two, "a"] },
    isTold: false,
  },
  { name: "tells nothing while what was applied is not known", platforms: { [two]: [two] }, isTold: false },
  { name: "tells nothing while what runs is not known", platforms: { [one]: [one] }, isTold: false },
] satisfies readonly { name: string; platforms: { [digest: string]: readonly string[] }; isTold: boolean }[]) {
  test(`readOtherImages() ${name}`, async () => {
    const known: { readonly [digest: string]: readonly string[] } = platforms;
    const deps = {
      client: { list: async () => ({ items: [podWith(`${repository}@${two}`)], resourceVersion: "1" }) },
      indexContents: { platformsOf: async (image: string) => known[image.split("@")[1] ?? ""] },
    };
    const text = await readOtherImages(target, "flux-system", deps, never);
    assert.equal(text, isTold ? otherImagesText([differs]) : undefined);
  });
}

test("readOtherImages() asks nothing where digests are those of the release", async () => {
  const deps = {
    client: { list: () => Promise.reject(new Error("nothing is listed")) },
    indexContents: { platformsOf: () => Promise.reject(new Error("nothing is looked at")) },
  };
  assert.equal(await readOtherImages({ ...target, spec: specOf() }, "flux-system", deps, never), undefined);
});
