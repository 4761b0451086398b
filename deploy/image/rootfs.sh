#!/bin/bash
# rootfs.sh DIR: the files of the container image, without any image registry: Node, the program with the packages that it
# runs with, the probe, the rules, the UI. Needs an installed checkout (npm ci). The Dockerfile copies what this makes.
set -euo pipefail
root=$1
here=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
app=$root/opt/windhover
mkdir -p "$app/probe" "$app/ui" "$root"/{usr/bin,etc/falco/rules.d,etc/ssl/certs,tmp,proc,sys,host,var/lib/windhover}
chmod 1777 "$root/tmp"

case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
node=$here/node_modules/node-linux-$arch/bin/node
[ -x "$node" ] || node=$(readlink -f "$(command -v node)")
cp "$node" "$root/usr/bin/node"
strip --strip-unneeded "$root/usr/bin/node" 2>/dev/null || true

# Shared libraries of Node and of the native module that calls the kernel; names and certificates for TLS.
ldd "$node" | grep -oE '/[^ ]+\.so[^ ]*' | sort -u | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
for library in /lib/*-linux-gnu/libnss_{files,dns}.so.2 /lib/*-linux-gnu/libresolv.so.2; do
  [ ! -e "$library" ] || { mkdir -p "$root$(dirname "$library")"; cp -L "$library" "$root$library"; }
done
echo 'root:x:0:0:root:/root:/usr/sbin/nologin' >"$root/etc/passwd"
echo 'windhover:x:1000:1000:windhover:/var/lib/windhover:/usr/sbin/nologin' >>"$root/etc/passwd"
printf 'root:x:0:\nwindhover:x:1000:\n' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" 2>/dev/null || true

cp -r "$here"/{bin,src,package.json,LICENSE} "$app/"
find "$app/src" \( -name '*.test.ts' -o -name testdata \) -prune -exec rm -r {} +
cp "$here"/probe/*.bpf.o "$app/probe/"
[ ! -d "$here/ui/dist" ] || cp -r "$here/ui/dist" "$app/ui/"
(cd "$here" && npm ls --omit=dev --all --parseable 2>/dev/null) | sed -n "s|^$here/node_modules/||p" | grep -v '^node-linux-' |
  while read -r package; do
    mkdir -p "$app/node_modules/$package"
    tar -C "$here/node_modules/$package" --exclude=./node_modules -cf - . | tar -C "$app/node_modules/$package" -xf -
  done
# Of the builds of the native module only ours is of use; declarations and maps are of none.
find "$app/node_modules/koffi" "$app/node_modules/@koromix" -name '*.node' ! -path "*linux_$arch*" ! -path "*linux-$arch*" -delete 2>/dev/null || true
find "$app/node_modules" \( -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' -o -name '*.map' -o -name '*.md' \) -delete

mkdir -p "$app/rules"
cp -r "$here"/rules/*.yaml "$here/rules/kubernetes" "$app/rules/"
rm -rf "$app/rules/kubernetes/tests"
# Where Falco's image has them: configurations and mounts that were made for it find what they expect.
for rules in "$here"/rules/*.yaml; do
  cat "$rules"
  echo
done >"$root/etc/falco/falco_rules.yaml"
cp "$here/rules/kubernetes/audit.yaml" "$root/etc/falco/k8s_audit_rules.yaml"

# No shell is needed to start it, and none is there. The flags of V8 are those of bin/windhover: one may stand in the first
# line, the other is given before anything is allocated.
semi_space=$(grep -o -- '--max-semi-space-size=[0-9]*' "$here/bin/windhover")
growing=$(grep -o -- '--heap-growing-percent=[0-9]*' "$here/bin/windhover")
printf '%s\n' "#!/usr/bin/node $semi_space" "require('node:v8').setFlagsFromString('$growing');" \
  "import('/opt/windhover/bin/main.js');" >"$root/usr/bin/windhover"
chmod +x "$root/usr/bin/windhover"
ln -sf windhover "$root/usr/bin/falco"
