"""Reports for tests, as senders write them."""

from __future__ import annotations

import json
import tempfile
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import loaders
from loaders.directory import Directory
from tlsrpt.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable

TODAY = date(2026, 11, 20)
SAMPLES = Path(__file__).parent.parent / "sample_reports"
SAMPLED = date.fromisoformat((SAMPLES / "as-of.txt").read_text(encoding="utf-8").strip())  # the day that they are about

# What a stranger may try to do to a terminal, to Textual's markup and to a reader.
POISONS = {
    "escape": "\x1b[31mred",
    "clipboard": "\x1b]52;c;UFdORUQ=\x1b\\",
    "title": "\x1b]0;PWNED\x07",
    "c1": "\x9b31m\x9d0;PWNED\x9c",
    "bidi": "\u202egro.elpmaxe\u2066",
    "invisible": "a\u200bb\u2060c\ufeffd\u00a0e\u3164f\U000e0041",
    "closing": "x[/x]y[/]",
    "link": "[@click=app.quit]quit[/]",
    "style": "[red]red[/red]",
    "newlines": "a\r\nb\u2028c\x85d\te",
}


def failure(result_type: str, sessions: int, mx: str | None = None, **more: object) -> dict[str, object]:
    row: dict[str, object] = {"result-type": result_type, "failed-session-count": sessions}
    if mx:
        row["receiving-mx-hostname"] = mx
    return row | {key.replace("_", "-"): value for key, value in more.items()}


def sts(
    domain: str, successful: int, failures: Iterable[dict[str, Any]] = (), mode: str = "testing"
) -> dict[str, object]:
    failures = list(failures)
    return {
        "policy": {
            "policy-type": "sts",
            "policy-string": ["version: STSv1", f"mode: {mode}", f"mx: *.{domain}", "max_age: 604800"],
            "policy-domain": domain,
            "mx-host": [f"*.{domain}"],
        },
        "summary": {
            "total-successful-session-count": successful,
            "total-failure-session-count": sum(row["failed-session-count"] for row in failures),
        },
        "failure-details": failures,
    }


