"""One of a few choices, by its own key, by Enter or by the mouse; Esc chooses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from tui import keys
from tui.draw import content
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType


class Choice(NamedTuple):
    """One thing to choose, and the key that does."""

    key: str
    words: str
    more: str = ""  # what is chosen, where the words do not say it


class Choose(ModalScreen["Choice | None"]):
    """Ends in a choice, or in None."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("choosing")

    def __init__(self, title: str, choices: Sequence[Choice], at: int = 0) -> None:
        super().__init__()
        self.title_words = title
        self.choices = choices
        self.at = at  # which is highlighted to begin with
        for place, choice in enumerate(choices):
            if choice.key:
                # Bound, so that it comes before the key after it, as all keys do.
                self._bindings.bind(choice.key, f"take({place})", show=False)

    def compose(self) -> ComposeResult:
        """Yield the title and the choices."""
        with Vertical():
            yield Static(content((self.title_words, "bold")))
            yield Table(
                (
                    Column("", lambda row: row.key),
                    Column("", lambda row: row.words, least=12, cut="prose"),
                    Column("", lambda row: row.more, least=12),
                )
            )

    def on_mount(self) -> None:
        """List the choices, as high as they are many."""
        table = self.query_one(Table)
        table.styles.height = len(self.choices) + 1
        table.at_once = True
        table.fill(self.choices)
        table.cursor = self.at

    def action_take(self, place: int) -> None:
        """Choose by the key of a choice."""
        self.dismiss(self.choices[place])

    @on(Table.Opened)
    def _opened(self, event: Table.Opened) -> None:
        self.dismiss(event.row)

    def action_leave(self) -> None:
        """End without a choice."""
        self.dismiss(None)
