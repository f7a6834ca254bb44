"""A mailbox: its folders, and which messages are in them, for whoever reads them without changing anything."""

from __future__ import annotations

import imaplib
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise, takewhile
from typing import NamedTuple, Self

from imapclient import imap_utf7
from imapclient.response_parser import parse_response

from loaders.imap_wire import Account, Client, Imap, ImapError, Stopped, in_words
from tlsrpt import mail
from tlsrpt.limits import LIMITS, MAILBOX_LIMITS, MailboxLimits
from tlsrpt.mail import MailError

__all__ = ["Account", "Described", "ImapError", "Opened", "Session", "may_be_report"]

_GOODBYE = 1.0  # seconds
_HIGHEST = (1 << 32) - 1  # of UIDs and UIDVALIDITY (RFC 3501 section 9)
_AT_ONCE = 80_000  # messages that a SEARCH is about: its answer is one line, and has to stay within `line_size`
_MOST = 1_000_000  # messages of a folder that are believed to be there

_BODY = b"BODY[]"
_SIZE = b"RFC822.SIZE"
_HEADER = b"BODY[HEADER.FIELDS"
_TEXT = b"BODY[TEXT]"
_DESCRIBED = (
    "(RFC822.SIZE BODYSTRUCTURE BODY.PEEK[TEXT]<0.{}> "
    "BODY.PEEK[HEADER.FIELDS (TLS-REPORT-DOMAIN TLS-REPORT-SUBMITTER SUBJECT CONTENT-TYPE)])"
)


class Opened(NamedTuple):
    """A folder as the server describes it; None for numbers that it does not tell, or not as numbers."""

    uidvalidity: int | None
    uidnext: int | None
    messages: int


class Described(NamedTuple):
    """What tells whether a message may hold a report."""

    uid: int
    size: int  # bytes, as the server says
    headers: bytes  # the few that matter, and the blank line
    structure: object  # BODYSTRUCTURE: nested tuples of bytes, numbers and None; None if the server did not tell
    beginning: bytes  # of what is below the headers


