# What the machine's directories are during the everyday work of these scripts: writable layers of a private mount
# namespace. Its network is loopback alone.
set -eu
mount -t tmpfs none "$scratch"
for dir in etc usr var root; do
  mkdir -p "$scratch/upper/$dir" "$scratch/workdir/$dir"
  mount -t overlay overlay -o "lowerdir=/$dir,upperdir=$scratch/upper/$dir,workdir=$scratch/workdir/$dir" "/$dir"
done
mount -t tmpfs -o exec none /home
mount -t tmpfs none /run
ip link set lo up
mkdir -p /home/builder
export HOME=/home/builder
cd /home/builder
# Waits for something to be true, for half a minute.
until_true() { for _ in $(seq 300); do if "$@" 2>/dev/null; then return; fi; sleep 0.1; done; return 1; }
