"""The TLSRPT record (RFC 8460 section 3), and the grammar that it shares with the MTA-STS record.

Parsers here are strict: what a literal reader of the RFC drops has no value. What is wrong, and what is
allowed but read differently by senders, are lints; a lint says what was seen and never what to do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple


class Lint(NamedTuple):
    """Something wrong or doubtful in a published text."""

    name: str  # of the LINTS of its module
    message: str  # what was seen


class TlsrptRecord(NamedTuple):
    """Where a domain wants its reports."""

    ruas: tuple[str, ...]  # URIs as published, "mailto:" and "https:" only


class Fields(NamedTuple):
    """The fields of a record after its version."""

    known: tuple[str, ...]  # values of the field that was asked for, in order, whatever they look like
    first: bool  # whether that field comes first
    others: tuple[str, ...]  # texts of well-formed extensions, which nobody reads
    odd: tuple[str, ...]  # what the grammar has no place for, as a message each


class Candidates(NamedTuple):
    """The TXT records of a name, sorted by how they begin."""

    exact: tuple[str, ...]  # with the version and ";", as senders compare
    spaced: tuple[str, ...]  # with a blank between them
    bare: bool  # whether one is the version and nothing else
    near: tuple[str, ...]  # with what seems to be meant for the version


LINTS = frozenset({
    "tlsrpt-record-missing",
    "tlsrpt-record-several",
    "tlsrpt-record-invalid",
    "tlsrpt-record-space",
    "tlsrpt-record-version",
    "tlsrpt-rua-missing",
    "tlsrpt-rua-no-scheme",
    "tlsrpt-rua-scheme",
    "tlsrpt-rua-invalid",
    "tlsrpt-rua-several-fields",
    "tlsrpt-rua-not-first",
    "tlsrpt-rua-https-only",
})  # fmt: skip

VERSION = "v=TLSRPTv1"
WSP = " \t"

_SAME = 3  # lints of one name that are listed; the rest of them are counted
_MOST = 50

_is_extension = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]+", re.ASCII).fullmatch
# RFC 3986, without the three characters that RFC 8460 section 3 wants percent-encoded.
_is_uri = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@$&'()*+=-]|%[0-9A-Fa-f]{2})+").fullmatch
_is_mailto = re.compile(r"(?i:mailto):(?!/)[^@?#]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?:\?[^#]*)?").fullmatch
_is_https = re.compile(
    r"(?i:https)://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(?::\d+)?(?:[/?][^#]*)?"
).fullmatch
_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):").match


def parse(texts: Sequence[str]) -> tuple[TlsrptRecord | None, tuple[Lint, ...]]:
    """Return the TLSRPT record among the TXT records of a name, and all lints (RFC 8460 section 3).

    Each text is one record, its strings joined. None: senders send no reports.
    """
    found = candidates(texts, VERSION)
    lints = selection(found, VERSION, "tlsrpt")
    ruas: tuple[str, ...] = ()
    # A record that only its blank spoils is looked at too: all faults at once.
    if len(found.exact) == 1 or (not found.exact and len(found.spaced) == 1):
        ruas, more = _ruas((found.exact or found.spaced)[0])
        lints += more
    usable = TlsrptRecord(ruas) if len(found.exact) == 1 and ruas else None
    return usable, few(lints)


def text(ruas: Sequence[str]) -> str:
    """Return a TLSRPT record to publish, with what a URI may not hold here percent-encoded.

    Raises ValueError for a URI that is neither "mailto:" nor "https:", and for none at all.
    """
    encoded = [rua.replace("!", "%21").replace(",", "%2C").replace(";", "%3B") for rua in ruas]
    made = f"{VERSION}; rua={','.join(encoded)}"
    found, lints = parse([made])
    if found is None or found.ruas != tuple(encoded):
        raise ValueError("; ".join(lint.message for lint in lints) or "blanks around a destination")
    return made


def _ruas(record: str) -> tuple[tuple[str, ...], list[Lint]]:
    """Return the URIs that reports can go to, none if the record is not well-formed, and its lints."""
    found = fields(record, "rua")
    lints = [Lint("tlsrpt-record-invalid", message) for message in found.odd]
    if not found.known:
        lints.append(Lint("tlsrpt-rua-missing", f"no rua field{meant('rua', found)}"))
    if len(found.known) > 1:
        message = f"{len(found.known)} rua fields; some reporters (tlsrpt-reporter) read only the first"
        lints.append(Lint("tlsrpt-rua-several-fields", message))
    if found.known and not found.first:
        message = f"{quoted(found.others[0] if found.others else record)} stands before rua; "
        lints.append(
            Lint("tlsrpt-rua-not-first", message + "some reporters (tlsrpt-reporter) read only the first field")
        )
    uris = [uri for value in found.known for uri in _separated(value)]
    faults = [_fault(uri) for uri in uris]
    lints += [fault for fault in faults if fault]
    ruas = tuple(uri for uri, fault in zip(uris, faults, strict=True) if not fault)
    if ruas and all(uri.lower().startswith("https:") for uri in ruas):
        message = (
            f"only https destinations ({quoted(', '.join(ruas))}); reporters that send mail only (mox) send nothing"
        )
        lints.append(Lint("tlsrpt-rua-https-only", message))
    # A destination of an unknown scheme is grammatical, and leaves the others.
    if found.odd or any(fault and fault.name != "tlsrpt-rua-scheme" for fault in faults):
        return (), lints
    return ruas, lints


def _separated(value: str) -> list[str]:
    first, *others = value.split(",")
    # Blanks may stand around a comma, but not after "rua=".
    return [first.rstrip(WSP), *(part.strip(WSP) for part in others)]


def _fault(uri: str) -> Lint | None:
    """Return what keeps a reporter from using a destination."""
    scheme = _scheme(uri)
    if not uri:
        return Lint("tlsrpt-rua-invalid", "an empty destination")
    if "!" in uri:
        return Lint("tlsrpt-rua-invalid", f'{quoted(uri)} has a "!" that is not percent-encoded')
    if uri[0] in WSP:
        return Lint("tlsrpt-rua-invalid", f"{quoted(uri)} begins with a blank")
    if not scheme:
        return Lint("tlsrpt-rua-no-scheme", f"{quoted(uri)} has no scheme; reporters drop it or fail on it")
    if not _is_uri(uri):
        return Lint("tlsrpt-rua-invalid", f"{quoted(uri)} is not a URI")
    if scheme[1].lower() not in {"mailto", "https"}:
        return Lint("tlsrpt-rua-scheme", f"{quoted(uri)} is neither mailto: nor https:")
    if not (_is_mailto(uri) or _is_https(uri)):
        lacks = "mail address" if scheme[1].lower() == "mailto" else "host"
        return Lint("tlsrpt-rua-invalid", f"{quoted(uri)} has no proper {lacks}")
    return None


# --------------------------------------------------------------------------------------------------------
# What the records of both RFCs have in common.


def candidates(texts: Sequence[str], version: str) -> Candidates:
    """Return the TXT records of a name that are, or were meant to be, of this version."""
    exact = tuple(text for text in texts if text.startswith(f"{version};"))
    rest = [text for text in texts if text not in exact]
    spaced = tuple(text for text in rest if re.match(rf"{version}[ \t]+;", text))
    bare = any(text.rstrip(WSP) == version for text in rest)
    near = tuple(text for text in rest if text not in spaced and text.rstrip(WSP) != version and _means(text, version))
    return Candidates(exact, spaced, bare, near)


def _means(text: str, version: str) -> bool:
    """Return whether a text that has not the version in its place seems to be meant for it."""
    wanted = version.lower()
    said = "".join(text[:1_000].lower().split())
    if wanted in said:
        return True
    first = re.match(r"[^a-z]*([a-z0-9=:]*)", said)
    assert first
    return SequenceMatcher(None, first[1][: 2 * len(wanted)], wanted).ratio() >= 0.75


def selection(found: Candidates, version: str, thing: str) -> list[Lint]:
    """Return lints about how many records there are and how they begin (RFC 8460 3, RFC 8461 3.1)."""
    lints = [
        Lint(f"{thing}-record-space", f'{quoted(text)} has a blank between {version} and ";"; literal readers drop it')
        for text in found.spaced
    ]
    if len(found.exact) > 1:
        listed = ", ".join(quoted(text) for text in found.exact[:3])
        lints.append(Lint(f"{thing}-record-several", f"{len(found.exact)} records, so none counts: {listed}"))
    if found.exact:
        return lints
    lints += [
        Lint(f"{thing}-record-version", f"{quoted(text)} does not begin with {quoted(version + ';')}")
        for text in found.near
    ]
    if found.bare:
        lints.append(Lint(f"{thing}-record-invalid", f"nothing follows {version}"))
    return lints or [Lint(f"{thing}-record-missing", f"no TXT record begins with {quoted(version + ';')}")]


def fields(record: str, known: str) -> Fields:
    """Return the fields of a record after its version (`field-delim` and extensions in both RFCs)."""
    parts = record.partition(";")[2].split(";")
    values: list[str] = []
    others: list[str] = []
    odd: list[str] = []
    first = parts[0].strip(WSP).startswith(f"{known}=")
    for place, part in enumerate(parts, 1):
        field = part.strip(WSP)
        if not field:
            # One delimiter may end the record, with blanks after it.
            if place < len(parts) or place == 1:
                odd.append(f"field {place} after the version is empty")
            continue
        if place == len(parts) and part[-1] in WSP:
            odd.append(f"blanks at the end, after {quoted(field)}")
        if field.startswith(f"{known}="):
            values.append(field.partition("=")[2])
        elif _is_extension(field):
            others.append(field)
        else:
            odd.append(f"{quoted(field)} is not a field")
            others.append(field)
    return Fields(tuple(values), first, tuple(others), tuple(odd))


def meant(known: str, found: Fields) -> str:
    """Return words about the field that was probably meant for a missing one, "" if there is none."""
    for field in found.others:
        if similar(field, {known}):
            return f"; {quoted(field)} is not read as one"
    return ""


def similar(text: str, known: Iterable[str]) -> str:
    """Return the keyword that a text seems to begin with, "" if it begins with none."""
    first = re.match(r"[^\w]*([\w-]{1,40})", text)
    word = first[1].lower().replace("-", "_") if first else ""
    for keyword in sorted(known):
        if word == keyword or SequenceMatcher(None, word, keyword).ratio() >= 0.8:
            return keyword
    return ""


def quoted(text: str, most: int = 80) -> str:
    """Return a stranger's text between quotation marks, cut to what a message can hold."""
    return f'"{text}"' if len(text) <= most else f'"{text[:most]}…"'


def few(lints: Iterable[Lint]) -> tuple[Lint, ...]:
    """Return lints with no more than a few of each name, the last of which counts the rest."""
    given = list(dict.fromkeys(lints))
    counts = Counter(lint.name for lint in given)
    met: Counter[str] = Counter()
    kept: list[Lint] = []
    for name, message in given:
        met[name] += 1
        if met[name] == _SAME and counts[name] > _SAME:
            kept.append(Lint(name, f"{message}, and {counts[name] - _SAME} more"))
        elif met[name] <= _SAME:
            kept.append(Lint(name, message))
    return tuple(kept[:_MOST])
