#!/bin/sh
# Starts a command in a pid namespace, mount namespace and cgroup of its own: the least that a container is.
set -eu
parent=/sys/fs/cgroup/cpu
test -d "$parent" || parent=/sys/fs/cgroup
cgroup=$parent/windhover-demo-$$
mkdir "$cgroup"
trap 'rmdir "$cgroup"' EXIT
# shellcheck disable=SC2016 # expanded inside
unshare --pid --mount --fork --mount-proc sh -c 'echo 0 >"$1/cgroup.procs"; shift; exec "$@"' sh "$cgroup" "$@"
