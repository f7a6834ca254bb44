"""What `ready`, `fix`, `acknowledge` and `answer` do: ask for verdicts, and record what the operator says."""

from __future__ import annotations

import difflib
import getpass
import json
import os
from datetime import UTC, date, datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

import click

from loaders import decisions
from queries import Scope, failures, policies, readiness
from queries import decisions as recorded
from tlsrpt.enforce import planning
from tlsrpt.enforce.criteria import ANSWERED, criterion
from tlsrpt.enforce.evidence import Acknowledgement, Answer, Fix, PolicySpan
from tlsrpt.enforce.parameters import ACKNOWLEDGED_DAYS, Parameters
from tlsrpt.enforce.verdict import EXIT_STATUS, basis
from tlsrpt.knowledge import EXPLANATIONS
from tlsrpt.parse import address
from tlsrpt.parse import domain as parsed
from tlsrpt.store import Store, StoreError, utc_now
from tui import config, judged, plain, planned
from tui.checking import asked, say
from tui.running import NO_STORE, asked_store, one_line, room
from tui.said import written as lines
from tui.text import PROSE, safe
from tui.words import place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tlsrpt.enforce.blast import Damage
    from tlsrpt.enforce.evidence import Evidence
    from tlsrpt.enforce.verdict import Judgement
    from tui.said import Said

FIRST = 8  # criteria that the board shows of a domain, where there is room
_WIDE = 100  # cells from which on the board has every column
_PLACES = 3  # at which reports tell a cause, that a hint names


@one_line
def ready(
    database: Path,
    names: Sequence[str],
    *,
    paths: Sequence[str],
    profile: str | None,
    days: int | None,
    form: str,
    as_of: datetime | None,
) -> int:
    """Write the verdict on domains, or the board of all, and return the exit status: the highest of several."""
    domains = asked(names)
    used, wanted = config.parameters(profile)
    now = as_of or utc_now().replace(microsecond=0)
    store = asked_store(database, paths)
    if store is None:
        click.echo(NO_STORE, err=True)
        store = Store.memory()
    with store.reading():
        if domains:
            found = [readiness.judge(store, one, now, wanted, days=days or 0) for one in domains]
        else:
            found = readiness.board(store, now, wanted, more=config.read().domains)
    if domains:
        _write([judged.full(one, used, days) for one in found], form, paths)
    else:
        _write_board(found, form)
    if paths and form == "table":
        click.echo("files that you name count as vouched for", err=True)
    return max((EXIT_STATUS[one.verdict] for one in found), default=0)


def _write_board(found: Sequence[Judgement], form: str) -> None:
    if not found:
        click.echo("nothing found", err=True)
    rows = [judged.board_row(one) for one in found]
    wide = room()
    # In a narrow terminal what a domain waits for needs the room more than the mode, which the verdict implies.
    narrow = form == "table" and wide is not None and wide < _WIDE
    columns = tuple(field for field in judged.BOARD_COLUMNS if not narrow or field != "mode")
    click.echo(plain.written(plain.Table(rows, judged.BOARD, columns), form, wide), nl=False)


def _write(told: Sequence[judged.Full], form: str, paths: Sequence[str]) -> None:
    if form == "json":
        click.echo(json.dumps([judged.document(one) for one in told], indent=2))
    elif form == "csv":
        rows = [row for one in told for row in judged.checklist(one)]
        click.echo(plain.written(plain.Table(rows, judged.CHECKLIST, judged.CHECKLIST), "csv", None), nl=False)
    elif form == "markdown":
        click.echo("\n".join(judged.markdown(one) for one in told), nl=False)
    else:
        say([judged.page(one) for one in told])
        given = "".join(f" --from {safe(quote(path))}" for path in paths)
        for one in told:
            click.echo(f"next: tlsrpt plan {safe(one.judgement.evidence.policy_domain)}{given}", err=True)


# What the operator says


def said_by(name: str | None) -> str:
    """Return who says something: as named, else the user of this machine."""
    if name:
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in containers
        return str(os.getuid()) if hasattr(os, "getuid") else ""


