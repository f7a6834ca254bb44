"""IMAP servers that lie, flood, drip, hang and break off: each is an error in words, or a message left out, in time."""

from __future__ import annotations

import base64
import json
import logging
import re
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from certificates import Authority
from dovecot import PASSWORD
from scripted_imap import OPENED, Client, Script, scripted

from loaders.imap import Account, Described, ImapError, Opened, Session
from tlsrpt.limits import MAILBOX_LIMITS, MailboxLimits

SECRET = "CANARY-7f3a"
QUICK = MAILBOX_LIMITS._replace(connect_seconds=1.0, read_seconds=0.4, operation_seconds=1.0)
DEADLINE = 5.0  # seconds; a few times what QUICK allows

Act = Callable[[Session], object]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def account(
    port: int, *, tls: str = "none", auth: str = "plain", host: str = "127.0.0.1", ca_file: str = ""
) -> Account:
    return Account(host, port, tls, ca_file, "reports", auth)


@contextmanager
def soon() -> Iterator[None]:
    """Fail unless this comes to an end within the deadline."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < DEADLINE


@contextmanager
def opened(script: Script, limits: MailboxLimits = QUICK) -> Iterator[Session]:
    """Yield a session with a script in which a folder is open."""
    with scripted(script) as port, soon(), Session.connect(account(port), SECRET, limits=limits) as session:
        session.open("INBOX")
        yield session


def error(script: Script, act: Act, limits: MailboxLimits = QUICK) -> ImapError:
    """Return how doing something with a script fails."""
    with pytest.raises(ImapError) as raised, opened(script, limits) as session:
        act(session)
    return raised.value


def refused(script: Script, **reaching: str) -> ImapError:
    """Return how logging in to a script fails."""
    with scripted(script) as port, soon(), pytest.raises(ImapError) as raised:
        Session.connect(account(port, **reaching), SECRET, limits=QUICK)
    return raised.value


def answering(word: str, *lines: str) -> Script:
    """Return a script that answers the first command with this word by these lines and OK, and others as it should."""

    def script(client: Client) -> None:
        tag = client.until(word)
        client.send(*lines, f"{tag} OK done")
        client.obey(greeting=None)

    return script


def bodies(session: Session) -> dict[int, bytes]:
    return session.bodies([1, 2, 3])


def describe(session: Session) -> dict[int, Described]:
    return session.describe([1, 2, 3])


def wait(session: Session) -> bool:
    return session.wait(60.0, 60.0)


# --------------------------------------------------------------------------------------------------------
# Too much.


def announces(size: str) -> Script:
    def script(client: Client) -> None:
        client.until("FETCH")
        client.send(f"* 1 FETCH (UID 1 BODY[] {{{size}}}")
        client.wait()

    return script


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("5000000000", "the server announces 5,000,000,000 bytes at once"),
        (str(MAILBOX_LIMITS.literal_size + 1), "the server announces 16,842,753 bytes at once"),
        ("99999999999999999", "the server announces 99,999,999,999,999,999 bytes at once"),
        ("9" * 5_000, "an answer cannot be read: Exceeds the limit"),
    ],
)
def test_a_literal_that_is_too_large_is_refused_before_it_is_read(size: str, words: str) -> None:
    failed = error(announces(size), bodies)
    assert failed.kind == "protocol"
    assert str(failed).startswith(words)


def test_a_body_that_is_larger_than_was_told_is_refused_before_it_is_read() -> None:
    def script(client: Client) -> None:
        tag = client.until("FETCH")
        client.send("* 1 FETCH (UID 1 RFC822.SIZE 10)", f"{tag} OK done")
        client.until("FETCH", greeting=None)
        client.send("* 1 FETCH (UID 1 BODY[] {104857600}")
        client.wait()

    with opened(script) as session:
        assert session.describe([1])[1].size == 10
        with pytest.raises(ImapError, match="announces 104,857,600 bytes") as raised:
            session.bodies([1])
    assert raised.value.kind == "protocol"


def endless(piece: str) -> Script:
    """Return a script that answers FETCH with this for ever."""

    def script(client: Client) -> None:
        client.until("FETCH")
        data = piece.encode() * (1 + (64 << 10) // len(piece))
        while True:
            client.send_bytes(data)

    return script


FLOODS = {
    "literals": "* 1 FETCH (UID 1 BODY[] {1048576}\r\n" + "x" * 1_048_576 + ")\r\n",
    "short lines": "* OK .\r\n",
    "kinds of lines": "".join(
        f"* X{chr(65 + i // 676)}{chr(65 + i // 26 % 26)}{chr(65 + i % 26)}\r\n" for i in range(17_576)
    ),
    "words": "* 1 FETCH (" + "a " * 400_000 + "\r\n",
    "one line": "x",
    "parts of a literal": "{0}\r\n",
}


@pytest.mark.parametrize("piece", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_is_cut_off(piece: str) -> None:
    failed = error(endless(piece), bodies, QUICK._replace(operation_seconds=60.0))
    assert failed.kind in {"protocol", "broken"}
    assert re.match(
        "the server (sends (far more than it was asked for|a line of more)|does not make sense)", str(failed)
    )


CHILD = """
import json, resource, sys
from pathlib import Path
from loaders.imap import Account, ImapError, Session

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) << 10

