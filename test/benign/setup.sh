#!/bin/bash
# Installs the servers whose everyday work the tests watch; may be run again at any time. Needs root, Debian 12 or later.
set -euo pipefail
packages=(cron docker.io busybox-static git iproute2 logrotate make gcc libc6-dev nginx-light openssh-client openssh-server postgresql)
missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
# No package may start its service: the tests start their own.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
  made=1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"
[ -z "$made" ] || rm $policy