@one_line
def fix(  # noqa: PLR0913 - the options of the command
    database: Path,
    domain: str,
    *,
    cause: str,
    mx: str,
    at: datetime | None,
    note: str,
    who: str | None,
    as_of: datetime | None,
    withdraw: int | None = None,
) -> int:
    """Record a repair, or take one back, and return the exit status."""
    [policy_domain] = asked([domain])
    now = as_of or utc_now().replace(microsecond=0)
    if withdraw is not None:
        return _withdrawn(database, "fix", withdraw, policy_domain, now)
    fixed_at = at or now
    if fixed_at > now:
        raise click.UsageError(f"--at {fixed_at}: a repair is recorded when it was made, not before")
    store = Store.open(database, create=True)
    wanted = Fix(0, policy_domain, cause, _mx_key(mx), fixed_at, note, said_by(who), now)
    untold = _untold(store, wanted)
    [number] = decisions.fix(store, [wanted])
    click.echo(
        f"recorded as fix {number}. It closes the failures once a look after {plain.exact(fixed_at)} agrees and no"
        f" report about a later day has them: tlsrpt check {safe(policy_domain)}",
        err=True,
    )
    if untold:
        click.echo(
            f"{safe(untold, PROSE)}; to take it back: tlsrpt fix {safe(policy_domain)} --withdraw {number}", err=True
        )
    return 0


def _untold(store: Store, fix: Fix) -> str:
    """Return that no report tells what a repair is about, and where they tell it; "" if some do.

    Raises UsageError, with near names, for a cause that is none: a repair of it would never close anything.
    """
    told = failures.series(store, Scope(policy_domain=fix.policy_domain))
    causes = {row.cause for row in told}
    if fix.cause not in EXPLANATIONS and fix.cause not in causes:
        near = difflib.get_close_matches(fix.cause, sorted(causes.union(EXPLANATIONS)), n=3)
        hint = f"; is it {', '.join(near)}?" if near else ""
        raise click.UsageError(f"{fix.cause}: not a cause, and no report about {fix.policy_domain} tells it{hint}")
    places = [row.mx_key for row in told if row.cause == fix.cause]
    if not places:
        return f"no report about {fix.policy_domain} tells {fix.cause} so far"
    if fix.mx_key and fix.mx_key not in places:
        known = ", ".join(map(place, dict.fromkeys(places[:_PLACES])))
        return f"no report about {fix.policy_domain} tells {fix.cause} at {place(fix.mx_key)} so far, only at {known}"
    return ""


def _mx_key(mx: str) -> str:
    """Return an MX as failures have it."""
    mx = mx.strip().lower()
    bare = mx.removeprefix("ip:").removeprefix("[").removesuffix("]")
    if config.is_address(bare):
        return f"ip:{address(bare).value}"
    return mx if mx in {"", "*"} else parsed(mx).value


def _withdrawn(database: Path, what: str, number: int, policy_domain: str, now: datetime) -> int:
    if not decisions.withdraw(Store.open(database), what, number, policy_domain, now):
        raise click.ClickException(f"{policy_domain} has no {what} {number} that was not withdrawn")
    click.echo(f"{what} {number} is withdrawn", err=True)
    return 0


@one_line
def acknowledge(  # noqa: PLR0913 - the options of the command
    database: Path,
    domain: str,
    name: str | None,
    *,
    reason: str,
    who: str | None,
    expires: date | None,
    profile: str | None,
    as_of: datetime | None,
    withdraw: int | None = None,
) -> int:
    """Record that a warning is accepted, or take that back, and return the exit status."""
    [policy_domain] = asked([domain])
    now = as_of or utc_now().replace(microsecond=0)
    if withdraw is not None:
        return _withdrawn(database, "acknowledgement", withdraw, policy_domain, now)
    if not name or not reason.strip():
        command = f"tlsrpt acknowledge {policy_domain} {name or 'C29'} --reason TEXT"
        raise click.UsageError(f"a criterion and --reason are needed: {command}")
    store = Store.open(database)
    _, wanted = config.parameters(profile)
    accepted = accept(
        store, policy_domain, name, reason=reason, who=said_by(who), expires=expires, now=now, wanted=wanted
    )
    click.echo(
        f"accepted until {plain.exact(accepted.expires_at)} as acknowledgement {accepted.acknowledgement},"
        " or until the warning is about something else",
        err=True,
    )
    return 0


