"""The screen of what a domain publishes: what it shows, when it asks before it looks, how a look is stopped."""

from __future__ import annotations

import re
import socket
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from screen import agree, lines, press, settled, text, until
from stories import POISONS, TODAY, small, small_store, write
from test_checked import check, seen

from loaders.observations import record
from queries import published
from tlsrpt.published import Check, MxTlsFacts, TxtFacts
from tlsrpt.store import Store, utc_now
from tui.app import Workbench
from tui.evidence import Evidence
from tui.screens.confirm import Confirm
from tui.screens.published import PublishedScreen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZES = [(80, 24), (120, 40)]
STRANGE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def looked_at(database: Path, *checks: Check) -> Path:
    """Store a few reports and these checks, as of example.org, and return the path."""
    small_store(database)
    record(Store.open(database), [one.model_copy(update={"policy_domain": "example.org"}) for one in checks])
    return database


def of_org(**more: object) -> Check:
    """Return a check of example.org with an MX without TLS, and the id before the last."""
    broken = MxTlsFacts(outcome="starttls-not-offered")
    one = Check.model_validate_json(check().model_dump_json().replace("example.com", "example.org"))
    kept = tuple(o if o.subject != "mx1.example.org [192.0.2.1]" else seen(o.subject, broken) for o in one.observations)
    return one.model_copy(update={"observations": kept} | more)


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Yield a resolver that takes questions and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0)
        yield listening