resource.setrlimit(resource.RLIMIT_AS, (1536 << 20, 1536 << 20))
session = Session.connect(Account("127.0.0.1", int(sys.argv[1]), "none", "", "reports", "plain"), "secret")
session.open("INBOX")
before = peak()
try:
    session.bodies([1, 2, 3])
    kind = ""
except ImapError as error:
    kind = error.kind
print(json.dumps([kind, peak() - before]))
"""


def growth(script: Script) -> tuple[str, int]:
    """Return how fetching fails in a process of its own, and by how many bytes that grows at most."""
    with scripted(script) as port:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(port)],
            stdout=subprocess.PIPE,
            timeout=30,
            check=True,
            cwd=Path(__file__).parent.parent,
        )
    kind, grown = json.loads(done.stdout)
    return str(kind), int(grown)


@pytest.mark.parametrize("piece", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_does_not_fill_the_memory(piece: str) -> None:
    kind, grown = growth(endless(piece))
    assert kind in {"protocol", "broken"}
    assert grown < 160 << 20


@pytest.mark.parametrize("size", ["5000000000", "99999999999999999"])
def test_what_is_announced_takes_no_memory(size: str) -> None:
    kind, grown = growth(announces(size))
    assert kind == "protocol"
    assert grown < 8 << 20


def test_the_largest_message_costs_a_few_times_its_size() -> None:
    def script(client: Client) -> None:
        tag = client.until("FETCH")
        client.send_bytes(b"* 1 FETCH (UID 1 BODY[] {16777216}\r\n" + b"x" * (16 << 20) + b")\r\n")
        client.send(f"{tag} OK done")
        client.wait()

    kind, grown = growth(script)
    assert kind == ""
    assert grown < 4 * (16 << 20)


# --------------------------------------------------------------------------------------------------------
# Too slow.


def test_a_server_that_drips_is_given_up() -> None:
    def script(client: Client) -> None:
        client.until("FETCH")
        client.drip(b"* 1 FETCH (UID 1 BODY[] {1000}\r\n" + b"x" * 1_000)

    failed = error(script, bodies)
    assert (failed.kind, str(failed)) == ("broken", "no whole answer within 1 seconds")


def test_a_server_that_says_nothing_is_given_up() -> None:
    def script(client: Client) -> None:
        client.until("FETCH")
        client.wait()

    failed = error(script, bodies)
    assert (failed.kind, str(failed)) == ("broken", "the server said nothing for 0.4 seconds")


def test_a_server_that_takes_nothing_is_given_up() -> None:
    with scripted(deaf) as port, soon():
        session = connected(port)
        session.open("INBOX")
        with pytest.raises(ImapError, match="no whole answer within 1 seconds") as raised:
            session.bodies(range(10**9, 10**9 + 600_000))  # more than is on its way at once
    assert raised.value.kind == "broken"


def deaf(client: Client) -> None:
    """Open a folder, then read no more and wait for the end."""
    tag = client.until("EXAMINE")
    client.send(*OPENED, f"{tag} OK done")
    client.drip(b"\n", every=60.0)


def mute(client: Client) -> None:
    client.wait()


@pytest.mark.parametrize("tls", ["none", "starttls"])
def test_a_greeting_that_does_not_come_is_not_waited_for(tls: str) -> None:
    failed = refused(mute, tls=tls)
    assert (failed.kind, str(failed)) == ("tls", "the server does not greet us within 1 seconds")


def test_a_greeting_that_does_not_come_in_tls_is_not_waited_for(authority: Authority, tmp_path: Path) -> None:
    reached = account(0, tls="implicit", host="localhost", ca_file=authority.write(tmp_path))
    with scripted(mute, authority.context("localhost")) as port, soon(), pytest.raises(ImapError) as raised:
        Session.connect(reached._replace(port=port), SECRET, limits=QUICK)
    assert (raised.value.kind, str(raised.value)) == ("connection", "the server does not greet us within 1 seconds")


def test_a_handshake_that_does_not_come_is_not_waited_for() -> None:
    failed = refused(mute, tls="implicit")
    assert (failed.kind, str(failed)) == ("broken", "no whole answer within 1 seconds")


@contextmanager
def full() -> Iterator[int]:
    """Yield a port at which connections are neither taken nor refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.settimeout(0.0)
            one.connect_ex(listening.getsockname())
        try:
            yield listening.getsockname()[1]
        finally:
            for one in waiting:
                one.close()


