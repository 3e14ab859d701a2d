// Tests: src/controllers/flux-instance/preflight/rights.test.ts, test/integration/missing-rights.test.ts
import type { KubeObject } from "../../../kube/object.ts";
import { accessesOf, type Access } from "./access.ts";
import { ownRights } from "./own-rights.ts";
import { describeRendered } from "./rendered.ts";
import { renderedRights } from "./rendered-rights.ts";

/** What an operator needs to be allowed, by when it is needed. */
export type NeededAccess = {
  /** For an apply, from the first look to the status of the success. */
  readonly now: readonly Access[];
  /** Only to prune, to recreate and to uninstall. */
  readonly toDelete: readonly Access[];
  /** Only where a role of the plan allows what the operator may not do itself. */
  readonly toGrant: readonly Access[];
};

const grantVerbs = new Set(["bind", "escalate"]);

/** What an operator needs for an instance that consists of `objects`. */
export function neededFor(objects: readonly KubeObject[]): NeededAccess {
  const all = [...ownRights, ...renderedRights(describeRendered(objects))].flatMap(accessesOf);
  return {
    now: all.filter(({ verb }) => verb !== "delete" && !grantVerbs.has(verb)),
    toDelete: all.filter(({ verb }) => verb === "delete"),
    toGrant: all.filter(({ verb }) => grantVerbs.has(verb)),
  };
}
