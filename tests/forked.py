"""The program in a process of its own that need not import everything once more.

Imports take most of the time of a short run. One process imports the program and does nothing else; each run
is a fork of it, with its own arguments, environment, folder and descriptors. What Python and libraries read
from the environment when they are imported needs a start as from a shell: that is what `fresh` is for.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.context import ForkServerProcess

TIMEOUT = 50.0  # seconds
PROGRAM = [sys.executable, "-c", "from tui.cli import main; main()"]
# What commands import when they are given.
_IMPORTED = ["tui.cli", "tui.app", "tui.running", "tui.fetching", "tui.judging", "tui.checking", "loaders.observations"]


class Ended(NamedTuple):
    status: int
    out: bytes
    err: bytes


def run(
    *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None, fresh: bool = False
) -> Ended:
    """Run the program to its end, without a terminal."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("in", "out", "err")]
        for stream in streams:
            stream.write_bytes(stdin if stream.name == "in" else b"")
        process = fork(arguments, environment or {}, _redirected, *map(str, streams), fresh=fresh)
        process.join(TIMEOUT)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["tlsrpt", *arguments], TIMEOUT, streams[1].read_bytes())
        return Ended(process.exitcode, streams[1].read_bytes(), streams[2].read_bytes())


def fork(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    prepare: Callable[..., None],
    *given: object,
    fresh: bool = False,
) -> ForkServerProcess:
    """Start the program in a fork that first calls `prepare` with what is given, to set up its descriptors.

    `fresh` starts Python anew there.
    """
    command = [*PROGRAM, *arguments] if fresh else None
    whole = {**os.environ, **environment}
    process = SERVER.Process(target=_main, args=(prepare, given, command, arguments, whole, Path.cwd()))
    process.start()
    return process


SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(_IMPORTED)


def _main(
    prepare: Callable[..., None],
    given: Sequence[object],
    command: list[str] | None,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    prepare(*given)
    if command:
        os.execv(command[0], command)
    streams = {
        "stdin": open(0, encoding="utf-8", closefd=False),  # noqa: SIM115 - for as long as this process lives
        "stdout": open(1, "w", encoding="utf-8", closefd=False),  # noqa: SIM115
        "stderr": open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False),  # noqa: SIM115
    }
    vars(sys).update(streams | {f"__{name}__": stream for name, stream in streams.items()})
    sys.argv = ["tlsrpt", *arguments]
    from tui.cli import main

    main()


def _redirected(*streams: str) -> None:
    for descriptor, (path, flags) in enumerate(zip(streams, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        opened = os.open(path, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
