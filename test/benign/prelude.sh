# What everyday work stands on, after demo/actions/layers.sh. Its network is loopback alone.
set -eu
cover etc usr var root
mount -t tmpfs -o exec none /home
mount -t tmpfs none /run
ip link set lo up
mkdir -p /home/builder
export HOME=/home/builder
cd /home/builder
# Waits for something to be true, for half a minute.
until_true() { for _ in $(seq 300); do if "$@" 2>/dev/null; then return; fi; sleep 0.1; done; return 1; }
