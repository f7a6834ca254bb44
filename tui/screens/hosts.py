"""Each MX of a domain: where it is named, what the last look saw of it, and who names it in failures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from tui import keys
from tui.draw import content, stacked
from tui.screens.about import About
from tui.screens.empty import told
from tui.screens.listing import Listing
from tui.text import idn
from tui.widgets.table import Column
from tui.words import STATE_STYLES, ago, count, left, moment, month_day

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from textual.binding import BindingType
    from textual.content import Content

    from queries import Scope
    from tlsrpt.enforce.hosts import LastLook, MxHost
    from tlsrpt.store import Store


class Line(NamedTuple):
    """An MX and the newest look at it."""

    mx: MxHost
    look: LastLook | None
    faults: tuple[str, ...]  # what the newest fresh look has against it
    now: datetime


class Hosts(NamedTuple):
    """The answer."""

    lines: list[Line]
    since: date  # the first day of the failures that are counted


_NAMED = {True: "yes", False: "NO", None: "?"}


def _end(line: Line) -> datetime | None:
    return line.look.certificate_end if line.look is not None else None


def _day(line: Line) -> str:
    end = _end(line)
    return "-" if end is None else f"{end:%Y-%m-%d}"


def _left(line: Line) -> str:
    end = _end(line)
    return "" if end is None else left(end, line.now)


def _end_style(line: Line) -> str:
    end = _end(line)
    return "" if end is None else "bad" if end < line.now else "warn" if (end - line.now).days < 7 else ""


def _stray(line: Line) -> str:
    return "warn" if line.mx.in_dns is False else ""


def _missing(line: Line) -> str:
    return "bad" if line.mx.in_policy is False and line.mx.in_dns is not False else ""


def _looked(line: Line) -> str:
    return ago(line.look.at, line.now) if line.look is not None else "never"


def _last(line: Line) -> str:
    return month_day(line.mx.last_day) if line.mx.last_day is not None else "-"


class HostsScreen(About, Listing):
    """The MXs of a domain."""

    NAME = "hosts"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("listing", "domain", "about", "hosts")
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("MX", lambda line: line.mx.host, least=18),
        Column("DNS", lambda line: _NAMED[line.mx.in_dns], style=_stray),
        Column("Policy", lambda line: _NAMED[line.mx.in_policy], style=_missing),
        Column("TLS", lambda line: line.mx.looked, style=lambda line: STATE_STYLES[line.mx.looked]),
        Column("Looked", lambda line: line.look.at if line.look else None, _looked, drop=1),
        Column("Certificate", _end, _day, _end_style),
        Column("Left", _end, _left, _end_style, drop=2),
        Column("Failed", lambda line: line.mx.failed, right=True),
        Column("Last", lambda line: line.mx.last_day, _last, drop=3),
        Column("Orgs", lambda line: len(line.mx.organizations), right=True, drop=4),
    )

    def crumb(self) -> str:
        """Return the domain, and that it is about MXs."""
        return super().crumb().replace("> hosts", "> MXs")

    @staticmethod
    def key(row: Line) -> str:
        """Return the name of the MX."""
        return row.mx.host

    def standing(self) -> str:
        """Return the moment; the window does not matter here."""
        return moment(self.bench.evidence.now())

    def question(self, store: Store, scope: Scope) -> Hosts:
        """Return every MX of DNS and of failures."""
        del scope
        from tlsrpt.enforce import hosts  # noqa: PLC0415 - pydantic and cryptography wait for the first frame
        from tlsrpt.enforce.parameters import LOW_VOLUME_DAYS  # noqa: PLC0415 - likewise

        evidence = self.looked(store, days=LOW_VOLUME_DAYS, failing=True)
        looks = hosts.last_looks(evidence)
        return Hosts(
            [
                Line(one, looks.get(one.host), tuple(map(hosts.words, hosts.against(evidence, one.host))), evidence.now)
                for one in hosts.mx_hosts(evidence)
            ],
            evidence.obs_since,
        )

    def show(self, answer: Hosts | None) -> None:
        """List them."""
        lines = answer.lines if answer is not None else []
        empty = told("No MX is known.", "Nobody looked at the domain, and no report names one. p looks now.")
        self.list_rows(lines, _summed(lines, answer.since) if answer else content(), empty)

    def detail(self, row: Line) -> Content:
        """Return the evidence whole, and the other faults."""
        more = "; ".join(row.faults[1:])  # the first is part of the evidence
        return stacked(content((idn(row.mx.host), "bold"), f"  {row.mx.evidence}"), content(more))

    def note(self) -> str:
        """Return where the numbers come from."""
        return "reports name an MX in failures only; TLS: the newest look within a day"

    def open(self, row: Any) -> None:  # noqa: ANN401 - a Line
        """Go to the failures at an MX."""
        self.bench.look_into(replace(self.within, mx=row.mx.host))

    def action_hosts(self) -> None:
        """Stay: this is where the MXs are."""


def _summed(lines: Sequence[Line], since: date) -> Content:
    """Return how many MXs there are, and how many are in trouble."""
    if not lines:
        return content()
    failing = sum(line.mx.looked == "FAIL" for line in lines)
    unknown = sum(line.mx.looked == "UNKNOWN" for line in lines)
    missing = sum(bool(_missing(line)) for line in lines)
    return content(
        (count(len(lines), "MX", "MXs"), "bold"),
        (f", {failing} failing" if failing else "", "bold $text-error"),
        (f", {missing} not in the policy" if missing else "", "bold $text-error"),
        f", {unknown} without a look that tells" if unknown else "",
        f"; failed sessions since {since}",
    )
