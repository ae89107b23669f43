# SPDX-License-Identifier: Apache-2.0
"""doctor: what is wrong, and that it changes nothing."""
import contextlib
import hashlib
import os
import resource
import signal
import sqlite3
import subprocess
import time

import pytest

from conftest import Terminal, wait_until

CHECKS = ["engine", "directory", "files", "disk", "space", "limits", "board", "life", "size", "log", "expired", "unused",
          "leftovers", "clock", "locks"]


def findings(dcache, *words, **more):
    result = dcache("doctor", "--json", *words, **more)
    found = result.lines()
    assert result.code == (1 if any(one["state"] == "problem" for one in found) else 0), result
    assert all(list(one) == ["state", "check", "text", "mend"] for one in found)
    assert all(one["mend"] for one in found if one["state"] != "ok"), found
    return found


def finding(dcache, check, *words, **more):
    return next(one for one in findings(dcache, *words, **more) if one["check"] == check)


def edit(dcache, sql, *values):
    with contextlib.closing(sqlite3.connect(dcache.dir / "cache.db")) as database, database:
        database.execute(sql, values)


def test_all_is_looked_at_and_well(dcache):
    dcache("set", "k", "v")
    found = findings(dcache)
    assert [one["check"] for one in found] == CHECKS
    assert {one["state"] for one in found} <= {"ok", "note"}
    rows = [line.split("\t") for line in dcache("doctor", "--plain").out.decode().splitlines()]
    assert [row[1] for row in rows] == CHECKS and all(len(row) == 4 for row in rows)
    text = dcache("doctor").out.decode()
    assert text.endswith("0 problems, 0 warnings\n") and "ok       files" in text
    assert dcache("doctor", "-q").out.decode() == text[:text.rindex("0 problems")]