class Session:
    """A connection that is logged in. Its methods raise nothing but ImapError, each within bounded time."""

    def __init__(self, imap: Imap, client: Client, limits: MailboxLimits) -> None:
        self._imap = imap
        self._client = client
        self._limits = limits
        self._offered = frozenset(client.capabilities())
        self._messages = 0
        self._writing = False
        self._news = False  # the server told of a new message

    @classmethod
    def connect(
        cls,
        account: Account,
        secret: str,
        *,
        limits: MailboxLimits = MAILBOX_LIMITS,
        stopped: Stopped = lambda: False,
    ) -> Self:
        """Connect and log in with a password or a token; once `stopped` is true, everything ends within a second."""
        with in_words(secret):
            imap = Imap(account, limits, stopped)
            try:
                client = Client(imap, tls=account.tls == "implicit")
                if account.tls == "starttls":
                    _start_tls(imap, client, limits)
                imap.stream.allow(limits.operation_seconds)
                imap.refused = "login"
                _log_in(client, account, secret)
                return cls(imap, client, limits)
            except BaseException:
                imap.shutdown()
                raise

    @contextmanager
    def _asking(self, refused: str = "protocol") -> Iterator[None]:
        """Do something bounded; `refused` is the kind of error that a NO is."""
        with in_words():
            self._imap.untagged_responses.clear()
            self._imap.refused = refused
            self._imap.stream.allow(self._limits.operation_seconds)
            try:
                yield
            finally:
                self._news |= "EXISTS" in self._imap.untagged_responses

    def folders(self) -> list[str]:
        """Return the names of the folders that can be opened."""
        with self._asking():
            names = [name for flags, _, name in self._client.list_folders() if not _closed(flags)]
        return list(dict.fromkeys(map(_decoded, names)))

    def open(self, folder: str, *, write: bool = False) -> Opened:
        """Open a folder, to read it only unless told otherwise."""
        with self._asking("folder"):
            try:
                self._imap.select(self._imap.quoted(folder), readonly=not write)
            except imaplib.IMAP4.readonly:
                raise ImapError("folder", f"{folder} can only be read") from None
            opened = Opened(self._told("UIDVALIDITY"), self._told("UIDNEXT"), self._told("EXISTS") or 0)
        self._messages = opened.messages
        self._writing = write
        self._news = False
        return opened

    def _told(self, name: str) -> int | None:
        """Return a number that the server told when the folder was opened."""
        value = self._imap.response(name)[1][-1]
        told = int(value) if isinstance(value, bytes) and re.fullmatch(rb"[0-9]{1,10}", value) else 0
        return told if 1 <= told <= _HIGHEST else None

    def uids(self, after: int) -> list[int]:
        """Return the UIDs above this one, ascending."""
        found: set[int] = set()
        last = min(max(1, self._messages), _MOST)
        for start in range(1, last + 1, _AT_ONCE):
            end = "*" if start + _AT_ONCE > last else start + _AT_ONCE - 1
            some = [] if (start, end) == (1, "*") else [f"{start}:{end}"]
            with self._asking():
                found.update(self._client.search([*some, "UID", f"{after + 1}:*"]))
        # "5:*" always has the last message, even one below 5.
        return sorted(uid for uid in found if after < uid <= _HIGHEST)

    def describe(self, uids: Sequence[int]) -> dict[int, Described]:
        """Return what tells whether messages may hold reports; what the server does not rightly tell is left out."""
        described: dict[int, Described] = {}
        for uid, told in self._fetched(uids, _DESCRIBED.format(self._limits.beginning_size), _SIZE).items():
            size = told[_SIZE]
            if isinstance(size, int):
                headers, beginning = _section(told, _HEADER), _section(told, _TEXT)
                described[uid] = Described(uid, size, headers, told.get(b"BODYSTRUCTURE"), beginning)
        return described

    def bodies(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Return whole messages, without marking them as seen; what the server does not rightly tell is left out."""
        fetched = self._fetched(uids, "(BODY.PEEK[])", _BODY)
        return {uid: body for uid, told in fetched.items() if isinstance(body := told[_BODY], bytes)}

    def _fetched(self, uids: Sequence[int], items: str, needed: bytes) -> dict[int, dict[object, object]]:
        """Return what the server tells of messages, by UID: of each whose needed item it tells, and once."""
        asked = set(uids)
        if not asked:
            return {}
        with self._asking():
            _, data = self._imap.uid("FETCH", ",".join(map(str, uids)), items)
            told = [_by_name(answer) for answer in parse_response(data)[1::2] if isinstance(answer, tuple)]
        # Other answers tell of flags that somebody changed meanwhile, or of nothing that was asked for.
        about = [(uid, one) for one in told if needed in one and isinstance(uid := one.get(b"UID"), int)]
        often = Counter(uid for uid, _ in about)
        return {uid: one for uid, one in about if often[uid] == 1 and uid in asked}

    def wait(self, seconds: float, poll: float) -> bool:
        """Return whether a message arrives within these seconds, as soon as it does.

        A server that does not tell by itself is asked every `poll` seconds.
        """
        until = time.monotonic() + seconds
        while not self._news and (left := until - time.monotonic()) > 0:
            with self._asking():
                if b"IDLE" in self._offered:
                    self._imap.idle_for(min(left, self._limits.idle_seconds))
                else:
                    self._imap.noop()
                    if "EXISTS" not in self._imap.untagged_responses:
                        self._imap.arrives(min(left, poll))
        news, self._news = self._news, False
        return news

    def move(self, uids: Sequence[int], folder: str) -> None:
        """Move messages to another folder, from one that was opened to be changed."""
        name = imap_utf7.encode(folder)
        if b"MOVE" in self._offered:
            with self._removing():
                self._client.move(list(uids), name)
        else:
            with self._removing(by=b"UIDPLUS"):
                self._client.copy(list(uids), name)
            self.delete(uids)

    def delete(self, uids: Sequence[int]) -> None:
        """Delete messages, and none that somebody else marked as deleted, from a folder opened to be changed."""
        with self._removing(by=b"UIDPLUS"):
            self._client.delete_messages(list(uids), silent=True)
            self._client.uid_expunge(list(uids))

    @contextmanager
    def _removing(self, by: bytes = b"MOVE") -> Iterator[None]:
        if by not in self._offered:
            raise ImapError("folder", "the server cannot remove single messages (neither MOVE nor UIDPLUS)")
        if not self._writing:  # Dovecot 2.3 moves out of a folder that was opened to be read only
            raise ImapError("folder", "the folder was opened to be read only")
        with self._asking("folder"):
            yield

    def close(self) -> None:
        """Say goodbye and let go, without waiting for the other side."""
        with suppress(ImapError):
            self._imap.stream.allow(_GOODBYE)
            self._imap.send(b"Z LOGOUT\r\n")
        self._imap.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _start_tls(imap: Imap, client: Client, limits: MailboxLimits) -> None:
    if not client.has_capability("STARTTLS"):
        raise ImapError("tls", "the server does not offer STARTTLS")
    imap.stream.allow(limits.operation_seconds)
    imap.refused = "tls"
    client.starttls()


def _log_in(client: Client, account: Account, secret: str) -> None:
    user = account.user
    if not secret or not user:
        raise ImapError("login", f"the {'password' if user else 'user name'} is empty")
    if re.search(r"[\x00-\x1f\x7f]", user + secret):
        raise ImapError("login", "the user name or the password has a line break or another control character")
    if account.auth == "login":
        if client.has_capability("LOGINDISABLED"):
            raise ImapError("login", "the server takes no password by LOGIN (LOGINDISABLED)")
        if not (user + secret).isascii():
            raise ImapError("login", 'a user name or password that is not ASCII needs auth = "plain"')
        client.login('"{}"'.format(user.replace("\\", "\\\\").replace('"', '\\"')), secret)
        return
    mechanism = account.auth.upper()
    offered = [name[5:].decode("ascii", "replace") for name in client.capabilities() if name.startswith(b"AUTH=")]
    if mechanism not in offered:
        raise ImapError("login", f"the server does not offer {mechanism}, but {', '.join(offered) or 'nothing'}")
    if mechanism == "PLAIN":
        client.plain_login(user, secret)
    elif mechanism == "XOAUTH2":
        client.oauth2_login(user, secret)
    else:
        client.oauthbearer_login(user, secret)


def _closed(flags: Sequence[object]) -> bool:
    """Return whether a folder only has others below it (RFC 3501 section 7.2.2, RFC 5258 section 3)."""
    return any(isinstance(flag, bytes) and flag.lower() in {b"\\noselect", b"\\nonexistent"} for flag in flags)


def _decoded(name: object) -> str:
    if not isinstance(name, bytes):
        return str(name)
    try:
        decoded = str(imap_utf7.decode(name))
        decoded.encode()  # half a character (a lone surrogate) is none
    except ValueError:
        return name.decode("latin-1")
    return decoded


def _by_name(answer: Sequence[object]) -> dict[object, object]:
    """Return the items of an answer to FETCH by their names."""
    items = zip(answer[::2], answer[1::2], strict=False)
    return {name.upper(): value for name, value in items if isinstance(name, bytes)}


def _section(told: Mapping[object, object], name: bytes) -> bytes:
    """Return a part of a message; servers write the rest of its name in several ways."""
    found = [value for key, value in told.items() if isinstance(key, bytes) and key.startswith(name)]
    return found[0] if found and isinstance(found[0], bytes) else b""


# Whether it may be a report


_PARTS = 1_000  # that are looked at
_OTHER_MEDIA = {b"image", b"audio", b"video", b"font", b"model"}
_OTHER_TEXT = {b"plain", b"html", b"calendar", b"rfc822-headers", b"enriched", b"css", b"csv", b"rtf", b"vcard"}
_OTHER_APPLICATION = re.compile(
    rb"pdf|postscript|rtf|ics|javascript|(?:x-)?pkcs7-.*|pgp-(?:signature|encrypted|keys)|msword|ms-tnef|vnd\..*"
)
_PARAMETER = re.compile(rb"(?:file)?name(?:\*|$)", re.IGNORECASE)
# By its ending, or as RFC 8460 section 5.1 has it; and any that is encoded.
_FILE_NAME = re.compile(rb"\.(?:json|gz|tgz|zip|tar)\W*$|!\d+!\d+|^=\?", re.IGNORECASE)
# JSON, or gzip, zip and JSON in base64, at the beginning of a line: a gateway may have put words before it.
_CONTENT = re.compile(
    rb"^[ \t\xef\xbb\xbf]{0,8}(?:\{|\[\s{0,8}\{|(?:H4sI|UEsD|e[yw]|W[3w])[A-Za-z0-9+/]{16})", re.MULTILINE
)


def may_be_report(described: Described) -> bool:
    """Return whether a message may hold a report: unless it is plainly something else."""
    try:
        headers, _ = mail.split(described.headers, LIMITS)
    except MailError:
        return True
    if mail.announces_report(headers) or mail.is_subject_of_report(headers.text(b"subject")):
        return True
    if _CONTENT.search(described.beginning):
        return True
    waiting = [described.structure]
    for _ in range(_PARTS):
        if not waiting:
            return False
        part = waiting.pop()
        if not isinstance(part, tuple) or len(part) < 2:
            return True
        if isinstance(part[0], tuple):
            waiting += takewhile(lambda inner: isinstance(inner, tuple), part[:_PARTS])
        elif _part_may_be_report(*part):
            return True
    return True


def _part_may_be_report(media: object, kind: object, *fields: object) -> bool:
    """Return whether a part without further parts may be a report."""
    if not isinstance(media, bytes) or not isinstance(kind, bytes):
        return True
    if any(_FILE_NAME.search(name) for name in _file_names(fields)):
        return True
    media, kind = media.lower(), kind.lower()
    if media == b"application":
        return not _OTHER_APPLICATION.fullmatch(kind)
    if (media, kind) == (b"text", b"plain"):
        return any(isinstance(field, tuple) and field[:1] == (b"attachment",) for field in fields)
    return media not in _OTHER_MEDIA and (media != b"text" or kind not in _OTHER_TEXT)


def _file_names(fields: Sequence[object]) -> Iterator[bytes]:
    """Yield the file names of a part, which stand among the parameters of its type and of its disposition."""
    for field in fields:
        if isinstance(field, tuple):
            # The parameters of a disposition are a tuple in its own.
            for parameters in (field, *(inner for inner in field if isinstance(inner, tuple))):
                for name, value in pairwise(parameters):
                    if isinstance(name, bytes) and isinstance(value, bytes) and _PARAMETER.match(name):
                        yield value
