from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING, TypeVar

import dns.dnssec
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from dns_server import Question, Zone, dns_server

from loaders.resolving import Lookups
from tlsrpt.limits import LIVE_LIMITS
from tlsrpt.published import Answer, HostFacts, Mx, MxFacts, Settings, Tlsa, TlsaFacts, TxtFacts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dns_server import DnsServer, Hook

QUICK = LIVE_LIMITS._replace(dns_query_seconds=0.1, dns_seconds=0.3)
HASH = "ab" * 32
UNCHECKED = "but there is an answer when checking is disabled"

T = TypeVar("T")


def lookups(*servers: DnsServer | str, quick: bool = False, **settings: bool) -> Lookups:
    addresses = tuple(server if isinstance(server, str) else server.address for server in servers)
    return Lookups(Settings.model_validate({"resolver": addresses, **settings}), limits=QUICK if quick else LIVE_LIMITS)


async def facts(looking: Awaitable[tuple[T, object]]) -> T:
    async with asyncio.timeout(5):
        found, _ = await looking
        return found


def wire(query: dns.message.Message, *records: str, rcode: int = dns.rcode.NOERROR, flags: int = 0) -> bytes:
    """Return an answer with records such as "a.example. 60 IN A 192.0.2.1", in the order given."""
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(dns.rcode.Rcode(rcode))
    response.flags |= flags
    for record in records:
        name, ttl, rdclass, rdtype, value = record.split(maxsplit=4)
        response.answer.append(dns.rrset.from_text(name, int(ttl), rdclass, rdtype, value))
    return response.to_wire(max_size=65_535)


def always(*records: str) -> Hook:
    return lambda query, _: wire(query, *records)


# Records


async def test_strings_of_a_txt_record_are_joined_without_spaces_and_records_sorted() -> None:
    zone = Zone("example.com", '_mta-sts 60 TXT "v=STSv1; " "id=1"\n_mta-sts 60 TXT "other"')
    with dns_server(zone) as server:
        found, measures = await lookups(server).txt("_mta-sts.example.com", "mta-sts-record")
    assert found == TxtFacts(kind="mta-sts-record", status="found", secure=False, records=("other", "v=STSv1; id=1"))
    assert measures.ttl == 60
    assert measures.seconds is not None


async def test_bytes_of_a_txt_record_that_are_not_utf_8_are_escaped() -> None:
    with dns_server(Zone("example.com", r'a TXT "\195\164\255\027[31m"')) as server:
        found = await facts(lookups(server).txt("a.example.com", "tlsrpt-record"))
    assert found.records == ("ä\\xff\x1b[31m",)


async def test_a_txt_record_of_64_kib_comes_over_tcp_and_is_cut_with_a_mark() -> None:
    strings = " ".join(f'"{"x" * 250}"' for _ in range(250))
    with dns_server(Zone("example.com", f"a TXT {strings}")) as server:
        by_strings = await facts(lookups(server).txt("a.example.com", "tlsrpt-record"))
        limits = LIVE_LIMITS._replace(txt_size=100)
        by_size = await facts(
            Lookups(Settings(resolver=(server.address,)), limits=limits).txt("a.example.com", "tlsrpt-record")
        )
    assert by_strings.records == ("x" * 2_500 + "…",)
    assert by_size.records == ("x" * 100 + "…",)


async def test_more_txt_records_than_the_bound_are_left_out() -> None:
    with dns_server(Zone("example.com", "\n".join(f'a TXT "{number:03}"' for number in range(100)))) as server:
        found = await facts(lookups(server).txt("a.example.com", "tlsrpt-record"))
    assert found.records == tuple(f"{number:03}" for number in range(LIVE_LIMITS.txt_records))


async def test_mx_records_are_sorted_by_preference_and_name_in_lower_case() -> None:
    zone = Zone("example.com", "@ MX 20 a\n@ MX 10 MX2.Example.NET.\n@ MX 10 mx1")
    with dns_server(zone) as server:
        found = await facts(lookups(server).mx("example.com"))
    hosts = (
        Mx(preference=10, host="mx1.example.com"),
        Mx(preference=10, host="mx2.example.net"),
        Mx(preference=20, host="a.example.com"),
    )
    assert found == MxFacts(status="found", secure=False, hosts=hosts)