def test_an_address_that_does_not_answer_is_given_up() -> None:
    with full() as port, soon(), pytest.raises(ImapError) as raised:
        Session.connect(account(port), SECRET, limits=QUICK)
    assert (raised.value.kind, str(raised.value)) == ("connection", f"127.0.0.1:{port}: no answer")


# --------------------------------------------------------------------------------------------------------
# Breaking off.


def test_a_server_that_says_goodbye_in_an_answer_is_quoted() -> None:
    def script(client: Client) -> None:
        client.until("FETCH")
        client.send("* 1 FETCH (UID 1 BODY[] {3}", "abc)", "* BYE down for repairs")

    failed = error(script, bodies)
    assert (failed.kind, str(failed)) == ("broken", "the server says: down for repairs")


@pytest.mark.parametrize("said", ["", "* 1 FETCH (UID 1 BODY[] {1000}\r\nabc", "* 1 FETCH (UID 1"])
def test_a_server_that_leaves_in_an_answer_broke_the_connection(said: str) -> None:
    def script(client: Client) -> None:
        client.until("FETCH")
        client.send_bytes(said.encode())

    failed = error(script, bodies)
    assert (failed.kind, str(failed)) == ("broken", "the server closed the connection")


def test_a_connection_that_broke_stays_broken() -> None:
    with opened(announces("5000000000")) as session:
        with pytest.raises(ImapError):
            bodies(session)
        for act in (bodies, describe, wait, lambda session: session.open("INBOX"), lambda session: session.uids(0)):
            with pytest.raises(ImapError, match="the connection is closed") as raised:
                act(session)
            assert raised.value.kind == "broken"


@pytest.mark.parametrize("line", ["what?", "* what?", "A999 OK done", "", "* 1 FETCH (UID 1)\n"])
def test_a_server_that_makes_no_sense_is_not_listened_to(line: str) -> None:
    failed = error(answering("FETCH", line), bodies)
    assert failed.kind in {"broken", "protocol"}


# --------------------------------------------------------------------------------------------------------
# Wrong answers.

RIGHT = "* 2 FETCH (UID 2 RFC822.SIZE 4 BODY[] abcd)"
WRONG = {
    "not asked for": ["* 9 FETCH (UID 999 RFC822.SIZE 4 BODY[] abcd)"],
    "without a UID": ["* 1 FETCH (RFC822.SIZE 4 BODY[] abcd)"],
    "twice": ["* 1 FETCH (UID 1 RFC822.SIZE 4 BODY[] abcd)", "* 3 FETCH (UID 1 RFC822.SIZE 5 BODY[] other)"],
    "twice alike": ["* 1 FETCH (UID 1 RFC822.SIZE 4 BODY[] abcd)"] * 2,
    "odd UIDs": ["* 1 FETCH (UID NIL RFC822.SIZE 4 BODY[] abcd)", "* 1 FETCH (UID (1) RFC822.SIZE 4 BODY[] abcd)"],
    "flags only": ["* 1 FETCH (UID 1 FLAGS (\\Seen))"],
    "NIL": ["* 1 FETCH (UID 1 RFC822.SIZE NIL BODY[] NIL)"],
    "a number": ["* 1 FETCH (UID 1 RFC822.SIZE many BODY[] 4)"],
    "a list": ["* 1 FETCH (UID 1 RFC822.SIZE (4) BODY[] (abcd))"],
    "no items": ["* 1 FETCH ()"],
    "no answer": [],
}


@pytest.mark.parametrize("lines", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_answer_leaves_its_message_out_and_no_other(lines: list[str]) -> None:
    with opened(answering("FETCH", *lines, RIGHT)) as session:
        assert bodies(session) == {2: b"abcd"}
    with opened(answering("FETCH", *lines, RIGHT)) as session:
        assert describe(session) == {2: Described(2, 4, b"", None, b"")}


def test_flags_that_somebody_changes_meanwhile_are_no_wrong_answer() -> None:
    with opened(answering("FETCH", "* 2 FETCH (UID 2 FLAGS (\\Seen))", RIGHT, "* 2 FETCH (FLAGS ())")) as session:
        assert bodies(session) == {2: b"abcd"}


@pytest.mark.parametrize(
    "line",
    [
        "* 1 FETCH " + "(" * 400_000,
        "* 1 FETCH (UID 1 BODY[] " + "(" * 100_000 + ")" * 100_000 + ")",
        '* 1 FETCH (UID 1 BODY[] "abc)',
        "* 1 FETCH (UID 1 BODY[",
        "* 1 FETCH",
        "* 1 FETCH BODY[]",
    ],
)
def test_an_answer_that_cannot_be_taken_apart_is_said_and_the_connection_goes_on(line: str) -> None:
    def script(client: Client) -> None:
        client.send("* OK hello")
        for lines in ([line], [RIGHT]):
            tag = client.until("FETCH", greeting=None)
            client.send(*lines, f"{tag} OK done")
        client.wait()

    with opened(script) as session:
        with suppress(ImapError):  # some of these are merely without a message
            assert bodies(session) == {}
        assert bodies(session) == {2: b"abcd"}


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["* SEARCH 2 1 3 3 2"], [1, 2, 3]),
        (["* SEARCH 0 1 4294967295 4294967296 100000000000000000000000"], [1, 4294967295]),
        (["* SEARCH"], []),
        ([], []),
    ],
)
def test_uids_are_in_order_and_possible(lines: list[str], found: list[int]) -> None:
    with opened(answering("SEARCH", *lines)) as session:
        assert session.uids(0) == found


