# SPDX-License-Identifier: Apache-2.0
"""One walk through all verbs; the only file that also runs under sanitizers."""


def test_every_verb_does_its_job(dcache):
    assert dcache("set", "greeting", "hello", "--expire", "10m", "--tag", "demo").code == 0
    assert dcache("get", "greeting").out == b"hello"
    assert dcache("add", "greeting", "again").code == 1
    assert dcache("touch", "greeting", "--expire", "1h").code == 0
    assert dcache("incr", "visits", "5").out == b"5\n"
    assert dcache("ls").out == b"greeting\nvisits\n"
    assert dcache("ls", "--json", "--tag", "demo").json()["key"] == "greeting"
    assert b"greeting" in dcache("entry", "greeting").out
    assert dcache("tags").out.split() == [b"ENTRIES", b"TAG", b"1", b"demo"]
    assert dcache("stats", "--json").json()["entries"] == 2
    assert dcache("lock", "run", "job", "--", "sh", "-c", "exit 7").code == 7
    assert dcache("locks").out == b""
    assert dcache("lock", "show", "job").code == dcache("lock", "test", "job").code == 1
    assert dcache("lock", "wait", "job").code == 0
    assert dcache("lock", "clear", "job").code == 1
    assert dcache("pop", "visits").out == b"5"
    assert dcache("delete", "visits").code == 1
    assert dcache("evict", "demo").out == b"1\n"
    assert dcache("expire").out == b"0\n"
    assert dcache("cull").out == b"0\n"
    assert dcache("config", "size_limit", "10M").code == 0
    assert dcache("config", "--plain").out == b"size_limit\t10485760\npolicy\tsieve\nshards\t1\n"
    assert dcache("doctor").code == 0
    assert dcache("bench", "--seconds", "0.01").code == 0
    assert dcache("check", "--json").json()["findings"] == 0
    assert dcache("clear", "--yes").out == b"0\n"
    assert dcache("--help").code == 0
    assert dcache("nonsense").code == 64
