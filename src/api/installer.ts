import { labels, objectAnnotations, operatorName } from "./names.ts";

/** The names by which a Flux of ours is recognised, for the room `apply` (`apply/installer.ts`). */
export const installer = {
  fieldManager: operatorName,
  migrationManager: `${operatorName}-migration`,
  podSelector: `${labels.partOf}=flux`,
  /**
   * The field managers of tools that install Flux or edit it by hand. `flux` only for Apply: its Updates are `flux suspend` and `flux
   * reconcile`. `kubectl-rollout` is left out: a restart says nothing about what should run, and undoing it would be another restart.
   */
  previousManagers: [
    { name: /^kubectl(?!-rollout)/ },
    { name: "before-first-apply" },
    { name: "helm" },
    { name: "kustomize-controller", operation: "Apply" },
    { name: "flux", operation: "Apply" },
  ],
  staleMarks: {
    annotations: [
      "kubectl.kubernetes.io/last-applied-configuration",
      "meta.helm.sh/release-name",
      "meta.helm.sh/release-namespace",
    ],
    labels: ["kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace"],
  },
  userAnnotations: [objectAnnotations.prune, "reconcile.fluxcd.io/requestedAt", "reconcile.fluxcd.io/forceAt"],
} as const;
