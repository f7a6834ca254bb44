"""Every key, once: bindings, footer, help and docs/keys.md are made from this list.

One key means one thing on every screen. No key changes or deletes stored reports.
"""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from textual.binding import BindingType

PLACES = {
    "everywhere": "Everywhere",
    "list": "In every list",
    "listing": "In every list",
    "window": "Wherever a window of days is told",
    "text": "In every text",
    "domain": "Where a domain is in focus",
    "about": "Where a domain is in focus",
    "domains": "Domains",
    "readiness": "Readiness",
    "deciding": "Readiness, one criterion and one failure",
    "judged": "Readiness and one criterion",
    "plan": "Plan and details",
    "drafting": "Readiness, plan and policies",
    "draft": "A draft of the policy",
    "failures": "Failures",
    "failure": "One failure",
    "reports": "Reports",
    "report": "One report",
    "published": "What a domain publishes",
    "timeline": "Timeline",
    "senders": "Senders",
    "hosts": "MX hosts",
    "refused": "Refused",
    "mailboxes": "Mailboxes",
    "mailbox": "One mailbox",
    "question": "When something is asked",
    "form": "In a form",
    "choosing": "In a list of choices",
    "palette": "In the palette",
}

# What a screen adds to the keys that work everywhere.
SCREENS = {
    "domains": ("list", "listing", "window", "domain", "about", "domains"),
    "readiness": ("list", "listing", "domain", "about", "deciding", "judged", "drafting", "readiness"),
    "criterion": ("list", "listing", "domain", "about", "deciding", "judged"),
    "plan": ("text", "domain", "about", "drafting", "plan"),
    "details": ("text", "domain", "about", "drafting", "plan"),
    "draft": ("text", "draft"),
    "failures": ("list", "listing", "window", "domain", "about", "failures"),
    "failure": ("list", "listing", "window", "domain", "about", "deciding", "failure"),
    "timeline": ("text", "window", "domain", "about", "timeline"),
    "senders": ("list", "listing", "window", "domain", "about", "senders"),
    "hosts": ("list", "listing", "domain", "about", "hosts"),
    "policies": ("text", "window", "domain", "about", "drafting"),
    "reports": ("list", "listing", "window", "about", "reports"),
    "report": ("text", "report"),
    "published": ("text", "about", "published"),
    "refused": ("list", "listing", "refused"),
    "bytes": ("text",),
    "mailboxes": ("list", "listing", "mailboxes"),
    "mailbox": ("text", "mailbox"),
    "help": ("text",),
}


# The screens about one domain: the action of the key that leads there where there is one, and what they tell.
ABOUT = (
    ("readiness", "", "the checklist"),
    ("plan", "screen.plan", "the next step"),
    ("details", "screen.details", "whose fault, each MX, who holds which policy"),
    ("draft", "screen.draft_policy", "a draft of the policy"),
    ("published", "screen.checks", "what is published"),
    ("timeline", "screen.timeline", "the days"),
    ("senders", "screen.senders", "the organizations that report"),
    ("hosts", "screen.hosts", "the MXs"),
    ("policies", "screen.policies", "the policies as seen"),
)
# Screens that one can begin with; those of a domain need its name.
OF_A_DOMAIN = tuple(name for name, _, _ in ABOUT)
STARTS = ("domains", "failures", "reports", "refused", "mailboxes", *OF_A_DOMAIN)


class Key(NamedTuple):
    """A key, or several for the same thing."""

    place: str  # one of PLACES
    keys: str  # as Textual names them
    shown: str  # as people write them
    action: str
    label: str  # a word for the footer; "" keeps it out of there
    meaning: str


