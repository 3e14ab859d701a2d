/**
 * One rule of RBAC, and why the operator has it. `cluster` rules hold in all namespaces and for kinds without one; `namespace` rules only in
 * the namespace that the operator runs in.
 */
export type Right = {
  readonly scope: "cluster" | "namespace";
  readonly group: string;
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  /** The only objects that the rule is about; absent where it is about all. */
  readonly names?: readonly string[];
  /** What the operator does with it, as the end of "The operator may, because ...". */
  readonly why: string;
  /** Verbs that no request of test/integration/rights.test.ts needs, and what needs them instead. */
  readonly unseen?: { readonly verbs: readonly string[]; readonly because: string };
};

/** A rule as it stands in a ClusterRole or a Role. */
export type PolicyRule = {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
};

/** The rules of one scope, in the order of `rights`. */
export function rulesOf(rights: readonly Right[], scope: Right["scope"]): readonly PolicyRule[] {
  return rights.filter((right) => right.scope === scope).map(ruleOf);
}

function ruleOf({ group, resources, verbs, names }: Right): PolicyRule {
  return {
    apiGroups: [group],
    resources,
    ...(names === undefined ? {} : { resourceNames: names }),
    verbs,
  };
}
