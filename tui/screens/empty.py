"""What a screen says when it has nothing to list: what is so, and what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.draw import content, stacked
from tui.evidence import window_words
from tui.said import Said
from tui.text import idn

if TYPE_CHECKING:
    from datetime import date

    from textual.content import Content

    from tui.app import Workbench


def told(*lines: str) -> Content:
    """Return lines of text with the first one standing out."""
    return stacked(content(), content((lines[0], "bold")), *map(content, lines[1:]))


def paged(*lines: str) -> list[Said]:
    """Return the same for a page."""
    return [Said(lines[0], style="heading"), *map(Said, lines[1:])]


def unknown(policy_domain: str, first: str = "") -> tuple[str, ...]:
    """Return what is so about a domain without a store; `first` stands before the keys."""
    return (
        f"Nothing is known about {idn(policy_domain)} yet.",
        f"{first}p looks now at what it publishes, L reads reports into the store.",
        "tlsrpt check and tlsrpt load do the same from the shell.",
    )


def no_reports(bench: Workbench, newest: date | None, policy_domain: str | None = None) -> Content:
    """Return why there is no report to see, of a domain if one is given.

    `newest` is the day of the newest one, whatever the window.
    """
    if newest is not None:
        return told(
            f"No report in {window_words(bench.days, bench.evidence)}.",
            f"The newest one is of {newest}. w looks at a longer window.",
        )
    if bench.evidence.paths:
        if bench.progress:
            return told("Reading …")
        return told("No report found in what was given.", "3 lists what was refused, and why.")
    if policy_domain is not None:
        return told(
            f"No report about {idn(policy_domain)}.",
            "Senders report about a domain whose TLSRPT record asks them to: c shows what it publishes.",
        )
    return told(
        "No reports yet.",
        "",
        "L                         read files, archives or a folder into the store",
        "tlsrpt load ~/reports     the same from the shell",
        "tlsrpt report.json.gz     look at one file and store nothing",
        "tlsrpt config             set up a mailbox; then 4 and F read it",
        "",
        "This screen fills by itself when reports have been loaded.",
        "",
        "No reports in the mail? A domain asks for them with this record:",
        '_smtp._tls.<domain>  TXT  "v=TLSRPTv1; rua=mailto:reports@<domain>"',
        "They come once a day, the first ones a day or two later.",
    )
