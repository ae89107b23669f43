#!/usr/bin/env bash
# Measures dcache beside raw SQLite, LMDB, LevelDB, RocksDB, Redis, memcached, flock(2) and python-diskcache: the same
# work on each, in turn, in one run. Installs what is missing (Debian packages; Debian starts redis-server and memcached
# as services then, which are not used), builds in build/bench, measures, tells what came out and where dcache loses.
#   tools/bench/compare.sh          quick: up to 5 minutes, stores of up to 100,000 entries
#   tools/bench/compare.sh full     up to 60 minutes and 10 million entries, if there are 30 GB of disk and 15 of memory
#   tools/bench/compare.sh [quick|full] --publish         into docs/benchmarks.md and docs/pictures as well
#   tools/bench/compare.sh [quick|full] --report-only     tells again what the last such run found
# What follows goes to the program: --peers dcache,sqlite   --only locks|processes|sizes|entries   --entries N,...
# --dir DIR, where the stores are made.
# The results are kept in build/bench/compare-quick.json or compare-full.json.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
root=$(realpath "$here/../..")
build=$root/build/bench
program=$build/tools/bench/compare/bench-compare
plan=quick publish=0 measure=1

if [[ ${1:-} != -* && -n ${1:-} ]]; then
  plan=$1
  shift
fi
words=()
while (($# > 0)); do
  case "$1" in
    --publish) publish=1 ;;
    --report-only) measure=0 ;;
    --help)
      sed -n '2,11s/^# *//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *) words+=("$1") ;;
  esac
  shift
done
if [[ $plan != quick && $plan != full && $plan != tiny ]]; then
  echo "compare: '$plan' is neither quick nor full; see tools/bench/compare.sh --help" >&2
  exit 64
fi
results=$build/compare-$plan.json

status=0
if ((measure)); then
  if ! "$root/tools/install-deps.sh" compare; then
    echo 'compare: going on with those that are there' >&2
  fi
  "$here/configure.sh" "$build"
  # Meson remembers what was not there when it looked.
  for peer in LMDB LEVELDB ROCKSDB REDIS MEMCACHED; do
    if ! grep -q "COMPARE_$peer" "$build/build.ninja"; then
      meson configure "$build" --clearcache && meson setup --reconfigure "$build" >&2
      break
    fi
  done
  ninja -C "$build" tools/bench/compare/bench-compare >&2
  # An older result is not taken for this one's.
  rm -f "$results"
  if [[ " ${words[*]} " != *' --dir '* ]]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT # also when it is broken off
    trap 'exit 130' INT
    trap 'exit 143' TERM
    words+=(--dir "$scratch")
  fi
  "$program" --plan "$plan" --diskcache "$here/compare/diskcache_peer.py" --json "$results" "${words[@]}" || status=$?
fi

report=(python3 "$here/compare/report.py" "$results")
if ! PYTHONDONTWRITEBYTECODE=1 "${report[@]}"; then exit 1; fi
if ((publish)); then
  PYTHONDONTWRITEBYTECODE=1 "${report[@]}" --docs "$root/docs"
fi
echo "The results are in $results" >&2
exit "$status"
