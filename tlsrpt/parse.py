"""JSON bytes -> Report: a strict pass at full speed, and a repairing pass for the rest.

Both passes end in the same document shape and the same `_build`, so a report reads the same whichever way
it took. The repairing pass is `tlsrpt.repair`; it notes each departure from RFC 8460 as a Defect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Generic, NamedTuple, NotRequired, TypeVar

import idna
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # which pydantic asks for below Python 3.12

from tlsrpt.cause import POLICY_TYPES, RESULT_TYPES
from tlsrpt.limits import LIMITS, Limits
from tlsrpt.mta_sts import directives
from tlsrpt.report import Defect, FailureDetails, Policy, Report, ReportError

if TYPE_CHECKING:
    from tlsrpt.delivery import Mail


_T = TypeVar("_T")


class RefusedEntry(NamedTuple):
    """A part of a document that cannot be read, kept so that it can be tried again."""

    where: str
    content: bytes  # its JSON
    reason: str


class Reading(NamedTuple):
    """One report, and what of its document had to be refused."""

    report: Report
    document: bytes  # the report's own JSON
    refused: tuple[RefusedEntry, ...]


class Parsed(NamedTuple):
    """What a document held: usually one report."""

    readings: tuple[Reading, ...]
    refused: tuple[RefusedEntry, ...]  # whole reports beside readable ones


class Hints(NamedTuple):
    """What surrounds a document, for values that it lacks itself. The document always wins (RFC 8460 5.6)."""

    mail: Mail | None = None
    name: str = ""  # file name, if it is "submitter!domain!begin!end…" (RFC 8460 section 5.1)

    @property
    def report_domain(self) -> str | None:
        """The policy domain: of TLS-Report-Domain, else of the file name."""
        return (self.mail and self.mail.report_domain) or _named(self.name)[1]

    @property
    def submitter(self) -> str | None:
        """The sender's domain: of TLS-Report-Submitter, else From, else of the file name."""
        return (self.mail and (self.mail.report_submitter or self.mail.sender)) or _named(self.name)[0]

    @property
    def begin(self) -> int | None:
        """Epoch seconds of the beginning, of the file name."""
        return _named(self.name)[2]

    @property
    def end(self) -> int | None:
        """Epoch seconds of the end, of the file name."""
        return _named(self.name)[3]


def _named(name: str) -> tuple[str | None, str | None, int | None, int | None]:
    parts = name.replace("\\", "/").rpartition("/")[2].split("!")
    if len(parts) < 4:
        return None, None, None, None
    begin, end = parts[2], parts[3].partition(".")[0]
    if not all(text.isascii() and text.isdigit() and len(text) <= 10 for text in (begin, end)):
        return parts[0] or None, parts[1] or None, None, None
    return parts[0] or None, parts[1] or None, int(begin), int(end)


# --------------------------------------------------------------------------------------------------------
# The shape of a well-formed report. Whatever does not fit goes to the repairing pass, so a bound here
# decides about speed only.

_Name = Annotated[str, StringConstraints(min_length=1, max_length=LIMITS.name_length)]
_Text = Annotated[str, StringConstraints(max_length=LIMITS.text_length)]
_Uri = Annotated[str, StringConstraints(max_length=LIMITS.uri_length)]
_Address = Annotated[str, StringConstraints(max_length=LIMITS.name_length)]
_Stamp = Annotated[str, StringConstraints(pattern=r"^20\d\d-\d\d-\d\dT\d\d:\d\d:[0-5]\dZ$")]
_Count = Annotated[int, Field(strict=True, ge=0, le=LIMITS.session_count)]

_DateRange = TypedDict("_DateRange", {"start-datetime": _Stamp, "end-datetime": _Stamp})
_Summary = TypedDict("_Summary", {"total-successful-session-count": _Count, "total-failure-session-count": _Count})
_Details = TypedDict(
    "_Details",
    {
        "result-type": _Name,
        "sending-mta-ip": NotRequired[_Address],
        "receiving-mx-hostname": NotRequired[_Address],
        "receiving-mx-helo": NotRequired[_Address],
        "receiving-ip": NotRequired[_Address],
        "failed-session-count": _Count,
        "additional-information": NotRequired[_Uri],
        "failure-reason-code": NotRequired[_Text],
    },
)
# One error ends a list: two million bad items would otherwise make two million errors.
_Lines = Annotated[list[_Text], Field(max_length=LIMITS.policy_string_lines, fail_fast=True)]
_Hosts = Annotated[list[_Name], Field(max_length=LIMITS.mx_hosts, fail_fast=True)]
_Rows = Annotated[list[_Details], Field(max_length=LIMITS.failure_details, fail_fast=True)]
_PolicyObject = TypedDict(
    "_PolicyObject",
    {
        "policy-type": _Name,
        "policy-string": NotRequired[_Lines],
        "policy-domain": _Name,
        "mx-host": NotRequired[_Hosts],
    },
)
_Entry = TypedDict("_Entry", {"policy": _PolicyObject, "summary": _Summary, "failure-details": NotRequired[_Rows]})
_Entries = Annotated[list[_Entry], Field(max_length=LIMITS.policies, fail_fast=True)]
_Document = TypedDict(
    "_Document",
    {
        "organization-name": _Name,
        "date-range": _DateRange,
        "contact-info": NotRequired[_Name | None],  # null: every Stalwart without one
        "report-id": _Name,
        "policies": _Entries,
    },
)

