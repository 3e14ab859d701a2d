import type { JsonObject, JsonValue } from "../../src/kube/object.ts";

/** A FluxInstance that must not get in: `field` is blamed off-cluster, `says` is part of the answer of both. */
export type RefusedCase = {
  readonly name: string;
  readonly instance: JsonValue;
  readonly field: string;
  readonly says: Says;
};
/** One text for both sides, or the API server's and ours. */
type Says = string | { readonly server: string; readonly us: string };
export type AcceptedCase = { readonly name: string; readonly instance: JsonObject };

export const distribution = { version: "2.x", registry: "ghcr.io/fluxcd" };
const sync = { kind: "GitRepository", url: "https://host/fleet", ref: "refs/heads/main", path: "clusters/a" };
const key = { secretRef: { name: "keys" } };
const aws = { aws: { roleARN: "arn:aws:iam::123456789012:role/flux" } };
const azure = { azure: { clientID: "11111111-2222-3333-4444-555555555555" } };
const gcp = { gcp: { serviceAccountEmail: "flux@project.iam.gserviceaccount.com" } };
const source = ["source-controller"];

export function instanceOf(spec: JsonValue, name = "flux"): JsonObject {
  return {
    apiVersion: "fluxcd.controlplane.io/v1",
    kind: "FluxInstance",
    metadata: { name, namespace: "flux-system" },
    spec,
  };
}

function withSpec(spec: JsonObject): JsonObject {
  return instanceOf({ distribution, ...spec });
}

function withDistribution(fields: JsonObject): JsonObject {
  return instanceOf({ distribution: { ...distribution, ...fields } });
}

function withWindow(fields: JsonObject): JsonObject {
  return withSpec({ upgrade: { windows: [{ schedule: "0 3 * * *", duration: "2h", ...fields }] } });
}

const pattern = (us: string) => ({ server: "should match", us });
const notAllowed = { server: "Unsupported value", us: "is none of those allowed" };

const ociSync = { ...sync, kind: "OCIRepository", url: "oci://host/fleet" };
const signers = { matchOIDCIdentity: [{ issuer: "^https://i$", subject: ".*" }] };

function verified(source: JsonObject, verify: JsonObject): JsonObject {
  return withSpec({ sync: { ...source, verify } });
}

