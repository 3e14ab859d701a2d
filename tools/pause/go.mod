module flux-operator/tools/pause

go 1.26.0
