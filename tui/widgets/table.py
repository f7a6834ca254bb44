"""A table that draws only the rows in sight, and through which every text of a list is made safe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui import keys
from tui.text import Cut, cell, pad, safe, sought, width
from tui.widgets.fit import Need, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.style import Style
    from textual import events
    from textual.binding import BindingType

Row = Any  # a table knows nothing of its rows but what its columns ask of them


@dataclass(frozen=True, slots=True)
class Column:
    """One property of the rows, and how it is shown."""

    heading: str
    value: Callable[[Row], object]  # what is sorted by
    show: Callable[[Row], str] | None = None  # what is seen, if that is not the value itself
    style: Callable[[Row], str] | None = None  # "bad", "warn", "good", "dim" or "" for a row
    right: bool = False
    least: int = 0  # cells it may shrink to; 0 never shrinks
    cut: Cut = "middle"  # where it gives way
    drop: int = 0  # dropped when there is no room, the highest first; 0 never
    field: str = ""  # what it is called in a file, where the heading alone does not tell
    order: str = ""  # by what field of the answer the store sorts for it, where the store does that

    def name(self) -> str:
        """Return what the column is called in a file."""
        return self.field or self.heading.lower().replace(" ", "_").replace("-", "_")

    def text(self, row: Row) -> str:
        """Return what is seen of a row, safe."""
        if self.show is not None:
            return safe(self.show(row))
        value = self.value(row)
        return "" if value is None else f"{value:,}" if isinstance(value, int) else safe(str(value))


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its texts, made once."""

    row: Row
    key: object
    texts: tuple[str, ...]


