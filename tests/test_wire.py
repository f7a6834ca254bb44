"""Connections to servers that leave, hang or speak nonsense, and what is trusted on them."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from certificates import Authority, server_context
from mx_server import Script, hostile

from loaders.wire import Trust, Wire, WireError
from tlsrpt.published import Face, Fault

NAME = "mx1.example.com"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def trust(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(authority.write(tmp_path_factory.mktemp("trust")))


@asynccontextmanager
async def wired(script: Script) -> AsyncIterator[Wire]:
    """Yield a connection to a script."""
    with hostile(script) as port:
        wire = await Wire.connect("127.0.0.1", port)
        try:
            yield wire
        finally:
            await wire.close()
            await asyncio.sleep(0)  # the connection ends with this turn of the loop, before the server is stopped


def secured(context: ssl.SSLContext, *parts: bytes) -> Script:
    """Return a script that starts TLS, sends something, and waits for the other side to leave."""

    async def script(reader: StreamReader, writer: StreamWriter) -> None:
        await writer.start_tls(context)
        writer.writelines(parts)
        await reader.read()

    return script


async def hangs(reader: StreamReader, _: StreamWriter) -> None:
    await reader.read()


async def leaves(reader: StreamReader, _: StreamWriter) -> None:
    await reader.read(1)


async def resets(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read(1)
    writer.transport.abort()


async def never_reads(_: StreamReader, writer: StreamWriter) -> None:
    assert isinstance(writer.transport, asyncio.Transport)
    writer.transport.pause_reading()
    await asyncio.Event().wait()


async def _write_on(wire: Wire) -> None:
    while True:
        await wire.write(b"x" * 100_000)


@pytest.mark.parametrize("script", [leaves, resets])
async def test_a_server_that_leaves_in_the_handshake_has_no_tls(trust: Trust, script: Script) -> None:
    async with wired(script) as wire:
        with pytest.raises(WireError, match="connection closed in the TLS handshake") as caught:
            await wire.secure(trust, NAME)
    assert caught.value.outcome == "tls-failed"


async def test_silence_in_the_handshake_is_for_the_clock_of_the_caller_to_end(trust: Trust) -> None:
    async with wired(hangs) as wire:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await wire.secure(trust, NAME)


async def test_an_answer_that_is_not_tls_is_a_failure_in_the_words_of_openssl(trust: Trust) -> None:
    async def script(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"220 not yet\r\n")
        await reader.read()

    async with wired(script) as wire:
        with pytest.raises(WireError) as caught:
            await wire.secure(trust, NAME)
    assert (caught.value.outcome, caught.value.reason) == ("tls-failed", "wrong version number")


async def test_tls_1_0_is_met_only_by_whoever_asks_for_old_versions(trust: Trust, authority: Authority) -> None:
    script = secured(server_context("tls10", NAME, authority))
    async with wired(script) as wire:
        assert (await wire.secure(trust, NAME, old=True)).version == "TLSv1"
    async with wired(script) as wire:
        with pytest.raises(WireError) as caught:
            await wire.secure(trust, NAME)
    assert caught.value.outcome == "tls-failed"


async def test_a_server_of_today_is_not_met_with_old_versions(trust: Trust, authority: Authority) -> None:
    async with wired(secured(server_context("good", NAME, authority))) as wire:
        with pytest.raises(WireError) as caught:
            await wire.secure(trust, NAME, old=True)
    assert caught.value.outcome == "tls-failed"


async def test_a_bad_certificate_is_seen_and_ends_nothing(trust: Trust, authority: Authority) -> None:
    async with wired(secured(server_context("expired", NAME, authority), b"220 hello\r\n")) as wire:
        face = await wire.secure(trust, NAME)
        assert await wire.read() == b"220 hello\r\n"
    assert face.faults == (Fault(code=10, depth=0),)


async def test_a_certificate_of_the_common_list_alone_is_not_believed_where_a_file_replaces_it(
    authority: Authority,
) -> None:
    async with wired(secured(server_context("good", NAME, authority))) as wire:
        face = await wire.secure(Trust(), NAME)
    assert [fault.code for fault in face.faults] == [20, 21]  # the authority of the tests is on no list


@pytest.mark.parametrize("name", ["x" * 300, "müx.example", "\\000.example", "a..b", ""])
async def test_any_name_can_be_asked_for(trust: Trust, authority: Authority, name: str) -> None:
    async with wired(secured(server_context("good", NAME, authority))) as wire:
        try:
            assert isinstance(await wire.secure(trust, name), Face)
        except WireError as error:
            assert error.outcome == "tls-failed"  # noqa: PT017 - either is right, nothing else is


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_server_that_never_reads_holds_up_only_as_long_as_the_caller_waits(
    trust: Trust, authority: Authority, *, encrypted: bool
) -> None:
    context = server_context("good", NAME, authority)

    async def script(reader: StreamReader, writer: StreamWriter) -> None:
        if encrypted:
            await writer.start_tls(context)
        await never_reads(reader, writer)

    async with wired(script) as wire:
        if encrypted:
            await wire.secure(trust, NAME)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_write_on(wire), 0.5)


async def test_the_end_of_plain_text_is_nothing_more_to_read() -> None:
    async def script(_: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"220 ")

    async with wired(script) as wire:
        assert await wire.read() == b"220 "
        assert await wire.read() == b""
        assert wire.local_address == "127.0.0.1"


async def test_an_end_without_the_goodbye_of_tls_is_told_from_one_with_it(trust: Trust, authority: Authority) -> None:
    context = server_context("tls12", NAME, authority)

    async def cut(reader: StreamReader, writer: StreamWriter) -> None:
        await writer.start_tls(context)
        await reader.read(1)
        writer.transport.abort()

    async def polite(reader: StreamReader, writer: StreamWriter) -> None:
        await writer.start_tls(context)
        await reader.read(1)

    async with wired(polite) as wire:
        await wire.secure(trust, NAME)
        await wire.write(b"x")
        assert await wire.read() == b""
    async with wired(cut) as wire:
        await wire.secure(trust, NAME)
        await wire.write(b"x")
        with pytest.raises(WireError) as caught:
            await wire.read()
    assert caught.value.outcome == "closed"


def test_a_file_without_certificates_is_not_trusted(tmp_path: Path) -> None:
    for content in (b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (tmp_path / "file.pem").write_bytes(content)
        with pytest.raises(ValueError, match="has no certificates in PEM form"):
            Trust(str(tmp_path / "file.pem"))


def test_a_file_that_is_not_there_or_not_a_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Trust(str(tmp_path / "missing.pem"))
    with pytest.raises(IsADirectoryError):
        Trust(str(tmp_path))
