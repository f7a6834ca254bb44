"""What every test starts from: no settings of whoever runs it, and a place of its own for data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

os.environ["TEXTUAL_ANIMATIONS"] = "none"  # read when textual is imported


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write tests/goldens anew")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes share the tests: more than there are cores, as many tests wait for servers."""
    return (os.cpu_count() or 1) * 3 // 2


# Modules with a store that takes seconds to make, for all of their tests: they stay in one process.
TOGETHER = ("test_criteria", "test_verdicts", "test_fault", "test_what_if")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Return how tests are handed to processes: modules of TOGETHER as a whole, first, then one by one."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            module = Path(nodeid.partition("::")[0]).stem
            return module if module in TOGETHER else nodeid

    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def _own_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    terminal = ("NO_COLOR", "TEXTUAL_THEME", "COLUMNS", "LINES", "COLORTERM", "TMUX")
    for name in (*terminal, "TLSRPT_DATABASE", "TLSRPT_THEME", "TLSRPT_ASCII", "TLSRPT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-goldens"))
