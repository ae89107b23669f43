#!/usr/bin/env bash
# Builds and runs the tests: with gcc, with clang's address and undefined-behaviour sanitizers, and with its thread
# sanitizer; and checks the formatting. The last line says `N passed, N failed`, summed over all of them.
#   tools/test.sh [format] [gcc] [asan] [tsan]    only these (default: all four)
#   tools/test.sh --tidy                          clang-tidy instead (slow)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

passed=0 failed=0 builds=()
finish() {
  local status=$?
  trap - EXIT
  if ((status != 0)); then # this script itself was broken off
    failed=$((failed + 1))
  fi
  if ! command -v python3 >/dev/null; then
    echo "$passed passed, $((failed > 0 ? failed : 1)) failed"
    exit 1
  fi
  python3 tools/count_tests.py --passed "$passed" --failed "$failed" "${builds[@]}" ||
    status=$((status ? status : 1))
  exit "$status"
}
for name in "$@"; do
  case "$name" in
    format | gcc | asan | tsan | --tidy) ;;
    *)
      sed -n '2,5s/^# *//p' "${BASH_SOURCE[0]}" >&2
      exit 64
      ;;
  esac
done
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

section() { printf '\n== %s\n' "$*"; }

# One check of this script's own.
check() {
  local name=$1
  shift
  section "$name"
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $name"
  fi
}

# configure DIR CC CXX OPTION...: a folder configured otherwise, elsewhere or not to the end is made anew.
configure() {
  local dir=$1 cc=$2 cxx=$3 stamp="$PWD $*"
  shift 3
  if [[ $(cat "$dir/.configured" 2>/dev/null) != "$stamp" ]]; then
    rm -rf "$dir"
    CC=$cc CXX=$cxx meson setup "$dir" -Dtests=enabled "$@" && echo "$stamp" >"$dir/.configured"
  fi
}

# suites NAME CC CXX "MESON TEST OPTIONS" SETUP-OPTION...
suites() {
  local name=$1 cc=$2 cxx=$3 dir=build/$1
  local -a test_options
  read -ra test_options <<<"$4"
  shift 4
  section "$name"
  rm -f "$dir/meson-logs/testlog.json"
  if configure "$dir" "$cc" "$cxx" "$@" && meson compile -C "$dir"; then
    builds+=("$dir")
    # What passed and what failed is read from its log at the end.
    if ! "${wrapper[@]}" meson test -C "$dir" --no-rebuild --num-processes "$at_a_time" --print-errorlogs \
      --no-suite nightly "${test_options[@]}"; then
      # A failure that the log does not show, such as an aborted run, counts too.
      if python3 tools/count_tests.py "$dir" >/dev/null; then
        failed=$((failed + 1))
      fi
    fi
  else
    failed=$((failed + 1))
    echo "FAILED: the $name build"
  fi
}

format() {
  local -a files
  mapfile -d '' files < <(git -c safe.directory='*' ls-files -z -co --exclude-standard '*.cpp' '*.hpp')
  ((${#files[@]} > 0)) && clang-format --dry-run -Werror "${files[@]}"
}

tidy() {
  configure build/tidy clang clang++ -Db_pch=false &&
    run-clang-tidy -quiet -p build/tidy "^$PWD/(src|tools|examples)/.*\.cpp$"
}

tools/install-deps.sh test
exec </dev/null

ccache=
if command -v ccache >/dev/null; then
  ccache='ccache '
fi
# Timeouts are for what hangs, not for what is slow on a machine with other work.
gcc_tests='--timeout-multiplier 3'
sanitizer_tests='--no-suite gcc-only --timeout-multiplier 4'
# Several files compiled as one take a third of the time, and lines are all that is wanted of debug information.
sanitizer_setup=(-Dwerror=true -Doptimization=1 -Ddebug=false -Dcpp_args=-gline-tables-only -Dunity=on -Dunity_size=12
  -Db_pch=false -Db_lundef=false -Dbenchmarks=disabled -Dexamples=disabled)
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0:suppressions=$PWD/tests/support/tsan.suppressions

if (($# == 0)); then
  set -- format gcc asan tsan
fi
for name in "$@"; do
  wrapper=()
  case "$name" in
    format) check 'clang-format' format ;;
    --tidy) check 'clang-tidy' tidy ;;
    gcc)
      unset DCACHE_TEST_FACTOR
      at_a_time=3 # many wait for most of their time
      # The library and the command a file at a time, so that each is seen to include what it needs.
      suites gcc "${ccache}gcc" "${ccache}g++" "$gcc_tests" -Dwerror=true -Ddebug=false
      ;;
    asan | tsan)
      # clang 14's sanitizers cannot place their shadow memory under the strongest address randomisation.
      if setarch -R true 2>/dev/null; then
        wrapper=(setarch -R)
      fi
      export DCACHE_TEST_FACTOR=0.3 # of the rounds of long tests
      at_a_time=2
      kind=(-Db_sanitize=address,undefined)
      if [[ $name == tsan ]]; then
        kind=(-Db_sanitize=thread -Dcli=disabled) # the command has but one thread
      fi
      suites "$name" "${ccache}clang" "${ccache}clang++" "$sanitizer_tests" "${sanitizer_setup[@]}" "${kind[@]}"
      ;;
  esac
done
