"""How wide the columns of a table are, on a screen and on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Need(NamedTuple):
    """What a column asks for, in cells."""

    longest: int
    least: int = 0  # what it can do with; 0 never shrinks
    drop: int = 0  # dropped when there is no room, the highest first; 0 never

    def minimum(self) -> int:
        """Return the fewest cells that it can do with."""
        return min(self.least or self.longest, self.longest)


def fit(needs: Sequence[Need], room: int) -> list[int]:
    """Return a width for each column so that all of them, one blank apart, fit into `room`; -1 drops one.

    >>> fit([Need(20, 8), Need(6), Need(10, drop=1)], 20)
    [13, 6, -1]
    """
    kept = set(range(len(needs)))

    def excess() -> int:
        return sum(needs[place].minimum() + 1 for place in kept) - 1 - room

    while excess() > 0:
        loose = [place for place in kept if needs[place].drop]
        if not loose:
            break
        kept.discard(max(loose, key=lambda place: (needs[place].drop, place)))
    widths = [needs[place].minimum() if place in kept else -1 for place in range(len(needs))]
    free = -excess()
    while free > 0:  # one cell at a time to the narrowest that wants more, so that none starves
        hungry = [place for place in kept if widths[place] < needs[place].longest]
        if not hungry:
            break
        widths[min(hungry, key=lambda place: (widths[place], place))] += 1
        free -= 1
    return widths
