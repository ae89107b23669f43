# SPDX-License-Identifier: Apache-2.0
"""Progress: a line on the terminal for long work, gone at its end, and nowhere else."""
import os
import re
import signal
import time

import pytest
from conftest import LIMIT, Terminal


class SlowImport:
    """An import whose input comes slowly, with stderr on a terminal or not."""

    def __init__(self, dcache, *words, **streams):
        read, self.write = os.pipe()
        os.set_inheritable(read, True)
        self.terminal = Terminal(dcache, "import", "-", *words, stdin=read, **streams)
        os.close(read)
        self.count = 0

    def feed(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            os.write(self.write, b'{"key":"k%d","value":"v"}\n' % self.count)
            self.count += 1
            time.sleep(0.005)
            self.terminal.read(0)

    def end(self):
        os.close(self.write)
        return self.terminal.end()


def screen(shown):
    """What stays of bytes that use no other control characters than CR, LF and those of colours."""
    rows = []
    for row in re.sub("\x1b\\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n").split("\n"):
        line = []
        for part in row.split("\r"):
            line[:len(part)] = part
        rows.append("".join(line).rstrip())
    return rows


def test_long_work_is_shown_and_then_gone(dcache):
    work = SlowImport(dcache)
    work.feed(1.5)
    work.terminal.until(b"importing ")
    assert work.end() == 0
    shown = work.terminal.shown
    assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", shown)
    assert screen(shown) == [str(work.count), ""]
    # Not at every line of the hundreds, but ten times a second at most.
    assert 2 <= shown.count(b"importing ") <= 20


def test_short_work_shows_nothing(dcache):
    work = SlowImport(dcache)
    os.write(work.write, b'{"key":"k","value":"v"}\n')
    assert work.end() == 0
    assert screen(work.terminal.shown) == ["1", ""] and b"importing" not in work.terminal.shown


def test_nothing_is_shown_when_quiet(dcache):
    work = SlowImport(dcache, "--quiet")
    work.feed(1)
    assert work.end() == 0 and work.terminal.shown == b""


def test_nothing_is_shown_where_stderr_is_no_terminal(dcache, tmp_path):
    with open(tmp_path / "err", "wb") as err:
        work = SlowImport(dcache, stderr=err)
        work.feed(1)
        assert work.end() == 0
    assert (tmp_path / "err").read_bytes() == b"" and b"importing" not in work.terminal.shown


def test_an_error_and_a_signal_find_a_clean_line(dcache):
    work = SlowImport(dcache)
    work.feed(0.8)
    work.terminal.until(b"importing ")
    os.write(work.write, b"damaged\n")
    assert work.end() == 65
    rows = screen(work.terminal.shown)
    assert rows[0].startswith("dcache: line ") and rows[1:] == [""]

    work = SlowImport(dcache)
    work.feed(0.8)
    work.terminal.until(b"importing ")
    work.terminal.type(b"\x03")
    work.terminal.until(b"interrupted")
    assert work.end() == -signal.SIGINT
    rows = screen(work.terminal.shown)
    assert rows[-2].endswith("dcache: interrupted; nothing was stored") and rows[-1] == ""


@pytest.mark.parametrize("verb", [["check"], ["compact"], ["evict", "t"], ["clear", "--yes"], ["backup", "b"],
                                  ["export", "e"]])
def test_a_share_of_the_whole_is_shown_where_it_is_known(dcache, tmp_path, verb):
    count = 200_000 if verb[0] in ("compact", "export") else 40_000
    lines = b"".join(b'{"key":"k%d","value":"v","tags":["t"]}\n' % i for i in range(count))
    dcache("import", input=lines)
    doing = {"check": b"checking", "compact": b"compacting", "evict": b"evicting", "clear": b"clearing",
             "backup": b"backing up", "export": b"exporting"}[verb[0]]
    share = b"" if verb[0] in ("compact", "evict") else b"%"
    terminal = Terminal(dcache, *verb, cwd=tmp_path)
    # Stopped again and again once it is at work, so that it takes long enough everywhere; and it must not get far
    # while others keep this test from the processor.
    os.setpriority(os.PRIO_PROCESS, terminal.process.pid, 19)
    while not (doing in terminal.shown and share in terminal.shown) and terminal.process.poll() is None:
        terminal.process.send_signal(signal.SIGSTOP)
        if has_database_open(terminal.process.pid):
            terminal.read(0.1)
        terminal.process.send_signal(signal.SIGCONT)
        time.sleep(0.0005)
    assert terminal.end() == 0
    assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", terminal.shown)
    assert doing in terminal.shown
    assert (b"%" in terminal.shown) == bool(share)
    assert all(doing.decode() not in row for row in screen(terminal.shown))


def has_database_open(pid):
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{fd}").endswith("cache.db") for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False
