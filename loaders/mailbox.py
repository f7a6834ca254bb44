"""Reports out of IMAP mailboxes: folder by folder, each from where the last run stopped.

What a run has read and how far it came are stored in the same transaction, so that a run that is killed loses
nothing and repeats nothing. One bad message is refused with its reason, and never stops a run or comes back.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeVar
from urllib.parse import quote

from loaders import Delivery, Reached, Status, Summary, load
from loaders.imap import Account, Described, ImapError, Session, may_be_report
from loaders.secret import SecretError
from tlsrpt import mail
from tlsrpt.archive import larger_than
from tlsrpt.limits import LIMITS, MAILBOX_LIMITS, MailboxLimits
from tlsrpt.mail import MailError
from tlsrpt.store import Store, utc_now

if TYPE_CHECKING:
    from loaders.senders import Senders

T = TypeVar("T")

_AGAIN = {"broken", "connection", "protocol"}  # kinds of errors that another try may overcome
_SLICE = 0.1  # seconds after which a pause looks whether to stop
_TIDIED = 50  # messages moved or deleted by one command


class Secret(Protocol):
    """A password or a token, for whoever asks."""

    def __call__(self, *, fresh: bool = False, stopped: Callable[[], bool] = lambda: False) -> str:
        """Return it; `fresh` asks for a new one. Raises SecretError, also once `stopped` is true."""

    def forget(self) -> None:
        """Do not give the same one again: it was refused."""


class Mailbox(NamedTuple):
    """A mailbox as it is configured."""

    name: str
    account: Account
    secret: Secret
    folders: tuple[str, ...]
    after: str = "keep"  # what becomes of messages whose reports are stored: "keep", "move", "delete"
    move_to: str = ""  # folder
    trusted_authserv_id: str = ""
    vouch: bool = False


class Visit(NamedTuple):
    """What one visit to a folder came to."""

    mailbox: str
    folder: str  # "" if the mailbox could not be entered
    began_at: datetime  # UTC without tzinfo
    messages: int  # looked at
    waiting: int  # messages left for the next visit
    summary: Summary
    problem: ImapError | None  # what kept it from reading everything


class Cursor(NamedTuple):
    """How far a folder has been read."""

    uidvalidity: int | None
    uid: int


NOWHERE = Cursor(None, 0)


def place(account: Account, folder: str, uidvalidity: int | None = None) -> str:
    """Return a folder as a URL (RFC 5092): by its server and user, whatever the mailbox is called here."""
    url = f"imap://{quote(account.user, safe='')}@{account.host}/{quote(folder, safe='/')}"
    return url if uidvalidity is None else f"{url};UIDVALIDITY={uidvalidity}"


def owner(account: Account) -> str:
    """Return whose messages are numbered together."""
    return f"{account.user}@{account.host}"


def pause(seconds: float, stopped: Callable[[], bool]) -> None:
    """Wait for so long, or until stopped."""
    until = time.monotonic() + seconds
    while not stopped() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE))


class Connection:
    """A connection to a mailbox that is made when it is needed, and made again when it broke."""

    def __init__(self, mailbox: Mailbox, limits: MailboxLimits, stopped: Callable[[], bool]) -> None:
        self.mailbox = mailbox
        self.limits = limits
        self.stopped = stopped
        self._session: Session | None = None

    def session(self) -> Session:
        """Return a session that is logged in; of a server that does not answer, after several tries.

        Raises ImapError; of kind "secret" if there is no password to be had.
        """
        for attempt in range(self.limits.reconnects):
            if self._session is not None:
                return self._session
            try:
                self._session = self._entered()
            except ImapError as error:
                if error.kind not in _AGAIN or attempt == self.limits.reconnects - 1:
                    raise
                self._pause(self.limits.pause_seconds * 2**attempt)
        assert self._session is not None
        return self._session

    def _entered(self) -> Session:
        try:
            return self._with(self._secret())
        except ImapError as error:
            if error.kind != "login" or self.mailbox.account.auth not in {"xoauth2", "oauthbearer"}:
                raise
        # A token may have run out since it was asked for. Once: a server locks out whoever goes on.
        return self._with(self._secret(fresh=True))

    def _with(self, secret: str) -> Session:
        try:
            return Session.connect(self.mailbox.account, secret, limits=self.limits, stopped=self.stopped)
        except ImapError as error:
            if error.kind == "login":
                self.mailbox.secret.forget()
            raise

    def _secret(self, *, fresh: bool = False) -> str:
        try:
            return self.mailbox.secret(fresh=fresh, stopped=self.stopped)
        except SecretError as error:
            raise ImapError("stopped" if self.stopped() else "secret", str(error)) from None

    def _pause(self, seconds: float) -> None:
        pause(seconds, self.stopped)
        if self.stopped():
            raise ImapError("stopped", "stopped")

    def drop(self) -> None:
        """Let go of a session that is of no use any more."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


