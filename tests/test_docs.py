"""The pages say what the code does: help, keys of the store, questions, limits, remarks."""

from __future__ import annotations

import ast
import re
import subprocess
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from screen import settled, text

from loaders.rows import TRUST
from queries import Scope, parameters, sql
from tlsrpt.authentication import STATES
from tlsrpt.enforce import criteria
from tlsrpt.limits import LIMITS, LIVE_LIMITS, MAILBOX_LIMITS
from tlsrpt.store import Store
from tui.app import Workbench
from tui.cli import program
from tui.config import Live, Mailbox
from tui.evidence import Evidence
from tui.widgets.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")] if path.name != "keys.md")
README, READING, SCHEMA, QUESTIONS, MAILBOXES = (
    ROOT / name for name in ("README.md", "docs/reading.md", "docs/schema.md", "docs/questions.md", "docs/mailboxes.md")
)
SAMPLES = ROOT / "sample_reports"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def section(page: Path, heading: str) -> str:
    """Return what stands under a heading, up to the next one of its level or a higher one."""
    level = heading.partition(" ")[0]
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", read(page), re.MULTILINE | re.DOTALL
    )
    assert found, f"{page.name} has no {heading!r}"
    return found[1]


def table(words: str) -> list[list[str]]:
    """Return the cells of the rows of a table whose first cell is code, without its backticks."""
    rows = [line.strip("|").split("|") for line in words.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def code(words: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", words)


# The README


def agree(number: int, shown: str, *, update: bool) -> None:
    """Compare the text block of this number in the README with what the program shows, or write it anew."""
    page = read(README)
    block = list(re.finditer(r"(?<=^```text\n).*?(?=^```$)", page, re.MULTILINE | re.DOTALL))[number]
    if update:
        README.write_text(page[: block.start()] + shown + page[block.end() :], encoding="utf-8")
    else:
        assert block[0] == shown, "the README differs; look, then --update-goldens"


async def test_the_picture_in_the_readme_is_the_screen_of_the_demo(
    monkeypatch: pytest.MonkeyPatch, *, update_goldens: bool
) -> None:
    monkeypatch.chdir(ROOT)
    as_of = date.fromisoformat(read(SAMPLES / "as-of.txt").strip())
    app = Workbench(Evidence(ROOT / "none.duckdb", ["sample_reports/"], as_of))
    async with app.run_test(size=(80, 24)) as pilot:
        while app.progress or not app.screen.query_one(Table).lines:
            await settled(pilot)
        await settled(pilot)
        agree(0, text(app), update=update_goldens)


def test_the_help_in_the_readme_is_that_of_the_program(
    monkeypatch: pytest.MonkeyPatch, *, update_goldens: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    agree(1, CliRunner().invoke(program, ["--help"], prog_name="tlsrpt").output, update=update_goldens)


@pytest.mark.parametrize("name", [name for name, command in program.commands.items() if not command.hidden])
def test_every_command_is_written_about_outside_the_help(name: str) -> None:
    prose = re.sub(r"^```text\n.*?^```$", "", read(README), flags=re.MULTILINE | re.DOTALL) + read(
        ROOT / "CHANGELOG.md"
    )
    assert re.search(rf"`(?:tlsrpt )?{name}\b|tlsrpt {name}\b", prose)


def test_the_make_targets_that_pages_name_exist_and_none_is_left_out() -> None:
    targets = set(re.findall(r"^([a-z]+):", read(ROOT / "Makefile"), re.MULTILINE))
    named = {page.name: set(re.findall(r"\bmake ([a-z]+)(?=`| {2})", read(page))) for page in PAGES}
    assert {"demo", "test"} <= named["README.md"]
    assert set.union(*named.values()) <= targets
    assert named["CONTRIBUTING.md"] == targets - {"check"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_between_pages_leads_somewhere(page: Path) -> None:
    for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", read(page))):
        other = page.parent / target if target else page
        assert other.exists(), target
        headings = [line.lstrip("# ").lower().replace(" ", "-") for line in read(other).splitlines() if line[:1] == "#"]
        assert not anchor or anchor in headings, f"{target}#{anchor}"


def test_the_layout_names_only_what_is_there_and_every_module_below_the_screens() -> None:
    listed = [row[0].strip("`") for row in table(section(ROOT / "CONTRIBUTING.md", "## Where things are"))]
    assert [name for name in listed if not (ROOT / name).exists()] == []
    modules = {
        path.relative_to(ROOT).as_posix()
        for folder in ("tlsrpt", "loaders")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert modules <= set(listed)


def test_the_changelog_has_a_section_for_what_is_not_released() -> None:
    assert section(ROOT / "CHANGELOG.md", "## [Unreleased]").count("\n- ") > 0


# The store


def test_the_schema_page_has_each_table_and_column_with_its_type() -> None:
    store = Store.memory()
    documented = {
        found[1]: {row[0].strip("`"): row[1] for row in table(found[2])}
        for found in re.finditer(r"^### (\w+)\n(.*?)(?=^##|\Z)", read(SCHEMA), re.MULTILINE | re.DOTALL)
    }
    real = {name: list(columns.items()) for name, columns in store.columns.items()}
    assert {name: list(columns.items()) for name, columns in documented.items()} == real
    store.close()


def test_no_page_has_a_heading_twice() -> None:
    for page in PAGES:
        prose = re.sub(r"^```.*?^```", "", read(page), flags=re.MULTILINE | re.DOTALL)
        headings = re.findall(r"^#+ .+$", prose, re.MULTILINE)
        assert sorted(set(headings)) == sorted(headings), page.name


def test_the_schema_page_says_what_every_column_of_a_table_means() -> None:
    tables = section(SCHEMA, "## Tables")
    assert [row[0] for row in table(tables) if not row[-1]] == []


def test_the_queries_of_the_schema_page_run() -> None:
    store = Store.memory()
    queries = re.findall(r"^```sql\n(.*?)^```$", read(SCHEMA), re.MULTILINE | re.DOTALL)
    assert len(queries) == 3
    with store.reading() as connection:
        for query in queries:
            connection.execute(query)
    store.close()


# The questions


def questions() -> dict[str, tuple[str, list[str], str]]:
    """Return heading line, columns and places of each question that the page has."""
    blocks = re.findall(
        r"^### (\w+)\n\n([^\n]+)\n\n- Columns: (.*?)\n- Shown by: (.*?)\n(?=\n#|\Z)",
        read(QUESTIONS),
        re.MULTILINE | re.DOTALL,
    )
    return {name: (line, code(columns), shown) for name, line, columns, shown in blocks}


def test_the_questions_page_has_every_question_with_its_heading_and_columns() -> None:
    store = Store.memory()
    numbers = {"limit": 1, "offset": 0, "report": 1, "delivery": 1}
    own: dict[str, object] = {"failing": False, "words": [], "order": "", "descending": False, **numbers}
    real = {}
    with store.reading() as connection:
        for path in (ROOT / "queries" / "sql").glob("*.sql"):
            name = path.stem
            answer = connection.execute(sql(name), {key: own.get(key) for key in parameters(sql(name))})
            heading = sql(name).partition("\n")[0].removeprefix("-- ")
            more = re.match(r"-- [^\n]*\n-- ([^\n]*)", sql(name))
            heading = f"{heading} {more[1]}" if more else heading
            real[name] = (heading, [column[0] for column in answer.description or ()])
    store.close()
    documented = {name: (line, columns) for name, (line, columns, _) in questions().items()}
    assert documented.keys() == real.keys()
    for name, (heading, columns) in real.items():
        assert heading.startswith(documented[name][0]), name
        assert documented[name][1] == columns, name


def test_the_questions_page_names_commands_and_groupings_that_exist() -> None:
    shown = "\n".join(places for _, _, places in questions().values())
    for line in re.findall(r"`tlsrpt ([^`]+)`", shown):
        done = CliRunner().invoke(program, [*line.split(), "--help"])
        assert done.exit_code == 0, line


def test_the_questions_page_names_every_parameter_of_a_scope() -> None:
    opening = read(QUESTIONS).partition("\n## ")[0]
    assert set(Scope.__dataclass_fields__) <= set(code(opening))


# The criteria


def test_the_page_of_criteria_is_that_of_the_code(*, update_goldens: bool) -> None:
    page = ROOT / "docs" / "criteria.md"
    if update_goldens:
        page.write_text(criteria.markdown(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == criteria.markdown()


# How reports are read

READERS = [
    ROOT / name
    for name in (
        "tlsrpt/parse.py",
        "tlsrpt/repair.py",
        "tlsrpt/archive.py",
        "tlsrpt/delivery.py",
        "tlsrpt/mail.py",
        "tlsrpt/check_file.py",
        "loaders/directory.py",
        "loaders/batch.py",
        "loaders/run.py",
        "loaders/senders.py",
    )
]
KIND = re.compile("^(?:gzip|zip|tar|mbox): ")  # which the page names once for all of them
# Calls whose last argument is what a reader of the list of refusals or defects gets to see.
SAYING = {
    *("note", "Defect", "ReportError", "_EntryError", "ArchiveError", "TooLargeError", "MailError", "Refused"),
    *("Skipped", "Delivery", "Noted", "_registered", "_Days", "_inside", "_unread_mail", "append"),
}


def words_of(node: ast.AST | None) -> Iterator[str]:
    """Yield the texts that an expression may be, with … for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    elif isinstance(node, ast.Tuple):
        for item in node.elts:
            yield from words_of(item)
    elif isinstance(node, ast.IfExp):
        yield from words_of(node.body)
        yield from words_of(node.orelse)


def said(path: Path) -> Iterator[str]:
    """Yield what a module says about a report, as far as it is written where it is said."""
    for node in ast.walk(ast.parse(read(path))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            last = node.keywords[-1].value if node.keywords else node.args[-1] if node.args else None
            if name in SAYING:
                yield from words_of(last)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in {"message", "reason", "problem"}:
            yield from words_of(node.value)


def fits(pattern: str, words: str) -> re.Match[str] | None:
    return re.fullmatch(re.escape(pattern).replace("…", "(.*?)"), words)


def documented_remarks() -> list[str]:
    past, refused = section(READING, "## What is read past"), section(READING, "## What is refused")
    skipped = re.findall(r"as `([^`]+)`", section(READING, "## Read without a remark"))
    return [row[0].strip("`") for row in table(past + refused)] + skipped


@pytest.mark.parametrize("path", READERS, ids=lambda path: path.name)
def test_whatever_the_reader_says_is_explained(path: Path) -> None:
    documented = documented_remarks()
    # What a container says stands without its kind, what an entry says without its place.
    found = {KIND.sub("", words) for words in said(path)}
    found = {words for words in found if words.strip("…: ") and not words.startswith("message …")}
    assert found
    unknown = [
        words
        for words in sorted(found)
        if not any(fits(words, known) or fits(known, words) or known.endswith(f" {words}") for known in documented)
    ]
    assert unknown == []


def is_made_of(words: str, texts: set[str]) -> bool:
    """Return whether words are one of the texts, or one with others filled in."""
    if words in {"", "…"} or any(fits(words, text) for text in texts):
        return True
    filled = (fits(text, words) for text in texts if "…" in text and text.strip("…"))
    return any(found and all(is_made_of(group, texts) for group in found.groups()) for found in filled)


def test_nothing_is_explained_that_the_reader_does_not_say() -> None:
    nodes = (node for path in READERS for node in ast.walk(ast.parse(read(path))))
    texts = {KIND.sub("", words) for node in nodes for words in words_of(node)}
    assert [words for words in documented_remarks() if not is_made_of(words, texts)] == []


def test_every_oddity_and_every_refusal_among_the_samples_is_explained() -> None:
    names = {path.name for folder in ("oddities", "refused") for path in (SAMPLES / folder).iterdir()}
    mentioned = {word for word in code(read(READING)) if re.fullmatch(r"[\w-]+(?:\.(?:json|gz|eml|zip|tar))+", word)}
    assert mentioned == names


def number(words: str) -> int:
    """Return a number as people write it, with its unit."""
    digits, _, unit = words.partition(" ")
    return int(digits.replace(",", "")) * {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit]


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    rows = table(section(READING, "## Limits"))
    assert [(row[0].strip("`"), number(row[1])) for row in rows] == list(LIMITS._asdict().items())


def test_the_bounds_of_live_checks_on_the_page_are_those_of_the_code() -> None:
    rows = table(section(ROOT / "docs" / "checks.md", "## Bounds"))
    assert [(row[0].strip("`"), number(row[1])) for row in rows] == list(LIVE_LIMITS._asdict().items())


def test_the_bounds_of_mailboxes_on_the_page_are_those_of_the_code() -> None:
    rows = table(section(MAILBOXES, "## Limits"))
    assert [(row[0].strip("`"), number(row[1])) for row in rows] == list(MAILBOX_LIMITS._asdict().items())


def test_the_keys_of_a_mailbox_on_the_page_are_those_of_the_code() -> None:
    rows = table(section(MAILBOXES, "## Configuration"))
    assert {row[0].strip("`") for row in rows} == set(Mailbox.model_fields)


def test_the_states_of_a_signature_on_the_page_are_those_of_the_code() -> None:
    assert {row[0].strip("`") for row in table(section(MAILBOXES, "## Who sent it"))} == set(STATES)


def test_the_settings_of_live_checks_on_the_page_are_those_of_the_code() -> None:
    rows = table(section(ROOT / "docs" / "checks.md", "## Settings"))
    assert [row[0].strip("`") for row in rows] == list(Live.model_fields)


def test_the_words_for_trust_are_those_of_the_code() -> None:
    assert {row[0].strip("`") for row in table(section(READING, "## Trust"))} == set(TRUST)


# What must not be here


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [name for name in done.stdout.split("\0") if name]


def test_no_file_names_a_package_server_or_a_path_of_a_machine() -> None:
    # Put together here, so that this file has none of them.
    servers = [f"{name}.{end}" for name, end in (("pypi", "org"), ("pythonhosted", "org"), ("proxy.golang", "org"))]
    folders = [f"/{name}/" for name in ("work", "root", "home")]
    strange = re.compile(
        "|".join(map(re.escape, servers)).encode() + b"|(?<![\\w.~-])(?:" + "|".join(folders).encode() + b")"
    )
    named = [name for name in tracked() if (path := ROOT / name).is_file() and strange.search(path.read_bytes())]
    assert named == []
