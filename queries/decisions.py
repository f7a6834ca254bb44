"""Questions about what the operator said: repairs, accepted warnings, answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from queries import EVERYTHING, Scope, rows
from tlsrpt.enforce.evidence import Acknowledgement, Answer, Fix

if TYPE_CHECKING:
    from tlsrpt.store import Store


def fixes(store: Store, scope: Scope = EVERYTHING, *, at: datetime | None = None) -> list[Fix]:
    """Return the repairs recorded up to a time, oldest first."""
    return rows(store, "decisions_fixes", Fix, scope, at=at)


def acknowledgements(store: Store, scope: Scope = EVERYTHING, *, at: datetime | None = None) -> list[Acknowledgement]:
    """Return the warnings accepted up to a time, oldest first; whether they hold still is worked out elsewhere."""
    return rows(store, "decisions_acknowledgements", Acknowledgement, scope, at=at)


def answers(store: Store, scope: Scope = EVERYTHING, *, at: datetime | None = None) -> list[Answer]:
    """Return the answers given up to a time, oldest first; the newest to each question counts."""
    return rows(store, "decisions_answers", Answer, scope, at=at)
