"""A domain's history as files: what senders reported, what looks at it found. Values, to be changed one at a time.

`history()` is vector V01 of the decision: a domain that is READY at NOW (2026-05-20 12:00). It has been in
testing for two weeks and was looked at each morning; four organizations, both large ones among them, count
1,200 sessions on twelve days, none of which failed. What a test wants otherwise it names:

    history(sessions=80)                          fewer sessions, on the same days
    history(orgs=("google.com",))                 one reporter
    history(days=range(7, 16))                    no reports of late; days are days before DAY
    history(failures=[fails(), fails(ago=4)])     sessions of the 1,200 that failed
    history(others=[counted("tlsa", 500)])        further entries of reports, in addition
    history(sees={"google.com": "no-policy-found"})    what sort of policy an organization tells of
    history(behind={"osier.example": 5})          an organization with the policy of five days before
    history(mx2="expired", mode="enforce")        what the domain publishes: fields of Site
    history(max_age=604_800).since(3, max_age=86_400)   and what it publishes since three days
    history(forged=[Forged(300, failed=50)])      mail that anybody may have sent
    history(repairs=[Repair("certificate-expired", "mx2", 6)], answers={"C40": True})   what the operator says

Nothing here asks the clock, and the same history is the same bytes every time. There are two ways to ask:

    judged(history(...)).state("C24").state       in memory, for the many small questions
    with Desk(folder): .load(history), .ready()   with the real command, on a store on disk
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import reports
import shelf
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from loaders import decisions
from queries import readiness
from tlsrpt.certificate import Certificate, read
from tlsrpt.check_file import FORMAT, MARK
from tlsrpt.enforce.evidence import Answer, Fix
from tlsrpt.published import Answer as Said
from tlsrpt.published import (
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
    Settings,
    Tlsa,
    TlsaFacts,
    TxtFacts,
)
from tlsrpt.store import Store
from tui.cli import program

if TYPE_CHECKING:
    from tlsrpt.enforce.parameters import Parameters
    from tlsrpt.enforce.verdict import Judgement

DOMAIN = "example.com"
DAY = date(2026, 5, 20)  # of the question: a Wednesday. Settled are the days up to two before it, from noon on.
NOW = datetime.combine(DAY, time(12))
LOOK = time(5)  # when the domain is looked at
GOOGLE, MICROSOFT = ANCHORS = ("google.com", "microsoft.com")
OSIER, HERON = SMALL = ("osier.example", "heron.example")
ORGS = (*ANCHORS, *SMALL)
SHARES = (50, 30, 12, 8)  # of the sessions of a day, by organization
SILENT = (4, 11)  # days ago: Saturdays
WINDOW = tuple(ago for ago in range(2, 16) if ago not in SILENT)  # twelve of the fourteen days of the rate
BEGAN = 16  # days ago: the first look
SECOND = "2001:db8::1"
VANTAGE, SETTINGS = "mail.osier.example", Settings()

_FOUND, _NONE, _FAILED = Said(status="found", secure=False), Said(status="none", secure=False), Said(status="failed")


# Certificates, the same bytes every time


@cache
def _key(name: str) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") >> 1
    return ec.derive_private_key(number, ec.SECP256R1())


def _info(name: str) -> bytes:
    return _key(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


@cache
def certificate(
    subject: str, names: tuple[str, ...], ends: datetime, life: timedelta, signer: str = "Histories CA"
) -> Certificate:
    """Return a certificate with the key of its subject; one without names is an authority's or nobody's."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(signer))
        .public_key(_key(subject).public_key())
        .serial_number(int(hashlib.sha256(f"{subject} {names} {ends} {life}".encode()).hexdigest()[:16], 16) or 1)
        .not_valid_before((ends - life).replace(tzinfo=UTC, microsecond=0))
        .not_valid_after(ends.replace(tzinfo=UTC, microsecond=0))
        .add_extension(x509.BasicConstraints(ca="." not in subject, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, names))), critical=False)
    signed = builder.sign(_key(signer), hashes.SHA256(), ecdsa_deterministic=True)
    return read(signed.public_bytes(Encoding.DER))


