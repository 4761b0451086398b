# nginx is started, asked and stopped.
mkdir -p www logs
echo hello >www/index.html
printf 'daemon on;\npid /home/builder/nginx.pid;\nerror_log /home/builder/logs/error.log;\nevents {}\nhttp { access_log /home/builder/logs/access.log; server { listen 127.0.0.1:54380; root /home/builder/www; } }\n' >nginx.conf
nginx -c /home/builder/nginx.conf
for i in $(seq 20); do node -e 'fetch("http://127.0.0.1:54380/").then((r) => r.text())'; done
nginx -c /home/builder/nginx.conf -s stop
