"""MTA-STS as far as reports need it: the lines of a policy, and whether a host is covered (RFC 8461)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Directives(NamedTuple):
    """What a policy says, read leniently from lines as a report quotes them."""

    mode: str | None
    max_age: int | None  # seconds
    mx: tuple[str, ...]  # patterns, lower-case, without a final dot


def directives(lines: Iterable[str]) -> Directives:
    """Return what the lines of a policy say (RFC 8461 section 3.2).

    Order, blanks around the colon and unknown keys do not matter; of a key that may stand only once, the
    first counts.
    """
    single: dict[str, str] = {}
    mx: list[str] = []
    for line in lines:
        key, colon, value = line.partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon or not value:
            continue
        if key == "mx":
            mx.append(host(value))
        else:
            single.setdefault(key, value)
    age = single.get("max_age", "")
    mode = single.get("mode")
    return Directives(
        mode.lower() if mode else None,
        int(age) if age.isascii() and age.isdigit() and len(age) <= 10 else None,
        tuple(mx),
    )


def host(name: str) -> str:
    """Return a host name or pattern in the form that is compared: lower-case, without a final dot."""
    return name.strip().removesuffix(".").lower()


def matches(mx: str, pattern: str) -> bool:
    """Return whether an MX host name is covered by a pattern (RFC 8461 section 4.1).

    A leading "*." stands for exactly one label, and there is no other wildcard.
    """
    mx, pattern = host(mx), host(pattern)
    if pattern.startswith("*."):
        first, dot, rest = mx.partition(".")
        return bool(first and dot) and rest == pattern[2:]
    return mx == pattern
