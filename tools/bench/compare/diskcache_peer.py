#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures python-diskcache: what serve.cpp, workloads.cpp and mixes.cpp do, in its own language.

    diskcache_peer.py DIRECTORY

Jobs come as lines of JSON on standard input, and each is answered with one (see job.hpp). Keys, values, mixes and
buckets are the same, so change both sides together.
"""
import json
import math
import mmap
import random
import shutil
import struct
import sys
import time
from pathlib import Path

try:
    import diskcache
except ImportError:
    print(json.dumps({"error": "package not there: python3-diskcache"}), flush=True)
    sys.exit(1)

ABSENT = 1 << 62
TAGGED = 1 << 61
HOT_KEYS = 1000
BATCH = 100
FILL_BATCH = 1000
MOST_IN_NO_ORDER = 100_000
OPENINGS = 50
STEPS = 10_000
WARM_UP_NS = 100_000_000
EACH_DOUBLING = 64
THETA = 0.99
BODIES = 64
MASK = (1 << 64) - 1
now_ns = time.monotonic_ns


def mix(number):
    number = (number + 0x9E3779B97F4A7C15) & MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & MASK
    return number ^ (number >> 31)


def key_of(number):
    return f"user:{mix(number):016x}"


def fill_order(entries):
    if entries <= MOST_IN_NO_ORDER:
        return range(entries)
    numbers = sorted(range(entries), key=mix)
    return numbers[::2] + numbers[1::2]


def bucket_of(ns):
    if ns < EACH_DOUBLING:
        return ns
    doublings = ns.bit_length() - EACH_DOUBLING.bit_length()
    return EACH_DOUBLING * (doublings + 1) + ((ns >> doublings) & (EACH_DOUBLING - 1))


def expect(right, what):
    if not right:
        raise RuntimeError(f"wrong answer: {what}")


class Values:
    """Values that all differ, also from those of another work, and carry the number of their key."""

    def __init__(self, size):
        self.size = size
        self.stamp = time.monotonic_ns()
        # Other bytes on every page, so that none can be left as it was. Large values go to files, whole.
        count = BODIES if size <= 1 << 16 else 2
        self.bodies = [random.Random(i).randbytes(size - 16) for i in range(count)]

    def next_of(self, owner):
        self.stamp += 1
        return struct.pack("<QQ", self.stamp, owner) + self.bodies[self.stamp % len(self.bodies)]

    def belongs(self, value, owner):
        return value is not None and len(value) == self.size and struct.unpack_from("<Q", value, 8)[0] == owner


class Zipf:
    """As in material.cpp."""

    def __init__(self, count):
        self.count = count
        self.two = 1 + 2**-THETA
        self.zeta = math.fsum(i**-THETA for i in range(1, count + 1))
        self.eta = (1 - (2 / count) ** (1 - THETA)) / (1 - self.two / self.zeta)

    def __call__(self, chance):
        u = chance.random()
        if u * self.zeta < 1:
            return 0
        if u * self.zeta < self.two:
            return 1
        return int(min(self.count - 1, self.count * (self.eta * u - self.eta + 1) ** (1 / (1 - THETA))))


class Series:
    def __init__(self, work):
        self.work = work
        self.times = []
        self.wall = 0
        self.guarded = 0

    def line(self):
        counts = {}
        for ns in self.times:
            bucket = bucket_of(ns)
            counts[bucket] = counts.get(bucket, 0) + 1
        return {"work": self.work, "calls": len(self.times), "total": sum(self.times), "wall": self.wall,
                "longest": max(self.times, default=0), "guarded": self.guarded, "counts": sorted(counts.items())}


class Evicted:
    """Of many entries at once, which are not timed one by one."""

    def __init__(self, count, took):
        self.count, self.took = count, took

    def line(self):
        return {"work": "evict by tag, each", "calls": self.count, "total": self.took, "wall": 0,
                "longest": self.took, "guarded": 0, "counts": []}


def clock_cost():
    least = None
    for _ in range(20):
        begin = now_ns()
        for _ in range(1000):
            end = now_ns()
        least = min(least or end, (end - begin) // 1000)
    return least


class Workshop:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.clock = clock_cost()
        self.used = 0
        self.zipf = {}
        self.open_cache()

    def open_cache(self):
        self.cache = diskcache.Cache(str(self.directory / "diskcache"), size_limit=1 << 50)
        self.lock = diskcache.Lock(self.cache, "report")

    def timed(self, work, job, calls, call):
        series = Series(work)
        times = series.times
        begin = last = now_ns()
        end = begin + int(job["seconds"] * 1e9)
        i = 0
        while i < calls and last < end:
            call(i)
            now = now_ns()
            times.append(now - last)
            last = now
            i += 1
        series.times = [max(ns - self.clock, 0) for ns in times]
        return series

    def stored(self, job, count):
        chance = random.Random(job["seed"])
        return [(n, key_of(n)) for n in (chance.randrange(job["entries"]) for _ in range(count))]

    def fresh(self, job, count):
        first = job["entries"] + self.used
        self.used += count
        return [(n, key_of(n)) for n in range(first, first + count)]

    def look(self, number, key, values):
        expect(values.belongs(self.cache.get(key), number), f"not the value of {key}")

    def prepare(self, job):
        values = Values(job["value"])
        most = max(1, min(FILL_BATCH, (8 << 20) // job["value"]))
        numbers = fill_order(job["entries"])
        for at in range(0, len(numbers), most):
            with self.cache.transact():
                for n in numbers[at:at + most]:
                    self.cache.set(key_of(n), values.next_of(n))
        for number, key in self.stored(job, BATCH):
            self.look(number, key, values)
        return []

    def read(self, work, job, keys, calls):
        values = Values(job["value"])
        get, belongs, count = self.cache.get, values.belongs, len(keys)

        def call(i):
            number, key = keys[i % count]
            if not belongs(get(key), number):
                expect(False, f"not the value of {key}")

        return [self.timed(work, job, calls, call)]

    def get_hot(self, job):
        keys = self.stored(job, min(HOT_KEYS, job["entries"]))
        values = Values(job["value"])
        for number, key in keys:
            self.look(number, key, values)
        return self.read("get, hot", job, keys, job["calls"])

    def get_cold(self, job):
        chance = random.Random(job["seed"])
        numbers = chance.sample(range(job["entries"]), min(job["calls"], job["entries"] // 2))
        return self.read("get, cold", job, [(n, key_of(n)) for n in numbers], len(numbers))

    def get_miss(self, job):
        first = ABSENT + job["seed"] * job["calls"]
        keys = [key_of(first + i) for i in range(job["calls"])]
        return [self.timed("get, miss", job, len(keys),
                           lambda i: expect(self.cache.get(keys[i]) is None, "a value for a key that is not there"))]

    def set_all(self, work, job, keys):
        values = Values(job["value"])
        last = None

        def call(i):
            nonlocal last
            number, key = keys[i]
            last = values.next_of(number)
            self.cache.set(key, last)

        series = self.timed(work, job, len(keys), call)
        expect(self.cache.get(keys[len(series.times) - 1][1]) == last, "the value written last is not what is read")
        return series

    def overwrite(self, job):
        return [self.set_all("set, overwrite", job, self.stored(job, job["calls"]))]

    def set_new(self, job):
        keys = self.fresh(job, job["calls"])
        stored = self.set_all("set, new", job, keys)
        keys = keys[: len(stored.times)]
        random.Random(job["seed"]).shuffle(keys)
        erased = self.timed("delete", {**job, "seconds": 60}, len(keys),
                            lambda i: expect(self.cache.delete(keys[i][1]), "nothing there to delete"))
        expect(self.cache.get(keys[0][1]) is None, "a value that was deleted")
        return [stored, erased]

    def add_erase(self, job):
        values = Values(job["value"])
        keys = self.fresh(job, job["calls"])
        expect(not self.cache.add(key_of(0), values.next_of(0)), "an add in the place of a value")

        def call(i):
            number, key = keys[i]
            expect(self.cache.add(key, values.next_of(number)), "no add where there is nothing")
            expect(self.cache.delete(key), "nothing there to delete")

        return [self.timed("add + delete", job, len(keys), call)]

    def batch(self, job):
        values = Values(job["value"])
        calls = max(job["calls"] // BATCH, 1)
        keys = self.stored(job, calls * BATCH)

        def call(i):
            with self.cache.transact():
                for number, key in keys[i * BATCH:(i + 1) * BATCH]:
                    self.cache.set(key, values.next_of(number))

        series = self.timed("100 sets in one transaction", job, calls, call)
        self.look(*keys[len(series.times) * BATCH - 1], values)
        return [series]

    def ycsb(self, job):
        letter = job["work"][-1]
        reads = {"a": 0.5, "b": 0.95, "c": 1, "d": 0.95, "f": 0.5}[letter]
        entries = job["entries"]
        zipf = self.zipf.setdefault(entries, Zipf(entries))
        chance = random.Random(job["seed"])
        values = Values(job["value"])
        first, inserted, steps = entries + self.used, 0, []
        for _ in range(job["calls"]):
            read = chance.random() < reads
            rank = zipf(chance)
            if letter != "d":
                number = mix(rank) % entries
            elif not read:
                number, inserted = first + inserted, inserted + 1
            else:
                number = first + inserted - 1 - rank if rank < inserted else entries - 1 - (rank - inserted)
            steps.append((read, number, key_of(number)))
        self.used += inserted

        def call(i):
            read, number, key = steps[i]
            if read or letter == "f":
                self.look(number, key, values)
            if not read:
                self.cache.set(key, values.next_of(number))

        series = self.timed(f"YCSB {letter.upper()}", job, len(steps), call)
        if letter == "d":
            for read, _, key in steps[: len(series.times)]:
                expect(read or self.cache.delete(key), "nothing there to delete")
        return [series]

    def open(self, job):
        series = Series("open + get")
        values = Values(job["value"])
        for number, key in self.stored(job, min(OPENINGS, job["calls"])):
            self.cache.close()
            begin = now_ns()
            self.open_cache()
            found = self.cache.get(key)
            series.times.append(now_ns() - begin)
            expect(values.belongs(found, number), f"not the value of {key}")
        return [series]

    def evict(self, job):
        values = Values(job["value"])
        place = self.directory / "tagged"
        with diskcache.Cache(str(place), size_limit=1 << 50, tag_index=True) as cache:
            with cache.transact():
                for n in range(TAGGED, TAGGED + job["calls"]):
                    cache.set(key_of(n), values.next_of(n), tag="tag")
            begin = now_ns()
            count = cache.evict("tag")
            took = now_ns() - begin
            expect(count == job["calls"], "not all that have the tag were evicted, or more")
            expect(cache.get(key_of(TAGGED)) is None, "a value that was evicted")
        shutil.rmtree(place)
        return [Evicted(count, took)]

    def lock_pair(self, job):
        def pair(_):
            self.lock.acquire()
            self.lock.release()

        pair(0)
        return [self.timed("lock + unlock", job, job["calls"], pair)]

    @staticmethod
    def period(job):
        begin = max(job["begin"], now_ns())
        time.sleep(max(job["begin"] - now_ns(), 0) / 1e9)
        return begin + WARM_UP_NS, begin + WARM_UP_NS + int(job["seconds"] * 1e9)

    def mixed(self, job):
        keys = self.stored(job, STEPS)
        chance = random.Random(job["seed"])
        choices = [chance.random() for _ in range(STEPS)]
        values = Values(job["value"])
        series = Series("mixed 90/9/1")
        begin, end = self.period(job)
        last, i = now_ns(), 0
        while last < end or not series.times:
            number, key = keys[i]
            if choices[i] < 0.9:
                found = self.cache.get(key)
                if found is not None and not values.belongs(found, number):
                    expect(False, f"not the value of {key}")
            elif choices[i] < 0.99:
                self.cache.set(key, values.next_of(number))
            else:
                self.cache.delete(key)
            now = now_ns()
            if now >= begin:
                series.times.append(max(now - last - self.clock, 0))
            last, i = now, (i + 1) % STEPS
        series.wall = max(last, end) - begin
        return [series]

    def locks(self, job):
        series = Series("one lock")
        with open(job["guarded"], "r+b") as file, mmap.mmap(file.fileno(), 8) as guarded:
            begin, end = self.period(job)
            while (asked := now_ns()) < end or not series.times:
                self.lock.acquire()
                granted = now_ns()
                (seen,) = struct.unpack_from("<Q", guarded)
                while now_ns() - granted < job["hold"] * 1000:
                    pass
                struct.pack_into("<Q", guarded, 0, seen + 1)
                self.lock.release()
                series.guarded += 1
                if granted >= begin:
                    series.times.append(granted - asked)
        series.wall = max(asked, end) - begin
        return [series]


WORKS = {"prepare": Workshop.prepare, "get hot": Workshop.get_hot, "get cold": Workshop.get_cold,
         "get miss": Workshop.get_miss, "overwrite": Workshop.overwrite, "set new": Workshop.set_new,
         "add erase": Workshop.add_erase, "batch": Workshop.batch, "open": Workshop.open, "evict": Workshop.evict,
         "lock pair": Workshop.lock_pair, "mixed": Workshop.mixed, "locks": Workshop.locks,
         **{f"ycsb {letter}": Workshop.ycsb for letter in "abcdf"}}


def answer(line):
    print(json.dumps(line), flush=True)


def main():
    try:
        workshop = Workshop(sys.argv[1])
        answer({"version": f"{diskcache.__version__}, Python {sys.version.split()[0]}"})
        for line in sys.stdin:
            job = json.loads(line)
            answer({"series": [series.line() for series in WORKS[job["work"]](workshop, job)]})
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # whoever asked is told, whatever it is
        answer({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
