"""Fetching a policy from hosts that do it right, and from every kind that does not."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest
from certificates import Authority, server_context
from policy_host import PolicySpec, Script, breaks_off, by_name, in_turn, never_ends, policy_hosts, says

from loaders import https
from loaders.wire import Trust
from tlsrpt.limits import LIVE_LIMITS, LiveLimits
from tlsrpt.published import FetchFacts, Measures, Settings

HOST = "mta-sts.example.com"
ADDRESS = "127.0.0.1"
POLICY = b"version: STSv1\nmode: enforce\nmx: mx1.example.com\nmax_age: 604800\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PATIENT = LIVE_LIMITS._replace(fetch_seconds=20.0)  # for servers that come to an end, or are brought to one
IMPATIENT = LIVE_LIMITS._replace(fetch_seconds=0.75, tries=1)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def good(authority: Authority) -> PolicySpec:
    return PolicySpec(authority.context(HOST), POLICY)


@pytest.fixture(scope="module")
def ca_file(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> str:
    return authority.write(tmp_path_factory.mktemp("trust"))


class Sender:
    """Whoever fetches: with its trust store, and with the patience that a case needs."""

    def __init__(self, ca_file: str) -> None:
        self._trust = Trust(ca_file)

    async def fetch(
        self, hosts: Mapping[str, PolicySpec], limits: LiveLimits = PATIENT, host: str = HOST
    ) -> FetchFacts:
        """Return what is fetched from the first address while the hosts run."""
        with policy_hosts(hosts) as port:
            facts, _ = await self.at(port, next(iter(hosts)), limits, host)
        return facts

    async def at(
        self, port: int, address: str = ADDRESS, limits: LiveLimits = PATIENT, host: str = HOST
    ) -> tuple[FetchFacts, Measures]:
        found = await https.fetch(host, address, Settings(https_port=port), self._trust, limits=limits)
        await asyncio.sleep(0)  # its last connection ends with this turn of the loop, before the hosts are stopped
        return found


@pytest.fixture(scope="module")
def sender(ca_file: str) -> Sender:
    return Sender(ca_file)


async def test_a_policy_is_fetched_with_its_type_and_the_certificate_of_its_host(
    sender: Sender, good: PolicySpec
) -> None:
    facts = await sender.fetch({ADDRESS: good})
    assert (facts.outcome, facts.reason, facts.status, facts.content_type) == ("fetched", "", 200, "text/plain")
    assert facts.bodies == (POLICY.decode(),)
    assert facts.face is not None
    assert facts.face.faults == ()
    assert facts.face.chain[0].names == (HOST,)


async def test_each_try_asks_for_the_policy_in_one_request_and_no_other(sender: Sender, good: PolicySpec) -> None:
    requests: list[str] = []
    with policy_hosts({ADDRESS: good._replace(requests=requests)}) as port:
        await sender.at(port)
    request = (
        "GET /.well-known/mta-sts.txt HTTP/1.1",
        f"Host: {HOST}:{port}",
        "User-Agent: tlsrpt",
        "Accept: text/plain",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    assert requests == ["\r\n".join((*request, "", ""))] * 3


@pytest.mark.parametrize(
    "body",
    [
        POLICY.replace(b"\n", b"\r\n"),
        POLICY.replace(b"\n", b"\r"),
        POLICY.rstrip(b"\n"),
        b"\xef\xbb\xbf" + POLICY,
        b"",
        b"\x00\x1b[2J",
    ],
    ids=["CRLF", "CR", "no last line end", "byte order mark", "nothing", "control characters"],
)
async def test_a_body_is_kept_as_it_was_sent(sender: Sender, good: PolicySpec, body: bytes) -> None:
    facts = await sender.fetch({ADDRESS: good._replace(body=body)})
    assert facts.outcome == "fetched"
    assert facts.bodies == (body.decode(),)


async def test_bytes_that_are_not_utf8_are_shown_as_such_within_the_bound(sender: Sender, good: PolicySpec) -> None:
    facts = await sender.fetch({ADDRESS: good._replace(body=b"mx: m\xfcx" + b"\xff" * 65_000)})
    assert facts.outcome == "fetched"
    assert facts.bodies[0].startswith("mx: m\\xfcx\\xff")
    assert len(facts.bodies[0]) == 65_536


async def test_the_largest_body_allowed_is_fetched_and_one_byte_more_is_not(sender: Sender, good: PolicySpec) -> None:
    facts = await sender.fetch({ADDRESS: good._replace(body=b"a" * 65_536)})
    assert (facts.outcome, len(facts.bodies[0])) == ("fetched", 65_536)
    facts = await sender.fetch({ADDRESS: good._replace(body=b"a" * 65_537)})
    assert (facts.outcome, facts.bodies) == ("too-large", ())


async def test_html_is_fetched_for_others_to_judge(sender: Sender, good: PolicySpec) -> None:
    page = good._replace(body=b"<!DOCTYPE html>", content_type="text/html; charset=utf-8")
    facts = await sender.fetch({ADDRESS: page})
    assert (facts.outcome, facts.content_type) == ("fetched", "text/html; charset=utf-8")
    assert facts.bodies == ("<!DOCTYPE html>",)


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"5;note=a\r\nversi\r\n2\r\non\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nversion",
        b"HTTP/1.1 200\r\nContent-Length: 7\r\n\r\nversion and what follows",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nversion",
        OK + b"Content-Length: 7\r\nContent-Length: 7\r\n\r\nversion",
        OK + b"Content-Encoding: identity\r\n\r\nversion",
    ],
    ids=["chunks", "until the end", "no reason", "an interim answer", "one length twice", "identity"],
)
async def test_every_way_to_say_where_a_body_ends_is_understood(
    sender: Sender, good: PolicySpec, answer: bytes
) -> None:
    facts = await sender.fetch({ADDRESS: good._replace(script=says(answer))})
    assert (facts.outcome, facts.bodies) == ("fetched", ("version",))


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("good", set()),
        ("wildcard", set()),
        ("wrong-name", set()),
        ("common-name-only", set()),
        ("expired", {10}),
        ("not-yet-valid", {9}),
        ("self-signed", {18}),
        ("untrusted", {19}),
        ("missing-intermediate", {20}),
    ],
)
async def test_a_policy_is_fetched_whatever_the_certificate_and_its_faults_are_kept(
    sender: Sender, authority: Authority, kind: str, codes: set[int]
) -> None:
    facts = await sender.fetch({ADDRESS: PolicySpec(server_context(kind, HOST, authority), POLICY)})
    assert (facts.outcome, facts.bodies) == ("fetched", (POLICY.decode(),))
    assert facts.face is not None
    assert {fault.code for fault in facts.face.faults} >= codes
    assert bool(facts.face.faults) == bool(codes)


async def test_a_redirect_is_not_followed(sender: Sender, good: PolicySpec) -> None:
    requests: list[str] = []
    elsewhere: list[str] = []
    with ExitStack() as running:
        other = running.enter_context(policy_hosts({ADDRESS: good._replace(requests=elsewhere)}))
        location = f"https://{ADDRESS}:{other}/.well-known/mta-sts.txt"
        moved = good._replace(status=301, headers=(("Location", location),), requests=requests)
        facts = await sender.fetch({ADDRESS: moved})
    assert (facts.outcome, facts.status, facts.location) == ("redirect", 301, location)
    assert (facts.reason, facts.bodies) == ("HTTP 301 Status", ())
    assert (len(requests), elsewhere) == (3, [])


async def test_a_redirect_to_another_protocol_is_told_and_left_alone(sender: Sender, good: PolicySpec) -> None:
    moved = good._replace(status=302, headers=(("Location", "http://127.0.0.1:22/"),))
    facts = await sender.fetch({ADDRESS: moved})
    assert (facts.outcome, facts.location) == ("redirect", "http://127.0.0.1:22/")


@pytest.mark.parametrize("status", [204, 404, 500, 999])
async def test_any_other_status_is_no_policy(sender: Sender, good: PolicySpec, status: int) -> None:
    facts = await sender.fetch({ADDRESS: good._replace(status=status)})
    assert (facts.outcome, facts.status, facts.bodies) == ("http-status", status, ())
    assert facts.reason == f"HTTP {status} Status"


HOSTILE: dict[str, tuple[Script, str]] = {
    "a length beyond the bound": (says(OK + b"Content-Length: 65537\r\n\r\n"), "too-large"),
    "a length beyond belief": (says(OK + b"Content-Length: 9000000000\r\n\r\n"), "too-large"),
    "a stream beyond the bound": (never_ends(OK + b"\r\n", b"mx: a.example\n" * 999), "too-large"),
    "chunks beyond the bound": (never_ends(CHUNKED, b"4000\r\n" + b"a" * 0x4000 + b"\r\n"), "too-large"),
    "a chunk beyond belief": (never_ends(CHUNKED + b"ffffffffffffffff\r\n", b"a" * 9_999), "too-large"),
    "endless header fields": (never_ends(OK, b"X-Filler: and more\r\n" * 99), "bad-answer"),
    "an endless header field": (never_ends(OK + b"X-Filler: ", b"more" * 999), "bad-answer"),
    "an endless chunk extension": (never_ends(CHUNKED + b"5;", b"more" * 999), "bad-answer"),
    "endless chunk extensions": (never_ends(CHUNKED, b"1;" + b"more" * 99 + b"\r\na\r\n"), "bad-answer"),
    "endless trailers": (never_ends(CHUNKED + b"0\r\n", b"X-Filler: and more\r\n" * 99), "bad-answer"),
    "endless interim answers": (never_ends(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99), "bad-answer"),
    "a head beyond the bound": (says(OK + b"X-Filler: " + b"a" * 16_384 + b"\r\n\r\n"), "bad-answer"),
    "two lengths": (says(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nversion"), "bad-answer"),
    "a length in words": (says(OK + b"Content-Length: 9e9\r\n\r\n"), "bad-answer"),
    "a length of thirty digits": (says(OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n"), "bad-answer"),
    "a negative chunk": (says(CHUNKED + b"-5\r\nversion\r\n0\r\n\r\n"), "bad-answer"),
    "a chunk without an end": (says(CHUNKED + b"5\r\nversion\r\n0\r\n\r\n"), "bad-answer"),
    "gzip that nobody asked for": (says(OK + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08"), "bad-answer"),
    "gzip as transfer coding": (says(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n"), "bad-answer"),
    "HTTP/0.9": (says(POLICY), "bad-answer"),
    "HTTP/0.9 without an end": (never_ends(POLICY, b"mx: a.example\n"), "bad-answer"),
    "HTTP/2": (says(b"HTTP/2.0 200 OK\r\n\r\n"), "bad-answer"),
    "another protocol": (says(b"SSH-2.0-none\r\n"), "bad-answer"),
    "nonsense": (says(b"\x00\xff" * 99), "bad-answer"),
    "a status of no kind": (says(b"HTTP/1.1 abc OK\r\n\r\n"), "bad-answer"),
    "switching protocols": (says(b"HTTP/1.1 101 Now\r\nUpgrade: h2c\r\n\r\n"), "bad-answer"),
    "no answer": (says(), "closed"),
    "an end in the head": (says(OK), "closed"),
    "an end in the body": (says(OK + b"Content-Length: 65\r\n\r\nversion"), "closed"),
    "an end in a chunk": (says(CHUNKED + b"9\r\nversion"), "closed"),
    "an end that anybody could have made": (breaks_off(OK + b"\r\nversion"), "closed"),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_answer_ends_in_its_outcome_within_little_memory(
    sender: Sender, good: PolicySpec, case: str
) -> None:
    script, outcome = HOSTILE[case]
    once = PATIENT._replace(tries=1)
    tracemalloc.start()
    try:
        facts = await sender.fetch({ADDRESS: good._replace(script=script)}, once)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (facts.outcome, facts.bodies) == (outcome, ())
    assert facts.reason
    assert facts.face is not None
    assert peak < 4 << 20


@pytest.mark.parametrize(
    ("beginning", "again"),
    [
        (OK + b"X-Filler: ", b"a"),
        (OK + b"Content-Length: 65000\r\n\r\n", b"a"),
        (CHUNKED, b"1\r\na\r\n"),
    ],
    ids=["head", "body", "chunks"],
)
async def test_an_answer_that_trickles_ends_by_the_clock(
    sender: Sender, good: PolicySpec, beginning: bytes, again: bytes
) -> None:
    trickling = good._replace(script=never_ends(beginning, again, seconds=0.05))
    facts = await sender.fetch({ADDRESS: trickling}, IMPATIENT)
    assert (facts.outcome, facts.bodies) == ("timeout", ())
    assert "no end of the answer after" in facts.reason


async def test_a_timeout_says_what_was_awaited(sender: Sender, good: PolicySpec) -> None:
    silent = good._replace(script=never_ends(b"", b"", seconds=0.05))
    facts = await sender.fetch({ADDRESS: silent}, IMPATIENT)
    assert (facts.outcome, facts.reason, facts.status) == ("timeout", "no answer in 0.75 s", None)
    assert facts.face is not None
    stalled = OK + b"Content-Length: 65\r\n\r\nversion"
    facts = await sender.fetch({ADDRESS: good._replace(script=never_ends(stalled, b"", seconds=0.05))}, IMPATIENT)
    assert (facts.outcome, facts.status) == ("timeout", 200)
    assert facts.reason == f"no end of the answer after {len(stalled)} bytes in 0.75 s"
    facts = await sender.fetch({ADDRESS: PolicySpec(None)}, IMPATIENT)
    assert (facts.outcome, facts.reason) == ("timeout", "no end of the TLS handshake in 0.75 s")
    assert facts.face is None


@pytest.fixture
def full() -> Iterator[int]:
    """Yield a port whose queue is full: whoever connects waits for ever."""
    with ExitStack() as held:
        listening = held.enter_context(socket.create_server((ADDRESS, 0), backlog=0))
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003 - the name of the argument is the method's
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


async def test_a_connection_that_is_not_answered_is_told_apart(sender: Sender, full: int) -> None:
    facts, measures = await sender.at(full, limits=IMPATIENT)
    assert (facts.outcome, facts.reason) == ("timeout", "no connection in 0.75 s")
    assert measures.seconds is not None
    assert measures.seconds >= 0.75


async def test_a_refused_connection_is_named(sender: Sender) -> None:
    with socket.socket() as bound:
        bound.bind((ADDRESS, 0))  # and does not listen
        facts, _ = await sender.at(bound.getsockname()[1])
    assert facts == FetchFacts(outcome="refused", reason="connection refused")


async def test_an_address_without_a_way_to_it_is_unreachable(sender: Sender) -> None:
    facts, _ = await sender.at(443, "255.255.255.255")
    assert facts.outcome == "unreachable"
    assert facts.reason


async def test_a_server_without_tls_fails_in_tls(sender: Sender) -> None:
    facts = await sender.fetch({ADDRESS: PolicySpec(None, script=says(b"220 mail.example.com ready\r\n"))})
    assert (facts.outcome, facts.face) == ("tls-failed", None)
    assert facts.reason


async def test_a_silent_address_is_tried_twice_and_another_three_times(sender: Sender, good: PolicySpec) -> None:
    requests: list[str] = []
    silent = good._replace(script=never_ends(b"", b"", seconds=0.05), requests=requests)
    await sender.fetch({ADDRESS: silent}, IMPATIENT._replace(tries=3))
    assert len(requests) == 2
    requests.clear()
    await sender.fetch({ADDRESS: good._replace(script=says(), requests=requests)})
    assert len(requests) == 3


async def test_bodies_that_differ_between_tries_are_all_kept_in_one_order(sender: Sender, good: PolicySpec) -> None:
    for order in (b"cab", b"bca", b"aba"):
        left = iter(order)

        def body(_: str, left: Iterator[int] = left) -> bytes:
            return bytes([next(left)])

        facts = await sender.fetch({ADDRESS: good._replace(body=body)})
        assert facts.outcome == "fetched"
        assert facts.bodies == tuple(sorted({chr(each) for each in order}))


async def test_the_worst_of_tries_that_differ_is_told_with_how_many_they_were(sender: Sender, good: PolicySpec) -> None:
    found = OK + b"Content-Length: 7\r\n\r\nversion"
    missing = b"HTTP/1.1 404 Not Found\r\n\r\n"
    for answers in ([found, missing, found], [missing, found, found]):
        left = iter(answers)

        async def script(writer: asyncio.StreamWriter, left: Iterator[bytes] = left) -> None:
            await says(next(left))(writer)

        facts = await sender.fetch({ADDRESS: good._replace(script=script)})
        assert (facts.outcome, facts.status) == ("http-status", 404)
        assert facts.reason == "1 of 3 tries: HTTP 404 Not Found"
        assert facts.bodies == ("version",)


async def test_each_address_is_fetched_from_by_itself(sender: Sender, good: PolicySpec) -> None:
    with policy_hosts({"127.0.0.1": good, "127.0.0.2": good._replace(status=404)}) as port:
        first, _ = await sender.at(port, "127.0.0.1")
        second, _ = await sender.at(port, "127.0.0.2")
    assert (first.outcome, second.outcome) == ("fetched", "http-status")


async def test_one_server_serves_several_policy_hosts_by_name(sender: Sender, authority: Authority) -> None:
    names = ["mta-sts.one.example", "mta-sts.two.example"]
    context = by_name({name: authority.context(name) for name in names})
    with policy_hosts({ADDRESS: PolicySpec(context, str.encode)}) as port:
        for name in names:
            facts, _ = await sender.at(port, host=name)
            assert (facts.outcome, facts.bodies) == ("fetched", (name,))
            assert facts.face is not None
            assert facts.face.faults == ()
            assert facts.face.chain[0].names == (name,)


async def test_of_the_faces_of_all_tries_one_with_faults_is_kept(sender: Sender, authority: Authority) -> None:
    contexts = [authority.context(HOST), server_context("expired", HOST, authority), authority.context(HOST)]
    facts = await sender.fetch({ADDRESS: PolicySpec(in_turn(contexts), POLICY)})
    assert facts.outcome == "fetched"
    assert facts.face is not None
    assert 10 in {fault.code for fault in facts.face.faults}


# Which of two certificates comes first by its bytes depends on the length of their names.
@pytest.mark.parametrize("other", ["a.example", "another.host.example.org", f"{'x' * 50}.example"])
async def test_of_the_faces_of_all_tries_one_for_another_host_is_kept(
    sender: Sender, authority: Authority, other: str
) -> None:
    contexts = [authority.context(HOST), authority.context(other), authority.context(HOST)]
    facts = await sender.fetch({ADDRESS: PolicySpec(in_turn(contexts), POLICY)})
    assert facts.outcome == "fetched"
    assert facts.face is not None
    assert facts.face.chain[0].names == (other,)


async def test_two_looks_at_an_unchanged_server_find_the_same(sender: Sender, authority: Authority) -> None:
    specs = {
        "127.0.0.1": PolicySpec(authority.context(HOST), POLICY),
        "127.0.0.2": PolicySpec(server_context("expired", HOST, authority), POLICY),
        "127.0.0.3": PolicySpec(authority.context(HOST), script=says(OK + b"Content-Length: 65\r\n\r\nversion")),
        "127.0.0.4": PolicySpec(authority.context(HOST), script=never_ends(OK, b"X-Filler: more\r\n" * 99)),
        "127.0.0.5": PolicySpec(in_turn([authority.context(HOST), authority.context(HOST)]), POLICY),
    }
    with policy_hosts(specs) as port:
        looks = [[await sender.at(port, address) for address in specs] for _ in range(2)]
    assert [facts for facts, _ in looks[0]] == [facts for facts, _ in looks[1]]
    assert all(measures.seconds is not None for _, measures in looks[0])


async def test_an_odd_answer_is_cut_to_what_facts_may_hold(sender: Sender, good: PolicySpec) -> None:
    long = "a" * 7_000
    moved = good._replace(status=301, content_type=long, headers=(("Location", f"https://\xff{long}"),))
    facts = await sender.fetch({ADDRESS: moved})
    assert (facts.outcome, len(facts.content_type), len(facts.location)) == ("redirect", 4_096, 4_096)
    assert facts.location.startswith("https://\\xffaaa")


async def test_whoever_stops_the_fetch_is_heard(sender: Sender) -> None:
    with socket.create_server((ADDRESS, 0)) as silent:
        fetching = asyncio.ensure_future(sender.at(silent.getsockname()[1]))
        await asyncio.sleep(0)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
