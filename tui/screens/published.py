"""What a domain publishes: the newest check, what to do, and what changed between the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.worker import get_current_worker

from queries import Scope
from tui import keys
from tui.said import Said
from tui.screens.confirm import Confirm
from tui.screens.working import Working
from tui.text import idn, safe
from tui.widgets.page import Page
from tui.words import ago

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tlsrpt.store import Store
    from tui.checking import Known


class PublishedScreen(Working):
    """The report of the newest check, and the history."""

    NAME = "published"
    TOP = "domains"
    AUTO_FOCUS = "Page"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("about", "published")

    def __init__(self, policy_domain: str, *, top: str, now: bool = False) -> None:
        super().__init__(Scope(policy_domain=policy_domain), top=top)
        self.policy_domain = policy_domain
        self.wanted = now  # whether to look as soon as it is known what there is
        self.known: Known | None = None

    def crumb(self) -> str:
        """Return the domain."""
        return f"{idn(self.policy_domain)} > published"

    def standing(self) -> str:
        """Return how far a look has come; the window does not matter here."""
        return f"{self.going}  Esc stops" if self.going else ""

    def body(self) -> ComposeResult:
        """Yield the page."""
        yield Page()

    def about(self, policy_domain: str) -> PublishedScreen:
        """Return the same about another domain."""
        return PublishedScreen(policy_domain, top=self.top)

    def question(self, store: Store, scope: Scope) -> Known:
        """Return the newest check and the changes up to it."""
        del scope
        from tui import checking  # noqa: PLC0415 - pydantic and cryptography wait for the first frame

        return checking.known(store, self.policy_domain, self.bench.evidence.now())

    def show(self, answer: Known | None) -> None:
        """Draw it; look, if that was wanted."""
        if answer is not None:
            self.known = answer
        self.query_one(Page).say((self.known and self.known.said) or self._never())
        if self.wanted:
            self.wanted = False
            self.action_probe()

    def explain(self, reason: str) -> None:
        """Show why there is nothing to ask."""
        self.query_one(Page).say([Said("The store cannot be read.", style="heading"), Said(reason)])

    def _never(self) -> list[Said]:
        domain = idn(self.policy_domain)
        return [
            Said(f"No live check of {domain} yet.", style="heading"),
            Said(""),
            Said(f"p looks now: it contacts the DNS of {domain}, its policy host and its MXs."),
            Said(f"tlsrpt check {safe(self.policy_domain)} does the same from the command line, or from cron."),
            Said("tlsrpt load check.json takes in what another machine saw, where port 25 is open."),
        ]

    def action_checks(self) -> None:
        """Stay: this is where checks are."""

    def action_probe(self) -> None:
        """Look now; ask before if the domain is a stranger's choice or was looked at just now."""
        evidence, known = self.bench.evidence, self.known
        if self.going:
            return
        if evidence.as_of is not None:
            self.bench.notify(f"As of {evidence.as_of}: nobody is contacted about the past")
        elif known is not None and known.problem:
            self.bench.fail(known.problem)
        elif known is not None and known.recent is not None:
            self._confirm(f"Seen {ago(known.recent, evidence.now())}. Look again?")
        elif known is None or not known.watched:
            self._confirm(
                f"Contact the servers of {idn(self.policy_domain)}?",
                "The configuration does not watch it; its name may be a stranger's choice.",
            )
        else:
            self.begin("looking", self.look)

    def _confirm(self, question: str, reason: str = "") -> None:
        def answered(yes: bool | None) -> None:  # noqa: FBT001 - what a screen ends with
            if yes:
                self.begin("looking", self.look)

        self.bench.push_screen(Confirm(question, reason), answered)

    @work(thread=True, exclusive=True, exit_on_error=False, group="probe")
    def look(self, number: int) -> None:
        """Look, and keep what was seen."""
        from tui import checking  # noqa: PLC0415 - as above

        worker = get_current_worker()

        def went(words: str) -> None:
            self.post_message(self.Went(number, words))

        problem = ""
        try:
            problem = checking.probe(
                self.bench.evidence.made,
                self.policy_domain,
                progress=went,
                stopped=lambda: worker.is_cancelled,
            )
        finally:  # a fault of ours ends the look as well
            self.post_message(self.Ended(number, problem))

    def ended(self, outcome: str) -> None:
        """Say what went wrong, else show what was seen."""
        if outcome:
            self.bench.fail(outcome)
            self.frame()
        else:
            self.bench.changed()
