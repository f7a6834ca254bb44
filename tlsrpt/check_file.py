"""Checks as they travel and as they are kept: files of checks, and facts as JSON.

A file has one object, `{"tlsrpt_check": 1, "checks": […]}`, or several of them one after the other, as a job
that appends to a file writes them. A check that cannot be read never costs its neighbours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from tlsrpt.limits import LIMITS, Limits
from tlsrpt.parse import RefusedEntry, domain
from tlsrpt.published import Check, Facts, Settings
from tlsrpt.report import ReportError

FORMAT = 1
MARK = "tlsrpt_check"

_MOST_CONTAINERS = 200_000  # before a document is built in memory
_MOST_VALUES = 1_000_000
_AHEAD = timedelta(days=2)  # that another machine's clock may be

_facts = TypeAdapter[Facts](Facts)
_DECODER = json.JSONDecoder()
_NOT_BLANK = re.compile(r"\S")


# Files


class CheckReading(NamedTuple):
    """What a file of checks held."""

    checks: tuple[Check, ...]
    refused: tuple[RefusedEntry, ...]  # beside readable ones, each as a file of its own


def _nothing(_: Check) -> Mapping[str, object]:
    return {}


def checks_json(checks: Iterable[Check], more: Callable[[Check], Mapping[str, object]] = _nothing) -> str:
    """Return a file of these checks; `more` gives members for human eyes, which are passed over when read."""
    return _file([{**more(check), **_written(check)} for check in checks])


def _written(check: Check) -> dict[str, Any]:
    return check.model_dump(mode="json") | {"checked_at": f"{check.checked_at.isoformat()}Z"}


def _file(checks: list[Any]) -> str:
    return json.dumps({MARK: FORMAT, "checks": checks}, indent=1) + "\n"


def is_check_file(content: bytes) -> bool:
    """Return whether a JSON document, which is no report, means to be a file of checks."""
    return f'"{MARK}"'.encode() in content.replace(b"\0", b"")  # zeros: of UTF-16, in which some shells write


def read_checks(content: bytes, now: datetime, limits: Limits = LIMITS) -> CheckReading:
    """Return the checks of a file; `now` is UTC without tzinfo.

    Raises ReportError, with the reason to show, if none can be read.
    """
    text = _text(content)
    checks: list[Check] = []
    refused: list[RefusedEntry] = []
    at = number = 0
    while at < len(text):
        number += 1
        inside = f"document {number} " if number > 1 else ""
        try:
            entries, end = _entries(text, at)
        except ReportError as error:
            if number == 1:
                raise
            # What a job was writing when it was cut off, or what was written since by a newer version.
            refused.append(RefusedEntry(inside.strip(), text[at:].encode("utf-8", "replace"), str(error)))
            break
        if len(checks) + len(refused) + len(entries) > limits.reports:
            raise ReportError(f"more than {limits.reports:,} checks in one document")
        for place, entry in enumerate(entries):
            try:
                checks.append(_check(entry, now))
            except ReportError as error:
                own = _file([entry]).encode()
                refused.append(RefusedEntry(f"{inside}checks[{place}]", own, str(error)))
        at = end
    if not checks:
        raise ReportError(refused[0].reason if refused else "an empty list, no check in it")
    return CheckReading(tuple(checks), tuple(refused))


def _text(content: bytes) -> str:
    if content.count(b"{") + content.count(b"[") > _MOST_CONTAINERS or content.count(b",") > _MOST_VALUES:
        raise ReportError("too many values for a file of checks")
    try:
        return content.decode(json.detect_encoding(content)).strip()
    except UnicodeDecodeError as error:
        raise ReportError("not JSON: not in an encoding of Unicode") from error


def _entries(text: str, at: int) -> tuple[list[object], int]:
    """Return the checks of the document that begins here, unread, and where the next one begins."""
    try:
        document, at = _DECODER.raw_decode(text, at)
    except RecursionError as error:
        raise ReportError("nested too deeply for JSON") from error
    except json.JSONDecodeError as error:
        raise ReportError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except ValueError as error:
        raise ReportError("not JSON: a number of thousands of digits") from error
    version = document.get(MARK) if isinstance(document, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise ReportError(f"made by a newer version of tlsrpt (format {version}); upgrade this one")
    if version != FORMAT:
        raise ReportError(f"{MARK}: not a format that there is")
    if not isinstance(document.get("checks"), list):
        raise ReportError("checks: not a list")
    following = _NOT_BLANK.search(text, at)
    return document["checks"], following.start() if following else len(text)


def _check(entry: object, now: datetime) -> Check:
    """Return one check in the form that is stored, or raise ReportError."""
    if not isinstance(entry, dict):
        raise ReportError("not a JSON object")
    try:
        check = Check.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ReportError(f"{place[:200]}: {first['msg'][:200]}") from error
    policy_domain, odd = domain(check.policy_domain)
    if "not a domain name" in odd:
        raise ReportError("policy_domain: not a domain name")
    return check.model_copy(update={"policy_domain": policy_domain, "checked_at": _moment(check.checked_at, now)})


def _moment(at: datetime, now: datetime) -> datetime:
    try:
        found = at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
    except OverflowError as error:
        raise ReportError("checked_at: not within the years that there are") from error
    if found.year < 2000:
        raise ReportError("checked_at: before the year 2000")
    if found > now + _AHEAD:
        raise ReportError("checked_at: more than two days ahead")
    return found.replace(microsecond=0)


# The store


def facts_json(facts: Facts) -> str:
    """Return facts as they are kept: the same facts are the same text, also when new members are added.

    Of a certificate only its bytes are kept, so that what is read from them is up to each version.
    """
    return _compact({"kind": facts.kind} | facts.model_dump(mode="json", exclude_defaults=True))


def read_facts(text: str) -> Facts:
    """Return facts from their text in the store."""
    return _facts.validate_json(text)


def settings_json(settings: Settings) -> str:
    """Return settings as they are kept: "" if everything has its default."""
    found = settings.model_dump(mode="json", exclude_defaults=True)
    return _compact(found) if found else ""


def read_settings(text: str) -> Settings:
    """Return settings from their text in the store."""
    return Settings.model_validate_json(text) if text else Settings()


def _compact(value: dict[str, Any]) -> str:
    return json.dumps(_bare(value), sort_keys=True, separators=(",", ":"))


def _bare(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if isinstance(value, dict):
        return {"der": value["der"]} if "der" in value else {key: _bare(item) for key, item in value.items()}
    return value
