"""The real program in a terminal: what it sends there, byte by byte, and how it leaves it behind."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pyte
import pytest
from pty_program import Program
from stories import TODAY, poisoned_files, small, small_store, stored, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.pty

LEAVE = b"\x1b[?1049l"  # back from the alternate screen
MOUSE_OFF = b"\x1b[?1000l"
COLOUR = re.compile(rb"\x1b\[[0-9;]*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[0-9;]*m")
# What Textual itself sends: CSI sequences, charset and keypad switches, the shape of the mouse pointer.
# Everything else would be a stranger's.
OURS = re.compile(rb"\x1b\]22;[a-z-]*\x07|\x1b\[[0-9;:?>=<$\"' !]*[@-~]|\x1b[()][0AB]|\x1b[=>78M]")
STRANGE = re.compile(
    rb"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf"
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return small_store(tmp_path / "s.duckdb")


def arguments(database: Path) -> list[str]:
    return ["--database", str(database), "--as-of", str(TODAY)]


def seen(output: bytes, size: tuple[int, int] = (80, 24)) -> str:
    """Return what a terminal shows of some output."""
    screen = pyte.Screen(*size)
    pyte.ByteStream(screen).feed(output)
    return "\n".join(screen.display)


def test_it_starts_answers_and_quits(database: Path) -> None:
    with Program(arguments(database), fresh=True) as program:
        program.wait_for("mx2.example.org")
        program.wait_for("Quit")
        program.press("q")
        assert program.ended() == 0
        assert LEAVE in program.output
        assert MOUSE_OFF in program.output


def test_the_cause_and_the_fix_are_two_keys_away(database: Path) -> None:
    with Program(arguments(database)) as program:
        program.wait_for("example.net")
        program.wait_for("CERT_HAS_EXPIRED", since=_openings(program, 2))
        program.wait_for("Quit")
        assert "Renew, deploy to every machine" in seen(program.output)


def _openings(program: Program, times: int) -> int:
    """Go to the failures and into the first, so many keys of these, each when the screen before has its rows."""
    place = 0
    for key, words in (("2", "by series"), ("\r", "CERT_HAS_EXPIRED"))[:times]:
        place = program.press(key)
        program.wait_for(words, since=place)
    return place


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(database: Path, number: signal.Signals) -> None:
    with Program(arguments(database)) as program:
        program.wait_for("mx2.example.org")
        program.signal(number)
        assert program.ended() == 128 + number
        assert LEAVE in program.output
        assert MOUSE_OFF in program.output


@pytest.mark.parametrize("deaf", [False, True], ids=["with a signal", "without a signal"])
def test_it_ends_when_its_terminal_goes_away(database: Path, *, deaf: bool) -> None:
    with Program(arguments(database), deaf=deaf, fresh=True) as program:
        program.wait_for("mx2.example.org")
        assert program.hang_up() == 128 + signal.SIGHUP


def test_it_ends_when_its_terminal_goes_away_with_its_first_words(database: Path) -> None:
    with Program(arguments(database), deaf=True, fresh=True) as program:
        program.wait_for("\x1b[?1049h")
        assert program.hang_up() == 128 + signal.SIGHUP


def test_a_signal_ends_it_though_its_terminal_takes_nothing(database: Path) -> None:
    with Program(arguments(database), size=(200, 60)) as program:
        program.wait_for("mx2.example.org")
        for _ in range(100):  # each draws a screen that nobody reads
            program.press("2" + "1")
        program.signal(signal.SIGTERM)
        assert program.ended_unread() == 128 + signal.SIGTERM


def test_no_color_means_no_colour(database: Path) -> None:
    with Program(arguments(database), {"NO_COLOR": "1"}) as program:
        program.wait_for("mx2.example.org")
        program.press("2")
        program.wait_for("by series")
        program.press("q")
        assert program.ended() == 0
        assert not COLOUR.search(program.output)


def test_colours_are_there_otherwise(database: Path) -> None:
    with Program(arguments(database)) as program:
        program.wait_for("mx2.example.org")
        assert COLOUR.search(program.output)


def test_the_environment_chooses_the_theme(database: Path) -> None:
    seen_colours = set()
    for name in ("dark", "light", "ansi"):
        with Program(arguments(database), {"TLSRPT_THEME": name}) as program:
            program.wait_for("mx2.example.org")
            program.press("q")
            assert program.ended() == 0
            seen_colours.add(frozenset(COLOUR.findall(program.output)))
    assert len(seen_colours) == 3


def test_a_theme_that_there_is_not_is_a_usage_error(database: Path) -> None:
    with Program(arguments(database), {"TLSRPT_THEME": "pink"}) as program:
        assert program.ended() == 2
        assert b"TLSRPT_THEME is pink, but should be one of dark, light, ansi" in program.output


@pytest.mark.parametrize(
    "asked", [{"TLSRPT_ASCII": "1"}, {"PYTHONIOENCODING": "iso-8859-1"}, {"LC_ALL": "C"}, {"LANG": "POSIX"}], ids=str
)
def test_pictures_are_ascii_where_that_is_asked_for_or_the_terminal_takes_no_utf_8(
    database: Path, asked: dict[str, str]
) -> None:
    for environment, signs in ((asked, ("# would block", "+")), ({}, ("█ would block", "└"))):
        with Program(arguments(database), environment, fresh="PYTHONIOENCODING" in environment) as program:
            program.wait_for("example.net")
            program.wait_for("Who reported when", since=program.press("t"))
            shown = seen(program.output)
            assert all(sign in shown for sign in signs)
            program.press("q")
            assert program.ended() == 0
            assert b"\\u" not in program.output


def test_a_dumb_terminal_gets_text(database: Path) -> None:
    with Program(arguments(database), {"TERM": "dumb"}) as program:
        assert program.ended() == 0
        assert b"first certificate-expired at mx2.example.org" in program.output
        assert b"\x1b" not in program.output


def test_reports_from_standard_input_can_be_browsed_with_keys(tmp_path: Path) -> None:
    folder = write(tmp_path / "reports", small())
    with Program(["-"], {"TLSRPT_DATABASE": str(tmp_path / "none.duckdb")}, stdin=folder / "0001.json") as program:
        program.wait_for("mx2.example.org")
        program.press("q")
        assert program.ended() == 0


def test_nothing_is_written_after_the_terminal_is_as_it_was(tmp_path: Path) -> None:
    folder = write(tmp_path / "reports", small())
    with Program([str(folder)], {"TLSRPT_DATABASE": str(tmp_path / "none.duckdb")}) as program:
        program.wait_for("mx2.example.org")
        program.press("q")
        assert program.ended() == 0
        assert OURS.sub(b"", program.output.rpartition(LEAVE)[2]).strip() == b""


def test_words_that_follow_the_slash_at_once_are_words(database: Path) -> None:
    with Program(arguments(database)) as program:
        program.wait_for("mx2.example.org")
        place = program.press("/qu/")
        program.wait_for("filter: qu/", since=place)


def test_a_store_that_cannot_be_read_says_so_and_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    path.write_bytes(b"this is no store" * 1000)
    with Program(arguments(path)) as program:
        program.wait_for("The store cannot be read.")
        program.wait_for(str(path)[:20])
        program.press("23q")
        assert program.ended() == 1


def test_copying_sends_the_command_to_the_clipboard_and_nothing_else(database: Path) -> None:
    with Program(arguments(database)) as program:
        program.wait_for("example.net")
        _openings(program, 2)
        place = program.press("y")
        program.wait_for("Copied", since=place)
        assert len(re.findall(rb"\x1b\]52;c;[A-Za-z0-9+/=]+\x07", program.output)) == 1


def test_a_long_load_shows_one_line_and_a_summary(tmp_path: Path) -> None:
    folder = write(tmp_path / "reports", small())
    with Program(["--database", str(tmp_path / "s.duckdb"), "load", str(folder)]) as program:
        assert program.ended() == 0
        assert b"4 new reports, 0 duplicates, 0 refused, 0 skipped in " in program.output


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("hostile")
    return stored(base / "s.duckdb", poisoned_files(base / "reports"))


TOURS = {
    "domains": [],
    "readiness": [("\r", "what stands in the way")],
    "criterion": [("\r", "what stands in the way"), ("\r", "FAIL")],
    "details": [("\r", "what stands in the way"), ("d", "held back")],
    "plan": [("P", "next step")],
    "reports": [("r", "report id")],
    "report": [("r", "report id"), ("\r", "Raw")],
    "raw": [("r", "report id"), ("\r", "Raw"), ("v", "date-range")],
    "failures": [("2", "by series")],
    "causes": [("2", "by series"), ("b", "by cause")],
    "failure": [("2", "by series"), ("\r", "Check (y)")],
    "timeline": [("t", "Who reported when")],
    "senders": [("o", "those with most days")],
    "hosts": [("m", "reports name an MX")],
    "policies": [("i", "as senders saw them")],
    "refused": [("3", "could not be read")],
    "bytes": [("3", "could not be read"), ("\r", "Refused    ")],
}


@pytest.mark.parametrize("tour", TOURS.values(), ids=TOURS)
def test_no_bytes_of_strangers_reach_the_terminal(hostile: Path, tour: list[tuple[str, str]]) -> None:
    with Program(["--database", str(hostile), "--as-of", str(TODAY)], size=(120, 40)) as program:
        program.wait_for("would block in enforce")
        for key, words in tour:
            program.wait_for(words, since=program.press(key))
        program.press("jjjGg")
        program.press("q")
        assert program.ended() == 0
        assert not STRANGE.search(OURS.sub(b"", program.output))
