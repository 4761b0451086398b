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
# clang-14, libbpf-dev: the probe is built anew and compared. bpftool: libbpf's relocations are the oracle for ours.
# libre2-dev, g++: the oracle for regular expressions. sysdig: opens our captures. chromium: the hub's pages.
scripts/packages.sh clang-14 llvm-14 libbpf-dev linux-libc-dev bpftool gcc g++ libc6-dev libre2-dev make binutils sysdig \
  chromium docker.io containerd runc iproute2 util-linux bsdutils perl git
for setup in test/*/setup.sh; do
  "$setup" >&2 || echo "windhover: $setup failed; tests that need its parts will be skipped" >&2
done
exit 0
