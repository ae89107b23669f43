# SPDX-License-Identifier: Apache-2.0
"""memo: a command whose output and exit status are kept."""
import signal
import sys
import time

import pytest

from conftest import wait_until

# Writes a line into the file "runs" for each time that it is run.
COUNTING = 'echo run >> runs; printf "out\\0\\377\\n"; echo err >&2; exit 3'


def runs(dcache):
    file = dcache.base / "runs"
    return len(file.read_text().splitlines()) if file.exists() else 0


def memo(dcache, *words, **more):
    return dcache("memo", *words, cwd=dcache.base, **more)


def test_output_and_status_are_kept(dcache):
    for _ in range(3):
        done = memo(dcache, "--", "sh", "-c", COUNTING)
        assert (done.code, done.out, done.err) == (3, b"out\0\xff\n", "err\n")
    assert runs(dcache) == 1


def test_other_words_and_other_directories_are_other_commands(dcache):
    (dcache.base / "below").mkdir()
    memo(dcache, "--", "sh", "-c", COUNTING)
    assert memo(dcache, "--", "sh", "-c", COUNTING, "x").code == 3
    assert runs(dcache) == 2
    dcache("memo", "--", "sh", "-c", "cd ..; " + COUNTING, cwd=dcache.base / "below")
    dcache("memo", "--", "pwd", cwd=dcache.base)
    assert dcache("memo", "--", "pwd", cwd=dcache.base / "below").out.endswith(b"/below\n")
    # "a b" is not "a" and "b".
    assert memo(dcache, "--", "printf", "%s.", "a b").out == b"a b."
    assert memo(dcache, "--", "printf", "%s.", "a", "b").out == b"a.b."


def test_with_a_key_it_is_the_same_everywhere(dcache):
    (dcache.base / "below").mkdir()
    assert memo(dcache, "--key", "k", "--", "pwd").out == dcache("memo", "--key", "k", "--", "pwd", cwd=dcache.base / "below").out
    assert dcache("entry", "k", "--json").json()["format"] == "bytes"


def test_what_is_kept_is_a_value_with_tags_and_an_end(dcache):
    memo(dcache, "--key", "k", "--tag", "a", "-t", "b", "-e", "1h", "--", "true")
    entry = dcache("entry", "k", "--json").json()
    assert entry["tags"] == ["a", "b"] and 3500 < entry["left"] <= 3600
    assert dcache("evict", "a").code == 0
    memo(dcache, "--", "sh", "-c", COUNTING)
    assert dcache("clear", "--yes").code == 0
    memo(dcache, "--", "sh", "-c", COUNTING)
    assert runs(dcache) == 2


def test_when_its_time_is_over_it_runs_again(dcache):
    memo(dcache, "--expire", "1ms", "--", "sh", "-c", COUNTING)
    wait_until(lambda: not dcache("ls").out)
    memo(dcache, "--expire", "1h", "--", "sh", "-c", COUNTING)
    memo(dcache, "--expire", "1h", "--", "sh", "-c", COUNTING)
    assert runs(dcache) == 2


def test_one_runs_it_and_the_others_wait(dcache):
    script = 'echo run >> runs; until test -e go; do sleep 0.01; done; echo out'
    started = [dcache.start("memo", "--", "sh", "-c", script, cwd=dcache.base) for _ in range(5)]
    wait_until(lambda: runs(dcache) > 0)
    time.sleep(0.1)
    (dcache.base / "go").touch()
    assert [process.communicate(timeout=60) for process in started] == [(b"out\n", b"")] * 5
    assert runs(dcache) == 1


def test_when_the_one_who_runs_it_is_killed_another_one_does(dcache):
    script = 'echo run >> runs; until test -e go; do sleep 0.01; done; echo out'
    first = dcache.start("memo", "--", "sh", "-c", script, cwd=dcache.base)
    wait_until(lambda: runs(dcache) == 1)
    second = dcache.start("memo", "--", "sh", "-c", script, cwd=dcache.base)
    first.kill()
    wait_until(lambda: runs(dcache) == 2)
    (dcache.base / "go").touch()
    assert second.communicate(timeout=60)[0] == b"out\n"


def test_a_command_that_a_signal_ends_is_not_kept(dcache):
    for _ in range(2):
        done = memo(dcache, "--", "sh", "-c", "echo run >> runs; echo begun; kill -TERM $$")
        assert (done.code, done.out) == (128 + signal.SIGTERM, b"begun\n")
    assert runs(dcache) == 2 and dcache("ls").out == b""


def test_a_command_that_cannot_be_run_is_not_kept(dcache):
    done = memo(dcache, "--", "nosuchcommand")
    assert done.code == 127 and "'nosuchcommand'" in done.err
    assert memo(dcache, "--", "/").code == 126
    assert dcache("ls").out == b""


def test_a_stale_one_is_shown_while_one_runs_it_anew(dcache):
    words = ["--key", "k", "--expire", "1h", "--stale-ok", "1h", "--"]
    assert memo(dcache, *words, "echo", "old").out == b"old\n"
    assert 7000 < dcache("entry", "k", "--json").json()["left"]
    dcache("touch", "k", "--expire", "30m")
    slow = dcache.start("memo", *words, "sh", "-c", "touch begun; until test -e go; do sleep 0.01; done; echo new",
                        cwd=dcache.base)
    wait_until((dcache.base / "begun").exists)
    assert memo(dcache, *words, "echo", "other").out == b"old\n"
    (dcache.base / "go").touch()
    assert slow.communicate(timeout=60)[0] == b"new\n"
    assert memo(dcache, *words, "echo", "other").out == b"new\n"


def test_its_input_is_empty(dcache):
    assert memo(dcache, "--", "cat", input="not for it").out == b""


def test_much_output_is_kept_whole(dcache):
    script = "import sys; sys.stdout.write('o' * 3000000); sys.stderr.write('e' * 1000000)"
    for _ in range(2):
        done = memo(dcache, "--", sys.executable, "-c", script)
        assert done.out == b"o" * 3000000 and done.err == "e" * 1000000


@pytest.mark.parametrize("value", ["hello", "dcache memo 1 x", "dcache memo 1 0 5\nab", "dcache memo 1 0", ""])
def test_a_value_that_is_none_of_its_own_is_refused(dcache, value):
    dcache("set", "k", value)
    refused = memo(dcache, "--key", "k", "--", "echo", "x")
    assert refused.code == 65 and refused.out == b"" and "'k'" in refused.err
    assert dcache("get", "k").out == value.encode()
