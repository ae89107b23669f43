# SPDX-License-Identifier: Apache-2.0
"""Replays what a terminal showed: commands behind `$ ` (`> ` goes on with one), and what they print, compared line by
line. They run in one interactive bash on a terminal, in a directory of its own that is also HOME.

What varies is compared by what it is: a pid, an age in seconds, a fence. The same pid, owner, fence or session must be
the same throughout: they are numbered as they come. Spaces count as one in what has such a thing in it, since the
columns of a table depend on it. A line `...` stands for any lines.
With `statuses`, a command that fails must have its exit status in a line `[N]`.

To write one, write its commands, and let this fill in the rest, which is then to be read with care:
  DCACHE_BIN=build/gcc/tools/dcache/dcache python3 tests/support/transcript.py FILE.txt (or .md)
"""
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time

LIMIT = 30     # seconds for a command
PATIENCE = 10  # seconds until what a job in the background does must be seen
HOME = "/home/you"  # what texts call the directory

# What may be seen late, as it depends on a job in the background.
LOOKS = re.compile(r"dcache (locks|lock (ls|show|test))\b(?!.*--watch)")
# What bash says of jobs in the background: when it does is chance.
JOB_NOTICE = re.compile(r"\[\d+\][+-]? +(\d+$|(Done|Killed|Terminated|Exit|Running|Hangup)\b.*)")


def after(labels, pattern):
    return "|".join(f"(?<={label}){pattern}" for label in labels)


VARIES = [
    ("OWNER", r"\b\d+-\d+\b(?!-)"),
    ("FENCE", r"\b\d{16}\b"),
    ("ITEM", r"(?<=#)\d{19}\b"),
    ("SESSION", r"\b1:(?:[0-9a-f]+:){7}[0-9a-f]+\b"),
    ("FILE", r"\b[0-9a-f]{32}\b"),
    ("PID", after([r"\bpid:", r"\btid:"], r" +\d+") + "|" + after(['"pid":', '"tid":'], r"\d+")),
    ("*TIME", r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"),
    ("*AGE", r"\b\d+m?s\b"),
    ("*SECONDS", after([f'"{name}":' for name in ("age", "left", "lease_left", "since", "stored", "expires")], r"\d[\d.e-]*")),
    ("*VERSION", after([r"\bSQLite "], r"\d+\.\d+\.\d+")),
    ("*SIZE", r"\b\d+(?:\.\d)? [KMG]iB\b"),
]
PATTERN = re.compile("|".join(f"(?P<v{number}>{pattern})" for number, (_, pattern) in enumerate(VARIES)))


@dataclasses.dataclass
class Step:
    line: int  # where the command stands, from 1
    command: str
    output: list = dataclasses.field(default_factory=list)
    status: int = 0


def read_steps(lines, first_line=1, statuses=False):
    """The steps of a session; what stands before its first command is a comment."""
    steps = []
    for number, line in enumerate(lines, first_line):
        if line.startswith("$ "):
            steps.append(Step(number, line[2:]))
        elif line.startswith("> ") and steps and not steps[-1].output:
            steps[-1].command += "\n" + line[2:]
        elif statuses and steps and re.fullmatch(r"\[\d+\]", line):
            steps[-1].status = int(line[1:-1])
        elif steps and not JOB_NOTICE.fullmatch(line):
            steps[-1].output.append(line)
    for step in steps:
        while step.output and not step.output[-1]:  # between two commands an empty line is for the eye
            step.output.pop()
    return steps


def blocks_of(text):
    """The ```console blocks of a page: (line of the first one inside, from 1; the lines)."""
    found, inside = [], None
    for number, line in enumerate(text.split("\n"), 1):
        if inside is None and line == "```console":
            inside = (number + 1, [])
        elif inside is not None and line == "```":
            found.append(inside)
            inside = None
        elif inside is not None:
            inside[1].append(line)
    assert inside is None, "a block does not end"
    return found


class Names:
    """Numbers what varies, in the order in which it comes."""

    def __init__(self):
        self.known = {}

    def mask(self, lines):
        """The lines with names in place of what varies."""
        varies = False

        def name(match):
            nonlocal varies
            varies = True
            kind = VARIES[int(match.lastgroup[1:])][0]
            if kind.startswith("*"):
                return kind
            numbers = self.known.setdefault(kind, {})
            return kind + str(numbers.setdefault(match.group().strip(), len(numbers) + 1))

        masked = [PATTERN.sub(name, line) for line in lines]
        return [re.sub(r" +", " ", line) for line in masked] if varies else masked

    def copy(self):
        other = Names()
        other.known = {kind: dict(numbers) for kind, numbers in self.known.items()}
        return other


def matches(expected, shown):
    """Whether the lines are the same, `...` being any number of them."""
    if "..." not in expected:
        return expected == shown
    at = expected.index("...")
    rest = expected[at + 1:]
    return expected[:at] == shown[:at] and any(matches(rest, shown[skip:]) for skip in range(at, len(shown) + 1))


class Terminal:
    """An interactive bash. `run(command)` returns (what was shown, the exit status)."""

    PROMPT = "<prompt {}>"

    def __init__(self, home, binary):
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(("DCACHE_", "XDG_", "LC_", "LANG"))}
        env |= {"HOME": str(home), "TZ": "UTC", "LC_ALL": "C.UTF-8", "TERM": "dumb", "NO_COLOR": "1", "HISTFILE": "",
                "PATH": os.path.dirname(binary) + os.pathsep + env["PATH"], "PS1": self.PROMPT.format("$?"), "PS2": ""}
        self.home = home
        self.master, slave = pty.openpty()
        mode = termios.tcgetattr(slave)
        mode[1] &= ~termios.OPOST
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "--noediting", "-i"], stdin=slave, stdout=slave, stderr=slave, cwd=home,
            env=env, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.until_prompt()

    def until_prompt(self):
        shown, end = b"", time.monotonic() + LIMIT
        while not (found := re.search(rb"<prompt (\d+)>$", shown)):
            assert time.monotonic() < end, f"no prompt after {shown!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                shown += os.read(self.master, 65536)
        return shown[:found.start()].decode("utf-8", "strict"), int(found.group(1))

    def run(self, command):
        os.write(self.master, command.encode() + b"\n")
        shown, status = self.until_prompt()
        shown = shown.replace(str(self.home), HOME)
        # A bar of progress, which comes if the machine is slow, is overwritten by what follows it.
        lines = [line.rpartition("\r")[2] for line in shown.split("\n")]
        if lines[-1] == "":
            lines.pop()
        else:
            lines[-1] += "(no newline)"
        return [line for line in lines if not JOB_NOTICE.fullmatch(line)], status

    def close(self):
        """Ends the shell and the jobs it has left in the background."""
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if int(entry.read_text().rpartition(")")[2].split()[3]) == self.process.pid:
                    os.kill(int(entry.parent.name), signal.SIGKILL)
        self.process.wait()
        os.close(self.master)


