"""Verdict, criteria and plan on the screen, over the samples: as they look, and what their keys record."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from screen import agree, lines, press, settled, text, until
from stories import SAMPLED, SAMPLES, sample_store
from textual.widgets import Input

from queries import decisions
from tlsrpt.store import Store
from tui.app import Workbench
from tui.evidence import Evidence
from tui.screens.confirm import Confirm
from tui.screens.criterion import CriterionScreen
from tui.screens.form import Form

if TYPE_CHECKING:
    from textual.pilot import Pilot

SIZES = [(80, 24), (120, 40)]
# Keys from the first screen, whose rows stand worst first.
TOURS = {
    "verdicts": [],
    "failing": ["enter"],
    "failing-plan": ["enter", "P"],
    "not-ready": ["down", "enter"],
    "not-ready-criterion": ["down", "enter", "enter"],
    "not-ready-plan": ["down", "enter", "P"],
    "not-ready-details": ["down", "enter", "d"],
    "not-ready-failure": ["down", "enter", "x", "enter"],
    "too-little": ["end", "up", "enter"],
    "ready": ["end", "enter"],
    "ready-plan": ["end", "P"],
    "draft": ["end", "enter", "T"],
    "draft-enforce": ["down", "enter", "P", "T", "ctrl+t"],
    "form": ["end", "enter", "down", "f"],
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_store(tmp_path_factory.mktemp("samples") / "s.duckdb")


@pytest.fixture
def database(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(kept, tmp_path / "s.duckdb"))


def bench(database: Path) -> Workbench:
    return Workbench(Evidence(database, [], SAMPLED))


async def begin(pilot: Pilot[None], *keys: str) -> None:
    """Come to rest with the verdicts, and press keys."""
    app = pilot.app
    assert isinstance(app, Workbench)
    await settled(pilot)
    await until(pilot, lambda: "NOT READY" in text(app))
    await press(pilot, *keys)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_screens_of_the_verdict_look_like_their_goldens(
    kept: Path, size: tuple[int, int], *, update_goldens: bool
) -> None:
    app = bench(kept)
    async with app.run_test(size=size) as pilot:
        await begin(pilot)
        for name, keys in TOURS.items():
            await press(pilot, *keys)
            agree(f"{name}-{size[0]}x{size[1]}", text(app), update=update_goldens)
            while len(app.screen_stack) > 1:
                await press(pilot, "escape")
            await press(pilot, "home")


async def test_the_verdict_stands_on_the_first_screen_and_enter_tells_what_to_do(kept: Path) -> None:
    app = bench(kept)
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot)
        rows = {line[1:17].strip(): line for line in lines(app)[5:11]}
        assert "READY " in rows["example.com"]
        assert "NOT READY" in rows["example.org"]
        assert "FAILING" in rows["clinic.example"]
        assert "NO EVIDENCE" in rows["bakery.example"]
        await press(pilot, "down", "enter")
        shown = text(app)
        assert "Renew the certificate of mx2.example.org" in shown
        assert [line.split()[0] for line in lines(app)[2:5]] == ["FAIL", "PASS", "FAIL"]


async def fill(pilot: Pilot[None], *words: str) -> None:
    """Fill in a form, a field a word, and end it."""
    app = pilot.app
    assert isinstance(app, Workbench)
    await until(pilot, lambda: isinstance(app.screen, Form))
    for entry, value in zip(app.screen.query(Input), words, strict=True):
        entry.value = value
    app.screen.set_focus(list(app.screen.query(Input))[-1])
    await pilot.press("enter")
    await until(pilot, lambda: not isinstance(app.screen, Form))
    await settled(pilot)


async def test_a_repair_is_recorded_by_one_key_with_what_is_open_filled_in(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "down", "enter", "f")
        values = [entry.value for entry in app.screen.query(Input)]
        assert values[:2] == ["certificate-expired", "mx2.example.org"]
        await fill(pilot, *values[:2], "2026-03-19T12:00", "renewed", "night shift")
    [fix] = decisions.fixes(Store.open(database))
    assert (fix.cause, fix.mx_key, f"{fix.fixed_at:%d %H}", fix.note, fix.name) == (
        "certificate-expired", "mx2.example.org", "19 12", "renewed", "night shift",
    )  # fmt: skip


async def test_a_warning_is_accepted_by_one_key_and_what_is_required_is_not(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "down", "enter", "a")
        assert not isinstance(app.screen, Form)  # C05 fails: nobody can wave it through
        await press(pilot, "escape", "down", "enter")
        names = [line.row.name for line in app.screen.query_one("Table").shown]  # type: ignore[attr-defined]
        await press(pilot, *["down"] * names.index("C27"), "a")
        await fill(pilot, "small senders", "me", "")
        assert "Accepted until 2026-04-03 by me: small senders" in text(app)
    [accepted] = decisions.acknowledgements(Store.open(database))
    assert accepted.criterion == "C27"


def shown(app: Workbench, words: str) -> bool:
    return words in text(app)


async def test_a_question_is_answered_by_the_same_key_and_the_answer_taken_back(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "end", "enter")
        names = [line.row.name for line in app.screen.query_one("Table").shown]  # type: ignore[attr-defined]
        await press(pilot, *["down"] * names.index("C42"))
        assert "the key a or `tlsrpt answer" in text(app)
        await refused(pilot, "a", "perhaps", "", "me", "")
        await fill(pilot, "y", "", "me", "")
        await press(pilot, "enter")
        assert isinstance(app.screen, CriterionScreen)
        assert "PASS: C42" in text(app)
        # There too, and it counts though both answers are of the same moment.
        await press(pilot, "a")
        await fill(pilot, "no", "provider moves", "me", "2026-04-09")
        assert "WARN: C42" in text(app)
        assert "no: provider moves, me, planned on 2026-04-09" in text(app)
        for question, after in (("no: provider moves", "PASS: C42"), ("no change planned: yes", "not answered")):
            await pilot.press("u")
            await until(pilot, partial(shown, app, question))
            await press(pilot, "y")
            await until(pilot, partial(shown, app, after))
    assert decisions.answers(Store.open(database)) == []


async def test_what_was_recorded_last_is_taken_back_by_one_key_and_a_yes(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await begin(pilot, "down", "enter", "u")
        assert "Nothing was recorded about example.org" in text(app)
        for words in (
            ("certificate-expired", "mx2.example.org", "", "renewed", "me"),
            ("tlsa-invalid", "", "", "", "me"),
        ):
            await press(pilot, "f")
            await fill(pilot, *words)
        await press(pilot, "u")
        await until(pilot, lambda: "Take back fix 2" in text(app) and "tlsa-invalid" in text(app))
        await press(pilot, "n")
        assert len(decisions.fixes(Store.open(database))) == 2
        for _ in range(2):
            await pilot.press("u")
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            await press(pilot, "y")
    assert decisions.fixes(Store.open(database)) == []


async def test_a_checklist_is_written_into_a_new_file_and_never_over_another(kept: Path, tmp_path: Path) -> None:
    app = bench(kept)
    path = tmp_path / "list.json"
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "end", "enter", "e")
        await fill(pilot, str(path))
        [found] = json.loads(path.read_text())
        assert found["verdict"] == "READY"
        path.write_text("mine")
        form = await refused(pilot, "e", str(path))
        assert [entry.value for entry in form.query(Input)] == [str(path)]
    assert path.read_text() == "mine"


async def test_what_cannot_be_recorded_is_asked_for_again_with_what_was_written(database: Path) -> None:
    app = bench(database)
    words = ("certificate-expired", "mx2.example.org", "yesterday", "renewed", "night shift")
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "down", "enter")
        form = await refused(pilot, "f", *words)
        assert tuple(entry.value for entry in form.query(Input)) == words
        await press(pilot, "escape")
        assert "> readiness" in lines(app)[0]
    assert decisions.fixes(Store.open(database)) == []


async def refused(pilot: Pilot[None], key: str, *words: str) -> Form:
    """Fill in a form with what cannot be done, and return the one that comes after it."""
    app = pilot.app
    assert isinstance(app, Workbench)
    await press(pilot, key)
    first = app.screen
    assert isinstance(first, Form)
    for entry, value in zip(first.query(Input), words, strict=True):
        entry.value = value
    first.set_focus(list(first.query(Input))[-1])
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, Form) and app.screen is not first)
    assert isinstance(app.screen, Form)
    return app.screen


async def test_nothing_is_recorded_while_files_are_browsed(tmp_path: Path) -> None:
    app = Workbench(Evidence(tmp_path / "none.duckdb", [str(SAMPLES / "2026-03"), str(SAMPLES / "checks")], SAMPLED))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: not app.progress and "NOT READY" in text(app))
        await press(pilot, "down", "enter", "f")
        assert not isinstance(app.screen, Form)
    assert not (tmp_path / "none.duckdb").exists()


async def test_escape_leaves_a_form_without_recording(database: Path) -> None:
    app = bench(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "down", "enter", "f", "escape")
        assert "> readiness" in lines(app)[0]
    assert decisions.fixes(Store.open(database)) == []


async def test_the_rows_behind_a_criterion_lead_to_the_report(kept: Path) -> None:
    app = bench(kept)
    async with app.run_test(size=(120, 40)) as pilot:
        await begin(pilot, "down", "enter")
        names = [line.row.name for line in app.screen.query_one("Table").shown]  # type: ignore[attr-defined]
        await press(pilot, *["down"] * names.index("C24"), "enter", "enter")
        assert "Report ID" in text(app)


async def test_parts_of_a_plan_are_copied_one_by_one(kept: Path) -> None:
    app = bench(kept)
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "end", "P", "Y")
        assert "1 2. Put the policy on every" in text(app)
        await pilot.press("1")
        await settled(pilot)
        assert app.clipboard.split("\n")[:2] == ["version: STSv1", "mode: enforce"]
        await press(pilot, "Y", "3")
        assert re.fullmatch(r'_mta-sts.example.com. 3600 IN TXT "v=STSv1; id=\w+"', app.clipboard)


async def test_rows_of_a_criterion_lead_to_what_they_are_about(kept: Path) -> None:
    app = bench(kept)
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, "down", "enter")
        names = [line.row.name for line in app.screen.query_one("Table").shown]  # type: ignore[attr-defined]
        await press(pilot, "enter", "enter")  # C05, which a look found
        assert "example.org > published" in lines(app)[0]
        await press(pilot, "escape", "escape", "home", *["down"] * names.index("C26"), "enter", "enter")
        assert "example.org > google.com" in lines(app)[0]
        assert "[2 Failures]" in lines(app)[0]
