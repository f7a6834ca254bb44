"""Everything that a domain can publish wrongly, on real servers, ends in the finding that names it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from certificates import Authority, server_context, shown
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from dns_server import Zone
from policy_host import PolicySpec
from stack import POLICY_ADDRESS, Stack, policy, stack, zone_text

from loaders import SourceError, observations
from loaders.published import Step, Stopped, look
from queries import readiness
from tlsrpt.findings import Finding, judge
from tlsrpt.published import Check, MxTlsFacts, Settings
from tlsrpt.store import Store

DER, INFO = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
SERIOUS = {"fail", "unreached"}

# What a domain's MX is like, and the serious findings that it has to have, no more and no less.
MX_KINDS = {
    "good": set(),
    "wildcard": set(),
    "intermediate": set(),
    "expired": {"certificate-expired"},
    "not-yet-valid": {"certificate-not-yet-valid"},
    "wrong-name": {"certificate-name-mismatch"},
    "common-name-only": {"certificate-common-name-only"},
    "untrusted": {"certificate-not-trusted"},
    "self-signed": {"certificate-self-signed"},
    "missing-intermediate": {"certificate-not-trusted", "certificate-chain-incomplete"},
    "many-faults": {"certificate-expired", "certificate-name-mismatch", "certificate-not-trusted"},
    "plain": {"starttls-not-offered"},
    "tls10": {"tls-too-old"},
    "sni": set(),
}
POOL = "pool"  # one bad address of four
DANE = {"dane": "{right}", "dane-wrong": "00" * 32}  # what TLSA records say
DOMAINS = {kind: f"{kind}.example" for kind in (*MX_KINDS, POOL, *DANE)}


class World(NamedTuple):
    stack: Stack
    checks: dict[str, Check]  # by domain


def looked(domains: list[str], settings: Settings) -> dict[str, Check]:
    found: dict[str, Check] = {}
    look(domains, settings, vantage="test", found=lambda check: found.update({check.policy_domain: check}))
    return found


def named(findings: list[Finding], *levels: str) -> set[str]:
    return {finding.name for finding in findings if finding.level in levels}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    authority = Authority()
    zones, mx = [], {}
    for number, (kind, domain) in enumerate(DOMAINS.items(), start=10):
        addresses = [f"127.0.{part}.{number}" for part in range(1, 5)] if kind == POOL else [f"127.0.1.{number}"]
        right = hashlib.sha256(
            shown("good", f"mx.{domain}", authority).key.public_key().public_bytes(DER, INFO)
        ).hexdigest()
        tlsa = f"_25._tcp.mx 3600 IN TLSA 3 1 1 {DANE[kind].format(right=right)}" if kind in DANE else ""
        zones.append(Zone(domain, zone_text(domain, {"mx": addresses}, more=tlsa), signed=kind in DANE))
        for place, address in enumerate(addresses):
            own = "expired" if (kind, place) == (POOL, 2) else "good" if kind in {POOL, *DANE} else kind
            mx[address] = None if own == "plain" else server_context(own, f"mx.{domain}", authority)
    names = [f"mta-sts.{domain}" for domain in DOMAINS.values()]
    spec = PolicySpec(authority.context(*names), lambda host: policy(f"mx.{host.removeprefix('mta-sts.')}"))
    folder = tmp_path_factory.mktemp("stack")
    with stack(
        folder, zones, mx, {POLICY_ADDRESS: spec}, authority, secure=[DOMAINS[kind] for kind in DANE]
    ) as running:
        yield World(running, looked(list(DOMAINS.values()), running.settings))


@pytest.mark.parametrize("kind", MX_KINDS)
def test_each_kind_of_mx_has_the_finding_that_names_it(world: World, kind: str) -> None:
    findings = judge(world.checks[DOMAINS[kind]])
    assert named(findings, *SERIOUS) == MX_KINDS[kind]
    assert all(finding.remedy for finding in findings if finding.level in SERIOUS)


def test_of_four_addresses_the_bad_one_is_named(world: World) -> None:
    findings = judge(world.checks[DOMAINS[POOL]])
    assert [(finding.name, finding.subject) for finding in findings if finding.level in SERIOUS] == [
        ("certificate-expired", "mx.pool.example [127.0.3.24]")
    ]


@pytest.mark.parametrize(("kind", "wanted"), [("dane", set()), ("dane-wrong", {"tlsa-mismatch"})])
def test_tlsa_records_are_held_against_what_the_mx_shows(world: World, kind: str, wanted: set[str]) -> None:
    findings = judge(world.checks[DOMAINS[kind]])
    assert named(findings, "fail", "unreached", "warn") == wanted
    assert "tlsa-unverified" not in named(findings, "note")


def test_a_certificate_that_depends_on_sni_is_told_as_a_note(world: World) -> None:
    [(_, facts)] = world.checks[DOMAINS["sni"]].all(MxTlsFacts)
    assert facts.without_sni is not None
    assert "certificate-without-sni" in named(judge(world.checks[DOMAINS["sni"]]), "note")


def test_two_looks_at_the_same_find_the_same(world: World) -> None:
    again = looked(["good.example", "sni.example"], world.stack.settings)
    for domain, check in again.items():
        before = world.checks[domain]
        assert [(one.subject, one.facts) for one in check.observations] == [
            (one.subject, one.facts) for one in before.observations
        ]


def test_a_check_tells_how_far_it_is(world: World) -> None:
    steps: list[Step] = []
    look(["good.example"], world.stack.settings, vantage="test", found=lambda _: None, progress=steps.append)
    assert [step.done for step in steps] == list(range(1, len(steps) + 1))
    assert steps[-1].done == steps[-1].total
    assert "mx.good.example [127.0.1.10]" in {step.doing for step in steps}


def test_a_look_that_is_stopped_ends_soon_and_keeps_what_was_found(world: World) -> None:
    found: list[str] = []
    began = time.monotonic()
    with pytest.raises(Stopped):
        look(
            list(DOMAINS.values()),
            world.stack.settings,
            vantage="test",
            found=lambda check: found.append(check.policy_domain),
            stopped=lambda: bool(found),
        )
    assert found
    assert len(found) < len(DOMAINS)
    assert time.monotonic() - began < 10


def test_nobody_is_asked_about_names_that_the_domain_does_not_name(world: World) -> None:
    asked = {name for name, _ in world.stack.dns.log}
    assert asked
    assert all(name.rstrip(".").endswith(tuple(DOMAINS.values())) for name in asked)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ca_file": "no-such-file.pem"}, "ca_file no-such-file.pem: No such file or directory"),
        ({"resolver": ("not a host:x",)}, "resolver"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_by_name(settings: dict[str, object], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        look(["example.com"], Settings.model_validate(settings), vantage="test", found=lambda _: None)


@pytest.mark.parametrize("kind", [*MX_KINDS, POOL])
def test_a_verdict_fails_what_real_servers_do_wrong_and_warns_of_a_test_set_up(world: World, kind: str) -> None:
    store = Store.memory()
    check = world.checks[DOMAINS[kind]]
    observations.record(store, [check])
    found = readiness.judge(store, DOMAINS[kind], check.checked_at).state("C05")
    store.close()
    if MX_KINDS.get(kind, {"one of four"}):
        assert (found.state, bool(found.remedy)) == ("FAIL", True)
        assert any(fact.about.startswith("mx") for fact in found.found.facts)
    else:
        assert (found.state, "other settings than senders have" in found.reason) == ("WARN", True)
