# SPDX-License-Identifier: Apache-2.0
"""Draws what bench-compare measured as SVG, with nothing but the standard library."""
import math
from pathlib import Path
from xml.sax.saxutils import escape

from results import count, size_name

# Of colours that the colour-blind can tell apart (after Okabe and Ito), and of different shapes besides.
LOOKS = {
    "dcache": ("#d55e00", "circle"),
    "dcache-0": ("#f0a87c", "circle"),
    "sqlite": ("#0072b2", "square"),
    "lmdb": ("#009e73", "diamond"),
    "leveldb": ("#cc79a7", "triangle"),
    "rocksdb": ("#e69f00", "square"),
    "redis": ("#56b4e9", "diamond"),
    "memcached": ("#888888", "triangle"),
    "diskcache": ("#6b4e16", "square"),
    "flock": ("#000000", "diamond"),
}
OTHER_LOOK = ("#7a0177", "circle")
WIDTH = 860
LEFT = 220
RIGHT = 40
INK, PALE = "#222222", "#dddddd"


def look(peer):
    return LOOKS.get(peer["id"], OTHER_LOOK)


def text(x, y, words, anchor="start", size=13, weight="normal", colour=INK):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
            f'fill="{colour}">{escape(words)}</text>')


def line(x1, y1, x2, y2, colour=PALE, width=1.0):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


def mark(peer, x, y, size=5.0):
    colour, shape = look(peer)
    if peer["id"] == "dcache":
        size *= 1.35
    if shape == "circle":
        body = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"'
    else:
        corners = {"square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
                   "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
                   "triangle": [(0, -1.2), (1.2, 1), (-1.2, 1)]}[shape]
        points = " ".join(f"{x + a * size * 0.9:.1f},{y + b * size * 0.9:.1f}" for a, b in corners)
        body = f'<polygon points="{points}"'
    return f'{body} fill="{colour}" stroke="white" stroke-width="0.8"/>'


def legend(peers, y):
    parts, x = [], 20.0
    for peer in peers:
        width = 40 + 7.6 * len(peer["title"])
        if x + width > WIDTH - 10:
            x, y = 20.0, y + 20
        parts += [mark(peer, x + 6, y - 4), text(x + 17, y, peer["title"])]
        x += width
    return parts, y


def picture(title, note, height, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="sans-serif" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>',
        text(20, 28, title, size=17, weight="bold"),
        text(20, 48, note, size=12, colour="#555555"),
        *parts,
        "</svg>",
        "",
    ])


class Scale:
    """A logarithmic axis from `low` to `high`, laid over pixels."""

    def __init__(self, values, begin, end):
        values = [value for value in values if value > 0] or [1]
        self.low = math.log10(min(values)) - 0.05
        self.high = max(math.log10(max(values)) + 0.05, self.low + 0.3)
        self.begin, self.end = begin, end

    def __call__(self, value):
        part = (math.log10(max(value, 1e-9)) - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)

    def ticks(self):
        steps = (1,) if self.high - self.low > 2 else (1, 2, 5)
        for power in range(math.floor(self.low), math.ceil(self.high) + 1):
            for step in steps:
                value = step * 10.0**power
                if self.low <= math.log10(value) <= self.high:
                    yield value


def short(value):
    for factor, unit in ((1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def taking_part(peers, rows):
    return [peer for peer in peers if any(peer["id"] in values for _, values in rows)]


def dots(title, note, peers, rows, unit):
    """A row for each (name, {peer: value}), on one axis."""
    peers = taking_part(peers, rows)
    parts, y = legend(peers, 74)
    top = y + 18
    bottom = top + 30 * len(rows)
    scale = Scale([value for _, values in rows for value in values.values()], LEFT, WIDTH - RIGHT)
    for tick in scale.ticks():
        parts += [line(scale(tick), top, scale(tick), bottom),
                  text(scale(tick), bottom + 18, short(tick), "middle", 12)]
    for i, (name, values) in enumerate(rows):
        middle = top + 30 * i + 15
        parts += [text(LEFT - 14, middle + 4, name, "end"), line(LEFT, middle, WIDTH - RIGHT, middle)]
        # What is compared with comes last, so that nothing hides it.
        parts += [mark(peer, scale(values[peer["id"]]), middle) for peer in reversed(peers) if peer["id"] in values]
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, bottom + 38, unit, "middle", 12, colour="#555555"))
    return picture(title, note, bottom + 52, parts)


