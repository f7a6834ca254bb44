"""Keys of signatures from a DNS server on loopback, and from none."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import dns.message
import dns.rcode
import pytest
from dns_server import DnsServer, Question, Zone, dns_server
from hostile.mails import report_mail
from signing import NAME, SIGNED, public_key, record, sign

from loaders.dkim_keys import Keys
from tlsrpt.authentication import Authentication, KeyLookupError, NoKeyError, authenticate
from tlsrpt.limits import LIMITS, LIVE_LIMITS
from tlsrpt.published import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dns_server import Hook

QUICK = LIVE_LIMITS._replace(dns_query_seconds=0.1, dns_seconds=0.2)
NOTHING = Zone("sender.example", "@ TXT v=spf1")


def zone(*records: bytes) -> Zone:
    """Return the zone of a sender with these TXT records at the name of its key, in strings of 200 bytes."""
    lines = []
    for text in records:
        strings = [text[at : at + 200].decode() for at in range(0, len(text) or 1, 200)]
        lines.append("s1._domainkey TXT " + " ".join(f'"{string}"' for string in strings))
    return Zone("sender.example", "\n".join(lines))


def keys(server: DnsServer | str) -> Keys:
    return Keys(Settings(resolver=(server if isinstance(server, str) else server.address,)), limits=QUICK)


def silent(*names: str) -> Hook:
    """Return what keeps a server silent about these names, or about all."""

    def hook(query: dns.message.QueryMessage, _: object) -> bytes | None:
        return b"" if not names or query.question[0].name.to_text() in names else None

    return hook


@pytest.fixture
def nobody() -> Iterator[str]:
    """A resolver that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def test_a_key_is_what_its_strings_are_together() -> None:
    with dns_server(zone(record())) as server:
        assert keys(server)(NAME) == record()
    assert server.log == [Question(NAME, "TXT")]


def test_a_mail_is_authenticated_with_the_key_from_dns() -> None:
    with dns_server(zone(record(s="tlsrpt"))) as server:
        found = authenticate(sign(report_mail()), keys(server), SIGNED)
    assert found == Authentication("pass", "sender.example", "tls@sender.example", "", SIGNED)


@pytest.mark.parametrize(
    ("records", "key"),
    [
        ([b"v=spf1 -all", record()], record()),
        ([record(), b"google-site-verification=p=1"], record()),
        ([b"v=DMARC1; p=none", record(v=None)], record(v=None)),
        ([b"v = DKIM1 ; p="], b"v = DKIM1 ; p="),
        ([b"p="], b"p="),
        ([b"k=rsa; n=x; p=AAAA"], b"k=rsa; n=x; p=AAAA"),
        ([b"v=DKIM1; p=B", b"v=DKIM1; p=A"], b"v=DKIM1; p=A"),
        ([record(n="a" * 5_000)], record(n="a" * 5_000)),
    ],
)
def test_of_several_records_the_key_is_taken(records: list[bytes], key: bytes) -> None:
    with dns_server(zone(*records)) as server:
        assert keys(server)(NAME) == key


@pytest.mark.parametrize("records", [[b"v=spf1 exp=a"], [b"v=DMARC1; p=none"], [b"v=DKIM2; p=AAAA"], [b"text"], [b""]])
def test_other_records_are_no_key(records: list[bytes]) -> None:
    with (
        dns_server(zone(*records)) as server,
        pytest.raises(NoKeyError, match=r"^no key among its TXT records$"),
    ):
        keys(server)(NAME)


def test_a_name_without_records_has_no_key() -> None:
    with dns_server(Zone("sender.example", "s1._domainkey A 192.0.2.1")) as server:
        asking = keys(server)
        for name in (NAME, "s2._domainkey.sender.example", "s1._domainkey.nowhere.example"):
            with pytest.raises(NoKeyError, match=r"^no such record$"):
                asking(name)


def test_a_key_may_be_an_alias() -> None:
    alias = Zone("sender.example", "s1._domainkey CNAME s1.provider.example.")
    with dns_server(
        alias, Zone("provider.example", f's1 TXT "p={public_key()[:200]}" "{public_key()[200:]}"')
    ) as server:
        assert keys(server)(NAME) == b"p=" + public_key().encode()


def test_a_key_that_fails_validation_is_not_known() -> None:
    with (
        dns_server(zone(record()), bogus=["sender.example"]) as server,
        pytest.raises(KeyLookupError, match="there is an answer when checking is disabled"),
    ):
        keys(server)(NAME)


