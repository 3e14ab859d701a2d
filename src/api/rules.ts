/**
 * A static rule over one node of a FluxInstance: the same text is CEL in the CRD and is evaluated off-cluster.
 * Only CEL that every implementation has: no Kubernetes functions. Lists and texts it walks are bounded in the schema.
 */
export type Rule = {
  /**
   * Path of the node that is `self`: "" is the object, "[]" is each item of a list. The smallest node will do: the API server does not apply a
   * rule to a stored node that does not change.
   */
  readonly at: string;
  /** The field to blame, below the node. */
  readonly field?: string;
  readonly rule: string;
  /** Names the field, what is wrong, and the remedy. */
  readonly message: string;
};

/** Whether an optional text says something: "" is as good as absent. */
const given = (field: string) => `(has(self.${field}) && self.${field} != '')`;
const anyAlias = (a: string, b: string) => `!${given(a)} || !${given(b)} || self.${a} == self.${b}`;

const distribution: readonly Rule[] = [
  {
    at: "spec.distribution.registry",
    rule: "!self.contains('://') && !self.contains(' ')",
    message:
      "distribution.registry must be a registry host and path such as ghcr.io/fluxcd: remove the scheme (https://, oci://) and spaces",
  },
  {
    at: "spec.distribution",
    field: "imagePullSecret",
    rule: anyAlias("pullSecret", "imagePullSecret"),
    message:
      "distribution.pullSecret and distribution.imagePullSecret are two names of one field and have different values: keep one of them",
  },
  {
    at: "spec.distribution",
    field: "source",
    rule: `!${given("source")} || !${given("artifact")}`,
    message:
      "distribution.source Embedded and distribution.artifact contradict each other: remove source to use the artifact, or artifact to use the embedded releases",
  },
  {
    at: "spec.distribution",
    field: "digests",
    rule: `!${given("source")} || !has(self.digests) || self.digests != 'Registry'`,
    message:
      "distribution.digests Registry asks the registry, which distribution.source Embedded forbids: use digests Catalog, or remove source",
  },
  {
    at: "spec.distribution",
    field: "artifactInsecure",
    rule: "!has(self.artifactInsecure) || !self.artifactInsecure || !has(self.artifactCertSecretRef)",
    message:
      "distribution.artifactInsecure means plain HTTP, which uses no certificate: remove artifactInsecure or artifactCertSecretRef",
  },
  {
    at: "spec.distribution",
    field: "verify",
    rule: `!has(self.verify) || ${given("artifact")} || (has(self.verify.images) && self.verify.images)`,
    message:
      "distribution.verify has nothing to verify: set distribution.artifact, or verify.images to true, or remove verify",
  },
  {
    at: "spec.distribution.verify",
    field: "matchOIDCIdentity",
    rule: "!has(self.secretRef) || !has(self.matchOIDCIdentity)",
    message:
      "distribution.verify.secretRef (public keys) and distribution.verify.matchOIDCIdentity (keyless signatures) exclude each other: keep one of them",
  },
  {
    at: "spec.distribution.verify",
    rule: "has(self.secretRef) || has(self.matchOIDCIdentity) || has(self.trustedRootSecretRef)",
    message:
      "distribution.verify would accept any signature: set secretRef with public keys, or matchOIDCIdentity with the signers",
  },
];

const sharding: readonly Rule[] = [
  {
    at: "spec",
    field: "storage",
    rule: "!has(self.sharding) || !has(self.sharding.storage) || self.sharding.storage != 'persistent' || has(self.storage)",
    message:
      "sharding.storage persistent needs spec.storage: set storage.class and storage.size, or use sharding.storage ephemeral",
  },
  {
    at: "spec",
    field: "sharding",
    rule: "!has(self.sharding) || has(self.sharding.shards) || has(self.shards)",
    message: "sharding names no shards: list them in sharding.shards, or remove sharding",
  },
  {
    at: "spec",
    field: "shards",
    rule:
      "!has(self.shards) || !has(self.sharding) || !has(self.sharding.shards) || " +
      "(self.shards.all(s, s in self.sharding.shards) && self.sharding.shards.all(s, s in self.shards))",
    message: "shards and sharding.shards are two names of one field and have different values: keep one of them",
  },
];

const ofType = (field: string, types: string) => `(has(i.${field}) && has(self.type) && self.type in [${types}])`;

