"""Who reports about a domain: on which days, what they count, which policy they hold, and who has fallen silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from queries import domains, senders
from tui import keys
from tui.draw import content, stacked
from tui.screens.about import About
from tui.screens.listing import Listing
from tui.screens.reports import ReportsScreen
from tui.widgets.table import Column
from tui.words import STRIP_LEGEND, count, lasting, month_day, span, strip, within_strip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType
    from textual.content import Content

    from queries import Scope
    from tlsrpt.store import Store

SILENT = 3  # settled days without a report from which on a regular sender is silent
REGULAR = 5  # days, and five in seven of those from the first to the last, that make a regular one


class Line(NamedTuple):
    """An organization, its last days, and the policy it holds."""

    sender: senders.Sender
    strip: str
    days: int  # that the window has
    holds: str  # mode and max_age
    kind: str  # what that policy is, a key of drift.CLASSES; "" if it told none
    means: str  # the same in words
    silent_since: date | None


class Senders(NamedTuple):
    """The answer."""

    lines: list[Line]
    newest: date | None  # day of the newest report, whatever the window; not asked for where there are reports


def silent_since(sender: senders.Sender, settled: date) -> date | None:
    """Return the first day without a report of a sender that reported regularly before, None of any other."""
    covered = (sender.last_day - sender.first_day).days + 1
    regular = sender.days >= REGULAR and sender.days * 7 >= covered * 5
    return sender.last_day + timedelta(days=1) if regular and (settled - sender.last_day).days >= SILENT else None


def _blocked(line: Line) -> str:
    return "bad" if line.sender.would_block else ""


class SendersScreen(About, Listing):
    """The organizations that report about a domain."""

    NAME = "senders"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("listing", "window", "domain", "about", "senders")
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Organization", lambda line: line.sender.organization, least=22),
        Column("Last", lambda line: line.sender.last_day, lambda line: month_day(line.sender.last_day), drop=4),
        Column("Days", lambda line: line.sender.days, lambda line: f"{line.sender.days:,}/{line.days:,}", right=True),
        Column("14 days", lambda line: line.strip[::-1], lambda line: line.strip, _blocked),
        Column("Sessions", lambda line: line.sender.sts_successful + line.sender.sts_failed, right=True, drop=1),
        Column("Failed", lambda line: line.sender.sts_failed, right=True, drop=6),
        Column("Block", lambda line: line.sender.would_block, style=_blocked, right=True),
        Column("Trust", lambda line: line.sender.trust, drop=3),
        Column("Holds", lambda line: line.holds, least=10),
        Column("That is", lambda line: line.kind, lambda line: line.kind or "-", drop=5),
        Column(
            "Silent",
            lambda line: line.silent_since or date.max,
            lambda line: month_day(line.silent_since) if line.silent_since else "",
            lambda _: "warn",
            drop=2,
        ),
    )

    @staticmethod
    def key(row: Line) -> str:
        """Return the name of the organization."""
        return row.sender.organization

    def question(self, store: Store, scope: Scope) -> Senders:
        """Return who reports, the days of the strip, and the policies they hold."""
        with store.reading():
            found = senders.overview(store, scope)
            if not found:
                return Senders([], domains.bounds(store, replace(scope, since=None)).last_day)
            first, last = min(one.first_day for one in found), max(one.last_day for one in found)
            end = scope.until or (self.bench.evidence.today() if scope.since else last)
            number = ((end - (scope.since or first)).days) + 1
            days: dict[str, list[tuple[date, int, int]]] = {}
            for day in senders.days(store, within_strip(scope, end)):
                days.setdefault(day.organization, []).append((day.day, day.failed, day.would_block))
            return Senders(self._lines(store, scope, found, days, (end, number)), None)

    def _lines(
        self,
        store: Store,
        scope: Scope,
        found: Sequence[senders.Sender],
        days: dict[str, list[tuple[date, int, int]]],
        window: tuple[date, int],
    ) -> list[Line]:
        from tlsrpt.enforce import drift  # noqa: PLC0415 - pydantic and cryptography wait for the first frame

        evidence = self.looked(store)
        held: dict[str, senders.Held] = {}
        for row in senders.policies(store, scope):
            held.setdefault(row.organization, row)
        lines = []
        for one in found:
            mine = held.get(one.organization)
            says = drift.told(mine.canonical) if mine is not None else None
            kind = drift.classify(mine.canonical, mine.day, evidence.published) if mine is not None else ""
            holds = f"{says.mode} {lasting(says.max_age)}" if says is not None else "-"
            marks = strip(days.get(one.organization, ()), window[0])
            means = evidence.meaning(kind) if kind else ""
            lines.append(Line(one, marks, window[1], holds, kind, means, silent_since(one, evidence.settled)))
        return lines

    def show(self, answer: Senders | None) -> None:
        """List them."""
        if answer is None:
            self.list_rows((), content(), self.no_reports(None, there=False))
            return
        silent = any(line.silent_since for line in answer.lines)
        columns = [column for column in self.COLUMNS if silent or column.heading != "Silent"]
        self.list_rows(answer.lines, _summed(answer.lines), self.no_reports(answer.newest, there=True), columns)

    def detail(self, row: Line) -> Content:
        """Return what the row has no room for."""
        one = row.sender
        tlsa = f"   tlsa {one.tlsa_successful:,} ok, {one.tlsa_failed:,} failed"
        silent = f"   silent since {row.silent_since}, though it reported regularly" if row.silent_since else ""
        return stacked(
            content(
                (one.organization, "bold"),
                f"  {one.trust}   {count(one.reports, 'report')}, {span(one.first_day, one.last_day)}{silent}",
            ),
            content(
                f"{one.sts_failed:,} failed, {one.would_block:,} would block   ",
                f"holds {row.holds}, {row.kind}: {row.means}" if row.kind else "told no policy",
                tlsa if one.tlsa_successful or one.tlsa_failed else "",
            ),
        )

    def note(self) -> str:
        """Return what the marks of the strip mean."""
        return STRIP_LEGEND

    def open(self, row: Any) -> None:  # noqa: ANN401 - a Line
        """Go to the reports of an organization about the domain."""
        self.bench.push_screen(ReportsScreen(self._of(row), top=self.top))

    def _of(self, row: Line) -> Scope:
        return replace(self.within, organization=row.sender.organization)

    def action_failures(self) -> None:
        """Go to the failures that an organization tells of."""
        row: Line | None = self.table.row()
        if row is not None:
            self.bench.look_into(self._of(row))


def _summed(lines: Sequence[Line]) -> Content:
    """Return how many report, and how many have ceased to."""
    if not lines:
        return content()
    silent = [line.sender.organization for line in lines if line.silent_since]
    said = [content((count(lines[0].sender.organizations, "organization"), "bold"), ", those with most days first")]
    if silent:
        said.append(content((f"Silent: {', '.join(silent)}", "$text-warning")))
    return stacked(*said)
