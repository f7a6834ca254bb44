"""The real program in a pseudo-terminal: keys in, bytes out."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import termios
import time
from typing import TYPE_CHECKING, Self

from forked import SERVER, fork

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

DEADLINE = 20.0  # seconds


class Program:
    """`tlsrpt` in a terminal of its own. Everything that it writes is kept in `output`."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        size: tuple[int, int] = (80, 24),
        stdin: Path | None = None,
        *,
        deaf: bool = False,
        fresh: bool = False,
    ) -> None:
        self.output = b""
        environment = {"COLORTERM": "truecolor", **(environment or {})}
        self.terminal, slave = os.openpty()
        termios.tcsetwinsize(slave, size[::-1])
        path = os.ttyname(slave)
        opened, opening = SERVER.Pipe(duplex=False)
        self._process = fork(arguments, environment, _in_terminal, path, opening, stdin, deaf, fresh=fresh)
        assert self._process.pid is not None
        self.pid = self._process.pid
        opening.close()
        assert opened.poll(DEADLINE)  # at the latest when it has ended
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.join()
        os.close(self.terminal)

    def _read(self, until: float) -> bool:
        """Take what has been written; return whether there may be more."""
        ready, _, _ = select.select([self.terminal], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return time.monotonic() < until
        try:
            found = os.read(self.terminal, 1 << 16)
        except OSError:  # the other end is closed
            return False
        self.output += found
        return bool(found)

    def wait_for(self, text: str, since: int = 0) -> int:
        """Read until this has been written after position `since`, and return the position of its end."""
        until = time.monotonic() + DEADLINE
        wanted = text.encode()
        while (place := self.output.find(wanted, since)) < 0:
            more = self._read(until)
            assert more or wanted in self.output[since:], f"no {text!r} in {self.output[-2000:]!r}"
        return place + len(wanted)

    def press(self, keys: str) -> int:
        """Press keys, and return where the output stood before."""
        os.write(self.terminal, keys.encode())
        return len(self.output)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def runs(self) -> bool:
        """Return whether it has not ended."""
        return self._process.is_alive()

    def hang_up(self) -> int:
        """Take the terminal away and return the exit status."""
        os.close(self.terminal)
        self.terminal = os.open(os.devnull, os.O_RDONLY)
        return self.ended_unread()

    def ended_unread(self) -> int:
        """Wait for the end without reading and return the exit status."""
        self._process.join(DEADLINE)
        assert self._process.exitcode is not None, "it goes on"
        return self._process.exitcode

    def ended(self) -> int:
        """Read to the end and return the exit status."""
        until = time.monotonic() + DEADLINE
        while self._read(until):
            pass
        return self.ended_unread()


def _in_terminal(path: str, opening: Connection, stdin: Path | None, deaf: bool) -> None:  # noqa: FBT001 - as it comes
    """Make a terminal that of this process, as a login does."""
    if deaf:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    os.setsid()
    terminal = os.open(path, os.O_RDWR)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for descriptor in range(3):
        os.dup2(terminal, descriptor)
    os.close(terminal)
    opening.close()
    if stdin is not None:
        opened = os.open(stdin, os.O_RDONLY)
        os.dup2(opened, 0)
        os.close(opened)