async def test_the_null_mx_has_no_host() -> None:
    with dns_server(Zone("example.com", "@ MX 0 .")) as server:
        found = await facts(lookups(server).mx("example.com"))
        nothing = await facts(lookups(server).host(""))
    assert found.hosts == (Mx(preference=0, host=""),)
    assert nothing.a.status == nothing.aaaa.status == "none"
    assert server.log == [Question("example.com", "MX")]


async def test_of_2500_mx_records_20_are_kept_and_the_rest_counted() -> None:
    text = "\n".join(f"@ MX {number} mx{number}" for number in range(2_500))
    with dns_server(Zone("example.com", text)) as server:
        found = await facts(lookups(server).mx("example.com"))
    assert [mx.preference for mx in found.hosts] == list(range(20))
    assert found.dropped == 2_480


async def test_control_characters_in_names_are_escaped() -> None:
    zone = Zone("example.com", "@ MX 10 a\\027[31m\n@ MX 20 b\\.c\nalias CNAME d\\000\nd\\000 A 192.0.2.1")
    with dns_server(zone) as server:
        mx = await facts(lookups(server).mx("example.com"))
        alias = await facts(lookups(server).host("alias.example.com"))
        again = await facts(lookups(server).host("d\\000.example.com"))
    assert [one.host for one in mx.hosts] == [r"a\027[31m.example.com", r"b\.c.example.com"]
    assert alias.a.cnames == (r"d\000.example.com",)
    assert alias.addresses == again.addresses == ("192.0.2.1",)


async def test_an_address_in_place_of_an_mx_host_is_kept_and_never_asked_for() -> None:
    with dns_server(Zone("example.com", "@ MX 10 127.0.0.1.")) as server:
        looks = lookups(server)
        mx = await facts(looks.mx("example.com"))
        for literal in ("127.0.0.1", "127.0.0.1.", "[192.0.2.1]", "2001:db8::1", "[2001:db8::1]"):
            nothing = Answer(status="none")
            assert await facts(looks.host(literal)) == HostFacts(a=nothing, aaaa=nothing)
            assert await facts(looks.tlsa(literal)) == TlsaFacts(status="none")
    assert mx.hosts == (Mx(preference=10, host="127.0.0.1"),)
    assert server.log == [Question("example.com", "MX")]


async def test_tlsa_records_are_sorted_and_in_lower_case_hexadecimal() -> None:
    zone = Zone("example.com", f"_25._tcp.mx1 TLSA 3 1 1 {HASH.upper()}\n_25._tcp.mx1 TLSA 2 0 0 00FF")
    with dns_server(zone) as server:
        found = await facts(lookups(server).tlsa("mx1.example.com"))
    assert found.records == (
        Tlsa(usage=2, selector=0, matching_type=0, data="00ff"),
        Tlsa(usage=3, selector=1, matching_type=1, data=HASH),
    )
    assert server.log == [Question("_25._tcp.mx1.example.com", "TLSA")]


async def test_a_tlsa_record_with_a_hash_of_the_wrong_length_is_kept_beside_a_good_one() -> None:
    owner = "_25._tcp.mx.example.com."
    good = f"{owner} 60 IN TLSA 3 1 1 {HASH}"

    def hook(query: dns.message.Message, _: bool) -> bytes:  # noqa: FBT001
        # A type of private use in its place, since it cannot be written; then the type of TLSA.
        return wire(query, good, f"{owner} 30 IN TYPE65280 \\# 5 030101beef").replace(
            b"\xff\x00\x00\x01", b"\x00\x34\x00\x01"
        )

    with dns_server(hook=hook) as server:
        found, measures = await lookups(server).tlsa("mx.example.com")
    assert found.status == "found"
    assert [record.data for record in found.records] == [HASH, "beef"]
    assert measures.ttl == 30


async def test_a_tlsa_record_too_short_to_be_one_is_a_malformed_answer() -> None:
    def hook(query: dns.message.Message, _: bool) -> bytes:  # noqa: FBT001
        odd = wire(query, "_25._tcp.mx.example.com. 30 IN TYPE65280 \\# 2 0301")
        return odd.replace(b"\xff\x00\x00\x01", b"\x00\x34\x00\x01")

    with dns_server(hook=hook) as server:
        found = await facts(lookups(server).tlsa("mx.example.com"))
    assert (found.status, found.reason) == ("failed", "malformed answer")


