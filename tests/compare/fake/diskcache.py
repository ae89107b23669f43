# SPDX-License-Identifier: Apache-2.0
"""Stands in for python-diskcache where a test wants a peer that is wrong in a way of its choice."""
import atexit
import contextlib
import os
import pathlib
import pickle
import time

__version__ = "0"
FAULT = os.environ["FAKE_FAULT"]


class Cache:
    """A dict that is kept in a file when its process ends."""

    def __init__(self, directory, **settings):
        self.file = pathlib.Path(directory) / "values"
        self.values = pickle.loads(self.file.read_bytes()) if self.file.exists() else {}
        self.filling = False
        self.gets = 0
        atexit.register(self.close)

    def get(self, key):
        if FAULT == "another's":
            key = next(iter(self.values))
        self.gets += 1
        if FAULT == "sleeps" and self.gets % 20 == 0:
            time.sleep(0.002)
        return self.values.get(key)

    def set(self, key, value, tag=None):
        if FAULT != "forgets" or key in self.values or self.filling:
            self.values[key] = value

    def add(self, key, value):
        if key in self.values and FAULT != "adds twice":
            return False
        self.values[key] = value
        return True

    def delete(self, key):
        if FAULT == "keeps":
            return key in self.values
        return self.values.pop(key, None) is not None

    @contextlib.contextmanager
    def transact(self):
        self.filling = True
        yield
        self.filling = False
        self.close()

    def evict(self, tag):
        count = len(self.values)
        if FAULT != "keeps":
            self.values.clear()
        return count

    def close(self):
        if self.file.parent.parent.exists():
            self.file.parent.mkdir(exist_ok=True)
            draft = self.file.with_suffix(".draft")
            draft.write_bytes(pickle.dumps(self.values))
            draft.rename(self.file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Lock:
    """One that excludes nobody."""

    def __init__(self, cache, key):
        pass

    def acquire(self):
        pass

    def release(self):
        pass
