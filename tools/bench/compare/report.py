#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tells what bench-compare measured.

    report.py RESULTS.json               as tables for people
    report.py RESULTS.json --docs DIR    into DIR/benchmarks.md, between its marks, and as pictures into DIR/pictures
"""
import argparse
import json
import sys
from pathlib import Path

import pictures
from results import Results, count, number, size_name

BEGIN = "<!-- measured: written by tools/bench/compare.sh -->"
END = "<!-- end of what was measured -->"
TAIL_CALLS = {"p50_us": 10, "p99_us": 100, "p999_us": 1000}


def time_cell(row):
    """Microseconds and, in brackets, how many times dcache's time that is."""
    if "us" not in row:
        return "failed" if row else "–"
    return with_ratio(number(row["us"]), row)


def tail_cell(row):
    """p50 / p99 / p99.9, where there were calls enough to know."""
    parts = [number(row[name]) for name, calls in TAIL_CALLS.items() if name in row and row["calls"] >= calls]
    return " / ".join(parts) or "–"


def rate_cell(row):
    return with_ratio(f"{1e6 / row['us']:,.0f}", row) if "us" in row else "–"


def wait_cell(row):
    if "us" not in row:
        return "–"
    return f"{number(row['p99_us'] / 1000)} / {number(row['longest_us'] / 1000)}"


def without_base(results, row, peer):
    """The figures of a peer; those of dcache itself are not compared with themselves."""
    found = dict(row["peers"].get(peer, {}))
    if peer == results.base:
        found.pop("ratio", None)
    return found


def with_ratio(words, row):
    return f"{words} ({row['ratio']:.2f})" if "ratio" in row else words


def table(results, title, first, rows, cell):
    """(title, heading, lines): one line a result, one column for each peer that any of them has."""
    columns = [peer for peer in results.measured if any(peer["id"] in row["peers"] for _, row in rows)]
    heading = [first] + [peer["title"] for peer in columns]
    lines = [[name] + [cell(without_base(results, row, peer["id"])) for peer in columns] for name, row in rows]
    return title, heading, lines


def tables(results):
    made = []
    for entries in results.stores():
        rows = [(row["work"], row) for row in results.store(entries)]
        size = f"{count(entries)} entries of 128 bytes"
        made.append(table(results, f"{size}: microseconds a call (times dcache's)", "work", rows, time_cell))
        made.append(table(results, f"{size}: 50, 99 and 99.9 of 100 calls are done in, microseconds", "work",
                          [(name, row) for name, row in rows if not name.startswith("evict")], tail_cell))
    for work in ("get, hot", "set, overwrite"):
        rows = [(size_name(row["value"]), row) for row in results.sizes(work)]
        if rows:
            made.append(table(results, f"{work}, by size of the value: microseconds a call (times dcache's)", "value",
                              rows, time_cell))
    mixed = [(f"{row['processes']}", row) for row in results.named("mixed 90/9/1")]
    if mixed:
        entries = count(mixed[0][1]["entries"])
        title = (f"90 % get, 9 % set, 1 % delete on {entries} entries: calls a second of all processes together "
                 "(times dcache's time a call)")
        made.append(table(results, title, "processes", mixed, rate_cell))
        made.append(table(results, "the same: 50, 99 and 99.9 of 100 calls are done in, microseconds", "processes", mixed,
                          tail_cell))
    pair = [("lock + unlock", row) for row in results.named("lock + unlock")]
    if pair:
        title = "a lock that nobody else wants: microseconds (times dcache's)"
        made.append(table(results, title, "work", pair, time_cell))
    fights = [(f"{row['processes']}, held {row['hold_us'] / 1000:g} ms", row) for row in results.named("one lock")]
    if fights:
        title = "one lock that several processes want: grants a second (times dcache's time a grant)"
        made.append(table(results, title, "processes", fights, rate_cell))
        title = "the same: wait of 99 of 100 grants / the longest, milliseconds"
        made.append(table(results, title, "processes", fights, wait_cell))
    return made


def factor(times):
    """Two digits, and never an exponent."""
    return f"{times:.2g}" if times < 99.5 else f"{times:,.0f}"


