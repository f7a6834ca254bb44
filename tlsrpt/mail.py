"""A mail message as bytes: what its headers say, and its parts, decoded.

Everything here takes time in proportion to the size of the message. That is why the usual shapes are taken
apart by hand, and why the standard library's parser, which is quadratic in the parameters of a Content-Type
and keeps an object for each line, gets a message only after a look at its raw bytes.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import Message
from typing import TYPE_CHECKING, NamedTuple

from tlsrpt.archive import larger_than

if TYPE_CHECKING:
    from tlsrpt.authentication import Authentication
    from tlsrpt.limits import Limits


class Mail(NamedTuple):
    """What the mail around a report says. Written by anyone: a label, never a proof."""

    message_id: str | None
    sender: str | None  # domain of From, lower-case
    subject: str | None  # unfolded, encoded words left as they are
    report_domain: str | None  # TLS-Report-Domain
    report_submitter: str | None  # TLS-Report-Submitter
    received: datetime | None  # UTC without tzinfo; from the topmost Received, else Date
    authentication: Authentication | None = None  # who really sent it, if somebody looked


class Part(NamedTuple):
    """A part that holds no further parts; an attached message is one."""

    content_type: str  # lower-case, without parameters
    name: str  # file name, "" if none
    content: bytes  # decoded


class MailError(Exception):
    """This message is not looked into, for this reason."""


# A message of the largest size in base64 has 220,000 lines.
_LINES = 400_000

_FIRST_HEADER = re.compile(rb"(?:>?From [^\n]*+\n)?+([!-9;-~]++)[ \t]*+:")
_USUAL_HEADERS = frozenset(
    b"received return-path delivered-to from date subject message-id mime-version content-type to "
    b"dkim-signature tls-report-domain tls-report-submitter".split()
)
_WELL_FORMED = re.compile(rb"(?:[!-9;-~]++:[^\n]*+\n(?:[ \t][^\n]*+\n)*+)*+")
_FOLD = re.compile(rb"\r?\n[ \t]+")


def is_mail(content: bytes, limits: Limits) -> bool:
    """Return whether this begins like the headers of a mail, perhaps below a "From " line."""
    first = _FIRST_HEADER.match(content, 0, limits.header_size)
    if not first:
        return False
    if first[1].lower() in _USUAL_HEADERS:
        return True
    head = content[: limits.header_block].lower()
    return any(b"\n" + name + b":" in head for name in _USUAL_HEADERS)


def without_from_line(content: bytes) -> bytes:
    """Return a message without the line that an mbox, or a program that delivers to one, puts before it."""
    return content[content.find(b"\n") + 1 :] if content.startswith((b"From ", b">From ")) else content


def mentions_report(content: bytes) -> bool:
    """Return whether the raw bytes of a mail that cannot be looked into speak of a TLS report."""
    lowered = content.lower()
    return b"tlsrpt" in lowered or b"tls-report-" in lowered


# Headers


_HEADER = re.compile(rb"\n([!-9;-~]++):[ \t]*+([^\n]*+(?:\n[ \t][^\n]*+)*+)")
_READ = (
    b"received from date subject message-id tls-report-domain tls-report-submitter "
    b"content-type content-disposition content-transfer-encoding"
).split()


class Headers(NamedTuple):
    """The headers of a message or part."""

    raw: bytes  # below a line break, and with LF
    first: dict[bytes, bytes]  # the first of each name, lower-case, still folded

    def text(self, name: bytes) -> str:
        """Return the first header of this lower-case name, unfolded, "" if there is none."""
        value = self.first.get(name, b"")
        return (_FOLD.sub(b" ", value) if b"\n" in value else value).decode("utf-8", "replace").strip()


def _headers(head: bytes, limits: Limits) -> Headers:
    raw = b"\n" + (head.replace(b"\r\n", b"\n") if b"\r" in head else head)
    first = {name.lower(): value for name, value in reversed(_HEADER.findall(raw))}
    if len(raw) > limits.content_header_size:
        _measure(first, limits)
    return Headers(raw, first)


def _measure(first: dict[bytes, bytes], limits: Limits) -> None:
    for name in _READ:
        most = limits.content_header_size if name.startswith(b"content-") else limits.header_size
        if len(first.get(name, b"")) > most:
            raise MailError(f"{name.decode()} header {larger_than(most)}")


def split(content: bytes, limits: Limits) -> tuple[Headers, bytes]:
    """Return the headers of a message and the rest, which begins with the line break before the body."""
    end, body = _blank_line(content, limits.header_block)
    if end > limits.header_block:
        raise MailError(f"header block {larger_than(limits.header_block)}")
    head = content[:end]
    if head.count(b"\n") > limits.header_count and len(re.findall(rb"\n(?![ \t])", head)) > limits.header_count:
        raise MailError(f"more than {limits.header_count} headers")
    return _headers(head, limits), content[body:]


def _blank_line(content: bytes, most: int) -> tuple[int, int]:
    """Return where the headers end and where the line break before the body stands.

    Both are the end of the content if it has no blank line in as many bytes.
    """
    end = content.find(b"\n\n", 0, most)
    crlf = content.find(b"\n\r\n", 0, end + 1 if end >= 0 else most)
    if crlf >= 0:
        return crlf + 1, crlf + 2
    return (end + 1, end + 1) if end >= 0 else (len(content), len(content))


def describe(headers: Headers) -> Mail:
    """Return what the headers of a message say."""
    first = headers.first
    return Mail(
        message_id=headers.text(b"message-id") or None,
        sender=_domain(headers.text(b"from")),
        subject=headers.text(b"subject") or None,
        report_domain=headers.text(b"tls-report-domain") or None,
        report_submitter=headers.text(b"tls-report-submitter") or None,
        received=moment(first.get(b"received", b"").rpartition(b";")[2]) or moment(first.get(b"date", b"")),
    )


def _domain(sender: str) -> str | None:
    address = sender.rpartition("<")[2].partition(">")[0]
    at, domain = address.rpartition("@")[1:]
    word = re.match(r"[^\s<>,;()\"]+", domain)
    return word[0].lower() if at and word else None


_MONTHS = b"jan feb mar apr may jun jul aug sep oct nov dec".split()
_ZONES = {b"est": -5, b"edt": -4, b"cst": -6, b"cdt": -5, b"mst": -7, b"mdt": -6, b"pst": -8, b"pdt": -7}
_MOMENT = re.compile(
    rb"([0-9]{1,2})\s+([A-Za-z]{3})\s+([0-9]{4})\s+([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?\s*"
    rb"(?:([+-][0-9]{2})([0-9]{2})|([A-Za-z]{3}))?"
)


def moment(value: bytes) -> datetime | None:
    """Return the first time that a header names, UTC without tzinfo; None if there is none or it cannot be."""
    found = _MOMENT.search(value)
    if not found:
        return None
    day, month, year, hour, minute, second, hours, minutes, zone = found.groups()
    if not hours:
        ahead = timedelta(hours=_ZONES.get((zone or b"").lower(), 0))
    else:
        ahead = timedelta(hours=int(hours), minutes=int(hours[:1] + minutes))
    try:
        # The second of a leap second is that before it. No such month, as in "Fri, May 09 2017", which RFC 8460
        # has in its own example, is a ValueError or no match.
        local = datetime(  # noqa: DTZ001 (UTC without tzinfo is what the store keeps)
            int(year), _MONTHS.index(month.lower()) + 1, int(day), int(hour), int(minute), min(int(second or 0), 59)
        )
        return local - ahead
    except (ValueError, OverflowError):
        return None


def announces_report(headers: Headers) -> bool:
    """Return whether a header says that the message carries a TLS report (RFC 8460 section 5.3)."""
    first = headers.first
    if b"tls-report-domain" in first or b"tls-report-submitter" in first:
        return True
    return re.search(rb"report-type\s*=\s*\"?tlsrpt", first.get(b"content-type", b""), re.IGNORECASE) is not None


def is_subject_of_report(subject: str) -> bool:
    """Return whether a Subject is that of a TLS report, which is that of a DMARC report too."""
    at = 0
    for word in ("report domain:", "submitter:", "report-id:"):
        at = subject.lower().find(word, at)
        if at < 0:
            return False
    return True


# Parts

_PARAMETER = rb"\s*;\s*(?:([^\s=;\"*<>]++)\s*=\s*(?:\"([^\"\\\r\n<>]*+)\"|([^\s;\"\\<>]++)))?\s*"
_PARAMETERS = re.compile(_PARAMETER)
_CONTENT = re.compile(rb"\s*([^\s;()<>\"=]*+)\s*(?=;|\Z)(?:" + _PARAMETER + rb"(?=;|\Z))*+")


def parts(content: bytes, headers: Headers, rest: bytes, limits: Limits) -> list[Part]:
    """Return the parts of a message that was split, in order."""
    # A lone CR ends a line for the standard library.
    lone = b"\r" in content and content.count(b"\r") != content.count(b"\r\n")
    found = None if lone else usual_parts(headers, rest, limits)
    if found is None:
        found = standard_parts(content, limits)
    _count(found, limits)
    return found


def usual_parts(headers: Headers, rest: bytes, limits: Limits, depth: int = 0) -> list[Part] | None:
    """Return the parts if the message is built as nearly all are, and None if in doubt."""
    if not _WELL_FORMED.fullmatch(headers.raw, 1):
        return None
    told = headers.first.get(b"content-type", b"text/plain")
    kind = told.partition(b";")[0].decode("ascii", "replace").strip().lower()
    if kind.count("/") != 1:
        return None
    if kind.startswith("multipart/"):
        boundary = _parameter(told, b"boundary")
        return _usual_multipart(kind, boundary.rstrip(), rest, limits, depth) if boundary else None
    name = _parameter(headers.first.get(b"content-disposition", b""), b"filename")
    if name == "":
        name = _parameter(told, b"name")
    if name is None:
        return None
    encoding = headers.text(b"content-transfer-encoding")
    return [Part(kind, name.strip(), _decode(rest[1:], encoding))]


def _usual_multipart(kind: str, boundary: str, rest: bytes, limits: Limits, depth: int) -> list[Part] | None:
    if not boundary or kind == "multipart/digest" or depth == limits.multipart_depth:
        return None
    found: list[Part] = []
    for piece in rest.split(b"\n--" + boundary.encode(), limits.part_count + 2)[1:]:
        line = piece[: piece.find(b"\n") + 1] or piece
        if line.startswith(b"--"):
            return None if line[2:].strip(b" \t\r\n") else found or None
        end, body = _blank_line(piece, limits.header_size)
        if end == len(piece) or line.strip(b" \t\r\n"):
            return None
        inner = usual_parts(
            _headers(piece[len(line) : end], limits), piece[body:].removesuffix(b"\r"), limits, depth + 1
        )
        if inner is None:
            return None
        found += inner
        _count(found, limits)
    return None  # without its last line


def _count(found: list[Part], limits: Limits) -> None:
    if len(found) > limits.part_count:
        raise MailError(f"more than {limits.part_count} parts")


def _parameter(told: bytes, wanted: bytes) -> str | None:
    """Return a parameter of a header, "" if it has none; None if it is written in an unusual way."""
    if wanted not in told.lower():
        return ""
    usual = _CONTENT.fullmatch(told)
    if not usual or not told.isascii():
        return None
    for name, quoted, word in _PARAMETERS.findall(told, usual.end(1)):
        if name.lower() == wanted:
            value: bytes = quoted or word
            return value.decode()
    return ""


def _decode(body: bytes, encoding: str) -> bytes:
    encoding = encoding.strip().lower()
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    if encoding != "base64":
        return body  # 7bit, 8bit, binary; nothing that decodes anything else is called
    try:
        return binascii.a2b_base64(body)
    except binascii.Error:
        # Cut or without its padding: Google's, as some mail stores hand them out.
        digits = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        return binascii.a2b_base64(digits[: len(digits) - (len(digits) % 4 == 1)] + b"==")


# The long way

_CONTENT_HEADER = re.compile(rb"[\r\n]content-[^\r\n]*+(?:(?:\r\n|\r|\n)[ \t][^\r\n]*+)*+", re.IGNORECASE)


class _Leafy(Message):
    """A part in whose attached messages the standard library does not look for further parts."""

    def get_content_type(self) -> str:
        """Return the type, hidden if it is that of a message."""
        return super().get_content_type().replace("message/", "attached-message/")


_LEAFY = policy.compat32.clone(message_factory=_Leafy)


def standard_parts(content: bytes, limits: Limits) -> list[Part]:
    """Return the parts as the standard library finds them, after a look at what they would cost."""
    _look_ahead(content, limits)
    try:
        return list(_leaves(message_from_bytes(content, policy=_LEAFY), limits, 0))
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        # What the standard library raises for headers that it does not foresee.
        raise MailError("malformed message") from error


def _look_ahead(content: bytes, limits: Limits) -> None:
    if content.count(b"\n") + content.count(b"\r") > _LINES:
        raise MailError(f"more than {_LINES} lines")
    if content.count(b"\n--") + content.count(b"\r--") > limits.boundary_lines:
        raise MailError(f"more than {limits.boundary_lines} lines that begin like boundaries")
    lowered = content.lower()
    if lowered.count(b"multipart/") + lowered.count(b"message/") > limits.multipart_mentions:
        raise MailError(f"more than {limits.multipart_mentions} parts in parts")
    longest = max((len(header[0]) for header in _CONTENT_HEADER.finditer(b"\n" + content)), default=0)
    if longest > limits.content_header_size:
        raise MailError(f"content header {larger_than(limits.content_header_size)}")


def _leaves(part: Message, limits: Limits, depth: int) -> Iterator[Part]:
    if depth > limits.multipart_depth:
        raise MailError(f"parts in parts more than {limits.multipart_depth} deep")
    if part.is_multipart():
        for inner in part.get_payload():
            assert isinstance(inner, Message)
            yield from _leaves(inner, limits, depth + 1)
        return
    encoding = str(part.get("Content-Transfer-Encoding", ""))
    del part["Content-Transfer-Encoding"]  # what it names is not called; see _decode
    body = part.get_payload(decode=True)
    kind = part.get_content_type().replace("attached-message/", "message/")
    yield Part(kind, _file_name(part), _decode(body if isinstance(body, bytes) else b"", encoding))


def _file_name(part: Message) -> str:
    name = part.get_param("filename", "", "content-disposition") or part.get_param("name", "")
    if isinstance(name, tuple):  # RFC 2231: (charset, language, the bytes as Latin-1)
        name = name[2].encode("latin-1", "replace").decode("utf-8", "replace")
    return name.strip().encode("utf-8", "replace").decode()