class Folder:
    """A source of deliveries: the messages of a folder that come after a cursor."""

    def __init__(self, connection: Connection, folder: str, cursor: Cursor, *, most: int) -> None:
        self.messages = 0  # looked at so far
        self.read = 0  # messages whose content was fetched
        self.uidvalidity: int | None = None
        self.problem: ImapError | None = None
        self._connection = connection
        self._limits = connection.limits
        self._folder = folder
        self._cursor = cursor
        self._most = most  # messages to fetch
        self._session: Session | None = None  # in which the folder is open
        self._broken = 0  # messages in a row that the server broke off at
        self._until = time.monotonic() + self._limits.run_seconds
        self._uids: Sequence[int] = ()

    @property
    def total(self) -> int:
        """Messages to look at."""
        return len(self._uids)

    @property
    def waiting(self) -> int:
        """Messages left to look at."""
        return self.total - self.messages

    def deliveries(self) -> Iterator[Delivery | Reached]:
        """Yield what may be a report, and Reached after each step. Ends early, with a `problem`, if it has to."""
        try:
            session = self._opened()
            known = self._cursor.uidvalidity is not None and self._cursor.uidvalidity == self.uidvalidity
            self._uids = uids = session.uids(self._cursor.uid if known else 0)
            if not known:
                yield self._reached(0)
            for at in range(0, len(uids), self._limits.sizes_at_once):
                yield from self._chunk(uids[at : at + self._limits.sizes_at_once])
                if self._enough():
                    return
        except ImapError as error:
            if error.kind != "stopped":
                self.problem = error

    def _enough(self) -> bool:
        return self.read >= self._most or time.monotonic() > self._until

    def _opened(self) -> Session:
        """Return a session in which the folder is open."""
        session = self._connection.session()
        if session is not self._session:
            opened = session.open(self._folder)
            if self._session is not None and opened.uidvalidity != self.uidvalidity:
                raise ImapError("folder", f"{self._folder}: the server numbered its messages anew meanwhile")
            self.uidvalidity = opened.uidvalidity
            self._session = session
        return session

    def _chunk(self, uids: Sequence[int]) -> Iterator[Delivery | Reached]:
        described = self._ask(uids, Session.describe)
        group: list[int] = []
        size = 0
        for uid in uids:
            found = described.get(uid)
            if isinstance(found, Described) and found.size > LIMITS.message_size:
                # A large mail that is no report is none of our business.
                if _announces(found):
                    yield from self._fetch(group)
                    group, size = [], 0
                    yield self._delivery(uid, b"", larger_than(LIMITS.message_size))
            elif not isinstance(found, Described) or may_be_report(found):
                # What cannot be described, or is not, is looked at as a whole, within the limits.
                expected = found.size if isinstance(found, Described) else LIMITS.message_size
                if group and (len(group) == self._limits.bodies_at_once or size + expected > self._limits.bodies_size):
                    yield from self._fetch(group)
                    group, size = [], 0
                    if self._enough():
                        return
                group.append(uid)
                size += expected
        yield from self._fetch(group)
        yield self._reached(uids[-1])

    def _fetch(self, group: Sequence[int]) -> Iterator[Delivery]:
        bodies = self._ask(group, Session.bodies) if group else {}
        missing = [uid for uid in group if uid not in bodies]
        there = set(self._opened().uids(missing[0] - 1)) if missing else set()
        for uid in group:
            self.read += 1
            found = bodies.get(uid)
            if isinstance(found, bytes):
                yield self._delivery(uid, found)
            elif isinstance(found, ImapError):
                yield self._delivery(uid, b"", f"the server could not hand it out: {found}")
            elif uid in there:  # else it was deleted meanwhile
                yield self._delivery(uid, b"", "the server handed out nothing")

    def _reached(self, uid: int) -> Reached:
        self.messages = bisect_right(self._uids, uid)
        return Reached(owner(self._connection.mailbox.account), self._folder, self.uidvalidity, uid)

    def _delivery(self, uid: int, content: bytes, refused: str | None = None) -> Delivery:
        source = f"{place(self._connection.mailbox.account, self._folder, self.uidvalidity)}/;UID={uid}"
        # It may have been read before: by a run that was stopped, by one at the same time, or on request.
        return Delivery(source, "", content, refused, again=True, reached=self._reached(uid), is_mail=True)

    def _ask(
        self, uids: Sequence[int], ask: Callable[[Session, Sequence[int]], dict[int, T]]
    ) -> dict[int, T | ImapError]:
        """Return what the server tells of messages; of one that it cannot be asked about, the error.

        A message that breaks the connection, or whose answer makes no sense, is found by halves.
        """
        try:
            return self._tried(uids, ask)
        except ImapError as error:
            if error.kind not in _AGAIN:
                raise
        half = len(uids) // 2
        if time.monotonic() > self._until:
            raise ImapError("broken", f"not done within {self._limits.run_seconds:,.0f} seconds")
        if half:
            return self._ask(uids[:half], ask) | self._ask(uids[half:], ask)
        try:
            return self._tried(uids, ask)
        except ImapError as error:
            if error.kind not in _AGAIN:
                raise
            if error.kind != "protocol":
                self._broken += 1
                if self._broken == self._limits.reconnects:  # not the messages: the server
                    raise
            return {uids[0]: error}

    def _tried(
        self, uids: Sequence[int], ask: Callable[[Session, Sequence[int]], dict[int, T]]
    ) -> dict[int, T | ImapError]:
        try:
            found = ask(self._opened(), list(uids))
        except ImapError as error:
            if error.kind != "stopped":
                self._connection.drop()
            raise
        self._broken = 0
        return dict(found)


