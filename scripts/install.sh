#!/bin/sh
# Installs the project's own packages when they are missing or older than the lock file.
# Install scripts of packages are not run: nothing here needs one.
set -eu
cd "$(dirname "$0")/.."
stamp=node_modules/.package-lock.json
if [ ! -e "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
  echo 'windhover: installing packages (once)' >&2
  # `npm ci` insists on packages for other platforms, too, which a mirror need not have.
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2 ||
    npm install --ignore-scripts --no-save --no-audit --no-fund --loglevel=error >&2
  touch "$stamp"
fi
