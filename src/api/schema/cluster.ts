import { componentNames } from "../../distribution/release.ts";
import { choice, fields, flag, list, optional, text } from "./build.ts";
import { awsRoleArn, dnsSubdomainOrEmpty, gcpServiceAccount, guid, proxyUrl } from "./patterns.ts";

/** The name of a Flux controller. */
export const component = (description: string) => choice(description, componentNames);

const serviceAccountName = (description: string) =>
  text(description, { maxLength: 253, pattern: dnsSubdomainOrEmpty, absent: "default" });

const identity = fields(
  "Cloud identity of some controllers; exactly one of aws, azure and gcp, that of cluster.type.",
  {
    components: list("Controllers that get this identity.", component("A controller."), {
      minItems: 1,
      maxItems: 7,
      uniqueItems: true,
    }),
    aws: optional(
      fields("IAM role for service accounts.", {
        roleARN: text("ARN of the role.", { maxLength: 2048, pattern: awsRoleArn }),
      }),
    ),
    azure: optional(
      fields("Azure Workload Identity.", {
        clientID: text("Client id of the managed identity or application.", { maxLength: 36, pattern: guid }),
        tenantID: optional(text("Tenant id.", { maxLength: 36, pattern: guid, absent: "the cluster's tenant" })),
      }),
    ),
    gcp: optional(
      fields("GKE Workload Identity.", {
        serviceAccountEmail: text("Address of the service account.", { maxLength: 320, pattern: gcpServiceAccount }),
      }),
    ),
  },
);

const proxy = fields("Proxy for the controllers' requests to the outside.", {
  http: optional(text("URL of the proxy for HTTP.", { maxLength: 2048, pattern: proxyUrl })),
  https: optional(text("URL of the proxy for HTTPS.", { maxLength: 2048, pattern: proxyUrl })),
  noProxy: optional(
    list(
      "Hosts, domains and CIDRs that are reached directly. The API server and the cluster's services are added.",
      text("A host, domain or CIDR.", { minLength: 1, maxLength: 253, pattern: "^[^,\\s]+$" }),
      { maxItems: 64 },
    ),
  ),
});

/** The schema of `spec.cluster`. */
export const clusterSchema = fields("The Kubernetes cluster and how much Flux may do in it.", {
  type: optional(
    choice(
      "Kind of cluster. aks, eks and gke, from v1alpha1, are read as azure, aws and gcp.",
      ["kubernetes", "openshift", "aws", "azure", "gcp", "aks", "eks", "gke"],
      { default: "kubernetes" },
    ),
  ),
  domain: optional(
    text("DNS domain of the cluster's services.", {
      maxLength: 253,
      pattern: dnsSubdomainOrEmpty,
      default: "cluster.local",
    }),
  ),
  size: optional(
    choice("Profile of the controllers' resources and concurrency.", ["small", "medium", "large"], {
      absent: "Flux's own values",
    }),
  ),
  networkPolicy: optional(flag("Restrict network access to Flux's namespace.", { default: true })),
  multitenant: optional(
    flag("Lock tenants in: no references across namespaces, no remote bases, a default service account.", {
      absent: "false",
    }),
  ),
  tenantDefaultServiceAccount: optional(
    serviceAccountName("Service account that kustomize- and helm-controller use for tenants that name none."),
  ),
  objectLevelWorkloadIdentity: optional(
    flag("Let Flux objects name the service account whose cloud identity they use. From Flux 2.6.", {
      absent: "false",
    }),
  ),
  multitenantWorkloadIdentity: optional(
    flag("Lock cloud identities of tenants in; needs objectLevelWorkloadIdentity. From Flux 2.7.", { absent: "false" }),
  ),
  tenantDefaultDecryptionServiceAccount: optional(
    serviceAccountName("Service account with which secrets of tenants are decrypted."),
  ),
  tenantDefaultKubeConfigServiceAccount: optional(
    serviceAccountName("Service account with which remote clusters of tenants are reached."),
  ),
  identities: optional(list("Cloud identities of the controllers.", identity, { maxItems: 16 })),
  proxy: optional(proxy),
});
