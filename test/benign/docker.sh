# Containers are started, looked into and ended; the engine is one of its own, without a bridge.
mkdir -p root/bin root/tmp root/etc
cp "$(command -v busybox)" root/bin/busybox
for name in sh cat ls true sleep; do ln -s busybox "root/bin/$name"; done
tar -C root -c . >image.tar
engine() { docker -H unix:///home/builder/docker.sock "$@"; }
dockerd --data-root=/home/builder/data --exec-root=/home/builder/exec --pidfile=/home/builder/docker.pid \
  --host=unix:///home/builder/docker.sock --bridge=none --iptables=false --ip6tables=false --ip-masq=false \
  --ip-forward=false --userland-proxy=false --oom-score-adjust=0 --exec-opt=native.cgroupdriver=cgroupfs >log 2>&1 &
until_true engine version >/dev/null
engine import -c 'ENV PATH=/bin' image.tar example.org/benign:1
engine run --rm --network=none example.org/benign:1 ls /
engine run -d --name server --network=none example.org/benign:1 sh -c 'echo ready; sleep 100'
engine exec server sh -c 'echo hello >/etc/setting; cat /etc/setting; ls /'
engine logs server
engine inspect server >/dev/null
engine rm -f server
kill "$(cat docker.pid)"
wait