def accept(  # noqa: PLR0913 - what an acknowledgement has
    store: Store,
    policy_domain: str,
    name: str,
    *,
    reason: str,
    who: str,
    expires: date | None,
    now: datetime,
    wanted: Parameters,
) -> Acknowledgement:
    """Record that the warning of a criterion, as it stands now, is accepted; return it.

    Raises UsageError for what is no warning, or a time that is past or too far.
    """
    known = criterion(name)
    if known is None:
        raise click.UsageError(f"{name}: no such criterion: tlsrpt ready {policy_domain} lists them")
    if known.name in ANSWERED:
        command = f"tlsrpt answer {policy_domain} {known.name} yes"
        raise click.UsageError(f"{known.name} is a question, answered and not accepted: {command}, or no")
    state = readiness.judge(store, policy_domain, now, wanted).state(known.name)
    if not state.is_warning:
        what = "required, and not to be waived" if state.is_blocking else f"{state.state}, nothing to accept"
        raise click.UsageError(f"{known.name} of {policy_domain} is {what}: {state.reason}")
    latest = now + timedelta(days=ACKNOWLEDGED_DAYS)
    until = latest if expires is None else datetime.combine(expires, latest.time())
    if not now < until <= latest:
        raise click.UsageError(f"--expires {until.date()}: not within {ACKNOWLEDGED_DAYS} days from now")
    own = basis(state.criterion, state.found)
    made = Acknowledgement(0, policy_domain, known.name, own, reason.strip(), who, now, until)
    [number] = decisions.acknowledge(store, [made])
    return made._replace(acknowledgement=number)


@one_line
def answer(  # noqa: PLR0913 - the options of the command
    database: Path,
    domain: str,
    name: str | None,
    said: str | None,
    *,
    note: str,
    who: str | None,
    on: date | None,
    as_of: datetime | None,
    withdraw: int | None = None,
) -> int:
    """Record the answer to a question that no report can tell, or take one back, and return the exit status."""
    [policy_domain] = asked([domain])
    now = as_of or utc_now().replace(microsecond=0)
    if withdraw is not None:
        return _withdrawn(database, "answer", withdraw, policy_domain, now)
    if not name or not said:
        command = f"tlsrpt answer {policy_domain} {name or ANSWERED[0]} yes"
        raise click.UsageError(f"a criterion and yes or no are needed: {command}")
    given = _answer(policy_domain, name, said, note=note, who=said_by(who), on=on, now=now)
    number = decisions.answer(Store.open(database, create=True), given)
    click.echo(f"{_in_words(given)}, recorded as answer {number}", err=True)
    return 0


def _answer(policy_domain: str, name: str, said: str, *, note: str, who: str, on: date | None, now: datetime) -> Answer:
    """Return an answer to be recorded. Raises UsageError for what is no question, and for neither yes nor no."""
    known = criterion(name)
    if known is None or known.name not in ANSWERED:
        raise click.UsageError(f"{name}: not one of {', '.join(ANSWERED)}")
    if said not in {"yes", "no"}:
        raise click.UsageError(f"{said or 'nothing'}: the answer is yes or no")
    return Answer(policy_domain, known.name, said == "yes", note, who, on, now)


def _in_words(given: Answer) -> str:
    known = criterion(given.criterion)
    assert known is not None
    return f"{known.name} {known.title}: {'yes' if given.answer else 'no'}"


# For the screens


class Weighed(NamedTuple):
    """The verdict on a domain, as the board has it."""

    verdict: str
    waits_for: str
    days_in_testing: int | None
    tally: str  # how many criteria stand how
    first: tuple[Row, ...]  # what stands in the way first
    more: int  # criteria that are not among these
    remedy: str


