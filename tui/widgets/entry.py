"""Places to type in where keys act in the order in which they came.

Textual runs what a key is bound to once the key has travelled up to the screen, and puts characters into the text
before that. On a slow line several keys come at once: of "ab", Backspace, "c" the last one would be taken back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.widgets import Input, TextArea

if TYPE_CHECKING:
    from textual import events
    from textual.screen import Screen
    from textual.widget import Widget


async def _at_once(widget: Widget, event: events.Key) -> None:
    """Run what a key is bound to in a widget before the next key comes."""
    for binding in widget._bindings.key_to_bindings.get(event.key, ()):  # noqa: SLF001 - there is no other way to ask
        event.stop()
        event.prevent_default()
        await widget.run_action(binding.action)
        return


def came_early(screen: Screen[Any], event: events.Key) -> None:
    """Put a character that came before the line had the focus into that line."""
    if event.is_printable and event.character:
        event.stop()
        here = screen.focused if isinstance(screen.focused, Input) else screen.query(Input).first()
        here.insert_text_at_cursor(event.character)


class Entry(Input):
    """A line to type in."""

    async def _on_key(self, event: events.Key) -> None:
        await _at_once(self, event)


class Draft(TextArea):
    """Lines to type in."""

    async def _on_key(self, event: events.Key) -> None:
        await _at_once(self, event)
