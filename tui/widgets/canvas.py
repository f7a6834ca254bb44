"""Pictures, one under the other, that scroll as a text does."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll
from textual.widgets import Static

from tui import keys
from tui.draw import stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.content import Content


class Canvas(VerticalScroll, can_focus=True, inherit_bindings=False):
    """Lines that are drawn as they are given, and cut at the edge."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("text")

    def compose(self) -> ComposeResult:
        """Yield what holds the lines."""
        yield Static()

    def draw(self, lines: Sequence[Content]) -> None:
        """Show these lines, from the same place on."""
        self.lines = list(lines)
        self.query_one(Static).update(stacked(*lines))

    def text(self) -> str:
        """Return the lines, as they can be copied."""
        return "\n".join(line.plain.rstrip() for line in self.lines)

    def action_move(self, lines: int) -> None:
        """Scroll by some lines."""
        self._scroll(self.scroll_offset.y + lines)

    def action_page(self, pages: float) -> None:
        """Scroll by pages."""
        self._scroll(self.scroll_offset.y + int(pages * max(1, self.size.height - 1)))

    def action_top(self) -> None:
        """Scroll to the beginning."""
        self._scroll(0)

    def action_bottom(self) -> None:
        """Scroll to the end."""
        self._scroll(self.virtual_size.height)

    def _scroll(self, line: int) -> None:
        self.scroll_to(y=line, animate=False, immediate=True, force=True)