_strict = TypeAdapter[_Document](_Document)

Json = Mapping[str, Any]
_NO_HINTS = Hints()


def parse(content: bytes, given: Hints = _NO_HINTS, limits: Limits = LIMITS) -> Parsed:
    """Return the reports in a JSON document.

    Raises ReportError, with the reason to show, if no report in it can be read.
    """
    try:
        document = _strict.validate_json(content)
        # Unknown members and members named twice make more colons than the shape has.
        if content.count(b'":') == _members(document) and b"\\u0000" not in content:
            return Parsed((Reading(_build(document, [], given), content, ()),), ())
    except (ValidationError, ReportError):
        pass
    from tlsrpt.repair import repair  # noqa: PLC0415 - it builds with this module

    return repair(content, given, limits)


def _members(document: Json) -> int:
    count = len(document) + 2
    for entry in document["policies"]:
        count += len(entry) + len(entry["policy"]) + 2
        for row in entry.get("failure-details", ()):
            count += len(row)
    return count


# --------------------------------------------------------------------------------------------------------
# From the shape to the report.


def _build(document: Json, defects: list[Defect], given: Hints) -> Report:
    """Return the report that a document in the strict shape describes, adding what is odd to `defects`.

    Raises ReportError if its date range cannot be used.
    """
    span = document["date-range"]
    days = _days(moment(span["start-datetime"]), moment(span["end-datetime"]))
    defects += [Defect("date-range", message) for message in days.messages]
    organization_name = document.get("organization-name")
    contact_info = document.get("contact-info")
    policies = tuple(
        [_policy(entry, f"policies[{place}]", defects) for place, entry in enumerate(document["policies"])]
    )
    if len(defects) > LIMITS.defects:
        more = len(defects) - LIMITS.defects
        defects[LIMITS.defects :] = [Defect("", f"{more} more departures, not listed")]
    return Report(
        organization_name,
        days.start,
        days.end,
        contact_info,
        document["report-id"],
        policies,
        days.day,
        days.first_day,
        days.last_day,
        _submitter(contact_info, given, organization_name),
        tuple(defects),
    )


def _policy(entry: Json, where: str, defects: list[Defect]) -> Policy:
    policy, summary = entry["policy"], entry["summary"]
    policy_type, odd_type = _policy_type(policy["policy-type"])
    policy_domain, odd_domain = domain(policy["policy-domain"])
    said = _said(policy_type, tuple(policy.get("policy-string", ())), tuple(policy.get("mx-host", ())))
    if odd_type or odd_domain or said.odd_lines or said.odd_hosts:
        at = f"{where}.policy"
        _note(defects, f"{at}.policy-type", odd_type)
        _note(defects, f"{at}.policy-domain", odd_domain)
        _note(defects, f"{at}.policy-string", said.odd_lines)
        _note(defects, f"{at}.mx-host", said.odd_hosts)
    successful, failed = summary["total-successful-session-count"], summary["total-failure-session-count"]
    rows = entry.get("failure-details")
    details = tuple([_details(row, where, place, defects) for place, row in enumerate(rows)]) if rows else ()
    if details:
        explained = sum(row.failed_session_count for row in details)
        if explained != failed:
            # Both are real: Mail.ru counts a session in two rows, others cut long lists. Neither is corrected.
            message = f"rows add up to {explained}, the summary says {failed}"
            defects.append(Defect(f"{where}.failure-details", message))
    elif failed:
        defects.append(Defect(where, f"{failed} failed sessions without failure-details"))
    if failed > LIMITS.odd_session_count or successful > LIMITS.odd_session_count:
        defects.append(Defect(f"{where}.summary", "more sessions than anybody has in a day"))
    return Policy(
        policy_type,
        policy_domain,
        said.lines,
        said.mx_host,
        successful,
        failed,
        details,
        said.mode,
        said.max_age,
        said.canonical,
    )


