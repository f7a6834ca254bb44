"""The screens of mailboxes: what they show, and that a mailbox can be tried and read from there."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from dovecot import PASSWORD, USER, dovecot
from screen import agree, lines, press, settled, text, until
from scripted_imap import Client, scripted
from stories import POISONS, TODAY, small_store
from test_fetch import numbered
from test_fetch_command import hanging
from test_published_screen import SIZES, STRANGE

from queries import reports
from tlsrpt.store import Store
from tui.app import Workbench
from tui.evidence import Evidence
from tui.screens.form import Form
from tui.screens.mailboxes import MailboxesScreen, MailboxScreen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dovecot import Dovecot

Visit = tuple[str, str, datetime, float, int, int, int, int, int, int, str]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot() as running:
        running.deliver("INBOX", *numbered(1, 2, 3))
        running.deliver("Junk")
        yield running


def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **mailboxes: dict[str, Any]) -> None:
    parts = [
        "\n".join([f"[mailbox.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())])
        for name, keys in mailboxes.items()
    ]
    (tmp_path / "c.toml").write_text("\n".join(parts), encoding="utf-8")
    monkeypatch.setenv("TLSRPT_CONFIG", str(tmp_path / "c.toml"))


def visited(database: Path, *visits: Visit) -> Path:
    """Store a few reports and these visits, and return the path."""
    small_store(database)
    with Store.open(database).writing() as connection:
        for visit in visits:
            connection.execute(f"INSERT INTO fetches VALUES ({', '.join('?' * len(visit))})", list(visit))
    return database


AT = datetime(2026, 11, 19, 7, 17)
USUAL = {"host": "imap.example.com", "user": "tlsrpt@example.com", "password_command": ["true"]}


async def test_the_screens_look_like_their_goldens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, update_goldens: bool
) -> None:
    configure(
        tmp_path,
        monkeypatch,
        reports=USUAL | {"folders": ["INBOX", "Junk"]},
        older={"host": "mail.example.org", "user": "postmaster", "tls": "starttls", "after": "move", "move_to": "Done"},
    )
    problem = "the server says: [AUTHENTICATIONFAILED] Authentication failed."
    database = visited(
        tmp_path / "s.duckdb",
        ("reports", "INBOX", AT, 1.25, 57, 12, 3, 1, 40, 0, ""),
        ("reports", "INBOX", AT.replace(day=18), 2.5, 60, 30, 0, 2, 0, 0, ""),
        ("older", "INBOX", AT, 0.4, 0, 0, 0, 0, 0, 0, problem),
        ("gone", "INBOX", AT.replace(month=9), 0.4, 5_000, 4_990, 0, 0, 0, 812, ""),
    )
    for size in SIZES:
        app = Workbench(Evidence(database, as_of=TODAY))
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await press(pilot, "4")
            agree(f"mailboxes-{size[0]}x{size[1]}", text(app), update=update_goldens)
            await press(pilot, "enter")
            agree(f"mailbox-{size[0]}x{size[1]}", text(app), update=update_goldens)
            await press(pilot, "escape", "j", "j", "enter")
            agree(f"mailbox-problem-{size[0]}x{size[1]}", text(app), update=update_goldens)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_without_a_mailbox_it_says_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], *, update_goldens: bool
) -> None:
    monkeypatch.setenv("TLSRPT_CONFIG", "mailboxes.toml")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mailboxes.toml").write_text("")
    app = Workbench(Evidence(tmp_path / "none.duckdb"))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "4")
        agree(f"mailboxes-empty-{size[0]}x{size[1]}", text(app), update=update_goldens)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_many_folders_with_long_names_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], *, update_goldens: bool
) -> None:
    folders = [f"Archive/Reports about transport security/{year}/of the month {month:02}"
               for year in range(2020, 2027) for month in range(1, 13)]  # fmt: skip
    configure(tmp_path, monkeypatch, postmaster_of_a_long_name=USUAL | {"folders": folders})
    visits: list[Visit] = [
        ("postmaster_of_a_long_name", folder, AT, 120.5, 123_456, 98_765, 12_345, 678, 9, 10, "")
        for folder in folders[:40]
    ]
    app = Workbench(Evidence(visited(tmp_path / "s.duckdb", *visits), as_of=TODAY))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "4")
        agree(f"mailboxes-crowded-{size[0]}x{size[1]}", text(app), update=update_goldens)


async def test_a_configuration_that_cannot_be_used_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, monkeypatch, reports=USUAL | {"password": "CANARY-7f3a"})
    app = Workbench(Evidence(tmp_path / "none.duckdb"))
    async with app.run_test() as pilot:
        await settled(pilot)
        await press(pilot, "4")
        assert "mailbox.reports.password: no such key" in text(app)
        assert "CANARY" not in text(app)


def reachable(server: Dovecot, tmp_path: Path, **more: object) -> dict[str, Any]:
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)
    return {
        "host": "localhost",
        "port": server.port,
        "ca_file": server.ca_file,
        "user": USER,
        "folders": ["INBOX", "Junk"],
        "vouch": True,
        **more,
    }


def asked_file(tmp_path: Path) -> dict[str, str]:
    return {"password_file": str(tmp_path / "password")}


async def test_a_mailbox_is_read_from_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Dovecot
) -> None:
    configure(tmp_path, monkeypatch, work=reachable(server, tmp_path, **asked_file(tmp_path)))
    app = Workbench(Evidence(tmp_path / "s.duckdb"))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await press(pilot, "4")
        assert "not read yet" in text(app)
        await pilot.press("F")
        await until(pilot, lambda: "3 new reports, of 3 messages" in text(app))
        await settled(pilot)
        assert len(reports.newest(Store.open(tmp_path / "s.duckdb"))) == 3
        await press(pilot, "escape")
        assert isinstance(app.screen, MailboxesScreen)
        assert any("INBOX" in line and "read" in line and " 3 " in line for line in lines(app))
        await press(pilot, "1")
        assert "example.com" in text(app)


async def test_a_mailbox_is_tried_from_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Dovecot
) -> None:
    box = reachable(server, tmp_path, **asked_file(tmp_path))
    configure(tmp_path, monkeypatch, work=box | {"folders": ["INBOX", "Missing"]})
    app = Workbench(Evidence(tmp_path / "s.duckdb"))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await press(pilot, "4")
        await pilot.press("p")
        await until(pilot, lambda: "work INBOX: 3 messages" in text(app))
        assert "work Missing: " in text(app)
        assert isinstance(app.screen, MailboxScreen)


async def test_a_password_is_asked_for_once_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Dovecot
) -> None:
    configure(tmp_path, monkeypatch, work=reachable(server, tmp_path))
    app = Workbench(Evidence(tmp_path / "s.duckdb"))
    seen: list[str] = []
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await press(pilot, "4")
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, Form))
        await pilot.press(*PASSWORD)
        seen.append(text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "INBOX: 3 messages" in text(app))
        seen.append(text(app))
        await pilot.press("F")
        await until(pilot, lambda: "of 3 messages" in text(app))
        seen.append(text(app))
    assert [one for one in seen if "CANARY" in one] == []


async def test_escape_stops_what_is_being_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Dovecot
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        configure(tmp_path, monkeypatch, work=reachable(server, tmp_path, **asked_file(tmp_path)) | {"port": port})
        app = Workbench(Evidence(tmp_path / "s.duckdb"))
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(pilot)
            await press(pilot, "4")
            await pilot.press("p")
            await until(pilot, lambda: "working; Esc stops" in text(app))
            await pilot.press("escape")
            await until(pilot, lambda: "working" not in text(app))
            assert isinstance(app.screen, MailboxScreen)
            await settled(pilot)


async def test_reading_that_was_stopped_can_be_begun_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Dovecot
) -> None:
    connected: list[Client] = []

    def script(client: Client) -> None:
        connected.append(client)
        if len(connected) == 1:
            client.wait()
        else:
            client.obey(opened=["* 0 EXISTS", "* OK [UIDVALIDITY 7] ."])

    with scripted(script) as port:
        box = reachable(server, tmp_path, **asked_file(tmp_path)) | {"host": "127.0.0.1", "port": port, "auth": "plain"}
        configure(tmp_path, monkeypatch, work=box | {"tls": "none", "folders": ["INBOX"]})
        app = Workbench(Evidence(visited(tmp_path / "s.duckdb")))
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(pilot)
            await press(pilot, "4")
            await pilot.press("F")
            await until(pilot, lambda: bool(connected))
            assert isinstance(app.screen, MailboxScreen)
            assert app.screen.step_back()  # as Esc and F, quicker than the first one can end
            app.screen.action_fetch()
            await until(pilot, lambda: "Read now" in text(app))
            await settled(pilot)
    assert len(connected) == 2


@pytest.mark.parametrize("key", ["escape", "q"])
async def test_a_command_for_a_password_that_hangs_is_ended_with_what_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Dovecot, key: str
) -> None:
    pipe, command = hanging(tmp_path)
    configure(tmp_path, monkeypatch, work=reachable(server, tmp_path, password_command=command))
    app = Workbench(Evidence(tmp_path / "s.duckdb"))
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await press(pilot, "4")
        await pilot.press("F")
        with await asyncio.to_thread(pipe.open, "rb") as held:
            began = time.monotonic()
            await pilot.press(key)
            assert await asyncio.to_thread(held.read) == b""  # nobody is left who could write
            assert time.monotonic() - began < 1.0


async def test_a_password_is_in_no_description_of_what_is_being_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Dovecot
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        configure(tmp_path, monkeypatch, work=reachable(server, tmp_path) | {"port": port})
        app = Workbench(Evidence(tmp_path / "s.duckdb"))
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(pilot)
            await press(pilot, "4")
            for key in ("p", "F"):
                await pilot.press(key)
                await until(pilot, lambda: isinstance(app.screen, Form))
                await pilot.press(*PASSWORD, "enter")
                await until(pilot, lambda: "working; Esc stops" in text(app))
                [worker] = [worker for worker in app.workers if worker.group == "mailbox" and worker.is_running]
                assert "CANARY" not in worker.description + repr(worker)
                await pilot.press("escape")
                await settled(pilot)


async def test_names_and_answers_of_servers_are_shown_and_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, monkeypatch, work=USUAL)
    visits: list[Visit] = [
        ("work", poison, AT, 1.0, 1, 0, 0, 0, 0, 0, f"the server says: {poison}") for poison in POISONS
    ]
    app = Workbench(Evidence(visited(tmp_path / "s.duckdb", *visits), as_of=TODAY))
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        await press(pilot, "4")
        assert STRANGE.search("".join(lines(app))) is None
        await press(pilot, "enter")
        assert STRANGE.search("".join(lines(app))) is None
        assert "the server says:" in text(app)


async def test_nobody_is_contacted_about_the_past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, monkeypatch, work=USUAL)
    app = Workbench(Evidence(visited(tmp_path / "s.duckdb"), as_of=TODAY))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "4", "F")
        await until(pilot, lambda: "Nobody is contacted" in text(app))
