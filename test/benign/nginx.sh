# nginx is started, asked and stopped.
mkdir -p www logs
echo hello >www/index.html
printf 'daemon on;\npid /home/builder/nginx.pid;\nerror_log /home/builder/logs/error.log;\nevents {}\nhttp { access_log /home/builder/logs/access.log; server { listen 127.0.0.1:54380; root /home/builder/www; } }\n' >nginx.conf
nginx -c /home/builder/nginx.conf
node -e '(async () => { for (let i = 0; i < 300; i++) await (await fetch("http://127.0.0.1:54380/")).text(); })()'
nginx -c /home/builder/nginx.conf -s stop
