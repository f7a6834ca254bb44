"""What every screen has: a head that says where one is, a question asked in a thread, and a footer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from textual import on, work
from textual.containers import Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input, Static, TextArea
from textual.worker import Worker, WorkerState

from queries import EVERYTHING, WHOLE, Part, Scope
from tui import keys
from tui.draw import buttons, content, joined, link
from tui.evidence import window_words
from tui.said import blocks, written
from tui.screens.choose import Choice, Choose
from tui.screens.form import Field, Form
from tui.screens.palette import Command
from tui.text import a_labels, cell, idn, width
from tui.widgets.page import Page
from tui.widgets.table import Table
from tui.words import count, month_day, span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual.app import ComposeResult
    from textual.content import Content

    from tlsrpt.store import Store
    from tui.app import Workbench

SLOW = 0.3  # seconds after which a question shows that it runs
WIDEST = 100  # cells of a text that is taken along
AGAIN = 0.1  # seconds between two interruptions of one that goes on
TOPS = (("domains", "1 Domains"), ("failures", "2 Failures"), ("refused", "3 Refused"), ("mailboxes", "4 Mail"))


def _size(tabs: Mapping[str, str]) -> int:
    return 1 + sum(len(words) + 1 for words in tabs.values())


class Asked(NamedTuple):
    """What a question was about. An answer to anything else came too late and is dropped."""

    scope: Scope
    version: int  # of the evidence
    part: Part = WHOLE  # of the answer
    by: int = 0  # which of several ways to look at it


class Answered(Message):
    """An answer, and what it answers."""

    def __init__(self, asked: Asked, answer: object, turn: int = 0) -> None:
        super().__init__()
        self.asked = asked
        self.answer = answer
        self.turn = turn


class Unanswered(Message):
    """No answer, and why."""

    def __init__(self, asked: Asked, reason: str, turn: int = 0) -> None:
        super().__init__()
        self.asked = asked
        self.reason = reason
        self.turn = turn


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
        self.days_drawn: int | None = None  # the window of that
        self.waiting = 0.0  # seconds that a slow question has been asked for, 0 without one
        self.turn = 0  # goes up with each question, as the same may be asked again after it was given up
        self._asking: Callable[[], bool] | None = None  # interrupts the question that runs

    @property
    def bench(self) -> Workbench:
        """Return the program."""
        return cast("Workbench", self.app)

    # What a screen says for itself

    def question(self, store: Store, scope: Scope) -> object:
        """Return the answer. Runs in a thread."""
        raise NotImplementedError

    def answer(self, store: Store, asked: Asked) -> object:
        """Return the answer to what was asked. Runs in a thread."""
        return self.question(store, asked.scope)

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

    def about(self, policy_domain: str) -> Asking:
        """Return the same about another domain: its readiness, where a screen is about more than a domain."""
        from tui.screens.readiness import ReadinessScreen  # noqa: PLC0415 - it is made of this

        return ReadinessScreen(policy_domain, top=self.top)

    def commands(self) -> list[Command]:
        """Return what can be done here, for the palette."""
        places = (*keys.SCREENS[self.NAME], "everywhere")
        return [
            Command(key.meaning, key.shown, self._target(key), also=f"{key.label} {key.action}")
            for key in sorted(keys.KEYS, key=lambda key: key.place in {"list", "text"})
            if key.place in places and key.action != "palette"
        ]

    def action_copy(self) -> None:
        """Copy the page; a list copies what is highlighted."""
        self.bench.copy(self.query_one(Page).text())

    def copies(self) -> list[tuple[Choice, str]]:
        """Return what can be copied here: a key with words, and the text. Of a page: each block, and all of it."""
        page = self.query_one(Page)
        text = page.text()
        found = [(Choice("t", "Text", count(len(page.paragraphs), "line")), text)]
        parts = [(about, block) for about, block in blocks(page.paragraphs) if block != text]
        return found + [
            (Choice(str(n) if n < 10 else "", about, block.partition("\n")[0]), block)
            for n, (about, block) in enumerate(parts, 1)
        ]

    def action_copy_part(self) -> None:
        """Copy something of what is shown."""
        copies = self.copies()

        def chosen(choice: Choice | None) -> None:
            for one, text in copies:
                if one is choice:
                    self.copied(choice, text)

        if copies:
            self.bench.push_screen(Choose("Copy", [choice for choice, _ in copies]), chosen)

    def copied(self, choice: Choice, text: str) -> None:
        """Copy what was chosen."""
        del choice
        self.bench.copy(text)

    # Taking along what is shown

    FORMS: ClassVar[Sequence[str]] = (".txt",)
    """Endings of the files that what is shown can be written into, the usual one first."""

    def taken(self, form: str) -> str:
        """Return what is shown, safe, as a file with one of these endings has it."""
        del form
        return written(self.query_one(Page).paragraphs, min(WIDEST, self.size.width))

    def take(self, form: str, use: Callable[[str], None]) -> None:
        """Use what is shown in this form; a long list has to be read first."""
        use(self.taken(form))

    def action_export(self) -> None:
        """Write what is shown into a new file, after asking which."""
        from tui.exporting import file_name  # noqa: PLC0415 - not needed for the first frame

        day = str(self.bench.evidence.today())
        self._ask_for_file(file_name(f"tlsrpt-{self.NAME}", self.within.policy_domain or "", day) + self.FORMS[0])

    def _ask_for_file(self, name: str) -> None:
        def given(words: tuple[str, ...] | None) -> None:
            if words is not None:
                self._write(words[0])

        words = f"Its ending says in which form: {' '.join(self.FORMS)}"
        self.bench.push_screen(Form("Write what is shown", Field("File", name), words=words), given)

    def _write(self, name: str) -> None:
        """Write into a new file and say so; ask again if that cannot be."""
        ending = next((one for one in self.FORMS if name.endswith(one)), "")
        if ending:
            self.take(ending, partial(self._write_text, name))
        else:
            self._ask_again(name, f"{name}: ends in none of {', '.join(self.FORMS)}")

    def _write_text(self, name: str, text: str) -> None:
        from tui import exporting  # noqa: PLC0415 - as above

        problem = exporting.write(name, text)
        if problem:
            self._ask_again(name, problem)
        else:
            self.bench.notify(f"wrote {name}")

    def _ask_again(self, name: str, problem: str) -> None:
        self.bench.fail(problem)
        self._ask_for_file(name)

    def action_pager(self) -> None:
        """Show what is shown in the operator's pager."""
        self.take(".txt", partial(self.bench.look_with, ("PAGER",), "less"))

    def action_editor(self) -> None:
        """Show what is shown in the operator's editor."""
        self.take(".txt", partial(self.bench.look_with, ("VISUAL", "EDITOR"), "vi"))

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

    def action_draft_policy(self) -> None:
        """Go to a draft of the policy of the domain in focus."""
        self.bench.look_over("draft", self.domain(), top=self.top)

    def action_policies(self) -> None:
        """Go to the policies of the domain in focus."""
        self.bench.look_over("policies", self.domain(), top=self.top)

    def standing(self) -> str:
        """Return what limits the answer."""
        if self.within.since is not None:
            return span(self.within.since, self.within.until or self.within.since)
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
        if not self.query(".foot"):  # it is being taken apart
            return
        if self.NAME in keys.STARTS:
            self.bench.place = self.NAME, self.within.policy_domain
        self.frame()
        self.renew()

    def on_resize(self) -> None:
        """Draw the frame anew."""
        self.frame()

    def scope(self) -> Scope:
        """Return what the user is looking at: within the window, unless this is about days of its own."""
        if self.within.since is not None:
            return self.within
        return self.bench.evidence.scope(self.bench.days, self.within)

    def wants(self) -> Asked:
        """Return what is to be asked now."""
        return Asked(self.scope(), self.bench.evidence.version)

    def renew(self) -> None:
        """Ask, unless this was asked already."""
        if self.bench.broken:
            self.explain(self.bench.broken)
            return
        wanted = self.wants()
        if self.bench.ready and wanted != self.asked:
            self._interrupt()
            self.asked = wanted
            self.waiting = 0.0
            self.turn += 1
            self.ask(wanted, self.turn)
            self.set_timer(SLOW, partial(self._still_asking, wanted, SLOW))

    def _still_asking(self, asked: Asked, waited: float) -> None:
        """Show that a question takes its time, every second until there is an answer."""
        if self.asked == asked and self.drawn != asked:
            self.waiting = waited
            self.frame()
            self.set_timer(1.0, partial(self._still_asking, asked, waited + 1.0))

    def stop_asking(self) -> bool:
        """Stop a question that takes its time, if there is one; what is shown stays."""
        if not self.waiting:
            return False
        self._interrupt()
        self.asked = self.drawn
        self.waiting = 0.0
        if self.drawn is not None:
            self.restore(self.drawn)
        self.bench.notify("Stopped. A shorter period is answered sooner.")
        self.frame()
        return True

    def restore(self, drawn: Asked) -> None:
        """Go back to what was asked when what is shown was drawn."""
        del drawn
        self.bench.look_at_days(self.days_drawn)

    def on_screen_suspend(self) -> None:
        """Stop a question whose answer nobody would see now; coming back asks it again."""
        if self.asked != self.drawn:
            self._interrupt()
            self.asked, self.waiting = self.drawn, 0.0

    def _interrupt(self) -> None:
        """Have the database give up the question that is asked, if there is one."""
        interrupt, self._asking = self._asking, None
        if interrupt is not None:
            self._give_up(interrupt)

    def _give_up(self, interrupt: Callable[[], bool]) -> None:
        """Interrupt a question until it has ended."""
        if interrupt():
            self.bench.set_timer(AGAIN, partial(self._give_up, interrupt))

    @work(thread=True, exclusive=True, exit_on_error=False, group="ask")
    def ask(self, asked: Asked, turn: int) -> None:
        """Find the answer and send it."""
        from tlsrpt.store import StoreError  # noqa: PLC0415 - duckdb waits for the first frame

        try:
            store = self.bench.evidence.store()
            answer = None if store is None else self._answer(store, asked)
        except StoreError as error:
            self.post_message(Unanswered(asked, str(error), turn))
        else:
            self.post_message(Answered(asked, answer, turn))

    def _answer(self, store: Store, asked: Asked) -> object:
        """Return the answer, from one connection that can be interrupted."""
        with store.reading() as connection:
            self._asking = interrupt = partial(store.interrupt, connection)
            try:
                return self.answer(store, asked)
            finally:
                if self._asking is interrupt:
                    self._asking = None

    @on(Answered)
    def _answered(self, message: Answered) -> None:
        if message.asked == self.asked and message.turn == self.turn:
            self.waiting = 0.0
            self.show(message.answer)
            self.drawn, self.days_drawn = message.asked, self.bench.days
            self.frame()

    @on(Unanswered)
    def _unanswered(self, message: Unanswered) -> None:
        if message.asked == self.asked and message.turn == self.turn:
            self.asked = None
            self.waiting = 0.0
            self.bench.fail(message.reason)
            self.frame()

    @on(Worker.StateChanged)
    def _fault(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            event.stop()
            self.bench.fail(f"a fault of this program: {event.worker.error!r}")
            if event.worker.group == "ask":
                self.asked, self.waiting = self.drawn, 0.0
                self.frame()

    # The frame

    def frame(self) -> None:
        """Draw head and footer."""
        room = self.size.width
        if not self.is_mounted or room < 1 or not self.query(".foot"):
            return
        self.query_one(".head", Static).update(self._head(room), layout=False)
        self.query_one(".foot", Static).update(self._foot(room), layout=False)

    def _head(self, room: int) -> Content:
        asking = f"asking {self.waiting:.1f} s  Esc stops" if self.waiting else ""
        right = asking or self.bench.progress or self.standing()
        crumb, end = self.crumb(), self.bench.evidence.as_of
        tabs = self._tabs(short=False)
        if end is not None and _size(tabs) + width(crumb) + len(right) + 3 > room:
            right = right.replace(str(end), month_day(end))
        if _size(tabs) + width(crumb) + len(right) + 3 > room:
            tabs = self._tabs(short=True)
        used = _size(tabs)
        if used + width(crumb) + len(right) + 3 > room:
            crumb = a_labels(crumb)
        about = cell(crumb, max(0, room - used - len(right) - 3), "prose")
        gap = room - used - width(about) - len(right) - 2
        links = [
            link(words, "bold $text-accent" if name == self.top else "", f"app.top('{name}')")
            for name, words in tabs.items()
        ]
        left = joined([*links, content(), link(about, "bold", "app.choose_domain")], " ", before=" ")
        has_window = "window" in keys.SCREENS[self.NAME]
        period = link(right, "", "app.choose_window") if has_window else content(right)
        return joined([left, period], " " * max(1, gap))

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
        every = [(self._shown(key), key.label, self._target(key)) for key in keys.footer(self.NAME)]
        every = [item for item in every if item[0]]
        if len(self.bench.screen_stack) == 1:
            every = [item for item in every if item[1] != "Back"]
        tail = [item for item in every if item[1] in {"Back", "More", "Help", "Quit"}]
        rest = [item for item in every if item not in tail]

        def size(items: list[tuple[str, str, str]]) -> int:
            return sum(len(key) + len(label) + 3 for key, label, _ in items)

        while rest and size(rest + tail) > room:
            rest.pop()
        return joined(buttons(rest + tail, "bold $text-accent"), "  ", before=" ")

    def _shown(self, key: keys.Key) -> str:
        """Return how a key is pressed where the focus is now, "" if it does nothing there."""
        here = self.focused
        if isinstance(here, Input | TextArea):  # which takes characters
            return next((name for name in key.shown.split() if len(name) > 1 and key.place != "list"), "")
        if key.place == "list" and here is not None and not isinstance(here, Table):
            return ""
        return key.shown.split()[0]

    def on_descendant_focus(self) -> None:
        """Draw the frame anew: other keys do something now."""
        self.frame()

    def _target(self, key: keys.Key) -> str:
        """Return an action as a click runs it: on the list or text that has the focus, or on the program."""
        if key.place in {"list", "text"} and "." not in key.action:
            return f"screen.focused('{key.action}')"
        return key.action if "." in key.action else f"app.{key.action}"

    async def action_focused(self, action: str) -> None:
        """Run an action of the widget that has the focus."""
        if self.focused is not None:
            await self.app.run_action(action, self.focused)
