"""A mailbox on a real server: reaching it, logging in, reading without a trace, waiting, moving, deleting."""

from __future__ import annotations

import logging
import mailbox
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from dovecot import HOST, PASSWORD, USER, Dovecot, dovecot
from hostile.mails import forwarded, report_mail

from loaders.imap import Account, Described, ImapError, Session, may_be_report
from tlsrpt.delivery import unpack
from tlsrpt.limits import MAILBOX_LIMITS

ODD = "Berichte über TLS & mehr"
LETTER = (
    b"From: a@example.com\r\nTo: b@example.com\r\nSubject: lunch\r\nMessage-ID: <%d@example.com>\r\n\r\nAt noon?\r\n"
)


def letters(count: int) -> list[bytes]:
    return [LETTER % number for number in range(count)]


@pytest.fixture
def server() -> Iterator[Dovecot]:
    with dovecot() as server:
        yield server


def connected(server: Dovecot, *, write: bool = False, folder: str = "INBOX") -> Session:
    session = Session.connect(server.account(), PASSWORD)
    session.open(folder, write=write)
    return session


def refused(account: Account, secret: str = PASSWORD) -> ImapError:
    with pytest.raises(ImapError) as raised:
        Session.connect(account, secret)
    return raised.value


# --------------------------------------------------------------------------------------------------------
# Reaching it.


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
@pytest.mark.parametrize("auth", ["login", "plain", "xoauth2", "oauthbearer"])
def test_every_way_in_leads_to_the_mailbox(server: Dovecot, tls: str, auth: str) -> None:
    server.deliver("INBOX", *letters(2))
    secret = server.token() if "oauth" in auth else PASSWORD
    with Session.connect(server.account(tls=tls, auth=auth), secret) as session:
        assert session.open("INBOX").messages == 2


@pytest.mark.parametrize("auth", ["login", "plain", "xoauth2", "oauthbearer"])
def test_a_wrong_secret_is_refused_in_the_words_of_the_server(
    server: Dovecot, auth: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "imapclient", "imapclient.imaplib", "imapclient.imapclient"):
        caplog.set_level(logging.DEBUG, logger=name)
    secret = server.token("somebody-else", -60) if "oauth" in auth else f"{PASSWORD} no"
    failed = refused(server.account(auth=auth), secret)
    assert failed.kind == "login"
    assert str(failed).startswith("the server says: [AUTHENTICATIONFAILED]")
    told = "".join(traceback.format_exception(failed)) + repr(failed) + caplog.text
    assert secret not in told
    assert "CANARY" not in told


@pytest.mark.parametrize("user", ["nobody here", 'quo"ted', "back\\slash"])
def test_an_odd_user_name_reaches_the_server_as_it_is(server: Dovecot, user: str) -> None:
    assert str(refused(server.account()._replace(user=user))).startswith("the server says: [AUTHENTICATIONFAILED]")


def test_a_password_that_is_not_ascii_goes_by_plain(server: Dovecot) -> None:
    assert str(refused(server.account(auth="plain"), "pässword")).startswith("the server says: [AUTHENTICATIONFAILED]")


def test_no_password_is_sent_where_the_server_wants_tls_first() -> None:
    with dovecot(address="127.0.0.2") as server:
        account = server.account(tls="none", host="127.0.0.2")
        assert str(refused(account)) == "the server takes no password by LOGIN (LOGINDISABLED)"
        assert refused(account._replace(auth="plain")).kind == "login"


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "localhost: its certificate has expired"),
        ("not-yet-valid", "localhost: its certificate is not yet valid"),
        ("wrong-name", "localhost: its certificate is for another name"),
        ("self-signed", "localhost: its certificate is signed by itself, and not trusted"),
        ("untrusted", "localhost: its certificate is from an authority that is not trusted"),
        (
            "missing-intermediate",
            "localhost: its certificate is from an authority that is not trusted",
        ),
    ],
)
def test_a_certificate_that_proves_nothing_is_refused_and_the_reason_said(tls: str, kind: str, words: str) -> None:
    with dovecot(kind) as server:
        failed = refused(server.account(tls=tls))
    assert (failed.kind, str(failed)) == ("certificate", words)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_an_authority_of_ones_own_has_to_be_named(server: Dovecot, tls: str) -> None:
    failed = refused(server.account(tls=tls)._replace(ca_file=""))
    assert failed.kind == "certificate"
    assert str(failed) == "localhost: its certificate is from an authority that is not trusted"


