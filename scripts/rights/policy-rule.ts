import type { Right } from "../../src/controllers/flux-instance/rights/right.ts";

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
