"""A table over more rows than it holds: those in sight are asked for, and somebody else filters and sorts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from textual.geometry import Size
from textual.message import Message

from tui.text import sought
from tui.widgets.table import Line, Row, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tui.widgets.table import Column

_HELD = 2_000  # rows that are kept of those that were in sight


class _Rows(Sequence[Line]):
    """All rows; one that is not known yet has no row and says so."""

    def __init__(self, known: Mapping[int, Line], count: int, columns: int) -> None:
        self._known = known
        self._count = count
        self._unknown = Line(None, None, ("…",) * columns)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Line: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Line]: ...
    def __getitem__(self, place: int | slice) -> Line | Sequence[Line]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(self._count))]
        if not -self._count <= place < self._count:
            raise IndexError(place)
        return self._known.get(place % self._count, self._unknown)


class PagedTable(Table):
    """Rows of which only those in sight, and some around them, are held."""

    class Wanted(Message):
        """Rows in sight are not known, from this place on."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    everything = 0
    """How many rows there are without the filter."""

    def __init__(self, columns: Sequence[Column] = (), *, key: Callable[[Row], object] | None = None) -> None:
        super().__init__(columns, key=key)
        self._known: dict[int, Line] = {}  # by place
        self._count = 0  # rows that the filter leaves
        self._put = self.order_by, self.descending, self.words  # that the rows shown are of

    def put(
        self,
        rows: Sequence[Row],
        first: int,
        count: int,
        everything: int,
        columns: Sequence[Column] | None = None,
        *,
        anew: bool,
        top: bool,
    ) -> None:
        """Show these rows from a place on, of so many that the filter leaves, of so many altogether.

        `anew` forgets the rows that were shown, as other columns do; `top` puts the cursor on the first one; else it
        stays on its row, where that is among these, or at its place.
        """
        self.pending = False
        if columns is not None and tuple(columns) != self.columns:
            self.columns = tuple(columns)
            self.order_by, self.descending = None, False
            anew = top = True
        self._put = self.order_by, self.descending, self.words
        row = self.shown[self.cursor] if self.cursor < len(self.shown) else None
        if anew or len(self._known) > _HELD:
            self._known = {}
        self._known.update({first + place: self._line(one) for place, one in enumerate(rows)})
        self._count, self.everything = count, everything
        if top:
            self.set_reactive(PagedTable.cursor, 0)
        elif anew and row is not None and row.row is not None:
            same = (place for place, line in self._known.items() if line.key == row.key)
            self.set_reactive(PagedTable.cursor, next(same, self.cursor))
        self._arrange()
        self.catch_up()

    def fill(
        self,
        rows: Sequence[Row],
        columns: Sequence[Column] | None = None,
        key: Callable[[Row], object] | None = None,
    ) -> None:
        """Show these rows and no others."""
        del key  # is that of the beginning
        self.put(rows, 0, len(rows), len(rows), columns, anew=True, top=False)

    def restore(self) -> tuple[str, ...]:
        """Go back to the order and the words that the rows shown are of, and return these words."""
        self.order_by, self.descending, self.words = self._put
        self.pending = False
        self._arrange()
        return self.words

    def revise(self, change: Callable[[Row], Row]) -> None:
        """Show the same rows with what else is known of them meanwhile."""
        self._known = {place: self._line(change(line.row)) for place, line in self._known.items()}
        self._arrange()

    def filter(self, words: str) -> None:
        """Have only the rows with all these words listed."""
        if self.words != (wanted := sought(words)):
            self.words, self.pending = wanted, True
            self.post_message(self.Changed())

    def sorts(self, column: Column) -> bool:
        """Return whether the store can sort by a column."""
        return bool(column.order)

    def _sort(self, column: int | None, *, descending: bool | None = None) -> None:
        before = self.order_by, self.descending
        super()._sort(column, descending=descending)
        self.pending = self.pending or before != (self.order_by, self.descending)

    def _arrange(self) -> None:
        """Fit the columns and keep the cursor among the rows."""
        self.lines = list(self._known.values())
        self._fit()
        self.shown = _Rows(self._known, self._count, len(self.columns))
        self.virtual_size = Size(self.size.width, self._count + 1)
        self.cursor = min(self.cursor, max(0, self._count - 1))
        self._follow()
        self.refresh()
        self._tell()
        self._want()

    def watch_cursor(self, before: int, after: int) -> None:
        """Keep the cursor in sight, and have the rows there asked for."""
        super().watch_cursor(before, after)
        self._want()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Have the rows in sight asked for."""
        super().watch_scroll_y(old_value, new_value)
        self._want()

    def unknown(self) -> int | None:
        """Return the place of the first row in sight that is not known."""
        return next((place for place in self._in_sight() if place not in self._known), None)

    def in_sight(self) -> Sequence[Line]:
        """Return the rows in sight that are known."""
        return [self._known[place] for place in self._in_sight() if place in self._known]

    def _in_sight(self) -> range:
        top = self.scroll_offset.y
        return range(top, min(top + self.size.height, self._count))

    def _want(self) -> None:
        place = self.unknown()
        if place is not None:
            self.post_message(self.Wanted(place))