# Addresses


async def test_addresses_are_sorted_ipv4_first_and_asked_for_in_both_families() -> None:
    text = "mx A 9.9.9.9\nmx A 8.8.8.8\nmx AAAA 2620:fe::fe\nmx AAAA 2001:4860:4860::8888"
    with dns_server(Zone("example.com", text)) as server:
        found = await facts(lookups(server).host("mx.example.com"))
    assert found.addresses == ("8.8.8.8", "9.9.9.9", "2001:4860:4860::8888", "2620:fe::fe")
    assert (found.refused, found.dropped) == ((), 0)
    assert sorted(server.log) == [Question("mx.example.com", "A"), Question("mx.example.com", "AAAA")]


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "192.0.2.1",
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "::",
        "::1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "fc00::1",
        "fe80::1",
        "fec0::1",
        "ff0e::1",
    ],
)
async def test_an_address_that_is_not_public_is_refused_unless_that_is_allowed(address: str) -> None:
    with dns_server(Zone("example.com", f"mx {'AAAA' if ':' in address else 'A'} {address}")) as server:
        found = await facts(lookups(server).host("mx.example.com"))
        allowed = await facts(lookups(server, allow_private_addresses=True).host("mx.example.com"))
    assert found.refused == found.addresses == allowed.addresses
    assert len(found.refused) == 1
    assert allowed.refused == ()


async def test_a_public_ipv4_address_written_as_ipv6_is_public() -> None:
    with dns_server(Zone("example.com", "mx AAAA ::ffff:8.8.8.8")) as server:
        found = await facts(lookups(server).host("mx.example.com"))
    assert len(found.addresses) == 1
    assert found.refused == ()


async def test_of_many_addresses_the_lowest_of_both_families_are_kept() -> None:
    text = "\n".join(f"mx A 9.9.9.{number}\nmx AAAA 2620:fe::{number}" for number in range(1, 100))
    private = "\n".join(f"mx A 10.0.0.{number}" for number in range(1, 100))
    with dns_server(Zone("example.com", f"{text}\n{private}")) as server:
        found = await facts(lookups(server).host("mx.example.com"))
    private_kept = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
    assert found.refused == private_kept
    assert found.addresses == ("9.9.9.1", "9.9.9.2", *private_kept, "2620:fe::1", "2620:fe::2")
    assert found.dropped == 3 * 99 - 8


async def test_records_in_any_order_make_the_same_facts() -> None:
    records = {
        dns.rdatatype.MX: [f"a. 60 IN MX {number % 7} mx{number}." for number in range(50)],
        dns.rdatatype.TXT: [f'a. 60 IN TXT "{number}"' for number in range(80)],
        dns.rdatatype.A: [f"a. 60 IN A 9.9.9.{number}" for number in range(50)],
        dns.rdatatype.AAAA: [f"a. 60 IN AAAA 2620:fe::{number}" for number in range(50)],
        dns.rdatatype.TLSA: [f"_25._tcp.a. 60 IN TLSA 3 1 {number} {number:02}" for number in range(3, 90)],
    }
    shuffled = random.Random(8461).shuffle

    def hook(query: dns.message.Message, _: bool) -> bytes:  # noqa: FBT001
        shuffled(some := records[query.question[0].rdtype])
        return wire(query, *some)

    with dns_server(hook=hook) as server:
        looks = lookups(server)
        for look in (looks.mx, looks.host, looks.tlsa):
            assert await facts(look("a")) == await facts(look("a"))
        assert await facts(looks.txt("a", "tlsrpt-record")) == await facts(looks.txt("a", "tlsrpt-record"))


# What there is not


