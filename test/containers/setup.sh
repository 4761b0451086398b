#!/bin/bash
# Installs the container engines that the tests start privately: Docker, containerd, runc, Podman, LXC. May be run again at any
# time. Needs root, Debian 12 or later.
set -euo pipefail
packages=(docker.io containerd runc podman lxc busybox-static)
missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
# No package may start its service.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
  made=1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
[ -z "$made" ] || rm $policy
