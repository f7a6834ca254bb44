"""`tlsrpt setup` on a domain that has nothing yet, from its own DNS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dns.zone
import pytest
from click.testing import CliRunner, Result
from dns_server import Zone, dns_server
from stack import zone_text

from tlsrpt.mta_sts import parse_policy, parse_record
from tlsrpt.record import parse
from tui.cli import program

MXS = {"mx1": ["127.0.9.1"], "mx2": ["127.0.9.2"]}
ZONES = [
    Zone("new.example", zone_text("new.example", MXS, mta_sts=None, tlsrpt=None, policy_address=None)),
    Zone("null.example", "@ 3600 IN MX 0 .\n"),
]


@pytest.fixture
def options(tmp_path: Path) -> Iterator[list[str]]:
    with dns_server(*ZONES) as server:
        given = ["--resolver", server.address, "--allow-private-addresses", "--smtp-port", "9", "--https-port", "9"]
        yield [*given, "--database", str(tmp_path / "s.duckdb")]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["setup", *arguments], prog_name="tlsrpt")


def test_it_says_what_to_publish_in_the_order_in_which_it_is_safe(options: list[str]) -> None:
    done = run("new.example", *options)
    assert done.exit_code == 0, done.output
    marks = ["Ask for reports", "Serve the policy", "Announce it", "tlsrpt check new.example"]
    places = [done.output.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "mx: mx1.new.example\nmx: mx2.new.example\n" in done.output


def test_what_it_writes_is_what_senders_read(options: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run(
        "new.example",
        "--rua",
        "https://reports.example/tls",
        "--web",
        "www.example.net",
        "--write",
        str(folder),
        *options,
    )
    policy, lints = parse_policy((folder / "www/.well-known/mta-sts.txt").read_bytes().decode())
    assert not lints
    assert policy is not None
    assert policy.mx == ("mx1.new.example", "mx2.new.example")
    zone = dns.zone.from_text((folder / "records.zone").read_text(), "new.example.", check_origin=False)
    found = {(str(name), record.rdtype.name): record.to_text() for name, _, record in zone.iterate_rdatas()}
    assert parse([found["_smtp._tls", "TXT"].strip('"')])[0] is not None
    assert parse_record([found["_mta-sts", "TXT"].strip('"')])[0] is not None
    assert found["mta-sts", "CNAME"] == "www.example.net."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["null.example"], "null.example receives no mail"),
        (["nowhere.example"], "nowhere.example does not exist in DNS"),
        (["new.example", "--rua", "reports@new.example"], "reports@new.example"),
        (["192.0.2.1"], "an IP address is no domain"),
    ],
)
def test_what_cannot_be_set_up_is_said(options: list[str], arguments: list[str], words: str) -> None:
    done = run(*arguments, *options)
    assert done.exit_code in {1, 2}
    assert words in done.output


def test_a_folder_with_other_content_is_left_alone(options: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "Caddyfile").write_text("mine")
    done = run("new.example", "--write", str(folder), *options)
    assert done.exit_code == 1
    assert "Caddyfile is there already with other content" in done.output
    assert [path.name for path in folder.iterdir()] == ["Caddyfile"]