class Row(NamedTuple):
    """One criterion in a line."""

    state: str
    name: str
    title: str
    reason: str


def weigh(store: Store, now: datetime, first: Sequence[str]) -> Iterator[dict[str, Weighed]]:
    """Yield the verdicts on every domain, some at a time, those of `first` first.

    Raises StoreError, also for a configuration at fault.
    """
    _, wanted = _configured()
    for part in readiness.parts(store, now, wanted, first=first):
        yield {one.evidence.policy_domain: _weighed(one) for one in part}


def _weighed(one: Judgement) -> Weighed:
    mine = one.in_the_way
    rows = tuple(Row(state.state, state.name, state.criterion.title, state.reason) for state in mine[:FIRST])
    remedy = mine[0].remedy if one.waits_for else ""
    return Weighed(
        one.verdict, one.waits_for, one.days_in_testing, judged.tally(one), rows, len(mine) - len(rows), remedy
    )  # fmt: skip


def looked(
    store: Store, policy_domain: str, now: datetime, since: date, *, days: int, failing: bool = False
) -> Evidence:
    """Return what looks tell of a domain, reports of so many days, and the policies trusted ones told since a day.

    Raises StoreError, as above.
    """
    _, wanted = _configured()
    scope = Scope(policy_domain=policy_domain, policy_type="sts", since=since, until=now.date())
    found = policies.spans(store, scope, trusted=True)
    told = [PolicySpan(one.policy_domain, one.canonical, one.first_day, one.last_day) for one in found]
    return readiness.looked(store, policy_domain, now, wanted, days=days, failing=failing, policies=told)


def whole(store: Store, policy_domain: str, now: datetime) -> judged.Full:
    """Return the verdict on a domain with everything beside it. Raises StoreError, as above."""
    used, wanted = _configured()
    return judged.full(readiness.judge(store, policy_domain, now, wanted), used)


def evidence(store: Store, policy_domain: str, now: datetime) -> Evidence:
    """Return everything known about a domain, for the parameters of the configuration. Raises StoreError, as above."""
    _, wanted = _configured()
    return readiness.evidence(store, policy_domain, now, wanted)


def plan_page(store: Store, policy_domain: str, now: datetime) -> list[Said]:
    """Return the next step of a domain, to read. Raises StoreError, as above."""
    _, wanted = _configured()
    return planned.page(planning.plan(readiness.judge(store, policy_domain, now, wanted)))


def details_page(store: Store, policy_domain: str, now: datetime) -> list[Said]:
    """Return everything beside the criteria of a domain, to read. Raises StoreError, as above."""
    return judged.details(whole(store, policy_domain, now))


def damages(store: Store, policy_domain: str, now: datetime) -> dict[tuple[str, str], Damage]:
    """Return what fails at a domain and whose fault that is, by cause and MX. Raises StoreError.

    A configuration at fault keeps nobody from the failures: it is told where verdicts are.
    """
    try:
        used, wanted = config.parameters()
    except click.ClickException:
        return {}
    told = judged.full(readiness.judge(store, policy_domain, now, wanted), used)
    return {(one.cause, one.mx_key): one for one in (*told.blast.damages, *told.other)}


def fault(one: Damage | None) -> str:
    """Return whose fault a series is and why, "" if it is not among what is judged."""
    if one is None:
        return ""
    return f"{one.fault.fault} ({one.status}): {'; '.join(one.fault.facts) or 'nothing more is known'}"


def _configured() -> tuple[str, Parameters]:
    try:
        return config.parameters()
    except click.ClickException as error:
        raise StoreError(error.message) from error


def decided(opened: Callable[[], Store], what: str, words: Sequence[str], now: datetime) -> tuple[str, str]:
    """Record what a form was filled in with; return what was done, and why it could not be, one of them empty."""
    try:
        if what == "fix":
            return _fixed(opened(), words, now), ""
        if what == "answer":
            return _answered(opened(), words, now), ""
        return _accepted(opened(), words, now), ""
    except (StoreError, click.ClickException) as error:
        return "", error.message if isinstance(error, click.ClickException) else str(error)


