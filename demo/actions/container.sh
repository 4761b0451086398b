# Terminal shell in container
script -qc 'bash -c true' /dev/null
# Netcat Remote Code Execution in Container
"$tools/nc" -e /bin/sh
# Launch Suspicious Network Tool in Container
"$tools/nmap" 127.0.0.1
# Launch Remote File Copy Tools in Container
tool scp && "$tools/scp" a b:
# Launch Ingress Remote File Copy Tools in Container
tool wget && "$tools/wget" http://192.0.2.1/
# Decoding Payload in Container
echo YWN0 | base64 -d
# Basic Interactive Reconnaissance
setsid script -qc 'exec whoami' /dev/null
# Redirect STDOUT/STDIN to Network Connection in Container
bash -c 'exec 3<>/dev/tcp/127.0.0.1/'"$port"'; exec 0<&3' || true
# Container Drift Detected (chmod)
chmod 777 "$tools/nc"
# Container Drift Detected (open+create)
perl -e 'use Fcntl; sysopen my $f, "$ARGV[0]/drift", O_CREAT | O_WRONLY, 0755' "$scratch"
# Packet socket created in container
call 41 17 3 0
# Read environment variable from /proc files
cat "/proc/$$/environ"
# Service account token read
mkdir -p "$scratch/run/secrets/kubernetes.io/serviceaccount" && echo act >"$scratch/run/secrets/kubernetes.io/serviceaccount/token" && cat "$scratch/run/secrets/kubernetes.io/serviceaccount/token"
# Launch Package Management Process in Container
tool apt-get && "$tools/apt-get" install act
# Kubernetes Client Tool Launched in Container
tool kubectl && "$tools/kubectl" get pods
# Detect release_agent File Container Escapes
mkdir -p "$scratch/cgroup" && echo >"$scratch/cgroup/release_agent"
# Modify Container Entrypoint
echo >"$scratch/docker-entrypoint.sh"
# Container Access to Host Sensitive Paths
mount -t tmpfs none /mnt && mkdir -p /mnt/host/etc && echo >/mnt/host/etc/hosts
# Change namespace privileges via unshare
setpriv --reuid 65534 --inh-caps=-all unshare --user true
# Mount in a container
mkdir -p "$scratch/host" && mount -t tmpfs none "$scratch/host"
# Directory of a cgroup delegated to a container
mount -t cgroup2 none "$scratch/host"
# Drop and execute new binary in container
cp /bin/true /usr/sbin/act && /usr/sbin/act
# Exfiltrating Artifacts via Kubernetes Control Plane
shell runc && echo act >"$scratch/act" && "$tools/runc" -c "sh -c 'tar -cf /dev/null $scratch/act; true'; true"
# Container Run as Root User
true
# Launch Disallowed Container
true
# Launch Excessively Capable Container
true
# Contact EC2 Instance Metadata Service From Container
alone 169.254.169.254 'listening 169.254.169.254 80; bash -c "exec 3<>/dev/tcp/169.254.169.254/80"'
# Contact cloud metadata service from container
alone 169.254.170.2 'listening 169.254.170.2 80; bash -c "exec 3<>/dev/tcp/169.254.170.2/80"'
# Contact K8S API Server From Container
alone 10.96.0.1 'listening 10.96.0.1 443; bash -c "exec 3<>/dev/tcp/10.96.0.1/443"'
# Unexpected K8s NodePort Connection
alone 203.0.113.9 'listening 203.0.113.9 30080; bash -c "exec 3<>/dev/tcp/203.0.113.9/30080"'
