# What acts in containers stand on besides: a Docker daemon of its own, without a network, and an image of busybox.
# Its socket is beside $scratch, where the sensor finds it.
engine() { docker -H "unix://$scratch.sock" "$@"; }
# A container that runs what stands after `--`, with the options before it. What is known of a container must be known
# before its program is judged, so it is started a moment after it was made.
contain() {
  options=
  while test "$1" != --; do options="$options $1"; shift; done
  shift
  # shellcheck disable=SC2086 # a list of words
  container=$(engine create --network=none $options windhover.test/act:1 "$@")
  sleep 0.5
  engine start --attach "$container"
  engine rm --force "$container"
}
# runc, which cannot give what this machine's root does not have.
cat >"$scratch/runtime" <<'SH'
#!/bin/sh
bundle=. last=
for word in "$@"; do
  case $last in --bundle | -b) bundle=$word ;; esac
  last=$word
done
have=$(($(sed -n 's/^CapEff:[[:space:]]*/0x/p' /proc/self/status)))
if test $((have >> 24 & 1)) = 0 && test -f "$bundle/config.json"; then
  sed -i -E 's/"CAP_SYS_RESOURCE",?//g; s/,\]/]/g; s/"oomScoreAdj":-[0-9]+/"oomScoreAdj":0/g' "$bundle/config.json"
fi
exec runc "$@"
SH
chmod 755 "$scratch/runtime"
dockerd --data-root="$scratch/docker" --exec-root="$scratch/exec" --pidfile="$scratch/docker.pid" \
  --host="unix://$scratch.sock" --bridge=none --iptables=false --ip6tables=false --ip-masq=false --ip-forward=false \
  --userland-proxy=false --oom-score-adjust=0 --exec-opt=native.cgroupdriver=cgroupfs \
  --add-runtime="act=$scratch/runtime" --default-runtime=act >"$scratch/docker.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do
  engine version >/dev/null 2>&1 && break
  kill -0 $daemon || { cat "$scratch/docker.log" >&2; exit 1; }
  sleep 0.1
done
mkdir -p "$scratch/image/bin" "$scratch/image/tmp" "$scratch/image/mnt" "$scratch/image/etc"
cp "$(command -v busybox)" "$scratch/image/bin/busybox"
for name in $(busybox --list); do test "$name" = busybox || ln -s busybox "$scratch/image/bin/$name"; done
tar -C "$scratch/image" -c . | engine import -c 'ENV PATH=/bin' - windhover.test/act:1 >/dev/null || exit 1
# By the end of this one the sensor has found the socket.
contain -- sleep 1