def _announces(described: Described) -> bool:
    """Return whether the headers of a message say that it carries a report."""
    try:
        headers, _ = mail.split(described.headers, LIMITS)
    except MailError:
        return False
    return mail.announces_report(headers) or mail.is_subject_of_report(headers.text(b"subject"))


# One run


Progress = Callable[[str, Folder, Status], None]  # the mailbox and folder, and how far that has come


def fetch(
    store: Store,
    mailbox: Mailbox,
    senders: Senders,
    *,
    anew: bool = False,
    limits: MailboxLimits = MAILBOX_LIMITS,
    progress: Progress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Visit]:
    """Store the reports of a mailbox that are new since the last run, and return what each folder came to.

    `anew` reads its folders from their beginning; what is stored already counts as duplicates. A folder that
    cannot be read does not keep the others from being read. Raises StoreError.
    """
    visits: list[Visit] = []
    left = limits.messages_per_run
    with Connection(mailbox, limits, stopped) as connection:
        for folder in mailbox.folders:
            began_at = utc_now()
            cursor = NOWHERE if anew else _cursor(store, owner(mailbox.account), folder)
            source = Folder(connection, folder, cursor, most=left)

            def told(status: Status, source: Folder = source, folder: str = folder) -> None:
                if progress is not None:
                    progress(folder, source, status)

            summary = load(source, store, vouch=mailbox.vouch, senders=senders, progress=told, stopped=stopped)
            summary = summary._replace(interrupted=stopped())
            left -= source.read
            problem = source.problem
            if problem is None and not summary.interrupted and mailbox.after != "keep":
                problem = _tidy(store, connection, folder, source.uidvalidity)
            visit = Visit(mailbox.name, folder, began_at, source.messages, source.waiting, summary, problem)
            if not summary.interrupted or source.messages:
                _record(store, visit)
            visits.append(visit)
            if summary.interrupted or (problem is not None and problem.kind != "folder"):
                break
    return visits


def _cursor(store: Store, account: str, folder: str) -> Cursor:
    with store.reading() as connection:
        found = connection.execute(
            "SELECT uidvalidity, uid FROM cursors WHERE account = ? AND folder = ?", [account, folder]
        ).fetchall()
    return Cursor(*found[0]) if found else NOWHERE


def _record(store: Store, visit: Visit) -> None:
    done = visit.summary
    with store.writing() as connection:
        # Of visits that found nothing the last one is enough: a watch makes hundreds a day.
        connection.execute(
            "DELETE FROM fetches WHERE mailbox = ? AND folder = ? AND messages = 0 AND problem = ''",
            [visit.mailbox, visit.folder],
        )
        connection.execute(
            "INSERT INTO fetches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                visit.mailbox,
                visit.folder,
                visit.began_at,
                done.seconds,
                visit.messages,
                done.reports,
                done.duplicates,
                done.refused,
                done.skipped,
                visit.waiting,
                "" if visit.problem is None else str(visit.problem),
            ],
        )


def _tidy(store: Store, connection: Connection, folder: str, uidvalidity: int | None) -> ImapError | None:
    """Move or delete the messages whose reports are stored, all of them; return what went wrong."""
    mailbox = connection.mailbox
    if uidvalidity is None:
        return ImapError("folder", f"{folder}: the server numbers messages anew each time, so none was touched")
    stored = _stored(store, f"{place(mailbox.account, folder, uidvalidity)}/;UID=")
    if not stored:
        return None
    try:
        session = connection.session()
        if session.open(folder, write=True).uidvalidity != uidvalidity:
            connection.drop()
            return ImapError("folder", f"{folder}: the server numbered its messages anew meanwhile")
        there = [uid for uid in session.uids(0) if uid in stored]
        for at in range(0, len(there), _TIDIED):
            some = there[at : at + _TIDIED]
            if mailbox.after == "move":
                session.move(some, mailbox.move_to)
            else:
                session.delete(some)
    except ImapError as error:
        connection.drop()
        return error
    connection.drop()  # the next folder is opened to read it only
    return None


def _stored(store: Store, prefix: str) -> set[int]:
    """Return the UIDs of messages of which everything was read, a report among it, and the key if there is one."""
    with store.reading() as connection:
        found = connection.execute(
            """
            SELECT source FROM deliveries WHERE starts_with(source, ?)
            GROUP BY source HAVING bool_and(outcome IN ('loaded', 'duplicate'))
                AND NOT bool_or(coalesce(authentication, '') = 'temporary-error')
            """,
            [prefix],
        ).fetchall()
    return {int(number) for (source,) in found if (number := source.removeprefix(prefix).partition(":")[0]).isdigit()}
