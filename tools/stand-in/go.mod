module flux-operator/tools/stand-in

go 1.26.0
