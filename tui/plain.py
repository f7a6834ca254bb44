"""Answers as text for standard output: a table to read, JSON, CSV or Markdown."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tui.text import PROSE, cell, pad, safe, width
from tui.widgets.fit import Need, fit
from tui.words import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("table", "json", "csv", "markdown")
MISSING = "-"

_FORMULA = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001 - the full-width ones work in spreadsheets too
_LEAST = 12  # cells that a column of text may shrink to, if it can be helped
_KEYS = {"reason": 40, "source": 24, "cause": 24, "mx_key": 18, "policy_type": 15, "canonical": 16, "policy_domain": 10}
_TIGHT = 4  # cells that any column of text may shrink to
# What a terminal that is too narrow goes without, first to last.
_DROPPED = (
    "loaded_at",
    "days",
    "organizations",
    "name",
    "no_policy_successful",
    "tlsa_failed",
    "defects",
    "first_day",
    "trust",
    "last_day",
    "failure_rate",
    "size",
)
_SHORT = {"organizations": "orgs"}
_PROSE = frozenset({"waits_for"})  # cut at the end, other texts in the middle
_RATES = frozenset({"failure_rate"})


class Table(NamedTuple):
    """An answer: rows, and which of their fields are worth a column where room is scarce."""

    rows: Sequence[dict[str, object]]
    fields: tuple[str, ...]  # all of them
    columns: tuple[str, ...]  # those of a table to read


def written(table: Table, form: str, room: int | None) -> str:
    """Return an answer in one of FORMATS, ending with a newline; `room` is the width of a terminal."""
    if form == "json":
        return _json(table)
    if form == "csv":
        return _csv(table)
    if form == "markdown":
        return _markdown(table)
    return _table(table, room)


def exact(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value as JSON holds it: days and UTC times in ISO 8601, rows as objects."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        if fields is not None:
            return {name: exact(one) for name, one in zip(fields, value, strict=True)}
        return [exact(one) for one in value]
    return value


def shown(field: str, value: object) -> str:
    """Return a value as it is read."""
    if value is None:
        return MISSING
    if field in _RATES:
        return percent(cast("float | None", value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return safe(str(exact(value)), PROSE)


def _json(table: Table) -> str:
    found = [{field: exact(value) for field, value in row.items()} for row in table.rows]
    return json.dumps(found, indent=2) + "\n"


def _csv(table: Table) -> str:
    out = io.StringIO()
    # Everything that is no number is quoted; csv leaves None empty.
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(table.fields)
    for row in table.rows:
        writer.writerow([_csv_value(row[field]) for field in table.fields])
    return out.getvalue()


def _csv_value(value: object) -> object:
    value = exact(value)
    if value is None:
        return ""
    if isinstance(value, (bool, str)):
        text = str(value)
        return f"'{safe(text, PROSE)}" if text.startswith(_FORMULA) else safe(text, PROSE)
    return value


def _markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |\n"

    rows = [line([_markdown_value(field, row[field]) for field in table.columns]) for row in table.rows]
    rule = ["---:" if _numeric(table, field) else "---" for field in table.columns]
    return line([heading(field) for field in table.columns]) + line(rule) + "".join(rows)


def _markdown_value(field: str, value: object) -> str:
    return markdown(shown(field, value))


def markdown(text: str) -> str:
    """Return text of which Markdown takes nothing for its own."""
    text = safe(text, PROSE)
    for character in "\\`*_[]<>|&":
        text = text.replace(character, f"\\{character}")
    return text


def heading(field: str) -> str:
    """Return the heading of a column: the words of its field."""
    return field.replace("_", " ")


def _numeric(table: Table, field: str) -> bool:
    return any(isinstance(row[field], (int, float)) for row in table.rows)


def _table(table: Table, room: int | None) -> str:
    """Return columns under headings, headings broken into words so that figures set the widths."""
    if not table.rows:
        return ""
    numeric = {field: _numeric(table, field) for field in table.columns}
    longest = {
        field: max(
            *(width(shown(field, row[field])) for row in table.rows),
            *(len(word) for word in _SHORT.get(field, field).split("_")),
        )
        for field in table.columns
    }
    sizes = longest if room is None else _fitted(longest, numeric, room)
    columns, widths = list(sizes), list(sizes.values())
    cells = [[shown(field, row[field]) for field in columns] for row in table.rows]
    broken = [_broken(_SHORT.get(field, field), size) for field, size in sizes.items()]
    height = max(map(len, broken))
    lines = [
        [words[row - height + len(words)] if row >= height - len(words) else "" for words in broken]
        for row in range(height)
    ]
    lines.append(["-" * size for size in widths])
    lines += [
        [
            text if room is None else cell(text, size, "prose" if field in _PROSE else "middle")
            for text, size, field in zip(line, widths, columns, strict=True)
        ]
        for line in cells
    ]
    whole = [
        "  ".join(
            pad(text, size, right=numeric[field]) for text, size, field in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "".join(f"{line if room is None else cell(line, room, 'end')}\n" for line in whole)


def _fitted(longest: dict[str, int], numeric: dict[str, bool], room: int) -> dict[str, int]:
    """Return the columns that a terminal has room for and their widths: some dropped, then texts cut."""

    def least(field: str, most: int) -> int:
        text = not numeric[field] and not field.endswith(("day", "_at"))
        return min(_KEYS.get(field, _LEAST), most) + 1 if text else 0

    drops = {field: len(_DROPPED) - place for place, field in enumerate(_DROPPED)}
    sizes: dict[str, int] = {}
    for most in (room, _LEAST, _TIGHT):
        # A cell more for each column: two blanks stand between columns.
        needs = [Need(size + 1, least(field, most), drops.get(field, 0)) for field, size in longest.items()]
        fitted = zip(longest, fit(needs, room + 1), strict=True)
        sizes = {field: size - 1 for field, size in fitted if size > 0}
        if sum(sizes.values()) + 2 * (len(sizes) - 1) <= room:
            break
    return sizes


def _broken(field: str, size: int) -> list[str]:
    """Return the words of a heading as lines that fit."""
    lines: list[str] = []
    for word in field.split("_"):
        if lines and len(lines[-1]) + 1 + len(word) <= size:
            lines[-1] += f" {word}"
        else:
            lines.append(word[:size])
    return lines
