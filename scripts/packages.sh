#!/bin/sh
# Installs Debian packages for the tests; what is there stays: scripts/packages.sh PACKAGE...
# None of them starts its service: the tests start their own. One that cannot be had is named, keeps no other away, and
# makes the status 1. Debian only, as root; may be run again at any time.
set -u
missing=
for package in "$@"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "windhover: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
install() {
  apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >&2
}
apt-get update -qq >&2
# shellcheck disable=SC2086 # a list of words
install $missing && exit 0
status=0
for package in $missing; do
  install "$package" || { echo "windhover: $package cannot be had" >&2; status=1; }
done
exit "$status"
