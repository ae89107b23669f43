# SPDX-License-Identifier: Apache-2.0
"""check: what it says of damage that was done to a closed cache, and its exit codes."""
import os
import sqlite3

import pytest

KEY = "a\x1b]0;owned\x07\nb"


@pytest.fixture
def filled(dcache):
    dcache("set", "small", "v", "--tag", "t")
    dcache("set", KEY, "v")
    dcache("set", "large", "-", input=os.urandom(50_000))
    return dcache


def change(dcache, statement, *values):
    database = sqlite3.connect(dcache.dir / "cache.db")
    database.execute(statement, values)
    database.commit()
    database.close()


def damage(dcache, key):
    change(dcache, "UPDATE entries SET value = x'00' WHERE key = ?", key.encode())


def summary(**more):
    return {"type": "summary", "entries": 3, "tag_rows": 1, "locks": 0, "files": 1, "findings": 0, "fixed": 0,
            "left": 0} | more


@pytest.mark.parametrize("words", [[], ["--fix"]])
def test_a_healthy_cache_is_0(filled, words):
    sound = filled("check", *words)
    assert (sound.code, sound.err) == (0, "")
    assert sound.out == b"looked at 3 entries, 1 value file and 0 locks: nothing is damaged\n"
    assert filled("check", *words, "--json").json() == summary()
    assert filled("check", *words, "-q").out == b""


def test_damage_is_65_until_it_is_mended(filled):
    damage(filled, KEY)
    for _ in range(2):  # a look changes nothing
        found = filled("check")
        finding, total = found.out.decode().splitlines()
        assert (found.code, found.err) == (65, "")
        assert finding.startswith("value: ") and "'a\\x1b]0;owned\\x07\\x0ab'" in finding
        assert total.endswith(": 1 finding, 0 mended, 1 left")
    quiet = filled("check", "-q")
    assert quiet.code == 65 and quiet.out.decode() == finding + "\n"
    assert not (filled.dir / "damaged").exists()

    mended = filled("check", "--fix")
    finding, total = mended.out.decode().splitlines()
    assert (mended.code, mended.err) == (0, "")
    assert finding.startswith("value: ") and finding.endswith(" (mended)")
    assert total.endswith(": 1 finding, 1 mended, 0 left")
    assert len(list((filled.dir / "damaged").iterdir())) == 1
    assert filled("get", KEY).code == 1 and filled("get", "small").out == b"v"
    assert filled("check").code == 0


def test_json_has_a_line_a_finding_and_the_summary_at_the_end(filled):
    damage(filled, KEY)
    change(filled, "UPDATE meta SET value = x'3132' WHERE name = 'file_bytes'")
    for words, fixed in [([], False), (["--fix"], True)]:
        found = filled("check", "--json", *words)
        assert found.code == (0 if fixed else 65)
        *findings, last = found.lines()
        assert sorted((line["kind"], line["key"]) for line in findings) == [("total", None), ("value", KEY)]
        for line in findings:
            assert list(line) == ["type", "kind", "key", "text", "fixed"]
            assert (line["type"], line["fixed"]) == ("finding", fixed) and line["text"]
        assert last == summary(findings=2, fixed=2 * fixed, left=2 * (not fixed)) | {"entries": last["entries"]}


def test_what_cannot_be_mended_stays_65(filled):
    assert filled("lock", "run", "l", "--", "true").code == 0
    change(filled, "UPDATE records SET value = x'78' WHERE space = 0")  # the counter of fences
    for words in [[], ["--fix"]]:
        left = filled("check", "--json", *words)
        finding, last = left.lines()
        assert left.code == 65 and finding["kind"] == "fence" and last["left"] == 1


def test_a_foreign_file_is_reported_but_is_no_damage(filled):
    (filled.dir / "values" / "notes.txt").write_text("mine")
    for words in [[], ["--fix"]]:
        found = filled("check", "--json", *words)
        finding, last = found.lines()
        assert found.code == 0 and finding["kind"] == "foreign" and not finding["fixed"]
        assert (last["findings"], last["fixed"], last["left"]) == (1, 0, 0)
    assert (filled.dir / "values" / "notes.txt").read_text() == "mine"


def test_a_check_goes_on_beside_writers(filled):
    writer = filled.start("lock", "run", "w", "--", "sh", "-c",
                          'for i in $(seq 200); do "$0" set "k$i" v --tag t || exit 1; done',
                          os.environ["DCACHE_BIN"])
    while writer.poll() is None:
        assert filled("check", "--fix").code == 0
    assert writer.returncode == 0
