#!/usr/bin/env bash
# Opening an existing cache and reading from it writes nothing: seen from the kernel.
#   no_writes_test.sh WORKER
set -euo pipefail
worker=$1
command -v strace >/dev/null || exit 77
strace -o /dev/null true 2>/dev/null || exit 77 # not allowed here

work=$(mktemp -d "${TMPDIR:-/tmp}/dcache-test-strace-XXXXXX")
finish() {
  local status=$?
  if ((status == 0)); then rm -rf "$work"; else echo "kept for a look: $work" >&2; fi
}
trap finish EXIT

"$worker" fill "$work/cache" 300
calls=write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync,sync_file_range,unlink,unlinkat,rename
calls+=,renameat,renameat2,mkdir,mkdirat,mknod,mknodat,chmod,fchmod,fchmodat,chown,fchownat,utimensat,link,linkat,symlink
ls -A "$work/cache" >"$work/before"
strace -f -y -o "$work/trace" -e trace="$calls,openat,open,creat" "$worker" read "$work/cache" >"$work/said"
grep -q '^read ' "$work/said"
ls -A "$work/cache" | diff "$work/before" - # SQLite opens its log with O_CREAT, but it was there

# SQLite's own shared memory is nobody's data. Everything else in the directory must stay as it is.
touched=$(grep -F "$work/cache" "$work/trace" | grep -vF 'cache.db-shm' | grep -E "($(tr , '|' <<<"$calls"))\(|O_TRUNC" || true)
if [[ -n $touched ]]; then
  echo "reading has changed something:"
  echo "$touched"
  exit 1
fi
opened=$(grep -cF "$work/cache/cache.db" "$work/trace")
echo "nothing written; cache files opened $opened times"
