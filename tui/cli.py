"""The command `tlsrpt`. What it needs is imported where it is needed: `--help` starts in no time."""

from __future__ import annotations

import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from queries import Scope
from tui.evidence import end_of
from tui.keys import STARTS
from tui.text import PROSE, safe

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

FORMATS = ("table", "json", "csv", "markdown")
GROUPINGS = ("series", "cause", "result-type", "mx", "organization", "sending-ip", "day", "fingerprint")
DAY = click.DateTime(["%Y-%m-%d"])
MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])
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


_YEARS = range(1970, 9000)  # around every moment there is room for windows, and for the life of a policy


class AsOf(click.DateTime):
    """A moment: a day stands for its end, a time is UTC."""

    name = "moment"

    def __init__(self) -> None:
        super().__init__(MOMENT.formats)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401
        """Return the moment that a text names."""
        found: datetime = super().convert(value, param, ctx)
        if found.year not in _YEARS:
            self.fail(f"{value}: not within the years {_YEARS.start} to {_YEARS.stop - 1}", param, ctx)
        is_day = isinstance(value, str) and "T" not in value
        return end_of(found.date()) if is_day else found


def _given(name: str, function: F) -> F:
    """Add an option that can stand before the command as well as after it."""

    def inherited(ctx: click.Context, param: click.Parameter, value: object) -> object:
        own = ctx.find_object(dict)
        return own.get(param.name) if value is None and own is not None else value

    def day(ctx: click.Context, param: click.Parameter, value: object) -> object:
        found = inherited(ctx, param, value)
        return found.date() if isinstance(found, datetime) else found

    options: dict[str, Callable[[F], F]] = {
        "database": click.option(
            "--database",
            type=click.Path(path_type=Path, dir_okay=False),
            callback=inherited,
            metavar="FILE",
            help="The store, else $TLSRPT_DATABASE, else one in the data directory of this user.",
        ),
        "as_of": click.option(
            "--as-of", type=AsOf(), metavar="DATE", callback=day, help="Answer as of the end of this day."
        ),
        "moment": click.option(
            "--as-of",
            type=AsOf(),
            metavar="DATE",
            callback=inherited,
            help="Answer as of the end of this day, or of a time such as 2026-03-20T06:00, UTC.",
        ),
    }
    return options[name](function)


def _common(function: F) -> F:
    return _given("database", _given("as_of", function))


def _at_a_moment(function: F) -> F:
    return _given("database", _given("moment", function))


def _beginning(function: F) -> F:
    """Add the options that say which screen to begin with; they can stand before paths as well."""

    def inherited(ctx: click.Context, param: click.Parameter, value: object) -> object:
        own = ctx.find_object(dict)
        return own.get(param.name) if value is None and own is not None else value

    function = click.option(
        "--screen",
        type=click.Choice(STARTS),
        metavar="NAME",
        callback=inherited,
        help=f"Begin with {', '.join(STARTS)}.",
    )(function)
    return click.option("--domain", metavar="DOMAIN", callback=inherited, help="Begin with this domain.")(function)


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
        "\n\nTLSRPT_THEME=dark, light or ansi chooses the colours, NO_COLOR=1 leaves them out,"
        " TLSRPT_ASCII=1 draws pictures without block characters."
    ),
)
@click.version_option(package_name="tlsrpt-tui", prog_name="tlsrpt")
@_beginning
@_at_a_moment
@click.pass_context
def program(ctx: click.Context, /, database: Path | None, as_of: datetime | None, **begin: str | None) -> int:
    """Browse SMTP TLS reports (RFC 8460): those in the store or, with paths, just those, in memory."""
    ctx.obj = {"database": database, "as_of": as_of, **begin}
    if ctx.invoked_subcommand is None:
        return int(ctx.invoke(browse, paths=(), database=database, as_of=as_of and as_of.date(), **begin))
    if any(begin.values()) and ctx.invoked_subcommand != browse.name:
        raise click.UsageError(f"--domain and --screen are for browsing; options of {ctx.invoked_subcommand} follow it")
    return 0


