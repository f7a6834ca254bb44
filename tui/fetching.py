"""What `fetch` does: read mailboxes, once or for as long as one watches."""

from __future__ import annotations

import getpass
import json
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loaders import Summary, secret
from loaders.imap import Account
from loaders.mailbox import Mailbox, Visit, fetch
from loaders.secret import Kept, OfCommand, SecretError
from loaders.watching import watch as news
from tlsrpt.store import Store, StoreError
from tui import believing, config
from tui.progress import Fetching, believable, ending_at_once, interruptible
from tui.running import INTERRUPTED, REFUSALS, one_line
from tui.text import PROSE, safe
from tui.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from loaders import Status
    from loaders.imap import ImapError
    from loaders.mailbox import Folder

UNREACHED = 4  # exit status
COULD_NOT = 1

_UNREACHED = {"address", "connection", "broken"}
HINTS = {
    "address": "is `host` right?",
    "connection": "is `host` right, is `port`, and does a firewall allow it?",
    "certificate": "`host` has to be a name in the certificate; `ca_file` names an authority of your own",
    "tls": 'tls = "implicit" is for port 993, tls = "starttls" for port 143',
    "login": "`user`, the password, or `auth` is not what the server wants",
    "folder": "tlsrpt config check lists the folders",
}


def said(mailbox: str, folder: str, problem: ImapError) -> str:
    """Return what went wrong, where, and what may help."""
    hint = f" ({HINTS[problem.kind]})" if problem.kind in HINTS else ""
    return f"{mailbox} {folder}".strip() + f": {problem}{hint}"


def status_of(problem: ImapError) -> int:
    """Return the exit status that a problem asks for."""
    return UNREACHED if problem.kind in _UNREACHED else COULD_NOT


def mailboxes(configured: config.Config, names: Sequence[str], ask: Callable[[str], str] | None) -> list[Mailbox]:
    """Return the mailboxes of these names, or all; `ask` gets a password that is kept nowhere.

    Raises UsageError for a name that is not configured, or if none is.
    """
    if not configured.mailbox:
        raise click.UsageError(f"no mailbox in {config.path()}; tlsrpt config writes a file to start from")
    for name in names:
        if name not in configured.mailbox:
            raise click.UsageError(f"{name}: no such mailbox; there is {', '.join(configured.mailbox)}")
    chosen = dict.fromkeys(names) if names else configured.mailbox
    return [mailbox(name, configured.mailbox[name], ask) for name in chosen]


def mailbox(name: str, given: config.Mailbox, ask: Callable[[str], str] | None) -> Mailbox:
    """Return a mailbox as it is configured."""
    account = Account(given.host, given.own_port, given.tls, _file(given.ca_file), given.user, given.auth)
    return Mailbox(
        name,
        account,
        _secret(name, given, ask),
        given.folders,
        given.after,
        given.move_to,
        given.trusted_authserv_id,
        given.vouch,
    )


def _file(name: str) -> str:
    """Return a file that the configuration names, from where that is; "" for none."""
    return str(config.path().parent / Path(name).expanduser()) if name else ""


def _secret(name: str, given: config.Mailbox, ask: Callable[[str], str] | None) -> Kept:
    if command := given.password_command or given.token_command:
        return OfCommand(command)
    if given.password_file:
        return Kept(partial(secret.from_file, Path(_file(given.password_file))))
    if given.password_credential:
        return Kept(partial(secret.from_credential, given.password_credential))
    if given.keyring:
        return Kept(partial(secret.from_keyring, f"{given.user}@{given.host}"))
    return Kept(partial(_asked, name, given, ask))


def _asked(name: str, given: config.Mailbox, ask: Callable[[str], str] | None) -> str:
    if ask is None:
        raise SecretError(f"mailbox.{name} names no password, and there is no terminal to ask at: password_command")
    return ask(f"password of {safe(given.user)} at {safe(given.host)}: ")


def at_terminal() -> Callable[[str], str] | None:
    """Return what asks for a password without showing it, None where nobody could answer."""
    return _at_terminal if sys.stdin.isatty() and sys.stderr.isatty() else None


def _at_terminal(prompt: str) -> str:
    with ending_at_once():
        return getpass.getpass(prompt)


