# $scratch, an empty directory, becomes one in memory, and `cover` puts writable layers from it over directories of the
# machine, so that nothing outside changes. For a private mount namespace (`unshare --mount`).
mount -t tmpfs none "$scratch" || exit 1
cover() {
  for dir; do
    mkdir -p "$scratch/upper/$dir" "$scratch/workdir/$dir"
    mount -t overlay overlay -o "lowerdir=/$dir,upperdir=$scratch/upper/$dir,workdir=$scratch/workdir/$dir" "/$dir" || exit 1
  done
}
