"""Measure loading: the program, its peers and an empty Python, as whole processes, run in turn.

    python bench/run.py [--count N] [--rounds N] [--forms gz,eml,mbox] [--against parsedmarc,duckdb,none]
                        [--program PATH] [--json OUT]

Data is made by generate.py and kept under bench/data; peers are installed there on first use. After each run
what was loaded is compared with the manifest of the data: a wrong result voids the timing and ends with 1.
Nothing large is imported here, because the kernel counts the memory of this process into the peak of each
process it starts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
SEED = 8460
FORMS = ("gz", "eml", "mbox")
PEERS = ("parsedmarc", "duckdb")
PARSEDMARC = "11.1.0"
SAMPLING = 0.1  # seconds between two looks at the memory of a process and its children


class WrongResultError(Exception):
    """A candidate did not do the work, so its time says nothing."""


class Data(NamedTuple):
    """A workload on disk."""

    form: str
    reports: Path
    manifest: dict[str, Any]


class Usage(NamedTuple):
    """What one whole process took."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, with all children
    peak: float  # MiB resident, the largest single process
    together: float | None  # MiB, most that all its processes held at once; None where /proc does not tell


class Candidate(NamedTuple):
    """Something to measure: how it is started and how to see that it did the work."""

    name: str
    command: Callable[[Data, Path], Sequence[str]]  # with a directory that lasts for one round
    check: Callable[[Data, Path, str], None]  # the same, and what it printed; raises WrongResultError


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _held(pid: int) -> float | None:
    """Return the MiB that a process and its descendants hold, shared pages counted once; None if unknown."""
    total, known = 0, False
    try:
        for member in _family(pid):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total, known = total + int(line.split()[1]), True
    except OSError:
        # A process that ends while it is looked at; the next look sees the others.
        return None
    return total / 1024 if known else None


def _measured(command: Sequence[str], scratch: Path) -> tuple[Usage, str]:
    """Run a command to its end and return what it took and printed; raise WrongResultError if it fails."""
    held: list[float] = []
    ended = threading.Event()

    def look(pid: int) -> None:
        while not ended.wait(SAMPLING):
            now = _held(pid)
            if now is not None:
                held.append(now)

    with (scratch / "stdout").open("w+") as stdout, (scratch / "stderr").open("w+") as stderr:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        looking = threading.Thread(target=look, args=(process.pid,))
        looking.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        looking.join()
        stdout.seek(0)
        stderr.seek(0)
        if process.returncode:
            raise WrongResultError(f"ended with status {process.returncode}\n{stderr.read()[-2000:]}")
        peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
        return Usage(wall, usage.ru_utime + usage.ru_stime, peak, max(held, default=None)), stdout.read()


