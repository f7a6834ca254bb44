"""MTA-STS (RFC 8461): the record, the policy, and whether a host is covered.

`directives` reads leniently what reports quote. `parse_record` and `parse_policy` are strict, as the
strictest senders are, and tell every fault as a lint.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from tlsrpt.record import WSP, Lint, candidates, few, fields, meant, quoted, selection, similar


class Directives(NamedTuple):
    """What a policy says, read leniently from lines as a report quotes them."""

    mode: str | None
    max_age: int | None  # seconds
    mx: tuple[str, ...]  # patterns, lower-case, without a final dot


def directives(lines: Iterable[str]) -> Directives:
    """Return what the lines of a policy say (RFC 8461 section 3.2).

    Order, blanks around the colon and unknown keys do not matter; of a key that may stand only once, the
    first counts.
    """
    single: dict[str, str] = {}
    mx: list[str] = []
    for line in lines:
        key, colon, value = line.partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon or not value:
            continue
        if key == "mx":
            mx.append(host(value))
        else:
            single.setdefault(key, value)
    age = single.get("max_age", "")
    mode = single.get("mode")
    return Directives(
        mode.lower() if mode else None,
        int(age) if age.isascii() and age.isdigit() and len(age) <= 10 else None,
        tuple(mx),
    )


def host(name: str) -> str:
    """Return a host name or pattern in the form that is compared: lower-case, without a final dot."""
    return name.strip().removesuffix(".").lower()


def matches(mx: str, pattern: str) -> bool:
    """Return whether an MX host name is covered by a pattern (RFC 8461 section 4.1).

    A leading "*." stands for exactly one label, and there is no other wildcard.
    """
    mx, pattern = host(mx), host(pattern)
    if pattern.startswith("*."):
        first, dot, rest = mx.partition(".")
        return bool(first and dot) and rest == pattern[2:]
    return mx == pattern


# --------------------------------------------------------------------------------------------------------
# The record.

VERSION = "v=STSv1"
_is_id = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII).fullmatch


class Record(NamedTuple):
    """What `_mta-sts.<domain>` says: there is a policy, and this is its version."""

    id: str


def parse_record(texts: Sequence[str]) -> tuple[Record | None, tuple[Lint, ...]]:
    """Return the MTA-STS record among the TXT records of a name, and all lints (RFC 8461 section 3.1).

    Each text is one record, its strings joined. None: no policy is available, though one that a sender has
    in its cache stays in force.
    """
    found = candidates(texts, VERSION)
    lints = selection(found, VERSION, "mta-sts")
    record = None
    # A record that only its blank spoils is looked at too: all faults at once.
    if len(found.exact) == 1 or (not found.exact and len(found.spaced) == 1):
        record, more = _record((found.exact or found.spaced)[0])
        lints += more
    return record if len(found.exact) == 1 else None, few(lints)


def _record(text: str) -> tuple[Record | None, list[Lint]]:
    found = fields(text, "id")
    lints = [Lint("mta-sts-record-invalid", message) for message in found.odd]
    # By the grammar alone a malformed id is an extension, and a good one after it would count; who reads
    # the first thing called id sees none, so the record has none.
    bad = [value for value in found.known if not _is_id(value)]
    lints += [Lint("mta-sts-id-invalid", f"{quoted(value)} is not 1 to 32 letters or digits") for value in bad]
    if not found.known:
        lints.append(Lint("mta-sts-id-missing", f"no id field{meant('id', found)}"))
    if len(found.known) > 1:
        message = f"{len(found.known)} id fields, of which the first counts: {', '.join(map(quoted, found.known[:3]))}"
        lints.append(Lint("mta-sts-id-several", message))
    return None if bad or found.odd or not found.known else Record(found.known[0]), lints


def record_text(policy_id: str) -> str:
    """Return an MTA-STS record to publish. Raises ValueError for an id that is not 1 to 32 letters or digits."""
    if not _is_id(policy_id):
        raise ValueError(f"{quoted(policy_id)} is not 1 to 32 letters or digits")
    return f"{VERSION}; id={policy_id}"


# --------------------------------------------------------------------------------------------------------
# The policy.

MAX_AGE = 31_557_600  # seconds, the most that RFC 8461 section 3.2 allows
MODES = ("testing", "enforce", "none")

# With one of these a policy has no value.
FATAL = frozenset({
    "policy-bom",
    "policy-bare-cr",
    "policy-blank-line",
    "policy-syntax",
    "policy-comment",
    "policy-space-before-colon",
    "policy-leading-space",
    "policy-html",
    "policy-empty",
    "policy-version-missing",
    "policy-mode-missing",
    "policy-max-age-missing",
    "policy-max-age-invalid",
    "policy-mx-missing",
    "policy-mx-invalid",
})  # fmt: skip

LINTS = FATAL | {
    "mta-sts-record-missing",
    "mta-sts-record-several",
    "mta-sts-record-invalid",
    "mta-sts-record-space",
    "mta-sts-record-version",
    "mta-sts-id-missing",
    "mta-sts-id-invalid",
    "mta-sts-id-several",
    "policy-version-not-first",
    "policy-max-age-zero",
    "policy-max-age-over",
    "policy-max-age-short",
    "policy-max-age-exact-year",
    "policy-field-twice",
    "policy-key-misspelt",
    "policy-none-without-mx",
    "policy-mx-wildcard",
    "policy-too-many-mx",
    "policy-read-by-some",
}

_STRICT = "strict senders (mox, postfix-tlspol) reject the policy"
_KEYS = frozenset({"version", "mode", "max_age", "mx"})
_MANY_MX = 100
_LOOKED_AT = 100

_key = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", re.ASCII).fullmatch
_value = re.compile(r"[^\x00-\x20\x7f]+(?: +[^\x00-\x20\x7f]+)*").fullmatch
_page = re.compile(r"\s*<[!?a-z]", re.IGNORECASE).match
_is_age = re.compile(r"[0-9]{1,10}", re.ASCII).fullmatch
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_is_pattern = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.ASCII | re.IGNORECASE).fullmatch


class Policy(NamedTuple):
    """A policy as a sender takes it (RFC 8461 section 3.2)."""

    mode: str  # of MODES
    max_age: int  # seconds, up to ten digits
    mx: tuple[str, ...]  # patterns as published, lower-case


class _Line(NamedTuple):
    text: str
    key: str  # "" if it is not to be read
    value: str


def parse_policy(body: str) -> tuple[Policy | None, tuple[Lint, ...]]:
    """Return the policy in a file and all lints (RFC 8461 section 3.2).

    The body is decoded as UTF-8, undecodable bytes written with backslashes, and nothing else done to it.
    None: a strict sender has no policy from this file.
    """
    text = body.removeprefix("\ufeff")
    if not text.strip():
        return None, (Lint("policy-empty", "the file is empty"),)
    if _page(text):
        return None, (Lint("policy-html", f"{quoted(text.strip())} is the beginning of a web page"),)
    lints: list[Lint] = []
    if body.startswith("\ufeff"):
        lints.append(Lint("policy-bom", f"a byte order mark before the first field; {_STRICT}"))
    text = text.replace("\r\n", "\n")
    if crs := text.count("\r"):
        lints.append(Lint("policy-bare-cr", f"{crs} carriage returns without a line feed; {_STRICT}"))
    lines = _lines(text, lints)
    _look_at_version(lines, lints)
    mode = _mode(lines, lints)
    max_age = _max_age(lines, lints)
    mx = _mx(lines, mode, lints)
    missing = {lint.name for lint in lints if lint.name.endswith("-missing")}
    for line in _unknown(lines):
        near = similar(line.text, _KEYS)
        if near and f"policy-{near.replace('_', '-')}-missing" not in missing:
            lints.append(Lint("policy-key-misspelt", f"{quoted(line.text)} is not read as {near}"))
    if all(lint.name not in FATAL for lint in lints):
        return Policy(mode, max_age, mx), few(lints)
    said = directives(line.text for line in lines)
    if said.mode in MODES and said.max_age is not None and (said.mx or said.mode == "none"):
        lints.append(Lint("policy-read-by-some", f"tolerant senders may read mode {said.mode} here"))
    return None, few(lints)


def _lines(text: str, lints: list[Lint]) -> list[_Line]:
    """Return the lines of a policy without line ends and blanks after them, adding lints about their form."""
    given = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    lines: list[_Line] = []
    blank: list[int] = []
    for number, full in enumerate(given, 1):
        line = full.rstrip(WSP)
        key, colon, rest = line.partition(":")
        where = f"line {number}, {quoted(line)},"
        if not line:
            blank.append(number)
        elif line.lstrip(WSP).startswith(("#", "//", ";")):
            lints.append(Lint("policy-comment", f"{where} is a comment, which a policy cannot have; {_STRICT}"))
        elif not colon or not _key(key.strip(WSP)) or not (key.strip(WSP) in _KEYS or _value(rest.lstrip(WSP))):
            lints.append(Lint("policy-syntax", f"{where} is not a key, a colon and a value; {_STRICT}"))
            lines.append(_Line(line, "", ""))
        else:
            if key[0] in WSP:
                lints.append(Lint("policy-leading-space", f"{where} begins with a blank; {_STRICT}"))
            if key[-1] in WSP:
                lints.append(Lint("policy-space-before-colon", f"{where} has a blank before the colon; {_STRICT}"))
            lines.append(_Line(line, key.strip(WSP), rest.lstrip(WSP)))
    if blank:
        which = f"line {blank[0]} is" if len(blank) == 1 else f"{len(blank)} lines are, line {blank[0]} first,"
        lints.append(Lint("policy-blank-line", f"{which} blank; {_STRICT}, KumoMTA skips such a line"))
    return lines


def _first(lines: list[_Line], key: str, lints: list[Lint]) -> str | None:
    """Return the value of a field that may stand only once, None if it is not there."""
    values = [line.value for line in lines if line.key == key]
    if len(values) > 1:
        message = f"{key} {len(values)} times, of which {quoted(values[0])} counts; KumoMTA rejects the policy"
        lints.append(Lint("policy-field-twice", message))
    return values[0] if values else None


def _instead(lines: list[_Line], key: str) -> str:
    """Return words about the line that was probably meant for a field, "" if there is none."""
    for line in lines:
        if line.key == key:
            return f"; {quoted(line.text)} is not read as one"
    for line in _unknown(lines):
        if similar(line.text, {key}):
            return f"; {quoted(line.text)} is not read as one"
    return ""


def _unknown(lines: list[_Line]) -> list[_Line]:
    """Return the first lines that are of no known field; to look for likeness in thousands takes seconds."""
    return [line for line in lines if line.key not in _KEYS][:_LOOKED_AT]


def _look_at_version(lines: list[_Line], lints: list[Lint]) -> None:
    if _first(lines, "version", lints) != "STSv1":
        lints.append(Lint("policy-version-missing", f'no "version: STSv1"{_instead(lines, "version")}'))
    elif lines[0].key != "version":
        message = f"{quoted(lines[0].text)} stands before the version; Google asks for the version first"
        lints.append(Lint("policy-version-not-first", message))


def _mode(lines: list[_Line], lints: list[Lint]) -> str:
    mode = _first(lines, "mode", lints)
    if mode in MODES:
        return mode
    lints.append(Lint("policy-mode-missing", f"no mode{_instead(lines, 'mode')}"))
    return ""


def _max_age(lines: list[_Line], lints: list[Lint]) -> int:
    value = _first(lines, "max_age", lints)
    if value is None:
        lints.append(Lint("policy-max-age-missing", f"no max_age{_instead(lines, 'max_age')}"))
        return 0
    if not _is_age(value):
        lints.append(Lint("policy-max-age-invalid", f"max_age {quoted(value)} is not 1 to 10 digits; {_STRICT}"))
        return 0
    age = int(value)
    if age > MAX_AGE:
        message = (
            f"max_age {age} is over {MAX_AGE}: chasquid and postfix-mta-sts-resolver reject the policy, "
            "postfix-tlspol caps it, mox takes it, Stalwart makes it 86400"
        )
        lints.append(Lint("policy-max-age-over", message))
    elif age == MAX_AGE:
        lints.append(Lint("policy-max-age-exact-year", f"max_age {age}: Stalwart makes it 86400"))
    elif age == 0:
        message = "max_age 0 keeps no policy in any cache; chasquid rejects it, Stalwart makes it 86400"
        lints.append(Lint("policy-max-age-zero", message))
    elif age < 3_600:
        lints.append(Lint("policy-max-age-short", f"max_age {age} is under 3600; Stalwart makes it 86400"))
    return age


def _mx(lines: list[_Line], mode: str, lints: list[Lint]) -> tuple[str, ...]:
    values = [line.value for line in lines if line.key == "mx"]
    for value in values:
        if fault := _mx_fault(value):
            lints.append(Lint("policy-mx-invalid", f"mx {quoted(value)} {fault}; {_STRICT}"))
        elif value.startswith("*."):
            lints.append(Lint("policy-mx-wildcard", f"mx {quoted(value)} covers every host one label below"))
    if len(values) > _MANY_MX:
        lints.append(Lint("policy-too-many-mx", f"{len(values)} mx lines"))
    if not values and mode == "none":
        lints.append(Lint("policy-none-without-mx", "mode none without an mx line; Stalwart rejects the policy"))
    elif not values:
        lints.append(Lint("policy-mx-missing", f"no mx{_instead(lines, 'mx')}"))
    return tuple(value.lower() for value in values)


def is_mx(pattern: str) -> bool:
    """Return whether a policy can hold a host or pattern."""
    return not _mx_fault(pattern)


def _mx_fault(pattern: str) -> str:
    """Return what keeps a pattern from being one (RFC 8461 section 3.2, `Domain` of RFC 5321), "" if nothing."""
    if _is_address(pattern.strip("[]")):
        return "is an address"
    if _is_pattern(pattern) and len(pattern) <= 253:
        return ""
    faults = (
        (not pattern, "is empty"),
        (any(mark in pattern for mark in ", \t;"), "is a list, where one host is expected"),
        (not pattern.isascii(), "is not in A-labels"),
        (re.search(r":\d+$", pattern), "has a port"),
        (pattern.endswith("."), "ends in a dot"),
        (pattern == "*", "is a bare wildcard"),
        ("*" in pattern, 'has a wildcard that is not a whole first label before ".", and the only one'),
    )
    return next((words for holds, words in faults if holds), "is not a host name")


def _is_address(text: str) -> bool:
    try:
        ip_address(text.lower().removeprefix("ipv6:"))
    except ValueError:
        return False
    return True


def policy_text(policy: Policy) -> str:
    """Return a policy file to publish: the version first, lines ended by CRLF.

    Raises ValueError if it would not be read back as this policy, or if max_age is over the limit.
    """
    lines = ["version: STSv1", f"mode: {policy.mode}", *(f"mx: {mx}" for mx in policy.mx), f"max_age: {policy.max_age}"]
    made = "".join(f"{line}\r\n" for line in lines)
    found, lints = parse_policy(made)
    if found is None or policy.max_age > MAX_AGE:
        raise ValueError("; ".join(lint.message for lint in lints))
    if found != policy._replace(mx=tuple(mx.lower() for mx in policy.mx)):
        raise ValueError("a value with blanks around it, or of more than one line")
    return made


def canonical(policy: Policy) -> str:
    """Return a policy without order and case, as `tlsrpt.report.Policy.canonical` has it for what reports quote."""
    return f"mode={policy.mode} max_age={policy.max_age} mx={','.join(sorted({host(mx) for mx in policy.mx}))}"
