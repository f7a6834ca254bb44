"""The repairing pass: any JSON that means a report -> the strict shape, with each repair noted.

One bad entry never costs its neighbours: a policy or a row that cannot be read is refused by itself, with
its place, and the rest is kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tlsrpt.parse import Hints, Parsed, Reading, RefusedEntry, _build, domain, moment
from tlsrpt.report import Defect, ReportError

if TYPE_CHECKING:
    from tlsrpt.limits import Limits

# Before a document is built in memory. The largest report within the limits stays far below both.
_MOST_CONTAINERS = 200_000
_MOST_COMMAS = 1_000_000


def repair(content: bytes, given: Hints, limits: Limits) -> Parsed:
    """Return the reports in a document that the strict pass did not take.

    Raises ReportError if none can be read.
    """
    try:
        return _repair(content, given, limits)
    except RecursionError as error:
        raise ReportError("nested too deeply for JSON") from error


def _repair(content: bytes, given: Hints, limits: Limits) -> Parsed:
    text, defects = _decode(content)
    values = list(_documents(text, defects))
    if len(values) > limits.reports:
        raise ReportError(f"more than {limits.reports:,} reports in one document")
    several = len(values) > 1
    readings: list[Reading] = []
    refused: list[RefusedEntry] = []
    for where, value in values:
        own = json.dumps(value).encode() if several else content
        try:
            readings.append(_Reader(given, limits, list(defects)).report(value, own))
        except ReportError as error:
            refused.append(RefusedEntry(where, own, str(error)))
    if not readings:
        raise ReportError(refused[0].reason if refused else "an empty list, no report in it")
    return Parsed(tuple(readings), tuple(refused))


# --------------------------------------------------------------------------------------------------------
# Bytes to JSON values.


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its members stood there twice; the last one counts."""

    twice: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        found.twice = tuple(dict.fromkeys(key for key in keys if keys.count(key) > 1)) if len(keys) < 200 else ("…",)
    return found


def _constant(_: str) -> float:
    return math.nan  # NaN and Infinity are no JSON; where a number counts, it is refused


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, strict=False)


def _decode(content: bytes) -> tuple[str, list[Defect]]:
    if content.count(b"{") + content.count(b"[") > _MOST_CONTAINERS or content.count(b",") > _MOST_COMMAS:
        raise ReportError("too many values for a report")
    defects: list[Defect] = []
    encoding = json.detect_encoding(content)
    if encoding not in {"utf-8", "utf-8-sig"}:
        defects.append(Defect("", f"written in {encoding.upper()}, taken over"))
    elif encoding == "utf-8-sig":
        defects.append(Defect("", "begins with a byte order mark"))
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
        defects.append(Defect("", "not UTF-8, read as Windows-1252"))
    return text, defects


def _documents(text: str, defects: list[Defect]) -> Iterator[tuple[str, Any]]:
    """Yield place and value of each report in a text: one, several after each other, or a list of them."""
    values: list[Any] = []
    at = 0
    while (at := _skip_blank(text, at)) < len(text):
        if values and text[at] not in "{[":
            defects.append(Defect("", f"{len(text) - at} characters after the document, passed over"))
            break
        try:
            value, at = _DECODER.raw_decode(text, at)
        except RecursionError as error:
            raise ReportError("nested too deeply for JSON") from error
        except ValueError as error:
            if values:
                defects.append(Defect("", f"{len(text) - at} characters after the document, passed over"))
                break
            raise ReportError(_why_not_json(error)) from error
        values.append(value)
    if not values:
        raise ReportError("not JSON: nothing in it")
    if len(values) > 1:
        defects.append(Defect("", f"{len(values)} documents one after the other"))
    for number, value in enumerate(values):
        where = f"document {number + 1}" if len(values) > 1 else ""
        if isinstance(value, list):
            defects.append(Defect("", f"a list of {len(value)} reports"))
            yield from ((f"{where}[{place}]", item) for place, item in enumerate(value))
        else:
            yield where, value


def _skip_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n\x00":
        at += 1
    return at


def _why_not_json(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    return "not JSON: a number of thousands of digits"


# --------------------------------------------------------------------------------------------------------
# JSON values to the strict shape.


def _hash(value: object) -> str:
    """Return a hash of a JSON value, whatever the order of its members and the blanks between them."""
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=12).hexdigest()