def test_an_address_that_the_certificate_does_not_name_is_refused(server: Dovecot) -> None:
    failed = refused(server.account(host="127.0.0.1"))
    assert (failed.kind, str(failed)) == ("certificate", "127.0.0.1: its certificate is for another address")


@pytest.mark.parametrize(
    ("content", "words"), [(None, "no such file or directory"), (b"", "has no certificates in PEM form")]
)
def test_a_file_of_authorities_that_has_none_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_bytes(content)
    failed = refused(Account(HOST, 993, "implicit", str(path), USER, "login"))
    assert failed.kind == "certificate"
    assert str(failed).startswith(str(path))
    assert str(failed).endswith(words)


def test_nobody_at_a_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gone = Account(HOST, taken.getsockname()[1], "implicit", "", USER, "login")
    failed = refused(gone)
    assert (failed.kind, str(failed)) == ("connection", f"localhost:{gone.port}: connection refused")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70 + ".example", "a..b", "nul\0"])
def test_a_name_that_is_none_is_said(host: str) -> None:
    failed = refused(Account(host, 993, "implicit", "", USER, "login"))
    assert failed.kind in {"address", "connection"}  # the latter where no resolver can be asked
    assert host in str(failed)


# --------------------------------------------------------------------------------------------------------
# Reading.


def test_what_is_in_a_folder_is_read(server: Dovecot) -> None:
    sent = letters(3)
    server.deliver("INBOX", *sent)
    with Session.connect(server.account(), PASSWORD) as session:
        opened = session.open("INBOX")
        assert (opened.uidnext, opened.messages) == (4, 3)
        assert opened.uidvalidity is not None
        assert session.uids(0) == [1, 2, 3]
        assert session.uids(1) == [2, 3]
        assert session.uids(3) == session.uids(100) == []
        assert session.bodies([3, 1]) == {1: sent[0], 3: sent[2]}
        assert session.bodies([1, 77]) == {1: sent[0]}
        assert session.bodies([]) == {}
        assert session.describe([]) == {}
        described = session.describe([2, 78])
    assert list(described) == [2]
    assert described[2]._replace(structure=None) == Described(
        2, len(sent[1]), b"Subject: lunch\r\n\r\n", None, b"At noon?\r\n"
    )


def test_a_large_message_comes_whole_and_its_beginning_alone_is_described(server: Dovecot) -> None:
    large = b"Subject: large\r\n\r\n" + b"x" * 78 + b"\r\n" * 1_000_000
    server.deliver("INBOX", large)
    with connected(server) as session:
        described = session.describe([1])[1]
        assert described.size == len(large)
        assert len(described.beginning) == MAILBOX_LIMITS.beginning_size
        assert session.bodies([1]) == {1: large}


def test_an_empty_folder_is_empty(server: Dovecot) -> None:
    server.deliver("Empty")
    with connected(server, folder="Empty") as session:
        assert session.uids(0) == []


def test_reading_leaves_no_trace(server: Dovecot) -> None:
    server.deliver("INBOX", *letters(3))
    before = server.messages("INBOX")
    with connected(server) as session:
        session.describe(session.uids(0))
        session.bodies(session.uids(0))
    assert server.messages("INBOX") == before


def test_folders_are_listed_by_the_names_that_people_give_them(server: Dovecot) -> None:
    server.deliver(ODD)
    server.deliver("Archive.2026")  # below "Archive", which is none itself
    with Session.connect(server.account(), PASSWORD) as session:
        assert sorted(session.folders()) == ["Archive.2026", ODD, "INBOX"]


def test_a_folder_with_an_odd_name_is_opened(server: Dovecot) -> None:
    server.deliver(ODD, *letters(1))
    with connected(server, folder=ODD) as session:
        assert session.uids(0) == [1]


@pytest.mark.parametrize("folder", ["Missing", 'quo"ted', "../../etc", ""])
def test_a_folder_that_is_not_there_is_said_and_others_can_be_opened(server: Dovecot, folder: str) -> None:
    with Session.connect(server.account(), PASSWORD) as session:
        with pytest.raises(ImapError, match=r"^the server says: ") as raised:
            session.open(folder)
        assert raised.value.kind == "folder"
        assert session.open("INBOX").messages == 0


def test_numbers_that_the_server_gives_anew_are_told_by_their_validity(server: Dovecot) -> None:
    server.deliver("INBOX", *letters(2))
    with Session.connect(server.account(), PASSWORD) as session:
        before = session.open("INBOX")
    server.renumber("INBOX")
    with Session.connect(server.account(), PASSWORD) as session:
        after = session.open("INBOX")
    assert before.uidvalidity != after.uidvalidity
    assert before.messages == after.messages == 2


