"""The three jobs, done with the real program in a terminal of 80x24, each key counted."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyte
import pytest
from pty_program import DEADLINE, Program
from stories import SAMPLES, sample_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

pytestmark = pytest.mark.pty

AS_OF = (SAMPLES / "as-of.txt").read_text().strip()
ONE = next(path for path in sorted((SAMPLES / "2026-03").iterdir()) if "!clinic.example!" in path.name)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_store(tmp_path_factory.mktemp("samples") / "s.duckdb")


class Job(Program):
    """A program whose user presses keys and reads the screen."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        super().__init__(["--as-of", AS_OF, *arguments], environment, (80, 24))
        self.keys = 0
        self._terminal = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self._terminal)
        self._drawn = 0  # bytes of the output

    def __enter__(self) -> Self:
        return self

    def screen(self) -> str:
        """Return what the terminal shows."""
        self._stream.feed(self.output[self._drawn :])
        self._drawn = len(self.output)
        return "\n".join(self._terminal.display)

    def read(self, *words: str) -> str:
        """Wait until the screen has all these words, and return it."""
        until = time.monotonic() + DEADLINE
        while not all(re.search(word, shown := self.screen()) for word in words):
            assert self._read(until), shown
        return shown

    def key(self, *keys: str) -> None:
        """Press keys, and count them."""
        for one in keys:
            self.keys += 1
            self.press(one)


def test_whether_a_domain_may_enforce_takes_no_key_its_reasons_one_and_its_plan_two(database: Path) -> None:
    with Job(["--database", str(database)]) as job:
        job.read(">clinic.example +enforce +FAILING", "example.org +testing +NOT READY", "example.com +testing +READY ")
        assert job.keys == 0
        job.key("\r")
        job.read("clinic.example > readiness", "FAIL +C05", "Do: .*SAN has mx2.clinic.example")
        assert job.keys == 1
        job.key("P")
        job.read("clinic.example > plan", "IN_FORCE_FAILING +mend", "SAN has mx2.clinic.example")
        assert job.keys == 2


def test_the_rows_behind_a_criterion_take_two_keys(database: Path) -> None:
    with Job(["--database", str(database)]) as job:
        job.read(">clinic.example +enforce +FAILING")
        job.key("\r")
        job.read("FAIL +C05")
        job.key("\r")
        job.read("clinic.example > C05", "FAIL: C05")
        assert job.keys == 2


def test_what_broke_yesterday_takes_no_key_the_list_of_that_day_three_and_the_fix_one_more(database: Path) -> None:
    with Job(["--database", str(database)]) as job:
        job.read(
            "Held back now: OURS starttls-not-supported at mx2.clinic.example", "Nothing new since 03-18.* on 03-19"
        )
        assert job.keys == 0
        job.key("2")
        job.read("by series")
        job.key("W")
        job.read("Period")
        job.key("1")
        job.read(r"\[2 Failures\].* 2 days to 2026-03-20", ">would-block +certificate-expired .* ours")
        assert job.keys == 3
        job.key("\r")
        job.read("Fault +ours", "Fix +", "Check")
        assert job.keys == 4


def test_two_keys_lead_to_the_failing_mx_its_fault_its_senders_and_the_fix(database: Path) -> None:
    with Job(["--database", str(database)]) as job:
        job.read("Held back now: OURS")
        job.key("2")
        job.read("by series", ">would-block .* ours ", "transient .* passing")  # whose fault each is
        job.key("\r")
        shown = job.read("Fault +ours", "Fix +", "openssl s_client", "google.com|microsoft.com")
        assert re.search(r"\d+ sessions, \d organizations, \d+ days, last 2026-03-19, first seen 2026-03-08", shown)
        assert job.keys == 2


def test_a_file_that_somebody_sent_is_read_without_a_key_and_stored_nowhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "none.duckdb"
    with Job([str(ONE)], {"TLSRPT_DATABASE": str(elsewhere)}) as job:
        job.read("Google Inc., 2026-03-13", "20 successful, 3 failed, 3 would block", "certificate-host-mismatch")
        assert job.keys == 0
        job.key("v")
        job.read('"organization-name": "Google Inc."')
        assert job.keys == 1
        job.key("\x1b", "\x1b")
        job.read("clinic.example +enforce", "FAILING|NO EVIDENCE")
        job.key("q")
        assert job.ended() == 0
    assert not elsewhere.exists()
