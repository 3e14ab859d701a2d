# KUBE_CONFIG_PATH names the kubeconfig, or KUBECONFIG where the helm provider is older than 2.
provider "helm" {}
provider "kubectl" {}

module "flux" {
  source = "../.."
}

terraform {
  required_providers {
    helm    = { source = "hashicorp/helm" }
    kubectl = { source = "gavinbunney/kubectl" }
  }
}
