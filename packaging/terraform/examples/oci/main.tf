# KUBE_CONFIG_PATH names the kubeconfig, or KUBECONFIG where the helm provider is older than 2.
provider "helm" {}
provider "kubectl" {}

variable "registry_password" {
  description = "Password at the registry."
  type        = string
  sensitive   = true
}

module "flux" {
  source = "../.."

  operator_values = {
    image       = { repository = "registry.example.com/flux-operator", pullSecrets = [{ name = "registry" }] }
    tolerations = [{ key = "CriticalAddonsOnly", operator = "Exists" }]
  }
  distribution = { version = "2.x", registry = "registry.example.com/fluxcd", variant = "upstream-alpine" }
  sync = {
    kind = "OCIRepository"
    url  = "oci://registry.example.com/fleet"
    ref  = { semver = "1.x" }
  }
  sync_credentials = { username = "flux", password = var.registry_password }

  # What the variables cannot say, or not yet.
  instance_spec = {
    upgrade = { windows = [{ schedule = "0 3 * * 6", duration = "2h", timeZone = "Europe/Berlin" }] }
  }
}

terraform {
  required_providers {
    helm    = { source = "hashicorp/helm" }
    kubectl = { source = "gavinbunney/kubectl" }
  }
}
