import assert from "node:assert/strict";
import { test } from "node:test";
import { contextOf, releaseOf, smallDeployment, specOf } from "../../../test/support/small-release.ts";
import { fieldsOf, listOf } from "../../kube/fields.ts";
import { managerOf, podSpec } from "../deployment.ts";
import type { Draft } from "../draft.ts";
import { readField, setField } from "../edit.ts";
import { store } from "./store.ts";

const storage = { class: "standard", size: "10Gi" };
const deployment = (name: string): Draft => ({ object: smallDeployment(name, []), component: "source-controller" });
const drafts: readonly Draft[] = [
  deployment("source-controller"),
  { ...deployment("source-controller-a"), shard: "a", previousNames: ["source-controller"] },
];

function stored(kind: "ephemeral" | "persistent", given = drafts) {
  const sharding = { key: "k", shards: ["a"], storage: kind };
  return store(given, contextOf(specOf({ storage, sharding }), releaseOf("2.9.4"))).map(({ object }) => {
    if (object.kind !== "Deployment") return `${object.kind}/${object.metadata.name}`;
    const mounts = listOf(managerOf(object)?.["volumeMounts"]).map((mount) => fieldsOf(mount)["name"]);
    return { name: object.metadata.name, mounts, volumes: readField(object, [...podSpec, "volumes"]) };
  });
}
const empty = { emptyDir: {}, name: "data" };
const main = {
  name: "source-controller",
  mounts: ["persistent-data"],
  volumes: [empty, { name: "persistent-data", persistentVolumeClaim: { claimName: "source-controller" } }],
};

for (const { name, kind, want } of [
  {
    name: "adds the claim's volume to the main pod and leaves shards on their emptyDir",
    kind: "ephemeral",
    want: [
      main,
      "PersistentVolumeClaim/source-controller",
      { name: "source-controller-a", mounts: ["data"], volumes: [empty] },
    ],
  },
  {
    name: "replaces the volume of shards when they are persistent",
    kind: "persistent",
    want: [
      main,
      "PersistentVolumeClaim/source-controller",
      {
        name: "source-controller-a",
        mounts: ["persistent-data-a"],
        volumes: [{ name: "persistent-data-a", persistentVolumeClaim: { claimName: "source-controller-a" } }],
      },
      "PersistentVolumeClaim/source-controller-a",
    ],
  },
] as const) {
  test(`store() ${name}`, () => assert.deepEqual(stored(kind), want));
}

test("store() refuses a release that is told to keep artifacts elsewhere", () => {
  const object = smallDeployment("source-controller", ["--storage-path=/artifacts"]);
  assert.throws(() => stored("ephemeral", [{ object, component: "source-controller" }]), {
    reason: "NeedsNewerOperator",
    message: /Deployment\/source-controller keeps artifacts elsewhere, --storage-path=\/artifacts, so this release/,
  });
});

test("store() refuses a release that keeps artifacts elsewhere", () => {
  const object = setField(smallDeployment("source-controller", []), [...podSpec, "containers"], [{ name: "manager" }]);
  assert.throws(() => stored("ephemeral", [{ object, component: "source-controller" }]), {
    reason: "NeedsNewerOperator",
    message:
      "Cannot build Flux 2.9.4: Deployment/source-controller has no volume mounted at /data, so this release has a shape " +
      "that this operator does not know; upgrade the operator or choose an older version in spec.distribution.version",
  });
});
