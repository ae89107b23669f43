#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A waiter behind a long hold sleeps until it is woken, and writes nothing meanwhile: seen from the kernel.
#   quiet_wait_test.sh WORKER
set -euo pipefail
worker=$1
command -v strace >/dev/null || exit 77
strace -o /dev/null true 2>/dev/null || exit 77 # not allowed here

wait_seconds=3
settle_seconds=0.5     # to find its place in the queue
most_wakings=21        # a second, of all its threads: it looks by itself every 50 ms
work=$(mktemp -d "${TMPDIR:-/tmp}/dcache-test-strace-XXXXXX")
finish() {
  local status=$?
  exec {to_holder}>&- {to_waiter}>&- || true
  wait
  if ((status == 0)); then rm -rf "$work"; else echo "kept for a look: $work" >&2; fi
}

# Answers come line by line; a worker ends when its input does.
mkfifo "$work/holder-in" "$work/waiter-in" "$work/holder-out" "$work/waiter-out"
"$worker" shell "$work/cache" <"$work/holder-in" >"$work/holder-out" &
exec {to_holder}>"$work/holder-in" {from_holder}<"$work/holder-out"
strace -f -ttt -y -o "$work/trace" "$worker" shell "$work/cache" <"$work/waiter-in" >"$work/waiter-out" &
exec {to_waiter}>"$work/waiter-in" {from_waiter}<"$work/waiter-out"
trap finish EXIT

hear() { # FROM EXPECTED: the next line must begin so
  local line
  read -r -t 30 -u "$1" line
  [[ $line == "$2"* ]] || {
    echo "heard '$line' instead of '$2'" >&2
    return 1
  }
}

failed=0
for fair in '' ' fair'; do
  if [[ -z $fair ]]; then
    hear "$from_holder" ready
    hear "$from_waiter" ready
  fi
  echo "lock k" >&"$to_holder"
  hear "$from_holder" held
  echo "lock k$fair" >&"$to_waiter"
  sleep "$settle_seconds"
  begin=$(date +%s.%N)
  sleep "$wait_seconds"
  end=$(date +%s.%N)
  echo "release k" >&"$to_holder"
  hear "$from_holder" released
  hear "$from_waiter" held
  echo "release k" >&"$to_waiter"
  hear "$from_waiter" released

  # What the waiter did in between. A call that another thread's line cuts in two counts where it begins.
  awk -v begin="$begin" -v end="$end" '$2 > begin && $2 < end' "$work/trace" | grep -v 'resumed>' >"$work/waiting$fair" || true
  wakings=$(grep -cE ' (futex|futex_wait|clock_nanosleep|nanosleep|poll|ppoll|epoll_wait|select|pselect6)\(' "$work/waiting$fair" || true)
  writes=$(grep -E ' (pwrite64|write|writev|pwritev|pwritev2|ftruncate|fsync|fdatasync)\(' "$work/waiting$fair" |
    grep -F "$work/cache" | grep -vF cache.db-shm || true)
  echo "waiting$fair for $wait_seconds s: $(wc -l <"$work/waiting$fair") system calls, $wakings sleeps"
  if [[ -n $writes ]]; then
    echo "it has written:"
    echo "$writes"
    failed=1
  fi
  if ((wakings > most_wakings * wait_seconds)); then
    echo "more than $most_wakings sleeps a second"
    failed=1
  fi
done
exit "$failed"
