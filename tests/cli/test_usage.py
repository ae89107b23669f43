# SPDX-License-Identifier: Apache-2.0
"""What a newcomer types: help, typos, nonsense."""
import os

import pytest

VERBS = ["get", "set", "add", "pop", "delete", "touch", "incr", "ls", "tags", "entry", "stats", "evict", "expire",
         "cull", "clear", "push", "pull", "peek", "ack", "nack", "check", "config", "doctor", "bench", "memo", "once", "throttle",
         "lock run", "lock ls", "lock show", "lock test",
         "lock wait", "lock acquire", "lock renew", "lock release", "lock clear", "locks"]


def test_nothing_at_all_shows_the_help(dcache):
    bare = dcache()
    assert bare.code == 0 and bare.out == dcache("--help").out == dcache("-h").out == dcache("help").out
    for verb in VERBS:
        assert verb in bare.out.decode()
    for word in ["DCACHE_DIR", "--json", "Exit status", "dcache set greeting hello"]:
        assert word in bare.out.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_examples(dcache, verb):
    words = verb.split()
    shown = dcache(*words, "--help")
    assert shown.code == 0 and shown.err == ""
    text = shown.out.decode()
    name = "lock ls" if verb == "locks" else verb
    assert text.startswith(f"Usage: dcache {name}") and f"dcache {words[0]}" in text.split("Examples:\n")[1].split("\n\n")[0]
    assert max(map(len, text.splitlines())) <= 100
    for same in [["help", *words], ["--help", *words], [*words, "-h"]]:
        assert dcache(*same).out == shown.out
    assert not dcache.dir.exists()


def test_a_family_of_verbs_has_help(dcache):
    assert dcache("lock").out == dcache("lock", "--help").out == dcache("help", "lock").out
    assert b"lock run" in dcache("lock").out


def test_the_version(dcache):
    shown = dcache("--version").out.split()
    assert shown[0] == b"dcache" and shown[1].count(b".") == 2
    assert dcache("get", "--version").out.split() == shown


@pytest.mark.parametrize("words, meant", [
    (["gte", "k"], "get"), (["sett"], "set"), (["del"], "delete"), (["rm", "k"], "delete"), (["LS"], None),
    (["loks"], "locks"), (["lock", "rnu"], "lock run"), (["lock", "list"], "lock ls"), (["stat"], "stats"),
    (["settings"], "config"), (["doktor"], "doctor"), (["benchmark"], "bench"),
    (["unlock", "k"], "lock release"), (["xyzzy"], None), (["nosuch"], None), (["version"], "--version"), (["lock", "xyzzy"], None)])
def test_an_unknown_verb_gets_a_suggestion(dcache, words, meant):
    refused = dcache(*words)
    assert refused.code == 64 and refused.out == b""
    assert (f"did you mean '{meant}'?" in refused.err) if meant else ("did you mean" not in refused.err)
    assert "--help` lists the verbs" in refused.err


