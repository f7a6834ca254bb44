"""The mailboxes that reports come from: when each folder was read last, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from textual import work
from textual.worker import get_current_worker

from queries import mailboxes
from tui import keys
from tui.draw import content, stacked
from tui.said import Said
from tui.screens.empty import told
from tui.screens.form import Field, Form
from tui.screens.listing import Listing
from tui.screens.working import Working
from tui.widgets.page import Page
from tui.widgets.table import Column
from tui.words import ago, count, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.content import Content
    from textual.worker import Worker

    from loaders import Status
    from loaders.imap import ImapError
    from loaders.mailbox import Folder as Source
    from queries import Scope
    from queries.mailboxes import VisitRow
    from tlsrpt.store import Store
    from tui.config import Config, Mailbox

NEVER = "not read yet"
_TLS = {"implicit": "from the start", "starttls": "by STARTTLS", "none": "none, on this machine"}


class Folder(NamedTuple):
    """A folder that is configured, or was once, and the last visit to it."""

    mailbox: str
    folder: str
    configured: bool
    visit: VisitRow | None

    @property
    def state(self) -> str:
        """How it stands, in words."""
        if self.visit is None:
            return NEVER
        if self.visit.problem:
            return self.visit.problem
        if not self.configured:
            return "not configured any more"
        return f"{count(self.visit.waiting, 'message')} waiting" if self.visit.waiting else "read"


class Known(NamedTuple):
    """What there is to show."""

    configured: Config
    folders: list[Folder]
    problem: str = ""  # of the configuration


def _folders(configured: Config, visits: Sequence[VisitRow]) -> list[Folder]:
    last = {(visit.mailbox, visit.folder): visit for visit in visits}
    named = [(name, folder) for name, one in configured.mailbox.items() for folder in one.folders]
    rest = [place for place in last if place not in named]
    return [Folder(*place, place in named, last.get(place)) for place in (*named, *rest)]


def _came(visit: VisitRow) -> str:
    """Return what a visit brought."""
    return (
        f"{count(visit.reports, 'new report')}, {count(visit.duplicates, 'duplicate')}, {visit.refused:,} refused,"
        f" {visit.skipped:,} skipped"
    )


def _figure(heading: str, figure: Callable[[VisitRow], int], drop: int = 0) -> Column:
    """Return a column of what the last visits came to."""
    return Column(heading, lambda row: None if row.visit is None else figure(row.visit), right=True, drop=drop)


class MailboxesScreen(Listing):
    """Each folder of each mailbox."""

    NAME = TOP = "mailboxes"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("listing", "mailboxes")
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Mailbox", lambda row: row.mailbox, least=8),
        Column("Folder", lambda row: row.folder, least=16),
        Column(
            "Read",
            lambda row: row.visit.began_at if row.visit else None,
            lambda row: f"{row.visit.began_at:%m-%d %H:%M}" if row.visit else "",
        ),
        _figure("New", lambda visit: visit.reports),
        _figure("Refused", lambda visit: visit.refused, drop=2),
        _figure("Messages", lambda visit: visit.messages, drop=1),
        Column(
            "State",
            lambda row: row.state,
            style=lambda row: "bad" if row.visit and row.visit.problem else "",
            least=20,
            cut="prose",
        ),
    )

    @staticmethod
    def key(row: Folder) -> object:
        """Return what tells a folder from others."""
        return row.mailbox, row.folder

    def question(self, store: Store, scope: Scope) -> Known:
        """Return the configured folders and the last visits, whatever the window."""
        del scope
        return _known(store)

    def crumb(self) -> str:
        """Return nothing narrower."""
        return ""

    def standing(self) -> str:
        """Return nothing: the window does not matter here."""
        return ""

    def show(self, answer: Known | None) -> None:
        """List them."""
        known = answer or _known(None)
        if known.problem:
            self.list_rows((), content(), told("The configuration cannot be used.", known.problem))
            return
        self.list_rows(known.folders, content(_summary(known)), _nothing())

    def detail(self, row: Folder) -> Content:
        """Return the last visit in words."""
        visit = row.visit
        if visit is None:
            return content(f"{row.mailbox} {row.folder}: {NEVER}. F reads it now.")
        last = ago(visit.began_at, self.bench.evidence.now())
        came = f"{row.mailbox} {row.folder}, {last}: {_came(visit)}, in {visit.seconds:.1f} s"
        ever = f"in all {count(visit.all_reports, 'report')}, {visit.all_refused:,} refused"
        return stacked(content(came), content(visit.problem or ever))

    def open(self, row: Any) -> None:  # noqa: ANN401 - a Folder
        """Go to the mailbox."""
        self.bench.push_screen(MailboxScreen(row.mailbox))

    def _chosen(self) -> str | None:
        table = self.table
        row = table.shown[table.cursor].row if table.cursor < len(table.shown) else None
        return row.mailbox if isinstance(row, Folder) and row.configured else None

    def action_probe(self) -> None:
        """Try the mailbox of this row."""
        if (name := self._chosen()) is not None:
            self.bench.push_screen(MailboxScreen(name, now=True))

    def action_fetch(self) -> None:
        """Read the mailbox of this row."""
        if (name := self._chosen()) is not None:
            self.bench.push_screen(MailboxScreen(name, fetch=True))


def _known(store: Store | None) -> Known:
    from tui import config  # noqa: PLC0415 - pydantic waits for the first frame

    try:
        configured = config.read()
    except config.ConfigError as error:
        return Known(config.Config(), [], error.format_message())
    return Known(configured, _folders(configured, mailboxes.visits(store) if store is not None else []))


def _summary(known: Known) -> str:
    if not known.folders:
        return ""
    visits = [one.visit for one in known.folders if one.visit is not None]
    words = count(len(known.configured.mailbox), "mailbox", "mailboxes")
    if not visits:
        return f"{words}, none read yet. F reads one."
    problems = sum(bool(visit.problem) for visit in visits)
    last = max(visit.began_at for visit in visits)
    bad = f"; {count(problems, 'folder')} could not be read" if problems else ""
    return f"{words}, last read {moment(last)}{bad}"


def _nothing() -> Content:
    from tui import config  # noqa: PLC0415 - pydantic waits for the first frame

    return told(
        "No mailbox is configured.",
        "",
        "tlsrpt config            write a file to start from",
        "tlsrpt config check      try what stands in it",
        "tlsrpt fetch             read all mailboxes, from cron or a timer",
        "",
        f"The file is {config.path()}",
    )


class MailboxScreen(Working):
    """One mailbox: how it is read, what came of it; here it can be tried and read."""

    NAME = "mailbox"
    TOP = "mailboxes"
    AUTO_FOCUS = "Page"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("mailbox")

    STOPPED = "Stopped; what was read is kept"

    def __init__(self, name: str, *, now: bool = False, fetch: bool = False) -> None:
        super().__init__()
        self.name_of = name
        self.wanted = "fetch" if fetch else "probe" if now else ""
        self.known: Known | None = None
        self.came: list[Said] = []  # of the last thing done

    def crumb(self) -> str:
        """Return the mailbox."""
        return f"{self.name_of} > mailbox"

    def standing(self) -> str:
        """Return how far it has come."""
        return "working; Esc stops" if self.going else ""

    def body(self) -> ComposeResult:
        """Yield the page."""
        yield Page()

    def question(self, store: Store, scope: Scope) -> Known:
        """Return the configured folders and the last visits."""
        del scope
        return _known(store)

    def show(self, answer: Known | None) -> None:
        """Draw it; do what was wanted."""
        self.known = answer or _known(None)
        self.going_on()
        wanted, self.wanted = self.wanted, ""
        if wanted == "fetch":
            self.action_fetch()
        elif wanted:
            self.action_probe()

    def going_on(self) -> None:
        """Draw what is being done, else what came of it, and the mailbox."""
        assert self.known is not None
        doing = [Said("Now", style="heading"), Said(self.going), Said("")] if self.going else self.came
        self.query_one(Page).say([*doing, *self._page(self.known)])

    def _page(self, known: Known) -> list[Said]:
        if known.problem:
            return [Said("The configuration cannot be used.", style="heading"), Said(known.problem)]
        one = known.configured.mailbox.get(self.name_of)
        said: list[Said] = []
        if one is None:
            said.append(Said(f"{self.name_of} is not configured any more.", style="heading"))
        else:
            said += [
                Said(f"{one.user} at {one.host}:{one.own_port}", style="heading"),
                Said(_TLS[one.tls], "TLS"),
                Said(one.auth, "Login"),
                Said(_afterwards(one), "Messages"),
                *([Said(f"as {one.trusted_authserv_id} says", "Signed")] if one.trusted_authserv_id else []),
                *([Said("every mail in it counts, signed or not", "Vouched")] if one.vouch else []),
                Said(""),
            ]  # fmt: skip
        for folder in known.folders:
            if folder.mailbox == self.name_of:
                said += self._visit(folder)
        return said

    def _visit(self, folder: Folder) -> list[Said]:
        visit = folder.visit
        if visit is None:
            return [Said(folder.folder, style="heading"), Said(NEVER, "Last read"), Said("")]
        came = f"{_came(visit)}, of {count(visit.messages, 'message')} in {visit.seconds:.1f} s"
        return [
            Said(folder.folder or "(the mailbox)", style="heading"),
            Said(f"{moment(visit.began_at)}, {ago(visit.began_at, self.bench.evidence.now())}", "Last read"),
            Said(came, "Came of it"),
            *([Said(visit.problem, "Problem", style="bad")] if visit.problem else []),
            *([Said(f"{count(visit.waiting, 'message')} for the next time", "Waiting")] if visit.waiting else []),
            Said(f"{count(visit.all_reports, 'report')}, {visit.all_refused:,} refused; 3 lists these", "In all"),
            Said(""),
        ]

    # Doing

    def action_probe(self) -> None:
        """Try the mailbox now."""
        self._contact("trying", self._try)

    def action_fetch(self) -> None:
        """Read the mailbox now."""
        self._contact("connecting", self._fetch)

    def _contact(self, words: str, do: Callable[[int, str | None], Worker[None]]) -> None:
        one = self.known and self.known.configured.mailbox.get(self.name_of)
        if self.going or one is None:
            return
        if self.bench.evidence.paths or self.bench.evidence.as_of is not None:
            self.bench.notify("Nobody is contacted about files that were given, or about the past")
            return

        def start(secret: str | None) -> None:
            self.came = []
            self.begin(words, lambda number: do(number, secret))

        if one.asks and self.name_of not in self.bench.secrets:
            self.bench.push_screen(
                Form(f"Password of {one.user} at {one.host}", Field("Password", secret=True)),
                lambda given: start(given[0]) if given and given[0] else None,
            )
        else:
            start(self.bench.secrets.get(self.name_of))

    # Described, or Textual does it by the arguments, and one is a password.
    @work(thread=True, exclusive=True, exit_on_error=False, group="mailbox", description="try")
    def _try(self, number: int, secret: str | None) -> None:
        from tui import configuring  # noqa: PLC0415 - IMAP and duckdb wait for their first use

        worker = get_current_worker()
        lines: list[Said] = []
        try:
            found, problem = configuring.tried(self._mailbox(secret), lambda: worker.is_cancelled)
            lines = [Said(line, style="bad" if problem and len(found) == 1 else "") for line in found]
            lines = [Said("Tried now", style="heading"), *lines, Said("")]
            self._keep(secret, problem)
        finally:  # a fault of ours ends it as well
            self.post_message(self.Ended(number, lines))

    @work(thread=True, exclusive=True, exit_on_error=False, group="mailbox", description="fetch")
    def _fetch(self, number: int, secret: str | None) -> None:
        from tlsrpt.store import StoreError  # noqa: PLC0415 - duckdb waits for the first frame
        from tui import config, fetching  # noqa: PLC0415 - as above
        from tui.progress import fetching as brief  # noqa: PLC0415 - as above

        worker = get_current_worker()

        def went(folder: str, source: Source, status: Status) -> None:
            self.post_message(self.Went(number, f"{folder}: {brief(source, status)}"))

        lines: list[Said] = []
        try:
            said, problem = fetching.once(
                self.bench.evidence.made(), self._mailbox(secret), went, lambda: worker.is_cancelled
            )
            lines = [Said("Read now", style="heading"), *(Said(line) for line in said), Said("")]
            self._keep(secret, problem)
        except (StoreError, config.ConfigError) as error:
            lines = [Said(str(error), style="bad"), Said("")]
        finally:  # a fault of ours ends it as well
            self.post_message(self.Ended(number, lines))

    def _mailbox(self, secret: str | None) -> Any:  # noqa: ANN401 - a loaders Mailbox, imported late
        from tui import fetching  # noqa: PLC0415 - as above

        assert self.known is not None
        given = self.known.configured.mailbox[self.name_of]
        return fetching.mailbox(self.name_of, given, None if secret is None else lambda _: secret)

    def _keep(self, secret: str | None, problem: ImapError | None) -> None:
        """Keep a password that let us in, until the program ends; forget one that was refused."""
        if problem is not None and problem.kind == "login":
            self.bench.secrets.pop(self.name_of, None)
        elif secret is not None and (problem is None or problem.kind == "folder"):
            self.bench.secrets[self.name_of] = secret

    def ended(self, outcome: list[Said]) -> None:
        """Show what came of it, and what is stored now."""
        self.came = outcome
        self.going_on()
        self.frame()
        self.bench.changed()


def _afterwards(one: Mailbox) -> str:
    if one.after == "move":
        return f"move to {one.move_to} once stored"
    return "are deleted once stored" if one.after == "delete" else "stay as they are"
