"""What `check` and `history` do: look, or show what was seen before, and write it."""

from __future__ import annotations

import importlib.metadata
import os
import socket
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from pydantic import ValidationError

from loaders import SourceError
from queries import published as stored
from tlsrpt import history
from tlsrpt.check_file import checks_json
from tlsrpt.findings import judge
from tlsrpt.limits import LIVE_LIMITS
from tlsrpt.published import Settings
from tlsrpt.store import Store, StoreError, utc_now
from tui import config, plain
from tui.checked import STATUS, WORDS, Judged, advices, overrides, page, standing, things, worst
from tui.checked import history as told
from tui.evidence import end_of
from tui.progress import Looking, interruptible
from tui.running import INTERRUPTED, one_line, room
from tui.said import Said
from tui.said import plain as written
from tui.text import idn, safe
from tui.words import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from loaders.published import Step
    from tlsrpt.published import Check

USUAL, WIDEST = 80, 120  # cells that a text takes in a pipe, and at most
COULD_NOT = 1  # exit status

_COLOURS: dict[str, dict[str, Any]] = {
    "heading": {"bold": True},
    "bad": {"fg": "red", "bold": True},
    "warn": {"fg": "yellow"},
    "good": {"fg": "green"},
    "dim": {"dim": True},
}
_FINDING = ("level", "name", "subject", "detail", "remedy")
_ABOUT = ("policy_domain", "checked_at", "vantage")


class Place(NamedTuple):
    """Where from, and how, domains are looked at."""

    vantage: str
    settings: Settings


def place(live: config.Live, given: Mapping[str, object] | None = None, vantage: str | None = None) -> Place:
    """Return where from and how to look: as given, else as configured, else as usual."""
    try:
        settings = Settings.model_validate(live.settings().model_dump() | dict(given or {}))
    except ValidationError as error:
        raise click.UsageError(config.complaint(error)) from error
    name = vantage or live.vantage or socket.gethostname() or "this machine"
    return Place(name[:256], settings)


@one_line
def check(
    database: Path,
    names: Sequence[str],
    *,
    given: Mapping[str, object],
    vantage: str | None,
    fresh: bool,
    form: str,
    as_of: date | None,
) -> int:
    """Look at domains, or show what was seen of them before; write it and return the exit status."""
    configured = config.read()
    domains = asked(names) or configured.domains
    if not domains:
        raise click.UsageError(f"no domain: tlsrpt check example.com, or `domains` in {config.path()}")
    if as_of is not None:
        return _seen_before(database, domains, vantage, form, end_of(as_of))
    began = utc_now().replace(microsecond=0)
    checks = look_at(database, domains, given=given, vantage=vantage, fresh=fresh)
    store, now = Store.open(database), utc_now()
    judged = [_judged(store, checks[domain], now) for domain in domains if domain in checks]
    older = [domain for domain, one in checks.items() if one.checked_at < began]
    _write(judged, form, dict.fromkeys(older, "--fresh looks again"))
    if len(checks) < len(domains):
        click.echo("stopped; kept what was finished", err=True)
        return INTERRUPTED
    return _status(judged)


def look_at(
    database: Path, domains: Sequence[str], *, given: Mapping[str, object], vantage: str | None, fresh: bool
) -> dict[str, Check]:
    """Look at domains unless that was done just now, and keep what was seen; Ctrl-C leaves the rest out.

    Shows how far it has come. Raises SourceError for settings that cannot be used, StoreError.
    """
    here = place(config.read().live, given, vantage)
    store = Store.open(database, create=True)
    checks = {} if fresh else _recent(store, domains, here)
    left = [domain for domain in domains if domain not in checks]
    if not left:
        return checks
    with interruptible() as stopped, Looking(sys.stderr, left) as progress:

        def found(check: Check) -> None:
            checks[check.policy_domain] = check
            progress.finished += 1

        look(store, left, here, found=found, progress=progress, stopped=stopped)
    return checks


def asked(names: Iterable[str]) -> tuple[str, ...]:
    """Return domains as they are stored, each once. Raises UsageError for what is none."""
    found = []
    for name in names:
        try:
            found.append(config.domain(name))
        except ValueError as error:
            raise click.UsageError(f"{name}: {error}") from error
    return tuple(dict.fromkeys(found))


