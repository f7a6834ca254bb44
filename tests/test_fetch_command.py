"""The commands `fetch`, `config` and `accept`: the real program against a real server, and no secret anywhere."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dns_server import Zone, dns_server
from dovecot import PASSWORD, USER, dovecot
from forked import PROGRAM, Ended, run
from pty_program import Program
from shelf import ask
from signing import record
from test_fetch import OTHER, numbered, quoted, signed

from queries import mailboxes, reports
from tlsrpt.store import Gate, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dovecot import Dovecot

CANARY = "CANARY-7f3a"  # every password of these tests has it


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot() as running:
        yield running


@pytest.fixture
def folder(server: Dovecot, request: pytest.FixtureRequest) -> str:
    name = re.sub(r"\W", "-", request.node.name)[:60]
    server.deliver(name)
    return name


class World:
    """A user of the program: a configuration, a store, and what was written so far."""

    def __init__(self, home: Path, server: Dovecot) -> None:
        self.home = home
        self.server = server
        self.config = home / "config.toml"
        self.database = home / "store" / "tlsrpt.duckdb"
        self.written: list[bytes] = []
        self.environment = {"TLSRPT_CONFIG": str(self.config), "TLSRPT_DATABASE": str(self.database)}
        (home / "password").write_text(PASSWORD)
        (home / "password").chmod(0o600)

    def configure(self, *folders: str, more: str = "", **changed: Any) -> None:
        """Write a configuration with one mailbox, `work`; None leaves a key out."""
        keys: dict[str, object] = {
            "host": "localhost",
            "port": self.server.port,
            "ca_file": self.server.ca_file,
            "user": USER,
            "password_file": str(self.home / "password"),
            "folders": list(folders),
            "vouch": True,
            **changed,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items() if value is not None]
        self.config.write_text("\n".join(["[mailbox.work]", *lines, more, ""]))
        self.config.chmod(0o600)

    def run(self, *arguments: str) -> Ended:
        ended = run(*arguments, environment=self.environment)
        self.written += [ended.out, ended.err]
        return ended

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run it in the background; it is killed at the end if it still runs."""
        process = subprocess.Popen(
            [PROGRAM[0], "-u", *PROGRAM[1:], *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | self.environment,
        )
        try:
            yield process
        finally:
            process.kill()
            self.written += list(process.communicate())

    @property
    def store(self) -> Store:
        return Store.open(self.database)


@pytest.fixture
def world(tmp_path: Path, server: Dovecot) -> Iterator[World]:
    made = World(tmp_path, server)
    yield made
    assert [text for text in made.written if CANARY.encode() in text] == []
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert holding == [tmp_path / "password"]


def test_a_mailbox_is_read_and_said_so_in_a_line(world: World, folder: str) -> None:
    world.server.deliver(folder, *numbered(1, 2), OTHER)
    world.configure(folder)
    done = world.run("fetch")
    assert (done.status, done.out) == (0, b"")
    assert re.fullmatch(rb"work .*: 2 new reports, of 3 messages in [0-9.]+ s\n", done.err)
    again = world.run("fetch", "--format", "json")
    [line] = again.out.splitlines()
    found = json.loads(line)
    assert {name for name, value in found.items() if value} == {"mailbox", "folder", "seconds"}
    assert (found["mailbox"], found["folder"], found["problem"]) == ("work", folder, "")


def test_refusals_end_with_0_and_with_strict_with_6(world: World, folder: str) -> None:
    world.server.deliver(folder, b"From: x@example.com\r\nTLS-Report-Domain: example.com\r\n\r\nnothing\r\n")
    world.configure(folder)
    assert world.run("fetch", "--strict").status == 6
    assert world.run("fetch", "--anew").status == 0
    assert b"announces a TLS report and holds none" in world.run("refused").out


def test_a_password_comes_from_a_command(world: World, folder: str) -> None:
    world.server.deliver(folder, *numbered(1))
    world.configure(folder, password_file=None, password_command=["cat", str(world.home / "password")])
    assert world.run("fetch").status == 0
    assert len(reports.newest(world.store)) == 1


def test_a_password_comes_from_systemd(world: World, folder: str) -> None:
    world.environment["CREDENTIALS_DIRECTORY"] = str(world.home)
    world.configure(folder, password_file=None, password_credential="password")
    assert world.run("fetch").status == 0


def test_a_token_comes_from_a_command(world: World, folder: str) -> None:
    world.server.deliver(folder, *numbered(1))
    token = f"print('{world.server.token()}')"
    world.configure(folder, auth="xoauth2", password_file=None, token_command=[sys.executable, "-c", token])
    assert world.run("fetch").status == 0
    assert len(reports.newest(world.store)) == 1


def test_starttls_is_asked_for(world: World, folder: str) -> None:
    world.server.deliver(folder, *numbered(1))
    world.configure(folder, tls="starttls", port=world.server.starttls_port)
    assert world.run("fetch").status == 0


def test_without_a_password_and_a_terminal_it_says_what_to_write(world: World, folder: str) -> None:
    world.configure(folder, password_file=None)
    done = world.run("fetch")
    assert done.status == 1
    assert b"mailbox.work names no password, and there is no terminal to ask at: password_command" in done.err


def test_a_password_is_asked_for_at_the_terminal_and_not_shown(world: World, folder: str) -> None:
    world.server.deliver(folder, *numbered(*range(50)))
    world.configure(folder, password_file=None)
    with Program(["fetch"], world.environment) as program:
        program.wait_for(f"password of {USER} at localhost: ")
        program.press(f"{PASSWORD}\n")
        program.wait_for("50 new reports, of 50 messages")
        assert program.ended() == 0
    world.written.append(program.output)


def test_how_far_it_has_come_is_shown_at_a_terminal(world: World, folder: str) -> None:
    world.server.deliver(folder, *numbered(*range(1_500)))
    world.configure(folder)
    with Program(["fetch"], world.environment) as program:
        program.wait_for("work: connecting; Ctrl-C stops")
        program.wait_for("/1,500 messages, ")
        program.wait_for("1,500 new reports")
        assert program.ended() == 0


def test_a_server_that_goes_away_ends_the_run_with_a_reason_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with dovecot() as server:
        world = World(tmp_path, server)
        server.deliver("Reports", *numbered(*range(2_000)))
        world.configure("Reports")
        with world.running("fetch") as process:
            while not world.database.exists():
                assert process.poll() is None
            server.stop()
            assert process.wait(timeout=40) in {0, 4}
        server.start()
        world.configure("Reports")
        assert world.run("fetch").status == 0
        assert ask(world.store, "SELECT count(*), count(DISTINCT report_id) FROM reports") == [(2_000, 2_000)]
        assert ask(world.store, "SELECT count(*) FROM deliveries") == [(2_000,)]


# What is wrong, in words


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"host": "no-such-host.invalid"}, 4, "is `host` right?"),
        ({"port": 9}, 4, "does a firewall allow it?"),
        ({"ca_file": None}, 1, "`ca_file` names an authority of your own"),
        ({"host": "127.0.0.1"}, 1, "`host` has to be a name in the certificate"),
        ({"user": "nobody-here"}, 1, "`user`, the password, or `auth` is not what the server wants"),
        ({"folders": ["Junk Mail"]}, 1, "there is "),
        ({"password_file": "/no/such/file"}, 1, "no such file"),
    ],
)
def test_config_check_and_fetch_say_what_is_wrong(
    world: World, folder: str, changed: dict[str, Any], status: int, said: str
) -> None:
    world.configure(folder, **changed)
    checked = world.run("config", "check")
    assert (checked.status, said in checked.out.decode()) == (status, True), checked
    if status == 1:  # what cannot be reached is tried several times
        fetched = world.run("fetch")
        assert fetched.status == status
        assert said in fetched.err.decode() or said == "there is "
        assert mailboxes.visits(world.store)[0].problem


