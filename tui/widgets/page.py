"""Text to read, line by line; only the lines in sight are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui import keys
from tui.said import LABELS, Line, Said, flowed
from tui.text import PROSE, pad, safe
from tui.widgets.scrolling import Scrolling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType


class Page(Scrolling, ScrollView, can_focus=True):
    """Paragraphs wrapped to the width of the screen."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("text")
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "page--heading",
        "page--label",
        "page--bad",
        "page--warn",
        "page--good",
        "page--dim",
        "page--code",
    }

    def __init__(
        self, paragraphs: Sequence[Said] = (), *, labels: int = LABELS, grows: bool = False, classes: str = ""
    ) -> None:
        super().__init__(classes=classes)
        self.paragraphs = list(paragraphs)
        self.labels = labels
        self.grows = grows  # as high as its text, up to the max-height of its style
        self._lines: list[Line] = []
        self._width = 0  # that they are wrapped to

    def say(self, paragraphs: Sequence[Said]) -> None:
        """Show these paragraphs, from the same place on if there is one."""
        self.paragraphs = list(paragraphs)
        self._flow()

    def on_resize(self) -> None:
        """Wrap anew."""
        if self.size.width != self._width:
            self._flow()

    def _flow(self) -> None:
        room = self.size.width - 2
        if room < 1:
            return
        self._width = self.size.width
        self._lines = [line for said in self.paragraphs for line in flowed(said, room, self.labels)]
        self.virtual_size = Size(self.size.width, len(self._lines))
        if self.grows:
            self.styles.height = len(self._lines)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line of what is in sight."""
        base = self.rich_style
        place = y + self.scroll_offset.y
        if place >= len(self._lines):
            return Strip.blank(self.size.width, base)
        label, text, style, indent = self._lines[place]
        segments = [Segment(" ", base)]
        if indent:
            named = base + self.get_component_rich_style("page--label") if label else base
            segments.append(Segment(pad(label, indent), named))
        look = base + self.get_component_rich_style(f"page--{style}") if style else base
        segments.append(Segment(text, look))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def text(self) -> str:
        """Return the text, safe, as it can be copied."""
        return "\n".join(
            f"{safe(said.label)}  {safe(said.text, PROSE)}" if said.label else safe(said.text, PROSE)
            for said in self.paragraphs
        )