def test_the_last_message_is_not_new_for_being_the_last() -> None:
    with opened(answering("SEARCH", "* SEARCH 3")) as session:
        assert session.uids(3) == []


@pytest.mark.parametrize("line", ["* SEARCH one two", "* SEARCH -1", "* SEARCH " + "9" * 5_000, "* SEARCH 1 (MODSEQ"])
def test_uids_that_are_no_numbers_are_said(line: str) -> None:
    assert error(answering("SEARCH", line), lambda session: session.uids(0)).kind == "protocol"


@pytest.mark.parametrize(
    ("messages", "parts"),
    [
        (80_000, ["UID 2:*"]),
        (200_000, ["1:80000 UID 2:*", "80001:160000 UID 2:*", "160001:* UID 2:*"]),
        (4_000_000_000, [*(f"{80_000 * n + 1}:{80_000 * (n + 1)} UID 2:*" for n in range(12)), "960001:* UID 2:*"]),
    ],
)
def test_a_large_folder_is_searched_in_parts_and_no_more_of_them_than_make_sense(
    messages: int, parts: list[str]
) -> None:
    asked: list[str] = []

    def script(client: Client) -> None:
        client.obey(opened=[f"* {messages} EXISTS"])
        asked.extend(line.partition(" UID SEARCH ")[2] for line in client.received if "SEARCH" in line)

    with opened(script) as session:
        assert session.uids(1) == [2, 3]
    assert asked == parts


@pytest.mark.parametrize("value", ["abc", "0", "-1", "4294967296", "9" * 5_000, ""])
def test_numbers_of_a_folder_that_are_no_numbers_are_unknown(value: str) -> None:
    lines = (f"* OK [UIDVALIDITY {value}] .", f"* OK [UIDNEXT {value}] .", "* 2 EXISTS")
    with scripted(lambda client: client.obey(opened=lines)) as port, connected(port) as session:
        assert session.open("INBOX") == Opened(None, None, 2)


def test_a_folder_without_numbers_can_be_read() -> None:
    with scripted(lambda client: client.obey(opened=())) as port, connected(port) as session:
        assert session.open("INBOX") == Opened(None, None, 0)
        assert session.uids(0) == [1, 2, 3]


def connected(port: int) -> Session:
    return Session.connect(account(port), SECRET, limits=QUICK)


def test_what_a_server_says_in_a_refusal_is_quoted_in_part() -> None:
    def script(client: Client) -> None:
        tag = client.until("FETCH")
        client.send(f"{tag} NO \x1b]0;title\x07" + "x" * 100_000)
        client.wait()

    failed = error(script, bodies)
    assert failed.kind == "protocol"
    assert str(failed).startswith("the server says: \x1b]0;title\x07xxx")
    assert len(str(failed)) == 256


def test_folders_with_odd_names_are_listed_as_well_as_can_be() -> None:
    lines = (
        '* LIST () "/" INBOX',
        '* LIST (\\HasNoChildren) "/" "Gr&APYA3w-e"',
        '* LIST () "/" "2026"',
        '* LIST () "/" 2027',
        '* LIST () "/" "&ABC"',
        '* LIST () "/" "&2AA-"',
        '* LIST (\\Noselect) "/" "parent"',
        '* LIST () NIL "\x1b[31m"',
        '* LIST () "/" INBOX',
    )
    with opened(answering("LIST", *lines)) as session:
        assert session.folders() == ["INBOX", "Größe", "2026", "2027", "&ABC", "&2AA-", "\x1b[31m"]


def test_nothing_is_asked_that_changes_a_mailbox_or_has_dates() -> None:
    received: list[str] = []

    def script(client: Client) -> None:
        client.obey()
        received.extend(client.received)

    with opened(script) as session:
        session.uids(0)
        describe(session)
        bodies(session)
    said = "\n".join(received)
    assert re.findall(r"EXAMINE|SELECT|STORE|INTERNALDATE|ENVELOPE|BODY\[", said) == ["EXAMINE"]
    assert said.count("BODY.PEEK[") == 3


