#!/usr/bin/env bash
# Installs what dcache needs on Debian 12 or its relatives; asks nothing, and does nothing when all is there.
#   tools/install-deps.sh [demo|test|compare]    demo: to build and run it (default); test: the test suites' tools too;
#                                                compare: what tools/bench/compare.sh measures beside it
set -euo pipefail

packages=(
  g++ meson ninja-build pkg-config cmake git
  libsqlite3-dev libsqlitecpp-dev nlohmann-json3-dev libxxhash-dev libcli11-dev
)
case "${1:-demo}" in
  demo) ;;
  test)
    packages+=(
      doctest-dev libasio-dev libbenchmark-dev python3-pytest strace ccache zsh fish mandoc
      clang clang-tidy clang-format llvm libclang-rt-14-dev
    )
    ;;
  compare)
    packages+=(
      libbenchmark-dev ccache python3 util-linux
      liblmdb-dev libleveldb-dev librocksdb-dev libhiredis-dev redis-server libmemcached-dev memcached python3-diskcache
    )
    ;;
  *)
    echo "usage: tools/install-deps.sh [demo|test|compare]" >&2
    exit 64
    ;;
esac

if ! command -v apt-get dpkg-query >/dev/null; then
  echo "install-deps: no apt here; the equivalents of these Debian packages are needed: ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null) || true
  [[ " $status" == *" installed "* ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi

as_root=(env DEBIAN_FRONTEND=noninteractive)
if ((EUID != 0)); then
  # Without a terminal, sudo must not stop to ask for a password.
  if sudo -n true 2>/dev/null; then
    as_root=(sudo -n "${as_root[@]}")
  elif [[ -t 0 ]] && command -v sudo >/dev/null; then
    as_root=(sudo "${as_root[@]}")
  else
    printf 'install-deps: these packages are missing, and installing them takes root:\n' >&2
    printf '  apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
    exit 69
  fi
fi

apt() { "${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null; }
install() { apt install -y --no-install-recommends "${missing[@]}"; }

echo "install-deps: installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists may be absent or stale; they are renewed only when that shows.
if ! install >"$log" 2>&1 && ! { apt update && install; } >>"$log" 2>&1; then
  cat "$log" >&2
  echo "install-deps: apt-get could not install ${missing[*]}" >&2
  exit 69
fi
