# SPDX-License-Identifier: Apache-2.0
"""Each row of the table of exit codes, with what must not happen beside it. 0, 1 and 64 are everywhere."""
import hashlib
import os
import resource
import signal
import sqlite3
import subprocess

import pytest

from conftest import BINARY, wait_until

READING = [["get", "k"], ["pop", "k"], ["ls"], ["tags"], ["entry", "k"], ["stats"], ["check"], ["check", "--fix"],
           ["locks"], ["lock", "show", "k"], ["lock", "test", "k"], ["lock", "wait", "k"], ["lock", "clear", "k"],
           ["delete", "k"], ["touch", "k", "--expire", "1h"], ["evict", "t"], ["expire"], ["cull"],
           ["pull", "q"], ["pull", "q", "--lease", "1m"], ["peek", "q"], ["ack", "q", "1-2-3"], ["nack", "q", "1-2-3"],
           ["clear", "--yes"], ["config"], ["config", "policy"], ["doctor"]]
MAKING = [["push", "q", "v"], ["set", "k", "v"], ["add", "k", "v"], ["incr", "k"], ["memo", "--", "true"], ["once", "k", "--", "true"],
          ["throttle", "k", "--count", "1", "--per", "1s", "--", "true"], ["lock", "run", "k", "--", "true"],
          ["config", "size_limit", "1M"]]


