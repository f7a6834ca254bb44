"""MXs on loopback addresses, well-behaved or not, in a thread of their own.

    with mx_servers({"127.0.0.11": context, "127.0.0.12": None, "127.0.0.13": [good, bad]}) as port: ...
    with hostile(script) as port: ...

Nothing is left when they end: whoever is still connected is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import cycle

from aiosmtpd.smtp import SMTP

Serves = ssl.SSLContext | None | Sequence[ssl.SSLContext | None]
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_Open = set[asyncio.Transport]
_Listen = Callable[[str, int, _Open], Awaitable[asyncio.Server]]

_ATTEMPTS = 20  # at a port that is free on every address

# aiosmtpd writes a traceback for each handshake that fails, and many are meant to.
logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)


@contextmanager
def mx_servers(hosts: Mapping[str, Serves], port: int = 0) -> Iterator[int]:
    """Serve mail at each address; yield the port that all of them have in common.

    An address has a server's side of TLS, None for no STARTTLS, or several of these, which take turns.
    """
    turns = {
        address: cycle([serves] if serves is None or isinstance(serves, ssl.SSLContext) else serves)
        for address, serves in hosts.items()
    }

    async def listen(address: str, port: int, open_: _Open) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Mx(next(turns[address]), open_), address, port)

    with _running(list(hosts), port, listen) as common:
        yield common


@contextmanager
def hostile(script: Script, address: str = "127.0.0.1") -> Iterator[int]:
    """Let a script answer each connection, whatever comes; yield the port. Its end is that of the connection."""

    async def listen(address: str, port: int, open_: _Open) -> asyncio.Server:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            transport = writer.transport
            assert isinstance(transport, asyncio.Transport)
            open_.add(transport)
            try:
                with suppress(OSError, asyncio.IncompleteReadError):
                    await script(reader, writer)
            finally:
                writer.close()

        return await asyncio.start_server(answer, address, port)

    with _running([address], 0, listen) as port:
        yield port


class _Mx(SMTP):
    """A mail server that tells which connections it has."""

    def __init__(self, context: ssl.SSLContext | None, open_: _Open) -> None:
        super().__init__(
            object(), hostname="mx.example.com", tls_context=context, loop=asyncio.get_running_loop(), timeout=60
        )
        self._open = open_

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.transport is None:  # else it is TLS within a connection that is known
            assert isinstance(transport, asyncio.Transport)
            self._open.add(transport)
        super().connection_made(transport)


@contextmanager
def _running(addresses: Sequence[str], port: int, listen: _Listen) -> Iterator[int]:
    started: Future[tuple[int, Callable[[], object]]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(addresses, port, listen, started)))
    thread.start()
    try:
        common, stop = started.result()
        try:
            yield common
        finally:
            stop()
    finally:
        thread.join()


async def _serve(
    addresses: Sequence[str], port: int, listen: _Listen, started: Future[tuple[int, Callable[[], object]]]
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)  # a handshake that fails is nothing to tell of
    open_: _Open = set()
    try:
        servers = await _listen(addresses, port, listen, open_)
    except OSError as error:
        started.set_exception(error)
        return
    stop = asyncio.Event()
    started.set_result((_port(servers[0]), lambda: loop.call_soon_threadsafe(stop.set)))
    await stop.wait()
    for server in servers:
        server.close()
    for transport in open_:
        transport.abort()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(addresses: Sequence[str], port: int, listen: _Listen, open_: _Open) -> list[asyncio.Server]:
    for attempt in range(_ATTEMPTS):
        servers: list[asyncio.Server] = []
        common = port
        try:
            for address in addresses:
                servers.append(await listen(address, common, open_))
                common = _port(servers[0])
        except OSError:
            for server in servers:
                server.close()
            if port or attempt == _ATTEMPTS - 1:
                raise
        else:
            return servers
    raise AssertionError


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])
