import { gte } from "semver";

/** What the official manifests have had in more than one form, as a release has it. */
export type Shapes = {
  /** Which limits of the container the Go runtime learns from its environment. */
  readonly goRuntimeLimits: readonly GoRuntimeLimit[];
  /** `app.kubernetes.io/part-of` on every object of a component; before, only its first CRD carried it. */
  readonly partOfEverywhere: boolean;
  /** Recommended labels on the pods too. */
  readonly podLabels: boolean;
  /** CRDs tell Flux's own variable substitution to keep away. */
  readonly crdsOptOutOfSubstitution: boolean;
  /** crd-controller may ask the API server whether it is alive. */
  readonly livenessPing: boolean;
  /** crd-controller may issue tokens of service accounts. */
  readonly serviceAccountTokens: boolean;
  /** crd-controller covers source-watcher: its API group and its service account. */
  readonly sourceWatcher: boolean;
  /** flux-edit and flux-view cover source-watcher's API group. */
  readonly sourceWatcherAggregation: boolean;
  /** allow-webhooks opens the receiver's port only. */
  readonly webhookPort: boolean;
};

export type GoRuntimeLimit = { readonly variable: string; readonly resource: string };

const maxProcs: GoRuntimeLimit = { variable: "GOMAXPROCS", resource: "limits.cpu" };
const memoryLimit: GoRuntimeLimit = { variable: "GOMEMLIMIT", resource: "limits.memory" };

/** The shapes of release `version` ("2.9.4"). Later versions than we know get those of the newest one. */
export function shapesOf(version: string): Shapes {
  const since = (first: string): boolean => gte(version, first);
  return {
    goRuntimeLimits: since("2.7.0") ? [memoryLimit] : since("2.3.0") ? [maxProcs, memoryLimit] : [],
    partOfEverywhere: since("2.4.0"),
    podLabels: since("2.7.0"),
    crdsOptOutOfSubstitution: since("2.9.1"),
    livenessPing: since("2.3.0"),
    serviceAccountTokens: since("2.6.0"),
    sourceWatcher: since("2.7.0"),
    sourceWatcherAggregation: since("2.7.4"),
    webhookPort: since("2.9.4"),
  };
}