def _details(row: Json, where: str, place: int, defects: list[Defect]) -> FailureDetails:
    get = row.get
    raw = row["result-type"]
    result_type, odd_type = _result_type(raw)
    sending, odd_sending = address(get("sending-mta-ip"))
    receiving, odd_receiving = address(get("receiving-ip"))
    mx, odd_mx = domain(name) if (name := get("receiving-mx-hostname")) else _NOTHING
    if odd_type or odd_sending or odd_receiving or odd_mx:
        at = f"{where}.failure-details[{place}]"
        _note(defects, f"{at}.result-type", odd_type)
        _note(defects, f"{at}.sending-mta-ip", odd_sending)
        _note(defects, f"{at}.receiving-mx-hostname", odd_mx)
        _note(defects, f"{at}.receiving-ip", odd_receiving)
    return FailureDetails(
        result_type,
        raw,
        sending,
        mx,
        get("receiving-mx-helo") or None,
        receiving,
        row["failed-session-count"],
        get("additional-information") or None,
        get("failure-reason-code") or None,
    )


def _note(defects: list[Defect], where: str, messages: tuple[str, ...]) -> None:
    defects += [Defect(where, message) for message in messages]


class Noted(NamedTuple, Generic[_T]):
    """A value brought into one form, and what was odd about it."""

    value: _T
    messages: tuple[str, ...] = ()


_NOTHING: Noted[str | None] = Noted(None)


# --------------------------------------------------------------------------------------------------------
# One value each. These repeat endlessly over an archive, so answers are remembered; sizes are bounded
# because the texts are strangers'.


_is_plain_name = re.compile(r"[a-z0-9_*-]{1,63}(?:\.[a-z0-9_*-]{1,63})*", re.ASCII).fullmatch


@lru_cache(maxsize=16384)
def domain(text: str) -> Noted[str]:
    """Return a domain or host name as an A-label, lower-case, without a final dot (RFC 5890).

    A name that is none is kept as it is, lower-case, so that it can be shown and never equals a real one.
    """
    name = text.strip().lower().removesuffix(".")
    if _is_plain_name(name) and len(name) <= 253:
        return Noted(name) if name == text else Noted(name, ("written in another way",))
    if not name.isascii() and len(name) <= 253:
        # No mapping: full-width letters or a soft hyphen must not become somebody's real name.
        with suppress(idna.IDNAError):
            return Noted(idna.encode(name).decode("ascii"), ("not an A-label",))
    return Noted(name or "(unknown)", ("not a domain name",))


_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_is_ipv4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII).fullmatch


def address(text: str | None) -> Noted[str | None]:
    """Return an IP address in canonical form (RFC 5952); what is none is kept as text."""
    if text is None:
        return _NOTHING
    if _is_ipv4(text):
        return Noted(text)
    return _other_address(text)


@lru_cache(maxsize=4096)
def _other_address(text: str) -> Noted[str | None]:
    if not text:
        return Noted(None, ("empty, taken as missing",))  # Google, 2024
    try:
        return Noted(str(ip_address(text.strip())))
    except ValueError:
        return Noted(text, ("not an IP address, kept as text",))


@lru_cache(maxsize=1024)
def _policy_type(text: str) -> Noted[str]:
    return _registered(text, POLICY_TYPES, "not a policy type of RFC 8460")


@lru_cache(maxsize=1024)
def _result_type(text: str) -> Noted[str]:
    return _registered(text, RESULT_TYPES, "not a registered result type")


def _registered(text: str, known: frozenset[str], unknown: str) -> Noted[str]:
    if text in known:
        return Noted(text)
    name = text.strip().lower().replace("_", "-")
    return Noted(name or "unknown", ("written in another way" if name in known else unknown,))


class _Said(NamedTuple):
    """What a report says of a policy, in one form."""

    lines: tuple[str, ...]
    mx_host: tuple[str, ...]
    mode: str | None
    max_age: int | None
    canonical: str
    odd_lines: tuple[str, ...]
    odd_hosts: tuple[str, ...]


def _said(policy_type: str, given: tuple[str, ...], hosts: tuple[str, ...]) -> _Said:
    # Remembered only for policies of an ordinary size.
    if len(given) > 40 or len(hosts) > 20 or sum(map(len, given)) > 4_000:
        return _read_policy.__wrapped__(policy_type, given, hosts)
    return _read_policy(policy_type, given, hosts)


