"""What `plan` does: say the next step, test a draft, write the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loaders import SourceError
from queries import readiness
from tlsrpt import mta_sts
from tlsrpt.enforce.planning import Plan, Way, plan
from tlsrpt.enforce.what_if import draft, what_if
from tlsrpt.store import Store, utc_now
from tui import config, planned
from tui.checking import asked, say
from tui.running import NO_STORE, asked_store, one_line
from tui.said import Said
from tui.setting_up import POLICY, ZONE, lay_out
from tui.text import safe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tlsrpt.enforce.evidence import Evidence

NOT_DUE = 1  # exit status of what was asked for and is not due
LARGEST = 65_536  # bytes of a policy (RFC 8461 section 3.2)
NO_WAY = "no look has seen the policy that is served, and none is made of what senders quote:"
_DRAFT = {"--what-if": "what_if", "--mode": "mode", "--add-mx": "add_mx", "--drop-mx": "drop_mx"}


@one_line
def next_step(
    database: Path,
    name: str,
    *,
    paths: Sequence[str],
    wanted: Mapping[str, Any],
    folder: Path | None,
    form: str,
    as_of: datetime | None,
) -> int:
    """Write the next step of a domain, or what would come of a draft; return the exit status.

    `wanted` has profile, max_age, rollback, remove, what_if, mode, add_mx and drop_mx.
    """
    _fitting(wanted, folder)
    [policy_domain] = asked([name])
    _, parameters = config.parameters(wanted["profile"])
    store = asked_store(database, paths)
    if store is None:
        click.echo(NO_STORE, err=True)
        store = Store.memory()
    now = as_of or utc_now().replace(microsecond=0)
    judgement = readiness.judge(store, policy_domain, now, parameters)
    if any(wanted[option] for option in ("what_if", "mode", "add_mx", "drop_mx")):
        return _draft(judgement.evidence, _body(judgement.evidence, wanted), form)
    try:
        found = plan(judgement, wanted["max_age"])
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    chosen = _chosen(found, wanted)
    _write(found, chosen, wanted, form)
    if folder is not None:
        return _lay_out(found, chosen, folder)
    refused = wanted["max_age"] is not None and not found.due
    return NOT_DUE if refused or (chosen is None and (wanted["rollback"] or wanted["remove"])) else 0


def _fitting(wanted: Mapping[str, Any], folder: Path | None) -> None:
    """Raise UsageError for options that ask for different things."""
    draft = [flag for flag, name in _DRAFT.items() if wanted[name]]
    ways = [flag for flag, name in (("--rollback", "rollback"), ("--remove", "remove")) if wanted[name]]
    if len(ways) > 1 or (draft and ways):
        raise click.UsageError(f"{' and '.join([*draft[:1], *ways])} ask for different things: give one of them")
    if draft and folder is not None:
        raise click.UsageError(f"{draft[0]} tests a draft, of which --write writes nothing: leave one of them out")
    if ways and wanted["max_age"] is not None:
        raise click.UsageError(f"--max-age is of enforce, which {ways[0]} leaves: leave one of them out")


def _chosen(found: Plan, wanted: Mapping[str, Any]) -> Way | None:
    """Return the way that was asked for: back, off, or the one that is due."""
    if wanted["rollback"]:
        return found.rollback
    return found.removal if wanted["remove"] else found.way


def _write(found: Plan, chosen: Way | None, wanted: Mapping[str, Any], form: str) -> None:
    if form == "json":
        click.echo(json.dumps(planned.document(found), indent=2))
        return
    if wanted["rollback"] or wanted["remove"]:
        said = [*planned.way(chosen)][1:] if chosen is not None else planned.page(found)
        if chosen is None:
            click.echo(f"{NO_WAY} tlsrpt check {safe(found.policy_domain)}", err=True)
    else:
        said = planned.page(found)
    if form == "markdown":
        click.echo(planned.markdown(said), nl=False)
    else:
        say([said])


def _lay_out(found: Plan, chosen: Way | None, folder: Path) -> int:
    """Write policy and record, and beside them those of the way back."""
    if chosen is None:
        raise SourceError(f"nothing is written: {found.headline}")
    contents = {folder / POLICY: chosen.policy, folder / ZONE: chosen.record}
    back = found.rollback
    if back is not None and back.policy != chosen.policy:
        contents |= {folder / "rollback" / POLICY: back.policy, folder / "rollback" / ZONE: back.record}
    for path in lay_out(contents):
        click.echo(f"wrote {safe(str(path))}", err=True)
    return 0


def _body(evidence: Evidence, wanted: Mapping[str, Any]) -> str:
    """Return the draft: a file as it is, or the policy served now with some edits."""
    edits = {"mode": wanted["mode"], "max_age": wanted["max_age"], "add": wanted["add_mx"], "drop": wanted["drop_mx"]}
    if wanted["what_if"] is None:
        try:
            return mta_sts.policy_text(draft(evidence, **edits))
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    if any(edits.values()):
        raise click.UsageError("--what-if takes a whole policy: edit the file, or leave it out")
    path = wanted["what_if"]
    try:
        with click.open_file(path, "rb") as file:
            body: bytes = file.read(LARGEST + 1)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    if len(body) > LARGEST:
        raise SourceError(f"{path}: larger than 64 KiB: senders stop reading there")
    return body.decode("utf-8", "backslashreplace")


def first_draft(evidence: Evidence) -> str:
    """Return what a draft begins with: the policy served now, else one in testing with the MXs of DNS."""
    try:
        made = mta_sts.policy_text(draft(evidence))
    except ValueError:
        hosts = evidence.mx_hosts or (f"mx.{evidence.policy_domain}",)
        lines = ["version: STSv1", "mode: testing", *(f"mx: {host}" for host in hosts)]
        made = "\n".join([*lines, f"max_age: {evidence.parameters.max_age_testing}", ""])
    return made.replace("\r\n", "\n")


def tried(evidence: Evidence, text: str) -> list[Said]:
    """Return what would come of a draft with these lines, to read."""
    body = "".join(f"{line}\r\n" for line in text.rstrip("\n").split("\n"))
    if len(body.encode()) > LARGEST:
        return [Said("larger than 64 KiB: senders stop reading there", style="bad")]
    return planned.draft(evidence.policy_domain, what_if(evidence, body))


def _draft(evidence: Evidence, body: str, form: str) -> int:
    found = what_if(evidence, body)
    said = planned.draft(evidence.policy_domain, found)
    if form == "json":
        points = [one._asdict() for one in found.points]
        head = {"policy_domain": evidence.policy_domain, "outcome": found.outcome, "differs": list(found.differs)}
        click.echo(json.dumps(head | {"points": points}, indent=2))
    elif form == "markdown":
        click.echo(planned.markdown(said), nl=False)
    else:
        say([said])
    return planned.OUTCOMES[found.outcome]
