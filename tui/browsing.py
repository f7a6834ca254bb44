"""Start the screens where there is a terminal for them, or write the overview where there is none."""

from __future__ import annotations

import codecs
import gc
import os
import sys
from typing import TYPE_CHECKING

import click

from tui import keys
from tui.text import a_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path


# "ansi" leaves the colours to the terminal.
THEMES = {"dark": "textual-dark", "light": "textual-light", "ansi": "ansi-dark"}


def browse(
    database: Path, paths: Sequence[str], as_of: date | None, *, domain: str | None = None, screen: str | None = None
) -> int:
    """Show the screens, or the overview as text where there is no terminal; return the exit status.

    A `screen` to begin with is one of keys.STARTS. Raises UsageError where one cannot be shown.
    """
    if screen in keys.OF_A_DOMAIN and domain is None:
        raise click.UsageError(f"--screen {screen} needs a --domain")
    if not _interactive(paths):
        if domain or screen:
            raise click.UsageError(f"there is no terminal to show a screen on: tlsrpt ready {domain or ''}".rstrip())
        from tui import running  # noqa: PLC0415 - duckdb is not imported before the first frame

        return running.overview(database, paths, as_of)
    theme = _theme()
    if "-" in paths:
        _keys_from_terminal()
    from tui import remembered  # noqa: PLC0415 - likewise
    from tui.app import Workbench  # noqa: PLC0415 - textual is not imported for text
    from tui.evidence import Evidence  # noqa: PLC0415 - likewise

    # What was looked at on another day, or in files, says nothing about where to begin with the store of today.
    keeps = not paths and as_of is None
    start = remembered.read() if keeps else remembered.Remembered()
    if domain or screen:
        start = start._replace(screen=screen or "readiness", policy_domain=domain and a_label(domain))
    colour = "NO_COLOR" not in os.environ
    app = Workbench(Evidence(database, paths, as_of), colour=colour, blocks=_blocks(), start=start)
    if theme:
        app.theme = theme
    app.run()
    app.evidence.close()
    if keeps and not app.broken:
        remembered.write(app.remembered())
    gc.collect()  # duckdb writes a line to stderr for everything of it that is left at the end
    return app.return_code or (1 if app.broken else 0)


def _theme() -> str:
    """Return the theme that the environment asks for, "" if it does not."""
    named = os.environ.get("TLSRPT_THEME", "")
    if named and named not in THEMES:
        raise click.UsageError(f"TLSRPT_THEME is {named}, but should be one of {', '.join(THEMES)}")
    return THEMES.get(named, "")


_POSIX = frozenset({"C", "POSIX"})


def _blocks() -> bool:
    """Return whether the terminal shows block characters: it takes UTF-8, and nobody asks for ASCII."""
    asked = os.environ.get("TLSRPT_ASCII", "")
    terminal = sys.__stderr__
    assert terminal is not None
    if codecs.lookup(terminal.encoding).name != "utf-8":
        # A character that the terminal cannot show becomes one that takes as much room.
        terminal.reconfigure(errors="replace")
        return False
    return asked == "0" or (asked == "" and not _is_posix(os.environ))


def _is_posix(environment: Mapping[str, str]) -> bool:
    """Return whether the locale knows of ASCII alone; Python itself sets LC_CTYPE to a UTF-8 one then (PEP 538)."""
    if everything := environment.get("LC_ALL"):
        return everything in _POSIX
    return environment.get("LC_CTYPE", "") in {"", "C.UTF-8", "C.utf8", "UTF-8"} and environment.get("LANG") in _POSIX


def _interactive(paths: Sequence[str]) -> bool:
    """Return whether there is a terminal to draw on and to take keys from. Textual draws on stderr."""
    if os.environ.get("TERM", "dumb") in {"", "dumb"} or not (sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    return sys.stdin.isatty() or "-" in paths


def _keys_from_terminal() -> None:
    """Keep standard input for reading reports, and take keys from the terminal itself."""
    reports = os.dup(0)
    sys.stdin = os.fdopen(reports, encoding="utf-8")
    terminal = os.open("/dev/tty", os.O_RDWR)
    os.dup2(terminal, 0)
    os.close(terminal)
