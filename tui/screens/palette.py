"""The palette: whatever can be done on a screen, and every domain, found by typing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on, work
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui import keys
from tui.draw import content
from tui.text import a_label, idn, safe
from tui.widgets.entry import Entry, came_early
from tui.widgets.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

LISTED = 200  # matches that are listed; whoever wants another types more of it


_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")


class Command(NamedTuple):
    """Something to do, or a domain to go to."""

    words: str
    key: str = ""  # which key does it as well
    action: str = ""  # as Textual names it
    policy_domain: str = ""
    also: str = ""  # further words by which it is found


def _dim(row: Command) -> str:
    return "dim" if row.policy_domain else ""


class Palette(ModalScreen["Command | None"]):
    """Ends in a command, or in None. Typing never waits: it looks through what has come so far."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("palette")
    AUTO_FOCUS = "Input"

    class DomainsCame(Message):
        """The domains are known."""

        def __init__(self, found: list[Command]) -> None:
            super().__init__()
            self.found = found

    def __init__(self, commands: Sequence[Command], domains: Callable[[], Sequence[str]], hint: str) -> None:
        super().__init__()
        self.commands = list(commands)
        self.domains = domains  # asked in a thread
        self.hint = hint

    def compose(self) -> ComposeResult:
        """Yield a line to type in, and what matches it."""
        with Vertical():
            yield Entry(placeholder=self.hint, compact=True)
            table = Table(
                (
                    Column("What", lambda row: row.words, least=20),
                    Column("Key", lambda row: "domain" if row.policy_domain else row.key, style=_dim),
                )
            )
            table.at_once = True
            table.can_focus = False  # what is typed goes to the line
            yield table
            yield Static(content("Nothing matches. A whole domain is taken as it is."), classes="none")

    def on_mount(self) -> None:
        """List everything, and ask for the domains."""
        self.query_one(Input).cursor_blink = False
        self._list()
        self.ask()

    @work(thread=True, exit_on_error=False, group="palette")
    def ask(self) -> None:
        """Find the domains."""
        self.post_message(self.DomainsCame([Command(idn(name), policy_domain=name) for name in self.domains()]))

    @on(DomainsCame)
    def _came(self, message: DomainsCame) -> None:
        self.commands += message.found
        self._list()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != safe(event.value):
            event.input.value = safe(event.value)
        self._list()

    def _list(self) -> None:
        """List what matches the words: first what begins with them."""
        typed = self.query_one(Input).value.casefold().strip()
        table = self.query_one(Table)
        matches = self._matches(typed)
        table.fill(matches)
        table.cursor = 0
        table.display = bool(matches)
        self.query_one(".none", Static).display = not matches

    def _matches(self, typed: str) -> list[Command]:
        words = typed.split()
        found = [one for one in self.commands if all(word in f"{one.words} {one.also}".casefold() for word in words)]
        found.sort(
            key=lambda one: not (one.words.casefold().startswith(typed) or one.also.casefold().startswith(typed))
        )
        name = a_label(typed)
        if _DOMAIN.fullmatch(name) and not any(one.policy_domain == name for one in self.commands):
            return [*found[: LISTED - 1], Command(idn(name), policy_domain=name)]
        return found[:LISTED]

    @on(Input.Submitted)
    def _submitted(self) -> None:
        row: Command | None = self.query_one(Table).row()
        if row is not None:
            self.dismiss(row)

    @on(Table.Opened)
    def _opened(self, event: Table.Opened) -> None:
        self.dismiss(event.row)

    def on_key(self, event: events.Key) -> None:
        """Take characters that came before the line had the focus."""
        came_early(self, event)

    def action_go(self, rows: int) -> None:
        """Highlight another match."""
        self.query_one(Table).action_move(rows)

    def action_turn(self, pages: int) -> None:
        """Highlight a match a page further."""
        self.query_one(Table).action_page(pages)

    def action_leave(self) -> None:
        """End without a command."""
        self.dismiss(None)
