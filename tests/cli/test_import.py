# SPDX-License-Identifier: Apache-2.0
"""import: what is stored, what is said of a damaged line, and how to go on after a stop."""
import json
import os
import pty
import signal
import time

import pytest
from conftest import LIMIT, wait_until


def lines(count, start=1, **more):
    return b"".join(json.dumps({"key": f"k{i}", "value": f"v{i}"} | more).encode() + b"\n"
                    for i in range(start, start + count))


def size(dcache):
    stats = dcache("stats", "--json")
    return stats.json()["entries"] if stats.code == 0 else 0  # 66 until there is a cache


def test_what_a_line_may_leave_out(dcache):
    done = dcache("import", "--json", input=b'{"key":"a","value":"1"}\n\n  \t\r\n'
                  b' { "value_b64" : "/w==" , "key" : "b" } \r\n{"key":"c","value":"","expires":null}')
    assert done.json() == {"imported": 3, "kept": 0, "expired": 0, "lines": 5}
    assert dcache("get", "b").out == b"\xff"
    formats = [entry["format"] for entry in dcache("export").lines()]
    assert formats == ["text", "bytes", "text"]


def test_a_file_or_stdin(dcache, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(lines(3))
    assert dcache("import", str(path)).out == b"3\n"
    assert dcache("import", "-", input=lines(2, 10)).out == b"2\n"
    assert dcache("import", input=b"").out == b"0\n"
    assert size(dcache) == 5


def test_entry_prints_what_import_reads(dcache):
    dcache("set", "k", "v", "--tag", "t", "--expire", "1h")
    shown = dcache("entry", "k", "--json").out
    dcache("clear", "--yes")
    assert dcache("import", input=shown).out == b"1\n"
    assert dcache("entry", "k", "--json").json()["tags"] == ["t"]


def test_what_is_over_is_skipped_and_counted(dcache):
    past = lines(2, 1, expires=time.time() - 1) + lines(1, 3, expires=time.time() + 1000)
    done = dcache("import", input=past)
    assert (done.code, done.out) == (0, b"1, 2 skipped as their time is over\n")
    assert [entry["key"] for entry in dcache("export").lines()] == ["k3"]


def test_if_absent_keeps_and_add_tag_adds(dcache):
    dcache("set", "k1", "mine")
    done = dcache("import", "--if-absent", "--add-tag", "new", "--add-tag", "x", input=lines(3, tags=["own"]))
    assert (done.code, done.out) == (0, b"2, 1 there already\n")
    assert dcache("get", "k1").out == b"mine"
    tags = {entry["key"]: entry["tags"] for entry in dcache("export").lines()}
    assert tags == {"k1": [], "k2": ["new", "own", "x"], "k3": ["new", "own", "x"]}


@pytest.mark.parametrize("damaged, why", [
    (b'{"key":"a","value":"v"', "ends too early"),
    (b'{"key":"a","value":"v', "ends too early"),
    (b"not json", "is not a JSON object: unexpected 'not json' at column 1"),
    (b'{"key":"a","value":"v"} x', "at column 25"),
    (b'["key"]', "at column 1"),
    (b"{}", "has no 'key'"),
    (b'{"key":"a"}', "has no 'value'"),
    (b'{"value":"v"}', "has no 'key'"),
    (b'{"key":1,"value":"v"}', "'key' is no string"),
    (b'{"key":"a","value":{"x":1}}', "'value' is no string"),
    (b'{"key":"a","key_b64":"YQ==","value":"v"}', "has 'key_b64' twice"),
    (b'{"key":"a","value_b64":"YQ="}', "'value_b64' is no base64"),
    (b'{"key":"a","value_b64":"YR=="}', "'value_b64' is no base64"),
    (b'{"key":"a","value_b64":"Y*=="}', "'value_b64' is no base64"),
    (b'{"key":"a","value":"v","tags":"t"}', "'tags' is no list of strings"),
    (b'{"key":"a","value":"v","tags":[1]}', "'tags' is no string"),
    (b'{"key":"a","value":"v","expires":"soon"}', "'expires' is no number"),
    (b'{"key":"a","value":"v","expires":1e9}', "'expires' is no number"),
    (b'{"key":"a","value":"v","expires":NaN}', "'expires' is no number"),
    (b'{"key":"a","value":"v","format":"xml"}', "'format' is none of"),
    (b'{"key":"a","value":"v","expire":1}', "unknown field 'expire'"),
    (b'{"key":"a","value":"\\ud800"}', "half a character"),
    (b'{"key":"a","value":"\\q"}', "is not a JSON object: unexpected"),
    (b'{"key":"a","value":"\\u12"}', "is not a JSON object: unexpected"),
    (b'{"key":"a","value":"\xff"}', "not valid UTF-8"),
    (b'{"key":"\x1b]0;x\x07","value":"v"}x', "'x' at column"),
    (json.dumps({"key": "long" * 2000, "value": "v"}).encode(), "4096"),
    (json.dumps({"key": "a", "value": "v", "tags": ["t" * 300]}).encode(), "256"),
])
def test_a_damaged_line_is_named_and_what_was_before_it_stays(dcache, damaged, why):
    text = lines(1500) + b"\n" + damaged + b"\n" + lines(10, 5000)
    failed = dcache("import", input=text)
    assert failed.code == 65 and failed.out == b""
    assert failed.err.count("\n") == 1 and failed.err.startswith("dcache: line 1502: ") and why in failed.err
    assert failed.err.endswith("; all before line 1502 is stored: go on with --from 1502\n")
    assert failed.err[:-1].isprintable()
    assert size(dcache) == 1500
    assert dcache("import", "--from", "1503", input=text).out == b"10\n"
    assert size(dcache) == 1510


def test_a_damaged_first_line_stores_nothing(dcache):
    failed = dcache("import", input=b"x\n")
    assert failed.code == 65 and failed.err.endswith("; nothing was stored\n")


def test_a_line_longer_than_the_buffer_works(dcache):
    value = os.urandom(1 << 20).hex() * 3
    assert dcache("import", input=lines(1) + lines(1, 2, value=value) + lines(1, 3)).out == b"3\n"
    assert dcache("get", "k2").out == value.encode()


@pytest.mark.parametrize("words, code, text", [
    (["absent.jsonl"], 66, "No such file"),
    (["."], 74, "Is a directory"),
    (["--from", "0"], 64, "--from 0"),
    (["--from", "x"], 64, "--from"),
])
def test_what_cannot_be_read(dcache, words, code, text):
    failed = dcache("import", *words)
    assert failed.code == code and text in failed.err
    assert failed.err.count("\n") == 1


def test_a_terminal_is_no_input_unless_asked_for(dcache):
    master, slave = pty.openpty()
    try:
        refused = dcache("import", stdin=slave)
        assert refused.code == 64 and "FILE is missing" in refused.err
        os.write(master, lines(1) + b"\x04")
        assert dcache("import", "-", stdin=slave).out == b"1\n"
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stores_nothing_of_the_broken_step_and_says_where_to_go_on(dcache, number):
    dcache("set", "other", "v")
    text = lines(2500)
    process = dcache.start("import", stdin=-1)
    process.stdin.write(text)
    process.stdin.flush()
    wait_until(lambda: size(dcache) == 2001)
    process.send_signal(number)
    assert process.wait(LIMIT) == -number
    said = process.stderr.read()
    assert said == b"dcache: interrupted; all before line 2001 is stored: go on with --from 2001\n"
    assert size(dcache) == 2001
    assert dcache("import", "--from", "2001", input=text).out == b"500\n"
    assert size(dcache) == 2501


def test_other_writers_get_in_between(dcache):
    process = dcache.start("import", stdin=-1)
    process.stdin.write(lines(1500))
    process.stdin.flush()
    wait_until(lambda: size(dcache) == 1000)
    # It waits for more input, and holds nothing while it does.
    assert dcache("set", "other", "v", "--timeout", "10s").code == 0
    process.stdin.close()
    process.stdin = None
    assert process.wait(LIMIT) == 0
    assert size(dcache) == 1501
