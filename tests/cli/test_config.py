# SPDX-License-Identifier: Apache-2.0
"""config: the stored settings."""
import os
import sqlite3

import pytest

from conftest import Terminal


def test_what_is_set_is_shown(dcache):
    assert dcache("config", "size_limit", "10M").code == 0  # and the cache is made
    assert dcache("config").out == b"size limit: 10 MiB\npolicy:     sieve\nshards:     1\n"
    assert dcache("config", "size_limit").out == b"10 MiB\n"
    assert dcache("config", "--json").json() == {"size_limit": 10 << 20, "policy": "sieve", "shards": 1}
    assert dcache("config", "policy", "none", "--json").json() == {"size_limit": 10 << 20, "policy": "none", "shards": 1}
    assert dcache("config", "policy").out == b"none\n"
    assert dcache("config", "size_limit", "none").out == b""
    assert dcache("config").out == b"size limit: none\npolicy:     none\nshards:     1\n"
    assert dcache("config", "size_limit", "--plain").out == b"size_limit\t\n"
    assert dcache("config", "policy", "--json").json() == {"policy": "none"}


@pytest.mark.parametrize("text, size", [
    ("65536", 65536), ("64K", 65536), ("64k", 65536), ("64KiB", 65536), ("64Ki", 65536), ("100KB", 100_000), ("100kb", 100_000),
    ("1.5M", 1572864), ("1MB", 1_000_000), ("1 MiB", 1 << 20), ("2G", 2 << 30), ("1GiB", 1 << 30), ("1GB", 10**9),
    ("3T", 3 << 40), ("1P", 1 << 50), ("100000B", 100_000), ("0", None), ("none", None)])
def test_sizes(dcache, text, size):
    assert dcache("config", "size_limit", text, "--json").json()["size_limit"] == size


@pytest.mark.parametrize("text", ["", "M", "lots", "10X", "10MiBs", "-5M", "1e9", "0x10", "10 000", "10iM", "1..5M", "none?",
                                  "20000000T", "inf", "nan", "10Mi ", "\x1b"])
def test_what_is_no_size_is_refused_and_changes_nothing(dcache, text):
    dcache("config", "size_limit", "1M")
    refused = dcache("config", "size_limit", "--", text) if text.startswith("-") else dcache("config", "size_limit", text)
    assert refused.code == 64 and "is not a size" in refused.err and "\x1b" not in refused.err
    assert refused.err.count("\n") == 1
    assert dcache("config", "--json").json()["size_limit"] == 1 << 20


@pytest.mark.parametrize("words, message", [
    (["size_limt"], "did you mean 'size_limit'?"), (["polcy", "none"], "did you mean 'policy'?"),
    (["xyzzy"], "there are size_limit, policy and shards"), (["policy", "oldst"], "did you mean 'oldest'?"),
    (["policy", "mru"], "sieve, lru, lfu, oldest or none"), (["size_limit", "1"], "too small"), (["size_limit", "63K"], "64 KiB or more"),
    (["policy", "none", "more"], "unexpected argument"), (["\x1b"], "unknown setting '\\x1b'")])
def test_nonsense_is_refused_with_the_mend(dcache, words, message):
    refused = dcache("config", *words)
    assert refused.code == 64 and message in refused.err and refused.err.count("\n") == 1
    assert not dcache.dir.exists()


def test_a_cache_is_made_with_shards_and_keeps_their_number(dcache):
    assert dcache("config", "shards", "4").code == 0  # and the cache is made
    assert dcache("config", "shards").out == b"4\n"
    assert dcache("config", "shards", "4", "--json").json() == {"size_limit": None, "policy": "sieve", "shards": 4}
    for i in range(20):
        assert dcache("set", f"k{i}", str(i)).code == 0
    refused = dcache("config", "shards", "8")
    assert refused.code == 64 and "with 4 shards, not with 8" in refused.err and refused.err.count("\n") == 1
    assert dcache("stats", "--json").json()["shards"] == 4
    assert dcache("ls").out.split() == [f"k{i}".encode() for i in range(20)]
    assert dcache("check").code == 0
    assert "for 4 shards: give 256 KiB" in dcache("config", "size_limit", "64K").err
    backup = dcache.dir.parent / "copy"
    assert dcache("backup", str(backup)).code == 0
    assert dcache("--dir", str(dcache.dir.parent / "new"), "restore", str(backup)).code == 0
    assert dcache("--dir", str(dcache.dir.parent / "new"), "config", "shards").out == b"4\n"


