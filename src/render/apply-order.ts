import { gvkOf } from "../kube/gvk.ts";
import type { KubeObject } from "../kube/object.ts";
import { applyPlaceOf, compareForApply, type ApplyStage } from "../kube/order.ts";

/**
 * The stages in which Flux is applied. They are those of `kube/order.ts`, except that source-controller comes before the other controllers, so
 * that artifacts are served before these ask for them.
 */
export const fluxStages = ["definitions", "foundation", "sources", "controllers", "sync", "webhooks"] as const;
/** One of `fluxStages`. */
export type FluxStage = (typeof fluxStages)[number];

const names: { readonly [stage in Exclude<ApplyStage, "workloads">]: FluxStage } = {
  definitions: "definitions",
  foundation: "foundation",
  customResources: "sync",
  webhooks: "webhooks",
};

/** The stage in which the operator applies an object of Flux. */
export function fluxStageOf(object: KubeObject): FluxStage {
  const { stage } = applyPlaceOf(gvkOf(object));
  if (stage !== "workloads") return names[stage];
  // By its name, which no patch may change; the labels may be those of `commonMetadata`.
  return /^source-controller(-|$)/.test(object.metadata.name) ? "sources" : "controllers";
}

/** Orders objects of Flux as the operator applies them: by stage, then by kind and id. */
export function compareForFluxApply(left: KubeObject, right: KubeObject): number {
  const byStage = fluxStages.indexOf(fluxStageOf(left)) - fluxStages.indexOf(fluxStageOf(right));
  return byStage === 0 ? compareForApply(left, right) : byStage;
}
