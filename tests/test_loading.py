"""Files read into the store from the screens: progress, a stop, and words about what went wrong."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from screen import lines, press, settled, text, until
from stories import TODAY, report, small, stored, sts, write
from textual.widgets import Input

from loaders import Status, Summary
from queries import deliveries, domains, reports
from tlsrpt.store import Gate, Store
from tui import running
from tui.app import Workbench, how_far
from tui.evidence import Evidence
from tui.screens.confirm import Confirm
from tui.screens.refused import RefusedScreen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.pilot import Pilot


async def load(pilot: Pilot[None], path: object) -> None:
    """Have a path read, and wait until that is over."""
    await pilot.press("L")
    await settled(pilot)
    pilot.app.screen.query_one(Input).value = str(path)
    await pilot.press("enter")
    app: Any = pilot.app
    await until(pilot, lambda: app.loader is None)
    await settled(pilot)


async def test_a_folder_is_read_into_a_new_store_and_shown(tmp_path: Path) -> None:
    folder = write(tmp_path / "r", small())
    database = tmp_path / "data" / "s.duckdb"
    app = Workbench(Evidence(database, [], TODAY))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settled(pilot)
        assert "L                         read files" in text(app)
        await load(pilot, folder)
        assert "example.org" in text(app)
        assert f"{len(small())} new reports" in text(app)
    assert len(reports.newest(Store.open(database))) == len(small())


async def test_more_files_join_those_given_and_are_stored_nowhere(tmp_path: Path) -> None:
    first = write(tmp_path / "a", small())
    more = write(tmp_path / "b", [report("new.example", 1, sts("more.example", 5))])
    app = Workbench(Evidence(tmp_path / "none.duckdb", [str(first)], TODAY))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "example.org" in text(app) and not app.progress)
        await load(pilot, more)
        assert "more.example" in text(app)
        store = app.evidence.store()
        assert store is not None
        assert {row.trust for row in reports.newest(store)} == {"vouched"}
    assert not (tmp_path / "none.duckdb").exists()


@pytest.mark.parametrize("path", ["no-such-file", "-", "~nobody-here/x"])
async def test_what_is_not_there_is_said_and_no_store_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Workbench(Evidence(tmp_path / "s.duckdb", [], TODAY))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        await load(pilot, path)
        shown = " ".join(text(app).replace("▌", "").split())
        assert "no such file or directory" in shown or "home directory" in shown
        assert app.progress == ""
    assert not (tmp_path / "s.duckdb").exists()


async def test_loading_shows_how_far_it_is_and_stops_after_a_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "r", small())
    asked_to_stop = threading.Event()

    def read_in(
        store: Store,
        paths: list[str],
        configured: object,
        *,
        vouch: bool,
        progress: Callable[[Status], None],
        stopped: Callable[[], bool],
    ) -> Summary:
        del store, paths, configured, vouch
        progress(Status(1, 1_000, 1, 0, 4.0, None, None))
        while not stopped():
            asked_to_stop.wait(0.01)
        return Summary(reports=1, interrupted=True)

    monkeypatch.setattr(running, "read_in", read_in)
    app = Workbench(Evidence(tmp_path / "s.duckdb", [], TODAY))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("L")
        await settled(pilot)
        app.screen.query_one(Input).value = str(folder)
        await pilot.press("enter")
        await until(pilot, lambda: "loading 1 of" in lines(app)[0])
        assert f"loading 1 of {len(small())} files" in lines(app)[0]
        assert " s left" in lines(app)[0]
        await pilot.press("2", "L")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("n", "L")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert app.loader is not None
        await pilot.press("y")
        await until(pilot, lambda: app.loader is None)
        await until(pilot, lambda: "stopped; kept what was finished" in text(app))
        assert app.progress == ""


def test_the_time_left_comes_of_the_bytes_read_so_far() -> None:
    status = Status(20, 4_096, 18, 1, 10.0, 100, 20_480)
    assert how_far("loading", status) == "loading 20 of 100 files, 40 s left"
    assert how_far("reading", status._replace(seconds=0.5)) == "reading 20 of 100 files"
    nothing = status._replace(total_files=None, total_bytes=None)
    assert how_far("reading again", nothing, "deliveries") == "reading again 20 deliveries"


async def test_reading_again_shows_how_far_it_is_and_escape_stops_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "r", small())
    for number in range(3_000):
        (folder / f"bad {number}.json").write_text(f'{{"policies": {number}}}', encoding="utf-8")
    database = stored(tmp_path / "s.duckdb", folder)
    app = Workbench(Evidence(database, [], TODAY))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "3")
        told: list[str] = []

        def note(words: str) -> None:
            told.append(words)

        app.watch(app, "progress", note, init=False)
        await pilot.press("R")
        await until(pilot, lambda: app.loader is None)
        assert "reading again 2,000 of 3,000 deliveries" in told
        assert "3,000 refused still" in text(app)
        with Gate(database, write=False, until=time.monotonic() + 20):  # so that it cannot go on
            await pilot.press("R")
            await until(pilot, lambda: app.loader is not None)
            await pilot.press("escape")
            assert isinstance(app.screen, RefusedScreen)
            assert app.loader is None or app.loader.is_cancelled
        await until(pilot, lambda: app.loader is None)
        assert app.progress == ""
        assert len(deliveries.refused(Store.open(database))) == 3_000


async def test_paths_given_at_the_start_show_their_time_left_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "r", small())
    app = Workbench(Evidence(tmp_path / "none.duckdb", [str(folder)], TODAY))
    go_on = threading.Event()

    def read_paths(progress: Callable[[Status], None], stopped: Callable[[], bool]) -> Summary:
        progress(Status(2, 500, 1, 0, 4.0, None, None))
        while not (stopped() or go_on.is_set()):
            go_on.wait(0.01)
        return Summary()

    monkeypatch.setattr(app.evidence, "read_paths", read_paths)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "reading 2 of" in lines(app)[0])
        assert " s left" in lines(app)[0]
        go_on.set()
        await until(pilot, lambda: not app.progress)
    assert domains.totals(Store.memory()).reports == 0