@pytest.mark.parametrize("text", ["0", "65", "-1", "4.0", "four", "", "1 "])
def test_what_is_no_number_of_shards_is_refused(dcache, text):
    refused = dcache("config", "shards", "--", text)
    assert refused.code == 64 and "is not a number from 1 to 64" in refused.err
    assert not dcache.dir.exists()


def test_the_least_limit_takes_a_value(dcache):
    dcache("config", "size_limit", "64K")
    assert dcache("set", "k", "v").code == 0 and dcache("get", "k").out == b"v"


def test_a_lower_limit_removes_nothing_by_itself_and_says_what_does(dcache):
    for i in range(8):
        dcache("set", f"k{i}", "-", input=os.urandom(100_000))
    terminal = Terminal(dcache, "config", "size_limit", "500K")
    assert terminal.end() == 0 and b"dcache cull" in terminal.shown and b"500 KiB" in terminal.shown
    assert dcache("config", "size_limit", "500K").err == ""  # nobody looks on
    assert len(dcache("ls").out.split()) == 8
    assert int(dcache("cull").out) > 0
    assert dcache("stats", "--json").json()["bytes"] <= 500 << 10
    terminal = Terminal(dcache, "config", "size_limit", "500K")
    assert terminal.end() == 0 and terminal.shown == b""


def test_with_the_policy_none_what_does_not_fit_is_refused(dcache):
    dcache("config", "size_limit", "200K")
    dcache("config", "policy", "none")
    assert dcache("set", "a", "-", input=os.urandom(100_000)).code == 0
    refused = dcache("set", "b", "-", input=os.urandom(100_000))
    assert refused.code == 74 and "limit" in refused.err
    dcache("config", "policy", "oldest")
    assert dcache("set", "b", "-", input=os.urandom(100_000)).code == 0
    assert dcache("ls").out == b"b\n"


def test_damaged_settings_are_65_and_can_be_set_anew(dcache):
    dcache("set", "k", "v")
    with sqlite3.connect(dcache.dir / "cache.db") as database:
        database.execute("INSERT INTO meta VALUES('settings', CAST('rubbish' AS BLOB))")
    database.close()
    assert dcache("config").code == 65
    stats = dcache("stats", "--json").json()
    assert stats["entries"] == 1 and stats["policy"] is None
    assert dcache("config", "size_limit", "1M").code == 0
    assert dcache("config", "--json").json() == {"size_limit": 1 << 20, "policy": "sieve", "shards": 1}


def test_stats_tell_how_full_it_is(dcache):
    dcache("set", "k", "-", input=os.urandom(100_000))
    stats = dcache("stats", "--json").json()
    assert stats["size_limit"] is None and stats["full"] is None and stats["policy"] == "sieve"
    dcache("config", "size_limit", "1M")
    stats = dcache("stats", "--json").json()
    assert stats["size_limit"] == 1 << 20 and stats["full"] == pytest.approx(stats["bytes"] * 100 / (1 << 20))
    assert 100_000 < stats["bytes"] < 200_000
    assert stats["oldest"] == stats["newest"] == dcache("entry", "k", "--json").json()["stored"]
    shown = dcache("stats").out.decode()
    assert "size limit:        1.0 MiB\n" in shown and f"full:              {int(stats['full'])} %\n" in shown
    dcache("config", "size_limit", "none")
    assert b"size limit:        none\nfull:              -\n" in dcache("stats").out
