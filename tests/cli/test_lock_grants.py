# SPDX-License-Identifier: Apache-2.0
"""lock acquire, lock renew, lock release: locks without a process behind them."""
import time

import pytest

from conftest import wait_until


def acquire(dcache, *words):
    done = dcache("lock", "acquire", *words)
    assert done.code == 0, done
    return done.out.decode().rstrip("\n")


def test_a_lock_stays_held_until_it_is_released(dcache):
    token = acquire(dcache, "k", "--lease", "1h", "--label", "deploy", "--tag", "t")
    assert token and len(token) < 60
    lock = dcache("locks", "--json").json()
    assert (lock["state"], lock["label"], lock["tags"]) == ("kept", "deploy", ["t"])
    assert 3500 < lock["lease_left"] <= 3600
    assert dcache("lock", "run", "-n", "k", "--", "true").code == 1
    released = dcache("lock", "release", "k", "--token", token)
    assert (released.code, released.out, released.err) == (0, b"", "")
    assert dcache("locks").out == b""
    assert dcache("lock", "release", "k", "--token", token).code == 1
    assert dcache("lock", "release", "k", "--token", token, "--json").json() == {"key": "k", "released": False}


def test_the_lease_ends_it(dcache):
    token = acquire(dcache, "k", "--lease", "100ms")
    assert dcache("lock", "run", "-w", "20", "k", "--", "true").code == 0
    assert dcache("lock", "renew", "k", "--token", token, "--lease", "1h").code == 1
    assert dcache("lock", "release", "k", "--token", token).code == 1


def test_renew_begins_the_lease_anew(dcache):
    token = acquire(dcache, "k", "--lease", "1m")
    assert dcache("lock", "renew", "k", "--token", token, "--lease", "2h").code == 0
    assert 7100 < dcache("locks", "--json").json()["lease_left"] <= 7200
    shorter = dcache("lock", "renew", "k", "--token", token, "--lease", "50ms", "--json")
    assert shorter.json() == {"key": "k", "renewed": True}
    wait_until(lambda: dcache("lock", "test", "k").code == 1)
    # Nobody else got it meanwhile.
    assert dcache("lock", "renew", "k", "--token", token, "--lease", "1h").code == 0
    assert dcache("lock", "test", "k").code == 0


def test_the_token_may_stand_in_the_environment(dcache):
    token = acquire(dcache, "k", "--lease", "1h")
    assert dcache("lock", "release", "k", env={"DCACHE_LOCK_TOKEN": "1-2," + token}).code == 0
    missing = dcache("lock", "release", "k")
    assert missing.code == 64 and "--token" in missing.err


def test_a_token_is_for_its_lock_only(dcache):
    token, other = acquire(dcache, "k", "--lease", "1h"), acquire(dcache, "k2", "--lease", "1h")
    for wrong in [other, "", "1-1", token[:-1], token + "0", "\x1b[2J"]:
        done = dcache("lock", "release", "k", "--token", wrong)
        assert done.code in (1, 64) and "\x1b" not in done.err
        assert dcache("lock", "renew", "k", "--token", wrong, "--lease", "1s").code in (1, 64)
    assert len(dcache("locks", "--json").lines()) == 2


def test_json_tells_token_fence_and_lease(dcache):
    got = dcache("lock", "acquire", "k", "--lease", "90s", "--json").json()
    assert got["key"] == "k" and got["lease"] == 90 and got["owner_died"] is False
    assert got["fence"] == dcache("locks", "--json").json()["fence"]
    assert dcache("lock", "release", "k", "--token", got["token"]).code == 0


@pytest.mark.parametrize("words, code", [(["-n"], 1), (["-w", "100ms"], 1), (["-n", "-E", "9"], 9)])
def test_a_busy_lock_is_not_had(dcache, words, code):
    dcache.hold("k")
    done = dcache("lock", "acquire", "k", "--lease", "1m", *words)
    assert (done.code, done.out) == (code, b"")


def test_it_waits_for_its_turn(dcache):
    holder = dcache.hold("k")
    waiter = dcache.start("lock", "acquire", "k", "--lease", "1m")
    wait_until(lambda: dcache("locks", "--json").json()["waiters"] == 1)
    holder.terminate()
    assert waiter.wait(20) == 0 and waiter.stdout.read()
    assert dcache("locks", "--json").json()["state"] == "kept"


def test_a_lease_is_needed(dcache):
    for words in [["acquire", "k"], ["acquire", "k", "--lease", "never"], ["renew", "k", "--token", "1-1"]]:
        done = dcache("lock", *words)
        assert done.code == 64 and "lease" in done.err
    assert not dcache.dir.exists() or dcache("locks").out == b""


def test_release_and_renew_make_no_cache(dcache):
    for words in [["release", "k", "--token", "1-1"], ["renew", "k", "--token", "1-1", "--lease", "1s"]]:
        done = dcache("lock", *words)
        assert done.code == 66 and str(dcache.dir) in done.err and not dcache.dir.exists()


def test_shared_grants_stay_too(dcache):
    first, second = acquire(dcache, "-s", "k", "--lease", "1h"), acquire(dcache, "-s", "k", "--lease", "1h")
    assert first != second
    assert dcache("lock", "run", "-n", "k", "--", "true").code == 1
    assert dcache("lock", "release", "k", "--token", first).code == 0
    assert [lock["mode"] for lock in dcache("locks", "--json").lines()] == ["shared"]
    assert dcache("lock", "release", "k", "--token", second).code == 0
    assert dcache("lock", "run", "-n", "k", "--", "true").code == 0


def test_under_its_own_lock_it_would_wait_for_ever(dcache):
    token = acquire(dcache, "k", "--lease", "1h")
    start = time.monotonic()
    refused = dcache("lock", "acquire", "k", "--lease", "1h", env={"DCACHE_LOCK_TOKEN": token})
    assert refused.code == 77 and "never end" in refused.err and time.monotonic() - start < 20
