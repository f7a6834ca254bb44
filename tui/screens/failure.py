"""One series of failures: what it means, how to confirm and mend it, and who reports it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from textual.widgets import Static

from queries import Scope, failures
from tlsrpt.knowledge import IMPACTS, commands, explain
from tui import keys
from tui.draw import content, stacked
from tui.said import Said
from tui.screens.choose import Choice
from tui.screens.deciding import Deciding
from tui.screens.empty import no_reports
from tui.screens.report import ReportScreen
from tui.screens.reports import ReportsScreen
from tui.text import idn
from tui.widgets.page import Page
from tui.widgets.table import Column
from tui.words import IMPACT_STYLE, count, moment, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.content import Content

    from tlsrpt.enforce.evidence import Fix
    from tlsrpt.store import Store


def _sending(row: failures.Evidence) -> str:
    if row.sending_mta_ip is None:
        return ""
    more = f" +{row.sending_mta_ips - 1}" if row.sending_mta_ips > 1 else ""
    return f"{row.sending_mta_ip}{more}"


class Found(NamedTuple):
    """The answer: the series, if the scope has it, and what is known about it."""

    series: Sequence[failures.Series]
    rows: Sequence[failures.Evidence]
    fault: str
    fixes: Sequence[Fix]


class FailureScreen(Deciding):
    """A series of failures and the reports behind it."""

    NAME = "failure"
    TOP = "failures"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("listing", "window", "domain", "about", "deciding", "failure")
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Day", lambda row: row.day),
        Column("Organization", lambda row: row.organization, least=16),
        Column("Sessions", lambda row: row.failed_session_count, right=True),
        Column("Result type", lambda row: row.result_type, least=20, drop=3),
        Column("Reason code", lambda row: row.failure_reason_code, least=16),
        Column("Sending IP", lambda row: row.sending_mta_ip, _sending, least=15, drop=1),
        Column("Receiving IP", lambda row: row.receiving_ip, least=15, drop=2),
        Column("Policy", lambda row: row.policy_type, drop=4),
    )

    def __init__(self, series: failures.Series, within: Scope) -> None:
        super().__init__(replace(within, policy_domain=series.policy_domain, cause=series.cause, mx=series.mx_key))
        self.series = series  # of the window, once that was asked

    @staticmethod
    def key(row: failures.Evidence) -> object:
        """Return the report and what tells its rows apart."""
        return row

    def crumb(self) -> str:
        """Return the series."""
        parts = [
            idn(self.series.policy_domain),
            self.within.organization,
            f"{self.series.cause} at {place(self.series.mx_key)}",
        ]
        return " > ".join(part for part in parts if part)

    def body(self) -> ComposeResult:
        """Yield the explanation above the list."""
        yield Page(explained(self.series), labels=10, grows=True)
        yield from super().body()

    def question(self, store: Store, scope: Scope) -> Found:
        """Return the series over the scope, the reports behind it, and whose fault it is."""
        from queries import decisions  # noqa: PLC0415 - pydantic and cryptography wait for the first frame
        from tui import judging  # noqa: PLC0415 - likewise

        series = self.series
        with store.reading():
            damages = self.bench.evidence.damages(store, series.policy_domain)
            fault = judging.fault(damages.get((series.cause, series.mx_key)))
            fixes = [
                one
                for one in decisions.fixes(store, Scope(policy_domain=series.policy_domain))
                if one.cause == series.cause and one.mx_key in {"", series.mx_key}
            ]
            return Found(failures.series(store, scope), failures.evidence(store, scope), fault, fixes)

    def show(self, answer: Found | None) -> None:
        """List them."""
        found = answer or Found((), (), "", ())
        none = self.series._replace(failed_session_count=0, organizations=0, days=0)
        self.series = next(iter(found.series), none)
        self.query_one(Page).say(explained(self.series, found.fault, found.fixes))
        self.list_rows(found.rows, content(), no_reports(self.bench, self.series.last_day))
        self.query_one(".answer", Static).display = False

    def detail(self, row: failures.Evidence) -> Content:
        """Return what the row has no room for."""
        return stacked(
            content(f"{row.result_type}   {row.failure_reason_code or 'no reason code'}   report {row.report}"),
            content(
                f"from {_sending(row) or 'an address not named'}"
                f" to {row.receiving_mx_hostname or 'an MX not named'}"
                + (f" at {row.receiving_ip}" if row.receiving_ip else "")
            ),
        )

    def open(self, row: Any) -> None:  # noqa: ANN401 - an Evidence
        """Go to the report."""
        self.bench.push_screen(ReportScreen(row.report, top=self.top))

    def action_copy(self) -> None:
        """Copy the commands that confirm it."""
        self.bench.copy(self._commands())

    def _commands(self) -> str:
        series = self.series
        return "\n".join(commands(explain(series.cause), series.policy_domain, series.mx_key))

    def copies(self) -> list[tuple[Choice, str]]:
        """Return what can be copied here: the commands too."""
        check = self._commands()
        return [(Choice("c", "Commands", check.partition("\n")[0]), check), *super().copies()]

    def action_reports(self) -> None:
        """Go to the list of these reports."""
        self.bench.push_screen(ReportsScreen(self.within, top=self.top))

    def action_fix(self) -> None:
        """Record that this series was mended."""
        series = self.series
        self.ask_for_fix(series.policy_domain, series.cause, series.mx_key)


def explained(series: failures.Series, fault: str = "", fixes: Sequence[Fix] = ()) -> list[Said]:
    """Return what a reader has to know, in the order it is needed."""
    about = explain(series.cause)
    check = commands(about, series.policy_domain, series.mx_key)
    here = "" if series.impact == "would-block" else f" Here: {IMPACTS.get(series.impact, series.impact)}."
    return [
        Said(
            f"{series.impact}: {series.cause} at {place(series.mx_key)}",
            style=IMPACT_STYLE.get(series.impact, "heading"),
        ),
        Said(
            f"{count(series.failed_session_count, 'session')}, {count(series.organizations, 'organization')},"
            f" {count(series.days, 'day')}, last {series.last_day}, first seen {series.first_day}"
        ),
        Said(about.advice, about.act.capitalize(), "heading"),
        *([Said(fault, "Fault")] if fault else []),
        *(
            Said(
                f"{moment(one.fixed_at)} by {one.name}{f': {one.note}' if one.note else ''} (fix {one.fix})",
                "Mended",
            )
            for one in fixes
        ),
        Said(f"{about.title}. {about.meaning}", "Means"),
        Said(f"{about.enforce}{here}", "Enforce"),
        Said(about.fix, "Fix"),
        Said(check[0], "Check (y)", "code"),
        Said("; ".join(about.causes), "Likely"),
        *(Said(command, "Check too", "code") for command in check[1:]),
        Said(about.beware, "Beware"),
        Said(about.sender, "Sender"),
        Said(about.rfc, "See"),
    ]
