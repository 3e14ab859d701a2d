import assert from "node:assert/strict";
import { test } from "node:test";

import { cloudRegistryOf, loginRemedy } from "./cloud-registry.ts";

const ecr = (host: string, region: string, api: string) => ({ host, want: { kind: "aws", host, region, api } });

for (const { host, want } of [
  ecr("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1", "api.ecr.eu-west-1.amazonaws.com"),
  ecr("123456789012.dkr.ecr.us-gov-west-1.amazonaws.com", "us-gov-west-1", "api.ecr.us-gov-west-1.amazonaws.com"),
  ecr("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", "api.ecr.cn-north-1.amazonaws.com.cn"),
  ecr("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "us-east-1", "ecr-fips.us-east-1.amazonaws.com"),
  ecr("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1", "ecr.eu-west-1.api.aws"),
  ecr("123456789012.dkr-ecr-fips.us-east-1.on.aws", "us-east-1", "ecr-fips.us-east-1.api.aws"),
  ecr(
    "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
    "cn-north-1",
    "ecr.cn-north-1.api.amazonwebservices.com.cn",
  ),
  {
    host: "team.azurecr.io",
    want: { kind: "azure", host: "team.azurecr.io", audience: "https://containerregistry.azure.net" },
  },
  {
    host: "team.azurecr.cn",
    want: { kind: "azure", host: "team.azurecr.cn", audience: "https://management.chinacloudapi.cn" },
  },
  {
    host: "team-a1b2.azurecr.us",
    want: { kind: "azure", host: "team-a1b2.azurecr.us", audience: "https://management.usgovcloudapi.net" },
  },
  { host: "europe-docker.pkg.dev", want: { kind: "google", host: "europe-docker.pkg.dev" } },
  { host: "gcr.io", want: { kind: "google", host: "gcr.io" } },
  { host: "eu.gcr.io", want: { kind: "google", host: "eu.gcr.io" } },
  { host: "public.ecr.aws", want: undefined },
  { host: "ghcr.io", want: undefined },
  { host: "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.com", want: undefined },
  { host: "123456789012.dkr.ecr.evil.com", want: undefined },
  { host: "evil.com.dkr.ecr.eu-west-1.amazonaws.com", want: undefined },
  { host: "12345.dkr.ecr.eu-west-1.amazonaws.com", want: undefined },
  { host: "123456789012.dkr.ecr.eu-west-1.amazonaws.com:5000", want: undefined },
  { host: "azurecr.io", want: undefined },
  { host: "a.b.azurecr.io", want: undefined },
  { host: "team.azurecr.io.evil.com", want: undefined },
  { host: "evilazurecr.io", want: undefined },
  { host: "evilgcr.io", want: undefined },
  { host: "gcr.io.evil.com", want: undefined },
  { host: "a.b.pkg.dev", want: undefined },
  { host: "pkg.dev", want: undefined },
]) {
  const what = want === undefined ? "no registry of a cloud" : `a registry of ${want.kind}`;
  test(`cloudRegistryOf() takes ${host} for ${what}`, () => assert.deepEqual(cloudRegistryOf(host), want));
}

for (const { origin, want } of [
  { origin: "https://ghcr.io", want: "give a pull secret" },
  { origin: "http://127.0.0.1:5000", want: "give a pull secret" },
  {
    origin: "https://eu.gcr.io",
    want: "give the operator's ServiceAccount the role roles/artifactregistry.reader by Workload Identity Federation for GKE, or give a pull secret",
  },
]) {
  test(`loginRemedy() for ${origin}`, () => assert.equal(loginRemedy(origin), want));
}
