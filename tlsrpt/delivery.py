"""Open a delivery: containers and mail around report documents, told apart by their first bytes."""

from __future__ import annotations

import binascii
import codecs
import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from tlsrpt import archive, mail
from tlsrpt.archive import ArchiveError, TooLargeError, larger_than
from tlsrpt.limits import LIMITS, Limits
from tlsrpt.mail import Mail, MailError
from tlsrpt.report import Defect

if TYPE_CHECKING:
    from tlsrpt.authentication import Authentication

__all__ = ["Document", "Mail", "Opened", "Refused", "Skipped", "unpack"]


class Document(NamedTuple):
    """A JSON document, perhaps a report or a file of checks, free of its containers."""

    name: str  # file name of the attachment or member, "" if none
    content: bytes
    mail: Mail | None
    defects: tuple[Defect, ...]  # what was read past on the way, such as bytes after a gzip stream


class Refused(NamedTuple):
    """Something that ought to be a report, or cannot be looked into, and why it is refused."""

    name: str
    content: bytes  # what to keep, so that it can be tried again
    mail: Mail | None
    reason: str


class Skipped(NamedTuple):
    """Not a TLS report, and nothing said that it was: a DMARC report, other mail, a README."""

    name: str
    what: str  # "dmarc report", "other mail", "not a report"


Opened = Document | Refused | Skipped
# Of one whole message, without a "From " line, and whether it is the outermost: what a mail server wrote into
# its headers says nothing in a mail that came inside another.
Authenticate = Callable[[bytes, bool], "Authentication"]


def unpack(
    content: bytes,
    name: str = "",
    limits: Limits = LIMITS,
    authenticate: Authenticate | None = None,
    *,
    is_mail: bool = False,
) -> Iterator[Opened]:
    """Yield what is in one file, archive member or mail message; `is_mail` says that it can be nothing but mail.

    For any bytes this ends, with bounded memory and without an exception. A mail without a TLS report is one
    Skipped, whatever else it holds. `authenticate` is asked about each mail that is to carry a report, and
    about no other: a forwarded report is worth what its own mail is.
    """
    if len(content) > limits.message_size:
        return iter([Refused(name, content, None, larger_than(limits.message_size))])
    announced = _REPORT_NAME.search(name) is not None
    around = _Around(limits, _Room(limits.documents_size), announced=announced, authenticate=authenticate)
    return (_mail if is_mail else _open)(content, name, around)


# RFC 8460 section 5.1: sender "!" policy-domain "!" begin "!" end, and perhaps a unique-id.
_REPORT_NAME = re.compile(r"![^!/]+!\d+!\d+(?:![^!/]*)?\.json", re.IGNORECASE)
_LIKE_A_REPORT = re.compile(r"!|tls|report|rpt", re.IGNORECASE)


class _Room:
    """Bytes that the containers of one delivery may still grow to."""

    def __init__(self, left: int) -> None:
        self.left = left


class _Around(NamedTuple):
    """What is known of the place where something was found."""

    limits: Limits
    room: _Room
    announced: bool = False  # a name or a label said that this is a TLS report
    mail: Mail | None = None
    defects: tuple[Defect, ...] = ()
    containers: int = 0  # around this, up to the nearest mail
    mails: int = 0
    authenticate: Authenticate | None = None

    @property
    def most(self) -> int:
        """Return how large the next thing to be unpacked may become."""
        return max(0, min(self.limits.document_size, self.room.left))


def _open(content: bytes, name: str, around: _Around) -> Iterator[Opened]:
    return _OPEN[_kind(content, around.limits)](content, name, around)


# What it is


_WORD_OF_BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}\s")
_UNSUPPORTED = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_UNSUPPORTED_MAGIC = tuple(_UNSUPPORTED)
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # UTF-32 adds zeros to these


def _kind(content: bytes, limits: Limits) -> str:
    return _kind_but_mail(content) or ("mail" if mail.is_mail(content, limits) else "other")


def _kind_but_mail(content: bytes) -> str:
    if content.startswith(archive.GZIP):
        return "gzip"
    if content.startswith((archive.ZIP, archive.EMPTY_ZIP)):
        return "zip"
    head = content[:264]
    # Whoever writes a mail can put the mark of a tar at its place among the headers.
    if archive.is_tar(head) and not mail.is_mail(content, LIMITS):
        return "tar"
    text = _text_head(head)
    if text.startswith((b"{", b"[")):
        return "json"
    if text.startswith((b"<?xml", b"<feedback")):
        return "xml"
    if content.startswith(_UNSUPPORTED_MAGIC):
        return "unsupported"
    return "base64" if _WORD_OF_BASE64.match(head + b"\n") else ""


