import assert from "node:assert/strict";
import { test } from "node:test";
import { smallDeployment } from "../../test/support/small-release.ts";
import { formatImage, parseImage, renderedImages, replaceImages } from "./images.ts";

for (const { image, want } of [
  { image: "fluxcd/source-controller:v1.9.4", want: { repository: "fluxcd/source-controller", tag: "v1.9.4" } },
  { image: "busybox", want: { repository: "busybox", tag: "" } },
  { image: "localhost:5000/a/b", want: { repository: "localhost:5000/a/b", tag: "" } },
  { image: "localhost:5000/a/b:v1", want: { repository: "localhost:5000/a/b", tag: "v1" } },
  { image: "a/b:v1@sha256:00", want: { repository: "a/b", tag: "v1", digest: "sha256:00" } },
  { image: "a/b@sha256:00", want: { repository: "a/b", tag: "", digest: "sha256:00" } },
]) {
  test(`parseImage() splits ${image} and formatImage() joins it again`, () => {
    assert.deepEqual(parseImage(image), want);
    assert.equal(formatImage(parseImage(image)), image);
  });
}

const pinned = new Map([
  ["fluxcd/source-controller", { repository: "r/source-controller", tag: "v2", digest: "sha256:1" }],
]);

for (const { name, component, want } of [
  {
    name: "replaces the image of a controller",
    component: "source-controller",
    want: "r/source-controller:v2@sha256:1",
  },
  { name: "leaves other images", component: "sidecar", want: "fluxcd/sidecar:v1.0.0" },
]) {
  test(`replaceImages() ${name}`, () => {
    const object = replaceImages(smallDeployment(component, []), pinned);
    assert.equal(JSON.stringify(object).match(/"image":"([^"]+)"/)?.[1], want);
  });
}

test("renderedImages() tells what the main Deployments run, in the order of the components", () => {
  const objects = [
    smallDeployment("helm-controller", []),
    smallDeployment("source-controller", []),
    smallDeployment("source-controller-shard1", []),
  ];
  assert.deepEqual(renderedImages(["source-controller", "kustomize-controller", "helm-controller"], objects), [
    { name: "source-controller", repository: "fluxcd/source-controller", tag: "v1.0.0" },
    { name: "helm-controller", repository: "fluxcd/helm-controller", tag: "v1.0.0" },
  ]);
});
