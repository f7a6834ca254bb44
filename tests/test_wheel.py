"""The wheel holds everything that the program needs, and nothing else at its top."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("loaders", "queries", "tlsrpt", "tui")


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Run Python and return what it writes."""
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the wheel, built by the backend itself: no isolated environment, so nothing is downloaded."""
    folder = tmp_path_factory.mktemp("dist")
    run("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_top_of_the_wheel_is_four_packages_and_what_describes_them(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    [described] = tops - set(PACKAGES)
    assert described.startswith("tlsrpt_tui-")
    assert described.endswith(".dist-info")
    assert tops >= set(PACKAGES)


def test_every_file_of_the_packages_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {Path(name).suffix for name in files} == {".py", ".sql", ".tcss", ".typed"}
    assert {name for name in wheel.namelist() if name.startswith(PACKAGES) and ".dist-info/" not in name} == files


def test_the_command_of_the_wheel_is_tlsrpt(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("/entry_points.txt")]
    points = ConfigParser()
    points.read_string(wheel.read(name).decode())
    assert dict(points["console_scripts"]) == {"tlsrpt": "tui.cli:main"}


def test_the_program_runs_from_the_wheel_alone(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    wheel.extractall(unpacked)
    sample = ROOT / "sample_reports" / "oddities" / "utf-16.json"
    # -P and another working directory keep the checkout out; PYTHONPATH comes before an editable installation.
    alone = partial(run, "-P", "-c", cwd=tmp_path, PYTHONPATH=str(unpacked))
    where = "import loaders, queries, tlsrpt, tui; print(*(m.__path__[0] for m in (loaders, queries, tlsrpt, tui)))"
    assert alone(where).split() == [str(unpacked / package) for package in PACKAGES]
    program = "from tui.cli import main; main()"
    answer = alone(program, "domains", "--from", str(sample), "--format", "json")
    assert [row["policy_domain"] for row in json.loads(answer)] == ["oddities.example"]
    style = "from importlib.resources import files; print((files('tui') / 'app.tcss').read_text())"
    assert "{" in alone(style)
