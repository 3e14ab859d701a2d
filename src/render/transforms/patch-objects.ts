import { applyPatches } from "../../patch/apply-patches.ts";
import { refuseWrongTypes } from "../../patch/field-types.ts";
import type { Draft, RenderContext } from "../draft.ts";
import { buildFailed } from "../errors.ts";
import type { PatchReport } from "../rendering.ts";
import { refuseRenames } from "./fixed-names.ts";
import { whyAbsent, whyMissed } from "./why-absent.ts";

/** The patched drafts, and what each patch has matched. */
export type Patched = { readonly drafts: readonly Draft[]; readonly reports: readonly PatchReport[] };

/** Applies the user's patches in their order. Throws PatchError and, with `kustomize.strict`, RenderError for a patch that matches nothing. */
export function patchObjects(drafts: readonly Draft[], context: RenderContext): Patched {
  const { patches, strict } = context.spec.kustomize;
  if (patches.length === 0) return { drafts, reports: [] };
  const { resources, reports } = applyPatches(drafts, patches, {
    whyAbsent: (named, current) => whyAbsent(named, context) ?? whyMissed(named, current),
    refuse: (before, after) => {
      refuseRenames(before, after, drafts);
      refuseWrongTypes(before, after);
    },
  });
  const explained = reports.map((report) => explain(report, context));
  const idle = strict ? explained.find(({ matched }) => matched.length === 0) : undefined;
  if (idle !== undefined) throw matchesNothing(idle);
  return { drafts: resources, reports: explained };
}

function explain(report: PatchReport, context: RenderContext): PatchReport {
  const target = context.spec.kustomize.patches[report.index]?.target;
  const why = report.matched.length > 0 || target === undefined ? undefined : whyAbsent(target, context);
  return why === undefined ? report : { ...report, why };
}

function matchesNothing({ index, why }: PatchReport): Error {
  return buildFailed({
    field: `spec.kustomize.patches[${index}].target`,
    problem: why === undefined ? "matches no object" : `matches no object, because ${why}`,
    remedy: "correct the target, remove the patch, or set spec.kustomize.strict to false",
  });
}