KEYS = (
    Key("list", "enter", "Enter", "open", "Open", "open the row"),
    Key("list", "down,j", "Down j", "move(1)", "", "next row"),
    Key("list", "up,k", "Up k", "move(-1)", "", "previous row"),
    Key("list", "pagedown", "PgDn", "page(1)", "", "next page"),
    Key("list", "pageup", "PgUp", "page(-1)", "", "previous page"),
    Key("list", "ctrl+d", "Ctrl+D", "page(0.5)", "", "half a page down"),
    Key("list", "ctrl+u", "Ctrl+U", "page(-0.5)", "", "half a page up"),
    Key("list", "home,g", "Home g", "top", "", "first row"),
    Key("list", "end,G", "End G", "bottom", "", "last row"),
    Key("timeline", "enter", "Enter", "screen.open", "Open", "the failures of the day that is pointed at"),
    Key("timeline", "left,h", "Left h", "screen.day(-1)", "Day", "a day back; the picture follows"),
    Key("timeline", "right,l", "Right l", "screen.day(1)", "", "a day on"),
    Key("timeline", "n", "n", "screen.failing(1)", "Next", "the next day with failures"),
    Key("timeline", "N", "N", "screen.failing(-1)", "", "the day with failures before"),
    Key("timeline", "x", "x", "screen.failures", "Failures", "what fails at this domain"),
    Key("timeline", "P", "P", "screen.plan", "Plan", "the next step of this domain"),
    Key("judged", "a", "a", "screen.settle", "Accept", "accept the warning with a reason, or answer the question"),
    Key("deciding", "f", "f", "screen.fix", "Fix", "record that a failure was mended"),
    Key("deciding", "u", "u", "screen.undo", "", "take back the newest repair, accepted warning or answer"),
    Key("readiness", "P", "P", "screen.plan", "Plan", "the next step, policy and record, and the way back"),
    Key(
        "readiness",
        "d",
        "d",
        "screen.details",
        "Details",
        "whose fault, who disagrees, each MX, who holds which policy",
    ),
    Key(
        "drafting", "T", "T", "screen.draft_policy", "Try", "edit a draft of the policy, and see what would come of it"
    ),
    Key("draft", "ctrl+t", "Ctrl+T", "screen.next_mode", "Mode", "the next mode: testing, enforce, none"),
    Key("draft", "ctrl+r", "Ctrl+R", "screen.anew", "Anew", "begin again with the policy of now"),
    Key("draft", "tab", "Tab", "app.focus_next", "Switch", "between the draft and what would come of it"),
    Key("domains", "P", "P", "screen.plan", "", "the next step of this domain"),
    Key("domains", "x", "x", "screen.failures", "Failures", "what fails at this domain"),
    Key("readiness", "x", "x", "screen.failures", "Failures", "what fails at this domain"),
    Key("failures", "b", "b", "screen.group", "By", "by series, cause, result type, MX, organization, IP, day"),
    Key("listing", "slash", "/", "screen.filter", "Filter", "keep rows with these words; Esc clears"),
    Key("failures", "r", "r", "screen.reports", "Reports", "the reports behind this row"),
    Key("domain", "c", "c", "screen.checks", "Checks", "what the domain publishes, and what is wrong with it"),
    Key("domain", "p", "p", "screen.probe", "", "look now at what the domain publishes"),
    Key("published", "p", "p", "screen.probe", "Probe", "look now at what the domain publishes; Esc stops"),
    Key("senders", "x", "x", "screen.failures", "Failures", "what fails at this domain, as this organization tells it"),
    Key("hosts", "x", "x", "screen.failures", "Failures", "what fails at this domain"),
    Key("about", "t", "t", "screen.timeline", "Timeline", "day by day: what failed, what happened, who reported"),
    Key("refused", "R", "R", "screen.reread", "Reread all", "try to read everything refused again"),
    Key("mailboxes", "F", "F", "screen.fetch", "Fetch", "read the mailbox now; Esc stops"),
    Key("mailbox", "F", "F", "screen.fetch", "Fetch", "read the mailbox now; Esc stops"),
    Key("mailboxes", "p", "p", "screen.probe", "Probe", "try the mailbox now: name, certificate, login, folders"),
    Key("mailbox", "p", "p", "screen.probe", "Probe", "try the mailbox now: name, certificate, login, folders"),
    Key("report", "v", "v", "screen.raw", "Raw", "the JSON as received, and back"),
    Key("domains", "r", "r", "screen.reports", "Reports", "the reports of this domain"),
    Key("failure", "r", "r", "screen.reports", "Reports", "the reports behind it"),
    Key("list", "s", "s", "sort", "Sort", "sort by the next column"),
    Key("about", "o", "o", "screen.senders", "Senders", "the organizations that report, and which policy they hold"),
    Key("about", "m", "m", "screen.hosts", "MXs", "each MX: DNS, policy, look, certificate, failures"),
    Key("about", "i", "i", "screen.policies", "Policies", "each policy as checks and senders saw it, as a diff"),
    Key("list", "S", "S", "reverse", "", "turn the order round"),
    Key("window", "w", "w", "app.window", "Window", "the last 2, 7, 14, 30 or 90 days, or all"),
    Key("window", "W", "W", "app.choose_window", "", "choose the period from a list"),
    Key("listing", "y", "y", "screen.copy", "Copy", "copy the row; on a failure, the command to check it"),
    Key("listing", "Y", "Y", "screen.copy_part", "", "choose what to copy: a value, the row, the whole list"),
    Key("text", "y", "y", "screen.copy", "Copy", "copy the text; of a draft, the policy"),
    Key("text", "Y", "Y", "screen.copy_part", "", "choose what to copy: a policy, a record, a command, the whole text"),
    Key(
        "everywhere",
        "e",
        "e",
        "screen.export",
        "Export",
        "write what is shown into a new file",
    ),
    Key("everywhere", "V", "V", "screen.pager", "", "what is shown, in $PAGER"),
    Key("everywhere", "E", "E", "screen.editor", "", "what is shown, in $EDITOR; what is changed there is not kept"),
    Key("text", "down,j", "Down j", "move(1)", "", "a line down"),
    Key("text", "up,k", "Up k", "move(-1)", "", "a line up"),
    Key("text", "pagedown,space", "PgDn Space", "page(1)", "", "a page down"),
    Key("text", "pageup", "PgUp", "page(-1)", "", "a page up"),
    Key("text", "ctrl+d", "Ctrl+D", "page(0.5)", "", "half a page down"),
    Key("text", "ctrl+u", "Ctrl+U", "page(-0.5)", "", "half a page up"),
    Key("text", "home,g", "Home g", "top", "", "the beginning"),
    Key("text", "end,G", "End G", "bottom", "", "the end"),
    Key("listing", "tab", "Tab", "app.focus_next", "", "between the list and the text above or below it"),
    Key(
        "everywhere",
        "escape,backspace",
        "Esc",
        "back",
        "Back",
        "clear the filter, stop what runs, else a step back",
    ),
    Key("question", "y", "y", "answer(True)", "", "yes"),
    Key("question", "n,escape,enter,backspace", "n Esc Enter", "answer(False)", "", "no"),
    Key("form", "escape", "Esc", "leave", "", "leave it be"),
    Key("form", "down", "Down", "app.focus_next", "", "the next field; Tab and Enter too"),
    Key("form", "up", "Up", "app.focus_previous", "", "the field before"),
    Key("choosing", "escape,backspace,q", "Esc q", "leave", "", "choose nothing"),
    Key("palette", "escape", "Esc", "leave", "", "choose nothing"),
    Key("palette", "down", "Down", "go(1)", "", "next choice; Enter takes it"),
    Key("palette", "up", "Up", "go(-1)", "", "choice before"),
    Key("palette", "pagedown", "PgDn", "turn(1)", "", "next page"),
    Key("palette", "pageup", "PgUp", "turn(-1)", "", "previous page"),
    Key("everywhere", "1", "1", "top('domains')", "", "Domains"),
    Key("everywhere", "2", "2", "top('failures')", "", "Failures"),
    Key("everywhere", "3", "3", "top('refused')", "", "Refused: what could not be read; read it again"),
    Key("everywhere", "4", "4", "top('mailboxes')", "", "Mailboxes: fetch reports, try a mailbox"),
    Key("everywhere", "L", "L", "load", "", "read files, mails, archives or a folder into the store; again to stop"),
    Key("everywhere", "minus", "-", "previous", "", "the screen that one jumped away from, and back"),
    Key("everywhere", "D", "D", "choose_domain", "", "the same about another domain"),
    Key(
        "everywhere",
        "colon,ctrl+p",
        ": Ctrl+P",
        "palette",
        "More",
        "all that can be done here, and every domain",
    ),
    Key("everywhere", "question_mark,f1", "? F1", "help", "Help", "this list"),
    Key("everywhere", "q,ctrl+q", "q Ctrl+Q", "quit", "Quit", "quit"),
)


