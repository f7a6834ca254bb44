"""The command `tlsrpt`. What it needs is imported where it is needed: `--help` starts in no time."""

from __future__ import annotations

import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from queries import Scope
from tui.text import PROSE, safe

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

FORMATS = ("table", "json", "csv", "markdown")
GROUPINGS = ("series", "cause", "result-type", "mx", "organization", "sending-ip", "day", "fingerprint")
DAY = click.DateTime(["%Y-%m-%d"])
PORT = click.IntRange(1, 65_535)


class Program(click.Group):
    """A group in which a first word that is no command is a path to browse."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names, or browsing."""
        if self.get_command(ctx, args[0]) is None:
            return browse.name, browse, args
        return super().resolve_command(ctx, args)


def _day(ctx: click.Context, param: click.Parameter, value: datetime | None) -> date | None:
    del ctx, param
    return None if value is None else value.date()


def _given(name: str, function: F) -> F:
    """Add an option that can stand before the command as well as after it."""

    def inherited(ctx: click.Context, param: click.Parameter, value: object) -> object:
        if isinstance(value, datetime):
            value = value.date()
        own = ctx.find_object(dict)
        if value is None and own is not None:
            return own.get(param.name)
        return value

    options: dict[str, Callable[[F], F]] = {
        "database": click.option(
            "--database",
            type=click.Path(path_type=Path, dir_okay=False),
            callback=inherited,
            metavar="FILE",
            help="The store, else $TLSRPT_DATABASE, else one in the data directory of this user.",
        ),
        "as_of": click.option(
            "--as-of", type=DAY, callback=inherited, metavar="DATE", help="Answer as of the end of this day."
        ),
    }
    return options[name](function)


def _common(function: F) -> F:
    return _given("database", _given("as_of", function))


_FILTERS: dict[str, Callable[[F], F]] = {
    "organization": click.option("--organization", metavar="NAME", help="Reported by this organization."),
    "policy_type": click.option(
        "--policy-type", metavar="TYPE", help="Under this policy type: sts, tlsa, no-policy-found."
    ),
    "result_type": click.option("--result-type", metavar="TYPE", help="With this result type."),
    "cause": click.option("--cause", metavar="CAUSE", help="With this cause."),
    "mx": click.option("--mx", metavar="HOST", help="At this MX."),
    "failing": click.option("--failing", is_flag=True, help="Only what has failed sessions."),
}


def _answer(*filters: str) -> Callable[[F], F]:
    """Add the options of a command that asks the store."""

    def add(function: F) -> F:
        function = _formats(*FORMATS)(_common(function))
        for name in reversed(filters):
            function = _FILTERS[name](function)
        for option in (
            click.option(
                "--from",
                "paths",
                multiple=True,
                metavar="PATH",
                help="Answer over these files in memory, not over the store; repeat it for more.",
            ),
            click.option("--until", type=DAY, callback=_day, metavar="DATE", help="Last UTC day."),
            click.option("--since", type=DAY, callback=_day, metavar="DATE", help="First UTC day."),
            click.option("--domain", multiple=True, metavar="DOMAIN", help="Of this policy domain."),
        ):
            function = option(function)
        return function

    return add


def _formats(*formats: str) -> Callable[[F], F]:
    return click.option(
        "--format", "form", type=click.Choice(formats), default="table", show_default=True, help="How to write it."
    )


def _looking(function: F) -> F:
    """Add the options of a command that looks at what domains publish."""
    for option in (
        click.option("--vantage", metavar="NAME", help="What this place is called, else the name of this machine."),
        click.option("--ehlo-name", metavar="NAME", help="Greet MXs with this name."),
        click.option(
            "--allow-private-addresses", is_flag=True, default=None, help="Contact private addresses as well."
        ),
        click.option("--ca-file", metavar="FILE", help="Trust these certificate authorities, and no others."),
        click.option("--https-port", type=PORT, metavar="PORT", help="Fetch the policy from this port, not 443."),
        click.option("--smtp-port", type=PORT, metavar="PORT", help="Contact MXs at this port, not 25."),
        click.option("--trust-ad/--no-trust-ad", default=None, help="Believe what that resolver says of DNSSEC."),
        click.option("--resolver", multiple=True, metavar="HOST:PORT", help="Ask this resolver; repeat it for more."),
        click.option("--fresh", is_flag=True, help="Look again, however short ago the last look was."),
    ):
        function = option(function)
    return function


