#!/bin/bash
# Installs the real services that the tests talk to; may be run again at any time. Needs root, Debian 12 or later.
#   setup.sh            all that the tests need
#   setup.sh kafka opensearch otelcol mailpit gotify fakegcs   further ones, built from Maven and Go modules
# Everything that is no Debian package goes below ${XDG_CACHE_HOME:-~/.cache}/windhover-test.
set -euo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}/windhover-test
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$cache/bin"

debian() {
  local packages=(redis-server nats-server mosquitto rabbitmq-server influxdb prometheus prometheus-alertmanager rsyslog rsyslog-gnutls postgresql python3-venv openssl)
  local missing=()
  for package in "${packages[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  # No package may start its service: the tests start their own, on ports of their own.
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    made=1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  [ -z "$made" ] || rm $policy
}

python() {
  [ -x "$cache/venv/bin/moto_server" ] && [ -d "$cache"/venv/lib/python3*/site-packages/aiosmtpd ] && return
  python3 -m venv "$cache/venv"
  "$cache/venv/bin/pip" install -q 'moto[server,s3,sqs,sns,kinesis,logs,iam]==5.*' aiosmtpd boto3
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

otelcol() {
  [ -x "$cache/bin/otelcol" ] && return
  mkdir -p "$cache/otelcol"
  cp "$here"/otelcol/* "$cache/otelcol/"
  (cd "$cache/otelcol" && go mod tidy && go build -o "$cache/bin/otelcol" .)
}

go_tool() { # name, module path, version
  [ -x "$cache/bin/$1" ] || GOBIN="$cache/bin" go install "$2@$3"
}
mailpit() { go_tool mailpit github.com/axllent/mailpit v1.27.11; }
gotify() { go_tool server github.com/gotify/server/v2 latest; }
fakegcs() { go_tool fake-gcs-server github.com/fsouza/fake-gcs-server latest; }

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(debian python kafka opensearch otelcol)
pids=()
for part in "${parts[@]}"; do
  "$part" &
  pids+=($!)
done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=1; done
exit $status
