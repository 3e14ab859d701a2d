import type { AuditEvent } from "../../scripts/control-plane/audit.ts";
import type { Rest } from "../../scripts/control-plane/rest.ts";
import type { Right } from "../../src/controllers/flux-instance/rights/right.ts";
import { fieldsOf, listOf } from "../../src/kube/fields.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { systemClock } from "../../src/std/clock.ts";

/** A request for a resource, as RBAC sees it. Absent fields are empty. */
export type ResourceRequest = {
  readonly verb: string;
  readonly group: string;
  /** With its subresource: "fluxinstances/status". */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
};

/**
 * What an event of the audit log asks RBAC for: nothing for paths that are no resources, such as discovery, and for reviews, which everybody may ask for; twice for an apply of an object
 * that was absent, which has to be allowed as `create` too.
 */
export function requestsOf({ verb, objectRef, responseStatus }: AuditEvent): readonly ResourceRequest[] {
  if (objectRef?.resource === undefined || objectRef.apiGroup === "authorization.k8s.io") return [];
  const { apiGroup = "", resource, subresource, namespace = "", name = "" } = objectRef;
  const full = subresource === undefined ? resource : `${resource}/${subresource}`;
  const request = { verb, group: apiGroup, resource: full, namespace, name };
  return verb === "patch" && responseStatus?.code === 201 ? [request, { ...request, verb: "create" }] : [request];
}

/** Whether the right allows the request, for an operator in `ownNamespace`. Source: Kubernetes' plugin/pkg/auth/authorizer/rbac. */
export function allows(right: Right, request: ResourceRequest, ownNamespace: string): boolean {
  return (
    right.verbs.includes(request.verb) &&
    right.group === request.group &&
    right.resources.includes(request.resource) &&
    (right.names === undefined || right.names.includes(request.name)) &&
    (right.scope === "cluster" || request.namespace === ownNamespace)
  );
}

/** "patch deployments.apps flux-system/source-controller" */
export function describeRequest({ verb, group, resource, namespace, name }: ResourceRequest): string {
  return `${verb} ${group === "" ? resource : `${resource}.${group}`} ${namespace}/${name}`;
}

/** A rule of the installed roles: its scope, and its position in the role of that scope. */
export type RulePosition = { readonly scope: Right["scope"]; readonly position: number };

const rbac = "/apis/rbac.authorization.k8s.io/v1";

/** The user that `grantAllBut` gives the rights of the operator without that rule. */
export function userWithout({ scope, position }: RulePosition): string {
  return `without-${scope}-${position}`;
}

/** Gives `userWithout(rule)` what the installed roles in `namespace` give the operator, that rule aside. */
export async function grantAllBut(rest: Rest, rule: RulePosition, namespace: string): Promise<void> {
  const user = userWithout(rule);
  const apiGroup = "rbac.authorization.k8s.io";
  const subjects = [{ apiGroup, kind: "User", name: user }];
  for (const { scope, kind, path } of [
    { scope: "cluster", kind: "ClusterRole", path: rbac },
    { scope: "namespace", kind: "Role", path: `${rbac}/namespaces/${namespace}` },
  ] as const) {
    const plural = `${kind.toLowerCase()}s`;
    const installed = listOf((await rest.get(`${path}/${plural}/flux-operator-manager`))["rules"]) as JsonObject[];
    const rules = installed.filter((_, position) => rule.scope !== scope || rule.position !== position);
    const metadata = { name: user };
    const apiVersion = `${apiGroup}/v1`;
    await rest.create(`${path}/${plural}`, { apiVersion, kind, metadata, rules });
    const roleRef = { apiGroup, kind, name: user };
    const binding = { apiVersion, kind: `${kind}Binding`, metadata, roleRef, subjects };
    await rest.create(`${path}/${kind.toLowerCase()}bindings`, binding);
  }
}

/** What the API server's authorizer says. */
export async function isAllowed(rest: Rest, user: string, request: ResourceRequest): Promise<boolean> {
  const [resource = "", subresource = ""] = request.resource.split("/");
  const { verb, group, namespace, name } = request;
  const review = await rest.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    spec: { user, resourceAttributes: { verb, group, resource, subresource, namespace, name } },
  });
  return fieldsOf(review["status"])["allowed"] === true;
}

/** A role and its binding count a moment after they were written. */
export async function untilAllowed(rest: Rest, user: string, request: ResourceRequest): Promise<void> {
  const deadline = AbortSignal.timeout(30_000);
  while (!(await isAllowed(rest, user, request))) await systemClock.sleep(20, deadline);
}
