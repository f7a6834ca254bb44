"""The screens about one domain: its days, its senders, its MXs and its policies, as they look and where keys lead."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from screen import lines, press, settled, text
from stories import BUSY, POISONS, TODAY, busy, failure, poisoned_files, report, stored, sts, write
from test_screens import STRANGE

import loaders
from loaders.directory import Directory
from tlsrpt.store import Store
from tui.app import Workbench
from tui.evidence import Evidence
from tui.screens.senders import SendersScreen
from tui.screens.timeline import TimelineScreen
from tui.widgets.table import Table

if TYPE_CHECKING:
    from textual.pilot import Pilot

SAMPLES = Path(__file__).parent.parent / "sample_reports"
AS_OF = date.fromisoformat((SAMPLES / "as-of.txt").read_text().strip())


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("stores")
    samples = base / "small.duckdb"
    loaders.load(Directory([str(SAMPLES)]), Store.open(samples, create=True), vouch=True)
    Store.open(base / "empty.duckdb", create=True).close()
    return {
        "small": samples,
        "empty": base / "empty.duckdb",
        "crowded": stored(base / "crowded.duckdb", write(base / "crowded", busy())),
        "hostile": stored(base / "hostile.duckdb", poisoned_files(base / "hostile")),
    }


def bench(database: Path, state: str = "", *, blocks: bool = True) -> Workbench:
    return Workbench(Evidence(database, as_of=AS_OF if state in {"small", "empty"} else TODAY), blocks=blocks)


async def begin(pilot: Pilot[None], domain: str, *keys: str) -> Workbench:
    """Go to the timeline of a domain, and from there on by keys."""
    app = pilot.app
    assert isinstance(app, Workbench)
    await settled(pilot)
    app.look_over("timeline", domain, top="domains")
    await settled(pilot)
    await press(pilot, *keys)
    return app


async def test_the_pointer_goes_over_days_and_enter_opens_the_failures_of_one(stores: dict[str, Path]) -> None:
    async with bench(stores["small"], "small").run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "clinic.example")
        assert lines(app)[1].startswith(" 2026-03-19: 11 of 52 sessions would block")
        await press(pilot, "left", "h", "l", "left")
        assert lines(app)[1].startswith(" 2026-03-17: 11 of 62 sessions would block")
        await press(pilot, "enter")
        assert "clinic.example > 2026" in lines(app)[0]
        assert "11 of 62 sts sessions failed, 11 would block" in text(app)
        await press(pilot, "escape", "N", "N")
        assert lines(app)[1].startswith(" 2026-03-15")
        await press(pilot, "right", "n")
        assert lines(app)[1].startswith(" 2026-03-17")


async def test_a_day_without_a_failure_or_a_report_opens_nothing(stores: dict[str, Path]) -> None:
    app = bench(stores["small"], "small")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await begin(pilot, "clinic.example", "right", "enter")
        assert "2026-03-20: no report" in text(app)
        assert isinstance(app.screen, TimelineScreen)
        await press(pilot, *["left"] * 14, "enter")
        assert "2026-03-06: no failure" in text(app)
        assert "in force: a look found mode enforce" in lines(app)[2]


async def test_days_that_have_no_room_come_into_sight_as_the_pointer_goes(tmp_path: Path) -> None:
    days = [report("a.example", ago, sts("example.org", 70)) for ago in range(100)]
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", days)))
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "example.org", "w")
        assert "2026-09-22 to 2026-11-20, 30 days more to the left" in text(app)
        assert isinstance(app.screen, TimelineScreen)
        app.screen.here = date(2026, 9, 22)
        await press(pilot, "left")
        assert "2026-08-24 to 2026-10-22, 1 day more to the left, 29 days more to the right" in text(app)
        assert lines(app)[1].startswith(" 2026-09-21:")
        app.screen.here = date(2026, 8, 24)
        await press(pilot, "left", "left", "left")
        assert lines(app)[1].startswith(" 2026-08-23:")
        await press(pilot, "w")
        assert "2026-09-22 to 2026-11-20" not in text(app)


async def test_a_terminal_that_grows_has_more_days(tmp_path: Path) -> None:
    days = [report("a.example", ago, sts("example.org", 70)) for ago in range(100)]
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", days)))
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "example.org", "w")
        await pilot.resize_terminal(120, 40)
        await settled(pilot)
        assert "2026-08-23 to 2026-11-20 " in text(app)


async def test_each_screen_of_a_domain_is_one_key_from_the_others_and_escape_leads_back(
    stores: dict[str, Path],
) -> None:
    app = bench(stores["small"], "small")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        domain = app.screen.query_one(Table).row().domain.policy_domain  # type: ignore[union-attr]
        for key, name in (("o", "senders"), ("m", "MXs"), ("i", "policies"), ("t", "timeline")):
            await press(pilot, key)
            assert f"{domain} > {name}"[:19] in lines(app)[0]
        await press(pilot, "t")
        assert len(app.screen_stack) == 5
        await press(pilot, "escape", "escape", "escape", "escape", "enter", "m")
        assert "> MXs" in lines(app)[0]


async def test_enter_on_a_sender_lists_its_reports_and_x_its_failures(stores: dict[str, Path]) -> None:
    app = bench(stores["small"], "small")
    async with app.run_test(size=(120, 40)) as pilot:
        await begin(pilot, "clinic.example", "o", "enter")
        assert "29 reports" in text(app)
        await press(pilot, "escape", "x")
        assert "clinic.example > google.com" in lines(app)[0]


async def test_enter_on_an_mx_lists_the_failures_there(stores: dict[str, Path]) -> None:
    app = bench(stores["small"], "small")
    async with app.run_test(size=(120, 40)) as pilot:
        await begin(pilot, "clinic.example", "m", "down", "enter")
        assert "clinic.example > mx2.clinic.example" in lines(app)[0]


async def test_a_regular_sender_that_fell_silent_is_told_and_a_seldom_one_is_not(tmp_path: Path) -> None:
    found = [report("daily.example", ago, sts("example.org", 9)) for ago in range(8, 20)]
    found += [report("seldom.example", ago, sts("example.org", 9)) for ago in (9, 14, 20)]
    found += [report("steady.example", ago, sts("example.org", 9)) for ago in range(1, 20)]
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", found)))
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "example.org", "o")
        assert isinstance(app.screen, SendersScreen)
        assert "Silent: daily.example" in text(app)
        assert "seldom.example" not in lines(app)[2]
        [row] = [line for line in lines(app) if line[1:].startswith("daily.example")]
        assert row.endswith("11-13")


async def test_an_empty_window_says_when_the_newest_report_is(tmp_path: Path) -> None:
    old = report("a.example", 5, sts("example.org", 70, [failure("certificate-expired", 2, "mx.example.org")]))
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", [old])))
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "example.org", "w", "w", "w")
        assert "The newest one is of 2026-11-15." in text(app)
        await press(pilot, "enter", "left", "n", "o")
        assert "The newest one is of 2026-11-15." in text(app)


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (40, 12), (300, 80)])
async def test_no_size_is_refused(stores: dict[str, Path], size: tuple[int, int]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=size) as pilot:
        await begin(pilot, BUSY, "G", "left", "n", "o", "m", "i", "end")
        assert len(lines(app)) == size[1]


async def test_nothing_of_strangers_acts_on_a_screen_of_a_domain(stores: dict[str, Path]) -> None:
    app = bench(stores["hostile"])
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        for place in range(len(POISONS)):
            every = (["t", "G", "y", "left"], ["o", "enter"], ["o", "x"], ["m", "down"], ["i", "G", "y"])
            # Each poison on one of the screens, and the first of them on all.
            for keys in every if place == 0 else every[place % len(every) :][:1]:
                await press(pilot, "1")
                app.screen.query_one(Table).cursor = place
                for key in keys:
                    await press(pilot, key)
                    assert not STRANGE.search(text(app))
                    assert not STRANGE.search(app.clipboard)
        assert app.is_running