# --------------------------------------------------------------------------------------------------------
# IDLE.


def idling(*lines: str, end: str = "{tag} OK done") -> Script:
    """Return a script that sends these lines in IDLE, and this one after DONE."""

    def script(client: Client) -> None:
        tag = client.until("IDLE")
        client.send("+ idling", *lines)
        if client.read() == "DONE" and end:
            client.send(end.format(tag=tag))
        client.wait()

    return script


def test_a_new_message_is_told_at_once() -> None:
    with opened(idling("* OK Still here", "* 2 EXPUNGE", "* 1 FETCH (FLAGS (\\Seen))", "* 4 EXISTS")) as session:
        assert wait(session)


def test_a_new_message_that_is_told_before_idle_begins_is_not_lost() -> None:
    def script(client: Client) -> None:
        tag = client.until("IDLE")
        client.send("* 4 EXISTS", "+ idling")
        assert client.read() == "DONE"
        client.send(f"{tag} OK done")
        client.wait()

    with opened(script) as session:
        assert wait(session)


def test_a_new_message_that_is_told_in_passing_is_not_lost() -> None:
    with opened(answering("FETCH", RIGHT, "* 4 EXISTS")) as session:
        bodies(session)
        assert wait(session)


def test_no_new_message_is_no_news_and_idle_is_begun_anew() -> None:
    received: list[str] = []

    def script(client: Client) -> None:
        client.send("* OK hello")
        for _ in range(2):
            tag = client.until("IDLE", greeting=None)
            client.send("+ idling", "* 2 EXPUNGE")
            client.read()
            client.send(f"{tag} OK done")
        client.wait()
        received.extend(client.received)

    with opened(script, QUICK._replace(idle_seconds=0.3)) as session:
        assert not session.wait(0.5, 60.0)
    assert [line.partition(" ")[2] or line for line in received[-6:-2]] == ["IDLE", "DONE", "IDLE", "DONE"]


def test_a_line_that_comes_in_two_pieces_is_one_line() -> None:
    def script(client: Client) -> None:
        tag = client.until("IDLE")
        client.send("+ idling")
        client.drip(b"* 4 EXISTS\r\n", every=0.02)
        client.read()
        client.send(f"{tag} OK done")
        client.wait()

    with opened(script) as session:
        assert wait(session)


def half_a_line(client: Client) -> None:
    client.until("IDLE")
    client.send_bytes(b"+ idling\r\n* 4 EXI")
    client.wait()


def flood(client: Client) -> None:
    client.until("IDLE")
    client.send("+ idling")
    while True:
        client.send(*["* OK Still here"] * 1_000)


def never_idle(client: Client) -> None:
    client.until("IDLE")
    client.wait()


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        (half_a_line, "broken", "the server said nothing for 0.4 seconds"),
        (flood, "broken", "the server sends far more than it was asked for"),
        (never_idle, "broken", "the server said nothing for 0.4 seconds"),
        (idling("* 4 EXISTS", end=""), "broken", "the server said nothing for 0.4 seconds"),
        (idling("* 4 EXISTS", end="{tag} BAD no"), "protocol", "the server says: no"),
        (idling("* BYE idle for too long"), "broken", "the server says: idle for too long"),
        (idling("what?"), "broken", "the server does not make sense"),
    ],
)
def test_idle_ends_in_time_whatever_the_server_does(script: Script, kind: str, words: str) -> None:
    failed = error(script, wait)
    assert failed.kind == kind
    assert str(failed).startswith(words)


@pytest.mark.parametrize(("said", "kind"), [("NO not now", "protocol"), ("OK that was it", "broken")])
def test_a_server_that_does_not_let_us_idle_is_quoted(said: str, kind: str) -> None:
    def script(client: Client) -> None:
        tag = client.until("IDLE")
        if kind == "broken":
            client.send("+ idling")
        client.send(f"{tag} {said}")
        client.wait()

    assert error(script, wait).kind == kind


def polled(answers: list[list[str]]) -> Script:
    """Return a script of a server without IDLE, with what it tells at each NOOP."""

    def script(client: Client) -> None:
        client.send("* OK hello")
        for lines in answers:
            tag = client.until("NOOP", greeting=None, capabilities="IMAP4rev1 AUTH=PLAIN")
            client.send(*lines, f"{tag} OK done")
        client.wait()

    return script


def test_a_server_without_idle_is_asked_again_and_again() -> None:
    with opened(polled([[], ["* OK ."], ["* 4 EXISTS"]])) as session:
        assert session.wait(60.0, 0.1)


def test_a_server_without_idle_that_has_no_news_is_not_asked_for_ever() -> None:
    with opened(polled([[]])) as session:
        assert not session.wait(0.3, 60.0)


