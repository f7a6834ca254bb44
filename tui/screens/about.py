"""What the screens about one domain share: the domain, and what looks tell of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Self

from queries import Scope
from tui.screens.base import Asking
from tui.screens.empty import no_reports
from tui.text import idn

if TYPE_CHECKING:
    from datetime import date

    from textual.content import Content

    from tlsrpt.enforce.evidence import Evidence
    from tlsrpt.store import Store

LATELY = 3  # settled days of reports that tell which mode is in force
RECENT = 30  # days of reports whose newest policy stands in for one that nobody looked at


class About(Asking):
    """A screen about one domain."""

    TOP = "domains"

    def __init__(self, policy_domain: str, *, top: str) -> None:
        super().__init__(Scope(policy_domain=policy_domain), top=top)
        self.policy_domain = policy_domain

    def about(self, policy_domain: str) -> Self:
        """Return the same about another domain."""
        return type(self)(policy_domain, top=self.top)

    def crumb(self) -> str:
        """Return the domain and the name of the screen."""
        return f"{idn(self.policy_domain)} > {self.NAME}"

    def looked(self, store: Store, since: date | None = None, *, days: int = LATELY, failing: bool = False) -> Evidence:
        """Return what looks tell of the domain, what reports count of late, and which policies they told since."""
        from tui import judging  # noqa: PLC0415 - pydantic and cryptography wait for the first frame

        evidence = self.bench.evidence
        since = since or evidence.today() - timedelta(days=RECENT)
        return judging.looked(store, self.policy_domain, evidence.now(), since, days=days, failing=failing)

    def no_reports(self, newest: date | None, *, there: bool) -> Content:
        """Return why there is no report to see; `there` tells whether there is a store."""
        return no_reports(self.bench, newest, self.policy_domain if there else None)

    def action_failures(self) -> None:
        """Go to the failures of the domain."""
        self.bench.look_into(self.within)