def test_a_session_that_the_server_ends_is_broken(server: Dovecot) -> None:
    with connected(server) as session:
        server.kill_sessions()
        with pytest.raises(ImapError) as raised:
            session.uids(0)
    assert raised.value.kind == "broken"


# --------------------------------------------------------------------------------------------------------
# Waiting.


@pytest.mark.parametrize("arrival", ["before", "meanwhile"])
def test_a_new_message_ends_the_wait(server: Dovecot, arrival: str) -> None:
    with connected(server) as session:
        assert session.uids(0) == []
        later = threading.Timer(0.0 if arrival == "before" else 0.3, server.deliver, ["INBOX", *letters(1)])
        later.start()
        if arrival == "before":
            later.join()
        assert session.wait(30.0, 30.0)
        later.join()
        assert session.uids(0) == [1]


def test_no_message_is_no_news(server: Dovecot) -> None:
    with connected(server) as session:
        assert not session.wait(0.3, 30.0)


def test_a_wait_ends_within_a_second_of_being_told_to(server: Dovecot) -> None:
    stop = threading.Event()
    with Session.connect(server.account(), PASSWORD, stopped=stop.is_set) as session:
        session.open("INBOX")
        threading.Timer(0.3, stop.set).start()
        began = time.monotonic()
        with pytest.raises(ImapError) as raised:
            session.wait(30.0, 30.0)
    assert raised.value.kind == "stopped"
    assert time.monotonic() - began < 1.3


# --------------------------------------------------------------------------------------------------------
# Moving and deleting.


def test_messages_are_moved_to_another_folder(server: Dovecot) -> None:
    sent = letters(3)
    server.deliver("INBOX", *sent)
    server.deliver(ODD)
    with connected(server, write=True) as session:
        session.move([1, 3], ODD)
        assert session.uids(0) == [2]
        session.open(ODD)
        assert sorted(session.bodies(session.uids(0)).values()) == [sent[0], sent[2]]


def test_a_move_to_a_folder_that_is_not_there_moves_nothing(server: Dovecot) -> None:
    server.deliver("INBOX", *letters(1))
    with connected(server, write=True) as session:
        with pytest.raises(ImapError, match=r"^the server says: \[TRYCREATE\]") as raised:
            session.move([1], "Missing")
        assert raised.value.kind == "folder"
        assert session.uids(0) == [1]


def test_what_is_deleted_is_gone_and_what_others_marked_stays(server: Dovecot) -> None:
    server.deliver("INBOX", *letters(1), flags="T")
    server.deliver("INBOX", *letters(2))
    with connected(server, write=True) as session:
        session.delete([2])
        assert session.uids(0) == [1, 3]


@pytest.mark.parametrize("act", [lambda session: session.delete([1]), lambda session: session.move([1], ODD)])
def test_a_folder_that_was_opened_to_be_read_is_not_changed(server: Dovecot, act: Callable[[Session], None]) -> None:
    server.deliver("INBOX", *letters(1))
    server.deliver(ODD)
    before = server.messages("INBOX")
    with connected(server) as session:
        with pytest.raises(ImapError, match="the folder was opened to be read only") as raised:
            act(session)
        assert raised.value.kind == "folder"
    assert server.messages("INBOX") == before


# --------------------------------------------------------------------------------------------------------
# What may be a report.


SAMPLES = Path(__file__).parent.parent / "sample_reports"


def sampled() -> list[bytes]:
    """Return every mail among the samples that holds a report, or something that ought to be one."""
    mails = [path.read_bytes() for path in sorted(SAMPLES.rglob("*")) if path.is_file()]
    with closing(mailbox.mbox(SAMPLES / "inbox.mbox", create=False)) as box:
        mails += [bytes(message) for message in box]
    return [one for one in mails if any(getattr(found, "mail", None) for found in unpack(one))]


def text(subject: str, *lines: str) -> bytes:
    return "\r\n".join(["From: a@example.com", f"Subject: {subject}", "", *lines, ""]).encode()


def parts(*whole: str, kind: str = "mixed") -> bytes:
    """Return a mail of parts, each a Content-Type with what follows it."""
    pieces = "".join(f"--b\r\nContent-Type: {part}\r\n\r\nsomething\r\n" for part in whole)
    head = f'From: a@example.com\r\nSubject: hi\r\nMIME-Version: 1.0\r\nContent-Type: multipart/{kind}; boundary="b"'
    return f"{head}\r\n\r\n{pieces}--b--\r\n".encode()


