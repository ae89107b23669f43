# SPDX-License-Identifier: Apache-2.0
"""What programs rely on: docs/command.md has the fields of every verb's `--json`, and the binary writes just these."""
import base64
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess

import pytest

import help_pages
from conftest import BINARY, wait_until

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "command.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
ODD = b"odd\xff\n\x1b"


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


CHECKS = {
    "bytes": lambda value: isinstance(value, str),
    "text": lambda value: isinstance(value, str),
    "list": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "count": is_count,
    "time": lambda value: is_number(value) and 1.7e9 < value < 1e11,
    "seconds": is_number,
    "number": is_number,
    "bool": lambda value: isinstance(value, bool),
}


def fields_of(text, before):
    """"`key` bytes, `kind` "x", those of `ls`" -> {"key": "bytes", "kind": '"x"', ...}"""
    found = {}
    for part in text.split(", "):
        if other := re.fullmatch(r"those of `(.+)`", part):
            found |= before[other.group(1)][0]
        else:
            name, kind = re.fullmatch(r"`(\w+)` (\S+)", part).groups()
            assert kind.startswith('"') or kind.removesuffix("?") in CHECKS, f"docs/command.md: {part}"
            found[name] = kind
    return found


def table():
    """Verb -> the lines that it may write, each as {field: type}."""
    found = {}
    for row in ROWS:
        if len(row) == 3 and row[0].startswith("`"):
            fields = fields_of(row[2], found)
            for verb in row[0].split(", "):
                found.setdefault(verb.strip("`"), []).append(fields)
    return found


def fits(record, fields):
    """Whether it has these fields and no others, in this order, each of its type."""
    names = [name.removesuffix("_b64") for name in record]
    if names != list(fields):
        return False
    for name, value in record.items():
        kind = fields[name.removesuffix("_b64")]
        if kind.startswith('"'):
            good = value == kind.strip('"')
        elif value is None:
            good = kind.endswith("?") and not name.endswith("_b64")
        else:
            good = CHECKS[kind.removesuffix("?")](value)
        if good and name.endswith("_b64"):
            good = kind.removesuffix("?") in ("bytes", "list")
            for one in value if isinstance(value, list) else [value]:
                base64.b64decode(one, validate=True)
        if not good:
            return False
    return True


def scene(dcache):
    """(verb, the words after it), so that each line of the table comes at least once."""
    yield "set", ["greeting", "hello", "--tag", "demo"]
    yield "set", [ODD, ODD, "--tag", ODD, "--expire", "1h"]
    yield "add", ["greeting", "again"]
    yield "add", ["other", "1"]
    for key in ["greeting", ODD]:
        yield "get", [key]
        yield "entry", [key]
        yield "touch", [key, "--expire", "never"]
    yield "incr", ["visits", "-5"]
    yield "ls", []
    yield "tags", []
    yield "stats", []
    yield "config", []
    yield "config", ["size_limit", "10M"]
    yield "config", ["size_limit"]
    yield "config", ["policy"]
    yield "config", ["shards"]
    yield "stats", []
    yield "doctor", []
    yield "bench", ["--seconds", "0.1"]
    yield "export", []
    yield "export", [str(dcache.base / "values.jsonl")]
    yield "import", [str(dcache.base / "values.jsonl")]
    yield "backup", [str(dcache.base / "values.backup")]
    yield "restore", [str(dcache.base / "values.backup"), "--dir", str(dcache.base / "restored")]
    yield "compact", []
    yield "pop", [ODD]
    yield "delete", ["greeting"]
    yield "evict", ["demo"]
    for _ in range(3):
        yield "push", [ODD, ODD]
    yield "peek", [ODD]
    yield "pull", [ODD]
    leased = dcache("pull", ODD, "--lease", "1h", "--json").json()
    yield "nack", [ODD, leased["token"]]
    yield "pull", [ODD, "--lease", "1h"]
    leased = dcache("pull", ODD, "--lease", "1h", "--json").json()
    yield "ack", [ODD, leased["token"]]
    yield "ack", [ODD, leased["token"]]
    yield "expire", []
    yield "cull", []
    yield "clear", ["--yes"]
    dcache("set", ODD, b"x" * 100000)
    for file in (dcache.dir / "values").glob("??/*/*"):
        file.unlink()
    yield "check", []
    token = dcache("lock", "acquire", "kept", "--lease", "1h").out.decode().strip()
    yield "lock renew", ["kept", "--token", token, "--lease", "2h"]
    yield "lock release", ["kept", "--token", token]
    yield "lock acquire", ["kept", "--lease", "1h"]
    yield "lock release", ["kept", "--token", token]
    yield "lock clear", ["--all", "--yes"]
    holder = dcache.hold(ODD, "--label", "mine", "--tag", "db", "--lease", "1h")
    waiter = dcache.start("lock", "run", ODD, "--", "true")
    wait_until(lambda: dcache("locks", "--json").json()["waiters"] == 1)
    yield "lock ls", ["--waiters"]
    yield "locks", []
    yield "lock show", [ODD]
    yield "lock test", [ODD]
    yield "lock wait", ["-w", "0.01", ODD]
    yield "lock clear", ["other"]
    dcache.start("lock", "run", "-o", "free", "--", "sh", "-c", "kill -9 $PPID").wait()
    yield "lock clear", ["free"]
    os.killpg(holder.pid, signal.SIGKILL)
    waiter.wait()
    # A lock that somebody waits for and nobody has, and one whose record is damaged.
    waiter_of_nobody(dcache)
    yield "lock ls", []
    dcache("lock", "run", "free", "--", "true")
    yield "lock log", []
    with sqlite3.connect(dcache.dir / "cache.db") as database:
        database.execute("UPDATE records SET value = x'00' WHERE key = CAST('nobody' AS BLOB)")
    database.close()
    yield "lock ls", []


