# SPDX-License-Identifier: Apache-2.0
"""lock run, in the order of flock(1)'s manual."""
import os
import signal
import subprocess
import time

import pytest

from conftest import wait_until


def run(dcache, *command, **more):
    return dcache("lock", "run", "k", "--", *command, **more)


def test_four_processes_count_without_losing_one(dcache):
    number = dcache.base / "number"
    number.write_text("0\n")
    loop = ('i=0; while [ $i -lt 50 ]; do i=$((i+1)); "$0" lock run number -- '
            'sh -c \'n=$(cat "$0"); echo $((n+1)) > "$0"\' "$1" || exit 1; done')
    workers = [subprocess.Popen(["sh", "-c", loop, os.environ["DCACHE_BIN"], str(number)], env=dcache.env)
               for _ in range(4)]
    assert [worker.wait(100) for worker in workers] == [0, 0, 0, 0]
    assert number.read_text() == "200\n"


@pytest.mark.parametrize("status", [0, 1, 7, 64, 255])
def test_the_status_is_the_commands(dcache, status):
    assert run(dcache, "sh", "-c", f"exit {status}").code == status


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "SEGV", "USR1"])
def test_a_signal_that_ends_the_command_is_128_and_its_number(dcache, name):
    assert run(dcache, "sh", "-c", f"ulimit -c 0; kill -{name} $$").code == 128 + signal.Signals[f"SIG{name}"]


def test_a_command_that_cannot_run_is_126_or_127_and_the_lock_is_free(dcache):
    script = dcache.base / "script"
    script.write_text("#!/bin/sh\n")
    missing, forbidden, directory = run(dcache, "no-such-command"), run(dcache, str(script)), run(dcache, "/")
    assert (missing.code, forbidden.code, directory.code) == (127, 126, 126)
    assert "cannot run 'no-such-command': No such file" in missing.err
    assert dcache("locks").out == b""


def test_the_command_gets_stdin_stdout_arguments_and_environment(dcache):
    assert run(dcache, "cat", input="in\n").out == b"in\n"
    assert run(dcache, "printf", "%s,", "-n", "--", "", "a b").out == b"-n,--,,a b,"
    script = 'echo "$DCACHE_LOCK_KEY $DCACHE_LOCK_FENCE ${DCACHE_LOCK_OWNER_DIED-no}"'
    key, fence, died = run(dcache, "sh", "-c", script, env={"DCACHE_LOCK_OWNER_DIED": "1"}).out.split()
    assert (key, died) == (b"k", b"no")
    assert int(run(dcache, "sh", "-c", script).out.split()[1]) > int(fence) > 0


def test_c_is_a_command_for_the_shell(dcache):
    script = 'echo "$0,$#,$DCACHE_LOCK_KEY" | tr , ";"; exit 7'
    for words in [["k", "-c", script], ["-c", script, "k"], ["--command=" + script, "k"]]:
        done = dcache("lock", "run", *words)
        assert (done.code, done.out) == (7, b"/bin/sh;0;k\n")
    assert dcache("lock", "run", "-c", "printenv DCACHE_LOCK_KEY", "--", "-n", "--").out == b"-n\n"
    assert dcache("lock", "run", "k", "-c", "").code == 0


def test_who_is_fair_is_served_in_order(dcache):
    order = dcache.base / "order"
    holder = dcache.hold("k")
    for number in range(4):
        dcache.start("lock", "run", "--fair", "k", "-c", f"echo {number} >> {order}")
        wait_until(lambda: dcache("locks", "--json").json()["waiters"] == number + 1)
    shown = dcache("lock", "show", "k", "--json").lines()
    assert [line["fair"] for line in shown[1:]] == [True] * 4
    holder.terminate()
    wait_until(lambda: order.exists() and order.read_text() == "0\n1\n2\n3\n")


def test_n_gives_up_at_once_with_1_or_e(dcache):
    dcache.hold("k")
    start = time.monotonic()
    busy = dcache("lock", "run", "-n", "k", "--", "echo", "ran")
    assert (busy.code, busy.out, busy.err) == (1, b"", "")
    assert dcache("lock", "run", "-n", "-E", "99", "k", "--", "echo", "ran").code == 99
    assert dcache("lock", "run", "-n", "-E", "0", "k", "--", "echo", "ran").out == b""
    assert dcache("lock", "run", "-w", "0", "k", "--", "echo", "ran").code == 1
    assert time.monotonic() - start < 5
    assert dcache("lock", "run", "-n", "other", "--", "true").code == 0


@pytest.mark.parametrize("wait", ["0.3", ".3", "300ms"])
def test_w_waits_so_long(dcache, wait):
    dcache.hold("k")
    start = time.monotonic()
    assert dcache("lock", "run", "-w", wait, "k", "--", "echo", "ran").code == 1
    assert 0.3 <= time.monotonic() - start < 3
    assert dcache("lock", "run", "-E", "5", "-w", wait, "k", "--", "echo", "ran").code == 5


