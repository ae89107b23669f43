#!/usr/bin/env bash
# Installs into a folder of its own and builds a program against what is there, as a user would.
#   install_test.sh BUILD SOURCE VERSION COMPILER...
set -euo pipefail
build=$1 source=$2 version=$3
shift 3
compiler=("$@")

work=$(mktemp -d "${TMPDIR:-/tmp}/dcache-test-install-XXXXXX")
finish() {
  local status=$?
  if ((status == 0)); then rm -rf "$work"; else echo "kept for a look: $work" >&2; fi
}
trap finish EXIT
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

root=$work/root
meson install -C "$build" --no-rebuild --quiet --destdir "$root"
pc=$(find "$root" -name dcache.pc)
[[ -n $pc ]] || fail "no dcache.pc was installed"
libdir=$(dirname "$(dirname "$pc")")
[[ -e $libdir/libdcache.so ]] || fail "no libdcache.so beside it"
export PKG_CONFIG_PATH=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$root LD_LIBRARY_PATH=$libdir

echo "== man page and completions"
if find "$root" -path '*/bin/dcache' | grep -q .; then
  for file in man/man1/dcache.1 bash-completion/completions/dcache zsh/site-functions/_dcache \
    fish/vendor_completions.d/dcache.fish; do
    find "$root" -path "*/share/$file*" | grep -q . || fail "$file was not installed"
  done
fi

# Runs a consumer in a new cache and looks at what it says.
check_consumer() {
  local said
  said=$("$1" "$work/cache of ${1##*/}")
  [[ $said == "v $version" ]] || fail "$1 said '$said'"
}

echo "== pkg-config"
[[ $(pkg-config --modversion dcache) == "$version" ]] || fail "dcache.pc has another version"
read -ra flags <<<"$(pkg-config --cflags --libs dcache)"
"${compiler[@]}" -std=c++20 -Wall -Wextra -Wpedantic -Werror "$source/tests/install/consumer.cpp" -o "$work/by-pkg-config" "${flags[@]}"
check_consumer "$work/by-pkg-config"

echo "== CMake"
if command -v cmake >/dev/null && find "$root" -name dcacheConfig.cmake | grep -q .; then
  cmake -G Ninja -S "$source/tests/install" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$(dirname "$(find "$root" -path '*/include/dcache')")/.." \
    -DCMAKE_CXX_COMPILER="${compiler[-1]}" >"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; fail "cmake does not find it"; }
  cmake --build "$work/cmake" >>"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; fail "cmake does not build it"; }
  check_consumer "$work/cmake/consumer"
fi

echo "== headers"
# Each by itself, and none that shows what the library is made of.
include=$(find "$root" -path '*/include/dcache')
if grep -rnE 'include.*(sqlite3|SQLiteCpp|xxhash|nlohmann/json\.hpp)' "$include" --include='*.hpp' | grep -v '/json.hpp:'; then
  fail "a public header includes what is private"
fi
for header in "$include"/*.hpp; do
  echo "#include <dcache/${header##*/}>" >"$work/${header##*/}.cpp"
done
if ! "${compiler[@]}" -std=c++20 -fsyntax-only -x c++ - <<<'#include <asio.hpp>' 2>/dev/null; then
  rm "$work/async.hpp.cpp" # the one header that needs Asio
fi
find "$work" -maxdepth 1 -name '*.hpp.cpp' -print0 |
  xargs -0 -P2 -I{} "${compiler[@]}" -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"${include%/*}" {} ||
  fail "a header does not stand alone"

echo "== symbols"
foreign=$(nm -DC --defined-only "$libdir/libdcache.so" | awk '$2 ~ /[TVWBDR]/' | grep -vE ' (typeinfo |vtable |guard variable |non-virtual thunk |virtual thunk |typeinfo name )?(for )?(dcache::|std::|void std::|bool std::|__gnu_cxx|.*dcache::)' || true)
[[ -z $foreign ]] || fail "the library exports what is not its own: $foreign"
echo "installed, found and used"
