// Tests: src/controllers/flux-instance/preflight/rights.test.ts, test/integration/missing-rights.test.ts
import { staleObjects, inventoryOf } from "../../../apply/inventory.ts";
import { requestLimit } from "../../../apply/request.ts";
import type { ApiClient } from "../../../client/api-client.ts";
import { mapConcurrent } from "../../../std/concurrent.ts";
import { allows, describeAccesses, readRules, type Access, type Rule } from "../rights/access.ts";
import { neededFor, type NeededAccess } from "../rights/needed.ts";
import { refuse, warn, type Finding, type Subject } from "./subject.ts";

type Client = Pick<ApiClient, "review">;

/** What of the needed access the operator does not have. */
export type MissingAccess = NeededAccess;

/** No namespace can be called so: what is allowed in it is allowed in every namespace, and for kinds without one. */
const noNamespace = "-";

/**
 * What the operator needs for the plan and may not do. The rules reviews answer for nearly all of it with two requests; they do not know what
 * other authorizers than RBAC allow, so that what they lack is asked for one by one. Throws as ApiClient.
 */
export async function findMissing(
  { target, world }: Subject,
  client: Client,
  signal: AbortSignal,
): Promise<MissingAccess> {
  const { namespace } = world.key;
  const [within, everywhere] = await Promise.all([
    rulesIn(namespace, client, signal),
    rulesIn(noNamespace, client, signal),
  ]);
  const missingOf = async (accesses: readonly Access[]): Promise<readonly Access[]> => {
    const open = accesses.filter((access) => {
      const rules = access.scope === "cluster" ? everywhere : within;
      return !rules.some((rule) => allows(rule, access));
    });
    const found = await mapConcurrent(open, requestLimit, async (access) =>
      (await isAllowed(access, namespace, client, signal)) ? [] : [access],
    );
    return found.flat();
  };
  const { now, toDelete, toGrant } = neededFor(target.rendering.objects);
  return { now: await missingOf(now), toDelete: await missingOf(toDelete), toGrant: await missingOf(toGrant) };
}

async function rulesIn(namespace: string, client: Client, signal: AbortSignal): Promise<readonly Rule[]> {
  return readRules(await client.review("SelfSubjectRulesReview", { namespace }, signal));
}

async function isAllowed(access: Access, ownNamespace: string, client: Client, signal: AbortSignal): Promise<boolean> {
  const { scope, verb, group, resource: full, name } = access;
  const [resource = "", subresource] = full.split("/");
  const resourceAttributes = {
    verb,
    group,
    resource,
    ...(subresource === undefined ? {} : { subresource }),
    ...(name === undefined ? {} : { name }),
    ...(scope === "cluster" ? {} : { namespace: ownNamespace }),
  };
  const { allowed } = await client.review("SelfSubjectAccessReview", { resourceAttributes }, signal);
  return allowed === true;
}

const remedy = "give it the rules that its manifests and its chart have (docs/security.md)";

/** Refuses a plan that would fail half-way for lack of a right, naming each, and warns of rights that only a removal needs. */
export function judgeRights(
  missing: MissingAccess,
  { target, world, planned, isForbidden }: Subject,
): readonly Finding[] {
  const { namespace } = world.key;
  const recorded = world.recorded.inventory?.entries ?? [];
  const deletes =
    planned.some(({ action }) => action === "recreate") ||
    staleObjects(recorded, inventoryOf(target.rendering.objects)).length > 0;
  const refused = [...missing.now, ...(deletes ? missing.toDelete : []), ...(isForbidden ? missing.toGrant : [])];
  const later = deletes ? [] : describeAccesses(missing.toDelete, namespace);
  return [
    ...(refused.length === 0
      ? []
      : [refuse(`the operator may not ${describeAccesses(refused, namespace).join("; ")}; ${remedy}`)]),
    ...(later.length === 0
      ? []
      : [warn(`the operator may not ${later.join("; ")}, so that it can neither prune nor uninstall; ${remedy}`)]),
  ];
}
