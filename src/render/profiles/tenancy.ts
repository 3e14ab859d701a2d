import type { ClusterSpec, Component } from "../../api/spec.ts";

type ComponentArgs = { readonly [component in Component]?: readonly string[] };

/** Flags of the multi-tenancy lockdown. */
export function lockdownArgs(cluster: ClusterSpec): ComponentArgs {
  const noCrossNamespace = "--no-cross-namespace-refs=true";
  const account = `--default-service-account=${cluster.tenantDefaultServiceAccount}`;
  return {
    "kustomize-controller": [noCrossNamespace, "--no-remote-bases=true", account],
    "helm-controller": [noCrossNamespace, account],
    "notification-controller": [noCrossNamespace],
    "image-reflector-controller": [noCrossNamespace],
    "image-automation-controller": [noCrossNamespace],
    "source-watcher": [noCrossNamespace],
  };
}

/** Flags with which controllers use the tenants' own cloud identities. */
export function tenantIdentityArgs(cluster: ClusterSpec): ComponentArgs {
  const account = `--default-service-account=${cluster.tenantDefaultServiceAccount}`;
  const decryption = `--default-decryption-service-account=${cluster.tenantDefaultDecryptionServiceAccount}`;
  const kubeConfig = `--default-kubeconfig-service-account=${cluster.tenantDefaultKubeConfigServiceAccount}`;
  return {
    "source-controller": [account],
    "kustomize-controller": [decryption, kubeConfig],
    "helm-controller": [kubeConfig],
    "notification-controller": [account],
    "image-reflector-controller": [account],
    "image-automation-controller": [account],
  };
}