/** Refused by a rule, whose message both sides give. */
const byRule: readonly RefusedCase[] = [
  {
    name: "signatures of a bucket",
    instance: verified({ ...sync, kind: "Bucket", url: "minio" }, key),
    field: "spec.sync.verify",
    says: "which has no signatures",
  },
  {
    name: "signatures of a Git repository without keys",
    instance: verified(sync, { mode: "HEAD" }),
    field: "spec.sync.verify",
    says: "needs secretRef with the public keys",
  },
  {
    name: "signatures of a Git repository with the fields of an artifact",
    instance: verified(sync, { ...key, provider: "cosign" }),
    field: "spec.sync.verify",
    says: "takes mode and secretRef only",
  },
  {
    name: "signatures of an artifact with the fields of a Git repository",
    instance: verified(ociSync, { ...key, mode: "Tag" }),
    field: "spec.sync.verify",
    says: "sync.verify.mode is for a GitRepository",
  },
  {
    name: "signatures of anyone on an artifact",
    instance: verified(ociSync, { provider: "cosign" }),
    field: "spec.sync.verify",
    says: "sync.verify would accept any signature",
  },
  {
    name: "keyless signatures of notation",
    instance: verified(ociSync, { provider: "notation", ...signers }),
    field: "spec.sync.verify",
    says: "sync.verify would accept any signature",
  },
  {
    name: "keys and keyless on an artifact",
    instance: verified(ociSync, { ...key, ...signers }),
    field: "spec.sync.verify.matchOIDCIdentity",
    says: "sync.verify.secretRef (public keys) and sync.verify.matchOIDCIdentity",
  },
  {
    name: "another name",
    instance: instanceOf({ distribution }, "other"),
    field: "metadata.name",
    says: "metadata.name must be flux",
  },
  {
    name: "a registry with a scheme",
    instance: withDistribution({ registry: "https://ghcr.io/fluxcd" }),
    field: "spec.distribution.registry",
    says: "remove the scheme",
  },
  {
    name: "a registry with a space",
    instance: withDistribution({ registry: "ghcr.io/flux cd" }),
    field: "spec.distribution.registry",
    says: "and spaces",
  },
  {
    name: "both names of the pull secret, different",
    instance: withDistribution({ pullSecret: "a", imagePullSecret: "b" }),
    field: "spec.distribution.imagePullSecret",
    says: "distribution.pullSecret and distribution.imagePullSecret are two names of one field",
  },
  {
    name: "embedded source with an artifact",
    instance: withDistribution({ source: "Embedded", artifact: "oci://host/a" }),
    field: "spec.distribution.source",
    says: "contradict each other",
  },
  {
    name: "embedded source with live digests",
    instance: withDistribution({ source: "Embedded", digests: "Registry" }),
    field: "spec.distribution.digests",
    says: "which distribution.source Embedded forbids",
  },
  {
    name: "plain HTTP with a certificate",
    instance: withDistribution({
      artifact: "oci://host/a",
      artifactInsecure: true,
      artifactCertSecretRef: { name: "ca" },
    }),
    field: "spec.distribution.artifactInsecure",
    says: "means plain HTTP",
  },
  {
    name: "verification of nothing",
    instance: withDistribution({ verify: { provider: "cosign", ...key } }),
    field: "spec.distribution.verify",
    says: "has nothing to verify",
  },
  {
    name: "verification of nothing, said explicitly",
    instance: withDistribution({ verify: { provider: "cosign", images: false, ...key } }),
    field: "spec.distribution.verify",
    says: "has nothing to verify",
  },
  {
    name: "keys and keyless",
    instance: withDistribution({
      verify: { provider: "cosign", images: true, ...key, matchOIDCIdentity: [{ issuer: "i", subject: "s" }] },
    }),
    field: "spec.distribution.verify.matchOIDCIdentity",
    says: "exclude each other",
  },
  {
    name: "signatures of anyone",
    instance: withDistribution({ verify: { provider: "cosign", images: true } }),
    field: "spec.distribution.verify",
    says: "accept any signature",
  },
  {
    name: "persistent shards without storage",
    instance: withSpec({ sharding: { shards: ["a"], storage: "persistent" } }),
    field: "spec.storage",
    says: "needs spec.storage",
  },
  {
    name: "persistent shards by the other name without storage",
    instance: withSpec({ shards: ["a"], sharding: { storage: "persistent" } }),
    field: "spec.storage",
    says: "needs spec.storage",
  },
  {
    name: "sharding without shards",
    instance: withSpec({ sharding: { key: "example.com/shard" } }),
    field: "spec.sharding",
    says: "sharding names no shards",
  },
  {
    name: "both names of the shards, one more",
    instance: withSpec({ shards: ["a", "b"], sharding: { shards: ["a"] } }),
    field: "spec.shards",
    says: "shards and sharding.shards are two names of one field",
  },
  {
    name: "both names of the shards, one less",
    instance: withSpec({ shards: ["a"], sharding: { shards: ["a", "b"] } }),
    field: "spec.shards",
    says: "shards and sharding.shards are two names of one field",
  },
  {
    name: "multitenant identity without object-level identity",
    instance: withSpec({ cluster: { multitenantWorkloadIdentity: true } }),
    field: "spec.cluster.multitenantWorkloadIdentity",
    says: "needs cluster.objectLevelWorkloadIdentity true",
  },
  {
    name: "multitenant identity with object-level identity off",
    instance: withSpec({ cluster: { multitenantWorkloadIdentity: true, objectLevelWorkloadIdentity: false } }),
    field: "spec.cluster.multitenantWorkloadIdentity",
    says: "needs cluster.objectLevelWorkloadIdentity true",
  },
  ...[
    { type: "azure", of: aws },
    { type: "eks", of: azure },
    { type: "aws", of: gcp },
    { type: "openshift", of: aws },
    { type: "kubernetes", of: gcp },
    { type: undefined, of: aws },
  ].map(({ type, of }) => ({
    name: `an identity of ${Object.keys(of)[0]} on ${type ?? "a cluster without type"}`,
    instance: withSpec({
      cluster: { ...(type !== undefined && { type }), identities: [{ components: source, ...of }] },
    }),
    field: "spec.cluster.identities",
    says: "an identity of another cloud",
  })),
  {
    name: "a controller with two identities",
    instance: withSpec({
      cluster: {
        type: "aws",
        identities: [
          { components: source, ...aws },
          { components: ["helm-controller", ...source], ...aws },
        ],
      },
    }),
    field: "spec.cluster.identities",
    says: "a controller in two identities",
  },
  {
    name: "an identity of two clouds",
    instance: withSpec({ cluster: { type: "aws", identities: [{ components: source, ...aws, ...gcp }] } }),
    field: "spec.cluster.identities[0]",
    says: "exactly one of aws, azure and gcp",
  },
  {
    name: "an identity of no cloud",
    instance: withSpec({ cluster: { type: "aws", identities: [{ components: source }] } }),
    field: "spec.cluster.identities[0]",
    says: "exactly one of aws, azure and gcp",
  },
  {
    name: "a proxy without a URL",
    instance: withSpec({ cluster: { proxy: { noProxy: ["a"] } } }),
    field: "spec.cluster.proxy",
    says: "names no proxy",
  },
  {
    name: "provider gcp for Git",
    instance: withSpec({ sync: { ...sync, provider: "gcp" } }),
    field: "spec.sync.provider",
    says: "gcp does not go with",
  },
  {
    name: "provider github for a bucket",
    instance: withSpec({ sync: { ...sync, kind: "Bucket", url: "minio", provider: "github" } }),
    field: "spec.sync.provider",
    says: "works with sync.kind GitRepository only",
  },
  {
    name: "an OCI repository over HTTPS",
    instance: withSpec({ sync: { ...sync, kind: "OCIRepository" } }),
    field: "spec.sync.url",
    says: "must start with oci://",
  },
  {
    name: "a Git repository by its scp name",
    instance: withSpec({ sync: { ...sync, url: "git@host:fleet" } }),
    field: "spec.sync.url",
    says: "must start with https://",
  },
  {
    name: "a window of no time",
    instance: withWindow({ duration: "0h0m" }),
    field: "spec.upgrade.windows[0].duration",
    says: "must be more than 0",
  },
];

