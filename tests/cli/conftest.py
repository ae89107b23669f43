# SPDX-License-Identifier: Apache-2.0
"""Drives the real binary, whose path is in DCACHE_BIN. Each test has a directory of its own."""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import tempfile
import termios
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))

import pytest

BINARY = os.environ["DCACHE_BIN"]
LIMIT = 60  # seconds for anything that should end by itself

# Under nohup(1) it would be ignored here, and so in every process that a test starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.out!r}\nstderr: {self.err!r}"


class Dcache:
    """`dcache(words...)` runs the command on the test's own cache and returns what came of it."""

    def __init__(self, base):
        self.base = base
        self.dir = base / "cache"
        # Nothing of the caller's may leak in: no cache of his, no signal dispositions of his.
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith(("DCACHE_", "XDG_"))}
        self.env |= {"HOME": str(base / "home"), "TZ": "UTC", "DCACHE_DIR": str(self.dir)}
        self.started = []
        self.more = {}  # for every subprocess

    def __call__(self, *words, input=b"", env=None, **more):
        if isinstance(input, str):
            input = input.encode()
        if "stdin" not in more:
            more["input"] = input
        more.setdefault("stdout", subprocess.PIPE)
        done = subprocess.run([BINARY, *words], stderr=subprocess.PIPE, env=self.env | (env or {}),
                              timeout=LIMIT, check=False, **self.more, **more)
        return Result(done.returncode, done.stdout, done.stderr.decode("utf-8", "strict"))

    def start(self, *words, **more):
        """Starts it and comes back; what still runs at the end of the test is killed with its children."""
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        env = self.env | more.pop("env", {})
        process = subprocess.Popen([BINARY, *words], env=env, start_new_session=True, **more)
        self.started.append(process)
        return process

    def hold(self, key, *options, command=("sleep", "60"), **more):
        """Starts `lock run` and waits until its command runs."""
        flag = self.base / f"held-{len(self.started)}"
        process = self.start("lock", "run", *options, "--", key, "--", "sh", "-c",
                             'touch "$0"; exec "$@"', str(flag), *command, **more)
        wait_until(flag.exists)
        return process

    def finish(self):
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def kill(process):
    """Kills `dcache` itself and not its command, which may keep a lock (not with -o)."""
    process.send_signal(signal.SIGKILL)
    process.wait(20)


def wait_until(condition, limit=20):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Terminal:
    """The command on a terminal of its own; `until(text)` reads what it shows."""

    def __init__(self, dcache, *words, **streams):
        self.master, slave = pty.openpty()
        given = {"stdin": slave, "stdout": slave, "stderr": slave} | streams
        # With a session of its own, which start() gives it, this makes Ctrl-C work.
        self.process = dcache.start(*words, preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0), **given)
        os.close(slave)
        self.shown = b""

    def read(self, limit=0.2):
        if select.select([self.master], [], [], limit)[0]:
            with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
                self.shown += os.read(self.master, 4096)
                return True
        return False

    def until(self, text):
        wait_until(lambda: text in self.shown or (self.read() and text in self.shown))

    def type(self, text):
        os.write(self.master, text)

    def end(self):
        code = self.process.wait(LIMIT)
        while self.read(0):
            pass
        os.close(self.master)
        return code


@pytest.fixture
def modest():
    """A `dcache` that may not do everything: if the tests run as root, its commands run as nobody."""
    with tempfile.TemporaryDirectory() as base:
        tool = Dcache(pathlib.Path(base))
        if os.geteuid() == 0:
            os.chown(base, 65534, 65534)
            tool.more = {"user": 65534, "group": 65534, "extra_groups": []}
        try:
            tool("--version")
        except PermissionError:
            pytest.skip("nobody cannot get at the command")
        yield tool
        tool.finish()
        for path in [tool.dir, tool.dir / "cache.db"]:
            if path.exists():
                path.chmod(0o700)


@pytest.fixture
def dcache(tmp_path):
    tool = Dcache(tmp_path)
    yield tool
    tool.finish()
