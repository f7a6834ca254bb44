"""Meeting an MX that does it right, and every kind that does not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from certificates import Authority, server_context
from mx_server import Script, Serves, hostile, mx_servers

from loaders import smtp
from loaders.wire import Trust
from tlsrpt.limits import LIVE_LIMITS, LiveLimits
from tlsrpt.published import Fault, Measures, MxTlsFacts, Settings

MX = "mx1.example.com"
ADDRESS = "127.0.0.11"
PATIENT = LIVE_LIMITS  # for servers that come to an end, or are brought to one
IMPATIENT = LIVE_LIMITS._replace(connection_seconds=0.5, goodbye_seconds=0.2)

BANNER = b"220 mx1.example.com ESMTP\r\n"
KEYWORDS = b"250-mx1.example.com\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"
GO = b"220 go\r\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def trust(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(authority.write(tmp_path_factory.mktemp("trust")))


class Sender:
    """Whoever looks: with its trust store, and with the patience that a case needs."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust

    async def at(
        self, port: int, address: str = "127.0.0.1", limits: LiveLimits = PATIENT, ehlo_name: str = "probe.example"
    ) -> tuple[MxTlsFacts, Measures]:
        settings = Settings(smtp_port=port, ehlo_name=ehlo_name)
        found = await smtp.look(MX, address, settings, self._trust, limits=limits)
        await asyncio.sleep(0)  # its last connection ends with this turn of the loop, before the server is stopped
        return found

    async def meet(self, serves: Serves) -> MxTlsFacts:
        """Return what a mail server shows."""
        with mx_servers({ADDRESS: serves}) as port:
            facts, _ = await self.at(port, ADDRESS)
        return facts

    async def brave(self, script: Script, limits: LiveLimits = PATIENT) -> MxTlsFacts:
        """Return what a script shows."""
        with hostile(script) as port:
            facts, _ = await self.at(port, limits=limits)
        return facts


@pytest.fixture(scope="module")
def sender(trust: Trust) -> Sender:
    return Sender(trust)


def says(*answers: bytes, heard: list[bytes] | None = None) -> Script:
    """Return a script that sends one answer after the other, each but the first to a command, and then closes."""

    async def script(reader: StreamReader, writer: StreamWriter) -> None:
        for number, answer in enumerate(answers):
            if number:
                command = await reader.readline()
                if heard is not None:
                    heard.append(command)
            writer.write(answer)
            await writer.drain()
        command = await reader.readline()
        if heard is not None and command:
            heard.append(command)

    return script


def waits(*answers: bytes) -> Script:
    """Return a script that does the same, but never closes."""

    async def script(reader: StreamReader, writer: StreamWriter) -> None:
        await says(*answers)(reader, writer)
        await reader.read()

    return script


def repeats(beginning: bytes, again: bytes, seconds: float = 0.0) -> Script:
    """Return a script that sends one thing and then another for ever."""

    async def script(_: StreamReader, writer: StreamWriter) -> None:
        writer.write(beginning)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(seconds)

    return script


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("good", []),
        ("wildcard", []),
        ("intermediate", []),
        ("expired", [(10, 0)]),
        ("not-yet-valid", [(9, 0)]),
        ("self-signed", [(18, 0)]),
        ("wrong-name", []),
        ("common-name-only", []),
        ("weak-key", []),
        ("huge", []),
    ],
)
async def test_every_certificate_is_seen_with_what_is_wrong_with_it(
    sender: Sender, authority: Authority, kind: str, found: list[tuple[int, int]]
) -> None:
    facts = await sender.meet(server_context(kind, MX, authority))
    assert (facts.outcome, facts.reason, facts.failures) == ("starttls", "", ())
    [face] = facts.faces
    assert face.version == "TLSv1.3"
    assert face.faults == tuple(Fault(code=code, depth=depth) for code, depth in found)
    assert (facts.without_sni, facts.without_sni_outcome, facts.old_version) == (None, "", "")


async def test_an_untrusted_chain_is_seen_whole(sender: Sender, authority: Authority) -> None:
    [face] = (await sender.meet(server_context("untrusted", MX, authority))).faces
    assert len(face.chain) == 2
    assert [fault.code for fault in face.faults] == [19]


@pytest.mark.parametrize("kind", ["good", "self-signed", "tls10", "tls12", "sni", None])
async def test_two_looks_at_an_unchanged_server_find_the_same(
    sender: Sender, authority: Authority, kind: str | None
) -> None:
    with mx_servers({ADDRESS: None if kind is None else server_context(kind, MX, authority)}) as port:
        first, _ = await sender.at(port, ADDRESS)
        second, _ = await sender.at(port, ADDRESS)
    assert first == second
    assert MxTlsFacts.model_validate_json(first.model_dump_json()) == first