class _EntryError(Exception):
    """This entry cannot be read."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")


class _Reader:
    """Reads one report, noting repairs and refused entries as it goes."""

    def __init__(self, given: Hints, limits: Limits, defects: list[Defect]) -> None:
        self.given = given
        self.limits = limits
        self.defects = defects
        self.refused: list[RefusedEntry] = []
        self.rows_left = limits.failure_details_total

    def note(self, where: str, message: str) -> None:
        self.defects.append(Defect(where, message))

    def report(self, value: object, content: bytes) -> Reading:
        """Return the report in a JSON value, or raise ReportError."""
        if not isinstance(value, _Object):
            raise ReportError("not a JSON object")
        self.twice(value, "")
        report_id = self.text(value, "report-id", "", self.limits.name_length)
        entries = self.entries(value)
        organization_name = self.text(value, "organization-name", "", self.limits.name_length)
        if organization_name is None:
            self.note("organization-name", "missing")
        document: dict[str, Any] = {
            "organization-name": organization_name,
            "date-range": self.date_range(value.get("date-range")),
            "contact-info": self.text(value, "contact-info", "", self.limits.name_length),
            "report-id": report_id or f"blake2b-{_hash(value)}",
        }
        if report_id is None:
            self.note("report-id", "missing, a hash of the report stands for it")
        document["policies"] = list(self.policies(entries, report_id))
        if entries and not document["policies"]:
            raise ReportError(self.refused[0].reason)
        report = _build(document, self.defects, self.given)
        return Reading(report, content, tuple(self.refused))

    # -- top level

    def entries(self, value: _Object) -> list[Any]:
        key = next((name for name in ("policies", "tls-report", "policy") if value.get(name) is not None), None)
        if key is None:
            raise ReportError("no policies in it")
        found = value[key]
        if key == "policy":
            # Drafts before 2018 had one policy, with its results beside it.
            self.note("policy", "one policy at the top, as in old drafts")
            return [value]
        if key == "tls-report":
            self.note(key, 'stands for "policies"')
        if isinstance(found, dict):
            self.note(key, "an object instead of a list")
            return [found]
        if not isinstance(found, list):
            raise ReportError(f"{key} is not a list")
        if len(found) > self.limits.policies:
            self.note(key, f"{len(found)} policies, read {self.limits.policies}")
        return found[: self.limits.policies]

    def date_range(self, value: object) -> dict[str, str]:
        span = value if isinstance(value, dict) else {}
        found: dict[str, str] = {}
        for key, epoch in (("start-datetime", self.given.begin), ("end-datetime", self.given.end)):
            where = f"date-range.{key}"
            text = span.get(key)
            try:
                found[key] = self.stamp(text, where)
            except ReportError:
                if epoch is None:
                    reason = "missing" if text is None else f"{str(text)[:40]!r} is not a date-time"
                    raise ReportError(f"{where}: {reason}") from None
                found[key] = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                self.note(where, "not readable, taken from the file name")
        return found

    def stamp(self, value: object, where: str) -> str:
        if not isinstance(value, str) or len(value) > 40 or not value.isascii():
            raise ReportError("not a date-time")
        text = value.strip().upper()
        if len(text) > 18 and text[16:19] == ":60":
            text = f"{text[:16]}:59{text[19:]}"
            self.note(where, "a leap second, taken as :59")
        moment(text)
        if "T" not in text and " " not in text:
            self.note(where, "a date without a time, taken as midnight UTC")
        elif not text.endswith("Z") and "+" not in text[10:] and "-" not in text[10:]:
            # Microsoft leaves the time zone off (RFC 3339 section 5.6 requires one).
            self.note(where, "no time zone, taken as UTC")
        return text

    # -- policies

    def policies(self, entries: list[Any], report_id: str | None) -> Iterator[dict[str, Any]]:
        inherited = self.inherited_domain(entries, report_id)
        for place, entry in enumerate(entries):
            where = f"policies[{place}]"
            marks = len(self.defects), len(self.refused)
            try:
                yield self.policy(entry, where, inherited)
            except _EntryError as error:
                # What was noted of a refused entry speaks of nothing that is kept.
                del self.defects[marks[0] :], self.refused[marks[1] :]
                self.refuse(where, entry, str(error))

    def refuse(self, where: str, entry: object, reason: str) -> None:
        self.note(where, f"refused: {reason}")
        # The document is kept whole, so nothing is lost by not keeping each of a flood.
        if len(self.refused) < self.limits.refused_entries:
            self.refused.append(RefusedEntry(where, json.dumps(entry).encode(), reason))

    def policy(self, entry: object, where: str, inherited: str | None) -> dict[str, Any]:
        if not isinstance(entry, _Object):
            raise _EntryError(where, "not a JSON object")
        self.twice(entry, where)
        policy = entry.get("policy")
        if not isinstance(policy, _Object):
            if "policy-type" not in entry:
                raise _EntryError(f"{where}.policy", "missing")
            policy = entry
            self.note(f"{where}.policy", "missing, its members stand beside the summary")
        self.twice(policy, f"{where}.policy")
        at = f"{where}.policy"
        policy_type = self.text(policy, "policy-type", at, self.limits.name_length)
        if policy_type is None:
            self.note(f"{at}.policy-type", "missing")
        policy_domain = self.text(policy, "policy-domain", at, self.limits.name_length)
        if policy_domain is None:
            # Postfix knows no domain where it found no policy.
            taken = f"taken to be {inherited}" if inherited else "nothing around it tells"
            self.note(f"{at}.policy-domain", f"missing, {taken}")
        summary = self.summary(entry, where)
        rows = self.rows(entry.get("failure-details"), f"{where}.failure-details")
        return {
            "policy": {
                "policy-type": policy_type or "unknown",
                "policy-domain": policy_domain or inherited or "(unknown)",
                "policy-string": self.lines(policy.get("policy-string"), f"{at}.policy-string"),
                "mx-host": self.hosts(policy, at),
            },
            "summary": summary,
            "failure-details": rows,
        }

    def inherited_domain(self, entries: list[Any], report_id: str | None) -> str | None:
        """Return the domain for an entry without one: of the mail, its neighbours, or the report-id."""
        if self.given.report_domain:
            return self.given.report_domain
        for entry in entries:
            policy = entry.get("policy") if isinstance(entry, dict) else None
            found = policy.get("policy-domain") if isinstance(policy, dict) else None
            if isinstance(found, str) and found.strip():
                return found[: self.limits.name_length]
        for part in (report_id or "").replace("+", "_").split("_"):
            name, messages = domain(part)
            if "." in name and not messages and not name.replace(".", "").isdigit():
                return str(name)
        return None

    def lines(self, value: object, where: str) -> list[str]:
        if value is None or value == "":
            return []
        if isinstance(value, str):
            self.note(where, "one string instead of a list")
            text = value.replace("\r", "\n").replace("; ", "\n").replace(", ", "\n") if "[" not in value[:2] else value
            value = [line for line in text.split("\n") if line.strip()]
        return self.strings(value, where, self.limits.policy_string_lines, self.limits.text_length)

    def hosts(self, policy: _Object, where: str) -> list[str]:
        value = policy.get("mx-host")
        if value is None and policy.get("mx-host-pattern") is not None:
            value = policy["mx-host-pattern"]
            self.note(f"{where}.mx-host", 'called "mx-host-pattern"')
        if value is None or value == "":
            return []
        if isinstance(value, str):
            # As in appendix B of RFC 8460 before erratum 6241.
            self.note(f"{where}.mx-host", "a string instead of a list")
            value = [value]
        return self.strings(value, f"{where}.mx-host", self.limits.mx_hosts, self.limits.name_length)

    def strings(self, value: object, where: str, most: int, length: int) -> list[str]:
        if not isinstance(value, list):
            self.note(where, "not a list, passed over")
            return []
        if len(value) > most:
            self.note(where, f"{len(value)} values, read {most}")
        found = [self.clean(item, where, length) for item in value[:most] if isinstance(item, str) and item]
        if len(found) < len(value[:most]):
            self.note(where, "values that are no text, passed over")
        return found

    def summary(self, entry: _Object, where: str) -> dict[str, int]:
        at = f"{where}.summary"
        value = entry.get("summary")
        if not isinstance(value, _Object):
            self.note(at, "missing, taken as no sessions")
            value = _Object()
        self.twice(value, at)
        return {
            "total-successful-session-count": self.total(
                value, "total-successful-session-count", "success-aggregate", at
            ),
            "total-failure-session-count": self.total(value, "total-failure-session-count", "failure-aggregate", at),
        }

    def total(self, summary: _Object, key: str, old: str, where: str) -> int:
        if key not in summary and old in summary:
            self.note(f"{where}.{key}", f'called "{old}", as in old drafts')
            key = old
        value = summary.get(key)
        if value is None:
            # Google left a zero out in 2019.
            if summary:
                self.note(f"{where}.{key}", "missing, taken as 0")
            return 0
        return self.count(value, f"{where}.{key}")

    def count(self, value: object, where: str) -> int:
        if isinstance(value, str) and value.isascii() and value.strip().isdigit() and len(value) <= 16:
            self.note(where, "a number written as text")
            value = int(value)
        elif isinstance(value, float) and value.is_integer():
            self.note(where, "a number with a fraction")
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise _EntryError(where, f"{json.dumps(value)[:40]} is not a number of sessions")
        if value < 0:
            raise _EntryError(where, "a negative number of sessions")
        if value > self.limits.session_count:
            raise _EntryError(where, "more sessions than can be counted")
        return value

    # -- failure details

    def rows(self, value: object, where: str) -> list[dict[str, Any]]:
        if value is None:
            return []
        if isinstance(value, dict):
            self.note(where, "an object instead of a list")
            value = [value]
        if not isinstance(value, list):
            self.note(where, "not a list, passed over")
            return []
        most = min(self.limits.failure_details, self.rows_left)
        if len(value) > most:
            self.note(where, f"{len(value)} rows, read {most}")
        self.rows_left -= min(len(value), most)
        found = []
        for place, row in enumerate(value[:most]):
            at = f"{where}[{place}]"
            try:
                found.append(self.row(row, at))
            except _EntryError as error:
                self.refuse(at, row, str(error))
        return found

    def row(self, row: object, where: str) -> dict[str, Any]:
        if not isinstance(row, _Object):
            raise _EntryError(where, "not a JSON object")
        self.twice(row, where)
        names = self.limits.name_length
        found: dict[str, Any] = {
            "result-type": self.text(row, "result-type", where, names),
            "failed-session-count": self.failed(row, where),
        }
        if found["result-type"] is None:
            # sys4's reporter leaves it out for a result that it does not know.
            self.note(f"{where}.result-type", "missing")
            found["result-type"] = ""
        optional = (
            ("sending-mta-ip", (), names),
            ("receiving-mx-hostname", ("receiving-mx-host-name",), names),  # SocketLabs, 2020
            ("receiving-mx-helo", (), names),
            ("receiving-ip", (), names),
            ("additional-information", ("additional-info-uri",), self.limits.uri_length),
            ("failure-reason-code", ("failure-error-code",), self.limits.text_length),
        )
        for key, aliases, length in optional:
            value = self.text(row, key, where, length, keep_empty=True)
            for alias in aliases:
                if value is None and (value := self.text(row, alias, where, length)) is not None:
                    self.note(f"{where}.{key}", f'called "{alias}"')
            if value is not None:
                found[key] = value
        return found

    def failed(self, row: _Object, where: str) -> int:
        key = "failed-session-count"
        for old in ("session-count", "message-count"):
            if key not in row and old in row:
                self.note(f"{where}.{key}", f'called "{old}", as in old drafts')
                key = old
        value = row.get(key)
        if value is None:
            self.note(f"{where}.{key}", "missing, taken as 1")
            return 1
        return self.count(value, f"{where}.{key}")

    # -- any level

    def twice(self, value: _Object, where: str) -> None:
        for name in value.twice[: self.limits.defects]:
            key = self.clean(name, where, self.limits.name_length)
            place = f"{where}.{key}" if where else key
            self.note(place, "stands there twice, the last one counts")

    def text(self, parent: _Object, key: str, where: str, length: int, *, keep_empty: bool = False) -> str | None:
        value = parent.get(key)
        place = f"{where}.{key}" if where else key
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self.note(place, "a number instead of text")
            value = str(value)
        if value is None or (value == "" and not keep_empty):
            return None
        if not isinstance(value, str):
            self.note(place, "not text, passed over")
            return None
        return self.clean(value, place, length)

    def clean(self, text: str, where: str, length: int) -> str:
        if "\x00" in text:
            text = text.replace("\x00", "")
            self.note(where, "zero bytes taken out")
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            self.note(where, "half of a surrogate pair, replaced")
        if len(text) > length:
            self.note(where, f"{len(text)} characters, cut to {length}")
            text = text[:length]
        return text
