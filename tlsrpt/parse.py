"""JSON bytes -> Report: a strict pass at full speed, and a repairing pass for the rest.

Both passes end in the same document shape and the same `_build`, so a report reads the same whichever way
it took. The repairing pass is `tlsrpt.repair`; it notes each departure from RFC 8460 as a Defect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


_In = TypeVar("_In")
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

    report_domain: str | None = None  # TLS-Report-Domain, else of the file name
    submitter: str | None = None  # TLS-Report-Submitter, else From, else of the file name
    begin: int | None = None  # epoch seconds, of the file name
    end: int | None = None


def hints(mail: Mail | None, name: str) -> Hints:
    """Return what a mail and a file name ("submitter!domain!begin!end…", RFC 8460 section 5.1) tell."""
    submitter, domain, begin, end = _file_name(name)
    if mail is not None:
        domain = mail.report_domain or domain
        submitter = mail.report_submitter or mail.sender or submitter
    return Hints(domain, submitter, begin, end)


def _file_name(name: str) -> tuple[str | None, str | None, int | None, int | None]:
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


def parse(content: bytes, given: Hints = Hints(), limits: Limits = LIMITS) -> Parsed:  # noqa: B008 - a value
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
    return Report(
        organization_name,
        days.start,
        days.end,
        contact_info,
        document["report-id"],
        tuple(_policy(entry, f"policies[{place}]", defects) for place, entry in enumerate(document["policies"])),
        days.day,
        days.first_day,
        days.last_day,
        _submitter(contact_info, given.submitter, organization_name),
        tuple(defects),
    )


def _policy(entry: Json, where: str, defects: list[Defect]) -> Policy:
    policy, summary = entry["policy"], entry["summary"]
    policy_type = policy["policy-type"]
    if policy_type not in POLICY_TYPES:
        lowered = policy_type.strip().lower().replace("_", "-")
        known = "written in another way" if lowered in POLICY_TYPES else "not a policy type of RFC 8460"
        defects.append(Defect(f"{where}.policy.policy-type", known))
        policy_type = lowered or "unknown"
    lines = _noted(policy_lines, tuple(policy.get("policy-string", ())), f"{where}.policy.policy-string", defects)
    hosts = _noted(patterns, tuple(policy.get("mx-host", ())), f"{where}.policy.mx-host", defects)
    said = _directives(lines) if policy_type == "sts" and lines else None
    total_failure = summary["total-failure-session-count"]
    rows = entry.get("failure-details", ())
    details = tuple([_details(row, f"{where}.failure-details[{place}]", defects) for place, row in enumerate(rows)])
    if rows and (explained := sum(row["failed-session-count"] for row in rows)) != total_failure:
        # Both are real: Mail.ru counts a session in two rows, others cut long lists. Neither is corrected.
        message = f"rows add up to {explained}, the summary says {total_failure}"
        defects.append(Defect(f"{where}.failure-details", message))
    elif total_failure and not rows:
        defects.append(Defect(where, f"{total_failure} failed sessions without failure-details"))
    if max(total_failure, summary["total-successful-session-count"]) > LIMITS.odd_session_count:
        defects.append(Defect(f"{where}.summary", "more sessions than anybody has in a day"))
    return Policy(
        policy_type,
        _noted(domain, policy["policy-domain"], f"{where}.policy.policy-domain", defects),
        lines,
        # Microsoft and Mail.ru never send mx-host; the policy says the same.
        hosts or (said.mx if said else ()),
        summary["total-successful-session-count"],
        total_failure,
        details,
        said.mode if said else None,
        said.max_age if said else None,
    )


def _details(row: Json, where: str, defects: list[Defect]) -> FailureDetails:
    get = row.get
    raw = result_type = row["result-type"]
    if raw not in RESULT_TYPES:
        result_type = raw.strip().lower().replace("_", "-") or "unknown"
        if result_type not in RESULT_TYPES:
            defects.append(Defect(f"{where}.result-type", "not a registered result type"))
        elif result_type != raw:
            defects.append(Defect(f"{where}.result-type", "written in another way"))
    mx = get("receiving-mx-hostname")
    return FailureDetails(
        result_type,
        raw,
        _address(row, "sending-mta-ip", where, defects),
        _noted(domain, mx, f"{where}.receiving-mx-hostname", defects) if mx else None,
        get("receiving-mx-helo") or None,
        _address(row, "receiving-ip", where, defects),
        row["failed-session-count"],
        get("additional-information") or None,
        get("failure-reason-code") or None,
    )


def _address(row: Json, key: str, where: str, defects: list[Defect]) -> str | None:
    text = row.get(key)
    if text:
        return _noted(address, text, f"{where}.{key}", defects)
    if text is not None:
        # Google, 2024.
        defects.append(Defect(f"{where}.{key}", "empty, taken as missing"))
    return None


class Noted(NamedTuple, Generic[_T]):
    """A value brought into one form, and what was odd about it."""

    value: _T
    messages: tuple[str, ...] = ()


def _noted(form: Callable[[_In], Noted[_T]], given: _In, where: str, defects: list[Defect]) -> _T:
    value, messages = form(given)
    if messages:
        defects += [Defect(where, message) for message in messages]
    return value


# --------------------------------------------------------------------------------------------------------
# One value each. These repeat endlessly over an archive, so answers are remembered; sizes are bounded
# because the texts are strangers'.


@lru_cache(maxsize=4096)
def domain(text: str) -> Noted[str]:
    """Return a domain or host name as an A-label, lower-case, without a final dot (RFC 5890).

    A name that is none is kept as it is, lower-case, so that it can be shown and never equals a real one.
    """
    name = text.strip().lower().removesuffix(".")
    if not name.isascii():
        try:
            # No mapping: full-width letters or a soft hyphen must not become somebody's real name.
            return Noted(idna.encode(name).decode("ascii"), ("not an A-label",)) if len(name) <= 253 else Noted(name)
        except idna.IDNAError:
            return Noted(name, ("not a domain name",))
    messages = () if name == text else ("written in another way",)
    if not name or len(name) > 253 or any(not 0 < len(label) <= 63 for label in name.split(".")):
        return Noted(name or "(unknown)", ("not a domain name",))
    if not all(character.isalnum() or character in "-._*" for character in name):
        return Noted(name, ("not a domain name",))
    return Noted(name, messages)


@lru_cache(maxsize=4096)
def address(text: str) -> Noted[str]:
    """Return an IP address in canonical form (RFC 5952); what is none is kept as text."""
    try:
        return Noted(str(ip_address(text.strip())))
    except ValueError:
        return Noted(text, ("not an IP address, kept as text",))


def _remembered(form: Callable[[tuple[str, ...]], _T]) -> Callable[[tuple[str, ...]], _T]:
    """Remember the answers of a function of lines, but only for lines of an ordinary size."""
    remembered = lru_cache(maxsize=2048)(form)

    def call(lines: tuple[str, ...]) -> _T:
        if len(lines) > 40 or sum(map(len, lines)) > 4_000:
            return form(lines)
        return remembered(lines)

    return call


_directives = _remembered(directives)


@_remembered
def policy_lines(lines: tuple[str, ...]) -> Noted[tuple[str, ...]]:
    """Return the lines of a policy, one directive or one TLSA record each."""
    if not any(line.lstrip().startswith("[") for line in lines):
        return Noted(lines)
    # Microsoft puts all TLSA records into one string that is itself a JSON array.
    flat: list[str] = []
    for line in lines:
        try:
            inner = _strings.validate_json(line)
        except ValidationError:
            flat.append(line)
        else:
            flat += inner
    return Noted(tuple(flat[: LIMITS.policy_string_lines]), ("a JSON array inside a string, taken apart",))


_strings = TypeAdapter[list[str]](_Lines)


@_remembered
def patterns(hosts: tuple[str, ...]) -> Noted[tuple[str, ...]]:
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


def _submitter(contact_info: str | None, hinted: str | None, organization_name: str | None) -> str:
    """Return the domain that speaks for the sender; nothing about it is proven."""
    if contact_info and "@" in contact_info:
        return domain(contact_info.rpartition("@")[2].rstrip("> \t")).value
    if hinted:
        return domain(hinted).value
    return (organization_name or "").strip().lower()


def excluded(report: Report, received: datetime | None, now: datetime) -> str | None:
    """Return why a report is kept out of decisions, or None if it is not.

    `received` is when its mail came, None for a bare file; both times are UTC without tzinfo.
    """
    if report.start_datetime > (received or now) + timedelta(hours=1):
        return "its period begins after it was received"
    if received is not None and received - report.start_datetime > timedelta(days=90):
        return "its period began more than 90 days before it was received"
    if report.end_datetime - report.start_datetime > timedelta(days=8):
        return "it covers more than 8 days"
    return None


def canonical(policy_type: str, lines: Sequence[str], mx_host: Sequence[str]) -> str:
    """Return a policy in a form that ignores order, case and spacing; "" if the sender told nothing of it.

    sts: "mode=… max_age=… mx=a,b"; tlsa: the records, sorted, joined by "; ". Text of reports carries no id,
    so this is what shows that a policy has changed.
    """
    if policy_type == "tlsa":
        return "; ".join(sorted({" ".join(line.lower().split()) for line in lines}))
    if policy_type != "sts" or not (lines or mx_host):
        return ""
    said = _directives(tuple(lines))
    mx = ",".join(sorted(set(said.mx or mx_host)))
    return f"mode={said.mode or '?'} max_age={'?' if said.max_age is None else said.max_age} mx={mx}"