def is_asleep(pid):
    """Whether the process is dcache by now and waits for something."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] == "S" and os.path.samefile(f"/proc/{pid}/exe", BINARY)


def digest(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_66_where_there_is_no_cache_and_nothing_is_made(dcache, words):
    missing = dcache(*words)
    assert missing.code == 66 and str(dcache.dir) in missing.err and missing.out == b""
    assert not dcache.dir.exists()
    dcache.dir.mkdir()
    missing = dcache(*words)
    assert missing.code == 66 and str(dcache.dir) in missing.err
    (dcache.dir / "cache.db").touch(mode=0o600)  # as somebody leaves it who died while making the cache
    assert dcache(*words).code == 66
    assert digest(dcache.dir) == {"cache.db": hashlib.sha256(b"").hexdigest()}


@pytest.mark.parametrize("words", MAKING, ids=" ".join)
def test_verbs_that_store_make_the_cache(dcache, words):
    assert dcache(*words).code == 0
    assert (dcache.dir.stat().st_mode & 0o777, (dcache.dir / "cache.db").stat().st_mode & 0o777) == (0o700, 0o600)


@pytest.mark.parametrize("words", READING + MAKING, ids=" ".join)
def test_65_for_a_foreign_database_which_stays_as_it_is(dcache, words):
    dcache.dir.mkdir(mode=0o700)
    with sqlite3.connect(dcache.dir / "cache.db") as foreign:
        foreign.execute("CREATE TABLE mine(x)")
    foreign.close()
    before = digest(dcache.dir)
    refused = dcache(*words)
    assert refused.code == 65 and "left as it is" in refused.err
    assert digest(dcache.dir) == before


def test_65_for_a_file_that_is_no_database(dcache):
    dcache.dir.mkdir(mode=0o700)
    (dcache.dir / "cache.db").write_text("these are my notes\n" * 100)
    assert dcache("set", "k", "v").code == dcache("get", "k").code == 65
    assert (dcache.dir / "cache.db").read_text().startswith("these are my notes")


def test_65_for_a_newer_version(dcache):
    dcache("set", "k", "v")
    with sqlite3.connect(dcache.dir / "cache.db") as database:
        database.execute("PRAGMA user_version = 9999")
    database.close()
    assert dcache("get", "k").code == dcache("set", "k", "v").code == 65


def test_65_for_a_damaged_value_which_set_mends(dcache):
    dcache("set", "k", "MARKMARKMARK")
    database = sqlite3.connect(dcache.dir / "cache.db")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    content = (dcache.dir / "cache.db").read_bytes()
    assert b"MARKMARKMARK" in content
    (dcache.dir / "cache.db").write_bytes(content.replace(b"MARKMARKMARK", b"MARKMORKMARK"))
    damaged = dcache("get", "k")
    assert damaged.code == 65 and "'k'" in damaged.err and damaged.out == b""
    assert dcache("set", "k", "whole").code == 0 and dcache("get", "k").out == b"whole"


@pytest.mark.parametrize("words", READING + MAKING, ids=" ".join)
def test_64_for_a_file_in_place_of_the_directory(dcache, words):
    dcache.dir.write_text("mine")
    refused = dcache(*words)
    assert refused.code == 64 and "not a directory" in refused.err
    assert dcache.dir.read_text() == "mine"


def test_73_when_the_cache_cannot_be_made(dcache):
    refused = dcache("--dir", str(dcache.base / "no/such/parent"), "set", "k", "v")
    assert refused.code == 73 and "parent directory" in refused.err and "Create::" not in refused.err
    assert dcache("--dir", "/proc/dcache", "set", "k", "v").code == 73
    assert dcache("--dir", "/proc/dcache", "get", "k").code == 66


@pytest.mark.parametrize("words", [["get", "k"], ["ls"], ["ls", "--json"], ["stats"], ["check"], ["--help"], ["--version"],
                                   ["locks", "--help"], ["incr", "n"], ["doctor"], ["config"], ["ls", "--sort", "size"],
                                   ["stats", "--plain"]], ids=" ".join)
def test_74_when_stdout_takes_nothing(dcache, words):
    dcache("set", "k", "v")
    with open("/dev/full", "wb") as full:
        failed = dcache(*words, stdout=full)
    assert failed.code == 74 and "stdout" in failed.err
    closed = dcache(*words, preexec_fn=lambda: os.close(1))
    assert closed.code == 74 and "stdout" in closed.err


def test_74_when_stdin_is_closed(dcache):
    failed = dcache("set", "k", "-", stdin=None, preexec_fn=lambda: os.close(0))
    assert failed.code == 74 and "stdin" in failed.err


def test_a_cache_survives_closed_standard_descriptors(dcache):
    dcache("set", "k", "v")

    def close_all():
        for fd in range(3):
            os.close(fd)

    assert dcache("set", "k", "w", preexec_fn=close_all, stdin=None).code == 0
    dcache("lock", "run", "k", "--", "true", preexec_fn=close_all, stdin=None)
    assert dcache("get", "k").out == b"w"


def test_74_when_the_disk_is_full(dcache):
    dcache("set", "k", "v")

    def allow_little():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    # restore_signals would let SIGXFSZ kill it, which is not what a full disk does
    failed = dcache("set", "k", "-", input=b"x" * 30000, preexec_fn=allow_little, restore_signals=False)
    assert failed.code == 74
    assert dcache("get", "k").out == b"v"


def test_75_when_others_keep_the_store_busy(dcache):
    dcache("set", "k", "v")
    writer = sqlite3.connect(dcache.dir / "cache.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert dcache("set", "k", "w", "--timeout", "100ms").code == 75
    assert dcache("get", "k", "--timeout", "100ms").out == b"v"
    writer.execute("ROLLBACK")
    writer.close()
    assert dcache("set", "k", "w", "--timeout", "100ms").code == 0


def test_77_for_a_directory_that_others_can_write(dcache):
    dcache("set", "k", "v")
    dcache.dir.chmod(0o777)
    for words in [["get", "k"], ["set", "k", "w"]]:
        refused = dcache(*words)
        assert refused.code == 77 and "--allow-shared" in refused.err and "Options::" not in refused.err
    assert dcache("get", "k", "--allow-shared").out == b"v"


def test_77_for_a_linked_database(dcache):
    dcache("set", "k", "v")
    (dcache.dir / "cache.db").rename(dcache.base / "elsewhere.db")
    (dcache.dir / "cache.db").symlink_to(dcache.base / "elsewhere.db")
    assert dcache("get", "k").code == dcache("set", "k", "w").code == 77


@pytest.mark.parametrize("words", READING + MAKING, ids=" ".join)
def test_77_without_permission(modest, words):
    modest("set", "k", "v")
    (modest.dir / "cache.db").chmod(0)
    refused = modest(*words)
    assert refused.code == 77 and str(modest.dir) in refused.err and refused.err.count("\n") == 1
    modest.dir.chmod(0)
    refused = modest(*words)
    assert refused.code == 77 and str(modest.dir) in refused.err


def test_77_for_an_engine_that_is_not_there(dcache):
    assert dcache("--dir", "redis://localhost", "get", "k").code == 77


@pytest.mark.parametrize("ignored", [False, True])
def test_a_reader_that_has_gone_ends_it_by_sigpipe(dcache, ignored):
    dcache("set", "k", "x" * 30000)
    read, write = os.pipe()
    os.close(read)
    before = signal.getsignal(signal.SIGPIPE)
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored else signal.SIG_DFL)
        with open(write, "wb") as pipe:
            gone = dcache("get", "k", stdout=pipe, restore_signals=False)
    finally:
        signal.signal(signal.SIGPIPE, before)
    assert gone.code == -signal.SIGPIPE and gone.err == ""


def test_130_when_a_value_is_typed(dcache):
    dcache("set", "k", "v")
    process = dcache.start("set", "k", "-", stdin=subprocess.PIPE)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == -signal.SIGINT
    assert dcache("get", "k").out == b"v"


@pytest.mark.parametrize("words", [["lock", "run", "k", "--", "true"], ["lock", "wait", "k"]], ids=" ".join)
def test_130_when_a_wait_is_interrupted(dcache, words):
    dcache.hold("k")
    process = dcache.start(*words)
    wait_until(lambda: is_asleep(process.pid))
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == -signal.SIGINT and process.stdout.read() == process.stderr.read() == b""


@pytest.mark.parametrize("words", [["ls"], ["ls", "--sort", "size"], ["ls", "--json"], ["check"]], ids=" ".join)
def test_130_when_a_listing_is_interrupted(dcache, words):
    dcache("set", "k" * 4000, "v")
    read, write = os.pipe()
    os.write(write, b"x" * 65536)  # the pipe is full, and nobody reads
    process = dcache.start(*words, stdout=write)
    os.close(write)
    wait_until(lambda: is_asleep(process.pid))
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == -signal.SIGINT and process.stderr.read() == b""
    os.close(read)


def test_130_is_what_a_shell_sees(dcache):
    dcache.hold("k")
    with subprocess.Popen(["bash", "-c", '"$0" lock wait k; echo $?', BINARY], env=dcache.env,
                          stdout=subprocess.PIPE) as shell:
        with open(f"/proc/{shell.pid}/task/{shell.pid}/children") as children:
            wait_until(lambda: children.seek(0) == 0 and children.read().strip())
            children.seek(0)
            child = int(children.read())
        wait_until(lambda: is_asleep(child))
        os.kill(child, signal.SIGINT)
        assert shell.communicate(timeout=20)[0] == b"130\n"


def test_70_for_a_fault_of_its_own(dcache):
    def take_memory():
        resource.setrlimit(resource.RLIMIT_AS, (80 << 20, 80 << 20))

    failed = dcache("set", "k", "-", input=b"x" * 1000, preexec_fn=take_memory)
    assert failed.code in (0, 70)
    failed = dcache("add", "k", "-", input=b"x" * (200 << 20), preexec_fn=take_memory)
    assert failed.code == 70 and failed.err == "dcache: out of memory\n"


def test_each_code_is_in_the_help(dcache):
    table = dcache("--help").out.decode().split("Exit status:")[1]
    codes = [line.split()[0] for line in table.splitlines() if line[2:7].strip().isdigit()]
    assert codes == ["0", "1", "64", "65", "66", "70", "73", "74", "75", "77", "130"]
