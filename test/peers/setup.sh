#!/bin/bash
# Installs the real services that the tests talk to; may be run again at any time. Needs root, Debian 12 or later.
#   setup.sh            all that the tests need
#   setup.sh mailpit gotify fakegcs   further ones, built from Go modules
# Everything that is no Debian package goes below ${XDG_CACHE_HOME:-~/.cache}/windhover-test.
set -euo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}/windhover-test
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$cache/bin"
. "$here/../../scripts/go.sh"

debian() {
  local packages=(redis-server nats-server mosquitto rabbitmq-server influxdb prometheus prometheus-alertmanager rsyslog rsyslog-gnutls postgresql python3-venv openssl)
  command -v mvn >/dev/null || packages+=(maven)
  command -v javac >/dev/null || packages+=(default-jdk-headless)
  "$here/../../scripts/packages.sh" "${packages[@]}"
}

python() {
  [ -x "$cache/venv/bin/moto_server" ] && [ -d "$cache"/venv/lib/python3*/site-packages/aiosmtpd ] &&
    [ -d "$cache"/venv/lib/python3*/site-packages/docker ] && return
  python3 -m venv "$cache/venv"
  "$cache/venv/bin/pip" install -q 'moto[server,s3,sqs,sns,kinesis,logs,iam,awslambda]==5.*' aiosmtpd boto3
}

kafka() {
  [ -d "$cache/kafka/lib" ] && return
  mkdir -p "$cache/kafka"
  cp "$here/kafka/pom.xml" "$cache/kafka/"
  (cd "$cache/kafka" && mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib)
}

opensearch() {
  [ -f "$cache/opensearch/OpenSearch.class" ] && return
  mkdir -p "$cache/opensearch"
  cp "$here"/opensearch/* "$cache/opensearch/"
  (cd "$cache/opensearch" && mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib && javac -cp 'lib/*' OpenSearch.java)
}

go_program() { # its folder here
  [ -x "$cache/bin/$1" ] && return
  mkdir -p "$cache/$1"
  cp "$here/$1"/* "$cache/$1/"
  go_to_build_with
  (cd "$cache/$1" && go mod tidy && go build -o "$cache/bin/$1" .)
}
otelcol() { go_program otelcol; }
pstest() { go_program pstest; }

# In a folder of its own: with what it brings along it is three times as large as all that the product needs.
azurite() {
  [ -x "$cache/azurite/node_modules/.bin/azurite-blob" ] && return
  mkdir -p "$cache/azurite"
  npm install --prefix "$cache/azurite" --no-audit --no-fund --omit=dev azurite@3.35.0
}

go_tool() { # name, module path, version
  [ -x "$cache/bin/$1" ] && return
  go_to_build_with
  GOBIN="$cache/bin" go install "$2@$3"
}
mailpit() { go_tool mailpit github.com/axllent/mailpit v1.27.11; }
gotify() { go_tool server github.com/gotify/server/v2 latest; }
fakegcs() { go_tool fake-gcs-server github.com/fsouza/fake-gcs-server latest; }

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(debian python kafka opensearch otelcol pstest azurite)
status=0
# First what the others are built with.
case " ${parts[*]} " in *' debian '*)
  debian &
  wait $! || status=1
  ;;
esac
pids=()
for part in "${parts[@]}"; do
  [ "$part" = debian ] && continue
  "$part" &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || status=1; done
exit $status
