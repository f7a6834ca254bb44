"""Long lists: the store hands out the rows in sight, filtered and sorted, and nothing more is asked for."""

from __future__ import annotations

import csv
import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from screen import lines, press, settled, text, until
from stories import TODAY, failure, report, stored, sts, write

import loaders
from loaders.directory import Directory
from queries import EVERYTHING, Part, Scope, deliveries, reports
from tlsrpt.store import Store
from tui.app import Workbench
from tui.evidence import Evidence
from tui.remembered import Remembered
from tui.screens.paging import PAGE, Paging
from tui.screens.refused import RefusedScreen
from tui.screens.reports import ReportsScreen
from tui.widgets.table import _sortable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.pilot import Pilot

    from queries.reports import ReportRow

MANY = 1_000
REFUSED = 300


def many() -> Iterator[dict[str, object]]:
    for number in range(MANY):
        failed = number % 7
        domain = f"d{number % 50:02}.example"
        details = [failure("certificate-expired", failed, f"mx.{domain}")]
        yield report(
            f"Org{number % 13}.example",
            number % 25,
            sts(domain, 100 + number % 11, details if failed else []),
            report_id=f"id-{number:04}",
        )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("many")
    folder = write(base / "r", many())
    for number in range(REFUSED):
        (folder / f"bad {number:03}.json").write_text(json.dumps({"policies": number % 3}), encoding="utf-8")
    return stored(base / "s.duckdb", folder)


@pytest.fixture
def store(kept: Path) -> Store:
    return Store.open(kept)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Part]:
    """Return what lists of reports ask for."""
    found: list[Part] = []
    listed = reports.listed

    def noted(store: Store, scope: Scope, part: Part) -> tuple[list[ReportRow], int]:
        found.append(part)
        return listed(store, scope, part)

    monkeypatch.setattr(reports, "listed", noted)
    return found


def bench(database: Path) -> Workbench:
    """Return the program that begins with the reports of all days."""
    return Workbench(Evidence(database, [], TODAY), start=Remembered("reports", has_window=True))


def highlighted(screen: Paging) -> Any:
    row = screen.table.row()
    assert row is not None
    return row


async def list_reports(pilot: Pilot[None]) -> ReportsScreen:
    await until(pilot, lambda: isinstance(pilot.app.screen, ReportsScreen))
    await settled(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, ReportsScreen)
    return screen


# Questions


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ["", *dict.fromkeys(ReportsScreen.ORDERS)])
def test_pages_of_reports_are_the_whole_list_in_the_order_asked_for(
    store: Store, order: str, *, descending: bool
) -> None:
    whole = reports.newest(store, limit=10_000)
    if order:
        whole.sort(key=lambda row: _sortable(getattr(row, order)), reverse=descending)
    found: list[ReportRow] = []
    for first in range(0, MANY, 300):
        rows, matches = reports.listed(store, EVERYTHING, Part((), order, descending, first, 300))
        assert matches == MANY
        found += rows
    assert len({row.report for row in found}) == MANY
    key = order or "report"
    assert [getattr(row, key) for row in found] == [getattr(row, key) for row in whole]
    # What is alike in the order asked for stands newest first.
    assert all(
        (one.day, one.report) > (other.day, other.report)
        for one, other in pairwise(found)
        if order and _sortable(getattr(one, order)) == _sortable(getattr(other, order))
    )


@pytest.mark.parametrize(
    ("words", "scope"),
    [
        (("d07.example",), EVERYTHING),
        (("org3", "d1"), EVERYTHING),
        (("2026-11-1", "id-00"), EVERYTHING),
        (("vouched", "d4"), Scope(policy_domain="d42.example")),
        (("org3",), Scope(failing=True, cause="certificate-expired")),
        (("org3",), Scope(organization="org3.example")),
        (("d4%", "_"), EVERYTHING),
        (("nothing-of-it",), EVERYTHING),
        (("superseded",), EVERYTHING),
    ],
)
def test_words_leave_the_reports_that_have_all_of_them(store: Store, words: tuple[str, ...], scope: Scope) -> None:
    def has_all(row: ReportRow) -> bool:
        seen = f"{row.day}\n{row.organization}\n{row.policy_domains}\n{row.trust}\n{row.report_id}".lower()
        return all(word in seen for word in words)

    wanted = {row.report for row in reports.newest(store, scope, limit=10_000) if has_all(row)}
    rows, matches = reports.listed(store, scope, Part(words))
    assert ({row.report for row in rows}, len(rows)) == (wanted, matches if wanted else 0)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", RefusedScreen.ORDERS)
