"""What a screen shows, as text; the one place that reaches into Textual."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tui.app import Workbench

GOLDENS = Path(__file__).with_name("goldens")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\dZ")


def lines(app: Workbench) -> list[str]:
    """Return the screen, line by line."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


def text(app: Workbench) -> str:
    """Return the screen."""
    return "\n".join(lines(app)) + "\n"


async def settled(pilot: Pilot[None]) -> None:
    """Wait until every question has been answered and the answer drawn."""
    for _ in range(3):  # an answer may lead to another question
        await pilot.pause()
        await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys one after the other, each on a screen that has come to rest."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def agree(name: str, shown: str, *, update: bool) -> None:
    """Compare a screen with its golden, or write that anew; times of loading are masked."""
    path = GOLDENS / f"{name}.txt"
    shown = _TIME.sub("YYYY-MM-DD HH:MMZ", shown)
    if update:
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8"), f"{path.name} differs; look, then --update-goldens"