class Decision(NamedTuple):
    """A repair, an accepted warning or an answer that can be taken back."""

    what: str  # "fix", "acknowledgement" or "answer"
    number: int
    policy_domain: str
    recorded_at: datetime
    words: str


def newest_decision(store: Store, policy_domain: str) -> Decision | None:
    """Return what was recorded last about a domain and not withdrawn, None if there is nothing."""
    scope = Scope(policy_domain=policy_domain)
    found = [
        Decision(
            "fix", one.fix, policy_domain, one.recorded_at, f"{one.cause} at {place(one.mx_key)}: {one.note or '-'}"
        )
        for one in recorded.fixes(store, scope)
    ]
    found += [
        Decision(
            "acknowledgement", one.acknowledgement, policy_domain, one.recorded_at, f"{one.criterion}: {one.reason}"
        )
        for one in recorded.acknowledgements(store, scope)
    ]
    found += [
        Decision(
            "answer", one.number, policy_domain, one.recorded_at, f"{_in_words(one)}{one.note and f': {one.note}'}"
        )
        for one in recorded.answers(store, scope)
    ]
    return max(found, key=lambda one: (one.recorded_at, one.number), default=None)


def taken_back(store: Store, decision: Decision, now: datetime) -> str:
    """Withdraw a decision and return what was done. Raises StoreError."""
    known = f"{decision.what} {decision.number}"
    if decisions.withdraw(store, decision.what, decision.number, decision.policy_domain, now):
        return f"{known} is withdrawn"
    return f"{known} was withdrawn meanwhile"


def _fixed(store: Store, words: Sequence[str], now: datetime) -> str:
    policy_domain, cause, mx, when, note, name = words
    if not cause:
        raise click.UsageError("a cause is needed, as in the list of failures")
    at = _moment(when) or now
    if at > now:
        raise click.UsageError(f"{when}: a repair is recorded when it was made, not before")
    wanted = Fix(0, policy_domain, cause, _mx_key(mx), at, note, said_by(name), now)
    untold = _untold(store, wanted)
    [number] = decisions.fix(store, [wanted])
    return f"fix {number} is recorded; {untold or 'p looks whether it holds'}"


def _accepted(store: Store, words: Sequence[str], now: datetime) -> str:
    policy_domain, name, reason, who, expires = words
    if not reason:
        raise click.UsageError("a reason is needed")
    _, wanted = _configured()
    until = _moment(expires)
    made = accept(
        store, policy_domain, name, reason=reason, who=said_by(who), expires=until.date() if until else None,
        now=now, wanted=wanted,
    )  # fmt: skip
    return f"{made.criterion} is accepted until {made.expires_at.date()}"


def _answered(store: Store, words: Sequence[str], now: datetime) -> str:
    policy_domain, name, said, note, who, *planned = words
    day = _moment("".join(planned))
    yes_or_no = {"y": "yes", "n": "no"}.get(said.lower(), said.lower())
    given = _answer(
        policy_domain, name, yes_or_no, note=note, who=said_by(who), on=day.date() if day else None, now=now
    )
    decisions.answer(store, given)
    return _in_words(given)


def _moment(words: str) -> datetime | None:
    """Return the UTC time that words give, None for none. Raises UsageError."""
    if not words:
        return None
    try:
        found = datetime.fromisoformat(words)
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"{words}: not a day or a time such as 2026-03-20T06:00") from error


def written(told: judged.Full, ending: str) -> str:
    """Return a checklist as a file with this ending has it."""
    if ending == ".md":
        return judged.markdown(told)
    if ending == ".json":
        return json.dumps([judged.document(told)], indent=2) + "\n"
    if ending == ".csv":
        return plain.written(plain.Table(list(judged.checklist(told)), judged.CHECKLIST, judged.CHECKLIST), "csv", None)
    return lines(judged.page(told))