/** Refused by the schema, each side in its own words. */
const bySchema: readonly RefusedCase[] = [
  {
    name: "no spec",
    instance: {
      apiVersion: "fluxcd.controlplane.io/v1",
      kind: "FluxInstance",
      metadata: { name: "flux", namespace: "flux-system" },
    },
    field: "spec",
    says: { server: "Required value", us: "is required" },
  },
  {
    name: "no distribution",
    instance: instanceOf({}),
    field: "spec.distribution",
    says: { server: "Required value", us: "is required" },
  },
  {
    name: "null for a version",
    instance: instanceOf({ distribution: { version: null, registry: "r" } }),
    field: "spec.distribution.version",
    says: { server: "Required value", us: "is required" },
  },
  {
    name: "null in a list",
    instance: withSpec({ components: [null] }),
    field: "spec.components[0]",
    says: { server: "must be of type string", us: "must be text, not null" },
  },
  {
    name: "no version",
    instance: instanceOf({ distribution: { registry: "r" } }),
    field: "spec.distribution.version",
    says: { server: "Required value", us: "is required" },
  },
  {
    name: "an empty version",
    instance: withDistribution({ version: "" }),
    field: "spec.distribution.version",
    says: { server: "at least 1 chars", us: "is empty" },
  },
  {
    name: "a version that is a number",
    instance: withDistribution({ version: 2.9 }),
    field: "spec.distribution.version",
    says: { server: "must be of type string", us: "must be text, not the number 2.9" },
  },
  {
    name: "a misspelt field",
    instance: withSpec({ netwrk: true, componets: [] }),
    field: "spec.componets",
    says: { server: 'unknown field "spec.componets"', us: "did you mean components?" },
  },
  {
    name: "an unknown component",
    instance: withSpec({ components: ["source-controller", "foo-controller"] }),
    field: "spec.components[1]",
    says: notAllowed,
  },
  {
    name: "an unknown variant",
    instance: withDistribution({ variant: "debian" }),
    field: "spec.distribution.variant",
    says: notAllowed,
  },
  {
    name: "an unknown source",
    instance: withDistribution({ source: "Remote" }),
    field: "spec.distribution.source",
    says: notAllowed,
  },
  {
    name: "an unknown cluster type",
    instance: withSpec({ cluster: { type: "k3s" } }),
    field: "spec.cluster.type",
    says: notAllowed,
  },
  {
    name: "an unknown size",
    instance: withSpec({ cluster: { size: "huge" } }),
    field: "spec.cluster.size",
    says: notAllowed,
  },
  {
    name: "an unknown deletion policy",
    instance: withSpec({ deletionPolicy: "Keep" }),
    field: "spec.deletionPolicy",
    says: notAllowed,
  },
  {
    name: "an unknown kind of source",
    instance: withSpec({ sync: { ...sync, kind: "HelmRepository" } }),
    field: "spec.sync.kind",
    says: notAllowed,
  },
  {
    name: "an artifact that is neither oci:// nor bundle://",
    instance: withDistribution({ artifact: "ghcr.io/a" }),
    field: "spec.distribution.artifact",
    says: pattern("is not of the form ^(oci|bundle)://"),
  },
  {
    name: "a secret that cannot exist",
    instance: withDistribution({ imagePullSecret: "My_Secret" }),
    field: "spec.distribution.imagePullSecret",
    says: pattern("is not a DNS name"),
  },
  {
    name: "a shard that is no DNS label",
    instance: withSpec({ shards: ["Shard_1"] }),
    field: "spec.shards[0]",
    says: pattern("is not a DNS label"),
  },
  {
    name: "a shard of 41 characters",
    instance: withSpec({ sharding: { shards: ["a".repeat(41)] } }),
    field: "spec.sharding.shards[0]",
    says: { server: "may not be more than 40", us: "more than the 40 characters" },
  },
  {
    name: "65 shards",
    instance: withSpec({ shards: Array.from({ length: 65 }, (_, index) => `s${index}`) }),
    field: "spec.shards",
    says: { server: "must have at most 64 items", us: "more than the 64 items" },
  },
  {
    name: "no shards",
    instance: withSpec({ shards: [] }),
    field: "spec.shards",
    says: { server: "should have at least 1 items", us: "is an empty list" },
  },
  {
    name: "a shard twice",
    instance: withSpec({ sharding: { shards: ["a", "a"] } }),
    field: "spec.sharding.shards",
    says: { server: "Duplicate value", us: "has an item twice" },
  },
  {
    name: "a sharding key that is no label key",
    instance: withSpec({ sharding: { key: "a/b/c", shards: ["a"] } }),
    field: "spec.sharding.key",
    says: pattern("is not a label key"),
  },
  {
    name: "a size that is no quantity",
    instance: withSpec({ storage: { class: "standard", size: "10 GB" } }),
    field: "spec.storage.size",
    says: pattern("is not a quantity"),
  },
  {
    name: "storage without a class",
    instance: withSpec({ storage: { size: "10Gi" } }),
    field: "spec.storage.class",
    says: { server: "Required value", us: "is required" },
  },
  {
    name: "a label value with a space",
    instance: withSpec({ commonMetadata: { labels: { team: "a b" } } }),
    field: "spec.commonMetadata.labels.team",
    says: pattern("is not a label value"),
  },
  {
    name: "a label value that is a number",
    instance: withSpec({ commonMetadata: { labels: { team: 1 } } }),
    field: "spec.commonMetadata.labels.team",
    says: { server: "must be of type string", us: "must be text, not the number 1" },
  },
  {
    name: "an interval without a unit",
    instance: withSpec({ sync: { ...sync, interval: "60" } }),
    field: "spec.sync.interval",
    says: pattern("is not a duration"),
  },
  {
    name: "a sync name of 64 characters",
    instance: withSpec({ sync: { ...sync, name: "a".repeat(64) } }),
    field: "spec.sync.name",
    says: { server: "may not be more than 63", us: "more than the 63 characters" },
  },
  {
    name: "a sync without a path",
    instance: withSpec({ sync: { kind: "Bucket", url: "minio", ref: "fleet" } }),
    field: "spec.sync.path",
    says: { server: "Required value", us: "is required" },
  },
  {
    name: "a schedule of four fields",
    instance: withWindow({ schedule: "0 3 * *" }),
    field: "spec.upgrade.windows[0].schedule",
    says: pattern("is not a cron schedule"),
  },
  {
    name: "a schedule at minute 60",
    instance: withWindow({ schedule: "60 3 * * *" }),
    field: "spec.upgrade.windows[0].schedule",
    says: pattern("is not a cron schedule"),
  },
  {
    name: "a window in days",
    instance: withWindow({ duration: "1d" }),
    field: "spec.upgrade.windows[0].duration",
    says: pattern("is not a duration"),
  },
  {
    name: "a time zone with a space",
    instance: withWindow({ timeZone: "Europe Berlin" }),
    field: "spec.upgrade.windows[0].timeZone",
    says: pattern("is not a time zone"),
  },
  {
    name: "a JSON pointer without a slash",
    instance: withSpec({ driftIgnore: [{ target: { kind: "Deployment" }, paths: ["spec"] }] }),
    field: "spec.driftIgnore[0].paths[0]",
    says: pattern("is not a JSON pointer"),
  },
  {
    name: "a patch without text",
    instance: withSpec({ kustomize: { patches: [{ target: { kind: "Deployment" } }] } }),
    field: "spec.kustomize.patches[0].patch",
    says: { server: "Required value", us: "is required" },
  },
  {
    name: "a role that is no ARN",
    instance: withSpec({ cluster: { type: "aws", identities: [{ components: source, aws: { roleARN: "flux" } }] } }),
    field: "spec.cluster.identities[0].aws.roleARN",
    says: pattern("is not the ARN"),
  },
  {
    name: "a client id that is no GUID",
    instance: withSpec({ cluster: { type: "azure", identities: [{ components: source, azure: { clientID: "x" } }] } }),
    field: "spec.cluster.identities[0].azure.clientID",
    says: pattern("is not a GUID"),
  },
  {
    name: "an account that is no address",
    instance: withSpec({
      cluster: { type: "gcp", identities: [{ components: source, gcp: { serviceAccountEmail: "flux" } }] },
    }),
    field: "spec.cluster.identities[0].gcp.serviceAccountEmail",
    says: pattern("is not an address"),
  },
  {
    name: "a proxy without a scheme",
    instance: withSpec({ cluster: { proxy: { http: "proxy:3128" } } }),
    field: "spec.cluster.proxy.http",
    says: pattern("is not a URL"),
  },
  {
    name: "hosts joined by a comma",
    instance: withSpec({ cluster: { proxy: { http: "http://p", noProxy: ["a,b"] } } }),
    field: "spec.cluster.proxy.noProxy[0]",
    says: { server: "should match", us: "is not" },
  },
  {
    name: "a flag that is text",
    instance: withSpec({ wait: "yes" }),
    field: "spec.wait",
    says: { server: "must be of type boolean", us: "must be true or false" },
  },
  {
    name: "an empty list of signers",
    instance: withDistribution({ verify: { provider: "cosign", images: true, matchOIDCIdentity: [] } }),
    field: "spec.distribution.verify.matchOIDCIdentity",
    says: { server: "should have at least 1 items", us: "is an empty list" },
  },
];

