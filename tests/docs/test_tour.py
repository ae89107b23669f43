# SPDX-License-Identifier: Apache-2.0
"""docs/tour.md shows what really happens: its commands run in order in one shell, and show what the page says."""
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(os.environ["DCACHE_SOURCE"])
sys.path.insert(0, str(ROOT / "tests" / "support"))

import transcript  # noqa: E402

TOUR = (ROOT / "docs" / "tour.md").read_text()


def test_every_command_shows_what_the_tour_says(tmp_path):
    steps = [step for first, lines in transcript.blocks_of(TOUR) for step in transcript.read_steps(lines, first)]
    assert len(steps) > 30
    transcript.replay(steps, tmp_path, os.environ["DCACHE_BIN"], "docs/tour.md")


def test_every_block_of_commands_is_replayed():
    assert set(re.findall(r"^```(\w*)$", TOUR, re.M)) == {"console", ""}


def test_readme_leads_to_the_tour():
    assert "(docs/tour.md)" in (ROOT / "README.md").read_text()
