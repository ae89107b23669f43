#!/usr/bin/env bash
# Builds optimised in build/bench and measures.
#   tools/bench/run.sh              dcache beside raw SQLite, quick (under 30 s)
#   tools/bench/run.sh full         the same with more entries and longer runs (3 minutes)
#   tools/bench/run.sh sizes        values of 64 bytes to 1 MiB, beside raw SQLite and plain files
#   tools/bench/run.sh bulk         evict, check and clear of up to a million values, and what a writer notices
#   tools/bench/run.sh import       `dcache import` and `export` beside raw inserts
#   tools/bench/run.sh contention   opening, and processes at one lock beside other locks (18 minutes; --quick 1 minute;
#                                   --only sharing 1 minute: readers and permits beside exclusive locks)
#   tools/bench/run.sh footprint    memory that a cache adds to its process, idle and with 10 million values (3 GB of disk,
#                                   minutes; --quick seconds)
#   tools/bench/run.sh policies     hit ratios under a size limit beside exact SIEVE and LRU
#   tools/bench/run.sh async        locks by coroutines and callbacks beside blocking calls, and cancelling (needs Asio)
#   tools/bench/run.sh layouts      the study behind the tables
#   tools/bench/run.sh all          full, sizes, bulk, import, contention, layouts
# What follows goes to the program: tools/bench/run.sh quick --json out.json. Times on a busy machine say little,
# the ratios still hold. `--dir /dev/shm` takes the disk out of it.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
root=$(realpath "$here/../..")
what=${1:-quick}
if (($# > 0)); then shift; fi

programs=()
case "$what" in
  quick) programs=('bench-pairs --quick') ;;
  full) programs=('bench-pairs') ;;
  sizes | bulk | footprint | import | contention | policies | async | layouts) programs=("bench-$what") ;;
  all) programs=('bench-pairs' 'bench-sizes' 'bench-bulk' 'bench-import' 'bench-contention' 'bench-layouts') ;;
  *)
    sed -n '2,17s/^# *//p' "${BASH_SOURCE[0]}" >&2
    exit 64
    ;;
esac

build=$root/build/bench
"$here/configure.sh" "$build"
if [[ " ${programs[*]} " == *' bench-import '* ]]; then
  meson configure "$build" -Dcli=enabled
  ninja -C "$build" tools/dcache/dcache >&2
fi
for program in "${programs[@]}"; do
  ninja -C "$build" "tools/bench/${program%% *}" >&2
done
for program in "${programs[@]}"; do
  read -ra words <<<"$program"
  "$build/tools/bench/${words[0]}" "${words[@]:1}" "$@"
done
