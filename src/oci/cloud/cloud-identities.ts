/** Where a pod on EKS has its AWS identity from. */
export type AwsIdentity =
  /** IAM roles for service accounts. `region` is that of the cluster. */
  | {
      readonly kind: "web-identity";
      readonly roleArn: string;
      readonly tokenFile: string;
      readonly region: string | undefined;
    }
  /** EKS Pod Identity: an agent on the node, which takes the token of the pod. */
  | { readonly kind: "pod-identity"; readonly url: string; readonly tokenFile: string };

/** Where a pod on AKS has its Azure identity from. */
export type AzureIdentity = {
  readonly clientId: string;
  readonly tenantId: string;
  readonly tokenFile: string;
  /** "https://login.microsoftonline.com/" */
  readonly authority: string;
};

/** The identities that this process has in clouds. None of it is secret. */
export type CloudIdentities = {
  readonly aws?: AwsIdentity;
  readonly azure?: AzureIdentity;
  /** Origin of Google's metadata server. That it answers is all that tells whether there is an identity. */
  readonly googleMetadata: string;
};

/** The variables that the webhooks of EKS and AKS put into pods whose service account has an identity. */
export function cloudIdentitiesOf(env: { readonly [name: string]: string | undefined }): CloudIdentities {
  const aws = awsIdentityOf(env);
  const azure = azureIdentityOf(env);
  return {
    googleMetadata: "http://metadata.google.internal",
    ...(aws === undefined ? {} : { aws }),
    ...(azure === undefined ? {} : { azure }),
  };
}

/** In the order of the AWS SDKs. */
function awsIdentityOf({
  AWS_ROLE_ARN: roleArn = "",
  AWS_WEB_IDENTITY_TOKEN_FILE: webToken = "",
  AWS_REGION: region = "",
  AWS_CONTAINER_CREDENTIALS_FULL_URI: url = "",
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: podToken = "",
}: {
  readonly [name: string]: string | undefined;
}): AwsIdentity | undefined {
  if (roleArn !== "" && webToken !== "")
    return { kind: "web-identity", roleArn, tokenFile: webToken, region: region === "" ? undefined : region };
  if (url !== "" && podToken !== "") return { kind: "pod-identity", url, tokenFile: podToken };
  return undefined;
}

function azureIdentityOf({
  AZURE_CLIENT_ID: clientId = "",
  AZURE_TENANT_ID: tenantId = "",
  AZURE_FEDERATED_TOKEN_FILE: tokenFile = "",
  AZURE_AUTHORITY_HOST: authority = "",
}: {
  readonly [name: string]: string | undefined;
}): AzureIdentity | undefined {
  if (clientId === "" || tenantId === "" || tokenFile === "" || authority === "") return undefined;
  return { clientId, tenantId, tokenFile, authority };
}
