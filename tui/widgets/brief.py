"""A few lines in a place of fixed height: names in them are cut in the middle before anything is cut at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from tui.draw import content, squeezed

if TYPE_CHECKING:
    from textual.visual import VisualType


class Brief(Static):
    """A few lines about what is shown."""

    given = content()

    def update(self, given: VisualType = "", *, layout: bool = True) -> None:
        """Show these lines."""
        assert isinstance(given, Content)
        self.given = given
        super().update(self._fitting(), layout=layout)

    def on_resize(self) -> None:
        """Cut anew."""
        super().update(self._fitting(), layout=False)

    def _fitting(self) -> Content:
        room = self.content_size.width
        if self.styles.text_wrap != "nowrap":  # each line has its share of the height
            room *= max(1, self.content_size.height // (self.given.plain.count("\n") + 1))
        return squeezed(self.given, room) if room else self.given
