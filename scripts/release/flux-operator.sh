#!/bin/sh
# Runs the CLI with the Node on PATH, or the one that FLUX_OPERATOR_NODE names.
set -eu
self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in
    /*) self=$link ;;
    *) self=$(dirname "$self")/$link ;;
  esac
done
node=${FLUX_OPERATOR_NODE:-node}
version=$("$node" --version 2>/dev/null) || version=none
major=${version#v}
major=${major%%.*}
if [ "$major" = none ] || [ "$major" -lt 26 ]; then
  echo "flux-operator: needs Node 26 or newer, and $node is $version; install it, or name one in FLUX_OPERATOR_NODE" >&2
  exit 2
fi
exec "$node" --disable-warning=ExperimentalWarning "$(dirname "$self")/../lib/flux-operator.mjs" "$@"
