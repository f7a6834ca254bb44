"""The verdict against histories of which the truth is known: one of each kind, as `make simulate` has hundreds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
KINDS = 38
SEED = 8461


@pytest.fixture(autouse=True)
def _bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize("index", range(KINDS))
def test_no_verdict_on_a_known_history_is_wrong(index: int) -> None:
    from bench.simulate import breaches, run

    outcome = run(SEED, index, 3)
    assert len(outcome.said) == 3
    assert not list(breaches(outcome))


def test_every_kind_of_history_is_among_them() -> None:
    from bench import stories

    assert [stories.draw(SEED, index).kind for index in range(KINDS)] == list(stories.KINDS)


def test_a_history_depends_on_seed_and_number_alone() -> None:
    from bench.stories import draw

    assert draw(SEED, 5) == draw(SEED, 5)
    assert draw(SEED, 5) != draw(SEED, 5 + KINDS)
    assert draw(SEED, 5) != draw(SEED + 1, 5)


def test_the_same_history_writes_the_same_files(tmp_path: Path) -> None:
    from bench.history_files import write
    from bench.stories import draw

    for name in ("first", "second"):
        write(draw(SEED, 16), tmp_path / name)
    first, second = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("first", "second")
    )
    assert first == second
    assert {path.suffix for path in first} == {".json", ".eml"}


@pytest.mark.parametrize(
    ("verdict", "so", "breaks"),
    [
        ("READY", {"not_ready_yet": "a certificate ended"}, True),
        ("READY_WITH_WARNINGS", {"not_ready_yet": "a certificate ended"}, False),
        ("READY_WITH_WARNINGS", {"not_even_warned": "a certificate ended"}, True),
        ("INSUFFICIENT_EVIDENCE", {"not_even_warned": "a certificate ended"}, False),
        ("NOT_READY", {"reason": "a certificate ended"}, False),
        ("NOT_READY", {}, True),
        ("READY", {"has_to_be": ("READY",)}, False),
        ("READY_WITH_WARNINGS", {"has_to_be": ("READY",)}, True),
        ("INSUFFICIENT_EVIDENCE", {"has_to_be": ("READY", "READY_WITH_WARNINGS")}, True),
        ("INSUFFICIENT_EVIDENCE", {}, False),
    ],
)
def test_a_verdict_against_the_truth_is_noticed(verdict: str, so: dict[str, Any], *, breaks: bool) -> None:
    from bench.simulate import Said, broken
    from bench.truth import Standing

    nothing = Standing(
        wrong=False, shown="", reason="", not_ready_yet="", not_even_warned="", has_to_be=(), naive="READY"
    )
    assert bool(broken(Said(0, nothing._replace(**so), verdict, ()))) == breaks