@pytest.mark.parametrize(
    ("name", "status", "cnames"),
    [
        ("nothing.example.com", "none", ()),
        ("above.example.com", "none", ()),
        ("nowhere.example.com", "no-name", ()),
        ("to-nothing.example.com", "none", ("nothing.example.com",)),
        ("to-nowhere.example.com", "no-name", ("away.example.net", "nowhere.example.net")),
        ("elsewhere.example.org", "no-name", ()),
    ],
)
async def test_a_name_without_records_is_told_from_no_name(name: str, status: str, cnames: tuple[str, ...]) -> None:
    zones = [
        Zone(
            "example.com",
            "nothing A 192.0.2.1\na.above A 192.0.2.1\nto-nothing CNAME nothing\nto-nowhere CNAME away.example.net.",
        ),
        Zone("example.net", "away CNAME nowhere"),
    ]
    with dns_server(*zones) as server:
        found = await facts(lookups(server).txt(name, "tlsrpt-record"))
    assert (found.status, found.cnames, found.reason) == (status, cnames, "")


async def test_a_cname_is_followed_and_the_least_ttl_told() -> None:
    zones = [
        Zone("example.com", "_mta-sts 30 CNAME records.example.net."),
        Zone("example.net", 'records 20 CNAME deep\ndeep 3600 TXT "v=STSv1; id=1"'),
    ]
    with dns_server(*zones) as server:
        found, measures = await lookups(server).txt("_mta-sts.example.com", "mta-sts-record")
    assert found.records == ("v=STSv1; id=1",)
    assert found.cnames == ("records.example.net", "deep.example.net")
    assert measures.ttl == 20


async def test_names_are_absolute_and_no_search_list_is_tried() -> None:
    with dns_server() as server:
        await facts(lookups(server).mx("nowhere"))
        await facts(lookups(server).mx("nowhere."))
    assert server.log == [Question("nowhere", "MX")] * 2


@pytest.mark.parametrize("name", ["a..b", f"{'a' * 64}.example", "a." * 200, "a\\", "\udcff", ".example"])
async def test_what_cannot_be_a_name_is_not_asked_for(name: str) -> None:
    with dns_server() as server:
        found = await facts(lookups(server).mx(name))
        await facts(lookups(server).tlsa(name))
    assert (found.status, found.reason) == ("failed", "not a name that DNS can have")
    assert server.log == []


# DNSSEC


async def test_ad_counts_from_a_resolver_on_this_machine_for_answers_and_denials() -> None:
    zones = [
        Zone("example.com", "@ MX 10 mx\nto-other CNAME mx.example.net.", signed=True),
        Zone("example.net", "@ MX 10 mx\nmx A 192.0.2.1"),
    ]
    with dns_server(*zones, secure=["example.com"]) as server:
        looks = lookups(server)
        assert (await facts(looks.mx("example.com"))).secure is True
        assert (await facts(looks.mx("nowhere.example.com"))).secure is True
        assert (await facts(looks.mx("example.net"))).secure is False
        assert (await facts(looks.host("to-other.example.com"))).a.secure is False


async def test_ad_counts_only_if_every_resolver_is_on_this_machine_or_it_is_trusted() -> None:
    with dns_server(Zone("example.com", "@ MX 10 mx"), secure=["example.com"]) as server:
        assert (await facts(lookups(server, "192.0.2.53").mx("example.com"))).secure is None
        assert (await facts(lookups(server, "192.0.2.53", trust_ad=True).mx("example.com"))).secure is True
        assert (await facts(lookups(server, "[::1]:53").mx("example.com"))).secure is True


async def test_an_answer_only_when_checking_is_disabled_is_bogus() -> None:
    zone = Zone("example.com", "@ MX 10 mx", signed=True, expired=True)
    with dns_server(zone, bogus=["example.com"]) as server:
        found = await facts(lookups(server).mx("example.com"))
        nothing = await facts(lookups(server).mx("nowhere.example.com"))
    assert found == MxFacts(status="bogus", reason=f"SERVFAIL, {UNCHECKED}")
    assert nothing.status == "bogus"


def servfail(*codes: int, unless: Callable[[dns.message.Message], bool]) -> Hook:
    def hook(query: dns.message.Message, _: bool) -> bytes:  # noqa: FBT001
        if unless(query):
            return wire(query, "example.com. 60 IN MX 10 mx.example.com.")
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.SERVFAIL)
        response.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode(code), "today") for code in codes])
        return response.to_wire(max_size=65_535)

    return hook


def checking_disabled(query: dns.message.Message) -> bool:
    return bool(query.flags & dns.flags.CD)


