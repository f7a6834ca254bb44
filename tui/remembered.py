"""What the screens remember from one run to the next: the last screen, the period, the orders.

A JSON file in this user's state directory. It is a convenience: a file that is broken, or cannot be written,
stops nothing. Of what strangers write it holds the name of a domain at most, and only one that looks like it.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from tui import keys
from tui.evidence import WINDOWS

_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?")
_MOST = 64 << 10  # bytes of such a file


class Order(NamedTuple):
    """By which column a list is sorted."""

    heading: str
    descending: bool


class Remembered(NamedTuple):
    """Where one was, and how one looked at it."""

    screen: str = ""  # one of keys.STARTS, "" for the first one
    policy_domain: str | None = None
    has_window: bool = False
    days: int | None = None  # the window; None is all days, if there is one
    orders: dict[str, Order] = {}  # noqa: RUF012 - by screen; never changed here


def path() -> Path:
    """Return where the file is, whether there is one or not."""
    from platformdirs import user_state_dir  # noqa: PLC0415 - not needed for the first frame of paths

    return Path(user_state_dir("tlsrpt")) / "screens.json"


def read() -> Remembered:
    """Return what was remembered, as far as it makes sense."""
    found: object = None
    with suppress(OSError, ValueError, RecursionError), path().open("rb") as file:
        found = json.loads(file.read(_MOST))
    if not isinstance(found, dict):
        return Remembered()
    screen, domain, orders = found.get("screen"), found.get("domain"), found.get("orders")
    domain = domain if isinstance(domain, str) and _DOMAIN.fullmatch(domain) else None
    if screen not in keys.STARTS or (screen in keys.OF_A_DOMAIN and domain is None):
        screen, domain = "", None
    days = found.get("days", 0)
    known = days is None or (type(days) is int and days in WINDOWS)
    return Remembered(screen, domain, known, days if known else None, dict(_orders(orders)))


def _orders(found: object) -> list[tuple[str, Order]]:
    listed = found.items() if isinstance(found, dict) else ()
    return [
        (screen, Order(*order))
        for screen, order in listed
        if screen in keys.SCREENS and isinstance(order, list) and [type(one) for one in order] == [str, bool]
    ]


def write(now: Remembered) -> None:
    """Remember, in a file that its owner alone may read."""
    known = now.policy_domain is not None and _DOMAIN.fullmatch(now.policy_domain)
    document = {
        "screen": now.screen if known or now.policy_domain is None else "",
        "domain": now.policy_domain if known else None,
        "days": now.days,
        "orders": now.orders,
    }
    file = path()
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=file.parent, encoding="ascii", delete=False) as fresh:  # 0600
            json.dump(document, fresh)
        os.replace(fresh.name, file)  # noqa: PTH105 - a name, not a path
