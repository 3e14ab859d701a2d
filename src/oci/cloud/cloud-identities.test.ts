import assert from "node:assert/strict";
import { test } from "node:test";

import { cloudIdentitiesOf } from "./cloud-identities.ts";

const googleMetadata = "http://metadata.google.internal";
const webIdentity = {
  AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/flux-operator",
  AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
};
const podIdentity = {
  AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/v1/credentials",
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE:
    "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
};
const azure = {
  AZURE_CLIENT_ID: "client",
  AZURE_TENANT_ID: "tenant",
  AZURE_FEDERATED_TOKEN_FILE: "/var/run/secrets/azure/tokens/azure-identity-token",
  AZURE_AUTHORITY_HOST: "https://login.microsoftonline.com/",
};
const role = {
  kind: "web-identity",
  roleArn: webIdentity.AWS_ROLE_ARN,
  tokenFile: webIdentity.AWS_WEB_IDENTITY_TOKEN_FILE,
};

for (const { name, env, want } of [
  { name: "nothing in an empty environment", env: {}, want: {} },
  {
    name: "a role of EKS, with the region of the cluster",
    env: { ...webIdentity, AWS_REGION: "eu-west-1" },
    want: { aws: { ...role, region: "eu-west-1" } },
  },
  {
    name: "a role of EKS before EKS Pod Identity",
    env: { ...podIdentity, ...webIdentity },
    want: { aws: { ...role, region: undefined } },
  },
  { name: "no role without a token", env: { AWS_ROLE_ARN: webIdentity.AWS_ROLE_ARN }, want: {} },
  {
    name: "EKS Pod Identity",
    env: podIdentity,
    want: {
      aws: {
        kind: "pod-identity",
        url: podIdentity.AWS_CONTAINER_CREDENTIALS_FULL_URI,
        tokenFile: podIdentity.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,
      },
    },
  },
  {
    name: "no keys that someone has set",
    env: { AWS_ACCESS_KEY_ID: "AKIA", AWS_SECRET_ACCESS_KEY: "secret" },
    want: {},
  },
  {
    name: "an identity of Azure",
    env: azure,
    want: {
      azure: {
        clientId: "client",
        tenantId: "tenant",
        tokenFile: azure.AZURE_FEDERATED_TOKEN_FILE,
        authority: azure.AZURE_AUTHORITY_HOST,
      },
    },
  },
  { name: "no identity of Azure without its client", env: { ...azure, AZURE_CLIENT_ID: "" }, want: {} },
]) {
  test(`cloudIdentitiesOf() finds ${name}`, () =>
    assert.deepEqual(cloudIdentitiesOf(env), { googleMetadata, ...want }));
}
