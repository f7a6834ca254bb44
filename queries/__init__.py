"""Ask the store: one `.sql` file a question, one Scope for all of them.

Each module asks the questions of one subject and says what a row is. A question is a function named like
its file: `failures.by_cause` is `sql/failures_by_cause.sql`. Every named parameter of a Scope that is None
lets everything through.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tlsrpt.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the user is looking at. None stands for everything."""

    since: date | None = None  # first and last UTC day, both included
    until: date | None = None
    policy_domain: str | None = None
    organization: str | None = None
    policy_type: str | None = None
    result_type: str | None = None
    cause: str | None = None
    mx: str | None = None  # an mx_key: a host name, "ip:…", or "*" for failures before any MX was contacted
    failing: bool = False  # only what has failed sessions


EVERYTHING = Scope()


class Part(NamedTuple):
    """Which rows of a long answer: those with all of some words, in an order, from a place on."""

    words: tuple[str, ...] = ()  # lower-case
    order: str = ""  # a field of the rows; "" is the order that the question itself has
    descending: bool = False
    first: int = 0
    limit: int | None = None  # rows; None is all


WHOLE = Part()

Row = TypeVar("Row", bound=tuple[Any, ...])

_PARAMETER = re.compile(r"\$([a-z_]+)")


@cache
def sql(name: str) -> str:
    """Return the text of the question `name`."""
    return (files("queries") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


@cache
def parameters(name: str) -> frozenset[str]:
    """Return the named parameters of the question `name`."""
    return frozenset(_PARAMETER.findall(sql(name)))


def rows(
    store: Store,
    name: str,
    row: type[Row],
    scope: Scope = EVERYTHING,
    **more: object,
) -> list[Row]:
    """Return the answer of the question `name` as rows of type `row`.

    `more` gives the question's own parameters. Parameters that the question does not name are left out.
    Raises StoreError when the store cannot be read.
    """
    return [row(*values) for values in _answer(store, name, scope, more)]


def part_of(store: Store, name: str, row: type[Row], part: Part, scope: Scope = EVERYTHING) -> tuple[list[Row], int]:
    """Return a part of the answer of the question `name`, and how many rows have its words.

    The last column of the question is that number; it is 0 beyond the last row.
    """
    given = {"words": list(part.words), "order": part.order, "descending": part.descending}
    found = _answer(store, name, scope, {**given, "offset": part.first, "limit": part.limit})
    return [row(*values[:-1]) for values in found], found[0][-1] if found else 0


def _answer(store: Store, name: str, scope: Scope, more: Mapping[str, object]) -> list[tuple[Any, ...]]:
    given = asdict(scope) | dict(more)
    named = {key: given[key] for key in parameters(name)}
    with store.reading() as connection:
        return connection.execute(sql(name), named).fetchall()