async def test_two_looks_at_an_unchanged_pool_find_the_same_wherever_they_begin(
    sender: Sender, authority: Authority
) -> None:
    pool = [server_context(kind, MX, authority) for kind in ("good", "expired")]
    with mx_servers({ADDRESS: pool}) as port:
        first, _ = await sender.at(port, ADDRESS)
        second, _ = await sender.at(port, ADDRESS)  # an odd number of connections later: the other one begins
    assert first == second
    assert sorted(len(face.faults) for face in first.faces) == [0, 1]
    assert (first.failures, first.without_sni) == ((), None)


async def test_a_pool_with_one_that_has_no_tls_has_its_outcome_among_the_failures(
    sender: Sender, authority: Authority
) -> None:
    pool = [server_context(kind, MX, authority) for kind in ("good", "tls10")]
    facts = await sender.meet(pool)
    assert (facts.outcome, facts.failures, len(facts.faces)) == ("starttls", ("tls-failed",), 1)
    assert facts.without_sni_outcome == ""  # it fails with SNI just as well


async def test_a_pool_is_seen_whole_although_the_first_of_it_has_no_starttls(
    sender: Sender, authority: Authority
) -> None:
    pool = [None, server_context("good", MX, authority), server_context("expired", MX, authority)]
    with mx_servers({ADDRESS: pool}) as port:
        first, _ = await sender.at(port, ADDRESS)
        second, _ = await sender.at(port, ADDRESS)  # five connections later: another one begins
    assert first == second
    assert (first.outcome, first.failures, len(first.faces)) == ("starttls", ("starttls-not-offered",), 2)
    assert first.without_sni is None  # what the pool shows with SNI as well says nothing about SNI


async def test_a_server_without_starttls_is_asked_twice_and_its_keywords_are_the_reason(sender: Sender) -> None:
    heard: list[bytes] = []
    answer = b"250-mx1.example.com\r\n250-PIPELINING\r\n250-Size 1000\r\n250 HELP\r\n"
    facts = await sender.brave(says(BANNER, answer, b"221 bye\r\n", heard=heard))
    assert (facts.outcome, facts.reason) == ("starttls-not-offered", "keywords: PIPELINING SIZE HELP")
    assert heard == [b"EHLO probe.example\r\n", b"QUIT\r\n"] * 2


async def test_a_masked_starttls_is_not_offered_and_shown(sender: Sender) -> None:
    for masked in (b"XXXXXXXA", b"XSTARTTLS"):
        facts = await sender.brave(says(BANNER, b"250-mx1\r\n250 " + masked + b"\r\n", b"221 bye\r\n"))
        assert (facts.outcome, facts.reason) == ("starttls-not-offered", f"keywords: {masked.decode()}")


async def test_starttls_in_small_letters_is_offered(sender: Sender) -> None:
    facts = await sender.brave(says(BANNER, b"250-mx1\r\n250 starttls\r\n", b"454 later\r\n", b"221 bye\r\n"))
    assert facts.outcome == "starttls-refused"


async def test_tls_1_0_alone_is_too_old_and_its_face_is_shown(sender: Sender, authority: Authority) -> None:
    facts = await sender.meet(server_context("tls10", MX, authority))
    assert (facts.outcome, facts.old_version, facts.failures) == ("tls-too-old", "TLSv1", ())
    assert [face.version for face in facts.faces] == ["TLSv1"]


async def test_another_certificate_without_sni_is_shown_apart(sender: Sender, authority: Authority) -> None:
    facts = await sender.meet(server_context("sni", MX, authority))
    [face] = facts.faces
    assert face.chain[0].names == (MX,)
    assert facts.without_sni is not None
    assert facts.without_sni.chain[0].names == ("localhost",)


