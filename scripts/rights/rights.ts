import { ownRights } from "../../src/controllers/flux-instance/rights/own-rights.ts";
import type { Rendered } from "../../src/controllers/flux-instance/rights/rendered.ts";
import { renderedIn } from "./rendered.ts";
import { renderedRights } from "../../src/controllers/flux-instance/rights/rendered-rights.ts";
import type { Right } from "../../src/controllers/flux-instance/rights/right.ts";

/**
 * Who writes the cluster roles of Flux: the operator, or somebody else, who applies them beside it. Then a patch takes them out of what the
 * instance renders.
 */
export type ClusterRoles = "own" | "external";

const rbacGroup = "rbac.authorization.k8s.io";

/** All that an operator in `namespace`, which writes the cluster roles of Flux, may do. Renders hundreds of instances, which takes seconds. */
export function rightsIn(namespace: string): readonly Right[] {
  return rightsFor(renderedIn(namespace), "own");
}

/** All that an operator may do that renders `rendered`: first what holds in the whole cluster, then what holds in its namespace. */
export function rightsFor(rendered: Rendered, clusterRoles: ClusterRoles): readonly Right[] {
  const all = [...ownRights, ...renderedRights(rendered)];
  const granted = clusterRoles === "own" ? all : all.filter((right) => !writesRoles(right));
  const everywhere = granted.filter(({ scope }) => scope === "cluster");
  const within = granted.filter(({ scope }) => scope === "namespace");
  return [...everywhere, ...within.map((right) => withoutCovered(right, everywhere))];
}

function writesRoles({ group, verbs }: Right): boolean {
  return group === rbacGroup && !verbs.includes("list");
}

/** The right without the verbs that hold in the whole cluster anyhow. */
function withoutCovered(right: Right, everywhere: readonly Right[]): Right {
  const wide = everywhere.filter(({ names, group }) => names === undefined && group === right.group);
  const isCovered = (verb: string): boolean =>
    right.resources.every((resource) =>
      wide.some(({ resources, verbs }) => resources.includes(resource) && verbs.includes(verb)),
    );
  return { ...right, verbs: right.verbs.filter((verb) => !isCovered(verb)) };
}
