"""The verdict: may this domain's policy go to `enforce`, and what stands in the way.

No weights: strength in one criterion buys off nothing in another. The program recommends; it publishes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from shlex import quote
from typing import NamedTuple

from tlsrpt.enforce import drift, live_criteria, report_criteria
from tlsrpt.enforce.criteria import ANSWERED, CRITERIA, STATES, Criterion, Fact, Found
from tlsrpt.enforce.evidence import Acknowledgement, Evidence  # noqa: TC001 - a NamedTuple of ours names them
from tlsrpt.published import MxFacts

# Worst first: where mail is held back now.
VERDICTS = ("IN_FORCE_FAILING", "NOT_READY", "INSUFFICIENT_EVIDENCE", "READY_WITH_WARNINGS", "READY", "IN_FORCE", "N_A")
EXIT_STATUS = {
    "NOT_READY": 5,
    "IN_FORCE_FAILING": 5,
    "INSUFFICIENT_EVIDENCE": 4,
    "READY_WITH_WARNINGS": 3,
    "READY": 0,
    "IN_FORCE": 0,
    "N_A": 0,
}

# The three conditions that popular guides name, and the criteria that are the evidence for each.
CONDITIONS = (
    ("no recurring failures in 7 days", ("C24",)),
    ("all MXs in the policy", ("C04",)),
    ("valid certificates on every MX", ("C05", "C06")),
)


class State(NamedTuple):
    """How one criterion stands."""

    criterion: Criterion
    found: Found
    acknowledged: Acknowledgement | None = None

    @property
    def name(self) -> str:
        """Return the name of the criterion."""
        return self.criterion.name

    @property
    def state(self) -> str:
        """Return one of STATES."""
        return self.found.state

    @property
    def reason(self) -> str:
        """Return why, in one line."""
        return self.found.reason

    @property
    def remedy(self) -> str:
        """Return what to do, in one line."""
        return self.found.remedy

    @property
    def is_warning(self) -> bool:
        """Return whether it keeps a verdict from READY and can be acknowledged."""
        if not self.criterion.lowers:
            return False
        return self.state == "WARN" or (not self.criterion.required and self.state in {"FAIL", "UNKNOWN"})

    @property
    def is_blocking(self) -> bool:
        """Return whether no acknowledgement helps."""
        return self.criterion.required and self.state in {"FAIL", "UNKNOWN"}


class Condition(NamedTuple):
    """One of the three conditions of popular guides."""

    condition: str
    state: str
    reason: str


class Judgement(NamedTuple):
    """The verdict on a domain and everything it rests on."""

    evidence: Evidence
    verdict: str
    states: tuple[State, ...]  # in the order of CRITERIA
    conditions: tuple[Condition, ...]
    alerts: tuple[str, ...]  # security matters, whatever the verdict

    def state(self, name: str) -> State:
        """Return how a criterion stands."""
        return next(one for one in self.states if one.name == name)

    @property
    def in_the_way(self) -> list[State]:
        """Return the states, what stands in the way first."""

        def rank(one: State) -> tuple[int, int]:
            if one.is_blocking:
                # That a domain with little mail is to be seen from two places is the last of its worries.
                last = one.name == "C05" and self.evidence.is_low_volume
                return (0, 0) if one.state == "FAIL" else (1, int(last))
            if one.is_warning:
                return (3 if one.acknowledged else 2), STATES.index(one.state)
            return (4 if one.criterion.lowers else 5), STATES.index(one.state)

        return sorted(self.states, key=rank)

    @property
    def waits_for(self) -> str:
        """Return what to do or to wait for first, "" if nothing."""
        first = self.in_the_way[0]
        if self.verdict in {"READY", "IN_FORCE", "N_A"}:
            return ""
        if self.verdict == "IN_FORCE_FAILING" or first.is_blocking or first.is_warning:
            return f"{first.name} {first.reason}"
        return "so little mail: no better verdict without more of it"

    @property
    def days_in_testing(self) -> int | None:
        """Return for how many days, today included, the policy is in testing; None if it is not."""
        began = self.evidence.testing_since
        if began is None or self.evidence.mode != "testing":
            return None
        return (self.evidence.now.date() - began).days + 1


_JUDGES: Mapping[str, Callable[[Evidence], Found]] = {**live_criteria.JUDGES, **report_criteria.JUDGES}


def judge(evidence: Evidence) -> Judgement:
    """Return the verdict at the moment of the evidence."""
    found = {one.name: _found(evidence, one) for one in CRITERIA}
    states = tuple(State(one, found[one.name], _acknowledged(evidence, one, found[one.name])) for one in CRITERIA)
    conditions = tuple(_condition(words, [found[name] for name in names]) for words, names in CONDITIONS)
    return Judgement(evidence, _verdict(evidence, states), states, conditions, tuple(_alerts(evidence)))


def _found(evidence: Evidence, criterion: Criterion) -> Found:
    if criterion.name in ANSWERED:
        return _answered(evidence, criterion)
    return _JUDGES[criterion.name](evidence)


def _answered(evidence: Evidence, criterion: Criterion) -> Found:
    given = evidence.by_answer.get(criterion.name)
    domain = evidence.policy_domain
    if given is None:
        # What is to be done about it is known all the same: the operations of C40 and on.
        state = "WARN" if criterion.name >= "C40" else "UNKNOWN"
        remedy = f"`tlsrpt answer {quote(domain)} {criterion.name} yes`, or no."
        return Found(state, "not answered", remedy, (Fact(None, "operator", "not answered"),))
    who = f", {given.name}" if given.name else ""
    planned = f", planned on {given.on_day}" if given.on_day else ""
    note = f": {given.note}" if given.note else ""
    facts = (Fact(given.recorded_at.date(), given.name or "operator", f"{'yes' if given.answer else 'no'}{note}"),)
    if given.answer:
        return Found("PASS", f"yes{note}{who}{planned}", facts=facts)
    remedy = f"See to it, then `tlsrpt answer {quote(domain)} {criterion.name} yes`."
    return Found("WARN", f"no{note}{who}{planned}", remedy, facts)


def _verdict(evidence: Evidence, states: Sequence[State]) -> str:
    if evidence.takes_no_mail:
        return "N_A"
    required = {one.state for one in states if one.criterion.required}
    if evidence.mode == "enforce":
        return "IN_FORCE_FAILING" if "FAIL" in required else "IN_FORCE"
    if "FAIL" in required:
        return "NOT_READY"
    if "UNKNOWN" in required:
        return "INSUFFICIENT_EVIDENCE"
    if evidence.is_low_volume or any(one.is_warning and one.acknowledged is None for one in states):
        return "READY_WITH_WARNINGS"
    return "READY"


def _condition(words: str, found: Sequence[Found]) -> Condition:
    worst = min(found, key=lambda one: STATES.index(one.state))
    return Condition(words, worst.state, worst.reason)


# Acknowledgements

_PARTS = 64  # of what a warning rests on, told apart


def basis(criterion: Criterion, found: Found) -> str:
    """Return hashes of what a warning rests on, one for each thing, or one for all if they are many."""
    parts = found.basis or ("",)
    told = parts if len(parts) <= _PARTS else ("\n".join(parts),)
    return " ".join(dict.fromkeys(_hash(f"{criterion.name}\n{found.state}\n{part}") for part in told))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _acknowledged(evidence: Evidence, criterion: Criterion, found: Found) -> Acknowledgement | None:
    """Return the acknowledgement of a warning that holds still, None without one.

    It holds while the warning is about nothing that was not accepted; that some of it is past changes nothing.
    """
    if not State(criterion, found).is_warning:
        return None
    own = set(basis(criterion, found).split())
    holding = [
        one
        for one in evidence.acknowledgements
        if one.criterion == criterion.name and own <= set(one.basis.split()) and one.expires_at > evidence.now
    ]
    return max(holding, key=lambda one: one.recorded_at, default=None)


# Alerts


def _alerts(evidence: Evidence) -> Iterable[str]:
    """Yield which policies senders had that name MXs which were never ours."""
    own = set(evidence.mx_hosts) | {
        one.host for row in evidence.past if isinstance(facts := row.observation.facts, MxFacts) for one in facts.hosts
    }
    since = evidence.settled - timedelta(days=evidence.obs_days - 1)
    told: dict[str, set[str]] = {}
    for row in evidence.sts:
        if row.day < since or evidence.kind(row) != "foreign":
            continue
        says = drift.told(row.canonical)
        strange = [mx for mx in sorted(says.mx) if not _is_own(mx, own)] if says else []
        if strange:
            told.setdefault(", ".join(strange), set()).add(row.organization)
    for strange_mx, names in sorted(told.items()):
        yield f"{', '.join(sorted(names))} had a policy for MXs that were never seen in DNS: {strange_mx}"


def _is_own(pattern: str, own: set[str]) -> bool:
    return any(drift.covers(f"mode=testing max_age=1 mx={pattern}", host) for host in own)
