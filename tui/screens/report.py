"""One report, to read; and the bytes of one delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from queries import deliveries, reports
from tui import keys
from tui.pages import raw_page, report_page
from tui.said import Said
from tui.screens.base import Asking
from tui.widgets.page import Page
from tui.words import came_from

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from queries import Scope
    from tlsrpt.store import Store


class ReportScreen(Asking):
    """One report: its policies, failures, defects, and how it came."""

    NAME = "report"
    TOP = "domains"
    AUTO_FOCUS = "Page"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("report")

    def __init__(self, report: int, *, top: str) -> None:
        super().__init__(top=top)
        self.report = report
        self.raw = False
        self.found: reports.OneReport | None = None

    def crumb(self) -> str:
        """Return which report."""
        return f"report {self.report}" + (" as received" if self.raw else "")

    def standing(self) -> str:
        """Return nothing: the window does not matter here."""
        return ""

    def body(self) -> ComposeResult:
        """Yield the page."""
        yield Page()

    def question(self, store: Store, scope: Scope) -> reports.OneReport | None:
        """Return the report whole."""
        del scope
        with store.reading():
            return reports.one(store, self.report)

    def show(self, answer: reports.OneReport | None) -> None:
        """Draw it, readable or as received."""
        self.found = answer
        page = self.query_one(Page)
        if answer is None:
            page.say([Said("This report is not in the store any more.")])
        else:
            page.say(raw_page(answer.document) if self.raw else report_page(answer))

    def action_raw(self) -> None:
        """Turn between the report to read and the JSON as received."""
        self.raw = not self.raw
        self.show(self.found)
        self.query_one(Page).action_top()
        self.frame()

    def step_back(self) -> bool:
        """Go from the JSON back to the report."""
        if self.raw:
            self.action_raw()
            return True
        return False


class BytesScreen(Asking):
    """What was kept of a refused delivery."""

    NAME = "bytes"
    TOP = "refused"
    AUTO_FOCUS = "Page"

    def __init__(self, delivery: deliveries.RefusedRow) -> None:
        super().__init__()
        self.delivery = delivery

    def crumb(self) -> str:
        """Return which delivery."""
        return came_from(self.delivery.source, self.delivery.name)

    def standing(self) -> str:
        """Return nothing: the window does not matter here."""
        return ""

    def body(self) -> ComposeResult:
        """Yield the page."""
        yield Page()

    def question(self, store: Store, scope: Scope) -> bytes:
        """Return the bytes kept."""
        del scope
        return deliveries.content(store, self.delivery.delivery)

    def show(self, answer: bytes | None) -> None:
        """Draw the reason and the bytes."""
        self.query_one(Page).say([Said(self.delivery.reason, "Refused", "bad"), Said(""), *raw_page(answer or b"")])
