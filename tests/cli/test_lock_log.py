# SPDX-License-Identifier: Apache-2.0
"""lock log."""
import signal
import time

from conftest import kill


def take_from_the_dead(dcache, key):
    holder = dcache.hold(key, "-o")
    kill(holder)
    assert dcache("lock", "run", key, "--", "true").code == 0
    return holder


def test_it_tells_who_took_what_from_whom(dcache):
    dcache("set", "k", "v")
    empty = dcache("lock", "log")
    assert (empty.code, empty.out) == (0, b"")
    dead = take_from_the_dead(dcache, "one")
    live = dcache.hold("two\x1b")
    fence = dcache("locks", "--json").json()["fence"]
    assert dcache("lock", "clear", "two\x1b", "--fence", str(fence), "--force").code == 0
    assert live.wait(20) == 75
    events = dcache("lock", "log", "--json").lines()
    assert [(event["event"], event["key"]) for event in events] == [
        ("taken_over", "one"), ("cleared", "two\x1b"), ("lost", "two\x1b")]
    assert events[0]["other"] == f"{dead.pid}-{dead.pid}" and events[0]["fence"] > 0
    assert events[1]["other"] == f"{live.pid}-{live.pid}" and events[1]["fence"] == fence
    assert events[2]["owner"] == f"{live.pid}-{live.pid}" and events[2]["other"] is None
    assert [event["number"] for event in events] == [1, 2, 3]
    assert abs(events[0]["time"] - time.time()) < 60
    rows = dcache("lock", "log").out.decode().splitlines()
    assert rows[0].split() == ["TIME", "EVENT", "OWNER", "FENCE", "KEY", "OTHER"] and len(rows) == 4
    assert "\x1b" not in "".join(rows) and "two\\x1b" in rows[2]
    assert len(dcache("lock", "log", "--json", "tw").lines()) == 2


def test_f_goes_on_with_what_comes(dcache):
    take_from_the_dead(dcache, "one")
    log = dcache.start("lock", "log", "-f", "--json")
    assert b'"key":"one"' in log.stdout.readline()
    take_from_the_dead(dcache, "two")
    assert b'"key":"two"' in log.stdout.readline()
    log.send_signal(signal.SIGINT)
    assert log.wait(20) == -signal.SIGINT


def test_it_makes_no_cache(dcache):
    assert dcache("lock", "log").code == 66 and not dcache.dir.exists()
