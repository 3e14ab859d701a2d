import { fieldsOf, listOf, textOf } from "../../../kube/fields.ts";
import type { JsonValue } from "../../../kube/object.ts";
import { enumerate } from "../../../std/shorten.ts";
import type { Right } from "./right.ts";

/** One thing that the API server allows or not: a verb on a resource, in the scope of the right that it stands for. */
export type Access = {
  readonly scope: Right["scope"];
  readonly verb: string;
  readonly group: string;
  /** Plural, with its subresource: "fluxinstances/status". */
  readonly resource: string;
  /** Absent: all objects. */
  readonly name?: string;
};

/** A rule of a SelfSubjectRulesReview. Absent lists are empty. */
export type Rule = {
  readonly verbs: readonly string[];
  readonly groups: readonly string[];
  readonly resources: readonly string[];
  /** Empty: all objects. */
  readonly names: readonly string[];
};

/** Every access that `right` gives, but for its optional verbs. */
export function accessesOf({ scope, group, resources, verbs, names, optional = [] }: Right): readonly Access[] {
  return verbs
    .filter((verb) => !optional.includes(verb))
    .flatMap((verb) => resources.map((resource): Access => ({ scope, verb, group, resource })))
    .flatMap((access) => (names === undefined ? [access] : names.map((name) => ({ ...access, name }))));
}

/** `status.resourceRules` of a SelfSubjectRulesReview. */
export function readRules(status: JsonValue | undefined): readonly Rule[] {
  return listOf(fieldsOf(status)["resourceRules"]).map((rule) => {
    const { verbs, apiGroups, resources, resourceNames } = fieldsOf(rule);
    return { verbs: texts(verbs), groups: texts(apiGroups), resources: texts(resources), names: texts(resourceNames) };
  });
}

function texts(list: JsonValue | undefined): readonly string[] {
  return listOf(list).map(textOf);
}

/** Whether `rule` allows the access. Source: Kubernetes' pkg/apis/rbac/v1/evaluation_helpers.go. */
export function allows({ verbs, groups, resources, names }: Rule, { verb, group, resource, name }: Access): boolean {
  const [, subresource] = resource.split("/");
  return (
    has(verbs, verb) &&
    has(groups, group) &&
    (has(resources, resource) || (subresource !== undefined && resources.includes(`*/${subresource}`))) &&
    (names.length === 0 || (name !== undefined && names.includes(name)))
  );
}

function has(list: readonly string[], item: string): boolean {
  return list.includes("*") || list.includes(item);
}

const shownNames = 5;

type Sentence = Pick<Access, "scope"> & {
  readonly verbs: readonly string[];
  readonly resources: readonly string[];
  readonly names: readonly string[];
};

/** What `accesses` are, in texts like "get, patch pods, services in gitops" and "bind clusterroles.rbac.authorization.k8s.io named a". Sorted. */
export function describeAccesses(accesses: readonly Access[], namespace: string): readonly string[] {
  const byVerb = groupBy(accesses, (access) => [access.scope, access.verb, fullName(access)]).map(
    ([one, all]): Sentence => ({
      scope: one.scope,
      verbs: [one.verb],
      resources: [fullName(one)],
      names: all.flatMap(({ name = [] }) => name).toSorted(),
    }),
  );
  const byResource = groupBy(byVerb, ({ scope, resources, names }) => [scope, ...resources, ...names]).map(
    ([{ scope, resources, names }, all]): Sentence => ({
      scope,
      verbs: all.flatMap(({ verbs }) => verbs),
      resources,
      names,
    }),
  );
  return groupBy(byResource, ({ scope, verbs, names }) => [scope, ...verbs, "", ...names])
    .map(([{ scope, verbs, names }, all]) => {
      const resources = all.flatMap((one) => one.resources).join(", ");
      const named = names.length === 0 ? "" : ` named ${enumerate(names, shownNames)}`;
      return `${verbs.join(", ")} ${resources}${named}${scope === "cluster" ? "" : ` in ${namespace}`}`;
    })
    .toSorted();
}

/** Those with the same words together, after the first of them. */
function groupBy<Item>(
  items: readonly Item[],
  wordsOf: (item: Item) => readonly string[],
): readonly (readonly [Item, readonly Item[]])[] {
  const groups = Map.groupBy(items, (item) => wordsOf(item).join(" "));
  return [...groups.values()].map((all) => [(all as [Item])[0], all]);
}

function fullName({ group, resource }: Pick<Access, "group" | "resource">): string {
  return group === "" ? resource : `${resource}.${group}`;
}
