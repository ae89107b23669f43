# SPDX-License-Identifier: Apache-2.0
import base64
import os
import time

import pytest

ALL_BYTES = bytes(range(256))


def test_get_gives_back_the_exact_bytes(dcache):
    assert dcache("set", "k", "-", input=ALL_BYTES).code == 0
    assert dcache("get", "k").out == ALL_BYTES


def test_get_of_an_absent_key_is_a_silent_1(dcache):
    dcache("set", "other", "x")
    absent = dcache("get", "k")
    assert (absent.code, absent.out, absent.err) == (1, b"", "")


@pytest.mark.parametrize("words", [["k", "-"], ["k"]])
def test_set_reads_stdin_for_a_dash_and_for_no_value(dcache, words):
    assert dcache("set", *words, input="from stdin\n").code == 0
    assert dcache("get", "k").out == b"from stdin\n"


@pytest.mark.parametrize("value", ["", "{}", "[1,2]", "-5", "++", "--", "\x01", "\x01x", "a=b", "%s", "/x"])
def test_values_that_a_parser_might_stumble_over_are_stored_as_they_are(dcache, value):
    assert dcache("set", "k", "--", value).code == 0
    assert dcache("get", "k", "--json").json()["value"] == value


@pytest.mark.parametrize("key", ["", "{}", "[a,b]", "++", "-5", "with space", "/x", "\x01", "help"])
def test_keys_that_a_parser_might_stumble_over_are_themselves(dcache, key):
    assert dcache("set", key, "v").code == 0
    assert dcache("get", key).out == b"v"
    assert dcache("ls", "--json").json()["key"] == key


def test_a_key_that_begins_with_a_dash_goes_behind_two(dcache):
    assert dcache("set", "--", "-k", "v").code == 0
    assert dcache("get", "--", "-k").out == b"v"
    refused = dcache("get", "-k")
    assert refused.code == 64 and "write -- before" in refused.err


def test_set_replaces_value_expiry_and_tags(dcache):
    dcache("set", "k", "old", "--expire", "1h", "--tag", "a", "--tag", "b")
    entry = dcache("entry", "k", "--json").json()
    assert entry["tags"] == ["a", "b"] and 3590 < entry["left"] <= 3600
    assert entry["expires"] == pytest.approx(time.time() + 3600, abs=10)
    dcache("set", "k", "new")
    entry = dcache("entry", "k", "--json").json()
    assert (entry["value"], entry["tags"], entry["expires"], entry["left"]) == ("new", [], None, None)
    assert entry["size"] == 3 and entry["format"] == "text"


def test_a_value_is_absent_once_its_time_is_over(dcache):
    dcache("set", "k", "v", "--expire", "50ms")
    time.sleep(0.1)
    assert dcache("get", "k").code == 1
    assert dcache("entry", "k").code == 1
    assert dcache("touch", "k", "--expire", "1h").code == 1
    assert dcache("add", "k", "v2").code == 0


@pytest.mark.parametrize("text, seconds", [
    ("90s", 90), ("10m", 600), ("2h", 7200), ("7d", 604800), ("1w", 604800), ("1.5h", 5400),
    ("1h30m", 5400), ("5000ms", 5), ("300", 300), ("0.5h", 1800), ("1d1h1m1s", 90061)])
def test_times_are_understood(dcache, text, seconds):
    assert dcache("set", "k", "v", "--expire", text).code == 0
    assert dcache("entry", "k", "--json").json()["left"] == pytest.approx(seconds, abs=4)


@pytest.mark.parametrize("text", ["never", "forever", "99999999d"])
def test_times_without_an_end_are_understood(dcache, text):
    assert dcache("set", "k", "v", "--expire", text).code == 0
    assert dcache("entry", "k", "--json").json()["expires"] is None


@pytest.mark.parametrize("text", ["nonsense", "", "10x", "-5", "0", "0s", "1h30", "1e3", "nan", "inf", "1..5s",
                                  ".", "s", "10 m", "+5s", "\x1b[31m"])
def test_times_that_are_none_are_refused_with_examples(dcache, text):
    refused = dcache("set", "k", "v", "--expire", text)
    assert refused.code == 64 and "--expire" in refused.err and "\x1b" not in refused.err
    assert not dcache.dir.exists()


