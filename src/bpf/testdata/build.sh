#!/bin/sh
# Compiles the test programs into DIRECTORY (default: here). Needs clang-14, llvm-14 and libbpf-dev (Debian 12).
set -eu
cd "$(dirname -- "$0")"
out=${1:-.}
for name in loader failing; do
  clang-14 -g -O2 -mcpu=v2 -target bpf -Wall -fdebug-compilation-dir=. -idirafter "/usr/include/$(uname -m)-linux-gnu" \
    -c "$name.bpf.c" -o "$out/$name.bpf.o"
  llvm-strip-14 -g "$out/$name.bpf.o"
done
