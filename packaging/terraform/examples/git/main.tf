# KUBE_CONFIG_PATH names the kubeconfig, or KUBECONFIG where the helm provider is older than 2.
provider "helm" {}
provider "kubectl" {}

variable "git_token" {
  description = "Token that may read the repository."
  type        = string
  sensitive   = true
}

module "flux" {
  source = "../.."

  distribution = { version = "2.9.x" }
  components   = ["source-controller", "kustomize-controller"]
  cluster      = { size = "medium", multitenant = true }
  sync = {
    url  = "https://github.com/example/fleet"
    ref  = "refs/heads/main"
    path = "clusters/one"
  }
  sync_credentials = { username = "git", password = var.git_token }
}

terraform {
  required_providers {
    helm    = { source = "hashicorp/helm" }
    kubectl = { source = "gavinbunney/kubectl" }
  }
}
