#!/bin/sh
# Installs the servers whose everyday work the tests watch; may be run again at any time. Needs root, Debian 12 or later.
exec "$(dirname "$0")/../../scripts/packages.sh" cron docker.io busybox-static git iproute2 logrotate make gcc libc6-dev \
  nginx-light openssh-client openssh-server postgresql
