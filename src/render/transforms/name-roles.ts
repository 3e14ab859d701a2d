import type { Release } from "../../distribution/release.ts";
import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import type { JsonValue, KubeObject } from "../../kube/object.ts";
import type { Draft, RenderContext } from "../draft.ts";
import { edit, setField } from "../edit.ts";

/** The namespace that the official manifests are written for. */
export const officialNamespace = "flux-system";

/**
 * Appends "-<namespace>" to the names of the objects in `rbac.yaml`, so that installations in several namespaces do not collide, and points the
 * bindings at the roles' new names and at the ServiceAccounts of the instance's namespace.
 */
export function nameRoles(drafts: readonly Draft[], { release, instance }: RenderContext): readonly Draft[] {
  const suffix = `-${instance.namespace}`;
  const roles = roleNames(release);
  return drafts.map((draft) => {
    if (!release.rbac.includes(draft.object)) return draft;
    const { name } = draft.object.metadata;
    const renamed = setField(draft.object, ["metadata", "name"], name + suffix);
    return { ...draft, previousNames: [name], object: bind(renamed, { suffix, roles, namespace: instance.namespace }) };
  });
}

type Binding = { readonly suffix: string; readonly roles: ReadonlySet<string>; readonly namespace: string };

function bind(object: KubeObject, { suffix, roles, namespace }: Binding): KubeObject {
  if (object["roleRef"] === undefined) return object;
  const withRole = edit(object, ["roleRef", "name"], (name) =>
    roles.has(textOf(name)) ? textOf(name) + suffix : name,
  );
  return edit(withRole, ["subjects"], (subjects) => listOf(subjects).map((subject) => moveSubject(subject, namespace)));
}

function moveSubject(subject: JsonValue, namespace: string): JsonValue {
  const fields = fieldsOf(subject);
  return fields["namespace"] === officialNamespace ? { ...fields, namespace } : subject;
}

function roleNames(release: Release): ReadonlySet<string> {
  return new Set(
    release.rbac.filter(({ kind }) => kind === "ClusterRole" || kind === "Role").map(({ metadata }) => metadata.name),
  );
}