def _seen_before(database: Path, domains: Sequence[str], vantage: str | None, form: str, end: datetime) -> int:
    """Write the newest check of each domain up to a moment, and contact nobody."""
    store = Store.open(database) if database.exists() else None
    judged = []
    for domain in domains:
        found = None if store is None else stored.newest(store, domain, at=end, vantage=vantage)
        if store is None or found is None:
            click.echo(f"{safe(domain)} was not looked at up to {end.date()}", err=True)
        else:
            judged.append(_judged(store, found, end))
    _write(judged, form, {})
    return _status(judged) or (COULD_NOT if len(judged) < len(domains) else 0)


def _recent(store: Store, domains: Iterable[str], here: Place) -> dict[str, Check]:
    """Return checks of domains that are too young to be repeated: nobody's servers are asked for nothing."""
    now = utc_now()
    found = {domain: stored.newest(store, domain, at=now, vantage=here.vantage) for domain in domains}
    return {domain: one for domain, one in found.items() if one is not None and _is_recent(one, here, now)}


def _is_recent(check: Check, here: Place, now: datetime) -> bool:
    age = now - check.checked_at
    return (check.vantage, check.settings) == here and age < timedelta(seconds=LIVE_LIMITS.cached_seconds)


def look(
    store: Store,
    domains: Sequence[str],
    here: Place,
    *,
    found: Callable[[Check], None],
    progress: Callable[[Step], None],
    stopped: Callable[[], bool],
) -> bool:
    """Look at domains and record each check as it is finished; return whether all of them were.

    Raises SourceError for settings that cannot be used, StoreError if a check cannot be kept.
    """
    from loaders import observations, published  # noqa: PLC0415 - TLS and DNS only where somebody is contacted

    def keep(check: Check) -> None:
        observations.record(store, [check])
        found(check)

    try:
        published.look(domains, here.settings, vantage=here.vantage, found=keep, progress=progress, stopped=stopped)
    except published.Stopped:
        return False
    return True


@one_line
def changes(
    database: Path,
    names: Sequence[str],
    *,
    since: date | None,
    until: date | None,
    form: str,
    as_of: date | None,
) -> int:
    """Write what changed of domains between the looks at them, newest first, and return the exit status."""
    domains = asked(names)
    store = Store.open(database) if database.exists() else None
    found = {domain: _changed(store, domain, since, until, as_of) for domain in domains}
    for domain, changed in found.items():
        if not changed:
            click.echo(f"nothing is known of {safe(domain)} then: tlsrpt check {safe(domain)}", err=True)
    if form == "table":
        say([[Said(idn(domain), style="heading"), *told(changed)] for domain, changed in found.items() if changed])
        return 0
    rows: list[dict[str, object]] = []
    for domain, changed in found.items():
        for change in changed:
            lines = change.lines if form == "json" else " | ".join(change.lines)
            rows.append({"policy_domain": domain, **change._asdict(), "lines": lines})
    fields = ("policy_domain", *history.Change._fields)
    click.echo(plain.written(plain.Table(rows, fields, fields), form, None), nl=False)
    return 0


def _changed(
    store: Store | None, domain: str, since: date | None, until: date | None, as_of: date | None
) -> list[history.Change]:
    if store is None:
        return []
    seen = stored.seen(store, domain, at=None if as_of is None else end_of(as_of))
    return [
        change
        for change in (history.changes(seen) if seen else [])
        if (since is None or change.at.date() >= since) and (until is None or change.at.date() <= until)
    ]


# For the screen


class Known(NamedTuple):
    """What is known about a domain."""

    said: list[Said]  # none if it was never looked at
    recent: datetime | None  # time of the last check if it is too young to be repeated unasked
    watched: bool  # whether the configuration names it
    problem: str  # why the configuration cannot be used, "" if it can


