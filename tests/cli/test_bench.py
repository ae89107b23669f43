# SPDX-License-Identifier: Apache-2.0
"""bench: it measures, and leaves nothing behind. How fast it is, is nobody's business here."""
import os
import signal
import time

import pytest

from conftest import Terminal, wait_until

OPERATIONS = ["get", "set, new key", "set, overwrite", "delete", "add + delete", "100 sets at once", "lock + unlock"]


def leftovers(dcache):
    return [path for path in dcache.base.rglob("dcache-bench-*")]


def test_each_operation_has_a_line_with_a_ratio(dcache):
    result = dcache("bench", "--seconds", "0.1", "--json")
    assert [line["operation"] for line in result.lines()] == OPERATIONS
    for line in result.lines():
        assert line["microseconds"] > 0 and line["raw_microseconds"] > 0 and line["ratio"] > 0
        assert line["per_second"] == pytest.approx(1e6 / line["microseconds"], rel=0.01, abs=1)
    hundred = next(line for line in result.lines() if line["operation"] == "100 sets at once")
    single = next(line for line in result.lines() if line["operation"] == "set, overwrite")
    assert hundred["microseconds"] > 2 * single["microseconds"]  # it is a hundred that are counted as one
    assert result.err == ""  # how long it takes is told on a terminal
    assert not dcache.dir.exists() and leftovers(dcache) == []


def test_people_see_a_table_and_a_cache_is_not_touched(dcache):
    dcache("set", "report", "v", "--tag", "t")
    holder = dcache.hold("report")
    before = dcache("ls", "--plain").out.split()[0], dcache("stats", "--json").json()["locks"]
    files = sorted(path.name for path in dcache.dir.iterdir())
    text = dcache("bench", "--seconds", "0.1").out.decode().splitlines()
    assert text[0].split() == ["OPERATION", "PER", "SECOND", "US", "RAW", "SQLITE", "US", "RATIO"]
    assert [line[:16].strip() for line in text[1:]] == OPERATIONS
    assert len({len(line) for line in text}) == 1
    assert (dcache("ls", "--plain").out.split()[0], dcache("stats", "--json").json()["locks"]) == before
    assert sorted(path.name for path in dcache.dir.iterdir()) == files
    assert holder.poll() is None


def test_it_works_on_the_disk_of_the_directory(dcache):
    dcache("set", "k", "v")
    process = dcache.start("bench")
    wait_until(lambda: any(dcache.dir.glob("dcache-bench-*")))
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == -signal.SIGINT and leftovers(dcache) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_interrupts_it_leaves_nothing_behind(dcache, number):
    process = dcache.start("bench", "--dir", str(dcache.base / "no/such"))
    wait_until(lambda: any(dcache.base.glob("dcache-bench-*/cache/cache.db")))
    process.send_signal(number)
    assert process.wait(20) == -number and leftovers(dcache) == []
    assert not (dcache.base / "no").exists()


def test_an_ignored_interrupt_stays_ignored(dcache):
    process = dcache.start("bench", "--seconds", "1", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    wait_until(lambda: leftovers(dcache))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0 and leftovers(dcache) == []


def test_it_says_how_long_it_takes(dcache):
    terminal = Terminal(dcache, "bench", "--seconds", "0.1")
    terminal.until(b"this takes about 1s")
    assert terminal.end() == 0


@pytest.mark.parametrize("words", [["--seconds", "0"], ["--seconds", "never"], ["--seconds", "2h"], ["--seconds", "x"], ["x"]])
def test_nonsense_is_refused(dcache, words):
    assert dcache("bench", *words).code == 64


def test_places_where_nothing_can_be_made(dcache):
    refused = dcache("bench", "--dir", "/proc/x", "--seconds", "0.1")
    assert refused.code == 73 and "--dir" in refused.err and refused.err.count("\n") == 1
    dcache.dir.write_text("mine")
    assert dcache("bench", "--seconds", "0.1").code == 64


def test_a_full_stdout_is_told_and_nothing_stays(dcache):
    with open("/dev/full", "wb") as full:
        assert dcache("bench", "--seconds", "0.1", stdout=full).code == 74
    assert leftovers(dcache) == []
