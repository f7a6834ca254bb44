"""Passwords and tokens, from where the operator keeps them. None is ever part of a message."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

_SECONDS = 60.0  # for a command
_SIZE = 64 << 10  # bytes; tokens are long
KEYRING_SERVICE = "tlsrpt"


class SecretError(Exception):
    """There is no password to be had; the message says why and what helps."""


class Kept:
    """A secret that is got once, and once more if it is asked for afresh. Its repr does not show it."""

    def __init__(self, get: Callable[[], str]) -> None:
        self._get = get
        self._value: str | None = None

    def __call__(self, *, fresh: bool = False) -> str:
        """Return the secret. Raises SecretError."""
        if self._value is None or fresh:
            self._value = self._get()
        return self._value


def from_command(words: Sequence[str]) -> str:
    """Return the first line that a command writes; no shell reads the words."""
    name = words[0]
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what it says there may hold the secret, and a screen may be open
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SecretError(f"{name}: gave no password within {_SECONDS:g} s") from None
    except (OSError, ValueError) as error:
        raise SecretError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    if done.returncode:
        raise SecretError(f"{name} ended with {done.returncode}; run it by hand to see why")
    return _line(done.stdout, name)


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
