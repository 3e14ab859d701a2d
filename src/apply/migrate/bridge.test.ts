import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { installer } from "../../../test/support/installer.ts";
import { versionsOf } from "../../kube/definition.ts";
import { fieldsOf, textOf } from "../../kube/fields.ts";
import type { KubeObject, ManagedFieldsEntry } from "../../kube/object.ts";
import { migrationOf, rewriteManagedFields } from "./bridge.ts";

/** "v1*" is the storage version, "v1-" is not served; `from` marks whose schema it is. */
function definition(versions: string, from: string, stored: readonly string[] = []): KubeObject {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "things.example.com", labels: { from } },
    spec: {
      group: "example.com",
      names: { kind: "Thing" },
      versions: versions.split(" ").map((version) => ({
        name: version.replace(/[*-]/, ""),
        served: !version.includes("-"),
        storage: version.includes("*"),
        schema: { from },
      })),
    },
    ...(stored.length === 0 ? {} : { status: { storedVersions: stored } }),
  };
}

/** Versions as `definition` takes them, with the schema's origin: "v1*=new v1beta1=live". */
function describeVersions(object: KubeObject | undefined): string | undefined {
  if (object === undefined) return undefined;
  return versionsOf(object)
    .map(({ name, served, storage, schema }) => {
      const from = textOf(fieldsOf(schema)["from"]);
      return `${textOf(name)}${storage === true ? "*" : ""}${served === true ? "" : "-"}=${from}`;
    })
    .join(" ");
}

describe("migrationOf()", () => {
  for (const { name, live, stored, desired, want } of [
    {
      name: "is not needed when all versions stay",
      live: "v1beta1* v1alpha1",
      stored: ["v1alpha1", "v1beta1"],
      desired: "v1* v1beta1 v1alpha1",
      want: undefined,
    },
    {
      name: "bridges versions that have nothing in common, with the new one stored",
      live: "v1beta1 v1beta2*",
      stored: ["v1beta2"],
      desired: "v1*",
      want: { dropped: ["v1beta2"], bridge: "v1*=new v1beta1=live v1beta2=live" },
    },
    {
      name: "moves the storage version among the live ones, whose schemas stay",
      live: "v1* v1beta2",
      stored: ["v1beta2", "v1"],
      desired: "v1beta2* v1beta1",
      want: { dropped: ["v1"], bridge: "v1beta1=new v1=live v1beta2*=live" },
    },
    {
      name: "serves what it stores",
      live: "v1- v1beta1*",
      stored: ["v1beta1"],
      desired: "v1*",
      want: { dropped: ["v1beta1"], bridge: "v1*=live v1beta1=live" },
    },
    {
      name: "needs no bridge where the storage version is right already: after a crash, or since long ago",
      live: "v1* v1beta2",
      stored: ["v1beta2", "v1"],
      desired: "v1*",
      want: { dropped: ["v1beta2"], bridge: undefined },
    },
    {
      name: "needs no bridge when only managedFields may name what goes",
      live: "v1* v1beta1 v1beta2",
      stored: ["v1"],
      desired: "v1*",
      want: { dropped: [], bridge: undefined },
    },
    {
      name: "bridges when what replaces the dropped version is not served yet",
      live: "v1beta1 v1beta2*",
      stored: ["v1beta2"],
      desired: "v1* v1beta2",
      want: { dropped: [], bridge: "v1*=new v1beta1=live v1beta2=live" },
    },
  ]) {
    test(name, () => {
      const migration = migrationOf(definition(live, "live", stored), definition(desired, "new"));
      const got = migration && { dropped: migration.droppedStored, bridge: describeVersions(migration.bridge) };
      assert.deepEqual(got, want);
      assert.equal(migration?.bridge?.metadata.labels?.["from"], migration?.bridge && "new");
    });
  }
});

const kind = { group: "example.com", kind: "Thing", versions: ["v1"], storage: "v1", stored: [] };

function entry(manager: string, version: string, more: ManagedFieldsEntry = {}): ManagedFieldsEntry {
  return {
    manager,
    operation: "Update",
    apiVersion: `example.com/${version}`,
    time: "2026-01-01T00:00:00Z",
    fieldsType: "FieldsV1",
    fieldsV1: { "f:spec": { "f:a": {} } },
    ...more,
  };
}

describe("rewriteManagedFields(, installer)", () => {
  for (const { name, entries, want } of [
    { name: "leaves entries at versions that stay", entries: [entry("kubectl", "v1")], want: undefined },
    {
      name: "leaves entries of other groups",
      entries: [entry("kubectl", "v1", { apiVersion: "v1beta1" })],
      want: undefined,
    },
    {
      name: "keeps a field that one of two entries owns as a whole and the other below",
      entries: [
        entry("kubectl", "v1", { fieldsV1: { "f:spec": { "f:a": { "f:b": {} } } } }),
        entry("kubectl", "v1beta1"),
      ],
      want: [entry("kubectl", "v1", { fieldsV1: { "f:spec": { "f:a": { ".": {}, "f:b": {} } } } })],
    },
    {
      name: "gives up what the migration itself came to own",
      entries: [entry("kubectl", "v1"), entry("flux-operator-migration", "v1")],
      want: [entry("kubectl", "v1")],
    },
    {
      name: "clears entries of which none is left, in the way that the API server takes for that",
      entries: [entry("flux-operator-migration", "v1")],
      want: [{}],
    },
    { name: "has nothing to do without entries", entries: [], want: undefined },
    {
      name: "rewrites every manager's, of the status subresource too",
      entries: [
        entry("kubectl", "v1beta1"),
        entry("flux", "v1beta2", { operation: "Apply" }),
        entry("controller", "v1beta2", { subresource: "status" }),
        entry("other", "v1"),
      ],
      want: [
        entry("kubectl", "v1"),
        entry("flux", "v1", { operation: "Apply" }),
        entry("controller", "v1", { subresource: "status" }),
        entry("other", "v1"),
      ],
    },
    {
      name: "joins entries that become one, with the fields of both and the later time",
      entries: [
        entry("kubectl", "v1beta1", { time: "2026-01-02T00:00:00Z" }),
        entry("kubectl", "v1", { fieldsV1: { "f:spec": { "f:b": {} }, "f:metadata": {} } }),
        entry("kubectl", "v1", { subresource: "status" }),
      ],
      want: [
        entry("kubectl", "v1", {
          time: "2026-01-02T00:00:00Z",
          fieldsV1: { "f:spec": { "f:a": {}, "f:b": {} }, "f:metadata": {} },
        }),
        entry("kubectl", "v1", { subresource: "status" }),
      ],
    },
  ]) {
    test(name, () => assert.deepEqual(rewriteManagedFields(entries, kind, installer), want));
  }
});