@cache
def bindings(*places: str) -> list[BindingType]:
    """Return the bindings of some places, for Textual."""
    # Textual is not there when the command line or the docs read this list.
    from textual.binding import Binding  # noqa: PLC0415 - see above

    # The end of what is typed comes before the line that it is typed into gets the key.
    ends = {"listing": "screen.end_filter", "form": "screen.next"}
    return [
        *(Binding(key.keys, key.action, key.meaning, show=False) for key in KEYS if key.place in places),
        *(Binding("enter", ends[place], show=False, priority=True) for place in places if place in ends),
    ]


def footer(screen: str) -> list[Key]:
    """Return the keys that the footer of a screen names, most particular first."""
    places = (*SCREENS[screen], "everywhere")
    # Nobody needs the key to where they are.
    return [key for key in KEYS if key.place in places and key.label and key.action != f"screen.{screen}"]


def groups(screen: str | None = None) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return (heading, [(keys, meaning)]) of every place, or of those that a screen has, its own first."""
    places = list(PLACES) if screen is None else [*reversed(SCREENS[screen]), "everywhere"]
    found = sorted((key for key in KEYS if key.place in places), key=lambda key: places.index(key.place))
    return [
        (heading, [(key.shown, key.meaning) for key in keys])
        for heading, keys in groupby(found, key=lambda key: PLACES[key.place])
    ]


def markdown() -> str:
    """Return docs/keys.md."""
    parts = [
        "# Keys\n\nOne key means one thing on every screen. No key changes or deletes stored reports.\n",
    ]
    for heading, keys in groups():
        rows = "".join(f"| {shown} | {meaning} |\n" for shown, meaning in keys)
        parts.append(f"## {heading}\n\n| Key | What it does |\n| --- | --- |\n{rows}")
    return "\n".join(parts)