@lru_cache(maxsize=4096)
def _read_policy(policy_type: str, given: tuple[str, ...], hosts: tuple[str, ...]) -> _Said:
    lines, odd_lines = _lines(given)
    mx_host, odd_hosts = _patterns(hosts)
    if policy_type == "tlsa":
        canonical = "; ".join(sorted({" ".join(line.lower().split()) for line in lines}))
        return _Said(lines, mx_host, None, None, canonical, odd_lines, odd_hosts)
    if policy_type != "sts" or not (lines or mx_host):
        return _Said(lines, mx_host, None, None, "", odd_lines, odd_hosts)
    said = directives(lines)
    named = tuple([domain(name).value for name in said.mx])
    age = "?" if said.max_age is None else said.max_age
    canonical = f"mode={said.mode or '?'} max_age={age} mx={','.join(sorted(set(named or mx_host)))}"
    # Microsoft and Mail.ru never send mx-host; the policy says the same.
    return _Said(lines, mx_host or named, said.mode, said.max_age, canonical, odd_lines, odd_hosts)


def _lines(lines: tuple[str, ...]) -> Noted[tuple[str, ...]]:
    """Return the lines of a policy, one directive or one TLSA record each."""
    if not any(line.lstrip().startswith("[") for line in lines):
        return Noted(lines)
    # Microsoft puts all TLSA records into one string that is itself a JSON array.
    flat: list[str] = []
    for line in lines:
        try:
            flat += _strings.validate_json(line)
        except ValidationError:
            flat.append(line)
    return Noted(tuple(flat[: LIMITS.policy_string_lines]), ("a JSON array inside a string, taken apart",))


_strings = TypeAdapter[list[str]](_Lines)


def _patterns(hosts: tuple[str, ...]) -> Noted[tuple[str, ...]]:
    """Return MX patterns, lower-case, without a final dot."""
    messages: list[str] = []
    found: list[str] = []
    for text in hosts:
        name = text.strip()
        if name.lower().startswith("mx:"):
            name = name[3:].strip()
            messages.append('a pattern with "mx:" before it')
        value, odd = domain(name)
        found.append(value)
        messages += odd
    return Noted(tuple(found), tuple(dict.fromkeys(messages)))


@lru_cache(maxsize=4096)
def moment(text: str) -> datetime:
    """Return an RFC 3339 date-time as UTC without tzinfo.

    Raises ReportError if it is none, or lies outside the years 2000 to 2100.
    """
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            found = found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise ReportError(f"date-range: {text[:40]!r} is not a date-time") from error
    if not 2000 <= found.year <= 2100:
        raise ReportError(f"date-range: the year {found.year} is out of range")
    return found


class _Days(NamedTuple):
    start: datetime
    end: datetime  # exclusive
    day: date
    first_day: date
    last_day: date
    messages: tuple[str, ...]


_DAY = timedelta(days=1)


@lru_cache(maxsize=4096)
def _days(start: datetime, end: datetime) -> _Days:
    """Return the UTC days that a date range covers, and the one that its counts belong to.

    A daily report belongs to the day of its middle, so that a range that ends at the next midnight, or is
    shifted by a few hours, stays with its day. A longer one belongs to its last full day.
    """
    messages: list[str] = []
    if end.second == 59:
        end += timedelta(seconds=1)  # 23:59:59 is meant to include that second
    if end == start:
        raise ReportError("date-range: it ends when it starts")
    if end < start:
        if start - end > timedelta(hours=25):
            raise ReportError("date-range: it ends before it starts")
        # SocketLabs, 2020.
        day = start.date()
        return _Days(start, end, day, day, day, ("ends before it starts, taken for the day of its start",))
    length = end - start
    if length <= timedelta(hours=26):
        day = (start + length / 2).date()
        return _Days(start, end, day, day, day, ())
    last_touched = (end - timedelta(microseconds=1)).date()
    last_full = (end - _DAY).date() if end.time() == datetime.min.time() else last_touched - _DAY
    messages.append(f"covers {(last_touched - start.date()).days + 1} days, counted on the last full one")
    return _Days(start, end, max(last_full, start.date()), start.date(), last_touched, tuple(messages))


def _submitter(contact_info: str | None, given: Hints, organization_name: str | None) -> str:
    """Return the domain that speaks for the sender; nothing about it is proven."""
    if contact_info and "@" in contact_info:
        return domain(contact_info.rpartition("@")[2].rstrip("> \t")).value
    if hinted := given.submitter:
        return domain(hinted).value
    return (organization_name or "").strip().lower()


def excluded(report: Report, received: datetime | None, now: datetime) -> str | None:
    """Return why a report is kept out of decisions, or None if it is not.

    `received` is when its mail came, None for a bare file; both times are UTC without tzinfo.
    """
    start = report.start_datetime
    if start > (received or now) and start > (received or now) + timedelta(hours=1):
        return "its period begins after it was received"
    if received is not None and received - start > timedelta(days=90):
        return "its period began more than 90 days before it was received"
    if report.first_day != report.last_day and report.end_datetime - start > timedelta(days=8):
        return "it covers more than 8 days"
    return None
