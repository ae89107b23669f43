# SPDX-License-Identifier: Apache-2.0
"""Colors: on a terminal, when it wants them, and never from what is stored."""
import os
import pty
import re
import subprocess

import pytest

from conftest import BINARY, LIMIT, Terminal, kill, wait_until

CODE = re.compile(rb"\x1b\[[0-9;]*m")
XTERM = {"TERM": "xterm", "NO_COLOR": ""}


def shown(dcache, *words, env=XTERM):
    terminal = Terminal(dcache, *words, env=env)
    terminal.end()
    return terminal.shown


def test_headings_and_states_on_a_terminal(dcache):
    dcache.hold("live one")
    text = shown(dcache, "locks")
    assert b"\x1b[1mKEY" in text and b"\x1b[32mlive\x1b[0m" in text
    # Colors take no columns; how long it has been held does, more and more.
    wait_until(lambda: CODE.sub(b"", shown(dcache, "locks").splitlines()[0]) == dcache("locks").out.splitlines()[0])
    leased = dcache.hold("leased one", "--lease", "1h")
    assert b"\x1b[33mleased\x1b[0m" in shown(dcache, "locks")
    leased.kill()
    leased.wait()
    text = shown(dcache, "lock", "show", "live one")
    assert b"\x1b[1mstate\x1b[0m:" in text and b"\x1b[32mlive\x1b[0m" in text


def test_a_dead_holder_is_red(dcache):
    holder = dcache.hold("k", "-o")
    kill(holder)
    assert b"\x1b[31mdead\x1b[0m" in shown(dcache, "locks")


def test_errors_begin_in_red_and_remarks_do_not(dcache):
    assert shown(dcache, "get", "k").startswith(b"\x1b[31mdcache:\x1b[0m there is no cache")
    dcache("set", "other", "v")
    assert shown(dcache, "get", "k") == b"dcache: there is no entry 'k'\r\n"


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}], ids=str)
def test_the_environment_can_forbid_them(dcache, env):
    dcache.hold("k")
    for words in [["locks"], ["doctor"], ["nonsense"]]:
        assert CODE.search(shown(dcache, *words))
        assert not CODE.search(shown(dcache, *words, env=XTERM | env))
        assert CODE.search(shown(dcache, *words, "--color", "always", env=XTERM | env)) or words == ["nonsense"]


def test_the_option_decides(dcache):
    dcache.hold("k")
    assert not CODE.search(shown(dcache, "locks", "--color", "never"))
    assert CODE.search(shown(dcache, "locks", "--color=auto"))
    assert CODE.search(dcache("--color", "always", "locks", env=XTERM).out)
    assert not CODE.search(dcache("locks", env=XTERM).out)
    assert dcache("get", "x", "--color", "never").code == 1
    refused = dcache("locks", "--color", "mauve")
    assert refused.code == 64 and "auto, always or never" in refused.err


def test_each_stream_counts_for_itself(dcache):
    master, slave = pty.openpty()
    done = subprocess.run([BINARY, "get", "k"], env=dcache.env | XTERM, stdin=slave, stdout=slave,
                          stderr=subprocess.PIPE, timeout=LIMIT, check=False)
    os.close(slave)
    os.close(master)
    assert done.returncode == 66 and done.stderr.startswith(b"dcache: ")


@pytest.mark.parametrize("words", [["ls"], ["ls", "--long"], ["entry", "k\x1b[31mred\x1b[0m"], ["tags"], ["ls", "--plain"],
                                   ["ls", "--json"]], ids=" ".join)
def test_what_is_stored_brings_none(dcache, words):
    name = "k\x1b[31mred\x1b[0m"
    dcache("set", name, name, "--tag", name)
    bare = CODE.sub(b"", shown(dcache, *words, "--color", "always"))
    assert b"\x1b" not in bare and b"red" in bare


@pytest.mark.parametrize("form", ["--json", "--plain"])
def test_programs_get_none(dcache, form):
    dcache.hold("k")
    for words in [["locks"], ["lock", "show", "k"], ["doctor"], ["stats"]]:
        assert b"\x1b" not in dcache(*words, form, "--color", "always").out