@pytest.mark.parametrize(
    ("codes", "status", "reason"),
    [
        ([7], "bogus", f"SERVFAIL; EDE 7 (Signature Expired), {UNCHECKED}"),
        ([13], "bogus", f"SERVFAIL; EDE 13 (Cached Error), {UNCHECKED}"),
        (
            [22, 9],
            "bogus",
            f"SERVFAIL; EDE 9 (DNSKEY Missing); EDE 22 (No Reachable Authority), {UNCHECKED}",
        ),
        ([22], "failed", "SERVFAIL; EDE 22 (No Reachable Authority)"),
        ([49_152], "failed", "SERVFAIL; EDE 49152"),
    ],
)
async def test_extended_errors_tell_a_failed_validation_from_other_failures(
    codes: list[int], status: str, reason: str
) -> None:
    with dns_server(hook=servfail(*codes, unless=checking_disabled)) as server:
        found = await facts(lookups(server).mx("example.com"))
    assert (found.status, found.reason) == (status, reason)


@pytest.mark.parametrize("unless", [checking_disabled, lambda _: False])
async def test_extended_errors_without_end_fit_into_a_reason(unless: Callable[[dns.message.Message], bool]) -> None:
    with dns_server(hook=servfail(*range(1_000, 2_500), unless=unless)) as server:
        found = await facts(lookups(server, server).mx("example.com"))
    assert found.status == "failed"
    assert found.reason.startswith("SERVFAIL; EDE 1000; EDE 1001")
    assert len(found.reason) < 200


async def test_a_servfail_with_and_without_checking_is_a_failure() -> None:
    with dns_server(hook=servfail(unless=lambda _: False)) as server:
        found = await facts(lookups(server).mx("example.com"))
    assert found == MxFacts(status="failed", reason="SERVFAIL")


async def test_a_servfail_that_goes_away_is_no_failure() -> None:
    asked: list[dns.message.Message] = []

    def second_time(query: dns.message.Message) -> bool:
        asked.append(query)
        return len(asked) > 1

    with dns_server(hook=servfail(unless=second_time)) as server:
        found = await facts(lookups(server).mx("example.com"))
    assert found.status == "found"


# Several resolvers


async def test_resolvers_are_asked_in_turn_until_one_answers() -> None:
    zone = Zone("example.com", "@ MX 10 mx")
    with dns_server(resolver=False) as refusing, dns_server(hook=lambda *_: b"") as silent, dns_server(zone) as good:
        looks = Lookups(
            Settings(resolver=(refusing.address, silent.address, good.address)),
            limits=LIVE_LIMITS._replace(dns_query_seconds=0.5),
        )
        found = await facts(looks.mx("example.com"))
    assert found.status == "found"
    assert len(refusing.log) == len(silent.log) == len(good.log) == 1


async def test_all_that_went_wrong_is_told_once() -> None:
    with dns_server(resolver=False) as refusing, dns_server(hook=lambda *_: b"") as silent:
        found = await facts(lookups(refusing, silent, quick=True).mx("example.com"))
    assert (found.status, found.reason) == ("failed", "REFUSED; no answer in 0.1 s")


async def test_a_port_where_nothing_listens_is_a_failure() -> None:
    with dns_server() as server:
        pass
    found = await facts(lookups(server).mx("example.com"))
    assert (found.status, found.reason) == ("failed", "connection refused")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "localhost:53",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "[::1",
        "::1]:53",
        "127.0.0.1:٥٣",
        "1.2.3.4.5:53",
    ],
)
def test_a_resolver_that_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IP address with or without a port"):
        lookups(text)


@pytest.mark.parametrize(
    "text", ["192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]:53", "[2001:db8::53]", "2001:db8::53"]
)
def test_the_port_of_a_resolver_may_be_left_out(text: str) -> None:
    lookups(text)


# Lies


def with_another_id(query: dns.message.Message, _: bool) -> bytes:  # noqa: FBT001
    answer = wire(query, "example.com. 60 IN MX 10 mx.")
    return bytes([answer[0] ^ 1]) + answer[1:]


def to_another_question(query: dns.message.Message, _: bool) -> bytes:  # noqa: FBT001
    other = dns.message.make_query("example.net", "MX", id=query.id)
    return wire(other, "example.net. 60 IN MX 10 mx.")


