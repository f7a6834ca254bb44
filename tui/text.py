"""Safe text: the one way by which words of strangers reach a terminal.

A report is written by anyone on the internet. Textual and plain output alike hand control characters
through to the terminal, where they write to the clipboard, set the title or turn the reading direction.
`safe` shows such characters as escapes; everything that is shown goes through it, here or in `tui.draw`.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from functools import lru_cache
from typing import Literal

import idna
from rich.cells import cell_len, set_cell_size

NAME = 256  # characters shown of a name
PROSE = 4096  # characters shown of free text
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
Cut = Literal["start", "middle", "end", "prose"]  # where a text gives way that has no room

# Names of hosts and domains within prose, and how many cells of each are left at least.
_NAMES = re.compile(r"[\w*-]+(?:\.[\w-]+)+")
_LEAST = 24

_BOTH = re.compile(r"(\S*xn--\S*) \([^()\s]*\)")  # as idn() writes names

_MARKS = 2  # combining marks kept on one base character

# Characters that Python calls printable and a terminal shows as nothing, or as a space.
_BLANKS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def safe(text: str, limit: int = NAME) -> str:
    r"""Return `text` so that it can be shown anywhere: nothing acts on a terminal, nothing is invisible.

    Control, format, surrogate, private and unassigned characters, line and paragraph separators, spaces
    other than U+0020 and fillers become escapes; a base character keeps at most two combining marks; what
    is longer than `limit` characters ends in an ellipsis.

    >>> safe("A\x1b]0;T\x07")
    'A\\x1b]0;T\\x07'
    """
    if len(text) > limit:
        text = text[: limit - 1] + ELLIPSIS
    if text.isascii():
        return text if text.isprintable() else "".join(map(_shown, text))
    return _few_marks("".join(map(_shown, text)))


def safe_lines(text: str) -> str:
    r"""Return text of several lines, each made safe.

    >>> safe_lines("a\x1b\nb").split("\n")
    ['a\\x1b', 'b']
    """
    return "\n".join(safe(line, PROSE) for line in text.split("\n"))


def _shown(character: str) -> str:
    if character.isprintable() and not _BLANKS.match(character):
        return character
    return _escaped(character)


def _escaped(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _few_marks(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if marks <= _MARKS:
            kept.append(character)
    return "".join(kept)


def width(text: str) -> int:
    """Return how many cells of a terminal `text` takes."""
    return len(text) if text.isascii() else cell_len(text)


def cell(text: str, size: int, cut: Cut = "middle") -> str:
    """Return safe `text` in at most `size` cells.

    Names are cut in the middle, as both ends tell them apart, and paths at the start. Prose is cut at the end,
    names within it in the middle before that.

    >>> cell("mx1.mail.example.org", 13)
    'mx1.ma…le.org'
    >>> cell("reports/2026-03/google.json.gz", 16, "start")
    '…/google.json.gz'
    >>> cell("the certificate of mx1.of-a-long-name-in-a-department.example expired", 52, "prose")
    'the certificate of mx1.of-a-lon…ment.example expired'
    """
    text = safe(text)
    if cut == "prose":
        for start, stop, short in reversed(shorter(text, size)):
            text = text[:start] + short + text[stop:]
    if width(text) <= size:
        return text
    if size < 1:
        return ""
    head = {"middle": size // 2, "start": 0}.get(cut, size - 1)
    tail = size - head - 1
    left = set_cell_size(text, head).rstrip(f" {ELLIPSIS}") if head else ""
    right = text[len(text) - tail :] if tail else ""
    while width(right) > tail:
        right = right[1:]
    return left + ELLIPSIS + right


def shorter(text: str, size: int, *, first: bool = True) -> list[tuple[int, int, str]]:
    """Return where names stand in shown `text` that have to be cut for it to fit into `size` cells, and into what.

    They are cut no more than it takes, and all to the same length; one that the text begins with only if that is
    asked for.
    """
    if width(text) <= size:
        return []
    names = [(name.span(), name[0]) for name in _NAMES.finditer(text) if first or name.start()]
    sizes = [width(name) for _, name in names]
    most = max(sizes, default=0)
    while most > min(_LEAST, size) and width(text) - sum(max(0, one - most) for one in sizes) > size:
        most -= 1
    return [(*span, cell(name, most)) for (span, name), one in zip(names, sizes, strict=True) if one > most]


def pad(text: str, size: int, *, right: bool = False) -> str:
    """Return shown `text` filled with spaces to `size` cells; `right` puts them before it."""
    spaces = " " * (size - width(text))
    return spaces + text if right else text + spaces


@lru_cache(maxsize=4096)
def idn(domain: str) -> str:
    """Return a safe domain name, an A-label followed by what it stands for; never the latter alone.

    >>> idn("xn--mnchen-3ya.de")
    'xn--mnchen-3ya.de (münchen.de)'
    """
    shown = safe(domain)
    if "xn--" not in domain or len(domain) > 253 or any(len(label) > 63 for label in domain.split(".")):
        return shown
    try:
        decoded = idna.decode(domain)
    except (idna.IDNAError, UnicodeError):
        return shown
    return shown if decoded == domain else f"{shown} ({safe(decoded)})"


def a_labels(text: str) -> str:
    """Return shown text in which internationalised names stand alone, where there is no room for both forms.

    >>> a_labels("xn--mnchen-3ya.de (münchen.de) > senders")
    'xn--mnchen-3ya.de > senders'
    """
    return _BOTH.sub(r"\1", text)


def a_label(name: str) -> str:
    """Return a domain or host name as the store has it: an A-label, lower-case, without a final dot.

    >>> a_label("München.DE.")
    'xn--mnchen-3ya.de'
    """
    name = name.lower().removesuffix(".")
    if name.isascii():
        return name
    with suppress(idna.IDNAError, UnicodeError):
        return idna.encode(name).decode("ascii")
    return name


def sought(words: str) -> tuple[str, ...]:
    """Return words to look for as the store has them: lower-case, internationalised names as A-labels.

    >>> sought("Bücher.example testing")
    ('xn--bcher-kva.example', 'testing')
    """
    return tuple(word if word.isascii() else a_label(word) for word in words.casefold().split())


def wrap(text: str, size: int) -> list[str]:
    """Return safe `text` as lines of at most `size` cells, broken between words where there are any.

    >>> wrap("one two three", 8)
    ['one two', 'three']
    """
    size = max(size, 8)
    if width(text) <= size:
        return [text]
    done: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if width(longer) <= size:
            line = longer
            continue
        if line:
            done.append(line)
        while width(word) > size:
            head = _head(word, size)
            done.append(head)
            word = word[len(head) :]  # noqa: PLW2901 - what is left of a word longer than the line
        line = word
    return [*done, line] if line else done


def _head(text: str, size: int) -> str:
    """Return as many characters from the beginning of `text` as fit into `size` cells."""
    taken = text[:size]
    while width(taken) > size:
        taken = taken[:-1]
    return taken
