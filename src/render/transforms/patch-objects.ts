import { applyPatches } from "../../patch/apply-patches.ts";
import type { Draft, RenderContext } from "../draft.ts";
import { buildFailed } from "../errors.ts";
import type { PatchReport } from "../rendering.ts";

/** The patched drafts, and what each patch has matched. */
export type Patched = { readonly drafts: readonly Draft[]; readonly reports: readonly PatchReport[] };

/** Applies the user's patches in their order. Throws PatchError and, with `kustomize.strict`, RenderError for a patch that matches nothing. */
export function patchObjects(drafts: readonly Draft[], { spec }: RenderContext): Patched {
  const { patches, strict } = spec.kustomize;
  if (patches.length === 0) return { drafts, reports: [] };
  const { resources, reports } = applyPatches(drafts, patches);
  const idle = strict ? reports.find(({ matched }) => matched.length === 0) : undefined;
  if (idle !== undefined) throw matchesNothing(idle.index);
  return { drafts: resources, reports };
}

function matchesNothing(index: number): Error {
  return buildFailed({
    field: `spec.kustomize.patches[${index}].target`,
    problem: "matches no object",
    remedy: "correct the target, remove the patch, or set spec.kustomize.strict to false",
  });
}
