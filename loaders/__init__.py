"""Bring evidence into the store: from a source, through the limits, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from loaders.run import KnownFiles
    from loaders.senders import Senders
    from tlsrpt.store import Store


class File(NamedTuple):
    """A file as it lies on disk; the same three values mean that it has not changed."""

    path: str
    size: int  # bytes
    mtime_ns: int


class Reached(NamedTuple):
    """A folder of a mailbox has been read up to a message."""

    account: str  # user@host: another mailbox may get the same name in the configuration
    folder: str
    uidvalidity: int | None
    uid: int


class Delivery(NamedTuple):
    """A message, file or archive member as it was found, unopened."""

    source: str  # path of the file, "-" for standard input
    member: str  # place inside it, such as "2026/a.json.gz" or "message 12"; "" for the file itself
    content: bytes  # b"" when it was refused before reading
    refused: str | None = None  # why it could not be read, such as "larger than 16 MiB"
    again: bool = False  # it may have been read before, from the same place
    reached: Reached | None = None  # stored in one transaction with what this brought
    is_mail: bool = False  # whatever its bytes look like: strangers choose those


class Done(NamedTuple):
    """A file has been read to its end."""

    file: File


class Source(Protocol):
    """Where deliveries come from."""

    def deliveries(self) -> Iterator[Delivery | Done | Reached]:
        """Yield each delivery once, reading it only when asked, and Done after the last one of a file.

        Reached tells of messages of a mailbox that were passed over.
        """


class Summary(NamedTuple):
    """What a run did."""

    reports: int = 0  # new ones stored
    duplicates: int = 0  # the same report or check once more, known files among them
    superseded: int = 0  # older reports that a newer one with the same identity replaced
    refused: int = 0  # deliveries and entries kept with a reason
    skipped: int = 0  # deliveries that are no TLS reports
    unchecked: int = 0  # of the new reports, those in mail whose sender nobody checked or vouched for
    signed: int = 0  # of the new reports, those signed by somebody who is no known reporter
    unverified: int = 0  # of the new reports, those in mail without a signature, or with one that fails
    anew: int = 0  # reports that `reread` read again, none of them new
    checks: int = 0  # new ones stored
    files: int = 0  # or messages
    seconds: float = 0.0
    interrupted: bool = False


class Status(NamedTuple):
    """How far a run has come, for showing."""

    files: int  # or messages
    bytes: int
    reports: int
    refused: int
    seconds: float
    total_files: int | None  # None while not known
    total_bytes: int | None


class SourceError(Exception):
    """This source cannot be read at all: no such file, no permission."""


def load(
    source: Source,
    store: Store,
    *,
    known: KnownFiles | None = None,
    vouch: bool = False,
    senders: Senders | None = None,
    progress: Callable[[Status], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Summary:
    """Store every report and every check of a source and return what was done.

    `known` is what the source asks about known files; the reports in those count as duplicates. `vouch`
    says that the operator answers for the origin of mail, as for bare files; else `senders` tells what each
    mail is worth. `progress` is told now and then, in this thread; once `stopped` is true, what was read so
    far is stored and the run ends.
    Raises SourceError if the source cannot be read, StoreError if the store cannot be written.
    """
    from loaders.run import Run  # noqa: PLC0415 - the types above are wanted where no database is

    run = Run(store, known=known, vouch=vouch, senders=senders, progress=progress, stopped=stopped)
    summary = run.load(source)
    return summary._replace(duplicates=summary.duplicates + known.reports) if known else summary


def reread(
    store: Store,
    *,
    everything: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[Status], None] = lambda status: None,  # noqa: ARG005 - nobody looks
) -> Summary:
    """Read refused deliveries again, or everything, from what the store kept, as this version reads it.

    In the summary, `reports` are those that became readable, and `anew` those that were readable before.
    Raises StoreError if the store cannot be written.
    """
    from loaders.again import reread as run  # noqa: PLC0415 - as above

    return run(store, everything=everything, stopped=stopped, progress=progress)


def known_files(store: Store, *, vouch: bool = False) -> KnownFiles:
    """Return what tells a source which files the store has read before."""
    from loaders.run import KnownFiles  # noqa: PLC0415 - as above

    return KnownFiles(store, vouch=vouch)
