// Tests: test/rights.test.ts
import { builtInKinds } from "../../../client/built-in-kinds.ts";
import { isDefinition, kindDefinedBy } from "../../../kube/definition.ts";
import { fieldsOf, textOf } from "../../../kube/fields.ts";
import { groupKindKey, gvkOf, type GroupKind } from "../../../kube/gvk.ts";
import { isBuiltInGroup } from "../../../kube/object-id.ts";
import type { KubeObject } from "../../../kube/object.ts";

/** A kind as RBAC names it. */
export type Resource = { readonly group: string; readonly plural: string };

/** A kind of which objects are rendered, with the names of these, sorted. */
export type RenderedKind = Resource & {
  readonly kind: string;
  readonly namespaced: boolean;
  readonly names: readonly string[];
};

/** What is rendered, as far as rights on it depend on that. */
export type Rendered = {
  /** Sorted by group and plural. */
  readonly kinds: readonly RenderedKind[];
  /** The kinds that the CRDs define, sorted likewise. */
  readonly defined: readonly Resource[];
  /** The cluster roles that the bindings bind, sorted. */
  readonly boundRoles: readonly string[];
  /** Kinds that neither Kubernetes has nor one of the CRDs defines, so that their plural is not known. */
  readonly unknown: readonly GroupKind[];
};

/** The kinds and names of `objects`. CRDs among them name the plurals of custom resources. */
export function describeRendered(objects: readonly KubeObject[]): Rendered {
  const plurals = pluralsOf(objects);
  const byKind = [...Map.groupBy(objects, (object) => groupKindKey(gvkOf(object))).values()];
  const described = byKind.map((those) => describeKind(those, plurals));
  const bindings = objects.filter(({ kind }) => kind === "ClusterRoleBinding");
  return {
    kinds: described.filter((one) => "plural" in one).toSorted(compareResources),
    defined: [...plurals.values()].toSorted(compareResources),
    boundRoles: sortedOnce(bindings.map((binding) => textOf(fieldsOf(binding["roleRef"])["name"]))),
    unknown: described.filter((one) => !("plural" in one)),
  };
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

function describeKind(
  objects: readonly KubeObject[],
  plurals: ReadonlyMap<string, Resource>,
): RenderedKind | GroupKind {
  const [first] = objects as readonly [KubeObject];
  const { group, kind } = gvkOf(first);
  const builtIn = isBuiltInGroup(first.apiVersion) ? builtInKinds.get(groupKindKey({ group, kind })) : undefined;
  const plural = builtIn?.plural ?? plurals.get(groupKindKey({ group, kind }))?.plural;
  if (plural === undefined) return { group, kind };
  const names = sortedOnce(objects.map(({ metadata }) => metadata.name));
  return { group, kind, plural, namespaced: first.metadata.namespace !== undefined, names };
}

function compareResources(left: Resource, right: Resource): number {
  const [a, b] = [left, right].map(({ group, plural }) => `${group} ${plural}`);
  return (a ?? "") < (b ?? "") ? -1 : 1;
}

function sortedOnce(names: readonly string[]): readonly string[] {
  return [...new Set(names)].toSorted();
}
