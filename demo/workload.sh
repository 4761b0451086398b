#!/bin/sh
# The workload of `npm start`: harmless versions of what intruders do. Everything happens in a temporary
# directory of its own, on loopback, and is removed at the end. $1: seconds between the steps.
set -u
pause=${1:-1}
home=$(mktemp -d /tmp/windhover-demo.XXXXXX) || exit 1
trap 'rm -rf "$home"' EXIT
export HOME="$home"
cd "$home" || exit 1

step() {
  sleep "$pause"
  printf '\n  %s\n' "$1" >&2
}

step 'A program is copied to a world-writable directory and started there'
cp /bin/true "$home/update-helper" && "$home/update-helper"

step 'The password hashes are read'
cat /etc/shadow >/dev/null 2>&1

step 'Private keys are searched for'
find "$home" -name id_rsa >/dev/null

step 'A shell start-up file is changed, so as to be run at every login'
echo 'true' >>"$home/.bashrc"

step 'A program is given the setuid bit'
chmod u+s "$home/update-helper"

step 'A shell is connected to the network'
if command -v bash >/dev/null 2>&1 && [ -n "${WINDHOVER_DEMO_PORT:-}" ]; then
  bash -c 'exec 0<>"/dev/tcp/127.0.0.1/$WINDHOVER_DEMO_PORT"' 2>/dev/null
fi

step 'The traces are removed'
echo 'cat /etc/shadow' >"$home/.bash_history"
rm -f "$home/.bash_history"
