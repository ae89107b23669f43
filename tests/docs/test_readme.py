# SPDX-License-Identifier: Apache-2.0
"""The examples in README.md compile, run, and print what README says."""

import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(os.environ["DCACHE_SOURCE"])
README = (ROOT / "README.md").read_text()


def block(heading: str, language: str) -> str:
    section = README.split(f"## {heading}\n", 1)[1]
    match = re.search(rf"```{language}\n(.*?)```", section, re.S)
    assert match, f"no {language} block under {heading}"
    return match.group(1)


def test_the_cpp_example_compiles_and_prints_what_readme_says(tmp_path):
    source = tmp_path / "example.cpp"
    source.write_text(block("In C++", "cpp"))
    program = tmp_path / "example"
    command = os.environ["DCACHE_CXX"].split() + ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion",
        "-Wshadow", "-Werror", str(source), "-o", str(program)] + os.environ["DCACHE_FLAGS"].split()
    subprocess.run(command, check=True)
    done = subprocess.run([str(program)], cwd=tmp_path, check=True, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "Ada"
    assert lines[1] == "1"
    assert re.fullmatch(r"held by \d+-\d+", lines[2])
    assert lines[3] == "1 evicted"
    assert len(lines) == 4


def test_the_shell_example_runs(tmp_path):
    script = "set -e\n" + block("In a shell", "sh")
    path = os.path.dirname(os.environ["DCACHE_BIN"]) + os.pathsep + os.environ["PATH"]
    environment = dict(os.environ, PATH=path)
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    # `get` adds no newline when it does not write to a terminal.
    assert done.stdout.startswith("hello5\n")
    lines = done.stdout.splitlines()
    assert "working" in lines
    assert any("visits" in line for line in lines)
