"""The keys of a screen, from the one list of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui import keys
from tui.said import Said
from tui.screens.base import Asking
from tui.widgets.page import Page

if TYPE_CHECKING:
    from textual.app import ComposeResult


class HelpScreen(Asking):
    """What each key does on the screen that one came from, and what the words mean."""

    NAME = "help"
    TOP = ""
    AUTO_FOCUS = "Page"

    def __init__(self, screen: str) -> None:
        super().__init__()
        self.of = screen

    def crumb(self) -> str:
        """Return that this is help."""
        return "help"

    def standing(self) -> str:
        """Return nothing: the window does not matter here."""
        return ""

    def body(self) -> ComposeResult:
        """Yield the page."""
        yield Page(help_page(self.of))

    def renew(self) -> None:
        """There is nothing to ask."""


def help_page(screen: str) -> list[Said]:
    """Return the keys of a screen, then the words."""
    said: list[Said] = []
    for heading, listed in keys.groups(screen):
        said += [
            Said(heading, style="heading"),
            *(Said(meaning, shown) for shown, meaning in listed),
            Said(""),
        ]
    return [
        *said,
        Said("Words", style="heading"),
        Said(
            "a session that enforce would have kept from delivering. Senders in testing count some of these as"
            " successful, so that there can be more of them than failed ones",
            "would-block",
        ),
        Said("the sender did not say enough; counted as would-block", "unclear"),
        Said("the sender saw no policy; it would block if it saw one in enforce", "projected"),
        Said("blocked for DANE senders already, whatever the policy says", "dane"),
        Said("enforce would not block it", "none"),
        Said("sessions, not messages; sts and tlsa sessions overlap and are never added up", "counts"),
        Said("of a day: blank no report, . no failure, : failed, # would block", "14 days"),
        Said("with the mouse, hold Shift to select text as the terminal does", "mouse"),
    ]
