"""One connection to a server that may be hostile, in plain text and then under TLS.

TLS is pyOpenSSL's over memory buffers: it shows the chain as sent and everything that verification has
against it, alike on every Python. Whoever uses a Wire bounds it in time, by the wall clock, with
`asyncio.timeout`; a timeout on each read would let a server drip for ever.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Self

import certifi
from OpenSSL import SSL, crypto

from tlsrpt.certificate import read
from tlsrpt.published import Face, Fault

_CHUNK = 16 << 10  # bytes
_CHAIN = 16  # certificates of a chain that are kept
_LARGEST = 96 << 10  # bytes of DER of one certificate that is kept
_FAULTS = 64  # objections that are kept; a chain of a hundred expired certificates has a hundred

# A look may meet weaker keys than senders take: they are findings, not reasons to see nothing.
_CIPHERS = b"DEFAULT:@SECLEVEL=0"
_OLD_CIPHERS = b"ALL:@SECLEVEL=0"


class WireError(Exception):
    """A connection came to nothing.

    `outcome` is one of "refused", "unreachable", "timeout", "closed", "tls-failed".
    """

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class Trust:
    """The certificates that are believed: Mozilla's list, or those of a file in its place."""

    def __init__(self, ca_file: str = "") -> None:
        """Load them. Raises OSError or ValueError if the file has none."""
        path = ca_file or certifi.where()
        with Path(path).open("rb"):  # OpenSSL does not say why it cannot
            pass
        try:
            self._contexts = {old: _context(path, old=old) for old in (False, True)}
        except SSL.Error as error:
            raise ValueError(f"{path} has no certificates in PEM form") from error

    def connection(self, name: str | None, *, old: bool) -> SSL.Connection:
        """Return the client's end of TLS 1.2 or newer, or of what is `old`, asking for `name` by SNI."""
        connection = SSL.Connection(self._contexts[old], None)
        connection.set_app_data([])
        if name is not None:
            connection.set_tlsext_host_name(name.encode("ascii", "replace"))
        connection.set_connect_state()
        return connection


def _context(path: str, *, old: bool) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.load_verify_locations(path)
    # Whatever it is, it is noted and looked at further: a sender's first objection hides the others.
    context.set_verify(SSL.VERIFY_PEER, _note)
    context.set_cipher_list(_OLD_CIPHERS if old else _CIPHERS)
    context.set_min_proto_version(SSL.TLS1_VERSION if old else SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_1_VERSION if old else 0)
    return context


def _note(connection: SSL.Connection, _: crypto.X509, code: int, depth: int, ok: int) -> bool:
    if not ok:
        connection.get_app_data().append((depth, code))
    return True


class Wire:
    """A connection to one address."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._tls: SSL.Connection | None = None

    @classmethod
    async def connect(cls, address: str, port: int) -> Self:
        """Return a connection to an IP address. Raises WireError."""
        try:
            return cls(*await asyncio.open_connection(address, port, limit=_CHUNK))
        except OSError as error:
            raise _unconnected(error) from error

    @property
    def local_address(self) -> str:
        """Return our own address as the connection has it."""
        name = self._writer.get_extra_info("sockname")
        return str(name[0]) if name else "127.0.0.1"  # a connection that is reset at once has no name on some systems

    async def read(self) -> bytes:
        """Return what comes next, at most 16 KiB, b"" at the end. Raises WireError."""
        if self._tls is None:
            return await self._receive()
        while True:
            try:
                return self._tls.recv(_CHUNK)
            except SSL.WantReadError:
                await self._exchange()
            except SSL.ZeroReturnError:
                return b""
            except SSL.Error as error:
                raise WireError("tls-failed", _words(error)) from error

    async def write(self, data: bytes) -> None:
        """Send all of it. Raises WireError."""
        if self._tls is None:
            await self._send(data)
            return
        try:
            self._tls.sendall(data)
        except SSL.Error as error:
            raise WireError("tls-failed", _words(error)) from error
        await self._flush()

    async def secure(self, trust: Trust, name: str | None, *, old: bool = False) -> Face:
        """Start TLS and return what the server shows. Raises WireError if there is no TLS."""
        self._tls = tls = trust.connection(name, old=old)
        while True:
            try:
                tls.do_handshake()
            except SSL.WantReadError:
                await self._shake()
            except SSL.Error as error:
                with suppress(WireError):
                    await self._flush()  # the alert that tells the server why
                raise WireError("tls-failed", _words(error)) from error
            else:
                await self._flush()
                return _face(tls)

    async def close(self) -> None:
        """Say goodbye to TLS and let go, without waiting for the other side."""
        if self._tls is not None:
            with suppress(SSL.Error, WireError):
                self._tls.shutdown()
                while True:
                    self._writer.write(self._tls.bio_read(_CHUNK))
        self._writer.close()
        # A server that takes nothing would keep what is unsent, and with it the socket, for ever.
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()  # until the socket is closed, which needs nothing of the server

    async def _shake(self) -> None:
        """Go on with the handshake; whichever way the server leaves it, there is no TLS."""
        try:
            await self._exchange()
        except WireError as error:
            raise WireError("tls-failed", "connection closed in the TLS handshake") from error

    async def _exchange(self) -> None:
        """Send what TLS has to say, then give it what comes next."""
        assert self._tls is not None
        await self._flush()
        data = await self._receive()
        if not data:
            raise WireError("closed", "connection closed without a TLS goodbye")
        self._tls.bio_write(data)

    async def _flush(self) -> None:
        assert self._tls is not None
        with suppress(SSL.WantReadError):
            while True:
                await self._send(self._tls.bio_read(_CHUNK))

    async def _send(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise WireError("closed", _strerror(error)) from error

    async def _receive(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK)
        except OSError as error:
            raise WireError("closed", _strerror(error)) from error


def _face(tls: SSL.Connection) -> Face:
    chain = tls.get_peer_cert_chain() or []
    ders = [crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in chain[:_CHAIN]]
    faults = sorted(set(tls.get_app_data()))[:_FAULTS]
    return Face(
        version=tls.get_protocol_version_name(),
        cipher=tls.get_cipher_name() or "",
        # None is left out in the middle: the first would no longer be the server's own.
        chain=tuple(read(der) for der in takewhile(lambda der: len(der) <= _LARGEST, ders)),
        faults=tuple(Fault(code=code, depth=depth) for depth, code in faults),
    )


def _unconnected(error: OSError) -> WireError:
    if isinstance(error, TimeoutError):
        return WireError("timeout", "no answer to the connection")
    if error.errno == errno.ECONNREFUSED:
        return WireError("refused", "connection refused")
    return WireError("unreachable", _strerror(error))


def _strerror(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def _words(error: SSL.Error) -> str:
    """Return what OpenSSL has to say, in its words."""
    if isinstance(error, SSL.SysCallError):
        return "connection closed in TLS"
    found = error.args[0] if error.args else ()
    reasons = (
        [entry[-1] for entry in found if isinstance(entry, tuple) and entry[-1]] if isinstance(found, list) else []
    )
    return "; ".join(dict.fromkeys(reasons)) or "no reason given"
