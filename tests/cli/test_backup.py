# SPDX-License-Identifier: Apache-2.0
"""backup and restore: one whole file or none, and a cache of it that is a new one."""
import os
import signal
import sqlite3

import pytest
from conftest import LIMIT, wait_until

LARGE = bytes(range(256)) * 2000


@pytest.fixture
def filled(dcache):
    dcache("set", "small", "v", "--tag", "t", "--expire", "1h")
    dcache("set", "large", "-", input=LARGE)
    dcache("incr", "n", "5")
    return dcache


@pytest.fixture
def copy(filled, tmp_path):
    path = tmp_path / "copy.bak"
    done = filled("backup", str(path), "--json")
    assert done.json() == {"file": str(path), "size": path.stat().st_size}, done
    return path


def hidden(directory):
    return list(directory.glob(".dcache*"))


def test_what_is_restored_is_what_was_backed_up(filled, copy, tmp_path):
    before = filled("export").out
    filled("clear", "--yes")
    other = str(tmp_path / "other")
    done = filled("restore", str(copy), "--dir", other)
    assert (done.code, done.out.decode()) == (0, f"restored to '{other}', 3 entries\n")
    assert filled("export", "--dir", other).out == before
    assert filled("get", "large", "--dir", other).out == LARGE
    assert filled("check", "--dir", other).code == 0
    assert filled("ls", "--tag", "t", "--dir", other).out == b"small\n"
    assert filled("set", "new", "-", "--dir", other, input=LARGE).code == 0
    assert not list((tmp_path / "other").glob("restoring*"))


def test_one_private_file_that_is_never_overwritten_unasked(filled, copy, tmp_path):
    assert copy.stat().st_mode & 0o777 == 0o600
    assert not hidden(tmp_path) and list(tmp_path.glob("copy*")) == [copy]
    copy.write_bytes(b"mine")
    refused = filled("backup", str(copy))
    assert refused.code == 77 and refused.err.count("\n") == 1 and "--force" in refused.err
    assert copy.read_bytes() == b"mine"
    assert filled("backup", "--force", str(copy)).code == 0
    assert filled("restore", str(copy), "--dir", str(tmp_path / "other")).code == 0


def test_locks_stay_behind_but_fences_never_come_back(filled, tmp_path):
    show_fence = ["--", "sh", "-c", "echo $DCACHE_LOCK_FENCE"]
    fence = int(filled("lock", "run", "report", *show_fence).out)
    holder = filled.hold("report")
    filled("backup", str(tmp_path / "b"))
    other = str(tmp_path / "other")
    filled("restore", str(tmp_path / "b"), "--dir", other)
    assert filled("locks", "--json", "--dir", other).out == b""
    # The next fence is above all that the first cache may still hand out.
    database = sqlite3.connect(tmp_path / "cache" / "cache.db")
    reserved = int(database.execute("SELECT value FROM records WHERE space = 0").fetchone()[0].split()[2])
    database.close()
    got = filled("lock", "run", "report", "--dir", other, *show_fence)
    assert int(got.out) > reserved > fence
    holder.terminate()


def test_there_must_be_no_cache_in_the_way(filled, copy, tmp_path):
    before = filled("export").out
    refused = filled("restore", str(copy))
    assert refused.code == 77 and "there is a cache in" in refused.err and refused.err.count("\n") == 1
    assert filled("export").out == before
    # A log that was left behind would be taken for the new database's.
    left = tmp_path / "left"
    left.mkdir(mode=0o700)
    (left / "cache.db-wal").write_bytes(b"x")
    refused = filled("restore", str(copy), "--dir", str(left))
    assert refused.code == 77 and "(cache.db-wal)" in refused.err
    assert os.listdir(left) == ["cache.db-wal"]


def test_an_empty_directory_is_used(filled, copy, tmp_path):
    (tmp_path / "empty").mkdir(mode=0o700)
    assert filled("restore", str(copy), "--dir", str(tmp_path / "empty")).code == 0
    assert filled("get", "small", "--dir", str(tmp_path / "empty")).out == b"v"


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    data = bytearray(path.read_bytes())
    at = data.index(bytes(range(256)) * 4)
    data[at + 10] ^= 1
    path.write_bytes(data)


def change(statement):
    def apply(path):
        database = sqlite3.connect(path)
        database.execute(statement)
        database.commit()
        database.close()
    return apply


@pytest.mark.parametrize("harm, text", [
    (cut, "is damaged"),
    (flip, "is damaged"),
    (change("DELETE FROM parts WHERE number = 1"), "is damaged"),
    (change("UPDATE entries SET value = x'00' WHERE key = x'6e'"), "is damaged"),
    (change("DELETE FROM tags"), "is damaged"),
    (change("INSERT INTO tags VALUES(x'78', 1)"), "is damaged"),
    (change("PRAGMA user_version=99"), "newer dcache"),
    (change("PRAGMA application_id=1"), "is not a backup"),
    (lambda path: path.write_bytes(b"text"), "is not a backup"),
    (lambda path: path.write_bytes(b""), "is not a backup"),
])
def test_a_bad_file_makes_nothing(filled, copy, tmp_path, harm, text):
    harm(copy)
    other = tmp_path / "other"
    failed = filled("restore", str(copy), "--dir", str(other))
    assert failed.code == 65 and text in failed.err and failed.err.count("\n") == 1
    assert not other.exists()


def test_a_caches_own_database_is_no_backup(filled, tmp_path):
    failed = filled("restore", str(filled.dir / "cache.db"), "--dir", str(tmp_path / "other"))
    assert failed.code == 65 and "is the database of a cache" in failed.err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("words, code", [
    (["restore", "absent"], 66),
    (["restore", "."], 65),
    (["backup", "."], 64),
    (["backup", "no/such/file"], 73),
    (["backup"], 64),
    (["restore"], 64),
    (["backup", "file", "--dir", "none"], 66),
])
def test_bad_names(filled, tmp_path, words, code):
    failed = filled(*words, cwd=tmp_path, env={"DCACHE_DIR": str(tmp_path / ("x" if "restore" in words else "cache"))})
    assert failed.code == code and failed.err.count("\n") == 1, failed
    assert not (tmp_path / "x").exists() and not (tmp_path / "file").exists()


def test_a_damaged_value_is_named(filled, tmp_path):
    change("UPDATE entries SET value = x'00' WHERE key = x'6e'")(filled.dir / "cache.db")
    failed = filled("backup", str(tmp_path / "b"))
    assert failed.code == 65 and "key 'n'" in failed.err and failed.err.count("\n") == 1
    assert not (tmp_path / "b").exists() and not hidden(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(dcache, tmp_path, number):
    line = b'{"key":"k%d","value":"' + b"v" * 100_000 + b'"}\n'
    dcache("import", input=b"".join(line % i for i in range(1500)))
    process = dcache.start("backup", str(tmp_path / "b"))
    wait_until(lambda: any(part.stat().st_size > 1_000_000 for part in hidden(tmp_path)))
    process.send_signal(number)
    assert process.wait(LIMIT) == -number
    assert process.stderr.read() == b""
    assert not (tmp_path / "b").exists() and not hidden(tmp_path)
    assert os.listdir(dcache.dir / "values" / "held") == []

    dcache("backup", str(tmp_path / "b"))
    process = dcache.start("restore", str(tmp_path / "b"), "--dir", str(tmp_path / "other"))
    wait_until((tmp_path / "other").exists)
    process.send_signal(number)
    assert process.wait(LIMIT) == -number
    assert not (tmp_path / "other").exists()
