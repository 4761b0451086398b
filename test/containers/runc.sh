#!/bin/bash
# An OCI runtime: runc for machines whose root lacks CAP_SYS_RESOURCE, as many test machines' does. What needs it (the
# capability itself, rlimits, negative oom_score_adj) is taken out of the bundle and of the processes of `exec`.
bundle=.
process=
starts=
take=
for argument in "$@"; do
  case $take in bundle) bundle=$argument ;; process) process=$argument ;; esac
  take=
  case $argument in
  --bundle | -b) take=bundle ;;
  --bundle=*) bundle=${argument#*=} ;;
  --process | -p) take=process ;;
  --process=*) process=${argument#*=} ;;
  create | run) starts=1 ;;
  esac
done
files=()
[ -z "$starts" ] || files+=("$bundle/config.json")
[ -z "$process" ] || files+=("$process")
for file in "${files[@]}"; do
  [ ! -f "$file" ] || perl -0pi -e 's/"CAP_SYS_RESOURCE"\s*,?//g; s/,\s*\]/]/g; s/("oomScoreAdj"\s*:\s*)-\d+/${1}0/g;
    s/"rlimits"\s*:\s*\[[^]]*\]\s*,//; s/,\s*"rlimits"\s*:\s*\[[^]]*\]//' "$file"
done
exec /usr/sbin/runc "$@"
