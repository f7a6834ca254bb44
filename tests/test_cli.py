"""The command: what it writes where, and how it ends."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from forked import PROGRAM, Ended, run
from stories import POISONS, TODAY, poisoned_files, report, small, small_store, stored, sts, write

from loaders import Status
from tlsrpt.store import Store
from tui.cli import FORMATS, GROUPINGS, program
from tui.progress import told

STRANGE = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "reports", small())


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return small_store(tmp_path / "store" / "tlsrpt.duckdb")


# Starting


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["failures", "--help"], ["check", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom tui.cli import main\n"
        f"sys.argv[1:] = {arguments}\n"
        "try: main()\n"
        "finally: print('loaded:', {'textual', 'duckdb', 'pydantic', 'nanoarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    assert "loaded: set()" in done.stdout


def test_the_app_imports_no_database_before_its_first_frame() -> None:
    code = "import sys, tui.app; print({'duckdb', 'pydantic', 'nanoarrow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout.strip() == "set()"


def test_a_word_that_is_no_command_is_a_path(folder: Path) -> None:
    ended = run(str(folder))
    assert ended.status == 0
    assert b"example.org" in ended.out


def test_a_path_that_is_not_there_is_a_usage_error_on_one_line() -> None:
    ended = run("domans")
    assert (ended.status, ended.out) == (2, b"")
    assert ended.err == b"tlsrpt: no such file, and no command: domans (tlsrpt --help)\n"


def test_an_unknown_option_is_a_usage_error_without_escapes() -> None:
    ended = run("domains", "--x\x1b[31m")
    assert ended.status == 2
    assert not STRANGE.search(ended.err)


def test_shell_completion_is_there(tmp_path: Path) -> None:
    command = tmp_path / "tlsrpt"  # the name by which it was called is the name that is completed
    command.write_text("from tui.cli import main\nmain()\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(command)],
        env=os.environ | {"_TLSRPT_COMPLETE": "bash_complete", "COMP_WORDS": "tlsrpt dom", "COMP_CWORD": "1"},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"plain,domains\n"


@pytest.mark.parametrize(
    "words", [[], *([name] for name in sorted(program.commands))], ids=lambda words: " ".join(words) or "no command"
)
def test_each_command_imports_what_it_needs(tmp_path: Path, words: list[str]) -> None:
    """Other tests run it where everything has been imported."""
    given = ["--database", str(tmp_path / "s.duckdb"), *words]
    ended = run(*given, fresh=True, environment={"TLSRPT_CONFIG": str(tmp_path / "c.toml")})
    assert b"Traceback" not in ended.err
    (tmp_path / "c.toml").unlink(missing_ok=True)  # that `config` writes
    assert ended == run(*given, environment={"TLSRPT_CONFIG": str(tmp_path / "c.toml")})


# Without a store


@pytest.mark.parametrize(
    "arguments", [[], ["domains"], ["failures"], ["reports"], ["policies"], ["refused"], ["reread"]]
)
def test_without_a_store_it_says_what_to_do_and_makes_none(tmp_path: Path, arguments: list[str]) -> None:
    path = tmp_path / "none" / "tlsrpt.duckdb"
    ended = run("--database", str(path), *arguments)
    assert ended == Ended(0, b"", b"no reports yet: tlsrpt load ~/reports\n")
    assert not path.parent.exists()


def test_without_a_store_a_program_gets_an_answer_that_it_can_read(tmp_path: Path) -> None:
    ended = run("--database", str(tmp_path / "none.duckdb"), "domains", "--format", "json")
    assert (ended.status, json.loads(ended.out)) == (0, [])


def test_a_path_where_a_domain_is_wanted_gets_a_hint(folder: Path) -> None:
    assert run("load", str(folder)).status == 0
    assert (
        f"{folder} is a path here; to ask what is in it: --from {folder}" in run("failures", str(folder)).err.decode()
    )


def test_a_policy_type_is_understood_in_any_case(folder: Path) -> None:
    assert run("load", str(folder)).status == 0
    assert (
        run("domains", "--policy-type", "STS", "--format", "json").out
        == run("domains", "--policy-type", "sts", "--format", "json").out
    )
    assert json.loads(run("domains", "--policy-type", "STS", "--format", "json").out)


def test_reading_again_says_what_came_of_it(folder: Path) -> None:
    (folder / "bad.json").write_text('{"policies": 7, "date-range": {}}')
    assert run("load", str(folder)).status == 0
    ended = run("reread", "--all")
    assert b"0 reports became readable, 4 read anew, 1 still refused, 0 skipped in " in ended.err


def test_the_store_is_the_option_then_the_environment_then_the_data_directory(tmp_path: Path, folder: Path) -> None:
    home = tmp_path / "data-home" / "tlsrpt" / "tlsrpt.duckdb"
    named = tmp_path / "named.duckdb"
    given = tmp_path / "given.duckdb"
    assert run("load", str(folder)).status == 0
    assert home.exists()
    assert run("load", str(folder), environment={"TLSRPT_DATABASE": str(named)}).status == 0
    assert named.exists()
    assert run("load", "--database", str(given), str(folder), environment={"TLSRPT_DATABASE": str(named)}).status == 0
    assert given.exists()


# Loading


def test_loading_writes_one_summary_line_to_stderr(tmp_path: Path, folder: Path) -> None:
    ended = run("--database", str(tmp_path / "s.duckdb"), "load", str(folder))
    assert (ended.status, ended.out) == (0, b"")
    assert re.fullmatch(rb"4 new reports, 0 duplicates, 0 refused, 0 skipped in [0-9.]+ s\n", ended.err)


def test_loading_again_finds_duplicates_alone(database: Path, folder: Path) -> None:
    ended = run("--database", str(database), "load", "--format", "json", str(folder))
    summary = json.loads(ended.out)
    assert (summary["reports"], summary["duplicates"]) == (0, 4)
    assert {"refused", "skipped", "seconds", "superseded", "unchecked"} <= summary.keys()


def test_strict_ends_with_6_when_something_was_refused(tmp_path: Path, folder: Path) -> None:
    (folder / "bad.json").write_text('{"organization-name": "x", "policies": 1}', encoding="utf-8")
    lenient = run("--database", str(tmp_path / "a.duckdb"), "load", str(folder))
    strict = run("--database", str(tmp_path / "b.duckdb"), "load", "--strict", str(folder))
    assert (lenient.status, strict.status) == (0, 6)
    assert b"1 refused (tlsrpt refused lists them)" in lenient.err


def test_unchecked_mail_awaits_a_word(tmp_path: Path) -> None:
    mail = tmp_path / "report.eml"
    mail.write_bytes(
        b"From: reports@example.com\r\nSubject: Report Domain: example.org\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: application/tlsrpt+json\r\n\r\n" + json.dumps(small()[0]).encode()
    )
    waiting = run("--database", str(tmp_path / "a.duckdb"), "load", str(mail))
    vouched = run("--database", str(tmp_path / "b.duckdb"), "load", "--vouch", str(mail))
    assert b"1 report came without a valid signature; to answer for them yourself" in waiting.err
    assert b"answer for them yourself: tlsrpt load --vouch PATH" in waiting.err
    assert b"--vouch" not in vouched.err


def test_what_cannot_be_read_at_all_ends_with_1_and_one_line(tmp_path: Path) -> None:
    ended = run("--database", str(tmp_path / "s.duckdb"), "load", str(tmp_path / "no\x1b[31msuch"))
    assert ended.status == 1
    assert rb"no\x1b[31msuch: no such file or directory" in ended.err
    assert ended.err.count(b"\n") == 1
    assert not (tmp_path / "s.duckdb").exists()


def test_a_file_that_is_no_store_ends_with_1_and_one_line(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    path.write_text("not a database, whatever its name says", encoding="utf-8")
    ended = run("--database", str(path), "domains")
    assert ended.status == 1
    assert ended.err.startswith(b"tlsrpt: ")
    assert ended.err.count(b"\n") == 1


def test_ctrl_c_keeps_what_was_finished(tmp_path: Path) -> None:
    many = write(tmp_path / "many", [report(f"s{n}.example", 1, sts("example.org", 1)) for n in range(3000)])
    database = tmp_path / "s.duckdb"
    # Standard input that never ends holds the run until the signal comes.
    with subprocess.Popen(
        [*PROGRAM, "--database", str(database), "load", str(many), "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        while not database.exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        said = process.stderr.read()
        assert process.wait(30) == 130
    assert b"stopped; kept what was finished: " in said
    assert run("--database", str(database), "domains").status == 0


# Answers


@pytest.mark.parametrize("command", ["domains", "failures", "reports", "policies", "refused"])
@pytest.mark.parametrize("form", FORMATS)
def test_every_answer_has_every_format(database: Path, command: str, form: str) -> None:
    ended = run("--database", str(database), command, "--format", form)
    assert ended.status == 0
    if form == "json":
        json.loads(ended.out)


@pytest.mark.parametrize("by", GROUPINGS)
def test_failures_by_anything(database: Path, by: str) -> None:
    rows = json.loads(run("--database", str(database), "failures", "--by", by, "--format", "json").out)
    assert sum(row["failed_session_count"] for row in rows) == 17


def test_the_answer_names_mx_and_cause(database: Path) -> None:
    out = run("--database", str(database), "failures").out.decode()
    assert re.search(r"would-block +certificate-expired +mx2\.example\.org +example\.org +17 ", out)


def test_as_of_closes_the_window_before_and_after_the_command(database: Path) -> None:
    for arguments in (["--as-of", "2026-11-18", "failures"], ["failures", "--as-of", "2026-11-18"]):
        ended = run("--database", str(database), *arguments, "--format", "json")
        assert json.loads(ended.out) == []
        assert b"nothing found" in ended.err


def test_filters_narrow_an_answer(database: Path) -> None:
    def sessions(*filters: str) -> int:
        rows = json.loads(run("--database", str(database), "failures", "--format", "json", *filters).out)
        return sum(row["failed_session_count"] for row in rows)

    assert sessions("--organization", "microsoft.com") == 3
    assert sessions("--mx", "MX2.example.org.") == 17
    assert sessions("--mx", "mx1.example.org") == 0
    assert sessions("example.net") == 0
    assert sessions("example.net", "example.org") == 17
    assert sessions("--since", str(TODAY)) == 0


def test_answers_about_several_domains_say_whose_each_row_is(database: Path) -> None:
    out = run(
        "--database", str(database), "failures", "--by", "cause", "example.org", "example.net", "--format", "csv"
    ).out
    rows = list(csv.DictReader(out.decode().splitlines()))
    assert [(row["policy_domain"], row["key"]) for row in rows] == [("example.org", "certificate-expired")]


def test_answers_over_files_leave_the_store_alone(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "s.duckdb"
    ended = run("--database", str(path), "domains", "--from", str(folder), "--format", "json")
    assert [row["policy_domain"] for row in json.loads(ended.out)] == ["example.org", "example.net"]
    assert not path.exists()


def test_reports_can_be_limited(database: Path) -> None:
    rows = json.loads(run("--database", str(database), "reports", "--limit", "2", "--format", "json").out)
    assert len(rows) == 2


def test_standard_input_is_read() -> None:
    ended = run("-", stdin=json.dumps(small()[1]).encode())
    assert ended.status == 0
    assert b"first certificate-expired at mx2.example.org (example.org)" in ended.out


def test_browsing_without_a_terminal_prints_the_overview(database: Path) -> None:
    ended = run("--database", str(database), "--as-of", str(TODAY))
    out = ended.out.decode()
    assert ended.status == 0
    assert "4 reports of 3 organizations about 2 domains, 2026-11-18 to 2026-11-19; 0 refused, 0 skipped" in out
    assert "17 of 552 sts sessions would block in enforce; first certificate-expired at mx2.example.org" in out
    assert ended.err == f"next: tlsrpt ready --as-of {TODAY}\n".encode()
    assert "NOT READY" in out


def test_what_came_by_a_pipe_is_not_asked_for_again() -> None:
    assert b"next:" not in run("-", stdin=json.dumps(small()[1]).encode()).err


def test_an_empty_store_says_the_same_as_none(tmp_path: Path) -> None:
    database = tmp_path / "s.duckdb"
    Store.open(database, create=True)
    assert run("--database", str(database)) == Ended(0, b"", b"no reports yet: tlsrpt load ~/reports\n")


def test_the_time_left_fits_a_line_of_progress() -> None:
    early = Status(45230, 123 << 20, 45230, 0, 1.9, 100000, 400 << 20)
    assert "left" not in told(early)
    assert told(early._replace(seconds=10.0)).startswith("45,230/100,000 files, 123.0 MiB, 45,230 reports, 23 s left")
    assert len(told(early._replace(seconds=10.0))) < 80


def test_a_pipe_that_closes_ends_the_program_quietly(database: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, "--database", str(database), "reports"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


# Strangers


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("hostile")
    return stored(base / "s.duckdb", poisoned_files(base / "reports"))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "command",
    [["domains"], ["reports"], ["policies"], ["refused"], *(["failures", "--by", by] for by in GROUPINGS)],
    ids=" ".join,
)
def test_no_bytes_of_strangers_act_on_a_terminal(hostile: Path, command: list[str], form: str) -> None:
    done = CliRunner().invoke(program, ["--database", str(hostile), *command, "--format", form])
    assert done.exit_code == 0, done.output
    assert not STRANGE.search(done.stdout_bytes.replace(b"\r\n", b"\n"))
    assert done.stdout_bytes.count(b"\n") > 2


def test_the_overview_and_the_summary_are_safe_as_well(hostile: Path, tmp_path: Path) -> None:
    overview = run("--database", str(hostile))
    assert overview.status == 0
    folder = poisoned_files(tmp_path / "again")
    again = run("--database", str(tmp_path / "t.duckdb"), "load", str(folder))
    assert again.status == 0
    for bad in POISONS.values():
        missing = run("load", f"/nonexistent/{bad}")
        assert not STRANGE.search(missing.err)
    assert not STRANGE.search(overview.out + overview.err + again.out + again.err)


def test_a_reader_that_has_enough_ends_the_command_with_its_own_status() -> None:
    command = [str(Path(sys.executable).with_name("tlsrpt")), "reports", "--from", "sample_reports", "--format", "json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path(__file__).parent.parent
    ) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.wait() == 141
