"""Jumping, choosing and taking along: the palette, another domain, the screen before, copies, files, other programs."""

from __future__ import annotations

import csv
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest
from pty_program import Program
from screen import agree, lines, press, settled, text, until
from stories import POISONS, TODAY, crowded, poisoned_files, report, small, stored, sts, write
from textual.widgets import Input

from tui import exporting, keys
from tui.app import COPIES, Workbench
from tui.evidence import Evidence
from tui.screens.base import Asking
from tui.screens.failures import FailuresScreen
from tui.screens.form import Form
from tui.screens.help import HelpScreen
from tui.screens.palette import LISTED, Palette
from tui.screens.readiness import ReadinessScreen
from tui.widgets.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("small")
    return stored(base / "s.duckdb", write(base / "r", small()))


def bench(database: Path) -> Workbench:
    return Workbench(Evidence(database, as_of=TODAY))


async def type_in(pilot: Pilot[None], words: str) -> None:
    await pilot.press(*("space" if one == " " else one for one in words))


async def domains_listed(pilot: Pilot[None], app: Workbench) -> None:
    await until(
        pilot, lambda: isinstance(app.screen, Palette) and any(one.policy_domain for one in app.screen.commands)
    )


# The palette


@pytest.mark.parametrize("tour", [[], ["enter"], ["2"], ["2", "enter"], ["r"], ["3"], ["P"], ["c"]], ids="-".join)
async def test_the_palette_has_every_key_of_the_screen_and_every_domain(database: Path, tour: list[str]) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, *tour)
        here = app.screen
        assert isinstance(here, Asking)
        await pilot.press("colon")
        await domains_listed(pilot, app)
        assert isinstance(app.screen, Palette)
        offered = {one.words for one in app.screen.commands}
        meant = {meaning for _, listed in keys.groups(here.NAME) for _, meaning in listed}
        assert meant - offered == {"all that can be done here, and every domain"}
        assert {"example.net", "example.org"} <= offered


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize(("name", "key"), [("palette", "colon"), ("period", "W"), ("copy", "Y"), ("export", "e")])
async def test_choices_look_like_their_goldens(
    database: Path, name: str, key: str, size: tuple[int, int], *, update_goldens: bool
) -> None:
    app = bench(database)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press(key)
        await until(pilot, lambda: not any(not worker.is_finished for worker in app.workers))
        agree(f"{name}-{size[0]}x{size[1]}", text(app), update=update_goldens)