export const refusedCases: readonly RefusedCase[] = [...byRule, ...bySchema];

/** Corners that must get in. */
export const acceptedCases: readonly AcceptedCase[] = [
  { name: "the least", instance: withSpec({}) },
  {
    name: "empty text where the Go operator takes it",
    instance: instanceOf({
      distribution: { ...distribution, imagePullSecret: "", artifactPullSecret: "" },
      components: [],
      cluster: { domain: "", tenantDefaultServiceAccount: "" },
      sync: { ...sync, name: "", pullSecret: "" },
    }),
  },
  { name: "a component twice", instance: withSpec({ components: ["source-controller", "source-controller"] }) },
  {
    name: "both names with the same values",
    instance: instanceOf({
      distribution: { ...distribution, pullSecret: "a", imagePullSecret: "a" },
      shards: ["b", "a"],
      sharding: { shards: ["a", "b"] },
    }),
  },
  {
    name: "shards of both worlds",
    instance: withSpec({
      shards: ["a"],
      sharding: { key: "example.com/shard", storage: "persistent" },
      storage: { class: "standard", size: "1.5Gi" },
    }),
  },
  {
    name: "64 shards of 40 characters",
    instance: withSpec({
      shards: Array.from({ length: 64 }, (_, index) => `${"s".repeat(38)}${String(index).padStart(2, "0")}`),
    }),
  },
  {
    name: "the embedded source",
    instance: withDistribution({ source: "Embedded", digests: "Catalog", requireDigests: true }),
  },
  {
    name: "verified images of the embedded source",
    instance: withDistribution({ source: "Embedded", verify: { provider: "cosign", images: true, ...key } }),
  },
  {
    name: "a verified artifact over TLS of its own",
    instance: withDistribution({
      artifact: "oci://host:5000/a@sha256:0",
      artifactCertSecretRef: { name: "ca" },
      artifactInsecure: false,
      verify: {
        provider: "cosign",
        matchOIDCIdentity: [{ issuer: "^https://i$", subject: ".*" }],
        trustedRootSecretRef: { name: "root" },
      },
    }),
  },
  ...[
    { types: ["aws", "eks"], of: aws },
    { types: ["azure", "aks"], of: azure },
    { types: ["gcp", "gke"], of: gcp },
  ].flatMap(({ types, of }) =>
    types.map((type) => ({
      name: `an identity of ${type}`,
      instance: withSpec({
        cluster: {
          type,
          identities: [
            { components: source, ...of },
            { components: ["helm-controller"], ...of },
          ],
        },
      }),
    })),
  ),
  { name: "no identities", instance: withSpec({ cluster: { identities: [] } }) },
  {
    name: "both workload identities",
    instance: withSpec({ cluster: { objectLevelWorkloadIdentity: true, multitenantWorkloadIdentity: true } }),
  },
  {
    name: "proxies",
    instance: withSpec({
      cluster: { proxy: { http: "http://u:p@proxy:3128", https: "socks5://p", noProxy: [".corp", "10.0.0.0/8"] } },
    }),
  },
  { name: "provider github for Git", instance: withSpec({ sync: { ...sync, provider: "github" } }) },
  {
    name: "provider gcp for a bucket",
    instance: withSpec({ sync: { ...sync, kind: "Bucket", url: "storage.googleapis.com", provider: "gcp" } }),
  },
  ...[
    { branch: "main" },
    { tag: "v1" },
    { semver: ">=1.0" },
    { name: "refs/heads/main" },
    { branch: "main", commit: "0123", tag: null, semver: "" },
  ].map((ref) => ({ name: `a ref by ${Object.keys(ref).join()}`, instance: withSpec({ sync: { ...sync, ref } }) })),
  { name: "an artifact by semver", instance: withSpec({ sync: { ...ociSync, ref: { semver: "1.x" } } }) },
  { name: "signed commits", instance: verified(sync, { ...key, mode: "TagAndHEAD", provider: "" }) },
  { name: "a signed artifact", instance: verified(ociSync, { ...key, provider: "notation", mode: "" }) },
  { name: "an artifact signed without keys", instance: verified(ociSync, signers) },
  { name: "Git over SSH", instance: withSpec({ sync: { ...sync, url: "ssh://git@host/fleet" } }) },
  {
    name: "an upgrade policy",
    instance: withSpec({
      upgrade: {
        paused: false,
        rollback: false,
        windows: [
          { schedule: "0 3 * * MON-fri", duration: "1h30m", timeZone: "Europe/Berlin" },
          { schedule: "*/15 0-6/2 1,15 jan-MAR 7", duration: "90s", timeZone: "UTC" },
          { schedule: "5 4 * * *", duration: "2h", timeZone: "America/Argentina/Buenos_Aires" },
        ],
      },
    }),
  },
  {
    name: "ignored drift",
    instance: withSpec({
      driftIgnore: [{ target: { kind: "Deployment" }, paths: ["/spec/replicas", "/metadata/annotations/a~1b"] }],
    }),
  },
  { name: "each deletion policy", instance: withSpec({ deletionPolicy: "KeepResources" }) },
  { name: "a version that only the catalogue can judge", instance: withDistribution({ version: "not-a-version" }) },
];
