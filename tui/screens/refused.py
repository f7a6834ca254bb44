"""What could not be read, and why."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.worker import get_current_worker

from queries import deliveries
from tui import keys
from tui.draw import content, stacked
from tui.pages import raw_page
from tui.screens.empty import no_reports, told
from tui.screens.paging import Page, Paging
from tui.screens.report import BytesScreen
from tui.widgets.table import Column
from tui.words import came_from, count, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType
    from textual.content import Content

    from tlsrpt.store import Store
    from tui.said import Said
    from tui.screens.base import Asked


def _bad(row: deliveries.RefusedRow) -> str:
    return "bad" if row.reason else ""


class RefusedScreen(Paging):
    """Deliveries that were refused; their bytes are kept, so that they can be read again."""

    PREVIEWS = True
    NAME = TOP = "refused"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("listing", "refused")
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Reason", lambda row: row.reason, style=_bad, least=40, cut="prose", order="reason"),
        Column("Source", lambda row: row.source, least=16, cut="start", order="source"),
        Column(
            "Name", lambda row: row.name if row.name != row.source else "", least=10, cut="start", drop=2, order="name"
        ),
        Column("From", lambda row: row.sender, least=10, drop=3, order="sender"),
        Column("Size", lambda row: row.size, lambda row: size(row.size), right=True, order="size"),
        Column("Tried", lambda row: row.loaded_at, lambda row: f"{row.loaded_at:%Y-%m-%d}", drop=1, order="loaded_at"),
    )

    MORE = "tlsrpt refused --format csv writes all."

    @staticmethod
    def key(row: deliveries.RefusedRow) -> int:
        """Return the number of the delivery."""
        return row.delivery

    def ask_part(self, store: Store, asked: Asked) -> tuple[list[deliveries.RefusedRow], int]:
        """Return some of what was refused, whatever the window, and how much there is."""
        return deliveries.refused_part(store, asked.part)

    def answer(self, store: Store, asked: Asked) -> Page:
        """Return what is in sight of it."""
        return self.ask_page(store, asked)

    def crumb(self) -> str:
        """Return nothing narrower: refused deliveries have no domain."""
        return ""

    def standing(self) -> str:
        """Return nothing: the window does not matter here."""
        return ""

    def show(self, answer: Page | None) -> None:
        """List them."""
        if answer is None:
            self.list_rows((), content(), no_reports(self.bench, None))
            return
        self.bench.refused = answer.everything
        words = count(answer.everything, "delivery could not be read", "deliveries could not be read")
        kept = " The bytes are kept: R tries again."
        self.list_page(answer, content(f"{words}.{kept}" if answer.everything else ""), told("Nothing was refused."))

    def detail(self, row: deliveries.RefusedRow) -> Content:
        """Return the reason in full and the mail that it came in."""
        mail = f"   from {row.sender}: {row.subject or 'no subject'}" if row.sender else ""
        return stacked(content(f"{row.reason}"), content(f"{came_from(row.source, row.name)}{mail}"))

    def preview(self, store: Store, row: Any) -> list[Said]:  # noqa: ANN401 - a RefusedRow
        """Return the bytes that were kept."""
        return raw_page(deliveries.content(store, row.delivery))

    def open(self, row: Any) -> None:  # noqa: ANN401 - a RefusedRow
        """Go to the bytes."""
        self.bench.push_screen(BytesScreen(row))

    def action_reread(self) -> None:
        """Try to read everything refused again."""
        if self.bench.loader is None:
            self.bench.progress = "reading again"
            self.bench.loader = self.reread()

    def step_back(self) -> bool:
        """Clear the filter, else stop what is being read."""
        if super().step_back():
            return True
        if self.bench.loader is None:
            return False
        self.bench.loader.cancel()
        return True

    @work(thread=True, exclusive=True, exit_on_error=False, group="reread")
    def reread(self) -> None:
        """Read again in the background."""
        from loaders import reread  # noqa: PLC0415 - duckdb and pydantic wait for their first use
        from tlsrpt.store import StoreError  # noqa: PLC0415 - likewise

        worker = get_current_worker()
        try:
            store = self.bench.evidence.store()
            if store is None:
                self.bench.post_message(self.bench.Failed("there is no store yet"))
                return
            done = reread(
                store,
                stopped=lambda: worker.is_cancelled,
                progress=partial(self.bench.tell, "reading again", "deliveries"),
            )
            self.bench.post_message(self.bench.Reread(done))
        except StoreError as error:
            self.bench.post_message(self.bench.Failed(str(error)))
