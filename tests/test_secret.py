"""Passwords come from where the operator keeps them, and no message ever has one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from loaders import secret
from loaders.secret import Kept, OfCommand, SecretError

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "CANARY-7f3a"


def written(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def test_the_first_line_of_a_command_is_the_password() -> None:
    assert secret.from_command([sys.executable, "-c", f"print('{CANARY}'); print('url: x')"]) == CANARY


def test_no_shell_reads_a_command(tmp_path: Path) -> None:
    made = tmp_path / "made"
    words = [sys.executable, "-c", "import sys; print(sys.argv[1])", f"$(touch {made})"]
    assert secret.from_command(words).startswith("$")
    assert not made.exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (f"print('{CANARY}'); raise SystemExit(3)", "ended with 3"),
        (f"import sys; print('{CANARY}', file=sys.stderr); raise SystemExit(1)", "ended with 1"),
        ("print()", "empty"),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\n')", "not UTF-8"),
    ],
)
def test_what_went_wrong_with_a_command_is_told_without_what_it_wrote(
    code: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SecretError, match=said) as caught:
        secret.from_command([sys.executable, "-c", code])
    assert CANARY not in str(caught.value)
    assert CANARY not in "".join(capfd.readouterr())


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    runs = threading.Event()

    def listen() -> None:
        with pipe.open("rb") as reading:
            runs.set()
            reading.read()  # to its end: nobody is left who could write

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    words = ["sh", "-c", f"exec 3> {pipe}; sleep 1000 & sleep 1000"]
    with pytest.raises(SecretError, match="sh: stopped"):
        OfCommand(words)(stopped=runs.is_set)
    listening.join(timeout=20)
    assert not listening.is_alive()


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(SecretError, match="no-such-program: No such file"):
        secret.from_command(["no-such-program"])


def test_a_file_of_its_owner_is_read(tmp_path: Path) -> None:
    assert secret.from_file(written(tmp_path / "password", f"{CANARY}\r\nmore\n")) == CANARY


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SecretError, match="can be read by others: chmod 600") as caught:
        secret.from_file(written(tmp_path / "password", CANARY, mode))
    assert CANARY not in str(caught.value)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, said in (("pipe", "not a regular file"), ("none", "no such file"), (".", "not a regular file")):
        with pytest.raises(SecretError, match=said):
            secret.from_file(tmp_path / name)


def test_a_credential_of_systemd_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "imap", CANARY, 0o400)
    with pytest.raises(SecretError, match="LoadCredential=imap:FILE"):
        secret.from_credential("imap")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secret.from_credential("imap") == CANARY
    with pytest.raises(SecretError, match="credential other: no such file"):
        secret.from_credential("other")


def test_a_secret_is_got_once_and_afresh_on_request() -> None:
    given = iter(["one", "two"])
    kept = Kept(lambda: next(given))
    assert [kept(), kept(), kept(fresh=True), kept()] == ["one", "one", "two", "two"]


def test_a_kept_secret_does_not_show_in_its_repr() -> None:
    kept = Kept(lambda: CANARY)
    kept()
    assert CANARY not in repr(kept)


BACKEND = """
from keyring.backend import KeyringBackend

class Memory(KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        return {("tlsrpt", "a@imap.example.com"): "CANARY-7f3a"}.get((service, username))

    def set_password(self, service, username, password):
        raise NotImplementedError
"""


@pytest.mark.parametrize(
    ("backend", "account", "said"),
    [
        ("memory_keyring.Memory", "a@imap.example.com", "'CANARY-7f3a'"),
        ("memory_keyring.Memory", "b@imap.example.com", "the keyring has no password: keyring set tlsrpt b@imap"),
        ("keyring.backends.fail.Keyring", "a@imap.example.com", "the keyring cannot be used: NoKeyringError"),
    ],
)
def test_the_keyring_is_asked(tmp_path: Path, backend: str, account: str, said: str) -> None:
    (tmp_path / "memory_keyring.py").write_text(BACKEND)
    code = f"from loaders import secret; print(repr(secret.from_keyring({account!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHON_KEYRING_BACKEND": backend, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert said in done.stdout + done.stderr


def test_without_the_keyring_installed_it_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "keyring.py").write_text("raise ImportError")
    code = "from loaders import secret; secret.from_keyring('a@imap.example.com')"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert "the keyring is not installed: pip install 'tlsrpt-tui[keyring]'" in done.stderr
