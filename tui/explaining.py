"""What `explain` does: the page of a cause or a finding with its commands filled in, or the list of causes."""

from __future__ import annotations

import difflib
import ipaddress
import json
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, NamedTuple

import click

from tlsrpt.advice import ADVICE
from tlsrpt.enforce.criteria import BY_NAME
from tlsrpt.knowledge import EXPLANATIONS, commands
from tui import checking, plain
from tui.checked import STYLES
from tui.running import room
from tui.said import Said
from tui.text import safe
from tui.words import IMPACT_STYLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tlsrpt.knowledge import Explanation

_NEAR = 4  # names that are offered for a word that is none
_LONGEST = 64  # characters of a word that are compared with them
_BLOCKS = {"would-block": "yes", "unclear": "unclear", "dane": "already", "none": "no", "unknown": "unknown"}
_FIELDS = ("cause", "act", "blocks", "title", "fault", "impact")
_COLUMNS = _FIELDS[:4]
_TO_CONFIRM = "To confirm"
_STATE_STYLES = {"PASS": "good", "WARN": "warn", "FAIL": "bad", "UNKNOWN": "warn"}


class Names(NamedTuple):
    """What commands and remedies are filled in with."""

    domain: str = ""  # as it is stored; "" leaves a word for it
    mx_key: str = ""  # a host, or ip: and an address, as series of failures have it


class Part(NamedTuple):
    """One thing that a page says."""

    field: str  # its name in JSON
    label: str  # "" for what the other words say in their way, and JSON alone has by itself
    text: str | tuple[str, ...]  # several: one below the other, likely ones first
    style: str = ""


class Page(NamedTuple):
    """What is known about a name."""

    kind: str
    name: str
    title: str
    parts: tuple[Part, ...]
    commands: tuple[str, ...] = ()

    def shown(self) -> Iterator[Part]:
        """Return what is read."""
        return (part for part in self.parts if part.label)


class Kind(NamedTuple):
    """Names of one kind, and the page of each."""

    names: Collection[str]
    page: Callable[[str, Names], Page]


def _cause(name: str, names: Names) -> Page:
    about = EXPLANATIONS[name]
    parts = (
        Part("advice", about.act.capitalize(), about.advice, "heading"),
        Part("meaning", "Means", about.meaning),
        Part("enforce", "Enforce", about.enforce, IMPACT_STYLE.get(about.impact, "")),
        Part("sender", "Sender sees", about.sender),
        Part("causes", "Likely", about.causes),
        Part("fix", "Fix", about.fix),
        Part("beware", "Beware", about.beware),
        Part("fault", "", about.fault),
        Part("impact", "", about.impact),
        Part("rfc", "See", about.rfc),
    )
    return Page("cause", name, about.title, parts, tuple(commands(about, *names)))


def _finding(name: str, names: Names) -> Page:
    level, criterion, title, remedy, source = ADVICE[name]
    domain = names.domain or "DOMAIN"
    host = f"mta-sts.{domain}" if name.startswith("policy-") else names.mx_key.removeprefix("ip:") or "HOST"
    parts = (
        Part("level", "Level", level, STYLES.get(level, "")),
        Part("remedy", "Do", remedy.format(domain=domain, host=host, address="ADDRESS")),
        *((Part("criterion", "Counts for", criterion),) if criterion else ()),
        Part("source", "See", source),
    )
    return Page("finding", name, title, parts)


def _criterion(name: str, names: Names) -> Page:
    one = BY_NAME[name.upper()]
    domain = names.domain or "DOMAIN"
    lowers = "required" if one.required else "warns only" if one.lowers else "shown, and never lowers a verdict"
    states = (("passes", "PASS", one.passes), ("warns", "WARN", one.warns), ("fails", "FAIL", one.fails))
    parts = (
        Part("why", "Why", f"{one.why} ({lowers})"),
        *(Part(field, label, words, _STATE_STYLES[label]) for field, label, words in states if words != "-"),
        *((Part("unknown", "UNKNOWN", one.unknown, _STATE_STYLES["UNKNOWN"]),) if one.unknown != "-" else ()),
        Part("required", "", "yes" if one.required else "no"),
        Part("source", "See", one.source),
    )
    how = f"tlsrpt answer {domain} {one.name} yes" if one.kind == "answer" else f"tlsrpt ready {domain}"
    return Page("criterion", one.name, one.title, parts, (how,))


