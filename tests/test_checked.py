"""The report of a check: a state word before each thing, findings worst first, and no more than was seen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from stories import POISONS

from loaders.published import Step
from tlsrpt.certificate import Certificate
from tlsrpt.findings import Finding
from tlsrpt.published import (
    Answer,
    Check,
    Face,
    Facts,
    FetchFacts,
    HostFacts,
    Mx,
    MxFacts,
    MxTlsFacts,
    Observation,
    Settings,
    Tlsa,
    TlsaFacts,
    TxtFacts,
)
from tui.checked import Judged, advices, issuer, overrides, page, standing, things, worst
from tui.progress import looking
from tui.said import plain
from tui.text import width

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 11, 20, 12, 0)
POLICY = "version: STSv1\r\nmode: testing\r\nmx: mx1.example.com\r\nmx: *.mail.example.com\r\nmax_age: 604800\r\n"
FOUND, NONE = Answer(status="found"), Answer(status="none")


def seen(subject: str, facts: Facts) -> Observation:
    return Observation(subject=subject, facts=facts)


def certificate(days: int = 60, issuer: str = "CN=R3,O=Some Authority,C=US") -> Certificate:
    """Return a certificate as it is read, without its bytes."""
    return Certificate.model_construct(der="", issuer=issuer, not_after=NOW + timedelta(days=days, hours=1))


def face(days: int = 60, version: str = "TLSv1.3") -> Face:
    return Face(version=version, cipher="AES", chain=(certificate(days),))


def host(*addresses: str, refused: Sequence[str] = (), dropped: int = 0) -> HostFacts:
    return HostFacts(a=FOUND, aaaa=NONE, addresses=tuple(addresses), refused=tuple(refused), dropped=dropped)


def everything() -> list[Observation]:
    """Return what a domain without a fault publishes."""
    return [
        seen(
            "_smtp._tls.example.com",
            TxtFacts(kind="tlsrpt-record", status="found", records=("v=TLSRPTv1; rua=mailto:tls@example.com",)),
        ),
        seen("_mta-sts.example.com", TxtFacts(kind="mta-sts-record", status="found", records=("v=STSv1; id=1;",))),
        seen("mta-sts.example.com", host("192.0.2.9")),
        seen("mta-sts.example.com [192.0.2.9]", FetchFacts(outcome="fetched", status=200, bodies=(POLICY,))),
        seen("example.com", MxFacts(status="found", hosts=(Mx(preference=10, host="mx1.example.com"),))),
        seen("mx1.example.com", host("192.0.2.1")),
        seen("_25._tcp.mx1.example.com", TlsaFacts(status="none")),
        seen("mx1.example.com [192.0.2.1]", MxTlsFacts(outcome="starttls", faces=(face(),))),
    ]


def check(*observations: Observation, settings: Settings | None = None) -> Check:
    """Return a check of a domain without a fault, with these things in place of its own."""
    own = {one.subject: one for one in everything()} | {one.subject: one for one in observations}
    return Check(
        policy_domain="example.com",
        checked_at=NOW - timedelta(minutes=3),
        vantage="berlin",
        settings=settings or Settings(),
        observations=tuple(own.values()),
    )


def judged(*observations: Observation, findings: Sequence[Finding] = ()) -> Judged:
    return Judged(check(*observations), findings, NOW)


def finding(level: str, subject: str, name: str = "dns-failed", detail: str = "seen so") -> Finding:
    return Finding(level=level, name=name, subject=subject, detail=detail, remedy="Mend it.")


def said(one: Judged, room: int = 80) -> str:
    return "\n".join(line for line, _ in plain(page(one), room))


def test_a_clean_domain_has_a_short_report_that_says_what_it_means() -> None:
    assert said(judged()).splitlines() == [
        "example.com",
        "ok: nothing seen here would fail under enforce",
        "seen 3 min ago (2026-11-20 11:57Z) from berlin",
        "",
        "ok          TLSRPT record: v=TLSRPTv1; rua=mailto:tls@example.com",
        "ok          MTA-STS record: v=STSv1; id=1;",
        "ok          Policy: testing, max_age 7 d, mx mx1.example.com, *.mail.example.com",
        "ok          MX: 10 mx1.example.com, covered by mx1.example.com",
        "-           DANE: no TLSA record for mx1.example.com",
        "ok          mx1.example.com [192.0.2.1]: TLSv1.3, Some Authority, 60 d left",
    ]


def test_what_to_do_comes_once_for_the_addresses_of_a_host() -> None:
    findings = [
        finding("fail", "mx1.example.com [192.0.2.1]", "tls-failed"),
        finding("fail", "mx1.example.com [192.0.2.2]", "tls-failed"),
        finding("unreached", "mx2.example.com [192.0.2.3]", "mx-unreached"),
        finding("warn", "_mta-sts.example.com", "mta-sts-record-ttl"),
    ]
    assert [advice.subject for advice in advices(findings)] == [
        "mx1.example.com [192.0.2.1] [192.0.2.2]",
        "mx2.example.com [192.0.2.3]",
        "_mta-sts.example.com",
    ]
    assert standing(findings) == "FAIL: 1 finding to mend before enforce; 1 could not be looked at; 1 warning"
    shown = said(judged(findings=findings))
    assert "FAIL        mx1.example.com [192.0.2.1]: TLSv1.3" in shown
    assert "warn        MTA-STS record: v=STSv1; id=1;" in shown
    assert (
        "FAIL        mx1.example.com [192.0.2.1] [192.0.2.2]: tls-failed\n"
        "            TLS does not come about: seen so\n"
        "            Mend it.\n"
    ) in shown
    assert shown.count("Mend it.") == 3


def test_addresses_that_tell_different_things_stay_apart() -> None:
    findings = [finding("fail", f"mx1.example.com [192.0.2.{n}]", detail=f"expired {n} days ago") for n in (1, 2)]
    assert len(advices(findings)) == 2


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        ([], "ok"),
        (["note"], "ok"),
        (["note", "warn"], "warn"),
        (["warn", "unreached"], "unreached"),
        (["fail"], "fail"),
    ],
)
def test_the_worst_level_counts(levels: list[str], level: str) -> None:
    findings = [finding(one, "example.com") for one in levels]
    assert worst(findings) == level
    assert standing(findings).startswith("FAIL" if level == "fail" else level)


def test_what_could_not_be_seen_is_no_clean_bill() -> None:
    out = standing([finding("unreached", "mx1.example.com [192.0.2.1]")])
    assert out == "unreached: 1 could not be looked at; nothing that was seen would fail"


def test_what_was_not_looked_at_is_said() -> None:
    one = judged(
        seen("mx1.example.com", host("192.0.2.1", "10.0.0.1", refused=["10.0.0.1"], dropped=2)),
        seen("example.com", MxFacts(status="found", hosts=(Mx(preference=10, host="mx1.example.com"),), dropped=3)),
    )
    shown = said(one)
    assert "unreached   mx1.example.com: not contacted, no public address: [10.0.0.1]" in shown
    assert "unreached   mx1.example.com: 2 more addresses not looked at" in shown
    assert "unreached   MX: 3 more not looked at" in shown


def test_nothing_published_reads_as_nothing() -> None:
    nothing = Answer(status="no-name")
    one = judged(
        seen("_smtp._tls.example.com", TxtFacts(kind="tlsrpt-record", status="none")),
        seen("_mta-sts.example.com", TxtFacts(kind="mta-sts-record", status="failed", reason="SERVFAIL")),
        seen("mta-sts.example.com", HostFacts(a=nothing, aaaa=nothing)),
        seen("example.com", MxFacts(status="none")),
    )
    bare = one.check.model_copy(update={"observations": tuple(o for o in one.check.observations if not o.address)})
    shown = said(one._replace(check=bare))
    assert "-           TLSRPT record: no record" in shown
    assert "unreached   MTA-STS record: DNS gave no answer: SERVFAIL" in shown
    assert "-           Policy: mta-sts.example.com: no address" in shown
    assert "-           MX: no record; mail goes to example.com itself, if it has an address" in shown


def test_a_policy_that_differs_by_address_is_shown_with_its_addresses() -> None:
    other = POLICY.replace("testing", "enforce").replace("mx1.example.com", "mx9.example.com")
    one = judged(
        seen("mta-sts.example.com", host("192.0.2.8", "192.0.2.9", "192.0.2.10")),
        seen("mta-sts.example.com [192.0.2.8]", FetchFacts(outcome="fetched", bodies=(other,))),
        seen("mta-sts.example.com [192.0.2.10]", FetchFacts(outcome="certificate", reason="self-signed")),
    )
    rows = [(thing.level, thing.what, thing.seen) for thing in things(one)]
    assert ("ok", "Policy", "testing, max_age 7 d, mx mx1.example.com, *.mail.example.com; from [192.0.2.9]") in rows
    assert ("ok", "Policy", "enforce, max_age 7 d, mx mx9.example.com, *.mail.example.com; from [192.0.2.8]") in rows
    assert ("unreached", "Policy at [192.0.2.10]", "certificate: self-signed") in rows
    assert ("ok", "MX", "10 mx1.example.com, covered by no mx pattern") in rows


def test_tlsa_records_say_whether_they_are_signed() -> None:
    record = Tlsa(usage=3, selector=1, matching_type=1, data="00")
    one = judged(seen("_25._tcp.mx1.example.com", TlsaFacts(status="found", secure=True, records=(record,))))
    assert "ok          DANE: mx1.example.com: 1 TLSA record, validated by DNSSEC" in said(one)


def test_an_expired_certificate_says_since_when() -> None:
    one = judged(seen("mx1.example.com [192.0.2.1]", MxTlsFacts(outcome="starttls", faces=(face(-3),))))
    assert "TLSv1.3, Some Authority, expired 2 d ago" in said(one, 120)


def test_a_null_mx_takes_no_mail() -> None:
    one = judged(seen("example.com", MxFacts(status="found", hosts=(Mx(preference=0, host=""),))))
    assert "null MX: this domain takes no mail" in said(one)


def test_an_issuer_is_known_by_its_organization() -> None:
    assert issuer("CN=R3,O=Let's Encrypt,C=US") == "Let's Encrypt"
    assert issuer(r"O=Some\, Inc.,CN=x") == "Some, Inc."
    assert issuer("CN=self") == "self"
    assert issuer("") == "an issuer without a name"


def test_who_was_asked_is_said_unless_it_is_the_usual() -> None:
    assert overrides(Settings(smtp_port=2525)) == ""  # which a finding tells
    own = Settings(resolver=("192.0.2.53:53",), trust_ad=True, ehlo_name="probe.example")
    assert overrides(own) == "resolver 192.0.2.53:53; its AD flag believed; EHLO probe.example"


@pytest.mark.parametrize("bad", POISONS.values(), ids=POISONS)
def test_the_line_of_progress_is_safe(bad: str) -> None:
    assert looking(Step(f"example.com{bad}", 1, 12, f"mx{bad}")).isprintable()


@pytest.mark.parametrize("room", [20, 40, 80, 120])
@pytest.mark.parametrize("bad", POISONS.values(), ids=POISONS)
def test_no_bytes_of_a_server_act_and_no_line_is_too_wide(bad: str, room: int) -> None:
    one = judged(
        seen("_smtp._tls.example.com", TxtFacts(kind="tlsrpt-record", status="found", records=(bad, "x" * 4000))),
        seen("mta-sts.example.com [192.0.2.9]", FetchFacts(outcome="fetched", bodies=(f"mode: {bad}\nmx: {bad}",))),
        seen("example.com", MxFacts(status="found", hosts=(Mx(preference=10, host=f"mx{bad}.example"),))),
        seen(f"mx{bad}.example [192.0.2.1]", MxTlsFacts(outcome="refused", reason=f"554 {bad}")),
        findings=[finding("fail", f"mx{bad}.example [192.0.2.1]", detail=bad)],
    )
    lines = said(one, room).splitlines()
    assert all(line.isprintable() and width(line) <= room for line in lines)
