"""A connection to an IMAP server that is bounded in time, size and memory, whatever the server does.

imaplib's timeouts are for each read, so that a server which drips holds it for ever, and it reads whatever size
a server announces. So its socket is read in slices here, which look each time at the clock, at what was received
so far, and whether it is to end.
"""

from __future__ import annotations

import base64
import imaplib
import io
import ipaddress
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

from imapclient import IMAPClient, imap_utf7

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from tlsrpt.limits import MailboxLimits

_SLICE = 0.2  # seconds after which a wait looks whether it is to go on
_GLANCE = 0.001  # seconds
_CHUNK = 16 << 10  # bytes
_LONGEST = 256  # characters of an error
_PIECE = 5  # characters of a secret that are not to be shown
_SAYS = "the server says: "

# Those about logging in, which are said even where the words after them are not.
_CODE = re.compile(
    r"\[(?:ALERT|AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|CLIENTBUG|CONTACTADMIN|EXPIRED|INUSE|LIMIT|PRIVACYREQUIRED"
    r"|SERVERBUG|UNAVAILABLE)\]"
)

# Its log has whole answers of servers, some on a level that is shown where no log is set up.
logging.getLogger("imapclient").setLevel(logging.CRITICAL + 1)

# What imaplib and IMAPClient raise at answers that they do not expect; OSError has those of sockets and TLS.
_RAISED = (
    imaplib.IMAP4.error,
    OSError,
    ValueError,
    OverflowError,
    RecursionError,
    MemoryError,
    AssertionError,
    LookupError,
    TypeError,
    AttributeError,
)

Stopped = Callable[[], bool]


class Account(NamedTuple):
    """How to reach a mailbox."""

    host: str
    port: int
    tls: str  # "implicit", "starttls", "none"; the last to this machine only
    ca_file: str  # authorities that are believed in place of the system's; "" for none
    user: str
    auth: str  # "login", "plain", "xoauth2", "oauthbearer"


