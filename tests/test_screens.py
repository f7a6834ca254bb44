"""The screens, driven by keys: what they show, where keys lead, and that answers and cursor hold."""

from __future__ import annotations

import contextlib
import json
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from screen import lines, press, settled, text, until
from shelf import ask
from stories import POISONS, TODAY, crowded, failure, poisoned_files, report, small, stored, sts, write
from textual.widgets import Input, Static

import loaders
from loaders.directory import Directory
from tlsrpt.store import Store, StoreError
from tui import keys
from tui.app import Workbench
from tui.evidence import Evidence
from tui.screens.base import Answered, Asked, Asking
from tui.screens.domains import DomainsScreen
from tui.widgets.table import Table

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.pilot import Pilot

    from queries import Scope

SIZES = [(80, 24), (120, 40)]
STRANGE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("stores")
    folders = {
        "small": write(base / "small", small()),
        "crowded": write(base / "crowded", crowded()),
        "hostile": poisoned_files(base / "hostile"),
    }
    (folders["crowded"] / "bad.json").write_text('{"policies": 1, "report-id": "x"}', encoding="utf-8")
    with contextlib.chdir(base):  # so that no path of this machine is shown
        return {"empty": base / "none.duckdb"} | {
            name: stored(base / f"{name}.duckdb", folder.relative_to(base)) for name, folder in folders.items()
        }


def bench(database: Path, *paths: Path) -> Workbench:
    return Workbench(Evidence(database, [str(path) for path in paths], TODAY))


def status(app: Workbench) -> str:
    """Return the line above the footer."""
    return lines(app)[-2].strip()


# The first question


