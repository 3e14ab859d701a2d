import type { ComponentName, ImageVariant } from "../distribution/release.ts";
/**
 * The one shape that the rest of the house reads: aliases folded, defaults filled in, registry without trailing slash.
 * `api/canonical.ts` makes it from what a user wrote; nothing else does.
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

export type Component = ComponentName;

export type DeletionPolicy = "Uninstall" | "KeepResources" | "Orphan";
export type Variant = ImageVariant;

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
  readonly digests: "Catalog" | "Registry";
  readonly requireDigests: boolean;
  readonly verify?: VerifySpec;
};

export type VerifySpec = {
  readonly provider: "cosign";
  readonly secretRef?: { readonly name: string };
  readonly matchOIDCIdentity?: readonly { readonly issuer: string; readonly subject: string }[];
  readonly trustedRootSecretRef?: { readonly name: string };
  readonly images?: boolean;
};

export type ClusterType = "kubernetes" | "openshift" | "aws" | "azure" | "gcp";

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

export type IdentitySpec = {
  readonly components: readonly Component[];
  readonly aws?: { readonly roleARN: string };
  readonly azure?: { readonly clientID: string; readonly tenantID?: string };
  readonly gcp?: { readonly serviceAccountEmail: string };
};

export type ProxySpec = { readonly http?: string; readonly https?: string; readonly noProxy?: readonly string[] };

export type ShardingSpec = {
  readonly key: string;
  readonly shards: readonly string[];
  readonly storage: "ephemeral" | "persistent";
};

export type StorageSpec = { readonly class: string; readonly size: string };

export type PatchTargetSpec = {
  readonly group?: string;
  readonly version?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly annotationSelector?: string;
};
export type PatchSpec = { readonly patch: string; readonly target?: PatchTargetSpec };

export type SyncSpec = {
  /** Name of the source and of the Kustomization; undefined means the namespace's name. */
  readonly name?: string;
  readonly kind: "OCIRepository" | "GitRepository" | "Bucket";
  readonly url: string;
  readonly ref: string;
  readonly path: string;
  /** A Go duration such as "1m", kept as text because it goes into the source object unchanged. */
  readonly interval: string;
  readonly pullSecret?: string;
  readonly provider?: "generic" | "aws" | "azure" | "gcp" | "github";
};

export type UpgradeSpec = {
  readonly paused: boolean;
  readonly rollback: boolean;
  readonly windows: readonly { readonly schedule: string; readonly duration: string; readonly timeZone: string }[];
};

export type DriftIgnoreSpec = { readonly target: PatchTargetSpec; readonly paths: readonly string[] };