def replay(steps, home, binary, name, statuses=False):
    """Runs the steps and compares; the first difference is an AssertionError that says where it is."""
    assert steps, f"{name} has no commands"
    terminal = Terminal(home, binary)
    expected_names, shown_names = Names(), Names()
    try:
        for step in steps:
            expected = expected_names.mask(step.output)
            end = time.monotonic() + (PATIENCE if LOOKS.search(step.command) else 0)
            while True:
                shown, status = terminal.run(step.command)
                names = shown_names.copy()
                good = matches(expected, names.mask(shown)) and (not statuses or status == step.status)
                if good or time.monotonic() > end:
                    break
                time.sleep(0.05)
            ends = f"\nends with {status}, and should with {step.status}" if statuses and status != step.status else ""
            assert good, f"{name}:{step.line}: $ {step.command}\nshows\n" + "\n".join(shown) + "\nand should show\n" + \
                "\n".join(step.output) + ends
            shown_names = names
    finally:
        terminal.close()


def filled_in(lines, terminal, statuses):
    """The lines of a session with what its commands show now."""
    steps = read_steps(lines)
    shown = lines[:steps[0].line - 1] if steps else lines
    for step in steps:
        if LOOKS.search(step.command):
            time.sleep(0.3)
        output, status = terminal.run(step.command)
        if step is not steps[0] and not lines[step.line - 2]:
            shown.append("")
        shown += ["$ " + step.command.replace("\n", "\n> "), *(step.output if "..." in step.output else output)]
        shown += [f"[{status}]"] if status and statuses else []
    return shown


def fill_in(file, binary):
    """Prints a file with what its commands show now; what was there with a line `...` stays."""
    text = pathlib.Path(file).read_text()
    lines = text.rstrip("\n").split("\n")
    with tempfile.TemporaryDirectory() as home:
        terminal = Terminal(home, binary)
        if not file.endswith(".md"):
            print("\n".join(filled_in(lines, terminal, statuses=True)))
        else:
            at = 0
            for first, block in blocks_of(text):
                print("\n".join(lines[at:first - 1] + filled_in(block, terminal, statuses=False)))
                at = first - 1 + len(block)
            print("\n".join(lines[at:]))
        terminal.close()


if __name__ == "__main__":
    fill_in(sys.argv[1], os.path.abspath(os.environ["DCACHE_BIN"]))