const cluster: readonly Rule[] = [
  {
    at: "spec.cluster",
    field: "multitenantWorkloadIdentity",
    rule:
      "!has(self.multitenantWorkloadIdentity) || !self.multitenantWorkloadIdentity || " +
      "(has(self.objectLevelWorkloadIdentity) && self.objectLevelWorkloadIdentity)",
    message:
      "cluster.multitenantWorkloadIdentity true needs cluster.objectLevelWorkloadIdentity true: set both, or remove multitenantWorkloadIdentity",
  },
  {
    at: "spec.cluster",
    field: "identities",
    rule:
      "!has(self.identities) || self.identities.all(i, " +
      `${ofType("aws", "'aws', 'eks'")} || ${ofType("azure", "'azure', 'aks'")} || ${ofType("gcp", "'gcp', 'gke'")})`,
    message:
      "cluster.identities has an identity of another cloud than cluster.type: use aws with type aws, azure with type azure, gcp with type gcp",
  },
  {
    at: "spec.cluster",
    field: "identities",
    rule: "!has(self.identities) || self.identities.all(i, i.components.all(c, self.identities.exists_one(j, c in j.components)))",
    message: "cluster.identities names a controller in two identities: a controller has one, remove it from the others",
  },
  {
    at: "spec.cluster.identities[]",
    rule: "(has(self.aws) ? 1 : 0) + (has(self.azure) ? 1 : 0) + (has(self.gcp) ? 1 : 0) == 1",
    message: "an item of cluster.identities must have exactly one of aws, azure and gcp",
  },
  {
    at: "spec.cluster.proxy",
    rule: `${given("http")} || ${given("https")}`,
    message: "cluster.proxy names no proxy: set http or https, or remove cluster.proxy",
  },
];

const sync: readonly Rule[] = [
  {
    at: "spec.sync.name",
    rule: "self == oldSelf",
    message: "sync.name cannot be changed: keep the old name, or remove sync first and add it again with the new name",
  },
  {
    at: "spec.sync",
    field: "provider",
    rule: "!has(self.provider) || self.provider != 'gcp' || self.kind != 'GitRepository'",
    message: "sync.provider gcp does not go with sync.kind GitRepository: use it with OCIRepository or Bucket",
  },
  {
    at: "spec.sync",
    field: "provider",
    rule: "!has(self.provider) || self.provider != 'github' || self.kind == 'GitRepository'",
    message: "sync.provider github works with sync.kind GitRepository only: change the kind, or use another provider",
  },
  {
    at: "spec.sync",
    field: "url",
    rule: "self.kind != 'OCIRepository' || self.url.startsWith('oci://')",
    message: "sync.url of an OCIRepository must start with oci://",
  },
  {
    at: "spec.sync",
    field: "url",
    rule: "self.kind != 'GitRepository' || self.url.startsWith('https://') || self.url.startsWith('http://') || self.url.startsWith('ssh://')",
    message: "sync.url of a GitRepository must start with https://, http:// or ssh://",
  },
];

/** `verify` is that of Flux's own source, whose kinds take different fields. */
const syncVerify: readonly Rule[] = [
  {
    at: "spec.sync",
    field: "verify",
    rule: "!has(self.verify) || self.kind != 'Bucket'",
    message: "sync.verify does not go with sync.kind Bucket, which has no signatures: remove it, or use another kind",
  },
  {
    at: "spec.sync",
    field: "verify",
    rule: "!has(self.verify) || self.kind != 'GitRepository' || has(self.verify.secretRef)",
    message:
      "sync.verify of a GitRepository needs secretRef with the public keys of the signers: set it, or remove verify",
  },
  {
    at: "spec.sync",
    field: "verify",
    rule:
      "!has(self.verify) || self.kind != 'GitRepository' || !((has(self.verify.provider) && self.verify.provider != '') || " +
      "has(self.verify.matchOIDCIdentity) || has(self.verify.trustedRootSecretRef))",
    message:
      "sync.verify of a GitRepository takes mode and secretRef only: remove provider, matchOIDCIdentity and trustedRootSecretRef",
  },
  {
    at: "spec.sync",
    field: "verify",
    rule: "!has(self.verify) || self.kind != 'OCIRepository' || !has(self.verify.mode) || self.verify.mode == ''",
    message: "sync.verify.mode is for a GitRepository: remove it",
  },
  {
    at: "spec.sync",
    field: "verify",
    rule:
      "!has(self.verify) || self.kind != 'OCIRepository' || has(self.verify.secretRef) || " +
      "((has(self.verify.matchOIDCIdentity) || has(self.verify.trustedRootSecretRef)) && " +
      "!(has(self.verify.provider) && self.verify.provider == 'notation'))",
    message:
      "sync.verify would accept any signature: set secretRef with the signers' keys or certificates, or, with cosign, matchOIDCIdentity with the signers",
  },
  {
    at: "spec.sync.verify",
    field: "matchOIDCIdentity",
    rule: "!has(self.secretRef) || !has(self.matchOIDCIdentity)",
    message:
      "sync.verify.secretRef (public keys) and sync.verify.matchOIDCIdentity (keyless signatures) exclude each other: keep one of them",
  },
];

const upgrade: readonly Rule[] = [
  {
    at: "spec.upgrade.windows[]",
    field: "duration",
    rule: "duration(self.duration) > duration('0s')",
    message: "duration of an item of upgrade.windows must be more than 0: write for example 2h",
  },
];

/** All static rules, in the order in which their problems are reported. */
export const rules: readonly Rule[] = [
  {
    at: "",
    field: "metadata.name",
    rule: "self.metadata.name == 'flux'",
    message: "metadata.name must be flux: a cluster has one FluxInstance, rename this one",
  },
  ...distribution,
  ...sharding,
  ...cluster,
  ...sync,
  ...syncVerify,
  ...upgrade,
];

/** Whether a rule compares with the stored object, which only the API server has. */
export function isTransition({ rule }: Rule): boolean {
  return /\boldSelf\b/.test(rule);
}
