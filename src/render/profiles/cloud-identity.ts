import type { IdentitySpec } from "../../api/spec.ts";

type TextMap = { readonly [key: string]: string };

/** What a cloud's workload identity webhook or metadata server looks for. */
export type IdentityMarks = { readonly accountAnnotations: TextMap; readonly podLabels: TextMap };

/**
 * IAM roles for service accounts (EKS), Microsoft Entra Workload ID (AKS) and Workload Identity Federation (GKE).
 * Only Azure's webhook selects pods by label.
 */
export function identityMarks({ aws, azure, gcp }: IdentitySpec): IdentityMarks {
  return {
    accountAnnotations: {
      ...(aws === undefined ? {} : { "eks.amazonaws.com/role-arn": aws.roleARN }),
      ...(azure === undefined ? {} : { "azure.workload.identity/client-id": azure.clientID }),
      ...(azure?.tenantID === undefined ? {} : { "azure.workload.identity/tenant-id": azure.tenantID }),
      ...(gcp === undefined ? {} : { "iam.gke.io/gcp-service-account": gcp.serviceAccountEmail }),
    },
    podLabels: azure === undefined ? {} : { "azure.workload.identity/use": "true" },
  };
}
