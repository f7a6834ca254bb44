"""What happened at a domain on which day: its policy, its MXs, its certificates, repairs, and enforce."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tlsrpt import history
from tlsrpt.enforce import drift

if TYPE_CHECKING:
    from tlsrpt.enforce.evidence import Evidence

# What a mark is about, the weightiest first.
KINDS = {
    "enforce": "the policy came into force",
    "fix": "a repair was recorded",
    "policy": "the policy changed, as a look found it",
    "senders": "senders saw a policy for the first time",
    "mx": "the MXs changed",
    "certificate": "a certificate changed",
}
_CERTIFICATE = ("certificate", "chain")  # what changes of these are called begins with


class Mark(NamedTuple):
    """One thing that happened."""

    day: date
    kind: str  # a key of KINDS
    words: str


def marks(evidence: Evidence) -> list[Mark]:
    """Return what happened, oldest first, of one day the weightiest first."""
    found = {*_policies(evidence), *_senders(evidence), *_changes(evidence), *_fixes(evidence)}
    order = list(KINDS)
    return sorted(found, key=lambda one: (one.day, order.index(one.kind), one.words))


def _policies(evidence: Evidence) -> Iterator[Mark]:
    """Yield what looks found of the policy; nobody knows when it was published that the first one found."""
    spans = evidence.published.spans if evidence.history_since is not None else ()
    for before, after in pairwise(spans):
        yield Mark(after.since.date(), "policy", f"policy: {', '.join(differs(before.canonical, after.canonical))}")
        was, now = drift.told(before.canonical), drift.told(after.canonical)
        if now is not None and now.mode == "enforce" and (was is None or was.mode != "enforce"):
            yield Mark(
                after.since.date(), "enforce", f"in force: a look found mode enforce, max_age {_age(now.max_age)}"
            )
    first = drift.told(spans[0].canonical) if spans else None
    if first is not None and first.mode == "enforce":
        yield Mark(spans[0].since.date(), "enforce", "in force: so the first look found it")


def differs(before: str, after: str) -> list[str]:
    """Return in which respects one canonical policy differs from another."""
    was, now = drift.told(before), drift.told(after)
    if was is None or now is None:
        return ["what it says cannot be compared"]
    found = [] if was.mode == now.mode else [f"mode {was.mode}, now {now.mode}"]
    if was.max_age != now.max_age:
        found.append(f"max_age {_age(was.max_age)}, now {_age(now.max_age)}")
    if was.mx != now.mx:
        signs = [*(f"-{name}" for name in sorted(was.mx - now.mx)), *(f"+{name}" for name in sorted(now.mx - was.mx))]
        found.append(f"mx {' '.join(signs)}")
    return found


def _age(max_age: int | None) -> str:
    return "?" if max_age is None else f"{max_age:,}"


def _senders(evidence: Evidence) -> Iterator[Mark]:
    """Yield when trusted senders saw a policy first; that of their first day began before there were reports."""
    told = [one for one in evidence.policies if drift.told(one.canonical) is not None]
    begin = min((one.first_day for one in told), default=None)
    mode = ""  # that senders saw before
    for one in sorted(told, key=lambda one: one.first_day):
        says = drift.told(one.canonical)
        assert says is not None
        before, mode = mode, says.mode
        if one.first_day == begin:
            continue
        what = f"senders saw mode {says.mode}, max_age {_age(says.max_age)}, mx {' '.join(sorted(says.mx))}"
        yield Mark(one.first_day, "senders", f"{what}: {evidence.meaning(evidence.kind(one))}")
        if mode == "enforce" != before and evidence.history_since is None:
            yield Mark(one.first_day, "enforce", "in force: senders saw mode enforce; nobody looked at the domain")


def _changes(evidence: Evidence) -> Iterator[Mark]:
    """Yield changes of MXs and certificates; hosts that change alike on one day, as one."""
    hosts: dict[tuple[date, str, str, str], set[str]] = defaultdict(set)
    for change in history.changes(evidence.past):
        kind = "mx" if change.what == "MX set changed" else "certificate"
        if kind == "mx" or change.what.startswith(_CERTIFICATE):
            after = change.not_before.date() if change.not_before is not None else change.at.date()
            when = f", after {after}" if after < change.at.date() else ""
            hosts[change.at.date(), kind, change.what, when].add(change.subject.partition(" ")[0])
    for (day, kind, what, when), names in hosts.items():
        yield Mark(day, kind, f"{what}: {', '.join(sorted(names))}{when}")


def _fixes(evidence: Evidence) -> Iterator[Mark]:
    for fix in evidence.fixes:
        at = f" at {fix.mx_key.removeprefix('ip:')}" if fix.mx_key not in {"", "*"} else ""
        note = f": {fix.note}" if fix.note else ""
        yield Mark(fix.fixed_at.date(), "fix", f"repair recorded: {fix.cause}{at}{note}")
