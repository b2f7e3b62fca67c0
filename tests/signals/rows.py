"""The table: what expected.json states, what was counted now, and whether the two agree.

A rate may differ from the stated one by 3 percentage points. Where chance decides it (`"drawn"`),
so much must be counted that the sampling error, two standard deviations, stays below that. A row
with `"exact"` admits no difference: what must never happen, and what must always. One that is
`"full_only"` depends on the mix of nets and optimizers of the full run. A known deviation is
`"open"`, with its reason: it fails the full run, but not the quick one. Once it is gone, the full
run fails until the word is gone too.
"""

import dataclasses
import json
import math
import pathlib
from typing import Any

ALLOWED = 0.03
MOST_EXAMPLES = 5


@dataclasses.dataclass
class Row:
    section: str
    text: str
    stated: tuple[int, int]  # hits, of how many
    exact: bool = False
    drawn: bool = False
    full_only: bool = False
    open: str = ""
    hits: int = 0
    count: int = 0
    examples: list[str] = dataclasses.field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.stated[0] / self.stated[1]

    def judge(self) -> str:
        """What is wrong; empty when nothing is."""
        if self.count == 0:
            return "not measured"
        difference = abs(self.hits / self.count - self.rate)
        if difference > (0 if self.exact else ALLOWED):
            return "deviates"
        if self.drawn and 2 * math.sqrt(self.rate * (1 - self.rate) / self.count) > ALLOWED:
            return "too few draws"
        return ""


class Table:
    def __init__(self, path: pathlib.Path) -> None:
        self.rows: dict[str, Row] = {}
        for section, rows in json.loads(path.read_text()).items():
            for name, row in rows.items():
                self.rows[f"{section} {name}"] = make_row(section, row)

    def count(self, name: str, hit: bool, example: str = "") -> None:
        """One more case of a row. `example` is shown if the case is one that should not be."""
        row = self.rows[name]
        row.hits += hit
        row.count += 1
        if hit != (row.rate >= 0.5) and len(row.examples) < MOST_EXAMPLES:
            row.examples.append(example)

    def add(self, name: str, hits: int, count: int) -> None:
        """Many cases at once."""
        self.rows[name].hits += hits
        self.rows[name].count += count

    def report(self, quick: bool, in_part: bool) -> int:
        """Prints all rows, of a run `in_part` the measured ones; the number of deviations."""
        deviations = 0
        print(f"{'':5}{'':66}{'stated':>20}{'now':>20}")
        for row in self.rows.values():
            if (quick and row.full_only) or (in_part and row.count == 0):
                continue
            problem = row.judge()
            verdict = problem or "ok"
            if row.open:
                verdict = f"open: {row.open}" if problem else "mended: open no more"
            deviations += not quick if row.open else bool(problem)
            print(f"{row.section:5}{row.text:66}{share(*row.stated):>20}"
                  f"{share(row.hits, row.count):>20}  {verdict}")
            for example in row.examples if problem else []:
                print(f"{'':9}{example}")
        return deviations


def make_row(section: str, row: dict[str, Any]) -> Row:
    return Row(section, row["text"], (row["stated"][0], row["stated"][1]),
               row.get("exact", False), row.get("drawn", False), row.get("full_only", False),
               row.get("open", ""))


def share(hits: int, count: int) -> str:
    return f"{hits}/{count} {100 * hits / count:5.1f}%" if count else "-"
