"""Ask the program for its verdict on made-up histories of which the truth is known.

    python -m bench.simulate [--histories N] [--seed S] [--asks N] [--only INDEX]

Each history is written as files, loaded day by day in order of arrival, and judged on several days. Printed
are wrong verdicts by kind of history, beside those of the rule "no failures for 7 days". The status is 1 when
one of these is broken:

- a fault that the evidence shows is never READY, and not READY_WITH_WARNINGS if it recurs or a check finds it;
- too little evidence is never READY, far too little not READY_WITH_WARNINGS either;
- NOT_READY has a reason in the evidence that counts;
- a domain with nothing against it, and all that the thresholds ask for, is READY;
- the table of all domains says the same as the page of this one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench.history_files import directory, moment, write
from bench.stories import KINDS, draw
from bench.truth import Standing, standing

if TYPE_CHECKING:
    from bench.histories import History, Repair
    from tlsrpt.store import Store

# The words of the RFC, in which a repair is recorded.
CAUSES = {
    "expired": "certificate-expired",
    "name": "certificate-host-mismatch",
    "self-signed": "certificate-not-trusted",
    "untrusted": "certificate-not-trusted",
    "starttls": "starttls-not-supported",
}
_GOOD = ("READY", "READY_WITH_WARNINGS")


class Said(NamedTuple):
    """What the program said of a domain on a day, and what was so."""

    day: int
    truth: Standing
    verdict: str
    criteria: tuple[str, ...]  # those that did not pass, with state and reason


class Outcome(NamedTuple):
    """What became of one history."""

    seed: int
    number: int
    kind: str
    domain: str
    said: tuple[Said, ...]
    due: int | None  # the first day on which it had to be READY
    in_table: str  # the verdict on the last day, in the table of all domains


def run(seed: int, index: int, asks: int | None = None) -> Outcome:
    """Return what the program says of a history, asked as its days go by, `asks` times at most; 0: each day."""
    from loaders import load
    from loaders.directory import Directory
    from tlsrpt.store import Store

    history = draw(seed, index)
    truths = [standing(history, day) for day in range(history.world.days)]
    due = next((day for day, truth in enumerate(truths) if truth.has_to_be), None)
    days = list(range(history.world.days)) if asks == 0 else _days(history, due, asks)
    said = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(history, root)
        store = Store.memory()
        loaded = 0
        for day in days:
            load(Directory([directory(root, one) for one in range(loaded, day + 1)]), store)
            repair = history.world.repair
            if repair is not None and loaded <= int(repair.at) <= day:
                _record(store, history.world.domain, repair)
            loaded = day + 1
            verdict, criteria = _asked(store, history.world.domain, day)
            said.append(Said(day, truths[day], verdict, criteria))
        in_table = _in_table(store, days[-1])
        store.close()
    return Outcome(seed, index, history.kind, history.world.domain, tuple(said), due, in_table)


def _record(store: Store, domain: str, repair: Repair) -> None:
    from loaders.decisions import fix
    from tlsrpt.enforce.evidence import Fix

    at = moment(repair.at).replace(tzinfo=None)
    fix(store, [Fix(0, domain, CAUSES[repair.cause], repair.mx, at, "", "", at)])


def _asked(store: Store, domain: str, day: int) -> tuple[str, tuple[str, ...]]:
    from queries.readiness import judge

    found = judge(store, domain, _end(day))
    # What nobody answered is of no weight here: nobody asks.
    others = (one for one in found.states if one.state not in {"PASS", "N-A"} and one.criterion.lowers)
    return found.verdict, tuple(f"{one.criterion.name} {one.state} {one.reason}" for one in others)


def _in_table(store: Store, day: int) -> str:
    from queries.readiness import board

    return ", ".join(one.verdict for one in board(store, _end(day)))


def _end(day: int) -> datetime:
    return moment(day + 1).replace(tzinfo=None)


def _days(history: History, due: int | None, asks: int | None) -> list[int]:
    """Return the days to ask on: around READY, the last, every third after something happens, every sixth."""
    last = history.world.days - 1
    found = [last, *([] if due is None else [due, due - 3, due + 1])]
    found += [day + later for later in (2, 8, -1, 0, 3, 6, 9) for day in history.world.interesting]
    found += range(2, last, 6)
    return sorted(list(dict.fromkeys(day for day in found if 0 <= day <= last))[:asks])


def broken(said: Said) -> str:
    """Return which promise a verdict breaks, "" if none."""
    truth, verdict = said.truth, said.verdict
    if verdict == "READY" and truth.not_ready_yet:
        return f"READY in spite of: {truth.not_ready_yet}"
    if verdict == "READY_WITH_WARNINGS" and truth.not_even_warned:
        return f"READY_WITH_WARNINGS in spite of: {truth.not_even_warned}"
    if verdict == "NOT_READY" and not truth.reason:
        return "NOT_READY without a reason in the evidence that counts"
    if truth.has_to_be and verdict not in truth.has_to_be:
        return f"{verdict}, though nothing is against it and nothing is missing"
    return ""


def breaches(outcome: Outcome) -> Iterator[str]:
    """Yield each promise that was broken, and what the program said in indented lines below it."""
    name = f"--seed {outcome.seed} --only {outcome.number}, {outcome.kind}, {outcome.domain}"
    for said in outcome.said:
        if what := broken(said):
            yield f"{name}, day {said.day} ({moment(said.day):%Y-%m-%d}): {what}"
            yield from (f"    {line}" for line in said.criteria)
    if outcome.in_table != outcome.said[-1].verdict:
        yield f"{name}: {outcome.said[-1].verdict}, but in the table of all domains {outcome.in_table}"


# The table


def _count(outcomes: Iterable[Outcome]) -> Counter[str]:
    """Return how often each kind of verdict was given, by the program and, with "naive ", by the other rule."""
    found: Counter[str] = Counter()
    for said in (said for outcome in outcomes for said in outcome.said):
        truth = said.truth
        found["asked"] += 1
        found["wrong"] += truth.wrong
        for rule, verdict in (("", said.verdict), ("naive ", truth.naive)):
            if truth.wrong:
                found[f"{rule}{verdict} {truth.shown}"] += 1
            else:
                found[f"{rule}{verdict} {'after' if truth.reason or truth.not_ready_yet else 'clean'}"] += 1
    return found


_HEAD = (
    ("history", ""),
    ("days", "asked"),
    ("of them", "faulty"),
    ("false READY", "shown"),
    ("with warn.", "once"),
    ("READY", "fresh"),
    ("READY", "faded"),
    ("READY", "hidden"),
    ("false NOT_", "clean"),
    ("NOT_READY", "after"),
    ("| naive", "shown"),
    ("READY", "unseen"),
    ("naive NOT_", "clean"),
    ("NOT_READY", "after"),
    ("| READY", "due"),
    ("on day", "came"),
)
_LEGEND = """\
days on which it was asked; READY counts as a+b: READY and READY_WITH_WARNINGS
  shown   a fault is there and the evidence within the windows shows it: no READY is right
  once    it shows, but once may be chance: only a warning is asked for (counted are the warnings)
  fresh   only reports of days that are not settled yet show it
  faded   it was seen, longer ago than the windows reach
  hidden  no look and no report can show it: the limit of any rule
  clean   nothing is wrong and nothing was within the windows: NOT_READY is an error
  after   nothing is wrong any more, or was by the domain's doing, and the windows still have it
  due     median day on which the thresholds ask for READY, and on which it came"""


def _row(name: str, outcomes: list[Outcome]) -> list[str]:
    found = _count(outcomes)

    def ready(*shown: str, rule: str = "", verdicts: tuple[str, ...] = _GOOD) -> str:
        counts = [sum(found[f"{rule}{verdict} {one}"] for one in shown) for verdict in verdicts]
        return "+".join(map(str, counts)) if any(counts) else "."

    def no(what: str, rule: str = "") -> str:
        return str(found[f"{rule}NOT_READY {what}"] or ".")

    due = [outcome for outcome in outcomes if outcome.due is not None]
    came = [_came(outcome) for outcome in due]
    hard, soft = (ready("hard"), ready("soft", verdicts=("READY",)))
    return [
        name,
        str(found["asked"]),
        str(found["wrong"]),
        hard if soft == "." else f"{hard}, {soft}",
        ready("soft", verdicts=("READY_WITH_WARNINGS",)),
        ready("fresh"),
        ready("faded"),
        ready("hidden"),
        no("clean"),
        no("after"),
        "| " + ready("hard", "soft", "fresh", rule="naive ", verdicts=("READY",)),
        ready("faded", "hidden", rule="naive ", verdicts=("READY",)),
        no("clean", "naive "),
        no("after", "naive "),
        "| " + (f"{median(outcome.due or 0 for outcome in due):g}" if due else "."),
        f"{median(came):g}" if due else ".",
    ]


def _came(outcome: Outcome) -> int:
    """Return the first day on which it was READY, once that was due."""
    last = outcome.said[-1].day + 1
    return next((one.day for one in outcome.said if one.verdict in _GOOD and one.truth.has_to_be), last)


def table(outcomes: list[Outcome]) -> str:
    """Return verdicts by kind of history, and all of them."""
    ordered = sorted(outcomes, key=lambda outcome: list(KINDS).index(outcome.kind))
    kinds = [_row(kind, list(group)) for kind, group in groupby(ordered, key=lambda outcome: outcome.kind)]
    lines = [[above for above, _ in _HEAD], [below for _, below in _HEAD], *kinds, _row("all", outcomes)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(_cell(cell, width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return "\n".join([*text, "", _LEGEND])


def _cell(text: str, width: int) -> str:
    # Numbers stand at the right of their column, the bar before a group of columns at its left.
    bar, found, rest = text.rpartition("| ")
    return (
        f"| {rest:>{width - 2}}"
        if found
        else f"{text:>{width}}"
        if bar or not text[:1].isalpha()
        else f"{text:<{width}}"
    )


def main() -> int:
    """Run the histories that the command line asks for."""
    parser = argparse.ArgumentParser(description="Ask for verdicts on histories of which the truth is known.")
    parser.add_argument(
        "--histories", type=int, default=8 * len(KINDS), metavar="N", help=f"{len(KINDS)} are one of each kind"
    )
    parser.add_argument("--seed", type=int, default=8461)
    parser.add_argument("--only", type=int, metavar="INDEX", help="this one, asked on every day, and everything said")
    parser.add_argument("--asks", type=int, metavar="N", help="ask about each on so many days at most")
    parser.add_argument("--processes", type=int, default=cpu_count() or 1)
    options = parser.parse_args()
    began = time.monotonic()
    if options.only is not None:
        outcomes = [run(options.seed, options.only, 0)]
        _tell(outcomes[0])
    elif options.processes == 1:
        outcomes = [run(options.seed, index, options.asks) for index in range(options.histories)]
    else:
        with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
            outcomes = list(
                pool.map(partial(run, options.seed, asks=options.asks), range(options.histories), chunksize=4)
            )
    print(table(outcomes))
    lines = [line for outcome in outcomes for line in breaches(outcome)]
    number = sum(not line.startswith(" ") for line in lines)
    print(f"\n{len(outcomes)} histories, seed {options.seed}, {time.monotonic() - began:.0f} s, broken: {number}")
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


def _tell(outcome: Outcome) -> None:
    """Print what was said on each day, what was so, and everything that did not pass."""
    for day, truth, verdict, criteria in outcome.said:
        wrong = f"faulty ({truth.shown})" if truth.wrong else "not faulty"
        print(f"day {day} ({moment(day):%Y-%m-%d}): {verdict}; {wrong}, naive {truth.naive}")
        told = {
            "may be NOT_READY": truth.reason,
            "not READY": truth.not_ready_yet,
            "not READY_WITH_WARNINGS": truth.not_even_warned,
            "has to be": " or ".join(truth.has_to_be),
        }
        print("".join(f"    {what}: {why}\n" for what, why in told.items() if why), end="")
        print("".join(f"    - {line}\n" for line in criteria), end="")
    print()


if __name__ == "__main__":
    sys.exit(main())
