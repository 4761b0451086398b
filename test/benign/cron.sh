# What a nightly job does: rotate logs, clean up, update databases, look at the machine.
mkdir -p /var/log/benign /var/cache/benign
for i in $(seq 50); do echo "line $i" >>/var/log/benign/app.log; done
if command -v logrotate >/dev/null; then
  printf '/var/log/benign/*.log {\n  rotate 2\n  compress\n  missingok\n}\n' >rotate.conf
  logrotate -f -s /home/builder/state rotate.conf
fi
find /var/cache/benign -type f -mtime +7 -delete
ldconfig
df -h >report
ps ax >>report 2>/dev/null || true
uptime >>report
id >>report
getent passwd root >>report
date >>report
nice -n 10 sha256sum report
crontab -l 2>/dev/null || true