@pytest.mark.parametrize("words, message", [
    (["get"], "KEY is missing"),
    (["get", "a", "b"], "unexpected argument 'b'"),
    (["get", "a", "--jsn"], "did you mean '--json'?"),
    (["set", "k", "v", "--tag"], "--tag needs a value"),
    (["set", "k", "v", "--expire="], "--expire '' is not a time"),
    (["set", "k", "v", "--json=false"], "--json takes no value"),
    (["ls", "-x"], "unknown option '-x'"),
    (["ls", "--sort", "sise"], "did you mean 'size'?"),
    (["ls", "--sort", "\x1b"], "inserted, key, stored, size or expires"),
    (["--dir"], "--dir needs a value"),
    (["--nonsense"], "unknown option '--nonsense'"),
    (["lock", "--nonsense"], "unknown option '--nonsense'"),
    (["lock", "run", "k"], "`-- COMMAND...` is missing"),
    (["lock", "run", "k", "--"], "`-- COMMAND...` is missing"),
    (["lock", "run", "k", "-c", "true", "--", "true"], "exclude each other"),
    (["lock", "run", "k", "-c"], "--command needs a value"),
    (["lock", "run", "k", "true"], "write -- before the command"),
    (["lock", "run", "--", "true"], "KEY is missing"),
    (["lock", "run", "-n", "-w", "1", "k", "--", "true"], "exclude each other"),
    (["lock", "run", "-w", "soon", "k", "--", "true"], "--wait 'soon' is not a time"),
    (["lock", "run", "-E", "256", "k", "--", "true"], "0 to 255"),
    (["lock", "run", "--lease", "0", "k", "--", "true"], "--lease '0' is too short"),
    (["memo"], "`-- COMMAND...` is missing"),
    (["memo", "ls"], "write -- before the command"),
    (["memo", "--stale-ok", "1h", "--", "true"], "--stale-ok needs --expire"),
    (["memo", "--expire", "0", "--", "true"], "--expire '0' is too short"),
    (["memo", "--key", "k" * 4097, "--", "true"], "4096"),
    (["once", "--", "true"], "KEY is missing"),
    (["once", "k"], "`-- COMMAND...` is missing"),
    (["once", "k", "--per", "0", "--", "true"], "--per '0' is too short"),
    (["throttle", "k"], "--count and --per are needed"),
    (["throttle", "k", "--count", "0", "--per", "1s"], "--count must be 1 or more"),
    (["throttle", "k", "--count", "1", "--per", "0"], "--per '0' is too short"),
    (["throttle", "k", "--count", "1", "--per", "never"], "100 years"),
    (["throttle", "k", "--count", "1", "--per", "1s", "-n", "-w", "1"], "exclude each other"),
    (["lock", "wait", "-w", "soon", "k"], "--wait 'soon' is not a time"),
    (["lock", "clear", "k", "--fence", "x"], "--fence 'x'"),
    (["get", "k", "--timeout", "x"], "--timeout 'x'"),
    (["--dir", "", "get", "k"], "empty name"),
])
def test_nonsense_is_64_with_one_line(dcache, words, message):
    refused = dcache(*words)
    assert refused.code == 64 and refused.out == b""
    assert message in refused.err
    assert refused.err.startswith("dcache: ") and refused.err.count("\n") == 1


@pytest.mark.parametrize("words", [
    ["set", "k" * 4097, "v"], ["incr", "k" * 4097], ["set", "k", "v", "--tag", ""],
    ["set", "k", "v", *["--tag=t%d" % i for i in range(65)]]])
def test_limits_are_64(dcache, words):
    refused = dcache(*words, input=b"x" * 40000)
    assert refused.code == 64 and len(refused.err) < 400


def test_endless_input_is_refused(dcache):
    with open("/dev/zero", "rb") as zero:
        refused = dcache("set", "k", "-", stdin=zero)
    assert refused.code == 64 and "too large" in refused.err


def test_options_stand_before_or_after_the_verb(dcache):
    other = str(dcache.base / "other")
    assert dcache("--dir", other, "set", "k", "v").code == 0
    assert dcache("get", "--dir=" + other, "k").out == b"v"
    assert dcache("get", "k", "--dir", other).out == b"v"
    assert dcache("--dir", other, "--json", "get", "k").json() == {"key": "k", "value": "v"}
    assert dcache("--json", "lock", "--dir", other, "ls").out == b""
    assert not dcache.dir.exists()


def test_the_directory_comes_from_option_environment_or_home(dcache):
    home, xdg = dcache.base / "home", dcache.base / "xdg"
    assert dcache("set", "k", "v", env={"DCACHE_DIR": ""}).code == 0
    assert (home / ".cache/dcache/cache.db").exists()
    assert dcache("set", "k", "v", env={"DCACHE_DIR": "", "XDG_CACHE_HOME": str(xdg)}).code == 0
    assert (xdg / "dcache/cache.db").exists()
    assert dcache("get", "k", env={"DCACHE_DIR": "", "XDG_CACHE_HOME": "relative"}).out == b"v"
    assert dcache("set", "k", "v").code == 0 and (dcache.dir / "cache.db").exists()
    nowhere = dcache("get", "k", env={"DCACHE_DIR": "", "HOME": ""})
    assert nowhere.code == 64 and "--dir" in nowhere.err


def test_a_relative_directory_is_seen_from_where_one_is(dcache):
    assert dcache("--dir", "here", "set", "k", "v", cwd=dcache.base).code == 0
    assert os.path.exists(dcache.base / "here/cache.db")
