"""May this domain enforce: the verdict, three conditions, and every criterion, what stands in the way first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual.widgets import Static

from queries import Scope
from tui import keys
from tui.draw import content, stacked
from tui.said import Said
from tui.screens.criterion import CriterionScreen, explained, remedy
from tui.screens.deciding import Deciding
from tui.screens.empty import told, unknown
from tui.screens.plan import DetailsScreen, PlanScreen
from tui.text import idn
from tui.widgets.table import Column
from tui.words import COLOURS, STATE_STYLES, VERDICT_STYLES, moment, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType
    from textual.content import Content

    from tlsrpt.enforce.verdict import State
    from tlsrpt.store import Store
    from tui.judged import Full


class ReadinessScreen(Deciding):
    """The checklist of one domain."""

    PREVIEWS = True
    NAME = "readiness"
    TOP = "domains"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings(
        "listing", "domain", "about", "deciding", "judged", "drafting", "readiness"
    )
    FORMS = (".md", ".json", ".csv", ".txt")
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("State", lambda row: row.state, style=lambda row: STATE_STYLES[row.state]),
        Column("Id", lambda row: row.name),
        Column("Check", lambda row: row.criterion.title, least=18),
        Column("Evidence", lambda row: row.reason, least=16, cut="prose"),
    )

    def __init__(self, policy_domain: str, *, top: str = "") -> None:
        super().__init__(Scope(policy_domain=policy_domain), top=top)
        self.policy_domain = policy_domain
        self.told: Full | None = None

    @staticmethod
    def key(row: State) -> str:
        """Return the name of the criterion."""
        return row.name

    def crumb(self) -> str:
        """Return the domain."""
        return f"{idn(self.policy_domain)} > readiness"

    def standing(self) -> str:
        """Return the moment of the verdict; the window does not matter here."""
        return moment(self.told.judgement.evidence.now) if self.told else ""

    def about(self, policy_domain: str) -> ReadinessScreen:
        """Return the same about another domain."""
        return ReadinessScreen(policy_domain, top=self.top)

    def question(self, store: Store, scope: Scope) -> Full:
        """Return the verdict and everything beside it."""
        del scope
        from tui import judging  # noqa: PLC0415 - pydantic and cryptography wait for the first frame

        return judging.whole(store, self.policy_domain, self.bench.evidence.now())

    def show(self, answer: Full | None) -> None:
        """Draw the checklist."""
        if answer is None:
            self.list_rows((), content(), told(*unknown(self.policy_domain)))
            return
        self.told = answer
        self.list_rows(answer.judgement.in_the_way, headline(answer), content())

    def detail(self, row: State) -> Content:
        """Return why and what to do, whole."""
        accepted = row.acknowledged
        lines = [content(row.reason)]
        if row.remedy and row.state != "PASS":
            lines.insert(0, content(("Do: ", "bold"), remedy(row)))  # why stands in the row, as far as there is room
        if accepted is not None:
            lines.append(content(f"Accepted until {accepted.expires_at.date()} by {accepted.name}: {accepted.reason}"))
        return stacked(*lines)

    def note(self) -> str:
        """Return what the order is, and whose word the reports have."""
        vouched = "; files that you name count as vouched for" if self.bench.evidence.paths else ""
        return f"what stands in the way first{vouched}"

    def preview(self, store: Store, row: Any) -> list[Said]:  # noqa: ANN401 - a State
        """Return what the criterion asks, and the rows that it rests on."""
        del store
        facts = [Said(f"{one.day or '-'}  {one.about}: {one.detail}", indent=2) for one in row.found.facts]
        return [*explained(row), *([Said("Rows", style="heading"), *facts] if facts else [])]

    def open(self, row: Any) -> None:  # noqa: ANN401 - a State
        """Go to the rows that a criterion rests on."""
        self.bench.push_screen(CriterionScreen(self.policy_domain, row.name, top=self.top))

    def action_failures(self) -> None:
        """Go to the failures of the domain."""
        self.bench.look_into(self.within)

    def action_plan(self) -> None:
        """Go to the next step."""
        self.bench.push_screen(PlanScreen(self.policy_domain, top=self.top))

    def action_details(self) -> None:
        """Go to what stands beside the checklist."""
        self.bench.push_screen(DetailsScreen(self.policy_domain, top=self.top))

    def action_settle(self) -> None:
        """Accept the highlighted warning, or answer the question."""
        row: State | None = self.table.row()
        if row is not None:
            self.settle(self.policy_domain, row)

    def action_fix(self) -> None:
        """Record a repair of a series that is open, after asking which."""
        damages = (*self.told.blast.damages, *self.told.other) if self.told else ()
        first = next((one for one in damages if one.status == "open"), None)
        self.ask_for_fix(self.policy_domain, first.cause if first else "", first.mx_key if first else "")

    def taken(self, form: str) -> str:
        """Return the checklist with its evidence: as a document to sign, for programs, or to read."""
        from tui import judging  # noqa: PLC0415 - as above

        return "" if self.told is None else judging.written(self.told, form)

    def action_copy(self) -> None:
        """Copy the highlighted criterion with its reason and remedy."""
        row: State | None = self.table.row()
        if row is not None:
            self.bench.copy(f"{row.state} {row.name} {row.criterion.title}: {row.reason}\n{row.remedy}".strip())

    def explain(self, reason: str) -> None:
        """Show in place of the list why there is none."""
        super().explain(reason)
        self.query_one(".answer", Static).update(content())


def headline(told: Full) -> Content:
    """Return the verdict, the three conditions and what the reports are worth."""
    from tui.judged import tally  # noqa: PLC0415 - pydantic waits for the first frame

    judgement = told.judgement
    colour = COLOURS[VERDICT_STYLES[judgement.verdict]]
    lines = [content((judgement.verdict, colour), f"   {tally(judgement)}", f"   {_since(told)}")]
    lines += [content(("ALERT ", COLOURS["bad"]), alert) for alert in judgement.alerts[:1]]
    for one in judgement.conditions:
        reason = "" if one.state == "PASS" else f": {one.reason}"
        lines.append(content((f"{one.state:<8}", COLOURS[STATE_STYLES[one.state]]), one.condition, (reason, "dim")))
    return stacked(*lines, content(_hit(told)))


def _since(told: Full) -> str:
    days = told.judgement.days_in_testing
    return "" if days is None else f"{days:,} days in testing"


def _hit(told: Full) -> str:
    """Return what enforce would have held back, in a line."""
    found = told.blast
    if not found.damages:
        return f"Enforce would have held back nothing in {found.evaluated:,} sessions since {found.since}"
    first = found.damages[0]
    return (
        f"Enforce would have held back {found.sessions:,} of {found.evaluated:,} sessions since {found.since}:"
        f" {first.fault.fault}, {first.cause} at {place(first.mx_key)}"
    )
