# SPDX-License-Identifier: Apache-2.0
"""lock show, lock test, lock wait, and lock ls --stale and --waiters."""
import os
import signal
import time

import pytest

from conftest import Terminal, kill, wait_until


def wait_for(dcache, key):
    """Starts one who waits for the lock, and comes back when it is in the queue."""
    before = waiters(dcache, key)
    process = dcache.start("lock", "run", key, "--", "true")
    wait_until(lambda: waiters(dcache, key) == before + 1)
    return process


def waiters(dcache, key):
    return dcache("locks", key, "--json").lines()[0]["waiters"]


def test_show_tells_all_of_a_holder(dcache):
    holder = dcache.hold("report", "--label", "nightly run", "--tag", "db", "--tag", "eu", "--lease", "1h")
    shown = dcache("lock", "show", "report", "--json")
    lock = shown.json()
    assert shown.code == 0 and lock.pop("type") == "holder"
    listed = dcache("locks", "--json").json()
    assert lock | {"age": 0, "lease_left": 0} == listed | {"age": 0, "lease_left": 0}
    assert (lock["pid"], lock["tid"], lock["label"]) == (holder.pid, holder.pid, "nightly run")
    fields = dict(line.split(":", 1) for line in dcache("lock", "show", "report").out.decode().splitlines())
    fields = {name: text.strip() for name, text in fields.items()}
    assert (fields["key"], fields["state"], fields["pid"]) == ("report", "leased", str(holder.pid))
    assert (fields["command"], fields["lease left"], fields["tags"]) == ("dcache", "60m", "db,eu")
    assert (fields["fence"], fields["count"], fields["waiters"]) == (str(lock["fence"]), "1", "0")


def test_show_tells_who_waits_in_order(dcache):
    dcache.hold("k")
    first, second = wait_for(dcache, "k"), wait_for(dcache, "k")
    shown = dcache("lock", "show", "k", "--json").lines()
    assert [line["type"] for line in shown] == ["holder", "waiter", "waiter"]
    assert [line["pid"] for line in shown[1:]] == [first.pid, second.pid]
    assert list(shown[1]) == ["type", "key", "kind", "mode", "state", "owner", "pid", "tid", "command", "age", "fair", "late",
                              "session", "agent"]
    assert (shown[1]["state"], shown[1]["command"], shown[1]["fair"]) == ("waits", "dcache", False)
    assert 0 <= shown[2]["age"] <= shown[1]["age"] < 60
    rows = dcache("lock", "show", "k").out.decode().splitlines()
    at = rows.index("")
    assert rows[at + 1].split() == ["WAITER", "COMMAND", "WAITS", "FAIR", "LATE", "STATE"]
    assert [row.split()[0] for row in rows[at + 2:]] == [f"{one.pid}-{one.pid}" for one in (first, second)]


def test_a_lock_that_nobody_holds_is_1(dcache):
    dcache("set", "k", "v")
    for verb in ["show", "test"]:
        free = dcache("lock", verb, "k")
        assert (free.code, free.out, free.err) == (1, b"", "")
    assert dcache("lock", "wait", "k").code == 0
    terminal = Terminal(dcache, "lock", "show", "k\x1b")
    assert terminal.end() == 1 and terminal.shown == b"dcache: nobody holds lock 'k\\x1b'\r\n"


def test_test_is_quiet(dcache):
    dcache.hold("k")
    held = dcache("lock", "test", "k")
    assert (held.code, held.out, held.err) == (0, b"", "")
    assert dcache("lock", "test", "k", "--json").json() == {"key": "k", "held": True}
    assert dcache("lock", "test", "k2").code == dcache("lock", "test", "").code == 1
    terminal = Terminal(dcache, "lock", "test", "k2")
    assert terminal.end() == 1 and terminal.shown == b""


def test_a_dead_holder_counts_as_none_and_is_shown_all_the_same(dcache):
    kill(dcache.hold("k", "-o"))
    shown = dcache("lock", "show", "k", "--json")
    assert shown.code == 1 and shown.json()["state"] == "dead"
    assert dcache("lock", "test", "k").code == 1
    assert dcache("lock", "wait", "k").code == 0
    # Nobody has taken it: the next holder is still told that the one before died.
    assert dcache("lock", "run", "k", "--", "printenv", "DCACHE_LOCK_OWNER_DIED").out == b"1\n"


