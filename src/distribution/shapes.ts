import { gte } from "semver";

/** What the official manifests have in different forms, depending on the release. */
export type Shapes = {
  /** Which limits of the container the Go runtime learns from its environment. */
  readonly goRuntimeLimits: readonly GoRuntimeLimit[];
  /** `app.kubernetes.io/part-of` is on every object of a component; before, only on its first CRD. */
  readonly partOfEverywhere: boolean;
  /** The recommended labels are on the pods, too. */
  readonly podLabels: boolean;
  /** CRDs are excluded from Flux's own variable substitution. */
  readonly crdsOptOutOfSubstitution: boolean;
  /** crd-controller may ask the API server whether it is alive. */
  readonly livenessPing: boolean;
  /** crd-controller may issue tokens of service accounts. */
  readonly serviceAccountTokens: boolean;
  /** crd-controller covers source-watcher: its API group and its service account. */
  readonly sourceWatcher: boolean;
  /** flux-edit and flux-view cover source-watcher's API group. */
  readonly sourceWatcherAggregation: boolean;
  /** allow-webhooks allows the receiver's port only. */
  readonly webhookPort: boolean;
};

/** An environment variable with a limit of the container. */
export type GoRuntimeLimit = { readonly variable: string; readonly resource: string };

const maxProcs: GoRuntimeLimit = { variable: "GOMAXPROCS", resource: "limits.cpu" };
const memoryLimit: GoRuntimeLimit = { variable: "GOMEMLIMIT", resource: "limits.memory" };

/** The shapes of release `version` ("2.9.4"). Versions later than we know get those of the newest one. */
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
