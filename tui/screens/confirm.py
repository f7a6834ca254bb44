"""A question before something that cannot be taken back; whatever is no clear yes is a no."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.screen import ModalScreen
from textual.widgets import Static

from tui import keys
from tui.draw import content, stacked

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType


class Confirm(ModalScreen[bool]):
    """Ends in whether the answer is yes."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("question")

    def __init__(self, question: str, reason: str = "") -> None:
        super().__init__()
        self.question = question
        self.reason = reason

    def compose(self) -> ComposeResult:
        """Yield the question."""
        answers = content(("y", "bold $text-accent"), " Yes   ", ("n", "bold $text-accent"), " No")
        reason = [content(self.reason)] if self.reason else []
        composed = stacked(content((self.question, "bold")), *reason, content(), answers)
        yield Static(composed)

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001 - from a binding
        """End with the answer."""
        self.dismiss(yes)
