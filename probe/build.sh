#!/bin/sh
# Builds the probe: probe/build.sh [OUTPUT]. Needs clang-14, llvm-14 (llvm-objcopy) and libbpf's headers:
#   apt-get install --no-install-recommends clang-14 llvm-14 libbpf-dev
# The object is committed, and a test compares it with a fresh build, so the compiler's version matters.
set -eu
cd "$(dirname "$0")"
out=${1:-windhover.bpf.o}
clang-14 -target bpf -mcpu=v3 -O2 -g -fno-unroll-loops -Wall -Wextra -Wno-unused-function -Wno-compare-distinct-pointer-types \
	-fno-ident -fdebug-compilation-dir=. -fmacro-prefix-map="$PWD"=. -ffile-prefix-map=/usr/include=include -I. -c windhover.bpf.c -o "$out"
# What a loader does not need: the compiler's labels, and relocations of type information.
llvm-objcopy-14 --strip-debug --discard-all --remove-section=.rel.BTF --remove-section=.rel.BTF.ext \
	--remove-section=.llvm_addrsig "$out"
