#!/bin/sh
# Installs what the tests of the response engine act with: tcpdump goes into an image, nft blocks addresses in a network
# namespace of the test's own. Debian only, as root; may be run again at any time.
set -eu
missing=
for package in tcpdump nftables iproute2; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
install() {
  # shellcheck disable=SC2086 # a list of words
  apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $missing
}
# A machine that was set up long ago knows packages that are no more.
install || { apt-get update -qq && install; }
