"""Long lists: the store hands out the rows in sight, filtered and sorted, and nothing more is asked for."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from screen import lines, press, settled, text, until
from shelf import put
from stories import TODAY, failure, report, stored, sts, write

import loaders
from loaders.directory import Directory
from queries import EVERYTHING, KNOWN, WHOLE, Part, Scope, deliveries, domains, failures, reports
from tlsrpt.cause import BLOCKING
from tlsrpt.store import Store
from tui.app import Workbench
from tui.evidence import Evidence
from tui.remembered import Remembered
from tui.screens import paging
from tui.screens.domains import DomainsScreen
from tui.screens.failures import GROUPINGS, SERIES
from tui.screens.paging import PAGE, Paging
from tui.screens.refused import RefusedScreen
from tui.screens.reports import ReportsScreen
from tui.widgets.table import _sortable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
@pytest.mark.parametrize("order", ["", *(column.order for column in ReportsScreen.COLUMNS)])
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
@pytest.mark.parametrize("order", [column.order for column in RefusedScreen.COLUMNS])
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


WHOLE_LISTS: dict[str, Callable[[Store], list[Any]]] = {
    "domains": domains.overview,
    "series": failures.series,
    "cause": failures.by_cause,
    "result_type": failures.by_result_type,
    "mx": failures.by_mx,
    "organization": failures.by_organization,
    "sending_ip": failures.by_sending_ip,
    "day": failures.by_day,
}


def a_part(name: str, store: Store, part: Part) -> tuple[list[Any], int]:
    if name == "domains":
        return domains.overview_part(store, EVERYTHING, part, {})
    if name == "series":
        return failures.series_part(store, EVERYTHING, part)
    return failures.breakdown(store, cast("failures.Property", name), EVERYTHING, part)


ORDERED = [
    (name, column.order)
    for name, columns in [("domains", DomainsScreen.COLUMNS), ("series", SERIES), ("mx", GROUPINGS[0].columns)]
    for column in columns
    if column.order and column.order != KNOWN
] + [(grouping.by, "last_day") for grouping in GROUPINGS if grouping.by != "mx"]  # all groupings have the same columns


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("name", "order"), ORDERED)
def test_pages_of_other_lists_are_the_whole_list_in_the_order_asked_for(
    store: Store, name: str, order: str, *, descending: bool
) -> None:
    def value(row: Any) -> Any:
        values = [getattr(row, field) for field in order.split(" + ")]
        return _sortable(sum(values) if len(values) > 1 else values[0])

    with store.reading():
        whole = sorted(WHOLE_LISTS[name](store), key=value, reverse=descending)
        size = len(whole) // 2 + 1
        found: list[Any] = []
        for first in (0, size):
            rows, matches = a_part(name, store, Part((), order, descending, first, size))
            assert matches == (len(whole) if rows else 0)
            found += rows
    assert found == whole


@pytest.mark.parametrize("name", WHOLE_LISTS)
def test_words_leave_the_rows_that_have_all_of_them(store: Store, name: str) -> None:
    whole = WHOLE_LISTS[name](store)
    assert a_part(name, store, Part()) == (whole, len(whole))
    word = str(whole[-1][0])
    texts = [" ".join(str(value) for value in row if isinstance(value, (str, date))).lower() for row in whole]
    wanted = [row for row, words in zip(whole, texts, strict=True) if word in words]
    assert a_part(name, store, Part((word,))) == (wanted, len(wanted))
    assert a_part(name, store, Part((word, "%")))[1] == 0


def test_an_order_that_rows_do_not_have_is_no_sql(store: Store) -> None:
    with pytest.raises(ValueError, match="nothing; DROP"):
        domains.overview_part(store, EVERYTHING, Part(order="nothing; DROP TABLE reports"), {})


def test_series_can_be_those_that_began_on_a_day(store: Store) -> None:
    whole = failures.series(store)
    for began in sorted({one.first_day for one in whole}):
        wanted = [one for one in whole if one.first_day >= began]
        assert failures.series_part(store, EVERYTHING, WHOLE, began=began) == (wanted, len(wanted))


def test_the_summary_counts_the_series_of_a_scope(store: Store) -> None:
    for scope in (EVERYTHING, Scope(policy_domain="d07.example"), Scope(organization="org3.example")):
        whole = failures.series(store, scope)
        assert failures.summary(store, scope) == (
            len(whole),
            sum(one.impact in BLOCKING for one in whole),
            max(one.last_day for one in whole),
        )


def test_verdicts_order_domains_and_are_words_to_look_for(store: Store) -> None:
    verdicts = {f"d{number:02}.example": (number % 3, ("bad", "middling", "good")[number % 3]) for number in range(40)}
    rows, _ = domains.overview_part(store, EVERYTHING, Part(order=KNOWN), verdicts)
    assert [verdicts.get(row.policy_domain, (9, ""))[0] for row in rows] == [0] * 14 + [1] * 13 + [2] * 13 + [9] * 10
    rows, matches = domains.overview_part(store, EVERYTHING, Part(("middling",), KNOWN), verdicts)
    assert (len(rows), matches) == (13, 13)


def test_mail_is_held_back_where_a_domain_in_enforce_has_blocked_sessions() -> None:
    store = Store.memory()
    assert domains.held(store) == []
    for days, mode, failed in ((2, "enforce", 0), (1, "enforce", 3), (0, "testing", 3)):
        rows = [failure("certificate-expired", failed, "mx.example")] if failed else []
        put(store, report("a.example", days, sts(f"d{days}.example", 10, rows, mode)))
    assert domains.held(store) == ["d1.example"]
    assert domains.held(store, Scope(policy_domain="d0.example")) == []


# The screen


async def test_the_board_and_failures_ask_for_what_is_in_sight_too(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE", 20)
    parts: list[Part] = []

    def noting(ask: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any, **more: Any) -> Any:
            parts.extend(one for one in given if isinstance(one, Part) and one.limit != 1)
            return ask(*given, **more)

        return noted

    monkeypatch.setattr(domains, "overview_part", noting(domains.overview_part))
    monkeypatch.setattr(failures, "series_part", noting(failures.series_part))
    monkeypatch.setattr(failures, "breakdown", noting(failures.breakdown))
    summed: list[Scope] = []
    totals = domains.totals

    def summing(store: Store, scope: Scope) -> domains.Totals:
        summed.append(scope)
        return totals(store, scope)

    monkeypatch.setattr(domains, "totals", summing)
    app = Workbench(Evidence(kept, [], TODAY))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        before = len(summed)
        await press(pilot, "G", "g")
        assert before
        assert len(summed) == before  # once for all parts of the list
        for keys in (["G"], ["g", "2"], ["G"], ["b", "G"], ["b", "b", "G"]):
            await press(pilot, *keys)
            assert "…" not in "\n".join(line[:20] for line in lines(app)[6:18])
        await press(pilot, "1")
        assert lines(app)[-2].startswith(" 1/50")
    assert len(parts) > 8
    assert {part.limit for part in parts} == {20}


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
        while screen.table.order_by is None or screen.table.columns[screen.table.order_by].order != "sts_failed":
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
