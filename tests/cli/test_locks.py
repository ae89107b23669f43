# SPDX-License-Identifier: Apache-2.0
"""lock ls, and lock clear of one lock."""
import os
import sqlite3
import time

import pytest

from conftest import kill, wait_until


def test_locks_shows_who_holds_what(dcache):
    assert dcache("lock", "run", "other", "--", "true").code == 0
    holder = dcache.hold("report", "--label", "nightly run", "--tag", "db", "--tag", "eu")
    lock = dcache("locks", "--json").json()
    assert (lock["key"], lock["kind"], lock["state"], lock["count"]) == ("report", "lock", "live", 1)
    assert (lock["pid"], lock["owner"], lock["command"]) == (holder.pid, f"{holder.pid}-{holder.pid}", "dcache")
    assert (lock["label"], lock["tags"], lock["lease_left"]) == ("nightly run", ["db", "eu"], None)
    assert lock["since"] == pytest.approx(time.time(), abs=60) and 0 <= lock["age"] < 60
    assert 0 < lock["fence"] < 2**53
    rows = dcache("lock", "ls").out.decode().splitlines()
    assert rows[0].split() == ["KEY", "KIND", "STATE", "OWNER", "COMMAND", "AGE", "LEASE", "FENCE", "COUNT", "WAITING", "LABEL"]
    assert rows[1].split()[:5] == ["report", "lock", "live", lock["owner"], "dcache"]
    assert rows[1].endswith("nightly run") and str(lock["fence"]) in rows[1] and len(rows) == 2


def test_locks_selects_by_prefix_and_tags(dcache):
    dcache.hold("a:1", "--tag", "x", "--tag", "y")
    dcache.hold("a:2", "--tag", "x")
    dcache.hold("b:1")

    def keys(*words):
        return [lock["key"] for lock in dcache("locks", "--json", *words).lines()]

    assert keys() == ["a:1", "a:2", "b:1"]
    assert keys("a:") == keys("--tag", "x") == ["a:1", "a:2"]
    assert keys("a:", "--tag", "x", "--tag", "y") == ["a:1"]
    assert keys("c") == []


def test_values_and_locks_do_not_mix(dcache):
    dcache.hold("k", "--tag", "t")
    assert dcache("ls").out == b"" and dcache("evict", "t").out == b"0\n"
    assert dcache("clear", "--yes").out == b"0\n"
    assert dcache("locks", "--json").json()["state"] == "live"


def test_a_lease_is_shown(dcache):
    dcache.hold("long", "--lease", "1h")
    dcache("lock", "acquire", "short", "--lease", "50ms")
    time.sleep(0.1)
    long, short = dcache("locks", "--json").lines()
    assert long["state"] == "leased" and 3500 < long["lease_left"] <= 3600
    assert short["state"] == "expired" and short["lease_left"] < 0
    assert b"60m" in dcache("locks").out and b"over" in dcache("locks").out


def test_a_dead_holder_is_shown_and_cleared(dcache):
    holder = dcache.hold("k", "-o")
    kill(holder)
    lock = dcache("locks", "--json").json()
    assert lock["state"] == "dead" and lock["command"] is None
    assert dcache("lock", "clear", "k", "--json").json() == {"key": "k", "result": "cleared"}
    assert dcache("locks").out == b""
    assert dcache("lock", "clear", "k").code == 1
    assert dcache("lock", "clear", "k", "--json").json() == {"key": "k", "result": "absent"}


def test_clear_refuses_a_live_holder_and_says_how_to_force_it(dcache):
    holder = dcache.hold("k", "--label", "nightly")
    lock = dcache("locks", "--json").json()
    for words in [["k"], ["k", "--force"], ["k", "--fence", str(lock["fence"])],
                  ["k", "--fence", "1", "--force"]]:
        refused = dcache("lock", "clear", *words)
        assert refused.code == 77 and refused.out == b""
        for part in [str(holder.pid), "nightly", str(lock["fence"]), " for ", "dcache, live",
                     f"dcache lock clear --fence {lock['fence']} --force k"]:
            assert part in refused.err
    assert dcache("locks", "--json").json()["fence"] == lock["fence"]
    where = dcache("lock", "clear", "k", "--dir", str(dcache.dir))
    assert f"dcache --dir {dcache.dir} lock clear" in where.err


def test_a_cleared_holder_exits_75(dcache):
    holder = dcache.hold("k", command=("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.02; done"))
    fence = dcache("locks", "--json").json()["fence"]
    assert dcache("lock", "clear", "k", "--fence", str(fence), "--force").code == 0
    assert dcache("lock", "run", "-n", "k", "--", "true").code == 0
    assert holder.wait(20) == 75
    message = holder.stderr.read().decode()
    assert "'k' was lost" in message and "exit status was 3" in message


def test_an_expired_lease_is_lost_when_somebody_took_it(dcache):
    holder = dcache.hold("k", "--lease", "50ms", command=("sleep", "1"))
    assert dcache("lock", "run", "-w", "5", "k", "--", "true").code == 0
    assert holder.wait(20) == 75


def test_a_damaged_record_is_65_and_force_removes_it(dcache):
    holder = dcache.hold("k", "-o")
    kill(holder)
    database = sqlite3.connect(dcache.dir / "cache.db")
    table, column = next(
        (table, column[1])
        for (table,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for column in database.execute(f"PRAGMA table_info({table})").fetchall()
        if database.execute(f"SELECT 1 FROM {table} WHERE CAST({column[1]} AS TEXT) LIKE '%holders%'").fetchone())
    database.execute(f"UPDATE {table} SET {column} = x'7b7d' WHERE CAST({column} AS TEXT) LIKE '%holders%'")
    database.commit()
    database.close()
    shown = dcache("locks", "--json")
    assert shown.code == 0 and [(line["key"], line["kind"]) for line in shown.lines()] == [("k", "damaged")]
    assert dcache("lock", "run", "-n", "k", "--", "true").code == 65
    for verb in ["show", "test", "wait"]:
        assert dcache("lock", verb, "k").code == 65
    refused = dcache("lock", "clear", "k")
    assert refused.code == 77 and "dcache lock clear --force k" in refused.err
    assert dcache("lock", "clear", "k", "--force").code == 0
    assert dcache("lock", "run", "-n", "k", "--", "true").code == 0


def test_locks_shows_locks_of_the_library_too(dcache):
    # A lock held by lock run under lock run: two processes, two locks, one command line.
    inner = dcache.hold("outer", command=(os.environ["DCACHE_BIN"], "lock", "run", "inner", "--", "sleep", "60"))
    wait_until(lambda: dcache("locks").out.count(b"\n") == 3)
    inner_lock, outer_lock = dcache("locks", "--json").lines()
    assert inner_lock["pid"] != outer_lock["pid"] == inner.pid
