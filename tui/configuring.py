"""What `config` does: write a file to start from, show what is in force, try each mailbox."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

import click

from loaders import SourceError
from loaders.imap import ImapError
from loaders.mailbox import Connection
from tlsrpt.limits import MAILBOX_LIMITS
from tui import config
from tui.fetching import at_terminal, mailboxes, said, status_of
from tui.progress import interruptible
from tui.running import INTERRUPTED, one_line
from tui.text import PROSE, safe
from tui.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from loaders.mailbox import Mailbox

_NAMED = 12  # folders that a message names

TEMPLATE = """\
# Configuration of tlsrpt (TOML). A line that begins with # does nothing; take the # away to use it.
# `tlsrpt config check` tries what stands here.

# The domains to watch: `tlsrpt check` without a name looks at these.
# domains = ["example.com", "example.org"]

# A mailbox that reports arrive in; [mailbox.NAME] for each one. `tlsrpt fetch` reads them all.
# [mailbox.reports]
# host = "imap.example.com"
# user = "tlsrpt@example.com"
# folders = ["INBOX", "Junk"]            # spam filters dislike reports
# tls = "implicit"                       # or "starttls"
# ca_file = "/etc/ssl/our-ca.pem"        # if the authority is your own

# Where the password is: one of these, else it is asked for. It never stands in this file.
# password_command = ["pass", "show", "tlsrpt"]
# password_file = "/etc/tlsrpt/password" # readable by its owner only
# password_credential = "imap"           # of systemd: LoadCredential=imap:FILE
# keyring = true

# With OAuth 2.0 instead of a password:
# auth = "xoauth2"                       # or "oauthbearer"
# token_command = ["oauth2l", "fetch", "imap"]

# What becomes of a message once its reports are stored. The mailbox is opened to read it only, unless:
# after = "move"                         # or "delete"
# move_to = "TLS reports"

# Believe what your own mail server says of signatures, in place of a check of our own:
# trusted_authserv_id = "mx.example.com"

# Reporters to believe beside those that tlsrpt knows; `tlsrpt accept` lists who signed reports.
# [[reporters]]
# signer = "example.net"
# address = "tlsrpt@example.net"

# [dkim]
# check = "off"                          # ask nobody's DNS for the keys of signatures

# How live checks are made.
# [live]
# resolver = ["127.0.0.1:53"]
# vantage = "berlin"

# How much a verdict asks for.
# [ready]
# profile = "cautious"
"""


def start() -> int:
    """Write a file to start from, unless there is one, and return the exit status."""
    file = config.path()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(file, flags, 0o600), "w", encoding="utf-8") as stream:
            stream.write(TEMPLATE)
    except FileExistsError:
        click.echo(f"{safe(str(file))} is there already; tlsrpt config check tries it", err=True)
        return 0
    except OSError as error:
        raise click.ClickException(f"{file}: {(error.strerror or 'cannot be written').lower()}") from error
    click.echo(f"wrote {safe(str(file))}: edit it, then tlsrpt config check", err=True)
    return 0


def show() -> int:
    """Write what differs from the usual, without secrets, and return the exit status."""
    configured = config.read()
    click.echo(f"# {safe(str(config.path()))}")
    for key, value in _flat("", configured.model_dump(exclude_defaults=True)):
        click.echo(f"{safe(key)} = {safe(_shown(key, value), PROSE)}")
    return 0


def _flat(prefix: str, values: object) -> list[tuple[str, object]]:
    if isinstance(values, dict):
        return [one for key, value in values.items() for one in _flat(f"{prefix}.{key}".lstrip("."), value)]
    return [(prefix, values)]


def _shown(key: str, value: object) -> str:
    if key.endswith("_command") and isinstance(value, tuple) and value:
        # An argument may be a secret.
        return f'["{value[0]}"' + ', "…"' * (len(value) > 1) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_shown('', one) for one in value)}]"
    return str(value) if isinstance(value, int | float | dict) else f'"{value}"'


@one_line
def check(names: Sequence[str]) -> int:
    """Try each mailbox, say what is wrong with it, and return the exit status: the highest of several."""
    configured = config.read()
    _warn_of(config.path())
    status = 0
    with interruptible() as stopped:
        for one in mailboxes(configured, names, at_terminal()):
            if stopped():
                return INTERRUPTED
            status = max(status, _check(one, stopped))
    return status


def _warn_of(file: Path) -> None:
    if os.name == "posix" and file.exists() and file.stat().st_mode & 0o022:
        # Whoever can write it chooses the commands that are run.
        raise SourceError(f"{file} can be written by others: chmod 600 {file}")


def _check(one: Mailbox, stopped: Callable[[], bool]) -> int:
    lines, problem = tried(one, stopped)
    for line in lines:
        click.echo(safe(line, PROSE))
    return 0 if problem is None else status_of(problem)


def tried(one: Mailbox, stopped: Callable[[], bool]) -> tuple[list[str], ImapError | None]:
    """Try a mailbox; return what was found, line by line, and the first problem."""
    lines: list[str] = []
    problem: ImapError | None = None
    limits = MAILBOX_LIMITS._replace(reconnects=1)
    with Connection(one, limits, stopped) as connection:
        try:
            session = connection.session()
            there = session.folders()
        except ImapError as error:
            return [said(one.name, "", error)], error
        lines.append(f"{one.name}: {one.account.user} at {one.account.host}, {count(len(there), 'folder')}")
        wanted = [*one.folders, *([one.move_to] if one.move_to else [])]
        for folder in wanted:
            try:
                opened = connection.session().open(folder)
            except ImapError as error:
                problem = problem or error
                connection.drop()
                lines.append(f"{said(one.name, folder, error)}{_near(folder, there)}")
            else:
                lines.append(f"{one.name} {folder}: {count(opened.messages, 'message')}")
    return lines, problem


def _near(folder: str, there: Sequence[str]) -> str:
    near = difflib.get_close_matches(folder, there, n=3) or list(there)[:_NAMED]
    return f"; there is {', '.join(near)}" if near else ""
