"""Questions about deliveries: what came, and what was refused and why."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from queries import WHOLE, Part, part_of, rows

if TYPE_CHECKING:
    from tlsrpt.store import Store


class RefusedRow(NamedTuple):
    """A delivery, or one entry of a report, that could not be read. Its bytes are kept for `reread`."""

    delivery: int
    source: str  # file, or archive and member
    name: str  # attachment or member name, "" if none
    reason: str
    size: int  # bytes kept
    loaded_at: datetime  # UTC, when it was last tried
    sender: str | None  # domain of From, for mail
    subject: str | None


class Outcome(NamedTuple):
    """How many deliveries ended in one way."""

    outcome: str  # "loaded", "duplicate", "refused", "skipped"
    reason: str  # for "skipped" what it was, else ""
    deliveries: int


def refused(store: Store) -> list[RefusedRow]:
    """Return the refused deliveries, newest first."""
    return refused_part(store, WHOLE)[0]


def refused_part(store: Store, part: Part) -> tuple[list[RefusedRow], int]:
    """Return a part of the refused deliveries, newest first or in another order, and how many have its words.

    Words are looked for in reason, source, name, sender, subject and the day of the last try. The order is a
    field of RefusedRow.
    """
    return part_of(store, "deliveries_refused", RefusedRow, part)


def content(store: Store, delivery: int) -> bytes:
    """Return the bytes kept of a delivery, b"" if none were."""
    found = rows(store, "deliveries_content", Content, delivery=delivery)
    return found[0].content if found else b""


class Content(NamedTuple):
    """Bytes as received."""

    content: bytes


def outcomes(store: Store) -> list[Outcome]:
    """Return how deliveries ended, most first."""
    return rows(store, "deliveries_outcomes", Outcome)
