import assert from "node:assert/strict";
import { test } from "node:test";
import { loadRelease } from "../../src/distribution/load.ts";
import { componentNames, type Release } from "../../src/distribution/release.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonValue, KubeObject } from "../../src/kube/object.ts";
import { editManager, managerOf, podSpec } from "../../src/render/deployment.ts";
import { edit, readField, setField } from "../../src/render/edit.ts";
import { renderInstance } from "../../src/render/render-instance.ts";
import type { Rendering } from "../../src/render/rendering.ts";
import { specOf } from "../support/small-release.ts";

/** A minor that does not exist yet: the newest embedded one, changed in one way. */
const base: Release = { ...loadRelease("2.9.4"), version: "2.10.0" };
const spec = specOf({
  components: ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"],
  cluster: { multitenant: true },
  sharding: { key: "k", shards: ["a"], storage: "ephemeral" },
  storage: { class: "standard", size: "1Gi" },
});
const build = (release: Release) => renderInstance(spec, release, { name: "flux", namespace: "flux-system" });

function withObjects(kind: string, change: (object: KubeObject) => KubeObject): Release {
  const changeAll = (objects: readonly KubeObject[] = []) =>
    objects.map((object) => (object.kind === kind ? change(object) : object));
  return {
    ...base,
    components: Object.fromEntries(componentNames.map((name) => [name, changeAll(base.components[name])])),
    rbac: changeAll(base.rbac),
  };
}
const withArgs = (change: (args: readonly JsonValue[]) => readonly JsonValue[]) =>
  withObjects("Deployment", (object) =>
    editManager(object, "2.10.0", (container) => ({ ...container, args: change(listOf(container["args"])) })),
  );

/** Flags of every Deployment, whatever their order. */
function flagsOf({ objects }: Rendering) {
  return objects
    .filter(({ kind }) => kind === "Deployment")
    .map((object) => [object.metadata.name, listOf(managerOf(object)?.["args"]).map(textOf).toSorted()]);
}
function kindsOf({ objects }: Rendering, crd: string): readonly JsonValue[] {
  const found = objects.find(({ metadata }) => metadata.name === crd);
  const versions = listOf(found === undefined ? undefined : readField(found, ["spec", "versions"]));
  const path = ["schema", "openAPIV3Schema", "properties", "spec", "properties", "eventSources"];
  return versions.map((version) =>
    listOf(readField(fieldsOf(version), [...path, "items", "properties", "kind", "enum"])).includes("FluxInstance"),
  );
}
function rulesOf({ objects }: Rendering): readonly JsonValue[] {
  const role = objects.find(({ metadata }) => metadata.name === "crd-controller-flux-system");
  return listOf(role?.["rules"]);
}
const extraRule = { apiGroups: ["next.fluxcd.io"], resources: ["*"], verbs: ["*"] };

test("a next minor with reordered flags gets the same flags", () => {
  assert.deepEqual(flagsOf(build(withArgs((args) => args.toReversed()))), flagsOf(build(base)));
});

test("a next minor with a container before the controller changes the controller", () => {
  const release = withObjects("Deployment", (object) =>
    edit(object, [...podSpec, "containers"], (containers) => [
      { name: "warm-up", image: managerOf(object)?.["image"] ?? "" },
      ...listOf(containers),
    ]),
  );
  assert.deepEqual(flagsOf(build(release)), flagsOf(build(base)));
});

test("a next minor with one CRD version more accepts our kinds in both", () => {
  const release = withObjects("CustomResourceDefinition", (crd) =>
    edit(crd, ["spec", "versions"], (versions) => [...listOf(versions), ...listOf(versions)]),
  );
  assert.deepEqual(kindsOf(build(release), "alerts.notification.toolkit.fluxcd.io"), [true, true]);
});

test("a next minor with one rule more loses the right to make tokens, and no other", () => {
  const release = withObjects("ClusterRole", (role) => edit(role, ["rules"], (rules) => [extraRule, ...listOf(rules)]));
  assert.deepEqual(rulesOf(build(release)), [extraRule, ...rulesOf(build(base))]);
});

for (const { name, release, missing } of [
  {
    name: "a flag that we set",
    release: withArgs((args) => args.filter((arg) => !textOf(arg).startsWith("--events-addr="))),
    missing: "Deployment/source-controller has no flag --events-addr",
  },
  {
    name: "the container of the controller",
    release: withObjects("Deployment", (object) => setField(object, [...podSpec, "containers"], [{ name: "flux" }])),
    missing: "Deployment/source-controller has no container manager",
  },
  {
    name: "the selector that tells shards apart",
    release: withObjects("Service", (object) => setField(object, ["spec", "selector"], { name: "flux" })),
    missing: "Service/source-controller-a has no spec.selector.app",
  },
  {
    name: "the volume of artifacts",
    release: withObjects("Deployment", (object) =>
      editManager(object, "2.10.0", (container) => ({ ...container, volumeMounts: [] })),
    ),
    missing: "Deployment/source-controller has no volume mounted at /data",
  },
]) {
  test(`a next minor without ${name} is refused by what is not understood`, () => {
    assert.throws(
      () => build(release),
      (error) => {
        assert.match(String(error), new RegExp(`Cannot build Flux 2\\.10\\.0: ${missing}, so`));
        return true;
      },
    );
  });
}
