#!/bin/bash
# Builds, from Go modules alone, what the tests of Kubernetes and its runtimes need, into
# ${XDG_CACHE_HOME:-~/.cache}/windhover-test/bin:
#   kubelite  etcd, kube-apiserver, controller manager, scheduler, kubelet and kubectl as one program
#             (about five minutes on two free cores, 2.4 GB of memory when it links)
#   helm      (about a minute)
#   crio      CRI-O, and pinns, which it calls (about a minute)
# What is there in the wanted version stays. Give names to build only those. Run it niced and in the background.
set -euo pipefail
kubernetes=v1.33.13
helm=v3.22.0
# The last release that the module proxy has; the checksum database has it no more, so it is given here.
crio=v1.24.1
crio_sum=h1:Hjjy19WRbZSp84rvpsUU3NuOqPLiiy53gnhucEziuBA=
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/windhover-test
mkdir -p "$cache/bin"
. "$here/../../scripts/go.sh"

has_kubelite() { "$cache/bin/kubelite" kubectl version --client 2>/dev/null | grep -q "$kubernetes"; }
has_crio() { [ -x "$cache/bin/pinns" ] && "$cache/bin/crio" --version 2>/dev/null | grep -q "${crio#v}"; }
has_helm() { "$cache/bin/helm" version --short 2>/dev/null | grep -q "$helm"; }

kubelite() {
  local out=$cache/bin/kubelite source=$cache/kubelite-source
  mkdir -p "$source"
  cp "$here/main.go" "$source/"
  cd "$source"
  # Kubernetes requires its own parts as v0.0.0 and replaces them by folders, which a dependent does not see: name their releases.
  local mod
  mod=$(go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
  {
    echo 'module windhover.test/kubelite'
    grep -E '^go(debug)? ' "$mod"
    echo "require k8s.io/kubernetes $kubernetes"
    awk -v release="v0.${kubernetes#v1.}" \
      '$1 ~ /^k8s\.io\// && $2 == "v0.0.0" && !seen[$1]++ { print "replace " $1 " => " $1 " " release }' "$mod"
  } >go.mod
  go mod tidy
  local minor=${kubernetes#v1.}
  local version=k8s.io/component-base/version
  CGO_ENABLED=0 go build -p 2 -trimpath -o "$out.new" -ldflags "-s -w \
    -X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*} \
    -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes" .
  mv "$out.new" "$out"
}

helm() {
  GOBIN=$cache/bin CGO_ENABLED=0 go install -p 2 -trimpath \
    -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=$helm" "helm.sh/helm/v3/cmd/helm@$helm"
}

crio() {
  # What CRI-O is made of is checked by its own go.sum.
  export GONOSUMDB='*' GOFLAGS=-mod=readonly
  local source=$cache/crio-source folder
  folder=$(go mod download -json "github.com/cri-o/cri-o@$crio" | tee "$cache/crio.json" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  grep -qF "\"Sum\": \"$crio_sum\"" "$cache/crio.json"
  rm -rf "$source"
  cp -r "$folder" "$source"
  chmod -R u+w "$source"
  cd "$source"
  rm -rf vendor
  # A second monitor of containers, which the proxy does not have and these tests do not use.
  mkdir -p conmon-rs/pkg/client
  printf 'module github.com/containers/conmon-rs\n' >conmon-rs/go.mod
  cp "$here/conmon-rs/client.go" conmon-rs/pkg/client/
  go mod edit -replace github.com/containers/conmon-rs=./conmon-rs
  gcc -O2 -o "$cache/bin/pinns" pinns/src/*.c
  go build -p 2 -trimpath -ldflags '-s -w -checklinkname=0' \
    -tags 'containers_image_openpgp exclude_graphdriver_btrfs exclude_graphdriver_devicemapper' -o "$cache/bin/crio" ./cmd/crio
  rm -rf "$source"
}

[ $# -gt 0 ] || set -- kubelite helm crio
for part in "$@"; do
  if "has_$part"; then continue; fi
  echo "windhover: building $part from Go modules, once" >&2
  go_to_build_with
  (set -e; "$part")
done
