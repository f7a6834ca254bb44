"""Questions about who sends reports: whose signature was valid, and whom the operator accepts."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from queries import rows

if TYPE_CHECKING:
    from tlsrpt.store import Store


class Signed(NamedTuple):
    """One sender whose signature was valid."""

    signer: str  # the domain that signed
    address: str  # of From; "" if that was no single one
    trust: str  # "known" or "signed"
    reports: int
    first_day: date
    last_day: date
    organization_name: str | None  # what one of the reports says; nothing about it is proven


class AcceptedRow(NamedTuple):
    """One reporter that the operator accepts."""

    acceptance: int
    signer: str
    address: str  # "" for every address
    note: str
    name: str  # who says so
    recorded_at: datetime  # UTC


def signed(store: Store) -> list[Signed]:
    """Return who signed reports, those not known first, most reports first."""
    return rows(store, "reporters_signed", Signed)


def accepted(store: Store) -> list[AcceptedRow]:
    """Return the reporters that the operator accepts."""
    return rows(store, "reporters_accepted", AcceptedRow)
