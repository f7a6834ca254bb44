"""What `accept` does: list who signed reports, accept a reporter, take that back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from loaders import senders
from queries import reporters
from tlsrpt.reporters import Accepted
from tlsrpt.store import Store, utc_now
from tui import config, plain
from tui.believing import regraded
from tui.judging import said_by
from tui.running import one_line, room
from tui.text import safe
from tui.words import count

if TYPE_CHECKING:
    from pathlib import Path


_COLUMNS = ("signer", "address", "trust", "reports", "last_day", "organization_name")
_NAMED = 5  # addresses that a message names


@one_line
def accept(  # noqa: PLR0913 - the options of the command
    database: Path,
    reporter: str | None,
    *,
    address: str,
    everyone: bool,
    note: str,
    who: str | None,
    withdraw: bool,
    form: str,
) -> int:
    """Accept a reporter or take that back; without one, list who signed reports. Return the exit status."""
    if reporter is None:
        return _listed(database, form)
    configured = config.read()
    try:
        wanted = Accepted(config.domain(reporter), address.lower())
    except ValueError as error:
        raise click.UsageError(f"{reporter}: {error}") from error
    if address and not f".{address.lower().rpartition('@')[2]}".endswith(f".{wanted.signer}"):
        raise click.UsageError(f"--address {address}: not an address at {wanted.signer}")
    store = Store.open(database, create=True)
    if withdraw:
        if not senders.withdraw(store, wanted, utc_now()):
            raise click.ClickException(f"{wanted.signer} {wanted.address} is not accepted, so nothing to take back")
        click.echo(f"{safe(wanted.signer)} is no longer accepted", err=True)
    else:
        _accept(store, wanted, note, who, everyone=everyone)
    regraded(store, configured)
    return 0


def _accept(store: Store, wanted: Accepted, note: str, who: str | None, *, everyone: bool) -> None:
    signed = [one for one in reporters.signed(store) if one.signer == wanted.signer]
    if not wanted.address and not everyone:
        wanted = wanted._replace(address=_only(wanted.signer, sorted({one.address for one in signed})))
    if any((one.signer, one.address) == wanted for one in reporters.accepted(store)):
        click.echo(f"{safe(wanted.signer)} {safe(wanted.address)} is accepted already", err=True)
        return
    senders.accept(store, wanted, note, said_by(who), utc_now())
    reports = sum(one.reports for one in signed if wanted.address in {"", one.address})
    so_far = f"with {count(reports, 'report')}" if reports else "of whom no signed report came so far"
    whom = f"reports from {safe(wanted.address)}" if wanted.address else "whoever writes"
    click.echo(f"accepted {whom} signed by {safe(wanted.signer)}, {so_far}", err=True)


def _only(signer: str, addresses: list[str]) -> str:
    """Return the one address that a domain signed reports for. Raises UsageError if it is not one.

    Whoever else has a mailbox at that domain gets its signature as well, as at a provider for everybody.
    """
    if len(addresses) == 1 and addresses[0]:
        return addresses[0]
    seen = f"signed reports from {len(addresses)} addresses" if addresses else "signed no report so far"
    named = f" ({', '.join(addresses[:_NAMED])}{', …' if len(addresses) > _NAMED else ''})" if addresses else ""
    raise click.UsageError(
        f"{signer} {seen}: choose one with --address{named}, or believe whoever it signs for with --everyone"
    )


def _listed(database: Path, form: str) -> int:
    store = Store.open(database) if database.exists() else Store.memory()
    with suppress(config.ConfigError):
        regraded(store, config.read())
    rows = [row._asdict() for row in reporters.signed(store)]
    if not rows:
        click.echo("no report with a valid signature so far", err=True)
    click.echo(plain.written(plain.Table(rows, reporters.Signed._fields, _COLUMNS), form, room()), nl=False)
    if any(row["trust"] == "signed" for row in rows):
        click.echo("to believe one of those signed: tlsrpt accept DOMAIN", err=True)
    return 0