@click.command(hidden=True)
@click.argument("paths", nargs=-1)
@_beginning
@_common
def browse(
    paths: tuple[str, ...], database: Path | None, as_of: date | None, domain: str | None, screen: str | None
) -> int:
    """Browse the store or, with paths, just those."""
    from tui import browsing  # noqa: PLC0415 - not needed for --help

    for path in paths:
        if path != "-" and not os.path.lexists(path):
            raise click.UsageError(f"no such file, and no command: {path}")
    return browsing.browse(_store(database), paths, as_of, domain=domain, screen=screen)


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
@click.argument("names", nargs=-1, metavar="[MAILBOX]...")
@click.option("--watch", is_flag=True, help="Stay, and read what arrives.")
@click.option("--anew", is_flag=True, help="Read the folders from their beginning; what is stored counts once.")
@click.option("--strict", is_flag=True, help="End with status 6 if anything was refused.")
@_formats("table", "json")
@_common
def fetch(
    *,
    names: tuple[str, ...],
    watch: bool,
    anew: bool,
    strict: bool,
    form: str,
    database: Path | None,
    as_of: date | None,
) -> int:
    """Add reports from IMAP mailboxes to the store.

    Without a MAILBOX, from all that are configured: tlsrpt config writes a file to start from. Goes on where the
    last run stopped, and leaves the mailbox as it is. Ends with 4 if a mailbox could not be reached, with 1 if it
    could not be read.
    """
    from tui import fetching  # noqa: PLC0415 - duckdb is not imported for --help

    del as_of
    return fetching.fetched(_store(database), names, watch=watch, anew=anew, strict=strict, form=form)


@program.group(invoke_without_command=True)
@click.pass_context
def config(ctx: click.Context) -> int:
    """Write a configuration file to start from, or try the one there is."""
    from tui import configuring  # noqa: PLC0415 - not needed for --help

    return 0 if ctx.invoked_subcommand else configuring.start()


@config.command("check")
@click.argument("names", nargs=-1, metavar="[MAILBOX]...")
def config_check(names: tuple[str, ...]) -> int:
    """Try each mailbox, and say in words what is wrong with it."""
    from tui import configuring  # noqa: PLC0415 - not needed for --help

    return configuring.check(names)


@config.command("show")
def config_show() -> int:
    """Show what is set, without secrets."""
    from tui import configuring  # noqa: PLC0415 - not needed for --help

    return configuring.show()


@program.command()
@click.argument("reporter", required=False, metavar="[REPORTER]")
@click.option("--address", default="", metavar="ADDRESS", help="Only reports from this address.")
@click.option("--everyone", is_flag=True, help="Reports from every address that it signs for.")
@click.option("--note", default="", metavar="TEXT", help="Why.")
@click.option("--name", "who", metavar="WHO", help="Who says so, else the user of this machine.")
@click.option("--withdraw", is_flag=True, help="Take it back.")
@_formats(*FORMATS)
@_common
def accept(reporter: str | None, database: Path | None, as_of: date | None, **given: Any) -> int:  # noqa: ANN401
    """Believe the reports that a REPORTER signs, such as example.net.

    Without one, lists who signed reports: those already known, and those on whose reports no verdict rests.
    """
    from tui import accepting  # noqa: PLC0415 - duckdb is not imported for --help

    del as_of
    return accepting.accept(_store(database), reporter, **given)


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


_PROFILE = click.option(
    "--profile", type=click.Choice(("default", "cautious")), help="How much is asked for, else as configured."
)
_NAME = click.option("--name", "who", metavar="WHO", help="Who says so, else the user of this machine.")
_WITHDRAW = click.option("--withdraw", type=int, metavar="NUMBER", help="Take it back.")


@program.command()
@click.argument("names", nargs=-1, metavar="[DOMAIN]...")
@_PROFILE
@click.option("--days", type=click.IntRange(1, 400), help="What enforce would have held back in so many days.")
@click.option("--from", "paths", multiple=True, metavar="PATH", help="Judge by these files, not by the store.")
@_formats(*FORMATS)
@_at_a_moment
def ready(names: tuple[str, ...], database: Path | None, **given: Any) -> int:  # noqa: ANN401 - options
    """Say whether domains may go to enforce, and what stands in the way.

    Without a DOMAIN, all of them, worst first. Ends with 0 if all are ready, 3 with warnings, 4 if too little is
    known, 5 if one is not ready. Markdown is a checklist to sign, with its evidence.
    """
    from tui import judging  # noqa: PLC0415 - duckdb is not imported for --help

    return judging.ready(_store(database), names, **given)


