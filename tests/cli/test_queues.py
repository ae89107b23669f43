# SPDX-License-Identifier: Apache-2.0
"""push, pull, peek, ack and nack."""
import os
import re
import sqlite3

import pytest

from conftest import wait_until

ALL_BYTES = bytes(range(256))


def leased(dcache, *words):
    done = dcache("pull", "jobs", "--lease", "1h", *words)
    assert done.code == 0, done
    token, value = done.out.split(b"\n", 1)
    return token.decode(), value


def test_what_is_pushed_is_pulled_in_order_from_either_end(dcache):
    keys = [dcache("push", "jobs", value).out.decode() for value in "bcd"]
    keys.insert(0, dcache("push", "jobs", "--front", "a").out.decode())
    assert keys == sorted(keys) and all(re.fullmatch(r"jobs#\d{19}\n", key) for key in keys)
    assert dcache("get", keys[0].strip()).out == b"a"
    assert dcache("peek", "jobs").out == b"a" and dcache("peek", "jobs", "-b").out == b"d"
    assert [dcache("pull", "jobs", *side).out for side in [[], ["--back"], ["-b"], []]] == [b"a", b"d", b"c", b"b"]
    for verb in ["pull", "peek"]:
        nothing = dcache(verb, "jobs")
        assert (nothing.code, nothing.out, nothing.err) == (1, b"", "")


def test_all_bytes_go_through_a_queue(dcache):
    assert dcache("push", b"\xff\n", "-", input=ALL_BYTES).out.startswith(rb"\xff\x0a#")
    assert dcache("pull", b"\xff\n").out == ALL_BYTES
    assert dcache("push", "jobs", input="from stdin").code == 0
    assert dcache("pull", "jobs").out == b"from stdin"
    assert dcache("push", "jobs", "v", "-q").out == b""


def test_an_item_has_expiry_and_tags(dcache):
    key = dcache("push", "jobs", "v", "-t", "a", "-t", "b", "-e", "1h").out.decode().strip()
    entry = dcache("entry", key, "--json").json()
    assert entry["tags"] == ["a", "b"] and 3590 < entry["left"] <= 3600
    dcache("push", "jobs", "gone", "--front", "--expire", "1ms")
    assert dcache("pull", "jobs").out == b"v"


def test_an_item_on_lease_is_gone_when_it_is_acked(dcache):
    for value in ["a", "b"]:
        dcache("push", "jobs", value)
    token, value = leased(dcache)
    assert value == b"a" and dcache("peek", "jobs").out == b"b"
    other, value = leased(dcache, "--back")
    assert value == b"b" and dcache("pull", "jobs").code == 1
    assert dcache("ack", "jobs", token).code == 0
    assert dcache("ack", "jobs", token).code == 1
    assert dcache("nack", "jobs", token).code == 1
    assert dcache("nack", "jobs", other).code == 0
    assert dcache("pull", "jobs").out == b"b"
    assert dcache("locks").out == b""


def test_a_token_is_good_for_its_own_lease_alone(dcache):
    dcache("push", "jobs", "a")
    dcache("push", "others", "a")
    token, _ = leased(dcache)
    for wrong in ["", "x", token[:-1], token + "0", token.replace("-", "", 1)]:
        assert dcache("ack", "jobs", wrong).code == 1
    assert dcache("ack", "others", token).code == 1
    assert dcache("ack", "jobs", token).code == 0
    assert dcache("pull", "others").out == b"a"


def test_an_item_comes_back_when_its_lease_is_over(dcache):
    dcache("push", "jobs", "a")
    first = dcache("pull", "jobs", "--lease", "20ms", "--json").json()
    assert not first["again"]
    again = dcache("pull", "jobs", "--lease", "1h", "--wait", "20s", "--json").json()
    assert (again["key"], again["value"], again["again"]) == (first["key"], "a", True)
    assert dcache("ack", "jobs", first["token"]).code == 1
    assert dcache("ack", "jobs", again["token"]).code == 0


def test_the_lease_is_a_lock_that_can_be_renewed(dcache):
    key = dcache("push", "jobs", "a").out.decode().strip()
    item = dcache("pull", "jobs", "--lease", "1h", "--json").json()
    assert dcache("locks", "--json").json()["key"] == key == item["key"]
    lock_token = item["token"].partition("-")[2]
    assert dcache("lock", "renew", key, "--token", lock_token, "--lease", "2h").code == 0
    assert dcache("locks", "--json").json()["lease_left"] > 7000
    assert dcache("ack", "jobs", item["token"]).code == 0


def test_pull_waits_for_a_push(dcache):
    waiting = dcache.start("pull", "jobs", "--wait", "60s")
    wait_until((dcache.dir / "cache.db").exists)  # it makes the cache
    dcache("push", "jobs", "a")
    assert waiting.communicate()[0] == b"a"
    assert dcache("pull", "jobs", "-w", "0.05").code == 1


def test_of_several_at_once_each_gets_another(dcache):
    for i in range(8):
        dcache("push", "jobs", str(i))
    pulling = [dcache.start("pull", "jobs") for _ in range(10)]
    got = [process.communicate()[0] for process in pulling]
    assert sorted(got) == [b"", b""] + [str(i).encode() for i in range(8)]


def test_a_damaged_head_is_passed_over_with_a_complaint(dcache):
    key = dcache("push", "jobs", "damaged").out.decode().strip()
    dcache("push", "jobs", "well")
    with sqlite3.connect(dcache.dir / "cache.db") as database:
        database.execute("UPDATE entries SET sum = sum + 1 WHERE key = CAST(? AS BLOB)", [key])
    database.close()
    for verb in ["peek", "pull"]:
        done = dcache(verb, "jobs")
        assert (done.code, done.out) == (0, b"well") and key in done.err and done.err.count("\n") == 1
    assert dcache("pull", "jobs", "--wait", "10ms").code == 1
    assert dcache("check", "--fix").code == 0
    assert dcache("pull", "jobs").err == ""


@pytest.mark.parametrize("words", [["push", "jobs"], ["pull"], ["pull", "jobs", "--lease", "never"], ["pull", "jobs", "x"],
                                   ["pull", "jobs", "--lease", "0"], ["ack", "jobs"], ["push", "q" * 4077, "v"]])
def test_what_makes_no_sense_is_refused(dcache, words):
    dcache("set", "k", "v")
    master, slave = os.openpty()  # on a terminal the value is not waited for
    refused = dcache(*words, stdin=slave)
    os.close(master)
    os.close(slave)
    assert refused.code == 64 and refused.err.startswith("dcache: ") and refused.out == b""
