# SPDX-License-Identifier: Apache-2.0
"""bench-compare does all its works on all its peers, and a peer that answers wrongly is told of."""
import json
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys

import pytest

ROOT = pathlib.Path(os.environ["DCACHE_SOURCE"])
PROGRAM = os.environ["DCACHE_COMPARE"]
SCRIPT = ROOT / "tools/bench/compare/diskcache_peer.py"
FAKE = pathlib.Path(__file__).parent / "fake"

STORE = ["get, cold", "get, hot", "get, miss", "set, overwrite", "set, new", "delete", "add + delete",
         "100 sets in one transaction", "YCSB A", "YCSB B", "YCSB C", "YCSB D", "YCSB F", "open + get"]


def compare(tmp_path, *words, fault=None):
    """(exit code, results, what it wrote besides)"""
    file = tmp_path / "results.json"
    environment = dict(os.environ)
    if fault is not None:
        environment.update(PYTHONPATH=str(FAKE), FAKE_FAULT=fault)
    done = subprocess.run([PROGRAM, "--plan", "tiny", "--dir", str(tmp_path), "--json", str(file), *words],
                          env=environment, capture_output=True, text=True)
    return done.returncode, json.loads(file.read_text()) if file.exists() else None, done.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    place = tmp_path_factory.mktemp("compare")
    code, found, told = compare(place, "--peers", "dcache,dcache-0,sqlite,flock")
    assert code == 0, told
    assert [path.name for path in place.iterdir()] == ["results.json"], "it leaves nothing behind"
    return found


def peers_of(results, work, **sizes):
    (row,) = [row for row in results["results"]
              if row["work"] == work and all(row[name] == size for name, size in sizes.items())]
    return row["peers"]


def test_every_work_is_done_by_all_that_can(results):
    for work in STORE:
        assert set(peers_of(results, work, value=128, processes=1, **({"entries": 500}))) == {
            "dcache", "dcache-0", "sqlite"}, work
    assert set(peers_of(results, "evict by tag, each")) == {"dcache", "dcache-0"}
    assert set(peers_of(results, "lock + unlock")) == {"dcache", "sqlite", "flock"}
    for hold in (0, 1000):
        assert set(peers_of(results, "one lock", processes=2, hold_us=hold)) == {"dcache", "sqlite", "flock"}
    for processes in (1, 2):
        assert set(peers_of(results, "mixed 90/9/1", processes=processes)) == {"dcache", "dcache-0", "sqlite"}
    for value in (64, 1 << 10, 16 << 10, 64 << 10, 1 << 20):
        assert set(peers_of(results, "get, hot", value=value)) == {"dcache", "dcache-0", "sqlite"}


def test_medians_tails_and_ratios_belong_together(results):
    assert results["base"] == "dcache"
    for row in results["results"]:
        base = row["peers"]["dcache"]
        assert base["ratio"] == 1
        for peer in row["peers"].values():
            assert "error" not in peer
            assert len(peer["runs"]) == 2 and min(peer["runs"]) > 0
            assert peer["us"] == pytest.approx(statistics.median(peer["runs"]), rel=0.002)
            ratios = [mine / its for mine, its in zip(peer["runs"], base["runs"])]
            assert peer["ratio"] == pytest.approx(statistics.median(ratios), rel=0.01)
            if "p50_us" in peer:
                # A bucket is 1/64 wide.
                assert peer["p50_us"] <= peer["p99_us"] <= peer["p999_us"] <= peer["longest_us"] * 1.02 + 0.01


def test_it_says_what_was_measured_on_what(results):
    assert results["format"] == 1 and results["plan"] == "tiny"
    machine = results["machine"]
    assert machine["cores"] >= 1 and machine["memory_gib"] > 0
    assert machine["processor"] and machine["file_system"]
    assert os.uname().nodename not in json.dumps(results["machine"])
    for peer in results["peers"]:
        assert peer["version"] and peer["settings"]


def test_peers_that_are_not_there_are_named(tmp_path):
    code, found, told = compare(tmp_path, "--peers", "dcache,diskcache", "--only", "locks")
    assert code == 0
    assert "diskcache: not measured: left out" in told
    assert found["peers"][1]["missing"] == "left out"


