"""A draft of the policy: it is edited above, and below stands what would come of it, with every key."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on, work
from textual.containers import Container
from textual.message import Message
from textual.widgets import TextArea

from tui import keys
from tui.said import Said, written
from tui.screens.choose import Choice
from tui.screens.empty import paged, unknown
from tui.screens.plan import DomainPage
from tui.text import safe_lines
from tui.widgets.entry import Draft
from tui.widgets.page import Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from queries import Scope
    from tlsrpt.enforce.evidence import Evidence
    from tlsrpt.store import Store

MODES = ("testing", "enforce", "none")


class Ground(NamedTuple):
    """What a draft is tried on, and what it begins with."""

    evidence: Evidence
    text: str


class DraftScreen(DomainPage):
    """A draft and what would come of it."""

    NAME = "draft"
    AUTO_FOCUS = "TextArea"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("draft")

    class Tried(Message):
        """It is known what would come of a draft."""

        def __init__(self, text: str, said: Sequence[Said]) -> None:
            super().__init__()
            self.text = text
            self.said = said

    def __init__(self, policy_domain: str, *, top: str) -> None:
        super().__init__(policy_domain, top=top)
        self.ground: Ground | None = None
        self.begun = ""  # what the draft began with

    def body(self) -> ComposeResult:
        """Yield the draft and the answer."""
        with Container(classes="draft"):
            yield Draft(read_only=True, show_line_numbers=False, compact=True, highlight_cursor_line=False)
            yield Page()

    @property
    def draft(self) -> TextArea:
        """Return the draft."""
        return self.query_one(TextArea)

    def question(self, store: Store, scope: Scope) -> Ground:
        """Return what a draft is tried on."""
        del scope
        from tui import judging, planning  # noqa: PLC0415 - pydantic and cryptography wait for the first frame

        evidence = judging.evidence(store, self.policy_domain, self.bench.evidence.now())
        return Ground(evidence, safe_lines(planning.first_draft(evidence)))

    def show(self, answer: Ground | None) -> None:  # type: ignore[override]  # what its own question returned
        """Begin with the policy of now, unless there is a draft already, and try it."""
        if answer is None:
            self.query_one(Page).say(paged(*unknown(self.policy_domain, "Esc goes back; there ")))
            return
        self.draft.cursor_blink = False
        untouched = self.draft.text == self.begun
        self.ground, self.begun = answer, answer.text
        if untouched:
            self.draft.load_text(answer.text)
        self.draft.read_only = False
        self._try()

    @on(TextArea.Changed)
    def _edited(self) -> None:
        if self.draft.text != (text := safe_lines(self.draft.text)):  # pasted
            self.draft.load_text(text)
        else:
            self._try()

    def _try(self) -> None:
        if self.ground is not None:
            self.try_out(self.ground.evidence, self.draft.text)

    @work(thread=True, exclusive=True, exit_on_error=False, group="try")
    def try_out(self, evidence: Evidence, text: str) -> None:
        """Find what would come of a draft."""
        from tui import planning  # noqa: PLC0415 - as above

        self.post_message(self.Tried(text, planning.tried(evidence, text)))

    @on(Tried)
    def _tried(self, message: Tried) -> None:
        if message.text == self.draft.text:  # else there is a newer one
            self.query_one(Page).say(message.said)

    def step_back(self) -> bool:
        """Leave the draft for the answer."""
        if not self.draft.has_focus:
            return False
        self.set_focus(self.query_one(Page))
        return True

    def action_next_mode(self) -> None:
        """Put the next mode into the draft."""
        lines = self.draft.text.split("\n")
        for place, line in enumerate(lines):
            name, colon, value = line.partition(":")
            if name.strip() == "mode" and colon:
                here = MODES.index(value.strip()) if value.strip() in MODES else -1
                wanted = f"mode: {MODES[(here + 1) % len(MODES)]}"
                self.draft.replace(wanted, (place, 0), (place, len(line)), maintain_selection_offset=True)
                break

    def action_anew(self) -> None:
        """Begin again with the policy of now."""
        self.draft.load_text(self.begun)

    def action_copy(self) -> None:
        """Copy the draft."""
        self.bench.copy(self.draft.text)

    def copies(self) -> list[tuple[Choice, str]]:
        """Return what can be copied here: the draft too."""
        draft = self.draft.text
        return [(Choice("d", "Draft", draft.partition("\n")[0]), draft), *super().copies()]

    def taken(self, form: str) -> str:
        """Return the draft and what would come of it."""
        del form
        return f"{self.draft.text.rstrip()}\n\n{written(self.query_one(Page).paragraphs)}"
