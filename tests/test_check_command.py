"""The commands `check` and `history`: what they write, how they end, and whom they leave alone."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import checks
import click
import pytest
from click.testing import CliRunner
from forked import PROGRAM
from pty_program import Program
from stories import POISONS
from test_checked import NOW, check, seen

from loaders.observations import record
from queries import published
from tlsrpt.check_file import read_checks
from tlsrpt.published import Check, MxTlsFacts, Settings, TxtFacts
from tlsrpt.store import Store, utc_now
from tui.cli import FORMATS, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STRANGE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
DOMAIN = "example.com"
NO_TLS = MxTlsFacts(outcome="starttls-not-offered")
TODAY = f"{NOW:%Y-%m-%d}"


class Ended(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


def run(*arguments: str) -> Ended:
    """Run a command in this process, as `main` does."""
    done = CliRunner().invoke(program, list(arguments), standalone_mode=False)
    if isinstance(done.exception, click.ClickException):
        return Ended(done.exception.exit_code, done.stdout, f"{done.stderr}{done.exception.format_message()}\n")
    if done.exception is not None:
        raise done.exception
    return Ended(done.return_value, done.stdout, done.stderr)


@pytest.fixture
def nobody() -> Iterator[socket.socket]:
    """Yield a resolver that takes questions and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        yield listening


def address(listening: socket.socket) -> str:
    return f"127.0.0.1:{listening.getsockname()[1]}"


def was_asked(listening: socket.socket) -> bool:
    listening.setblocking(False)  # noqa: FBT003 - the name says it
    try:
        return bool(listening.recv(512))
    except BlockingIOError:
        return False


def kept(database: Path, *checks: Check) -> str:
    """Record checks in a store and return its path."""
    record(Store.open(database, create=True), checks)
    return str(database)


# Usage


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "no domain: tlsrpt check example.com, or `domains` in "),
        (["192.0.2.1"], "192.0.2.1: an IP address is no domain"),
        (["example"], "example: a domain has at least one dot"),
        (["example.com", "a b.example"], "a b.example: not a domain name"),
    ],
)
def test_what_is_no_domain_is_a_usage_error_and_makes_no_store(tmp_path: Path, names: list[str], reason: str) -> None:
    done = run("--database", str(tmp_path / "s.duckdb"), "check", *names)
    assert done.exit_code == 2
    assert reason in done.stderr
    assert not (tmp_path / "s.duckdb").exists()


def test_a_port_is_a_port(tmp_path: Path) -> None:
    assert run("--database", str(tmp_path / "s.duckdb"), "check", "example.com", "--smtp-port", "70000").exit_code == 2


def test_a_mistake_in_the_configuration_ends_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.toml").write_text("verify = false", encoding="utf-8")
    monkeypatch.setenv("TLSRPT_CONFIG", str(tmp_path / "c.toml"))
    done = run("--database", str(tmp_path / "s.duckdb"), "check")
    assert (done.exit_code, done.stderr) == (2, f"{tmp_path}/c.toml: verify: no such key\n")


@pytest.mark.parametrize("setting", [("--ca-file", "/nonexistent/ca.pem"), ("--resolver", "not an address")])
def test_settings_that_cannot_be_used_end_with_1_and_one_line(tmp_path: Path, setting: tuple[str, str]) -> None:
    done = run("--database", str(tmp_path / "s.duckdb"), "check", "example.com", *setting)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


# What was seen before


def test_as_of_a_day_shows_what_was_seen_by_then_and_contacts_nobody(tmp_path: Path, nobody: socket.socket) -> None:
    later = check(seen("_mta-sts.example.com", TxtFacts(kind="mta-sts-record", status="none")))
    database = kept(tmp_path / "s.duckdb", check(), later.model_copy(update={"checked_at": NOW + timedelta(days=2)}))
    done = run("--database", database, "check", "Example.COM.", "--as-of", TODAY, "--resolver", address(nobody))
    assert "MTA-STS record: v=STSv1; id=1;" in done.stdout
    assert "12 h ago (2026-11-20 11:57Z) from berlin" in done.stdout
    assert not was_asked(nobody)


