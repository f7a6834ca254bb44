"""An IMAP server that does what a script says, in threads, on loopback.

    def script(client: Client) -> None:
        client.until("FETCH")
        client.send("* 1 FETCH (UID 1 BODY[] {5000000000}")
        client.wait()

    with scripted(script) as port: ...

A script is run for each connection, and its end is that of the connection. What a well-behaved client says
before it comes to the point is answered by `until`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

CAPABILITIES = "IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 IDLE MOVE UIDPLUS"
OPENED = ("* 3 EXISTS", "* OK [UIDVALIDITY 7] .", "* OK [UIDNEXT 4] .")

Script = Callable[["Client"], object]


class Client:
    """A connection that somebody made to the server."""

    def __init__(self, connection: socket.socket, over: threading.Event) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._over = over
        self.received: list[str] = []  # every line

    def send(self, *lines: str) -> None:
        """Send lines."""
        self.send_bytes("".join(f"{line}\r\n" for line in lines).encode())

    def send_bytes(self, data: bytes) -> None:
        """Send bytes."""
        self._connection.sendall(data)

    def drip(self, data: bytes, every: float = 0.05) -> None:
        """Send a byte every so many seconds."""
        for position in range(len(data)):
            if self._over.wait(every):
                return
            self.send_bytes(data[position : position + 1])

    def read(self) -> str:
        """Return the next line that the client sends, "" at the end of the connection, however it comes."""
        line = b""
        with suppress(ConnectionError):
            line = self._lines.readline()
        self.received.append(line.decode(errors="replace").rstrip("\r\n"))
        return self.received[-1]

    def wait(self) -> None:
        """Say no more, until the client ends the connection."""
        while self.read():
            pass

    def until(
        self,
        word: str,
        *,
        greeting: str | None = "* OK hello",
        capabilities: str = CAPABILITIES,
        opened: Sequence[str] = OPENED,
    ) -> str:
        """Answer commands as a server should, up to one that has this word; return the tag of that one."""
        if greeting is not None:
            self.send(greeting)
        while line := self.read():
            tag, _, command = line.partition(" ")
            if word in command:
                return tag
            if command.startswith("CAPABILITY"):
                self.send(f"* CAPABILITY {capabilities}")
            elif command.startswith("AUTHENTICATE"):
                self.send("+ ")
                self.read()
            elif command.startswith(("EXAMINE", "SELECT")):
                self.send(*opened)
            elif "SEARCH" in command:
                self.send("* SEARCH 1 2 3")
            self.send(f"{tag} OK done")
        raise ConnectionResetError

    def obey(
        self, *, greeting: str | None = "* OK hello", capabilities: str = CAPABILITIES, opened: Sequence[str] = OPENED
    ) -> None:
        """Answer all commands as a server should, until the client ends the connection."""
        with suppress(ConnectionError):
            self.until("\n", greeting=greeting, capabilities=capabilities, opened=opened)

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on in TLS."""
        self._connection = secured = context.wrap_socket(
            self._connection, server_side=True, do_handshake_on_connect=False
        )
        secured.do_handshake()
        self._lines = secured.makefile("rb")

    def cut(self) -> None:
        """Break the connection, even while it is read from or written to."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        self._lines.close()
        self._connection.close()


@contextmanager
def scripted(script: Script, context: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> Iterator[int]:
    """Serve with a script, in plain text or with this side of TLS; yield the port."""
    over = threading.Event()
    clients: list[Client] = []
    threads: list[threading.Thread] = []

    def answer(client: Client) -> None:
        # What the client does to a connection is what the test is about, not an error of the script.
        with suppress(OSError):
            if context is not None:
                client.start_tls(context)
            script(client)
        client.cut()
        client.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                clients.append(Client(listening.accept()[0], over))
                threads.append(threading.Thread(target=answer, args=[clients[-1]]))
                threads[-1].start()

    with socket.create_server((address, 0)) as listening:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for client in clients:
                client.cut()
            for thread in threads:
                thread.join()
