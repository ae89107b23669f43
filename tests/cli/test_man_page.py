# SPDX-License-Identifier: Apache-2.0
"""docs/dcache.1 tells what the binary's help tells: the same verbs, arguments, options, exit codes and variables."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import help_pages

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "dcache.1"
SECTIONS = {}
for part in re.split(r"^\.Sh ", PAGE.read_text(), flags=re.M)[1:]:
    SECTIONS[part.split("\n", 1)[0]] = part.split("\n")[1:]


def option_of(line):
    """".It Fl t , Fl -tag Ar TAG" -> an Option."""
    names, _, value = line.removeprefix(".It Fl ").partition(" Ar ")
    return help_pages.Option(tuple("-" + name for name in names.split(" , Fl ")), value)


def items(lines, mark):
    return [line for line in lines if line.startswith(f".It {mark} ")]


def usage_of(text):
    """"KEY Op Ar VALUE" -> ("KEY", "[VALUE]"), as the help has it."""
    words = text.replace(" ...", "...").replace("Fl - Ar ", "--\0").split(" ")
    found, optional = [], False
    for word in words:
        if word == "Op":
            optional = True
        elif word not in ("", "Ar"):
            found.append(f"[{word}]" if optional else word)
    return tuple(word.replace("\0", " ") for word in found)


def verbs_on_page():
    """Name -> (aliases, arguments, options, section)."""
    found = {}
    for title, lines in SECTIONS.items():
        for line in lines:
            if line.startswith(".It Ic "):
                text = line.removeprefix(".It Ic ")
                names, arguments = re.match(r"((?:[a-z,]|\s(?!Ar|Op|Fl))+)\s?(.*)", text).groups()
                name, *aliases = names.strip().split(" , ")
                found[name] = (tuple(aliases), usage_of(arguments), [], title)
            elif line.startswith(".It Fl ") and found and title != "DESCRIPTION":
                found[name][2].append(option_of(line))
    return found


def test_it_has_the_verbs_of_the_help():
    page, real = verbs_on_page(), help_pages.verbs()
    assert not real.keys() - page.keys(), f"docs/dcache.1 lacks {sorted(real.keys() - page.keys())}"
    assert not page.keys() - real.keys(), f"docs/dcache.1 has verbs that dcache has not: {sorted(page.keys() - real.keys())}"
    for name, (aliases, arguments, _, title) in page.items():
        assert (title, aliases) == (real[name].group.upper(), real[name].aliases), f"docs/dcache.1: {name}"
        assert arguments == real[name].arguments, f"docs/dcache.1: the arguments of {name}"


def test_it_has_the_options_of_the_help():
    page = {name: options for name, (_, _, options, _) in verbs_on_page().items()}
    page["(all verbs)"] = [option_of(line) for line in items(SECTIONS["DESCRIPTION"], "Fl")]
    real = {name: verb.options for name, verb in help_pages.verbs().items()} | {"(all verbs)": help_pages.globals_()}
    for name, options in real.items():
        lacks, extra = set(options) - set(page[name]), set(page[name]) - set(options)
        assert not lacks, f"docs/dcache.1: {name} lacks {sorted(map(str, lacks))}"
        assert not extra, f"docs/dcache.1: {name} has options that dcache has not: {sorted(map(str, extra))}"


def test_it_tells_which_options_may_be_repeated():
    for name, verb in help_pages.verbs().items():
        repeated = {left.split(" ")[0].rstrip(",") for left, right in
                    help_pages.items(help_pages.sections(help_pages.text(*name.split())).get("Options", []))
                    if right.endswith("(may be repeated)")}
        section = "\n".join(SECTIONS[verb.group.upper()])
        part = re.search(rf"^\.It Ic {name}\b.*?(?=^\.It Ic |\Z)", section, re.S | re.M).group()
        told = {option_of(item.split("\n")[0]).names[0] for item in re.split(r"^(?=\.It Fl )", part, flags=re.M)
                if item.startswith(".It Fl ") and "May be repeated." in item}
        assert told == repeated, f"docs/dcache.1: {name}"


def test_it_has_the_exit_codes_of_the_help():
    page = [int(line.split()[1]) for line in SECTIONS["EXIT STATUS"] if line.startswith(".It ")]
    assert page == sorted(help_pages.exit_codes()) and len(page) > 8


def test_it_names_the_variables():
    page = set(re.findall(r"[A-Z][A-Z_]{3,}", "\n".join(items(SECTIONS["ENVIRONMENT"], "Ev"))))
    child = set(re.findall(r"DCACHE_LOCK_\w+", help_pages.text("lock", "run")))
    assert page == help_pages.environment() | child | {"XDG_CACHE_HOME", "HOME"} and child


def test_its_examples_name_verbs():
    lines = [line for line in SECTIONS["EXAMPLES"] if line.startswith(".Dl $ ")]
    assert len(lines) > 5
    for line in lines:
        words = line.removeprefix(".Dl $ ").split()
        assert words[0] == "dcache" and words[1] in help_pages.first_words(), line


@pytest.mark.parametrize("tool", [["mandoc", "-Tlint", "-Wwarning"], ["groff", "-mandoc", "-ww", "-z", "-Tutf8"],
                                  ["man", "--warnings", "-l"]], ids=lambda tool: tool[0])
def test_it_renders_without_a_warning(tool):
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not installed")
    done = subprocess.run([*tool, str(PAGE)], capture_output=True, text=True, check=False,
                          env=os.environ | {"LC_ALL": "C.UTF-8", "MANPAGER": "cat"})
    assert done.stderr == "" and (tool[0] != "mandoc" or done.stdout == "")
    if tool[0] == "man":
        for word in ["lock run KEY [-- COMMAND ...]", "EXIT STATUS", "DCACHE_LOCK_FENCE"]:
            assert word in done.stdout
