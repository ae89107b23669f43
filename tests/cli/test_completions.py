# SPDX-License-Identifier: Apache-2.0
"""TAB pressed in real shells: verbs and options are those of the binary's help, names come from the cache, and no
name, however odd, does anything but be completed."""
import os
import pathlib
import re
import shutil

import pytest

import help_pages
from conftest import BINARY
from shells import COMPLETIONS, SHELLS

# What a place on the command line is completed with. A new name in a usage line has to be entered here.
KINDS = {"KEY": "key", "PREFIX": "key", "TAG": "tag", "VALUE": None, "DELTA": None, "FILE": "file", "SETTING": "setting",
         "-- COMMAND": None, "QUEUE": None, "TOKEN": None}
IN_GROUP = {"Locks": {"KEY": "lock", "PREFIX": "lock"}, "Commands": {"KEY": None}}

NAMES = {"key": {"greeting", "user:1", "user:2"}, "tag": {"eu", "pages-a", "pages-b"}, "lock": {"report", "nightly:db"},
         "file": {"input-of-mine"}, "setting": {"size_limit", "policy", "shards"}}
LINES = [f"dcache {name}" for verb in help_pages.verbs().values() for name in (verb.name, *verb.aliases)]


@pytest.fixture(params=SHELLS)
def shell(request, dcache):
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    opened = SHELLS[request.param](dcache.base, with_path(dcache.env))
    yield opened
    opened.close()


@pytest.fixture
def filled(dcache):
    for key in NAMES["key"]:
        dcache("set", key, "v", *(word for tag in NAMES["tag"] for word in ("--tag", tag)))
    for key in NAMES["lock"]:
        dcache.hold(key)
    for name in NAMES["file"]:
        (dcache.base / name).touch()
    return dcache


def with_path(env):
    return env | {"PATH": os.path.dirname(BINARY) + os.pathsep + env["PATH"]}


def compare(shell, where, offered, wanted):
    offered, wanted = set(offered), set(wanted)
    file = f"tools/completions/{shell.file}"
    assert not wanted - offered, f"{file}: after `{where}`, add {sorted(wanted - offered)}"
    assert not offered - wanted, f"{file}: after `{where}`, take out {sorted(offered - wanted)}"


def verb_on(line):
    """The page of the verb that `line` ends with."""
    name = line.removeprefix("dcache ")
    return next(verb for verb in help_pages.verbs().values() if name in (verb.name, *verb.aliases))


def test_verbs_are_those_of_the_help(shell):
    compare(shell, "dcache", shell.press_tab("dcache ")[0], help_pages.first_words())
    compare(shell, "dcache help", shell.press_tab("dcache help ")[0], help_pages.first_words())
    for family, verbs in help_pages.families().items():
        compare(shell, f"dcache {family}", shell.press_tab(f"dcache {family} ")[0], verbs)


def test_options_are_those_of_the_help(shell):
    for line, own in [("dcache", ()), *((line, verb_on(line).options) for line in LINES)]:
        wanted = [name for option in (*own, *help_pages.globals_()) for name in option.names]
        offered = shell.press_tab(f"{line} -")[0] + shell.press_tab(f"{line} --")[0]
        compare(shell, line, (name.removesuffix("=") for name in offered), wanted)


def kind_of(verb):
    """What the verb's first argument is completed with."""
    place = verb.arguments[0].strip("[].") if verb.arguments else None
    assert place is None or place in KINDS, f"tests/cli/test_completions.py: KINDS does not say what {place} is"
    return place and IN_GROUP.get(verb.group, KINDS).get(place, KINDS[place])


def test_options_take_a_value_where_they_do(shell, filled):
    """Behind a flag comes the first argument, behind an option that takes a value, after the value."""
    for line in LINES:
        verb = verb_on(line)
        if kind_of(verb) is None:
            continue
        everywhere = help_pages.globals_() if line in ("dcache get", "dcache lock show") else ()
        for option in (*verb.options, *everywhere):
            if "--help" in option.names or "--version" in option.names:
                continue
            name = sorted(NAMES[kind_of(verb)])[0]
            for option_name in option.names:
                value = f" {filled.dir}" if option.value == "DIR" else " 1" if option.value else ""
                start = f"{line} {option_name}{value} "
                assert shell.completed(start + name[:-1]).rstrip() == start + name, \
                    f"tools/completions/{shell.file}: `{line} {option_name}` is {option}"


