#!/bin/sh
# Installs the real parts that the tests meet: compilers, emulator and kernels, a browser, container engines,
# brokers and databases. Debian only, as root; what is there stays. A part that cannot be had is not fatal:
# its tests are skipped and say why.
set -u
cd "$(dirname "$0")/.."

if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
  echo 'windhover: no apt-get or not root; tests that need parts which are not here will be skipped' >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# clang-14, libbpf-dev: the probe is built anew and compared. bpftool: libbpf's relocations are the oracle for ours.
# libre2-dev, g++: the oracle for regular expressions. sysdig: opens our captures. chromium: the hub's pages.
packages='clang-14 llvm-14 libbpf-dev linux-libc-dev bpftool gcc g++ libc6-dev libre2-dev make binutils sysdig chromium
  docker.io containerd runc iproute2 util-linux bsdutils perl git'
missing=
for package in $packages; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ]; then
  echo "windhover: installing$missing" >&2
  # Packages may not start services: the tests start their own.
  policy=/usr/sbin/policy-rc.d
  made=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    made=1
  fi
  apt-get update -qq >&2
  # shellcheck disable=SC2086 # a list of words
  apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $missing >&2 ||
    for package in $missing; do
      apt-get install -y -qq --no-install-recommends "$package" >&2 || echo "windhover: $package cannot be had" >&2
    done
  [ -z "$made" ] || rm -f "$policy"
fi
for setup in test/*/setup.sh; do
  "$setup" >&2 || echo "windhover: $setup failed; tests that need its parts will be skipped" >&2
done
exit 0
