"""Facts lead to findings: the vectors by their numbers, and every finding at least once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from checks import (
    DOMAIN,
    MX1,
    MX2,
    NOW,
    POLICY_HOST,
    body,
    check,
    days,
    face,
    fetched,
    host,
    only,
    parts,
    seen,
    starttls,
    txt,
)

from loaders import https, smtp
from tlsrpt import findings, mta_sts, record
from tlsrpt.advice import ADVICE, LEVELS, markdown
from tlsrpt.findings import judge
from tlsrpt.published import Answer, FetchFacts, Measures, Mx, MxFacts, MxTlsFacts, Settings, Tlsa, TlsaFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tlsrpt.published import Check, Facts, Seen

PAGE = Path(__file__).parent.parent / "docs" / "findings.md"
TLSRPT, STS = f"_smtp._tls.{DOMAIN}", f"_mta-sts.{DOMAIN}"
WEB, WEB6 = f"{POLICY_HOST} [192.0.2.80]", f"{POLICY_HOST} [2001:db8::80]"
AT1, AT2 = f"{MX1} [192.0.2.1]", f"{MX2} [192.0.2.2]"
TLSA1, TLSA2 = f"_25._tcp.{MX1}", f"_25._tcp.{MX2}"
FAILED, BOGUS = Answer(status="failed", reason="SERVFAIL"), Answer(status="bogus")

produced: set[str] = set()


def names(of: Check, past: list[Seen] | None = None, *levels: str, now: Any = None) -> set[str]:
    found = judge(of, past or (), now)
    produced.update(finding.name for finding in found)
    for finding in found:
        assert finding.detail, finding
        assert finding.remedy, finding
        assert not re.search(r"\{\w+\}", finding.remedy), finding
    return {finding.name for finding in found if not levels or finding.level in levels}


def sts(*records: str, **more: Any) -> dict[str, Facts | None]:
    return {STS: txt("mta-sts-record", *records, **more)}


def tlsrpt(*records: str, **more: Any) -> dict[str, Facts | None]:
    return {TLSRPT: txt("tlsrpt-record", *records, **more)}


def policy(text: str) -> dict[str, Facts | None]:
    return {WEB: fetched(text)}


def mx(*hosts: str, status: Any = "found", **more: Any) -> dict[str, Facts | None]:
    records = tuple(Mx(preference=10, host=name) for name in hosts)
    return {DOMAIN: MxFacts(status=status, hosts=records, **more)}


LONG = "a" * 32
GOOD = body(MX1, MX2)

RECORDS: dict[str, tuple[dict[str, Facts | None], set[str]]] = {
    "T01": (sts("v=STSv1; id=20260310T000000"), set()),
    "T02": (sts("v=STSv1;id=a;"), set()),
    "T03": (sts("v=STSv1; id=2026-03-10"), {"mta-sts-id-invalid"}),
    "T04 valid": (sts(f"v=STSv1; id={LONG}"), set()),
    "T04 invalid": (sts(f"v=STSv1; id={LONG}a"), {"mta-sts-id-invalid"}),
    "T05": (sts("v=STSv1 ; id=a"), {"mta-sts-record-space"}),
    "T06": (sts("V=STSv1; id=a"), {"mta-sts-record-version"}),
    "T07": (sts(" v=STSv1; id=a"), {"mta-sts-record-version"}),
    "T08": (sts("id=a; v=STSv1"), {"mta-sts-record-version"}),
    "T09": (sts("v=STSv1; id=a", "v=STSv1; id=b"), {"mta-sts-record-several"}),
    "T10": (sts("v=STSv1; id=a", "v=spf1 -all"), set()),
    "T11": (sts("v=STSv1; id=abc"), set()),
    "T12": (sts("v=STSv1; id=a; id=b"), {"mta-sts-id-several"}),
    "T13": (sts("v=STSv1; id=2026-01-01; id=b"), {"mta-sts-id-invalid"}),
    "T14": (sts("v=STSv1; id=a;;"), {"mta-sts-record-invalid"}),
    "T15": (sts("v=STSv1; id = a"), {"mta-sts-record-invalid"}),
    "T16": (sts("v=STSv1; id=a; foo=bar"), set()),
    "T17": (sts("v=STSv1; ID=a"), {"mta-sts-id-missing"}),
    "T20": ({STS: txt("mta-sts-record").model_copy(update=FAILED.model_dump())}, {"dns-failed"}),
    "R01": (tlsrpt("v=TLSRPTv1; rua=mailto:r@example.com"), set()),
    "R02": (tlsrpt("v=TLSRPTv1;rua=mailto:a@x.example,https://x.example/t"), set()),
    "R03": (tlsrpt("v=TLSRPTv1; rua=r@example.com"), {"tlsrpt-rua-no-scheme"}),
    "R04": (tlsrpt("v=TLSRPTv1"), {"tlsrpt-record-invalid"}),
    "R05": (tlsrpt("v=TLSRPTv1; foo=bar"), {"tlsrpt-rua-missing"}),
    "R06": (tlsrpt("v=TSLRPTv1; rua=mailto:r@example.com"), {"tlsrpt-record-version"}),
    "R07": (
        tlsrpt("v=TLSRPTv1; rua=mailto:a@x.example", "v=TLSRPTv1; rua=mailto:b@x.example"),
        {"tlsrpt-record-several"},
    ),
    "R08": (tlsrpt("v=TLSRPTv1; rua=mailto:a@x.example; rua=mailto:b@x.example"), {"tlsrpt-rua-several-fields"}),
    "R09": (tlsrpt("v=TLSRPTv1; rua=mailto:a!b@x.example"), {"tlsrpt-rua-invalid"}),
    "R10": (tlsrpt("v=TLSRPTv1; rua=https://x.example/t"), {"tlsrpt-rua-https-only"}),
    "R11": (tlsrpt("v=TLSRPTv1; ext=1; rua=mailto:a@x.example"), {"tlsrpt-rua-not-first"}),
    "R12": (tlsrpt("v=TLSRPTv1; rua=http://x.example/t"), {"tlsrpt-rua-scheme"}),
}


@pytest.mark.parametrize("vector", RECORDS)
def test_records(vector: str) -> None:
    changed, wanted = RECORDS[vector]
    found = names(check(changed), None, "fail", "unreached", "warn")
    assert wanted <= found
    assert found - wanted <= {"policy-unannounced", "mta-sts-id-several", "mta-sts-id-missing"}
    assert wanted or not found


def lines(*parts: str, end: str = "\n") -> str:
    return end.join(parts) + end


P = ("version: STSv1", "mode: testing", f"mx: {MX1}", f"mx: {MX2}", "max_age: 86400")
POLICIES = {
    "P01": (lines(*P, end="\r\n"), set()),
    "P02": ("\n".join(P), set()),
    "P03": (lines(*P[:2], "", *P[2:]), {"policy-blank-line"}),
    "P03 end": (lines(*P, ""), {"policy-blank-line"}),
    "P04": ("\ufeff" + lines(*P), {"policy-bom"}),
    "P05": (lines(*P, end="\r"), {"policy-bare-cr"}),
    "P06": (lines(P[0], "mode: Enforce", *P[2:]), {"policy-mode-missing"}),
    "P07": (lines(*P[:2], "mode: enforce", *P[2:]), {"policy-field-twice"}),
    "P08": (lines(*P, "foo: bar baz"), set()),
    "P09": (lines(*P[:2], f"mx: {MX1}.", *P[3:]), {"policy-mx-invalid"}),
    "P10": (lines(*P[:2], f"mx: {MX1}, {MX2}", P[4]), {"policy-mx-invalid"}),
    "P11": (lines(*P, "mx: *"), {"policy-mx-invalid"}),
    "P12": (lines(*P[:4], "max_age: 31557600"), {"policy-max-age-exact-year"}),
    "P12 over": (lines(*P[:4], "max_age: 31557601"), {"policy-max-age-over"}),
    "P13": (lines(*P[:4], "max_age: 604800s"), {"policy-max-age-invalid"}),
    "P14": (lines(P[0], "mode: none", P[4]), {"policy-none-without-mx", "policy-mode-none"}),
    "P15": (lines(P[0], "mode: enforce", P[4]), {"policy-mx-missing"}),
    "P16": (lines("# comment", *P), {"policy-comment"}),
    "P17": (lines("version : STSv1", *P[1:]), {"policy-space-before-colon"}),
    "P18": (lines(*P[:2], "mx: mx.bücher.example", *P[2:]), {"policy-mx-invalid"}),
    "P24": (lines(P[0], "mode: enforce", *P[2:4], "max_age: 0"), {"policy-max-age-zero"}),
    "long": (body(MX1, MX2, max_age=700_000), {"policy-max-age-long"}),
    "short": (body(MX1, MX2, max_age=60), {"policy-max-age-short"}),
    "empty": ("", {"policy-empty"}),
    "leading": (lines(" version: STSv1", *P[1:]), {"policy-leading-space"}),
    "syntax": (lines(*P, "what is this"), {"policy-syntax"}),
    "no version": (lines(*P[1:]), {"policy-version-missing"}),
    "version later": (lines(P[1], P[0], *P[2:]), {"policy-version-not-first"}),
    "no max_age": (lines(*P[:4]), {"policy-max-age-missing"}),
    "misspelt": (lines(*P, "MX: mx3.example.com"), {"policy-key-misspelt"}),
    "many": (body(MX1, MX2, *(f"h{n}.example.com" for n in range(100))), {"policy-too-many-mx"}),
    "wildcard": (body("*.example.com"), {"policy-mx-wildcard"}),
}


@pytest.mark.parametrize("vector", POLICIES)
def test_policies(vector: str) -> None:
    text, wanted = POLICIES[vector]
    found = names(check(policy(text)), None, "fail", "unreached", "warn")
    assert wanted <= found
    assert wanted or not found


def redirect() -> FetchFacts:
    return FetchFacts(outcome="redirect", status=301, location="https://www.example.com/")


def gone(outcome: str, **more: Any) -> FetchFacts:
    return FetchFacts(outcome=outcome, reason=outcome, **more)


def two_web(second: FetchFacts) -> dict[str, Facts | None]:
    return {POLICY_HOST: host("192.0.2.80", "2001:db8::80"), WEB6: second}


def lost(outcome: str) -> MxTlsFacts:
    return MxTlsFacts(outcome=outcome, reason=outcome)


def two_kinds(kind: str, *codes: tuple[int, int]) -> dict[str, Facts | None]:
    return {
        AT1: starttls(MX1, faces=(face(kind, MX1, codes=codes),)),
        WEB: fetched(GOOD, face=face(kind, POLICY_HOST, codes=codes)),
    }


def both(name: str) -> set[str]:
    return {name, f"policy-host-{name}"}


def tlsa(usage: int = 3, *, secure: bool | None = True, data: str = "00") -> TlsaFacts:
    records = (Tlsa(usage=usage, selector=1, matching_type=1, data=data),)
    return TlsaFacts(status="found", secure=secure, records=records)


CASES: dict[str, tuple[Mapping[str, Facts | None], set[str]]] = {
    "all is well": ({}, set()),
    "nothing at all": (
        {**sts(), **tlsrpt(), POLICY_HOST: host(), WEB: None},
        {"tlsrpt-record-missing", "mta-sts-record-missing", "policy-host-none"},
    ),
    "T18 delegated": (sts("v=STSv1; id=a", cnames=("sts.provider.example",)), {"delegation-partial"}),
    "policy without record": (sts(), {"mta-sts-record-missing", "policy-unannounced"}),
    "bogus record": (
        {STS: txt("mta-sts-record").model_copy(update={"status": "bogus"})},
        {"dns-bogus"},
    ),
    "P19 page": (
        {WEB: fetched("<!DOCTYPE html><p>hello", content_type="text/html")},
        {"policy-media-type", "policy-html"},
    ),
    "P20 redirect": ({WEB: redirect()}, {"policy-redirect"}),
    "P21 one address": (two_web(gone("http-status", status=404)), {"policy-http-status"}),
    "P22 certificate": (
        {WEB: fetched(GOOD, face=face("wrong-name", POLICY_HOST))},
        {"policy-host-certificate-name-mismatch"},
    ),
    "policy differs": (two_web(fetched(body(MX1, MX2, mode="enforce"))), {"policy-differs"}),
    "policy flips": ({WEB: fetched(GOOD, body(MX1, MX2, max_age=90_000))}, {"policy-tries-differ"}),
    "no policy host reached": ({WEB: gone("timeout")}, {"policy-host-unreached"}),
    "one web refuses": (two_web(gone("refused")), {"policy-refused"}),
    "one web silent": (two_web(gone("timeout")), {"policy-timeout"}),
    "no IPv6 here": (two_web(gone("unreachable")), {"policy-address-unreached"}),
    "web closes": ({WEB: gone("closed")}, {"policy-closed"}),
    "web without TLS": ({WEB: gone("tls-failed")}, {"policy-tls-failed"}),
    "web too large": ({WEB: gone("too-large")}, {"policy-too-large"}),
    "web babbles": ({WEB: gone("bad-answer")}, {"policy-bad-answer"}),
    "private address": ({MX1: host("10.0.0.1", refused=("10.0.0.1",)), AT1: None}, {"address-refused"}),
    "M04 other host": (mx("mx1.example.com.provider.net"), {"mx-not-in-policy", "policy-mx-unused"}),
    "M02 wildcard": (
        {**mx("a.b.example.com"), **policy(body("*.example.com"))},
        {"mx-not-in-policy", "policy-mx-unused", "policy-mx-wildcard"},
    ),
    "M12 second MX": (policy(body(MX1)), {"mx-not-in-policy"}),
    "M13 implicit": ({**mx(status="none"), f"{DOMAIN}": MxFacts(status="none"), **policy(body(DOMAIN))}, set()),
    "M14 null MX": (mx(""), set()),
    "no domain": (mx(status="no-name"), {"domain-none"}),
    "MX fails": (mx(status="failed", reason="SERVFAIL"), {"dns-failed"}),
    "many MX": (mx(MX1, MX2, dropped=5), {"not-all-looked-at"}),
    "MX is an address": (mx("192.0.2.1", MX1, MX2), {"mx-address-literal", "mx-not-in-policy"}),
    "MX is a CNAME": ({MX1: host("192.0.2.1", a=Answer(status="found", cnames=("real.example.net",)))}, {"mx-cname"}),
    "MX without address": ({MX1: host(), AT1: None}, {"mx-no-address"}),
    "port 25 blocked": ({AT1: lost("timeout"), AT2: lost("timeout")}, {"port-25-blocked"}),
    "one MX not reached": ({AT1: lost("timeout")}, {"mx-unreached"}),
    "MX silent": ({AT1: lost("silent")}, {"mx-silent"}),
    "MX turns away": ({AT1: lost("banner-refused")}, {"mx-turned-away"}),
    "MX babbles": ({AT1: lost("bad-answer")}, {"mx-bad-answer"}),
    "no STARTTLS": ({AT1: lost("starttls-not-offered")}, {"starttls-not-offered"}),
    "STARTTLS refused": ({AT1: lost("starttls-refused")}, {"starttls-refused"}),
    "injected": ({AT1: lost("plaintext-after-starttls")}, {"starttls-plaintext-after"}),
    "TLS fails": ({AT1: lost("tls-failed")}, {"tls-failed"}),
    "TLS too old": ({AT1: lost("tls-too-old")}, {"tls-too-old"}),
    "old TLS too": ({AT1: starttls(MX1, old_version="TLSv1")}, {"tls-old-version"}),
    "some tries fail": ({AT1: starttls(MX1, failures=("tls-failed",))}, {"mx-unsteady"}),
    "M10 SNI": ({AT1: starttls(MX1, without_sni=face("self-signed", "localhost"))}, set()),
    "M11 one of four": ({f"{MX1} [192.0.2.9]": starttls(MX1, "expired")}, {"certificate-expired"}),
    "pool": ({AT1: starttls(MX1, faces=(face("good", MX1), face("wildcard", MX1)))}, set()),
    "M06 wildcard": ({AT1: starttls(MX1, "wildcard")}, set()),
    "expired": (two_kinds("expired"), both("certificate-expired")),
    "not yet": (two_kinds("not-yet-valid"), both("certificate-not-yet-valid")),
    "M08 other name": (two_kinds("wrong-name"), both("certificate-name-mismatch")),
    "M07 CN only": (two_kinds("common-name-only"), both("certificate-common-name-only")),
    "untrusted": (two_kinds("untrusted", (19, 1)), both("certificate-not-trusted")),
    "self-signed": (two_kinds("self-signed", (18, 0)), both("certificate-self-signed")),
    "no intermediate": (
        two_kinds("missing-intermediate", (20, 0)),
        both("certificate-not-trusted") | both("certificate-chain-incomplete"),
    ),
    "old intermediate": (two_kinds("expired-intermediate", (10, 1)), both("certificate-intermediate-expired")),
    "purpose": (two_kinds("good", (26, 0)), both("certificate-wrong-purpose")),
    "weak": (two_kinds("weak-key"), both("certificate-weak-key")),
    "partial": (two_kinds("partial-wildcard"), both("certificate-partial-wildcard")),
    "tlsa mismatch": ({TLSA1: tlsa(), TLSA2: tlsa()}, {"tlsa-mismatch"}),
    "tlsa unusable": ({TLSA1: tlsa(0), TLSA2: tlsa(1)}, {"tlsa-unusable"}),
    "tlsa some": ({TLSA1: tlsa(0)}, {"tlsa-unusable", "tlsa-some-mx"}),
    "tlsa bogus": ({TLSA1: TlsaFacts(status="bogus")}, {"dns-bogus"}),
    "tlsa not signed": ({TLSA1: tlsa(secure=False)}, set()),
    "tlsa not known": ({TLSA1: tlsa(secure=None)}, set()),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_published_has_the_finding_that_names_it(case: str) -> None:
    changed, wanted = CASES[case]
    if case.startswith("M13"):  # the domain's own addresses stand under its name too
        whole = check(changed)
        own = whole.observations[0].model_copy(update={"subject": DOMAIN, "facts": host("192.0.2.1")})
        whole = whole.model_copy(update={"observations": (*whole.observations, own)})
        assert names(whole, None, "fail", "warn") == {"policy-mx-unused"} - {"policy-mx-unused"}
        assert "mx-implicit" in names(whole)
        return
    assert names(check(changed), None, "fail", "unreached", "warn") == wanted


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        (mx(""), "mx-null"),
        ({AT1: starttls(MX1, without_sni=face("self-signed", "localhost"))}, "certificate-without-sni"),
        ({AT1: starttls(MX1, faces=(face("good", MX1), face("wildcard", MX1)))}, "mx-pool-differs"),
        ({TLSA1: tlsa(secure=False)}, "tlsa-unsigned"),
        ({TLSA1: tlsa(secure=None)}, "tlsa-unverified"),
        (sts("v=STSv1; id=a", cnames=("sts.provider.example",)), "record-delegated"),
        (policy(body(MX1, MX2, mode="enforce")), "policy-mode-enforce"),
        (policy(lines(" version: STSv1", *P[1:])), "policy-read-by-some"),
        (only([TLSRPT, STS, POLICY_HOST, WEB]) | mx(status="none"), "mx-none"),
    ],
)
def test_what_is_good_to_know_is_a_note(changed: Mapping[str, Facts | None], note: str) -> None:
    assert note in names(check(changed), None, "note")


def test_m14_a_null_mx_makes_everything_else_pointless() -> None:
    assert names(check(mx("") | sts() | policy(""))) == {"mx-null"}


def test_m09_a_pattern_that_covers_the_mx_does_not_make_its_certificate_good() -> None:
    name = f"mx1.eu.{DOMAIN}"
    shown = starttls(name, faces=(face("wildcard", MX1),))  # for *.example.com
    changed = {**mx(name), name: host("192.0.2.1"), f"{name} [192.0.2.1]": shown, **policy(body(f"*.eu.{DOMAIN}"))}
    found = judge(check(changed | {AT1: None, AT2: None}))
    assert [finding.name for finding in found if finding.level == "fail"] == ["certificate-name-mismatch"]


def test_measures_count_for_the_time_a_policy_takes_and_for_the_ttl_of_its_record() -> None:
    slow = {WEB: Measures(seconds=2.5), STS: Measures(ttl=86_400)}
    assert names(check(measures=slow)) == {"policy-slow", "mta-sts-record-ttl"}


def test_other_ports_are_said() -> None:
    assert names(check(settings=Settings(smtp_port=2_525))) == {"non-standard"}


@pytest.mark.parametrize(("ahead", "name"), [(50, "certificate-ends-soon"), (58.5, "certificate-ends-now")])
def test_a_certificate_is_judged_as_of_the_day_asked_for(ahead: float, name: str) -> None:
    assert names(check(), now=NOW + days(ahead)) == both(name)


def test_a_certificate_that_ended_after_a_look_was_perhaps_renewed() -> None:
    assert names(check(), now=NOW + days(61)) == both("certificate-ended-since")
    expired = two_kinds("expired")
    assert both("certificate-expired") <= names(check(expired), now=NOW + days(1))


def test_tlsa_records_are_held_against_the_certificate_as_of_the_look() -> None:
    shown = face("intermediate", MX1)
    anchor = Tlsa(usage=2, selector=0, matching_type=1, data=shown.chain[1].sha256)
    facts = TlsaFacts(status="found", secure=True, records=(anchor,))
    found = check({TLSA1: facts, AT1: MxTlsFacts(outcome="starttls", faces=(shown,))})
    assert "tlsa-mismatch" not in names(found)
    assert "tlsa-mismatch" not in names(found, now=NOW + days(61))


def test_a_certificate_that_cannot_be_read_or_is_missing_is_named() -> None:
    good = face("good", MX1)
    odd = good.model_copy(update={"chain": (good.chain[0].model_copy(update={"unreadable": "not DER"}),)})
    none = good.model_copy(update={"chain": ()})
    nameless = good.model_copy(update={"chain": (good.chain[0].model_copy(update={"names": (), "common_name": ""}),)})
    sha1 = good.model_copy(update={"chain": (good.chain[0].model_copy(update={"signature": "sha1"}),)})
    for shown, name in (
        (odd, "certificate-unreadable"),
        (none, "certificate-none"),
        (nameless, "certificate-no-names"),
        (sha1, "certificate-weak-signature"),
    ):
        web = names(check({WEB: fetched(GOOD, face=shown)}))
        assert names(check({AT1: starttls(MX1, faces=(shown,))})) | web >= both(name)


def changed_at(*steps: tuple[float, str, str]) -> tuple[Check, list[Seen]]:
    """Return the newest of several looks, each so many days ago with this id and policy, and the past."""
    checks = [check(sts(f"v=STSv1; id={name}") | policy(text), at=NOW - days(ago)) for ago, name, text in steps]
    return checks[-1], seen(*checks)


OTHER = body(MX1, MX2, max_age=90_000)


def test_p23_a_policy_that_changed_under_its_id_fails_after_two_hours() -> None:
    newest, past = changed_at((1, "a", GOOD), (0.1, "a", OTHER), (0, "a", OTHER))
    assert names(newest, past) == {"policy-changed-id-kept"}
    newest, past = changed_at((1, "a", GOOD), (0.02, "a", OTHER), (0, "a", OTHER))
    assert names(newest, past) == {"policy-changed-lately"}
    newest, past = changed_at((1, "a", GOOD), (0.1, "a", OTHER), (0, "b", OTHER))
    assert names(newest, past) == set()


def test_an_id_that_comes_back_for_another_policy_fails() -> None:
    newest, past = changed_at((3, "a", GOOD), (2, "b", OTHER), (1, "a", body(MX1, MX2, max_age=95_000)))
    assert names(newest, past) == {"id-reused"}


def test_an_id_that_changed_before_or_without_its_policy_is_told() -> None:
    newest, past = changed_at((3, "a", GOOD), (2, "b", GOOD))
    assert names(newest, past) == {"id-changed-alone"}
    newest, past = changed_at((3, "a", GOOD), (2, "b", GOOD), (1, "b", OTHER))
    assert names(newest, past) == {"id-changed-first"}


def test_t19_senders_that_enforce_from_a_cache_are_told_of() -> None:
    enforcing = policy(body(MX1, MX2, mode="enforce", max_age=604_800))
    past = [check(enforcing, at=NOW - days(1)), check(sts(), at=NOW)]
    assert "caches-still-enforce" in names(past[-1], seen(*past))
    later = check(sts(), at=NOW + days(8))
    assert "caches-still-enforce" not in names(later, seen(*past, later))


def test_a_policy_that_is_not_reached_today_is_not_taken_for_withdrawn() -> None:
    enforcing = check(policy(body(MX1, MX2, mode="enforce", max_age=604_800)), at=NOW - days(1))
    for gone, told in (("timeout", False), ("http-status", True)):
        today = check({WEB: FetchFacts(outcome=gone)})
        assert ("caches-still-enforce" in names(today, seen(enforcing, today))) is told
    unanswered = check({POLICY_HOST: host(a=FAILED), WEB: None})
    assert "caches-still-enforce" not in names(unanswered, seen(enforcing, unanswered))


def test_a_policy_host_that_refuses_everywhere_fails() -> None:
    assert names(check({WEB: FetchFacts(outcome="refused")}), None, "fail", "unreached") == {"policy-refused"}


def test_dns_that_fails_says_nothing_about_what_is_missing() -> None:
    taken = only([TLSRPT, STS, POLICY_HOST, WEB])
    none = check(taken | {DOMAIN: MxFacts(status="none")})
    own = none.observations[0].model_copy(update={"subject": DOMAIN, "facts": host(a=FAILED)})
    found = names(none.model_copy(update={"observations": (*none.observations, own)}))
    assert "dns-failed" in found
    assert "mx-none" not in found
    one = Tlsa(usage=1, selector=1, matching_type=1, data="00")
    signed = TlsaFacts(status="found", secure=True, records=(one,))
    found = names(check({TLSA1: signed, TLSA2: TlsaFacts(status="failed")}))
    assert "tlsa-some-mx" not in found


def test_connections_that_differ_in_their_version_alone_are_no_pool() -> None:
    faces = (face("good", MX1), face("good", MX1).model_copy(update={"version": "TLSv1.2"}))
    assert "mx-pool-differs" not in names(check({AT1: starttls(MX1, faces=faces)}))


def test_every_outcome_of_the_looks_has_a_finding() -> None:
    smtp_outcomes = set(re.findall(r'^- "([a-z-]+)"', smtp.__doc__ or "", re.MULTILINE))
    https_outcomes = set(re.findall(r'"([a-z-]+)"', https.__doc__ or ""))
    assert smtp_outcomes - {"starttls"} <= set(findings._SMTP) | {"refused", "unreachable", "timeout"}
    assert https_outcomes - {"fetched"} == set(findings._FETCH)


def test_every_lint_has_advice() -> None:
    assert set(ADVICE) >= record.LINTS | mta_sts.LINTS


def test_findings_come_worst_first() -> None:
    levels = [finding.level for finding in judge(check(policy("") | {AT1: lost("timeout")} | mx(MX1, MX2, dropped=1)))]
    assert levels == sorted(levels, key=LEVELS.index)
    assert {"fail", "unreached"} <= set(levels)


def test_all_of_this_together_names_every_finding_there_is() -> None:
    produced.clear()
    for vector in RECORDS:
        names(check(RECORDS[vector][0]))
    for text, _ in POLICIES.values():
        names(check(policy(text)))
    for changed, _ in CASES.values():
        names(check(changed))
    for test in (
        test_measures_count_for_the_time_a_policy_takes_and_for_the_ttl_of_its_record,
        test_other_ports_are_said,
        test_a_certificate_that_ended_after_a_look_was_perhaps_renewed,
        test_a_certificate_that_cannot_be_read_or_is_missing_is_named,
        test_p23_a_policy_that_changed_under_its_id_fails_after_two_hours,
        test_an_id_that_comes_back_for_another_policy_fails,
        test_an_id_that_changed_before_or_without_its_policy_is_told,
        test_t19_senders_that_enforce_from_a_cache_are_told_of,
    ):
        test()
    test_a_certificate_is_judged_as_of_the_day_asked_for(50, "certificate-ends-soon")
    test_a_certificate_is_judged_as_of_the_day_asked_for(58.5, "certificate-ends-now")
    names(check(only([TLSRPT, STS, POLICY_HOST, WEB]) | mx(status="none")))
    names(check(mx(status="none")))
    whole = check(mx(status="none"))
    own = whole.observations[0].model_copy(update={"subject": DOMAIN, "facts": host("192.0.2.1")})
    names(whole.model_copy(update={"observations": (*whole.observations, own)}))
    names(check(tlsrpt("v=TLSRPTv1 ;rua=mailto:a@x.example")))
    names(check(sts("v=STSv1")))
    assert set(ADVICE) - produced == set()


def test_the_page_of_findings_is_that_of_the_code(*, update_goldens: bool) -> None:
    if update_goldens:
        PAGE.write_text(markdown(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == markdown()


def test_a_good_domain_has_all_parts() -> None:
    assert len(check().observations) == len(parts())
