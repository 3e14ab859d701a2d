import { canonicalInstance } from "../../src/api/canonical.ts";
import { parseFluxInstance } from "../../src/api/flux-instance.ts";
import { fluxInstance } from "../../src/api/names.ts";
import { builtInKinds } from "../../src/client/built-in-kinds.ts";
import { embeddedVersions, loadRelease } from "../../src/distribution/load.ts";
import type { Release } from "../../src/distribution/release.ts";
import { isDefinition, kindDefinedBy } from "../../src/kube/definition.ts";
import { fieldsOf, textOf } from "../../src/kube/fields.ts";
import { groupKindKey, gvkOf, type GroupKind } from "../../src/kube/gvk.ts";
import { isBuiltInGroup } from "../../src/kube/object-id.ts";
import type { JsonObject, KubeObject } from "../../src/kube/object.ts";
import { renderInstance } from "../../src/render/render-instance.ts";
import { isAtLeast } from "../../src/render/version.ts";

/** A kind as RBAC names it. */
export type Resource = { readonly group: string; readonly plural: string };

/** A kind of which objects are rendered, with the names of these, sorted. */
export type RenderedKind = Resource & {
  readonly kind: string;
  readonly namespaced: boolean;
  readonly names: readonly string[];
};

/** All that any instance in a namespace may consist of, whatever its spec; patches aside, with which users may write what they like. */
export type Rendered = {
  /** Sorted by group and plural. */
  readonly kinds: readonly RenderedKind[];
  /** The kinds that Flux's CRDs define, sorted likewise. */
  readonly defined: readonly Resource[];
  /** The cluster roles that the rendered bindings bind, sorted. */
  readonly boundRoles: readonly string[];
};

/** What an instance in `namespace` may consist of, by rendering every embedded release with every spec of the table below. */
export function renderedIn(namespace: string): Rendered {
  const objects = embeddedVersions
    .map((version) => loadRelease(version))
    .flatMap((release) => renderAll(release, namespace));
  const plurals = pluralsOf(objects);
  const byKind = Map.groupBy(objects, (object) => groupKindKey(gvkOf(object)));
  const bindings = objects.filter(({ kind }) => kind === "ClusterRoleBinding");
  return {
    kinds: [...byKind.values()].map((those) => describeKind(those, plurals)).toSorted(compareResources),
    defined: [...plurals.values()].toSorted(compareResources),
    boundRoles: sortedOnce(bindings.map((binding) => textOf(fieldsOf(binding["roleRef"])["name"]))),
  };
}

type Variant = { readonly since?: readonly [number, number]; readonly spec: JsonObject };

const source = { url: "oci://registry.example.com/fleet", ref: "latest", path: "./" };

/** Specs that differ in what they render: each value of each field that adds, renames or removes an object or a rule of a role. */
const variants: readonly Variant[] = [
  { spec: {} },
  { spec: { cluster: { type: "openshift", networkPolicy: false } } },
  { spec: { cluster: { multitenant: true, size: "large" } } },
  {
    since: [2, 7],
    spec: { cluster: { multitenant: true, multitenantWorkloadIdentity: true, objectLevelWorkloadIdentity: true } },
  },
  { spec: { sharding: { shards: ["a"], storage: "persistent" }, storage: { class: "standard", size: "1Gi" } } },
  { spec: { sync: { ...source, kind: "OCIRepository" } } },
  {
    spec: { sync: { ...source, kind: "GitRepository", url: "https://git.example.com/fleet", ref: "refs/heads/main" } },
  },
  { spec: { sync: { ...source, kind: "Bucket", url: "minio.example.com", ref: "fleet" } } },
];

function renderAll(release: Release, namespace: string): readonly KubeObject[] {
  return variants
    .filter(({ since }) => since === undefined || isAtLeast(release.version, since))
    .flatMap(({ spec }) => {
      const instance = parseFluxInstance({
        apiVersion: fluxInstance.storageApiVersion,
        kind: fluxInstance.kind,
        metadata: { name: fluxInstance.name, namespace },
        spec: {
          distribution: { version: release.version, registry: "ghcr.io/fluxcd" },
          components: Object.keys(release.components),
          ...spec,
        },
      });
      const canonical = canonicalInstance(instance);
      return renderInstance(canonical.spec, release, canonical.key).objects;
    });
}

/** By `groupKindKey`. */
function pluralsOf(objects: readonly KubeObject[]): ReadonlyMap<string, Resource> {
  return new Map(
    objects.filter(isDefinition).map((definition) => {
      const kind = kindDefinedBy(definition);
      const plural = textOf(fieldsOf(fieldsOf(definition["spec"])["names"])["plural"]);
      return [groupKindKey(kind), { group: kind.group, plural }];
    }),
  );
}

function describeKind(objects: readonly KubeObject[], plurals: ReadonlyMap<string, Resource>): RenderedKind {
  const [first] = objects;
  if (first === undefined) throw new Error("Cannot describe a kind without objects");
  const { group, kind } = gvkOf(first);
  const builtIn = isBuiltInGroup(first.apiVersion) ? builtInKinds.get(groupKindKey({ group, kind })) : undefined;
  const plural = builtIn?.plural ?? plurals.get(groupKindKey({ group, kind }))?.plural;
  if (plural === undefined) throw unknownKind({ group, kind });
  const names = sortedOnce(objects.map(({ metadata }) => metadata.name));
  return { group, kind, plural, namespaced: first.metadata.namespace !== undefined, names };
}

function unknownKind(kind: GroupKind): Error {
  return new Error(
    `Cannot name ${groupKindKey(kind)} in a rule: neither Kubernetes nor a CRD of Flux has it; add it to src/client/built-in-kinds.ts`,
  );
}

function compareResources(left: Resource, right: Resource): number {
  const [a, b] = [left, right].map(({ group, plural }) => `${group} ${plural}`);
  return (a ?? "") < (b ?? "") ? -1 : 1;
}

function sortedOnce(names: readonly string[]): readonly string[] {
  return [...new Set(names)].toSorted();
}
