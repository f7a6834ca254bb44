"""What every screen has: a head that says where one is, a question asked in a thread, and a footer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from textual import on, work
from textual.containers import Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from queries import EVERYTHING, Scope
from tui import keys
from tui.draw import buttons, content, joined
from tui.evidence import window_words
from tui.text import cell, idn, width
from tui.words import month_day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import ComposeResult
    from textual.content import Content

    from tlsrpt.store import Store
    from tui.app import Workbench

TOPS = (("domains", "1 Domains"), ("failures", "2 Failures"), ("refused", "3 Refused"), ("mailboxes", "4 Mail"))


def _size(tabs: Mapping[str, str]) -> int:
    return 1 + sum(len(words) + 1 for words in tabs.values())


class Asked(NamedTuple):
    """What a question was about. An answer to anything else came too late and is dropped."""

    scope: Scope
    version: int  # of the evidence


class Answered(Message):
    """An answer, and what it answers."""

    def __init__(self, asked: Asked, answer: object) -> None:
        super().__init__()
        self.asked = asked
        self.answer = answer


class Unanswered(Message):
    """No answer, and why."""

    def __init__(self, asked: Asked, reason: str) -> None:
        super().__init__()
        self.asked = asked
        self.reason = reason


class Asking(Screen[None]):
    """A screen that shows the answer to one question over the scope that the user looks at."""

    NAME: ClassVar[str]  # in keys.SCREENS
    TOP: ClassVar[str]  # in TOPS, where it belongs unless it was reached from elsewhere

    def __init__(self, within: Scope = EVERYTHING, *, top: str = "") -> None:
        super().__init__()
        self.top = top or self.TOP
        self.within = within  # what this screen is about, whatever the window
        self.asked: Asked | None = None  # the newest question
        self.drawn: Asked | None = None  # what the screen shows the answer to

    @property
    def bench(self) -> Workbench:
        """Return the program."""
        return cast("Workbench", self.app)

    # What a screen says for itself

    def question(self, store: Store, scope: Scope) -> object:
        """Return the answer. Runs in a thread."""
        raise NotImplementedError

    def show(self, answer: Any) -> None:  # noqa: ANN401 - what its own question returned
        """Draw an answer; None says that there is no store."""
        raise NotImplementedError

    def explain(self, reason: str) -> None:
        """Say why there is nothing to ask."""

    def body(self) -> ComposeResult:
        """Yield what is between head and footer."""
        raise NotImplementedError

    def crumb(self) -> str:
        """Return what this screen is about."""
        return idn(self.within.policy_domain) if self.within.policy_domain else "all domains"

    def domain(self) -> str | None:
        """Return the domain in focus, if it is one alone."""
        return self.within.policy_domain

    def action_copy(self) -> None:
        """Copy what is highlighted."""

    def action_checks(self) -> None:
        """Go to what the domain in focus publishes."""
        self.bench.look_at(self.domain(), top=self.top)

    def action_probe(self) -> None:
        """Look at what the domain in focus publishes now."""
        self.bench.look_at(self.domain(), top=self.top, now=True)

    def action_timeline(self) -> None:
        """Go to the days of the domain in focus."""
        self.bench.look_over("timeline", self.domain(), top=self.top)

    def action_senders(self) -> None:
        """Go to the organizations that report about the domain in focus."""
        self.bench.look_over("senders", self.domain(), top=self.top)

    def action_hosts(self) -> None:
        """Go to the MXs of the domain in focus."""
        self.bench.look_over("hosts", self.domain(), top=self.top)

    def action_policies(self) -> None:
        """Go to the policies of the domain in focus."""
        self.bench.look_over("policies", self.domain(), top=self.top)

    def standing(self) -> str:
        """Return what limits the answer."""
        return window_words(self.bench.days, self.bench.evidence)

    def step_back(self) -> bool:
        """Undo one step within the screen, if there is one."""
        return False

    # Asking

    def compose(self) -> ComposeResult:
        """Yield head, body and footer."""
        yield Static(classes="head")
        with Vertical(classes="body"):
            yield from self.body()
        yield Static(classes="foot")

    def on_mount(self) -> None:
        """Draw the frame."""
        self.frame()

    def on_screen_resume(self) -> None:
        """Ask again if anything changed meanwhile."""
        self.frame()
        self.renew()

    def on_resize(self) -> None:
        """Draw the frame anew."""
        self.frame()

    def scope(self) -> Scope:
        """Return what the user is looking at."""
        return self.bench.evidence.scope(self.bench.days, self.within)

    def renew(self) -> None:
        """Ask, unless this was asked already."""
        if self.bench.broken:
            self.explain(self.bench.broken)
            return
        wanted = Asked(self.scope(), self.bench.evidence.version)
        if self.bench.ready and wanted != self.asked:
            self.asked = wanted
            self.ask(wanted)

    @work(thread=True, exclusive=True, exit_on_error=False, group="ask")
    def ask(self, asked: Asked) -> None:
        """Find the answer and send it."""
        from tlsrpt.store import StoreError  # noqa: PLC0415 - duckdb waits for the first frame

        try:
            store = self.bench.evidence.store()
            answer = None if store is None else self.question(store, asked.scope)
        except StoreError as error:
            self.post_message(Unanswered(asked, str(error)))
        else:
            self.post_message(Answered(asked, answer))

    @on(Answered)
    def _answered(self, message: Answered) -> None:
        if message.asked == self.asked:
            self.show(message.answer)
            self.drawn = message.asked
            self.frame()

    @on(Unanswered)
    def _unanswered(self, message: Unanswered) -> None:
        if message.asked == self.asked:
            self.asked = None
            self.bench.fail(message.reason)

    @on(Worker.StateChanged)
    def _fault(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self.bench.fail(f"a fault of this program: {event.worker.error!r}")

    # The frame

    def frame(self) -> None:
        """Draw head and footer."""
        room = self.size.width
        if not self.is_mounted or room < 1:
            return
        self.query_one(".head", Static).update(self._head(room), layout=False)
        self.query_one(".foot", Static).update(self._foot(room), layout=False)

    def _head(self, room: int) -> Content:
        right = self.bench.progress or self.standing()
        crumb, end = self.crumb(), self.bench.evidence.as_of
        tabs = self._tabs(short=False)
        if end is not None and _size(tabs) + width(crumb) + len(right) + 3 > room:
            right = right.replace(str(end), month_day(end))
        if _size(tabs) + width(crumb) + len(right) + 3 > room:
            tabs = self._tabs(short=True)
        pieces: list[str | tuple[str, str]] = [" "]
        for name, words in tabs.items():
            pieces += [(words, "bold $text-accent" if name == self.top else ""), " "]
        used = _size(tabs)
        about = cell(crumb, max(0, room - used - len(right) - 3), end=True)
        gap = room - used - width(about) - len(right) - 2
        pieces += [" ", (about, "bold"), " " * max(1, gap), right]
        return content(*pieces)

    def _tabs(self, *, short: bool) -> dict[str, str]:
        """Return the first screens as the head names them, in short those that one is not on by number alone."""
        tabs = {}
        for name, label in TOPS:
            count = self.bench.refused if name == "refused" else 0
            words = label.partition(" ")[0] if short and name != self.top else label
            words = f"{words} ({count:,})" if count else words
            tabs[name] = f"[{words}]" if name == self.top else words
        return tabs

    def _foot(self, room: int) -> Content:
        """Return as many keys as there is room for; the way back, help and quitting always stay."""
        every = [(key.shown.split()[0], key.label, key.action) for key in keys.footer(self.NAME)]
        if len(self.bench.screen_stack) == 1:
            every = [item for item in every if item[1] != "Back"]
        tail = [item for item in every if item[1] in {"Back", "Help", "Quit"}]
        rest = [item for item in every if item not in tail]

        def size(items: list[tuple[str, str, str]]) -> int:
            return sum(len(key) + len(label) + 3 for key, label, _ in items)

        while rest and size(rest + tail) > room:
            rest.pop()
        targets = [(key, label, self._target(action)) for key, label, action in rest + tail]
        return joined(buttons(targets, "bold $text-accent"), "  ", before=" ")

    def _target(self, action: str) -> str:
        """Return an action as a click runs it: on the list or text that has the focus, or on the program."""
        if action.startswith("screen."):
            return action
        own = {key.action for key in keys.KEYS if key.place == "everywhere"}
        return f"app.{action}" if action in own else f"screen.focused('{action}')"

    async def action_focused(self, action: str) -> None:
        """Run an action of the widget that has the focus."""
        if self.focused is not None:
            await self.app.run_action(action, self.focused)