def test_each_key_is_asked_for_once_whatever_the_answer() -> None:
    with dns_server(zone(record()), hook=silent("silent.sender.example.")) as server:
        asking = keys(server)
        for _ in range(3):
            assert asking(NAME) == record()
            with pytest.raises(NoKeyError, match=r"^no such record$"):
                asking("gone.sender.example")
            with pytest.raises(KeyLookupError, match="no answer in"):
                asking("silent.sender.example")
    assert [question.name for question in server.log].count(NAME) == 1
    assert [question.name for question in server.log].count("gone.sender.example") == 1


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "example",
        "s1._domainkey..example",
        ".s1._domainkey.sender.example",
        "s1._domainkey.sender.example.",
        "*._domainkey.sender.example",
        "s1 ._domainkey.sender.example",
        "s1._domainkey.sender.example\n",
        "s1._domainkey.\0sender.example",
        "s1._domainkey.\x1b[2J.example",
        "s1._domainkey.s\u00e4nder.example",
        r"s1._domainkey.sender\.example",
        pytest.param("a" * 64 + "._domainkey.sender.example", id="long label"),
        pytest.param("a." * 120 + "_domainkey.sender.example", id="long name"),
        pytest.param("a." * 300 + "example", id="300 labels"),
    ],
)
def test_what_is_no_name_is_not_asked_for(name: str) -> None:
    with dns_server(NOTHING) as server, pytest.raises(NoKeyError, match=r"^not a name that DNS can have$"):
        keys(server)(name)
    assert server.log == []


def test_a_run_asks_for_so_many_keys_and_no_more() -> None:
    with dns_server(zone(record())) as server:
        asking = Keys(Settings(resolver=(server.address,)), limits=QUICK._replace(key_lookups=5))
        for number in range(4):
            with pytest.raises(NoKeyError):
                asking(f"s{number}.sender.example")
        assert asking(NAME) == record()
        for number in range(10):
            with pytest.raises(KeyLookupError, match=r"^more than 5 keys in one run$"):
                asking(f"more{number}.sender.example")
        assert asking(NAME) == record()
    assert len(server.log) == 5


def test_a_mail_asks_for_five_keys_at_most() -> None:
    message = report_mail()
    for number in range(50):
        message = sign(message, s=f"s{number}")
    with dns_server(NOTHING) as server:
        assert authenticate(message, keys(server), SIGNED).state == "not-checked"
    assert len(server.log) == LIMITS.signatures


def test_when_nobody_answers_it_is_given_up(nobody: str) -> None:
    asking = keys(nobody)
    for number in range(20):
        with pytest.raises(KeyLookupError, match=r"^no answer in"):
            asking(f"s{number}.sender.example")
    assert authenticate(sign(report_mail()), asking, SIGNED).state == "temporary-error"


def test_giving_up_takes_four_questions() -> None:
    with dns_server(NOTHING, hook=silent()) as server:
        asking = keys(server)
        for number in range(20):
            with pytest.raises(KeyLookupError):
                asking(f"s{number}.sender.example")
    asked = list(dict.fromkeys(question.name for question in server.log))
    assert asked == ["s0.sender.example", "s1.sender.example", "s2.sender.example", "."]


def test_signers_whose_servers_keep_silent_do_not_make_it_give_up() -> None:
    names = [f"s{number}._domainkey.evil.example" for number in range(10)]
    with dns_server(zone(record()), hook=silent(*[f"{name}." for name in names])) as server:
        asking = keys(server)
        for name in names:
            with pytest.raises(KeyLookupError):
                asking(name)
        assert asking(NAME) == record()


def test_a_refusal_by_the_resolver_is_not_a_key_that_is_gone() -> None:
    def refuse(query: dns.message.QueryMessage, _: object) -> bytes:
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.REFUSED)
        return response.to_wire()

    with dns_server(NOTHING, hook=refuse) as server, pytest.raises(KeyLookupError, match=r"^REFUSED$"):
        keys(server)(NAME)


def test_a_resolver_that_cannot_be_used_is_told_at_every_key() -> None:
    asking = keys("not an address")
    for name in (NAME, "s2._domainkey.sender.example"):
        with pytest.raises(KeyLookupError, match=r"^not an address is not an IP address"):
            asking(name)


def test_a_run_that_was_stopped_asks_for_nothing_more() -> None:
    stops: list[bool] = []
    with dns_server(zone(record())) as server:
        asking = Keys(Settings(resolver=(server.address,)), stopped=lambda: bool(stops))
        assert asking(NAME) == record()
        stops.append(True)
        with pytest.raises(KeyLookupError, match=r"^the run was stopped$"):
            asking("s2._domainkey.sender.example")
        assert asking(NAME) == record()
    assert len(server.log) == 1


def test_a_run_that_is_stopped_does_not_wait_for_an_answer() -> None:
    asked = threading.Event()
    message = report_mail()
    for number in range(5):
        message = sign(message, s=f"s{number}")

    def hook(*_: object) -> bytes:
        asked.set()
        return b""

    with dns_server(NOTHING, hook=hook) as server:
        asking = Keys(Settings(resolver=(server.address,)), stopped=asked.is_set)
        began = time.monotonic()
        found = authenticate(message, asking, SIGNED)
        assert time.monotonic() - began < 1.0
    assert found.state == "temporary-error"
    assert "the run was stopped" in found.reason
    assert len({question.name for question in server.log}) == 1