@click.group(
    cls=Program,
    invoke_without_command=True,
    subcommand_metavar="[PATH... | COMMAND ...]",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "A PATH is a report, a mail, an archive, an mbox, a Maildir, a directory of those, or - for standard"
        " input. A path that is named like a command: ./load."
        "\n\nTLSRPT_THEME=dark, light or ansi chooses the colours, NO_COLOR=1 leaves them out."
    ),
)
@click.version_option(package_name="tlsrpt-tui", prog_name="tlsrpt")
@_common
@click.pass_context
def program(ctx: click.Context, database: Path | None, as_of: date | None) -> int:
    """Browse SMTP TLS reports (RFC 8460): those in the store or, with paths, just those, in memory."""
    ctx.obj = {"database": database, "as_of": as_of}
    if ctx.invoked_subcommand is None:
        return int(ctx.invoke(browse, paths=(), database=database, as_of=as_of))
    return 0


@click.command(hidden=True)
@click.argument("paths", nargs=-1)
@_common
def browse(paths: tuple[str, ...], database: Path | None, as_of: date | None) -> int:
    """Browse the store or, with paths, just those."""
    from tui import browsing  # noqa: PLC0415 - not needed for --help

    for path in paths:
        if path != "-" and not os.path.lexists(path):
            raise click.UsageError(f"no such file, and no command: {path}")
    return browsing.browse(_store(database), paths, as_of)


@program.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--vouch", is_flag=True, help="Answer for mail whose sender nobody checked.")
@click.option("--strict", is_flag=True, help="End with status 6 if anything was refused.")
@_formats("table", "json")
@_common
def load(
    *, paths: tuple[str, ...], vouch: bool, strict: bool, form: str, database: Path | None, as_of: date | None
) -> int:
    """Add reports to the store.

    What it has already costs next to nothing. Ctrl-C stops after the current batch and keeps what was
    finished.
    """
    from tui import running  # noqa: PLC0415 - duckdb is not imported for --help

    del as_of  # taken everywhere, so that one set of options can be written before any command
    return running.load(_store(database), paths, vouch=vouch, strict=strict, form=form)


@program.command()
@click.option("--all", "everything", is_flag=True, help="Derive every report anew, not only what was refused.")
@_formats("table", "json")
@_common
def reread(*, everything: bool, form: str, database: Path | None, as_of: date | None) -> int:
    """Read again what was refused.

    The store kept the bytes; after an upgrade they may be readable.
    """
    from tui import running  # noqa: PLC0415 - duckdb is not imported for --help

    del as_of
    return running.reread(_store(database), everything=everything, form=form)


@program.command()
@_answer("organization", "policy_type", "failing")
def domains(**given: Any) -> int:  # noqa: ANN401 - options, by their names
    """Show how each policy domain stands, worst first."""
    return _ask("domains", given)


@program.command()
@click.argument("only", nargs=-1, metavar="[DOMAIN]...")
@click.option("--by", type=click.Choice(GROUPINGS), default="series", show_default=True, help="What makes a row.")
@_answer("organization", "policy_type", "result_type", "cause", "mx")
def failures(by: str, **given: Any) -> int:  # noqa: ANN401 - options, by their names
    """Show what fails, where, and who says so.

    What enforce would block comes first.
    """
    return _ask(f"failures {by}", given)


@program.command()
@click.argument("only", nargs=-1, metavar="[DOMAIN]...")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most so many.")
@_answer("organization", "policy_type", "result_type", "cause", "mx", "failing")
def reports(limit: int, **given: Any) -> int:  # noqa: ANN401 - options, by their names
    """List reports, newest first."""
    return _ask("reports", given, limit=limit)


@program.command()
@_answer("organization", "policy_type", "failing")
def policies(**given: Any) -> int:  # noqa: ANN401 - options, by their names
    """List policies as senders saw them, newest first."""
    return _ask("policies", given)


@program.command()
@click.option("--from", "paths", multiple=True, metavar="PATH", help="Read these files, not the store.")
@_formats(*FORMATS)
@_common
def refused(**given: Any) -> int:  # noqa: ANN401 - options, by their names
    """List what could not be read, and why."""
    return _ask("refused", given)


