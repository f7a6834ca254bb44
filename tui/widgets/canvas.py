"""Pictures, one under the other, that scroll as a text does."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll
from textual.widgets import Static

from tui import keys
from tui.draw import stacked
from tui.widgets.scrolling import Scrolling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.content import Content


class Canvas(Scrolling, VerticalScroll, can_focus=True, inherit_bindings=False):
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
