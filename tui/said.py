"""Paragraphs to read: made once, drawn by a page on a screen or written to standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tui.text import PROSE, cell, pad, safe, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LABELS = 12  # cells of the column with labels


class Said(NamedTuple):
    """A paragraph: what it says, a word before it, and how it looks."""

    text: str
    label: str = ""
    style: str = ""  # "heading", "bad", "warn", "good", "dim", "code" or ""
    indent: int = 0  # cells; lines with a label stand after the labels' column


class Line(NamedTuple):
    """One line of a paragraph; everything in it is safe."""

    label: str
    text: str
    style: str
    indent: int


def flowed(said: Said, room: int, labels: int = LABELS) -> list[Line]:
    """Return a paragraph as lines of at most `room` cells, its label before the first."""
    indent = labels if said.label else said.indent
    wrapped = wrap(safe(said.text, PROSE), room - indent)
    return [
        Line(cell(said.label, indent - 1) if n == 0 and said.label else "", line, said.style, indent)
        for n, line in enumerate(wrapped or [""])
    ]


def blocks(paragraphs: Iterable[Said]) -> Iterator[tuple[str, str]]:
    r"""Yield what is to be copied, safe, each after what it is: a policy, a record, a command.

    >>> list(blocks([Said("1. Publish"), Said("soon", style="dim"), Said("a", style="code"), Said("b", style="code")]))
    [('1. Publish', 'a\nb')]
    """
    about, lines = "", list[str]()
    for said in (*paragraphs, Said("")):
        if said.style == "code":
            lines.append(safe(said.text, PROSE))
            about = said.label or about
            continue
        if lines:
            yield safe(about, PROSE), "\n".join(lines)
            lines = []
        if said.style != "dim" and said.text:
            about = said.text


def written(paragraphs: Iterable[Said], room: int = 100) -> str:
    """Return paragraphs as safe text of lines."""
    return "".join(f"{line}\n" for line, _ in plain(paragraphs, room))


def plain(paragraphs: Iterable[Said], room: int) -> Iterator[tuple[str, str]]:
    """Yield lines to write, without their ends, each with its style; what is to be copied is not broken."""
    for said in paragraphs:
        if said.style == "code" and not said.label:
            yield f"{pad('', said.indent)}{safe(said.text, PROSE)}", said.style
            continue
        for line in flowed(said, room):
            yield f"{pad(line.label, line.indent)}{line.text}".rstrip(), line.style
