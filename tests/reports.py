"""Report documents as values, to be changed one member at a time."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tlsrpt.parse import Hints, Reading, parse

if TYPE_CHECKING:
    from tlsrpt.report import Defect, Report

Document = dict[str, Any]

NOTHING_AROUND = Hints()


def policy(
    policy_type: str = "sts",
    domain: str = "example.com",
    successful: int = 10,
    failed: int = 0,
    rows: list[Document] | None = None,
    **more: object,
) -> Document:
    """Return one element of "policies"."""
    inner: Document = {"policy-type": policy_type, "policy-domain": domain}
    if policy_type == "sts":
        inner["policy-string"] = [
            "version: STSv1",
            "mode: testing",
            "mx: mx1.example.com",
            "mx: mx2.example.com",
            "max_age: 86400",
        ]
        inner["mx-host"] = ["mx1.example.com", "mx2.example.com"]
    inner |= {key.replace("_", "-"): value for key, value in more.items()}
    inner = {key: value for key, value in inner.items() if value is not ...}
    entry: Document = {
        "policy": inner,
        "summary": {"total-successful-session-count": successful, "total-failure-session-count": failed},
    }
    if rows is not None:
        entry["failure-details"] = rows
    return entry


def row(result_type: str = "certificate-expired", count: int = 1, **more: object) -> Document:
    """Return one element of "failure-details"."""
    return {
        "result-type": result_type,
        "sending-mta-ip": "192.0.2.1",
        "receiving-mx-hostname": "mx1.example.com",
        "failed-session-count": count,
    } | {key.replace("_", "-"): value for key, value in more.items()}


def document(*policies: Document, day: str = "2026-03-10", **more: object) -> Document:
    """Return a well-formed report; `more` replaces top-level members, None takes one out."""
    found: Document = {
        "organization-name": "Sender Inc.",
        "date-range": {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"},
        "contact-info": "tls@sender.example",
        "report-id": f"{day}_example.com",
        "policies": list(policies) or [policy()],
    } | {key.replace("_", "-"): value for key, value in more.items()}
    return {key: value for key, value in found.items() if value is not ...}


def changed(at: str, value: object, base: Document | None = None) -> Document:
    """Return a document with the member at a path such as "policies.0.summary" replaced; ... takes it out."""
    found = deepcopy(base or document(policy(failed=1, rows=[row()])))
    *path, last = at.split(".")
    inner: Any = found
    for step in path:
        inner = inner[int(step) if step.isdigit() else step]
    key = int(last) if last.isdigit() else last
    if value is ...:
        del inner[key]
    else:
        inner[key] = value
    return found


def read(found: Document, around: Hints = NOTHING_AROUND) -> Reading:
    """Return the one reading of a document."""
    parsed = parse(json.dumps(found).encode(), around)
    assert len(parsed.readings) == 1
    assert not parsed.refused
    return parsed.readings[0]


def report_of(found: Document, around: Hints = NOTHING_AROUND) -> Report:
    """Return the report in a document."""
    return read(found, around).report


def defects_of(found: Document, around: Hints = NOTHING_AROUND) -> list[Defect]:
    """Return what was read past in a document."""
    return list(report_of(found, around).defects)
