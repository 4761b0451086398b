#!/bin/sh
# `npm start`: the demonstration, in the terminal and on a page of the hub. Everything after it goes to the command line: `npm start -- --help`.
set -eu
cd "$(dirname "$0")/.."
sh scripts/install.sh
if [ "$#" -gt 0 ]; then exec bin/windhover "$@"; fi
exec bin/windhover up --demo