# --------------------------------------------------------------------------------------------------------
# Moving and deleting.


def changing(act: Act) -> Act:
    """Return what does something in a folder that is opened to be changed."""

    def changed(session: Session) -> object:
        session.open("INBOX", write=True)
        return act(session)

    return changed


@pytest.mark.parametrize("act", [lambda session: session.move([1], "Done"), lambda session: session.delete([1])])
def test_nothing_is_removed_where_others_would_go_with_it(act: Act) -> None:
    received: list[str] = []

    def script(client: Client) -> None:
        client.obey(capabilities="IMAP4rev1 AUTH=PLAIN")
        received.extend(client.received)

    failed = error(script, changing(act))
    assert (failed.kind, str(failed)) == (
        "folder",
        "the server cannot remove single messages (neither MOVE nor UIDPLUS)",
    )
    assert not re.search("EXPUNGE|STORE|COPY|MOVE", "\n".join(received))


@pytest.mark.parametrize("word", ["COPY", "STORE", "EXPUNGE"])
def test_a_refusal_ends_a_move_where_it_stands(word: str) -> None:
    received: list[str] = []

    def script(client: Client) -> None:
        tag = client.until(word, capabilities="IMAP4rev1 AUTH=PLAIN UIDPLUS")
        client.send(f"{tag} NO not this")
        client.wait()
        received.extend(client.received)

    failed = error(script, changing(lambda session: session.move([1, 3], "Done")))
    assert (failed.kind, str(failed)) == ("folder", "the server says: not this")
    steps = ['UID COPY 1,3 "Done"', "UID STORE 1,3 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 1,3"]
    last = [word in step for step in steps].index(True)
    said = [line.partition(" ")[2] for line in received]
    assert [line for line in said if line.startswith("UID")] == steps[: last + 1]


# --------------------------------------------------------------------------------------------------------
# TLS, and who gets to see a password.


def test_starttls_that_is_not_offered_is_not_done_without() -> None:
    received: list[str] = []

    def script(client: Client) -> None:
        client.obey()
        received.extend(client.received)

    failed = refused(script, tls="starttls")
    assert (failed.kind, str(failed)) == ("tls", "the server does not offer STARTTLS")
    assert [line.partition(" ")[2] for line in received] == ["CAPABILITY", ""]


def test_starttls_that_is_refused_is_not_done_without() -> None:
    def script(client: Client) -> None:
        tag = client.until("STARTTLS", capabilities="IMAP4rev1 STARTTLS AUTH=PLAIN")
        client.send(f"{tag} NO not today")
        client.wait()

    failed = refused(script, tls="starttls")
    assert (failed.kind, str(failed)) == ("tls", "the server says: not today")


def test_plain_text_after_starttls_is_seen(authority: Authority, tmp_path: Path) -> None:
    context = authority.context("localhost")

    def script(client: Client) -> None:
        tag = client.until("STARTTLS", capabilities="IMAP4rev1 STARTTLS AUTH=PLAIN")
        client.send(f"{tag} OK go on", "* CAPABILITY IMAP4rev1 AUTH=PLAIN")
        client.start_tls(context)
        client.obey(greeting=None)

    failed = refused(script, tls="starttls", host="localhost", ca_file=authority.write(tmp_path))
    assert (failed.kind, str(failed)) == (
        "tls",
        "plain text came after the OK to STARTTLS, as from somebody in between",
    )


def test_what_was_said_before_starttls_is_asked_again(authority: Authority, tmp_path: Path) -> None:
    context = authority.context("localhost")

    def script(client: Client) -> None:
        tag = client.until("STARTTLS", capabilities="IMAP4rev1 STARTTLS AUTH=XOAUTH2")
        client.send(f"{tag} OK [CAPABILITY IMAP4rev1 AUTH=OAUTHBEARER] go on")
        client.start_tls(context)
        client.obey(greeting=None, capabilities="IMAP4rev1 AUTH=PLAIN LOGINDISABLED")

    failed = refused(script, tls="starttls", auth="oauthbearer", host="localhost", ca_file=authority.write(tmp_path))
    assert (failed.kind, str(failed)) == ("login", "the server does not offer OAUTHBEARER, but PLAIN")


def test_a_server_that_speaks_no_tls_at_once_is_told_from_others() -> None:
    failed = refused(lambda client: client.send("* OK hello"), tls="implicit")
    assert (failed.kind, str(failed)) == ("tls", "the TLS handshake failed: wrong version number")


@pytest.mark.parametrize("tls", ["none", "starttls"])
def test_a_server_that_takes_us_for_somebody_is_left(tls: str) -> None:
    failed = refused(lambda client: client.obey(greeting="* PREAUTH welcome"), tls=tls)
    assert (failed.kind, str(failed)) == ("tls", "the server takes us for somebody who has logged in already")