def known(store: Store, policy_domain: str, now: datetime) -> Known:
    """Return what a screen shows about a domain, and whether a look at it needs a word."""
    here, watched, problem = None, False, ""
    try:
        configured = config.read()
        here, watched = place(configured.live), policy_domain in configured.domains
    except click.ClickException as error:
        problem = error.message
    with store.reading():
        found = stored.newest(store, policy_domain, at=now)
        if found is None:
            return Known([], None, watched, problem)
        judged = _judged(store, found, now)
        changes = history.changes(stored.seen(store, policy_domain, at=now))
    young = here is not None and _is_recent(found, here, now)
    said = [*page(judged), Said(""), Said("Changes", style="heading"), *told(changes)]
    return Known(said, found.checked_at if young else None, watched, problem)


def probe(
    opened: Callable[[], Store],
    policy_domain: str,
    *,
    progress: Callable[[str], None],
    stopped: Callable[[], bool],
) -> str:
    """Look at one domain as configured and keep what was seen; return why that could not be done, else ""."""
    try:
        domain = config.domain(policy_domain)
    except ValueError as error:
        return f"{policy_domain}: {error}"
    try:
        look(
            opened(),
            [domain],
            place(config.read().live),
            found=lambda _: None,
            progress=lambda step: progress(f"looking {step.done:,}/{step.total:,}"),
            stopped=stopped,
        )
    except (SourceError, StoreError, click.ClickException) as error:
        return str(error)
    return ""


def _judged(store: Store, check: Check, now: datetime) -> Judged:
    return Judged(check, judge(check, stored.seen(store, check.policy_domain, at=now), now), now)


def _status(judged: Iterable[Judged]) -> int:
    return max((STATUS.get(worst(one.findings), 0) for one in judged), default=0)


# Writing


def _write(judged: Sequence[Judged], form: str, hints: Mapping[str, str]) -> None:
    if form == "json":
        click.echo(_json(judged), nl=False)
    elif form == "csv":
        click.echo(plain.written(_rows(judged), "csv", None), nl=False)
    elif form == "markdown":
        click.echo("\n".join(map(_markdown, judged)), nl=False)
    else:
        say([page(one, hints.get(one.check.policy_domain, "")) for one in judged])


def say(pages: Iterable[Iterable[Said]]) -> None:
    """Write pages to read, one under the other, in colour where that is wanted."""
    size = min(room() or USUAL, WIDEST)
    colours = {} if "NO_COLOR" in os.environ or os.environ.get("TERM", "dumb") == "dumb" else _COLOURS
    for n, one in enumerate(pages):
        if n:
            click.echo()
        for line, style in written(one, size):
            click.echo(click.style(line, **colours[style]) if style in colours and line else line)


def _json(judged: Sequence[Judged]) -> str:
    """Return a document that `tlsrpt load` reads; findings are for other readers, and derived anew there."""
    version = importlib.metadata.version("tlsrpt-tui")
    meant = {one.check.policy_domain: [finding._asdict() for finding in one.findings] for one in judged}
    return checks_json(
        (one.check for one in judged),
        lambda check: {"version": version, "findings": meant[check.policy_domain]},
    )


def _rows(judged: Iterable[Judged]) -> plain.Table:
    """Return a row for each finding, worst first, or one that says that there is none."""
    rows: list[dict[str, object]] = []
    for check, findings, _ in judged:
        about: dict[str, object] = {field: getattr(check, field) for field in _ABOUT}
        nothing = dict.fromkeys(_FINDING, "") | {"level": "ok"}
        rows += [about | finding._asdict() for finding in findings] or [about | nothing]
    return plain.Table(rows, _ABOUT + _FINDING, _ABOUT + _FINDING)


def _markdown(judged: Judged) -> str:
    check, findings, _ = judged
    seen = f"seen {moment(check.checked_at)} from {check.vantage}"
    parts = [
        f"# {plain.markdown(idn(check.policy_domain))}\n",
        *(f"{plain.markdown(words)}\n" for words in (standing(findings), seen, overrides(check.settings)) if words),
        _table([{"state": WORDS[thing.level], "what": thing.what, "seen": thing.seen} for thing in things(judged)]),
    ]
    if findings:
        parts += ["## What to do\n", _table([advice._asdict() for advice in advices(findings)])]
    return "\n".join(parts)


def _table(rows: Sequence[dict[str, object]]) -> str:
    fields = tuple(rows[0])
    return plain.written(plain.Table(rows, fields, fields), "markdown", None)
