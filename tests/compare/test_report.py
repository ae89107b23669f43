# SPDX-License-Identifier: Apache-2.0
"""report.py tells what is in a result, in tables, in a page and in pictures."""
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(os.environ["DCACHE_SOURCE"])
REPORT = ROOT / "tools/bench/compare/report.py"
COMPARE = ROOT / "tools/bench/compare.sh"
SAMPLE = pathlib.Path(__file__).parent / "sample.json"
MARKS = "<!-- measured: written by tools/bench/compare.sh -->\n<!-- end of what was measured -->\n"


def report(*words):
    return subprocess.run([sys.executable, str(REPORT), *map(str, words)], capture_output=True, text=True)


@pytest.fixture
def docs(tmp_path):
    (tmp_path / "benchmarks.md").write_text("before\n" + MARKS + "after\n")
    done = report(SAMPLE, "--docs", tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_tables_show_medians_ratios_and_tails():
    text = report(SAMPLE).stdout
    assert re.search(r"^get, hot +2\.00 +4\.00 \(2\.00\) +0\.50 \(0\.25\)$", text, re.M)
    assert re.search(r"^get, hot +1\.90 / 3\.00 / 9\.00 +3\.90 / 5\.00 / 20\.0 +0\.50 / 0\.90 / 1\.50$", text, re.M)
    assert re.search(r"^2 +400,000 +200,000 \(2\.00\) +–$", text, re.M), "calls a second"
    assert re.search(r"^4, held 1 ms +900 +950 \(0\.95\)$", text, re.M), "grants a second"
    assert "Some Processor, 2 cores (virtual machine), 24 GiB of memory, ext4" in text
    assert re.search(r"^  Redis not measured: built without libhiredis-dev$", text, re.M)


def test_a_busy_machine_is_told_of(tmp_path):
    data = json.loads(SAMPLE.read_text())
    assert "busy" not in report(SAMPLE).stdout
    data["load_before"] = 1.5
    (tmp_path / "busy.json").write_text(json.dumps(data))
    assert "The machine was busy with other work" in report(tmp_path / "busy.json").stdout


def test_tails_need_calls_enough():
    assert re.search(r"^100 sets in one transaction +290 +190 / 900 +–$", report(SAMPLE).stdout, re.M)


def test_where_dcache_loses_is_what_the_figures_say():
    losses = report(SAMPLE).stdout.split("Where dcache loses\n")[1]
    assert losses.startswith("Of 7 comparisons dcache is faster in 3, slower in 3, and within 5 % in 1.\n")
    rows = losses.splitlines()[3:]
    assert re.match(r"get, hot, 10 k entries +2\.00 +LMDB 4×$", rows[0]), "the worst first"
    assert re.match(r"100 sets in one transaction, 10 k entries +300 +raw SQLite 1\.5×$", rows[1])
    assert re.match(r"one lock, 4 processes, held 1 ms +1,111 +flock\(2\) 1\.1×$", rows[2])
    assert "memcached failed at get, hot, 10 k entries: wrong answer: no value" in rows[3]
    assert len(rows) == 4


def test_a_peer_that_is_hundreds_of_times_faster_is_told_of_without_an_exponent(tmp_path):
    data = json.loads(SAMPLE.read_text())
    (row,) = [row for row in data["results"] if row["work"] == "get, hot" and row.get("entries") == 10000]
    row["peers"]["lmdb"]["ratio"] = 0.0007
    (tmp_path / "far.json").write_text(json.dumps(data))
    assert re.search(r"LMDB 1,429×$", report(tmp_path / "far.json").stdout, re.M)


def test_the_page_is_renewed_between_its_marks_only(docs):
    page = docs / "benchmarks.md"
    text = page.read_text()
    assert text.startswith("before\n<!-- measured") and text.endswith("<!-- end of what was measured -->\nafter\n")
    assert "| get, hot | 2.00 | 4.00 (2.00) | 0.50 (0.25) |" in text
    assert report(SAMPLE, "--docs", docs).returncode == 0
    assert page.read_text() == text


def test_each_picture_that_a_page_shows_is_there(docs):
    for folder in (docs, ROOT / "docs"):
        names = re.findall(r"!\[.*?\]\((pictures/.*?\.svg)\)", (folder / "benchmarks.md").read_text())
        assert len(names) > 2
        for name in names:
            xml.etree.ElementTree.parse(folder / name)
    for name in re.findall(r"!\[.*?\]\((docs/.*?\.svg)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / name).exists()


def marks(file, colour):
    tree = xml.etree.ElementTree.parse(file)
    return [shape for shape in tree.iter() if shape.get("fill") == colour and shape.tag.endswith(("circle", "polygon"))]


def test_pictures_have_a_mark_for_each_figure_and_one_in_the_legend(docs):
    ours, lmdb = "#d55e00", "#009e73"
    assert len(marks(docs / "pictures/calls.svg", ours)) == 1 + 2
    assert len(marks(docs / "pictures/calls.svg", lmdb)) == 1 + 1
    assert len(marks(docs / "pictures/processes.svg", ours)) == 1 + 2
    assert len(marks(docs / "pictures/sizes.svg", ours)) == 1 + 2
    assert len(marks(docs / "pictures/waits.svg", ours)) == 1 + 1


def test_what_takes_longer_is_further_to_the_right(docs):
    hot, batch = [float(mark.get("cx")) for mark in marks(docs / "pictures/calls.svg", "#d55e00")[1:]]
    assert hot < batch  # 2 and 300 us
    fewer, more = [float(mark.get("cy")) for mark in marks(docs / "pictures/processes.svg", "#d55e00")[1:]]
    assert more < fewer  # upwards


def test_titles_and_names_are_escaped(tmp_path):
    data = json.loads(SAMPLE.read_text())
    data["machine"]["processor"] = "<A & B>"
    (tmp_path / "odd.json").write_text(json.dumps(data))
    (tmp_path / "benchmarks.md").write_text(MARKS)
    assert report(tmp_path / "odd.json", "--docs", tmp_path).returncode == 0
    for file in (tmp_path / "pictures").iterdir():
        xml.etree.ElementTree.parse(file)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', '{"format": 1}', "[]"])
def test_what_is_no_result_is_told_in_one_line(tmp_path, text):
    (tmp_path / "odd.json").write_text(text)
    done = report(tmp_path / "odd.json")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("report: ") and done.stderr.count("\n") == 1


def test_a_page_without_marks_is_left_alone(tmp_path):
    (tmp_path / "benchmarks.md").write_text("mine\n")
    done = report(SAMPLE, "--docs", tmp_path)
    assert done.returncode == 1 and "lacks the marks" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["benchmarks.md"]
    assert (tmp_path / "benchmarks.md").read_text() == "mine\n"


def test_the_script_explains_itself_and_refuses_other_plans():
    done = subprocess.run([str(COMPARE), "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "compare.sh full" in done.stdout
    done = subprocess.run([str(COMPARE), "endless"], capture_output=True, text=True)
    assert done.returncode == 64 and "'endless' is neither quick nor full" in done.stderr