def curves(title, note, peers, panels, unit):
    """Panels side by side: (name, [(label, {peer: value})])."""
    peers = taking_part(peers, [row for _, rows in panels for row in rows])
    parts, y = legend(peers, 74)
    top, height, gap = y + 40, 300, 70
    width = (WIDTH - 70 - 20 - gap * (len(panels) - 1)) / len(panels)
    values = [value for _, rows in panels for _, found in rows for value in found.values()]
    scale = Scale(values, top + height, top)
    for i, (name, rows) in enumerate(panels):
        left = 70 + i * (width + gap)
        places = [left + 15 + (width - 30) * (j / max(len(rows) - 1, 1)) for j in range(len(rows))]
        parts.append(text(left, top - 14, name, weight="bold"))
        for tick in scale.ticks():
            parts += [line(left, scale(tick), left + width, scale(tick)),
                      text(left - 8, scale(tick) + 4, short(tick), "end", 12)]
        parts += [text(x, top + height + 18, label, "middle", 12) for x, (label, _) in zip(places, rows)]
        for peer in reversed(peers):
            points = [(x, scale(found[peer["id"]])) for x, (_, found) in zip(places, rows) if peer["id"] in found]
            joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            thick = 3 if peer["id"] == "dcache" else 1.5
            parts.append(f'<polyline points="{joined}" fill="none" stroke="{look(peer)[0]}" stroke-width="{thick}"/>')
            parts += [mark(peer, x, y, 4) for x, y in points]
    parts.append(text(WIDTH / 2, top + height + 40, unit, "middle", 12, colour="#555555"))
    return picture(title, note, top + height + 54, parts)


def of_peers(row, value):
    return {name: value(peer) for name, peer in row["peers"].items() if "us" in peer}


def time_of(peer):
    return peer["us"]


def rate_of(peer):
    return 1e6 / peer["us"]


def longest_of(peer):
    return max(peer["longest_us"], 1) / 1000


def draw(results):
    """(file name, title, SVG) of each picture that the results have figures for."""
    data, peers = results.data, results.measured
    machine = data["machine"]
    note = (f"{machine['processor']}, {machine['cores']} cores, {machine['file_system']}; {data['plan']} run of "
            f"{data['date']}, medians of {data['runs']} runs; logarithmic")
    if results.busy:
        note += "; the machine was busy"
    stores = results.stores()
    if stores:
        entries = max((size for size in stores if size <= 100_000), default=stores[0])
        rows = [(row["work"], of_peers(row, time_of)) for row in results.store(entries)
                if not row["work"].startswith("evict")]
        title = f"Time of a call, {count(entries)} entries of 128 bytes"
        yield "calls", title, dots(title, note, peers, rows, "microseconds a call: less is better")
    if len(stores) > 1:
        panels = [(work, [(count(row["entries"]), of_peers(row, time_of)) for row in results.named(work)
                          if row["entries"] in stores and row["value"] == 128])
                  for work in ("get, hot", "get, cold", "set, overwrite")]
        title = "Time of a call, by number of entries"
        yield "entries", title, curves(title, note, peers, panels, "microseconds a call: less is better")
    panels = [(work, [(size_name(row["value"]), of_peers(row, time_of)) for row in results.sizes(work)])
              for work in ("get, hot", "set, overwrite")]
    if any(rows for _, rows in panels):
        title = "Time of a call, by size of the value"
        yield "sizes", title, curves(title, note, peers, panels, "microseconds a call: less is better")
    mixed = results.named("mixed 90/9/1")
    if mixed:
        rows = [(f"{row['processes']}", of_peers(row, rate_of)) for row in mixed]
        title = "Several processes: 90 % get, 9 % set, 1 % delete"
        yield "processes", title, curves(title, note, peers, [("calls a second, by number of processes", rows)],
                                         "calls a second of all processes together: more is better")
    fights = results.named("one lock")
    if fights:
        names = [f"{row['processes']} processes, {row['hold_us'] / 1000:g} ms" for row in fights]
        rates = [(name, of_peers(row, rate_of)) for name, row in zip(names, fights)]
        title = "One lock, several processes: grants"
        yield "grants", title, dots(title, note, peers, rates, "grants a second: more is better")
        waits = [(name, of_peers(row, longest_of)) for name, row in zip(names, fights)]
        title = "One lock, several processes: the longest wait"
        yield "waits", title, dots(title, note, peers, waits, "milliseconds: less is better")


def draw_all(results, folder):
    """Writes them; (file name without its ending, title) of each."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for name, title, svg in draw(results):
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        names.append((name, title))
    return names
