"""Policy hosts over HTTPS on loopback addresses, well-behaved or not, in a thread of their own.

    with policy_hosts({"127.0.0.21": PolicySpec(context, body), "127.0.0.22": PolicySpec(other, body)}) as port: ...

Certificates are those of the context, which the caller chooses; `by_name` makes one of several, chosen by SNI. A
`script` answers in place of the server, with whatever bytes it likes.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from itertools import cycle
from typing import NamedTuple

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]

_ATTEMPTS = 20  # at a port that is free on every address

_GOODBYE = 1.0  # seconds


class PolicySpec(NamedTuple):
    """What one address does."""

    context: ssl.SSLContext | None  # None: no TLS, but the script at once; without one, never a word
    body: bytes | Callable[[str], bytes] = b""  # asked anew for each request, with its Host without the port
    status: int = 200
    content_type: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()
    script: Script | None = None  # answers instead, after the request was read; then the connection is closed
    requests: list[str] | None = None  # gets the head of each request


@contextmanager
def policy_hosts(hosts: Mapping[str, PolicySpec], port: int = 0) -> Iterator[int]:
    """Serve each address as specified; yield the port that all of them have in common."""
    started: Future[tuple[int, Callable[[], object]]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(hosts, port, started)))
    thread.start()
    try:
        common, stop = started.result()
        try:
            yield common
        finally:
            stop()
    finally:
        thread.join()


def by_name(contexts: Mapping[str, ssl.SSLContext]) -> ssl.SSLContext:
    """Return a context that shows the certificate of the name asked for by SNI, of an unknown one the first."""
    return _choosing(lambda name: contexts.get(name, next(iter(contexts.values()))))


def in_turn(contexts: Sequence[ssl.SSLContext]) -> ssl.SSLContext:
    """Return a context that shows the certificate of one after the other, over and over."""
    turns = cycle(contexts)
    return _choosing(lambda _: next(turns))


def _choosing(context: Callable[[str], ssl.SSLContext]) -> ssl.SSLContext:
    def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = context(name or "")

    front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    front.sni_callback = choose
    return front


def says(*parts: bytes) -> Script:
    """Return a script that sends these bytes and then says goodbye."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.writelines(parts)
        await writer.drain()

    return script


def breaks_off(*parts: bytes) -> Script:
    """Return a script that sends these bytes and then ends without the goodbye of TLS."""

    async def script(writer: asyncio.StreamWriter) -> None:
        await says(*parts)(writer)
        writer.transport.abort()

    return script


def never_ends(beginning: bytes, again: bytes, seconds: float = 0.0) -> Script:
    """Return a script that sends one thing and then another again and again, as fast as told."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(seconds)

    return script


async def _serve(hosts: Mapping[str, PolicySpec], port: int, started: Future[tuple[int, Callable[[], object]]]) -> None:
    try:
        servers = await _listen(hosts, port)
    except OSError as error:
        started.set_exception(error)
        return
    stop = asyncio.Event()
    common = servers[0].sockets[0].getsockname()[1]
    started.set_result((common, partial(asyncio.get_running_loop().call_soon_threadsafe, stop.set)))
    await stop.wait()
    for server in servers:
        server.close()
    # Whoever asked is gone by now, which ends the answers; one that does not notice is cancelled with the loop.
    until = time.monotonic() + _GOODBYE
    await asyncio.sleep(0)  # a turn for whoever was let in just now: a task that never began closes nothing
    while (answering := asyncio.all_tasks() - {asyncio.current_task()}) and time.monotonic() < until:
        await asyncio.wait(answering, timeout=_GOODBYE)
        await asyncio.sleep(0)


async def _listen(hosts: Mapping[str, PolicySpec], port: int) -> list[asyncio.Server]:
    for attempt in range(_ATTEMPTS):
        servers: list[asyncio.Server] = []
        common = port
        try:
            for address, spec in hosts.items():
                servers.append(await asyncio.start_server(partial(_answer, spec), address, common, ssl=spec.context))
                common = servers[0].sockets[0].getsockname()[1]
        except OSError:
            for server in servers:
                server.close()
            if port or attempt == _ATTEMPTS - 1:
                raise
        else:
            return servers
    raise AssertionError


async def _answer(spec: PolicySpec, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError, asyncio.IncompleteReadError):
            if spec.context is None:
                await (spec.script(writer) if spec.script is not None else reader.read())
                return
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            if spec.requests is not None:
                spec.requests.append(head)
            await (spec.script or says(_whole(spec, head)))(writer)
            writer.close()
            await writer.wait_closed()
    finally:
        writer.transport.abort()


def _whole(spec: PolicySpec, head: str) -> bytes:
    lines = dict(line.lower().split(": ", 1) for line in head.splitlines() if ": " in line)
    body = spec.body if isinstance(spec.body, bytes) else spec.body(lines.get("host", "").partition(":")[0])
    fields = [("Content-Type", spec.content_type), ("Content-Length", str(len(body))), *spec.headers]
    answer = [f"HTTP/1.1 {spec.status} Status", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(answer).encode("latin-1") + body
