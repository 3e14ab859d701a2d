/** A registry of a cloud, by its host. */
export type CloudRegistry =
  /** Elastic Container Registry of Amazon. `api` is the host that gives logins for it: "api.ecr.eu-west-1.amazonaws.com". */
  | { readonly kind: "aws"; readonly host: string; readonly region: string; readonly api: string }
  /** Azure Container Registry. `audience` is for what Entra issues the token that the registry takes. */
  | { readonly kind: "azure"; readonly host: string; readonly audience: string }
  /** Artifact Registry, or Container Registry, of Google. */
  | { readonly kind: "google"; readonly host: string };

/** The cloud registry at a host; undefined for all others, and for hosts with a port. ECR Public needs no login. */
export function cloudRegistryOf(host: string): CloudRegistry | undefined {
  return awsRegistryOf(host) ?? azureRegistryOf(host) ?? googleRegistryOf(host);
}

/** How to be let in by the registry at an origin ("https://ghcr.io"): the end of a message. */
export function loginRemedy(origin: string): string {
  const registry = cloudRegistryOf(new URL(origin).host);
  return registry === undefined ? "give a pull secret" : `${identityRemedies[registry.kind]}, or give a pull secret`;
}

const identityRemedies = {
  aws: "give the operator's ServiceAccount an IAM role that may pull (annotation eks.amazonaws.com/role-arn, or an EKS Pod Identity association) and restart its pod",
  azure:
    "give the operator's ServiceAccount an Azure identity with the role AcrPull (annotation azure.workload.identity/client-id, and the pod label azure.workload.identity/use) and restart its pod",
  google:
    "give the operator's ServiceAccount the role roles/artifactregistry.reader by Workload Identity Federation for GKE",
} as const satisfies Record<CloudRegistry["kind"], string>;

// Source: AWS General Reference, "Amazon ECR endpoints and quotas".
const awsHost = /^\d{12}\.dkr\.(ecr|ecr-fips)\.([a-z]{2}(?:-[a-z]+)+-\d)\.(amazonaws\.com|amazonaws\.com\.cn)$/;
const awsDualStackHost =
  /^\d{12}\.dkr-(ecr|ecr-fips)\.([a-z]{2}(?:-[a-z]+)+-\d)\.on\.(aws|amazonwebservices\.com\.cn)$/;

function awsRegistryOf(host: string): CloudRegistry | undefined {
  const [, service = "", region = "", suffix = ""] = awsHost.exec(host) ?? [];
  if (service !== "") {
    const prefix = service === "ecr" ? "api.ecr" : service;
    return { kind: "aws", host, region, api: `${prefix}.${region}.${suffix}` };
  }
  const [, dualService = "", dualRegion = "", dualSuffix = ""] = awsDualStackHost.exec(host) ?? [];
  if (dualService === "") return undefined;
  return { kind: "aws", host, region: dualRegion, api: `${dualService}.${dualRegion}.api.${dualSuffix}` };
}

/** By the end of the host. Outside of the public cloud, registries take tokens for the Resource Manager only, as in Azure's SDKs. */
const azureAudiences: Readonly<Record<string, string>> = {
  io: "https://containerregistry.azure.net",
  cn: "https://management.chinacloudapi.cn",
  us: "https://management.usgovcloudapi.net",
};

function azureRegistryOf(host: string): CloudRegistry | undefined {
  const [, end = ""] = /^[a-z0-9][a-z0-9-]*\.azurecr\.(io|cn|us)$/.exec(host) ?? [];
  const audience = azureAudiences[end];
  return audience === undefined ? undefined : { kind: "azure", host, audience };
}

function googleRegistryOf(host: string): CloudRegistry | undefined {
  return /^(?:[a-z0-9-]+\.pkg\.dev|(?:[a-z0-9-]+\.)?gcr\.io)$/.test(host) ? { kind: "google", host } : undefined;
}