def _text_head(head: bytes) -> bytes:
    """Return the first letters of a text in UTF-8, 16 or 32, without its mark and leading blanks."""
    if head[:1].isalpha():
        return head
    head = head.replace(b"\0", b"")
    for mark in _MARKS:
        head = head.removeprefix(mark)
    return head.lstrip()


# What has no container


_KEYS = (b'"policies"', b'"date-range"', b'"organization-name"', b'"report-id"', b'"tls-report"', b'"tlsrpt_check"')


def _json(content: bytes, name: str, around: _Around) -> Iterator[Opened]:
    if not around.announced and not _has_key(content):
        yield Skipped(name, "not a report")
    elif len(content) > around.limits.document_size:
        yield Refused(name, content, around.mail, larger_than(around.limits.document_size))
    else:
        yield Document(name, content, around.mail, around.defects)


def _has_key(content: bytes) -> bool:
    """Return whether a JSON text has a key that only reports have, or files of checks."""
    if b"\0" not in content[:8]:
        return any(key in content for key in _KEYS)
    wide = [gap.join(key[i : i + 1] for i in range(len(key))) for key in _KEYS for gap in (b"\0", b"\0\0\0")]
    return any(key in content for key in wide)


def _xml(content: bytes, name: str, _: _Around) -> Iterator[Opened]:
    yield Skipped(name, "dmarc report" if b"feedback" in content[:4096] else "not a report")


def _other(content: bytes, name: str, around: _Around) -> Iterator[Opened]:
    if around.announced:
        reason = "neither JSON nor an archive nor mail" if content else "empty"
        yield Refused(name, content, around.mail, reason)
    else:
        yield Skipped(name, "not a report")


def _unsupported(content: bytes, name: str, around: _Around) -> Iterator[Opened]:
    kind = next(kind for magic, kind in _UNSUPPORTED.items() if content.startswith(magic))
    if around.announced or around.mails or _LIKE_A_REPORT.search(name):
        yield Refused(name, content, around.mail, f"{kind} archives are not supported")
    else:
        yield Skipped(name, "not a report")


# Containers


