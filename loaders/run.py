"""One run of loading: read and parse in this thread, store in another, a batch at a time."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, NamedTuple, Self

from loaders import Delivery, Done, File, Reached, Source, Status, Summary
from loaders.batch import Arrival, Batch, ReadFile, Stored, content_hash, identity, write
from loaders.rows import Incoming, Standing
from tlsrpt.delivery import Document, Opened, Refused, Skipped, unpack
from tlsrpt.parse import Hints, Parsed, Reading, RefusedEntry, excluded, parse
from tlsrpt.report import Defect, ReportError
from tlsrpt.store import Store, utc_now

if TYPE_CHECKING:
    from loaders.senders import Senders
    from tlsrpt.mail import Mail

# Enough reports for columns to pay, few enough for memory and for others who wait for the store.
_BATCH_REPORTS = 2_000
_BATCH_ARRIVALS = 10_000  # with what is no report
_BATCH_BYTES = 16 << 20
_BATCH_SECONDS = 2.0  # of a slow source; what it gave is safe after so long
_TELL_EVERY = 0.1  # seconds
_REST = 0.2  # seconds without a batch after which others are let in

VOUCHED, UNCHECKED = Standing("vouched"), Standing("unchecked")

CONTAINER = "container"  # the place of defects outside the document


def _absolute(path: str) -> str:
    # A folder's name need not be UTF-8, and the store takes nothing else.
    return os.fsencode(os.path.abspath(path)).decode("utf-8", "backslashreplace")  # noqa: PTH100 - in a loop over files


class KnownFiles:
    """Tells which files the store has read to their end, unchanged since."""

    def __init__(self, store: Store, *, vouch: bool) -> None:
        self._store = store
        self._vouch = vouch
        self.reports = 0  # how many reports the known files held
        self.changed: set[str] = set()  # paths of files that were read before and are not the same now

    def __call__(self, files: Sequence[File]) -> set[File]:
        """Return those of the files that need not be opened again."""
        absolute = {_absolute(file.path): file for file in files}
        with self._store.reading() as connection:
            found = connection.execute(
                """
                SELECT path, size, mtime_ns, reports, vouched FROM files
                WHERE path IN (SELECT unnest($paths::VARCHAR[]))
                """,
                {"paths": list(absolute)},
            ).fetchall()
        same: set[File] = set()
        # Reading the store's own files here would drop the lock that DuckDB holds on them.
        same |= {file for path, file in absolute.items() if self._is_own(path)}
        for path, size, mtime_ns, reports, vouched in found:
            file = absolute[path]
            # What the operator answers for from now on is read again, to be believed.
            if (file.size, file.mtime_ns) == (size, mtime_ns) and (vouched or not self._vouch):
                same.add(file)
                self.reports += reports
            else:
                self.changed.add(file.path)
        return same

    def _is_own(self, path: str) -> bool:
        own = self._store.path
        if own is None or not file_name(path).startswith(own.name):
            return False
        return Path(path).parent.samefile(own.parent)


class Origin(NamedTuple):
    """Where something was found."""

    source: str  # file, or file and place inside it
    name: str  # file name, without folders
    vouched: bool  # the operator answers for it

    def inside(self, member: str) -> Origin:
        """Return the place of a member of this; of this itself, if the member is ""."""
        return Origin(f"{self.source}: {member}", file_name(member), self.vouched) if member else self

    def label(self, name: str) -> str:
        """Return a name to show beside the source: none if the source ends in it."""
        return "" if name == self.name else name


def file_name(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


class Reader:
    """Turns what was opened into a batch."""

    def __init__(self, store: Store, now: datetime, senders: Senders | None = None) -> None:
        self._senders = senders
        with store.reading() as connection:
            [(secret,)] = connection.execute("SELECT value FROM properties WHERE name = 'secret'").fetchall()
        self._secret = bytes.fromhex(secret)
        self._now = now
        self.batch = Batch()
        self.reports = 0  # read so far, over all batches
        self.refused = 0

    def next_batch(self) -> Batch:
        """Return the batch, and begin another."""
        done, self.batch = self.batch, Batch()
        return done

    def take(self, opened: Opened, origin: Origin) -> None:
        """Take in one thing that was found in a delivery."""
        opened = _dated(opened)
        if isinstance(opened, Document):
            try:
                parsed = parse(opened.content, Hints(opened.mail, opened.name or origin.name))
            except ReportError as error:
                self._no_report(opened, origin, str(error))
            else:
                self.document(parsed, opened, origin)
        elif isinstance(opened, Refused):
            self.refuse(opened, origin)
        else:
            name = origin.label(opened.name)
            self.batch.arrivals.append(Arrival(origin.source, name, "skipped", opened.what, b"", None, origin.vouched))

    def refuse(self, refused: Refused, origin: Origin, of: int | None = None) -> None:
        """Keep something that cannot be read; `of` is the place of the report that it is an entry of."""
        name, content, mail, reason = refused
        name = origin.label(name)
        self._arrive(Arrival(origin.source, name, "refused", reason, content, mail, origin.vouched, of))
        self.refused += 1

    def document(self, parsed: Parsed, opened: Document, origin: Origin, standing: Standing | None = None) -> int:
        """Take in what a document held and return the place in the batch of its first report.

        `standing` is what its reports are worth, if that is known already.
        """
        first = len(self.batch.incoming)
        standing = standing or self._standing(opened.mail, origin)
        received = opened.mail.received if opened.mail else None
        for reading in parsed.readings:
            if self._senders is not None and (reason := self._senders.too_many(standing, reading, received)):
                self.refuse(Refused(opened.name, b"", opened.mail, reason), origin)
                continue
            place = self._report(reading, opened, origin, standing)
            self._entries(reading.refused, opened, origin, place)
        self._entries(parsed.refused, opened, origin, None)
        return first

    def _standing(self, mail: Mail | None, origin: Origin) -> Standing:
        # Anyone can mail a report; a bare file is one that the operator chose.
        if origin.vouched or mail is None:
            return VOUCHED
        if self._senders is None or mail.authentication is None:
            return UNCHECKED
        return self._senders.standing(mail.authentication)

    def _report(self, reading: Reading, opened: Document, origin: Origin, standing: Standing) -> int:
        report, mail = reading.report, opened.mail
        if opened.defects:
            odd = tuple(Defect(CONTAINER, message) for _, message in opened.defects)
            report = report._replace(defects=odd + report.defects)
        received = mail.received if mail else None
        self.batch.incoming.append(
            Incoming(
                report,
                reading.document,
                identity(self._secret, report, standing.signer),
                content_hash(reading.document),
                standing,
                received,
                excluded(report, received, self._now),
                len(self.batch.arrivals),
            )
        )
        name = origin.label(opened.name)
        self._arrive(Arrival(origin.source, name, "report", "", b"", mail, origin.vouched))
        self.batch.bytes += len(reading.document)
        self.reports += 1
        return len(self.batch.incoming) - 1

    def _no_report(self, opened: Document, origin: Origin, reason: str) -> None:
        """Take in a file of checks, or refuse what is none for this reason."""
        from tlsrpt.check_file import is_check_file  # noqa: PLC0415 - most loads see none, and need no models of one

        if is_check_file(opened.content):
            # Anyone can mail one, and nothing vouches for it.
            reason = "a check in a mail: give the file itself" if opened.mail else self._checks(opened, origin)
        if reason:
            self.refuse(Refused(opened.name, opened.content, opened.mail, reason), origin)

    def _checks(self, opened: Document, origin: Origin) -> str:
        """Take in a file of checks and return "", or why it is refused."""
        from loaders.observations import look  # noqa: PLC0415 - as above
        from tlsrpt.check_file import read_checks  # noqa: PLC0415 - as above

        try:
            found = read_checks(opened.content, self._now)
        except ReportError as error:
            return str(error)
        self.batch.looks += [look(check, origin.source) for check in found.checks]
        self.batch.bytes += len(opened.content)
        self._entries(found.refused, opened, origin, None)
        return ""

    def _entries(self, entries: Sequence[RefusedEntry], opened: Document, origin: Origin, of: int | None) -> None:
        for where, content, reason in entries:
            name = f"{origin.label(opened.name)} {where}".strip()
            self.refuse(Refused(name, content, opened.mail, reason), origin, of)

    def _arrive(self, arrival: Arrival) -> None:
        self.batch.arrivals.append(arrival)
        self.batch.bytes += len(arrival.content)


def _dated(opened: Opened) -> Opened:
    """Return what came in a signed mail with the time of its signature in place of that of its receipt.

    Whoever sends an old report once more must not make it the newest.
    """
    if isinstance(opened, Skipped) or opened.mail is None or opened.mail.authentication is None:
        return opened
    made = opened.mail.authentication.made
    return opened if made is None else opened._replace(mail=opened.mail._replace(received=made))


class Run:
    """One run of loading into a store."""

    def __init__(
        self,
        store: Store,
        *,
        known: KnownFiles | None,
        vouch: bool,
        senders: Senders | None,
        progress: Callable[[Status], None] | None,
        stopped: Callable[[], bool],
    ) -> None:
        self._store = store
        self._vouch = vouch
        self._authenticate = None if senders is None or vouch else senders.authenticate
        self._progress = progress
        self._stopped = stopped
        self._now = utc_now()
        with store.reading():  # opened once for both
            self._reader = Reader(store, self._now, senders)
            # What these sources left in the store is replaced when they are read again.
            self._unread = _unread(store) if known else frozenset()
        self._again = known.changed if known else set()
        self._began = time.monotonic()
        self._told = 0.0
        self._files = self._bytes = self._before_file = 0

    def load(self, source: Source) -> Summary:
        """Read a source to its end, or until stopped, and return what was stored."""
        interrupted, put = False, self._began
        with _no_garbage_collection(), _Writer(self._store, self._now, self._stopped) as writer:
            for item in source.deliveries():
                if isinstance(item, Done):
                    self._done(item.file)
                elif isinstance(item, Reached):
                    self._reached(item)
                else:
                    self._take(item)
                    # Of a mail during which it was stopped the signature may not have been checked: read it again.
                    if item.reached is not None and not self._stopped():
                        self._reached(item.reached)
                batch = self._reader.batch
                now = time.monotonic()
                if (
                    len(batch.incoming) >= _BATCH_REPORTS
                    or len(batch.arrivals) >= _BATCH_ARRIVALS
                    or batch.bytes >= _BATCH_BYTES
                    or now - put >= _BATCH_SECONDS
                ):
                    writer.put(self._reader.next_batch())
                    put = now
                self._tell()
                if self._stopped():
                    interrupted = True
                    break
            writer.put(self._reader.next_batch())
        self._tell(now=True)
        seconds = time.monotonic() - self._began
        return Summary(*writer.stored, files=self._files, seconds=seconds, interrupted=interrupted)

    def _tell(self, *, now: bool = False) -> None:
        if self._progress is None:
            return
        seconds = time.monotonic() - self._began
        if now or seconds - self._told >= _TELL_EVERY:
            self._told = seconds
            reader = self._reader
            self._progress(Status(self._files, self._bytes, reader.reports, reader.refused, seconds, None, None))

    def _take(self, delivery: Delivery) -> None:
        self._bytes += len(delivery.content)
        origin = Origin(delivery.source, file_name(delivery.source), self._vouch).inside(delivery.member)
        if delivery.again or delivery.source in self._again or origin.source in self._unread:
            self._reader.batch.again.add(origin.source)
        if delivery.refused is not None:
            self._reader.refuse(Refused("", delivery.content, None, delivery.refused), origin)
            return
        for opened in unpack(delivery.content, origin.name, authenticate=self._authenticate, is_mail=delivery.is_mail):
            self._reader.take(opened, origin)

    def _reached(self, reached: Reached) -> None:
        self._reader.batch.reached[reached.account, reached.folder] = reached

    def _done(self, file: File) -> None:
        reports = self._reader.reports - self._before_file
        self._before_file = self._reader.reports
        path = _absolute(file.path)
        self._reader.batch.files.append(ReadFile(path, file.size, file.mtime_ns, self._vouch, reports))
        self._files += 1


def _unread(store: Store) -> frozenset[str]:
    """Return the sources that were refused without having been read, such as files without permission."""
    with store.reading() as connection:
        found = connection.execute(
            "SELECT DISTINCT source FROM deliveries WHERE outcome = 'refused' AND size = 0 LIMIT 100000"
        ).fetchall()
    return frozenset(source for (source,) in found)


class _Writer:
    """Stores batches in a thread of its own, one of them waiting at most."""

    def __init__(self, store: Store, now: datetime, stopped: Callable[[], bool]) -> None:
        self.stored = Stored()
        self._store = store
        self._now = now
        self._stopped = stopped
        self._ended = False  # whether there is nothing more to come
        self._queue: Queue[Batch | None] = Queue(maxsize=1)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="tlsrpt writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def put(self, batch: Batch) -> None:
        """Hand over a batch; raise what went wrong with an earlier one."""
        if self._error is not None:
            raise self._error
        if batch:
            self._queue.put(batch)

    def _work(self) -> None:
        try:
            self._store_all()
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error
        while not self._ended:  # keep the queue moving until the reader hears of it
            self._ended = self._queue.get() is None

    def _store_all(self) -> None:
        with self._store.stoppable(self._stopped), self._store.staying() as stay:
            while True:
                try:
                    batch = self._queue.get(timeout=_REST)
                except Empty:
                    stay.leave_if_others_wait()
                    continue
                if batch is None:
                    self._ended = True
                    return
                self.stored = self.stored.plus(write(self._store, batch, self._now))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pause the cyclic collector: a load makes many objects and no cycles. Worth 15 % of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
