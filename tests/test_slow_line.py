"""Keys that come at once, as on a slow line; and a cursor that stays where it was put."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from screen import lines, press, settled, text, until
from stories import TODAY, crowded, report, stored, sts, write
from textual.events import Key
from textual.widgets import Input

import loaders
from loaders.directory import Directory
from queries import Scope
from tlsrpt.store import Store
from tui.app import Workbench
from tui.evidence import Evidence
from tui.screens.form import Form
from tui.screens.paging import Paging
from tui.screens.palette import Palette
from tui.screens.reports import ReportsScreen
from tui.widgets.table import Table

if TYPE_CHECKING:
    from textual.pilot import Pilot


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("stores")
    return {"crowded": stored(base / "s.duckdb", write(base / "r", crowded()))}


def bench(database: Path) -> Workbench:
    return Workbench(Evidence(database, as_of=TODAY))


def status(app: Workbench) -> str:
    """Return the line above the footer."""
    return lines(app)[-2].strip()


async def burst(pilot: Pilot[None], *keys: str) -> None:
    """Send keys as one packet of the terminal."""
    names = {"/": "slash", ":": "colon", "-": "minus"}
    for key in keys:
        pilot.app.post_message(Key(names.get(key, key), key if len(key) == 1 else None))
    await settled(pilot)


async def test_keys_of_one_packet_act_in_their_order(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await burst(pilot, "/", *"domain-3z", "backspace", "9")
        assert "filter: domain-39" in status(app)
        await burst(pilot, "ctrl+u", *"domain-2", "enter", "j", "j")
        assert status(app).startswith("3/")
        assert "filter: domain-2 " in status(app)
        await burst(pilot, "escape", "2", "j", "1", ":", *"reports")
        await until(pilot, lambda: isinstance(app.screen, Palette))
        assert app.screen.query_one(Input).value == "reports"
        assert "[1 Domains]" in lines(app)[0]
        await press(pilot, "escape")
        await burst(pilot, "W", "2", "s")
        assert "7 days to" in lines(app)[0]
        assert "sorted by" in status(app)
        await burst(pilot, "L", *"/nowhere")
        await until(pilot, lambda: isinstance(app.screen, Form))
        assert app.screen.query_one(Input).value == "/nowhere"


async def test_a_second_click_on_a_heading_turns_the_order_round(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for order in ("most first", "least first"):
            [headings] = [line for line in lines(app) if line.startswith(" Domain ")]
            await pilot.click(Table, offset=(headings.index("Would-block"), 0))
            await settled(pilot)
            assert f"sorted by Would-block, {order}" in status(app)
            assert "looking" not in status(app)


async def test_the_cursor_stays_on_its_row_wherever_that_goes(tmp_path: Path) -> None:
    found = [report(f"o{n:03}.example", 5, sts("example.org", n)) for n in range(300)]
    folder = write(tmp_path / "r", found)
    database = stored(tmp_path / "s.duckdb", folder)
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.push_screen(ReportsScreen(Scope(), top="domains"))
        await settled(pilot)
        await press(pilot, *["pagedown"] * 2, "j")
        before = app.screen.query_one(Table).row()
        write(folder / "more", [report(f"n{n:03}.example", 2, sts("example.org", n)) for n in range(250)])
        loaders.load(Directory([str(folder / "more")]), Store.open(database), vouch=True)
        app.changed()
        await settled(pilot)
        assert "550 reports" in text(app)
        after = app.screen.query_one(Table).row()
        assert (before, status(app)[:4]) != (None, "1/55")
        assert after == before


async def test_a_question_that_is_stopped_leaves_what_is_shown_as_it_was(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        before = text(app)
        screen = app.screen
        assert isinstance(screen, Paging)
        for keys in (["s"], ["b"], ["w"], ["slash", "z", "z"]):
            with pytest.MonkeyPatch.context() as patch:
                asked: list[object] = []
                patch.setattr(type(screen), "ask", lambda *wanted: asked.append(wanted))  # noqa: B023 - used at once
                for key in keys:
                    await pilot.press(key)
                await until(pilot, lambda: bool(asked))  # noqa: B023 - likewise
                screen.waiting = 0.5
                if keys[0] == "slash":
                    await pilot.press("enter")
                await press_alone(pilot, "escape")
            await settled(pilot)
            assert text(app) == before


async def press_alone(pilot: Pilot[None], key: str) -> None:
    """Press a key while a question is asked."""
    await pilot.press(key)
    await pilot.pause()


@pytest.mark.parametrize("ends", [False, True], ids=["goes on", "ends"])
async def test_keys_that_come_faster_than_screens_do_no_harm(stores: dict[str, Path], *, ends: bool) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        for key in "21" * 40:
            app.post_message(Key(key, key))
        if ends:
            app.exit()
            return
        await settled(pilot)
        assert "[1 Domains]" in lines(app)[0]