@one_line
def fetched(database: Path, names: Sequence[str], *, watch: bool, anew: bool, strict: bool, form: str) -> int:
    """Read mailboxes into the store, say what came of it, and return the exit status."""
    configured = config.read()
    chosen = mailboxes(configured, names, at_terminal())
    store = Store.open(database, create=True)
    believing.regraded(store, configured)
    with interruptible(signal.SIGTERM) as stopped, store.stoppable(stopped):
        status = refused = 0

        def visit(one: Mailbox, *, anew: bool = False, quiet: bool = False) -> None:
            nonlocal status, refused
            # Anew for each visit: a resolver that was away may be back.
            keys = believing.keys(configured, stopped)
            senders = believing.of_mailbox(store, configured, keys, one.trusted_authserv_id)
            with Fetching(sys.stderr, one.name) as progress:
                visits = fetch(store, one, senders, anew=anew, progress=progress, stopped=stopped)
            _report([each for each in visits if each.messages or each.problem or not quiet], form)
            for each in visits:
                refused += each.summary.refused
                if each.problem is not None:
                    status = max(status, status_of(each.problem))

        for one in chosen:
            if not stopped():
                visit(one, anew=anew)
        if watch and not stopped():
            click.echo("watching; Ctrl-C ends it", err=True)
            for one in news(chosen, stopped):
                try:
                    visit(one, quiet=True)
                except StoreError as error:  # somebody else has it; the mailbox will be due again
                    click.echo(safe(str(error), PROSE), err=True)
            return 0
        if stopped():
            return INTERRUPTED
    return status or (REFUSALS if strict and refused else 0)


def once(
    store: Store,
    one: Mailbox,
    progress: Callable[[str, Folder, Status], None],
    stopped: Callable[[], bool],
) -> tuple[list[str], ImapError | None]:
    """Read a mailbox; return what came of it, line by line, and the first problem. Raises StoreError, ConfigError."""
    configured = config.read()
    with store.stoppable(stopped):
        believing.regrade(store, configured)
        keys = believing.keys(configured, stopped)
        senders = believing.of_mailbox(store, configured, keys, one.trusted_authserv_id)
        visits = fetch(store, one, senders, progress=progress, stopped=stopped)
    problems = [each.problem for each in visits if each.problem is not None]
    return list(lines(visits)), next(iter(problems), None)


def lines(visits: Sequence[Visit]) -> Iterator[str]:
    """Yield what came of visits: a line for each folder, one for what went wrong, and what makes reports count."""
    for visit in visits:
        if visit.problem is not None:
            yield said(visit.mailbox, visit.folder, visit.problem)
        if visit.problem is None or visit.messages:
            yield f"{visit.mailbox} {visit.folder}: {visited(visit)}"
    yield from believable(_doubtful(visits))


def _doubtful(visits: Sequence[Visit]) -> Summary:
    return Summary(
        unchecked=sum(visit.summary.unchecked for visit in visits),
        signed=sum(visit.summary.signed for visit in visits),
        unverified=sum(visit.summary.unverified for visit in visits),
    )


def _report(visits: Sequence[Visit], form: str) -> None:
    if form == "json":
        for visit in visits:
            about = {"mailbox": visit.mailbox, "folder": visit.folder, "messages": visit.messages}
            rest = {"waiting": visit.waiting, "problem": "" if visit.problem is None else str(visit.problem)}
            click.echo(json.dumps(about | visit.summary._asdict() | rest))
    for line in lines(visits):
        click.echo(safe(line, PROSE), err=True)


def visited(visit: Visit) -> str:
    """Return what came of a visit to a folder, in a line."""
    done = visit.summary
    parts = [
        count(done.reports, "new report"),
        *([count(done.duplicates, "duplicate")] if done.duplicates else []),
        *([f"{done.superseded:,} superseded"] if done.superseded else []),
        *([f"{done.refused:,} refused (tlsrpt refused lists them)"] if done.refused else []),
        *([f"{visit.waiting:,} waiting for the next run"] if visit.waiting else []),
    ]
    return f"{', '.join(parts)}, of {count(visit.messages, 'message')} in {done.seconds:.1f} s"
