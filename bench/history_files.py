"""Histories as files: reports as senders write them, checks as `tlsrpt check --format json` writes them.

Everything is written by hand, with nothing of the program, the same bytes every time: keys come from names,
signatures are deterministic, addresses are documentation addresses. What arrived on a day lies in a
directory of that day's number.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from bench.histories import NEVER, WORDS, Fault, History, Look, Report, Row, Sender, Tally, World

FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday

# What OpenSSL has against a certificate; names it does not look at.
_CODES = {"expired": (10,), "self-signed": (18,), "untrusted": (20, 21)}
_SECURE = {"status": "found", "secure": True}
_FOUND = {"status": "found", "secure": False}
_NONE = {"status": "none", "secure": False}


def moment(at: float) -> datetime:
    """Return the time that so many days after the first one is."""
    return FIRST_DAY + timedelta(seconds=round(at * 86_400))


def directory(root: Path, day: int) -> Path:
    """Return where that lies which arrived on a day."""
    return root / f"{day:03d}"


def write(history: History, root: Path) -> None:
    """Write everything that reached the operator below `root`."""
    world = history.world
    for day in range(world.days):
        directory(root, day).mkdir(parents=True)
    # Numbered in order of arrival: that is the order in which they are read.
    for number, report in enumerate(history.reports):
        place, name = directory(root, int(report.arrives)), f"{number:05d}-{report.sender.domain}"
        document = json.dumps(_report(world, report)).encode()
        if report.forged:
            (place / f"{name}.eml").write_bytes(_mail(world, report, document))
        else:
            (place / f"{name}.json").write_bytes(document)
    for number, look in enumerate(world.looks):
        content = json.dumps({"tlsrpt_check": 1, "checks": [_check(world, look)]})
        (directory(root, int(look.at)) / f"check-{number:05d}.json").write_text(content)


# Reports


def _report(world: World, report: Report) -> dict[str, Any]:
    day, sender = moment(report.day), report.sender
    return {
        "organization-name": f"{sender.domain.partition('.')[0].title()} Mail",
        "date-range": {"start-datetime": f"{day:%Y-%m-%dT00:00:00Z}", "end-datetime": f"{day:%Y-%m-%dT23:59:59Z}"},
        "contact-info": f"tls-reports@{sender.domain}",
        "report-id": f"{day:%Y-%m-%d}_{report.number}_{world.domain}",
        "policies": [_entry(world, sender, tally) for tally in report.tallies],
    }


def _entry(world: World, sender: Sender, tally: Tally) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy-type": tally.policy_type, "policy-domain": world.domain}
    if tally.policy_type == "sts" and sender.tells_policy:
        policy["policy-string"] = _policy_lines(world, tally.mx)
        policy["mx-host"] = list(tally.mx)
    elif tally.policy_type == "tlsa":
        policy["policy-string"] = [f"3 1 1 {_key_hash(world.hosts[0].name).upper()}"]
    summary = {"total-successful-session-count": tally.good, "total-failure-session-count": tally.failed}
    entry = {"policy": policy, "summary": summary}
    return entry | {"failure-details": [_row(sender, row) for row in tally.rows]} if tally.rows else entry


def _row(sender: Sender, row: Row) -> dict[str, Any]:
    words = WORDS[row.cause]
    result_type, reason = words.get(sender.style) or words[""]
    written: dict[str, Any] = {"result-type": result_type, "sending-mta-ip": "192.0.2.25"}
    if row.mx != "*":
        written["receiving-mx-hostname"] = row.mx
    written["failed-session-count"] = row.sessions
    return written | ({"failure-reason-code": reason} if reason else {})


def _policy_lines(world: World, mx: tuple[str, ...]) -> list[str]:
    return ["version: STSv1", "mode: testing", *(f"mx: {name}" for name in mx), f"max_age: {world.max_age}"]


def _mail(world: World, report: Report, document: bytes) -> bytes:
    """Return a report in a mail that nobody signed."""
    sender, date = report.sender.domain, format_datetime(moment(report.arrives))
    return (
        f"Received: from out.example.net by mail.{world.domain} with ESMTPS; {date}\n"
        f"MIME-Version: 1.0\n"
        f"Date: {date}\n"
        f"TLS-Report-Domain: {world.domain}\n"
        f"TLS-Report-Submitter: {sender}\n"
        f"Subject: Report Domain: {world.domain} Submitter: {sender} Report-ID: <{report.number}@{sender}>\n"
        f"From: tls-reports@{sender}\n"
        f"To: tls-reports@{world.domain}\n"
        f'Content-Type: multipart/report; boundary="=_parts"; report-type=tlsrpt\n'
        f"\n"
        f"--=_parts\n"
        f"Content-Type: text/plain\n"
        f"\n"
        f"A report is attached.\n"
        f"--=_parts\n"
        f"Content-Type: application/tlsrpt+json\n"
        f"Content-Transfer-Encoding: base64\n"
        f"\n"
        f"{base64.encodebytes(document).decode()}\n"
        f"--=_parts--\n"
    ).encode()


# Checks


def _check(world: World, look: Look) -> dict[str, Any]:
    domain, day = world.domain, int(look.at)
    policy_host = f"mta-sts.{domain}"
    served = [policy for policy in world.policies if policy.since <= look.at][-1]
    announced = [policy for policy in world.policies if policy.announced <= look.at][-1]
    unlisted = [fault.mx for fault in world.faults if fault.cause == "unlisted" and day in fault.days]
    names = [host.name for host in world.hosts if host.since <= look.at < host.until] + unlisted
    answer = _SECURE if world.dane else _FOUND
    records = [{"preference": 10 * place, "host": name} for place, name in enumerate(names, start=1)]
    gone = {fault.cause for fault in world.faults if fault.sort == "record" and fault.is_seen(look)}
    tlsrpt = "" if "tlsrpt" in gone else f"v=TLSRPTv1; rua=mailto:tls-reports@{domain}"
    sts = "" if "txt" in gone else f"v=STSv1; id={moment(announced.since):%Y%m%dT%H%M%S}"
    things: list[tuple[str, dict[str, Any]]] = [
        (f"_smtp._tls.{domain}", _txt("tlsrpt-record", tlsrpt)),
        (f"_mta-sts.{domain}", _txt("mta-sts-record", sts)),
        (policy_host, _host(policy_host)),
        (f"{policy_host} [{_address(policy_host)}]", _fetch(world, look, served.mx)),
        (domain, answer | {"kind": "mx", "hosts": records}),
    ]
    for name in names:
        things += [
            (name, _host(name)),
            (f"_25._tcp.{name}", _tlsa(world, name, day)),
            (f"{name} [{_address(name)}]", _mx(world, look, name)),
        ]
    return {
        "policy_domain": domain,
        "checked_at": f"{moment(look.at):%Y-%m-%dT%H:%M:%SZ}",
        "vantage": look.vantage,
        "observations": [
            {"subject": subject, "facts": facts, "measures": {"seconds": 0.4} if "[" in subject else {"ttl": 3_600}}
            for subject, facts in things
        ],
    }


def _txt(kind: str, record: str) -> dict[str, Any]:
    return _FOUND | {"kind": kind, "records": [record]} if record else _NONE | {"kind": kind}


def _host(name: str) -> dict[str, Any]:
    return {"kind": "host", "a": _FOUND, "aaaa": _NONE, "addresses": [_address(name)]}


def _address(name: str) -> str:
    return f"198.51.100.{hashlib.sha256(name.encode()).digest()[0]}"


def _tlsa(world: World, name: str, day: int) -> dict[str, Any]:
    if not world.dane:
        return _NONE | {"kind": "tlsa"}
    stale = any(fault.sort == "dane" and fault.mx == name and day in fault.days for fault in world.faults)
    data = _key_hash(f"{name}, the key before" if stale else name)
    record = {"usage": 3, "selector": 1, "matching_type": 1, "data": data}
    return _SECURE | {"kind": "tlsa", "records": [record]}


def _fetch(world: World, look: Look, mx: tuple[str, ...]) -> dict[str, Any]:
    host = f"mta-sts.{world.domain}"
    causes = {fault.cause for fault in _there(world, "*", look)}
    if "fetch" in causes:
        facts = {"outcome": "http-status", "status": 500, "reason": "500 Internal Server Error"}
        return facts | {"kind": "policy", "face": _good(world, host, look.at)}
    body = "".join(f"{line}\r\n" for line in _policy_lines(world, mx))
    return {
        "kind": "policy",
        "outcome": "fetched",
        "status": 200,
        "content_type": "text/plain",
        "bodies": [body],
        "face": _bad("expired", host, int(look.at) - 2) if "webpki" in causes else _good(world, host, look.at),
    }


def _there(world: World, mx: str, look: Look) -> list[Fault]:
    """Return what is wrong with an MX, or with the policy host, where and when somebody looks."""
    return [
        fault
        for fault in world.faults
        if fault.mx == mx and fault.sort != "dane" and int(look.at) in fault.days and fault.place in {"", look.vantage}
    ]


def _mx(world: World, look: Look, name: str) -> dict[str, Any]:
    faults = [fault for fault in _there(world, name, look) if fault.cause != "unlisted"]
    if name in world.blind_to_mx or any(fault.look == "nothing" for fault in faults):
        return {"kind": "mx-tls", "outcome": "timeout", "reason": "no connection in 20 s"}
    wrong = [fault for fault in faults if fault.is_seen(look)]
    if any(fault.cause == "starttls" for fault in wrong):
        return {"kind": "mx-tls", "outcome": "starttls-not-offered", "reason": "PIPELINING, 8BITMIME"}
    faces = [_bad(fault.cause, name, fault.first) for fault in wrong]
    if not wrong or any(fault.look == "pool" for fault in wrong):
        faces.append(_good(world, name, look.at))
    return {"kind": "mx-tls", "outcome": "starttls", "faces": faces}


# Certificates


def _good(world: World, name: str, at: float) -> dict[str, Any]:
    renewed = world.renewals[name]
    if renewed == NEVER:
        ends = next(fault.first for fault in world.faults if fault.mx == name)
    else:
        ends = renewed + 60 * math.floor((at - renewed) / 60) + 90
    return _face(name, name, ends, "Sample CA 2")


def _bad(cause: str, name: str, ended: int) -> dict[str, Any]:
    """Return a face that has one thing wrong with it; `ended` is the day on which an old certificate did."""
    if cause == "name":
        face = _face(name, f"other.{name.partition('.')[2]}", 75, "Sample CA 2")
    elif cause == "expired":
        face = _face(name, name, ended, "Sample CA 2")
    else:
        face = _face(name, name, 75, name if cause == "self-signed" else "Unheard CA")
        del face["chain"][1:]
    return face | {"faults": [{"code": code, "depth": 0} for code in _CODES.get(cause, ())]}


def _face(key: str, name: str, ends: int, signer: str) -> dict[str, Any]:
    chain = [_certificate(key, name, ends, signer), _certificate("Sample CA 2", "Sample CA 2", 2_000, "Sample Root")]
    return {
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "chain": [{"der": der} for der in chain],
    }


@cache
def _key(name: str) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") >> 1
    return ec.derive_private_key(number, ec.SECP256R1())


def _key_hash(name: str) -> str:
    info = _key(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(info).hexdigest()


@cache
def _certificate(key: str, name: str, ends: int, signer: str) -> str:
    """Return a certificate in base64, made 90 days before its end; of an authority if its name has no dot."""
    authority = "." not in name
    serial = hashlib.sha256(f"{key} {name} {ends} {signer}".encode()).hexdigest()[:14]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer)]))
        .public_key(_key(key).public_key())
        .serial_number(int(serial, 16) + 1)
        .not_valid_before(moment(ends - (3_650 if authority else 90)))
        .not_valid_after(moment(ends))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    signed = builder.sign(_key(signer), hashes.SHA256(), ecdsa_deterministic=True)
    return base64.b64encode(signed.public_bytes(Encoding.DER)).decode()
