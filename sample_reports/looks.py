"""Live checks of the sample domains, as `tlsrpt check --format json` writes them, the same bytes every time.

Everything is made up here as well: keys come from their names, signatures are deterministic, addresses are
documentation addresses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tlsrpt.certificate import read
from tlsrpt.check_file import checks_json
from tlsrpt.published import (
    Answer,
    Check,
    Face,
    Fault,
    FetchFacts,
    HostFacts,
    Measures,
    Mx,
    MxFacts,
    MxTlsFacts,
    Observation,
    Tlsa,
    TlsaFacts,
    TxtFacts,
)

LAPSED = {"mx2.example.org": date(2026, 3, 8)}
VANTAGE = "mail.osier.example"  # a server that reaches port 25
AT = time(6)  # UTC, of every look
FOUND, NONE = Answer(status="found", secure=False), Answer(status="none", secure=False)
# Days on which everything was looked at, beside those on which something had changed.
DAYS = [date(2026, 2, 14), date(2026, 2, 27), date(2026, 3, 3), date(2026, 3, 6), date(2026, 3, 9), date(2026, 3, 20)]


class Site(NamedTuple):
    """A domain on one day."""

    domain: str
    id: str
    mode: str
    max_age: int
    policy_mx: tuple[str, ...]
    mx: tuple[str, ...]  # in order of preference
    ends: Mapping[str, date] = MappingProxyType({})  # of the certificate of an MX, if it was not renewed
    named: Mapping[str, str] = MappingProxyType({})  # what the certificate of an MX is for, if not for it
    dane: bool = False


def sites(day: date) -> list[Site]:
    """Return every domain as it stood on a day."""

    def two(domain: str) -> tuple[str, ...]:
        return f"mx1.{domain}", f"mx2.{domain}"

    third = ("mx3.example.net",) if day >= date(2026, 3, 2) else ()
    enforced = day >= date(2026, 3, 6)
    failing = day >= date(2026, 3, 8)
    at_clinic = ("20260306T050000", "enforce", 2_592_000) if enforced else ("20260212T100000", "testing", 86_400)
    renamed = {"mx2.clinic.example": "mail.clinic.example"} if failing else {}
    testing = "testing", 86_400
    return [
        Site("example.com", "20260212T090000", *testing, two("example.com"), two("example.com"), dane=True),
        Site("example.org", "20260212T091500", *testing, two("example.org"), two("example.org"), ends=LAPSED),
        Site("example.net", "20260212T093000", *testing, two("example.net"), two("example.net") + third),
        Site("bakery.example", "20260212T094500", "testing", 604_800, ("mx.bakery.example",), ("mx.bakery.example",)),
        Site("clinic.example", *at_clinic, two("clinic.example"), two("clinic.example"), named=renamed),
    ]


@cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the key of a name."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") >> 1
    return ec.derive_private_key(number, ec.SECP256R1())


@cache
def certificate(name: str, ends: date, signer: str) -> x509.Certificate:
    """Return a certificate for a name, or of an authority if the name has no dot."""
    authority = "." not in name
    begins = ends - timedelta(days=3_650 if authority else 90)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer)]))
        .public_key(key(name).public_key())
        .serial_number(int(hashlib.sha256(f"{name} {ends}".encode()).hexdigest()[:16], 16))
        .not_valid_before(datetime.combine(begins, time(), UTC))
        .not_valid_after(datetime.combine(ends, time(6, 12), UTC))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(key(signer), hashes.SHA256(), ecdsa_deterministic=True)


def face(name: str, ends: date, day: date) -> Face:
    """Return what a server shows on a day: a leaf and the intermediate above it."""
    leaf = certificate(name, ends, "Sample CA 2")
    above = certificate("Sample CA 2", date(2032, 1, 1), "Sample Root")
    faults = (Fault(code=10, depth=0),) if ends < day else ()
    chain = tuple(read(one.public_bytes(Encoding.DER)) for one in (leaf, above))
    return Face(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", chain=chain, faults=faults)


def address(host: str) -> str:
    """Return the address of a host."""
    return f"198.51.100.{hashlib.sha256(host.encode()).digest()[0]}"


def look(site: Site, day: date) -> Check:
    """Return what was seen of a domain on a day."""
    domain, policy_host = site.domain, f"mta-sts.{site.domain}"
    usual = date(2026, 4, 20) if day < date(2026, 3, 15) else date(2026, 6, 10)  # renewed in between
    lines = [
        "version: STSv1",
        f"mode: {site.mode}",
        *(f"mx: {mx}" for mx in site.policy_mx),
        f"max_age: {site.max_age}",
    ]
    policy = FetchFacts(
        outcome="fetched", status=200, content_type="text/plain", bodies=("".join(f"{line}\r\n" for line in lines),),
        face=face(policy_host, usual, day),
    )  # fmt: skip
    seen: list[tuple[str, Any]] = [
        (f"_smtp._tls.{domain}", txt("tlsrpt-record", f"v=TLSRPTv1; rua=mailto:tlsrpt@{domain}")),
        (f"_mta-sts.{domain}", txt("mta-sts-record", f"v=STSv1; id={site.id}")),
        (policy_host, host(policy_host)),
        (f"{policy_host} [{address(policy_host)}]", policy),
        (domain, MxFacts(status="found", secure=site.dane, hosts=tuple(
            Mx(preference=10 * place, host=mx) for place, mx in enumerate(site.mx, start=1)))),
    ]  # fmt: skip
    for mx in site.mx:
        ends = site.ends.get(mx, usual)
        shown = face(site.named.get(mx, mx), ends, day)
        seen += [
            (mx, host(mx)),
            (f"_25._tcp.{mx}", tlsa(mx) if site.dane else TlsaFacts(status="none", secure=False)),
            (f"{mx} [{address(mx)}]", MxTlsFacts(outcome="starttls", faces=(shown,))),
        ]
    return Check(
        policy_domain=domain,
        checked_at=datetime.combine(day, AT),
        vantage=VANTAGE,
        observations=tuple(
            Observation(subject=subject, facts=facts, measures=measures(facts)) for subject, facts in seen
        ),
    )


def measures(facts: object) -> Measures:
    """Return what a look of this kind takes."""
    if isinstance(facts, FetchFacts | MxTlsFacts):
        return Measures(seconds=0.4)
    return Measures(ttl=3_600)


def txt(kind: Any, record: str) -> TxtFacts:  # noqa: ANN401 - one of two words
    """Return one TXT record."""
    return TxtFacts(kind=kind, status="found", secure=False, records=(record,))


def host(name: str) -> HostFacts:
    """Return the address of a host."""
    return HostFacts(a=FOUND, aaaa=NONE, addresses=(address(name),))


def tlsa(mx: str) -> TlsaFacts:
    """Return the TLSA record for the key of an MX, which renewals keep."""
    info = key(mx).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = Tlsa(usage=3, selector=1, matching_type=1, data=hashlib.sha256(info).hexdigest())
    return TlsaFacts(status="found", secure=True, records=(record,))


def looks() -> dict[str, bytes]:
    """Return a file of checks for each day of looks."""
    return {f"checks/{day}.json": checks_json(look(site, day) for site in sites(day)).encode() for day in DAYS}
