"""What a screen shows, taken along: into a file, for a pager or an editor, or for the clipboard."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from tui import plain
from tui.text import PROSE, safe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tui.widgets.table import Column

FORMS = {".csv": "csv", ".json": "json", ".md": "markdown", ".txt": "table"}

# A new file and no link, so that nothing is written over or elsewhere; for its owner's eyes.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


def tabulated(rows: Sequence[object], columns: Sequence[Column], form: str) -> plain.Table:
    """Return rows of a list with all its columns, as a form has them: figures and days as they are, else what is seen.

    Rates are exact for programs alone.
    """
    fields = tuple(column.name() for column in columns)
    return plain.Table(
        [{field: _value(column, row, form) for field, column in zip(fields, columns, strict=True)} for row in rows],
        fields,
        fields,
    )


def _value(column: Column, row: object, form: str) -> object:
    value = column.value(row)
    if isinstance(value, float) and form not in {"csv", "json"}:
        return column.text(row)
    exact = column.show is None or column.right or isinstance(value, date)
    return value if exact else column.text(row)


def file_name(*parts: str) -> str:
    """Return a name for a new file; whatever may come from a report is made harmless, and is never first.

    >>> file_name("failures", "../x y", "2026-03-20")
    'failures-..-x-y-2026-03-20'
    """
    return "-".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-")[:64] for part in parts if part)


def write(name: str, text: str) -> str:
    """Write text into a new file, readable by its owner only; return why not, "" if it was."""
    try:
        with open(os.open(Path(name).expanduser(), _NEW, 0o600), "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
            file.write(text)
    except FileExistsError:
        return f"{name} is there already; choose another name"
    except (OSError, ValueError) as error:
        return f"{name}: {getattr(error, 'strerror', None) or error}"
    return ""


def looked_at(program: Sequence[str], text: str, environment: Mapping[str, str]) -> str:
    """Show safe text in another program, through a file that is gone afterwards; return what went wrong, or ""."""
    with tempfile.NamedTemporaryFile("w", prefix="tlsrpt-", suffix=".txt", encoding="utf-8") as file:  # 0600
        file.write(text)
        file.flush()
        try:
            subprocess.run([*program, file.name], env={**os.environ, **environment}, check=False)  # noqa: S603 - the operator's
        except OSError as error:
            return f"{program[0]}: {error.strerror}"
    return ""


def program_of(*names: str, otherwise: str) -> list[str]:
    """Return the command that the operator's environment names under the first of these, else a usual one.

    Raises ValueError, with a sentence, if there is none.
    """
    named = next((os.environ[name] for name in names if os.environ.get(name)), otherwise)
    try:
        found = shlex.split(named)
    except ValueError as error:
        raise ValueError(f"${names[0]} is {safe(named, PROSE)}: {error}") from error
    if not found or shutil.which(found[0]) is None:
        raise ValueError(f"there is no {safe(named, PROSE)} here; ${names[0]} names another program")
    return found
