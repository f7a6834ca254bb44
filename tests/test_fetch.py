"""Reading a mailbox: from where it stopped, whatever happens, and leaving it as it was."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest
from dns_server import Zone, dns_server
from dovecot import HOST, PASSWORD, USER, dovecot
from reports import document
from shelf import ask, mail
from signing import SIGNED, record, sign

from loaders.dkim_keys import Keys
from loaders.mailbox import Mailbox, Visit, fetch
from loaders.secret import Kept
from loaders.senders import Flood, Senders
from loaders.watching import watch
from queries import deliveries, mailboxes, reports
from tlsrpt.authentication import KeyLookupError
from tlsrpt.delivery import Document, unpack
from tlsrpt.limits import LIMITS, MAILBOX_LIMITS
from tlsrpt.published import Settings
from tlsrpt.reporters import Accepted
from tlsrpt.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dovecot import Dovecot

    from loaders import Status
    from loaders.mailbox import Folder
    from tlsrpt.limits import MailboxLimits

NOBODY = Senders(None, (), SIGNED)


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with dovecot() as running:
        yield running


@pytest.fixture
def folder(server: Dovecot, request: pytest.FixtureRequest) -> str:
    name = request.node.name[:60].replace("[", "-").replace("]", "").replace("/", "-").replace(".", "-")
    server.deliver(name)
    return str(name)


def mailbox(server: Dovecot, *folders: str, auth: str = "login", **more: object) -> Mailbox:
    account = server.account(auth=auth)
    made = Mailbox("ours", account, Kept(lambda: PASSWORD), folders, vouch=True)
    return made._replace(**more)  # type: ignore[arg-type]


def numbered(*numbers: int) -> list[bytes]:
    return [mail(document(day="2026-03-10", report_id=f"r{number}")) for number in numbers]


def ids(store: Store) -> list[str]:
    return sorted(row.report_id for row in reports.newest(store))


def read(store: Store, box: Mailbox, *, senders: Senders = NOBODY, anew: bool = False) -> Visit:
    visits = fetch(store, box, senders, anew=anew)
    assert [visit.problem for visit in visits] == [None] * len(visits)
    return visits[0]


OTHER = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: lunch\r\n\r\nAt noon?\r\n"


def test_a_second_run_goes_on_where_the_first_one_stopped(server: Dovecot, folder: str) -> None:
    store, box = Store.memory(), mailbox(server, folder)
    server.deliver(folder, *numbered(1, 2, 3))
    first = read(store, box)
    assert (first.summary.reports, first.messages, first.waiting) == (3, 3, 0)
    again = read(store, box)
    assert (again.summary.reports, again.summary.duplicates, again.messages) == (0, 0, 0)
    server.deliver(folder, *numbered(4))
    assert read(store, box).summary.reports == 1
    assert ids(store) == ["r1", "r2", "r3", "r4"]


def test_a_report_tells_which_message_it_came_in(server: Dovecot, folder: str) -> None:
    store = Store.memory()
    server.deliver(folder, *numbered(1))
    read(store, mailbox(server, folder))
    [(source, mailed)] = ask(store, "SELECT source, mailed FROM deliveries")
    [(validity,)] = ask(store, "SELECT uidvalidity FROM cursors")
    assert source == f"imap://{USER}@{HOST}/{folder};UIDVALIDITY={validity}/;UID=1"
    assert mailed


def test_another_mailbox_under_the_same_name_is_read_from_its_beginning(server: Dovecot, folder: str) -> None:
    store, box = Store.memory(), mailbox(server, folder)
    server.deliver(folder, *numbered(1, 2))
    read(store, box)
    other = box._replace(account=box.account._replace(user=f"{USER}2"))
    [visit] = fetch(store, other, NOBODY)  # whose login fails, and whose cursor is its own
    assert visit.problem is not None
    assert ask(store, "SELECT account FROM cursors") == [(f"{USER}@{HOST}",)]


def test_a_mail_that_looks_like_an_archive_is_a_mail(server: Dovecot, folder: str) -> None:
    store = Store.memory()
    message = mail(document(report_id="real"), Return_Path=f"<{'x' * 300}@example.com>")
    forged = bytearray(b"Return-Path: <" + b"x" * 600 + b"@example.com>\r\n" + message)
    forged[257:262] = b"ustar"
    server.deliver(folder, bytes(forged))
    read(store, mailbox(server, folder, vouch=False))
    assert ask(store, "SELECT trust, report_id FROM reports") == [("unverified", "real")]
    assert unpacked(bytes(forged)) == ["real"]


def unpacked(content: bytes) -> list[str]:
    return [json.loads(one.content)["report-id"] for one in unpack(content) if isinstance(one, Document) and one.mail]


def test_nothing_in_the_mailbox_changes(server: Dovecot, folder: str) -> None:
    server.deliver(folder, *numbered(1, 2), OTHER)
    before = server.messages(folder)
    read(Store.memory(), mailbox(server, folder))
    assert server.messages(folder) == before


def test_another_numbering_has_the_folder_read_again_and_counts_nothing_twice(server: Dovecot, folder: str) -> None:
    store, box = Store.memory(), mailbox(server, folder)
    server.deliver(folder, *numbered(1, 2))
    read(store, box)
    server.renumber(folder)
    server.deliver(folder, *numbered(3))
    again = read(store, box)
    assert (again.summary.reports, again.summary.duplicates) == (1, 2)
    assert ids(store) == ["r1", "r2", "r3"]
    assert read(store, box).messages == 0


def test_a_folder_can_be_read_anew(server: Dovecot, folder: str) -> None:
    store, box = Store.memory(), mailbox(server, folder)
    server.deliver(folder, *numbered(1, 2), b"From: x@example.com\r\nTLS-Report-Domain: example.com\r\n\r\nnothing\r\n")
    read(store, box)
    again = read(store, box, anew=True)
    assert (again.summary.reports, again.summary.duplicates) == (0, 2)
    assert len(deliveries.refused(store)) == 1
    assert ask(store, "SELECT count(*) FROM deliveries") == [(3,)]


def test_a_report_is_found_whatever_its_subject_says(server: Dovecot, folder: str) -> None:
    store = Store.memory()
    plain = json.dumps(document(report_id="bare")).encode()
    server.deliver(
        folder,
        mail(document(report_id="hello"), Subject="Hello", TLS_Report_Domain="", TLS_Report_Submitter=""),
        b"From: x@example.com\r\nSubject: hi\r\nContent-Type: text/plain\r\n\r\n" + plain,
        b"From: x@example.com\r\nSubject: fwd\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n"
        + mail(document(report_id="forwarded"), Subject="", TLS_Report_Domain="", TLS_Report_Submitter=""),
    )
    read(store, mailbox(server, folder))
    assert ids(store) == ["bare", "forwarded", "hello"]


def test_what_is_plainly_something_else_is_not_fetched(server: Dovecot, folder: str) -> None:
    store = Store.memory()
    server.deliver(folder, OTHER, *numbered(1), OTHER)
    done = read(store, mailbox(server, folder))
    assert (done.messages, done.summary.reports, done.summary.skipped) == (3, 1, 0)
    assert ask(store, "SELECT count(*) FROM deliveries") == [(1,)]


def test_a_message_that_is_too_large_is_refused_once_and_never_fetched(server: Dovecot, folder: str) -> None:
    store, box = Store.memory(), mailbox(server, folder)
    large = mail(document()) + b"x" * LIMITS.message_size
    server.deliver(folder, large, *numbered(1), b"Subject: photos\r\n\r\n" + b"x" * LIMITS.message_size)
    done = read(store, box)
    assert (done.summary.reports, done.summary.refused) == (1, 1)
    assert [(row.reason, row.size) for row in deliveries.refused(store)] == [("larger than 16 MiB", 0)]
    assert read(store, box).messages == 0


def test_a_folder_that_is_not_there_does_not_keep_the_others_from_being_read(server: Dovecot, folder: str) -> None:
    store = Store.memory()
    server.deliver(folder, *numbered(1))
    missing, there = fetch(store, mailbox(server, "No Such", folder), NOBODY)
    assert missing.problem is not None
    assert missing.problem.kind == "folder"
    assert (there.problem, there.summary.reports) == (None, 1)
    [bad, good] = mailboxes.visits(store)
    assert bad.folder == "No Such"
    assert "No Such" in bad.problem or "exist" in bad.problem
    assert (good.folder, good.reports, good.problem) == (folder, 1, "")


def test_a_folder_with_any_name_is_read(server: Dovecot) -> None:
    name = "Berichte für TLS & Co"
    server.deliver(name, *numbered(1))
    store = Store.memory()
    assert read(store, mailbox(server, name)).summary.reports == 1
    assert read(store, mailbox(server, name)).messages == 0


def test_a_run_takes_so_many_messages_and_leaves_the_rest_for_the_next(server: Dovecot, folder: str) -> None:
    store, box = Store.memory(), mailbox(server, folder)
    server.deliver(folder, *numbered(*range(10)))
    few = MAILBOX_LIMITS._replace(messages_per_run=4, bodies_at_once=2)
    waiting = []
    for _ in range(3):
        [visit] = fetch(store, box, NOBODY, limits=few)
        waiting.append((visit.summary.reports, visit.waiting))
    assert waiting == [(4, 6), (4, 2), (2, 0)]
    assert len(ids(store)) == 10


def watching(at: int, act: Callable[[], object]) -> Callable[[str, Folder, Status], None]:
    """Return a progress that acts once, when so many messages were looked at."""
    done: list[bool] = []

    def progress(_: str, source: Folder, __: Status) -> None:
        if source.messages >= at and not done:
            done.append(True)
            act()

    return progress


SMALL: MailboxLimits = MAILBOX_LIMITS._replace(bodies_at_once=2, sizes_at_once=5, pause_seconds=0.01)


def test_a_connection_that_breaks_in_the_middle_is_made_again(server: Dovecot, folder: str) -> None:
    store = Store.memory()
    server.deliver(folder, *numbered(*range(300)))
    [visit] = fetch(
        store,
        mailbox(server, folder),
        NOBODY,
        limits=SMALL,
        progress=watching(4, server.kill_sessions),
    )
    assert visit.problem is None
    assert (visit.summary.reports, visit.summary.refused, visit.messages) == (300, 0, 300)


def test_a_run_that_is_stopped_keeps_what_it_read(server: Dovecot, folder: str) -> None:
    store, box = Store.memory(), mailbox(server, folder)
    server.deliver(folder, *numbered(*range(300)))
    pressed: list[bool] = []
    [visit] = fetch(
        store,
        box,
        NOBODY,
        limits=SMALL,
        progress=watching(4, lambda: pressed.append(True)),
        stopped=lambda: bool(pressed),
    )
    assert visit.summary.interrupted
    assert 0 < visit.summary.reports < 300
    rest = read(store, box)
    assert (rest.summary.reports, rest.summary.duplicates) == (300 - visit.summary.reports, 0)


def test_messages_move_once_their_reports_are_stored_and_no_others(server: Dovecot, folder: str) -> None:
    store = Store.memory()
    server.deliver(f"{folder}-done")
    announced = b"From: x@example.com\r\nTLS-Report-Domain: example.com\r\n\r\nnothing\r\n"
    server.deliver(folder, *numbered(1, 2), OTHER, announced)
    box = mailbox(server, folder, after="move", move_to=f"{folder}-done")
    read(store, box)
    assert (len(server.messages(folder)), len(server.messages(f"{folder}-done"))) == (2, 2)
    # One that was stored by a run that ended before it could be moved is moved by the next.
    server.deliver(folder, *numbered(3))
    read(store, box._replace(after="keep"))
    read(store, box)
    assert (len(server.messages(folder)), len(server.messages(f"{folder}-done"))) == (2, 3)


def test_messages_are_deleted_once_their_reports_are_stored_and_no_others(server: Dovecot, folder: str) -> None:
    server.deliver(folder, *numbered(1, 2), OTHER)
    read(Store.memory(), mailbox(server, folder, after="delete"))
    assert len(server.messages(folder)) == 1


def test_a_folder_to_move_to_that_is_not_there_is_told_and_loses_nothing(server: Dovecot, folder: str) -> None:
    store = Store.memory()
    server.deliver(folder, *numbered(1))
    [visit] = fetch(store, mailbox(server, folder, after="move", move_to="Nowhere"), NOBODY)
    assert visit.problem is not None
    assert visit.summary.reports == 1
    assert len(server.messages(folder)) == 1


def test_a_token_that_ran_out_is_asked_for_again_once(server: Dovecot, folder: str) -> None:
    server.deliver(folder, *numbered(1))
    tokens = iter([server.token(seconds=-3_600), server.token()])
    box = mailbox(server, folder, auth="xoauth2", secret=Kept(lambda: next(tokens)))
    assert read(Store.memory(), box).summary.reports == 1
    assert list(tokens) == []


def test_a_token_that_is_refused_twice_ends_the_run(server: Dovecot, folder: str) -> None:
    asked: list[bool] = []

    def token() -> str:
        asked.append(True)
        return server.token(seconds=-3_600)

    [visit] = fetch(Store.memory(), mailbox(server, folder, auth="oauthbearer", secret=Kept(token)), NOBODY)
    assert visit.problem is not None
    assert visit.problem.kind == "login"
    assert len(asked) == 2


def test_a_password_that_is_refused_is_tried_once(server: Dovecot, folder: str) -> None:
    asked: list[bool] = []

    def password() -> str:
        asked.append(True)
        return "wrong"

    [visit] = fetch(Store.memory(), mailbox(server, folder, "Other", secret=Kept(password)), NOBODY)
    assert visit.problem is not None
    assert (visit.problem.kind, len(asked)) == ("login", 1)


def test_watching_ends_within_a_second_though_no_mailbox_does(server: Dovecot) -> None:
    over = threading.Event()
    waiting = threading.Barrier(4)

    def password() -> str:
        waiting.wait(20)
        over.wait(20)
        return PASSWORD

    boxes = [mailbox(server, "INBOX", secret=Kept(password))._replace(name=f"box-{number}") for number in range(3)]
    stop = threading.Event()
    watching = threading.Thread(target=lambda: list(watch(boxes, stop.is_set)))
    watching.start()
    waiting.wait(20)
    began = time.monotonic()
    stop.set()
    watching.join()
    assert time.monotonic() - began < 1.0
    over.set()


# Who sent it


def signed(report_id: str, sender: str = "tls@sender.example") -> bytes:
    plain = mail(
        document(report_id=report_id),
        From=f"Reports <{sender}>",
        To="rpt@example.com",
        Date="Wed, 13 May 2026 15:43:04 +0000",
    )
    return sign(plain)


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    text = f"@ 60 IN A 192.0.2.1\ns1._domainkey 60 IN TXT {quoted(record())}"
    with dns_server(Zone("sender.example", text)) as running:
        yield Settings(resolver=(running.address,))


def quoted(value: bytes) -> str:
    text = value.decode()
    return " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))


def test_a_report_is_worth_what_its_signature_is(server: Dovecot, folder: str, settings: Settings) -> None:
    store, box = Store.memory(), mailbox(server, folder, vouch=False)
    server.deliver(folder, signed("good"), signed("bad").replace(b"This is", b"That is"), *numbered(1))
    read(store, box, senders=Senders(Keys(settings), (), SIGNED))
    assert {row.report_id: row.trust for row in reports.newest(store)} == {
        "good": "signed",
        "bad": "unverified",
        "r1": "unverified",
    }
    told = ask(store, "SELECT authentication, signer, address FROM deliveries ORDER BY delivery")
    assert told[0] == ("pass", "sender.example", "tls@sender.example")
    assert [state for state, *_ in told] == ["pass", "fail", "none"]


def test_a_reporter_who_is_accepted_is_known(server: Dovecot, folder: str, settings: Settings) -> None:
    store = Store.memory()
    server.deliver(folder, signed("good"))
    senders = Senders(Keys(settings), [Accepted("sender.example")], SIGNED)
    done = read(store, mailbox(server, folder, vouch=False), senders=senders)
    assert [row.trust for row in reports.newest(store)] == ["known"]
    assert (done.summary.signed, done.summary.unverified, done.summary.unchecked) == (0, 0, 0)


def test_a_server_whose_word_is_trusted_stands_in_for_the_signature(server: Dovecot, folder: str) -> None:
    store = Store.memory()
    told = "Authentication-Results: mx.example.com; dkim=pass header.d=sender.example\r\n"
    forged = "Authentication-Results: mx.evil.example; dkim=pass header.d=sender.example\r\n"
    one, other = mail(document(report_id="told")), mail(document(report_id="forged"))
    server.deliver(folder, told.encode() + one, forged.encode() + other)
    senders = Senders(None, (), SIGNED, trusted_authserv_id="mx.example.com")
    read(store, mailbox(server, folder, vouch=False), senders=senders)
    assert {row.report_id: row.trust for row in reports.newest(store)} == {"told": "signed", "forged": "unverified"}


def test_the_word_of_the_trusted_server_counts_in_the_outermost_mail_alone(server: Dovecot, folder: str) -> None:
    store = Store.memory()
    told = b"Authentication-Results: mx.example.com; dkim=pass header.d=google.com\r\n"
    inner = told + mail(document(report_id="forged"), From="<noreply-smtp-tls-reporting@google.com>")
    outer = b"From: evil@evil.example\r\nSubject: fwd\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n"
    server.deliver(folder, outer + inner, told.replace(b"pass", b"none") + outer + inner)
    senders = Senders(None, (), SIGNED, trusted_authserv_id="mx.example.com")
    read(store, mailbox(server, folder, vouch=False), senders=senders)
    assert ask(store, "SELECT DISTINCT trust FROM reports") == [("unverified",)]


def test_a_message_whose_key_could_not_be_had_is_not_deleted(server: Dovecot, folder: str) -> None:
    def nobody(_: str) -> bytes:
        raise KeyLookupError("no answer")

    store = Store.memory()
    server.deliver(folder, signed("s1"), *numbered(1))
    read(store, mailbox(server, folder, vouch=False, after="delete"), senders=Senders(nobody, (), SIGNED))
    assert {row.report_id: row.trust for row in reports.newest(store)} == {"s1": "unchecked", "r1": "unverified"}
    assert len(server.messages(folder)) == 1


def test_a_flood_without_signatures_is_bounded_and_says_so(server: Dovecot, folder: str) -> None:
    store, box = Store.memory(), mailbox(server, folder, vouch=False)
    server.deliver(folder, *numbered(*range(6)))
    limits = MAILBOX_LIMITS._replace(unknown_per_domain=4)

    def senders() -> Senders:
        return Senders(None, (), SIGNED, flood=Flood(store, limits))

    done = read(store, box, senders=senders())
    assert (done.summary.reports, done.summary.refused) == (4, 2)
    assert {row.reason for row in deliveries.refused(store)} == {
        "more than 4 reports of one day about a domain from senders who are not known"
    }
    # What is stored already is no flood, and what was refused is refused once.
    again = read(store, box, senders=senders(), anew=True)
    assert (again.summary.reports, again.summary.duplicates) == (0, 4)
    assert len(deliveries.refused(store)) == 2


def test_five_thousand_messages(server: Dovecot, folder: str) -> None:
    store = Store.memory()
    server.deliver(folder, *numbered(*range(5_000)))
    done = read(store, mailbox(server, folder))
    assert (done.summary.reports, done.messages, done.waiting) == (5_000, 5_000, 0)
