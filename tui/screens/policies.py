"""The policies of a domain: as checks saw them and as senders saw them, with what each changed."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from queries import policies
from tui import keys
from tui.said import Said
from tui.screens.about import About
from tui.screens.empty import paged, unknown
from tui.text import idn
from tui.widgets.page import Page
from tui.words import count, moment, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from queries import Scope
    from tlsrpt.enforce.evidence import Evidence
    from tlsrpt.history import IdFault, Version
    from tlsrpt.store import Store

MOST = 50  # policies of each sort that are told


class Policies(NamedTuple):
    """The answer, oldest first."""

    versions: list[Version]  # as checks saw them
    faults: list[IdFault]
    seen: list[policies.PolicySpan]  # as senders saw them
    evidence: Evidence


class PoliciesScreen(About):
    """The policies of a domain."""

    NAME = "policies"
    AUTO_FOCUS = "Page"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("window", "domain", "about", "drafting")

    def body(self) -> ComposeResult:
        """Yield the page."""
        yield Page()

    def question(self, store: Store, scope: Scope) -> Policies:
        """Return what checks and what senders saw."""
        from tlsrpt import history  # noqa: PLC0415 - pydantic and cryptography wait for the first frame

        with store.reading():
            evidence = self.looked(store)
            versions = history.versions(evidence.past)
            seen = policies.spans(store, scope, limit=MOST)
            seen.sort(key=lambda one: (one.first_day, one.last_day, one.canonical))
            return Policies(versions, history.id_faults(versions), seen, evidence)

    def show(self, answer: Policies | None) -> None:
        """Draw them, the newest first."""
        self.query_one(Page).say(page(self.policy_domain, answer) if answer else paged(*unknown(self.policy_domain)))

    def explain(self, reason: str) -> None:
        """Show why there is nothing to ask."""
        self.query_one(Page).say([Said("The store cannot be read.", style="heading"), Said(reason)])

    def action_policies(self) -> None:
        """Stay: this is where the policies are."""


def page(policy_domain: str, found: Policies) -> list[Said]:
    """Return every policy, the newest first, each with what it changed."""
    said = [Said(idn(policy_domain)), Said(""), Said("Policies as checks saw them", style="heading")]
    if not found.versions:
        said.append(Said("No check found a policy (p looks now)."))
    older: list[Version | None] = [None, *found.versions]
    for version, before in list(zip(found.versions, older, strict=False))[: -MOST - 1 : -1]:
        said += _version(version, before, found.faults)
    said += _rest(len(found.versions) - MOST)
    said += [Said(""), Said("Policies as senders saw them", style="heading")]
    if not found.seen:
        said.append(Said("No report of the window tells a policy."))
    previous: dict[str, policies.PolicySpan] = {}
    told: list[list[Said]] = []
    for one in found.seen:
        told.append(list(_seen(one, previous.get(one.policy_type), found.evidence)))
        previous[one.policy_type] = one
    said += [line for lines in reversed(told) for line in lines]
    said += _rest(found.seen[0].policies - len(found.seen) if found.seen else 0)
    return said


def _version(version: Version, before: Version | None, faults: Sequence[IdFault]) -> Iterator[Said]:
    yield Said("")
    yield Said(
        f"{moment(version.since)} to {moment(version.until)}   id {version.id or 'none: no valid record'}",
        style="label",
    )
    for fault in faults:
        if (fault.id, fault.since) == (version.id, version.since):
            yield Said(
                f"{fault.name}: the id does not follow the policy (RFC 8461 section 3.1)", style="warn", indent=2
            )
    yield from _diff(before.policy if before else None, version.policy)


def _seen(one: policies.PolicySpan, before: policies.PolicySpan | None, evidence: Evidence) -> Iterator[Said]:
    from tlsrpt.enforce import drift  # noqa: PLC0415 - as above

    more = one.organizations - len(one.organization_names.split(", "))
    names = f"{one.organization_names}{f' and {more:,} more' if more > 0 else ''}"
    yield Said("")
    yield Said(
        f"{span(one.first_day, one.last_day)}   {one.policy_type}, {count(one.sessions, 'session')}", style="label"
    )
    yield Said(f"{count(one.organizations, 'organization')}: {names}", indent=2)
    if one.policy_type == "sts":
        kind = drift.classify(one.canonical, one.last_day, evidence.published)
        yield Said(f"{kind}: {evidence.meaning(kind)}", style="" if kind == "current" else "dim", indent=2)
    yield from _diff(before.canonical if before else None, one.canonical)


def _rest(number: int) -> list[Said]:
    return [Said(f"and {count(number, 'more policy', 'more policies')}", style="dim")] if number > 0 else []


def _diff(before: str | None, after: str) -> Iterator[Said]:
    """Yield a policy line by line, with a sign before what the one before did not say, or said."""
    new = lines(after)
    if before is None:
        yield from (Said(f"  {line}", indent=2) for line in new)
        return
    for line in difflib.ndiff(lines(before), new):
        style = {"+": "good", "-": "bad"}.get(line[0], "")
        if line[0] != "?":
            yield Said(line, style=style, indent=2)


def lines(policy: str) -> list[str]:
    """Return a policy in canonical form as lines that can be compared.

    >>> lines("mode=testing max_age=86400 mx=mx1.example.com,mx2.example.com")
    ['mode: testing', 'max_age: 86400', 'mx: mx1.example.com', 'mx: mx2.example.com']
    """
    mode, found, rest = policy.partition(" max_age=")
    age, more, mx = rest.partition(" mx=")
    if mode.startswith("mode=") and found and more:
        return [f"mode: {mode[5:]}", f"max_age: {age}", *(f"mx: {host}" for host in mx.split(",") if host)]
    return policy.split("; ")