def test_another_machine_is_not_talked_to_without_tls() -> None:
    with soon(), pytest.raises(ImapError, match=r"192\.0\.2\.1 is another machine") as raised:
        Session.connect(account(143, host="192.0.2.1"), SECRET, limits=QUICK)
    assert raised.value.kind == "tls"


@pytest.mark.parametrize(
    ("auth", "capabilities", "words"),
    [
        ("login", "IMAP4rev1 LOGINDISABLED AUTH=PLAIN", "the server takes no password by LOGIN (LOGINDISABLED)"),
        ("plain", "IMAP4rev1 LOGINDISABLED", "the server does not offer PLAIN, but nothing"),
        ("plain", "IMAP4rev1 AUTH=XOAUTH2 AUTH=GSSAPI", "the server does not offer PLAIN, but XOAUTH2, GSSAPI"),
        ("oauthbearer", "IMAP4rev1 AUTH=PLAIN", "the server does not offer OAUTHBEARER, but PLAIN"),
    ],
)
def test_what_a_server_does_not_take_is_not_sent(auth: str, capabilities: str, words: str) -> None:
    received: list[str] = []

    def script(client: Client) -> None:
        client.obey(capabilities=capabilities)
        received.extend(client.received)

    failed = refused(script, auth=auth)
    assert (failed.kind, str(failed)) == ("login", words)
    assert [line.partition(" ")[2] for line in received] == ["CAPABILITY", ""]


@pytest.mark.parametrize(
    ("user", "secret", "words"),
    [
        ("", SECRET, "the user name is empty"),
        ("reports", "", "the password is empty"),
        ("reports", f"{SECRET}\r\nA1 LOGOUT", "the user name or the password has a line break"),
        ("reports\0root", SECRET, "the user name or the password has a line break"),
        ("reports", f"{SECRET}ü", 'a user name or password that is not ASCII needs auth = "plain"'),
    ],
)
def test_a_password_that_cannot_be_sent_is_said_without_it(user: str, secret: str, words: str) -> None:
    with scripted(lambda client: client.obey()) as port, pytest.raises(ImapError) as raised:
        Session.connect(account(port, auth="login")._replace(user=user), secret, limits=QUICK)
    assert raised.value.kind == "login"
    assert str(raised.value).startswith(words)


@pytest.mark.parametrize("greeting", ["* BYE too many connections", "* NO not now", "hello", "* OK"])
def test_a_greeting_that_is_none_is_said(greeting: str) -> None:
    failed = refused(lambda client: client.obey(greeting=greeting, capabilities="nothing"))
    assert failed.kind in {"broken", "protocol"}


def test_a_server_whose_own_service_is_down_may_be_tried_again() -> None:
    def script(client: Client) -> None:
        tag = client.until("LOGIN")
        client.send(f"{tag} NO [UNAVAILABLE] come back later")
        client.wait()

    failed = refused(script, auth="login")
    assert (failed.kind, str(failed)) == ("connection", "the server says: [UNAVAILABLE] come back later")


# --------------------------------------------------------------------------------------------------------
# Stopping.


class Stop:
    """Asked whether to stop, it says so from the given time after the first question on."""

    def __init__(self, seconds: float = 0.3) -> None:
        self._seconds = seconds
        self._until: float | None = None

    def begin(self) -> None:
        self._until = time.monotonic() + self._seconds

    def __call__(self) -> bool:
        return self._until is not None and time.monotonic() > self._until


def stopping(port: int, act: Act | None, **reaching: str) -> None:
    """Assert that what waits for a server ends within a second of being told to."""
    stop = Stop()
    if act is None:
        stop.begin()
        began = time.monotonic()
        with pytest.raises(ImapError) as raised:
            Session.connect(account(port, **reaching), SECRET, stopped=stop)
    else:
        with Session.connect(account(port), SECRET, stopped=stop) as session:
            session.open("INBOX")
            stop.begin()
            began = time.monotonic()
            with pytest.raises(ImapError) as raised:
                act(session)
    assert time.monotonic() - began < 1.3
    assert (raised.value.kind, str(raised.value)) == ("stopped", "stopped")


@pytest.mark.parametrize("reaching", [{"tls": "none"}, {"tls": "implicit"}, {"tls": "starttls"}])
def test_connecting_can_be_stopped(reaching: dict[str, str]) -> None:
    with scripted(mute) as port:
        stopping(port, None, **reaching)
    with full() as port:
        stopping(port, None, **reaching)


def dripping(client: Client) -> None:
    client.until("FETCH")
    client.drip(b"* 1 FETCH (UID 1 BODY[] {1000}\r\n" + b"x" * 1_000)


