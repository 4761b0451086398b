# What every act stands on, after layers.sh.
set -u
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cover etc root usr/bin usr/sbin usr/lib var/log var/lib/dpkg home var/spool
mount -t tmpfs -o exec none /dev/shm
mount -t tmpfs -o exec none /var/tmp
tools=$scratch/tools
mkdir -p "$tools" /root/.ssh /root/.aws /home/demo
echo key >>/root/.ssh/id_demo
echo key >>/root/.aws/credentials
echo history >>/root/.bash_history
# Another program under that name.
tool() { cp /bin/true "$tools/$1"; }
# A shell under that name, which starts what it is told to.
shell() { cp "$(command -v bash)" "$tools/$1"; }
# What a package does while npm installs it.
during_install() { (cd "$scratch" && printf '%s; true\n' "$1" >install && "$tools/npm" install); }
# A system call by its number on x86-64, made by perl.
call() { perl -e 'my ($nr, @a) = map { /^-?\d+$/ ? $_ + 0 : $_ } @ARGV; push @a, 0 while @a < 6; syscall($nr, @a)' "$@"; }
# Runs lines of sh in a network namespace of its own, whose loopback has the address.
alone() { (export tools scratch acts; unshare --net sh -c "ip link set lo up; ip addr add $1/32 dev lo
$listening
$2"); }
# Something answers at the address and port: once, with the bytes if there are any.
# shellcheck disable=SC2016 # expanded inside
listening='listening() { perl -MIO::Socket::INET -e "my \$s = IO::Socket::INET->new(Listen => 1, LocalAddr => \$ARGV[0], LocalPort => \$ARGV[1]) or die; exit if fork; alarm 9; my \$c = \$s->accept; print \$c eval qq(\"\$ARGV[2]\")" "$@"; }'
for name in nc nmap curl; do tool $name; done
for name in nginx npm; do shell $name; done
