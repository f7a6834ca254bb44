"""Checks made by hand: a domain where all is well, and whatever a test wants otherwise."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from certificates import Authority, shown
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrpt.certificate import read
from tlsrpt.published import (
    Answer,
    Check,
    Face,
    Facts,
    Fault,
    FetchFacts,
    HostFacts,
    Measures,
    Mx,
    MxFacts,
    MxTlsFacts,
    Observation,
    Seen,
    Settings,
    TlsaFacts,
    TxtFacts,
)
from tlsrpt.store import utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DOMAIN = "example.com"
MX1, MX2 = f"mx1.{DOMAIN}", f"mx2.{DOMAIN}"
POLICY_HOST = f"mta-sts.{DOMAIN}"
NOW = utc_now().replace(microsecond=0)  # certificates of the tests are made around now
FOUND, NONE = Answer(status="found"), Answer(status="none")


@cache
def _authority() -> Authority:
    return Authority()


@cache
def face(kind: str, name: str, version: str = "TLSv1.3", codes: tuple[tuple[int, int], ...] = ()) -> Face:
    """Return what a server of a kind shows; `codes` are what OpenSSL has against it, with the depth."""
    chain = tuple(read(one.public_bytes(Encoding.DER)) for one in shown(kind, name, _authority()).chain)
    faults = tuple(Fault(code=code, depth=depth) for code, depth in codes)
    return Face(version=version, cipher="TLS_AES_256_GCM_SHA384", chain=chain, faults=faults)


def body(*mx: str, mode: str = "testing", max_age: int = 86_400) -> str:
    """Return a policy file."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {name}" for name in mx), f"max_age: {max_age}"]
    return "".join(f"{line}\r\n" for line in lines)


def txt(kind: Any, *records: str, **more: Any) -> TxtFacts:
    return TxtFacts(kind=kind, status="found" if records else "none", records=tuple(sorted(records)), **more)


def host(*addresses: str, **more: Any) -> HostFacts:
    four = any(":" not in address for address in addresses)
    six = any(":" in address for address in addresses)
    answers = {"a": FOUND if four else NONE, "aaaa": FOUND if six else NONE}
    return HostFacts(**(answers | {"addresses": addresses} | more))


def fetched(*bodies: str, **more: Any) -> FetchFacts:
    given: dict[str, Any] = {"outcome": "fetched", "status": 200, "content_type": "text/plain", "bodies": bodies}
    given["face"] = face("good", POLICY_HOST)
    return FetchFacts(**(given | more))


def starttls(name: str, kind: str = "good", **more: Any) -> MxTlsFacts:
    return MxTlsFacts(**({"outcome": "starttls", "faces": (face(kind, name),)} | more))


def parts() -> dict[str, Facts]:
    """Return the facts of a domain where all is well, by subject."""
    return {
        f"_smtp._tls.{DOMAIN}": txt("tlsrpt-record", f"v=TLSRPTv1; rua=mailto:tls@{DOMAIN}"),
        f"_mta-sts.{DOMAIN}": txt("mta-sts-record", "v=STSv1; id=20260310T000000"),
        POLICY_HOST: host("192.0.2.80"),
        f"{POLICY_HOST} [192.0.2.80]": fetched(body(MX1, MX2)),
        DOMAIN: MxFacts(status="found", hosts=(Mx(preference=10, host=MX1), Mx(preference=20, host=MX2))),
        MX1: host("192.0.2.1"),
        f"_25._tcp.{MX1}": TlsaFacts(status="none"),
        f"{MX1} [192.0.2.1]": starttls(MX1),
        MX2: host("192.0.2.2"),
        f"_25._tcp.{MX2}": TlsaFacts(status="none"),
        f"{MX2} [192.0.2.2]": starttls(MX2),
    }


def check(
    changed: Mapping[str, Facts | None] | None = None,
    *,
    at: datetime = NOW,
    measures: Mapping[str, Measures] | None = None,
    settings: Settings | None = None,
    vantage: str = "here",
) -> Check:
    """Return a check of a domain where all is well but for what is `changed`; None takes a subject out."""
    facts = parts() | dict(changed or {})
    return Check(
        policy_domain=DOMAIN,
        checked_at=at,
        vantage=vantage,
        settings=settings or Settings(),
        observations=tuple(
            Observation(subject=subject, facts=one, measures=(measures or {}).get(subject, Measures(ttl=300)))
            for subject, one in facts.items()
            if one is not None
        ),
    )


def seen(*checks: Check) -> list[Seen]:
    """Return checks, oldest first, as the store has them: what stayed the same is one row."""
    rows: dict[tuple[str, str], list[Seen]] = {}
    before: datetime | None = None
    for one in checks:
        for observation in one.observations:
            series = rows.setdefault((observation.kind, observation.subject), [])
            last = series[-1] if series else None
            if last and last.observation.facts == observation.facts and last.last_seen == before:
                series[-1] = last._replace(last_seen=one.checked_at)
            else:
                series.append(Seen(observation, one.checked_at, one.checked_at, one.vantage, one.settings))
        before = one.checked_at
    return sorted((row for series in rows.values() for row in series), key=lambda row: row.first_seen)


def days(number: float) -> timedelta:
    return timedelta(days=number)


def only(facts: Sequence[str]) -> dict[str, None]:
    """Return what takes all subjects out but these."""
    return {subject: None for subject in parts() if subject not in facts}
