"""What a screen shows, as text; the one place that reaches into Textual."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import textual._wait
from textual.scroll_view import ScrollView
from textual.widget import Widget
from textual.widgets._toast import Toast

from tui.screens.base import Asking
from tui.screens.help import HelpScreen
from tui.screens.listing import Listing
from tui.screens.paging import Paging
from tui.widgets.canvas import Canvas

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from tui.app import Workbench

DEADLINE = 20.0  # seconds
# How Textual finds out that a key has been worked off. Its own 20 ms, twice for each key, are a third of what
# tests of screens take; what comes later than the end of that is waited for below.
textual._wait.SLEEP_GRANULARITY = 0.01
textual._wait.SLEEP_IDLE = 0.0005
GOLDENS = Path(__file__).with_name("goldens")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\dZ")
_TRIED = re.compile(r"(?<=B )\d{4}-\d\d-\d\d")  # after the size of a refused delivery


def lines(app: Workbench) -> list[str]:
    """Return the screen, line by line."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


def text(app: Workbench) -> str:
    """Return the screen."""
    return "\n".join(lines(app)) + "\n"


def _lacks_scroll_bar(widget: ScrollView | Canvas) -> bool:
    """Return whether a widget is about to have a scroll bar, or to have none any more."""
    if not widget.is_on_screen or not widget.styles.scrollbar_size_vertical:
        return False
    return (widget.virtual_size.height > widget.container_size.height) != widget.show_vertical_scrollbar


def _at_rest(app: Workbench) -> bool:
    if any(not worker.is_finished for worker in app.workers):
        return False
    screen = app.screen
    if any(_lacks_scroll_bar(widget) for widget in screen.query(Widget) if isinstance(widget, ScrollView | Canvas)):
        return False
    if app._resize_event is not None or screen._layout_required:
        return False
    if not app._disable_notifications and len(app._notifications) != len(screen.query(Toast)):
        return False
    if isinstance(screen, HelpScreen) or not isinstance(screen, Asking):
        return True
    if screen.asked is None or screen.drawn != screen.asked:
        return False
    if isinstance(screen, Paging) and (screen.table.pending or screen.table.unknown() is not None):
        return False
    if not isinstance(screen, Listing) or not screen.PREVIEWS or not screen.query_one(".side").display:
        return True
    row = screen.table.row()
    return row is None or screen.previewed is row


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Wait until something holds, also once what came of it has been worked off and drawn."""
    deadline = time.monotonic() + DEADLINE
    await pilot.pause(0)
    while True:
        if holds():
            await pilot.pause(0)
            if holds():
                return
        assert time.monotonic() < deadline, text(cast("Workbench", pilot.app))
        await pilot.pause(0.01)  # lets the thread work that is waited for


async def settled(pilot: Pilot[None]) -> None:
    """Wait until every question has been answered and the answer drawn."""
    app = cast("Workbench", pilot.app)
    await until(pilot, lambda: _at_rest(app))


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys one after the other, each on a screen that has come to rest."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def agree(name: str, shown: str, *, update: bool) -> None:
    """Compare a screen with its golden, or write that anew; times of loading are masked."""
    path = GOLDENS / f"{name}.txt"
    shown = _TRIED.sub("YYYY-MM-DD", _TIME.sub("YYYY-MM-DD HH:MMZ", shown))
    if update:
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8"), f"{path.name} differs; look, then --update-goldens"
