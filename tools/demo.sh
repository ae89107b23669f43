#!/usr/bin/env bash
# Builds dcache in build/demo and runs the example program examples/demo; its exit status is the demo's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=build/demo
options=(-Dbuildtype=release -Dtests=disabled -Dbenchmarks=disabled -Dcli=enabled -Dexamples=enabled)

tools/install-deps.sh demo

# Quiet unless it fails.
mkdir -p build
log=build/demo.log
: >"$log"
run() {
  if ! "$@" >>"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    echo "demo: failed: $*" >&2
    exit 1
  fi
}

# A folder configured otherwise, elsewhere or not to the end is made anew.
stamp="$PWD ${options[*]}"
if [[ $(cat "$build/.configured" 2>/dev/null) != "$stamp" ]]; then
  echo "demo: building dcache, once" >&2
  rm -rf "$build"
  run meson setup "$build" "${options[@]}"
  echo "$stamp" >"$build/.configured"
fi
run meson compile -C "$build"

exec "$build/examples/demo" "$build/tools/dcache/dcache" "$PWD"