def test_fish_knows_which_options_take_a_value():
    """It asks for the value of an option marked -x (or -r), and offers the next argument behind all others."""
    values = {name: bool(option.value) for verb in help_pages.verbs().values()
              for option in (*verb.options, *help_pages.globals_()) for name in option.names}
    lines = [line for line in (COMPLETIONS / "dcache.fish").read_text().splitlines() if " -l " in line and line.startswith("complete")]
    assert len(lines) > 20
    for line in lines:
        name = "--" + re.search(r" -l (\S+)", line).group(1)
        assert bool(re.search(r" -[xr]\b", line)) == values[name], f"tools/completions/dcache.fish: {line}"


def test_arguments_are_completed_with_what_they_are(shell, filled):
    for line in LINES:
        kind = kind_of(verb_on(line))
        if kind == "file":  # there are others, and bash itself offers them
            assert shell.completed(f"{line} input-").rstrip() == f"{line} input-of-mine"
            assert shell.completed(f"{line} gree") == f"{line} gree"
            continue
        # Where no argument is possible, zsh offers options.
        offered = {offer for offer in shell.press_tab(f"{line} ")[0] if not offer.startswith("-")}
        compare(shell, line, offered, NAMES[kind] if kind else set())


def test_a_name_is_completed_as_far_as_it_is_common(shell, filled):
    assert shell.completed("dcache get gr").rstrip() == "dcache get greeting"
    assert shell.completed("dcache get us") == "dcache get user:"
    assert shell.completed("dcache lock show nightly:").rstrip() == "dcache lock show nightly:db"
    assert shell.completed("dcache delete greeting user:1 gr").rstrip() == "dcache delete greeting user:1 greeting"
    assert shell.completed("dcache get greeting gr").rstrip() == "dcache get greeting gr"
    assert shell.completed("dcache set k v --tag pag") == "dcache set k v --tag pages-"
    assert shell.completed("dcache set k v --tag=pag") == "dcache set k v --tag=pages-"
    assert shell.completed("dcache --json -q --timeout 5s get gr").rstrip().endswith(" greeting")
    assert shell.completed("dcache get -- gr").rstrip() == "dcache get -- greeting"


def test_columns_are_those_of_the_help(shell):
    text = help_pages.text("lock", "ls").replace("\n", " ")
    columns = re.search(r"Columns for -o: (.*?)\.", text).group(1).split(", ")
    assert len(columns) > 15
    for start in ["dcache lock ls -o ", "dcache locks --columns "]:
        compare(shell, start, shell.press_tab(start)[0], columns)
        assert shell.completed(start + "key,ow").rstrip(" ,") == start + "key,owner"
    assert shell.completed("dcache locks -o +ses").rstrip(" ,") == "dcache locks -o +session"


@pytest.mark.parametrize("start, words", [("dcache ls --sort ", {"inserted", "key", "stored", "size", "expires"}),
                                          ("dcache ls -s ", {"inserted", "key", "stored", "size", "expires"}),
                                          ("dcache --color ", {"auto", "always", "never"})])
def test_the_words_of_an_option_are_offered(shell, start, words):
    option = start.split()[-1]
    told = next(right for page in [help_pages.text("ls"), help_pages.text()] for left, right in
                help_pages.items([line for lines in help_pages.sections(page).values() for line in lines])
                if left.startswith("-") and option in left.replace(",", "").split())
    assert all(word in told for word in words)
    compare(shell, start, shell.press_tab(start)[0], words)


def test_a_command_is_completed_behind_lock_run(shell, filled):
    assert shell.completed("dcache lock run report -- mktem").rstrip() == "dcache lock run report -- mktemp"
    assert shell.completed("dcache lock run report -- cat inp").rstrip().endswith(" cat input-of-mine")
    assert shell.completed("dcache lock run report -- cat --").rstrip().endswith(" cat --")