def test_add_stores_once(dcache):
    assert dcache("add", "k", "first", "--tag", "t").code == 0
    assert dcache("add", "k", "second").code == 1
    assert dcache("get", "k").out == b"first"
    assert dcache("add", "k", "third", "--json").json() == {"key": "k", "added": False}


def test_pop_prints_the_exact_bytes_and_removes_them(dcache):
    dcache("set", "k", "-", input=ALL_BYTES)
    assert dcache("pop", "k").out == ALL_BYTES
    gone = dcache("pop", "k")
    assert (gone.code, gone.out, gone.err) == (1, b"", "")
    assert dcache("get", "k").code == 1
    dcache("set", b"k\xff", "v")
    popped = dcache("pop", b"k\xff", "--json").json()
    assert popped == {"key_b64": base64.b64encode(b"k\xff").decode(), "value": "v"}
    dcache("set", "k", "v", "--expire", "20ms")
    time.sleep(0.05)
    assert dcache("pop", "k").code == 1


def test_of_several_that_pop_one_gets_it(dcache):
    value = os.urandom(100_000)
    dcache("set", "k", "-", input=value)
    processes = [dcache.start("pop", "k") for _ in range(8)]
    ends = [(process.communicate()[0], process.returncode) for process in processes]
    assert sorted(ends) == sorted([(b"", 1)] * 7 + [(value, 0)])


def test_delete_says_whether_any_was_there(dcache):
    dcache("set", "a", "1")
    dcache("set", "b", "2")
    assert dcache("delete", "a", "b", "c", "--json").json() == {"deleted": 2}
    assert dcache("delete", "a", "b", "c").code == 1


def test_touch_changes_the_expiry_only(dcache):
    dcache("set", "k", "v", "--expire", "1h", "--tag", "t")
    assert dcache("touch", "k", "--expire", "never").code == 0
    entry = dcache("entry", "k", "--json").json()
    assert (entry["value"], entry["tags"], entry["expires"]) == ("v", ["t"], None)
    assert dcache("touch", "absent", "--expire", "1h").code == 1
    assert dcache("touch", "k").code == 64


def test_incr_prints_the_sum(dcache):
    assert dcache("incr", "n").out == b"1\n"
    assert dcache("incr", "n", "41").out == b"42\n"
    assert dcache("incr", "n", "-50").out == b"-8\n"
    assert dcache("incr", "m", "-3", "--initial", "100", "--tag", "t", "--expire", "1h").out == b"97\n"
    assert dcache("entry", "m", "--json").json()["tags"] == ["t"]
    assert dcache("incr", "n", "--json").json() == {"key": "n", "value": -7}


def test_incr_of_what_is_no_number_changes_nothing(dcache):
    dcache("set", "k", "text")
    assert dcache("incr", "k").code == 65
    assert dcache("get", "k").out == b"text"
    dcache("set", "n", str(2**63 - 1))
    assert dcache("incr", "n").code == 64
    for delta in ["x", "1.5", "", "9223372036854775808"]:
        assert dcache("incr", "n", delta).code == 64


def test_json_carries_bytes_as_base64(dcache):
    dcache("set", b"k\xff", "-", "--tag", b"t\xfe", input=ALL_BYTES)
    entry = dcache("entry", b"k\xff", "--json").json()
    assert base64.b64decode(entry["key_b64"]) == b"k\xff" and "key" not in entry
    assert base64.b64decode(entry["value_b64"]) == ALL_BYTES and "value" not in entry
    assert [base64.b64decode(tag) for tag in entry["tags_b64"]] == [b"t\xfe"] and "tags" not in entry
    assert entry["format"] == "bytes"
    for size in range(5):  # every length of padding
        dcache("set", "k", "-", input=b"\xff" * size)
        got = dcache("get", "k", "--json").json()
        assert base64.b64decode(got.get("value_b64", "")) == b"\xff" * size


@pytest.mark.parametrize("size", [0, 1, 40_000, 1 << 20, (1 << 20) + 1, 5_000_000])
@pytest.mark.parametrize("verb", ["set", "add"])
def test_a_value_of_any_size_comes_back_as_it_was(dcache, verb, size):
    value = os.urandom(size)
    assert dcache(verb, "k", "-", "--tag", "t", input=value).code == 0
    assert dcache("get", "k").out == value
    assert dcache("evict", "t").code == 0
    assert not [path for path in (dcache.dir / "values").rglob("*") if path.is_file()]