@program.command()
@click.argument("name", metavar="DOMAIN")
@click.option("--max-age", type=click.IntRange(1), metavar="SECONDS", help="Ask for this max_age in enforce.")
@click.option("--rollback", is_flag=True, help="The way back to testing, alone.")
@click.option("--remove", is_flag=True, help="The way to no policy at all, alone.")
@click.option("--what-if", "what_if", metavar="FILE", help="Test this policy, - for standard input.")
@click.option(
    "--mode", type=click.Choice(("testing", "enforce", "none")), help="Test the policy of now with this mode."
)
@click.option("--add-mx", multiple=True, metavar="PATTERN", help="Test it with this mx line too; repeat it.")
@click.option("--drop-mx", multiple=True, metavar="PATTERN", help="Test it without this mx line; repeat it.")
@click.option("--write", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Write policy and record here.")
@_PROFILE
@click.option("--from", "paths", multiple=True, metavar="PATH", help="Plan by these files, not by the store.")
@_formats("table", "json", "markdown")
@_at_a_moment
def plan(
    *,
    name: str,
    folder: Path | None,
    paths: tuple[str, ...],
    form: str,
    database: Path | None,
    as_of: datetime | None,
    **wanted: Any,  # noqa: ANN401 - what to plan, by option
) -> int:
    """Say the next step, when it is due, and the way back.

    The exact policy and record, in which order, what to watch, and when senders notice. With --what-if, or an
    edit of the policy of now, says what would come of that draft: ends with 0, 3 with warnings, 4 if it cannot be
    told, 5 if it would fail.
    """
    from tui import planning  # noqa: PLC0415 - duckdb is not imported for --help

    return planning.next_step(_store(database), name, paths=paths, wanted=wanted, folder=folder, form=form, as_of=as_of)


@program.command()
@click.argument("name", metavar="DOMAIN")
@click.option("--cause", default="", metavar="CAUSE", help="The cause that was mended, as in failures.")
@click.option("--mx", default="", metavar="HOST", help="Where: an MX, an address, or * where none was named.")
@click.option("--at", type=AsOf(), metavar="TIME", help="When, else now.")
@click.option("--note", default="", metavar="TEXT", help="What was done.")
@_NAME
@_WITHDRAW
@_at_a_moment
def fix(name: str, database: Path | None, **given: Any) -> int:  # noqa: ANN401 - options
    """Record that a failure was mended.

    Its failures of before leave the rate once a look agrees and no later report has them.
    """
    from tui import judging  # noqa: PLC0415 - duckdb is not imported for --help

    if not given["cause"] and given["withdraw"] is None:
        raise click.UsageError(f"--cause is needed: tlsrpt fix {name} --cause certificate-expired --mx HOST")
    return judging.fix(_store(database), name, **given)


@program.command()
@click.argument("domain")
@click.argument("criterion", required=False)
@click.option("--reason", default="", metavar="TEXT", help="Why it is accepted.")
@_NAME
@click.option("--expires", type=DAY, callback=_day, metavar="DATE", help="Until when, at most 14 days.")
@_PROFILE
@_WITHDRAW
@_at_a_moment
def acknowledge(domain: str, criterion: str | None, database: Path | None, **given: Any) -> int:  # noqa: ANN401
    """Accept a warning, with a reason.

    It holds until it expires or the warning is about something else. What is required cannot be waived.
    """
    from tui import judging  # noqa: PLC0415 - duckdb is not imported for --help

    return judging.acknowledge(_store(database), domain, criterion, **given)


@program.command()
@click.argument("domain")
@click.argument("criterion", required=False)
@click.argument("said", required=False, type=click.Choice(("yes", "no")))
@click.option("--note", default="", metavar="TEXT", help="More about it.")
@_NAME
@click.option("--on", type=DAY, callback=_day, metavar="DATE", help="The day of a change that is planned.")
@_WITHDRAW
@_at_a_moment
def answer(domain: str, criterion: str | None, said: str | None, database: Path | None, **given: Any) -> int:  # noqa: ANN401
    """Answer a question of the list before the switch: C11, C12, C40 to C43.

    The newest answer counts; once it is taken back, the one before it.
    """
    from tui import judging  # noqa: PLC0415 - duckdb is not imported for --help

    return judging.answer(_store(database), domain, criterion, said, **given)


@program.command()
@click.argument("name", required=False, metavar="[CAUSE]")
@click.option("--domain", metavar="DOMAIN", help="The domain that the commands to confirm it ask about.")
@click.option("--mx", metavar="HOST", help="The MX that they ask, a name or an address.")
@_formats("table", "json", "markdown")
def explain(name: str | None, domain: str | None, mx: str | None, form: str) -> int:
    """Say what a cause, a finding or a criterion means.

    A CAUSE is one of those that failures shows, a result type of RFC 8460, a finding of check or a criterion of
    ready, such as C24. Without one, lists the causes.
    """
    from tui import explaining  # noqa: PLC0415 - duckdb is not imported for --help

    return explaining.explain(name, domain=domain, mx=mx, form=form)


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
        _say(f"{' '.join(error.format_message().split())} (tlsrpt --help)")
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
