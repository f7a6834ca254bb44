"""A screen that contacts somebody in the background: it shows how far that has come, and Esc stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.message import Message

from tui.screens.base import Asking

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.worker import Worker


class Working(Asking):
    """One thing at a time is done; what comes of an older one is dropped."""

    STOPPED: ClassVar[str] = "Stopped"
    """What is said when Esc has stopped it."""

    going = ""
    """How far it has come, "" while nothing is done."""

    begun = 0
    """How many things were begun so far."""

    doer: Worker[None] | None = None

    class Went(Message):
        """What is being done has come so far."""

        def __init__(self, number: int, words: str) -> None:
            super().__init__()
            self.number = number
            self.words = words

    class Ended(Message):
        """What was being done is over, with what came of it."""

        def __init__(self, number: int, outcome: object) -> None:
            super().__init__()
            self.number = number
            self.outcome = outcome

    # What a screen says for itself

    def going_on(self) -> None:
        """Draw how far it has come."""
        self.frame()

    def ended(self, outcome: Any) -> None:  # noqa: ANN401 - what its own worker sent
        """Show what came of it."""
        raise NotImplementedError

    # Doing

    def begin(self, words: str, do: Callable[[int], Worker[None]]) -> None:
        """Have a worker do something under a number of its own."""
        self.begun += 1
        self.going = words
        self.going_on()
        self.frame()
        self.doer = do(self.begun)

    @on(Went)
    def _went(self, message: Went) -> None:
        if self.going and message.number == self.begun:
            self.going = message.words
            self.going_on()

    @on(Ended)
    def _ended(self, message: Ended) -> None:
        if self.going and message.number == self.begun:
            self.going = ""
            self.ended(message.outcome)

    def step_back(self) -> bool:
        """Stop what is being done, if anything is."""
        if not self.going:
            return False
        self.going = ""
        if self.doer is not None:
            self.doer.cancel()
        self.bench.notify(self.STOPPED)
        self.going_on()
        self.frame()
        return True
