"""A verdict as something to read, as rows, and as a checklist to sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tlsrpt.enforce import planning
from tlsrpt.enforce.blast import Blast, Damage, blast, other
from tlsrpt.enforce.criteria import STATES
from tlsrpt.enforce.fault import disagreements
from tlsrpt.enforce.hosts import MxHost, mx_hosts
from tlsrpt.enforce.parameters import parameters
from tlsrpt.knowledge import IMPACTS
from tui import plain
from tui.said import Said
from tui.text import idn
from tui.words import STATE_STYLES, VERDICT_STYLES, count, lasting, moment, place, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tlsrpt.enforce.verdict import Judgement, State

_SHOWN = 60  # claims and holders on a page
_COMPARED = 3  # disagreements on a page, newest first

BOARD = (
    "policy_domain",
    "verdict",
    "mode",
    "days_in_testing",
    "waits_for",
    "remedy",
    "fail",
    "unknown",
    "warn",
    "evaluated",
    "would_block",
)
BOARD_COLUMNS = ("policy_domain", "verdict", "mode", "days_in_testing", "waits_for")

CHECKLIST = ("policy_domain", "verdict", "kind", "name", "title", "state", "required", "reason", "remedy", "note")


class Full(NamedTuple):
    """A verdict and what is told beside it."""

    judgement: Judgement
    profile: str
    blast: Blast
    other: Sequence[Damage]
    hosts: Sequence[MxHost]
    holders: Sequence[planning.Sees]


def full(judgement: Judgement, profile: str, days: int | None = None) -> Full:
    """Return a verdict with everything beside it; the blast radius over so many days, else over the window."""
    evidence = judgement.evidence
    return Full(
        judgement,
        profile,
        blast(evidence, days),
        other(evidence, days),
        mx_hosts(evidence),
        list(planning.holders(evidence)),
    )


def counts(judgement: Judgement) -> dict[str, int]:
    """Return how many criteria that matter for the verdict are in each state."""
    found = [one.state for one in judgement.states if one.criterion.lowers]
    return {state: found.count(state) for state in STATES}


def tally(judgement: Judgement) -> str:
    """Return the states in numbers."""
    return "  ".join(f"{number} {state}" for state, number in counts(judgement).items() if number)


def basis(judgement: Judgement, profile: str) -> str:
    """Return what a verdict rests on: the moment, the parameters, whose word the reports have."""
    evidence = judgement.evidence
    reports = evidence.reports.reports if evidence.reports else 0
    small = ", low volume" if evidence.is_low_volume else ""
    usual = parameters(profile)
    claimed = "; others are claims and count for nothing" if evidence.claims else ""
    chosen = "".join(
        f", {name} {value}" for name, value in evidence.parameters.model_dump().items() if value != getattr(usual, name)
    )
    return (
        f"as of {moment(evidence.now)}, settled to {evidence.settled}; profile {profile}{chosen}{small};"
        f" {count(reports, 'report')} vouched for or signed{claimed}"
    )


# Rows


def board_row(judgement: Judgement) -> dict[str, object]:
    """Return the row of a domain on the board."""
    evidence = judgement.evidence
    rate = evidence.rate(evidence.window)
    number = counts(judgement)
    waits = judgement.waits_for
    return {
        "policy_domain": evidence.policy_domain,
        "verdict": judgement.verdict,
        "mode": evidence.mode,
        "days_in_testing": judgement.days_in_testing,
        "waits_for": waits,
        "remedy": judgement.in_the_way[0].remedy if waits else "",
        "fail": number["FAIL"],
        "unknown": number["UNKNOWN"],
        "warn": number["WARN"],
        "evaluated": rate.evaluated,
        "would_block": rate.blocked,
    }


def document(told: Full) -> dict[str, Any]:
    """Return everything about one domain, for JSON."""
    judgement = told.judgement
    evidence = judgement.evidence
    return {
        **board_row(judgement),
        "as_of": plain.exact(evidence.now),
        "settled_to": plain.exact(evidence.settled),
        "profile": told.profile,
        "low_volume": evidence.is_low_volume,
        "parameters": evidence.parameters.model_dump(),
        "alerts": list(judgement.alerts),
        "conditions": [plain.exact(one) for one in judgement.conditions],
        "criteria": [_criterion(one) for one in judgement.states],
        "blast_radius": _blast(told.blast),
        "series": [_damage(one) for one in (*told.blast.damages, *told.other)],
        "disagreements": [
            {
                "day": plain.exact(one.day),
                "mx_key": one.mx_key,
                "told": [{"organization": name, "told": words} for name, words in one.told],
            }
            for one in _disagreements(told)
        ],
        "mx": [plain.exact(one) | {"evidence": one.evidence} for one in told.hosts],
        "holders": [plain.exact(one) for one in told.holders],
        "claims": [plain.exact(one) for one in evidence.claims],
        "fixes": [plain.exact(one) for one in evidence.fixes],
        "acknowledgements": [
            plain.exact(one) | {"holds": any(state.acknowledged == one for state in judgement.states)}
            for one in evidence.acknowledgements
        ],
        "answers": [plain.exact(one) for one in evidence.by_answer.values()],
    }


def _criterion(one: State) -> dict[str, object]:
    accepted = one.acknowledged
    return {
        "criterion": one.name,
        "title": one.criterion.title,
        "state": one.state,
        "required": one.criterion.required,
        "reason": one.reason,
        "remedy": one.remedy,
        "acknowledged": plain.exact(accepted) if accepted else None,
        "facts": [plain.exact(fact) for fact in one.found.facts],
    }


def _blast(one: Blast) -> dict[str, object]:
    found: dict[str, object] = plain.exact(one)
    return found | {"damages": [_damage(damage) for damage in one.damages]}


def _damage(one: Damage) -> dict[str, object]:
    found: dict[str, object] = plain.exact(one)
    del found["rows"]
    reports = list(dict.fromkeys(row.report for row in one.rows))
    return found | {"fault": one.fault.fault, "facts": list(one.fault.facts), "reports": reports}


def _disagreements(told: Full) -> list[Any]:
    rows = [row for damage in told.blast.damages for row in damage.rows]
    return disagreements(told.judgement.evidence, rows)


def checklist(told: Full) -> Iterator[dict[str, object]]:
    """Yield the checklist as rows: conditions, criteria, blast radius, MXs, repairs, acknowledgements, claims."""
    judgement = told.judgement
    evidence = judgement.evidence

    def row(kind: str, name: str, title: str, **more: object) -> dict[str, object]:
        about = {"policy_domain": evidence.policy_domain, "verdict": judgement.verdict, "kind": kind}
        empty: dict[str, object] = dict.fromkeys(CHECKLIST, "")
        return empty | about | {"name": name, "title": title} | more

    yield row("verdict", judgement.verdict, basis(judgement, told.profile), reason=judgement.waits_for)
    for condition in judgement.conditions:
        yield row("condition", "", condition.condition, state=condition.state, reason=condition.reason)
    for one in judgement.states:
        yield row(
            "criterion", one.name, one.criterion.title, state=one.state, required=one.criterion.required,
            reason=one.reason, remedy=one.remedy, note=_accepted(one),
        )  # fmt: skip
    for damage in told.blast.damages:
        yield row(
            "blast radius", damage.cause, place(damage.mx_key), state=damage.status,
            reason=_told(damage), note=f"{damage.fault.fault}: {'; '.join(damage.fault.facts)}",
        )  # fmt: skip
    for host in told.hosts:
        yield row("mx", host.host, host.evidence, state=host.looked)
    for fix in evidence.fixes:
        title = f"{fix.cause} at {place(fix.mx_key) if fix.mx_key else 'every place'}"
        yield row("fix", str(fix.fix), title, reason=f"fixed {moment(fix.fixed_at)}", note=_by(fix.note, fix.name))
    for accepted in evidence.acknowledgements:
        holds = any(state.acknowledged == accepted for state in judgement.states)
        yield row(
            "acknowledgement", accepted.criterion, accepted.reason, state="holds" if holds else "void",
            reason=f"until {moment(accepted.expires_at)}", note=_by("", accepted.name),
        )  # fmt: skip
    for claim in evidence.claims:
        yield row("claim", claim.organization, _claimed(claim), state=claim.trust)
    for alert in judgement.alerts:
        yield row("alert", "", alert)


def _by(note: str, name: str) -> str:
    return ", ".join(filter(None, (note, name)))


def _accepted(one: State) -> str:
    accepted = one.acknowledged
    if accepted is None:
        return ""
    return f"accepted until {accepted.expires_at.date()}: {_by(accepted.reason, accepted.name)}"


def _claimed(claim: Any) -> str:  # noqa: ANN401 - a Claim
    return (
        f"{count(claim.reports, 'report')}, {count(claim.sessions, 'session')}, {claim.failed:,} failed,"
        f" {claim.would_block:,} would block"
    )


def _told(damage: Damage) -> str:
    """Return what a series comes to, in figures."""
    again = ", recurring" if damage.recurring else ""
    return (
        f"{count(damage.sessions, 'session')}, {count(len(damage.organizations), 'organization')},"
        f" {count(damage.days, 'day')}, {span(damage.first_day, damage.last_day)}{again}"
    )


# To read


def head(judgement: Judgement, profile: str) -> list[Said]:
    """Return the verdict, what it rests on, and the three conditions."""
    evidence = judgement.evidence
    said = [
        Said(idn(evidence.policy_domain), style="heading"),
        Said(f"{judgement.verdict}   {tally(judgement)}", style=VERDICT_STYLES[judgement.verdict]),
        Said(basis(judgement, profile), style="dim"),
    ]
    said += [Said(alert, "ALERT", "bad") for alert in judgement.alerts]
    said.append(Said(""))
    for one in judgement.conditions:
        reason = "" if one.state == "PASS" else f": {one.reason}"
        said.append(Said(f"{one.condition}{reason}", one.state, STATE_STYLES[one.state]))
    return said


def page(told: Full) -> list[Said]:
    """Return the whole checklist, what stands in the way first, and everything beside it."""
    judgement = told.judgement
    said = [*head(judgement, told.profile), Said(""), Said("Criteria", style="heading")]
    before = ""
    for one in judgement.in_the_way:
        style = "" if one.state in {"PASS", "N-A"} else STATE_STYLES[one.state] if one.criterion.lowers else "dim"
        said.append(Said(f"{one.name} {one.criterion.title}: {one.reason}", one.state, style))
        if one.remedy and one.remedy != before and one.state != "PASS" and one.criterion.kind != "answer":
            said.append(Said(one.remedy, " "))
        before = one.remedy
        if accepted := _accepted(one):
            said.append(Said(accepted, " ", "dim"))
    return [*said, Said(""), *details(told)]


def details(told: Full) -> list[Said]:
    """Return what stands beside the criteria, a heading each."""
    judgement = told.judgement
    claims = judgement.evidence.claims
    said = [
        *_blast_page(told), *_hosts_page(told.hosts), *_holders_page(told.holders), *_decisions_page(judgement)
    ]  # fmt: skip
    if claims:
        words = "Claims: nobody answers for these reports, and they count for nothing"
        said += [Said(""), Said(words, style="heading")]
        said += [Said(f"{one.organization}: {_claimed(one)}", one.trust) for one in claims[:_SHOWN]]
        said += _more(len(claims))
    return said


def _more(number: int) -> list[Said]:
    return [Said(f"and {number - _SHOWN:,} more", style="dim", indent=2)] if number > _SHOWN else []


def _blast_page(told: Full) -> Iterator[Said]:
    found = told.blast
    yield Said(f"What enforce would have held back, {span(found.since, found.until)}", style="heading")
    if not found.damages:
        yield Said(f"Nothing, in {count(found.evaluated, 'session')}.", style="good" if found.evaluated else "warn")
    else:
        mended = f", {found.mended:,} of them mended since" if found.mended else ""
        names = count(len(found.organizations), "organization")
        yield Said(
            f"{count(found.sessions, 'session')} of {found.evaluated:,}, {names}, {count(found.days, 'day')}{mended}."
            " Another MX may have taken some of that mail: reports do not tell."
        )
    for one in (*found.damages, *told.other):
        blocks = "" if one in found.damages else f" ({IMPACTS.get(one.impact, 'enforce does not touch it')})"
        style = "bad" if one.status == "open" and not blocks else ""
        yield Said(f"{one.cause} at {place(one.mx_key)}: {_told(one)}{blocks}", one.status, style)
        yield Said(f"fault {one.fault.fault}: {'; '.join(one.fault.facts) or 'nothing more is known'}", " ")
    compared = _disagreements(told)
    if compared:
        yield Said("")
        yield Said("Reporters that disagree about an MX on a day", style="heading")
        for entry in compared[:_COMPARED]:
            yield Said(place(entry.mx_key), str(entry.day), "heading")
            for name, words in entry.told:
                yield Said(f"{name}: {words}", " ")
        if len(compared) > _COMPARED:
            yield Said(f"and {len(compared) - _COMPARED:,} more; all of them with --format json", style="dim", indent=2)


def _hosts_page(hosts: Sequence[MxHost]) -> Iterator[Said]:
    if not hosts:
        return
    yield Said("")
    yield Said("Evidence for each MX", style="heading")
    for one in hosts:
        dns = {True: "", False: "; not in DNS", None: "; DNS not looked at"}[one.in_dns]
        policy = {True: "", False: "; not in the policy", None: ""}[one.in_policy]
        yield Said(f"{idn(one.host)}: {one.evidence}{dns}{policy}", one.looked, "" if one.looked == "PASS" else "warn")


def _holders_page(holders: Sequence[planning.Sees]) -> Iterator[Said]:
    if not holders:
        return
    yield Said("")
    yield Said("Who works from which policy, and when a change made now is seen", style="heading")
    first = holders[0]
    yield Said(
        f"Expected by {moment(first.expected)}, typically by {moment(first.typical)}; at the latest:", style="dim"
    )
    for one in holders[:_SHOWN]:
        age = lasting(one.max_age)
        yield Said(
            f"{one.organization}: {one.mode}, max_age {age}, {one.kind} (told {one.day}); {moment(one.latest)}", " "
        )
    yield from _more(len(holders))


def _decisions_page(judgement: Judgement) -> Iterator[Said]:
    evidence = judgement.evidence
    if evidence.fixes:
        yield Said("")
        yield Said("Fixes", style="heading")
        for one in evidence.fixes:
            where = place(one.mx_key) if one.mx_key else "every place"
            yield Said(
                f"{one.cause} at {where}, fixed {moment(one.fixed_at)} {_by(one.note, one.name)}".rstrip(), str(one.fix)
            )
    if evidence.acknowledgements:
        yield Said("")
        yield Said("Acknowledgements", style="heading")
        for accepted in evidence.acknowledgements:
            holds = any(state.acknowledged == accepted for state in judgement.states)
            state = "holds" if holds else "void"
            until = f"until {moment(accepted.expires_at)}"
            words = f"{accepted.criterion} {until}, {state}: {_by(accepted.reason, accepted.name)}"
            yield Said(words, str(accepted.acknowledgement), "" if holds else "dim")


def markdown(told: Full) -> str:
    """Return the checklist as a document that a team can sign and a change ticket can carry."""
    judgement = told.judgement
    evidence = judgement.evidence
    escape = plain.markdown
    parts = [
        f"# {escape(idn(evidence.policy_domain))}: may the MTA-STS policy go to enforce?\n",
        f"**{escape(judgement.verdict)}**  {escape(tally(judgement))}\n",
        f"{escape(basis(judgement, told.profile))}\n",
    ]
    if judgement.alerts:
        parts.append("".join(f"- ALERT: {escape(one)}\n" for one in judgement.alerts))
    rows = list(checklist(told))

    def section(title: str, kinds: Iterable[str], columns: tuple[str, ...]) -> None:
        mine = [row for row in rows if row["kind"] in set(kinds)]
        if mine:
            table = plain.written(plain.Table(mine, columns, columns), "markdown", None)
            parts.append(f"## {title}\n\n{table}")

    section("Conditions", ("condition",), ("state", "title", "reason"))
    section("Criteria", ("criterion",), ("name", "title", "state", "required", "reason", "remedy", "note"))
    period = f"{told.blast.since} to {told.blast.until}"
    section(
        f"What enforce would have held back, {period}", ("blast radius",), ("state", "name", "title", "reason", "note")
    )
    section("Evidence for each MX", ("mx",), ("name", "state", "title"))
    section("Fixes", ("fix",), ("name", "title", "reason", "note"))
    section("Acknowledgements", ("acknowledgement",), ("name", "state", "title", "reason", "note"))
    section("Claims, which count for nothing", ("claim",), ("name", "state", "title"))
    parts.append("## Evidence\n")
    for one in judgement.states:
        if one.found.facts:
            facts = [plain.exact(fact) for fact in one.found.facts[:50]]
            fields = ("day", "about", "detail", "sessions", "report")
            table = plain.written(plain.Table(facts, fields, fields), "markdown", None)
            more = len(one.found.facts) - 50
            rest = f"\nand {more:,} rows more\n" if more > 0 else ""
            parts.append(f"### {one.name} {escape(one.criterion.title)}\n\n{table}{rest}")
    chosen = ", ".join(f"{name} {value}" for name, value in evidence.parameters.model_dump().items())
    parts.append(f"## Parameters\n\n{escape(chosen)}\n")
    parts.append("## Signed\n\n| Name | Role | Date |\n| --- | --- | --- |\n|  |  |  |\n|  |  |  |\n")
    return "\n".join(parts)
