# SPDX-License-Identifier: Apache-2.0
"""Keys, tags, labels, commands and paths that attack the terminal of whoever looks at them."""
import base64
import subprocess

import pytest

from conftest import wait_until

ESC = b"\x1b]0;owned\x07\x1b[2J"
HOSTILE = [ESC, b"two\nlines", b"car\rriage", b"tab\there", b"\xff\xfe", b"\xc3", "\u202egnp.exe".encode(),
           "\u2066x\u2069".encode(), b"\x9b2J", "\u009b2J".encode(), b"\x7f", b"back\\slash", b"\xed\xa0\x80"]
HARMLESS = ["Größe", "日本", "emoji 🎉", "plain"]


def is_tame(text, lines=None):
    decoded = text.decode("utf-8", "strict") if isinstance(text, bytes) else text
    assert lines is None or decoded.count("\n") == lines, decoded
    for char in decoded.replace("\n", ""):
        code = ord(char)
        assert code >= 0x20 and not 0x7F <= code < 0xA0 and not 0xD800 <= code < 0xE000, repr(decoded)
        assert not (0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069), repr(decoded)
    return True


def field(record, name):
    return base64.b64decode(record[name + "_b64"]) if name + "_b64" in record else record[name].encode()


@pytest.mark.parametrize("text", HOSTILE)
def test_values_with_hostile_names_are_shown_tamely_and_kept_exactly(dcache, text):
    assert dcache("set", text, text, "--tag", text).code == 0
    assert is_tame(dcache("ls").out, 1)
    assert is_tame(dcache("ls", "--long").out, 2)
    assert is_tame(dcache("tags").out, 2)
    assert is_tame(dcache("entry", text).out, 9)
    assert is_tame(dcache("ls", "--plain").out.replace(b"\t", b""), 1)
    assert is_tame(dcache("entry", text, "--plain").out.replace(b"\t", b""), 9)
    assert is_tame(dcache("tags", "--plain").out.replace(b"\t", b""), 1)
    assert field(dcache("ls", "--json").json(), "key") == text
    assert field(dcache("entry", text, "--json").json(), "value") == text
    assert field(dcache("tags", "--json").json(), "tag") == text
    assert dcache("get", text).out == text
    assert dcache("ls", text).out.count(b"\n") == 1
    assert dcache("evict", text).out == b"1\n"


@pytest.mark.parametrize("text", HARMLESS)
def test_other_scripts_are_left_alone(dcache, text):
    dcache("set", text, "v")
    assert dcache("ls").out.decode() == text + "\n"


@pytest.mark.parametrize("text", HOSTILE)
def test_errors_are_tame(dcache, text):
    dcache("set", "-k", "--", text)
    for words in [[text], ["lock", text], ["get", "k", text], ["get", b"--" + text], ["get", b"-" + text],
                  ["get", b"--x=" + text], ["set", "k", "v", "--expire", text], ["incr", "k", text],
                  ["--dir", b"/nowhere/" + text, "get", "k"], ["--dir", b"/nowhere/" + text, "set", "k", "v"],
                  ["get", text + b"x" * 5000], ["lock", "run", "k", "--", text],
                  ["config", text], ["config", "size_limit", text], ["config", "policy", text], ["ls", "--sort", text],
                  ["--color", text, "ls"], ["--dir", b"/nowhere/" + text, "doctor"], ["bench", text],
                  ["lock", "run", "--label", text + b"x" * 300, "k", "--", "true"]]:
        refused = dcache(*words)
        assert refused.code != 0 and is_tame(refused.err, 1), words
    dcache("set", text, "no number")
    assert dcache("incr", text).code == 65 and is_tame(dcache("incr", text).err, 1)


@pytest.mark.parametrize("text", HOSTILE)
def test_locks_with_hostile_names_are_shown_tamely(dcache, text):
    try:
        text.decode()
        label = text
    except UnicodeDecodeError:
        label = b"plain"
    dcache.hold(text, "--label", label, "--tag", label)
    wait_until(lambda: dcache("locks").out)
    assert is_tame(dcache("locks").out, 2)
    assert is_tame(dcache("lock", "show", text).out, 18)
    assert is_tame(dcache("lock", "show", text, "--plain").out.replace(b"\t", b""), 1)
    assert is_tame(dcache("doctor").out)
    lock = dcache("locks", "--json").json()
    assert field(lock, "key") == text and field(lock, "label") == label
    refused = dcache("lock", "clear", text)
    assert refused.code == 77 and is_tame(refused.err, 1)


def test_what_forces_a_lock_can_be_pasted_into_a_shell(dcache):
    for text in [b"plain", b"with space", b"it's", b"$HOME `id`", b"-n", b"new\nline", ESC, b"\xff'\\", "ü".encode()]:
        holder = dcache.hold(text)
        command = dcache("lock", "clear", "--", text).err.rsplit(": ", 1)[1].strip()
        assert command.startswith("dcache lock clear --fence ")
        words = subprocess.run(["bash", "-c", "printf '%s\\0' " + command], stdout=subprocess.PIPE, check=True)
        typed = words.stdout.split(b"\0")[1:-1]
        assert dcache(*typed).code == 0
        holder.kill()
