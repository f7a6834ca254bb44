"""Each criterion in each state that it can take, judged from reports and checks in a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from histories import (
    GOOGLE,
    HERON,
    MICROSOFT,
    NOW,
    OSIER,
    SECOND,
    SMALL,
    Change,
    Failing,
    Forged,
    History,
    Repair,
    Site,
    changed,
    counted,
    fails,
    history,
    judged,
    policy_lines,
    servfail,
    stored,
    txt,
)
from reports import document, policy

from queries import readiness
from tlsrpt.enforce.criteria import ANSWERED, CRITERIA
from tlsrpt.enforce.evidence import Acknowledgement
from tlsrpt.enforce.parameters import parameters
from tlsrpt.enforce.verdict import basis, judge
from tlsrpt.published import Answer, HostFacts, Mx, MxFacts, Tlsa, TlsaFacts

if TYPE_CHECKING:
    from tlsrpt.enforce.criteria import Found

DAILY = history().looks
FEWER = (16, *range(9, -1, -1))  # all that changes in a case does so within nine days
OLD_LOOKS = tuple(range(16, 0, -1))  # of which the last was yesterday morning
YOUNG_LOOKS = (0.5, 0)  # the first was last evening
BLIND = "no-policy-found"
FETCH, INVALID, WEBPKI = "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"
EXPIRED, NO_TLS = "certificate-expired", "starttls-not-supported"
STRANGE = ("version: STSv1", "mode: testing", "mx: mx.elsewhere.example", "max_age: 86400")
THREE = ("mx1", "mx2", "mx3")
OTHER = {"id": "B", "max_age": 172_800}  # another policy under an id of its own

Cases = list[tuple[str, str, History]]  # state, in which case, and its history


def record(*records: str, **more: Any) -> History:
    return history(facts={"_mta-sts.@": txt("mta-sts-record", *records, **more)})


def rua(*records: str) -> History:
    return history(facts={"_smtp._tls.@": txt("tlsrpt-record", *records)})


def at(subject: str, change: Change) -> History:
    return history(facts={subject: change})


def policy_file(*lines: str) -> History:
    return history(body="\n".join(lines) + "\n")


def without_mx_record(policy_mx: str) -> History:
    """Return the history of a domain that is its own MX."""
    found = Answer(status="found", secure=False)
    own = HostFacts(a=found, aaaa=Answer(status="none"), addresses=("198.51.100.9",))
    return history(mx=(), policy_mx=(policy_mx,), facts={"@": MxFacts(status="none")}, also=(("@", own),))


def each(*days: int, org: str = GOOGLE, **more: Any) -> list[Failing]:
    """Return failed sessions of an organization on each of some days."""
    return [fails(org, ago, **more) for ago in days]


def repaired(ago: int) -> Repair:
    return Repair("certificate-host-mismatch", "mx2", ago)


def with_dane(*failing: tuple[str, int]) -> History:
    """Return a history in which these organizations and days have DANE failures as well."""
    rows = (fails(result_type="tlsa-invalid", mx="mx1"),)
    return history(others=[counted("tlsa", 20, org, ago, rows=rows) for org, ago in failing])


def renewed_policy(ago: int, org: str, *, max_age: int, **more: Any) -> History:
    """Return a history whose policy changed, in nothing but max_age, and an organization that keeps the old one."""
    return history(max_age=max_age, behind={org: 60}, **more).since(ago, id="B", max_age=86_400)


CASES: dict[str, Cases] = {
    "C01": [
        ("PASS", "one valid record", history()),
        ("PASS", "one valid record beside another kind", record("v=STSv1; id=1", "v=spf1 -all")),
        ("WARN", "a TTL of two hours", history(ttl=7_200)),
        ("WARN", "led elsewhere, the policy host not", at("_mta-sts.@", changed(cnames=("_mta-sts.host.example",)))),
        ("FAIL", "none", record()),
        ("FAIL", "two", record("v=STSv1; id=1", "v=STSv1; id=2")),
        ("FAIL", "an id with hyphens", record("v=STSv1; id=2026-03-10")),
        ("FAIL", "a blank that hides it from senders", record("v=STSv1 ; id=1")),
        ("UNKNOWN", "no answer of DNS", at("_mta-sts.@", servfail)),
        ("UNKNOWN", "a look older than a day", history(looks=OLD_LOOKS)),
        ("UNKNOWN", "no look", history(looks=())),
    ],
    "C02": [
        ("PASS", "the same on both addresses", history(second={"mta-sts": "good"})),
        ("WARN", "five seconds", history(seconds=5)),
        ("WARN", "a field twice", policy_file("version: STSv1", "mode: testing", "mode: testing", "mx: mx1.@",
                                              "mx: mx2.@", "max_age: 86400")),
        ("WARN", "version not first", policy_file("mode: testing", "version: STSv1", "mx: mx1.@", "mx: mx2.@",
                                                  "max_age: 86400")),
        ("FAIL", "a blank line, which strict senders refuse", policy_file(
            "version: STSv1", "", "mode: testing", "mx: mx1.@", "mx: mx2.@", "max_age: 86400")),
        ("FAIL", "a redirect", history(policy_host="redirect")),
        ("FAIL", "not found", history(policy_host="http-status")),
        ("FAIL", "too large", history(policy_host="too-large")),
        ("FAIL", "another media type", at("mta-sts.@ []", changed(content_type="text/html"))),
        ("FAIL", "an expired certificate", history(policy_host="expired")),
        ("FAIL", "a certificate for another name", history(policy_host="wrong-name")),
        ("FAIL", "not found on the second address", history(second={"mta-sts": "http-status"})),
        ("FAIL", "no answer on the second address", history(second={"mta-sts": "timeout"})),
        ("FAIL", "another policy on the second address", history(
            second={"mta-sts": "good"}, facts={f"mta-sts.@ [{SECOND}]": lambda facts: facts.model_copy(
                update={"bodies": (facts.bodies[0].replace("86400", "9000"),)})})),
        ("FAIL", "tries that differ", at("mta-sts.@ []", lambda facts: facts.model_copy(
            update={"bodies": (*facts.bodies, facts.bodies[0].replace("86400", "9000"))}))),
        ("UNKNOWN", "not reached from here", history(policy_host="unreachable")),
        ("UNKNOWN", "a look older than a day", history(looks=OLD_LOOKS)),
    ],
    "C03": [
        ("PASS", "testing, one policy under one id", history()),
        ("PASS", "two policies, each under an id of its own", history().since(5, **OTHER)),
        ("FAIL", "withdrawn", history(mode="none")),
        ("FAIL", "no policy", history(policy_host="http-status")),
        ("FAIL", "one id for two policies", history().since(2, max_age=172_800)),
        ("FAIL", "an id that came back for another policy", history().since(9, **OTHER).since(
            3, id="20260504T000000", max_age=7_200)),
        ("UNKNOWN", "looked at since last evening", history(looks=YOUNG_LOOKS)),
        ("UNKNOWN", "the policy host not reached", history(policy_host="unreachable")),
        ("N-A", "in enforce", history(mode="enforce")),
    ],
    "C04": [
        ("PASS", "each MX covered", history()),
        ("PASS", "no MX record, and the domain in the policy", without_mx_record("@")),
        ("WARN", "a pattern for no MX", history(policy_mx=THREE)),
        ("WARN", "a wildcard", history(policy_mx=("*.@",))),
        ("WARN", "an MX that is a CNAME", at("mx2.@", lambda facts: facts.model_copy(
            update={"a": Answer(status="found", secure=False, cnames=("mail.host.example",))}))),
        ("WARN", "an MX came three days ago", history(policy_mx=THREE).since(3, mx=THREE)),
        ("FAIL", "an MX that the policy lacks, of which no report tells", history(policy_mx=("mx1",))),
        ("FAIL", "no MX record, and the domain not in the policy", without_mx_record("mx1")),
        ("UNKNOWN", "no answer of DNS", at("@", servfail)),
        ("UNKNOWN", "a look older than a day", history(looks=OLD_LOOKS)),
        ("N-A", "takes no mail", at("@", changed(hosts=(Mx(preference=0, host=""),)))),
    ],
    "C05": [
        ("PASS", "every address of every MX", history(second={"mx1": "good", "mx2": "good"})),
        ("PASS", "a wildcard for the whole first label", history(mx2="wildcard")),
        ("WARN", "TLS 1.1 offered as well", at("mx2.@ []", changed(old_version="TLSv1.1"))),
        ("WARN", "a wildcard for part of a label", history(mx2="partial-wildcard")),
        *(("FAIL", f"mx2: {kind}", history(mx2=kind)) for kind in (
            "expired", "wrong-name", "common-name-only", "self-signed", "untrusted", "missing-intermediate",
            "expired-intermediate", "starttls-not-offered", "starttls-refused", "tls-too-old", "tls-failed")),
        ("FAIL", "one of two addresses expired", history(second={"mx2": "expired"})),
        ("FAIL", "one of three connections fails", at("mx2.@ []", changed(failures=("tls-failed",)))),
        ("FAIL", "mx2 expired and mx1 not reached", history(mx1="timeout", mx2="expired")),
        ("UNKNOWN", "port 25 blocked", history(mx1="timeout", mx2="timeout")),
        ("UNKNOWN", "one MX not reached", history(mx2="timeout")),
        ("UNKNOWN", "one of two addresses not reached", history(second={"mx2": "unreachable"})),
        ("UNKNOWN", "more addresses than are looked at", at("mx2.@", changed(dropped=3))),
        ("UNKNOWN", "more MX records than are looked at", at("@", changed(dropped=1))),
        ("UNKNOWN", "a look older than a day", history(looks=OLD_LOOKS)),
    ],
    "C06": [
        ("PASS", "14 of 90 days left", history(left=14)),
        ("PASS", "3 of 6.6 days left", history(left=3, life=6.6)),
        ("WARN", "9 of 90 days left", history(left=9)),
        ("WARN", "2 of 6.6 days left", history(left=2, life=6.6)),
        ("WARN", "9 days left of the policy host's", history(policy_host="ends-soon")),
        ("WARN", "9 days left of an authority's", history(mx2="intermediate-ends-soon")),
        ("FAIL", "2.9 of 90 days left", history(left=2.9)),
        ("FAIL", "half a day of 6.6 left", history(left=0.5, life=6.6)),
        ("FAIL", "expired", history(mx2="expired")),
        ("FAIL", "the policy host's expired", history(policy_host="expired")),
        ("UNKNOWN", "port 25 blocked", history(mx1="timeout", mx2="timeout")),
        ("UNKNOWN", "a look older than a day", history(looks=OLD_LOOKS)),
    ],
    "C07": [
        ("PASS", "one valid record, and reports", history()),
        ("WARN", "no report of the last three settled days", history(days=range(5, 16))),
        ("WARN", "https alone", rua("v=TLSRPTv1; rua=https://reports.example/tls")),
        ("WARN", "rua twice", rua("v=TLSRPTv1; rua=mailto:a@x.example; rua=mailto:b@x.example")),
        ("WARN", "rua not first", rua("v=TLSRPTv1; ext=1; rua=mailto:a@x.example")),
        ("FAIL", "none", rua()),
        ("FAIL", "two", rua("v=TLSRPTv1; rua=mailto:a@x.example", "v=TLSRPTv1; rua=mailto:b@x.example")),
        ("FAIL", "no scheme", rua("v=TLSRPTv1; rua=tls@x.example")),
        ("UNKNOWN", "no answer of DNS", at("_smtp._tls.@", servfail)),
        ("UNKNOWN", "a look older than a day", history(looks=OLD_LOOKS)),
    ],
    "C08": [
        ("PASS", "a day", history()),
        ("PASS", "an hour", history(max_age=3_600)),
        ("PASS", "a week", history(max_age=604_800)),
        ("WARN", "less than an hour", history(max_age=3_599)),
        ("WARN", "more than a week", history(max_age=604_801)),
        ("WARN", "the limit of the format", history(max_age=31_557_600)),
        ("FAIL", "nothing", history(max_age=0)),
        ("FAIL", "missing", policy_file("version: STSv1", "mode: testing", "mx: mx1.@", "mx: mx2.@")),
        ("FAIL", "no number", policy_file("version: STSv1", "mode: testing", "mx: mx1.@", "mx: mx2.@", "max_age: 1d")),
        ("UNKNOWN", "the policy host not reached", history(policy_host="unreachable")),
    ],
    "C09": [
        ("PASS", "no change", history()),
        ("PASS", "a change with a new id", history().since(5, **OTHER)),
        ("PASS", "the file first, the id a day later, which is over", history().since(
            9, max_age=172_800).since(8, id="B")),
        ("WARN", "the file an hour ago, the id not yet", history(now=NOW - timedelta(hours=6)).since(0, max_age=7_200)),
        ("WARN", "the id first, longer ago than caches may hold", history().since(9, id="B").since(7, max_age=172_800)),
        ("FAIL", "another policy under the id", history().since(2, max_age=172_800)),
        ("FAIL", "the id first, and caches may hold the policy of before", history(max_age=604_800).since(
            5, id="B").since(3, max_age=86_400)),
        ("UNKNOWN", "looked at since last evening", history(looks=YOUNG_LOOKS)),
        ("UNKNOWN", "a look older than a day", history(looks=OLD_LOOKS)),
    ],
    "C10": [
        ("N-A", "no TLSA", history()),
        ("PASS", "all match", history(tlsa=("mx1", "mx2"))),
        ("WARN", "some MXs only", history(tlsa=("mx1",))),
        ("FAIL", "one that does not match", history(
            tlsa=("mx1", "mx2"),
            facts={"_25._tcp.mx2.@": TlsaFacts(
                status="found", secure=True, records=(Tlsa(usage=3, selector=1, matching_type=1, data="00" * 32),))},
        )),
        ("FAIL", "DNSSEC that does not validate", history(
            tlsa=("mx1", "mx2"), facts={"_25._tcp.mx2.@": TlsaFacts(status="bogus", reason="SERVFAIL")})),
        ("UNKNOWN", "no resolver that validates", history(tlsa=("mx1", "mx2"), secure=None)),
    ],
    "C20": [
        ("PASS", "15 settled days by looks", history()),
        ("PASS", "by reports, which reach back further than looks", history(looks=(3, 2, 1, 0))),
        ("PASS", "another max_age changes nothing", history().since(3, **OTHER)),
        ("WARN", "10 days", history(looks=range(11, -1, -1), days=range(2, 12))),
        ("WARN", "7 days", history(looks=range(8, -1, -1), days=range(2, 9))),
        ("UNKNOWN", "6 days", history(looks=range(7, -1, -1), days=range(2, 8))),
        ("UNKNOWN", "an MX came three days ago", history().since(3, id="B", mx=THREE)),
        ("N-A", "in enforce", history(mode="enforce")),
    ],
    "C21": [
        ("PASS", "12 days, 6 of them in the last week", history()),
        ("PASS", "10 days, 5 of them in the last week, a gap of 2", history(days=(2, 3, 4, 7, 8, 9, 10, 11, 14, 15))),
        ("WARN", "4 of the last week", history(days=(2, 3, 5, 7, 9, 10, 11, 12, 13, 14, 15))),
        ("WARN", "9 of two weeks", history(days=(2, 3, 5, 6, 7, 9, 11, 13, 15))),
        ("WARN", "a gap of 4", history(days=(2, 3, 4, 5, 6, 11, 12, 13, 14, 15))),
        ("UNKNOWN", "7 of two weeks", history(days=(2, 3, 4, 5, 7, 10, 13))),
        ("UNKNOWN", "2 of the last week", history(days=(2, 6, 9, 10, 11, 12, 13, 14, 15))),
        ("UNKNOWN", "both missed by one", history(days=(2, 3, 5, 7, 9, 10, 12, 14, 15))),
        ("UNKNOWN", "no reports for five days", history(days=(7, 8, 9, 10, 12, 13, 14, 15))),
    ],
    "C22": [
        ("PASS", "both large ones and a small one", history(orgs=(GOOGLE, MICROSOFT, OSIER))),
        ("WARN", "a large one missing", history(orgs=(GOOGLE, *SMALL))),
        ("WARN", "the two large ones alone", history(orgs=(GOOGLE, MICROSOFT))),
        ("WARN", "two small ones", history(orgs=SMALL)),
        ("UNKNOWN", "one", history(orgs=(GOOGLE,))),
        ("UNKNOWN", "two, one of which sees no policy", history(orgs=(GOOGLE, MICROSOFT), sees={MICROSOFT: BLIND})),
    ],
    "C23": [
        ("PASS", "300", history(sessions=300)),
        ("WARN", "299", history(sessions=299)),
        ("WARN", "100", history(sessions=100)),
        ("UNKNOWN", "99", history(sessions=99)),
        ("UNKNOWN", "many under DANE alone", history(sees=dict.fromkeys((GOOGLE, MICROSOFT, *SMALL), "tlsa"))),
        ("UNKNOWN", "many that only failed to get the policy", history(
            sessions=90, others=[counted("sts", 0, rows=(fails(sessions=500, result_type=FETCH, mx=""),))])),
    ],
    "C24": [
        ("PASS", "no failure", history()),
        ("PASS", "failures before the last week", history(failures=each(9, 10, 12))),
        ("PASS", "passing faults in 1 % of the sessions", history(failures=[
            fails(sessions=6, result_type="validation-failure", reason="io-timeout-during-handshake")])),
        ("PASS", "recurring, mended nine days ago", history(
            failures=each(10, 12), repairs=[repaired(9)])),
        ("WARN", "one session", history(failures=[fails()])),
        ("WARN", "4 sessions of 50 on one day", history(failures=[fails(sessions=4)])),
        ("WARN", "5 sessions of 200 on one day", history(sessions=4_800, failures=[fails(sessions=5)])),
        ("WARN", "one session of each of two causes", history(
            failures=[fails(), fails(MICROSOFT, result_type=EXPIRED)])),
        ("WARN", "passing faults in more than 1 % of the sessions", history(failures=[
            fails(sessions=7, result_type="validation-failure", reason="io-timeout-during-handshake")])),
        ("FAIL", "on two days", history(failures=each(3, 6))),
        ("FAIL", "at two organizations", history(failures=[fails(), fails(OSIER, 7)])),
        ("FAIL", "5 sessions of 50 on one day", history(failures=[fails(sessions=5)])),
        ("FAIL", "in details that the summary does not count, as mox writes them", history(others=[
            counted("sts", 5, "mox.example", ago, failed=0, rows=(fails(
                result_type="validation-failure", mx="mx3", reason="mtasts-policy-mx-mismatch"),)) for ago in (3, 5)])),
        ("FAIL", "without a word why", history(failures=each(3, 6, result_type="validation-failure"))),
        ("FAIL", "mended, and reported of a later day", history(
            failures=each(7, 3), repairs=[repaired(5)])),
        ("FAIL", "another cause was mended", history(failures=each(7, 8), repairs=[Repair(EXPIRED, "mx2", 5)])),
        ("FAIL", "though days are missing", history(days=(2, 3, 9, 10, 12, 13, 14, 15), failures=each(2, 3))),
        ("UNKNOWN", "4 days of the last week", history(days=(2, 3, 5, 7, 9, 10, 11, 12, 13, 14, 15))),
        ("UNKNOWN", "mended five days ago", history(
            failures=each(7, 8), repairs=[repaired(5)])),
        ("UNKNOWN", "mended, and no look since", history(
            looks=(*range(16, 5, -1), 5.5), failures=each(7, 8), repairs=[repaired(5)])),
    ],
    "C25": [
        ("PASS", "0 of 299", history(sessions=299)),
        ("PASS", "12 of 1,200, mended", history(
            failures=[fails(ago=10, sessions=12)], repairs=[repaired(9)])),
        ("WARN", "0 of 100", history(sessions=100)),
        ("WARN", "26 days of organizations", history(orgs=(GOOGLE, MICROSOFT), days=range(2, 15))),
        ("WARN", "nearly all from one", history(shares=(94, 2, 2, 2))),
        ("FAIL", "12 of 1,200", history(failures=[fails(ago=10, sessions=12)])),
        ("FAIL", "mended, but a look finds it still", history(
            mx2="wrong-name", failures=[fails(ago=10, sessions=12)],
            repairs=[repaired(9)])),
        ("UNKNOWN", "0 of 80", history(sessions=80)),
        ("UNKNOWN", "more than 1 % that nothing explains", history(failures=[fails(sessions=13, result_type="")])),
    ],
    "C26": [
        ("PASS", "none", history()),
        ("PASS", "5 % of a small one", history(failures=[fails(OSIER, 10, 7)])),
        ("PASS", "a fifth of one with 16 sessions", history(sessions=200, failures=each(7, 8, 9, org=HERON))),
        ("WARN", "more than 5 % of a small one", history(failures=[fails(OSIER, 10, 8)])),
        ("FAIL", "more than 5 % of a large one", history(failures=[fails(MICROSOFT, 10, 19)])),
        ("FAIL", "more than 5 % of two", history(failures=[fails(OSIER, 10, 8), fails(HERON, 10, 5)])),
    ],
    "C27": [
        ("PASS", "all have the policy of now", history()),
        ("PASS", "97 %, the rest an old one", renewed_policy(9, HERON, max_age=43_200, shares=(55, 30, 12, 3))),
        ("WARN", "92 %, the rest one that caches may hold", renewed_policy(5, HERON, max_age=604_800)),
        ("WARN", "70 %, the rest one that caches may hold", renewed_policy(5, MICROSOFT, max_age=604_800)),
        ("WARN", "the day after a change", history().since(2, id="B", max_age=172_800)),
        ("FAIL", "8 % have one that no cache may hold any more", renewed_policy(9, HERON, max_age=43_200)),
        ("FAIL", "one session under a policy that never was", history(
            others=[counted("sts", 1, HERON, 2, lines=STRANGE)])),
        ("UNKNOWN", "80 % do not tell", history(mute=(GOOGLE, MICROSOFT))),
    ],
    "C28": [
        ("PASS", "all get it", history()),
        ("PASS", "before the last week", history(failures=each(9, 10, org=MICROSOFT, result_type=FETCH, mx=""))),
        ("PASS", "an invalid certificate, mended", history(
            failures=[fails(MICROSOFT, 8, 2, WEBPKI, "")], repairs=[Repair(WEBPKI, "*", 6)])),
        ("WARN", "one does not, once", history(failures=[fails(MICROSOFT, 3, 1, FETCH, "")])),
        ("WARN", "a small one does not, again and again", history(
            failures=each(3, 5, 6, org=OSIER, result_type=FETCH, mx=""))),
        ("FAIL", "a large one does not, again", history(failures=each(3, 5, org=MICROSOFT, result_type=FETCH, mx=""))),
        ("FAIL", "two small ones do not", history(
            failures=[fails(org, ago, 1, FETCH, "") for org in SMALL for ago in (3, 5)])),
        ("FAIL", "an invalid policy, once", history(failures=[fails(OSIER, 3, 1, INVALID, "")])),
        ("FAIL", "an invalid certificate, once", history(failures=[fails(OSIER, 3, 1, WEBPKI, "")])),
    ],
    "C29": [
        ("PASS", "a small one sees none", history(sees={OSIER: BLIND})),
        ("PASS", "a large one sees it sometimes", history(others=[counted(BLIND, 500, MICROSOFT, 3)])),
        ("PASS", "failures there before the last week", history(
            sees={OSIER: BLIND}, failures=each(9, 10, org=OSIER, result_type=NO_TLS))),
        ("WARN", "a large one sees none", history(sees={MICROSOFT: BLIND})),
        ("FAIL", "what enforce would block recurs there", history(
            sees={OSIER: BLIND}, failures=each(3, 5, org=OSIER, result_type=NO_TLS))),
    ],
    "C30": [
        ("PASS", "none", history(others=[counted("tlsa", 20)])),
        ("PASS", "before the last week", with_dane((OSIER, 9), (OSIER, 10), (HERON, 10))),
        ("WARN", "one", with_dane((OSIER, 3))),
        ("FAIL", "on two days", with_dane((OSIER, 3), (OSIER, 5))),
        ("FAIL", "at two organizations", with_dane((OSIER, 3), (HERON, 5))),
        ("FAIL", "told under a policy of another type", history(failures=each(3, 5, result_type="tlsa-invalid"))),
    ],
    "C31": [
        ("PASS", "all vouched for", history()),
        ("PASS", "claims in a tenth", history(forged=[Forged(12, 11)])),
        ("WARN", "claims in a quarter", history(forged=[Forged(20, 20)])),
        ("UNKNOWN", "claims in most", history(forged=[Forged(20, 100)])),
    ],
    "C32": [
        ("PASS", "all explained", history(failures=[fails()])),
        ("PASS", "1 of 1,200 not explained", history(failures=[fails(result_type="")])),
        ("WARN", "2 of 1,200 not explained", history(failures=[fails(sessions=2, result_type="")])),
        ("WARN", "a result type that nobody knows", history(failures=[fails(result_type="moon-phase")])),
    ],
    "C33": [
        ("PASS", "2 of 50 reports replaced", history(revised=2)),
        ("WARN", "3 of 51 reports replaced", history(revised=3)),
    ],
    **{name: [
        ("PASS", "answered yes", history(answers={name: True})),
        ("WARN", "answered no", history(answers={name: False})),
    ] for name in ANSWERED},
}  # fmt: skip


class Case(NamedTuple):
    """One history of a domain of its own, and how a criterion stands in it."""

    criterion: str
    state: str
    history: History


ALL = {
    f"{criterion} {state}: {words}": (criterion, state, found.but(looks=FEWER) if found.looks == DAILY else found)
    for criterion, cases in CASES.items()
    for state, words, found in cases
}
TABLE = {
    words: Case(criterion, state, found.but(domain=f"case-{number:03}.example"))
    for number, (words, (criterion, state, found)) in enumerate(ALL.items())
}


class Judges:
    """The verdicts on all cases, from one store; those of NOW are asked for at once, as the board does."""

    def __init__(self) -> None:
        self._store = stored(*(case.history for case in TABLE.values()))
        self._board = {one.evidence.policy_domain: one for one in readiness.board(self._store, NOW)}

    def __call__(self, words: str) -> Found:
        """Return how the criterion of a case stands."""
        criterion, _, asked = TABLE[words]
        # Claims are evidence that the board leaves out.
        alone = asked.now != NOW or criterion == "C31"
        judgement = readiness.judge(self._store, asked.domain, asked.now) if alone else self._board[asked.domain]
        return judgement.state(criterion).found


@pytest.fixture(scope="module")
def found() -> Judges:
    return Judges()


@pytest.mark.parametrize("words", TABLE)
def test_a_criterion_stands(found: Judges, words: str) -> None:
    told = found(words)
    assert told.state == TABLE[words].state, told.reason


@pytest.mark.parametrize("words", TABLE)
def test_a_state_says_why_what_to_do_and_on_which_rows_it_rests(found: Judges, words: str) -> None:
    told = found(words)
    assert told.reason
    assert "\n" not in f"{told.reason}{told.remedy}"
    if told.state not in {"PASS", "N-A"}:
        assert told.remedy
    if told.state in {"FAIL", "WARN"}:
        assert told.facts


def test_each_state_that_a_criterion_is_said_to_take_is_tried() -> None:
    for criterion in CRITERIA:
        said = {"PASS": criterion.passes, "WARN": criterion.warns, "FAIL": criterion.fails}
        said |= {} if criterion.name in ANSWERED else {"UNKNOWN": criterion.unknown}  # tried below
        tried = {case.state for case in TABLE.values() if case.criterion == criterion.name} - {"N-A"}
        assert tried == {state for state, words in said.items() if words != "-"}, criterion.name


def test_what_no_report_and_no_look_can_tell_is_unknown_or_a_warning_until_it_is_answered() -> None:
    judgement = judged(history())
    states = {name: judgement.state(name).state for name in ANSWERED}
    assert states == {name: "UNKNOWN" if name in {"C11", "C12"} else "WARN" for name in ANSWERED}


def test_a_policy_for_a_strange_mx_is_an_alert_whatever_the_verdict() -> None:
    strange = counted("sts", 1, HERON, 2, lines=STRANGE)
    [alert] = judged(history(others=[strange])).alerts
    assert "mx.elsewhere.example" in alert
    assert HERON in alert
    assert judged(history()).alerts == ()


def test_a_report_about_a_week_covers_each_of_its_days() -> None:
    weeks = [
        document(
            policy(successful=300, policy_string=policy_lines(Site()), mx_host=["mx1.example.com", "mx2.example.com"]),
            date_range={"start-datetime": f"{first}T00:00:00Z", "end-datetime": f"{last}T23:59:59Z"},
            contact_info=f"tls@{org}",
            report_id=f"{first}@{org}",
        )
        for org in (GOOGLE, MICROSOFT, OSIER)
        for first, last in (("2026-05-05", "2026-05-11"), ("2026-05-12", "2026-05-18"))
    ]
    told = judged(history(sessions=0, more=weeks))
    assert told.state("C23").state == "PASS"
    assert told.state("C21").state == "PASS", told.state("C21").reason


# A domain with little mail: forty days in testing, and fewer sessions in four weeks than are asked for.

LITTLE = history(looks=range(40, -1, -1), days=range(2, 39), sessions=200, left=60)


def test_little_mail_is_seen_from_two_places_and_is_ready_with_warnings_at_best() -> None:
    one, two = (judged(LITTLE.but(vantages=places)) for places in (("here",), ("here", "there")))
    assert (one.verdict, one.state("C05").state) == ("INSUFFICIENT_EVIDENCE", "UNKNOWN")
    assert (two.verdict, two.state("C05").state) == ("READY_WITH_WARNINGS", "PASS")
    assert {two.state(name).state for name in ("C23", "C25")} == {"WARN"}
    accepted = [
        Acknowledgement(0, LITTLE.domain, one.name, basis(one.criterion, one.found), "", "", NOW, NOW.replace(day=30))
        for one in two.states
        if one.is_warning
    ]
    assert accepted
    again = judge(replace(two.evidence, acknowledgements=accepted))
    assert all(one.acknowledged for one in again.states if one.is_warning)
    assert again.verdict == "READY_WITH_WARNINGS"


def test_little_mail_that_fails_is_not_ready() -> None:
    told = judged(LITTLE.but(vantages=("here", "there"), failures=[fails(ago=3), fails(ago=5)]))
    assert (told.verdict, told.state("C24").state) == ("NOT_READY", "FAIL")


def test_so_few_sessions_before_four_weeks_are_too_few() -> None:
    told = judged(history(sessions=90))
    assert (told.verdict, told.state("C23").state) == ("INSUFFICIENT_EVIDENCE", "UNKNOWN")


def test_the_cautious_profile_asks_for_four_weeks() -> None:
    months = history(looks=range(40, -1, -1), days=range(2, 39), sessions=4_000, left=60)
    cautious = parameters("cautious")
    assert (judged(months, cautious).verdict, judged(months).verdict) == ("READY", "READY")
    for days, state in ((27, "WARN"), (28, "PASS")):
        since = history(looks=range(days + 1, -1, -1), days=range(2, days + 2), sessions=4_000, left=60)
        assert judged(since, cautious).state("C20").state == state
