module flux-operator/tools/prometheus-operator

go 1.24.0

// Only its CRDs are read, which the module carries as files: nothing of it is built.
require github.com/prometheus-operator/prometheus-operator v0.88.0
