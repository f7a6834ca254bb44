"""Safe text for widgets: whatever is drawn on a screen is made here, as styled pieces and never as markup.

Textual reads markup in plain strings, so that a stray "[/x]" in a report ends the program and
"[@click=…]" runs actions. No screen or widget makes Text or Content by itself; a test looks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.style import Style

from tui.text import ELLIPSIS, PROSE, safe, shorter

if TYPE_CHECKING:
    from collections.abc import Iterable

Piece = str | tuple[str, str]  # text, or text and a style such as "bold $error"; the style is ours alone


def content(*pieces: Piece, limit: int = PROSE) -> Content:
    """Return pieces of text as one line or paragraph, each piece safe."""
    return Content.assemble(
        *(safe(piece, limit) if isinstance(piece, str) else (safe(piece[0], limit), piece[1]) for piece in pieces)
    )


def squeezed(given: Content, size: int) -> Content:
    """Return lines in which names are cut in the middle where that lets a line fit into `size` cells.

    A name that a line begins with is what the line is about, and stays whole.
    """
    lines = []
    for line in given.split("\n", allow_blank=True):
        done = line
        for start, stop, short in reversed(shorter(line.plain, size, first=False)):
            half = short.index(ELLIPSIS)
            tail = len(short) - half - 1
            done = done[: start + half] + Content(ELLIPSIS) + done[stop - tail : stop] + done[stop:]
        lines.append(done)
    return stacked(*lines)


def joined(contents: Iterable[Content], by: str, before: str = "") -> Content:
    """Return contents one after the other."""
    return Content(safe(before)) + Content(safe(by)).join(contents)


def buttons(labels: Iterable[tuple[str, str, str]], key_style: str) -> list[Content]:
    """Return for (key, label, action) what a footer shows: a key and its label, to be clicked as well."""
    return [
        Content.assemble(
            (safe(key), Style.parse(key_style) + Style.from_meta({"@click": action})),
            (f" {safe(label)}", Style.from_meta({"@click": action})),
        )
        for key, label, action in labels
    ]


def link(text: str, style: str, action: str) -> Content:
    """Return text that runs an action when it is clicked."""
    return Content.assemble((safe(text), Style.parse(style) + Style.from_meta({"@click": action})))


def stacked(*contents: Content) -> Content:
    """Return contents one under the other."""
    return Content("\n").join(contents)
