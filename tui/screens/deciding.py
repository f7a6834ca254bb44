"""What screens share on which the operator says something that is kept: a repair, an accepted warning."""

from __future__ import annotations

from typing import Any

from textual import on, work
from textual.message import Message

from tui.screens.form import Field, Form
from tui.screens.listing import Listing
from tui.text import idn
from tui.words import place


class Deciding(Listing):
    """A list from which a decision is recorded."""

    class Decided(Message):
        """A decision was recorded, or could not be."""

        def __init__(self, words: str, problem: str = "") -> None:
            super().__init__()
            self.words = words
            self.problem = problem

    def can_decide(self) -> bool:
        """Return whether there is a store to keep it in, and say so if there is none."""
        if not self.bench.evidence.paths:
            return True
        self.bench.notify("Nothing is kept while files are browsed: tlsrpt load PATH, then tlsrpt")
        return False

    def ask_for_fix(self, policy_domain: str, cause: str, mx_key: str) -> None:
        """Ask what was mended, and record it."""
        if not self.can_decide():
            return

        def given(words: tuple[str, ...] | None) -> None:
            if words is not None:
                self.decide("fix", (policy_domain, *words))

        fields = (
            Field("Cause", cause),
            Field("MX", "*" if mx_key == "*" else place(mx_key) if mx_key else "", "a host, an address, * for none"),
            Field("When", hint="YYYY-MM-DD or YYYY-MM-DDTHH:MM in UTC; empty for now"),
            Field("Note", hint="what was done"),
            Field("Name", hint="this user"),
        )
        words = "It counts once a look after it agrees and no report about a later day has the failure."
        self.bench.push_screen(Form(f"Mended at {idn(policy_domain)}", *fields, words=words), given)

    @work(thread=True, exit_on_error=False, group="decide")
    def decide(self, what: str, words: tuple[str, ...]) -> None:
        """Record a decision, and say how that went."""
        from tui import judging  # noqa: PLC0415 - duckdb waits for the first frame

        evidence = self.bench.evidence
        done, problem = judging.decided(evidence.made, what, words, evidence.now())
        self.post_message(self.Decided(done, problem))

    @on(Decided)
    def _decided(self, message: Any) -> None:  # noqa: ANN401 - a Decided
        if message.problem:
            self.bench.fail(message.problem)
        else:
            self.bench.notify(message.words)
            self.bench.changed()
