"""What screens share on which the operator says something that is kept: a repair, an accepted warning, an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.message import Message

from tui.screens.confirm import Confirm
from tui.screens.form import Field, Form
from tui.screens.listing import Listing
from tui.text import idn
from tui.words import moment, place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tlsrpt.enforce.verdict import State
    from tui.judging import Decision


class Deciding(Listing):
    """A list from which a decision is recorded."""

    class Decided(Message):
        """A decision was recorded, or could not be."""

        def __init__(self, words: str, problem: str, again: Callable[[], object]) -> None:
            super().__init__()
            self.words = words
            self.problem = problem
            self.again = again  # asks once more, with what was written

    class Newest(Message):
        """What was recorded last is known."""

        def __init__(self, decision: Decision | None) -> None:
            super().__init__()
            self.decision = decision

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

        fields = (
            Field("Cause", cause),
            Field("MX", "*" if mx_key == "*" else place(mx_key) if mx_key else "", "a host, an address, * for none"),
            Field("When", hint="YYYY-MM-DD or YYYY-MM-DDTHH:MM in UTC; empty for now"),
            Field("Note", hint="what was done"),
            Field("Name", hint="this user"),
        )
        words = "It counts once a look after it agrees and no report about a later day has the failure."
        self.ask_and_decide("fix", (policy_domain,), f"Mended at {idn(policy_domain)}", fields, words)

    def settle(self, policy_domain: str, state: State) -> None:
        """Accept a warning, or answer the question that a criterion is, after asking."""
        if not self.can_decide():
            return
        about = (policy_domain, state.name)
        title = f"{state.name} {state.criterion.title} of {idn(policy_domain)}"
        name = Field("Name", hint="this user")
        if state.criterion.kind == "answer":
            planned = [Field("Planned", hint="YYYY-MM-DD, of the change")] if state.name == "C42" else []
            fields = [Field("Answer", hint="yes or no"), Field("Note", hint="more about it"), name, *planned]
            words = f"Yes: {state.criterion.passes.removeprefix('answered yes: ')}"
            self.ask_and_decide("answer", about, f"Answer {title}", fields, words)
        elif state.is_warning:
            fields = [Field("Reason"), name, Field("Expires", hint="YYYY-MM-DD, at most 14 days")]
            self.ask_and_decide("acknowledge", about, f"Accept {title}", fields, state.reason)
        else:
            what = "required: mend it" if state.is_blocking else f"{state.state}: there is nothing to accept"
            self.bench.notify(f"{state.name} is {what}")

    def ask_and_decide(
        self, what: str, about: tuple[str, ...], title: str, fields: Sequence[Field], words: str
    ) -> None:
        """Ask for the words of a decision and record it; what cannot be recorded is asked for again."""

        def given(written: tuple[str, ...] | None) -> None:
            if written is None:
                return
            filled = [field._replace(value=value) for field, value in zip(fields, written, strict=True)]
            self.decide(what, (*about, *written), lambda: self.ask_and_decide(what, about, title, filled, words))

        self.bench.push_screen(Form(title, *fields, words=words), given)

    def action_undo(self) -> None:
        """Take back what was recorded last about the domain, after asking."""
        if self.can_decide():
            self.find_newest()

    @work(thread=True, exit_on_error=False, group="decide")
    def find_newest(self) -> None:
        """Find what was recorded last."""
        from tlsrpt.store import StoreError  # noqa: PLC0415 - duckdb waits for the first frame
        from tui import judging  # noqa: PLC0415 - likewise

        domain = self.domain()
        try:
            store = self.bench.evidence.store()
            newest = None if store is None or domain is None else judging.newest_decision(store, domain)
        except StoreError as error:
            self.bench.post_message(self.bench.Failed(str(error)))
        else:
            self.post_message(self.Newest(newest))

    @on(Newest)
    def _newest(self, message: Newest) -> None:
        decision = message.decision
        if decision is None:
            self.bench.notify(f"Nothing was recorded about {idn(self.domain() or '')} that could be taken back")
            return

        def answered(yes: bool | None) -> None:  # noqa: FBT001 - what a screen ends with
            if yes:
                self.take_back(decision)

        question = f"Take back {decision.what} {decision.number} of {moment(decision.recorded_at)}?"
        self.bench.push_screen(Confirm(question, decision.words), answered)

    @work(thread=True, exit_on_error=False, group="decide")
    def take_back(self, decision: Decision) -> None:
        """Withdraw a decision, and say how that went."""
        from tlsrpt.store import StoreError  # noqa: PLC0415 - as above
        from tui import judging  # noqa: PLC0415 - as above

        evidence = self.bench.evidence
        try:
            done = judging.taken_back(evidence.made(), decision, evidence.now())
        except StoreError as error:
            self.bench.post_message(self.bench.Failed(str(error)))
        else:
            self.post_message(self.Decided(done, "", self.action_undo))

    @work(thread=True, exit_on_error=False, group="decide")
    def decide(self, what: str, words: tuple[str, ...], again: Callable[[], object]) -> None:
        """Record a decision, and say how that went."""
        from tui import judging  # noqa: PLC0415 - duckdb waits for the first frame

        evidence = self.bench.evidence
        done, problem = judging.decided(evidence.made, what, words, evidence.now())
        self.post_message(self.Decided(done, problem, again))

    @on(Decided)
    def _decided(self, message: Any) -> None:  # noqa: ANN401 - a Decided
        if message.problem:
            self.bench.fail(message.problem)
            if self.is_current:
                message.again()
        else:
            self.bench.notify(message.words)
            self.bench.changed()
