# SPDX-License-Identifier: Apache-2.0
"""Who keeps a lock: the command of a killed `lock run`, one that dcache became, and those that lose it."""
import os
import signal
import time

import pytest

from conftest import Terminal, kill, wait_until


def test_the_command_of_a_killed_dcache_keeps_the_lock_until_it_ends(dcache):
    go = dcache.base / "go"
    holder = dcache.hold("k", command=("sh", "-c", f"until [ -e {go} ]; do sleep 0.02; done"))
    kill(holder)
    lock = dcache("locks", "--json").json()
    assert (lock["state"], lock["command"], lock["pid"]) == ("live", None, holder.pid)
    assert dcache("lock", "run", "-n", "k", "--", "true").code == 1
    assert dcache("lock", "clear", "k").code == 77
    waiter = dcache.start("lock", "run", "k", "--", "printenv", "DCACHE_LOCK_OWNER_DIED")
    wait_until(lambda: dcache("locks", "--json").json()["waiters"] == 1)
    assert waiter.poll() is None
    go.touch()
    assert waiter.wait(20) == 0 and waiter.stdout.read() == b"1\n"


def test_so_does_what_the_command_left_in_the_background(dcache):
    flag = dcache.base / "flag"
    # Its shell ends at once; setsid, so that the test's clean-up is all that ends the other.
    holder = dcache.hold("k", command=("sh", "-c", f"sleep 60 & echo $! > {flag}; wait"))
    wait_until(lambda: flag.exists() and flag.read_text().endswith("\n"))
    kill(holder)
    assert dcache("lock", "test", "k").code == 0
    os.kill(int(flag.read_text()), signal.SIGKILL)
    wait_until(lambda: dcache("lock", "test", "k").code == 1)


def test_once_the_command_has_ended_what_it_left_behind_does_not_hold_the_lock(dcache):
    flag = dcache.base / "flag"
    done = dcache("lock", "run", "k", "-c", f"sleep 60 > /dev/null 2>&1 & echo $! > {flag}")
    assert done.code == 0 and dcache("locks").out == b""
    os.kill(int(flag.read_text()), signal.SIGKILL)


def test_with_o_the_lock_dies_with_dcache(dcache):
    kill(dcache.hold("k", "-o"))
    assert dcache("locks", "--json").json()["state"] == "dead"
    assert dcache("lock", "run", "-n", "k", "--", "true").code == 0


def test_with_f_dcache_becomes_the_command(dcache):
    holder = dcache.start("lock", "run", "-F", "k", "--", "sleep", "60")
    wait_until(lambda: dcache("locks", "--json").out and dcache("locks", "--json").json()["command"] == "sleep")
    lock = dcache("locks", "--json").json()
    assert (lock["pid"], lock["state"]) == (holder.pid, "live")
    assert dcache("lock", "run", "-n", "k", "--", "true").code == 1
    holder.send_signal(signal.SIGTERM)
    assert holder.wait(20) == -signal.SIGTERM
    assert dcache("lock", "run", "k", "--", "printenv", "DCACHE_LOCK_OWNER_DIED").out == b"1\n"


def test_f_passes_on_words_status_and_signals(dcache):
    script = 'trap "exit 4" USR1; echo "$DCACHE_LOCK_KEY $*"; kill -USR1 $$; exit 5'
    done = dcache("lock", "run", "-F", "k", "--", "sh", "-c", script, "sh", "a b", "--")
    assert (done.code, done.out) == (4, b"k a b --\n")
    missing = dcache("lock", "run", "-F", "k", "--", "no-such-command")
    assert missing.code == 127 and "cannot run 'no-such-command'" in missing.err
    assert dcache("locks").out == b""
    both = dcache("lock", "run", "-F", "-o", "k", "--", "true")
    assert both.code == 64 and "exclude each other" in both.err


def test_a_command_whose_lease_ends_gets_term(dcache):
    done = dcache("lock", "run", "--lease", "100ms", "k", "--", "sh", "-c",
                  "trap 'echo told; exit 3' TERM; while :; do sleep 0.02; done")
    assert done.code == 75 and done.out == b"told\n"
    assert "lock 'k' was lost" in done.err and "exit status was 3" in done.err


def test_one_that_does_not_listen_is_killed(dcache):
    script = "trap '' TERM; while :; do sleep 0.02; done"
    done = dcache("lock", "run", "--lease", "100ms", "--kill-after", "200ms", "k", "--", "sh", "-c", script)
    assert done.code == 75 and "exit status was 137" in done.err
    patient = dcache.start("lock", "run", "--lease", "100ms", "--kill-after", "never", "k", "--", "sh", "-c", script)
    assert b"ending the command" in patient.stderr.readline()
    time.sleep(0.5)
    assert patient.poll() is None


def test_a_stopped_command_is_woken_to_be_ended(dcache):
    done = dcache("lock", "run", "--lease", "100ms", "--kill-after", "never", "k", "--", "sh", "-c", "kill -STOP $$")
    assert done.code == 75 and "exit status was 143" in done.err


def test_a_command_that_renews_its_lease_in_time_is_left_alone(dcache):
    script = ('i=0; while [ $i -lt 6 ]; do i=$((i+1)); sleep 0.2; '
              '"$0" lock renew k --lease 2s || exit 9; done; echo done')
    done = dcache("lock", "run", "--lease", "1s", "k", "--", "sh", "-c", script, os.environ["DCACHE_BIN"])
    assert (done.code, done.out) == (0, b"done\n")


def test_a_release_by_token_is_a_loss(dcache):
    script = '"$0" lock release k; exec sleep 60'
    done = dcache("lock", "run", "k", "--", "sh", "-c", script, os.environ["DCACHE_BIN"])
    assert done.code == 75


