import type { ClusterSpec, Component } from "../../api/spec.ts";
import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import type { JsonValue, KubeObject } from "../../kube/object.ts";
import { nameObject } from "../../kube/object-id.ts";
import { deepEqual } from "../../std/json.ts";
import { appendArgs } from "../deployment.ts";
import { type Draft, mapControllers, type RenderContext } from "../draft.ts";
import { setField } from "../edit.ts";
import { buildFailed, notUnderstood } from "../errors.ts";
import { tenantIdentityArgs } from "../profiles/tenancy.ts";
import { isAtLeast } from "../version.ts";

const gated: readonly Component[] = [
  "source-controller",
  "kustomize-controller",
  "notification-controller",
  "image-reflector-controller",
  "image-automation-controller",
];

/**
 * Turns object-level and multitenant workload identity on or off. Flux 2.6 has the feature gate off by default, later releases get it set
 * either way; without the feature no controller may create ServiceAccount tokens. Throws RenderError.
 */
export function grantIdentity(drafts: readonly Draft[], { spec, release }: RenderContext): readonly Draft[] {
  const { cluster } = spec;
  checkIdentity(cluster, release.version);
  const enabled = cluster.objectLevelWorkloadIdentity;
  if (enabled) checkTokenRule(drafts, release.version);
  const granted = enabled ? drafts : drafts.map((draft) => withoutTokenRule(draft, release.version));
  if (!isAtLeast(release.version, [2, 7]) && !enabled) return granted;
  const components = isAtLeast(release.version, [2, 7]) ? [...gated, "helm-controller"] : gated;
  const gate = `--feature-gates=ObjectLevelWorkloadIdentity=${enabled}`;
  const tenantArgs = cluster.multitenantWorkloadIdentity ? tenantIdentityArgs(cluster) : {};
  return mapControllers(granted, (object, { component }) => {
    const args = components.includes(component) ? [gate] : [];
    return appendArgs(object, release.version, [...args, ...(tenantArgs[component] ?? [])]);
  });
}

function checkIdentity(cluster: ClusterSpec, version: string): void {
  const rules = [
    { field: "objectLevelWorkloadIdentity", since: [2, 6] },
    { field: "multitenantWorkloadIdentity", since: [2, 7] },
  ] as const;
  for (const { field, since } of rules) {
    if (!cluster[field] || isAtLeast(version, since)) continue;
    throw buildFailed({
      field: `spec.cluster.${field}`,
      value: "true",
      problem: `needs Flux ${since.join(".")} or later, and ${version} is selected`,
      remedy: "raise spec.distribution.version or set the field to false",
    });
  }
}

/** Identities of objects need tokens, whatever the feature gate says. */
function checkTokenRule(drafts: readonly Draft[], version: string): void {
  const roles = drafts.filter(({ object }) => object.kind === "ClusterRole");
  if (roles.some(({ object }) => listOf(object["rules"]).some(isTokenRule))) return;
  throw notUnderstood(version, "rbac", tokenRule);
}

const tokenRule = "rule of its own for serviceaccounts/token";

/** Releases before 2.6 have no such rule. One that grants the permission among others would keep it, so it is refused. */
function withoutTokenRule(draft: Draft, version: string): Draft {
  if (draft.object.kind !== "ClusterRole") return draft;
  const rules = listOf(draft.object["rules"]);
  const kept = rules.filter((rule) => !isTokenRule(rule));
  if (kept.some(grantsTokens)) {
    throw notUnderstood(version, nameObject(draft.object), tokenRule);
  }
  if (kept.length === rules.length) return draft;
  return { ...draft, object: setField<KubeObject>(draft.object, ["rules"], kept) };
}

/** Whether a rule grants the creation of ServiceAccount tokens, and nothing else. */
function isTokenRule(rule: JsonValue): boolean {
  const { resources, verbs } = fieldsOf(rule);
  return deepEqual(resources, ["serviceaccounts/token"]) && deepEqual(verbs, ["create"]);
}

/** Names under which RBAC grants the subresource. */
const tokenResources: ReadonlySet<string> = new Set(["serviceaccounts/token", "*/token", "*"]);

function grantsTokens(rule: JsonValue): boolean {
  const { apiGroups, resources, verbs } = fieldsOf(rule);
  const ofCore = listOf(apiGroups).some((group) => group === "" || group === "*");
  const creates = listOf(verbs).some((verb) => verb === "create" || verb === "*");
  return ofCore && creates && listOf(resources).some((resource) => tokenResources.has(textOf(resource)));
}
