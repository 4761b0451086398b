#!/bin/sh
# Installs what the tests of the response engine act with: tcpdump goes into an image, nft blocks addresses in a network
# namespace of the test's own. Debian only, as root; may be run again at any time.
exec "$(dirname "$0")/../../scripts/packages.sh" tcpdump nftables iproute2