def garbage(query: dns.message.Message, _: bool) -> bytes:  # noqa: FBT001
    return random.Random(query.id).randbytes(500)


def the_question_itself(query: dns.message.Message, _: bool) -> bytes:  # noqa: FBT001
    return query.to_wire()


def of_another_opcode(query: dns.message.Message, _: bool) -> bytes:  # noqa: FBT001
    return wire(query)[:2] + b"\xa8\x80" + wire(query)[4:]


@pytest.mark.parametrize(
    "lie",
    [
        with_another_id,
        to_another_question,
        garbage,
        the_question_itself,
        of_another_opcode,
        lambda *_: b"",
        lambda *_: b"x",
    ],
)
async def test_what_is_no_answer_to_the_question_is_waited_out(lie: Hook) -> None:
    with dns_server(hook=lie) as server:
        found = await facts(lookups(server, quick=True).mx("example.com"))
    assert found == MxFacts(status="failed", reason="no answer in 0.1 s")


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (lambda query, _: wire(query, flags=dns.flags.TC), "truncated, even over TCP"),
        (
            lambda query, tcp: b"\0" * 20 if tcp else wire(query, flags=dns.flags.TC),
            "malformed answer",
        ),
        (lambda query, _: wire(query, "example.com. 60 IN MX 10 mx.")[:-1], "malformed answer"),
        (
            lambda query, _: wire(query, "example.com. 60 IN MX 10 mx.", rcode=3),
            "malformed answer: NXDOMAIN with records",
        ),
        (lambda query, _: wire(query, rcode=dns.rcode.NOTIMP), "NOTIMP"),
        (
            always(*(f"{n or 'example.com'}. 60 IN CNAME {n + 1}." for n in range(20)), "20. 60 IN MX 10 mx."),
            "malformed answer: CNAME records without end",
        ),
        (
            always("example.com. 60 IN CNAME a.", "a. 60 IN CNAME example.com."),
            "malformed answer: CNAME records without end",
        ),
        (
            always("example.com. 60 IN CNAME a.", "example.com. 60 IN CNAME b."),
            "malformed answer: several CNAME records of one name",
        ),
        (
            always("example.com. 60 IN CNAME b.", "example.com. 60 IN CNAME a."),
            "malformed answer: several CNAME records of one name",
        ),
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_failure_with_its_reason(lie: Hook, reason: str) -> None:
    with dns_server(hook=lie) as server:
        found = await facts(lookups(server).mx("example.com"))
    assert found == MxFacts(status="failed", reason=reason)


async def test_records_of_other_names_are_not_taken() -> None:
    with dns_server(hook=always("example.net. 60 IN MX 10 mx.", "sub.example.com. 60 IN MX 10 mx.")) as server:
        found = await facts(lookups(server).mx("example.com"))
    assert found == MxFacts(status="none", secure=False)


async def test_a_ttl_beyond_31_bits_counts_as_nothing() -> None:
    def hook(query: dns.message.Message, _: bool) -> bytes:  # noqa: FBT001
        return wire(query, "example.com. 305419896 IN MX 10 mx.").replace(b"\x12\x34\x56\x78", b"\x80\x00\x00\x00")

    with dns_server(hook=hook) as server:
        found, measures = await lookups(server).mx("example.com")
    assert found.status == "found"
    assert measures.ttl == 0


async def test_mutilated_answers_never_raise() -> None:
    chance = random.Random(8460)

    def hook(query: dns.message.Message, __: bool) -> bytes:  # noqa: FBT001
        rdtype = dns.rdatatype.to_text(query.question[0].rdtype)
        name = query.question[0].name
        whole = bytearray(wire(query, f"{name} 60 IN CNAME a.", f"a. 60 IN {rdtype} {values[rdtype]}"))
        for _ in range(chance.randrange(1, 4)):
            whole[chance.randrange(2, len(whole))] = chance.randrange(256)
        return bytes(whole)

    values = {"MX": "10 mx.", "TXT": '"v=STSv1"', "TLSA": f"3 1 1 {HASH}"}
    limits = LIVE_LIMITS._replace(dns_query_seconds=0.02, dns_seconds=0.02)
    with dns_server(hook=hook) as server:
        looks = Lookups(Settings(resolver=(server.address,)), limits=limits)
        for _ in range(10):
            await asyncio.gather(
                *(looks.mx("example.com") for _ in range(20)),
                *(looks.txt("example.com", "mta-sts-record") for _ in range(20)),
                *(looks.tlsa("example.com") for _ in range(20)),
            )


