output "namespace" {
  description = "Namespace of Flux, once Flux is ready there."
  value       = var.namespace
  depends_on  = [helm_release.ready, kubectl_manifest.instance]
}

output "operator_version" {
  description = "Version of the chart flux-operator that is installed, which is that of the operator."
  value       = helm_release.operator.version
}

output "instance" {
  description = "The FluxInstance that was applied."
  value       = local.instance
}
