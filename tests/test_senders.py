"""What a sender's reports are worth: nobody speaks for anybody else, and nobody shouts anybody down."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from reports import document, policy, row
from shelf import Deliveries, ask, mail
from signing import SECONDS, SIGNED, record, sign

import loaders
from loaders import senders
from loaders.senders import Senders
from queries import readiness
from tlsrpt.authentication import NoKeyError
from tlsrpt.enforce.parameters import parameters
from tlsrpt.reporters import Accepted
from tlsrpt.store import Store

if TYPE_CHECKING:
    from reports import Document

DATE = "Wed, 13 May 2026 15:43:04 +0000"
RECEIVED = "Wed, 13 May 2026 15:43:10 +0000"
GOOGLE = "noreply-smtp-tls-reporting@google.com"


def key_of(name: str) -> bytes:
    """Return the one key that all domains of these tests sign with."""
    if name.startswith("gone."):
        raise NoKeyError("no such record")
    return record()


def believing(*accepted: Accepted) -> Senders:
    return Senders(key_of, accepted, SIGNED)


def unsigned(found: Document, sender: str = GOOGLE, received: str = RECEIVED) -> bytes:
    return mail(found, received=received, From=f"<{sender}>", Date=DATE, To="<rpt@example.com>")


def signed(found: Document, d: str = "google.com", sender: str = GOOGLE, received: str = RECEIVED) -> bytes:
    return sign(unsigned(found, sender, received), d=d)


def googles(report_id: str = "2026-05-12T00:00:00Z_example.com", **more: object) -> Document:
    return document(day="2026-05-12", contact_info="smtp-tls-reporting@google.com", report_id=report_id, **more)


def take(store: Store, *mails: bytes, by: Senders | None = None) -> loaders.Summary:
    return loaders.load(Deliveries(*mails), store, senders=by or believing())


def stands(store: Store) -> list[tuple[object, ...]]:
    return ask(store, "SELECT report_id, trust, organization, signer, superseded FROM reports ORDER BY report")


def test_a_known_reporter_needs_both_its_signature_and_its_address() -> None:
    store = Store.memory()
    take(
        store,
        signed(googles("right")),
        signed(googles("freemail"), sender="attacker@google.com"),
        signed(googles("other"), d="evil.example", sender="x@evil.example"),
        unsigned(googles("unsigned")),
    )
    assert stands(store) == [
        ("right", "known", "google.com", "google.com", False),
        ("freemail", "signed", "google.com", "google.com", False),
        ("other", "signed", "evil.example", "evil.example", False),
        ("unsigned", "unverified", "google.com", None, False),
    ]


def test_every_row_of_a_report_has_its_organization() -> None:
    store = Store.memory()
    failing = googles(policies=[policy(failed=2, rows=[row(count=2)])])
    take(store, signed(failing, d="evil.example", sender="x@evil.example"))
    for table in ("reports", "policies", "failures"):
        assert ask(store, f"SELECT DISTINCT organization, trust FROM {table}") == [("evil.example", "signed")]


@pytest.mark.parametrize("forged_first", [True, False])
def test_a_forged_report_with_the_same_id_takes_nobodys_place(*, forged_first: bool) -> None:
    store = Store.memory()
    forged = googles(policies=[policy(successful=1_000_000)])
    others = [unsigned(forged), signed(forged, d="evil.example", sender="x@evil.example")]
    genuine = signed(googles())
    take(store, *([*others, genuine] if forged_first else [genuine, *others]))
    assert [superseded for *_, superseded in stands(store)] == [False] * len(stands(store))
    assert [trust for _, trust, *_ in stands(store)].count("known") == 1


def test_a_reporter_who_is_accepted_cannot_take_the_place_of_another() -> None:
    store = Store.memory()
    mine = googles(policies=[policy(failed=9, rows=[row(count=9)])])
    by = believing(Accepted("small.example"))
    take(store, signed(googles()), by=by)
    later = signed(mine, d="small.example", sender="x@small.example", received="Thu, 14 May 2026 10:00:00 +0000")
    take(store, later, by=by)
    assert stands(store) == [
        ("2026-05-12T00:00:00Z_example.com", "known", "google.com", "google.com", False),
        ("2026-05-12T00:00:00Z_example.com", "known", "small.example", "small.example", False),
    ]


def test_a_reporters_own_revision_replaces_what_came_before() -> None:
    store = Store.memory()
    take(store, signed(googles()))
    revised = googles(policies=[policy(successful=11)])
    take(store, sign(unsigned(revised), d="google.com", t=str(SECONDS + 60)))
    assert [superseded for *_, superseded in stands(store)] == [True, False]


def test_an_old_report_that_is_sent_once_more_does_not_become_the_newest() -> None:
    store = Store.memory()
    old = signed(googles())
    revised = sign(unsigned(googles(policies=[policy(successful=11)])), d="google.com", t=str(SECONDS + 60))
    take(store, old)
    take(store, revised)
    # Below another Received header, which is not signed.
    take(store, b"Received: from a by b; Thu, 14 May 2026 10:00:00 +0000\n" + old)
    assert [superseded for *_, superseded in stands(store)] == [True, False]


@pytest.mark.parametrize("signed_first", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_the_same_report_is_worth_what_its_better_copy_is(*, signed_first: bool, together: bool) -> None:
    store = Store.memory()
    copies = [signed(googles()), unsigned(googles(), sender="x@evil.example")]
    if not signed_first:
        copies.reverse()
    for group in [copies] if together else [[one] for one in copies]:
        take(store, *group)
    assert stands(store) == [("2026-05-12T00:00:00Z_example.com", "known", "google.com", "google.com", False)]
    assert ask(store, "SELECT DISTINCT trust, organization FROM policies") == [("known", "google.com")]


def test_whoever_signs_a_copy_of_a_report_first_does_not_keep_it() -> None:
    store = Store.memory()
    take(store, signed(googles(), d="evil.example", sender="x@evil.example"))
    take(store, signed(googles()))
    assert stands(store) == [("2026-05-12T00:00:00Z_example.com", "known", "google.com", "google.com", False)]
    # Under its new owner its revisions replace it.
    take(store, signed(googles(policies=[policy(successful=11)]), received="Thu, 14 May 2026 10:00:00 +0000"))
    assert [superseded for *_, superseded in stands(store)] == [True, False]


def test_a_key_that_is_gone_makes_a_report_neither_true_nor_false() -> None:
    store = Store.memory()
    take(store, sign(unsigned(googles()), d="google.com", s="gone"))
    assert stands(store) == [("2026-05-12T00:00:00Z_example.com", "unchecked", "google.com", None, False)]


def test_a_forwarded_report_is_worth_what_its_own_mail_is() -> None:
    store = Store.memory()
    head = "From: admin@example.com\r\nTo: x@example.com\r\nSubject: fwd\r\nDate: Wed, 13 May 2026 16:00:00 +0000\r\n"
    around = (
        f"{head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
        "--o\r\nContent-Type: text/plain\r\n\r\nsee below\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n"
    ).encode()
    forwarded = around + signed(googles("forwarded")).replace(b"\n", b"\r\n") + b"\r\n--o--\r\n"
    inside_a_genuine_one = sign(around + unsigned(googles("inside")) + b"\r\n--o--\r\n", d="example.com")
    take(store, forwarded, inside_a_genuine_one, by=believing(Accepted("example.com")))
    assert [(report_id, trust) for report_id, trust, *_ in stands(store)] == [
        ("forwarded", "known"),
        ("inside", "unverified"),
    ]


def test_what_is_read_again_keeps_what_it_is_worth() -> None:
    store = Store.memory()
    take(store, signed(googles()), unsigned(googles("unsigned")))
    before = stands(store)
    loaders.reread(store, everything=True)
    assert stands(store) == before


def test_a_thousand_forgeries_change_no_verdict() -> None:
    store = Store.memory()
    now = SIGNED + timedelta(days=1)
    wanted = parameters()
    take(store, *(signed(googles(f"g{number}", policies=[policy(successful=100)])) for number in range(3)))
    before = readiness.judge(store, "example.com", now, wanted)
    failing = [policy(failed=1_000, rows=[row(count=1_000)])]
    forged = [unsigned(googles(f"f{number}", policies=failing)) for number in range(500)]
    forged += [
        signed(googles(f"e{number}", policies=[policy(successful=10**6)]), d="evil.example", sender="x@evil.example")
        for number in range(500)
    ]
    take(store, *forged)
    after = readiness.judge(store, "example.com", now, wanted)
    assert after.verdict == before.verdict
    moved = [
        one.name
        for one, other in zip(after.states, before.states, strict=True)
        if one.state != other.state and one.name != "C31"
    ]
    assert moved == []
    assert {(claim.trust, claim.organization, claim.reports) for claim in after.evidence.claims} == {
        ("unverified", "google.com", 500),
        ("signed", "evil.example", 500),
    }


# Whom the operator accepts


def test_accepting_raises_what_is_stored_and_taking_back_lowers_it() -> None:
    store = Store.memory()
    take(
        store,
        signed(googles("one"), d="small.example", sender="a@small.example"),
        signed(googles("two"), d="small.example", sender="b@small.example"),
    )
    assert senders.regrade(store, [Accepted("small.example", "a@small.example")]) == 1
    assert [(report_id, trust) for report_id, trust, *_ in stands(store)] == [("one", "known"), ("two", "signed")]
    assert senders.regrade(store, [Accepted("small.example")]) == 1
    assert senders.regrade(store, [Accepted("small.example")]) == 0
    assert senders.regrade(store, []) == 2
    assert {trust for _, trust, *_ in stands(store)} == {"signed"}


def test_versions_that_come_to_be_worth_the_same_replace_each_other() -> None:
    store = Store.memory()
    take(store, signed(googles(), d="small.example", sender="a@small.example"))
    revised = googles(policies=[policy(successful=11)])
    late = "Thu, 14 May 2026 10:00:00 +0000"
    take(
        store,
        signed(revised, d="small.example", sender="b@small.example", received=late),
        by=believing(Accepted("small.example", "b@small.example")),
    )
    assert [(trust, superseded) for _, trust, _, _, superseded in stands(store)] == [
        ("signed", False),
        ("known", False),
    ]
    senders.regrade(store, [Accepted("small.example")])
    assert [(trust, superseded) for _, trust, _, _, superseded in stands(store)] == [("known", True), ("known", False)]


def test_what_was_recorded_and_what_is_configured_are_accepted_together() -> None:
    store = Store.memory()
    first = senders.accept(store, Accepted("a.example"), "", "ops", SIGNED)
    assert senders.accept(store, Accepted("b.example", "x@b.example"), "why", "ops", SIGNED) == first + 1
    assert senders.accepted(store, [Accepted("c.example")]) == (
        Accepted("c.example"),
        Accepted("a.example"),
        Accepted("b.example", "x@b.example"),
    )
    assert senders.withdraw(store, Accepted("a.example"), SIGNED)
    assert not senders.withdraw(store, Accepted("a.example"), SIGNED)
    assert [one.signer for one in senders.accepted(store)] == ["b.example"]
