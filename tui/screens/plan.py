"""What is known about a domain and its verdict as a page: the next step, or everything beside the checklist."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from queries import Scope
from tui import keys
from tui.said import Said
from tui.screens.base import Asking
from tui.screens.empty import paged, unknown
from tui.text import idn
from tui.widgets.page import Page

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tlsrpt.store import Store


class DomainPage(Asking):
    """A page about one domain at one moment."""

    TOP = "domains"
    AUTO_FOCUS = "Page"

    def __init__(self, policy_domain: str, *, top: str) -> None:
        super().__init__(Scope(policy_domain=policy_domain), top=top)
        self.policy_domain = policy_domain

    def crumb(self) -> str:
        """Return the domain."""
        return f"{idn(self.policy_domain)} > {self.NAME}"

    def standing(self) -> str:
        """Return nothing: the window does not matter here."""
        return ""

    def body(self) -> ComposeResult:
        """Yield the page."""
        yield Page()

    def about(self, policy_domain: str) -> DomainPage:
        """Return the same about another domain."""
        return type(self)(policy_domain, top=self.top)

    def show(self, answer: list[Said] | None) -> None:
        """Draw it."""
        self.query_one(Page).say(answer or paged(*unknown(self.policy_domain)))

    def explain(self, reason: str) -> None:
        """Show why there is nothing to ask."""
        self.query_one(Page).say([Said("The store cannot be read.", style="heading"), Said(reason)])


class PlanScreen(DomainPage):
    """The next step: policy, record, order, what to watch, and the way back."""

    NAME = "plan"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("domain", "about", "drafting", "plan")

    def question(self, store: Store, scope: Scope) -> list[Said]:
        """Return the plan, to read."""
        del scope
        from tui import judging  # noqa: PLC0415 - pydantic and cryptography wait for the first frame

        return judging.plan_page(store, self.policy_domain, self.bench.evidence.now())


class DetailsScreen(DomainPage):
    """The whole answer: blast radius and faults, who disagrees, each MX, who holds which policy, claims, decisions."""

    NAME = "details"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("domain", "about", "drafting", "plan")

    def question(self, store: Store, scope: Scope) -> list[Said]:
        """Return everything beside the criteria, to read."""
        del scope
        from tui import judging  # noqa: PLC0415 - as above

        return judging.details_page(store, self.policy_domain, self.bench.evidence.now())
