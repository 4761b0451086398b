# Sourced by scripts that build tests' parts from Go modules.
# The oldest Go that all of them can be built with; where the machine's is older, this one comes as a Go module, too.
toolchain=1.26.8

# Puts a Go that is new enough into PATH. Any Go can fetch a newer one; Debian's will do.
go_to_build_with() {
  if ! command -v go >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo 'go is needed' >&2; return 1; }
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
