"""A screen around one list: an answer above, a filter, the list, and details of the highlighted row."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.message import Message
from textual.widgets import Input, Static

from tui.draw import content
from tui.remembered import Order
from tui.screens.base import Asking
from tui.screens.choose import Choice
from tui.screens.empty import told
from tui.text import safe
from tui.widgets.brief import Brief
from tui.widgets.entry import Entry
from tui.widgets.page import Page
from tui.widgets.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.content import Content

    from tlsrpt.store import Store
    from tui.said import Said
    from tui.widgets.table import Column


COPIED = "copied"  # the form that rows have in the clipboard


class Listing(Asking):
    """A list that can be filtered, sorted and copied from."""

    AUTO_FOCUS = "Table"
    FORMS = (".csv", ".json", ".md", ".txt")
    COLUMNS: ClassVar[Sequence[Column]]

    def body(self) -> ComposeResult:
        """Yield the parts from top to bottom."""
        yield Brief(classes="answer")
        yield Entry(classes="filter", placeholder="words to look for", compact=True)
        yield Static(classes="empty")
        yield self.make_table()
        yield from self.below()
        if self.PREVIEWS:
            yield Page(classes="side")
        yield Brief(classes="detail")
        yield Static(classes="status")

    PREVIEWS: ClassVar[bool] = False
    """Whether there is more to read about a row, where the terminal is high enough."""

    class Previewed(Message):
        """What there is to read about a row."""

        def __init__(self, row: object, said: Sequence[Said]) -> None:
            super().__init__()
            self.row = row
            self.said = said

    previewed: object = None  # the row that there is something to read about
    ordered = False  # whether the order of the last time was looked up

    # What a list says for itself

    def make_table(self) -> Table:
        """Return the list, without rows."""
        return Table(self.COLUMNS, key=self.key)

    def below(self) -> ComposeResult:
        """Yield what stands between the list and the lines about its highlighted row."""
        yield from ()

    @staticmethod
    def key(row: Any) -> object:  # noqa: ANN401 - its own rows
        """Return what tells a row from others across answers."""
        return row

    def open(self, row: Any) -> None:  # noqa: ANN401 - its own rows
        """Go into a row."""

    def detail(self, row: Any) -> Content:  # noqa: ANN401 - its own rows
        """Return more about a row, in the lines below the list."""
        del row
        return content()

    def preview(self, store: Store, row: Any) -> Sequence[Said]:  # noqa: ANN401 - its own rows
        """Return what there is to read about a row. Runs in a thread."""
        raise NotImplementedError

    def previews(self) -> bool:
        """Return whether there is more to read about rows such as those shown."""
        return True

    def note(self) -> str:
        """Return a word for the status line, such as how rows are grouped."""
        return ""

    # Showing

    @property
    def table(self) -> Table:
        """Return the list."""
        return self.query_one(Table)

    def list_rows(
        self,
        rows: Sequence[Any],
        answer: Content,
        empty: Content,
        columns: Sequence[Column] | None = None,
    ) -> None:
        """Show rows below an answer, or, without rows, why there are none."""
        self.table.fill(rows, columns)
        if rows and not self.ordered:
            self.ordered = True
            self.sort_as_before()
        self.say(answer, empty)

    def sort_as_before(self) -> None:
        """Sort as the list was sorted the last time."""
        order = self.bench.orders.get(self.NAME)
        if order is not None:
            self.table.sort_by(order.heading, descending=order.descending)

    def say(self, answer: Content, empty: Content) -> None:
        """Show what stands above the rows, or in place of them."""
        self.query_one(".answer", Static).update(answer)
        self.query_one(".empty", Static).update(empty)
        self._arrange()

    def _arrange(self) -> None:
        table = self.table
        nothing = not table.everything
        self.query_one(".empty", Static).display = nothing
        table.display = not nothing
        self.query_one(".detail", Static).display = not nothing
        if not nothing and self.focused is None:
            table.focus()
        self.status()

    def status(self) -> None:
        """Draw the line that tells where in which list one is, and in place of rows that a filter hides all of them."""
        table = self.table
        hidden = bool(table.everything) and not table.shown
        for side in self.query(".side"):
            side.set_class(not table.shown or not self.previews(), "-nothing")
        if table.everything:
            self.query_one(".empty", Static).display = hidden
            table.display = not hidden
        if hidden:
            words = told("No row has all of these words.", "Esc clears the filter, / changes it.")
            self.query_one(".empty", Static).update(words)
        parts = []
        if table.everything:
            place = f"{min(table.cursor + 1, len(table.shown)):,}/{len(table.shown):,}"
            parts.append("looking" if table.pending else place)
        if table.words:
            parts.append(f"filter: {' '.join(table.words)}  ({table.everything:,} without it; Esc clears)")
        if table.order_by is not None:
            column = table.columns[table.order_by]
            up, down = ("least first", "most first") if column.right else ("A-Z", "Z-A")
            first = column.value(table.lines[0].row) if table.lines else None
            if isinstance(first, date):
                up, down = "oldest first", "newest first"
            elif isinstance(first, int) and not column.right:  # words that have an order of their own
                up, down = "worst first", "best first"
            parts.append(f"sorted by {column.heading}, {down if table.descending else up}")
        if table.everything and (note := self.note()):
            # What the marks mean is known by then, and half of it tells nothing.
            parts += [note] if len("   ".join([*parts, note])) < self.size.width - 1 or not parts[1:] else []
        words = content("   ".join(part for part in parts if part))
        self.query_one(".status", Static).update(words, layout=False)

    @on(Table.Moved)
    def _moved(self, event: Table.Moved) -> None:
        more = content() if event.row is None else self.detail(event.row)
        self.query_one(".detail", Static).update(more, layout=False)
        self.status()

    def on_resize(self) -> None:
        """Draw the frame anew, and what a higher terminal has room for."""
        super().on_resize()
        self.call_after_refresh(self._look_ahead)

    @on(Table.Moved)
    def _look_ahead(self) -> None:
        """Ask for what there is to read about the highlighted row, if it can be seen."""
        row = self.table.row()
        if self.PREVIEWS and row is not None and self.query_one(".side").display:
            self.look_ahead(row)

    @work(thread=True, exclusive=True, exit_on_error=False, group="preview")
    def look_ahead(self, row: object) -> None:
        """Find what there is to read about a row."""
        from tlsrpt.store import StoreError  # noqa: PLC0415 - duckdb waits for the first frame

        with suppress(StoreError):  # the question itself says what is wrong
            store = self.bench.evidence.store()
            if store is not None:
                self.post_message(self.Previewed(row, self.preview(store, row)))

    @on(Previewed)
    def _previewed(self, message: Previewed) -> None:
        if message.row is self.table.row():
            page = self.query_one(".side", Page)
            page.say(message.said)
            page.action_top()
            self.previewed = message.row

    @on(Table.Changed)
    def _changed(self) -> None:
        table = self.table
        if table.order_by is None:
            self.bench.orders.pop(self.NAME, None)
        else:
            self.bench.orders[self.NAME] = Order(table.columns[table.order_by].heading, table.descending)
        self.status()

    @on(Table.Opened)
    def _opened(self, event: Table.Opened) -> None:
        self.open(event.row)

    def explain(self, reason: str) -> None:
        """Show in place of the list why there is none."""
        self.list_rows((), content(), told("The store cannot be read.", reason))

    # Filtering

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action can be done now: Enter ends the filter where that is typed."""
        if action == "end_filter":
            return isinstance(self.focused, Input)
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Ask for words."""
        entry = self.query_one(Input)
        entry.display = True
        entry.cursor_blink = False
        self.set_focus(entry)  # at once, for the next key

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != safe(event.value):
            event.input.value = safe(event.value)
        self.table.filter(event.value)

    def action_end_filter(self) -> None:
        """Go back to the list."""
        self.set_focus(self.table)  # at once, for the next key
        self.table.hold()
        self.query_one(Input).call_later(self._typed_all)  # after the characters that came before

    def _typed_all(self) -> None:
        entry = self.query_one(Input)
        self.table.filter(entry.value)
        entry.display = bool(self.table.words)
        self.table.release()

    def step_back(self) -> bool:
        """Clear the filter if there is one."""
        entry = self.query_one(Input)
        if not entry.display:
            return False
        entry.value = ""
        entry.display = False
        self.table.focus()
        return True

    # Taking along

    def taken(self, form: str) -> str:
        """Return the rows that the filter leaves, in their order, with all columns."""
        return self.written([line.row for line in self.table.shown], form)

    def written(self, rows: Sequence[Any], form: str) -> str:
        """Return rows with all columns, as a file with this ending has them, or COPIED as the clipboard has them."""
        from tui import exporting, plain  # noqa: PLC0415 - not needed for the first frame

        columns = self.table.columns
        if form == COPIED:
            cells = [
                [column.heading for column in columns],
                *([column.text(row) for column in columns] for row in rows),
            ]
            return "\n".join("\t".join(row) for row in cells)
        name = exporting.FORMS[form]
        return plain.written(exporting.tabulated(rows, columns, name), name, None)

    def _row_text(self) -> str:
        table = self.table
        return "\t".join(table.shown[table.cursor].texts) if table.row() is not None else ""

    def action_copy(self) -> None:
        """Copy the highlighted row."""
        self.bench.copy(self._row_text())

    def copies(self) -> list[tuple[Choice, str]]:
        """Return what can be copied here: a key with words, and the text."""
        table = self.table
        if table.row() is None:
            return []
        line = table.shown[table.cursor]
        whole = [
            (Choice("r", "Row", self._row_text().replace("\t", "  ")), self._row_text()),
            (Choice("t", "Table", f"{len(table.shown):,} rows with their headings"), ""),
        ]
        values = [(column.heading, text) for column, text in zip(table.columns, line.texts, strict=True) if text]
        return whole + [
            (Choice(str(n) if n < 10 else "", heading, text), text) for n, (heading, text) in enumerate(values, 1)
        ]

    def copied(self, choice: Choice, text: str) -> None:
        """Copy what was chosen; the whole list is read first."""
        if choice.key == "t":
            self.take(COPIED, partial(self.bench.copy, what=choice.more))
        else:
            super().copied(choice, text)
