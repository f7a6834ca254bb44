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
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
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
    given = asdict(scope) | more
    named = {key: given[key] for key in parameters(name)}
    with store.reading() as connection:
        return [row(*values) for values in connection.execute(sql(name), named).fetchall()]
