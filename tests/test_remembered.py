"""Where the screens begin: by options, by what was remembered, and never by what is broken."""

from __future__ import annotations

import json
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from pty_program import Program
from reports import document, policy, row
from shelf import put
from stories import POISONS, TODAY, small, small_store, write

from tlsrpt.store import Store, utc_now
from tui import remembered
from tui.keys import STARTS
from tui.remembered import Order, Remembered


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return small_store(tmp_path / "s.duckdb")


def state(tmp_path: Path) -> Path:
    return tmp_path / "state-home" / "tlsrpt" / "screens.json"


def test_what_is_remembered_is_read_again_and_for_its_owner_alone(tmp_path: Path) -> None:
    place = Remembered(
        "failures", "example.org", has_window=True, days=90, orders={"reports": Order("Day", descending=True)}
    )
    remembered.write(place)
    remembered.write(place)
    assert remembered.read() == place
    assert stat.S_IMODE(state(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(state(tmp_path).parent.stat().st_mode) == 0o700
    assert os.listdir(state(tmp_path).parent) == ["screens.json"]  # noqa: PTH208 - nothing beside it


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"[" * 70_000,
        b"\xff\x00",
        b"[]",
        b"7",
        b'{"screen": ["x"], "domain": 3, "days": true, "orders": []}',
        b'{"screen": "nowhere", "days": 1, "orders": {"domains": [1, 2], "x": ["Day", true], "reports": "Day"}}',
        b'{"screen": "plan", "domain": null, "days": "30"}',
        b'{"screen": "plan", "domain": "../x", "days": 8}',
    ],
)
def test_a_broken_file_is_as_good_as_none(tmp_path: Path, broken: bytes) -> None:
    state(tmp_path).parent.mkdir(parents=True)
    state(tmp_path).write_bytes(broken)
    assert remembered.read() == Remembered()


def test_a_place_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    state(tmp_path).parent.parent.mkdir()
    state(tmp_path).parent.write_text("no directory")
    remembered.write(Remembered())
    assert remembered.read() == Remembered()


@pytest.mark.parametrize("name", POISONS.values(), ids=POISONS)
def test_of_strangers_words_nothing_but_a_domain_is_kept(tmp_path: Path, name: str) -> None:
    remembered.write(Remembered("readiness", f"example.org{name}"))
    assert json.loads(state(tmp_path).read_text()) == {"screen": "", "domain": None, "days": None, "orders": {}}


@pytest.mark.pty
def test_screen_period_and_order_are_those_of_the_last_run(tmp_path: Path) -> None:
    database = tmp_path / "s.duckdb"
    # A period without any report would not be kept to.
    lately = f"{utc_now() - timedelta(days=2):%Y-%m-%d}"
    put(Store.open(database, create=True), document(policy(failed=1, rows=[row()]), day=lately))
    with Program(["--database", str(database)]) as program:
        program.wait_for("example.com")  # which is there once it is known what there is
        program.wait_for("2 Failures]", since=program.press("2"))
        program.wait_for("sorted by Impact", since=program.press("s"))
        program.wait_for("90 days", since=program.press("W"))
        program.wait_for("last 7 days", since=program.press("2"))
        program.press("q")
        assert program.ended() == 0
    with Program(["--database", str(database)]) as program:
        program.wait_for("[2 Failures]")
        program.wait_for("last 7 days")
        program.press("q")
        assert program.ended() == 0
    assert remembered.read().screen == "failures"


@pytest.mark.pty
def test_nothing_is_remembered_of_another_day_or_of_files(database: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "r", small())
    for arguments in (["--database", str(database), "--as-of", str(TODAY)], [str(folder)]):
        with Program(arguments, {"TLSRPT_DATABASE": str(tmp_path / "none")}) as program:
            program.wait_for("mx2.example.org")
            program.wait_for("2 Failures]", since=program.press("2"))
            program.press("q")
            assert program.ended() == 0
    assert not state(tmp_path).exists()


@pytest.mark.pty
@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        (["--domain", "Example.NET."], "example.net > readiness"),
        (["--domain", "example.net", "--screen", "plan"], "example.net > plan"),
        (["--domain", "example.net", "--screen", "published"], "example.net > published"),
        (["--screen", "failures", "--domain", "example.org"], "[2 Failures]"),
        (["--screen", "reports"], "all domains > reports"),
        (["--screen", "refused"], "[3 Refused]"),
    ],
)
def test_options_say_where_to_begin(database: Path, arguments: list[str], seen: str) -> None:
    remembered.write(Remembered("details", "example.org"))
    with Program(["--database", str(database), *arguments]) as program:
        program.wait_for(seen)
        program.wait_for("14 days: blank", since=program.press("\x1b"))
        program.press("q")
        assert program.ended() == 0


@pytest.mark.pty
def test_options_stand_before_and_after_paths_too(tmp_path: Path) -> None:
    folder = str(write(tmp_path / "r", small()))
    for arguments in (["--domain", "example.net", folder], [folder, "--domain", "example.net"]):
        with Program(arguments) as program:
            program.wait_for("example.net > readiness")


@pytest.mark.pty
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--screen", "plan"], "--screen plan needs a --domain"),
        (["--screen", "nowhere"], "nowhere"),
        (["--domain", "x.example", "failures"], "options of failures follow it"),
    ],
)
def test_a_beginning_that_there_is_not_is_a_usage_error(arguments: list[str], said: str) -> None:
    with Program(arguments) as program:
        assert program.ended() == 2
        assert said.encode() in program.output


def test_every_beginning_is_a_screen_that_can_be_opened() -> None:
    from tui.app import Workbench
    from tui.evidence import Evidence

    for name in STARTS:
        app = Workbench(Evidence(Path("none")), start=Remembered(name, "example.org"))
        begun = app._begun_with()
        assert (begun.NAME if begun else "domains") == name
