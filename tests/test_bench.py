"""The workload that is measured with: always the same, and what its manifest says is in it."""

from __future__ import annotations

import gzip
import json
import mailbox
import subprocess
import sys
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

GENERATOR = Path(__file__).parents[1] / "bench" / "generate.py"


def generated(out: Path, count: int, form: str, *options: str) -> dict[str, Any]:
    """Run the generator and return its manifest."""
    command = [sys.executable, str(GENERATOR), str(count), form, str(out), *options]
    subprocess.run(command, check=True, capture_output=True)
    manifest: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return manifest


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "reports").iterdir()}


def recounted(documents: list[bytes]) -> dict[str, int]:
    """Return what these documents add up to, each distinct one counted once."""
    reports = [json.loads(document) for document in set(documents)]
    assert len({(report["contact-info"], report["report-id"]) for report in reports}) == len(reports)
    policies = [policy for report in reports for policy in report["policies"]]
    rows = [row for policy in policies for row in policy.get("failure-details", [])]
    return {
        "deliveries": len(documents),
        "reports": len(reports),
        "duplicates": len(documents) - len(reports),
        "policies": len(policies),
        "failure_details": len(rows),
        "failed_session_count": sum(row["failed-session-count"] for row in rows),
        "total_successful_session_count": sum(
            policy["summary"]["total-successful-session-count"] for policy in policies
        ),
        "total_failure_session_count": sum(policy["summary"]["total-failure-session-count"] for policy in policies),
    }


def attachment(message: Message) -> bytes:
    """Return the document that a mail brings."""
    report = message.get_payload(1)
    assert isinstance(report, Message)
    content = report.get_payload(decode=True)
    assert isinstance(content, bytes)
    return gzip.decompress(content) if report.get_content_type() == "application/tlsrpt+gzip" else content


@pytest.mark.parametrize("form", ["gz", "eml", "mbox"])
def test_the_same_seed_writes_the_same_bytes(tmp_path: Path, form: str) -> None:
    first = generated(tmp_path / "first", 200, form, "--bad", "0.1", "--odd", "0.1")
    second = generated(tmp_path / "second", 200, form, "--bad", "0.1", "--odd", "0.1")
    assert first == second
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_another_seed_writes_other_reports(tmp_path: Path) -> None:
    generated(tmp_path / "first", 20, "eml")
    generated(tmp_path / "second", 20, "eml", "--seed", "7")
    assert not set(contents(tmp_path / "first").values()) & set(contents(tmp_path / "second").values())


@pytest.mark.parametrize("form", ["gz", "eml"])
def test_a_small_workload_is_the_start_of_a_large_one(tmp_path: Path, form: str) -> None:
    generated(tmp_path / "small", 100, form)
    generated(tmp_path / "large", 200, form)
    small, large = contents(tmp_path / "small"), contents(tmp_path / "large")
    assert len(small) == 100
    assert len(large) == 200
    assert small.items() <= large.items()


def test_a_small_mbox_is_the_start_of_a_large_one(tmp_path: Path) -> None:
    generated(tmp_path / "small", 100, "mbox")
    generated(tmp_path / "large", 200, "mbox")
    small, large = (contents(tmp_path / size)["reports.mbox"] for size in ("small", "large"))
    assert large.startswith(small)


def test_the_manifest_counts_what_the_files_hold(tmp_path: Path) -> None:
    manifest = generated(tmp_path / "out", 1000, "gz")
    found = recounted([gzip.decompress(content) for content in contents(tmp_path / "out").values()])
    assert {name: manifest[name] for name in found} == found
    assert manifest["files"] == 1000
    assert manifest["refused"] == 0
    assert found["duplicates"] > 0


def test_each_form_brings_the_same_reports(tmp_path: Path) -> None:
    generated(tmp_path / "gz", 300, "gz")
    generated(tmp_path / "eml", 300, "eml")
    manifest = generated(tmp_path / "mbox", 300, "mbox")
    bare = sorted(gzip.decompress(content) for content in contents(tmp_path / "gz").values())
    messages = mailbox.mbox(tmp_path / "mbox" / "reports" / "reports.mbox", create=False)
    attached = sorted(attachment(message) for message in messages)
    messages.close()
    assert attached == bare
    assert manifest["files"] == 1
    assert manifest["deliveries"] == 300
    for content in contents(tmp_path / "eml").values():
        assert attachment(mailbox.mboxMessage(content)) in bare


def test_broken_reports_are_counted_as_refused_and_nothing_else(tmp_path: Path) -> None:
    manifest = generated(tmp_path / "out", 1000, "gz", "--bad", "0.2")
    clean = generated(tmp_path / "clean", 1000, "gz")
    changed = set(contents(tmp_path / "out").items()) - set(contents(tmp_path / "clean").items())
    assert 150 < manifest["refused"] < 250
    assert manifest["refused"] <= len(changed)
    assert manifest["reports"] + manifest["duplicates"] + manifest["refused"] == 1000
    assert manifest["reports"] < clean["reports"]


def test_oddly_dressed_reports_are_still_counted_as_reports(tmp_path: Path) -> None:
    odd = generated(tmp_path / "odd", 1000, "gz", "--odd", "0.2")
    clean = generated(tmp_path / "clean", 1000, "gz")
    assert contents(tmp_path / "odd") != contents(tmp_path / "clean")
    assert {**odd, "odd": 0.0} == clean
