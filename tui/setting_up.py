"""What `setup` does: look at a domain, say what to publish in which order, and write the files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from loaders import SourceError
from tlsrpt.publishing import NothingToSetUpError, Setup, caddy, nginx, setup
from tui import checking
from tui.running import INTERRUPTED, one_line
from tui.said import Said
from tui.text import idn, safe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tlsrpt.published import Check

POLICY = "www/.well-known/mta-sts.txt"  # the web server's folder is www
ZONE, NGINX, CADDY = "records.zone", "nginx.conf", "Caddyfile"


@one_line
def set_up(
    database: Path,
    name: str,
    looking: Mapping[str, Any],
    *,
    ruas: Sequence[str],
    choices: Mapping[str, Any],
    folder: Path | None,
) -> int:
    """Look at a domain, write what it should publish and return the exit status.

    `looking` is what `checking.look_at` takes besides, `choices` what `publishing.setup` does.
    """
    [domain] = checking.asked([name])
    check = checking.look_at(database, [domain], **looking).get(domain)
    if check is None:
        return INTERRUPTED
    try:
        plan = setup(check, ruas, **choices)
    except NothingToSetUpError as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    say(check, plan)
    if folder is not None:
        for path in write(plan, folder):
            click.echo(f"wrote {safe(str(path))}", err=True)
    return 0


def write(plan: Setup, folder: Path) -> list[Path]:
    """Lay out what is to be published and return the files written, those left as they were apart.

    Raises SourceError, before anything is written, if a file is there already with other content.
    """
    root = str(folder.absolute() / "www")
    try:
        servers = {folder / NGINX: nginx(plan.policy_domain, root), folder / CADDY: caddy(plan.policy_domain, root)}
    except ValueError as error:
        raise SourceError(str(error)) from error
    published = {folder / POLICY: plan.policy, folder / ZONE: plan.zone or "; everything is published already\n"}
    return lay_out(published | servers)


def lay_out(contents: Mapping[Path, str]) -> list[Path]:
    """Write files and return those written, those left as they were apart.

    Raises SourceError, before anything is written, if a file is there already with other content.
    """
    try:
        new = [path for path, text in contents.items() if not _is_there(path, text.encode())]
        for path in new:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:  # whatever came there meanwhile, a link too, is not written through
                file.write(contents[path].encode())
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}") from error
    return new


def _is_there(path: Path, content: bytes) -> bool:
    if not os.path.lexists(path):
        return False
    if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
        raise SourceError(f"{path} is there already with other content; move it away, or choose another folder")
    return True


def say(check: Check, plan: Setup) -> None:
    """Write the steps, each with what is to be copied, to standard output."""
    head = [
        Said(f"{idn(plan.policy_domain)}: what to publish, in this order", style="heading"),
        Said(f"MX {', '.join(plan.mx)}, seen {check.checked_at:%Y-%m-%d %H:%M} UTC from {check.vantage}", style="dim"),
    ]
    checking.say([head])
    for number, step in enumerate(plan.steps, start=1):
        said = [Said(f"{number}. {step.title}", style="heading")]
        if step.there:
            said.append(Said(f"Done: {step.there}", indent=3, style="good"))
        said += [Said(words, indent=3) for words in step.words]
        click.echo()
        checking.say([said])
        if step.text:  # to be copied: not wrapped, not indented, not cut
            click.echo()
            click.echo("\n".join(safe(line, len(line)) for line in step.text.splitlines()))
