# SPDX-License-Identifier: Apache-2.0
"""What is different when a person looks on."""
import signal
import subprocess

from conftest import Terminal, wait_until


def test_get_ends_its_line_on_a_terminal_only(dcache):
    dcache("set", "k", "v")
    dcache("set", "line", "v\n")
    terminal = Terminal(dcache, "get", "k")
    assert terminal.end() == 0 and terminal.shown == b"v\r\n"
    terminal = Terminal(dcache, "pop", "k")
    assert terminal.end() == 0 and terminal.shown == b"v\r\n"
    terminal = Terminal(dcache, "get", "line")
    assert terminal.end() == 0 and terminal.shown == b"v\r\n"


def test_a_negative_answer_is_explained_unless_quiet(dcache):
    dcache("set", "other", "v")
    terminal = Terminal(dcache, "get", "k\x1b")
    assert terminal.end() == 1 and terminal.shown == b"dcache: there is no entry 'k\\x1b'\r\n"
    terminal = Terminal(dcache, "get", "-q", "k")
    assert terminal.end() == 1 and terminal.shown == b""


def test_set_without_a_value_does_not_hang_on_a_terminal(dcache):
    terminal = Terminal(dcache, "set", "k")
    assert terminal.end() == 64 and b"VALUE is missing" in terminal.shown
    terminal = Terminal(dcache, "set", "k", "-")
    terminal.type(b"typed\n\x04")
    assert terminal.end() == 0
    assert dcache("get", "k").out == b"typed\n"


def test_clear_asks(dcache):
    dcache("set", "k", "v")
    for answer in [b"n\n", b"\n", b"yesterday\n", b"\x04"]:
        terminal = Terminal(dcache, "clear")
        terminal.until(b"remove all 1 values in")
        terminal.type(answer)
        assert terminal.end() == 1
    assert dcache("get", "k").out == b"v"
    terminal = Terminal(dcache, "clear")
    terminal.until(b"[y/N] ")
    terminal.type(b"y\n")
    assert terminal.end() == 0 and dcache("get", "k").code == 1


def test_a_long_wait_is_explained_once(dcache):
    holder = dcache.hold("k", "--label", "nightly")
    terminal = Terminal(dcache, "lock", "run", "k", "--", "echo", "ran")
    terminal.until(b"nightly")
    assert b"waiting for lock 'k', held by %d-%d (nightly) for " % (holder.pid, holder.pid) in terminal.shown
    holder.terminate()
    assert terminal.end() == 0
    assert terminal.shown.count(b"waiting") == 1 and terminal.shown.endswith(b"ran\r\n")


def test_who_waits_is_told_how_many_are_ahead(dcache):
    dcache.hold("k")
    for number, text in enumerate([b"s\r\n", b"s, 1 waiter ahead\r\n", b"s, 2 waiters ahead\r\n"]):
        terminal = Terminal(dcache, "lock", "run", "k", "--", "true")
        terminal.until(b"waiting for lock 'k', held by ")
        terminal.until(b"\n")
        assert terminal.shown.endswith(text)
        assert dcache("locks", "--json").json()["waiters"] == number + 1


def test_who_was_told_keeps_its_place_in_the_queue(dcache):
    dcache.hold("k")
    terminals = []
    for number in range(2):
        terminals.append(Terminal(dcache, "lock", "run", "k", "--", "true"))
        wait_until(lambda: dcache("locks", "--json").json()["waiters"] == number + 1)
    for terminal in terminals:
        terminal.until(b"waiting for lock 'k', held by ")
    lines = dcache("lock", "show", "k", "--json").lines()
    assert [line["pid"] for line in lines[1:]] == [terminal.process.pid for terminal in terminals]


def test_a_wait_that_ends_in_vain_says_who_has_it(dcache):
    dcache.hold("k")
    terminal = Terminal(dcache, "lock", "run", "-w", "1.2", "k", "--", "true")
    assert terminal.end() == 1
    assert b"waiting for lock 'k'" in terminal.shown and b"lock 'k' is held by" in terminal.shown
    for words in [["-w", "0.1"], ["-n"]]:
        terminal = Terminal(dcache, "lock", "run", *words, "k", "--", "true")
        assert terminal.end() == 1 and b"waiting" not in terminal.shown
    terminal = Terminal(dcache, "lock", "run", "-q", "-w", "1.2", "k", "--", "true")
    assert terminal.end() == 1 and terminal.shown == b""


def test_nothing_is_explained_where_nobody_looks_on(dcache):
    dcache.hold("k")
    terminal = Terminal(dcache, "lock", "run", "-w", "1.2", "k", "--", "true", stderr=subprocess.PIPE)
    assert terminal.end() == 1 and terminal.process.stderr.read() == b""


def test_ctrl_c_ends_the_command_and_frees_the_lock(dcache):
    terminal = Terminal(dcache, "lock", "run", "k", "--", "sh", "-c", "echo ready; exec sleep 60")
    terminal.until(b"ready")
    terminal.type(b"\x03")
    assert terminal.end() == 130
    assert dcache("locks").out == b""


def test_ctrl_c_ends_a_wait(dcache):
    dcache.hold("k")
    terminal = Terminal(dcache, "lock", "run", "k", "--", "true")
    terminal.until(b"waiting")
    terminal.type(b"\x03")
    assert terminal.end() == -signal.SIGINT