@pytest.mark.parametrize(
    ("script", "act"),
    [
        (dripping, bodies),
        (never_idle, wait),
        (idling(), wait),
        (half_a_line, wait),
        (polled([[]]), wait),
    ],
)
def test_a_session_can_be_stopped(script: Script, act: Act) -> None:
    with scripted(script) as port:
        stopping(port, act)


# --------------------------------------------------------------------------------------------------------
# The password.


def shown(raised: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """Return everything that an error may show of itself, and everything that was logged."""
    whole = "".join(traceback.format_exception(raised))
    return "\n".join([str(raised), repr(raised), repr(raised.args), whole, caplog.text])


@pytest.mark.parametrize("auth", ["login", "plain", "xoauth2", "oauthbearer"])
@pytest.mark.parametrize(
    "answer",
    [
        "NO no such user",
        "NO {sent}",
        "BAD what is {sent}?",
        "* BYE {sent}",
        "what? {sent}",
        "+ {sent}",
    ],
)
def test_no_password_is_told_whatever_the_server_says_of_it(
    auth: str, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "imapclient", "imapclient.imaplib", "imapclient.imapclient"):
        caplog.set_level(logging.DEBUG, logger=name)
    sent: list[str] = []

    def script(client: Client) -> None:
        tag = client.until(
            "LOGIN" if auth == "login" else "AUTHENTICATE", capabilities=f"IMAP4rev1 AUTH={auth.upper()}"
        )
        if auth != "login":
            client.send("+ ")
            client.read()
        sent.append(client.received[-1])
        said = answer.format(sent=client.received[-1])
        client.send(said if said[0] in "*w+" else f"{tag} {said}")
        client.obey(greeting=None)

    with scripted(script) as port, soon(), pytest.raises(ImapError) as raised:
        Session.connect(account(port, auth=auth), SECRET, limits=QUICK).open("INBOX")
    [said] = sent
    told = shown(raised.value, caplog)
    assert SECRET not in told
    assert said not in told


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@pytest.mark.parametrize(
    ("auth", "secret"),
    [
        ("login", SECRET),
        ("login", PASSWORD),
        ("plain", PASSWORD),
        ("plain", "päss CANARY wörd"),
        ("plain", "ключ от ящика"),
        ("xoauth2", SECRET),
        ("oauthbearer", SECRET),
    ],
)
@pytest.mark.parametrize(
    "repeated",
    [
        lambda secret, _: secret,
        lambda secret, _: secret.upper(),
        lambda secret, _: secret[:9],
        lambda secret, _: _escaped(secret),
        lambda secret, _: _escaped(_escaped(secret)),
        lambda secret, _: repr(secret.encode()),
        lambda secret, _: secret.encode().decode("latin-1"),
        lambda secret, _: base64.b64encode(secret.encode()).decode(),
        lambda secret, _: base64.b64encode(f"x{secret}".encode()).decode(),
        lambda secret, _: base64.b64encode(f"{secret}xx".encode()).decode().rstrip("="),
        lambda _, sent: sent,
        lambda _, sent: repr(sent.encode()),
    ],
)
@pytest.mark.parametrize(
    "answer", ["{tag} NO [AUTHENTICATIONFAILED] not {}", "* BYE it is {}", "{tag} BAD {}", "what? {}"]
)
def test_nothing_of_a_password_is_told_in_whatever_form_a_server_repeats_it(
    auth: str, secret: str, repeated: Callable[[str, str], str], answer: str
) -> None:
    def script(client: Client) -> None:
        word = "LOGIN" if auth == "login" else "AUTHENTICATE"
        tag = client.until(word, capabilities=f"IMAP4rev1 AUTH={auth.upper()}")
        if auth != "login":
            client.send("+ ")
            client.read()
        sent = client.received[-1].partition("LOGIN ")[2] or client.received[-1]
        client.send(answer.format(repeated(secret, sent), tag=tag))

    with scripted(script) as port, soon(), pytest.raises(ImapError) as raised:
        Session.connect(account(port, auth=auth), secret, limits=QUICK)
    assert str(raised.value) in {
        "the server says: [AUTHENTICATIONFAILED] …",
        "the server says: …",
        "the server does not make sense: …",
        "an answer cannot be read: …",
        "the server closed the connection",
    }


def test_the_words_of_a_server_are_told_where_nothing_of_the_password_is_in_them() -> None:
    def script(client: Client) -> None:
        tag = client.until("LOGIN")
        client.send(f"{tag} NO [ALERT] a password for this program is needed: https://mail.example/help")
        client.wait()

    failed = refused(script, auth="login")
    assert str(failed) == "the server says: [ALERT] a password for this program is needed: https://mail.example/help"


def test_no_session_shows_its_password() -> None:
    with opened(lambda client: client.obey()) as session:
        assert SECRET not in repr(vars(session)) + repr(vars(session._imap)) + repr(vars(session._client))
