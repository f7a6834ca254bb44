"""A few words asked for before something is recorded or written; Esc leaves it be."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui import keys
from tui.draw import content
from tui.text import safe
from tui.widgets.entry import Entry, came_early

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType


class Field(NamedTuple):
    """One thing that is asked for."""

    label: str
    value: str = ""  # to begin with
    hint: str = ""
    secret: bool = False  # not shown while it is typed


class Form(ModalScreen["tuple[str, ...] | None"]):
    """Ends in what was written into the fields, in their order, or in None."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("form")

    def __init__(self, title: str, *fields: Field, words: str = "") -> None:
        super().__init__()
        self.title_words = title
        self.words = words
        self.fields = fields

    def compose(self) -> ComposeResult:
        """Yield the title, the fields, and which keys there are."""
        with Vertical():
            yield Static(content((self.title_words, "bold")))
            if self.words:
                yield Static(content(self.words))
            for field in self.fields:
                yield Static(content((field.label, "$text-accent")), classes="label")
                yield Entry(value=safe(field.value), placeholder=safe(field.hint), compact=True, password=field.secret)
            yield Static(content(("Enter", "bold $text-accent"), " next, at the end done   ",
                                 ("Esc", "bold $text-accent"), " leave it"), classes="label")  # fmt: skip

    def on_mount(self) -> None:
        """Begin in the first field that is empty."""
        inputs = list(self.query(Input))
        for entry in inputs:
            entry.cursor_blink = False
        first = next((entry for entry in inputs if not entry.value), inputs[0])
        self.set_focus(first)

    def on_key(self, event: events.Key) -> None:
        """Take characters that came before a field had the focus."""
        came_early(self, event)

    def action_next(self) -> None:
        """Go to the next field, after the last one end."""
        inputs = list(self.query(Input))
        place = inputs.index(self.focused) if isinstance(self.focused, Input) else -1
        if place + 1 < len(inputs):
            self.set_focus(inputs[place + 1])  # at once, for the next key
        else:
            inputs[-1].call_later(self._done)  # after the characters that came before

    def _done(self) -> None:
        self.dismiss(tuple(entry.value.strip() for entry in self.query(Input)))

    def action_leave(self) -> None:
        """End without an answer."""
        self.dismiss(None)
