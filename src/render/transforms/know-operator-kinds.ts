import { fieldsOf, listOf, textOf } from "../../kube/fields.ts";
import type { JsonValue, KubeObject } from "../../kube/object.ts";
import { nameObject } from "../../kube/object-id.ts";
import type { Draft, RenderContext } from "../draft.ts";
import { edit, readField } from "../edit.ts";
import { notUnderstood } from "../errors.ts";

/** The operator's kinds, which notification-controller may watch and trigger like Flux's own. */
const operatorKinds = ["FluxInstance", "ResourceSet", "ResourceSetInputProvider"];

/** CRDs that list the kinds they accept, and the field of `spec` with that list. */
export const kindLists: { readonly [crd: string]: string } = {
  "alerts.notification.toolkit.fluxcd.io": "eventSources",
  "receivers.notification.toolkit.fluxcd.io": "resources",
};

/** With notification-controller, lets Alerts and Receivers accept the operator's kinds, and lets the controllers read these. */
export function knowOperatorKinds(drafts: readonly Draft[], { spec, release }: RenderContext): readonly Draft[] {
  if (!spec.components.includes("notification-controller")) return drafts;
  if (!drafts.some(isControllerRole)) throw notUnderstood(release.version, "rbac", "ClusterRole crd-controller");
  return drafts.map((draft) => {
    const { object } = draft;
    if (isControllerRole(draft)) {
      return { ...draft, object: edit<KubeObject>(object, ["rules"], (rules) => [...listOf(rules), operatorRule]) };
    }
    const field = object.kind === "CustomResourceDefinition" ? kindLists[object.metadata.name] : undefined;
    return field === undefined ? draft : { ...draft, object: acceptKinds(object, field, release.version) };
  });
}

function isControllerRole({ object, previousNames }: Draft): boolean {
  return object.kind === "ClusterRole" && previousNames?.includes("crd-controller") === true;
}

const operatorRule = { apiGroups: ["fluxcd.controlplane.io"], resources: ["*"], verbs: ["*"] };

/** One result for each CRD of a release, so that results by the identity of a CRD can be memoised. */
const accepted = new WeakMap<KubeObject, KubeObject>();

function acceptKinds(crd: KubeObject, field: string, version: string): KubeObject {
  const known = accepted.get(crd);
  if (known !== undefined) return known;
  const versions = listOf(readField(crd, ["spec", "versions"]));
  const changed = edit(crd, ["spec", "versions"], () =>
    versions.map((served) => edit(fieldsOf(served), enumPath(field), (kinds) => addKinds(kinds, crd, version))),
  );
  accepted.set(crd, changed);
  return changed;
}

function enumPath(field: string): readonly string[] {
  const specProperties = ["schema", "openAPIV3Schema", "properties", "spec", "properties"];
  return [...specProperties, field, "items", "properties", "kind", "enum"];
}

function addKinds(kinds: JsonValue | undefined, crd: KubeObject, version: string): JsonValue {
  const present = listOf(kinds).map(textOf);
  if (present.length === 0) throw notUnderstood(version, nameObject(crd), "list of kinds");
  return [...present, ...operatorKinds.filter((kind) => !present.includes(kind))];
}