# What OpenSSL has against a certificate of a kind; it looks at no names.
_CODES = {
    "expired": (10, 0),
    "self-signed": (18, 0),
    "untrusted": (19, 1),
    "missing-intermediate": (20, 0),
    "expired-intermediate": (10, 1),
}
# What servers may show; whatever else is given for one is what keeps it from showing anything.
KINDS = frozenset({
    "good", "wildcard", "partial-wildcard", "wrong-name", "common-name-only", "ends-soon", "ends-now",
    "intermediate-ends-soon", *_CODES,
})  # fmt: skip


def face(kind: str, host: str, at: datetime, ends: datetime, life: timedelta) -> Face:
    """Return what a server shows at a time; of "ends" kinds and expired ones the end is near NOW."""
    parent = host.partition(".")[2]
    names = {
        "wildcard": (f"*.{parent}",),
        "partial-wildcard": (f"{host[0]}*.{parent}",),
        "wrong-name": (f"elsewhere.{parent}",),
        "common-name-only": (),
    }.get(kind, (host,))
    left = {"expired": -3.25, "ends-soon": 9, "ends-now": 1.5}.get(kind)
    if left is not None:
        ends = NOW + timedelta(days=left)
    leaf = certificate(host, names, ends, life, host if kind == "self-signed" else "Histories CA")
    above_ends = {"expired-intermediate": -3.25, "intermediate-ends-soon": 9}.get(kind, 1_500)
    above = certificate("Histories CA", (), NOW + timedelta(days=above_ends), timedelta(days=3_000), "Histories Root")
    chain = (leaf,) if kind in {"self-signed", "missing-intermediate"} else (leaf, above)
    code, depth = _CODES.get(kind, (0, 0))
    in_time = code == 10 and (ends if depth == 0 else NOW + timedelta(days=above_ends)) > at
    faults = (Fault(code=code, depth=depth),) if code and not in_time else ()
    return Face(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", chain=chain, faults=faults)


# What a domain publishes

Change = Callable[[Any], Facts]


def changed(**fields: Any) -> Change:
    """Return how facts are changed, for `Site.facts`."""

    def change(facts: Any) -> Any:
        return facts.model_copy(update=fields)

    return change


@dataclass(frozen=True)
class Site:
    """What a domain publishes at a time. Hosts without a dot are in the domain.

    `mx1`, `mx2` and `policy_host` are one of KINDS, or an outcome such as "timeout" or "starttls-not-offered".
    """

    id: str = "20260504T000000"
    mode: str = "testing"
    max_age: int = 86_400
    mx: tuple[str, ...] = ("mx1", "mx2")  # in order of preference
    policy_mx: tuple[str, ...] | None = None  # None: the MXs
    body: str = ""  # the policy file, in which "@" stands for the domain; "": what follows from the above
    mx1: str = "good"
    mx2: str = "good"
    policy_host: str = "good"
    # What is at a second address, SECOND, by "mx1", "mx2" or "mta-sts": as above.
    second: Mapping[str, str] = field(default_factory=dict)
    life: float = 90  # days, of every certificate
    left: float = 31  # days at NOW; renewed when a third of its life is left
    ttl: int = 300  # of records
    seconds: float = 0.4  # that the policy took
    tlsa: tuple[str, ...] = ()  # MXs that have a TLSA record, which matches
    secure: bool | None = True  # whether those are validated by DNSSEC
    # By subject: facts in place of what follows from the above, how to change those, or None to leave them out.
    # In a subject "@" stands for the domain, and "[]" for the address of the host: "mx2.@ []".
    facts: Mapping[str, Facts | Change | None] = field(default_factory=dict)
    also: Sequence[tuple[str, Facts]] = ()  # more of it, by such subjects


def qualified(name: str, domain: str = DOMAIN) -> str:
    """Return a host, in the domain if it has no dot; "@" stands for the domain."""
    name = name.replace("@", domain)
    return name if "." in name else f"{name}.{domain}"


def policy_lines(site: Site, domain: str = DOMAIN) -> list[str]:
    """Return the lines of the policy that a site serves."""
    mx = site.mx if site.policy_mx is None else site.policy_mx
    hosts = [f"mx: {qualified(name, domain)}" for name in mx]
    return ["version: STSv1", f"mode: {site.mode}", *hosts, f"max_age: {site.max_age}"]


def _address(host: str) -> str:
    return f"198.51.100.{hashlib.sha256(host.encode()).digest()[0]}"


def _host(host: str, *more: str) -> HostFacts:
    return HostFacts(a=_FOUND, aaaa=_FOUND if more else _NONE, addresses=(_address(host), *more))


def txt(kind: Any, *records: str, **more: Any) -> TxtFacts:
    """Return TXT records; `more` are fields of an answer."""
    given: dict[str, Any] = {"kind": kind, "status": "found" if records else "none", "secure": False}
    return TxtFacts(**(given | {"records": records} | more))


def servfail(facts: Any) -> Any:
    """Return that DNS gave no answer; a change for `Site.facts`."""
    return type(facts)(kind=facts.kind, status="failed", reason="SERVFAIL")


def _ends(site: Site, at: datetime) -> datetime:
    """Return the end of the certificates that are there at a time, before they were renewed if need be."""
    life = timedelta(days=site.life)
    ends = NOW + timedelta(days=site.left)
    while ends - life > at:
        ends -= life * 2 / 3
    return ends


def fetched(site: Site, domain: str, at: datetime) -> FetchFacts:
    """Return what the policy host answers."""
    if site.policy_host not in KINDS:
        status = {"http-status": 404, "redirect": 301}.get(site.policy_host)
        return FetchFacts(outcome=site.policy_host, status=status)
    body = site.body.replace("@", domain) or "".join(f"{line}\r\n" for line in policy_lines(site, domain))
    return FetchFacts(
        outcome="fetched",
        status=200,
        content_type="text/plain",
        bodies=(body,),
        face=shown(site.policy_host, f"mta-sts.{domain}", site, at),
    )


def mx_tls(kind: str, host: str, site: Site, at: datetime) -> MxTlsFacts:
    """Return what an MX shows: of a kind, or an outcome."""
    if kind not in KINDS:
        return MxTlsFacts(outcome=kind)
    return MxTlsFacts(outcome="starttls", faces=(shown(kind, host, site, at),))


def shown(kind: str, host: str, site: Site, at: datetime) -> Face:
    """Return what a host of a site shows at a time."""
    return face(kind, host, at, _ends(site, at), timedelta(days=site.life))


def _tlsa(host: str, site: Site, domain: str) -> TlsaFacts:
    if host not in {qualified(name, domain) for name in site.tlsa}:
        return TlsaFacts(status="none", secure=site.secure)
    record = Tlsa(usage=3, selector=1, matching_type=1, data=hashlib.sha256(_info(host)).hexdigest())
    return TlsaFacts(status="found", secure=site.secure, records=(record,))


def _subject(text: str, domain: str) -> str:
    """Return the subject that a key of `Site.facts` stands for."""
    host = text.replace("@", domain).removesuffix(" []")
    return _at_address(host) if text.endswith(" []") else host


def _at_address(host: str) -> str:
    return f"{host} [{_address(host)}]"


def look(site: Site, domain: str, at: datetime, vantage: str = VANTAGE, settings: Settings | None = None) -> Check:
    """Return what is seen of a site at a time."""
    policy_host = f"mta-sts.{domain}"
    hosts = [qualified(name, domain) for name in site.mx]
    preferred = tuple(Mx(preference=10 * place, host=host) for place, host in enumerate(hosts, 1))
    found: dict[str, Facts | None] = {
        f"_smtp._tls.{domain}": txt("tlsrpt-record", f"v=TLSRPTv1; rua=mailto:tls@{domain}"),
        f"_mta-sts.{domain}": txt("mta-sts-record", f"v=STSv1; id={site.id}"),
        policy_host: _host(policy_host),
        _at_address(policy_host): fetched(site, domain, at),
        domain: MxFacts(status="found", secure=False, hosts=preferred),
    }
    for name, host in zip(site.mx, hosts, strict=True):
        kind = {"mx1": site.mx1, "mx2": site.mx2}.get(name, "good")
        found[host] = _host(host)
        found[f"_25._tcp.{host}"] = _tlsa(host, site, domain)
        found[_at_address(host)] = mx_tls(kind, host, site, at)
    for name, kind in site.second.items():
        host = qualified(name, domain)
        found[host] = _host(host, SECOND)
        there = f"{host} [{SECOND}]"
        if name == "mta-sts":
            found[there] = fetched(replace(site, policy_host=kind), domain, at)
        else:
            found[there] = mx_tls(kind, host, site, at)
    for key, facts in site.facts.items():
        subject = _subject(key, domain)
        found[subject] = facts(found[subject]) if callable(facts) else facts
    return Check(
        policy_domain=domain,
        checked_at=at,
        vantage=vantage,
        settings=settings or Settings(),
        observations=tuple(
            Observation(subject=subject, facts=facts, measures=_measures(site, facts))
            for subject, facts in (*found.items(), *((_subject(key, domain), facts) for key, facts in site.also))
            if facts is not None
        ),
    )


def _measures(site: Site, facts: Facts) -> Measures:
    if isinstance(facts, FetchFacts):
        return Measures(seconds=site.seconds)
    return Measures(seconds=0.4) if isinstance(facts, MxTlsFacts) else Measures(ttl=site.ttl)


def _check_file(checks: Sequence[Check]) -> bytes:
    """Return a file of checks: what `checks_json` writes, without its line breaks, which take their time."""
    written = [check.model_dump(mode="json") | {"checked_at": f"{check.checked_at.isoformat()}Z"} for check in checks]
    return json.dumps({MARK: FORMAT, "checks": written}).encode()


# What senders report


class Failing(NamedTuple):
    """Sessions of one organization on one day that failed, out of those that it has."""

    org: str = GOOGLE
    ago: int = 3
    sessions: int = 1
    result_type: str = "certificate-host-mismatch"  # "": the report gives no details
    mx: str = "mx2"  # "": none is named
    reason: str = ""


def fails(*given: Any, **more: Any) -> Failing:
    """Return failed sessions: one of a name that does not match at mx2, told by Google of three days ago."""
    return Failing(*given, **more)


class Element(NamedTuple):
    """One policy element of the report of an organization about a day."""

    org: str
    ago: int
    policy_type: str
    successful: int
    rows: tuple[Failing, ...] = ()  # of these, who and when do not matter
    policy_domain: str = "@"  # "@" stands for the domain
    lines: tuple[str, ...] | None = None  # of the policy; None: what follows from the site, if it is "sts"
    failed: int | None = None  # None: what the rows add up to


def counted(policy_type: str, successful: int, org: str = GOOGLE, ago: int = 3, **more: Any) -> Element:
    """Return one more element of the report of an organization about a day."""
    return Element(org, ago, policy_type, successful, **more)


class Forged(NamedTuple):
    """Mails with reports that nobody signed, each of a day of its own in turn."""

    mails: int
    successful: int = 0
    failed: int = 0
    org: str = "forger.example"  # who they say that they are from
    result_type: str = "certificate-expired"
    report_id: str = ""  # of each; "": one for each


class Repair(NamedTuple):
    """A repair that was made, and recorded, so many days ago at the hour LOOK."""

    cause: str
    mx: str
    ago: float


@dataclass(frozen=True)
class History:
    """What became known of a domain up to a moment. Days are days before DAY."""

    domain: str = DOMAIN
    now: datetime = NOW
    site: Site = Site()
    changes: tuple[tuple[float, Site], ...] = ()  # since so many days, oldest first
    looks: Sequence[float] = tuple(range(BEGAN, -1, -1))  # days ago, at the hour LOOK
    vantages: tuple[str, ...] = (VANTAGE,)
    settings: Settings = SETTINGS  # of the looks
    sessions: int = 1_200  # in all
    orgs: tuple[str, ...] = ORGS
    shares: tuple[int, ...] = SHARES  # of the sessions of a day, by organization
    days: Sequence[int] = WINDOW
    failures: Sequence[Failing] = ()
    others: Sequence[Element] = ()
    sees: Mapping[str, str] = field(default_factory=dict)  # policy type by organization, if it is not "sts"
    behind: Mapping[str, float] = field(default_factory=dict)  # days by organization, of the policy it works from
    mute: Sequence[str] = ()  # organizations that do not tell which policy they had
    more: Sequence[reports.Document] = ()  # reports as they are, in addition
    revised: int = 0  # of the reports, how many take the place of an earlier one with other numbers
    forged: Sequence[Forged] = ()
    repairs: Sequence[Repair] = ()  # what the operator says
    answers: Mapping[str, bool] = field(default_factory=dict)

    def but(self, **changes: Any) -> History:
        """Return this history with some fields otherwise, its own or those of its site."""
        own = {name: value for name, value in changes.items() if name in _OWN}
        site = {name: value for name, value in changes.items() if name not in _OWN}
        return replace(self, **({"site": replace(self.site, **site)} | own))

    def since(self, ago: float, **changes: Any) -> History:
        """Return this history with something published otherwise since so many days, after what changed before."""
        latest = self.changes[-1][1] if self.changes else self.site
        return replace(self, changes=(*self.changes, (ago, replace(latest, **changes))))

    def at(self, ago: float) -> Site:
        """Return what was published so many days ago."""
        return next((site for since, site in reversed(self.changes) if since >= ago), self.site)

    # Files

    @cached_property
    def checks(self) -> list[Check]:
        """Return every look, oldest first."""
        return [
            look(self.at(ago), self.domain, when(ago), vantage, self.settings)
            for ago in sorted(self.looks, reverse=True)
            for vantage in self.vantages
            if when(ago) <= self.now
        ]

    @cached_property
    def documents(self) -> list[reports.Document]:
        """Return the reports of those who mean well."""
        by_report: dict[tuple[int, str], list[Element]] = defaultdict(list)
        for element in (*self._counted(), *self.others):
            by_report[element.ago, element.org].append(element)
        found = [self._document(*key, elements) for key, elements in sorted(by_report.items(), reverse=True)]
        return [*found, *self.more]

    @cached_property
    def mails(self) -> list[bytes]:
        """Return the forged ones, as mail."""
        return [self._forgery(kind, number) for kind in self.forged for number in range(kind.mails)]

    def files(self) -> dict[str, bytes]:
        """Return everything by name, in order of arrival; mails are files of their own."""
        documents = {f"{number:04}": document for number, document in enumerate(self.documents)}
        for number in range(self.revised):
            summary = "policies.0.summary.total-successful-session-count"
            documents[f"{number:04}~"] = reports.changed(summary, 0, documents[f"{number:04}"])
        found = {f"{self.domain}-{name}.json": json.dumps(one).encode() for name, one in documents.items()}
        if self.checks:
            found[f"{self.domain}-checks.json"] = _check_file(self.checks)
        return found | {f"{self.domain}-{number:04}.eml": mail for number, mail in enumerate(self.mails)}

    def write(self, folder: Path) -> Path:
        """Write everything below a folder, mails into one mbox, and return the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files().items():
            if not name.endswith(".eml"):
                (folder / name).write_bytes(content)
        if self.mails:
            begin = b"From MAILER-DAEMON Wed May 20 00:00:00 2026\n"
            mbox = b"".join(begin + mail.replace(b"\r\n", b"\n") + b"\n" for mail in self.mails)
            (folder / f"{self.domain}.mbox").write_bytes(mbox)
        return folder

    # Reports

    def _counted(self) -> Iterator[Element]:
        """Yield what each organization counts on each day: together the sessions, as even as whole numbers can."""
        failing: dict[tuple[int, str], list[Failing]] = defaultdict(list)
        for one in self.failures:
            failing[one.ago, one.org].append(one)
        if len(self.orgs) > len(self.shares):
            raise ValueError("more organizations than shares")
        by_org = list(zip(self.orgs, self.shares, strict=False))
        shares = [(ago, org, share) for ago in self.days for org, share in by_org]
        whole = sum(share for *_, share in shares)
        reached = 0
        for ago, org, share in shares:
            before, reached = self.sessions * reached // whole, reached + share
            number = self.sessions * reached // whole - before
            rows = failing.pop((ago, org), [])
            lost = sum(row.sessions for row in rows)
            if lost > number:
                raise ValueError(f"{org} has {number} sessions {ago} days ago, and not {lost}")
            if number:
                yield Element(org, ago, self.sees.get(org, "sts"), number - lost, tuple(rows))
        if failing:
            raise ValueError(f"no sessions that could fail: {list(failing)}")

    def _document(self, ago: int, org: str, elements: Sequence[Element]) -> reports.Document:
        day = DAY - timedelta(days=ago)
        return reports.document(
            *(self._policy(element) for element in elements),
            day=f"{day}",
            organization_name=org,
            contact_info=f"tls-reports@{org}",
            report_id=f"{day}_{self.domain}@{org}",
        )

    def _policy(self, element: Element) -> reports.Document:
        org, ago, policy_type, successful, rows, domain, lines, failed = element
        if org in self.mute:
            lines = ()
        elif lines is None:
            site = self.at(ago + self.behind.get(org, 0))
            lines = tuple(policy_lines(site, self.domain)) if policy_type == "sts" else ()
        mx = [line.removeprefix("mx: ") for line in lines if line.startswith("mx: ")]
        return reports.policy(
            policy_type,
            domain.replace("@", self.domain),
            successful,
            sum(row.sessions for row in rows) if failed is None else failed,
            [self._row(row) for row in rows if row.result_type],
            policy_string=list(lines) or ...,
            mx_host=mx or ...,
        )

    def _row(self, failing: Failing) -> reports.Document:
        row = reports.row(failing.result_type, failing.sessions, failure_reason_code=failing.reason)
        row["receiving-mx-hostname"] = qualified(failing.mx, self.domain)
        absent = {"receiving-mx-hostname": failing.mx, "failure-reason-code": failing.reason}
        return {key: value for key, value in row.items() if absent.get(key, key)}

    def _forgery(self, kind: Forged, number: int) -> bytes:
        ago = self.days[number % len(self.days)]
        day = DAY - timedelta(days=ago)
        rows = [reports.row(kind.result_type, kind.failed, receiving_mx_hostname=f"mx1.{self.domain}")]
        lines = policy_lines(self.at(ago), self.domain)
        entry = reports.policy(
            "sts", self.domain, kind.successful, kind.failed, rows if kind.failed else [], policy_string=lines,
            mx_host=[line.removeprefix("mx: ") for line in lines if line.startswith("mx: ")],
        )  # fmt: skip
        report_id = kind.report_id or f"{number}.{self.domain}@{kind.org}"
        document = reports.document(
            entry, day=f"{day}", organization_name=kind.org, contact_info=f"tls-reports@{kind.org}",
            report_id=report_id.replace("DAY", f"{day}"),
        )  # fmt: skip
        return shelf.mail(
            document,
            received=format_datetime(datetime.combine(day + timedelta(days=1), time(10), UTC)),
            From=f"noreply@{kind.org}",
            TLS_Report_Domain=self.domain,
            TLS_Report_Submitter=kind.org,
            Message_ID=f"<{number}.{kind.org}>",
        )


_OWN = {one.name for one in fields(History)}


def history(**changes: Any) -> History:
    """Return vector V01 with some fields otherwise, of History or of its Site."""
    return History().but(**changes)


def when(ago: float) -> datetime:
    """Return when the look of so many days ago is made."""
    return datetime.combine(DAY, LOOK) - timedelta(days=ago)


# Asking in memory


def stored(*histories: History) -> Store:
    """Return a store in memory with everything of these histories, each about a domain of its own."""
    store = Store.memory()
    found = {name: content for one in histories for name, content in one.files().items()}
    shelf.put(store, *found.values(), names=tuple(found))
    fixes = [
        Fix(0, one.domain, cause, _mx_key(mx, one.domain), when(ago), "", "", when(ago))
        for one in histories
        for cause, mx, ago in one.repairs
    ]
    if fixes:
        decisions.fix(store, fixes)
    for one in histories:
        for criterion, answer in one.answers.items():
            decisions.answer(store, Answer(one.domain, criterion, answer, "", "", None, when(0)))
    return store


def _mx_key(mx: str, domain: str) -> str:
    return mx if mx in {"", "*"} else qualified(mx, domain)


def judged(found: History, parameters: Parameters | None = None) -> Judgement:
    """Return the verdict on a history at its moment, from a store in memory."""
    return readiness.judge(stored(found), found.domain, found.now, parameters or readiness.USUAL)


# Asking with the real command


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


class Ready(NamedTuple):
    """What `tlsrpt ready DOMAIN --format json` said, and its exit status."""

    status: int
    told: dict[str, Any]

    @property
    def verdict(self) -> str:
        return str(self.told["verdict"])

    @property
    def states(self) -> dict[str, str]:
        """Return the state of each criterion."""
        return {one["criterion"]: one["state"] for one in self.told["criteria"]}

    @property
    def lowering(self) -> dict[str, str]:
        """Return what is neither PASS nor N-A, without what never lowers a verdict."""
        never = {"C11", "C12", "C31", "C40", "C41", "C42", "C43"}
        return {
            name: state for name, state in self.states.items() if name not in never and state not in {"PASS", "N-A"}
        }

    def criterion(self, name: str) -> dict[str, Any]:
        """Return all that is said of one criterion."""
        return next(one for one in self.told["criteria"] if one["criterion"] == name)


class Desk:
    """A store on disk, and the real command on it, in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "store.duckdb"

    def run(self, *arguments: str) -> Ended:
        """Run a command as `main` does."""
        given = ["--database", str(self.database), *arguments]
        done = CliRunner().invoke(program, given, standalone_mode=False)
        if isinstance(done.exception, click.ClickException):
            said = f"{done.stderr}{done.exception.format_message()}\n"
            return Ended(done.exception.exit_code, done.stdout, said)
        if done.exception is not None:
            raise done.exception
        return Ended(done.return_value or 0, done.stdout, done.stderr)

    def done(self, *arguments: str) -> Ended:
        """Run a command that has to end with 0."""
        ended = self.run(*arguments)
        assert ended.status == 0, ended
        return ended

    def load(self, *histories: History, options: Sequence[str] = ()) -> Desk:
        """Write histories, load them and say what the operator says; return this."""
        folders = [one.write(self.folder / one.domain) for one in histories]
        self.done("load", *map(str, folders), *options)
        for one in histories:
            for repair in one.repairs:
                self.fix(repair, one.domain)
            for criterion, answer in one.answers.items():
                self.done("answer", one.domain, criterion, "yes" if answer else "no", "--as-of", moment(when(0)))
        return self

    def fix(self, repair: Repair, domain: str = DOMAIN) -> Ended:
        """Record a repair."""
        cause, mx, ago = repair
        at = moment(when(ago))
        return self.done("fix", domain, "--cause", cause, "--mx", _mx_key(mx, domain), "--at", at, "--as-of", at)

    def ready(self, domain: str = DOMAIN, now: datetime = NOW, options: Sequence[str] = ()) -> Ready:
        """Return the verdict on a domain at a moment."""
        [found] = self.ready_all([domain], now, options)
        return found

    def ready_all(self, domains: Sequence[str], now: datetime = NOW, options: Sequence[str] = ()) -> list[Ready]:
        """Return the verdict on each of some domains; the exit status is that of all of them."""
        ended = self.run("ready", *domains, "--as-of", moment(now), "--format", "json", *options)
        assert ended.out, ended
        told = {one["policy_domain"]: Ready(ended.status, one) for one in json.loads(ended.out)}
        return [told[domain] for domain in domains]

    def installed(self, *arguments: str) -> Ended:
        """Run the command as it is installed, in a process of its own."""
        command = [str(Path(sys.executable).with_name("tlsrpt")), "--database", str(self.database), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        return Ended(done.returncode, done.stdout, done.stderr)


def moment(at: datetime) -> str:
    """Return a moment as `--as-of` takes it."""
    return f"{at:%Y-%m-%dT%H:%M}"
