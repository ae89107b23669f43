# SPDX-License-Identifier: Apache-2.0
"""ls, entry, tags, stats, evict, expire, cull, clear."""
import contextlib
import os
import pathlib
import re
import sqlite3
import time

import pytest


@pytest.fixture
def filled(dcache):
    dcache("set", "user:1", "a", "--tag", "users", "--tag", "eu")
    dcache("set", "user:2", "bb", "--tag", "users", "--expire", "1h")
    dcache("set", "page:1", "ccc", "--tag", "eu")
    dcache("set", "plain", "dddd")
    return dcache


def test_ls_lists_keys_in_the_order_of_storing(filled):
    assert filled("ls").out.split() == [b"user:1", b"user:2", b"page:1", b"plain"]
    assert filled("ls", "user:").out.split() == [b"user:1", b"user:2"]
    assert filled("ls", "absent").out == b""


def test_ls_selects_by_all_tags_or_any(filled):
    both = ["--tag", "users", "--tag", "eu"]
    assert filled("ls", *both).out.split() == [b"user:1"]
    assert filled("ls", *both, "--any").out.split() == [b"user:1", b"user:2", b"page:1"]


def test_ls_json_is_one_object_a_line(filled):
    lines = filled("ls", "--json").lines()
    assert [line["key"] for line in lines] == ["user:1", "user:2", "page:1", "plain"]
    assert [line["size"] for line in lines] == [1, 2, 3, 4]
    assert lines[0]["tags"] == ["eu", "users"] and "value" not in lines[0]
    assert lines[0]["stored"] == pytest.approx(time.time(), abs=60)


def test_ls_long_is_a_table(filled):
    rows = filled("ls", "--long").out.decode().splitlines()
    assert rows[0].split() == ["SIZE", "AGE", "LEFT", "FORMAT", "TAGS", "KEY"]
    assert len(rows) == 5 and rows[1].endswith("user:1") and "eu,users" in rows[1] and "never" in rows[1]
    assert all(row.index(key) == rows[0].index("KEY")
               for row, key in zip(rows[1:], ["user:1", "user:2", "page:1", "plain"]))


def test_ls_of_many_pages_is_complete(dcache):
    script = 'for i in $(seq 700); do "$0" set "k$i" v || exit 1; done'
    assert dcache("lock", "run", "x", "--", "sh", "-c", script, os.environ["DCACHE_BIN"]).code == 0
    assert len(set(dcache("ls").out.split())) == 700
    for order in ["inserted", "key", "stored", "size", "expires"]:
        assert len(set(dcache("ls", "--sort", order).out.split())) == 700


def test_ls_sorts(dcache):
    dcache("set", "c", "333", "--expire", "2h")
    dcache("set", "a", "1")
    dcache("set", "d", "4444", "--expire", "1h")
    dcache("set", "b", "22", "--expire", "3h")
    dcache("set", "c", "333", "--expire", "2h")  # keeps its place, but was stored last
    orders = {"inserted": "cadb", "key": "abcd", "stored": "adbc", "size": "abcd", "expires": "dcba"}
    for order, keys in orders.items():
        assert "".join(dcache("ls", "--sort", order).out.decode().split()) == keys
        assert "".join(dcache("ls", "-s", order, "-r").out.decode().split()) == keys[::-1]
        assert "".join(line["key"] for line in dcache("ls", "--json", "--sort", order).lines()) == keys
    assert dcache("ls").out == dcache("ls", "--sort", "inserted").out
    assert dcache("ls", "-r").out.split() == [b"b", b"d", b"a", b"c"]


@pytest.mark.parametrize("order", ["size", "expires"])
def test_ls_keeps_equal_ones_as_they_were_inserted(dcache, order):
    for key in "cab":
        dcache("set", key, "v")
    assert dcache("ls", "--sort", order).out.split() == [b"c", b"a", b"b"]
    assert dcache("ls", "--sort", order, "-r").out.split() == [b"c", b"a", b"b"]


