"""A report, or bytes, as paragraphs to read."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from tui.said import Said
from tui.text import idn
from tui.words import IMPACT_STYLE, came_from, count, lasting, moment, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from queries import reports

RAW_LINES = 20_000  # of a document that are shown
RAW_WIDTH = 4_000  # characters of one of its lines
HEX_BYTES = 16 << 10  # of something that is no text


def report_page(found: reports.OneReport) -> list[Said]:
    """Return one report: who, when, each policy with its failures, what was read past, how it came."""
    head = found.head
    said = [
        Said(
            f"{head.organization_name or head.organization or 'an organization without a name'},"
            f" {span(head.first_day, head.last_day)}",
            style="heading",
        ),
        Said(head.report_id, "Report ID"),
        Said(f"{moment(head.start_datetime)} to {moment(head.end_datetime)}", "Period"),
        Said(head.contact_info or "-", "Contact"),
        Said(f"{head.trust}, submitted by {idn(head.submitter) or 'nobody named'}{_signed(head.signer)}", "Trust"),
    ]
    if head.superseded:
        said.append(Said("a newer report with the same identity took its place", "Superseded", "warn"))
    if head.excluded:
        said.append(Said(head.excluded, "Excluded", "warn"))
    for policy in found.policies:
        said += _policy(policy, [row for row in found.details if row.policy == policy.policy])
    if found.defects:
        said += [Said(""), Said(f"Read past ({count(len(found.defects), 'defect')})", style="heading")]
        said += [
            Said(f"{defect.where}: {defect.message}" if defect.where else defect.message, indent=2)
            for defect in found.defects
        ]
    said += [Said(""), Said("How it came", style="heading")]
    for delivery in found.deliveries:
        mail = f", in mail from {delivery.sender}, {moment(delivery.received_at)}" if delivery.sender else ""
        where = came_from(delivery.source, delivery.name)
        said.append(Said(f"{delivery.outcome} {moment(delivery.loaded_at)} from {where}{mail}", indent=2))
        if delivery.sender and delivery.authentication:
            said.append(Said(_authenticity(delivery), indent=4))
    return said


def _signed(signer: str | None) -> str:
    return f", signed by {idn(signer)}" if signer else ""


_AUTHENTICITY = {
    "expired": "signed",
    "fail": "signature fails",
    "temporary-error": "signature not checked, for now",
    "not-checked": "signature not checked",
    "vouched": "you answer for it",
}


def _authenticity(delivery: reports.DeliveryRow) -> str:
    """Return who sent a mail, in words."""
    if delivery.authentication == "pass":
        said = f"signed by {idn(delivery.signer or '')} for {delivery.address}"
    else:
        said = _AUTHENTICITY.get(delivery.authentication or "", "")
    return ": ".join(filter(None, (said, delivery.authentication_reason)))


def _policy(policy: reports.PolicyRow, details: list[reports.DetailRow]) -> Iterator[Said]:
    yield Said("")
    yield Said(f"{policy.policy_type}  {idn(policy.policy_domain)}", style="heading")
    failed = policy.total_failure_session_count
    counts = f"{policy.total_successful_session_count:,} successful, {failed:,} failed"
    if policy.policy_type == "sts":
        counts += f", {policy.would_block:,} would block in enforce"
    if policy.unclassified:
        counts += f", {policy.unclassified:,} without details"
    yield Said(counts, "Sessions", "bad" if policy.would_block else "warn" if failed else "good")
    if policy.mode or policy.max_age is not None:
        yield Said(f"{policy.mode or '-'}, max_age {lasting(policy.max_age)}", "Mode")
    if policy.mx_host:
        yield Said(", ".join(policy.mx_host), "MX patterns")
    for n, line in enumerate(policy.policy_string):
        yield Said(line, " " if n else "As seen", "dim")
    for row in details:
        yield from _detail(row)


def _detail(row: reports.DetailRow) -> Iterator[Said]:
    sent = f" (sent as {row.result_type_raw})" if row.result_type_raw not in {None, row.result_type} else ""
    cause = f", cause {row.cause}" if row.cause != row.result_type else ""
    yield Said(
        f"{row.impact}: {row.result_type}{sent}{cause}",
        f"{row.failed_session_count:,}",
        IMPACT_STYLE.get(row.impact, ""),
    )
    to = row.receiving_mx_hostname or "an MX not named"
    helo = f" (HELO {row.receiving_mx_helo})" if row.receiving_mx_helo else ""
    yield Said(
        f"from {row.sending_mta_ip or 'an address not named'} to {to}{helo}"
        + (f" at {row.receiving_ip}" if row.receiving_ip else ""),
        " ",
    )
    if row.failure_reason_code:
        yield Said(f"reason code {row.failure_reason_code}", " ")
    if row.additional_information:
        yield Said(f"more at {row.additional_information}", " ", "dim")


def raw_page(document: bytes) -> list[Said]:
    """Return bytes as lines: JSON indented, other text as it is, anything else in hexadecimal."""
    if not document:
        return [Said("Nothing was kept.")]
    try:
        text = document.decode("utf-8-sig")
    except UnicodeDecodeError:
        return list(_hexadecimal(document))
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    lines = text.splitlines()
    said = [Said(line[:RAW_WIDTH].lstrip(" "), indent=_indent(line)) for line in lines[:RAW_LINES]]
    if len(lines) > RAW_LINES:
        said.append(Said(f"… and {count(len(lines) - RAW_LINES, 'more line', 'more lines')}", style="dim"))
    return said


def _indent(line: str) -> int:
    return min(len(line) - len(line.lstrip(" ")), 40)


def _hexadecimal(document: bytes) -> Iterator[Said]:
    yield Said(f"{count(len(document), 'byte')}, no text", style="dim")
    for start in range(0, min(len(document), HEX_BYTES), 16):
        piece = document[start : start + 16]
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        yield Said(f"{start:08x}  {piece.hex(' '):<47}  {seen}", style="code")
    if len(document) > HEX_BYTES:
        yield Said(f"… and {count(len(document) - HEX_BYTES, 'more byte')}", style="dim")
