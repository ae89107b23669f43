# SPDX-License-Identifier: Apache-2.0
"""What `dcache --help` and `dcache VERB --help` say, taken apart: the measure for man page and completions."""
import dataclasses
import functools
import os
import re
import subprocess


@dataclasses.dataclass(frozen=True)
class Option:
    names: tuple  # "-t", "--tag"
    value: str    # what stands for its value, or "" for a flag

    def __str__(self):
        return ", ".join(self.names) + (f" {self.value}" if self.value else "")


@dataclasses.dataclass(frozen=True)
class Verb:
    name: str
    aliases: tuple
    group: str
    summary: str
    arguments: tuple  # "KEY", "[VALUE]", "KEY...", "-- COMMAND..."
    options: tuple


@functools.cache
def text(*words):
    done = subprocess.run([os.environ["DCACHE_BIN"], *words, "--help"], check=True, capture_output=True, text=True)
    return done.stdout


def sections(page):
    """Title -> the lines below it that are indented."""
    found, title = {}, None
    for line in page.splitlines():
        if re.match(r"\S.*:$", line):
            title = line[:-1]
            found[title] = []
        elif title and line.startswith("  "):
            found[title].append(line[2:])
        elif line:
            title = None
    return found


def items(lines):
    """(left column, right column); what does not fit on the left has its right column on the next line."""
    found = []
    for line in lines:
        if line.startswith("  ") and found:
            found[-1][1] += (" " if found[-1][1] else "") + line.strip()
        else:
            left, _, right = line.partition("  ")
            found.append([left.strip(), right.strip()])
    return [tuple(item) for item in found]


def options_of(lines):
    found = []
    for left, _ in items(lines):
        names, _, value = left.replace(", -", ",-").partition(" ")
        found.append(Option(tuple(names.split(",")), value))
    return tuple(found)


def globals_():
    return options_of(sections(text())["Options, before or after the verb"])


def verb_page(name, aliases, group, summary):
    page = text(*name.split())
    usage = page.splitlines()[0].removeprefix(f"Usage: dcache {name}").split()
    arguments = " ".join(word for word in usage if word != "[OPTIONS]").replace("-- ", "--\0")
    return Verb(name, aliases, group, summary,
                tuple(word.replace("\0", " ") for word in arguments.split(" ") if word),
                options_of(sections(page).get("Options", [])))


@functools.cache
def verbs():
    """Of the real binary, by name; one of two words is "lock run"."""
    found = {}
    for title, lines in sections(text()).items():
        if title.startswith(("Examples", "Options", "Environment", "Output", "Exit status")):
            continue
        for left, summary in items(lines):
            name, *aliases = left.split(", ")
            found[name] = verb_page(name, tuple(aliases), title, summary)
    assert len(found) > 20 and sum(len(verb.options) for verb in found.values()) >= 28, "the form of the help has changed"
    return found


def first_words():
    """All that may stand where a verb is expected."""
    return {word for verb in verbs().values() for word in (verb.name.split()[0], *verb.aliases)} | {"help"}


def families():
    """First word -> second words."""
    found = {}
    for name in verbs():
        if " " in name:
            found.setdefault(name.split()[0], set()).add(name.split()[1])
    return found


def exit_codes():
    return {int(left): right for left, right in items(sections(text())["Exit status"]) if left.isdecimal()}


def environment():
    return {left for left, _ in items(sections(text())["Environment"])}
