#!/usr/bin/env bash
# Makes the folder in which the benchmarks are built, optimised, unless it is there.
#   tools/bench/configure.sh DIR
set -euo pipefail
build=$1
if [[ ! -f $build/build.ninja ]]; then
  ccache=
  if command -v ccache >/dev/null; then ccache='ccache '; fi
  CC=${CC:-${ccache}gcc} CXX=${CXX:-${ccache}g++} meson setup "$build" "$(dirname "${BASH_SOURCE[0]}")/../.." \
    --buildtype=release -Dbenchmarks=enabled -Dtests=disabled -Dexamples=disabled -Dcli=disabled >&2
fi