@pytest.fixture
def closed() -> int:
    """Return a port of this machine at which nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int, *watched: str) -> None:
    domains = ", ".join(f'"{one}"' for one in watched)
    (tmp_path / "c.toml").write_text(
        f'domains = [{domains}]\n[live]\nvantage = "here"\nresolver = ["127.0.0.1:{port}"]\n', encoding="utf-8"
    )
    monkeypatch.setenv("TLSRPT_CONFIG", str(tmp_path / "c.toml"))


def was_asked(listening: socket.socket) -> bool:
    try:
        return bool(listening.recv(512))
    except BlockingIOError:
        return False


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_screen_looks_like_its_goldens(
    tmp_path: Path, size: tuple[int, int], *, update_goldens: bool
) -> None:
    record_before = TxtFacts(kind="mta-sts-record", status="found", records=("v=STSv1; id=0;",))
    before = of_org(checked_at=datetime(2026, 11, 18, 9, 0))
    before = before.model_copy(
        update={
            "observations": tuple(
                seen(o.subject, record_before) if o.subject == "_mta-sts.example.org" else o
                for o in before.observations
            )
        }
    )
    app = Workbench(Evidence(looked_at(tmp_path / "s.duckdb", before, of_org()), as_of=TODAY))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "c")
        agree(f"published-{size[0]}x{size[1]}", text(app), update=update_goldens)
        await press(pilot, "G")
        agree(f"published-end-{size[0]}x{size[1]}", text(app), update=update_goldens)
        await press(pilot, "escape", "j", "c")
        agree(f"published-never-{size[0]}x{size[1]}", text(app), update=update_goldens)


async def test_it_is_one_key_away_wherever_a_domain_is_in_focus(tmp_path: Path) -> None:
    app = Workbench(Evidence(looked_at(tmp_path / "s.duckdb", of_org()), as_of=TODAY))
    async with app.run_test() as pilot:
        await settled(pilot)
        for way in (["1"], ["1", "enter"], ["2"], ["2", "enter"]):
            await press(pilot, *way, "c")
            assert isinstance(app.screen, PublishedScreen)
            assert "example.org > published" in lines(app)[0]


async def test_a_failure_without_a_domain_in_focus_says_so(tmp_path: Path) -> None:
    app = Workbench(Evidence(looked_at(tmp_path / "s.duckdb"), as_of=TODAY))
    async with app.run_test(notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "2", "b", "c")
        assert "No domain in focus" in text(app)


async def test_a_stranger_s_domain_is_contacted_only_after_a_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: socket.socket
) -> None:
    configured(tmp_path, monkeypatch, silent.getsockname()[1])
    app = Workbench(Evidence(looked_at(tmp_path / "s.duckdb")))
    async with app.run_test(notifications=True) as pilot:
        await settled(pilot)
        for no in ("n", "enter", "escape"):
            await press(pilot, "p")
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            assert "Contact the servers of example.org?" in text(app)
            await press(pilot, no, "escape")
        assert not was_asked(silent)
        await press(pilot, "p")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: was_asked(silent))
        assert "looking" in lines(app)[0]
        await pilot.press("escape")
        await settled(pilot)
        assert "Stopped" in text(app)
        assert isinstance(app.screen, PublishedScreen)
        assert "looking" not in lines(app)[0]
    assert published.newest(Store.open(tmp_path / "s.duckdb"), "example.org") is None


async def test_a_watched_domain_is_looked_at_without_a_word_and_the_look_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: int
) -> None:
    configured(tmp_path, monkeypatch, closed, "example.org")
    app = Workbench(Evidence(looked_at(tmp_path / "s.duckdb")))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "p")
        await until(pilot, lambda: "from here" in text(app))
        assert "unreached" in text(app)
        await press(pilot, "p")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "Look again?" in text(app)
        await press(pilot, "n", "1")
    assert published.newest(Store.open(tmp_path / "s.duckdb"), "example.org") is not None


async def test_browsing_in_memory_keeps_the_look_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: int
) -> None:
    configured(tmp_path, monkeypatch, closed, "example.org")
    app = Workbench(Evidence(tmp_path / "none.duckdb", [str(write(tmp_path / "reports", small()))]))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "example.org" in text(app) and not app.progress)
        await press(pilot, "p")
        await until(pilot, lambda: "from here" in text(app))
    assert not (tmp_path / "none.duckdb").exists()


async def test_nobody_is_contacted_about_the_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: socket.socket
) -> None:
    configured(tmp_path, monkeypatch, silent.getsockname()[1], "example.org")
    app = Workbench(Evidence(looked_at(tmp_path / "s.duckdb"), as_of=TODAY))
    async with app.run_test(notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "p")
        assert "nobody is contacted about the past" in text(app)
    assert not was_asked(silent)


async def test_a_configuration_that_cannot_be_used_is_said_and_nobody_contacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.toml").write_text("verify = false", encoding="utf-8")
    monkeypatch.setenv("TLSRPT_CONFIG", str(tmp_path / "c.toml"))
    app = Workbench(Evidence(looked_at(tmp_path / "s.duckdb")))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "p")
        assert "verify: no such key" in re.sub(r"\s+", " ", text(app))


async def test_a_late_end_of_a_stopped_look_is_dropped(tmp_path: Path) -> None:
    app = Workbench(Evidence(looked_at(tmp_path / "s.duckdb", of_org()), as_of=TODAY))
    async with app.run_test(notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "c")
        screen = app.screen
        assert isinstance(screen, PublishedScreen)
        screen.post_message(PublishedScreen.Went(0, "looking 1/2"))
        screen.post_message(PublishedScreen.Ended(0, "too late"))
        await settled(pilot)
        assert "looking" not in lines(app)[0]
        assert "too late" not in text(app)


async def test_an_old_check_says_how_old_it_is(tmp_path: Path) -> None:
    old = of_org(checked_at=utc_now().replace(microsecond=0) - timedelta(hours=31, minutes=5))
    app = Workbench(Evidence(looked_at(tmp_path / "s.duckdb", old)))
    async with app.run_test() as pilot:
        await settled(pilot)
        assert "checked 31 h ago (c)" in text(app)
        await press(pilot, "c")
        assert "seen 31 h ago (" in text(app)


@pytest.mark.parametrize("bad", POISONS.values(), ids=POISONS)
async def test_nothing_that_a_server_says_acts(tmp_path: Path, bad: str) -> None:
    poisoned = check(
        seen("_smtp._tls.example.org", TxtFacts(kind="tlsrpt-record", status="found", records=(bad,))),
        seen("mx1.example.org [192.0.2.1]", MxTlsFacts(outcome="refused", reason=f"554 {bad}")),
    ).model_copy(update={"vantage": f"v{bad}"})
    app = Workbench(Evidence(looked_at(tmp_path / "s.duckdb", poisoned), as_of=TODAY))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "c")
        assert "seen" in text(app)
        assert not STRANGE.search(text(app))
        await press(pilot, "y")
        assert not STRANGE.search(app.clipboard)


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (300, 80)])
async def test_no_size_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    app = Workbench(Evidence(looked_at(tmp_path / "s.duckdb", of_org())))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "c")
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert len(lines(app)) == size[1]
