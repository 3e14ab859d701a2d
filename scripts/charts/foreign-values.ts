/** A value of the Go operator's charts that means nothing here, or cannot. */
export type ForeignValue = {
  /** Path, as `--set` takes it. */
  readonly value: string;
  /** Ignored values are told of after the installation; refused ones end it before anything is written. */
  readonly effect: "ignored" | "refused";
  /** What may be set without a word: the Go chart's default, and what asks for nothing. */
  readonly quiet?: readonly (string | number | boolean | readonly string[] | { readonly [key: string]: never })[];
  /** Instead of `quiet`: what is meant, as a regular expression over its JSON. */
  readonly pattern?: string;
  /** Ends a sentence; what to do stands behind a semicolon. */
  readonly why: string;
};

const noWeb = "there is no web interface";
const noTenants = "it locks down ResourceSets, and this operator has none";
const noEntitlement = "there is no entitlement to verify";

/** What is not the same in the chart `flux-operator`. */
export const foreignOperatorValues: readonly ForeignValue[] = [
  // The Go chart's default asks for a web interface, so that only `false` asks for nothing.
  { value: "web.enabled", effect: "ignored", quiet: [false], why: noWeb },
  {
    value: "web.serverOnly",
    effect: "refused",
    quiet: [false],
    why: "there is no web interface, and this would be a second operator that installs and removes Flux; remove the value, or the release",
  },
  { value: "web.serverReplicas", effect: "ignored", quiet: [1], why: noWeb },
  { value: "web.config", effect: "ignored", quiet: [{}], why: noWeb },
  { value: "web.configSecretName", effect: "ignored", quiet: [""], why: noWeb },
  { value: "web.httpRoute.enabled", effect: "ignored", quiet: [false], why: noWeb },
  { value: "web.httpRoute.annotations", effect: "ignored", quiet: [{}], why: noWeb },
  { value: "web.httpRoute.hostnames", effect: "ignored", quiet: [[]], why: noWeb },
  { value: "web.httpRoute.parentRefs", effect: "ignored", quiet: [[]], why: noWeb },
  { value: "web.ingress.enabled", effect: "ignored", quiet: [false], why: noWeb },
  { value: "web.ingress.annotations", effect: "ignored", quiet: [{}], why: noWeb },
  { value: "web.ingress.className", effect: "ignored", quiet: [""], why: noWeb },
  { value: "web.ingress.hosts", effect: "ignored", quiet: [[]], why: noWeb },
  { value: "web.ingress.tls", effect: "ignored", quiet: [[]], why: noWeb },
  { value: "web.networkPolicy.create", effect: "ignored", quiet: [true, false], why: noWeb },
  { value: "web.rbac.createRoles", effect: "ignored", quiet: [true, false], why: noWeb },
  { value: "web.rbac.createAggregation", effect: "ignored", quiet: [false], why: noWeb },
  { value: "multitenancy.enabled", effect: "ignored", quiet: [false], why: noTenants },
  { value: "multitenancy.defaultServiceAccount", effect: "ignored", quiet: ["flux-operator", ""], why: noTenants },
  { value: "multitenancy.enabledForWorkloadIdentity", effect: "ignored", quiet: [false], why: noTenants },
  {
    value: "multitenancy.defaultWorkloadIdentityServiceAccount",
    effect: "ignored",
    quiet: ["flux-operator", ""],
    why: noTenants,
  },
  { value: "marketplace.type", effect: "ignored", quiet: [""], why: noEntitlement },
  { value: "marketplace.license", effect: "ignored", quiet: [""], why: noEntitlement },
  { value: "marketplace.account", effect: "ignored", quiet: [""], why: noEntitlement },
  { value: "reporting.interval", effect: "ignored", quiet: ["5m"], why: "there is no FluxReport" },
];

/** What is not the same in the chart `flux-instance`. */
export const foreignInstanceValues: readonly ForeignValue[] = [
  {
    value: "fullnameOverride",
    effect: "refused",
    quiet: ["flux", ""],
    why: "a cluster has one FluxInstance, and its name is flux; remove the value",
  },
  {
    value: "healthcheck.image.repository",
    effect: "refused",
    pattern: '/flux-operator-cli"$',
    why: "that image has the command line of the Go operator; remove the value, since the operator's own image has ours",
  },
];

/** A value that means the same with another default, and why. */
export type OtherDefault = { readonly value: string; readonly go: string; readonly why: string };

/** Other defaults of the chart `flux-operator`. */
export const otherOperatorDefaults: readonly OtherDefault[] = [
  {
    value: "resources.requests.memory",
    go: "64Mi",
    why: "on Node, an idle operator has 75 MB in use",
  },
];

const beforeHelm = "it ends before helm's own limit of 5m, which would not tell why";

/** Other defaults of the chart `flux-instance`. */
export const otherInstanceDefaults: readonly OtherDefault[] = [
  {
    value: "instance.distribution.artifact",
    go: "oci://ghcr.io/controlplaneio-fluxcd/flux-operator-manifests:latest",
    why: "releases are part of the operator, and nothing is downloaded",
  },
  {
    value: "healthcheck.image.repository",
    go: "ghcr.io/controlplaneio-fluxcd/flux-operator-cli",
    why: "the operator's image has the command line",
  },
  { value: "healthcheck.timeout", go: "5m", why: beforeHelm },
];
