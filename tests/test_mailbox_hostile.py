"""Reading a mailbox whose server is hostile or breaks: nothing is lost in silence, and nothing else is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dovecot import PASSWORD
from reports import document
from scripted_imap import scripted
from shelf import ask, mail
from signing import SIGNED

from loaders.imap import Account
from loaders.mailbox import Mailbox, fetch
from loaders.secret import Kept
from loaders.senders import Senders
from queries import deliveries
from tlsrpt.limits import MAILBOX_LIMITS
from tlsrpt.store import Store

if TYPE_CHECKING:
    from scripted_imap import Client

NOBODY = Senders(None, (), SIGNED)


class Shelf:
    """A server with three messages, two of which it hands out rightly."""

    def __init__(self, second: str) -> None:
        self.second = second  # what it does about the second one
        self.validity = iter([7, 7, 7, 7, 7, 7, 7, 7])
        self.commands: list[str] = []
        self.mails = {uid: mail(document(report_id=f"r{uid}")) for uid in (1, 2, 3)}

    def __call__(self, client: Client) -> None:
        client.send("* OK hello")
        while line := client.read():
            tag, _, command = line.partition(" ")
            self.commands.append(command)
            if command.startswith("CAPABILITY"):
                client.send("* CAPABILITY IMAP4rev1 AUTH=PLAIN IDLE MOVE UIDPLUS")
            elif command.startswith(("EXAMINE", "SELECT")):
                client.send("* 3 EXISTS", f"* OK [UIDVALIDITY {next(self.validity)}] .", "* OK [UIDNEXT 4] .")
            elif "SEARCH" in command:
                client.send("* SEARCH 1 2 3")
            elif "FETCH" in command:
                for uid in uids(command.split()[2]):
                    if "BODY.PEEK[]" in command:
                        self.body(client, uid)
                    else:
                        self.description(client, uid)
            client.send(f"{tag} OK done")

    def description(self, client: Client, uid: int) -> None:
        size = f"RFC822.SIZE {len(self.mails[uid])} "
        if uid == 2:
            if self.second == "silent":
                return
            size = {"no size": "", "size NIL": "RFC822.SIZE NIL "}.get(self.second, size)
        head = self.mails[uid].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        client.send_bytes(f"* {uid} FETCH (UID {uid} {size}BODY[HEADER.FIELDS (X)] {{{len(head)}}}\r\n".encode() + head)
        client.send(")")
        if uid == 2 and self.second == "twice":
            self.second = ""
            self.description(client, uid)

    def body(self, client: Client, uid: int) -> None:
        if uid == 2 and self.second == "breaks":
            client.send_bytes(b"* 2 FETCH (UID 2 BODY[] {100}\r\nhalf")
            client.cut()
        elif uid == 2 and self.second == "nothing":
            client.send("* 2 FETCH (UID 2 BODY[] NIL)")
        elif self.second == "all break":
            client.cut()
        else:
            data = self.mails[uid]
            client.send_bytes(f"* {uid} FETCH (UID {uid} BODY[] {{{len(data)}}}\r\n".encode() + data)
            client.send(")")


def uids(said: str) -> list[int]:
    found: list[int] = []
    for part in said.split(","):
        first, _, last = part.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found


LIMITS = MAILBOX_LIMITS._replace(pause_seconds=0.01, read_seconds=2.0, operation_seconds=5.0, connect_seconds=5.0)


def box(port: int, after: str = "keep") -> Mailbox:
    account = Account("127.0.0.1", port, "none", "", "me", "login")
    return Mailbox(
        "ours", account, Kept(lambda: PASSWORD), ("INBOX",), after, "Done" if after == "move" else "", vouch=True
    )


def stored(store: Store) -> list[str]:
    return [report_id for (report_id,) in ask(store, "SELECT report_id FROM reports ORDER BY report_id")]


@pytest.mark.parametrize("second", ["silent", "no size", "size NIL", "twice"])
def test_a_message_that_is_not_described_is_read_all_the_same(second: str) -> None:
    store = Store.memory()
    with scripted(Shelf(second)) as port:
        [visit] = fetch(store, box(port), NOBODY, limits=LIMITS)
    assert visit.problem is None
    assert stored(store) == ["r1", "r2", "r3"]


@pytest.mark.parametrize(
    ("second", "reason"), [("breaks", "the server could not hand it out"), ("nothing", "the server handed out nothing")]
)
def test_a_message_that_is_not_handed_out_is_refused_once_and_stops_nothing(second: str, reason: str) -> None:
    store = Store.memory()
    with scripted(Shelf(second)) as port:
        [visit] = fetch(store, box(port), NOBODY, limits=LIMITS)
        assert (visit.problem, visit.waiting) == (None, 0)
        assert stored(store) == ["r1", "r3"]
        [refused] = deliveries.refused(store)
        assert refused.reason.startswith(reason)
        [again] = fetch(store, box(port), NOBODY, limits=LIMITS)
        assert (again.messages, len(deliveries.refused(store))) == (0, 1)


def test_a_server_that_breaks_off_at_everything_ends_the_run_and_moves_no_cursor() -> None:
    store = Store.memory()
    with scripted(Shelf("all break")) as port:
        [visit] = fetch(store, box(port), NOBODY, limits=LIMITS._replace(reconnects=2))
    assert visit.problem is not None
    assert visit.problem.kind == "broken"
    assert ask(store, "SELECT uid FROM cursors") == [(0,)]


@pytest.mark.parametrize("after", ["move", "delete"])
def test_nothing_is_removed_once_the_numbers_mean_something_else(after: str) -> None:
    store, shelf = Store.memory(), Shelf("")
    shelf.validity = iter([7, 8])
    with scripted(shelf) as port:
        [visit] = fetch(store, box(port, after), NOBODY, limits=LIMITS)
    assert visit.problem is not None
    assert "numbered its messages anew" in str(visit.problem)
    assert len(stored(store)) == 3
    assert not [one for one in shelf.commands if "STORE" in one or "MOVE" in one or "EXPUNGE" in one]
