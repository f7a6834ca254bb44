"""Open a delivery: containers and mail around report documents, told apart by their first bytes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from tlsrpt.limits import LIMITS, Limits
from tlsrpt.report import Defect


class Mail(NamedTuple):
    """What the mail around a report says. Written by anyone: a label, never a proof."""

    message_id: str | None
    sender: str | None  # domain of From, lower-case
    subject: str | None  # unfolded, encoded words left as they are
    report_domain: str | None  # TLS-Report-Domain
    report_submitter: str | None  # TLS-Report-Submitter
    received: datetime | None  # UTC without tzinfo; from the topmost Received, else Date


class Document(NamedTuple):
    """A JSON document, perhaps a report, free of its containers."""

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


def unpack(content: bytes, name: str = "", limits: Limits = LIMITS) -> Iterator[Opened]:
    """Yield what is in one file, archive member or mail message."""
    raise NotImplementedError