def test_pages_of_refused_deliveries_are_the_whole_list_too(store: Store, order: str, *, descending: bool) -> None:
    whole = sorted(deliveries.refused(store), key=lambda row: _sortable(getattr(row, order)), reverse=descending)
    found = [
        row
        for first in range(0, REFUSED, 80)
        for row in deliveries.refused_part(store, Part((), order, descending, first, 80))[0]
    ]
    assert len({row.delivery for row in found}) == REFUSED
    assert [getattr(row, order) for row in found] == [getattr(row, order) for row in whole]
    assert deliveries.refused_part(store, Part(("bad 01",)))[1] == 10


# The screen


async def test_no_more_rows_are_asked_for_than_are_in_sight_and_around(kept: Path, asked: list[Part]) -> None:
    app = bench(kept)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await list_reports(pilot)
        assert f"{MANY:,} reports" in text(app)
        assert lines(app)[-2].startswith(f" 1/{MANY:,}")
        await press(pilot, "G")
        assert highlighted(screen).report == reports.newest(Store.open(kept), limit=10_000)[-1].report
        assert lines(app)[-2].startswith(f" {MANY:,}/{MANY:,}")
        await press(pilot, "g", "pagedown", "pagedown")
        assert "…" not in "\n".join(lines(app)[5:20])
        assert asked
        assert {part.limit for part in asked} == {PAGE}
        assert len(asked) == 2  # the first rows, the last rows


async def test_sorting_covers_what_is_not_in_sight(kept: Path) -> None:
    app = bench(kept)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await list_reports(pilot)
        while screen.table.order_by is None or screen.ORDERS[screen.table.order_by] != "sts_failed":
            await press(pilot, "s")
        assert [screen.table.shown[place].row.sts_failed for place in range(5)] == [6] * 5
        await press(pilot, "G")
        assert highlighted(screen).sts_failed == 0
        await press(pilot, "S")
        assert screen.table.cursor == 0
        assert highlighted(screen).sts_failed == 0
        assert "sorted by failed, least first" in text(app)


async def test_the_filter_looks_through_everything_and_escape_brings_it_back(kept: Path) -> None:
    app = bench(kept)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await list_reports(pilot)
        await pilot.press("slash", *"id-0999")
        await press(pilot, "enter")
        assert [line.row.report_id for line in screen.table.shown] == ["id-0999"]
        assert f"1/1   filter: id-0999  ({MANY:,} without it; Esc clears)" in text(app)
        await pilot.press("slash", *"zzz")
        await press(pilot, "enter")
        assert "No row has all of these words." in text(app)
        await press(pilot, "escape")
        assert len(screen.table.shown) == MANY


async def test_a_filter_that_is_being_looked_through_says_so(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = bench(kept)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await list_reports(pilot)
        monkeypatch.setattr(screen, "renew", lambda: None)
        await pilot.press("slash", "x")
        await until(pilot, lambda: screen.table.pending)
        assert lines(app)[-2].startswith(" looking   filter: x")


async def test_new_reports_leave_the_cursor_on_its_row(kept: Path, tmp_path: Path) -> None:
    database = Path(shutil.copy(kept, tmp_path / "s.duckdb"))
    app = bench(database)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await list_reports(pilot)
        await press(pilot, "pagedown", "down", "down")
        here = highlighted(screen).report
        newer = write(tmp_path / "new", [report("new.example", 0, sts("d00.example", 5), report_id="new")])
        loaders.load(Directory([str(newer)]), Store.open(database), vouch=True)
        app.evidence.version += 1
        screen.renew()
        await settled(pilot)
        assert f"{MANY + 1:,} reports" in text(app)
        assert highlighted(screen).report == here


def written(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the one file that was written."""
    [name] = folder.glob("*.csv")
    with name.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def test_without_a_store_there_are_no_rows_left(kept: Path, tmp_path: Path) -> None:
    database = Path(shutil.copy(kept, tmp_path / "s.duckdb"))
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await list_reports(pilot)
        screen.show(None)
        await settled(pilot)
        assert "No reports yet." in text(app)
        screen.explain("it is in use")
        await settled(pilot)
        assert "it is in use" in text(app)
        assert not screen.table.shown


async def test_all_rows_are_taken_along(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = bench(kept)
    async with app.run_test(size=(120, 40)) as pilot:
        await list_reports(pilot)
        await press(pilot, "e")
        await press(pilot, "enter")
        assert len({row["report_id"] for row in written(tmp_path)}) == MANY
        await press(pilot, "Y", "t")
        await until(pilot, lambda: app.clipboard.startswith("Day\t"))
        assert len(app.clipboard.splitlines()) > PAGE + 1  # as many as a clipboard takes


async def test_the_list_of_refused_deliveries_is_paged_too(kept: Path) -> None:
    app = bench(kept)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "3", "G")
        screen: Any = app.screen
        assert lines(app)[-2].startswith(f" {REFUSED}/{REFUSED}")
        await pilot.press("slash", *"299")
        await press(pilot, "enter")
        assert highlighted(screen).source.endswith("bad 299.json")
