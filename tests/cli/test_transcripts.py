# SPDX-License-Identifier: Apache-2.0
"""What people see: each file in transcripts/ is a session on a terminal, and the binary must show the same."""
import pathlib

import pytest

import help_pages
import transcript
from conftest import BINARY

FILES = sorted((pathlib.Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_transcript(file, tmp_path):
    steps = transcript.read_steps(file.read_text().split("\n"), statuses=True)
    transcript.replay(steps, tmp_path, BINARY, file.name, statuses=True)


def test_every_verb_is_in_a_transcript():
    text = "\n".join(step.command for file in FILES for step in transcript.read_steps(file.read_text().split("\n")))
    missing = [name for name in help_pages.verbs() if f"dcache {name}" not in text]
    assert not missing, f"no file in tests/cli/transcripts shows {missing}"


def test_a_wrong_line_is_found(tmp_path):
    """The replayer itself: what may vary, and what may not."""
    def replay(*lines, statuses=True):
        home = tmp_path / str(len(list(tmp_path.iterdir())))
        home.mkdir()
        transcript.replay(transcript.read_steps(lines, statuses=statuses), home, BINARY, "here", statuses=statuses)

    for good in [["$ echo 'a  b'", "a  b"], ["$ echo held by 12-13 for 3s", "held by 4711-4711 for  12ms"], ["$ false", "[1]"],
                 ["$ seq 5", "1", "...", "5"], ["$ printf x", "x(no newline)"], ["$ pwd", "/home/you"],
                 ["$ echo 12-13; echo 14-15; echo 12-13", "1-1", "2-2", "1-1"], ["$ sleep 60 &", "[1] 77", "$ echo x", "x"],
                 ["$ for x in 1 2; do", "> echo $x", "> done", "1", "2"]]:
        replay(*good)
    for bad in [["$ echo 'a  b'", "a b"], ["$ echo held by 12-13 for 3s", "held by 4711-4711 for 3m"], ["$ false"], ["$ true", "[1]"],
                ["$ seq 5", "1", "...", "4"], ["$ printf x", "x"], ["$ echo x"], ["$ true", "x"], ["$ seq 2", "2", "1"],
                ["$ echo 12-13; echo 14-15", "1-1", "1-1"], ["$ echo 12-13; echo 12-13", "1-1", "2-2"], ["no command"]]:
        with pytest.raises(AssertionError):
            replay(*bad)