def test_the_directory_may_be_named_in_every_way(shell, dcache):
    home = pathlib.Path(dcache.env["HOME"])
    home.mkdir(exist_ok=True)
    for number, (name, word) in enumerate([("plain", str(home / "plain")), ("with space", f"'{home}/with space'"),
                                           ("back slash", f"{home}/back\\ slash"), ("tilde", "~/tilde")]):
        dcache("--dir", str(home / name), "set", f"found-{number}", "v")
        for line in [f"dcache --dir {word} get fou", f"dcache get --dir {word} fou"]:
            assert shell.completed(line).rstrip() == f"{line}nd-{number}"
    line = f"dcache --dir={home}/plain get fou"
    assert shell.completed(line).rstrip() == line + "nd-0"
    assert shell.completed("dcache get fou") == "dcache get fou"  # DCACHE_DIR names another one


def test_tab_makes_no_cache(shell, dcache):
    for line in ["dcache get ", "dcache lock run ", "dcache evict ", f"dcache --dir {dcache.base}/other get "]:
        assert shell.press_tab(line)[0] == []
    assert not dcache.dir.exists() and not (dcache.base / "other").exists()


def test_no_more_than_200_names_are_offered(shell, dcache):
    script = 'for i in $(seq 250); do "$0" set "k$i" v || exit 1; done'
    assert dcache("lock", "run", "x", "--", "sh", "-c", script, BINARY).code == 0
    assert len(shell.press_tab("dcache get ")[0]) == 200


SHOWN = ["$(touch pwned)", "`touch pwned`", "x;touch pwned", "a b", "two  spaces", "it's", 'say "hi"', "star*", "what?",
         "[a-z]", "{a,b}", "~", "~root", "#no-comment", "bang!", "!!", "$HOME", "${IFS}", "a|b", "a&b", "a>pwned", "<x",
         "x:$(touch pwned)", "a b:c d", "user@host:x", "k=v w", "%F{red}", "-dash", "--json", "(x)", "Größe 日本", "^x",
         "trailing ", "\u00a0nbsp"]
HIDDEN = [b"\x1b[2Jx", b"two\nlines", b"tab\tbed", b"bell\x07", b"\xff\xfe", b"back\\slash", "\u202ertl".encode(),
          "\u009b2J".encode(), b"cr\rx"]


def test_odd_names_are_completed_to_one_word_and_do_nothing(shell, dcache):
    found = {}
    for number, name in enumerate(SHOWN):
        directory = dcache.base / f"cache-{number}"
        dcache("--dir", str(directory), "set", "--", name, f"value of {name}")
        words = ["--"] if name.startswith("-") else []
        for quote in ["", "'", '"']:
            line = " ".join(["dcache", "--dir", str(directory), "get", *words, quote])
            after = shell.completed(line)
            if after == line:  # a name that cannot stand so
                assert quote in name or "!" in name or "~" in name, line
                continue
            if shell.name == "zsh" and quote == '"' and "!" in name:
                continue  # its \\! is for interactive use alone
            found[after] = f"value of {name}".encode()
    assert dict(zip(found, shell.enter(found))) == found
    assert not (dcache.base / "pwned").exists()


def test_names_that_do_not_belong_on_a_terminal_are_left_out(shell, dcache):
    for number, name in enumerate(HIDDEN):
        directory = f"{dcache.base}/cache-{number}"
        dcache("--dir", directory, "set", name, "v", "--tag", b"t" + name)
        dcache.hold(name, env={"DCACHE_DIR": directory})
        for line in ["get ", "lock show ", "evict "]:
            line = f"dcache --dir {directory} {line}"
            assert shell.press_tab(line) == ([], line), name
        dcache("--dir", directory, "set", "plain", "v")
        assert shell.completed(f"dcache --dir {directory} get ").rstrip().endswith(" get plain"), name


def test_nothing_on_the_line_is_run(shell, filled):
    for line in ["dcache get $(touch pwned)", "dcache get `touch pwned`", 'dcache get "$(touch pwned)', "dcache --dir $(touch pwned) get ",
                 'dcache --dir "$(touch pwned)" get gr', "dcache --dir=`touch pwned` get ", "dcache $(touch pwned) ",
                 "dcache get ${x:=$(touch pwned)}", "dcache lock run x -- $(touch pwned) ", "$(touch pwned) dcache get "]:
        shell.press_tab(line)
    assert not (filled.base / "pwned").exists()
