# SPDX-License-Identifier: Apache-2.0
"""The example of async.hpp, if there is Asio, writes what is said beside it, and README's is made of the same calls."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(os.environ["DCACHE_SOURCE"])


def test_the_example_writes_what_it_should(tmp_path):
    program = pathlib.Path(os.environ.get("DCACHE_EXAMPLES", "")) / "async"
    if not os.environ.get("DCACHE_EXAMPLES") or not program.exists():
        pytest.skip("the example is not built")
    done = subprocess.run([program, tmp_path / "cache"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    assert done.stdout == (ROOT / "examples" / "async.txt").read_text()


def test_readme_shows_the_example():
    shown = (ROOT / "README.md").read_text().split("## With Asio\n", 1)[1].split("```")[1]
    example = (ROOT / "examples" / "async.cpp").read_text()
    assert shown.removeprefix("cpp\n").strip() in example
