# What the machine's directories are during the everyday work of these scripts: writable layers of a private mount namespace.
set -eu
mount -t tmpfs none "$scratch"
for dir in etc usr var; do
  mkdir -p "$scratch/upper/$dir" "$scratch/workdir/$dir"
  mount -t overlay overlay -o "lowerdir=/$dir,upperdir=$scratch/upper/$dir,workdir=$scratch/workdir/$dir" "/$dir"
done
mount -t tmpfs -o exec none /home
mkdir -p /home/builder
export HOME=/home/builder
cd /home/builder
