"""Answers as text: headings are fields, JSON is exact, a spreadsheet runs nothing, a terminal is filled."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from stories import POISONS

from tui.plain import FORMATS, Table, written

if TYPE_CHECKING:
    from collections.abc import Sequence

FIELDS = ("policy_domain", "failed_session_count", "failure_rate", "last_day", "loaded_at", "superseded")


def table(*names: str, columns: Sequence[str] = FIELDS) -> Table:
    rows: list[dict[str, object]] = [
        {
            "policy_domain": name,
            "failed_session_count": 1234,
            "failure_rate": 0.00001,
            "last_day": date(2026, 11, 20),
            "loaded_at": datetime(2026, 11, 20, 6, 30, 5),
            "superseded": False,
        }
        for name in names
    ]
    return Table(rows, FIELDS, tuple(columns))


def test_json_is_exact() -> None:
    found = json.loads(written(table("\x1b]0;x\x07é"), "json", None))
    assert found == [
        {
            "policy_domain": "\x1b]0;x\x07é",
            "failed_session_count": 1234,
            "failure_rate": 0.00001,
            "last_day": "2026-11-20",
            "loaded_at": "2026-11-20T06:30:05Z",
            "superseded": False,
        }
    ]


def test_json_of_nothing_is_an_empty_list() -> None:
    assert json.loads(written(table(), "json", None)) == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])  # noqa: RUF001 - full width
def test_a_spreadsheet_takes_text_for_text(start: str) -> None:
    row = next(csv.DictReader(io.StringIO(written(table(f"{start}cmd|'/C calc'!A0"), "csv", None))))
    assert row["policy_domain"].startswith("'")


def test_csv_quotes_text_and_leaves_numbers_numbers() -> None:
    heading, row = written(table("a,b"), "csv", None).splitlines()
    assert heading.startswith('"policy_domain","failed_session_count"')
    assert row == '"a,b",1234,1e-05,"2026-11-20","2026-11-20T06:30:05Z","False"'


def test_markdown_keeps_a_pipe_and_a_link_in_their_cell() -> None:
    row = written(table("a|b [x](y)", columns=("policy_domain",)), "markdown", None).splitlines()[2]
    assert row == r"| a\|b \[x\](y) |"


def test_a_table_breaks_headings_into_words_and_sets_figures_right() -> None:
    shown = written(table("example.org", columns=("policy_domain", "failed_session_count")), "table", None)
    assert shown.splitlines() == [
        "              failed",
        "policy       session",
        "domain         count",
        "-----------  -------",
        "example.org    1,234",
    ]


def test_a_table_fits_the_terminal_and_is_whole_in_a_pipe() -> None:
    long = table("a-very-long-name." * 8 + "example", columns=("policy_domain", "failed_session_count", "last_day"))
    assert max(map(len, written(long, "table", 60).splitlines())) <= 60
    assert "a-very-long-name." * 8 + "example" in written(long, "table", None)


REFUSED = ("reason", "source", "name", "size", "loaded_at")


def refusal(reason: str, source: str) -> Table:
    row: dict[str, object] = {"reason": reason, "source": source, "name": "report.json.gz", "size": 1234567}
    return Table([row | {"loaded_at": datetime(2026, 11, 20, 6, 30, 5)}], REFUSED, REFUSED)


def test_what_a_narrow_terminal_goes_without_is_not_the_reason() -> None:
    reason = "no report: date-range is missing"
    shown = written(refusal(reason, "/var/mail/" + "reports/" * 20), "table", 80)
    assert reason in shown
    assert "loaded" not in shown
    assert "report.json.gz" in written(refusal(reason, "a"), "table", None)


@pytest.mark.parametrize("room", [10, 20, 40, 60, 80, 100, 132])
@pytest.mark.parametrize("wide", ["example", "例え" * 40, "a-very-long-name." * 8])
def test_no_line_is_wider_than_the_terminal(room: int, wide: str) -> None:
    for one in (table(wide), refusal(wide, wide)):
        assert max(map(cell_len, written(one, "table", room).splitlines())) <= room


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("bad", POISONS.values(), ids=POISONS)
def test_nothing_that_acts_on_a_terminal_is_written(form: str, bad: str) -> None:
    shown = written(table(bad), form, None)
    assert all(character.isprintable() or character in "\r\n" for character in shown)
    assert shown.count("\r") == (2 if form == "csv" else 0)
