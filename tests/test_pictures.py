"""Pictures as text: what each tells, with block characters and without, and that no colour is needed for it."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from queries.failures import PlaceSessions
from tlsrpt.enforce.marks import KINDS, Mark
from tui import pictures
from tui.pictures import ASCII, BLOCKS, LETTERS, Bar, Told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.content import Content

    from tui.pictures import Days, Glyphs

FIRST = date(2026, 11, 1)
RUNGS = ["testing", "1", "7", "30", "90", "365"]


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def week(room: int = 24, settled: int = 5, here: int | None = None) -> Days:
    return pictures.days(FIRST, day(6), room, day(settled), None if here is None else day(here))


def text(lines: Iterable[Content]) -> list[str]:
    return [line.plain.rstrip() for line in lines]


def test_a_bar_shows_what_would_block_apart_and_a_day_without_a_report_as_a_gap() -> None:
    amounts = {day(0): Bar(0), day(1): Bar(8), day(2): Bar(4, 4), day(4): Bar(0, 2), day(6): Bar(1)}
    assert text(pictures.bars(week(), "Failed", amounts, 4, ASCII)) == [
        "Failed   most 8 on 2026-11-02",
        "              8 | #:",
        "                | #:",
        "                | ##",
        "                | ## : #",
        "              0 +--- - =",
    ]
    assert text(pictures.bars(week(), "Failed", amounts, 4, BLOCKS))[1:] == [
        "              8 │ █░",
        "                │ █░",
        "                │ ██",
        "                │ ██ ░ ▄",
        "              0 └─── ─ ╌",
    ]


@pytest.mark.parametrize("glyphs", [ASCII, BLOCKS], ids=["ascii", "blocks"])
@pytest.mark.parametrize("bar", [Bar(1), Bar(0, 1), Bar(1, 1), Bar(1, 10_000), Bar(10_000, 1), Bar(1, 10**9)])
def test_nothing_that_failed_is_too_little_to_be_seen(glyphs: Glyphs, bar: Bar) -> None:
    amounts = {day(0): bar, day(1): Bar(5 * 10**8, 5 * 10**8)}
    drawn = "".join(line[17:18] for line in text(pictures.bars(week(), "", amounts, 4, glyphs))[1:-1])
    both = glyphs.both in drawn  # where the day beside has so many more that they share a row
    assert not both or (bar.blocked and bar.other)
    assert both or bool(set(drawn) & set(glyphs.bar)) == bool(bar.blocked)
    assert both or (glyphs.other in drawn) == bool(bar.other)


def test_a_chart_of_nothing_says_whether_there_was_a_report() -> None:
    assert text(pictures.bars(week(), "Failed", {}, 1, ASCII)) == [
        "Failed   no report",
        "              0 |",
        "              0 +",
    ]
    assert text(pictures.bars(week(), "Failed", {day(0): Bar(0)}, 1, ASCII))[0] == "Failed   none"


@pytest.mark.parametrize(
    ("number", "room", "pitch"), [(7, 77, 4), (14, 77, 4), (30, 77, 2), (60, 77, 1), (30, 117, 3), (90, 117, 1)]
)
def test_days_are_as_wide_as_the_room_allows(number: int, room: int, pitch: int) -> None:
    axis = pictures.days(FIRST, day(number - 1), room, FIRST)
    assert axis.pitch == pitch
    assert axis.label + number * pitch <= room
    for line in text([pictures.dates(axis), pictures.base(axis, axis.all(), ASCII)]):
        assert len(line) <= room


def test_a_day_stands_in_the_same_column_of_every_picture() -> None:
    axis = week(45, here=3)
    marks = [Mark(day(3), "fix", "mended")]
    told = Told("google.com", {day(3): (1, 1)})
    drawn = [
        pictures.bars(axis, "", {day(3): Bar(1)}, 1, ASCII)[1],
        pictures.pointer(axis, ASCII),
        pictures.marked(axis, marks),
        pictures.calendar(axis, [told], 0, ASCII)[1],
    ]
    place = axis.label + 3 * axis.pitch
    assert [line[place] for line in text(drawn)] == ["#", "^", "F", "#"]


def test_the_day_that_is_pointed_at_is_set_off_and_named() -> None:
    line = pictures.pointer(week(here=2), BLOCKS)
    assert line.plain.strip() == "2026-11-03         ▲"
    assert any(pictures.HERE in str(span.style) for span in line.spans)


def test_marks_stand_below_their_days_and_are_told_in_words_the_newest_first() -> None:
    found = [
        Mark(day(1), "policy", "policy: mode testing, now enforce"),
        Mark(day(1), "enforce", "in force: a look found it"),
        Mark(day(4), "certificate", "certificate renewed: mx1.example.com"),
        Mark(day(4), "certificate", "certificate renewed: mx2.example.com"),
    ]
    assert text([pictures.marked(week(), found)]) == ["what happened     *  C"]
    assert text(pictures.explained(found, 40, 3)) == [
        "  C 11-05  certificate renewed:",
        "           mx1.example.com",
        "  C 11-05  certificate renewed:",
        "           mx2.example.com",
        "  P 11-02  policy: mode testing, now",
        "           enforce",
        "  and 1 before",
    ]
    assert text(pictures.explained([], 40, 3)) == ["  nothing that looks, senders or recorded repairs tell of"]


def test_every_kind_of_mark_has_a_letter_of_its_own() -> None:
    assert LETTERS.keys() == KINDS.keys()
    assert len({*LETTERS.values(), pictures.SEVERAL}) == len(KINDS) + 1


def test_a_calendar_shows_gaps_failures_and_days_of_longer_reports() -> None:
    found = [
        Told("google.com", {day(0): (0, 0), day(1): (3, 0), day(2): (3, 3), day(6): (0, 0)}),
        Told("a-very-long-name.example", {day(0): (0, 0)}, {day(1), day(2)}),
    ]
    assert text(pictures.calendar(week(), found, 3, ASCII)) == [
        "Who reported when   . no failure  : failed  # would block  - longer report",
        "google.com       .:#   .",
        "a-very-l…example .--",
        "     and 3 more +---   =",
        "                 11-01",
    ]


def test_a_heat_map_has_a_number_and_a_sign_in_each_cell_and_names_its_causes() -> None:
    found = [
        PlaceSessions("certificate-expired", "mx2.example.com", "would-block", 2_345),
        PlaceSessions("transient", "ip:192.0.2.1", "none", 41),
        PlaceSessions("certificate-expired", "*", "unclear", 7),
    ]
    assert text(pictures.heat(found, 77, 8, ASCII)) == [
        "Failed sessions by MX and cause   .:*# few to many, by powers of ten",
        "                        A       B",
        "mx2.example.com   # 2,345",
        "192.0.2.1                    : 41",
        "no MX                 . 7",
        "  A  certificate-expired  would-block",
        "  B  transient  none",
    ]
    assert pictures.heat([], 77, 8, ASCII) == []


def test_a_heat_map_that_has_no_room_says_what_is_left_out() -> None:
    found = [PlaceSessions(f"cause-{n:02}", f"mx{n}.example", "none", 10**n) for n in range(12)]
    drawn = text(pictures.heat(found, 77, 8, BLOCKS))
    assert drawn[-1] == "  and 4 more MXs, 5 more causes (x lists them)"
    assert all(len(line) <= 77 for line in drawn)


@pytest.mark.parametrize(
    ("mode", "max_age", "signs", "words"),
    [
        ("testing", 86_400, "o     ", "in testing, max_age 1 d"),
        ("enforce", 604_800, "xxo   ", "in enforce, max_age 7 d"),
        ("enforce", 700_000, "xxo   ", "in enforce, max_age 700,000 s"),
        ("enforce", 31_557_600, "xxxxxo", "in enforce, max_age 31,557,600 s"),
        ("enforce", 3_600, "x     ", "in enforce, max_age 3,600 s"),
        ("enforce", None, "x     ", "in enforce, max_age -"),
        ("none", 86_400, "      ", "no policy in testing or in enforce"),
        (None, None, "      ", "no policy in testing or in enforce"),
    ],
)
def test_the_ladder_shows_what_is_passed_where_one_is_and_what_is_to_come(
    mode: str | None, max_age: int | None, signs: str, words: str
) -> None:
    _, ladder, stands = text(pictures.ladder(mode, max_age, ASCII))
    assert re.findall(r"\[(.)\] (\w+)", ladder) == list(zip(signs, RUNGS, strict=True))
    assert stands.strip() == words


def test_the_ladder_fits_the_narrowest_screen() -> None:
    assert text(pictures.ladder("enforce", 604_800, ASCII))[1] == (
        "  [x] testing == [x] 1 d == [o] 7 d -- [ ] 30 d -- [ ] 90 d -- [ ] 365 d"
    )


def test_plain_pictures_are_ascii_and_no_two_signs_of_a_picture_are_alike() -> None:
    for glyphs in (ASCII, BLOCKS):
        assert len({glyphs.clean, glyphs.other, glyphs.bar[-1], glyphs.longer, " "}) == 5
        assert len({glyphs.base, glyphs.late, " "}) == 3
        assert len(set(glyphs.heat)) == 4
        assert len(set(glyphs.rungs)) == 3
    assert "".join(ASCII).isascii()


def test_a_day_with_little_of_both_is_no_higher_than_it_is() -> None:
    first = date(2026, 11, 1)
    axis = pictures.days(first, first + timedelta(days=1), 60, first)
    amounts = {first: pictures.Bar(4_000, 9_000), first + timedelta(days=1): pictures.Bar(5, 60)}
    lines = [line.plain for line in pictures.bars(axis, "Failed", amounts, 4, pictures.BLOCKS)][1:-1]
    second = [line[axis.label + axis.pitch] for line in lines]
    assert second == [" ", " ", " ", "▒"]
    assert {line[axis.label] for line in lines} == {"░", "█"}


def test_a_cell_belongs_to_a_day() -> None:
    first = date(2026, 11, 1)
    axis = pictures.days(first, first + timedelta(days=9), 60, first)
    assert [axis.at(axis.label + cell) for cell in (-1, 0, axis.pitch - 1, axis.pitch, axis.pitch * 10)] == [
        None, first, first, first + timedelta(days=1), None,
    ]  # fmt: skip
