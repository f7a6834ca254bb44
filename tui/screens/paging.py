"""A list that may have millions of rows: the store filters, sorts and hands out those in sight."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from textual import on, work
from textual.message import Message
from textual.widgets import Input

from queries import WHOLE, Part, domains
from tui.screens.listing import Listing
from tui.widgets.paged import PagedTable
from tui.widgets.table import Table
from tui.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from textual.content import Content

    from tlsrpt.store import Store
    from tui.screens.base import Asked
    from tui.widgets.table import Column

PAGE = 200  # rows asked for at once: those in sight, and some before and after them
TAKEN = 100_000  # rows that are taken along at most


class Page(NamedTuple):
    """A part of a long answer."""

    part: Part
    rows: Sequence[Any]
    matches: int  # rows that the filter leaves
    everything: int  # rows without it


class Paging(Listing):
    """A list of which only the rows in sight are asked for: `answer` finds them by `ask_page`."""

    MORE: ClassVar[str] = ""
    """How to get more rows than can be taken along."""

    first = 0  # of the rows asked for
    following: object = None  # the key of the row that the cursor is to stay on
    reordered = False  # whether rows are asked for again as they have other places
    listed: Asked | None = None  # what the rows shown are of, whatever their places
    _summed: tuple[Asked, domains.Totals] | None = None  # the newest totals, and what they are of

    class Taken(Message):
        """What is to be taken along has been read."""

        def __init__(self, text: str, use: Callable[[str], None]) -> None:
            super().__init__()
            self.text = text
            self.use = use

    def ask_part(self, store: Store, asked: Asked) -> tuple[Sequence[Any], int]:
        """Return the rows of a part, and how many have its words. Runs in a thread."""
        raise NotImplementedError

    def row_key(self, row: Any) -> object:  # noqa: ANN401 - its own rows
        """Return what tells a row from others, before it is made a line."""
        return self.key(row)

    def lines(self, store: Store, asked: Asked, rows: Sequence[Any]) -> Sequence[Any]:
        """Return rows with what else is shown of them. Runs in a thread."""
        del store, asked
        return rows

    def totals(self, store: Store, asked: Asked) -> domains.Totals:
        """Return the totals of the scope, asked once for all parts of the list. Runs in a thread."""
        about = asked._replace(part=WHOLE)
        if self._summed is None or self._summed[0] != about:
            self._summed = about, domains.totals(store, asked.scope)
        return self._summed[1]

    def newest(self, store: Store, asked: Asked) -> date | None:
        """Return the day of the newest report, whatever the window. Runs in a thread."""
        return self.totals(store, asked).last_day or domains.totals(store, replace(asked.scope, since=None)).last_day

    def last_day(self, store: Store, asked: Asked) -> date | None:
        """Return the last day of the scope, where the marks of days end. Runs in a thread."""
        scope = asked.scope
        return scope.until or (self.bench.evidence.today() if scope.since else self.totals(store, asked).last_day)

    def make_table(self) -> Table:
        """Return the list."""
        return PagedTable(self.COLUMNS, key=self.key)

    @property
    def table(self) -> PagedTable:
        """Return the list."""
        return self.query_one(PagedTable)

    def on_mount(self) -> None:
        """Sort as the last time before anything is asked."""
        super().on_mount()
        self.sort_as_before()

    def wants(self) -> Asked:
        """Return which rows are wanted."""
        table = self.table
        row = table.row()
        anew = self.reordered or (self.listed is not None and self.listed.version != self.bench.evidence.version)
        # Whoever looks at the first row looks at whatever comes first.
        follows = anew and row is not None and table.cursor > 0 and not table.pending
        self.following = self.key(row) if follows else None
        order = "" if table.order_by is None else table.columns[table.order_by].order
        return super().wants()._replace(part=Part(table.words, order, table.descending, self.first, PAGE))

    def ask_page(self, store: Store, asked: Asked) -> Page:
        """Return the rows wanted, and how many there are."""
        part = asked.part
        rows, matches = self.ask_part(store, asked)
        if not rows and part.first:  # there are fewer than before
            part = part._replace(first=0)
            rows, matches = self.ask_part(store, asked._replace(part=part))
        rows, part = self._followed(store, asked, rows, part, matches)
        everything = self.ask_part(store, asked._replace(part=Part(limit=1)))[1] if part.words else matches
        return Page(part, self.lines(store, asked, rows), matches, everything)

    def _followed(
        self, store: Store, asked: Asked, rows: Sequence[Any], part: Part, matches: int
    ) -> tuple[Sequence[Any], Part]:
        """Return the rows around the one that the cursor was on, should it have gone elsewhere."""
        key = self.following
        if key is None or any(self.row_key(row) == key for row in rows):
            return rows, part
        more = max(0, matches - len(self.table.shown))  # likely came before it
        guess = part._replace(first=part.first + more)
        near = self.ask_part(store, asked._replace(part=guess))[0] if more else ()
        if any(self.row_key(row) == key for row in near):
            return near, guess
        if matches > TAKEN:
            return rows, part
        every = self.ask_part(store, asked._replace(part=part._replace(first=0, limit=None)))[0]
        place = next((place for place, row in enumerate(every) if self.row_key(row) == key), None)
        if place is None:
            return rows, part
        first = max(0, place - PAGE // 2)
        return every[first : first + PAGE], part._replace(first=first)

    def list_page(
        self,
        page: Page,
        answer: Content,
        empty: Content,
        columns: Sequence[Column] | None = None,
        *,
        moved: bool = False,
    ) -> None:
        """Show some rows below an answer, or, without any, why there are none.

        `moved` says that rows may have other places than before, though nothing else was asked for.
        """
        assert self.asked is not None  # this answers it
        before, self.listed = self.listed, self.asked._replace(part=page.part._replace(first=0))
        self.reordered = False
        same = before is not None and before._replace(version=self.listed.version) == self.listed
        anew = moved or before != self.listed
        self.table.put(page.rows, page.part.first, page.matches, page.everything, columns, anew=anew, top=not same)
        self.say(answer, empty)

    def restore(self, drawn: Asked) -> None:
        """Go back to the filter and the order of the rows shown."""
        super().restore(drawn)
        self.first = drawn.part.first
        words = self.table.restore()
        entry = self.query_one(Input)
        entry.display = bool(words)
        with entry.prevent(Input.Changed):
            entry.value = " ".join(words)
        self.status()

    @on(PagedTable.Wanted)
    def _wanted(self, message: PagedTable.Wanted) -> None:
        self.first = max(0, message.place - PAGE // 2)
        self.renew()

    @on(Table.Changed)
    def _other_rows(self) -> None:
        self.first = 0
        self.renew()

    # Taking along

    def take(self, form: str, use: Callable[[str], None]) -> None:
        """Read all rows that the filter leaves, as far as they can be taken along, and use them."""
        there = len(self.table.shown)
        if there > TAKEN:
            self.bench.notify(f"the first {TAKEN:,} of {count(there, 'row')} are taken along. {self.MORE}")
        wanted = self.wants()
        self._take(form, wanted._replace(part=wanted.part._replace(first=0, limit=TAKEN)), use)

    @work(thread=True, exclusive=True, exit_on_error=False, group="take")
    def _take(self, form: str, asked: Asked, use: Callable[[str], None]) -> None:
        from tlsrpt.store import StoreError  # noqa: PLC0415 - duckdb waits for the first frame

        try:
            store = self.bench.evidence.store()
            if store is not None:
                with store.reading():
                    rows = self.lines(store, asked, self.ask_part(store, asked)[0])
                self.post_message(self.Taken(self.written(rows, form), use))
        except StoreError as error:
            self.bench.post_message(self.bench.Failed(str(error)))

    @on(Taken)
    def _taken(self, message: Taken) -> None:
        message.use(message.text)