def test_a_stopped_holder_and_a_lease_that_is_over(dcache):
    holder = dcache.hold("k")
    holder.send_signal(signal.SIGSTOP)
    assert dcache("lock", "test", "k").code == 0
    assert dcache("lock", "wait", "-w", "0.1", "k").code == 1
    holder.send_signal(signal.SIGCONT)
    dcache.hold("short", "--lease", "50ms")
    assert dcache("lock", "wait", "-w", "20", "short").code == 0
    assert dcache("lock", "test", "short").code == 1


def test_wait_waits_until_the_holder_is_done_or_dead(dcache):
    dcache.hold("k", command=("sleep", "0.5"))
    assert dcache("lock", "wait", "k", "--json").json() == {"key": "k", "free": True}
    assert dcache("locks").out == b""
    holder = dcache.hold("k", "-o")
    process = dcache.start("lock", "wait", "k")
    time.sleep(0.2)
    assert process.poll() is None and waiters(dcache, "k") == 0
    kill(holder)
    assert process.wait(5) == 0


@pytest.mark.parametrize("wait", ["0", "0.3"])
def test_wait_gives_up_after_w(dcache, wait):
    dcache.hold("k")
    start = time.monotonic()
    late = dcache("lock", "wait", "-w", wait, "k")
    assert (late.code, late.out, late.err) == (1, b"", "")
    assert float(wait) <= time.monotonic() - start < 3
    assert dcache("lock", "wait", "-w", wait, "k", "--json").json() == {"key": "k", "free": False}


def test_wait_ends_when_the_lock_goes_to_the_next_one(dcache):
    holder = dcache.hold("k")
    dcache.start("lock", "run", "k", "--", "sleep", "60")
    wait_until(lambda: waiters(dcache, "k") == 1)
    terminal = Terminal(dcache, "lock", "wait", "k")
    terminal.until(b"waiting for lock 'k'")
    holder.terminate()
    assert terminal.end() == 0
    assert dcache("lock", "test", "k").code == 0


def test_wait_says_for_whom_on_a_terminal(dcache):
    holder = dcache.hold("k", "--label", "nightly")
    terminal = Terminal(dcache, "lock", "wait", "-w", "1.2", "k")
    assert terminal.end() == 1
    assert b"waiting for lock 'k', held by %d-%d (nightly) for " % (holder.pid, holder.pid) in terminal.shown
    assert b"lock 'k' is held by" in terminal.shown and terminal.shown.count(b"\n") == 2


def test_ls_stale_lists_what_the_next_one_gets(dcache):
    dcache.hold("live")
    dcache.hold("leased", "--lease", "1h")
    dcache("lock", "acquire", "over", "--lease", "50ms")
    kill(dcache.hold("dead", "-o"))
    wait_until(lambda: dcache("lock", "test", "over").code == 1)
    lines = dcache("lock", "ls", "--stale", "--json").lines()
    assert [(line["key"], line["state"]) for line in lines] == [("dead", "dead"), ("over", "expired")]
    assert dcache("locks", "--stale", "l").out == b""


def test_ls_waiters_has_a_line_for_each(dcache):
    holder = dcache.hold("k")
    dcache.hold("k2")
    waiter = wait_for(dcache, "k")
    lines = dcache("locks", "--waiters", "--json").lines()
    assert [(line["key"], line["state"], line["pid"]) for line in lines[:2]] == [
        ("k", "live", holder.pid), ("k", "waits", waiter.pid)]
    assert len(lines) == 3 and lines[1]["late"] is False
    rows = dcache("locks", "--waiters").out.decode().splitlines()
    assert rows[2].split()[:4] == ["k", "lock", "waits", f"{waiter.pid}-{waiter.pid}"] and len(rows) == 4
    assert len(dcache("locks").out.splitlines()) == 3


def test_limits_of_a_key_hold(dcache):
    dcache("set", "k", "v")
    for verb in ["show", "test", "wait"]:
        assert dcache("lock", verb, "k" * 4097).code == 64
        assert dcache("lock", verb, os.urandom(0)).code == (0 if verb == "wait" else 1)