async def test_a_server_that_demands_sni_is_told_apart(sender: Sender, authority: Authority) -> None:
    def demand(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int | None:
        return None if name else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context = server_context("good", MX, authority)
    context.sni_callback = demand
    facts = await sender.meet(context)
    assert (facts.outcome, facts.without_sni, facts.without_sni_outcome) == ("starttls", None, "tls-failed")


@pytest.mark.parametrize(
    ("answers", "outcome", "reason"),
    [
        ([b"554 5.7.1 no\r\n"], "banner-refused", "554 5.7.1 no"),
        ([b"421-busy\r\n421 later\r\n"], "banner-refused", "421 busy later"),
        ([BANNER, b"502 what?\r\n"], "ehlo-refused", "502 what?"),
        ([BANNER, KEYWORDS, b"454 TLS not available\r\n"], "starttls-refused", "454 TLS not available"),
        ([BANNER, KEYWORDS, b"501\r\n"], "starttls-refused", "501"),
    ],
)
async def test_a_refusal_is_named_and_answered_with_quit(
    sender: Sender, answers: list[bytes], outcome: str, reason: str
) -> None:
    heard: list[bytes] = []
    facts = await sender.brave(says(*answers, b"221 bye\r\n", heard=heard))
    assert (facts.outcome, facts.reason) == (outcome, reason)
    assert heard.count(b"QUIT\r\n") == 2


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (repeats(b"", b"220-and more\r\n"), "banner: an answer beyond 64 lines"),
        (repeats(b"220 ", b"x" * 10_000_000), "banner: a line beyond 1024 bytes"),
        (says(b"220 " + b"x" * 1_030 + b"\r\n"), "banner: a line beyond 1024 bytes"),
        (says(b"SSH-2.0-OpenSSH\r\n"), "banner: a line that is not SMTP"),
        (says(b"\x00\xff\r\n"), "banner: a line that is not SMTP"),
        (says(b"\r\n"), "banner: a line that is not SMTP"),
        (says(b"2200 mx1\r\n"), "banner: a line that is not SMTP"),
        (says(b"199 mx1\r\n"), "banner: a line that is not SMTP"),
        (says(BANNER, b"250-mx1\r\n220 STARTTLS\r\n"), "EHLO: different codes in one answer"),
        (says(BANNER, KEYWORDS, b"go\r\n"), "STARTTLS: a line that is not SMTP"),
    ],
    ids=["endless", "10 MB", "long", "SSH", "bytes", "empty", "four digits", "199", "two codes", "STARTTLS"],
)
async def test_what_is_not_smtp_is_a_bad_answer_within_bounds(sender: Sender, script: Script, reason: str) -> None:
    facts = await sender.brave(script)
    assert (facts.outcome, facts.reason) == ("bad-answer", reason)


@pytest.mark.parametrize(
    ("script", "step"),
    [
        (waits(), "banner"),
        (repeats(b"", b"2", 0.02), "banner"),
        (repeats(b"", b"220-slow\r\n", 0.02), "banner"),
        (waits(BANNER), "EHLO"),
        (waits(BANNER, KEYWORDS), "STARTTLS"),
        (waits(BANNER, KEYWORDS, GO), "TLS handshake"),
    ],
    ids=["never a word", "drips bytes", "drips lines", "EHLO", "STARTTLS", "TLS hangs"],
)
async def test_silence_ends_with_the_time_and_says_at_what(sender: Sender, script: Script, step: str) -> None:
    began = time.monotonic()
    facts = await sender.brave(script, IMPATIENT)
    assert (facts.outcome, facts.reason) == ("silent", f"{step}: no answer in 0.5 s")
    assert time.monotonic() - began < 5.0


@pytest.mark.parametrize(
    ("answers", "outcome", "reason"),
    [
        ([], "closed", "banner: connection closed"),
        ([b"220-mx1"], "closed", "banner: connection closed"),
        ([BANNER], "closed", "EHLO: connection closed"),
        ([BANNER, KEYWORDS], "closed", "STARTTLS: connection closed"),
        ([BANNER, KEYWORDS, GO], "tls-failed", "connection closed in the TLS handshake"),
    ],
    ids=["at once", "in a line", "EHLO", "STARTTLS", "TLS"],
)
async def test_a_server_that_hangs_up_is_told_by_when(
    sender: Sender, answers: list[bytes], outcome: str, reason: str
) -> None:
    async def script(reader: StreamReader, writer: StreamWriter) -> None:
        for number, answer in enumerate(answers):
            if number:
                await reader.readline()
            writer.write(answer)
        if len(answers) > 1 or b"\n" in b"".join(answers):
            await reader.read(1)

    facts = await sender.brave(script)
    assert (facts.outcome, facts.reason) == (outcome, reason)


@pytest.mark.parametrize(
    "garbage", [b"250 go on\r\n", b"\x16\x03\x03 nothing of the sort" * 1_000], ids=["SMTP", "TLS"]
)
async def test_garbage_in_tls_is_a_failure_of_tls(sender: Sender, garbage: bytes) -> None:
    async def script(reader: StreamReader, writer: StreamWriter) -> None:
        await says(BANNER, KEYWORDS)(reader, writer)
        writer.write(GO)
        await reader.read(1)
        writer.write(garbage)
        await reader.read()

    facts = await sender.brave(script)
    assert facts.outcome == "tls-failed"
    assert facts.reason


async def test_plain_text_between_the_answer_and_tls_is_named_and_no_tls_is_claimed(
    sender: Sender, authority: Authority
) -> None:
    context = server_context("good", MX, authority)

    async def script(reader: StreamReader, writer: StreamWriter) -> None:
        await says(BANNER, KEYWORDS)(reader, writer)
        writer.write(GO + b"250 injected\r\n")
        await writer.start_tls(context)

    facts = await sender.brave(script)
    assert (facts.outcome, facts.faces) == ("plaintext-after-starttls", ())
    assert facts.reason == "14 bytes between the answer and TLS"


