#!/bin/bash
# Writes windhover.yaml, the manifests for those who do not use Helm: what the chart gives by default. HELM names the program.
set -euo pipefail
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
{
  echo '# Made by render.sh from the chart; kubectl apply -f windhover.yaml'
  printf '%s\n' 'apiVersion: v1' 'kind: Namespace' 'metadata:' '  name: windhover' '  labels:' \
    '    pod-security.kubernetes.io/enforce: privileged # for the host paths'
  "${HELM:-helm}" template windhover "$here/../charts/windhover" -n windhover --kube-version 1.33.0 |
    sed -e '/managed-by: Helm$/d' -e '/helm.sh\/chart:/d' -e 's/[ \t]*$//'
} >"${1:-$here/windhover.yaml}"