async def test_a_command_does_what_its_key_does(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for words, seen in (
            ("sort by the next", "sorted by Domain"),
            ("last row", "2/2"),
            ("what fails at", "[2 Failures] 3 Refused 4 Mail  example.org"),
            ("Failures", "[2 Failures]"),
        ):
            await pilot.press("ctrl+p")
            await type_in(pilot, words)
            await press(pilot, "enter")
            assert seen in text(app)


async def test_a_domain_is_found_by_a_part_of_its_name_and_opens(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("colon")
        await domains_listed(pilot, app)
        await type_in(pilot, "ple.net")
        await press(pilot, "enter")
        assert "example.net > readiness" in lines(app)[0]


async def test_typing_in_the_palette_lists_no_more_than_anyone_reads(tmp_path: Path) -> None:
    many = [report("a.example", 1, *(sts(f"d{n}.example", 1) for n in range(500)))]
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", many)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("D")
        await domains_listed(pilot, app)
        table = app.screen.query_one(Table)
        assert len(table.shown) == LISTED
        await type_in(pilot, "d499")
        assert [line.row.policy_domain for line in table.shown] == ["d499.example"]
        await press(pilot, "escape")
        assert "all domains" in lines(app)[0]


async def test_names_of_strangers_do_nothing_in_the_palette(tmp_path: Path) -> None:
    app = bench(stored(tmp_path / "s.duckdb", poisoned_files(tmp_path / "r")))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await pilot.press("D")
        await domains_listed(pilot, app)
        assert isinstance(app.screen, Palette)
        assert len(app.screen.commands) == len(POISONS)
        app.screen.query_one(Input).value = "\x1b]0;x\x07"
        await pilot.pause()
        assert "\x1b" not in text(app)
        assert r"\x1b]0;x\x07" in app.screen.query_one(Input).value


# Another domain, the screen before, the period


@pytest.mark.parametrize(
    ("tour", "head"),
    [
        (["enter"], "example.net > readiness"),
        (["P"], "example.net > plan"),
        (["enter", "d"], "example.net > details"),
        (["c"], "example.net > published"),
        (["2"], "example.net"),
        (["r"], "example.net > reports"),
        (["2", "enter"], "example.net > readiness"),
    ],
)
async def test_another_domain_is_shown_on_the_same_screen(database: Path, tour: list[str], head: str) -> None:
    app = bench(database)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, *tour)
        await pilot.press("D")
        await domains_listed(pilot, app)
        await type_in(pilot, "net")
        await press(pilot, "enter")
        assert head in lines(app)[0]


async def test_the_screen_before_comes_back_as_it_was(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "minus")
        await press(pilot, "down", "enter", "end", "3")
        was = app.screen_stack[-1]
        await press(pilot, "minus")
        assert isinstance(app.screen, ReadinessScreen)
        assert app.screen.table.cursor == len(app.screen.table.shown) - 1
        await press(pilot, "minus")
        assert app.screen is was
        await press(pilot, "1", "2")
        assert isinstance(app.screen, FailuresScreen)
        await press(pilot, "minus", "escape")
        assert app.screen_stack == [app.screen]
        assert app.is_running


async def test_the_period_is_chosen_from_a_list_by_key_and_by_click(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "W", "2")
        assert "7 days to 2026-11-20" in lines(app)[0]
        await pilot.click(".head", offset=(lines(app)[0].index("7 days"), 0))
        await press(pilot, "down", "enter")
        assert "14 days to 2026-11-20" in lines(app)[0]
        await press(pilot, "W", "escape")
        assert app.days == 14
        await pilot.click(".head", offset=(lines(app)[0].index("all domains"), 0))
        await until(pilot, lambda: isinstance(app.screen, Palette))


async def test_the_names_of_the_first_screens_can_be_clicked(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.click(".head", offset=(lines(app)[0].index("2 Failures"), 0))
        await settled(pilot)
        assert "[2 Failures]" in lines(app)[0]


# Copies


async def test_a_value_the_row_or_the_whole_list_is_copied_by_one_key_more(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "Y", "1")
        assert app.clipboard == "example.org"
        await press(pilot, "Y", "r")
        assert app.clipboard.startswith("example.org\ttesting\t")
        await press(pilot, "Y", "t")
        rows = [line.split("\t") for line in app.clipboard.split("\n")]
        assert [row[0] for row in rows] == ["Domain", "example.org", "example.net"]
        await press(pilot, "2", "enter", "Y", "c")
        assert app.clipboard.startswith("openssl s_client")


async def test_what_a_clipboard_does_not_hold_is_cut_at_a_line_and_said(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        app.copy("\n".join(f"ä line {n}" for n in range(10_000)))
        await settled(pilot)
        assert len(app.clipboard.encode()) <= COPIES
        assert app.clipboard.endswith("\n")
        assert f"the first {len(app.clipboard.splitlines()):,} lines only: e writes" in text(app)


# Files


async def written(pilot: Pilot[None], app: Workbench, path: Path) -> str:
    await pilot.press("e")
    await until(pilot, lambda: isinstance(app.screen, Form))
    app.screen.query_one(Input).value = str(path)
    await pilot.press("enter")
    await until(pilot, path.exists)
    await settled(pilot)
    return read(path)


def read(path: Path) -> str:
    """Return what a file has that its owner alone may read."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path.read_bytes().decode()


async def test_the_rows_that_are_shown_are_written_with_every_column(database: Path, tmp_path: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        [row] = csv.DictReader((await filtered_and_written(pilot, app, tmp_path / "a.csv")).splitlines())
        assert (row["domain"], row["sessions"], row["rate"], row["last"]) == ("example.net", "9", "0.0", "2026-11-19")
        [found] = json.loads(await written(pilot, app, tmp_path / "a.json"))
        assert found["would_block"] == 0
        assert found["14_days"].strip() == "."
        assert "| example.net |" in await written(pilot, app, tmp_path / "a.md")
        assert "example.net" in await written(pilot, app, tmp_path / "a.txt")


async def filtered_and_written(pilot: Pilot[None], app: Workbench, path: Path) -> str:
    await pilot.press("slash", *"net", "enter")
    await settled(pilot)
    return await written(pilot, app, path)


async def test_reports_and_texts_are_written_too(database: Path, tmp_path: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "r")
        rows = list(csv.DictReader((await written(pilot, app, tmp_path / "reports.csv")).splitlines()))
        assert {"sts_failed", "tlsa_failed"} <= set(rows[0])
        await press(pilot, "enter")
        assert "Report ID" in await written(pilot, app, tmp_path / "report.txt")


async def test_a_file_of_strangers_text_holds_no_formula_and_no_control_character(tmp_path: Path) -> None:
    evil = report("=cmd|'/C calc'!A0", 1, sts("example.org", 1), report_id="\x1b]0;T\x07+1")
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", [evil])))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "r")
        shown = await written(pilot, app, tmp_path / "a.csv")
        assert "\x1b" not in shown
        assert not any(cell.startswith("=") for row in csv.reader(shown.splitlines()) for cell in row)


def test_a_file_is_never_written_over_nor_through_a_link(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "elsewhere")
    assert "is there already" in exporting.write(str(mine), "x")
    assert exporting.write(str(link), "x")
    assert "No such file" in exporting.write(str(tmp_path / "none" / "a.csv"), "x")
    assert exporting.write("a\0b", "x")
    assert mine.read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["../../x", "-rf", "a\0b", "CON", "x" * 4096, "a/b", *POISONS.values()])
def test_a_name_of_a_stranger_makes_no_path(name: str) -> None:
    made = exporting.file_name("tlsrpt-failures", name, "2026-03-20")
    assert made.startswith("tlsrpt-failures-")
    assert len(made) < 120
    assert made.isascii()
    assert made.isprintable()
    assert "/" not in made


# Other programs


def reader(path: Path, seen: Path) -> Path:
    """Return a program that keeps what it was shown, and the name and mode of the file."""
    path.write_text(f'#!/bin/sh\ncp "$1" {seen}\nls -l "$1" >{seen}.ls\necho looked at\n')
    path.chmod(0o700)
    return path


@pytest.mark.pty
@pytest.mark.parametrize(("key", "variable"), [("V", "PAGER"), ("E", "EDITOR")])
def test_what_is_shown_goes_to_the_program_of_the_operator_and_the_file_is_gone_after(
    tmp_path: Path, key: str, variable: str
) -> None:
    database = stored(tmp_path / "s.duckdb", poisoned_files(tmp_path / "r"))
    seen = tmp_path / "seen"
    program = reader(tmp_path / "reader", seen)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    arguments = ["--database", str(database), "--as-of", str(TODAY)]
    with Program(arguments, {variable: str(program), "TMPDIR": str(temporary), "VISUAL": ""}) as running:
        running.wait_for("would block in enforce")
        running.wait_for("looked at", since=running.press(key))
        running.wait_for("would block in enforce", since=len(running.output))
        running.press("q")
        assert running.ended() == 0
    assert not any(one in seen.read_text() for one in "\x1b\x9b\u202e")
    assert "policy" in seen.read_text() or "domain" in seen.read_text()
    assert seen.with_name("seen.ls").read_text().startswith("-rw-------")
    assert os.listdir(temporary) == []  # noqa: PTH208 - nothing is left


async def test_a_program_that_there_is_not_is_said(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "no-such-program --x")
    app = bench(database)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "V")
        assert "there is no no-such-program --x here; $PAGER" in text(app)


async def test_a_small_screen_shows_choices_too(tmp_path: Path) -> None:
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", crowded())))
    async with app.run_test(size=(30, 8)) as pilot:
        await settled(pilot)
        await press(pilot, "W", "6", "Y", "1")
        assert app.days is None
        assert app.clipboard.endswith(".example")


async def test_the_palette_finds_what_the_footer_calls_a_key_and_leads_to_every_screen(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for words, seen in (
            ("help", ""),
            ("timeline", "example.org > timeline"),
            ("plan", "example.org > plan"),
            ("draft", "example.org > draft"),
            ("checklist", "example.org > readiness"),
            ("every report", "all domains > reports"),
        ):
            await pilot.press("colon")
            await type_in(pilot, words)
            await press(pilot, "enter")
            if words == "help":
                assert isinstance(app.screen, HelpScreen)
            else:
                assert seen in lines(app)[0]
            while len(app.screen_stack) > 1:
                await press(pilot, "escape")


async def test_a_domain_that_nothing_is_known_of_can_be_gone_to(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("D")
        await domains_listed(pilot, app)
        await type_in(pilot, "nothing like that")
        assert "Nothing matches." in text(app)
        await pilot.press("ctrl+u")
        await type_in(pilot, "Bücher.example")
        await press(pilot, "enter")
        assert "xn--bcher-kva.example > readiness" in lines(app)[0]


async def test_a_configuration_at_fault_hides_no_domain(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.toml").write_text("domains = 3", encoding="utf-8")
    monkeypatch.setenv("TLSRPT_CONFIG", str(tmp_path / "c.toml"))
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("D")
        await domains_listed(pilot, app)
        assert "example.org" in text(app)
