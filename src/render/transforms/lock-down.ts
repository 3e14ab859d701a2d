import { appendArgs } from "../deployment.ts";
import { type Draft, mapControllers, mapKind, type RenderContext } from "../draft.ts";
import { setField } from "../edit.ts";
import { lockdownArgs } from "../profiles/tenancy.ts";

/** Applies `cluster.multitenant`: tenants may neither refer to objects in each other's namespaces nor use the permissions of the controllers. */
export function lockDown(drafts: readonly Draft[], { spec, release }: RenderContext): readonly Draft[] {
  if (!spec.cluster.multitenant) return drafts;
  const args = lockdownArgs(spec.cluster);
  const locked = mapControllers(drafts, (object, { component }) =>
    appendArgs(object, release.version, args[component] ?? []),
  );
  return mapKind(locked, "Kustomization", (object) =>
    setField(object, ["spec", "serviceAccountName"], "kustomize-controller"),
  );
}
