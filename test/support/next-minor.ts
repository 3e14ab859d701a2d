import type { CanonicalSpec } from "../../src/api/spec.ts";
import { openArtifact } from "../../src/distribution/from-artifact.ts";
import { loadRelease } from "../../src/distribution/load.ts";
import type { ComponentName, Release } from "../../src/distribution/release.ts";
import { fieldsOf, listOf } from "../../src/kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { nameObject } from "../../src/kube/object-id.ts";
import { editManager } from "../../src/render/deployment.ts";
import { edit } from "../../src/render/edit.ts";
import { renderInstance } from "../../src/render/render-instance.ts";
import { artifactFiles } from "./artifact-of.ts";
import { specOf } from "./small-release.ts";

/** A minor that does not exist yet: files made of the newest embedded release, each time with one thing changed. */
const components = ["source-controller", "kustomize-controller", "notification-controller"] as const;
export const newest = loadRelease("2.9.4");
export const base: Release = { ...withSmallSchemas(pick(newest, components)), version: "2.10.0" };
export const spec = specOf({
  components,
  cluster: { multitenant: true, size: "small" },
  sharding: { key: "k", shards: ["a"], storage: "persistent" },
  storage: { class: "standard", size: "1Gi" },
  sync: { kind: "OCIRepository", url: "oci://example.com/fleet", ref: "latest", path: "./", interval: "1m" },
});

function pick(release: Release, names: readonly ComponentName[]): Release {
  const only = <Value>(all: { readonly [name in ComponentName]?: Value }) =>
    Object.fromEntries(names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]] as const])));
  const tables = Object.entries(release.images).map(([variant, table]) => [variant, only(table)]);
  return { ...release, components: only(release.components), images: Object.fromEntries(tables) };
}

/** Schemas are nine tenths of the text, and of only two does anything read more than that they are there. */
function withSmallSchemas(release: Release): Release {
  const all = Object.entries(release.components).map(([name, objects]) => [name, objects.map(withSmallSchema)]);
  return { ...release, components: Object.fromEntries(all) };
}

function withSmallSchema(object: KubeObject): KubeObject {
  if (object.kind !== "CustomResourceDefinition" || /^(alerts|receivers)\./.test(object.metadata.name)) return object;
  return edit(object, ["spec", "versions"], (versions) => listOf(versions).map(smallVersion));
}

function smallVersion(version: JsonValue): JsonObject {
  return { ...fieldsOf(version), schema: { openAPIV3Schema: { type: "object" } } };
}

export type Change = (object: KubeObject) => KubeObject;
/** The next minor with every object of the kind changed, or just the one of the name. */
export function changed(kind: string, change: Change, name?: string): Release {
  const all = (objects: readonly KubeObject[]) =>
    objects.map((object) =>
      object.kind === kind && (name ?? object.metadata.name) === object.metadata.name ? change(object) : object,
    );
  const entries = Object.entries(base.components).map(([component, objects]) => [component, all(objects)]);
  return { ...base, components: Object.fromEntries(entries), rbac: all(base.rbac), policies: all(base.policies) };
}
export const changedManager = (change: (manager: JsonObject) => JsonObject) =>
  changed("Deployment", (object) => editManager(object, "2.10.0", change));
export const changedArgs = (change: (args: readonly JsonValue[]) => readonly JsonValue[]) =>
  changedManager((manager) => ({ ...manager, args: change(listOf(manager["args"])) }));
export const changedVersions = (crd: string, change: (versions: readonly JsonValue[]) => readonly JsonValue[]) =>
  changed(
    "CustomResourceDefinition",
    (object) => edit(object, ["spec", "versions"], (all) => change(listOf(all))),
    crd,
  );

/** Writes the release as an artifact, reads it back and renders it: objects by name. */
export function build(release: Release, extra: Readonly<Record<string, string>> = {}, wanted: CanonicalSpec = spec) {
  const more = Object.entries(extra).map(([path, text]) => [path, new TextEncoder().encode(text)] as const);
  const read = openArtifact(new Map([...artifactFiles(release), ...more])).release(release.version);
  const { objects } = renderInstance(wanted, read, { name: "flux", namespace: "flux-system" });
  return Object.fromEntries(objects.map((object) => [nameObject(object), object]));
}
export type Objects = ReturnType<typeof build>;
