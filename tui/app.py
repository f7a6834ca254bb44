"""The screens' program: what they share, and how they follow each other."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual import on, work
from textual.app import App
from textual.events import Event, InputEvent, Key
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input, TextArea
from textual.worker import Worker, WorkerState, get_current_worker

from queries import Scope
from tui import keys
from tui.evidence import USUAL, WINDOWS, Evidence, window_words
from tui.remembered import Remembered
from tui.screens.base import Asking
from tui.screens.choose import Choice, Choose
from tui.screens.confirm import Confirm
from tui.screens.domains import DomainsScreen
from tui.screens.draft import DraftScreen
from tui.screens.failures import FailuresScreen
from tui.screens.form import Field, Form
from tui.screens.help import HelpScreen
from tui.screens.hosts import HostsScreen
from tui.screens.mailboxes import MailboxesScreen
from tui.screens.palette import Command, Palette
from tui.screens.plan import DetailsScreen, PlanScreen
from tui.screens.policies import PoliciesScreen
from tui.screens.published import PublishedScreen
from tui.screens.readiness import ReadinessScreen
from tui.screens.refused import RefusedScreen
from tui.screens.report import ReportScreen
from tui.screens.reports import ReportsScreen
from tui.screens.senders import SendersScreen
from tui.screens.timeline import TimelineScreen
from tui.text import idn, safe, safe_lines
from tui.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from textual.binding import BindingType
    from textual.screen import Screen

    from loaders import Status, Summary

LOOK_AGAIN = 2.0  # seconds between looks at the store's time of writing
PATIENCE = 2.0  # seconds for leaving the terminal as it was, once asked to end
PASSING = 4.0  # seconds that a message stays which nobody has to read
COPIES = 55_000  # bytes that every terminal takes for the clipboard: 74,000 as they are sent
OF_A_DOMAIN: dict[str, Callable[..., Asking]] = {  # screens about one domain, by name
    "readiness": ReadinessScreen,
    "plan": PlanScreen,
    "details": DetailsScreen,
    "draft": DraftScreen,
    "published": PublishedScreen,
    "timeline": TimelineScreen,
    "senders": SendersScreen,
    "hosts": HostsScreen,
    "policies": PoliciesScreen,
}


def how_far(doing: str, status: Status, things: str = "files") -> str:
    """Return how far the reading of files or other things has come, for the head."""
    from tui.progress import left  # noqa: PLC0415 - not needed for the first frame

    of = f" of {status.total_files:,}" if status.total_files else ""
    return ", ".join([f"{doing} {status.files:,}{of} {things}", *left(status)])


class Workbench(App[None]):
    """Reports, from domains down to the bytes of one."""

    CSS_PATH = "app.tcss"
    TITLE = "tlsrpt"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("everywhere")
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-high")]  # noqa: RUF012 - an instance variable of App
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (150, "-broad")]  # noqa: RUF012 - likewise

    days: reactive[int | None] = reactive(None)
    """The window: how many days up to today, None for all."""

    progress = reactive("")
    """What is going on in the background."""

    class Ready(Message):
        """The evidence can be asked."""

        def __init__(self, days: int | None, refused: int) -> None:
            super().__init__()
            self.days = days
            self.refused = refused

    class Reading(Message):
        """Paths are being read."""

        def __init__(self, status: Status) -> None:
            super().__init__()
            self.status = status

    class Read(Message):
        """Paths have been read."""

        def __init__(self, summary: Summary, report: int | None) -> None:
            super().__init__()
            self.summary = summary
            self.report = report  # its number, if there is one report and no more

    class Reread(Message):
        """Refused deliveries have been read again."""

        def __init__(self, summary: Summary) -> None:
            super().__init__()
            self.summary = summary

    class Broken(Message):
        """The evidence cannot be asked."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    class Loading(Message):
        """Files are being loaded."""

        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

    class Loaded(Message):
        """Files have been loaded."""

        def __init__(self, summary: Summary) -> None:
            super().__init__()
            self.summary = summary

    class Failed(Message):
        """Something could not be done."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(
        self, evidence: Evidence, *, colour: bool = True, blocks: bool = True, start: Remembered | None = None
    ) -> None:
        super().__init__(ansi_color=None if colour else True)
        self.blocks = blocks  # whether pictures are drawn with block characters, not with ASCII alone
        self.start = start or Remembered()
        self.orders = dict(self.start.orders)  # by screen
        self.place: tuple[str, str | None] = ("domains", None)  # the last screen that one can begin with
        self.animation_level = "none"
        self.colour = colour
        self.evidence = evidence
        self.ready = False  # whether the evidence can be asked
        self.broken = ""  # why the evidence cannot be asked
        self.refused = 0  # deliveries refused, for the head
        self._passing = False  # whether the message shown last is one that only passes by
        self._hinted = False  # whether it was said what helps where nothing can be copied
        self._left: list[Screen[Any]] | None = None  # what one jumped away from, kept as it was
        self._tops: dict[str, Callable[[], Asking]] = {
            "domains": DomainsScreen,
            "failures": FailuresScreen,
            "refused": RefusedScreen,
            "mailboxes": MailboxesScreen,
        }
        self.loader: Worker[None] | None = None  # what reads files, or again what was refused
        self.path = ""  # that could not be loaded, to be mended
        self.secrets: dict[str, str] = {}  # passwords asked for, by mailbox; kept nowhere else

    def get_default_screen(self) -> Screen[None]:
        """Return the first screen."""
        return DomainsScreen()

    def on_mount(self) -> None:
        """Begin in the background, once the first frame is there."""
        self.set_class(not self.blocks, "-ascii")
        if not self.is_headless and sys.platform != "win32":
            self._heed_signals()
        self.call_after_refresh(self._begin)

    def _heed_signals(self) -> None:
        """End on a signal, and when the terminal goes away, whatever state the loop is in."""
        loop = asyncio.get_running_loop()

        def end(number: int, frame: FrameType | None = None) -> None:
            del frame
            # A terminal that takes nothing holds the loop in a write, and no handler of the loop ever runs.
            late = threading.Timer(PATIENCE, os._exit, (128 + number,))
            late.daemon = True
            late.start()
            with suppress(RuntimeError):  # the loop has ended already
                loop.call_soon_threadsafe(self._ended_by, number)

        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, end)
        threading.Thread(target=self._wait_for_hang_up, args=(end,), name="hang-up", daemon=True).start()

    def _wait_for_hang_up(self, end: Callable[[int], None]) -> None:
        """End when the terminal goes away without a signal, on whose end Textual would read for ever."""
        terminal = select.poll()
        terminal.register(sys.__stdin__.fileno() if sys.__stdin__ else 0, 0)  # asks for nothing but a hang-up
        [(_, event)] = terminal.poll()
        if not event & select.POLLNVAL:  # a system that cannot tell this of a terminal
            end(signal.SIGHUP)

    def _begin(self) -> None:
        self.begin()
        if not self.evidence.paths:
            self.set_interval(LOOK_AGAIN, self._look_again)
            self.set_timer(1.0, self._still_waiting)

    def _still_waiting(self) -> None:
        """Say that the store is used by another program, once that takes its time."""
        if not self.ready and not self.broken:
            self.progress = "waiting for another program that uses the store"

    def _ended_by(self, number: int) -> None:
        self.exit(return_code=128 + number)

    def on_unmount(self) -> None:
        """End what is being asked: Python ends no thread that waits for an answer."""
        threading.Thread(target=self.evidence.give_up, name="give-up", daemon=True).start()

    # Evidence

    @work(thread=True, exit_on_error=False, group="begin")
    def begin(self) -> None:
        """Open the store, or read the paths into memory."""
        from loaders import SourceError  # noqa: PLC0415 - duckdb and pydantic wait for the first frame
        from tlsrpt.store import StoreError  # noqa: PLC0415 - likewise

        worker = get_current_worker()
        try:
            wanted = self.start.days if self.start.has_window else USUAL
            self.post_message(self.Ready(*self.evidence.first_window(wanted)))
            if self.evidence.paths:
                from tui.progress import now_and_then  # noqa: PLC0415 - with what reads files, which a store needs not

                progress = now_and_then(self.evidence.paths, lambda status: self.post_message(self.Reading(status)))
                summary = self.evidence.read_paths(progress, lambda: worker.is_cancelled)
                self.post_message(self.Read(summary, self.evidence.only_report() if summary.reports == 1 else None))
        except (SourceError, StoreError) as error:
            self.post_message(self.Broken(str(error)))

    @on(Broken)
    def _is_broken(self, message: Broken) -> None:
        self.progress = ""
        self.broken = message.reason
        self.renew()

    @on(Ready)
    def _is_ready(self, message: Ready) -> None:
        self.ready = True
        self.broken = ""
        self.refused = message.refused
        self.progress = "reading" if self.evidence.paths else ""
        self.set_reactive(Workbench.days, message.days)
        self.changed()
        if len(self.screen_stack) == 1 and (begun := self._begun_with()) is not None:
            self.push_screen(begun)

    def _begun_with(self) -> Asking | None:
        """Return the screen to begin with, None for the first one."""
        name, domain = self.start.screen, self.start.policy_domain
        if domain is not None and name in OF_A_DOMAIN:
            return OF_A_DOMAIN[name](domain, top="domains")
        within = Scope(policy_domain=domain)
        wider: dict[str, Callable[[], Asking]] = {
            "failures": lambda: FailuresScreen(within),
            "reports": lambda: ReportsScreen(within, top="domains"),
            "refused": RefusedScreen,
            "mailboxes": MailboxesScreen,
        }
        return wider[name]() if name in wider else None

    def remembered(self) -> Remembered:
        """Return what to begin with the next time."""
        name, domain = self.place
        return Remembered(name, domain, has_window=True, days=self.days, orders=self.orders)

    @on(Reading)
    def _reading(self, message: Reading) -> None:
        self.progress = how_far("reading", message.status)
        self.changed()

    @on(Read)
    def _read(self, message: Read) -> None:
        self.progress = ""
        self.changed()
        if not message.summary.reports:
            self.fail("no report in what was given" + (" (3 lists why)" if message.summary.refused else ""))
        elif message.report is not None and len(self.screen_stack) == 1:
            self.push_screen(ReportScreen(message.report, top="domains"))

    @on(Reread)
    def _read_again(self, message: Reread) -> None:
        done = message.summary
        self.loader = None
        self.progress = ""
        stopped = "stopped; kept what was finished: " if done.interrupted else ""
        words = f"{stopped}{count(done.reports, 'new report')}, {done.refused:,} refused still"
        self.notify(words, title="Read again")
        self.changed()

    # Loading more

    def action_load(self) -> None:
        """Ask for a path and load it, or whether to stop what is being loaded."""
        if self.loader is not None:
            self.push_screen(Confirm("Stop reading?", "What was read until then is kept."), self._stop_loading)
            return
        words = "A report, a mail, an archive, an mbox, a Maildir, or a folder of them"
        place = "memory, with the files given" if self.evidence.paths else "the store"
        self.push_screen(
            Form(f"Read into {place}", Field("Path", self.path, "~/reports"), words=words), self._load_these
        )

    def _stop_loading(self, yes: bool | None) -> None:  # noqa: FBT001 - as a question ends
        if yes and self.loader is not None:
            self.loader.cancel()

    def _load_these(self, given: tuple[str, ...] | None) -> None:
        if given is not None and given[0]:
            self.progress = "loading"
            self.path = given[0]
            self.loader = self.load_path(given[0])

    @work(thread=True, exclusive=True, exit_on_error=False, group="load")
    def load_path(self, path: str) -> None:
        """Load what is at a path; the operator chose it, as the files given at the start."""
        from click import ClickException  # noqa: PLC0415 - duckdb and pydantic wait for the first frame

        from loaders import SourceError  # noqa: PLC0415 - likewise
        from tlsrpt.store import StoreError  # noqa: PLC0415 - likewise
        from tui import believing, config, running  # noqa: PLC0415 - likewise
        from tui.progress import now_and_then  # noqa: PLC0415 - likewise

        worker = get_current_worker()
        try:
            # Absolute before all else: - is a file here, and not standard input.
            paths = running.named([str(Path(path).expanduser().absolute())])
            store, configured = self.evidence.made(), config.read()
            believing.regrade(store, configured)
            summary = running.read_in(
                store,
                paths,
                configured,
                vouch=bool(self.evidence.paths),
                progress=now_and_then(paths, partial(self.tell, "loading", "files")),
                stopped=lambda: worker.is_cancelled,
            )
            self.post_message(self.Loaded(summary))
        except ClickException as error:
            self.post_message(self.Failed(error.format_message()))
        except (SourceError, StoreError, RuntimeError) as error:  # no home folder
            self.post_message(self.Failed(str(error)))

    def tell(self, doing: str, things: str, status: Status) -> None:
        """Show how far the reading of files, or of what was refused, has come. Runs in a thread."""
        self.post_message(self.Loading(how_far(doing, status, things)))

    @on(Loading)
    def _is_loading(self, message: Loading) -> None:
        if self.loader is not None:
            self.progress = message.words

    @on(Loaded)
    def _is_loaded(self, message: Loaded) -> None:
        from tui.progress import summed_up  # noqa: PLC0415 - not needed for the first frame

        self.loader = None
        self.path = ""
        self.progress = ""
        self.notify(summed_up(message.summary), title="Loaded")
        self.changed()

    @on(Failed)
    def _failed(self, message: Failed) -> None:
        self.loader = None
        self.progress = ""
        self.fail(message.reason)
        self.changed()

    @on(Worker.StateChanged)
    def _fault(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self.fail(f"a fault of this program: {event.worker.error!r}")

    def _look_again(self) -> None:
        if self.broken:
            if all(worker.is_finished for worker in self.workers if worker.group == "begin"):
                self.begin()
        elif self.evidence.changed():
            self.changed()

    def changed(self) -> None:
        """Have the screen ask again: there may be new answers."""
        self.evidence.version += 1
        self.renew()

    def renew(self) -> None:
        """Have the screen draw its frame, and ask if need be."""
        if (screen := self._asking()) is not None:
            screen.frame()
            screen.renew()

    def look_at_days(self, days: int | None) -> None:
        """Look at a window whose answer is shown already."""
        self.set_reactive(Workbench.days, days)

    def watch_days(self) -> None:
        """Ask about another window."""
        self.renew()

    def watch_progress(self) -> None:
        """Show what is going on."""
        if (screen := self._asking()) is not None:
            screen.frame()

    def _asking(self) -> Asking | None:
        """Return the screen if it asks; one that is being taken apart, as the program ends, does not any more."""
        here = self.screen_stack[-1] if self.screen_stack else None
        return here if isinstance(here, Asking) and here.query(".foot") else None

    # Saying

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Literal["information", "warning", "error"] = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a message for some seconds; never as markup, whoever asks."""
        del markup
        if self._passing:  # one at a time: they stand over what is looked at
            self.clear_notifications()
        self._passing = severity == "information"
        if self._passing and timeout is None:
            timeout = PASSING
        super().notify(safe_lines(message), title=safe(title), severity=severity, timeout=timeout, markup=False)

    def fail(self, reason: str) -> None:
        """Say what could not be done."""
        self.notify(reason, severity="error", timeout=10)

    def copy(self, text: str, what: str = "") -> None:
        """Put safe text into the clipboard of the terminal, and say so; `what` in place of its first line."""
        whole = text.encode()
        taken = whole[:COPIES].decode(errors="ignore")
        if len(whole) > COPIES:
            taken = taken[: taken.rfind("\n") + 1] or taken
            what = f"the first {count(len(taken.splitlines()), 'line')} only: e writes all of it into a file"
        self.copy_to_clipboard(taken)
        first = what or (taken.splitlines() or [""])[0].replace("\t", "  ")
        hint, self._hinted = "" if self._hinted else "\nIf nothing arrives: tmux set -g set-clipboard on", True
        self.notify(f"{first}{hint}", title="Copied")

    def look_with(self, names: Sequence[str], otherwise: str, text: str) -> None:
        """Give safe text to a program of the operator's, who gets the terminal meanwhile."""
        from textual.app import SuspendNotSupported  # noqa: PLC0415 - seldom needed

        from tui import exporting  # noqa: PLC0415 - likewise

        # Textual takes NO_COLOR for itself.
        environment = {} if self.colour else {"NO_COLOR": "1"}
        if "LESS" not in os.environ:
            environment["LESS"] = "-S"  # rows of a list stay rows
        try:
            program = exporting.program_of(*names, otherwise=otherwise)
            with self.suspend():
                problem = exporting.looked_at(program, text, environment)
        except SuspendNotSupported:
            problem = "this terminal cannot be lent to another program; e writes a file"
        except ValueError as error:
            problem = str(error)
        if problem:
            self.fail(problem)

    def _fatal_error(self) -> None:
        """End after a fault of ours, with its traceback and without the values of local variables."""
        from rich.segment import Segments  # noqa: PLC0415 - needed once, if ever
        from rich.traceback import Traceback  # noqa: PLC0415 - likewise

        trace = Traceback(show_locals=False, width=None)
        self._exit_renderables.append(Segments(self.console.render(trace, self.console.options)))
        self._close_messages_no_wait()

    # Keys

    async def on_event(self, event: Event) -> None:
        """Run what a key is bound to before the next one comes, wherever no text is typed.

        Textual runs it once the key has been to the widget that has the focus and back. On a slow line keys come
        several at once, and one would go to a screen that another before it is about to leave.
        """
        if isinstance(event, InputEvent) and not self.screen_stack:
            return  # it came when all screens had been taken down
        if isinstance(event, Key) and not event.is_forwarded and not self._types():
            for at_once in (True, False):
                if await self._check_bindings(event.key, priority=at_once):
                    return
        await super().on_event(event)

    def _types(self) -> bool:
        """Return whether the focus is where text is typed."""
        return isinstance(self.focused, Input | TextArea)

    def action_top(self, name: str) -> None:
        """Go to one of the first screens."""
        here = self.screen
        if isinstance(here, Asking) and name == here.NAME and here.within == Scope():
            return
        self._jump([] if name == "domains" else [self._tops[name]()])

    def action_previous(self) -> None:
        """Go back to what one jumped away from, as it was."""
        if self._left is None:
            self.notify("No other screen so far")
        else:
            self._jump(self._left)

    def jump(self, screen: Asking) -> None:
        """Go to a screen that is no step deeper from here."""
        self._jump([screen])

    def _jump(self, screens: Sequence[Screen[Any]]) -> None:
        """Show these above the first screen, and keep what was there for the way back."""
        kept = [screen for screen in self.screen_stack[1:] if isinstance(screen, Asking)]
        for left in kept:
            if not self.is_screen_installed(left):
                self.install_screen(left, f"left-{id(left)}")  # so that popping leaves it whole
        while len(self.screen_stack) > 1:
            self.pop_screen()
        for screen in screens:
            self.push_screen(screen)
        for gone in self._left or []:
            if gone not in screens:
                self.uninstall_screen(gone)
                gone.remove()
        self._left = [*kept]

    def look_into(self, within: Scope) -> None:
        """Open the failures of a narrower scope."""
        self.push_screen(FailuresScreen(within))

    def look_at(self, policy_domain: str | None, *, top: str, now: bool = False) -> None:
        """Open what a domain publishes, and look again `now`, or say that no domain is in focus."""
        if policy_domain is None:
            self.notify("No domain in focus: choose one first")
        else:
            self.push_screen(PublishedScreen(policy_domain, top=top, now=now))

    def look_over(self, name: str, policy_domain: str | None, *, top: str) -> None:
        """Open a screen about one domain, or say that no domain is in focus; stay, if that is where one is."""
        if policy_domain is None:
            self.notify("No domain in focus: choose one first")
        elif not (isinstance(self.screen, Asking) and name == self.screen.NAME):
            self.push_screen(OF_A_DOMAIN[name](policy_domain, top=top))

    async def action_back(self) -> None:
        """Undo one step; at the first screen there is none."""
        if isinstance(self.screen, Asking) and (self.screen.stop_asking() or self.screen.step_back()):
            return
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def action_window(self) -> None:
        """Look at the next longer window."""
        here = WINDOWS.index(self.days)
        self.days = WINDOWS[(here + 1) % len(WINDOWS)]

    def action_choose_window(self) -> None:
        """Choose the window from a list."""

        def chosen(choice: Choice | None) -> None:
            if choice is not None:
                self.days = WINDOWS[int(choice.key) - 1]

        choices = [Choice(str(n), window_words(days, self.evidence)) for n, days in enumerate(WINDOWS, 1)]
        self.push_screen(Choose("Period", choices, WINDOWS.index(self.days)), chosen)

    def action_choose_domain(self) -> None:
        """Choose the domain that the screen is about."""
        self._choose((), "another domain")

    def action_palette(self) -> None:
        """Choose among all that can be done here, and all domains."""
        screen = self.screen
        if isinstance(screen, Asking):
            self._choose([*screen.commands(), *self._elsewhere(screen)], "what to do, or a domain")

    def _elsewhere(self, screen: Asking) -> list[Command]:
        """Return where one can go though no key of this screen leads there."""
        found = [Command("every report, newest first", "", "app.go('reports')", also="reports")]
        domain = screen.domain()
        if domain is not None:
            here = {key.action for key in keys.KEYS if key.place in keys.SCREENS[screen.NAME]}
            found += [
                Command(f"{words} of {idn(domain)}", "", f"app.go('{name}')", also=name)
                for name, action, words in keys.ABOUT
                if name != screen.NAME and action not in here
            ]
        return found

    def action_go(self, name: str) -> None:
        """Go to a screen that no key of this one leads to: all reports, or one about the domain in focus."""
        screen = self._asking()
        if screen is not None and name == "reports":
            self.push_screen(ReportsScreen(top=screen.top))
        elif screen is not None:
            self.look_over(name, screen.domain(), top=screen.top)

    def _choose(self, commands: Sequence[Command], hint: str) -> None:
        screen = self.screen
        if not isinstance(screen, Asking):
            return

        async def chosen(command: Command | None) -> None:
            if command is None:
                return
            if command.policy_domain:
                self.jump(screen.about(command.policy_domain))
            else:
                await self.run_action(command.action, screen)

        self.push_screen(Palette(commands, self._domains, hint), chosen)

    def _domains(self) -> list[str]:
        """Return every domain by name, watched ones too. Runs in a thread."""
        from queries import domains  # noqa: PLC0415 - duckdb waits for the first frame
        from tlsrpt.store import StoreError  # noqa: PLC0415 - likewise
        from tui import config  # noqa: PLC0415 - likewise

        try:
            store = self.evidence.store()
            names = [] if store is None else domains.names(store, self.evidence.scope(None))
            return sorted({*names, *config.watched()})
        except StoreError:  # the screens say what is wrong with it
            return []

    def action_help(self) -> None:
        """Show the keys of this screen."""
        if not isinstance(self.screen, HelpScreen):
            name = self.screen.NAME if isinstance(self.screen, Asking) else "domains"
            self.push_screen(HelpScreen(name))

    def action_help_quit(self) -> None:
        """Say how to quit: ctrl+c is too easily pressed to do it."""
        self.notify("q quits")
