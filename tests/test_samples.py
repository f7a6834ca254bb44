"""The samples are what generate.py writes, and tell the stories that their README promises."""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from datetime import date, datetime, time, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

import loaders
from loaders.directory import Directory
from queries import readiness
from tlsrpt.store import Store

SAMPLES = Path(__file__).parent.parent / "sample_reports"
WRITTEN_BY_HAND = {"README.md", "generate.py", "looks.py", ".gitattributes"}
DOCUMENTATION = [ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
STORIES = ["example.com", "example.org", "example.net", "bakery.example", "clinic.example"]


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {name: content for name, content in files.items() if name not in WRITTEN_BY_HAND}


def generate(out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SAMPLES / "generate.py"), str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_samples_are_what_the_script_writes(tmp_path: Path) -> None:
    assert generate(tmp_path).returncode == 0
    written, kept = contents(tmp_path), contents(SAMPLES)
    assert sorted(written) == sorted(kept)
    assert [name for name in written if written[name] != kept[name]] == []


def test_writing_again_removes_what_is_no_longer_made_and_nothing_else(tmp_path: Path) -> None:
    generate(tmp_path)
    stale, stranger = tmp_path / "mail" / "gone.eml", tmp_path / "notes.txt"
    stale.write_text("a sample of an earlier version")
    stranger.write_text("not ours")
    assert generate(tmp_path).returncode == 0
    assert not stale.exists()
    assert stranger.exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "letter.eml").write_text("Dear")
    assert generate(tmp_path).returncode == 1
    assert sorted(contents(tmp_path)) == ["mail/letter.eml"]


def test_the_date_of_the_samples_is_the_day_after_their_last_report() -> None:
    as_of = date.fromisoformat((SAMPLES / "as-of.txt").read_text().rstrip("\n"))
    begins = [int(name.split("!")[2]) // 86400 for name in contents(SAMPLES) if re.match(r"\d{4}-\d\d/.*!.*!", name)]
    assert as_of == date(1970, 1, 1) + timedelta(days=max(begins) + 1)


@pytest.mark.parametrize("domain", STORIES)
def test_each_story_runs_through_the_mails_and_stands_in_the_readme(domain: str) -> None:
    mails = b"".join(content for name, content in contents(SAMPLES).items() if not name.startswith("oddities"))
    assert f"\nTLS-Report-Domain: {domain}\n".encode() in mails.replace(b"\r\n", b"\n")
    assert f"!{domain}!".encode() in contents(SAMPLES)["archive.zip"]
    assert f"| `{domain}` |" in (SAMPLES / "README.md").read_text()


def test_the_samples_stay_small() -> None:
    files = contents(SAMPLES)
    assert len(files) <= 900
    assert sum(map(len, files.values())) <= 2_000_000


def test_every_address_is_a_documentation_address() -> None:
    addresses = set()
    for content in contents(SAMPLES).values():  # reports in files and in the archive are stored, not deflated
        addresses |= set(re.findall(rb"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])", content))
    assert addresses
    for text in addresses:
        assert any(ip_address(text.decode()) in network for network in DOCUMENTATION), text


def test_the_gzip_bomb_is_small_and_grows_past_ten_mebibytes() -> None:
    bomb = contents(SAMPLES)["refused/gzip-bomb.json.gz"]
    assert len(bomb) < 20_000
    assert len(zlib.decompress(bomb, wbits=31)) > 10 << 20


def test_each_story_gets_the_verdict_it_deserves_with_the_right_first_remedy() -> None:
    store = Store.memory()
    loaders.load(Directory([str(SAMPLES)]), store, vouch=True)
    as_of = date.fromisoformat((SAMPLES / "as-of.txt").read_text().strip())
    board = readiness.board(store, datetime.combine(as_of, time(23, 59, 59)))
    told = {
        one.evidence.policy_domain: (one.verdict, one.in_the_way[0].name, one.in_the_way[0].remedy) for one in board
    }
    store.close()
    assert told["example.com"][0] == "READY"
    deserved = {
        "example.org": ("NOT_READY", "C05", "Renew the certificate of mx2.example.org"),
        "example.net": ("NOT_READY", "C04", "Add mx: mx3.example.net to the policy, then change the id"),
        "bakery.example": ("INSUFFICIENT_EVIDENCE", "C21", "See that every report is loaded. Else wait"),
        "clinic.example": ("IN_FORCE_FAILING", "C05", "Get a certificate whose SAN has mx2.clinic.example"),
    }
    for domain, (verdict, criterion, remedy) in deserved.items():
        assert told[domain][:2] == (verdict, criterion), domain
        assert remedy in told[domain][2], domain
