#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hit ratios of python-diskcache's policies on the traces of bench-policies, beside an exact LRU of as many entries.

    bench-policies --traces DIR --entries N,... && diskcache_policies.py DIR
"""
import array
import sys
import tempfile
import time
from collections import OrderedDict
from pathlib import Path

import diskcache

POLICIES = ("least-recently-stored", "least-recently-used", "least-frequently-used")
VALUE = b"v" * 128
LOOKS = 20


def volume_of(directory, entries):
    with diskcache.Cache(directory) as cache:
        with cache.transact():
            for number in range(entries):
                cache.set(f"key:{number}", VALUE)
        return cache.volume()


def hit_ratio(trace, ask):
    """The part of the second half that is hits, as hit_ratio in traces.hpp."""
    half = len(trace) // 2
    return sum([ask(key) for key in trace][half:]) / (len(trace) - half)


def exact_lru(held):
    entries = OrderedDict()

    def ask(key):
        if key in entries:
            entries.move_to_end(key)
            return True
        if len(entries) >= held:
            entries.popitem(last=False)
        entries[key] = None
        return False

    return ask


def measure(directory, name, fit, limit, policy, trace):
    asked = 0
    sizes = []
    with diskcache.Cache(directory, size_limit=limit, eviction_policy=policy) as cache:

        def ask(number):
            nonlocal asked
            asked += 1
            if asked * 2 > len(trace) and asked % (len(trace) // (2 * LOOKS)) == 0:
                sizes.append(len(cache))
            key = f"key:{number}"
            if cache.get(key) is not None:
                return True
            cache.set(key, VALUE)
            return False

        start = time.monotonic()
        hits = hit_ratio(trace, ask)
        each = (time.monotonic() - start) * 1e6 / len(trace)
    held = sum(sizes) // len(sizes)
    exact = hit_ratio(trace, exact_lru(held))
    print(f"{name:6} {policy:22} {fit:8} {held:8} {100 * hits:7.1f} {100 * exact:12.1f} {each:10.1f}", flush=True)


def main():
    print(f"{'trace':6} {'policy':22} {'fit':>8} {'held':>8} {'hits %':>7} {'exact LRU %':>12} {'us an ask':>10}")
    files = [(file.name.split("-"), file) for file in Path(sys.argv[1]).iterdir()]
    for (name, fit), file in sorted(files, key=lambda one: (int(one[0][1]), one[0][0])):
        trace = array.array("I", file.read_bytes())
        with tempfile.TemporaryDirectory() as scratch:
            limit = volume_of(f"{scratch}/full", int(fit))
            for policy in POLICIES:
                measure(f"{scratch}/{policy}", name, int(fit), limit, policy, trace)


if __name__ == "__main__":
    main()