# A name may have several pages: certificate-expired is a cause and a finding.
KINDS = (
    Kind(EXPLANATIONS, _cause),
    Kind(ADVICE, _finding),
    Kind([name.lower() for name in BY_NAME], _criterion),
)


def explain(name: str | None, *, domain: str | None, mx: str | None, form: str) -> int:
    """Write the pages of a name, or the list of causes, and return the exit status."""
    names = Names(_domain(domain) if domain else "", _mx_key(mx) if mx else "")
    if name is None:
        _list(form)
        return 0
    pages = list(_pages(name, names))
    if not pages:
        near = [one.upper() if one.upper() in BY_NAME else one for one in _near(name)]
        hint = f"near: {', '.join(near)}" if near else "tlsrpt explain lists the causes"
        raise click.UsageError(f"no cause, finding or criterion: {safe(name)}; {hint}")
    if form == "json":
        click.echo(json.dumps([_fields(page) for page in pages], indent=2))
    elif form == "markdown":
        click.echo("\n".join(map(_markdown, pages)), nl=False)
    else:
        _say(pages)
    return 0


def _domain(name: str) -> str:
    return checking.asked([name])[0]


def _mx_key(name: str) -> str:
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return _domain(name)
    return f"ip:{address}" if "%" not in name else _domain(name)  # what stands behind % may be anything


def _pages(name: str, names: Names) -> Iterator[Page]:
    """Yield the page of each kind that has this name, however its letters are written."""
    wanted = _plain(name)
    for known, page in KINDS:
        yield from (page(one, names) for one in known if _plain(one) == wanted)


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def _near(name: str) -> list[str]:
    """Return names that a word may have been meant for: those that have it in them, then those that look alike."""
    wanted = _plain(name)[:_LONGEST]
    known = list(dict.fromkeys(one for kind in KINDS for one in kind.names))
    inside = sorted((one for one in known if len(wanted) > 2 and wanted in _plain(one)), key=len)
    alike = difflib.get_close_matches(wanted, known, _NEAR)
    return list(dict.fromkeys(inside + alike))[:_NEAR]


# Writing


def _list(form: str) -> None:
    """Write a line for each cause."""
    rows = [_row(cause, about) for cause, about in EXPLANATIONS.items()]
    click.echo(plain.written(plain.Table(rows, _FIELDS, _COLUMNS), form, room()), nl=False)
    if form == "table":
        click.echo()
        hint = (
            "Blocks: whether enforce holds mail back. tlsrpt explain CAUSE has the page of each; findings have one too."
        )
        checking.say([[Said(hint, style="dim")]])


def _row(cause: str, about: Explanation) -> dict[str, object]:
    row = {"cause": cause, "blocks": _BLOCKS[about.impact]} | about._asdict()
    return {field: row[field] for field in _FIELDS}


def _say(pages: Sequence[Page]) -> None:
    for n, page in enumerate(pages):
        if n:
            click.echo()
        said = [Said(f"{page.name}: {page.title}", style="heading")]
        for _, label, text, style in page.shown():
            if isinstance(text, str):
                said.append(Said(text, label, style))
            else:
                said += [Said(f"{n}. {one}", label if n == 1 else " ", style) for n, one in enumerate(text, 1)]
        if page.commands:
            said.append(Said(f"{_TO_CONFIRM}:", style="heading"))
        checking.say([said])
        for command in page.commands:  # to be copied: not wrapped, not indented, not cut
            click.echo(safe(command, len(command)))


def _fields(page: Page) -> dict[str, object]:
    about: dict[str, object] = {"kind": page.kind, "name": page.name, "title": page.title}
    return about | {part.field: part.text for part in page.parts} | {"commands": page.commands}


def _markdown(page: Page) -> str:
    paragraphs = [f"# {plain.markdown(page.name)}\n", f"{plain.markdown(page.title)}\n"]
    for _, label, text, _ in page.shown():
        if isinstance(text, str):
            paragraphs.append(f"**{label}:** {plain.markdown(text)}\n")
        else:
            listed = "".join(f"{n}. {plain.markdown(one)}\n" for n, one in enumerate(text, 1))
            paragraphs.append(f"**{label}:**\n\n{listed}")
    if page.commands:
        shell = "\n".join(safe(command, len(command)) for command in page.commands)
        paragraphs.append(f"**{_TO_CONFIRM}:**\n\n```sh\n{shell}\n```\n")
    return "\n".join(paragraphs)
