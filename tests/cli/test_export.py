# SPDX-License-Identifier: Apache-2.0
"""export: exact lines of JSON, whatever the bytes; files that are whole or not there."""
import base64
import json
import os
import pathlib
import re
import resource
import signal

import pytest
from conftest import LIMIT, wait_until

HOSTILE = "a\x1b]0;owned\x07\n\u202e\"\\\x7f\u0085é€😀\u2028"


def line(**fields):
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def without_times(out):
    return re.sub(rb',"stored":[0-9.]+', b"", out)


@pytest.fixture
def filled(dcache):
    """Keys, values, tags of every kind of bytes, all formats, with and without expiry."""
    every = bytes(range(256)) * 300
    fields = [
        {"key": "plain", "value": "hello", "format": "text", "tags": ["t", "u"], "expires": 4102444800.25},
        {"key": HOSTILE, "value": HOSTILE, "tags": [HOSTILE]},
        {"key": "", "value": ""},
        {"key": "n", "value": "5", "format": "integer"},
        {"key": "j", "value": '{"a": [1, 2]}', "format": "json"},
        {"key": "text as bytes", "value": "x", "format": "bytes"},
        {"key_b64": base64.b64encode(b"\xff\x00").decode(), "value_b64": base64.b64encode(every).decode(),
         "tags_b64": [base64.b64encode(b"\xfe").decode(), base64.b64encode(b"ascii").decode()]},
    ]
    fields += [{"key": f"b{n}", "value_b64": base64.b64encode(every[:n]).decode()} for n in (1, 2, 3, 253)]
    done = dcache("import", input=b"".join(line(**one) for one in fields))
    assert (done.code, done.out) == (0, f"{len(fields)}\n".encode()), done
    return dcache


def test_a_line_says_all_of_an_entry(dcache):
    dcache("set", "k", "v", "--tag", "b", "--tag", "a", "--expire", "1h")
    [entry] = dcache("export").lines()
    shown = dcache("entry", "k", "--json").json()
    assert list(entry) == ["key", "value", "format", "tags", "expires", "stored"]
    assert (entry["key"], entry["value"], entry["format"], entry["tags"]) == ("k", "v", "text", ["a", "b"])
    assert abs(entry["expires"] - shown["expires"]) < 1e-3 and abs(entry["stored"] - shown["stored"]) < 1e-3


def test_export_and_import_keep_every_byte(filled, tmp_path):
    other = str(tmp_path / "other")
    first = filled("export").out
    assert filled("import", "--dir", other, input=first).code == 0
    again = filled("export", "--dir", other).out
    assert without_times(again) == without_times(first)
    assert b'"expires":4102444800.25' in first
    for key in ["plain", HOSTILE, "", "n", "j", "b3"]:
        assert filled("get", "--dir", other, "--", key).out == filled("get", "--", key).out
    values = {entry.get("key"): entry for entry in filled("export").lines()}
    assert values[HOSTILE]["value"] == HOSTILE and values[HOSTILE]["tags"] == [HOSTILE]
    assert [values[key]["format"] for key in ("n", "j", "text as bytes", "b1")] == ["integer", "json", "bytes", "bytes"]


def test_nanoseconds_of_expiry_survive(dcache, tmp_path):
    for at, time in enumerate(["4102444800.000000001", "4102444800.5", "4102444800"]):
        dcache("import", input=b'{"key":"%d","value":"","expires":%s}' % (at, time.encode()))
    out = dcache("export").out
    assert re.findall(rb'"expires":([0-9.]+)', out) == [b"4102444800.000000001", b"4102444800.5", b"4102444800"]


def test_nothing_that_a_terminal_obeys_is_written_raw(filled):
    out = filled("export", "--tag", HOSTILE).out
    assert json.loads(out)["value"] == HOSTILE
    text = out.decode()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", text)
    assert "é€😀" in text


def test_a_selection_is_as_for_ls(dcache):
    dcache("set", "user:1", "v", "--tag", "a")
    dcache("set", "user:2", "v", "--tag", "a", "--tag", "b")
    dcache("set", "page", "v", "--tag", "b")

    def keys(*words):
        return [entry["key"] for entry in dcache("export", *words).lines()]
    assert keys() == ["user:1", "user:2", "page"]
    assert keys("--prefix", "user:") == ["user:1", "user:2"]
    assert keys("--tag", "a", "--tag", "b") == ["user:2"]
    assert keys("--tag", "a", "--tag", "b", "--any") == ["user:1", "user:2", "page"]
    assert keys("--prefix", "absent") == []


def test_a_file_is_private_and_never_overwritten_unasked(filled, tmp_path):
    path = tmp_path / "out.jsonl"
    done = filled("export", str(path), "--json")
    assert done.json() == {"file": str(path), "exported": 11}
    whole = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600 and whole == filled("export").out

    path.write_bytes(b"mine")
    refused = filled("export", str(path))
    assert refused.code == 77 and refused.err.count("\n") == 1 and "--force" in refused.err
    assert path.read_bytes() == b"mine"
    assert filled("export", str(path), "--force").out == b"11\n"
    assert path.read_bytes() == whole
    assert os.listdir(tmp_path).count("out.jsonl") == 1 and not list(tmp_path.glob(".dcache*"))


def test_what_cannot_be_written_has_a_name(filled, tmp_path):
    with open("/dev/full", "wb") as full:
        failed = filled("export", stdout=full)
    assert failed.code == 74 and "cannot write to stdout" in failed.err
    missing = filled("export", str(tmp_path / "no" / "out"))
    assert missing.code == 73 and "No such file" in missing.err
    assert filled("export", str(tmp_path)).code == 64
    assert filled("export", "--dir", str(tmp_path / "none")).code == 66


def test_a_full_file_leaves_nothing(filled, tmp_path):
    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
    failed = filled("export", str(tmp_path / "out"), preexec_fn=small)
    assert failed.code == 74 and "out'" in failed.err and "was removed" in failed.err
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".dcache*"))


def many(dcache, count, size):
    value = "v" * size
    text = b"".join(line(key=f"key:{i}", value=value) for i in range(count))
    assert dcache("import", input=text).code == 0


def test_a_reader_that_goes_ends_it_quietly(dcache):
    many(dcache, 5000, 100)
    process = dcache.start("export")
    process.stdout.read(100)
    process.stdout.close()
    assert process.wait(LIMIT) == -signal.SIGPIPE and process.stderr.read() == b""


def test_it_streams(dcache):
    many(dcache, 100_000, 400)
    process = dcache.start("export")
    for lines, _ in enumerate(process.stdout, 1):
        if lines == 99_000:
            [most] = re.findall(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{process.pid}/status").read_text())
    assert (process.wait(LIMIT), lines) == (0, 100_000)
    assert int(most) < 50 * 1024  # the text is 55 MiB


def test_ctrl_c_leaves_no_file(dcache, tmp_path):
    many(dcache, 1000, 60_000)
    process = dcache.start("export", str(tmp_path / "out"))
    wait_until(lambda: any(part.stat().st_size > 1_000_000 for part in tmp_path.glob(".dcache*")))
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) == -signal.SIGINT
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".dcache*"))


def test_ctrl_c_ends_it_while_nobody_reads(dcache):
    many(dcache, 5000, 100)
    process = dcache.start("export")
    process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) == -signal.SIGINT
