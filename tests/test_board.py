"""What the first screen and the list of failures say, and that what a row leads to says the same."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from screen import lines, press, settled, text, until
from stories import TODAY, crowded, failure, report, small, stored, sts, write

from loaders import decisions as recorded
from queries import Scope
from tlsrpt.enforce.evidence import Fix
from tlsrpt.store import Store
from tui.app import Workbench
from tui.evidence import Evidence
from tui.remembered import Remembered
from tui.screens.reports import ReportsScreen

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("stores")
    return {
        name: stored(base / f"{name}.duckdb", write(base / name, found()))
        for name, found in (("small", small), ("crowded", crowded))
    }


def bench(database: Path) -> Workbench:
    return Workbench(Evidence(database, as_of=TODAY))


# What a row, a day or an MX leads to


async def test_a_failure_of_one_day_tells_of_that_day_alone(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "enter")
        assert "17 sessions, 2 organizations, 1 day, last 2026-11-19, first seen 2026-11-19" in text(app)
        await press(pilot, "escape", *["b"] * 6, "enter", "enter")
        assert lines(app)[0].endswith("2026-11-19")
        assert "17 sessions, 2 organizations, 1 day" in text(app)
        await press(pilot, "r")
        assert "2 reports" in text(app)


async def test_a_failure_follows_the_window(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "enter")
        numbers = {}
        for key in ("1", "2"):
            await pilot.press("W")
            await pilot.press(key)
            await settled(pilot)
            numbers[key] = re.search(r"([\d,]+) sessions, .* (\d+) days?, last", text(app))
        assert numbers["1"] is not None
        assert numbers["2"] is not None
        assert (numbers["1"][2], numbers["2"][2]) == ("1", "5")
        assert numbers["1"][1] != numbers["2"][1]


async def test_an_mx_without_failures_is_not_said_to_have_those_of_its_domain(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.look_into(Scope(policy_domain="example.org", mx="mx1.example.org"))
        await settled(pilot)
        assert "No failure is told there." in text(app)
        assert "failed" not in lines(app)[1]
        app.look_into(Scope(policy_domain="example.org", mx="mx2.example.org"))
        await settled(pilot)
        assert "17 sts sessions failed so, 17 would block" in text(app)


async def test_the_list_of_failures_says_whose_fault_each_is(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        rows = [line for line in lines(app) if "domain-" in line and "certificate-host-mismatch" in line]
        assert {re.split(" +", row[1:])[3] for row in rows} >= {"ours", "?"}
        assert "…" not in {re.split(" +", row[1:])[3] for row in rows}


async def test_a_recorded_repair_is_told_at_its_failure(tmp_path: Path) -> None:
    database = stored(tmp_path / "s.duckdb", write(tmp_path / "r", small()))
    when = datetime.combine(TODAY, time(8))
    fix = Fix(0, "example.org", "certificate-expired", "mx2.example.org", when, "renewed", "me", when)
    recorded.fix(Store.open(database), [fix])
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "enter")
        assert "2026-11-20 08:00Z by me: renewed (fix 1)" in text(app)


# What the first screen says


async def test_what_is_held_back_now_is_named_before_what_would_be(tmp_path: Path) -> None:
    many = failure("certificate-expired", 50, "mx.example.org")
    few = failure("certificate-host-mismatch", 3, "mx.example.net")
    found = [report("a.example", 1, sts("example.org", 100, [many]), sts("example.net", 100, [few], mode="enforce"))]
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", found)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert re.match(r" Held back now: \S+ certificate-host-mismatch at mx.example.net: 3 se", lines(app)[2])


async def test_reports_that_are_old_are_not_told_as_news(tmp_path: Path) -> None:
    enforced = sts("example.net", 100, [failure("certificate-expired", 3, "mx.example.net")], mode="enforce")
    found = [report("a.example", ago, enforced) for ago in (9, 10)]
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", found)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "No report since 2026-11-11: what stands here is 9 days old" in text(app)
        assert "Held back then: " in text(app)
        assert "now" not in text(app)


async def test_domains_without_a_report_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.toml").write_text('domains = ["watched.example", "a.example"]', encoding="utf-8")
    monkeypatch.setenv("TLSRPT_CONFIG", str(tmp_path / "c.toml"))
    found = [report("o.example", 1, sts("a.example", 9)), report("o.example", 20, sts("b.example", 9))]
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", found)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "No report in these days: watched.example" in text(app)
        await press(pilot, "W", "2")
        assert "No report in these days: b.example, watched.example" in text(app)
        await pilot.press("D")
        await until(pilot, lambda: "watched.example" in text(app))


async def test_without_a_report_about_a_domain_that_is_said_though_there_are_others(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for open_it in (app.look_into, lambda within: app.push_screen(ReportsScreen(within, top="domains"))):
            open_it(Scope(policy_domain="nobody.example"))
            await settled(pilot)
            assert "No report about nobody.example." in text(app)


HOLDS = """
import sys
from pathlib import Path
from tlsrpt.store import Store
with Store.open(Path(sys.argv[1])).writing():
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Yield a store, and a process that writes to it until its standard input is closed."""
    database = stored(tmp_path / "s.duckdb", write(tmp_path / "r", small()))
    run = [sys.executable, "-c", HOLDS, str(database)]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        yield database, holder


async def test_a_store_that_is_in_use_at_the_start_is_read_once_it_is_free(
    held: tuple[Path, subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlsrpt.store.PATIENCE", 0.1)
    monkeypatch.setattr("tui.app.LOOK_AGAIN", 0.05)
    database, holder = held
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: f"process {holder.pid}" in text(app))
        assert holder.stdin is not None
        holder.stdin.close()
        await until(pilot, lambda: "17 of 552 sessions would block" in text(app))
        await settled(pilot)


async def test_the_head_counts_what_was_refused_wherever_one_begins(tmp_path: Path) -> None:
    folder = write(tmp_path / "r", small())
    (folder / "bad.json").write_text('{"policies": 1}', encoding="utf-8")
    database = stored(tmp_path / "s.duckdb", folder)
    app = Workbench(Evidence(database, as_of=TODAY), start=Remembered("senders", "example.org"))
    async with app.run_test(size=(120, 24)) as pilot:
        await settled(pilot)
        assert "example.org > senders" in lines(app)[0]
        assert "3 Refused (1)" in lines(app)[0]
