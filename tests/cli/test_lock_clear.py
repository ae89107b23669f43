# SPDX-License-Identifier: Apache-2.0
"""lock clear of many locks, and lock ls by glob, by columns and again and again."""
import signal

import pytest

from conftest import Terminal, kill, wait_until


@pytest.fixture
def mixed(dcache):
    """Locks: `dead` and `over` stale, `live` and `kept` held; `dead` and `live` are tagged."""
    dead = dcache.hold("dead", "-o", "--tag", "t")
    kill(dead)
    dcache("lock", "acquire", "over", "--lease", "1ms")
    dcache("lock", "acquire", "kept", "--lease", "1h")
    dcache.hold("live", "--tag", "t", "--label", "nightly")
    return dcache


def keys(dcache):
    return [lock["key"] for lock in dcache("locks", "--json").lines()]


def test_stale_sweeps_what_ended(mixed):
    assert mixed("lock", "clear", "--stale", "--dry-run").out == b"dead\nover\n"
    assert keys(mixed) == ["dead", "kept", "live", "over"]
    swept = mixed("lock", "clear", "--stale")
    assert (swept.code, swept.out) == (0, b"dead\nover\n")
    assert keys(mixed) == ["kept", "live"]
    again = mixed("lock", "clear", "--stale")
    assert (again.code, again.out) == (1, b"")


def test_a_tag_clears_what_ended_and_names_what_may_run(mixed):
    refused = mixed("lock", "clear", "--tag", "t")
    assert refused.code == 77 and refused.out == b"dead\n"
    for part in ["lock 'live' was not cleared: held by ", "nightly", "live", "add --yes"]:
        assert part in refused.err
    assert keys(mixed) == ["kept", "live", "over"]
    assert mixed("lock", "clear", "--tag", "t", "--yes", "--json").lines() == [{"key": "live", "result": "cleared"}]
    assert keys(mixed) == ["kept", "over"]
    assert mixed("lock", "clear", "--tag", "nobody").code == 1


def test_stale_of_a_tag_is_both(mixed):
    assert mixed("lock", "clear", "--stale", "--tag", "t").out == b"dead\n"
    assert keys(mixed) == ["kept", "live", "over"]


def test_all_needs_yes(mixed):
    refused = mixed("lock", "clear", "--all")
    assert refused.code == 64 and "--yes" in refused.err
    assert mixed("lock", "clear", "--all", "--dry-run").out == b"dead\nkept\nlive\nover\n"
    assert len(keys(mixed)) == 4
    cleared = mixed("lock", "clear", "--all", "--yes")
    assert (cleared.code, cleared.out) == (0, b"dead\nkept\nlive\nover\n")
    assert keys(mixed) == []


@pytest.mark.parametrize("answer, left", [(b"n\n", 4), (b"\n", 4), (b"y\n", 0)])
def test_all_asks_on_a_terminal(mixed, answer, left):
    terminal = Terminal(mixed, "lock", "clear", "--all")
    terminal.until(b"clear 4 locks, with 2 holders that may still run? [y/N] ")
    terminal.type(answer)
    assert terminal.end() == (1 if left else 0)
    assert len(keys(mixed)) == left


def test_shared_holders_are_cleared_one_by_one(dcache):
    first, second = dcache.hold("k", "-s", "-o"), dcache.hold("k", "-s", "-o")
    kill(first)
    assert dcache("lock", "clear", "--stale").code == 0
    assert [lock["pid"] for lock in dcache("locks", "--json").lines()] == [second.pid]


def test_what_makes_no_sense_together_is_refused(dcache):
    dcache("set", "k", "v")
    for words in [[], ["k", "--stale"], ["k", "--all"], ["--stale", "--all"], ["--all", "--force"],
                  ["--stale", "--yes"], ["--tag", "t", "--fence", "1"]]:
        done = dcache("lock", "clear", *words)
        assert done.code == 64 and done.out == b"", words


def test_dry_run_of_one_lock_changes_nothing(mixed):
    assert mixed("lock", "clear", "--dry-run", "dead").code == 0
    assert mixed("lock", "clear", "--dry-run", "live").code == 77
    assert mixed("lock", "clear", "--dry-run", "none").code == 1
    assert len(keys(mixed)) == 4


def test_a_glob_selects_keys(mixed):
    def listed(*words):
        return [lock["key"] for lock in mixed("locks", "--json", *words).lines()]

    assert listed("--key", "*e*") == ["dead", "kept", "live", "over"]
    assert listed("--key", "?e*") == ["dead", "kept"]
    assert listed("--key", "[kl]*") == ["kept", "live"]
    assert listed("--key", "e*") == []
    assert listed("l", "--key", "*e") == ["live"]


def test_o_chooses_columns(mixed):
    rows = [row.split() for row in mixed("locks", "-o", "STATE,key,tags").out.decode().splitlines()]
    assert rows[0] == ["STATE", "KEY", "TAGS"] and ["live", "live", "t"] in rows
    more = mixed("locks", "-o", "+mode,pid").out.decode().splitlines()
    assert more[0].split()[0] == "KEY" and more[0].split()[-2:] == ["MODE", "PID"]
    assert list(mixed("locks", "--json", "-o", "key,lease").lines()[0]) == ["key", "lease_left"]
    wrong = mixed("locks", "-o", "key,stat")
    assert wrong.code == 64 and "did you mean 'state'" in wrong.err
    help_text = mixed("lock", "ls", "--help").out.decode()
    names = help_text.split("Columns for -o:")[1].split(".")[0].replace("\n", " ").split(",")
    assert mixed("locks", "-o", ",".join(name.strip() for name in names)).code == 0


def test_watch_lists_again_and_again(dcache):
    dcache("set", "k", "v")
    watch = dcache.start("lock", "ls", "--watch", "--json")
    dcache.hold("k")
    assert b'"key":"k"' in watch.stdout.readline()
    assert b'"key":"k"' in watch.stdout.readline()
    watch.send_signal(signal.SIGINT)
    assert watch.wait(20) == -signal.SIGINT


def test_watch_clears_a_terminal(dcache):
    dcache.hold("one")
    terminal = Terminal(dcache, "lock", "ls", "--watch")
    terminal.until(b"one")
    dcache.hold("two")
    terminal.until(b"two")
    assert terminal.shown.count(b"\x1b[H\x1b[2J") >= 2
    terminal.type(b"\x03")
    assert terminal.end() == -signal.SIGINT