def test_it_changes_nothing(dcache):
    dcache("set", "k", "-", input=os.urandom(100_000))
    dcache("lock", "run", "l", "--", "true")
    dcache.hold("l")

    def state():
        return {(str(path), path.lstat().st_mode, path.lstat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
                for path in dcache.dir.rglob("*") if path.is_file() and not path.name.endswith("-shm")}

    before = state()
    assert findings(dcache)
    assert state() == before


def test_the_engine_and_its_bug(dcache):
    dcache("set", "k", "v")
    engine = finding(dcache, "engine")
    version = tuple(map(int, engine["text"].split()[1].split(".")))
    affected = version < (3, 51, 3) and version not in {(3, 50, 7), (3, 44, 6)}
    assert engine["state"] == ("note" if affected else "ok")
    assert ("3.51.3" in (engine["mend"] or "")) == affected


def test_a_directory_that_others_can_write_is_a_problem(dcache):
    dcache("set", "k", "v")
    dcache.dir.chmod(0o777)
    found = finding(dcache, "directory")
    assert found["state"] == "problem" and "chmod go-w" in found["mend"] and "Options::" not in str(found)
    assert finding(dcache, "directory", "--allow-shared")["state"] == "warning"
    assert dcache("doctor").code == 1
    dcache.dir.chmod(0o755)
    assert finding(dcache, "directory")["state"] == "ok" and finding(dcache, "files")["state"] == "note"


def test_files_that_others_can_read_are_a_warning(dcache):
    dcache("set", "k", "v")
    (dcache.dir / "cache.db").chmod(0o644)
    found = finding(dcache, "files")
    assert found["state"] == "warning" and "cache.db has mode 0644" in found["text"] and "chmod 600" in found["mend"]


def test_the_disk_has_a_name_and_room(dcache):
    dcache("set", "k", "v")
    kind = subprocess.check_output(["df", "--output=fstype", dcache.dir], text=True).split()[1]
    kind = "unknown" if kind == "-" else kind  # as in a changed root, which is no mount of its own
    assert finding(dcache, "disk")["text"] == f"{kind}, which is fit for a cache"
    assert "are free" in finding(dcache, "space")["text"]


def test_tight_limits_are_told(dcache):
    dcache("set", "k", "v")

    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    few = finding(dcache, "limits", preexec_fn=few_files)
    assert few["state"] == "warning" and "40 files" in few["text"]
    small = finding(dcache, "limits", preexec_fn=small_files)
    assert small["state"] == "problem" and "ulimit -f" in small["mend"]


def test_without_a_board_waiting_is_slow(dcache):
    dcache("set", "k", "v")
    assert "woken" in finding(dcache, "board")["text"]
    (dcache.dir / "board").unlink()
    assert "made with" in finding(dcache, "board")["text"]
    dcache("set", "k", "v")
    assert "woken" in finding(dcache, "board")["text"]
    (dcache.dir / "board").unlink()
    (dcache.dir / "board").mkdir()
    found = finding(dcache, "board")
    assert found["state"] == "warning" and "50 to 250 ms" in found["text"]


def test_proof_of_life_is_tried(dcache):
    dcache("set", "k", "v")
    assert finding(dcache, "life")["state"] == "ok"
    dcache("lock", "run", "k", "--", "true")
    assert (dcache.dir / "life").exists() and finding(dcache, "life")["state"] == "ok"
    (dcache.dir / "life").unlink()
    (dcache.dir / "life").symlink_to("/dev/null")
    found = finding(dcache, "life")
    assert found["state"] == "problem" and "cannot be used" in found["text"]


def test_how_full_it_is(dcache):
    dcache("set", "k", "-", input=os.urandom(100_000))
    assert "without a limit" in finding(dcache, "size")["text"]
    dcache("config", "size_limit", "1M")
    assert "of 1.0 MiB (" in finding(dcache, "size")["text"]
    dcache("config", "size_limit", "64K")
    found = finding(dcache, "size")
    assert found["state"] == "note" and "cull" in found["mend"]
    dcache("config", "policy", "none")
    found = finding(dcache, "size")
    assert found["state"] == "warning" and "size_limit" in found["mend"]
    edit(dcache, "UPDATE meta SET value = CAST('rubbish' AS BLOB) WHERE name = 'settings'")
    found = finding(dcache, "size")
    assert found["state"] == "problem" and "check --fix" in found["mend"]


def test_a_large_log_is_a_warning(dcache):
    dcache("set", "k", "v")
    with contextlib.closing(sqlite3.connect(dcache.dir / "cache.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        for i in range(30):
            dcache("set", f"k{i}", "-", input=os.urandom(30_000))
        assert finding(dcache, "log")["state"] == "ok"
        os.truncate(dcache.dir / "cache.db-wal", 17 << 20)
        found = finding(dcache, "log")
        assert found["state"] == "warning" and "17 MiB" in found["text"]


def test_much_that_is_over_is_a_note(dcache):
    dcache("set", "k", "v", "--expire", "1ms")
    edit(dcache, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) "
                 "INSERT INTO entries(key, stored, expires, format, sum, tags, file, value) "
                 "SELECT CAST('k' || i AS BLOB), stored, expires, format, sum, tags, file, value FROM entries, n")
    found = finding(dcache, "expired")
    assert found["state"] == "note" and found["text"].startswith("1501 of 1501") and "dcache expire" in found["mend"]
    dcache("expire")
    assert finding(dcache, "expired")["state"] == "ok"


def test_unused_room_is_a_note(dcache):
    dcache("set", "k", "-", input=os.urandom(30_000))
    edit(dcache, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700) "
                 "INSERT INTO entries(key, stored, expires, format, sum, tags, file, value) "
                 "SELECT CAST('k' || i AS BLOB), stored, expires, format, sum, tags, file, value FROM entries, n")
    assert finding(dcache, "unused")["state"] == "ok"
    edit(dcache, "DELETE FROM entries")
    found = finding(dcache, "unused")
    assert found["state"] == "note" and "compact" in found["mend"]


def test_what_dead_writers_left_is_a_note(dcache):
    dcache("set", "k", "-", input=os.urandom(100_000))
    left = dcache.dir / "values/new/left"
    left.write_bytes(b"half of it")
    assert finding(dcache, "leftovers")["state"] == "ok"  # it may still be written
    os.utime(left, (time.time() - 7200,) * 2)
    found = finding(dcache, "leftovers")
    assert found["state"] == "note" and found["text"].startswith("1 ")
    assert left.exists()


def test_a_clock_that_was_set_back_is_a_warning(dcache):
    dcache("set", "k", "v")
    edit(dcache, "UPDATE entries SET stored = stored + 7200 * 1000000000")
    found = finding(dcache, "clock")
    assert found["state"] == "warning" and "120m" in found["text"] or "2h" in found["text"]


def test_locks_of_dead_holders_and_damaged_ones(dcache):
    dcache("set", "k", "v")
    assert finding(dcache, "locks")["text"] == "in use: 0"
    holder = dcache.hold("gone", "-o")
    assert finding(dcache, "locks")["text"] == "in use: 1"
    holder.kill()
    holder.wait()
    found = finding(dcache, "locks")
    assert found["state"] == "note" and "--stale" in found["mend"]
    edit(dcache, "UPDATE records SET value = CAST('rubbish' AS BLOB) WHERE key = CAST('gone' AS BLOB)")
    found = finding(dcache, "locks")
    assert found["state"] == "problem" and found["mend"] == "dcache lock clear --force gone"
    assert dcache("lock", "clear", "--force", "gone").code == 0
    assert finding(dcache, "locks")["state"] == "ok"


def test_people_see_the_mend_below(dcache):
    dcache("set", "k", "v")
    dcache.dir.chmod(0o777)
    terminal = Terminal(dcache, "doctor", env={"TERM": "xterm", "NO_COLOR": ""})
    assert terminal.end() == 1
    assert b"\x1b[31mproblem\x1b[0m  directory" in terminal.shown and b"\r\n                    -> run chmod go-w" in terminal.shown
    assert terminal.shown.endswith(b"1 problem, 0 warnings\r\n")


def test_a_cache_in_memory_has_an_engine_alone(dcache):
    assert [one["check"] for one in findings(dcache, "--dir", "memory:")] == ["engine"]
    assert not os.path.exists("memory:")


def test_a_directory_that_may_only_be_read(modest):
    modest("set", "k", "v")
    modest.dir.chmod(0o500)
    found = finding(modest, "space")
    assert found["state"] == "problem" and "may not write" in found["text"]


def test_it_can_be_interrupted(dcache):
    dcache("set", "k", "v")
    read, write = os.pipe()
    subprocess.run(["dd", "if=/dev/zero", "bs=65536", "count=1"], stdout=write, stderr=subprocess.DEVNULL, check=True)
    process = dcache.start("doctor", stdout=write)  # nobody reads
    os.close(write)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == -signal.SIGINT
    os.close(read)