def test_config_check_says_what_is_right(world: World, folder: str) -> None:
    world.server.deliver(folder, *numbered(1, 2))
    world.configure(folder, "INBOX")
    done = world.run("config", "check", "work")
    assert done.status == 0
    assert f"work: {USER} at localhost, " in done.out.decode()
    assert f"work {folder}: 2 messages" in done.out.decode()
    assert world.run("config", "check", "other").status == 2


def test_config_writes_a_file_to_start_from_and_never_over_one(world: World) -> None:
    assert world.run("config").status == 0
    assert stat.S_IMODE(world.config.stat().st_mode) == 0o600
    first = world.config.read_text()
    assert world.run("config", "show").status == 0
    again = world.run("config")
    assert (again.status, world.config.read_text()) == (0, first)
    assert b"is there already" in again.err
    # Each example in it can be used as it stands.
    used = re.sub(r"(?m)^# (?=[\[a-z])", "", first)
    used = re.sub(
        r"(?m)^(`tlsrpt|(?:password_file|password_credential|keyring|auth|token_command|check) =).*$", "", used
    )
    world.config.write_text("\n".join(line for line in used.splitlines() if "`" not in line))
    shown = world.run("config", "show")
    assert shown.status == 0, shown.err
    assert b'mailbox.reports.password_command = ["pass", "\xe2\x80\xa6"]' in shown.out


