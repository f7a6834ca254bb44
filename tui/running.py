"""What the commands do: load with progress, ask and write, browse on a screen or as text."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from datetime import date
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

import loaders
from loaders import SourceError, Status, Summary
from loaders.directory import Directory
from queries import Part, Scope, domains, failures, readiness
from tlsrpt.cause import BLOCKING
from tlsrpt.store import Store, StoreError, utc_now
from tui import answers, believing, config, plain
from tui.evidence import end_of
from tui.progress import Progress, ReadingAgain, interruptible, read_again, summed_up
from tui.text import a_label, safe
from tui.words import VERDICTS, claims, count, place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

P = ParamSpec("P")
R = TypeVar("R")

REFUSALS = 6  # exit status of --strict
INTERRUPTED = 130
NO_STORE = "no reports yet: tlsrpt load ~/reports"

_QUESTIONS = {
    "domains": answers.DOMAINS,
    "policies": answers.POLICIES,
    "refused": answers.REFUSED,
    **{f"failures {by}": question for by, question in answers.FAILURES.items()},
}


def one_line(function: Callable[P, R]) -> Callable[P, R]:
    """Turn what stops a command into the line that is said about it, and status 1."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (SourceError, StoreError) as error:
            raise click.ClickException(str(error)) from error

    return run


@one_line
def load(database: Path, paths: Sequence[str], *, vouch: bool, strict: bool, form: str) -> int:
    """Load paths into the store and return the exit status."""
    paths = named(paths)
    configured = config.read()
    with interruptible() as stopped, Progress(sys.stderr, paths) as progress:
        store = Store.open(database, create=True)
        believing.regraded(store, configured)
        summary = read_in(store, paths, configured, vouch=vouch, progress=progress, stopped=stopped)
    _report(summary, form)
    if summary.interrupted:
        return INTERRUPTED
    return REFUSALS if strict and summary.refused else 0


@one_line
def reread(database: Path, *, everything: bool, form: str) -> int:
    """Read again what was refused and return the exit status."""
    if not database.exists():
        return _no_store()
    with interruptible() as stopped, ReadingAgain(sys.stderr) as progress:
        summary = loaders.reread(Store.open(database), everything=everything, stopped=stopped, progress=progress)
    _report(summary, form, read_again)
    return INTERRUPTED if summary.interrupted else 0


@one_line
def answer(
    name: str,
    database: Path,
    paths: Sequence[str],
    scope: Scope,
    *,
    only: Sequence[str],
    form: str,
    limit: int,
) -> int:
    """Ask a question about all domains or `only` some, write the answer and return the exit status."""
    store = asked_store(database, paths)
    if store is None:
        if form == "table":
            return _no_store()
        # A program that reads the answer gets one that it can read.
        click.echo(NO_STORE, err=True)
        store = Store.memory()
    if scope.mx:
        scope = replace(scope, mx=a_label(scope.mx))
    if scope.policy_type:
        scope = replace(scope, policy_type=scope.policy_type.lower())
    scopes = [replace(scope, policy_domain=a_label(domain)) for domain in only] or [scope]
    question = answers.newest_reports(limit) if name == "reports" else _QUESTIONS[name]
    table = answers.ask(question, store, scopes)
    if not table.rows:
        click.echo("nothing found", err=True)
        for path in filter(os.path.lexists, only):
            click.echo(f"{safe(path)} is a path here; to ask what is in it: --from {safe(path)}", err=True)
    click.echo(plain.written(table, form, room()), nl=False)
    return 0


@one_line
def overview(database: Path, paths: Sequence[str], as_of: date | None) -> int:
    """Write how the domains stand, the totals, and what to run next."""
    store = asked_store(database, paths)
    if store is None:
        return _no_store()
    scope = Scope(until=as_of)
    with store.reading():
        totals = domains.totals(store, scope)
        if not totals.reports and not paths:
            return _no_store()
        table = answers.ask(answers.DOMAINS, store, [scope])
        worst = next(
            (row for row in failures.series_part(store, scope, Part(limit=1))[0] if row.impact in BLOCKING), None
        )
    table = _with_verdicts(table, store, as_of)
    click.echo(plain.written(table, "table", room()))
    click.echo(
        f"{count(totals.reports, 'report')} of {count(totals.organizations, 'organization')} about"
        f" {count(totals.domains, 'domain')}, {totals.first_day or '-'} to {totals.last_day or '-'};"
        f" {totals.refused:,} refused, {totals.skipped:,} skipped"
    )
    if worst is not None:
        sessions = totals.sts_successful + totals.sts_failed
        click.echo(
            f"{totals.would_block:,} of {count(sessions, 'sts session')} would block in enforce;"
            f" first {safe(worst.cause)} at {safe(place(worst.mx_key))} ({safe(worst.policy_domain)})"
        )
    if totals.claims:
        click.echo(claims(totals))
    if "-" not in paths:  # what came by a pipe is gone
        source = "".join(f" --from {safe(path)}" for path in paths)
        moment = f" --as-of {as_of}" if as_of else ""
        click.echo(f"next: tlsrpt ready{source}{moment}", err=True)
    return 0


def _with_verdicts(table: plain.Table, store: Store, as_of: date | None) -> plain.Table:
    """Return the domains with the verdict on each."""
    now = utc_now() if as_of is None else end_of(as_of)
    _, parameters = config.parameters()
    found = {one.evidence.policy_domain: VERDICTS[one.verdict] for one in readiness.board(store, now, parameters)}
    rows = [row | {"verdict": found.get(str(row["policy_domain"]), plain.MISSING)} for row in table.rows]
    after = table.columns.index("mode") + 1
    columns = (*table.columns[:after], "verdict", *table.columns[after:])
    return plain.Table(rows, (*table.fields, "verdict"), columns)


def asked_store(database: Path, paths: Sequence[str]) -> Store | None:
    """Return the store to ask: in memory over paths if there are any, None while there is none on disk."""
    if not paths:
        return Store.open(database) if database.exists() else None
    store = Store.memory()
    with interruptible() as stopped, Progress(sys.stderr, paths) as progress:
        loaders.load(Directory(paths), store, vouch=True, progress=progress, stopped=stopped)
    return store


def named(paths: Sequence[str]) -> list[str]:
    """Return paths as the store names files: alike wherever one stands. Raises SourceError if one is not there."""
    _are_there(paths)
    return list(dict.fromkeys(path if path == "-" else os.path.abspath(path) for path in paths))  # noqa: PTH100


def read_in(
    store: Store,
    paths: Sequence[str],
    configured: config.Config,
    *,
    vouch: bool,
    progress: Callable[[Status], None],
    stopped: Callable[[], bool],
) -> Summary:
    """Load paths, with mail believed as configured."""
    senders = believing.of_mail(store, configured, believing.keys(configured, stopped))
    known = loaders.known_files(store, vouch=vouch)
    source = Directory(paths, known=known)
    return loaders.load(source, store, known=known, vouch=vouch, senders=senders, progress=progress, stopped=stopped)


def _are_there(paths: Sequence[str]) -> None:
    """Raise SourceError for a path that does not exist, before a store is made for it."""
    for path in paths:
        if path != "-" and not os.path.lexists(path):
            raise SourceError(f"{path}: no such file or directory")


def _no_store() -> int:
    click.echo(NO_STORE, err=True)
    return 0


def _report(summary: Summary, form: str, said: Callable[[Summary], str] = summed_up) -> None:
    if form == "json":
        click.echo(json.dumps(summary._asdict()))
    click.echo(said(summary), err=True)


def room() -> int | None:
    """Return the width of the terminal that stdout is, None for anything else."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
