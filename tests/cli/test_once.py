# SPDX-License-Identifier: Apache-2.0
"""once: a command that succeeds once, or once in a while."""
from conftest import wait_until

WAITING = "echo run >> runs; until test -e go; do sleep 0.01; done"


def runs(dcache):
    file = dcache.base / "runs"
    return len(file.read_text().splitlines()) if file.exists() else 0


def once(dcache, *words):
    return dcache("once", *words, cwd=dcache.base)


def test_it_runs_until_it_has_succeeded(dcache):
    assert once(dcache, "k", "--", "sh", "-c", "echo run >> runs; exit 7").code == 7
    assert once(dcache, "k", "--", "sh", "-c", "echo run >> runs; kill -KILL $$").code == 137
    assert once(dcache, "k", "--", "nosuchcommand").code == 127
    assert once(dcache, "k", "--", "sh", "-c", "echo run >> runs; echo out").out == b"out\n"
    skipped = once(dcache, "k", "--", "sh", "-c", "echo run >> runs; exit 7")
    assert (skipped.code, skipped.out, skipped.err) == (0, b"", "")
    assert runs(dcache) == 3
    assert once(dcache, "other", "--", "echo", "out").out == b"out\n"


def test_it_stays_done_when_values_go_and_can_be_undone(dcache):
    once(dcache, "k", "--", "true")
    dcache("clear", "--yes")
    assert once(dcache, "k", "--", "echo", "again").out == b""
    fence = dcache("lock", "show", "once:k", "--json").json()["fence"]
    assert dcache("lock", "clear", "once:k", "--fence", str(fence), "--force").code == 0
    assert once(dcache, "k", "--", "echo", "again").out == b"again\n"


def test_with_per_it_runs_again_when_the_time_is_over(dcache):
    assert once(dcache, "k", "--per", "1h", "--", "echo", "out").out == b"out\n"
    assert once(dcache, "k", "--per", "1h", "--", "echo", "out").out == b""
    once(dcache, "short", "--per", "10ms", "--", "true")
    wait_until(lambda: once(dcache, "short", "--per", "10ms", "--", "echo", "out").out == b"out\n")


def test_the_others_wait_until_it_is_done(dcache):
    first = dcache.start("once", "k", "--", "sh", "-c", WAITING, cwd=dcache.base)
    wait_until(lambda: runs(dcache) == 1)
    second = dcache.start("once", "k", "--", "sh", "-c", WAITING, cwd=dcache.base)
    late = once(dcache, "k", "-w", "0.05", "--", "true")
    assert late.code == 75 and "once-running:k" in late.err
    assert second.poll() is None
    (dcache.base / "go").touch()
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert runs(dcache) == 1


def test_if_it_is_killed_nobody_begins_before_the_command_has_ended(dcache):
    first = dcache.start("once", "k", "--", "sh", "-c", WAITING, cwd=dcache.base)
    wait_until(lambda: runs(dcache) == 1)
    first.kill()
    first.wait()
    assert once(dcache, "k", "-w", "0.3", "--", "true").code == 75
    (dcache.base / "go").touch()
    assert once(dcache, "k", "--", "sh", "-c", WAITING).code == 0
    assert runs(dcache) == 2
