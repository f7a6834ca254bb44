"""Safe text: nothing that a stranger writes acts on a terminal, a markup parser or a reader's eye."""

from __future__ import annotations

import doctest
import re
import typing
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from stories import POISONS

import tui
import tui.pictures
import tui.progress
import tui.screens.policies
import tui.text
import tui.widgets.fit
import tui.words
from tlsrpt.knowledge import EXPLANATIONS, commands, explain
from tui.draw import content, squeezed, stacked
from tui.text import Cut, cell, idn, pad, safe, width, wrap
from tui.widgets.fit import Need, fit

DANGEROUS = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A\x1b]0;T\x07", r"A\x1b]0;T\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb", r"a\u202eb"),
        ("a\u200bb", r"a\u200bb"),
        ("\U000e0041", r"\U000e0041"),
        ("\u3164", r"\u3164"),
        ("a\u00a0b", r"a\xa0b"),
        ("a\u2028b\nc", r"a\u2028b\x0ac"),
        ("\ud800", r"\ud800"),
        ("\udc80", r"\udc80"),
        ("x\ufe0f", r"x\ufe0f"),
        ("münchen 日本", "münchen 日本"),
        ("[/x] [@click=app.quit]", "[/x] [@click=app.quit]"),
        ("", ""),
    ],
)
def test_what_acts_or_hides_becomes_an_escape(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_a_letter_keeps_two_combining_marks() -> None:
    assert safe("Z" + "\u0301" * 50 + "x") == "Z\u0301\u0301x"


def test_long_text_ends_in_an_ellipsis() -> None:
    assert safe("a" * 300) == "a" * 255 + "…"
    assert safe("\x1b" * 10, limit=3) == r"\x1b\x1b…"


@given(st.text(st.characters()))
def test_no_text_is_dangerous_once_safe_and_safe_text_stays_as_it_is(text: str) -> None:
    shown = safe(text)
    assert shown.isprintable()
    assert not DANGEROUS.search(shown)
    assert safe(shown, limit=10_000) == shown


@given(
    st.text(st.characters()) | st.from_regex(r"([a-zé.-]{1,30}[ ,:]?){1,6}", fullmatch=True),
    st.integers(0, 40),
    st.sampled_from(typing.get_args(Cut)),
)
def test_a_cell_never_takes_more_room_than_it_has(text: str, size: int, cut: Cut) -> None:
    shown = cell(text, size, cut)
    assert width(shown) <= size
    assert cell_len(pad(shown, size)) == size


def test_names_are_cut_in_the_middle_and_prose_at_its_end() -> None:
    assert cell("mx1.mail.example.org", 13) == "mx1.ma…le.org"
    assert cell("gzip: truncated", 9, "prose") == cell("gzip: truncated", 9, "end") == "gzip: tr…"


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"])), st.integers(8, 60))
def test_wrapping_loses_no_character_but_blanks(text: str, size: int) -> None:
    shown = safe(text)
    lines = wrap(shown, size)
    assert all(width(line) <= size for line in lines)
    assert "".join(lines).replace(" ", "") == shown.replace(" ", "")


@pytest.mark.parametrize(
    ("domain", "shown"),
    [
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de (münchen.de)"),
        ("xn--80ak6aa92e.com", "xn--80ak6aa92e.com (аррӏе.com)"),  # noqa: RUF001 - the homograph is the point
        ("example.org", "example.org"),
        ("xn--a", "xn--a"),
        ("xn--" + "a" * 70 + ".example", "xn--" + "a" * 70 + ".example"),
        ("xn--mnchen-3ya.de\x1b[2J", r"xn--mnchen-3ya.de\x1b[2J"),
    ],
)
def test_an_a_label_stands_beside_what_it_decodes_to(domain: str, shown: str) -> None:
    assert idn(domain) == shown


@pytest.mark.parametrize("bad", POISONS.values(), ids=POISONS)
def test_content_for_widgets_holds_text_and_no_markup(bad: str) -> None:
    made = content("a ", (bad, "bold"))
    assert made.plain == "a " + safe(bad, 4096)
    assert all("@" not in str(span.style) for span in made.spans)


@pytest.mark.parametrize(
    "module",
    [tui.text, tui.words, tui.progress, tui.widgets.fit, tui.pictures, tui.screens.policies],
    ids=lambda one: one.__name__,
)
def test_examples_in_the_code_hold(module: ModuleType) -> None:
    done = doctest.testmod(module)
    assert done.attempted
    assert not done.failed


def test_columns_shrink_before_they_are_dropped_and_those_without_leave_stay() -> None:
    needs = [Need(30, 10), Need(6), Need(10, drop=1)]
    assert fit(needs, 60) == [30, 6, 10]
    assert fit(needs, 40) == [22, 6, 10]
    assert fit(needs, 20) == [13, 6, -1]
    assert fit(needs, 5) == [10, 6, -1]


# What a screen or a widget may not call by itself: tui.draw makes Content, the table and the page draw text.
SINKS = re.compile(
    r"\bText\(|\bContent\(|from_markup|\bLabel\(|\bRichLog\(|\bMarkdown\(|\bDataTable\(|\bOptionList\("
    r"|Static\(\s*[^)c\s]|\.update\(\s*f?[\"']|border_title|border_subtitle|sub_title|add_row\(|markup=True|console\.print"
)
MAY = {"draw.py"}


def test_no_screen_shows_text_but_through_the_safe_ones() -> None:
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in Path(tui.__path__[0]).rglob("*.py")
        if path.name not in MAY
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if SINKS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("cause", EXPLANATIONS)
def test_every_cause_says_whether_to_act_and_fits_a_small_screen(cause: str) -> None:
    about = explain(cause)
    assert about.act in {"act", "wait", "not yours"}
    lines = [
        line
        for text in (about.advice, about.meaning, about.enforce, about.fix, "; ".join(about.causes), *about.commands)
        for line in wrap(text, 66)
    ]
    assert len(lines) <= 18


def test_an_unheard_of_cause_is_explained_as_such() -> None:
    assert "not in the registry" in explain("x-new-cause").meaning


@pytest.mark.parametrize(
    "name", ["$(reboot)", "a;b", "`id`", "-oProxyCommand=x", "a b", "a\nb", "../x", "ü.example", ""]
)
def test_no_name_of_a_stranger_reaches_a_shell_unless_it_can_be_nothing_but_a_name(name: str) -> None:
    for cause in EXPLANATIONS:
        for command in commands(explain(cause), name, name):
            assert name not in command or name == ""
            assert "{" not in command


def test_commands_name_the_mx_and_the_domain() -> None:
    first = commands(explain("certificate-expired"), "example.org", "mx2.example.org")[0]
    assert "-connect mx2.example.org:25" in first
    assert "[2001:db8::1]:25" in commands(explain("transient"), "example.org", "ip:2001:db8::1")[0]


LONG = f"mx01.{'a-very-long-label.' * 4}example"


@pytest.mark.parametrize("room", [30, 50, 60, 79, 120, 300])
def test_names_in_a_line_give_way_before_its_end_does(room: int) -> None:
    line = content(("FAIL", "bold"), f" {LONG} [192.0.2.1]: ", ("expired", "red"), f" at {LONG}")
    shown = squeezed(stacked(line, content("short")), room).plain.split("\n")
    assert shown[1] == "short"
    whole = "FAIL {0} [192.0.2.1]: expired at {0}"
    least = len(whole.format("x" * 24))
    assert len(shown[0]) <= max(room, least)
    assert shown[0] == line.plain if room >= len(line.plain) else len(shown[0]) > min(room, least) - 2
    assert all(word in shown[0] for word in ("FAIL mx01.", ".example [192.0.2.1]: expired at mx01."))
    red = [shown[0][span.start : span.end] for span in squeezed(line, room).spans if span.style == "red"]
    assert red == ["expired"]


def test_names_that_are_short_stay_whole() -> None:
    line = "FAIL certificate-expired at mx2.mail.example.org and mx3.mail.example.org"
    assert squeezed(content(line), 20).plain == line
    assert cell(line, 40, "prose") == "FAIL certificate-expired at mx2.mail.ex…"
