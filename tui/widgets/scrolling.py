"""What the keys of a text do, for whatever scrolls."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.widget import Widget
else:
    Widget = object  # styles and keys of a widget come from its first base alone, and that is to be the other one


class Scrolling(Widget):
    """Moves by lines and pages, at once."""

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
