"""How each screen looks, as text: without a store, with nothing in it, with little and with much, at two sizes."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from histories import DAY, Site, look, mx_tls
from screen import agree, press, settled, text
from stories import BUSY, SAMPLED, SAMPLES, TODAY, busy, crowded, stored, write

from loaders.observations import record
from tlsrpt.store import Store
from tui.app import Workbench
from tui.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import date

    from textual.pilot import Pilot

    from tlsrpt.published import Check

SIZES = [(80, 24), (120, 40)]

# The keys that lead from each of the screens about all domains to the next, where there are rows.
WALK = {
    "domains": [],
    "palette": ["colon"],
    "reports": ["escape", "r"],
    "help": ["escape", "question_mark"],
    "failures": ["escape", "2"],
    "failures-by-cause": ["b"],
    "failures-by-result-type": ["b"],
    "failures-by-mx": ["b"],
    "failures-by-organization": ["b"],
    "failures-by-ip": ["b"],
    "failures-by-day": ["b"],
    "failure": ["b", "enter"],
    "report": ["enter"],
    "raw": ["v"],
    "refused": ["escape", "escape", "3"],
}
# And where there is none.
SHORT_WALK = {
    "domains": [],
    "palette": ["colon"],
    "help": ["escape", "question_mark"],
    "failures": ["escape", "2"],
    "failures-by-cause": ["b"],
    "refused": ["3"],
}
# The screen about a domain that each begins at, and the keys from there.
OF_A_DOMAIN = {
    "readiness": ("readiness", []),
    "criterion": ("readiness", ["enter"]),
    "plan": ("plan", []),
    "details": ("details", []),
    "published": ("published", []),
    "published-end": ("published", ["G"]),
    "timeline": ("timeline", []),
    "timeline-end": ("timeline", ["G"]),
    "senders": ("senders", []),
    "hosts": ("hosts", []),
    "policies": ("policies", []),
    "policies-end": ("policies", ["G"]),
}


class State(NamedTuple):
    """A store, the day of the question, and the domain in focus."""

    database: Path
    as_of: date
    policy_domain: str


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, State]:
    base = tmp_path_factory.mktemp("looks")
    Store.open(base / "empty.duckdb", create=True).close()
    folder = write(base / "crowded", [*crowded(), *busy()])
    (folder / "bad.json").write_text('{"policies": 1, "report-id": "x"}', encoding="utf-8")
    # From beside them, so that no path of this machine is shown.
    with contextlib.chdir(base):
        much = stored(base / "crowded.duckdb", folder.relative_to(base))
    with contextlib.chdir(SAMPLES.parent):
        samples = stored(base / "small.duckdb", Path(SAMPLES.name))
    record(Store.open(much), looks())
    return {
        "none": State(base / "none.duckdb", TODAY, "nobody.example"),
        "empty": State(base / "empty.duckdb", TODAY, "nobody.example"),
        "small": State(samples, SAMPLED, "clinic.example"),
        "crowded": State(much, TODAY, BUSY),
    }


def looks() -> list[Check]:
    """Return looks of four days at the busy domain: twelve MXs, each of which is in order or broken in its own way."""
    kinds = ("good", "expired", "self-signed", "wrong-name", "starttls-not-offered", "timeout", "ends-soon")
    days = [datetime.combine(TODAY - timedelta(days=ago), time(5)) for ago in (14, 11, 4, 0)]
    found = []
    for place, at in enumerate(days):
        site = Site(
            id=f"2026110{place}T000000",
            mode="enforce" if place else "testing",
            max_age=604_800 if place > 1 else 86_400,
            mx=tuple(f"mx{n:02}" for n in range(12)),
            second={"mx00": "good", "mx01": "refused"},
            tlsa=("mx00", "mx04"),
            left=(TODAY - DAY).days + (60 if place > 2 else 20),  # renewed before the last look
        )
        shown = {
            f"{name}.@ []": mx_tls(kinds[n % len(kinds)], f"{name}.{BUSY}", site, at) for n, name in enumerate(site.mx)
        }
        found.append(look(replace(site, facts=shown), BUSY, at))
    return found


@contextlib.asynccontextmanager
async def running(state: State, size: tuple[int, int], *, blocks: bool = True) -> AsyncIterator[Pilot[None]]:
    """Run the program over a store until it has come to rest on the first screen."""
    app = Workbench(Evidence(state.database, as_of=state.as_of), blocks=blocks)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield pilot


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", ["none", "empty", "small", "crowded"])
async def test_screens_look_like_their_goldens(
    states: dict[str, State], name: str, size: tuple[int, int], *, update_goldens: bool
) -> None:
    state, ending = states[name], f"{name}-{size[0]}x{size[1]}"
    async with running(state, size) as pilot:
        app = pilot.app
        assert isinstance(app, Workbench)
        for screen, keys in (SHORT_WALK if name in {"none", "empty"} else WALK).items():
            await press(pilot, *keys)
            agree(f"{screen}-{ending}", text(app), update=update_goldens)
        await press(pilot, "1")
        for screen, (begin, keys) in OF_A_DOMAIN.items():
            app.look_over(begin, state.policy_domain, top="domains")
            await settled(pilot)
            await press(pilot, *keys)
            agree(f"{screen}-{ending}", text(app), update=update_goldens)


@pytest.mark.parametrize("name", ["timeline", "timeline-end"])
async def test_plain_terminals_get_the_same_pictures_in_ascii(
    states: dict[str, State], name: str, *, update_goldens: bool
) -> None:
    begin, keys = OF_A_DOMAIN[name]
    async with running(states["crowded"], (80, 24), blocks=False) as pilot:
        app = pilot.app
        assert isinstance(app, Workbench)
        app.look_over(begin, BUSY, top="domains")
        await settled(pilot)
        await press(pilot, *keys)
        agree(f"{name}-ascii-80x24", text(app), update=update_goldens)
        await press(pilot, "y")
        assert app.clipboard.replace("…", "...").isascii()