def report(organization: str, ago: int, *policies: dict[str, object], **more: object) -> dict[str, object]:
    """Return a report of the day so many days before TODAY."""
    day = TODAY - timedelta(days=ago)
    return {
        "organization-name": organization,
        "date-range": {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"},
        "contact-info": f"tls@{organization}",
        "report-id": f"{day}-{organization}",
        "policies": list(policies),
    } | {key.replace("_", "-"): value for key, value in more.items()}


def small() -> list[dict[str, object]]:
    """Return one domain whose second MX has an expired certificate, and one where all is well."""
    expired = failure(
        "certificate-expired",
        14,
        "mx2.example.org",
        sending_mta_ip="192.0.2.8",
        receiving_ip="203.0.113.20",
        failure_reason_code="CERT_HAS_EXPIRED",
    )
    return [
        report("google.com", 2, sts("example.org", 240)),
        report("google.com", 1, sts("example.org", 226, [expired])),
        report("microsoft.com", 1, sts("example.org", 60, [failure("certificate-expired", 3, "mx2.example.org")])),
        report("mail.ru", 1, sts("example.net", 9, mode="enforce")),
    ]


def crowded() -> list[dict[str, object]]:
    """Return many domains, organizations and causes, and names that are too long."""
    causes = ("starttls-not-supported", "certificate-host-mismatch", "sts-policy-fetch-error", "validation-failure")
    long = "a-very-long-label-of-a-host-name.in-a-department.of-an-organization"
    found = []
    for n in range(40):
        domain = f"{long}-{n:02}.example" if n % 5 == 0 else f"domain-{n:02}.example"
        details = [failure(causes[n % 4], n, f"mx{n % 3}.{domain}")] if n % 2 else []
        found += [
            report(
                f"sender-{sender}.example",
                ago,
                sts(domain, 1000 * n + sender, details),
                report_id=f"{n}-{ago}-{sender}",
            )
            for sender in range(1 + n % 3)
            for ago in range(1, 1 + n % 6)
        ]
    return found


BUSY = "xn--bcher-kva.a-very-long-label-in-a-department.of-an-organization.example"


def busy() -> list[dict[str, object]]:
    """Return one internationalised domain with many organizations, MXs, causes and policies, and names too long."""
    domain = BUSY
    causes = (
        "starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
        "validation-failure", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid", "unheard-of",
    )  # fmt: skip
    found = []
    for sender in range(20):
        name = f"sender-{sender:02}{'.of-a-long-name-in-a-long-department' if sender % 4 == 0 else ''}.example"
        for ago in range(1, 46):
            if (ago * 7 + sender * 5) % 11 < sender // 3 or (sender == 1 and ago < 9):
                continue  # some report seldom, one has fallen silent
            number = (ago * 13 + sender * 3) % 17
            details = [
                failure(causes[(number + extra) % 9], number * number, f"mx{(number + extra) % 12:02}.{domain}")
                for extra in range(2 if number > 12 else 0)
            ]
            policy = sts(domain, 40 * (20 - sender) + number, details, "enforce" if ago < 12 else "testing")
            tlsa = {
                "policy": {"policy-type": "tlsa", "policy-string": ["3 1 1 00"], "policy-domain": domain},
                "summary": {"total-successful-session-count": 9, "total-failure-session-count": number % 3},
            }
            found.append(report(name, ago, policy, *([tlsa] if sender == 2 else [])))
    return found


def poisoned() -> list[dict[str, object]]:
    """Return reports in which every text a stranger writes holds a poison, one poison a report."""
    found = []
    for ago, bad in enumerate(POISONS.values(), start=1):
        details = failure(
            f"certificate-expired{bad}",
            3,
            f"mx.example.org{bad}",
            sending_mta_ip=f"192.0.2.1{bad}",
            receiving_ip=f"192.0.2.2{bad}",
            receiving_mx_helo=f"helo{bad}",
            additional_information=f"https://example.org/{bad}",
            failure_reason_code=f"code{bad}",
        )
        policy = {
            "policy": {
                "policy-type": f"sts{bad}" if ago % 2 else "sts",
                "policy-string": ["version: STSv1", f"mode: testing{bad}", f"mx: {bad}"],
                "policy-domain": f"example.org{bad}",
                "mx-host": [f"*.example.org{bad}"],
            },
            "summary": {"total-successful-session-count": 1, "total-failure-session-count": 3},
            "failure-details": [details],
        }
        found.append(
            report(
                f"organization{bad}", ago, policy, contact_info=f"contact{bad}", report_id=f"id{bad}{ago}", extra=bad
            )
        )
    return found


def write(folder: Path, reports: Iterable[dict[str, object]]) -> Path:
    """Write each report into a file of its own and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, one in enumerate(reports):
        (folder / f"{n:04}.json").write_text(json.dumps(one), encoding="utf-8")
    return folder


def poisoned_files(folder: Path) -> Path:
    """Write poisoned reports, and files with poisoned names that are refused with poisoned reasons."""
    write(folder, poisoned())
    for n, bad in enumerate(POISONS.values()):
        name = bad.replace("/", "_").replace("\0", "")
        (folder / f"refused {n} {name}.json").write_text(
            json.dumps({"organization-name": bad, "policies": bad, "date-range": bad}), encoding="utf-8"
        )
    return folder


def stored(database: Path, folder: Path) -> Path:
    """Load a folder into a new store and return its path."""
    loaders.load(Directory([str(folder)]), Store.open(database, create=True), vouch=True)
    return database


def small_store(database: Path) -> Path:
    """Make a store of the small story, by copying one, and return its path."""
    database.parent.mkdir(parents=True, exist_ok=True)
    database.write_bytes(_small_store())
    return database


@cache
def _small_store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        made = stored(Path(folder) / "s.duckdb", write(Path(folder) / "reports", small()))
        return made.read_bytes()


def sample_store(database: Path) -> Path:
    """Load the samples into a new store and return its path."""
    return stored(database, SAMPLES)
