"""A long run seen from the terminal: one line of progress, a clean stop, and a summary."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TextIO

from loaders.directory import measure
from tui.text import safe
from tui.words import count, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from loaders import Status, Summary
    from loaders.mailbox import Folder
    from loaders.published import Step

EVERY = 0.25  # seconds between two lines
KNOWN_AFTER = 2.0  # seconds after which what is left can be told from what is done


class _Line:
    """A line that is written over and over, if that is on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._seen = stream.isatty()
        self._last = time.monotonic()
        self._written = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._written:
            self._write("")

    def _due(self) -> bool:
        """Return whether it is time to write again."""
        due = self._seen and time.monotonic() - self._last >= EVERY
        if due:
            self._last = time.monotonic()
        return due

    def _write(self, line: str) -> None:
        # Back to the beginning of the line, and clear what is left of the one before.
        self._stream.write(f"\r{line[:79]}\x1b[K")
        self._stream.flush()
        self._written = bool(line)


class Progress(_Line):
    """Writes how far a run of loading has come."""

    def __init__(self, stream: TextIO, paths: Sequence[str]) -> None:
        super().__init__(stream)
        self._total = measure(paths) if self._seen else (None, None)

    def __call__(self, status: Status) -> None:
        """Show this, unless something was shown just before."""
        if self._due():
            files, size = self._total
            self._write(told(status._replace(total_files=files, total_bytes=size)))


def now_and_then(paths: Sequence[str], tell: Callable[[Status], object]) -> Callable[[Status], None]:
    """Return what tells how far a run over paths has come, with all that there is, but not too often."""
    last = 0.0
    total: tuple[int, int] | None = None

    def progress(status: Status) -> None:
        nonlocal last, total
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            total = total or measure(paths)
            tell(status._replace(total_files=total[0], total_bytes=total[1]))

    return progress


class ReadingAgain(_Line):
    """Writes how far the reading of what was kept has come."""

    def __call__(self, status: Status) -> None:
        """Show this, unless something was shown just before."""
        if self._due():
            self._write(told(status, "deliveries"))


class Looking(_Line):
    """Writes how far a look at some domains has come."""

    def __init__(self, stream: TextIO, domains: Sequence[str]) -> None:
        super().__init__(stream)
        self._domains = len(domains)
        self.finished = 0
        if self._seen:  # the first answer may take seconds
            about = safe(domains[0]) if self._domains == 1 else count(self._domains, "domain")
            self._write(f"looking at {about}; Ctrl-C stops")

    def __call__(self, step: Step) -> None:
        """Show this, unless something was shown just before."""
        if self._due():
            of = f"{self.finished:,}/{self._domains:,} domains, " if self._domains > 1 else ""
            self._write(of + looking(step))


def looking(step: Step) -> str:
    """Return one line about the look at a domain."""
    return f"{safe(step.policy_domain)} {step.done:,}/{step.total:,} {safe(step.doing)}"


class Fetching(_Line):
    """Writes how far the reading of a mailbox has come."""

    def __init__(self, stream: TextIO, mailbox: str) -> None:
        super().__init__(stream)
        self._mailbox = mailbox
        if self._seen:  # connecting may take seconds
            self._write(f"{safe(mailbox)}: connecting; Ctrl-C stops")

    def __call__(self, folder: str, source: Folder, status: Status) -> None:
        """Show this, unless something was shown just before."""
        if self._due():
            self._write(f"{safe(self._mailbox)} {safe(folder)}: {fetching(source, status)}")


def fetching(source: Folder, status: Status) -> str:
    """Return one line about the reading of a folder."""
    return told(status._replace(files=source.messages, total_files=source.total), "messages")


def told(status: Status, things: str = "files") -> str:
    """Return one line about a run.

    >>> from loaders import Status
    >>> told(Status(20, 4096, 18, 1, 2.0, 100, 20480))
    '20/100 files, 4.0 KiB, 18 reports, 1 refused, 8 s left, 9 reports/s'
    """
    of = f"/{status.total_files:,}" if status.total_files else ""
    parts = [
        f"{status.files:,}{of} {things}",
        size(status.bytes),
        count(status.reports, "report"),
        *([f"{status.refused:,} refused"] if status.refused else []),
    ]
    parts += left(status)
    if status.seconds > 0:
        parts.append(f"{status.reports / status.seconds:,.0f} reports/s")
    return ", ".join(parts)


def left(status: Status) -> list[str]:
    """Return the time that is left in words, once it can be told."""
    done, total = (status.bytes, status.total_bytes) if status.total_bytes else (status.files, status.total_files)
    if not total or not done or status.seconds < KNOWN_AFTER:
        return []
    return [f"{max(0.0, status.seconds * (total - done) / done):,.0f} s left"]


def summed_up(summary: Summary) -> str:
    """Return what a run did, and what it asks for."""
    parts = [
        count(summary.reports, "new report"),
        *([count(summary.checks, "new check")] if summary.checks else []),
        count(summary.duplicates, "duplicate"),
        *([f"{summary.superseded:,} superseded"] if summary.superseded else []),
        f"{summary.refused:,} refused" + (" (tlsrpt refused lists them)" if summary.refused else ""),
        f"{summary.skipped:,} skipped",
    ]
    line = f"{', '.join(parts)} in {summary.seconds:.1f} s"
    if summary.interrupted:
        line = f"stopped; kept what was finished: {line}"
    return "\n".join([line, *believable(summary, "tlsrpt load --vouch PATH")])


def believable(summary: Summary, vouching: str = "`vouch = true` of the mailbox") -> list[str]:
    """Return lines about new reports that no verdict rests on, and what makes them count."""
    lines = []
    if summary.signed:
        lines.append(
            f"{count(summary.signed, 'report')} came from reporters who are not known;"
            " tlsrpt accept lists them and accepts one"
        )
    if summary.unverified:
        lines.append(
            f"{count(summary.unverified, 'report')} came without a valid signature;"
            f" to answer for them yourself: {vouching}"
        )
    if summary.unchecked:
        lines.append(
            f"{count(summary.unchecked, 'report')} came in mail whose sender could not be checked;"
            f" to answer for them yourself: {vouching}"
        )
    return lines


def read_again(summary: Summary) -> str:
    """Return what reading again came to."""
    parts = [
        f"{count(summary.reports + summary.duplicates, 'report')} became readable",
        *([f"{count(summary.checks, 'check')} too"] if summary.checks else []),
        f"{summary.anew:,} read anew",
        f"{summary.refused:,} still refused",
        f"{summary.skipped:,} skipped",
    ]
    line = f"{', '.join(parts)} in {summary.seconds:.1f} s"
    return f"stopped; kept what was finished: {line}" if summary.interrupted else line


@contextmanager
def interruptible(*also: signal.Signals) -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether Ctrl-C was pressed; a second Ctrl-C ends the program.

    Other signals can be taken for the same.
    """
    pressed = False

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            signal.default_int_handler(number, frame)
        pressed = True

    before = {number: signal.signal(number, press) for number in (signal.SIGINT, *also)}
    try:
        yield lambda: pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM inside it end the program, for what is not told of it: a prompt."""
    if threading.current_thread() is not threading.main_thread():  # who cannot set handlers
        yield
        return
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
