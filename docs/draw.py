"""Draw docs/pictures/ anew: screens of the demo, as SVG. `make pictures` runs it."""

from __future__ import annotations

import asyncio
import os
import re
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = {"domains": [], "readiness": ["down", "enter"], "failure": ["2", "enter"]}
SIZE = (100, 34)
DEADLINE = 60  # seconds
FONTS = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)  # whoever looks at a picture fetches nothing for it


async def draw() -> None:
    """Go to each screen and draw it once it has come to rest."""
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    os.chdir(ROOT)
    from tui.app import Workbench  # noqa: PLC0415 - reads the environment when it is imported
    from tui.evidence import Evidence  # noqa: PLC0415 - likewise
    from tui.widgets.table import Table  # noqa: PLC0415 - likewise

    as_of = date.fromisoformat((ROOT / "sample_reports" / "as-of.txt").read_text().strip())
    app = Workbench(Evidence(ROOT / "none.duckdb", ["sample_reports/"], as_of))
    async with app.run_test(size=SIZE) as pilot:
        while app.progress or not app.screen.query_one(Table).lines:
            await pilot.pause(0.1)
        for name, keys in PICTURES.items():
            await pilot.press("1")
            for key in keys:
                await pilot.press(key)
                await app.workers.wait_for_complete()
                await pilot.pause()
            await app.workers.wait_for_complete()
            await pilot.pause()
            drawn = FONTS.sub("", app.export_screenshot(title="tlsrpt"))
            (ROOT / "docs" / "pictures" / f"{name}.svg").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(draw(), DEADLINE))
