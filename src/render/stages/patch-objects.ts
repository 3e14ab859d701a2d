import type { Draft, RenderContext } from "../draft.ts";
import { buildFailed } from "../errors.ts";
import type { PatchReport } from "../rendering.ts";

export type Patched = { readonly drafts: readonly Draft[]; readonly reports: readonly PatchReport[] };

/** The user's patches, in their order. */
export function patchObjects(drafts: readonly Draft[], { spec }: RenderContext): Patched {
  const { patches } = spec.kustomize;
  if (patches.length === 0) return { drafts, reports: [] };
  throw buildFailed({
    field: "spec.kustomize.patches",
    value: `[${patches.length}]`,
    problem: "cannot be applied by this build",
    remedy: "remove the patches",
  });
}