@program.command()
@click.argument("names", nargs=-1, metavar="[DOMAIN]...")
@_looking
@_formats(*FORMATS)
@_common
def check(
    *,
    names: tuple[str, ...],
    fresh: bool,
    vantage: str | None,
    form: str,
    database: Path | None,
    as_of: date | None,
    **given: Any,  # noqa: ANN401 - settings, by their names
) -> int:
    """Look at what domains publish now, and record it.

    Without a DOMAIN, those that the configuration watches. Contacts their DNS, policy hosts and MXs; with
    --as-of nobody, and shows what was seen by then. Ends with 5 if something has to be mended before enforce,
    with 4 if something could not be reached.
    """
    from tui import checking  # noqa: PLC0415 - duckdb is not imported for --help

    chosen = {name: value for name, value in given.items() if value not in (None, ())}
    return checking.check(_store(database), names, given=chosen, vantage=vantage, fresh=fresh, form=form, as_of=as_of)


@program.command()
@click.argument("names", nargs=-1, required=True, metavar="DOMAIN...")
@click.option("--since", type=DAY, callback=_day, metavar="DATE", help="First UTC day.")
@click.option("--until", type=DAY, callback=_day, metavar="DATE", help="Last UTC day.")
@_formats(*FORMATS)
@_common
def history(
    *,
    names: tuple[str, ...],
    since: date | None,
    until: date | None,
    form: str,
    database: Path | None,
    as_of: date | None,
) -> int:
    """Show what changed from look to look.

    Newest first, each change with a diff.
    """
    from tui import checking  # noqa: PLC0415 - duckdb is not imported for --help

    return checking.changes(_store(database), names, since=since, until=until, form=form, as_of=as_of)


@program.command()
@click.argument("name", metavar="DOMAIN")
@click.option("--rua", "ruas", multiple=True, metavar="URI", help="Where reports go, mailto: or https:; repeat it.")
@click.option(
    "--mode",
    type=click.Choice(("testing", "enforce")),
    default="testing",
    show_default=True,
    help="What the policy asks of senders.",
)
@click.option(
    "--max-age", type=click.IntRange(1), default=86_400, show_default=True, help="How long senders keep it, in seconds."
)
@click.option("--web", multiple=True, metavar="HOST", help="The web server of the policy: a name, or addresses.")
@click.option("--write", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Lay the files out here.")
@_looking
@_common
def setup(name: str, ruas: tuple[str, ...], folder: Path | None, **given: Any) -> int:  # noqa: ANN401 - options
    """Say what a domain should publish, in which order.

    Looks at the domain as check does, takes the MXs from its DNS, and writes records to paste, the policy
    file and, with --write, a folder for a web server with configuration for nginx and Caddy.
    """
    from tui import setting_up  # noqa: PLC0415 - duckdb is not imported for --help

    del given["as_of"]
    database = given.pop("database")
    choices = {option: given.pop(option) for option in ("mode", "max_age", "web")}
    looking = {option: given.pop(option) for option in ("vantage", "fresh")}
    looking["given"] = {option: value for option, value in given.items() if value not in (None, ())}
    return setting_up.set_up(_store(database), name, looking, ruas=ruas, choices=choices, folder=folder)


def _ask(name: str, given: dict[str, Any], limit: int = 0) -> int:
    from tui import running  # noqa: PLC0415 - duckdb is not imported for --help

    latest = min((day for day in (given.get("until"), given["as_of"]) if day), default=None)
    filters = {field: given[field] for field in ("since", *_FILTERS) if given.get(field)}
    scope = Scope(until=latest, **filters)
    only = (*given.get("domain", ()), *given.get("only", ()))
    return running.answer(
        name, _store(given["database"]), given["paths"], scope, only=only, form=given["form"], limit=limit
    )


def _store(given: Path | None) -> Path:
    """Return where the store is."""
    if given is not None:
        return given
    if named := os.environ.get("TLSRPT_DATABASE"):
        return Path(named)
    from platformdirs import user_data_dir  # noqa: PLC0415 - not needed for --help

    return Path(user_data_dir("tlsrpt")) / "tlsrpt.duckdb"


def main() -> NoReturn:
    """Run the command and end with its status; whatever goes wrong is one safe line on stderr."""
    out = sys.stdout
    for stream in (out, sys.stderr):
        # A name that the terminal's encoding lacks is written as an escape, and stops nothing.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status = program.main(standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        _say(f"{error.format_message()} (tlsrpt --help)")
        status = error.exit_code
    except click.ClickException as error:
        _say(error.format_message())
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = 130
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and sys.stdout is out:
            raise  # of shell completion
        # Whoever read us has enough. Click, when it is the one to notice, changes sys.stdout and ends with 1.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    sys.exit(status or 0)


def _say(message: str) -> None:
    click.echo(f"tlsrpt: {safe(message, PROSE)}", err=True)