_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})++(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?")


def _base64(content: bytes, name: str, around: _Around) -> Iterator[Opened]:
    # Exporters that write attachments as they stood in the mail, and gateways that encode them once more.
    text = b"".join(content.split())
    decoded = binascii.a2b_base64(text) if _BASE64.fullmatch(text) else b""
    if _kind(decoded, around.limits) in {"gzip", "zip", "json", "base64"}:
        yield from _inside(decoded, name, around, defect="encoded as base64")
    else:
        yield from _other(content, name, around)


def _gzip(content: bytes, name: str, around: _Around) -> Iterator[Opened]:
    try:
        inflated, remark = archive.gunzip(content, around.most, around.limits.gzip_members)
    except ArchiveError as error:
        yield Refused(name, content, around.mail, f"gzip: {_reason(error, around)}")
    else:
        yield from _inside(inflated, name, around, defect=remark)


def _zip(content: bytes, name: str, around: _Around) -> Iterator[Opened]:
    def read_at(size: int, offset: int) -> bytes:
        return content[offset : offset + size]

    empty = True
    try:
        entries = archive.zip_entries(read_at, len(content), around.limits.zip_entries)
    except ArchiveError as error:
        yield Refused(name, content, around.mail, f"zip: {error}")
        return
    unreadable: list[str] = []
    for entry in entries:
        if not entry.is_content:
            continue
        empty = False
        try:
            member = archive.read_entry(read_at, entry, around.most)
        except ArchiveError as error:
            unreadable.append(f"{entry.name}: {_reason(error, around)}")
            continue
        if member.startswith(archive.ZIP):
            yield Refused(entry.name, member, around.mail, "zip: a zip in a zip is not supported")
        else:
            yield from _inside(member, entry.name, around)
    if unreadable:
        # One refusal for all, with the archive: a member cannot be tried again by itself.
        yield Refused(name, content, around.mail, f"zip: {'; '.join(unreadable)}")
    if empty:
        yield from _other(b"", name, around)


def _tar(content: bytes, name: str, around: _Around) -> Iterator[Opened]:
    stream = io.BytesIO(content)
    empty = True
    try:
        for entry in archive.tar_entries(stream, around.limits.tar_members):
            empty = False
            if entry.size > around.most:
                reason = _reason(TooLargeError(larger_than(around.most)), around)
                yield Refused(name, content, around.mail, f"tar: from {entry.name} on: {reason}")
                return
            yield from _inside(archive.read_tar_entry(stream, entry), entry.name, around)
    except ArchiveError as error:
        yield Refused(name, content, around.mail, f"tar: {error}")
        return
    if empty:
        yield from _other(b"", name, around)


def _reason(error: ArchiveError, around: _Around) -> str:
    if isinstance(error, TooLargeError) and around.room.left < around.limits.document_size:
        return f"{larger_than(around.limits.documents_size)} with all that is around it unpacked"
    return str(error)


def _inside(content: bytes, name: str, around: _Around, *, defect: str = "") -> Iterator[Opened]:
    """Open what was in a container."""
    limits = around.limits
    if around.containers == limits.nesting:
        reason = f"more than {limits.nesting} containers in one another"
        return iter([Refused(name, content, around.mail, reason)])
    around.room.left -= len(content)
    inner = _Around(
        limits,
        around.room,
        around.announced or _REPORT_NAME.search(name) is not None,
        around.mail,
        (*around.defects, Defect("", defect)) if defect else around.defects,
        around.containers + 1,
        around.mails,
        around.authenticate,
    )
    return _open(content, name, inner)


# Mail


def _mail(content: bytes, name: str, around: _Around) -> Iterator[Opened]:
    limits, described = around.limits, None
    if around.mails > limits.nesting:
        yield _unread_mail(content, name, None, f"more than {limits.nesting} mails in one another")
        return
    message = mail.without_from_line(content)
    try:
        headers, rest = mail.split(message, limits)
        described = mail.describe(headers)
        announced = mail.announces_report(headers)
        parts = mail.parts(message, headers, rest, limits)
    except MailError as error:
        yield _unread_mail(content, name, described, str(error))
        return

    told = [_is_told(part) for part in parts]
    inner = _Around(
        limits,
        around.room,
        mail=described,
        defects=around.defects,
        mails=around.mails + 1,
        authenticate=around.authenticate,
    )
    found = _parts(parts, told, inner)
    dmarc = any(".xml" in part.name for part in parts) or any(
        isinstance(opened, Skipped) and opened.what == "dmarc report" for opened in found
    )
    # DMARC reports have the same Subject.
    announced = announced or any(told) or (not dmarc and mail.is_subject_of_report(described.subject or ""))
    refused_too = announced or any(isinstance(opened, Document) for opened in found)
    # A mail inside this one has judged for itself whether it announced a report.
    kept = [
        opened
        for opened in found
        if isinstance(opened, Document)
        or (isinstance(opened, Refused) and (refused_too or opened.mail is not described))
    ]
    if announced and not kept:
        kept = [Refused(name, content, described, "announces a TLS report and holds none")]
    if kept:
        own = _authenticated(described, message, around) if any(one.mail is described for one in kept) else described
        yield from (one._replace(mail=own) if one.mail is described else one for one in kept)
    else:
        yield Skipped(name, "dmarc report" if dmarc else "other mail")


def _authenticated(described: Mail, message: bytes, around: _Around) -> Mail:
    if around.authenticate is None:
        return described
    outermost = not around.mails and not around.containers
    return described._replace(authentication=around.authenticate(message, outermost))


def _unread_mail(content: bytes, name: str, described: Mail | None, reason: str) -> Opened:
    if mail.mentions_report(content):
        return Refused(name, content, described, reason)
    return Skipped(name, "other mail")


def _is_told(part: mail.Part) -> bool:
    """Return whether the label or the name of a part says that it is a TLS report."""
    return part.content_type.startswith("application/tlsrpt") or bool(part.name and _REPORT_NAME.search(part.name))


def _parts(parts: list[mail.Part], told: list[bool], around: _Around) -> list[Opened]:
    found: list[Opened] = []
    reports = 0
    for part, is_told in zip(parts, told, strict=True):
        if part.content_type.startswith("text/") and not is_told and not _kind_but_mail(part.content):
            continue  # the covering words, and headers that a bounce quotes
        if part.content_type in {"message/rfc822", "message/global"}:
            opened = list(_mail(part.content, part.name, around))
        else:
            opened = list(_open(part.content, part.name, around._replace(announced=True) if is_told else around))
        reports += any(isinstance(one, Document) for one in opened)
        if reports > around.limits.report_parts:
            # Each by itself, so that each can be tried again.
            reason = f"more than {around.limits.report_parts} report attachments"
            opened = [Refused(part.name, part.content, around.mail, reason)]
        found += opened
    return found


_OPEN = {
    "json": _json,
    "xml": _xml,
    "other": _other,
    "unsupported": _unsupported,
    "base64": _base64,
    "gzip": _gzip,
    "zip": _zip,
    "tar": _tar,
    "mail": _mail,
}
