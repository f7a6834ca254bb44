"""A draft of the policy: each change is tried at once, and what strangers publish comes into it as text alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from screen import agree, lines, press, settled, text, until
from stories import POISONS, SAMPLED, TODAY, sample_store
from test_checked import seen
from test_published_screen import STRANGE, looked_at, of_org
from textual.events import Key

from tlsrpt.published import FetchFacts
from tui.app import Workbench
from tui.evidence import Evidence
from tui.screens.draft import DraftScreen
from tui.screens.readiness import ReadinessScreen
from tui.widgets.page import Page

if TYPE_CHECKING:
    from textual.pilot import Pilot

SERVED = ["version: STSv1", "mode: testing", "mx: mx1.example.com", "mx: mx2.example.com", "max_age: 86400"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_store(tmp_path_factory.mktemp("samples") / "s.duckdb")


async def drafting(pilot: Pilot[None], domain: str) -> DraftScreen:
    """Come to rest on a draft."""
    await settled(pilot)
    pilot.app.push_screen(DraftScreen(domain, top="domains"))
    await settled(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, DraftScreen)
    return screen


def written(screen: DraftScreen) -> list[str]:
    return screen.draft.text.split("\n")


async def test_it_begins_with_the_policy_served_and_each_change_is_tried(kept: Path) -> None:
    app = Workbench(Evidence(kept, [], SAMPLED))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await drafting(pilot, "example.com")
        assert written(screen) == [*SERVED, ""]
        assert "It says what the policy served now says" in text(app)
        await press(pilot, "ctrl+t")
        assert written(screen)[1] == "mode: enforce"
        assert "The mode changes from testing to enforce." in text(app)
        await press(pilot, "down", "down", "ctrl+k", "delete")  # without mx1
        assert written(screen) == ["version: STSv1", "mode: enforce", *SERVED[3:], ""]
        await press(pilot, "tab", "end")
        assert "mx1.example.com" in text(app).partition("FAIL")[2]
        await press(pilot, "ctrl+r")
        assert written(screen) == [*SERVED, ""]
        await press(pilot, "ctrl+t", "ctrl+t", "ctrl+t")
        assert written(screen) == [*SERVED, ""]


async def test_letters_are_text_until_escape_and_escape_leads_back(kept: Path) -> None:
    app = Workbench(Evidence(kept, [], SAMPLED))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        app.push_screen(ReadinessScreen("example.com", top="domains"))
        await settled(pilot)
        await press(pilot, "T")
        screen = app.screen
        assert isinstance(screen, DraftScreen)
        await press(pilot, *"q1:", "question_mark")
        assert written(screen)[0] == "q1:?version: STSv1"
        assert "FAIL" in text(app)
        await press(pilot, "escape")
        assert screen.query_one(Page).has_focus
        await press(pilot, "escape")
        assert isinstance(app.screen, ReadinessScreen)


async def test_a_store_that_changes_leaves_the_draft_alone(kept: Path) -> None:
    app = Workbench(Evidence(kept, [], SAMPLED))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await drafting(pilot, "example.com")
        await press(pilot, "end", "x")
        app.changed()
        await settled(pilot)
        assert written(screen)[0] == "version: STSv1x"


async def test_a_domain_of_which_nothing_is_known_begins_in_testing(kept: Path) -> None:
    app = Workbench(Evidence(kept, [], SAMPLED))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await drafting(pilot, "nothing.example")
        assert written(screen) == [
            "version: STSv1", "mode: testing", "mx: mx.nothing.example", "max_age: 86400", "",
        ]  # fmt: skip
        assert "No policy was seen to be served" in text(app)


async def test_without_a_store_it_says_so(tmp_path: Path) -> None:
    app = Workbench(Evidence(tmp_path / "none.duckdb", [], SAMPLED))
    async with app.run_test(size=(80, 24)) as pilot:
        await drafting(pilot, "example.com")
        assert "Nothing is known about example.com yet." in text(app)


async def test_what_is_pasted_and_what_is_served_is_made_safe(tmp_path: Path) -> None:
    evil = "\n".join(["version: STSv1", "mode: testing", *(f"mx: {bad}" for bad in POISONS.values()), "max_age: 86400"])
    served = FetchFacts(outcome="fetched", status=200, content_type="text/plain", bodies=(evil,))
    one = of_org()
    kept = tuple(o if not isinstance(o.facts, FetchFacts) else seen(o.subject, served) for o in one.observations)
    app = Workbench(
        Evidence(looked_at(tmp_path / "s.duckdb", one.model_copy(update={"observations": kept})), [], TODAY)
    )
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await drafting(pilot, "example.org")
        assert not STRANGE.search(text(app))
        screen.draft.load_text(evil)
        await settled(pilot)
        await until(pilot, lambda: "\x1b" not in screen.draft.text)
        assert not STRANGE.search(text(app))
        assert not STRANGE.search(screen.draft.text)
        await press(pilot, "escape", "y")
        assert not STRANGE.search(app.clipboard)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", ["empty", "unknown", "crowded"])
async def test_it_looks_like_its_goldens(
    kept: Path, tmp_path: Path, state: str, size: tuple[int, int], *, update_goldens: bool
) -> None:
    database, domain, today = tmp_path / "none.duckdb", "example.org", TODAY
    if state == "unknown":
        database, domain, today = kept, f"{'a-very-long-name.' * 5}example", SAMPLED
    elif state == "crowded":
        lines = [f"mx: mx{n}.{'somewhere-' * (n % 5)}else.example.org" for n in range(1, 41)]
        body = "\n".join(["version: STSv1", "mode: testing", *lines, "max_age: 604800", ""])
        served = FetchFacts(outcome="fetched", status=200, content_type="text/plain", bodies=(body,))
        one = of_org()
        looks = tuple(o if not isinstance(o.facts, FetchFacts) else seen(o.subject, served) for o in one.observations)
        looked_at(database, one.model_copy(update={"observations": looks}))
    app = Workbench(Evidence(database, [], today))
    async with app.run_test(size=size) as pilot:
        await drafting(pilot, domain)
        agree(f"draft-{state}-{size[0]}x{size[1]}", text(app), update=update_goldens)


async def test_more_than_senders_read_is_said_to_be_too_large(kept: Path) -> None:
    app = Workbench(Evidence(kept, [], SAMPLED))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await drafting(pilot, "example.com")
        screen.draft.load_text("mx: a.example\n" * 6_000)
        await settled(pilot)
        assert "larger than 64 KiB: senders stop reading there" in text(app)


async def test_a_key_before_the_policy_is_there_is_not_taken_for_a_draft(kept: Path) -> None:
    app = Workbench(Evidence(kept, [], SAMPLED))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.push_screen(DraftScreen("example.com", top="domains"))
        await until(pilot, lambda: isinstance(app.screen, DraftScreen))
        app.post_message(Key("x", "x"))
        await settled(pilot)
        screen = app.screen
        assert isinstance(screen, DraftScreen)
        assert written(screen)[:4] == SERVED[:4]
        await press(pilot, "x", "ctrl+r")
        assert written(screen)[:4] == SERVED[:4]


async def test_the_policy_is_copied_and_the_footer_names_keys_that_do_something(kept: Path) -> None:
    app = Workbench(Evidence(kept, [], SAMPLED))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await drafting(pilot, "example.com")
        assert lines(app)[-1].endswith("Esc Back  Ctrl+P More  F1 Help  Ctrl+Q Quit")
        await press(pilot, "escape", "y")
        assert app.clipboard == screen.draft.text
        assert "y Copy" in lines(app)[-1]
