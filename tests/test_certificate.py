"""Certificates as senders judge them, seen in handshakes with servers that show them."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import certificates
import pytest
from certificates import Authority, Issuer, Shown, server_context, shown
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dh, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from loaders.wire import Trust, Wire
from tlsrpt.certificate import Certificate, expiry, faults, listed, matches, parsed, public_key, read
from tlsrpt.mta_sts import matches as covered
from tlsrpt.published import Face, Fault

if TYPE_CHECKING:
    import ssl

HOST = "mx1.example.com"
NOW = datetime.now(UTC).replace(tzinfo=None)  # the builders make certificates for it
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def trust(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(authority.write(tmp_path_factory.mktemp("trust")))


async def look(context: ssl.SSLContext, trust: Trust, name: str | None = HOST) -> Face:
    """Return what a server with this end of TLS shows."""
    done = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.read()
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
        done.set()

    async with asyncio.timeout(10):
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        async with server:
            wire = await Wire.connect("127.0.0.1", server.sockets[0].getsockname()[1])
            face = await wire.secure(trust, name)
            await wire.close()
            await done.wait()
    return face


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def names_of(face: Face, host: str = HOST, now: datetime = NOW) -> set[str]:
    return {fault.name for fault in faults(face, host, now)}


@pytest.mark.parametrize(
    ("kind", "codes", "found"),
    [
        ("good", set(), set()),
        ("wildcard", set(), set()),
        ("intermediate", set(), set()),
        ("no-aki", set(), set()),
        ("huge", set(), set()),
        ("wrong-name", set(), {"certificate-name-mismatch"}),
        ("common-name-only", set(), {"certificate-common-name-only"}),
        ("partial-wildcard", set(), {"certificate-partial-wildcard"}),
        ("weak-key", set(), {"certificate-weak-key"}),
        ("expired", {(0, 10)}, {"certificate-expired"}),
        ("not-yet-valid", {(0, 9)}, {"certificate-not-yet-valid"}),
        ("self-signed", {(0, 18)}, {"certificate-self-signed"}),
        ("untrusted", {(1, 19)}, {"certificate-not-trusted"}),
        (
            "missing-intermediate",
            {(0, 20), (0, 21)},
            {"certificate-not-trusted", "certificate-chain-incomplete"},
        ),
        ("expired-intermediate", {(1, 10)}, {"certificate-intermediate-expired"}),
        (
            "many-faults",
            {(1, 19), (0, 10)},
            {"certificate-expired", "certificate-name-mismatch", "certificate-not-trusted"},
        ),
    ],
)
async def test_every_objection_is_noted_and_every_fault_found(
    kind: str, codes: set[tuple[int, int]], found: set[str], authority: Authority, trust: Trust
) -> None:
    face = await look(server_context(kind, HOST, authority), trust)
    assert {(fault.depth, fault.code) for fault in face.faults} == codes
    assert names_of(face) == found
    # As it was sent: OpenSSL's own chain would have the root of the file as well.
    assert len(face.chain) == len(shown(kind, HOST, authority).chain)


async def test_a_look_is_judged_as_of_another_day(authority: Authority, trust: Trust) -> None:
    face = await look(server_context("good", HOST, authority), trust)
    assert names_of(face, now=NOW + 90 * DAY) == {"certificate-expired"}
    assert names_of(face, now=NOW - 90 * DAY) == {"certificate-not-yet-valid"}


async def test_without_a_name_a_server_may_show_another_certificate(authority: Authority, trust: Trust) -> None:
    context = server_context("sni", HOST, authority)
    assert names_of(await look(context, trust)) == set()
    assert "certificate-self-signed" in names_of(await look(context, trust, None))


async def test_certificates_that_nobody_needs_are_in_the_chain_and_no_fault(authority: Authority, trust: Trust) -> None:
    leaf = shown("good", HOST, authority)
    stranger = Authority("Stranger").root.certificate
    face = await look(certificates._context(Shown(leaf.key, (*leaf.chain, stranger))), trust)
    assert [certificate.common_name for certificate in face.chain] == [HOST, "Stranger"]
    assert names_of(face) == set()


async def test_of_a_chain_without_end_the_leaf_and_its_faults_are_kept(authority: Authority, trust: Trust) -> None:
    signer = authority.root
    chain: list[x509.Certificate] = []
    for number in range(90):
        key = certificates._key(f"link {number % 2}")
        made = certificates._made(f"link {number}", key, signer, authority=True, begins=-9 * DAY, ends=-8 * DAY)
        signer = Issuer(made, key)
        chain.insert(0, made)
    face = await look(certificates._context(Shown(signer.key, tuple(chain))), trust)
    assert [certificate.common_name for certificate in face.chain] == [f"link {89 - number}" for number in range(16)]
    assert len(face.faults) == 64
    assert face.faults[0].depth == 0


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        (["*.example.com"], "mx1.example.com", True),
        (["*.example.com"], "mx1.eu.example.com", False),
        (["*.example.com"], "example.com", False),
        (["example.com"], "mx1.example.com", False),
        (["MX1.Example.com."], "mx1.example.com.", True),
        (["m*.example.com"], "mx1.example.com", False),
        (["mx1.*.com"], "mx1.example.com", False),
        (["*.com"], "example.com", False),
        (["*"], "mx1", False),
        ([], "mx1.example.com", False),
    ],
)
def test_a_wildcard_is_the_whole_first_label_for_one_label(names: list[str], host: str, *, expected: bool) -> None:
    assert matches(names, host) is expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("*.example.com",), set()),
        ((), {"certificate-common-name-only"}),
        (("example.com",), {"certificate-common-name-only"}),
    ],
    ids=["M06", "M07", "M08"],
)
def test_only_the_names_of_the_san_count(names: tuple[str, ...], expected: set[str], authority: Authority) -> None:
    made = certificates._made(HOST, certificates._key("leaf"), authority.root, names=names)
    assert names_of(Face(version="", cipher="", chain=(read(der(made)),))) == expected


def test_m09_a_wildcard_of_the_certificate_is_not_one_of_the_policy(authority: Authority) -> None:
    host = "mx1.eu.example.com"
    made = certificates._made("elsewhere", certificates._key("leaf"), authority.root, names=("*.example.com",))
    assert covered(host, "*.eu.example.com")
    assert names_of(Face(version="", cipher="", chain=(read(der(made)),)), host) == {"certificate-name-mismatch"}


def test_an_address_in_the_san_is_no_name(authority: Authority) -> None:
    key = certificates._key("leaf")
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("192.0.2.1"))]), critical=True)
        .sign(authority.root.key, hashes.SHA256())
    )
    certificate = read(der(made))
    assert certificate.names == ()
    face = Face(version="", cipher="", chain=(certificate,))
    assert names_of(face, "192.0.2.1") == names_of(face) == {"certificate-no-names"}


def test_a_weak_signature_counts_unless_it_is_that_of_a_root(authority: Authority) -> None:
    leaf = read(der(shown("good", HOST, authority).chain[0])).model_copy(update={"signature": "sha1"})
    assert names_of(Face(version="", cipher="", chain=(leaf,))) == {"certificate-weak-signature"}
    own = leaf.model_copy(update={"issuer": leaf.subject})
    assert names_of(Face(version="", cipher="", chain=(own,))) == set()


@pytest.mark.parametrize("date", ["not_before", "not_after"])
def test_a_certificate_holds_to_the_second_of_both_its_dates(date: str, authority: Authority) -> None:
    leaf = read(der(shown("good", HOST, authority).chain[0]))
    face = Face(version="", cipher="", chain=(leaf,))
    moment = getattr(leaf, date)
    beyond = {"not_before": -timedelta(seconds=1), "not_after": timedelta(seconds=1)}[date]
    assert names_of(face, now=moment) == set()
    assert len(names_of(face, now=moment + beyond)) == 1


@pytest.mark.parametrize(
    ("life", "left", "expected"),
    [
        (90, 15, "ok"),
        (90, 14, "ok"),
        (90, 13.99, "warn"),
        (90, 9, "warn"),  # V15
        (90, 3, "warn"),
        (90, 2.99, "fail"),
        (90, 0, "fail"),
        (90, -0.01, "expired"),
        (6.6, 3, "ok"),  # V15: a third is 2.2 days
        (6.6, 2.19, "warn"),
        (6.6, 0.65, "fail"),  # a tenth is 0.66 days
        (30, 10, "ok"),  # a third to the second
        (30, 3, "warn"),  # a tenth too
    ],
)
def test_how_near_the_end_is_depends_on_the_lifetime(life: float, left: float, expected: str) -> None:
    end = NOW + left * DAY
    certificate = Certificate.model_construct(der="", not_before=end - life * DAY, not_after=end)
    assert expiry(certificate, NOW) == expected


def altered(authority: Authority, was: bytes, becomes: bytes) -> bytes:
    good = der(shown("good", HOST, authority).chain[0])
    assert was in good
    return good.replace(was, becomes, 1)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (bytes.fromhex("a003020102"), bytes.fromhex("a003020103")),  # version 4, which there is not
        (b"\x82\x0fmx1", b"\xa3\x0fmx1"),  # an X.400 address for a name
        (b"\x82\x0fmx1", b"\x82\x0f\xffx1"),
        (b"Z\x17\x0d", b"Y\x17\x0d"),  # not_before, and how not_after begins
    ],
    ids=["version", "name of another kind", "name beyond ASCII", "date"],
)
def test_an_odd_certificate_says_that_it_cannot_be_read(was: bytes, becomes: bytes, authority: Authority) -> None:
    certificate = read(altered(authority, was, becomes))
    assert certificate.unreadable
    face = Face(version="", cipher="", chain=(certificate,))
    assert names_of(face) == {"certificate-unreadable"}


@pytest.mark.parametrize("text", ["", "!", "AAAA", "ä"])
def test_what_is_no_certificate_says_so_too(text: str) -> None:
    assert Certificate(der=text).unreadable


def test_a_certificate_beyond_the_bound_cannot_be_read(authority: Authority) -> None:
    key = certificates._key("leaf")
    names = tuple(f"host{number}.example.com" for number in range(6_000))
    whole = der(certificates._made(HOST, key, authority.root, names=names))
    assert len(whole) > 96 << 10
    assert names_of(Face(version="", cipher="", chain=(read(whole),))) == {"certificate-unreadable"}
    with pytest.raises(ValidationError):
        Certificate(der=base64.b64encode(whole).decode())


def test_of_a_huge_certificate_that_is_within_it_so_many_names_are_kept(authority: Authority) -> None:
    certificate = read(der(shown("huge", HOST, authority).chain[0]))
    assert len(certificate.names) == 1_000
    assert certificate.names[0] == HOST


@given(st.binary(max_size=2_000))
def test_no_bytes_make_a_certificate_fail(content: bytes) -> None:
    assert read(content).unreadable


GOOD = der(shown("intermediate", HOST, Authority()).chain[0])
_PLACES = st.integers(0, len(GOOD) - 1)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(_PLACES, st.binary(max_size=3)), min_size=1, max_size=4), _PLACES | st.none())
def test_no_change_makes_a_certificate_fail(changes: list[tuple[int, bytes]], end: int | None) -> None:
    content = bytearray(GOOD[:end])
    for place, new in changes:
        content[place : place + len(new)] = new
    certificate = read(bytes(content))
    face = Face(version="", cipher="", chain=(certificate, certificate), faults=(Fault(code=20, depth=0),))
    faults(face, HOST, NOW)
    expiry(certificate, NOW)
    assert Certificate.model_validate_json(certificate.model_dump_json()) == certificate


def test_what_a_file_says_of_a_certificate_is_not_believed(authority: Authority) -> None:
    good = read(der(shown("wrong-name", HOST, authority).chain[0]))
    told = good.model_dump() | {"names": (HOST,), "not_after": None, "common_name": HOST, "issuer": "CN=Nobody"}
    assert Certificate.model_validate(told) == good
    assert Certificate.model_validate_json(json.dumps(told, default=str)) == good
    unread = {"der": "", "names": [HOST], "unreadable": ""}
    assert Certificate.model_validate(unread).names == ()
    assert Certificate.model_validate(unread).unreadable


def test_no_certificate_is_a_fault_of_its_own() -> None:
    assert names_of(Face(version="", cipher="", chain=())) == {"certificate-none"}


def test_of_many_names_the_first_are_told() -> None:
    assert listed([f"n{number}" for number in range(12)]) == "n0, n1, n2, n3, n4 and 7 more"


OAKLEY_1 = int(  # RFC 2409 section 6.1
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd"
    "ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a3620ffffffffffffffff",
    16,
)


def sequence(inside: bytes) -> bytes:
    """Return a SEQUENCE in DER, of more than 127 bytes."""
    size = len(inside).to_bytes(1 if len(inside) < 256 else 2, "big")
    return bytes([0x30, 0x80 + len(size)]) + size + inside


def content(der: bytes) -> bytes:
    """Return what is in a SEQUENCE of more than 127 bytes."""
    return der[2 + (der[1] & 0x7F) :]


@pytest.mark.filterwarnings("ignore:Diffie-Hellman")
def test_a_diffie_hellman_key_is_named_and_never_read() -> None:
    key, name = rsa.generate_private_key(65_537, 1_024), x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    signed = made.sign(key, hashes.SHA256())
    whole, inner = signed.public_bytes(Encoding.DER), signed.tbs_certificate_bytes
    numbers = dh.DHPublicNumbers(5, dh.DHParameterNumbers(OAKLEY_1, 2))
    as_key = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    before, after = key.public_key().public_bytes(*as_key), numbers.public_key().public_bytes(*as_key)
    assert before in inner
    changed = sequence(content(inner).replace(before, after))
    found = read(sequence(changed + content(whole)[len(inner) :]))
    assert (found.key, found.unreadable) == ("DH", "")
    with pytest.raises(UnsupportedAlgorithm):
        public_key(parsed(found.der))
