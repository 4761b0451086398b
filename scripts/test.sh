#!/bin/sh
# `npm test`: installs what the tests need and runs all of them. The last line is `N passed, N failed, N skipped`.
# With arguments, only the test files that match them: `npm test -- src/rules`.
set -eu
cd "$(dirname "$0")/.."
sh scripts/install.sh
PATH="$PWD/node_modules/.bin:$PATH"
export PATH WINDHOVER_REQUIRE_SCOPE=1
if [ "$#" -gt 0 ]; then exec vitest run "$@"; fi
sh scripts/test-parts.sh
if [ ! -e ui/dist/index.html ]; then npm run --silent build:ui >&2; fi
npm run --silent check >&2
exec vitest run
