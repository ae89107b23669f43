# SPDX-License-Identifier: Apache-2.0
"""Each row of docs/seeds.md names a test that exists, and the programs in examples/models write what is said there."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(os.environ["DCACHE_SOURCE"])
PAGE = (ROOT / "docs" / "seeds.md").read_text()
MODELS = sorted(path.stem for path in (ROOT / "examples" / "models").glob("*.cpp"))
SHOWN = re.findall(r"^\|.*\| `(tests/[\w/]+\.(?:cpp|py))`: (.+?) \|$", PAGE, re.M)


def rows():
    """The rows of all tables, without their heads."""
    found, head = [], None
    for line in PAGE.splitlines():
        if line.startswith("|---"):
            found.pop()
        elif line.startswith("|"):
            found.append(line)
    return found


def test_each_row_names_a_test():
    assert len(rows()) == len(SHOWN) and len(SHOWN) > 40


@pytest.mark.parametrize("file", sorted({file for file, _ in SHOWN}))
def test_the_tests_are_there(file):
    text = re.sub(r'"\s*\n\s*"', "", (ROOT / file).read_text())
    for name in (name for where, name in SHOWN if where == file):
        wanted = f"def {name}(" if file.endswith(".py") else f'"{name}"'
        assert wanted in text, f"docs/seeds.md names a test that is not in {file}: {name}"


@pytest.mark.parametrize("model", MODELS)
def test_the_program_of_each_model_writes_what_it_should(tmp_path, model):
    if not os.environ.get("DCACHE_EXAMPLES"):
        pytest.skip("the examples are not built")
    program = pathlib.Path(os.environ["DCACHE_EXAMPLES"]) / model
    done = subprocess.run([program, tmp_path / "cache"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    assert done.stdout == (ROOT / "examples" / "models" / f"{model}.txt").read_text()


def test_each_model_has_a_program():
    assert set(re.findall(r"`examples/models/(\w+)\.cpp`", PAGE)) == set(MODELS)
