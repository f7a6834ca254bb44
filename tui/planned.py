"""The next step as something to read, to copy and to write into files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tui import plain
from tui.said import Said
from tui.text import idn, safe
from tui.words import lasting, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tlsrpt.enforce.planning import Need, Plan, Sees, Way
    from tlsrpt.enforce.what_if import WhatIf
    from tlsrpt.publishing import Step
    from tui.said import Said as Paragraph

STYLES = {"PASS": "good", "FAIL": "bad", "UNKNOWN": "warn", "WARN": "warn"}
OUTCOMES = {"PASS": 0, "WARN": 3, "UNKNOWN": 4, "FAIL": 5}  # exit status of a draft
_SHOWN = 60


def page(plan: Plan) -> list[Said]:
    """Return the plan: what is due, what it waits for, how to do it, what to watch, and the way back from it."""
    said = [
        Said(f"{idn(plan.policy_domain)}: next step", style="heading"),
        Said(f"{plan.verdict}   {plan.step}", style="good" if plan.due else "warn"),
        Said(plan.headline),
    ]
    said += _mistakes(plan)
    if plan.needs:
        said += [Said(""), Said("What it rests on" if plan.due else "What it waits for", style="heading")]
        said += _needs(plan.needs)
    if plan.way is not None:
        said += way(plan.way)
    if plan.watch:
        said += [Said(""), Said("Watch", style="heading"), *_needs(plan.watch)]
    said += _holders(plan.holders)
    in_force = plan.verdict.startswith("IN_FORCE")
    if plan.rollback is not None and (in_force or plan.step == "switch") and plan.rollback != plan.way:
        said += way(plan.rollback)
    return said


def _mistakes(plan: Plan) -> Iterator[Said]:
    if not plan.mistakes:
        return
    yield Said("")
    yield Said("Mistakes to avoid", style="heading")
    for one in plan.mistakes:
        yield Said(f"{one.name}: {one.detail}", "WARN", "warn")
        yield Said(one.remedy, " ")


def _needs(needs: Iterable[Need]) -> Iterator[Said]:
    for one in needs:
        yield Said(f"{one.what}: {one.reason}", one.state, STYLES[one.state] if one.state != "PASS" else "")


def way(one: Way) -> Iterator[Said]:
    """Yield a way: its steps with what to copy, and its times."""
    yield Said("")
    yield Said(one.title, style="heading")
    for number, step in enumerate(one.steps, start=1):
        yield from _step(number, step)
    yield from times(one)


def _step(number: int, step: Step) -> Iterator[Said]:
    yield Said(f"{number}. {step.title}")
    for words in step.words:
        yield Said(words, indent=3, style="dim")
    for line in step.text.splitlines():
        yield Said(line, indent=3, style="code")


def times(one: Way) -> Iterator[Said]:
    """Yield when senders notice."""
    yield Said("Senders notice, if it is done now:")
    yield Said(f"{moment(one.times.expected)}: those that look at the record for each delivery", "Expected")
    yield Said(f"{moment(one.times.typical)}: those that refresh once a day", "Typical")
    yield Said(f"{moment(one.times.worst)}: those that keep what they have as long as it lasts", "Worst")


def _holders(holders: Sequence[Sees]) -> Iterator[Said]:
    if not holders:
        return
    yield Said("")
    yield Said("Who works from which policy", style="heading")
    for one in holders[:_SHOWN]:
        words = f"{one.organization}: {one.mode}, max_age {lasting(one.max_age)}, {one.kind}, told {one.day}"
        latest = f", {moment(one.latest)} at the latest" if one.latest != one.typical else ""
        yield Said(f"{words}; sees a change by {moment(one.typical)}{latest}", " ")
    if len(holders) > _SHOWN:
        yield Said(f"and {len(holders) - _SHOWN:,} more", style="dim", indent=2)


def draft(policy_domain: str, found: WhatIf) -> list[Said]:
    """Return what would come of a draft policy."""
    said = [
        Said(f"{idn(policy_domain)}: what if", style="heading"),
        Said(found.outcome, style=STYLES[found.outcome]),
    ]
    said += [Said(words) for words in found.differs]
    said.append(Said(""))
    for point in found.points:
        said.append(
            Said(f"{point.what}: {point.detail}", point.state, "" if point.state == "PASS" else STYLES[point.state])
        )
        if point.remedy and point.state != "PASS":
            said.append(Said(point.remedy, " "))
    return said


def document(plan: Plan) -> dict[str, Any]:
    """Return the plan for JSON."""
    return {
        "policy_domain": plan.policy_domain,
        "verdict": plan.verdict,
        "step": plan.step,
        "due": plan.due,
        "headline": plan.headline,
        "needs": [plain.exact(one) for one in plan.needs],
        "way": _way(plan.way),
        "watch": [plain.exact(one) for one in plan.watch],
        "mistakes": [plain.exact(one) for one in plan.mistakes],
        "rollback": _way(plan.rollback),
        "removal": _way(plan.removal),
        "holders": [plain.exact(one) for one in plan.holders],
    }


def _way(one: Way | None) -> dict[str, Any] | None:
    if one is None:
        return None
    steps = [plain.exact(step) for step in one.steps]
    return {
        "title": one.title,
        "policy": one.policy,
        "record": one.record,
        "steps": steps,
        "times": plain.exact(one.times),
    }


def markdown(paragraphs: Iterable[Paragraph]) -> str:
    """Return a page as Markdown: headings, lines, and what is to be copied as code."""
    lines: list[str] = []
    for said in paragraphs:
        if said.style == "heading":
            lines.append(f"\n## {plain.markdown(said.text)}\n")
        elif said.style == "code":
            lines.append(f"    {safe(said.text, len(said.text) + 1)}")
        elif said.text:
            label = f"**{plain.markdown(said.label)}** " if said.label.strip() else ""
            lines.append(f"\n{label}{plain.markdown(said.text)}\n")
    return "\n".join(lines).replace("\n\n\n", "\n\n").strip() + "\n"
