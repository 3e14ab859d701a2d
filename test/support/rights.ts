import type { AuditEvent } from "../../scripts/control-plane/audit.ts";
import type { Right } from "../../src/controllers/flux-instance/rights/right.ts";

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
