# SPDX-License-Identifier: Apache-2.0
"""What bench-compare wrote, sorted for tables and pictures."""

VALUE = 128  # bytes, wherever the size is not what is compared


def number(value):
    """Three digits that matter."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def count(entries):
    if entries >= 1_000_000:
        return f"{entries / 1e6:g} M"
    return f"{entries // 1000} k" if entries >= 1000 else str(entries)


class Results:
    def __init__(self, data):
        if not isinstance(data, dict) or data.get("format") != 1:
            raise ValueError("not the results of bench-compare, or of another version of it")
        self.data = data
        self.base = data["base"]
        self.measured = [peer for peer in data["peers"] if "missing" not in peer]
        self.rows = data["results"]
        # Others were at work when it began.
        self.busy = data["load_before"] > data["machine"]["cores"] / 2

    def named(self, work):
        return [row for row in self.rows if row["work"] == work]

    def stores(self):
        """Of how many entries there were stores of which everything was measured."""
        return sorted({row["entries"] for row in self.rows if row["work"] == "get, cold"})

    def store(self, entries):
        return [row for row in self.rows
                if row["entries"] == entries and row["value"] == VALUE and row["work"] != "mixed 90/9/1"]

    def sizes(self, work):
        return sorted((row for row in self.named(work) if row["value"] not in (0, VALUE)), key=lambda row: row["value"])

    def name_of(self, row):
        name = row["work"]
        if row["value"] not in (0, VALUE):
            return f"{name}, values of {size_name(row['value'])}"
        if row["work"] in ("mixed 90/9/1", "one lock"):
            name += f", {row['processes']} processes" if row["processes"] > 1 else ", 1 process"
        if row["work"] == "one lock":
            return f"{name}, held {row['hold_us'] / 1000:g} ms"
        return f"{name}, {count(row['entries'])} entries" if row["entries"] else name


def size_name(size):
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size // factor} {unit}"
    return f"{size} B"
