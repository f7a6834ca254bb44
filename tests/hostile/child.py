"""Unpack hostile inputs in processes of their own, which may not take much memory or time."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_ADDRESS_SPACE = 1536 << 20
_SECONDS = 5


class Outcome(NamedTuple):
    """What became of an input."""

    kinds: list[str]  # "Document", "Refused", "Skipped"
    growth: int  # bytes of memory, at the peak
    seconds: float


def unpack_apart(files: Iterable[Path]) -> dict[str, Outcome]:
    """Return what unpacking each file does; one whose process came to grief is missing."""
    done = subprocess.run([sys.executable, __file__, *files], stdout=subprocess.PIPE, timeout=50, check=True)
    return {name: Outcome(*outcome) for name, *outcome in map(json.loads, done.stdout.splitlines())}


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def _main() -> None:
    from tlsrpt.delivery import unpack

    for path in map(Path, sys.argv[1:]):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            continue
        signal.alarm(_SECONDS)
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
        content = path.read_bytes()
        peak, start = _peak(), time.process_time()
        kinds = [type(opened).__name__ for opened in unpack(content)]
        outcome = [path.name, kinds, _peak() - peak, time.process_time() - start]
        os.write(1, f"{json.dumps(outcome)}\n".encode())
        os._exit(0)


if __name__ == "__main__":
    _main()