def test_a_nested_run_goes_on_under_the_lock(dcache):
    inner = '"$0" lock run -n k -- sh -c \'echo "$DCACHE_LOCK_FENCE"\''
    done = dcache("lock", "run", "k", "--", "sh", "-c", f'echo "$DCACHE_LOCK_FENCE"; {inner}; "$0" lock test k',
                  os.environ["DCACHE_BIN"])
    first, second = done.out.split()
    assert done.code == 0 and first == second and dcache("locks").out == b""


def test_so_do_two_locks_nested_in_any_order(dcache):
    script = ('"$0" lock run b -- "$0" lock run -n a -- "$0" lock run -n b -- printenv DCACHE_LOCK_TOKEN')
    done = dcache("lock", "run", "a", "--", "sh", "-c", script, os.environ["DCACHE_BIN"])
    assert done.code == 0
    tokens = done.out.decode().strip().split(",")
    assert len(tokens) == len(set(tokens)) == 2


def test_a_token_of_somebody_else_or_of_the_past_opens_nothing(dcache):
    old = dcache("lock", "run", "k", "--", "printenv", "DCACHE_LOCK_TOKEN").out.decode().strip()
    dcache.hold("k")
    for token in [old, "", ",", "nonsense", "1-2,3"]:
        assert dcache("lock", "run", "-n", "k", "--", "true", env={"DCACHE_LOCK_TOKEN": token}).code == 1


def test_a_nested_run_of_a_lost_lock_is_75(dcache):
    script = ('"$0" lock run k -- sh -c \'"$0" lock release k; exec sleep 60\' "$0"; echo $?')
    done = dcache("lock", "run", "k", "--", "sh", "-c", f"trap : TERM; {script}", os.environ["DCACHE_BIN"])
    assert done.code == 75 and b"75\n" in done.out


def test_readers_run_together_and_a_writer_alone(dcache):
    dcache.hold("k", "-s")
    dcache.hold("k", "--shared")
    assert [lock["mode"] for lock in dcache("locks", "--json").lines()] == ["shared", "shared"]
    assert dcache("lock", "run", "-n", "k", "--", "true").code == 1
    assert dcache("lock", "run", "-n", "-x", "k", "--", "true").code == 1
    assert dcache("lock", "run", "-n", "-s", "k", "--", "true").code == 0
    dcache.hold("alone", "-x")
    assert dcache("lock", "run", "-n", "-s", "alone", "--", "true").code == 1
    both = dcache("lock", "run", "-s", "-x", "k", "--", "true")
    assert both.code == 64 and "exclude each other" in both.err


def test_a_writer_that_waits_is_not_starved_by_readers(dcache):
    first = dcache.hold("k", "-s")
    writer = dcache.start("lock", "run", "-x", "k", "--", "true")
    wait_until(lambda: dcache("locks", "--json").lines()[0]["waiters"] == 1)
    time.sleep(0.05)
    assert dcache("lock", "run", "-n", "-s", "k", "--", "true").code == 1
    first.terminate()
    assert writer.wait(20) == 0


def test_alone_under_shared_is_refused_and_shared_under_alone_is_not(dcache):
    binary = os.environ["DCACHE_BIN"]
    refused = dcache("lock", "run", "-s", "k", "--", binary, "lock", "run", "k", "--", "true")
    assert refused.code == 77 and "held shared" in refused.err
    assert dcache("lock", "run", "-s", "k", "--", binary, "lock", "run", "-s", "k", "--", "true").code == 0
    assert dcache("lock", "run", "k", "--", binary, "lock", "run", "-s", "k", "--", "true").code == 0


def test_permits_let_so_many_in(dcache):
    dcache.hold("k", "--permits", "2")
    second = dcache.hold("k", "--permits", "2")
    lines = dcache("locks", "--json").lines()
    assert [(line["kind"], line["mode"]) for line in lines] == [("semaphore", "permits")] * 2
    assert dcache("lock", "run", "-n", "--permits", "2", "k", "--", "true").code == 1
    other = dcache("lock", "run", "-n", "--permits", "3", "k", "--", "true")
    assert other.code == 64 and "2 permits" in other.err and "3 permits" in other.err
    plain = dcache("lock", "run", "-n", "k", "--", "true")
    assert plain.code == 64 and "a lock" in plain.err and "2 permits" in plain.err
    os.killpg(second.pid, signal.SIGKILL)
    assert dcache("lock", "run", "-w", "20", "--permits", "2", "k", "--", "true").code == 0
    for wrong in ["0", "-1", "x", "1.5"]:
        assert dcache("lock", "run", "--permits=" + wrong, "k", "--", "true").code == 64
    assert dcache("lock", "run", "-s", "--permits", "2", "k", "--", "true").code == 64


def test_v_tells_what_it_got(dcache):
    done = dcache("lock", "run", "-v", "k", "--", "true")
    assert done.code == 0 and done.err.startswith("dcache: got lock 'k' after ")


@pytest.mark.parametrize("ahead", [0, 1])
def test_who_waits_on_a_terminal_is_told(dcache, ahead):
    dcache.hold("k", "--label", "nightly")
    for number in range(ahead):
        dcache.start("lock", "run", "k", "--", "true")
        wait_until(lambda: dcache("locks", "--json").json()["waiters"] == number + 1)
    terminal = Terminal(dcache, "lock", "run", "k", "--", "true")
    terminal.until(b"waiting for lock 'k', held by ")
    terminal.until(b"\n")
    assert b"(nightly) for " in terminal.shown
    assert (b"1 waiter ahead" in terminal.shown) == (ahead == 1)
    terminal.type(b"\x03")
    assert terminal.end() == -signal.SIGINT
