"""A real Dovecot on free ports of loopback, with one user, for as long as a context lasts.

    with dovecot() as server:
        server.deliver("INBOX", message)
        with Session.connect(server.account(), PASSWORD) as session: ...

Without Dovecot 2.3 the test is skipped, or fails where servers are required.
"""

from __future__ import annotations

import base64
import grp
import hashlib
import hmac
import itertools
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from certificates import Authority, pem, shown
from imapclient import imap_utf7

from loaders.imap import Account

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "localhost"
USER = "reports"
PASSWORD = 'CANARY-7f3a "se\\cret" word'

_NOBODY = 65534  # Dovecot reads no mail as root
_ATTEMPTS = 5  # at ports that were free a moment ago
_SECONDS = 20.0  # within which it starts

_SETTINGS = """\
protocols = imap
login_greeting = {greeting}
listen = {address}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
auth_verbose = yes
auth_failure_delay = 0
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
mail_home = {folder}/mail/%n
mail_location = maildir:{folder}/mail/%n
disable_plaintext_auth = yes
auth_mechanisms = plain login xoauth2 oauthbearer
ssl = required
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/certificate.pem
ssl_dh =
mail_max_userip_connections = 50
service anvil {{
  chroot =
  # Else each failed login makes those after it wait.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {starttls_port}
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/tokens.conf
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login
  args = scheme=PLAIN {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%n allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
"""
_TOKENS = """\
introspection_mode = local
username_attribute = sub
local_validation_key_dict = fs:posix:prefix={folder}/keys/
"""


