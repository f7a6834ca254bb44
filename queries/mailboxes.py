"""Questions about mailboxes: what the last visit to each folder came to."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from queries import rows

if TYPE_CHECKING:
    from tlsrpt.store import Store


class VisitRow(NamedTuple):
    """The newest visit to a folder."""

    mailbox: str  # as it is called in the configuration
    folder: str  # "" if the mailbox could not be entered
    began_at: datetime  # UTC
    seconds: float
    messages: int  # looked at
    reports: int  # new ones
    duplicates: int
    refused: int
    skipped: int
    waiting: int  # messages left for the next visit
    problem: str  # what went wrong, "" if nothing did
    all_reports: int  # of all visits
    all_refused: int


def visits(store: Store) -> list[VisitRow]:
    """Return the newest visit to each folder that was ever visited, by mailbox and folder."""
    return rows(store, "mailboxes_visits", VisitRow)
