"""Ask the store: one `.sql` file a question, one Scope for all of them.

Each module asks the questions of one subject and says what a row is. A question is a function named like
its file: `failures.by_cause` is `sql/failures_by_cause.sql`. Every named parameter of a Scope that is None
lets everything through.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, get_args, get_type_hints

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
    order: str = ""  # a field of the rows, a sum "a + b" of some, or KNOWN; "" is the order of the question itself
    descending: bool = False
    first: int = 0
    limit: int | None = None  # rows; None is all


WHOLE = Part()


class Known(NamedTuple):
    """What is known of rows outside of the store: each has a place in the order `KNOWN`, and a word to look for."""

    field: str  # of the rows, by whose value it is known
    told: Mapping[str, tuple[int, str]]


KNOWN = "known"
_UNKNOWN = Known("NULL", {})  # of no row anything
_LAST = 1 << 30  # the place of what nothing is known of

Row = TypeVar("Row", bound=tuple[Any, ...])

_TEXTS = frozenset({str, date, datetime})
_PARAMETER = re.compile(r"\$([a-z_]+)")


@cache
def sql(name: str) -> str:
    """Return the text of the question `name`."""
    return (files("queries") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


@cache
def parameters(text: str) -> frozenset[str]:
    """Return the named parameters of the text of a question."""
    return frozenset(_PARAMETER.findall(text))


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
    return [row(*values) for values in _answer(store, sql(name), asdict(scope) | more)]


def part_of(
    store: Store,
    name: str,
    row: type[Row],
    part: Part,
    scope: Scope = EVERYTHING,
    *,
    known: Known = _UNKNOWN,
    **more: object,
) -> tuple[list[Row], int]:
    """Return a part of the answer of the question `name`, and how many rows have its words, 0 beyond the last row.

    Words are looked for in the texts and days of a row. A question that can do so for less has the parameters of
    a part itself, and that number as its last column. Raises ValueError for an order that is no field of the rows.
    """
    text = sql(name)
    if "words" not in parameters(text):
        text = _paged(text, row, part, known.field)
    given = asdict(scope) | more
    given |= {"words": list(part.words), "order": part.order, "descending": part.descending}
    given |= {"offset": part.first, "limit": part.limit}
    given |= {"keys": list(known.told), "places": [place for place, _ in known.told.values()]}
    given |= {"told": [word for _, word in known.told.values()]}
    found = _answer(store, text, given)
    return [row(*values[: len(_kinds(row))]) for values in found], found[0][-1] if found else 0


@cache
def _kinds(row: type[Row]) -> dict[str, frozenset[object]]:
    """Return the types of each field of a row."""
    return {field: frozenset(get_args(kind) or [kind]) for field, kind in get_type_hints(row).items()}


def _paged(text: str, row: type[Row], part: Part, field: str) -> str:
    """Return a question whose rows are filtered, sorted and handed out a part at a time."""
    kinds = _kinds(row)
    texts = ", ".join(field for field, types in kinds.items() if types & _TEXTS)
    if not part.order:
        key = "row_place"
    elif part.order == KNOWN:
        key = f"coalesce(known_place, {_LAST})"
    elif unknown := set(part.order.split(" + ")) - set(kinds):
        raise ValueError(f"{row.__name__} has no {', '.join(sorted(unknown))} to sort by")
    else:
        key = f"lower({part.order})" if str in kinds.get(part.order, ()) else part.order
    return f"""
        SELECT answer.*, count(*) OVER () AS matches
        FROM (SELECT *, row_number() OVER () AS row_place FROM ({text})) AS answer
        LEFT JOIN (SELECT unnest($keys) AS known_key, unnest($places) AS known_place, unnest($told) AS known_told)
          ON known_key = {field}
        WHERE len(list_filter($words, lambda word:
          NOT contains(lower(concat_ws(chr(10), {texts}, known_told)), word))) = 0
        ORDER BY {key} {"DESC NULLS LAST" if part.descending else "NULLS FIRST"}, row_place
        LIMIT $limit OFFSET $offset
    """  # noqa: S608 - names of fields alone are put into it


def _answer(store: Store, text: str, given: Mapping[str, object]) -> list[tuple[Any, ...]]:
    named = {key: given[key] for key in parameters(text)}
    with store.reading() as connection:
        return connection.execute(text, named).fetchall()
