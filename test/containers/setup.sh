#!/bin/sh
# Installs the container engines that the tests start privately: Docker, containerd, runc, Podman, LXC. May be run again at any
# time. Needs root, Debian 12 or later.
exec "$(dirname "$0")/../../scripts/packages.sh" docker.io containerd runc podman lxc busybox-static
