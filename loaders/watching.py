"""Wait for news in mailboxes: a connection to each, told by the server where it can tell (IDLE, RFC 2177)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, Queue

from loaders.imap import ImapError
from loaders.mailbox import Connection, Mailbox, pause
from tlsrpt.limits import MAILBOX_LIMITS, MailboxLimits

_SLICE = 0.2  # seconds after which one looks whether to stop
_LAST = 0.7  # seconds that all connections have to end in
_LASTING = {"secret", "login", "certificate", "tls", "folder"}  # kinds of errors that an operator has to mend


def watch(
    mailboxes: Sequence[Mailbox], stopped: Callable[[], bool], *, limits: MailboxLimits = MAILBOX_LIMITS
) -> Iterator[Mailbox]:
    """Yield a mailbox each time that there may be news in it, until stopped.

    The server tells of the first folder at once; every `watch_seconds` all folders are due, and a mailbox that
    cannot be reached is too, so that whoever reads it hears why.
    """
    news = _News()
    over = threading.Event()

    def ended() -> bool:
        return over.is_set() or stopped()

    threads = [
        threading.Thread(target=_listen, args=(one, news, ended, limits), name=f"tlsrpt {one.name}", daemon=True)
        for one in mailboxes
    ]
    for thread in threads:
        thread.start()
    try:
        while not stopped():
            try:
                mailbox = news.get(timeout=_SLICE)
            except Empty:
                continue
            news.waiting.discard(mailbox.name)
            yield mailbox
    finally:
        over.set()
        until = time.monotonic() + _LAST
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


class _News(Queue[Mailbox]):
    """Mailboxes that are due, each once however often its server told of something."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: set[str] = set()

    def tell(self, mailbox: Mailbox) -> None:
        """Let a mailbox be due, unless it is already."""
        if mailbox.name not in self.waiting:
            self.waiting.add(mailbox.name)
            self.put(mailbox)


def _listen(mailbox: Mailbox, news: _News, stopped: Callable[[], bool], limits: MailboxLimits) -> None:
    while not stopped():
        try:
            with Connection(mailbox, limits, stopped) as connection:
                session = connection.session()
                session.open(mailbox.folders[0])
                news.tell(mailbox)  # what came before the server began to tell
                while not stopped():
                    session.wait(limits.watch_seconds, limits.poll_seconds)
                    news.tell(mailbox)
        except ImapError as error:
            news.tell(mailbox)
            pause(limits.lasting_seconds if error.kind in _LASTING else limits.poll_seconds, stopped)
