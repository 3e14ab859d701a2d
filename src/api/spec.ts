import type { DigestSource } from "../distribution/images.ts";
import type { ComponentName, ImageVariant } from "../distribution/release.ts";
import type { SyncRef } from "./schema/sync.ts";

/**
 * The only form of a spec that other rooms read: aliases folded, defaults filled in, registry without trailing slash. Only `api/canonical.ts`
 * makes it, from what a user has written.
 */
export type CanonicalSpec = {
  readonly distribution: DistributionSpec;
  readonly components: readonly Component[];
  readonly cluster: ClusterSpec;
  readonly sharding?: ShardingSpec;
  readonly storage?: StorageSpec;
  readonly commonMetadata: {
    readonly labels: { readonly [key: string]: string };
    readonly annotations: { readonly [key: string]: string };
  };
  readonly kustomize: { readonly patches: readonly PatchSpec[]; readonly strict: boolean };
  readonly sync?: SyncSpec;
  readonly wait: boolean;
  readonly migrateResources: boolean;
  readonly upgrade: UpgradeSpec;
  readonly driftIgnore: readonly DriftIgnoreSpec[];
};

/** The name of a Flux controller. */
export type Component = ComponentName;

/**
 * What the deletion of an instance removes. Uninstall: all of Flux, but no workload. KeepResources: not CRDs, custom resources and claims.
 * Orphan: nothing.
 */
export type DeletionPolicy = "Uninstall" | "KeepResources" | "Orphan";
/** A flavour of the controllers' images. */
export type Variant = ImageVariant;

/** Which Flux to install, and from where. */
export type DistributionSpec = {
  /** A semver range as the user wrote it. */
  readonly version: string;
  /** Image prefix without trailing slash. */
  readonly registry: string;
  readonly variant?: Variant;
  readonly imagePullSecret?: string;
  readonly source?: "Embedded";
  readonly artifact?: string;
  readonly artifactPullSecret?: string;
  readonly artifactCertSecretRef?: { readonly name: string };
  readonly artifactInsecure: boolean;
  readonly digests: DigestSource;
  readonly requireDigests: boolean;
  readonly verify?: VerifySpec;
};

/** The signatures that an artifact must have. */
export type VerifySpec = {
  readonly provider: "cosign";
  readonly secretRef?: { readonly name: string };
  readonly matchOIDCIdentity?: readonly { readonly issuer: string; readonly subject: string }[];
  readonly trustedRootSecretRef?: { readonly name: string };
  readonly images?: boolean;
};

/** The kind of cluster, with the names of v1alpha1 (eks, aks, gke) folded in. */
export type ClusterType = "kubernetes" | "openshift" | "aws" | "azure" | "gcp";

/** The cluster, and what Flux may do in it. */
export type ClusterSpec = {
  readonly type: ClusterType;
  readonly domain: string;
  readonly size?: "small" | "medium" | "large";
  readonly networkPolicy: boolean;
  readonly multitenant: boolean;
  readonly tenantDefaultServiceAccount: string;
  readonly objectLevelWorkloadIdentity: boolean;
  readonly multitenantWorkloadIdentity: boolean;
  readonly tenantDefaultDecryptionServiceAccount: string;
  readonly tenantDefaultKubeConfigServiceAccount: string;
  readonly identities: readonly IdentitySpec[];
  readonly proxy?: ProxySpec;
};

/** A cloud identity of some controllers; exactly one cloud is set. */
export type IdentitySpec = {
  readonly components: readonly Component[];
  readonly aws?: { readonly roleARN: string };
  readonly azure?: { readonly clientID: string; readonly tenantID?: string };
  readonly gcp?: { readonly serviceAccountEmail: string };
};

/** The proxy of the controllers. */
export type ProxySpec = { readonly http?: string; readonly https?: string; readonly noProxy?: readonly string[] };

/** The shards of the controllers. `key` is the label key that assigns an object to a shard. */
export type ShardingSpec = {
  readonly key: string;
  readonly shards: readonly string[];
  readonly storage: "ephemeral" | "persistent";
};

/** The volume of source-controller: StorageClass and size, a Kubernetes quantity. */
export type StorageSpec = { readonly class: string; readonly size: string };

/** Which objects a patch applies to: anchored regular expressions and selectors, as kustomize has them. */
export type PatchTargetSpec = {
  readonly group?: string;
  readonly version?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly annotationSelector?: string;
};
/** One patch: JSON6902 operations or a strategic merge patch, as YAML or JSON. */
export type PatchSpec = { readonly patch: string; readonly target?: PatchTargetSpec };

/** The source and the Kustomization that Flux starts with. */
export type SyncSpec = {
  /** Name of the source and of the Kustomization; undefined means the namespace's name. */
  readonly name?: string;
  readonly kind: "OCIRepository" | "GitRepository" | "Bucket";
  readonly url: string;
  readonly ref: string | SyncRef;
  readonly path: string;
  /** A Go duration such as "1m", kept as text because it goes into the source object unchanged. */
  readonly interval: string;
  readonly pullSecret?: string;
  readonly provider?: "generic" | "aws" | "azure" | "gcp" | "github";
  readonly verify?: SyncVerifySpec;
};

/** The signatures that the source must have, as `spec.verify` of a GitRepository (mode) or OCIRepository (the others but secretRef). */
export type SyncVerifySpec = {
  readonly provider?: "cosign" | "notation";
  readonly mode?: "head" | "HEAD" | "Tag" | "TagAndHEAD";
  readonly secretRef?: { readonly name: string };
  readonly matchOIDCIdentity?: readonly { readonly issuer: string; readonly subject: string }[];
  readonly trustedRootSecretRef?: { readonly name: string };
};

/** When upgrades may start, and whether a failed one is rolled back. `schedule` is cron with five fields, `duration` a Go duration. */
export type UpgradeSpec = {
  readonly paused: boolean;
  readonly rollback: boolean;
  readonly windows: readonly { readonly schedule: string; readonly duration: string; readonly timeZone: string }[];
};

/** Fields that other field managers may change, as JSON pointers. */
export type DriftIgnoreSpec = { readonly target: PatchTargetSpec; readonly paths: readonly string[] };
