"""Passwords and tokens, from where the operator keeps them. None is ever part of a message."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

_SECONDS = 60.0  # for a command
_SLICE = 0.1  # seconds after which one looks whether it is to go on
_SIZE = 64 << 10  # bytes; tokens are long
KEYRING_SERVICE = "tlsrpt"

Stopped = Callable[[], bool]


class SecretError(Exception):
    """There is no password to be had; the message says why and what helps."""


class Kept:
    """A secret that is got once, and once more if it is asked for afresh or was refused. Its repr does not show it."""

    def __init__(self, get: Callable[[], str]) -> None:
        self._get = get
        self._value: str | None = None

    def __call__(self, *, fresh: bool = False, stopped: Stopped = lambda: False) -> str:
        """Return the secret. Raises SecretError, also once `stopped` is true while it is waited for."""
        value = self._value
        if value is None or fresh:
            self._value = value = self._got(stopped)
        return value

    def _got(self, stopped: Stopped) -> str:
        del stopped
        return self._get()

    def forget(self) -> None:
        """Get it anew the next time: it was refused."""
        self._value = None


class OfCommand(Kept):
    """The same from a command, which need not be waited for."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(partial(from_command, words))
        self._words = words

    def _got(self, stopped: Stopped) -> str:
        return from_command(self._words, stopped)


def from_command(words: Sequence[str], stopped: Stopped = lambda: False) -> str:
    """Return the first line that a command writes; no shell reads the words."""
    name = words[0]
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what it says there may hold the secret, and a screen may be open
            start_new_session=True,  # so that what it started can be ended with it
        )
    except (OSError, ValueError) as error:
        raise SecretError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    with process:
        try:
            written = _written(process, name, stopped)
        except BaseException:
            _kill(process)
            raise
    if process.returncode:
        raise SecretError(f"{name} ended with {process.returncode}; run it by hand to see why")
    return _line(written, name)


def _written(process: subprocess.Popen[bytes], name: str, stopped: Stopped) -> bytes:
    """Return what a command writes, once it has ended."""
    until = time.monotonic() + _SECONDS
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_SLICE)[0]
        if stopped():
            raise SecretError(f"{name}: stopped")
        if time.monotonic() > until:
            raise SecretError(f"{name}: gave no password within {_SECONDS:g} s")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def from_file(path: Path) -> str:
    """Return the first line of a file that nobody but its owner can read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SecretError(f"{path}: not a regular file")
            if os.name == "posix" and status.st_mode & 0o077:
                raise SecretError(f"{path} can be read by others: chmod 600 {path}")
            content = os.read(descriptor, _SIZE)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SecretError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    return _line(content, str(path))


def from_credential(name: str) -> str:
    """Return the first line of a credential that systemd hands to a service (LoadCredential=)."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise SecretError(f"no credential {name}: not started by systemd with LoadCredential={name}:FILE")
    try:
        content = (Path(folder) / name).read_bytes()[:_SIZE]
    except OSError as error:
        raise SecretError(f"credential {name}: {(error.strerror or 'cannot be read').lower()}") from None
    return _line(content, f"credential {name}")


def from_keyring(account: str) -> str:
    """Return the password that this user's keyring has for an account, such as "user@imap.example.com"."""
    try:
        import keyring  # noqa: PLC0415 - an extra
        import keyring.errors  # noqa: PLC0415
    except ImportError:
        raise SecretError("the keyring is not installed: pip install 'tlsrpt-tui[keyring]'") from None
    try:
        found = keyring.get_password(KEYRING_SERVICE, account)
    except keyring.errors.KeyringError as error:
        raise SecretError(f"the keyring cannot be used: {type(error).__name__}") from None
    if found is None:
        raise SecretError(f"the keyring has no password: keyring set {KEYRING_SERVICE} {account}")
    return found


def _line(content: bytes, where: str) -> str:
    try:
        line = content.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        raise SecretError(f"{where}: not UTF-8") from None
    if not line:
        raise SecretError(f"{where}: empty")
    return line
