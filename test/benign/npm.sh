# npm ci of a package that is packed here, with an install script.
mkdir -p dependency app
cat >dependency/package.json <<'JSON'
{"name": "dependency", "version": "1.0.0", "scripts": {"postinstall": "node -e 0"}}
JSON
(cd dependency && npm pack --silent --pack-destination ../app)
cat >app/package.json <<'JSON'
{"name": "app", "version": "1.0.0", "dependencies": {"dependency": "file:dependency-1.0.0.tgz"}, "scripts": {"test": "node -e 0"}}
JSON
cd app
npm install --offline --no-audit --no-fund --package-lock-only
npm ci --offline --no-audit --no-fund
npm test
