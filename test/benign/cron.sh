# A nightly job that cron starts: it rotates logs, cleans up, and looks at the machine.
mkdir -p /var/log/benign /var/cache/benign
for i in $(seq 50); do echo "line $i" >>/var/log/benign/app.log; done
printf '/var/log/benign/*.log {\n  rotate 2\n  compress\n  missingok\n}\n' >rotate.conf
cat >nightly <<'SH'
#!/bin/sh
set -e
cd /home/builder
if command -v logrotate >/dev/null; then logrotate -f -s /home/builder/state rotate.conf; fi
find /var/cache/benign -type f -mtime +7 -delete
ldconfig
df -h >report
ps ax >>report 2>/dev/null || true
uptime >>report
id >>report
getent passwd root >>report
date >>report
nice -n 10 sha256sum report
touch done
SH
chmod 755 nightly
# The table of jobs is a file that a package brought, as far as this test goes.
mkdir -p /home/tables/cron.d
printf 'SHELL=/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n@reboot root /home/builder/nightly\n* * * * * nobody true\n' >/home/tables/cron.d/nightly
mount --bind /home/tables/cron.d /etc/cron.d
cron -f &
daemon=$!
until_true test -e done
crontab -l 2>/dev/null || true
kill $daemon
