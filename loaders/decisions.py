"""What the operator says, into the store: repairs, accepted warnings, answers; and taking them back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from loaders.rows import time_text
from tlsrpt.store import Rows, Store

if TYPE_CHECKING:
    import duckdb

    from tlsrpt.enforce.evidence import Acknowledgement, Answer, Fix


_NUMBERED = {
    "fix": ("fixes", "fix"),
    "acknowledgement": ("acknowledgements", "acknowledgement"),
    "answer": ("answers", "number"),
}  # what can be taken back: its table, and the column that has its number


def fix(store: Store, wanted: Sequence[Fix]) -> list[int]:
    """Record repairs and return their numbers; those given do not matter. Raises StoreError."""
    with store.writing() as connection:
        numbers = _numbers(connection, "fixes", "fix", len(wanted))
        columns: dict[str, Sequence[object]] = {
            "fix": numbers,
            "policy_domain": [one.policy_domain for one in wanted],
            "cause": [one.cause for one in wanted],
            "mx_key": [one.mx_key for one in wanted],
            "fixed_at": [time_text(one.fixed_at) for one in wanted],
            "note": [one.note for one in wanted],
            "name": [one.name for one in wanted],
            "recorded_at": [time_text(one.recorded_at) for one in wanted],
            "withdrawn_at": _none(wanted),
        }
        Rows(store, "fixes", columns).insert(connection)
    return numbers


def acknowledge(store: Store, wanted: Sequence[Acknowledgement]) -> list[int]:
    """Record that warnings are accepted and return the numbers. Raises StoreError."""
    with store.writing() as connection:
        numbers = _numbers(connection, "acknowledgements", "acknowledgement", len(wanted))
        columns: dict[str, Sequence[object]] = {
            "acknowledgement": numbers,
            "policy_domain": [one.policy_domain for one in wanted],
            "criterion": [one.criterion for one in wanted],
            "basis": [one.basis for one in wanted],
            "reason": [one.reason for one in wanted],
            "name": [one.name for one in wanted],
            "recorded_at": [time_text(one.recorded_at) for one in wanted],
            "expires_at": [time_text(one.expires_at) for one in wanted],
            "withdrawn_at": _none(wanted),
        }
        Rows(store, "acknowledgements", columns).insert(connection)
    return numbers


def answer(store: Store, given: Answer) -> int:
    """Record an answer and return its number; the one given does not matter. Raises StoreError."""
    with store.writing() as connection:
        numbers = _numbers(connection, "answers", "number", 1)
        columns: dict[str, Sequence[object]] = {
            "policy_domain": [given.policy_domain],
            "criterion": [given.criterion],
            "answer": [given.answer],
            "note": [given.note],
            "name": [given.name],
            "on_day": [_day(given.on_day)],
            "recorded_at": [time_text(given.recorded_at)],
            "number": numbers,
            "withdrawn_at": [None],
        }
        Rows(store, "answers", columns).insert(connection)
    return numbers[0]


def withdraw(store: Store, what: str, number: int, policy_domain: str, now: datetime) -> bool:
    """Take back a repair ("fix"), accepted warning ("acknowledgement") or "answer"; return whether there was one.

    The row stays, so that answers about an earlier moment stay what they were. Raises StoreError.
    """
    table, column = _NUMBERED[what]
    with store.writing() as connection:
        found = connection.execute(
            # Names of our own table and column; values are bound.
            f"UPDATE {table} SET withdrawn_at = $now WHERE {column} = $number AND policy_domain = $policy_domain"  # noqa: S608
            " AND withdrawn_at IS NULL RETURNING 1",
            {"now": now, "number": number, "policy_domain": policy_domain},
        ).fetchall()
    return bool(found)


def _numbers(connection: duckdb.DuckDBPyConnection, table: str, name: str, count: int) -> list[int]:
    # Names of our own table and column.
    [(first,)] = connection.execute(f"SELECT coalesce(max({name}), 0) + 1 FROM {table}").fetchall()  # noqa: S608
    return list(range(first, first + count))


def _none(wanted: Sequence[object]) -> list[str | None]:
    return [None] * len(wanted)


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