def _prepared(form: str, count: int) -> Data:
    """Return the workload, made if this generator has not made it before."""
    generator = HERE / "generate.py"
    version = hashlib.sha256(generator.read_bytes()).hexdigest()[:8]
    place = DATA / f"{form}-{count}-seed{SEED}-{version}"
    if not place.exists():
        print(f"making {count:,} reports as {form} ...", file=sys.stderr)
        DATA.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=DATA) as unfinished:
            out = Path(unfinished) / "data"
            command = [sys.executable, str(generator), str(count), form, str(out), "--seed", str(SEED)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            out.rename(place)
    return Data(form, place / "reports", json.loads((place / "manifest.json").read_text()))


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise WrongResultError(f"{what}: found {found}, expected {expected}")


def _expect_totals(data: Data, store: Path) -> None:
    """Compare the failures in the store with the manifest."""
    command = [sys.executable, str(HERE / "totals.py"), str(store)]
    printed = subprocess.run(command, check=False, capture_output=True, text=True)
    if printed.returncode:
        raise WrongResultError(f"the store cannot be asked\n{printed.stderr[-2000:]}")
    for name, total in json.loads(printed.stdout).items():
        _expect(name, total, data.manifest[name])


def _program(program: Path) -> Iterator[Candidate]:
    """Yield the program under test on an empty store, and again over files that it knows."""

    def command(data: Data, scratch: Path) -> list[str]:
        store = str(scratch / "tlsrpt.duckdb")
        return [str(program), "--database", store, "load", str(data.reports), "--format", "json"]

    def check(data: Data, scratch: Path, printed: str) -> None:
        summary = json.loads(printed)
        for name in ("reports", "duplicates", "refused"):
            _expect(name, summary[name], data.manifest[name])
        _expect("skipped", summary["skipped"], 0)
        _expect_totals(data, scratch / "tlsrpt.duckdb")

    def check_again(data: Data, scratch: Path, printed: str) -> None:
        _expect("new reports", json.loads(printed)["reports"], 0)
        _expect_totals(data, scratch / "tlsrpt.duckdb")

    yield Candidate("tlsrpt", command, check)
    yield Candidate("tlsrpt again", command, check_again)


def _installed_parsedmarc() -> Path | None:
    """Return the command of parsedmarc, installed if need be; None, and a loud line, if it cannot be had."""
    place = DATA / "peers" / f"parsedmarc-{PARSEDMARC}"
    program = place / "bin" / "parsedmarc"
    if program.exists():
        return program
    print(f"installing parsedmarc {PARSEDMARC} ...", file=sys.stderr)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([*pip, f"parsedmarc=={PARSEDMARC}"], check=True)
    except subprocess.CalledProcessError:
        shutil.rmtree(place, ignore_errors=True)
        print(f"!!! parsedmarc {PARSEDMARC} CANNOT BE INSTALLED: NOT COMPARED WITH IT !!!", file=sys.stderr)
        return None
    return program


def _parsedmarc(program: Path) -> Candidate:
    """Return parsedmarc's own command, offline, writing its JSON and CSV files."""

    def command(data: Data, scratch: Path) -> list[str]:
        settings = scratch / "parsedmarc.ini"
        settings.write_text(f"[general]\noffline = True\noutput = {scratch / 'parsedmarc'}\n")
        paths = sorted(map(str, data.reports.iterdir())) if data.form == "mbox" else [str(data.reports)]
        return [str(program), "-c", str(settings), *paths]

    def check(data: Data, scratch: Path, _printed: str) -> None:
        with (scratch / "parsedmarc" / "smtp_tls.json").open() as written:
            found = sum('"report_id"' in line for line in written)
        # It keeps what was delivered twice.
        _expect("reports with repetitions", found, data.manifest["deliveries"])

    return Candidate("parsedmarc", command, check)


def _duckdb() -> Candidate:
    """Return DuckDB fed by a pipe of all files, which reads many small files faster than its own glob."""

    def command(data: Data, scratch: Path) -> list[str]:
        script = 'find "$1" -name "*.gz" -print0 | xargs -0 cat | gunzip | "$2" "$3" "$4"'
        reader, store = str(HERE / "duckdb_only.py"), str(scratch / "only.duckdb")
        return ["sh", "-c", script, "sh", str(data.reports), sys.executable, reader, store]

    def check(data: Data, _scratch: Path, printed: str) -> None:
        _expect("reports with repetitions", int(printed), data.manifest["deliveries"])

    return Candidate("duckdb", command, check)


def _floor() -> Candidate:
    return Candidate("bare python", lambda _data, _scratch: [sys.executable, "-c", ""], lambda *_nothing: None)


def _rounds(data: Data, candidates: Sequence[Candidate], rounds: int) -> dict[str, list[Usage]]:
    """Return what each candidate took in each round, all candidates taking turns."""
    usages: dict[str, list[Usage]] = {candidate.name: [] for candidate in candidates}
    for number in range(rounds):
        with tempfile.TemporaryDirectory(dir=DATA) as scratch:
            for candidate in candidates:
                print(f"{data.form}, round {number + 1} of {rounds}: {candidate.name}", file=sys.stderr)
                try:
                    usage, printed = _measured(candidate.command(data, Path(scratch)), Path(scratch))
                    candidate.check(data, Path(scratch), printed)
                except WrongResultError as error:
                    raise WrongResultError(f"{candidate.name} on {data.form}: {error}") from error
                usages[candidate.name].append(usage)
    return usages


def _spread(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"{median(known):.{digits}f} ({min(known):.{digits}f}-{max(known):.{digits}f})"


def _ratio(over: Sequence[Usage], under: Sequence[Usage], name: str) -> str:
    """Return the median of the ratios of runs in the same round."""
    pairs = [(getattr(one, name), getattr(two, name)) for one, two in zip(over, under, strict=True)]
    ratios = [one / two for one, two in pairs if one is not None and two is not None]
    return f"{median(ratios):.3f}" if ratios else "-"


def _print_table(data: Data, usages: dict[str, list[Usage]]) -> None:
    deliveries, reports = data.manifest["deliveries"], data.manifest["reports"]
    rounds = len(usages["tlsrpt"])
    print(f"\n{data.form}: {deliveries:,} deliveries, {reports:,} reports, {rounds} rounds")
    heads = ("wall s", "CPU s", "peak MiB", "all processes MiB")
    print(f"{'median (min-max)':<24}" + "".join(f"{head:>22}" for head in heads))
    for name, runs in usages.items():
        columns = zip(*runs, strict=True)
        cells = (_spread(column, digits) for column, digits in zip(columns, (2, 2, 0, 0), strict=True))
        print(f"{name:<24}" + "".join(f"{cell:>22}" for cell in cells))
    ratios = [("tlsrpt", peer) for peer in PEERS if peer in usages]
    for over, under in [*ratios, ("tlsrpt again", "tlsrpt")]:
        cells = (_ratio(usages[over], usages[under], name) for name in Usage._fields)
        print(f"{over + ' / ' + under:<24}" + "".join(f"{cell:>22}" for cell in cells))


def _words(allowed: Sequence[str]) -> Callable[[str], list[str]]:
    def words(text: str) -> list[str]:
        found = text.split(",")
        if not set(found) <= set(allowed):
            raise argparse.ArgumentTypeError(f"of {', '.join(allowed)}, separated by commas")
        return found

    return words


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure loading against peers on the same files.")
    parser.add_argument("--count", type=int, default=10_000, metavar="N", help="deliveries (10000)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each candidate (3)")
    parser.add_argument("--forms", type=_words(FORMS), default=["gz", "eml"], help="gz,eml,mbox (gz,eml)")
    parser.add_argument(
        "--against",
        type=_words((*PEERS, "none")),
        default=list(PEERS),
        help="parsedmarc,duckdb or none (both)",
    )
    parser.add_argument(
        "--program",
        type=Path,
        default=Path(sys.executable).with_name("tlsrpt"),
        metavar="PATH",
        help="the tlsrpt to measure (the one installed beside this Python)",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every single figure there")
    return parser.parse_args()


def main() -> int:
    """Measure what the command line asks for, and print it."""
    options = _options()
    load_before = os.getloadavg()
    parsedmarc = _installed_parsedmarc() if "parsedmarc" in options.against else None
    results = []
    try:
        for form in options.forms:
            data = _prepared(form, options.count)
            candidates = list(_program(options.program))
            if parsedmarc is not None:
                candidates.append(_parsedmarc(parsedmarc))
            if "duckdb" in options.against and form == "gz":
                candidates.append(_duckdb())
            usages = _rounds(data, [*candidates, _floor()], options.rounds)
            _print_table(data, usages)
            runs = {name: [usage._asdict() for usage in each] for name, each in usages.items()}
            results.append({"manifest": data.manifest, "runs": runs})
    except WrongResultError as error:
        print(f"\nWRONG RESULT, no timing counts: {error}", file=sys.stderr)
        return 1
    machine = {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}
    print(
        f"\nPython {machine['python']} on {machine['cores']} cores; load average {load_before[0]:.1f} before"
        f" and {os.getloadavg()[0]:.1f} after: other work on the machine makes wall times say less."
    )
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        document = {"machine": machine, "load_average_before": load_before, "results": results}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
