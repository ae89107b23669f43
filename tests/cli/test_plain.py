# SPDX-License-Identifier: Apache-2.0
"""--plain: what scripts cut apart. Columns, escapes and numbers stay as they are."""
import re
import subprocess
import time

import pytest

from conftest import kill

LISTINGS = {"ls": "key size format tags stored age expires left",
            "tags": "tag entries",
            "doctor": "state check text mend",
            "lock ls": "key kind mode state owner pid tid command since age lease_left fence count waiters label tags "
                       "session agent fair late",
            "lock show": "type key kind mode state owner pid tid command since age lease_left fence count waiters label "
                         "tags session agent fair late",
            "lock clear": "key result",
            "bench": "operation per_second microseconds raw_microseconds ratio"}


def rows(result):
    assert result.code == 0 and result.out.endswith(b"\n")
    return [line.split("\t") for line in result.out.decode().splitlines()]


def pairs(result):
    return dict(rows(result))


@pytest.mark.parametrize("verb", LISTINGS)
def test_the_help_names_the_columns(dcache, verb):
    text = dcache(*verb.split(), "--help").out.decode()
    assert text.split("Columns of --plain:")[1].split("\n\n")[0].split() == LISTINGS[verb].split()


@pytest.mark.parametrize("verb", ["ls", "tags", "doctor", "lock ls"])
def test_a_listing_has_the_fields_of_json_in_columns(dcache, verb):
    dcache("set", "k", "value", "--tag", "a", "--tag", "b,c", "--expire", "1h")
    dcache.hold("lock")
    listed = rows(dcache(*verb.split(), "--plain"))
    objects = dcache(*verb.split(), "--json").lines()
    columns = LISTINGS[verb].split()
    assert len(listed) == len(objects) > 0
    for row, fields in zip(listed, objects):
        assert len(row) == len(columns)
        assert list(fields) == columns[:len(fields)]
        for name, text in zip(columns, row):
            if fields.get(name) is None:
                assert text == ""
            elif isinstance(fields[name], str):
                assert text == fields[name].replace("\\", "\\x5c")


def test_numbers_are_exact(dcache):
    before = time.time()
    dcache("set", "k", "-", "--expire", "1h", input=b"x" * 123456)
    dcache("set", "stays", "v")
    key, size, form, tags, stored, age, expires, left = rows(dcache("ls", "--plain"))[0]
    assert (key, size, form, tags) == ("k", "123456", "text", "")
    for number in [stored, age, expires, left]:
        assert re.fullmatch(r"\d+\.\d{6}", number)
    assert before - 1 < float(stored) < time.time() + 1 and 3500 < float(left) <= 3600
    assert float(expires) - float(stored) == pytest.approx(3600, abs=1)
    assert rows(dcache("ls", "--plain"))[1][6:] == ["", ""]


@pytest.mark.parametrize("key", [b"tab\there", b"two\nlines", b"back\\slash", b"\x1b[2J", b"\xff", "\u202eoops".encode()])
def test_no_value_breaks_a_line_and_printf_turns_it_back(dcache, key):
    assert dcache("set", key, key, "--tag", key).code == 0
    listed = rows(dcache("ls", "--plain"))
    assert len(listed) == 1 and len(listed[0]) == 8
    for shown in [listed[0][0], listed[0][3], pairs(dcache("entry", key, "--plain"))["value"]]:
        assert subprocess.check_output(["bash", "-c", "printf %b \"$0\"", shown]) == key


def test_tags_are_separated_by_commas(dcache):
    dcache("set", "k", "v", "--tag", "a,b", "--tag", "c")
    assert rows(dcache("ls", "--plain"))[0][3] == "a\\x2cb,c"


def test_nothing_is_cut(dcache):
    dcache("set", "k" * 4000, "v")
    assert rows(dcache("ls", "--plain"))[0][0] == "k" * 4000


def test_no_record_is_no_line(dcache):
    dcache("set", "k", "v")
    dcache("delete", "k")
    for verb in [["ls"], ["tags"], ["locks"]]:
        assert dcache(*verb, "--plain").out == b""


def test_one_record_is_a_line_a_field(dcache):
    dcache("set", "k", "v", "--tag", "t")
    assert list(pairs(dcache("entry", "k", "--plain"))) == [*LISTINGS["ls"].split(), "value"]
    assert pairs(dcache("get", "k", "--plain")) == {"key": "k", "value": "v"}
    stats = pairs(dcache("stats", "--plain"))
    assert stats["entries"] == "1" and stats["board"] == "true" and stats["size_limit"] == ""
    assert list(stats) == list(dcache("stats", "--json").json())
    assert pairs(dcache("config", "--plain")) == {"size_limit": "", "policy": "sieve", "shards": "1"}


def test_an_outcome_is_a_line_a_field_even_if_quiet(dcache):
    assert dcache("set", "k", "v", "--plain", "-q").out == b"key\tk\nstored\ttrue\n"
    assert pairs(dcache("touch", "k", "--expire", "1h", "--plain")) == {"key": "k", "touched": "true"}
    assert pairs(dcache("incr", "n", "-5", "--plain")) == {"key": "n", "value": "-5"}
    assert pairs(dcache("delete", "k", "--plain")) == {"deleted": "1"}
    assert pairs(dcache("lock", "wait", "l", "--plain")) == {"key": "l", "free": "true"}
    assert dcache("lock", "test", "l", "--plain").out == b"key\tl\nheld\tfalse\n"


def test_lines_of_several_kinds_begin_with_their_type(dcache):
    dcache.hold("l")
    waiter = dcache.start("lock", "run", "l", "--", "true")
    while dcache("locks", "--json").json()["waiters"] < 1:
        time.sleep(0.01)
    shown = rows(dcache("lock", "show", "l", "--plain"))
    assert [row[0] for row in shown] == ["holder", "waiter"] and len(shown[0]) == len(shown[1])
    assert shown[1][LISTINGS["lock show"].split().index("pid")] == str(waiter.pid)
    assert [row[0] for row in rows(dcache("check", "--plain"))] == ["summary"]


def test_columns_can_be_chosen_where_a_verb_has_it(dcache):
    holder = dcache.hold("l", "--label", "a\tb")
    assert rows(dcache("lock", "ls", "-o", "label,pid,lease", "--plain")) == [["a\\x09b", str(holder.pid), ""]]


def test_many_cleared_locks_are_a_line_each(dcache):
    for key in ["a", "b"]:
        holder = dcache.hold(key, "-o")
        kill(holder)
    assert rows(dcache("lock", "clear", "--stale", "--plain")) == [["a", "cleared"], ["b", "cleared"]]
    assert dcache("lock", "clear", "c", "--plain").out == b"c\tabsent\n"


def test_plain_and_json_exclude_each_other(dcache):
    for words in [["--plain", "--json", "ls"], ["ls", "--json", "--plain"], ["--json", "--plain"]]:
        refused = dcache(*words)
        assert refused.code == 64 and "exclude each other" in refused.err and refused.out == b""


def test_the_help_explains_it(dcache):
    text = dcache("--help").out.decode()
    assert "--plain" in text and "fields between tabs" in text and "printf %b" in text and "\\xNN" in text
