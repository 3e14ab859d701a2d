import assert from "node:assert/strict";
import { test } from "node:test";
import type { GroupVersionKind } from "../../../kube/gvk.ts";
import type { KubeObject } from "../../../kube/object.ts";
import type { Informer } from "../../../runtime/informer.ts";
import { createFollowedKinds } from "./followed-kinds.ts";

function object(apiVersion: string, kind: string): KubeObject {
  return { apiVersion, kind, metadata: { name: "x" } };
}

function informerOf(gvk: GroupVersionKind): Informer {
  const idle: Pick<Informer, "gvk"> = { gvk };
  return idle as Informer;
}

test("follow() watches each custom kind once, and stops the watches of kinds that are not applied any more", async () => {
  const done: string[] = [];
  const followed = createFollowedKinds(
    { start: ({ name }) => void done.push(`start ${name}`), stop: async (name) => void done.push(`stop ${name}`) },
    informerOf,
  );
  const repository = object("source.toolkit.fluxcd.io/v1", "GitRepository");
  const kustomization = object("kustomize.toolkit.fluxcd.io/v1", "Kustomization");
  await followed.follow([object("apps/v1", "Deployment"), repository, repository]);
  await followed.follow([repository, kustomization]);
  await followed.follow([object("source.toolkit.fluxcd.io/v1beta2", "GitRepository")]);
  assert.deepEqual(done, [
    "start watch of GitRepository.source.toolkit.fluxcd.io/v1",
    "start watch of Kustomization.kustomize.toolkit.fluxcd.io/v1",
    "stop watch of GitRepository.source.toolkit.fluxcd.io/v1",
    "stop watch of Kustomization.kustomize.toolkit.fluxcd.io/v1",
    "start watch of GitRepository.source.toolkit.fluxcd.io/v1beta2",
  ]);
  assert.deepEqual(
    followed.informers.map(({ gvk }) => `${gvk.kind} ${gvk.version}`),
    ["GitRepository v1beta2"],
  );
});

test("isTrusted says whether every followed kind is watched without a gap", async () => {
  const trusted = new Set(["GitRepository"]);
  const followed = createFollowedKinds({ start: () => undefined, stop: async () => undefined }, (gvk) => ({
    ...informerOf(gvk),
    get isTrusted() {
      return trusted.has(gvk.kind);
    },
  }));
  await followed.follow([object("source.toolkit.fluxcd.io/v1", "GitRepository"), object("x.io/v1", "Kustomization")]);
  assert.equal(followed.isTrusted, false);
  trusted.add("Kustomization");
  assert.equal(followed.isTrusted, true);
});