ATTACHED = "\r\nContent-Disposition: attachment; filename="
MAYBE = {
    "as the RFC has it": report_mail(),
    "forwarded": forwarded(1, report_mail()),
    "subject alone": text("Report Domain: example.com Submitter: example.net Report-ID: <1@example.net>", "see page 2"),
    "JSON as text": text("hi", '{"organization-name": "x"}'),
    "JSON below a banner": text("hi", "CAUTION: this came from outside.", "", '  {"organization-name": "x"}'),
    "several reports as text": text("hi", "[", '{"organization-name": "x"}]'),
    "gzip as text": text("hi", "H4sIAAAAAAAAA6tWKkktLlGyUlAqS8wpTtVRKi4pSizRLc5ILEoFAA=="),
    "zip as text": text("hi", "UEsDBBQAAAAIAAAAIQCAAAAAAAAAAAAAAAAA"),
    "JSON in base64 as text": text("hi", "ewogICJvcmdhbml6YXRpb24tbmFtZSI6ICJ4Igp9"),
    "unknown application": parts("text/plain", "application/octet-stream"),
    "text by a name": parts("text/plain", f"text/plain{ATTACHED}google.com!example.com!1773100800!1773187199.txt"),
    "text attached": parts("text/plain", f"text/plain{ATTACHED}report.txt"),
    "name of the type": parts('image/png; name="report.json.gz"'),
    "name in pieces": parts(f"application/pdf{ATTACHED[:-1]}*0=report; filename*1=.json.gz"),
    "name encoded": parts('application/pdf; name="=?utf-8?B?cmVwb3J0Lmpzb24=?="'),
    "pdf by its type only": parts(f"application/pdf{ATTACHED}report.zip"),
    "unknown kind of text": parts("text/json"),
    "unknown kind": parts("something/else"),
    "deep": parts('multipart/mixed; boundary="c"\r\n\r\n--c\r\nContent-Type: application/gzip\r\n\r\nx\r\n--c--'),
}
NEVER = {
    "a letter": LETTER % 1,
    "a letter with a subject": text("TLS report for you", "see the attachment"),
    "a newsletter": parts("text/plain", "text/html", kind="alternative"),
    "a picture": parts("text/plain", f"image/png{ATTACHED}chart.png"),
    "a document": parts("text/plain", f"application/pdf{ATTACHED}invoice.pdf"),
    "an office document": parts("text/plain", "application/vnd.oasis.opendocument.text"),
    "signed": parts("text/plain", "application/pgp-signature; name=signature.asc", kind="signed"),
    "signed otherwise": parts("text/plain", "application/pkcs7-signature; name=smime.p7s", kind="signed"),
    "an invitation": parts("text/plain", "text/calendar; method=REQUEST", f"application/ics{ATTACHED}invite.ics"),
    "tnef": parts("text/plain", "application/ms-tnef; name=winmail.dat"),
    "a sound": parts("text/plain", "audio/mpeg"),
    "a web page": parts(f"text/html{ATTACHED}page.html"),
}


def test_no_report_is_passed_over_and_other_mail_is(server: Dovecot) -> None:
    samples = sampled()
    assert len(samples) > 50
    server.deliver("INBOX", *samples, *MAYBE.values(), *NEVER.values())
    with connected(server) as session:
        described = session.describe(session.uids(0))
    judged = [may_be_report(described[uid]) for uid in sorted(described)]
    expected = [*("a sample" for _ in samples), *MAYBE, *NEVER]
    assert len(judged) == len(expected)
    assert [name for name, maybe in zip(expected, judged, strict=True) if not maybe] == list(NEVER)


@pytest.mark.parametrize(
    "structure",
    [
        None,
        b"text",
        7,
        (),
        (b"text",),
        (None, None),
        (7, b"plain"),
        ((b"text", b"plain"), (b"application", b"gzip")),
        ((),),
    ],
)
def test_what_is_not_described_rightly_may_be_a_report(structure: object) -> None:
    assert may_be_report(Described(1, 100, b"", structure, b""))


def test_headers_that_cannot_be_read_may_be_those_of_a_report() -> None:
    assert may_be_report(Described(1, 100, b"Subject: " + b"x" * 100_000, (b"text", b"html"), b""))


def test_a_structure_without_end_is_looked_at_in_part() -> None:
    structure: object = (b"text", b"plain")
    for _ in range(100_000):
        structure = (structure, b"mixed")
    assert may_be_report(Described(1, 100, b"", structure, b""))
    assert may_be_report(Described(1, 100, b"", tuple((b"text", b"plain") for _ in range(100_000)), b""))
