"""Whose reports are believed: what the configuration and the operator say of senders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from loaders import senders
from loaders.senders import Flood, Senders
from tlsrpt.store import Store, utc_now
from tui.words import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from tlsrpt.authentication import KeyOf
    from tui.config import Config


def keys(configured: Config, stopped: Callable[[], bool] = lambda: False) -> KeyOf | None:
    """Return what finds the keys of signatures, None if nobody is to be asked."""
    if configured.dkim.check == "off":
        return None
    from loaders.dkim_keys import Keys  # noqa: PLC0415 - DNS only where somebody is asked

    return Keys(configured.live.settings(), configured.accepted(), stopped=stopped)


def of_mail(store: Store, configured: Config, found: KeyOf | None) -> Senders:
    """Return what tells of mail in files, read now, what its report is worth."""
    return Senders(found, senders.accepted(store, configured.accepted()), utc_now())


def of_mailbox(store: Store, configured: Config, found: KeyOf | None, trusted_authserv_id: str) -> Senders:
    """Return what tells the same of mail in a mailbox, into which anyone can send."""
    now = utc_now()
    known = senders.accepted(store, configured.accepted())
    return Senders(found, known, now, trusted_authserv_id=trusted_authserv_id, flood=Flood(store))


def regrade(store: Store, configured: Config) -> int:
    """Bring what is stored in line with who is accepted now; return how many reports that changed."""
    return senders.regrade(store, senders.accepted(store, configured.accepted()))


def regraded(store: Store, configured: Config) -> None:
    """Do the same, and say so if it changed anything."""
    if changed := regrade(store, configured):
        click.echo(f"{count(changed, 'report')} changed in trust, as other reporters are accepted now", err=True)
