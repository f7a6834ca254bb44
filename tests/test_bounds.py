"""The bounds of a rate: the table of the decision, as numbers and as verdicts on reports in a store."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import pytest
from histories import Desk, Ready, fails, history

from tlsrpt.enforce.bounds import lower, upper

ALPHA = 0.05


class Row(NamedTuple):
    """So many sessions that would block, of so many; the bounds in percent as far as they are given."""

    blocked: int
    evaluated: int
    point: str
    upper: str
    lower: str
    state: str  # of C25

    def __str__(self) -> str:
        return f"{self.blocked} of {self.evaluated}"


TABLE = (
    Row(0, 80, "0", "3.68", "0", "UNKNOWN"),
    Row(0, 100, "0", "2.95", "0", "WARN"),
    Row(0, 299, "0", "0.997", "0", "PASS"),
    Row(0, 600, "0", "0.50", "0", "PASS"),
    Row(0, 3_000, "0", "0.10", "0", "PASS"),
    Row(1, 472, "0.21", "1.001", "0.01", "WARN"),
    Row(1, 1_200, "0.08", "0.39", "0.004", "PASS"),  # 0.3947 %; the page has the 0.40 of Poisson's bound
    Row(5, 1_200, "0.42", "0.87", "0.16", "PASS"),
    Row(12, 1_200, "1.00", "1.62", "0.58", "FAIL"),
    Row(20, 1_000, "2.00", "2.89", "1.33", "FAIL"),
)
ROWS = pytest.mark.parametrize("row", TABLE, ids=str)


def percent(share: float, like: str) -> str:
    """Return a share in percent, with as many digits as another."""
    return f"{100 * share:.{len(like.partition('.')[2])}f}"


def at_most(k: int, n: int, p: float) -> float:
    """Return P(X <= k | n, p), one term after the other."""
    return math.fsum(math.comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(k + 1))


@ROWS
def test_the_bounds_are_those_of_the_table(row: Row) -> None:
    assert percent(row.blocked / row.evaluated, row.point) == row.point
    assert percent(upper(row.blocked, row.evaluated, ALPHA), row.upper) == row.upper
    assert percent(lower(row.blocked, row.evaluated, ALPHA), row.lower) == row.lower


@pytest.mark.parametrize(("units", "bound"), [(29, "9.8"), (42, "6.9")])
def test_the_bound_over_days_of_organizations_is_the_same(units: int, bound: str) -> None:
    assert percent(upper(0, units, ALPHA), bound) == bound


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_a_bound_is_where_what_was_seen_becomes_as_rare_as_alpha(n: int, alpha: float) -> None:
    for k in range(n):
        assert at_most(k, n, upper(k, n, alpha)) == pytest.approx(alpha)
    for k in range(1, n + 1):
        assert 1 - at_most(k - 1, n, lower(k, n, alpha)) == pytest.approx(alpha)


@pytest.mark.parametrize("n", [0, 1, 80, 1_000_000])
def test_nothing_seen_bounds_nothing(n: int) -> None:
    assert lower(0, n, ALPHA) == 0
    assert upper(n, n, ALPHA) == 1


def test_without_failures_the_rule_of_three_is_near() -> None:
    for n in (80, 600, 3_000, 100_000, 2_000_000):
        assert upper(0, n, ALPHA) == pytest.approx(1 - ALPHA ** (1 / n))
        assert upper(0, n, ALPHA) == pytest.approx(3 / n, rel=0.02)


# In a store, all of them at once. The failures are before the last week, where nothing but their rate matters.


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ready]:
    histories = {
        str(row): history(
            domain=f"{row.blocked}-of-{row.evaluated}.example",
            sessions=row.evaluated,
            failures=[fails(ago=10, sessions=row.blocked)] if row.blocked else [],
        )
        for row in TABLE
    }
    desk = Desk(tmp_path_factory.mktemp("bounds")).load(*histories.values())
    found = desk.ready_all([one.domain for one in histories.values()])
    return dict(zip(histories, found, strict=True))


@ROWS
def test_the_rate_in_a_store_stands_as_in_the_table(verdicts: dict[str, Ready], row: Row) -> None:
    told = verdicts[str(row)]
    assert told.states["C25"] == row.state, told.criterion("C25")["reason"]
    assert told.states["C24"] == "PASS"
    assert (told.told["would_block"], told.told["evaluated"]) == (row.blocked, row.evaluated)
    first = told.criterion("C25")["facts"][0]
    bounds = [float(text) for text in re.findall(r"([\d.]+)%", first["detail"])]
    assert bounds == pytest.approx([float(row.lower), float(row.upper)], abs=0.006)
    assert first["sessions"] == row.evaluated


def test_the_status_of_several_domains_is_that_of_the_worst(verdicts: dict[str, Ready]) -> None:
    assert {told.status for told in verdicts.values()} == {5}
