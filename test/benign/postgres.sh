# PostgreSQL is set up, started, used and stopped.
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
chown postgres /home/builder
run() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
run "$bin/initdb" -D /home/builder/data >/dev/null
run "$bin/pg_ctl" -D /home/builder/data -o '-p 54329 -k /home/builder -h 127.0.0.1' -w start >/dev/null
run "$bin/createdb" -h /home/builder -p 54329 load
run "$bin/psql" -h /home/builder -p 54329 load -c 'create table t as select generate_series(1, 1000) n' >/dev/null
if test -x "$bin/pgbench"; then
  run "$bin/pgbench" -h /home/builder -p 54329 -i load >/dev/null 2>&1
  run "$bin/pgbench" -h /home/builder -p 54329 -t 20 load >/dev/null
fi
run "$bin/pg_ctl" -D /home/builder/data -m fast -w stop >/dev/null
