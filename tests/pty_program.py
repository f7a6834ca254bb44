"""The real program in a pseudo-terminal: keys in, bytes out."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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
    ) -> None:
        self.output = b""
        self.status: int | None = None
        child = {**os.environ, "COLORTERM": "truecolor", **(environment or {})}
        columns, rows = size
        code = f"""
import fcntl, os, signal, struct, sys, termios
if {deaf}:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", {rows}, {columns}, 0, 0))
if {stdin is not None}:
    os.dup2(os.open({str(stdin)!r}, os.O_RDONLY), 0)
from tui.cli import main
main()
"""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(sys.executable, [sys.executable, "-c", code, *arguments], child)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.status is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
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

    def hang_up(self) -> int:
        """Take the terminal away and return the exit status."""
        os.close(self.terminal)
        self.terminal = os.open(os.devnull, os.O_RDONLY)
        return self.ended_unread()

    def ended_unread(self) -> int:
        """Wait for the end without reading and return the exit status."""
        until = time.monotonic() + DEADLINE
        while not (found := os.waitpid(self.pid, os.WNOHANG))[0]:
            assert time.monotonic() < until, "it goes on"
            time.sleep(0.02)
        self.status = os.waitstatus_to_exitcode(found[1])
        return self.status

    def ended(self) -> int:
        """Read to the end and return the exit status."""
        until = time.monotonic() + DEADLINE
        while self._read(until):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status