def test_as_of_a_day_before_any_look_says_so_and_ends_with_1(tmp_path: Path) -> None:
    for database in (str(tmp_path / "none.duckdb"), kept(tmp_path / "s.duckdb", check())):
        done = run("--database", database, "check", "example.com", "--as-of", "2026-11-19")
        assert (done.exit_code, done.stdout) == (1, "")
        assert "example.com was not looked at up to 2026-11-19" in done.stderr
    assert not (tmp_path / "none.duckdb").exists()


def test_a_look_is_not_repeated_within_five_minutes_unless_asked_for(tmp_path: Path, nobody: socket.socket) -> None:
    settings = Settings(resolver=(address(nobody),))
    lately = utc_now().replace(microsecond=0) - timedelta(minutes=2)
    young = check(settings=settings).model_copy(update={"checked_at": lately})
    database = kept(tmp_path / "s.duckdb", young)
    done = run("--database", database, "check", "example.com", "--vantage", "berlin", "--resolver", address(nobody))
    assert "from berlin; --fresh looks again" in done.stdout
    assert not was_asked(nobody)


def test_the_watched_domains_are_looked_at_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.toml").write_text('domains = ["example.com"]', encoding="utf-8")
    monkeypatch.setenv("TLSRPT_CONFIG", str(tmp_path / "c.toml"))
    done = run("--database", kept(tmp_path / "s.duckdb", check()), "check", "--as-of", TODAY)
    assert done.stdout.startswith("example.com\n")


# Looking


def test_a_domain_whose_dns_is_silent_could_not_be_reached(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        resolver = address(closed)
    database = str(tmp_path / "s.duckdb")
    done = run("--database", database, "check", "example.com", "--resolver", resolver, "--format", "json")
    assert done.exit_code == 4
    [one] = json.loads(done.stdout)["checks"]
    assert {finding["level"] for finding in one["findings"]} >= {"unreached"}
    assert one["vantage"] == socket.gethostname()
    found = published.newest(Store.open(tmp_path / "s.duckdb"), "example.com")
    assert found is not None
    assert found.settings == Settings(resolver=(resolver,))


def test_ctrl_c_stops_at_once(tmp_path: Path, nobody: socket.socket) -> None:
    arguments = ["--database", str(tmp_path / "s.duckdb"), "check", "example.com", "--resolver", address(nobody)]
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ.copy(),
    ) as process:
        nobody.settimeout(30)
        assert nobody.recv(512)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"stopped; kept what was finished\n")


@pytest.mark.pty
def test_in_a_terminal_it_says_what_goes_on_and_how_to_stop(tmp_path: Path, nobody: socket.socket) -> None:
    arguments = ["--database", str(tmp_path / "s.duckdb"), "check", "example.com", "--resolver", address(nobody)]
    with Program(arguments) as program:
        program.wait_for("looking at example.com; Ctrl-C stops")
        program.press("\x03")
        assert program.ended() == 130


# Formats


def test_json_comes_back_as_the_same_checks(tmp_path: Path) -> None:
    database = kept(tmp_path / "s.duckdb", check())
    done = run("--database", database, "check", "example.com", "--as-of", TODAY, "--format", "json")
    [one] = json.loads(done.stdout)["checks"]
    assert {"findings", "version"} <= one.keys()
    [again] = read_checks(done.stdout.encode(), NOW).checks
    assert again == published.newest(Store.open(tmp_path / "s.duckdb"), "example.com")


def test_csv_has_a_row_for_each_finding_or_one_that_says_ok(tmp_path: Path) -> None:
    tried = {"good": checks.check(), "bad": checks.check({"mx1.example.com [192.0.2.1]": NO_TLS})}
    found = {}
    for name, one in tried.items():
        done = run("--database", kept(tmp_path / name, one), "check", DOMAIN, "--vantage", "here", "--format", "csv")
        rows = list(csv.DictReader(done.stdout.splitlines()))
        found[name] = [(row["policy_domain"], row["level"], row["name"], row["subject"]) for row in rows]
    assert found["good"] == [(DOMAIN, "ok", "", "")]
    assert found["bad"] == [(DOMAIN, "fail", "starttls-not-offered", "mx1.example.com [192.0.2.1]")]


