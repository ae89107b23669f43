#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the test cases behind the last `meson test` of some build folders.

Prints what failed and, last, `N passed, N failed`; exits with 1 unless something passed and nothing failed.
A doctest or pytest program counts as the cases that its summary names, any other test as one.
"""
import argparse
import json
import re
import sys
from pathlib import Path

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
DOCTEST = re.compile(r"^\[doctest\] test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed", re.M)
PYTEST = re.compile(r"^(?:=+ )?((?:\d+ \w+(?:, )?)+) in \d[\d.]*s\b", re.M)
GOOD = {"OK", "EXPECTEDFAIL"}


def count(test):
    """One line of testlog.json -> (passed, failed)."""
    good = test["result"] in GOOD
    output = COLOUR.sub("", test.get("stdout") or "")
    if test["result"] == "SKIP":
        return 0, 0
    if doctest := DOCTEST.findall(output):
        passed, failed = (sum(map(int, column)) for column in zip(*doctest))
        good = good and passed > 0  # a filter that matches nothing must not look like success
    elif pytest := PYTEST.findall(output):
        counts = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", pytest[-1])}
        passed = counts.get("passed", 0)
        failed = sum(counts.get(word, 0) for word in ("failed", "error", "errors"))
    else:
        return (1, 0) if good else (0, 1)
    # Nor may a crash, leak or timeout beside a good summary.
    return passed, failed if good or failed else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="*", type=Path, metavar="BUILD")
    parser.add_argument("--passed", type=int, default=0, help="passes counted elsewhere")
    parser.add_argument("--failed", type=int, default=0, help="failures counted elsewhere")
    args = parser.parse_args()

    passed, failed, notes = args.passed, args.failed, []
    for build in args.builds:
        log = build / "meson-logs" / "testlog.json"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        if not lines:
            failed += 1
            notes.append(f"FAILED: {build}: no test ran")
        for test in map(json.loads, lines):
            good, bad = count(test)
            passed += good
            failed += bad
            if bad:
                notes.append(f"FAILED: {build}: {test['name']} ({test['result']}, {bad} failed)")
    print(*notes, f"{passed} passed, {failed} failed", sep="\n")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