class ImapError(Exception):
    """A mailbox cannot be read, or not on: why, in at most 256 characters, some of them the server's.

    `kind` is one of "address" (no such name), "connection" (refused, no route, no answer), "certificate", "tls"
    (not offered, handshake failed, refused by us), "login", "folder", "broken" (another connection may help),
    "protocol" (this answer cannot be used), "stopped" (as was asked for).
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@contextmanager
def in_words(secret: str = "") -> Iterator[None]:
    """Turn whatever is raised into an ImapError, without the secret, even if the server says it."""
    try:
        yield
    except ImapError as error:
        kind, message = error.kind, str(error)
        ours, theirs = (_SAYS, message.removeprefix(_SAYS)) if message.startswith(_SAYS) else (message, "")
    except imaplib.IMAP4.abort as error:
        kind, ours, theirs = "broken", "the server does not make sense: ", str(error)
    except _RAISED as error:
        kind, ours, theirs = "protocol", "an answer cannot be read: ", str(error) or type(error).__name__
    else:
        return
    # From None: what imaplib raised may have the secret in it.
    raise ImapError(kind, (ours + _without(secret, theirs[:_LONGEST]))[:_LONGEST]) from None


def _without(secret: str, text: str) -> str:
    """Return what a server says; if it may have some of the secret in it, the response code alone (RFC 5530).

    Some servers repeat what they do not understand, and nobody knows how much of it, or how quoted and escaped.
    """
    folded = text.casefold()
    if not secret or not any(piece in folded for form in _forms(secret) for piece in _pieces(form.casefold())):
        return text
    code = _CODE.search(text)
    return f"{code[0]} …" if code else "…"


def _forms(secret: str) -> Iterator[str]:
    """Yield what a secret may look like: as it is, as LOGIN quotes it, either of them escaped; in base64."""
    plain = secret.encode()
    for form in (plain, plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"')):
        yield from (form.decode(), form.decode("latin-1"), repr(form)[2:-1])
    for before in range(3):
        # Of four characters the first may stand for what comes before it.
        yield base64.b64encode(bytes(before) + plain).decode()[4 if before else 0 :]


def _pieces(text: str) -> Iterator[str]:
    """Yield every part of a text that is long enough to tell something of it."""
    return (text[at : at + _PIECE] for at in range(max(1, len(text) - _PIECE + 1)))


class _Stream(io.RawIOBase):
    """A socket that is read and written in slices, within what it is allowed."""

    def __init__(self, sock: socket.socket, limits: MailboxLimits, stopped: Stopped) -> None:
        self.sock = sock
        self.looking = False  # a read may come to nothing
        self._limits = limits
        self._stopped = stopped
        self.allow(limits.connect_seconds)

    def allow(self, seconds: float, size: int | None = None, excess: str = "protocol") -> None:
        """Begin something that may take this long and receive this much; `excess` is what more of it would be."""
        self.extend(seconds)
        self._size = self._limits.operation_size if size is None else size
        self._text = self._limits.text_size
        self._lines = self._limits.lines
        self._excess = excess

    def extend(self, seconds: float) -> None:
        """Let what has begun take this long from now on."""
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def fail(self, kind: str, message: str) -> NoReturn:
        """Let go of a connection that is of no use any more."""
        self.sock.close()
        raise ImapError(kind, message) from None

    def _check(self) -> None:
        """Fail if it is time to end."""
        if self._stopped():
            self.fail("stopped", "stopped")
        if self.sock.fileno() < 0:
            self.fail("broken", "the connection is closed")
        if time.monotonic() > self._until:
            self.fail("broken", f"no whole answer within {self._seconds:g} seconds")

    def count(self, line: bytes) -> None:
        """Count a line: many short ones, and many words, take far more memory than they have bytes."""
        self._lines -= 1
        self._text -= len(line)
        if min(self._lines, self._text) < 0:
            self._too_much()

    def _too_much(self) -> NoReturn:
        self.fail(self._excess, "the server sends far more than it was asked for")

    def readable(self) -> bool:
        """Return that it is; the buffer above it wants to know."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Read what there is, at least one byte; None if there is none and a look was enough."""
        silent = time.monotonic() + self._limits.read_seconds
        while True:
            self._check()
            try:
                size = self.sock.recv_into(buffer)
            except TimeoutError:
                if self.looking:
                    return None
                if time.monotonic() > silent:
                    self.fail("broken", f"the server said nothing for {self._limits.read_seconds:g} seconds")
            except OSError as error:
                self.fail("broken", f"the connection broke: {_strerror(error)}")
            else:
                break
        if not size:
            self.fail("broken", "the server closed the connection")
        self._size -= size
        if self._size < 0:
            self._too_much()
        return size

    def send(self, data: ReadableBuffer) -> None:
        """Send all of it."""
        left = memoryview(data)
        while left:
            self._check()
            try:
                left = left[self.sock.send(left) :]
            except TimeoutError:
                continue
            except OSError as error:
                self.fail("broken", f"the connection broke: {_strerror(error)}")

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Start TLS with a server that proves to be this host."""
        try:
            secured = context.wrap_socket(self.sock, server_hostname=host, do_handshake_on_connect=False)
            self.sock = secured
            while True:
                self._check()
                with suppress(TimeoutError):
                    secured.do_handshake()
                    return
        except ssl.SSLCertVerificationError as error:
            self.fail("certificate", f"{host}: {_OBJECTIONS.get(error.verify_code, error.verify_message)}")
        except OSError as error:
            self.fail("tls", f"the TLS handshake failed: {_strerror(error)}")


class Imap(imaplib.IMAP4):
    """imaplib over such a stream. An answer other than OK is an ImapError."""

    def __init__(self, account: Account, limits: MailboxLimits, stopped: Stopped) -> None:
        """Connect and hear the greeting. Raises ImapError, and whatever `in_words` knows."""
        self.refused = "protocol"  # the kind of error that a NO is
        self._account = account
        self._limits = limits
        self._stopped = stopped
        self._context = None if account.tls == "none" else _trusted(account.ca_file)
        super().__init__(account.host, account.port)
        if self.state == "AUTH":  # PREAUTH: nobody knows as whom, and it is too late for STARTTLS
            self.stream.fail("tls", "the server takes us for somebody who has logged in already")

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        """Connect, with TLS if it is to be at once."""
        del timeout
        self.host, self.port = host, port
        self.sock = _reached(self._account, self._limits.connect_seconds, self._stopped)
        self.stream = _Stream(self.sock, self._limits, self._stopped)
        self._received = io.BufferedReader(self.stream, _CHUNK)
        if self._account.tls == "implicit":
            self._secure()
        self.stream.allow(self._limits.operation_seconds)

    def _secure(self) -> None:
        assert self._context is not None
        self.stream.secure(self._context, self.host)
        self.sock = self.stream.sock

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> tuple[Literal["OK"], list[None]]:
        """Go on in TLS, with nothing of what was said in plain text before (RFC 3501 section 6.2.1)."""
        del ssl_context
        self._simple_command("STARTTLS")
        if self.arrives(within=0.0):
            self.stream.fail("tls", "plain text came after the OK to STARTTLS, as from somebody in between")
        self._secure()
        self._tls_established = True
        self.untagged_responses.clear()
        self._get_capabilities()
        return "OK", [None]

    def read(self, size: int) -> bytes:
        """Read a literal, unless it is too large."""
        if size > self._limits.literal_size:
            self.stream.fail("protocol", f"the server announces {size:,} bytes at once")
        return self._received.read(size)

    def readline(self) -> bytes:
        """Read a line, unless it is too long."""
        line = self._received.readline(self._limits.line_size + 1)
        if len(line) > self._limits.line_size:
            self.stream.fail("protocol", f"the server sends a line of more than {self._limits.line_size:,} bytes")
        self.stream.count(line)
        return line

    def send(self, data: ReadableBuffer) -> None:
        """Send all of it, within the time allowed."""
        self.stream.send(data)

    def shutdown(self) -> None:
        """Let go of the connection."""
        self.stream.sock.close()

    def arrives(self, within: float) -> bool:
        """Return whether something comes within so many seconds, or is there already; nothing of it is taken."""
        until = time.monotonic() + within
        self.stream.extend(within + self._limits.read_seconds)
        self.stream.looking = True
        try:
            while True:
                self.sock.settimeout(min(_SLICE, max(_GLANCE, until - time.monotonic())))
                if self._received.peek(1):
                    return True
                if time.monotonic() >= until:
                    return False
        finally:
            self.stream.looking = False
            with suppress(OSError):  # it may be closed by now
                self.sock.settimeout(_SLICE)

    def idle_for(self, seconds: float) -> None:
        """Let the server tell of changes (RFC 2177), for so many seconds or until there is a new message."""
        until = time.monotonic() + seconds
        self.stream.allow(self._limits.operation_seconds, self._limits.idle_size, "broken")
        tag = self._command("IDLE")
        while self._get_response():  # what changed before may be told before the go-ahead
            if self.tagged_commands[tag]:
                break
        else:
            while "EXISTS" not in self.untagged_responses and self.arrives(until - time.monotonic()):
                self.stream.extend(self._limits.read_seconds)
                self._get_response()
                self._check_bye()
                if self.tagged_commands[tag]:
                    self.stream.fail("broken", "the server ended IDLE by itself")
            self.stream.extend(self._limits.operation_seconds)
            self.send(b"DONE\r\n")
        self._command_complete("IDLE", tag)

    def quoted(self, name: str) -> str:
        """Return the name of a folder as it is sent."""
        return str(self._quote(imap_utf7.encode(name).decode("ascii")))

    def _connect(self) -> None:
        if not self.arrives(self._limits.connect_seconds):
            # A port that expects TLS at once waits for us, as we do for it.
            kind = "connection" if self._account.tls == "implicit" else "tls"
            self.stream.fail(kind, f"the server does not greet us within {self._limits.connect_seconds:g} seconds")
        try:
            super()._connect()  # type: ignore[misc]
        except imaplib.IMAP4.error:
            self._check_bye()
            raise

    def _check_bye(self) -> None:
        if "BYE" in self.untagged_responses:
            self.stream.fail("broken", _said(self.untagged_responses["BYE"][-1]))

    def _command_complete(self, name: str, tag: bytes) -> tuple[str, list[Any]]:
        del name
        typ, data = self._get_tagged_response(tag)
        if typ != "OK":
            said = _said(data[-1])
            # RFC 5530 section 3: it is the server's own trouble, such as a service for passwords that is down.
            raise ImapError("connection" if "[UNAVAILABLE]" in said else self.refused, said)
        return typ, data

    def _log(self, line: str) -> None:
        """Keep no commands: one of them has the password."""


class Client(IMAPClient):  # type: ignore[misc]
    """IMAPClient on a connection that is there already."""

    def __init__(self, imap: Imap, *, tls: bool) -> None:
        self._given = imap
        super().__init__(imap.host, imap.port, ssl=tls, timeout=_SLICE)
        self.normalise_times = False
        self.folder_encode = False  # one name that cannot be decoded would hide all others
        imap.debug = 0  # IMAPClient has everything written to its log

    def _create_IMAP4(self) -> Imap:  # noqa: N802 - the name is IMAPClient's
        return self._given


def _trusted(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError:
        raise ImapError("certificate", f"{ca_file} has no certificates in PEM form") from None
    except OSError as error:
        raise ImapError("certificate", f"{ca_file}: {_strerror(error)}") from None


def _reached(account: Account, seconds: float, stopped: Stopped) -> socket.socket:
    """Return a connection in plain text; in a thread, as looking up a name can neither be bounded nor stopped."""
    until = time.monotonic() + seconds
    future: futures.Future[socket.socket] = futures.Future()

    def reach() -> None:
        try:
            future.set_result(_connected(account, until))
        except Exception as error:  # noqa: BLE001 - it is raised where the result is wanted
            future.set_exception(error)

    threading.Thread(target=reach, daemon=True).start()
    while not futures.wait([future], _SLICE).done:
        stop = stopped()
        if stop or time.monotonic() > until:
            future.add_done_callback(_let_go)
            raise ImapError("stopped", "stopped") if stop else _unreached(account, None)
    return future.result()


def _let_go(future: futures.Future[socket.socket]) -> None:
    if future.exception() is None:
        future.result().close()


def _connected(account: Account, until: float) -> socket.socket:
    try:
        found = socket.getaddrinfo(account.host, account.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        missing = error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
        raise ImapError("address" if missing else "connection", f"{account.host}: {_strerror(error)}") from None
    except (ValueError, OverflowError):
        raise ImapError("address", f"{account.host}:{account.port} is not the name and port of a host") from None
    failure: OSError | None = None
    for left, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        if account.tls == "none" and not ipaddress.ip_address(address[0]).is_loopback:
            raise ImapError("tls", f"{address[0]} is another machine, and only this one is talked to without TLS")
        sock = socket.socket(family, kind, protocol)
        # imaplib sends an answer and its line break apart, and the second would wait for an acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # An address that does not answer must not take the time of those after it.
        sock.settimeout(max(_GLANCE, (until - time.monotonic()) / left))
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            sock.settimeout(_SLICE)
            return sock
    raise _unreached(account, failure)


def _unreached(account: Account, failure: OSError | None) -> ImapError:
    none = failure is None or isinstance(failure, TimeoutError)
    return ImapError("connection", f"{account.host}:{account.port}: {'no answer' if none else _strerror(failure)}")


_OBJECTIONS = {  # by OpenSSL's number
    9: "its certificate is not yet valid",
    10: "its certificate has expired",
    18: "its certificate is signed by itself, and not trusted",
    19: "its certificate is from an authority that is not trusted",
    20: "its certificate is from an authority that is not trusted",
    21: "its certificate is from an authority that is not trusted, or the one between is missing",
    62: "its certificate is for another name",
    64: "its certificate is for another address",
}


def _strerror(error: OSError | None) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return ((error and error.strerror) or type(error).__name__).lower()


def _said(text: object) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return f"{_SAYS}{words}"