def losses(results):
    """Where a peer is faster than dcache, worst first, and how the whole stands."""
    faster = even = slower = 0
    lines = []
    for row in results.rows:
        behind = []
        for peer in results.measured:
            ratio = row["peers"].get(peer["id"], {}).get("ratio")
            if ratio is None or peer["id"].startswith("dcache"):
                continue
            if ratio < 0.95:
                slower += 1
                behind.append((1 / ratio, peer["title"]))
            elif ratio <= 1.05:
                even += 1
            else:
                faster += 1
        if behind:
            behind.sort(reverse=True)
            base = row["peers"][results.base]
            lines.append((behind[0][0], [results.name_of(row), number(base["us"]),
                                         ", ".join(f"{name} {factor(times)}×" for times, name in behind)]))
    lines.sort(key=lambda line: -line[0])
    summary = (f"Of {faster + even + slower} comparisons dcache is faster in {faster}, slower in {slower}, and within "
               f"5 % in {even}.")
    return summary, ["work", "dcache, us", "faster by"], [line for _, line in lines]


def machine_of(data):
    machine = data["machine"]
    kind = " (virtual machine)" if machine["virtual"] else ""
    return (f"{machine['processor']}, {machine['cores']} cores{kind}, {machine['memory_gib']:.0f} GiB of memory, "
            f"{machine['file_system']}, {machine['system']}, {machine['kernel']}")


def about(results):
    data = results.data
    yield (f"{data['plan'].capitalize()} run of {data['date']}: {data['runs']} runs, {data['minutes']:.1f} minutes; "
           f"load before it {data['load_before']:.1f}.")
    yield machine_of(data) + "."
    if results.busy:
        yield "The machine was busy with other work: times are too long, ratios are rough."
    for text in data["notes"]:
        yield text[0].upper() + text[1:] + "."


def peers_of(data):
    for peer in data["peers"]:
        if "missing" in peer:
            yield [peer["title"], "not measured", peer["missing"]]
        else:
            yield [peer["title"], peer["version"], peer["settings"]]


def failures(results):
    for row in results.rows:
        for name, peer in row["peers"].items():
            if "error" in peer:
                yield f"{name} failed at {results.name_of(row)}: {peer['error']}"


def as_text(results):
    yield from about(results)
    for name, version, settings in peers_of(results.data):
        yield f"  {name} {version}: {settings}"
    for title, heading, lines in tables(results):
        yield from ["", title]
        yield from columns(heading, lines)
    summary, heading, lines = losses(results)
    yield from ["", "Where dcache loses", summary]
    yield from columns(heading, lines, last_left=True)
    yield from failures(results)


def columns(heading, lines, last_left=False):
    widths = [max(len(line[i]) for line in [heading, *lines]) for i in range(len(heading))]
    for line in [heading, ["-" * width for width in widths], *lines]:
        cells = [cell.ljust(width) if i == 0 or (last_left and i == len(widths) - 1) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        yield "  ".join(cells).rstrip()


def as_markdown(results, names):
    data = results.data
    yield f"**{' '.join(about(results))}**"
    yield ""
    for name, title in names:
        yield f"![{title}](pictures/{name}.svg)"
        yield ""
    yield "## Where dcache loses"
    yield ""
    summary, heading, lines = losses(results)
    yield summary + " All in which it is slower, the worst first; `3×` is three times as fast:"
    yield ""
    yield from markdown_table(heading, lines)
    yield "## All figures"
    yield ""
    for title, heading, lines in tables(results):
        yield f"**{title[0].upper() + title[1:]}**"
        yield ""
        yield from markdown_table(heading, lines, numbers=True)
    yield "## Who took part"
    yield ""
    yield from markdown_table(["what", "version", "settings"], list(peers_of(data)))
    wrong = list(failures(results))
    if wrong:
        yield from ["## What failed", ""] + [f"- {line}" for line in wrong] + [""]


def markdown_table(heading, lines, numbers=False):
    yield "| " + " | ".join(heading) + " |"
    yield "|---|" + ("---:|" if numbers else "---|") * (len(heading) - 1)
    for line in lines:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
    yield ""


def write_docs(results, folder):
    page = folder / "benchmarks.md"
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page} lacks the marks '{BEGIN}' and '{END}'")
    names = pictures.draw_all(results, folder / "pictures")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    measured = "\n".join(as_markdown(results, names))
    page.write_text(f"{before}{BEGIN}\n\n{measured}\n{END}{after}", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--docs", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    try:
        results = Results(json.loads(arguments.results.read_text(encoding="utf-8")))
        if arguments.docs:
            write_docs(results, arguments.docs)
        else:
            print("\n".join(as_text(results)))
    except (OSError, ValueError, KeyError) as error:
        print(f"report: {arguments.results}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