def test_python_without_diskcache_says_so(tmp_path):
    # -S leaves out where packages are.
    done = subprocess.run([sys.executable, "-S", str(SCRIPT), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "package not there: python3-diskcache"


def test_the_stand_in_without_a_fault_is_good_enough(tmp_path):
    code, found, told = compare(tmp_path, "--peers", "diskcache", "--only", "entries", "--diskcache", str(SCRIPT),
                                fault="none")
    assert code == 0, told
    assert {row["work"] for row in found["results"]} >= set(STORE)


@pytest.mark.parametrize("fault, stage, work, why", [
    ("another's", "entries", "get cold", "not the value of user:"),
    ("forgets", "entries", "set new", "the value written last is not what is read"),
    ("adds twice", "entries", "add erase", "an add in the place of a value"),
    ("keeps", "entries", "set new", "a value that was deleted"),
    ("keeps", "entries", "evict", "a value that was evicted"),
    ("excludes nobody", "locks", "locks", "two had the lock at once"),
])
def test_a_peer_that_answers_wrongly_is_told_of_and_the_others_go_on(tmp_path, fault, stage, work, why):
    code, found, told = compare(tmp_path, "--peers", "sqlite,diskcache", "--only", stage, "--diskcache", str(SCRIPT),
                                fault=fault)
    assert code == 1
    assert f"diskcache failed at {work}: " in told
    assert why in told
    errors = [peer["error"] for row in found["results"] for name, peer in row["peers"].items() if "error" in peer]
    assert any(why in error for error in errors)
    assert all("error" not in row["peers"].get("sqlite", {}) for row in found["results"])


def test_one_slow_call_in_twenty_is_in_the_tail_and_not_in_the_middle(tmp_path):
    code, found, told = compare(tmp_path, "--peers", "diskcache", "--only", "entries", "--diskcache", str(SCRIPT),
                                fault="sleeps")
    assert code == 0, told
    hot = peers_of(found, "get, hot")["diskcache"]
    assert hot["calls"] >= 20
    assert hot["p50_us"] < 2000 <= hot["p99_us"] <= hot["p999_us"]


class Worker:
    """What measures one peer, told what to do by hand."""

    def __init__(self, directory, *command, **environment):
        self.process = subprocess.Popen([*command], env=dict(os.environ, **environment), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.guarded = directory / "guarded"
        self.guarded.write_bytes(bytes(8))
        assert "version" in json.loads(self.process.stdout.readline())

    def __enter__(self):
        self.process.__enter__()
        return self

    def __exit__(self, *error):
        self.process.__exit__(*error)

    def ask(self, work, seconds=5):
        job = {"work": work, "entries": 200, "value": 128, "calls": 200, "seconds": seconds, "seed": 1, "begin": 0,
               "hold": 0, "guarded": str(self.guarded)}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.mark.parametrize("work", ["mixed", "locks"])
@pytest.mark.parametrize("peer", ["sqlite", "diskcache"])
def test_a_period_is_not_over_before_a_call_has_come_to_its_end(tmp_path, peer, work):
    command = [PROGRAM, "--serve", "sqlite", "--dir", str(tmp_path)]
    if peer == "diskcache":
        command = [sys.executable, str(SCRIPT), str(tmp_path)]
    with Worker(tmp_path, *command, PYTHONPATH=str(FAKE), FAKE_FAULT="none") as worker:
        assert worker.ask("prepare") == {"series": []}
        (series,) = worker.ask(work, seconds=0)["series"]
        assert series["calls"] == 1
        assert series["wall"] > 0


@pytest.mark.parametrize("change, why", [
    ("UPDATE entries SET value = (SELECT value FROM entries LIMIT 1)", "not the value of user:"),
    ("UPDATE entries SET value = substr(value, 1, 100)", "not the value of user:"),
    ("DELETE FROM entries", "no value for user:"),
])
def test_values_that_are_not_what_was_stored_are_noticed(tmp_path, change, why):
    with Worker(tmp_path, PROGRAM, "--serve", "sqlite", "--dir", str(tmp_path)) as worker:
        assert worker.ask("prepare") == {"series": []}
        assert worker.ask("ycsb c")["series"][0]["calls"] == 200
        database = sqlite3.connect(tmp_path / "raw.db")
        database.execute(change)
        database.commit()
        database.close()
        assert why in worker.ask("ycsb c")["error"]


def test_what_it_does_not_know_it_refuses(tmp_path):
    for words, why in ((["--peers", "nobody"], "unknown peer 'nobody'"), (["--only", "nothing"], "unknown stage"),
                       (["--plan", "endless"], "unknown plan")):
        done = subprocess.run([PROGRAM, "--dir", str(tmp_path), *words], capture_output=True, text=True)
        assert done.returncode == 1
        assert why in done.stderr
        assert list(tmp_path.iterdir()) == []


def test_buckets_are_the_same_in_both_languages(monkeypatch):
    monkeypatch.setenv("FAKE_FAULT", "none")
    monkeypatch.syspath_prepend(str(FAKE))
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import diskcache_peer

    def end(bucket):  # as in histogram.cpp
        return bucket + 1 if bucket < 64 else (65 + bucket % 64) << (bucket // 64 - 1)

    for ns in [*range(300), 999, 1000, 65535, 65536, 10**6, 123456789, 10**10]:
        bucket = diskcache_peer.bucket_of(ns)
        assert (end(bucket - 1) if bucket else 0) <= ns < end(bucket)
    assert diskcache_peer.key_of(0) == "user:e220a8397b1dcdaf"