@pytest.mark.parametrize("bye", [b"221 bye\r\n", b"", b"nothing of the sort\r\n"], ids=["polite", "closes", "garbage"])
async def test_every_connection_ends_with_quit_under_tls(sender: Sender, authority: Authority, bye: bytes) -> None:
    context = server_context("good", MX, authority)
    heard: list[bytes] = []

    async def script(reader: StreamReader, writer: StreamWriter) -> None:
        await says(BANNER, KEYWORDS)(reader, writer)
        writer.write(GO)
        await writer.start_tls(context)
        heard.append(await reader.readline())
        writer.write(bye)

    facts = await sender.brave(script)
    assert (facts.outcome, facts.reason) == ("starttls", "")
    assert heard == [b"QUIT\r\n"] * 4  # three tries and one without SNI; nothing is left of the one with old TLS


async def test_a_server_that_never_says_goodbye_is_left_after_a_while(sender: Sender, authority: Authority) -> None:
    context = server_context("good", MX, authority)

    async def script(reader: StreamReader, writer: StreamWriter) -> None:
        await says(BANNER, KEYWORDS)(reader, writer)
        writer.write(GO)
        await writer.start_tls(context)
        await reader.read()

    began = time.monotonic()
    facts = await sender.brave(script, LIVE_LIMITS._replace(goodbye_seconds=0.1))
    assert facts.outcome == "starttls"
    assert time.monotonic() - began < 5.0


async def test_time_that_runs_out_at_the_goodbye_does_not_undo_tls(sender: Sender, authority: Authority) -> None:
    context = server_context("good", MX, authority)

    async def script(reader: StreamReader, writer: StreamWriter) -> None:
        await says(BANNER, KEYWORDS)(reader, writer)
        writer.write(GO)
        await writer.start_tls(context)
        await reader.read()

    facts = await sender.brave(script, LIVE_LIMITS._replace(connection_seconds=1.0, goodbye_seconds=9.0, tries=1))
    assert (facts.outcome, facts.reason, facts.failures) == ("starttls", "", ())


async def test_a_host_without_a_name_of_its_own_says_its_address(sender: Sender) -> None:
    heard: list[bytes] = []
    with hostile(says(BANNER, b"502 no\r\n", b"221 bye\r\n", heard=heard)) as port:
        await sender.at(port, ehlo_name="")
    name = socket.gethostname()
    assert heard[0].decode() == f"EHLO {name if '.' in name else '[127.0.0.1]'}\r\n"


def test_an_address_in_place_of_a_name_is_written_as_a_literal() -> None:
    assert smtp.own_name("localhost", "192.0.2.1") == "[192.0.2.1]"
    assert smtp.own_name("localhost", "fe80::1%eth0") == "[IPv6:fe80::1]"
    assert smtp.own_name("probe.example", "192.0.2.1") == "probe.example"


@pytest.fixture
def nobody() -> Iterator[int]:
    """Yield a port that is taken, but where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


async def test_nobody_there_is_a_refusal_of_the_connection(sender: Sender, nobody: int) -> None:
    facts, measures = await sender.at(nobody)
    assert (facts.outcome, facts.reason) == ("refused", "connection refused")
    assert measures.banner == ""


async def test_a_host_that_takes_no_connection_is_given_up_in_time(sender: Sender) -> None:
    with socket.socket() as full, ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)  # noqa: FBT003 - socket's own
            one.connect_ex(full.getsockname())
        facts, _ = await sender.at(full.getsockname()[1], limits=IMPATIENT)
    assert (facts.outcome, facts.reason) == ("timeout", "connection: no answer in 0.5 s")


async def test_the_banner_and_the_time_are_measures_and_no_facts(sender: Sender, authority: Authority) -> None:
    with mx_servers({ADDRESS: server_context("good", MX, authority)}) as port:
        facts, measures = await sender.at(port, ADDRESS)
    assert measures.banner.startswith("mx.example.com")
    assert measures.seconds is not None
    assert measures.banner not in facts.model_dump_json()


async def test_text_in_any_bytes_fits_the_facts(sender: Sender) -> None:
    long = b"".join(b"554-" + b"\xff" * 1_000 + b"\r\n" for _ in range(60)) + b"554 \x1b[2J\r\n"
    facts = await sender.brave(says(long, b"221 bye\r\n"))
    assert (facts.outcome, len(facts.reason)) == ("banner-refused", 4_096)
    facts = await sender.brave(says(BANNER, b"250-mx1\r\n" * 63 + b"250 " + b"\xff" * 1_000 + b"\r\n", b"221 bye\r\n"))
    assert (facts.outcome, len(facts.reason)) == ("starttls-not-offered", 4_096)