class Dovecot:
    """What runs while the context of `dovecot` lasts."""

    def __init__(self, folder: Path, authority: Authority, certificate: str, address: str) -> None:
        self.authority = authority
        self.address = address
        self.port = 0  # TLS at once
        self.starttls_port = 0
        self.ca_file = str(folder / "authority.pem")
        self._folder = folder
        self._key = os.urandom(32)
        self._greeting = f"Ready-{os.urandom(8).hex()}"
        self._numbers = itertools.count(1)
        self._uid, self._gid = (_NOBODY, _NOBODY) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        self._process: subprocess.Popen[bytes] | None = None
        os.chown(folder, self._uid, self._gid)
        for name in ("run", "state", f"mail/{USER}"):
            self._own(folder / name)
        self._write("certificate.pem", pem(shown(certificate, HOST, authority)))
        self._write("authority.pem", authority.pem)
        self._write("passwords", f"{USER}:{{PLAIN}}{PASSWORD}\n".encode())
        self._write("keys/default/HS256/default", base64.b64encode(self._key))
        self._write("tokens.conf", _TOKENS.format(folder=folder).encode())

    def account(self, *, tls: str = "implicit", auth: str = "login", host: str = HOST, ca_file: str = "") -> Account:
        """Return how to reach its mailbox."""
        port = self.port if tls == "implicit" else self.starttls_port
        return Account(host, port, tls, ca_file or self.ca_file, USER, auth)

    def start(self) -> None:
        """Run it, until it takes connections."""
        program = _program()
        for _ in range(_ATTEMPTS):
            self.port, self.starttls_port = _free_ports(self.address)
            self._write("dovecot.conf", self._settings().encode())
            self._write("log", b"")
            command = [program, "-F", "-c", str(self._folder / "dovecot.conf")]
            dropped: dict[str, Any] = {"user": self._uid, "group": self._gid, "extra_groups": []}
            with (self._folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    command, stderr=log, start_new_session=True, **(dropped if os.geteuid() == 0 else {})
                )
            if self._ready(self._process):
                return
            self.stop()
        pytest.fail(f"Dovecot does not start:\n{(self._folder / 'log').read_text()}")

    def _ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait until it says its own greeting: what else may have taken the port meanwhile says another."""
        until = time.monotonic() + _SECONDS
        while process.poll() is None and time.monotonic() < until:
            with (
                suppress(OSError),
                socket.create_connection((self.address, self.starttls_port), _SECONDS) as connection,
                connection.makefile("rb") as said,
            ):
                if self._greeting.encode() in said.readline():  # each port is open before any is answered
                    return True
        return False

    def _settings(self) -> str:
        return _SETTINGS.format(
            folder=self._folder,
            greeting=self._greeting,
            address=self.address,
            user=pwd.getpwuid(self._uid).pw_name,
            group=grp.getgrgid(self._gid).gr_name,
            uid=self._uid,
            gid=self._gid,
            port=self.port,
            starttls_port=self.starttls_port,
        )

    def stop(self) -> None:
        """End it, and every connection with it."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # it takes a second over SIGTERM
            self._process.wait()
            self._process = None

    def deliver(self, folder: str, *messages: bytes, flags: str = "") -> None:
        """Put messages into a folder, which is made if need be; "T" among the letters of their flags is deleted."""
        maildir = self._maildir(folder)
        for place in ("cur", "new", "tmp"):
            self._own(maildir / place)
        for message in messages:
            name = f"17000000{next(self._numbers):05}.M1P1.test"
            (maildir / "tmp" / name).write_bytes(message)
            os.chown(maildir / "tmp" / name, self._uid, self._gid)
            (maildir / "tmp" / name).rename(maildir / "cur" / f"{name}:2,{flags}")

    def messages(self, folder: str) -> list[str]:
        """Return the files of the messages of a folder; their names have the flags."""
        maildir = self._maildir(folder)
        return sorted(
            f"{path.parent.name}/{path.name}" for place in ("cur", "new") for path in (maildir / place).iterdir()
        )

    def renumber(self, folder: str) -> None:
        """Let it give each message of a folder a new UID, under another UIDVALIDITY."""
        while self.kill_sessions():  # one that is being ended writes these files as well
            pass
        numbers = self._maildir(folder) / "dovecot-uidlist"
        version, validity, _, guid = numbers.read_text().partition("\n")[0].split(" ")
        for path in self._maildir(folder).glob("dovecot*"):
            path.unlink()
        # Left to itself it takes the time in seconds, which may be that of before.
        first = f"{version} V{int(validity[1:]) + 1} N1 {guid}\n"
        self._write(str(numbers.relative_to(self._folder)), first.encode())

    def kill_sessions(self) -> int:
        """Break off every connection that is logged in, and return how many there were."""
        assert self._process is not None
        master = self._process.pid
        killed = 0
        for child in Path(f"/proc/{master}/task/{master}/children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"dovecot/imap\0"):
                    os.kill(int(child), signal.SIGKILL)
                    killed += 1
        return killed

    def token(self, user: str = USER, seconds: int = 3_600) -> str:
        """Return a token (RFC 7519) that it takes for a user, until so many seconds from now."""
        now = int(time.time())
        parts = (
            {"alg": "HS256", "typ": "JWT"},
            {"sub": user, "iat": now - 7_200, "nbf": now - 7_200, "exp": now + seconds},
        )
        signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_base64(hmac.digest(self._key, signed.encode(), hashlib.sha256))}"

    def _maildir(self, folder: str) -> Path:
        home = self._folder / "mail" / USER
        return home if folder == "INBOX" else home / f".{imap_utf7.encode(folder).decode()}"

    def _own(self, folder: Path) -> None:
        """Make a folder, with those above it, that the server may write to."""
        if not folder.exists():
            self._own(folder.parent)
            folder.mkdir()
            os.chown(folder, self._uid, self._gid)

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        self._own(path.parent)
        path.write_bytes(content)
        os.chown(path, self._uid, self._gid)


@contextmanager
def dovecot(
    certificate: str = "good", *, authority: Authority | None = None, address: str = "127.0.0.1"
) -> Iterator[Dovecot]:
    """Run Dovecot with a certificate of a kind for `HOST`."""
    # Below the system's folder, not a test's: nobody else may enter that, and its path is too long for sockets.
    with tempfile.TemporaryDirectory(prefix="tlsrpt-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Dovecot(folder, authority or Authority(), certificate, address)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _program() -> str:
    path = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin")
    version = subprocess.check_output([path, "--version"], text=True) if path else ""
    if path and version.startswith("2.3."):
        return path
    # 2.4 has other settings for everything.
    lacking = f"this is Dovecot {version.split()[0]}, not 2.3" if version else "dovecot is not installed"
    if os.environ.get("REQUIRE_SERVERS") == "1":
        pytest.fail(f"{lacking}, and REQUIRE_SERVERS is 1")
    pytest.skip(lacking)


def _free_ports(address: str) -> tuple[int, int]:
    with socket.create_server((address, 0)) as one, socket.create_server((address, 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
