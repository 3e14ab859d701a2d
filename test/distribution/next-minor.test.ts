import assert from "node:assert/strict";
import { test } from "node:test";
import { loadRelease } from "../../src/distribution/load.ts";
import { fieldsOf, listOf, textOf } from "../../src/kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { editManager, podSpec } from "../../src/render/deployment.ts";
import { edit, readField, setField } from "../../src/render/edit.ts";
import {
  base,
  build,
  type Change,
  changed,
  changedArgs,
  changedManager,
  changedVersions,
  type Objects,
} from "../support/next-minor.ts";
import { specOf } from "../support/small-release.ts";

const expected = build(base);
/** What the next minor should render to, given what it should render to without the change. */
const expectedBut = (name: string, change: Change): Objects => {
  const object = expected[name];
  assert.ok(object !== undefined, `no ${name}`);
  return { ...expected, [name]: change(object) };
};
const mapAll = (kind: string, change: Change): Objects =>
  Object.fromEntries(
    Object.entries(expected).map(([name, object]) => [name, object.kind === kind ? change(object) : object]),
  );

const newRule = { apiGroups: ["next.toolkit.fluxcd.io"], resources: ["*"], verbs: ["*"] };
const alerts = "alerts.notification.toolkit.fluxcd.io";
const renamed = (version: JsonValue | undefined, name: string) => ({ ...fieldsOf(version), name, storage: false });
const sorted = (objects: Objects) => mapArgs(objects, (args) => args.toSorted());

function mapArgs(objects: Objects, change: (args: readonly string[]) => readonly string[]): Objects {
  return Object.fromEntries(
    Object.entries(objects).map(([name, object]) => [
      name,
      object.kind === "Deployment"
        ? editManager(object, "2.10.0", (manager) => ({
            ...manager,
            args: change(listOf(manager["args"]).map(textOf)),
          }))
        : object,
    ]),
  );
}
const controllers = Object.values(expected).filter(({ kind }) => kind === "Deployment");

const withFields: Change = (object) =>
  setField(
    editManager(object, "2.10.0", (manager) => ({ ...manager, resizePolicy: [{ resourceName: "cpu" }] })),
    [...podSpec, "hostUsers"],
    false,
  );
const withFirst: Change = (object) =>
  edit(object, [...podSpec, "containers"], (containers) => {
    const image = fieldsOf(listOf(containers)[0])["image"] ?? "";
    return [{ name: "warm-up", image, resources: {} }, ...listOf(containers)];
  });
/** 2.8.8 is the last release whose CRDs have several versions. */
const notifications = loadRelease("2.8.8").components["notification-controller"] ?? [];
const versionsOf = (object: KubeObject | undefined) =>
  object === undefined ? [] : listOf(readField(object, ["spec", "versions"])).map(fieldsOf);
function withoutLastVersion(object: KubeObject): KubeObject {
  return object.metadata.name === alerts
    ? setField<KubeObject>(object, ["spec", "versions"], versionsOf(object).slice(0, 1))
    : object;
}
/** Mounts everything below /var. */
function mountElsewhere(manager: JsonObject): JsonObject {
  return edit(manager, ["volumeMounts"], (mounts) => listOf(mounts).map((mount) => moved(fieldsOf(mount))));
}
const moved = (mount: JsonObject) => ({ ...mount, mountPath: `/var${textOf(mount["mountPath"])}` });

test("the next minor is built with all that the spec asks for", () => {
  assert.deepEqual(controllers.map(({ metadata }) => metadata.name).toSorted(), [
    "kustomize-controller",
    "kustomize-controller-a",
    "notification-controller",
    "source-controller",
    "source-controller-a",
  ]);
});

test("a next minor with reordered flags gets the same flags and values", () => {
  assert.deepEqual(sorted(build(changedArgs((args) => args.toReversed()))), sorted(expected));
});

test("a next minor with one flag more keeps it, and gets the others", () => {
  const got = build(changedArgs((args) => ["--next=1", ...args]));
  assert.deepEqual(
    got,
    mapArgs(expected, (args) => ["--next=1", ...args]),
  );
});

test("a next minor with one CRD version more accepts the operator's kinds in each", () => {
  const got = build(changedVersions(alerts, (versions) => [renamed(versions[0], "v2"), ...versions]));
  const want = expectedBut(`CustomResourceDefinition/${alerts}`, (crd) =>
    edit(crd, ["spec", "versions"], (versions) => [renamed(listOf(versions)[0], "v2"), ...listOf(versions)]),
  );
  assert.deepEqual(got, want);
  const versions = versionsOf(got[`CustomResourceDefinition/${alerts}`]);
  assert.deepEqual(
    versions.map((version) => [version["name"], JSON.stringify(version).includes("FluxInstance")]),
    [
      ["v2", true],
      ["v1beta3", true],
    ],
  );
});

test("a next minor with one CRD version fewer is built without it", () => {
  const name = `CustomResourceDefinition/${alerts}`;
  const [both, one] = [notifications, notifications.map(withoutLastVersion)].map((objects) => {
    const built = build({ ...base, components: { ...base.components, "notification-controller": objects } });
    return versionsOf(built[name]).map((version) => [
      version["name"],
      JSON.stringify(version).includes("FluxInstance"),
    ]);
  });
  assert.deepEqual(both, [
    ["v1beta2", true],
    ["v1beta3", true],
  ]);
  assert.deepEqual(one, [["v1beta2", true]]);
});