def test_a_file_that_others_can_write_is_not_used_to_run_commands(world: World, folder: str) -> None:
    world.configure(folder)
    world.config.chmod(0o666)
    done = world.run("config", "check")
    assert done.status == 1
    assert b"can be written by others: chmod 600" in done.err


# Killed, stopped, watched


def test_a_run_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing(world: World, folder: str) -> None:
    messages = 3_000
    world.server.deliver(folder, *numbered(*range(messages)))
    world.configure(folder)
    moments = random.Random(8460)
    for _ in range(20):
        with world.running("fetch") as process:
            try:
                process.wait(timeout=moments.uniform(0.3, 1.4))
            except subprocess.TimeoutExpired:
                process.kill()
    last = world.run("fetch")
    assert last.status == 0, last.err
    store = world.store
    assert ask(store, "SELECT count(*), count(DISTINCT report_id) FROM reports") == [(messages, messages)]
    assert ask(store, "SELECT count(*), count(DISTINCT source) FROM deliveries") == [(messages, messages)]
    assert ask(store, "SELECT outcome, count(*) FROM deliveries GROUP BY outcome") == [("loaded", messages)]
    assert ask(store, "SELECT max(uid) FROM cursors") == [(messages,)]


def line(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    return process.stderr.readline().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watching_reads_what_arrives_and_ends_within_a_second(world: World, folder: str, number: int) -> None:
    world.server.deliver(folder, *numbered(1))
    world.configure(folder)
    with world.running("fetch", "--watch") as process:
        assert "1 new report, of 1 message" in line(process)
        assert "watching" in line(process)
        world.server.deliver(folder, *numbered(2))
        assert "1 new report, of 1 message" in line(process)
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(timeout=5) == 0
        assert time.monotonic() - began < 1.0
    assert len(reports.newest(world.store)) == 2


def ends(process: subprocess.Popen[bytes]) -> int:
    """Press Ctrl-C, and return the exit status unless it takes more than a second."""
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    status = process.wait(timeout=5)
    assert time.monotonic() - began < 1.0
    return status


def hanging(home: Path) -> tuple[Path, list[str]]:
    """Return a command that gives no password, and a pipe that it holds open as long as any of it is left."""
    pipe = home / "pipe"
    os.mkfifo(pipe)
    return pipe, ["sh", "-c", f"exec 3> {pipe}; sleep 1000 & sleep 1000"]


@pytest.mark.parametrize("options", [[], ["--watch"]])
def test_a_command_for_a_password_that_hangs_does_not_keep_it_from_ending(
    world: World, folder: str, options: list[str]
) -> None:
    pipe, command = hanging(world.home)
    world.configure(folder, password_file=None, password_command=command)
    with world.running("fetch", *options) as process, pipe.open("rb") as held:
        assert ends(process) == 130
        assert held.read() == b""  # nobody is left who could write


def waits(pid: int) -> bool:
    """Return whether the first thread of a process waits for something other than a lock, where that can be told."""
    if not Path("/proc/self/wchan").exists():
        return True
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "S" and not Path(f"/proc/{pid}/wchan").read_text().startswith("futex")


def test_a_prompt_for_a_password_ends_at_the_first_ctrl_c(world: World, folder: str) -> None:
    world.configure(folder, password_file=None)
    with Program(["fetch"], world.environment) as program:
        program.wait_for(f"password of {USER} at localhost: ")
        # A signal just before the read is heeded after it: Python looks for signals when a read is broken off.
        while not waits(program.pid):
            assert program.runs()
        program.press("\x03")
        assert program.ended() == 130


def test_a_resolver_that_keeps_silent_does_not_keep_it_from_ending_and_the_mail_is_checked_the_next_time(
    world: World, folder: str
) -> None:
    asked, silent = threading.Event(), True

    def hook(*_: object) -> bytes | None:
        asked.set()
        return b"" if silent else None

    world.server.deliver(folder, signed("s1"))
    with dns_server(Zone("sender.example", f"s1._domainkey 60 IN TXT {quoted(record())}"), hook=hook) as running:
        world.configure(folder, vouch=False, more=f'[live]\nresolver = ["{running.address}"]')
        with world.running("fetch") as process:
            assert asked.wait(20)
            assert ends(process) == 130
        silent = False
        assert world.run("fetch").status == 0
    assert trusts(world) == {"s1": "signed"}
    assert ask(world.store, "SELECT count(*) FROM deliveries") == [(1,)]


def test_a_store_that_another_program_holds_does_not_keep_it_from_ending(world: World, folder: str) -> None:
    world.configure(folder)
    with world.running("fetch", "--watch") as process:
        while "watching" not in line(process):
            assert process.poll() is None
        with Gate(world.database, write=True, until=time.monotonic() + 20) as gate:
            world.server.deliver(folder, *numbered(1))
            while not gate.others_wait():
                assert process.poll() is None
            assert ends(process) == 0


def test_no_list_of_processes_has_the_password(world: World, folder: str) -> None:
    world.server.deliver(folder, *numbered(1))
    world.configure(folder)
    with world.running("fetch", "--watch") as process:
        line(process)
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert CANARY.encode() not in place.read_bytes(), place
            except OSError:
                continue
        assert CANARY.encode() not in Path(f"/proc/{process.pid}/environ").read_bytes()


# Who signed


@pytest.fixture
def resolver() -> Iterator[str]:
    with dns_server(Zone("sender.example", f"s1._domainkey 60 IN TXT {quoted(record())}")) as running:
        yield running.address


def trusts(world: World) -> dict[str, str]:
    return {row.report_id: row.trust for row in reports.newest(world.store)}


def test_a_reporter_is_accepted_and_that_is_taken_back(world: World, folder: str, resolver: str) -> None:
    world.server.deliver(folder, signed("s1"), *numbered(1))
    world.configure(folder, vouch=False, more=f'[live]\nresolver = ["{resolver}"]')
    done = world.run("fetch")
    assert b"1 report came from reporters who are not known; tlsrpt accept lists them" in done.err
    assert b"1 report came without a valid signature" in done.err
    assert trusts(world) == {"s1": "signed", "r1": "unverified"}
    listed = world.run("accept", "--format", "json")
    assert [(row["signer"], row["address"], row["trust"]) for row in json.loads(listed.out)] == [
        ("sender.example", "tls@sender.example", "signed")
    ]
    assert world.run("accept", "sender.example", "--note", "known to us").status == 0
    assert trusts(world)["s1"] == "known"
    assert ask(world.store, "SELECT DISTINCT trust FROM policies WHERE policy_domain = 'example.com' ORDER BY 1") == [
        ("known",),
        ("unverified",),
    ]
    world.server.deliver(folder, signed("s2"))
    world.run("fetch")
    assert trusts(world)["s2"] == "known"
    assert world.run("accept", "sender.example", "--withdraw").status == 0
    assert trusts(world) == {"s1": "signed", "s2": "signed", "r1": "unverified"}
    assert world.run("accept", "sender.example", "--withdraw").status == 1
    assert world.run("accept", "never.example").status == 2
    assert world.run("accept", "never.example", "--everyone").status == 0


def test_a_reporter_of_the_configuration_is_known(world: World, folder: str, resolver: str) -> None:
    world.server.deliver(folder, signed("s1"))
    live = f'[live]\nresolver = ["{resolver}"]\n'
    world.configure(folder, vouch=False, more=live)
    world.run("fetch")
    world.configure(
        folder, vouch=False, more=f'{live}[[reporters]]\nsigner = "sender.example"\naddress = "TLS@sender.example"'
    )
    done = world.run("fetch")
    assert b"1 report changed in trust, as other reporters are accepted now" in done.err
    assert trusts(world) == {"s1": "known"}


def test_a_domain_that_signs_for_several_is_accepted_by_address_alone(world: World, folder: str, resolver: str) -> None:
    one = signed("s1")
    other = signed("s2", sender="someone@sender.example")
    world.server.deliver(folder, one, other)
    world.configure(folder, vouch=False, more=f'[live]\nresolver = ["{resolver}"]')
    world.run("fetch")
    refused = world.run("accept", "sender.example")
    assert refused.status == 2
    assert b"choose one with --address (someone@sender.example, tls@sender.example)" in refused.err
    assert world.run("accept", "sender.example", "--address", "x@evil.example").status == 2
    assert world.run("accept", "sender.example", "--address", "tls@sender.example").status == 0
    assert trusts(world) == {"s1": "known", "s2": "signed"}


def test_a_file_of_mail_is_judged_by_its_signature_too(world: World, resolver: str) -> None:
    world.configure("INBOX", more=f'[live]\nresolver = ["{resolver}"]')
    (world.home / "mail.eml").write_bytes(signed("s1"))
    done = world.run("load", str(world.home / "mail.eml"))
    assert done.status == 0
    assert trusts(world) == {"s1": "signed"}


def test_with_checking_off_nobody_is_asked(world: World) -> None:
    with dns_server(Zone("sender.example", "@ 60 IN A 192.0.2.1")) as running:
        world.configure("INBOX", more=f'[live]\nresolver = ["{running.address}"]\n[dkim]\ncheck = "off"')
        (world.home / "mail.eml").write_bytes(signed("s1"))
        done = world.run("load", str(world.home / "mail.eml"))
        assert b"could not be checked" in done.err
        assert running.log == []
    assert trusts(world) == {"s1": "unchecked"}


def test_mail_without_a_report_makes_nobody_ask(world: World) -> None:
    with dns_server(Zone("sender.example", "@ 60 IN A 192.0.2.1")) as running:
        world.configure("INBOX", more=f'[live]\nresolver = ["{running.address}"]')
        text = (
            signed("s1")
            .partition(b"\n\n")[0]
            .replace(b"TLS-Report", b"X-Other")
            .replace(b"multipart/report", b"text/plain")
        )
        (world.home / "mail.eml").write_bytes(text.replace(b"Report Domain:", b"Hi") + b"\n\nAt noon?\n")
        world.run("load", str(world.home / "mail.eml"))
        assert running.log == []