def test_the_exit_status_is_that_of_the_worst_finding(tmp_path: Path) -> None:
    timeout = MxTlsFacts(outcome="timeout")
    for name, mx, status in (("good", None, 0), ("unseen", timeout, 4), ("bad", NO_TLS, 5)):
        changed = {} if mx is None else {"mx1.example.com [192.0.2.1]": mx}
        database = kept(tmp_path / name, checks.check(changed))
        assert run("--database", database, "check", DOMAIN, "--vantage", "here").exit_code == status


def test_markdown_has_the_same_things(tmp_path: Path) -> None:
    database = kept(tmp_path / "s.duckdb", check(seen("mx1.example.com [192.0.2.1]", NO_TLS)))
    out = run("--database", database, "check", "example.com", "--as-of", TODAY, "--format", "markdown").stdout
    assert out.startswith("# example.com\n\nFAIL")
    assert "| ok | MTA-STS record | v=STSv1; id=1; |" in out
    assert "\n## What to do\n\n| level | name | subject | title | detail | remedy |\n" in out


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("bad", POISONS.values(), ids=POISONS)
def test_no_bytes_of_a_server_act_on_a_terminal(tmp_path: Path, bad: str, form: str) -> None:
    database = kept(
        tmp_path / "s.duckdb",
        check(
            seen("_smtp._tls.example.com", TxtFacts(kind="tlsrpt-record", status="found", records=(bad,))),
            seen("mx1.example.com [192.0.2.1]", MxTlsFacts(outcome="refused", reason=f"554 {bad}")),
        ),
    )
    done = run("--database", database, "check", "example.com", "--as-of", TODAY, "--format", form)
    assert done.exit_code in {0, 4, 5}
    assert not STRANGE.search(done.stdout.replace("\r\n", "\n"))


# History


def twice(database: Path) -> str:
    """Keep two looks between which the id changed, and return the path of the store."""
    after = check(
        seen("_mta-sts.example.com", TxtFacts(kind="mta-sts-record", status="found", records=("v=STSv1; id=2;",)))
    )
    return kept(database, check(), after.model_copy(update={"checked_at": NOW + timedelta(days=2)}))


def test_history_shows_what_changed_between_which_looks_newest_first(tmp_path: Path) -> None:
    done = run("--database", twice(tmp_path / "s.duckdb"), "history", "example.com")
    assert done == Ended(
        0,
        "example.com\n"
        "2026-11-22  _mta-sts.example.com: id changed, between 2026-11-20 11:57Z and\n"
        "            2026-11-22 12:00Z\n"
        "            -v=STSv1; id=1;\n"
        "            +v=STSv1; id=2;\n"
        "2026-11-20  looked at from berlin: first seen\n",
        "",
    )


def test_history_is_bounded_by_days(tmp_path: Path) -> None:
    database = twice(tmp_path / "s.duckdb")

    def found(*options: str) -> list[str]:
        done = run("--database", database, "history", "example.com", "--format", "json", *options)
        return [change["what"] for change in json.loads(done.stdout)]

    assert found() == ["id changed", "first seen"]
    assert found("--since", "2026-11-21") == ["id changed"]
    assert found("--until", "2026-11-21") == ["first seen"]
    assert found("--as-of", "2026-11-21") == ["first seen"]


@pytest.mark.parametrize("form", ["csv", "markdown"])
def test_history_is_a_row_for_each_change(tmp_path: Path, form: str) -> None:
    done = run("--database", twice(tmp_path / "s.duckdb"), "history", "example.com", "--format", form)
    assert done.stdout.count("\n") == (3 if form == "csv" else 4)
    assert "-v=STSv1; id=1;" in done.stdout


def test_without_a_look_history_says_how_to_look(tmp_path: Path) -> None:
    for database in (str(tmp_path / "none.duckdb"), kept(tmp_path / "s.duckdb", check())):
        done = run("--database", database, "history", "example.net")
        assert done == Ended(0, "", "nothing is known of example.net then: tlsrpt check example.net\n")