def test_ls_sorts_what_it_selects(filled):
    assert filled("ls", "user:", "--sort", "size", "-r").out.split() == [b"user:2", b"user:1"]
    assert filled("ls", "--tag", "eu", "--sort", "key").out.split() == [b"page:1", b"user:1"]


@pytest.mark.parametrize("words", [[], ["--long"], ["--json"], ["--plain", "--sort", "key", "-r"]], ids=" ".join)
def test_ls_streams_in_little_memory(dcache, words):
    dcache("set", "k" * 100, "v", "--tag", "t")
    with contextlib.closing(sqlite3.connect(dcache.dir / "cache.db")) as database, database:
        database.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) "
                         "INSERT INTO entries(key, stored, expires, format, sum, tags, file, value) "
                         "SELECT CAST(key || i AS BLOB), stored, expires, format, sum, tags, file, value FROM entries, n")
    process = dcache.start("ls", *words, stderr=None)
    lines = most = 0
    while part := os.read(process.stdout.fileno(), 1 << 16):
        lines += part.count(b"\n")
        # Not what getrusage(2) says: that counts the memory of who forked it.
        peak = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{process.pid}/status").read_text())
        most = max(most, int(peak[1]) if peak else 0)
    assert process.wait(20) == 0 and lines - (words == ["--long"]) == 100_000
    assert 0 < most < 25 << 10  # all of them together would take 48 MiB


def test_entry_shows_all(filled):
    text = filled("entry", "user:2").out.decode()
    for word in ["user:2", "2 B", "text", "users", "bb"]:
        assert word in text
    assert filled("entry", "absent").code == 1


def test_tags_counts_entries(filled):
    assert filled("tags", "--json").lines() == [{"tag": "eu", "entries": 2}, {"tag": "users", "entries": 2}]
    assert filled("tags").out.split() == [b"ENTRIES", b"TAG", b"2", b"eu", b"2", b"users"]


def test_stats_counts(filled):
    stats = filled("stats", "--json").json()
    assert (stats["entries"], stats["expired"], stats["tags"], stats["locks"]) == (4, 0, 2, 0)
    assert stats["value_bytes"] == 10 and stats["directory"] == str(filled.dir)
    assert stats["engine"].startswith("SQLite") and stats["board"] is True
    assert b"entries:" in filled("stats").out


def test_evict_removes_any_or_all(filled):
    assert filled("evict", "users", "eu", "--all").out == b"1\n"
    assert filled("evict", "users", "eu", "--json").json() == {"evicted": 2}
    assert filled("ls").out == b"plain\n"
    assert filled("evict", "users", "-q").out == b""
    assert filled("evict").code == 64


def test_expire_removes_what_is_over(filled):
    filled("set", "short", "x", "--expire", "20ms")
    time.sleep(0.05)
    assert filled("stats", "--json").json()["expired"] == 1
    assert filled("expire").out == b"1\n"
    assert filled("stats", "--json").json()["expired"] == 0
    assert filled("expire", "--json").json() == {"expired": 0}


def test_cull_removes_what_is_over_and_keeps_what_fits(filled):
    filled("set", "short", "x", "--expire", "20ms")
    time.sleep(0.05)
    assert filled("cull").out == b"1\n"
    assert filled("cull", "--json").json() == {"culled": 0}
    assert len(filled("ls").out.split()) == 4


def test_cull_keeps_the_size_limit(dcache):
    for i in range(8):
        dcache("set", f"k{i}", "-", input=os.urandom(100_000))
    dcache("config", "size_limit", "500KB")
    culled = int(dcache("cull").out)
    left = dcache("ls").out.split()
    assert 3 < culled < 8 and left == [b"k%d" % i for i in range(culled, 8)]


def test_clear_needs_yes_without_a_terminal(filled):
    refused = filled("clear")
    assert refused.code == 64 and "--yes" in refused.err
    assert filled("clear", "--yes").out == b"4\n"
    assert filled("ls").out == b""
    assert filled("clear", "-y", "--json").json() == {"cleared": 0}