test("a next minor with one rule more, in another order, loses the right to make tokens and no other", () => {
  const got = build(
    changed(
      "ClusterRole",
      (role) => edit(role, ["rules"], (rules) => [newRule, ...listOf(rules).toReversed()]),
      "crd-controller",
    ),
  );
  const want = expectedBut("ClusterRole/crd-controller-flux-system", (role) =>
    edit(role, ["rules"], (rules) => {
      const ofOperator = listOf(rules).slice(-1);
      return [newRule, ...listOf(rules).slice(0, -1).toReversed(), ...ofOperator];
    }),
  );
  assert.deepEqual(got, want);
});

test("a next minor with a new component, variant and file is built without them", () => {
  const got = build(base, {
    "flux/v2.10.0/artifact-foo.yaml": "kind: [",
    "flux/v2.10.0/notes.txt": "",
    "flux-images/v2.10.0/upstream-debian.yaml": "kind: [",
  });
  assert.deepEqual(got, expected);
});

test("a next minor with new fields of Deployments keeps them", () => {
  assert.deepEqual(build(changed("Deployment", withFields)), mapAll("Deployment", withFields));
});

test("a next minor with a container in front of the controller changes the controller", () => {
  assert.deepEqual(build(changed("Deployment", withFirst)), mapAll("Deployment", withFirst));
});

for (const { name, release, finding } of [
  {
    name: "a renamed container",
    release: changedManager((manager) => ({ ...manager, name: "controller" })),
    finding: "Deployment/source-controller has no container manager",
  },
  ...["--events-addr", "--watch-all-namespaces", "--log-level", "--storage-adv-addr"].map((flag) => ({
    name: `a missing flag ${flag}`,
    release: changedArgs((args) => args.filter((arg) => textOf(arg).split("=")[0] !== flag)),
    finding: `Deployment/source-controller has no flag ${flag}`,
  })),
  {
    name: "artifacts in another place",
    release: changedManager(mountElsewhere),
    finding: "Deployment/source-controller has no volume mounted at /data",
  },
  {
    name: "a selector that does not tell shards apart",
    release: changed("Deployment", (object) =>
      setField(object, ["spec", "selector"], { matchLabels: { name: "flux" } }),
    ),
    finding: "Deployment/source-controller-a has no spec.selector.matchLabels.app",
  },
  {
    name: "a renamed Service",
    release: changed(
      "Service",
      (object) => setField(object, ["metadata", "name"], "events"),
      "notification-controller",
    ),
    finding: "notification-controller has no Service/notification-controller",
  },
  {
    name: "Alerts that list no kinds",
    release: changedVersions(alerts, (versions) => versions.map((version) => ({ ...fieldsOf(version), schema: {} }))),
    finding: `CustomResourceDefinition/${alerts} has no list of kinds`,
  },
  {
    name: "a source of another version",
    release: changedVersions("ocirepositories.source.toolkit.fluxcd.io", (versions) =>
      versions.map((version) => ({ ...fieldsOf(version), name: "v2" })),
    ),
    finding: "source-controller has no served source.toolkit.fluxcd.io/v1 OCIRepository",
  },
  {
    name: "rights to make tokens among others",
    release: changed("ClusterRole", (role) =>
      edit(role, ["rules"], (rules) => [...listOf(rules), { apiGroups: [""], resources: ["*"], verbs: ["*"] }]),
    ),
    finding: "ClusterRole/crd-controller-flux-system has no rule of its own for serviceaccounts/token",
  },
  {
    name: "a controller in a StatefulSet beside the Deployment",
    release: {
      ...base,
      components: {
        ...base.components,
        "source-controller": (base.components["source-controller"] ?? []).flatMap((object) =>
          object.kind === "Deployment" ? [object, { ...object, kind: "StatefulSet" }] : [object],
        ),
      },
    },
    finding: "StatefulSet/source-controller is of a kind not seen there, apps/v1 StatefulSet",
  },
  {
    name: "an image of its own beside the controller",
    release: changed("Deployment", (object) =>
      setField(object, [...podSpec, "initContainers"], [{ name: "cli", image: "fluxcd/flux-cli:v2.10.0" }]),
    ),
    finding: 'Deployment/source-controller has a container of another image, "fluxcd/flux-cli:v2.10.0"',
  },
]) {
  test(`a next minor with ${name} is refused by what is not understood`, () => {
    assert.throws(() => build(release), {
      reason: "NeedsNewerOperator",
      message:
        `Cannot build Flux 2.10.0: ${finding}, so this release has a shape that this operator does not know; ` +
        "upgrade the operator or choose an older version in spec.distribution.version",
    });
  });
}

test("a next minor is refused only by those who ask for the component that is not understood", () => {
  const release = changed(
    "Service",
    (object) => setField(object, ["metadata", "name"], "x"),
    "notification-controller",
  );
  const without = specOf({ components: ["kustomize-controller"] });
  assert.deepEqual(build(release, {}, without), build(base, {}, without));
});
