# SPDX-License-Identifier: Apache-2.0
"""throttle: a command at most so often."""
import time


def throttle(dcache, *words, count="2", per="1h"):
    return dcache("throttle", "--count", count, "--per", per, *words)


def test_so_many_run_and_no_more(dcache):
    for _ in range(2):
        assert throttle(dcache, "-n", "k", "--", "echo", "out").out == b"out\n"
    for _ in range(2):
        assert (throttle(dcache, "-n", "k", "--", "echo", "out").code, throttle(dcache, "-n", "k").out) == (1, b"")
    assert throttle(dcache, "-n", "other").code == 0


def test_many_at_once_are_no_more(dcache):
    started = [dcache.start("throttle", "-n", "k", "--count", "3", "--per", "1h") for _ in range(8)]
    assert sorted(process.wait(60) for process in started) == [0] * 3 + [1] * 5


def test_it_waits_for_its_time(dcache):
    throttle(dcache, "k", count="1", per="300ms")
    start = time.monotonic()
    assert throttle(dcache, "k", "--", "echo", "out", count="1", per="300ms").out == b"out\n"
    throttle(dcache, "k", count="1", per="300ms")
    assert time.monotonic() - start > 0.3


def test_a_wait_that_would_be_too_long_ends_at_once(dcache):
    throttle(dcache, "k", count="1")
    late = throttle(dcache, "k", "-w", "60", "--", "echo", "out", count="1")
    assert late.code == 75 and late.out == b"" and "'k'" in late.err


def test_the_status_is_the_commands(dcache):
    assert throttle(dcache, "k", "--", "sh", "-c", "exit 7").code == 7
    assert throttle(dcache, "k", "--", "nosuchcommand").code == 127


def test_a_value_under_its_key_that_is_none_of_its_own_is_refused(dcache):
    dcache("set", "throttle:k", "hello")
    refused = throttle(dcache, "k")
    assert refused.code == 65 and "throttle:k" in refused.err
    dcache("set", "k", "hello")  # its own key is another one
    assert throttle(dcache, "other").code == 0