def test_it_waits_until_the_holder_is_done(dcache):
    dcache.hold("k", command=("sleep", "1.2"))
    start = time.monotonic()
    assert run(dcache, "echo", "ran").out == b"ran\n"
    assert time.monotonic() - start > 0.8
    dcache.hold("k", command=("sleep", "0.5"))
    assert dcache("lock", "run", "-w", "20", "k", "--", "true").code == 0


def test_a_killed_holder_gives_way_at_once(dcache):
    holder = dcache.hold("k", "-o")
    waiter = dcache.start("lock", "run", "k", "--", "sh", "-c", "echo $DCACHE_LOCK_OWNER_DIED")
    time.sleep(0.2)
    assert waiter.poll() is None
    start = time.monotonic()
    holder.send_signal(signal.SIGKILL)
    assert waiter.wait(20) == 0 and time.monotonic() - start < 2
    assert waiter.stdout.read() == b"1\n"


def test_a_stopped_holder_keeps_the_lock(dcache):
    holder = dcache.hold("k")
    holder.send_signal(signal.SIGSTOP)
    assert dcache("lock", "run", "-w", "0.3", "k", "--", "true").code == 1
    assert dcache("locks", "--json").json()["state"] == "live"
    holder.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("name", ["TERM", "HUP", "USR1", "USR2"])
def test_signals_are_passed_on_while_the_command_runs(dcache, name):
    script = f'trap "exit 42" {name}; touch "$0"; while :; do sleep 0.02; done'
    flag = dcache.base / "ready"
    runner = dcache.start("lock", "run", "k", "--", "sh", "-c", script, str(flag))
    wait_until(flag.exists)
    runner.send_signal(signal.Signals[f"SIG{name}"])
    assert runner.wait(20) == 42
    assert dcache("locks").out == b""


def test_term_that_the_command_does_not_handle_is_143(dcache):
    runner = dcache.hold("k")
    runner.terminate()
    assert runner.wait(20) == 143


def test_int_is_left_to_the_command(dcache):
    flag = dcache.base / "done"
    runner = dcache.hold("k", command=("sh", "-c", f"sleep 0.5; touch {flag}"))
    runner.send_signal(signal.SIGINT)
    runner.send_signal(signal.SIGQUIT)
    assert runner.wait(20) == 0 and flag.exists()
    runner = dcache.hold("k")
    os.killpg(runner.pid, signal.SIGINT)  # as a terminal does
    assert runner.wait(20) == 130
    assert dcache("locks").out == b""


def test_ignored_signals_stay_ignored_as_under_nohup(dcache):
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    runner = dcache.hold("k", command=("sh", "-c", "kill -HUP $$; kill -INT $$; sleep 0.5; exit 5"),
                         preexec_fn=ignore)
    runner.send_signal(signal.SIGHUP)
    assert runner.wait(20) == 5


def test_the_command_has_the_callers_signal_mask_and_dispositions(dcache):
    def signals(text):
        sets = dict(line.split(":\t") for line in text.decode().splitlines() if line.startswith("Sig"))
        # glibc's posix_spawn leaves its own two signals, 32 and 33, ignored
        return [int(sets[name], 16) & ~0x180000000 for name in ("SigBlk", "SigIgn", "SigCgt")]

    command = ["cat", "/proc/self/status"]
    plain = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    assert signals(run(dcache, *command).out) == signals(plain)


def test_the_command_gets_one_of_our_descriptors_and_with_o_none(dcache):
    # 3 is the listing itself
    assert dcache("lock", "run", "-o", "k", "--", "ls", "/proc/self/fd").out.split() == [b"0", b"1", b"2", b"3"]
    links = run(dcache, "sh", "-c", "for fd in /proc/self/fd/*; do readlink $fd; done").out.decode().split()
    assert [os.path.basename(link) for link in links if link.startswith(str(dcache.base))] == ["life"]


def test_it_works_where_children_are_ignored(dcache):
    done = run(dcache, "sh", "-c", "exit 6", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert done.code == 6


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_a_waiter_dies_by_the_signal_and_leaves_nothing_behind(dcache, name):
    holder = dcache.hold("k")
    waiter = dcache.start("lock", "run", "k", "--", "true")
    time.sleep(0.2)
    waiter.send_signal(signal.Signals[f"SIG{name}"])
    assert waiter.wait(20) == -signal.Signals[f"SIG{name}"]
    holder.terminate()
    assert holder.wait(20) == 143
    assert dcache("lock", "run", "-w", "5", "k", "--", "true").code == 0


def test_locks_of_other_keys_and_directories_are_no_obstacle(dcache):
    dcache.hold("k")
    assert dcache("lock", "run", "-n", "k2", "--", "true").code == 0
    assert dcache("lock", "run", "-n", "k", "--dir", str(dcache.base / "other"), "--", "true").code == 0


def test_a_key_that_begins_with_a_dash_stands_between_two_pairs_of_dashes(dcache):
    assert dcache("lock", "run", "-w", "1", "--", "-n", "--", "printenv", "DCACHE_LOCK_KEY").out == b"-n\n"
    assert run(dcache, "echo", "--", "x").out == b"-- x\n"
