"""One criterion: what it asks, how it stands, and the rows that it rests on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual.widgets import Static

from queries import Scope
from tui import keys
from tui.draw import content
from tui.said import Said
from tui.screens.deciding import Deciding
from tui.screens.empty import told, unknown
from tui.screens.report import ReportScreen
from tui.text import idn
from tui.widgets.page import Page
from tui.widgets.table import Column
from tui.words import STATE_STYLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.content import Content

    from tlsrpt.enforce.criteria import Fact
    from tlsrpt.enforce.verdict import State
    from tlsrpt.store import Store


class CriterionScreen(Deciding):
    """A criterion and its evidence."""

    NAME = "criterion"
    TOP = "domains"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("listing", "domain", "about", "deciding", "judged")
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Day", lambda row: row[1].day),
        Column("About", lambda row: row[1].about, least=18),
        Column("What", lambda row: row[1].detail, least=20, cut="prose"),
        Column("Sessions", lambda row: row[1].sessions, right=True),
        Column("Report", lambda row: row[1].report, right=True, drop=1),
    )

    def __init__(self, policy_domain: str, name: str, *, top: str) -> None:
        super().__init__(Scope(policy_domain=policy_domain), top=top)
        self.policy_domain = policy_domain
        self.criterion = name
        self.state: State | None = None

    @staticmethod
    def key(row: tuple[int, Fact]) -> object:
        """Return the row with its place: two facts may say the same."""
        return row

    def crumb(self) -> str:
        """Return domain and criterion."""
        return f"{idn(self.policy_domain)} > {self.criterion}"

    def standing(self) -> str:
        """Return nothing: the window does not matter here."""
        return ""

    def body(self) -> ComposeResult:
        """Yield the explanation above the list."""
        yield Page((), labels=10, grows=True)
        yield from super().body()

    def question(self, store: Store, scope: Scope) -> State:
        """Return how the criterion stands."""
        del scope
        from tui import judging  # noqa: PLC0415 - pydantic and cryptography wait for the first frame

        return judging.whole(store, self.policy_domain, self.bench.evidence.now()).judgement.state(self.criterion)

    def show(self, answer: State | None) -> None:
        """Draw it."""
        if answer is None:
            self.list_rows((), content(), told(*unknown(self.policy_domain)))
            return
        self.state = answer
        self.query_one(Page).say(explained(answer))
        facts = answer.found.facts
        bare = {
            heading
            for heading, values in (
                ("Day", [fact.day for fact in facts]),
                ("Sessions", [fact.sessions for fact in facts]),
                ("Report", [fact.report for fact in facts]),
            )
            if not any(value is not None for value in values)
        }
        columns = [column for column in self.COLUMNS if column.heading not in bare]
        self.list_rows(list(enumerate(facts)), content(), told("No rows: this rests on none."), columns)
        self.query_one(".answer", Static).display = False

    def detail(self, row: tuple[int, Fact]) -> Content:
        """Return the row whole."""
        fact = row[1]
        return content(f"{fact.about}: {fact.detail}")

    def action_settle(self) -> None:
        """Accept the warning, or answer the question."""
        if self.state is not None:
            self.settle(self.policy_domain, self.state)

    def action_fix(self) -> None:
        """Record a repair."""
        self.ask_for_fix(self.policy_domain, "", "")

    def open(self, row: Any) -> None:  # noqa: ANN401 - a numbered Fact
        """Go to the report that the row is from, else to what was looked at or reported."""
        about, scope = row[1].about, Scope(policy_domain=self.policy_domain)
        if row[1].report is not None:
            self.bench.push_screen(ReportScreen(row[1].report, top=self.top))
        elif self.state is not None and self.state.criterion.kind == "live":
            self.bench.look_at(self.policy_domain, top=self.top)
        else:
            self.bench.look_into(replace(scope, organization=about) if "." in about and " " not in about else scope)


_KEYS = {"answer": "a", "acknowledge": "a", "fix": "f", "failures": "x"}  # by the command that does the same


def remedy(state: State) -> str:
    """Return what to do about a criterion, with the key that does it where there is one."""
    text = state.remedy
    for command, key in _KEYS.items():
        text = text.replace(f"`tlsrpt {command} ", f"the key {key} or `tlsrpt {command} ", 1)
    return text


def explained(state: State) -> list[Said]:
    """Return a criterion with its state, in the order that a reader needs it."""
    one = state.criterion
    said = [Said(f"{state.state}: {one.name} {one.title}", style=STATE_STYLES[state.state]), Said(state.reason)]
    if state.remedy and state.state != "PASS":
        said.append(Said(remedy(state), "Do", "heading"))
    if state.acknowledged is not None:
        accepted = state.acknowledged
        words = f"until {accepted.expires_at.date()} by {accepted.name}: {accepted.reason}"
        said.append(Said(words, "Accepted"))
    said.append(Said(one.why, "Why"))
    states = (("PASS", one.passes), ("WARN", one.warns), ("FAIL", one.fails), ("UNKNOWN", one.unknown))
    said += [Said(words, name, "" if name == state.state else "dim") for name, words in states if words != "-"]
    said.append(Said(f"{one.source}; {'required' if one.required else 'not required'}", "See", "dim"))
    return said
