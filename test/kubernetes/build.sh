#!/bin/bash
# Builds, from Go modules alone, what the tests of Kubernetes need, into ${XDG_CACHE_HOME:-~/.cache}/windhover-test/bin:
#   kubelite  etcd, kube-apiserver, controller manager, scheduler, kubelet and kubectl as one program
#             (about five minutes on two free cores, 2.4 GB of memory when it links)
#   helm      (about a minute)
# What is there in the wanted version stays. Give names to build only those. Run it niced and in the background.
set -euo pipefail
kubernetes=v1.33.13
helm=v3.22.0
# The oldest Go that both can be built with; where the machine's is older, this one comes as a Go module, too.
toolchain=1.26.8
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/windhover-test
mkdir -p "$cache/bin"

# Puts a Go that is new enough into PATH. Any Go can fetch a newer one; Debian's will do.
go_to_build_with() {
  if ! command -v go >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo 'build.sh: needs go' >&2; return 1; }
    { apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 golang-go ||
      { apt-get update -qq && apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 golang-go; }; } >&2
  fi
  local have
  have=$(GOTOOLCHAIN=local go env GOVERSION)
  printf '%s\n' "$toolchain" "${have#go}" | sort -VC && return
  local folder
  folder=$(GOTOOLCHAIN=local GOFLAGS=-mod=mod go mod download -json "golang.org/toolchain@v0.0.1-go$toolchain.linux-$(go env GOARCH)" |
    sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  # Files of modules are not executable; a Go before 1.21 does not know that these are to be.
  chmod -R u+w,+x "$folder/bin" "$folder/pkg/tool"
  PATH=$folder/bin:$PATH
  export PATH GOTOOLCHAIN=local
}

has_kubelite() { "$cache/bin/kubelite" kubectl version --client 2>/dev/null | grep -q "$kubernetes"; }
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

[ $# -gt 0 ] || set -- kubelite helm
for part in "$@"; do
  if "has_$part"; then continue; fi
  echo "windhover: building $part from Go modules, once" >&2
  go_to_build_with
  (set -e; "$part")
done
