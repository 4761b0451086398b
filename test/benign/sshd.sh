# People log in over SSH: for a command, at a terminal, to copy files.
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f host-key
ssh-keygen -q -t ed25519 -N '' -f key
cp key.pub allowed
printf 'Port 54322\nListenAddress 127.0.0.1\nHostKey /home/builder/host-key\nPidFile /home/builder/sshd.pid\nAuthorizedKeysFile /home/builder/allowed\nStrictModes no\nPermitRootLogin prohibit-password\nUsePAM yes\nSubsystem sftp internal-sftp\n' >sshd.conf
"$(command -v sshd)" -f /home/builder/sshd.conf
until_true test -s sshd.pid
options='-i key -o UserKnownHostsFile=/home/builder/known -o StrictHostKeyChecking=accept-new'
# shellcheck disable=SC2086 # a list of words
for i in 1 2 3; do ssh $options -p 54322 root@127.0.0.1 "echo $i; id; uptime"; done
# shellcheck disable=SC2086
echo 'ls /; uptime; exit 0' | ssh -tt $options -p 54322 root@127.0.0.1
echo file >copied
# shellcheck disable=SC2086
scp -q $options -P 54322 copied root@127.0.0.1:/home/builder/there
# shellcheck disable=SC2086
echo 'get /home/builder/there back' | sftp -q -b - $options -P 54322 root@127.0.0.1
kill "$(cat sshd.pid)"
