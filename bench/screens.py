"""Measure the screens: from a key to its last byte on the terminal, over a store of many reports.

    python -m bench.screens [--reports N] [--rounds N]

The store has the reports of generate.py many times over, day by day, as a long life would have left them. The
program runs in a pseudo-terminal of 120x40; a key has been answered when nothing more has come for a while.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from statistics import median

import duckdb

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
PROGRAM = Path(sys.executable).with_name("tlsrpt")
AS_OF = "2026-03-31"
BASE = 10_000  # reports that are generated and loaded; the others are made of them
QUIET = 1.5  # seconds without a byte after which a key has been answered
FIRST = 60.0  # seconds that the first screen may take
# What is done, and the keys that do it, from where the line before left off.
TOUR = (
    ("next row", "j"),
    ("next page", "\x1b[6~"),
    ("last row", "G"),
    ("sort", "s"),
    ("open the filter", "/"),
    ("a letter of it", "e"),
    ("leave the filter", "\x1b"),
    ("Failures", "2"),
    ("next row, with what there is to read", "j"),
    ("one failure", "\r"),
    ("a report behind it", "\r"),
    ("Domains", "1"),
    ("reports of a domain", "r"),
    ("next report", "j"),
    ("last report", "G"),
    ("sort the reports", "s"),
    ("filter the reports", "/"),
    ("a letter of the filter", "e"),
    ("leave the filter of the reports", "\x1b"),
    ("Domains again", "1"),
    ("palette", ":"),
    ("a letter in it", "e"),
)


def _store(reports: int) -> Path:
    """Return a store with so many reports, made on first use."""
    path = DATA / f"screens-{reports}.duckdb"
    if path.exists():
        return path
    out = DATA / f"gz-{BASE}-screens"
    if not out.exists():
        subprocess.run([sys.executable, str(HERE / "generate.py"), str(BASE), "gz", str(out)], check=True)
    base = DATA / "screens-base.duckdb"
    base.unlink(missing_ok=True)
    subprocess.run([str(PROGRAM), "--database", str(base), "load", str(out / "reports")], check=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    base.rename(part)
    _multiply(part, max(1, reports // BASE))
    part.rename(path)
    return path


def _multiply(path: Path, times: int) -> None:
    """Have each report so many times, a day after the other, with numbers that rise."""
    with duckdb.connect(str(path), config={"memory_limit": "2GB", "threads": "2"}) as connection:
        connection.execute(
            "CREATE TEMP TABLE places AS"
            " SELECT report, day, row_number() OVER (ORDER BY day, report) AS place FROM reports"
        )
        days = connection.execute("SELECT DISTINCT day FROM places ORDER BY day").fetchall()
        for table in ("reports", "policies", "failures"):
            connection.execute(f"CREATE TEMP TABLE base AS SELECT * FROM {table}")  # noqa: S608 - our own names
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - likewise
            for (day,) in days:
                connection.execute(
                    f"INSERT INTO {table} BY NAME SELECT base.* REPLACE (place * $times + n AS report) FROM base"  # noqa: S608
                    " JOIN places USING (report) CROSS JOIN range($times) AS copies(n) WHERE places.day = $day"
                    " ORDER BY place, n",
                    {"times": times, "day": day},
                )
            connection.execute("DROP TABLE base")
        connection.execute("CHECKPOINT")


class Terminal:
    """The program in a pseudo-terminal, and how long it takes to answer."""

    def __init__(self, store: Path) -> None:
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execve(
                PROGRAM,
                [str(PROGRAM), "--database", str(store), "--as-of", AS_OF],
                {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            )
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def answered(self, quiet: float, keys: str = "") -> tuple[float, float]:
        """Press keys and return the seconds to the first and to the last byte of what they draw."""
        start = last = time.perf_counter()
        first = 0.0
        if keys:
            os.write(self.descriptor, keys.encode())
        while select.select([self.descriptor], [], [], quiet)[0] and os.read(self.descriptor, 1 << 16):
            last = time.perf_counter()
            first = first or last - start
        return first, last - start

    def end(self) -> None:
        """Quit."""
        os.write(self.descriptor, b"\x1b")
        self.answered(QUIET)
        os.kill(self.pid, 15)
        os.waitpid(self.pid, 0)
        os.close(self.descriptor)


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure the screens over a store of many reports.")
    parser.add_argument("--reports", type=int, default=10_000_000, metavar="N", help="in the store (10000000)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of the program (3)")
    options = parser.parse_args()
    store = _store(options.reports)
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(options.rounds):
        terminal = Terminal(store)
        found.setdefault("start, to the verdicts", []).append(terminal.answered(FIRST / 5))
        for name, keys in TOUR:
            found.setdefault(name, []).append(terminal.answered(QUIET, keys))
        terminal.end()
    print(
        f"{options.reports:,} reports, {store.stat().st_size / (1 << 30):.1f} GiB, {options.rounds} rounds; median ms"
    )
    print(f"{'':40} {'first byte':>10} {'last byte':>10}")
    for name, times in found.items():
        first, last = (median(one[place] for one in times) * 1000 for place in (0, 1))
        print(f"{name:40} {first:10,.0f} {last:10,.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
