# SPDX-License-Identifier: Apache-2.0
"""compact: the file gets smaller, the cache stays what it was, whoever else uses it."""
import json
import signal
import sqlite3

import pytest
from conftest import BINARY, LIMIT, wait_until


def fill(dcache, count, **more):
    lines = (json.dumps({"key": f"k{i}", "value": "v" * 1000, "tags": ["odd"] if i % 2 else []} | more)
             for i in range(count))
    assert dcache("import", input="\n".join(lines)).code == 0


def database_bytes(dcache):
    return (dcache.dir / "cache.db").stat().st_size


def test_it_gives_back_what_was_removed(dcache):
    fill(dcache, 4000)
    dcache("evict", "odd")
    before = dcache("export").out
    size = database_bytes(dcache)
    report = dcache("compact", "--json").json()
    assert report["before"] >= size > report["after"] + 1_000_000
    assert database_bytes(dcache) == report["after"] < size * 0.7
    assert (report["expired"], report["complete"]) == (0, True)
    assert (dcache.dir / "cache.db-wal").stat().st_size <= 1 << 20
    assert dcache("check").code == 0 and dcache("export").out == before
    assert dcache("set", "new", "v").code == 0


def test_it_says_so_in_words_and_removes_what_is_over(dcache):
    fill(dcache, 10)
    dcache("set", "over", "v", "--expire", "1ms")
    done = dcache("compact")
    assert done.code == 0 and done.out.decode().count("KiB") == 2 and b" before, " in done.out
    assert dcache("stats", "--json").json()["expired"] == 0
    assert dcache("compact", "--quiet").out == b""


def test_a_missing_cache_stays_missing(dcache):
    assert dcache("compact").code == 66
    assert not dcache.dir.exists()


def test_others_go_on_writing(dcache):
    fill(dcache, 5000)
    dcache("evict", "odd")
    script = 'i=0; while [ $i -lt 200 ]; do "$0" incr count >/dev/null || exit 1; i=$((i+1)); echo; done'
    process = dcache.start("lock", "run", "writer", "--", "sh", "-c", script, BINARY)
    process.stdout.read(10)
    for _ in range(3):
        assert dcache("compact").code == 0
    process.stdout.read()
    assert process.wait(LIMIT) == 0
    assert dcache("get", "count").out == b"200"
    assert dcache("check").code == 0
    assert dcache("stats", "--json").json()["entries"] == 2501


def test_a_reader_in_the_way_is_waited_for_and_told_of(dcache):
    fill(dcache, 4000)
    dcache("evict", "odd")
    reader = sqlite3.connect(dcache.dir / "cache.db", isolation_level=None)
    reader.execute("PRAGMA wal_autocheckpoint=0")
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM entries").fetchone() == (2000,)
    report = dcache("compact", "--json").json()
    assert report["complete"] is False
    assert reader.execute("SELECT count(*) FROM entries").fetchone() == (2000,)
    reader.execute("COMMIT")
    reader.close()
    assert dcache("compact", "--json").json()["complete"] is True
    assert dcache("check").code == 0


def test_a_signal_leaves_the_cache_as_it_was(dcache):
    fill(dcache, 60_000)
    before = dcache("stats", "--json").json()["entries"]
    process = dcache.start("compact")
    wait_until(lambda: process.poll() is not None or any(
        "etilqs" in target for target in open_files(process.pid)))
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) == -signal.SIGINT
    assert dcache("check").code == 0
    assert dcache("stats", "--json").json()["entries"] == before
    assert (dcache.dir / "cache.db-wal").stat().st_size <= 8 << 20


def open_files(pid):
    import os
    found = []
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    except OSError:
        pass
    return found