def waiter_of_nobody(dcache):
    """A waiter that is stopped in its turn, as its holder releases."""
    holder = dcache.hold("nobody")
    waiter = dcache.start("lock", "run", "nobody", "--", "true")
    wait_until(lambda: dcache("locks", "--json").json()["waiters"] == 1)
    os.kill(waiter.pid, signal.SIGSTOP)
    os.kill(holder.pid, signal.SIGTERM)
    holder.wait()


def test_each_verb_writes_the_documented_fields(dcache):
    lines = table()
    seen = {verb: set() for verb in lines}
    for verb, words in scene(dcache):
        done = dcache(*verb.split(), *words, "--json")
        assert done.out, f"{verb} {words} wrote nothing: {done}"
        verb = "lock ls" if verb == "locks" else verb
        for text in done.out.decode("utf-8", "strict").splitlines():
            record = json.loads(text)
            fitting = [number for number, fields in enumerate(lines[verb]) if fits(record, fields)]
            assert len(fitting) == 1, f"docs/command.md does not describe what `{verb} --json` writes: {text}"
            seen[verb].add(fitting[0])
    never = [f"{verb}: {list(lines[verb][number])}" for verb, numbers in seen.items()
             for number in range(len(lines[verb])) if number not in numbers]
    assert not never, f"test_json.py never sees these lines of docs/command.md: {never}"


def test_lock_ls_writes_the_columns_that_are_asked_for(dcache):
    dcache.hold("report")
    assert list(dcache("lock", "ls", "-o", "fence,key,waiting", "--json").json()) == ["fence", "key", "waiters"]


def test_each_verb_is_documented():
    assert set(help_pages.verbs()) == set(table()) | {"memo", "once", "throttle", "lock run"}


def test_the_columns_of_plain_are_those_of_the_help():
    page = {verb: re.findall(r"`(\w+)`", columns) for verb, columns in re.findall(r"^- `([a-z ]+)`: (`.+`)$", PAGE, re.M)}
    real = {name: text.split("Columns of --plain:")[1].split("\n\n")[0].split() for name in help_pages.verbs()
            if "Columns of --plain:" in (text := help_pages.text(*name.split()))}
    assert page == real and len(page) > 5


def test_the_example_of_plain_does_what_it_says(dcache):
    dcache("set", "tab\there", "hello")
    dcache("set", "k", "v", "--tag", "t")
    script = re.search(r"^```bash\n(.+?)^```$", PAGE, re.M | re.S).group(1)
    path = os.path.dirname(BINARY) + os.pathsep + dcache.env["PATH"]
    shown = subprocess.run(["bash", "-c", script], env=dcache.env | {"PATH": path}, capture_output=True, check=True)
    assert (shown.stdout, shown.stderr) == (b"tab\there has 5 bytes\nk has 1 bytes\n", b"")


def test_a_line_of_check_has_the_fields_of_the_table_in_their_order_in_plain_too(dcache):
    dcache("set", "big", "-", input=b"x" * 100000)
    for file in (dcache.dir / "values").glob("??/*/*"):
        file.unlink()
    lines = table()["check"]
    objects = dcache("check", "--json").lines()
    rows = [line.split("\t") for line in dcache("check", "--plain").out.decode().splitlines()]
    assert [row[0] for row in rows] == ["finding", "summary"]
    for row, fields, one in zip(rows, lines, objects):
        assert row == [str(one[name]).replace("False", "false") for name in fields]


def test_a_single_document_is_a_single_line(dcache):
    assert dcache("set", "k", "two\nlines", "--json").out.count(b"\n") == 1
    assert dcache("get", "k", "--json").out.count(b"\n") == 1


def test_the_exit_codes_are_those_of_the_help():
    page = {int(row[0]): row[1] for row in ROWS if len(row) == 2 and row[0].isdecimal()}
    assert page == help_pages.exit_codes()


def test_the_environment_is_that_of_the_help():
    assert {row[0].strip("`") for row in ROWS if len(row) == 2 and row[0].startswith("`")} == help_pages.environment()


@pytest.mark.parametrize("record, good", [
    ({"key": "a", "n": 1}, True), ({"key_b64": "/w==", "n": 1}, True), ({"key": "a", "n": None}, True), ({"key": "a"}, False),
    ({"n": 1, "key": "a"}, False), ({"key": "a", "n": 1, "x": 1}, False), ({"key": None, "n": 1}, False),
    ({"key": "a", "n": "1"}, False), ({"key": "a", "n": True}, False), ({"key": "a", "n": -1}, False), ({"key": 1, "n": 1}, False)])
def test_the_check_itself_tells_right_from_wrong(record, good):
    assert fits(record, {"key": "bytes", "n": "count?"}) == good
