import type { Component, IdentitySpec } from "../../api/spec.ts";
import { podTemplate } from "../deployment.ts";
import { type Draft, isController, type RenderContext } from "../draft.ts";
import { mergeField } from "../edit.ts";
import { buildFailed } from "../errors.ts";
import { type IdentityMarks, identityMarks } from "../profiles/cloud-identity.ts";

/**
 * Applies `cluster.identities`: marks the ServiceAccounts and pods of the named controllers and their shards for the cloud's workload identity.
 * A controller that is not installed is skipped. Throws RenderError for a controller with two identities.
 */
export function useCloudIdentity(drafts: readonly Draft[], { spec }: RenderContext): readonly Draft[] {
  if (spec.cluster.identities.length === 0) return drafts;
  const marks = marksByComponent(spec.cluster.identities);
  return drafts.map((draft) => {
    const own = draft.component === undefined ? undefined : marks.get(draft.component);
    return own === undefined ? draft : mark(draft, own);
  });
}

function mark(draft: Draft, { accountAnnotations, podLabels }: IdentityMarks): Draft {
  if (draft.object.kind === "ServiceAccount") {
    return { ...draft, object: mergeField(draft.object, ["metadata", "annotations"], accountAnnotations) };
  }
  if (!isController(draft)) return draft;
  return { ...draft, object: mergeField(draft.object, [...podTemplate, "metadata", "labels"], podLabels) };
}

function marksByComponent(identities: readonly IdentitySpec[]): ReadonlyMap<Component, IdentityMarks> {
  const marks = new Map<Component, IdentityMarks>();
  for (const [index, identity] of identities.entries()) {
    for (const component of identity.components) {
      if (marks.has(component)) throw twoIdentities(index, component);
      marks.set(component, identityMarks(identity));
    }
  }
  return marks;
}

function twoIdentities(index: number, component: Component): Error {
  return buildFailed({
    field: `spec.cluster.identities[${index}].components`,
    value: component,
    problem: "already has an identity",
    remedy: "name each controller in one identity only",
  });
}