class Table(ScrollView, can_focus=True):
    """Rows under headings, with a cursor, an order and a filter."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("list")
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--heading",
        "table--cursor",
        "table--bad",
        "table--warn",
        "table--good",
        "table--dim",
    }

    cursor = reactive(0, repaint=False)
    """Place of the highlighted row among those shown."""

    held = False
    """Whether other rows are about to be shown."""

    at_once = False
    """Whether a click opens a row that is not highlighted yet."""

    pending = False
    """Whether order or filter are not yet those of the rows shown."""

    class Opened(Message):
        """A row was chosen."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class Moved(Message):
        """Another row is highlighted, or none."""

        def __init__(self, row: Row | None) -> None:
            super().__init__()
            self.row = row

    class Changed(Message):
        """Order or filter changed."""

    def __init__(self, columns: Sequence[Column] = (), *, key: Callable[[Row], object] | None = None) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.key = key or (lambda row: row)
        self.lines: list[Line] = []  # all rows, in the order they came
        self.shown: Sequence[Line] = []  # those that the filter leaves, sorted
        self.words: tuple[str, ...] = ()
        self.order_by: int | None = None
        self.descending = False
        self._widths = [-1] * len(self.columns)  # of each column, -1 for one that has no room
        self._later = 0  # rows by which the cursor is to move once they are there
        self._moved: object = None

    # Filling

    def fill(
        self,
        rows: Sequence[Row],
        columns: Sequence[Column] | None = None,
        key: Callable[[Row], object] | None = None,
    ) -> None:
        """Show these rows. The cursor stays on the row with the same key, if it is still there."""
        if columns is not None and tuple(columns) != self.columns:
            self.columns = tuple(columns)
            self.order_by, self.descending = None, False
        if key is not None:
            self.key = key
        self.lines = [self._line(row) for row in rows]
        self._arrange()

    def _line(self, row: Row) -> Line:
        return Line(row, self.key(row), tuple(column.text(row) for column in self.columns))

    @property
    def everything(self) -> int:
        """How many rows there are without the filter."""
        return len(self.lines)

    def filter(self, words: str) -> None:
        """Show only the rows with all these words in columns that can be seen."""
        self.words = sought(words)
        self._arrange()
        self.post_message(self.Changed())

    def row(self) -> Row | None:
        """Return the highlighted row."""
        return self.shown[self.cursor].row if self.cursor < len(self.shown) else None

    def _arrange(self) -> None:
        """Fit the columns, filter, sort, and put the cursor back on its row."""
        before = self.shown[self.cursor].key if self.cursor < len(self.shown) else None
        self._fit()
        shown = [line for line in self.lines if self._matches(line)]
        if self.order_by is not None:
            column = self.columns[self.order_by]
            shown.sort(key=lambda line: _sortable(column.value(line.row)), reverse=self.descending)
        self.shown = shown
        places = {line.key: place for place, line in enumerate(self.shown)}
        self.virtual_size = Size(self.size.width, len(self.shown) + 1)
        self.cursor = places.get(before, min(self.cursor, max(0, len(self.shown) - 1)))
        self._follow()
        self.refresh()
        self._tell()

    def _matches(self, line: Line) -> bool:
        if not self.words:
            return True
        seen = "\n".join(text for text, size in zip(line.texts, self._widths, strict=True) if size >= 0).casefold()
        return all(word in seen for word in self.words)

    def _fit(self) -> None:
        """Give each column its width."""
        longest = [width(heading) for heading in self._headings()]
        for line in self.lines:
            for place, text in enumerate(line.texts):
                if len(text) > longest[place]:
                    longest[place] = max(longest[place], width(text))
        needs = [Need(size, column.least, column.drop) for size, column in zip(longest, self.columns, strict=True)]
        self._widths = fit(needs, self.size.width - 2)

    def _headings(self) -> list[str]:
        arrow = "-" if self.descending else "+"
        return [
            f"{column.heading}{arrow}" if place == self.order_by else column.heading
            for place, column in enumerate(self.columns)
        ]

    def headings(self) -> list[str]:
        """Return the headings of the columns that can be seen."""
        return [column.heading for column, size in zip(self.columns, self._widths, strict=True) if size >= 0]

    # Drawing

    def on_resize(self) -> None:
        """Fit the columns anew."""
        self._arrange()

    def render_line(self, y: int) -> Strip:
        """Return one line of what is in sight: the headings, then rows."""
        base = self.rich_style
        if y == 0:
            return self._strip(" ", self._headings(), base + self.get_component_rich_style("table--heading"), None)
        place = y - 1 + self.scroll_offset.y
        if place >= len(self.shown):
            return Strip.blank(self.size.width, base)
        line = self.shown[place]
        if place == self.cursor:
            style = base + self.get_component_rich_style("table--cursor")
            return self._strip(">", line.texts, style, None)
        return self._strip(" ", line.texts, base, line.row)

    def _strip(self, mark: str, texts: Sequence[str], style: Style, row: Row | None) -> Strip:
        segments = [Segment(mark, style)]
        for text, size, column in zip(texts, self._widths, self.columns, strict=True):
            if size < 0:
                continue
            name = column.style(row) if row is not None and column.style is not None else ""
            own = style + self.get_component_rich_style(f"table--{name}") if name else style
            segments += [
                Segment(pad(cell(text, size, column.cut), size, right=column.right), own),
                Segment(" ", style),
            ]
        return Strip(segments).adjust_cell_length(self.size.width, style)

    # Moving

    def watch_cursor(self, before: int, after: int) -> None:
        """Keep the cursor in sight; draw only the lines it left and reached."""
        self._follow()
        for place in (before, after):
            self.refresh(Region(0, place + 1 - self.scroll_offset.y, self.size.width, 1))
        self._tell()

    def _follow(self) -> None:
        self.scroll_to_region(Region(0, self.cursor, 1, 2), animate=False, force=True, immediate=True, x_axis=False)

    def _tell(self) -> None:
        row = self.row()
        if row is not self._moved:
            self._moved = row
            self.post_message(self.Moved(row))

    def _go(self, place: int) -> None:
        """Move the cursor, among rows that are still to come once they are there."""
        if self.held or self.pending:
            self._later += place - self.cursor
        else:
            self.cursor = max(0, min(place, len(self.shown) - 1))

    def hold(self) -> None:
        """Move the cursor no more until told, as other rows are about to be shown."""
        self.held = True

    def release(self) -> None:
        """Move the cursor again, and as it was to be moved meanwhile."""
        self.held = False
        self.catch_up()

    def catch_up(self) -> None:
        """Move the cursor as it was to be moved before the rows were there."""
        if not (self.held or self.pending):
            later, self._later = self._later, 0
            self._go(self.cursor + later)

    def action_move(self, rows: int) -> None:
        """Move the cursor by some rows."""
        self._go(self.cursor + rows)

    def action_page(self, pages: float) -> None:
        """Move the cursor by pages of what is in sight."""
        self._go(self.cursor + int(pages * max(1, self.size.height - 1)))

    def action_top(self) -> None:
        """Move to the first row."""
        self._go(0)

    def action_bottom(self) -> None:
        """Move to the last row."""
        self._go(len(self.shown) - 1)

    def action_open(self) -> None:
        """Choose the highlighted row."""
        row = self.row()
        if row is not None:
            self.post_message(self.Opened(row))

    def action_sort(self) -> None:
        """Sort by the next column, in sight or not; after the last one, as the rows came."""
        places = [None, *(place for place, column in enumerate(self.columns) if self.sorts(column))]
        here = places.index(self.order_by) if self.order_by in places else 0
        self._sort(places[(here + 1) % len(places)])

    def sorts(self, column: Column) -> bool:
        """Return whether the rows can be sorted by a column."""
        del column
        return True

    def action_reverse(self) -> None:
        """Turn the order round, or begin to sort."""
        if self.order_by is None:
            self.action_sort()
        else:
            self._sort(self.order_by, descending=not self.descending)

    def sort_by(self, heading: str, *, descending: bool) -> None:
        """Sort by the column with this heading, if there is one."""
        places = [place for place, one in enumerate(self.columns) if one.heading == heading and self.sorts(one)]
        if places:
            self._sort(places[0], descending=descending)

    def _sort(self, column: int | None, *, descending: bool | None = None) -> None:
        self.order_by = column
        if descending is None:  # numbers are wanted with the most first
            descending = column is not None and self.columns[column].right
        self.descending = descending
        self._arrange()
        self.post_message(self.Changed())

    def on_click(self, event: events.Click) -> None:
        """Highlight the row clicked on; open it when it is highlighted; sort by the heading."""
        if event.y == 0:
            place = self._column_at(event.x)
            if place is not None and place == self.order_by:
                self.action_reverse()
            elif place is None or self.sorts(self.columns[place]):
                self._sort(place)
            return
        place = event.y - 1 + self.scroll_offset.y
        if place == self.cursor:
            self.action_open()
        elif place < len(self.shown):
            self.cursor = place
            if self.at_once:
                self.action_open()

    def _column_at(self, x: int) -> int | None:
        end = 1
        for place, size in enumerate(self._widths):
            end += size + 1 if size >= 0 else 0
            if x < end and size >= 0:
                return place
        return None


def _sortable(value: object) -> tuple[int, Any]:
    """Return a key that puts nothing first, and compares like with like."""
    if value is None:
        return 0, 0
    if isinstance(value, (int, float)):
        return 1, value
    if isinstance(value, (date, datetime)):
        return 2, value.isoformat()
    return 3, str(value).casefold()
