locals {
  charts    = coalesce(var.charts, "${path.module}/../charts")
  is_folder = !startswith(local.charts, "oci://")
  crd_file  = "${local.charts}/flux-operator/files/crds.yaml"
  # The CRD stays when all is destroyed. Older helm providers fail when a release keeps an object, newer ones warn.
  writes_crd = local.is_folder && fileexists(local.crd_file) && try(var.operator_values.installCRDs, true)

  # The fields of the spec that have variables of their own are null where they are not set.
  removed = [for field, value in var.instance_spec : field if value == null]
  merged = {
    for field in setsubtract(setunion(keys(local.fields), keys(var.instance_spec)), local.removed) :
    field => try(merge(local.fields[field], var.instance_spec[field]), var.instance_spec[field], local.fields[field])
  }

  has_sync_secret  = nonsensitive(var.sync_credentials != null)
  sync_secret_name = try(coalesce(local.merged.sync.pullSecret), var.namespace)
  named_secret = local.has_sync_secret && can(keys(local.merged.sync)) ? {
    sync = merge(try(local.merged.sync, {}), { pullSecret = local.sync_secret_name })
  } : {}

  manifest = {
    apiVersion = "fluxcd.controlplane.io/v1"
    kind       = "FluxInstance"
    metadata = {
      name        = "flux"
      namespace   = var.namespace
      annotations = length(var.instance_annotations) > 0 ? var.instance_annotations : null
    }
    spec = merge(local.merged, local.named_secret)
  }
  # Variables of an object type have all its attributes, null where they are not set. JSON text is the one form in which they can be left out at any
  # depth: first those with another attribute behind them, then the last ones. Within a text, a quote has a backslash before it.
  without_nulls = replace(replace(jsonencode(local.manifest), "/\"[^\"\\\\]*\":null,/", ""), "/,?\"[^\"\\\\]*\":null/", "")
  instance      = jsondecode(local.without_nulls)

  operator_values = merge(var.operator_values, local.writes_crd ? { installCRDs = false } : {})
  # The pod that waits for the FluxInstance comes from the operator's image, and is placed as the operator is.
  pod_values = {
    for name, value in var.operator_values : name => value
    if contains(["image", "nodeSelector", "tolerations", "affinity", "podSecurityContext", "securityContext", "hostNetwork"], name)
  }
}

resource "kubectl_manifest" "crd" {
  count = local.writes_crd ? 1 : 0

  yaml_body         = file(local.crd_file)
  server_side_apply = true
  force_conflicts   = true
  apply_only        = true
  # A plan need not show a thousand lines.
  sensitive_fields = ["spec"]
}

resource "helm_release" "operator" {
  name             = "flux-operator"
  namespace        = var.namespace
  create_namespace = var.create_namespace
  chart            = "${local.charts}/flux-operator"
  version          = var.chart_version
  values           = [yamlencode(local.operator_values)]
  wait             = true
  timeout          = var.timeout
  max_history      = 10

  lifecycle {
    precondition {
      condition     = !local.is_folder || fileexists("${local.charts}/flux-operator/Chart.yaml")
      error_message = "There is no chart in ${local.charts}/flux-operator: name a source that has the charts beside the module, such as \"git::https://...//packaging/terraform\", or set charts."
    }
  }

  depends_on = [kubectl_manifest.crd]
}

resource "kubectl_manifest" "sync_secret" {
  count = local.has_sync_secret ? 1 : 0

  yaml_body = yamlencode({
    apiVersion = "v1"
    kind       = "Secret"
    metadata   = { name = local.sync_secret_name, namespace = var.namespace }
    type       = local.is_registry_login ? "kubernetes.io/dockerconfigjson" : "Opaque"
    data       = { for name, value in local.sync_secret : name => base64encode(value) }
  })
  server_side_apply = true
  force_conflicts   = true

  lifecycle {
    precondition {
      condition     = can(local.instance.spec.sync)
      error_message = "sync_credentials without sync: set sync, or leave out the credentials."
    }
  }

  # For its namespace.
  depends_on = [helm_release.operator]
}

locals {
  sync_keys = nonsensitive(sensitive(try(keys(var.sync_credentials), [])))
  is_registry_login = (
    try(local.instance.spec.sync.kind, "") == "OCIRepository" && toset(local.sync_keys) == toset(["username", "password"])
  )
  sync_secret = local.is_registry_login ? {
    ".dockerconfigjson" = jsonencode({
      auths = {
        (regex("^oci://([^/]+)", local.instance.spec.sync.url)[0]) = {
          username = var.sync_credentials.username
          password = var.sync_credentials.password
          auth     = base64encode("${var.sync_credentials.username}:${var.sync_credentials.password}")
        }
      }
    })
  } : var.sync_credentials
}

resource "kubectl_manifest" "instance" {
  yaml_body         = yamlencode(local.instance)
  server_side_apply = true
  force_conflicts   = true
  # A destroy ends when the operator has uninstalled Flux, and so before the operator goes.
  wait = true

  depends_on = [helm_release.operator, kubectl_manifest.sync_secret]
}

# Waits, by a hook of the chart, each time the FluxInstance was written: the provider above does not.
resource "helm_release" "ready" {
  count = var.wait_until_ready ? 1 : 0

  name      = "flux-ready"
  namespace = var.namespace
  chart     = "${local.charts}/flux-instance"
  version   = var.chart_version
  values = [yamlencode({
    createInstance = false
    healthcheck = merge(local.pod_values, {
      enabled        = true
      timeout        = "${var.timeout}s"
      serviceAccount = { create = true, name = "flux-ready" }
    })
  })]
  timeout     = var.timeout + 60
  max_history = 10

  depends_on = [kubectl_manifest.instance]
  lifecycle {
    replace_triggered_by = [kubectl_manifest.instance]
  }
}