async def test_the_first_screen_names_the_broken_mx_and_two_keys_lead_to_the_fix(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        first = text(app)
        assert "17 of 552 sessions would block in enforce" in first
        assert "certificate-expired at mx2.example.org" in first
        await press(pilot, "2", "enter")
        shown = text(app)
        assert "would-block: certificate-expired at mx2.example.org" in shown
        assert "Renew, deploy to every machine" in shown
        assert "openssl s_client -starttls smtp -connect mx2.example.org:25" in shown


async def test_tlsa_and_no_policy_stand_apart_from_sts(tmp_path: Path) -> None:
    tlsa = {
        "policy": {"policy-type": "tlsa", "policy-string": ["3 1 1 00"], "policy-domain": "example.org"},
        "summary": {"total-successful-session-count": 70, "total-failure-session-count": 5},
        "failure-details": [failure("tlsa-invalid", 5, "mx1.example.org")],
    }
    none = {
        "policy": {"policy-type": "no-policy-found", "policy-domain": "example.org"},
        "summary": {"total-successful-session-count": 8, "total-failure-session-count": 0},
    }
    folder = write(tmp_path / "r", [report("a.example", 1, sts("example.org", 70), tlsa, none)])
    app = bench(stored(tmp_path / "s.duckdb", folder))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown = text(app)
        assert "tlsa 70 ok, 5 failed" in shown
        assert "no policy 8 ok, 0 failed" in shown
        assert "Nothing in 70 sessions would block in enforce" in shown


async def test_a_high_terminal_shows_more_about_the_row_and_a_resize_keeps_the_row(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "down", "down")
        chosen = app.screen.query_one(Table).row()
        assert chosen is not None
        assert "Means" not in text(app)
        await pilot.resize_terminal(120, 40)
        await settled(pilot)
        assert "Means" in text(app)
        assert f"at {chosen.series.mx_key}" in text(app)
        await press(pilot, "tab", "j", "tab")
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert app.screen.query_one(Table).row() == chosen
        assert status(app).startswith("3/")


async def test_a_wide_terminal_that_is_not_high_shows_it_on_the_right(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(170, 26)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "down")
        row = app.screen.query_one(Table).row()
        assert row is not None
        [line] = [line for line in lines(app) if " Means " in line]
        assert line.index(" Means ") > 85
        assert f"at {row.series.mx_key}" in lines(app)[1]
        await press(pilot, "slash", *"zzz", "enter")
        assert " Means " not in text(app)
        await pilot.resize_terminal(120, 26)
        await press(pilot, "escape")
        assert " Means " not in text(app)


# Moving


async def test_keys_move_and_open_and_escape_comes_back_to_the_same_row(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "j", "down", "j", "k")
        assert status(app).startswith("3/")
        await press(pilot, "G")
        last = len(app.screen.query_one(Table).shown)
        assert status(app).startswith(f"{last}/{last}")
        await press(pilot, "g", "pagedown", "ctrl+u")
        here = status(app)
        assert here[0] != "1"
        await press(pilot, "enter", "escape")
        assert status(app) == here


async def test_screens_are_one_key_apart_and_escape_never_quits(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "3", "2", "enter", "enter", "1")
        assert isinstance(app.screen, DomainsScreen)
        await press(pilot, "escape", "escape")
        assert app.is_running
        await press(pilot, "2", "2")
        assert len(app.screen_stack) == 2
        await pilot.press("q")
    assert app.return_code == 0


async def test_the_mouse_highlights_then_opens_and_the_footer_can_be_clicked(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(120, 24)) as pilot:
        await settled(pilot)
        table = app.screen.query_one(Table)
        await pilot.click(Table, offset=(5, 2))
        assert table.cursor == 1
        await pilot.click(Table, offset=(5, 0))
        await settled(pilot)
        assert "sorted by Domain" in status(app)
        await pilot.click(Table, offset=(5, table.cursor + 1))
        await settled(pilot)
        assert "> readiness" in lines(app)[0]
        for label, seen in (
            ("Help", "Readiness, one criterion"),
            ("Back", "what stands in the way"),
            ("Back", "14 days"),
        ):
            await pilot.click(".foot", offset=(lines(app)[-1].index(label), 0))
            await settled(pilot)
            assert seen in text(app)
        await pilot.click(".foot", offset=(lines(app)[-1].index("Sort"), 0))
        await settled(pilot)
        assert "sorted by Mode" in status(app)


async def test_a_filter_keeps_rows_with_all_words_and_escape_clears_it(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        table = app.screen.query_one(Table)
        everything = len(table.shown)
        await pilot.press("slash", *"domain-1")
        await press(pilot, "space", *"test")
        assert {line.row.domain.policy_domain[:8] for line in table.shown} == {"domain-1"}
        await press(pilot, "enter")
        assert "filter: domain-1 test" in status(app)
        await pilot.press("slash", *" zzz")
        await press(pilot, "enter")
        assert not table.shown
        assert "Esc clears" in status(app)
        await press(pilot, "escape")
        assert len(table.shown) == everything


async def test_q_in_the_filter_is_a_letter(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "slash", "q")
        assert app.is_running
        assert app.screen.query_one(Input).value == "q"


async def test_sorting_goes_through_the_columns_and_back_to_worst_first(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        table = app.screen.query_one(Table)
        as_they_came = [line.key for line in table.shown]
        await press(pilot, "s")
        assert [line.key for line in table.shown] == sorted(as_they_came, key=str)
        await press(pilot, "S")
        assert [line.key for line in table.shown] == sorted(as_they_came, key=str, reverse=True)
        assert "sorted by Domain" in status(app)
        for _ in table.columns:
            await press(pilot, "s")
        assert [line.key for line in table.shown] == as_they_came


async def test_the_window_goes_round_and_says_so(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test() as pilot:
        await settled(pilot)
        seen = []
        for _ in range(6):
            seen.append(lines(app)[0].split("all domains")[1].strip())
            await press(pilot, "w")
        assert seen == [
            "30 days to 2026-11-20",
            "90 days to 2026-11-20",
            "all days to 2026-11-20",
            "2 days to 2026-11-20",
            "7 days to 2026-11-20",
            "14 days to 2026-11-20",
        ]


async def test_a_store_without_recent_reports_is_shown_whole(stores: dict[str, Path]) -> None:
    app = Workbench(Evidence(stores["small"], as_of=TODAY + timedelta(days=400)))
    async with app.run_test() as pilot:
        await settled(pilot)
        assert "all days to 2027-12-25" in lines(app)[0]
        assert "certificate-expired at mx2.example.org" in text(app)


async def test_mail_that_nobody_checked_is_counted_on_the_first_screen(tmp_path: Path) -> None:
    mail = (
        b"From: reports@example.com\nSubject: Report Domain: example.org\nMIME-Version: 1.0\n"
        b"Content-Type: application/tlsrpt+json\n\n"
    )
    (tmp_path / "one.eml").write_bytes(mail + json.dumps(small()[0]).encode())
    database = tmp_path / "s.duckdb"
    loaders.load(Directory([tmp_path / "one.eml"]), Store.open(database, create=True))
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "1 of 1 are claims no verdict rests on: tlsrpt accept, or load --vouch PATH" in text(app)


async def test_an_empty_window_says_when_the_newest_report_is(stores: dict[str, Path]) -> None:
    app = Workbench(Evidence(stores["small"], as_of=TODAY + timedelta(days=2)))
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "w", "w", "w")
        shown = text(app)
        assert "No report in 2 days to 2026-11-22." in shown
        assert "The newest one is of 2026-11-19. w looks at a longer window." in shown
        await press(pilot, "w")
        assert "example.org" in text(app)


async def test_an_empty_window_names_the_newest_day_on_every_list(tmp_path: Path) -> None:
    old = report("a.example", 5, sts("example.org", 70, [failure("certificate-expired", 2, "mx.example.org")]))
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", [old])))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "r", "w", "w", "w")
        assert "The newest one is of 2026-11-15." in text(app)
        assert "0 report" not in text(app)
        await press(pilot, "2")
        assert "The newest one is of 2026-11-15." in text(app)
        assert "0 of 0" not in text(app)


async def test_a_strip_has_14_days_in_a_shorter_window_too(tmp_path: Path) -> None:
    broken = [failure("certificate-expired", 2, "mx.example.org")]
    days = [report("a.example", ago, sts("example.org", 70, broken)) for ago in range(14)]
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", days)))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "w", "w", "w")
        assert "2 days to 2026-11-20" in lines(app)[0]
        assert "#" * 14 in text(app)
        await press(pilot, "2")
        assert "#" * 14 in text(app)


async def test_mail_held_back_and_blocks_counted_as_successful_are_told(tmp_path: Path) -> None:
    held = sts("example.org", 70, [failure("certificate-expired", 5, "mx.example.org")], mode="enforce")
    held["summary"] = {"total-successful-session-count": 75, "total-failure-session-count": 0}
    app = bench(stored(tmp_path / "s.duckdb", write(tmp_path / "r", [report("a.example", 1, held)])))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shown = text(app)
        assert "Held back now: " in shown
        assert "5 more would block, counted as successful   held back now" in shown


async def test_the_window_key_is_for_lists_that_have_one(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test() as pilot:
        await settled(pilot)
        before = app.days
        await press(pilot, "3", "w")
        assert app.days == before
        assert "Window" not in lines(app)[-1]


async def test_reports_belong_to_the_tab_that_they_were_reached_from(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "2", "r", "enter")
        assert "[2 Failures]" in lines(app)[0]
        await press(pilot, "1", "r", "enter")
        assert "[1 Domains]" in lines(app)[0]


async def test_an_order_of_words_is_said_in_letters(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "s")
        assert "sorted by Domain, A-Z" in status(app)
        await press(pilot, "S")
        assert "sorted by Domain, Z-A" in status(app)
        await press(pilot, "s", "s", "s")
        assert "sorted by Sessions, most first" in status(app)
        await press(pilot, "r", "s")
        assert "sorted by Day, oldest first" in status(app)


async def test_groupings_narrow_down_to_series_and_reports(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "b", "b", "b", "b")
        assert "by organization" in status(app)
        await press(pilot, "enter")
        assert "all domains > google.com" in lines(app)[0]
        await press(pilot, "r")
        assert "1 report" in text(app)
        await press(pilot, "escape", "escape", "b", "b")
        assert "by day" in status(app)
        await press(pilot, "enter")
        assert "2026-11-19" in lines(app)[0]
        await press(pilot, "escape", "b")
        assert "by series" in status(app)


async def test_every_grouping_can_be_asked(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "2")
        for word in ("cause", "result type", "MX", "organization", "sending IP", "day", "series"):
            await press(pilot, "b")
            assert f"by {word}" in status(app)


# Reading


async def test_a_report_reads_and_shows_its_json(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "r", "enter")
        assert "sts  example.org" in text(app)
        await press(pilot, "v")
        assert '"organization-name": ' in text(app)
        await press(pilot, "escape")
        assert "sts  example.org" in text(app)


async def test_refused_deliveries_show_their_bytes_and_can_be_read_again(stores: dict[str, Path]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        assert "3 Refused (1)" in lines(app)[0]
        await press(pilot, "3", "enter")
        assert '"report-id": "x"' in text(app)
        await press(pilot, "escape", "R")
        assert "0 new reports, 1 refused still" in text(app)


async def test_copying_says_what_was_copied(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "2", "enter", "y")
        assert app.clipboard.startswith("openssl s_client -starttls smtp -connect mx2.example.org:25")
        assert "Copied" in text(app)
        assert r"\x0a" not in text(app)


async def test_help_lists_every_key_of_the_screen(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(120, 60)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "question_mark")
        shown = text(app)
        for _, listed in keys.groups("failures"):
            assert all(meaning in shown for _, meaning in listed)


# Paths in memory


async def test_paths_are_read_while_the_screen_is_there(tmp_path: Path) -> None:
    app = bench(tmp_path / "none.duckdb", write(tmp_path / "reports", small()))
    async with app.run_test() as pilot:
        await settled(pilot)
        assert "example.org" in text(app)
        assert "all days" in lines(app)[0]
    assert not (tmp_path / "none.duckdb").exists()


async def test_paths_without_a_report_say_so(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing to see", encoding="utf-8")
    app = bench(tmp_path / "none.duckdb", tmp_path / "readme.txt")
    async with app.run_test() as pilot:
        await settled(pilot)
        assert "No report found in what was given." in text(app)


# Answers that come late, and stores that change


async def test_an_answer_to_an_older_question_is_dropped(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test() as pilot:
        await settled(pilot)
        screen = app.screen
        assert isinstance(screen, Asking)
        assert screen.asked is not None
        screen.post_message(Answered(Asked(screen.asked.scope, screen.asked.version - 1), None))
        await settled(pilot)
        assert "example.org" in text(app)


class Slow(Asking):
    """A screen whose question nobody can wait for."""

    NAME, TOP = "help", "domains"

    def body(self) -> ComposeResult:
        yield Static()

    def question(self, store: Store, scope: Scope) -> object:
        del scope
        with store.reading() as connection:
            return connection.execute(
                "SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b"
            ).fetchall()


async def ask_slowly(pilot: Pilot[None]) -> Slow:
    """Go to a screen that asks what takes its time."""
    await settled(pilot)
    slow = Slow()
    pilot.app.push_screen(slow)
    await until(pilot, lambda: slow._asking is not None)
    return slow


async def test_a_question_that_takes_its_time_shows_and_escape_stops_it(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        slow = await ask_slowly(pilot)
        await until(pilot, lambda: re.search(r"asking [0-9.]+ s  Esc stops", lines(app)[0]) is not None)
        await pilot.press("escape")
        await until(pilot, lambda: "Stopped." in text(app) and all(worker.is_finished for worker in app.workers))
        assert app.screen is slow
        assert "asking" not in lines(app)[0]
        await press(pilot, "escape")
        assert isinstance(app.screen, DomainsScreen)


async def test_a_newer_question_ends_the_one_before(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(80, 24)) as pilot:
        slow = await ask_slowly(pilot)
        first = slow._asking
        app.days = 90
        await until(pilot, lambda: slow._asking not in {None, first})
        await until(pilot, lambda: sum(not worker.is_finished for worker in app.workers) == 1)


async def test_a_look_at_the_store_while_the_program_ends_does_no_harm(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await app.screen.remove_children()  # as at the end, when a timer may still go off
        app.changed()
        app.progress = "reading"
        await pilot.pause()


async def test_quitting_ends_the_questions_that_run(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(80, 24)) as pilot:
        await ask_slowly(pilot)
        store = app.evidence.store()
        assert store is not None
        await pilot.press("q")
    until_then = time.monotonic() + 20
    while store._asked:
        assert time.monotonic() < until_then
    with pytest.raises(StoreError, match="nobody waits"):
        ask(store, "SELECT 1")


async def test_a_filter_that_hides_everything_says_which_key_helps(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "slash", "z", "z", "z", "enter")
        assert "No row has all of these words." in text(app)
        await press(pilot, "escape", "down")
        assert status(app).startswith("2/2")


async def test_the_cursor_stays_on_its_row_when_reports_arrive(tmp_path: Path) -> None:
    folder = write(tmp_path / "reports", small())
    database = stored(tmp_path / "s.duckdb", folder)
    app = bench(database)
    async with app.run_test() as pilot:
        await settled(pilot)
        table = app.screen.query_one(Table)
        await press(pilot, "G")
        assert table.shown[table.cursor].key == "example.net"
        write(
            folder,
            [report("a.example", 1, sts("worst.example", 0, [failure("certificate-expired", 9, "mx.worst.example")]))],
        )
        stored(database, folder)
        app._look_again()
        await settled(pilot)
        assert len(table.shown) == 3
        assert table.shown[table.cursor].key == "example.net"


async def test_a_store_made_meanwhile_fills_the_empty_screen(tmp_path: Path) -> None:
    database = tmp_path / "s.duckdb"
    app = bench(database)
    async with app.run_test() as pilot:
        await settled(pilot)
        assert "No reports yet." in text(app)
        stored(database, write(tmp_path / "reports", small()))
        app._look_again()
        await settled(pilot)
        assert "certificate-expired at mx2.example.org" in text(app)


async def test_a_store_that_cannot_be_read_is_said_and_the_program_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    path.write_text("no database at all, in spite of its name", encoding="utf-8")
    app = bench(path)
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: "cannot be opened" in re.sub(r"\s+", " ", text(app)))
        assert app.is_running


# Any size, any colours


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (40, 12), (300, 80)])
async def test_no_size_is_refused(stores: dict[str, Path], size: tuple[int, int]) -> None:
    app = bench(stores["crowded"])
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "2", "enter", "enter", "v", "escape", "escape", "escape", "3", "enter", "1", "r")
        assert len(lines(app)) == size[1]


@pytest.mark.parametrize("size", SIZES)
async def test_no_line_of_the_head_or_footer_is_cut(stores: dict[str, Path], size: tuple[int, int]) -> None:
    app = bench(stores["small"])
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for key in ("2", "enter", "enter", "3", "1", "r"):
            await press(pilot, key)
            assert lines(app)[-1].endswith("q Quit")


# Strangers


async def test_hostile_reports_are_shown_and_nothing_of_them_acts(stores: dict[str, Path]) -> None:
    app = bench(stores["hostile"])
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await walk_everywhere(app, pilot)
        assert app.is_running


async def walk_everywhere(app: Workbench, pilot: Pilot[None]) -> None:
    """Visit every list, and what is behind each of their rows, and look at what is drawn."""
    for tour in (["1"], ["1", "r"], ["2"], ["b"], ["b"], ["b"], ["b"], ["b"], ["b"]):
        await press(pilot, *tour)
        assert not STRANGE.search(text(app))
    for first, *rest in (["2", "enter", "enter", "v"], ["3", "enter"]):
        await press(pilot, first)
        here = app.screen
        for place in range(len(POISONS)):
            here.query_one(Table).cursor = place
            for key in rest:
                await press(pilot, key)
                assert not STRANGE.search(text(app))
            await press(pilot, "y")
            assert not STRANGE.search(app.clipboard)
            while app.screen is not here:
                await press(pilot, "escape")


async def test_a_message_is_never_markup(stores: dict[str, Path]) -> None:
    app = bench(stores["small"])
    async with app.run_test(notifications=True) as pilot:
        await settled(pilot)
        app.notify("[/x] \x1b]0;T\x07 [@click=app.quit]q[/]", title="[b]", markup=True)
        app.fail("[/] \u202e")
        await settled(pilot)
        assert r"[/x] \x1b]0;T\x07" in text(app)


def test_a_crash_shows_no_local_variables(capsys: pytest.CaptureFixture[str], stores: dict[str, Path]) -> None:
    app = bench(stores["small"])

    def stumble() -> None:
        secret = "hunter2"  # noqa: F841 - what must not be shown
        raise RuntimeError("stumbled")

    app.call_later(stumble)
    app.run(headless=True)
    shown = capsys.readouterr()
    assert "stumbled" in shown.err + shown.out
    assert "hunter2'" not in (shown.err + shown.out).replace('secret = "hunter2"', "")


# Keys


def test_the_documentation_lists_the_keys_there_are() -> None:
    documented = Path(__file__).parents[1] / "docs" / "keys.md"
    assert documented.read_text(encoding="utf-8") == keys.markdown(), "docs/keys.md: write keys.markdown() there"


@pytest.mark.parametrize("screen", keys.SCREENS)
def test_a_key_has_one_meaning_on_a_screen(screen: str) -> None:
    places = (*keys.SCREENS[screen], "everywhere")
    pressed = [key for one in keys.KEYS if one.place in places for key in one.keys.split(",")]
    assert len(pressed) == len(set(pressed))


def test_a_key_does_the_same_thing_wherever_it_works() -> None:
    labels: dict[str, set[str]] = {}
    for key in keys.KEYS:
        for one in key.keys.split(","):
            if key.label:
                labels.setdefault(one, set()).add(key.label)
    assert all(len(found) == 1 for found in labels.values())