async def test_a_look_that_is_cancelled_ends_at_once() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hook(*_: object) -> bytes:
        loop.call_soon_threadsafe(asked.set)
        return b""

    with dns_server(hook=hook) as server:
        looking = asyncio.ensure_future(lookups(server).mx("example.com"))
        await asked.wait()
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking


# The server itself


@pytest.mark.parametrize("signed", [True, False])
def test_a_signed_zone_validates_against_its_key(signed: bool) -> None:  # noqa: FBT001
    zone = Zone("example.com", "@ MX 10 mx\nmx A 192.0.2.1\n*.wild TXT x", signed=signed)
    with dns_server(zone, resolver=False) as server:
        keys = ask(server, "example.com", "DNSKEY")
        answers = [
            *ask(server, "example.com", "MX").answer,
            *ask(server, "example.com", "TXT").authority,
            *ask(server, "nowhere.example.com", "A").authority,
            *ask(server, "wild.example.com", "A").authority,
            *keys.answer,
        ]
    signatures = {(rrset.name, rrset.covers): rrset for rrset in answers if rrset.rdtype == dns.rdatatype.RRSIG}
    covered = [rrset for rrset in answers if rrset.rdtype != dns.rdatatype.RRSIG]
    assert bool(signatures) is signed
    if signed:
        for rrset in covered:
            dns.dnssec.validate(rrset, signatures[rrset.name, rrset.rdtype], {keys.answer[0].name: keys.answer[0]})
        assert {dns.rdatatype.to_text(rrset.rdtype) for rrset in covered} == {"MX", "SOA", "NSEC", "DNSKEY"}


def test_expired_signatures_do_not_validate() -> None:
    with dns_server(Zone("example.com", "@ MX 10 mx", expired=True)) as server:
        keys, answer = ask(server, "example.com", "DNSKEY").answer, ask(server, "example.com", "MX").answer
    with pytest.raises(dns.exception.ValidationFailure):
        dns.dnssec.validate(answer[0], answer[1], {keys[0].name: keys[0]})


def test_data_can_be_replaced_while_the_server_runs() -> None:
    with dns_server(Zone("example.com", "@ MX 10 a"), Zone("example.net", "@ MX 10 a")) as server:
        assert "10 a.example.com." in str(ask(server, "example.com", "MX").answer[0])
        server.set(Zone("example.com", "@ MX 10 b"))
        assert "10 b.example.com." in str(ask(server, "example.com", "MX").answer[0])
        assert "10 a.example.net." in str(ask(server, "example.net", "MX").answer[0])
    assert server.log == [Question("example.com", "MX"), Question("example.com", "MX"), Question("example.net", "MX")]


def test_a_name_server_refuses_what_is_not_its_own() -> None:
    with dns_server(Zone("example.com", "@ MX 10 a"), resolver=False) as server:
        own, other = ask(server, "example.com", "MX"), ask(server, "example.net", "MX")
    assert own.flags & dns.flags.AA
    assert not own.flags & dns.flags.RA
    assert other.rcode() == dns.rcode.REFUSED


def test_an_answer_too_large_for_a_datagram_is_truncated() -> None:
    with dns_server(Zone("example.com", "\n".join(f"@ MX {number} mx{number}" for number in range(100)))) as server:
        query = dns.message.make_query("example.com", "MX", payload=4_096)
        by_udp = dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
        by_tcp = dns.query.tcp(query, "127.0.0.1", port=server.port, timeout=5)
    assert by_udp.flags & dns.flags.TC
    assert len(by_tcp.answer[0]) == 100


def test_a_server_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    with dns_server(Zone("example.com", "@ MX 10 a")) as server:
        ask(server, "example.com", "MX")
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def ask(server: DnsServer, name: str, rdtype: str) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, want_dnssec=True)
    return dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)
