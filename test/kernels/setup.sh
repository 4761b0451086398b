#!/bin/sh
# Fetches what `npm run test:kernels` needs: qemu, busybox and a C compiler from the machine's own Debian, and the
# kernels of several Debian releases, unpacked (not installed) under ~/.cache/windhover-test/kernels.
# Run it again at will: what is there stays.
set -eu

cache=${XDG_CACHE_HOME:-$HOME/.cache}/windhover-test
export DEBIAN_FRONTEND=noninteractive

if ! command -v apt-get >/dev/null; then
  echo 'setup: needs apt-get (Debian)' >&2
  exit 1
fi

# One at a time.
mkdir -p "$cache"
exec 9>"$cache/kernels.lock"
flock 9

"$(dirname "$0")/../../scripts/packages.sh" bpftool qemu-system-x86 binutils gcc libc6-dev busybox-static

# kernel NAME REPOSITORY SUITE META [MODULE]: the image that the metapackage META of that suite stands for today,
# read through package lists of its own, so that the machine's sources stay as they are; and one of its modules, by its
# path among them, as module.ko.
kernel() {
  name=$1 repository=$2 suite=$3 meta=$4 module=${5-}
  [ -s "$cache/kernels/$name/vmlinuz" ] && return
  apt=$cache/apt/$suite
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$cache/kernels/$name"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $repository $suite main" >"$apt/sources.list"
  set -- -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Dir::Etc::sourcelist="$apt/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null -o Dir::State::status=/dev/null -o Acquire::Languages=none \
    -o APT::Architecture=amd64 -o APT::Sandbox::User=root
  apt-get "$@" update -qq
  image=$(apt-cache "$@" depends --important "$meta" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
  # Newer releases keep the file in a package of its own.
  binary=$(apt-cache "$@" depends --important "$image" | sed -n 's/^ *Depends: \(linux-binary-.*\)/\1/p' | head -n 1)
  (
    cd "$cache/kernels/$name"
    apt-get "$@" download -qq "${binary:-$image}"
    for deb in *.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x --to-stdout --wildcards '*/vmlinuz*' >vmlinuz.tmp; done
    if [ -n "$module" ]; then dpkg-deb --fsys-tarfile ./*.deb | tar -x --to-stdout --wildcards "*/kernel/$module" >module.ko; fi
    rm -f -- *.deb
    mv vmlinuz.tmp vmlinuz
    echo "${image#linux-image-}" >version
  )
  rm -rf "$apt"
  echo "setup: kernel $name is $(cat "$cache/kernels/$name/version")" >&2
}

# repository LABEL: where this machine gets its own packages of that label from; the other suites stand beside them.
repository() {
  apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Origin: Debian' "Label: $1" 'Created-By: Packages' | sed -n '1s/ .*//p'
}
debian=$(repository Debian)
if [ -z "$debian" ]; then
  apt-get update -qq
  debian=$(repository Debian)
fi
security=$(repository Debian-Security)
if [ -z "$debian" ] || [ -z "$security" ]; then
  echo 'setup: needs a Debian machine with a Debian and a Debian-Security source' >&2
  exit 1
fi
kernel 5.10 "$security" bullseye-security linux-image-cloud-amd64
kernel 6.1 "$security" bookworm-security linux-image-cloud-amd64
kernel 6.12 "$security" bookworm-security linux-image-6.12-cloud-amd64
kernel sid "$debian" sid linux-image-cloud-amd64
# Those for clouds are built without the x32 ABI.
kernel 6.1-full "$security" bookworm-security linux-image-amd64 drivers/net/dummy.ko
