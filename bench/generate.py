"""Write made-up TLS reports of which everything is known, to measure with and to test with.

    python bench/generate.py COUNT FORM OUT [--seed N] [--bad P] [--odd P]

writes OUT/reports/ (one .json.gz or .eml each, or one mbox) and OUT/manifest.json, which tells what a right
reader finds there. Input i depends on the seed and on i alone, so a small set is the start of a large one.
Sizes, shapes and shares follow what large and small senders mail: half of the reports have no failures and
well under a kilobyte, one in a hundred has tens to hundreds of failure rows, two in a hundred arrive twice.
"""

from __future__ import annotations

import argparse
import base64
import json
import struct
import sys
import zlib
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 90
DOMAINS = 5_000
SMALL_SENDERS = 59  # beside Google, Microsoft and Mail.ru
REDELIVERED = 0.02
FAILING = 0.175

# A broken report that no reader can use, and how it was broken.
BAD = (
    "cut gzip",
    "wrong checksum",
    "cut json",
    "no policies",
    "policies are numbers",
    "no date-range",
    "dates are no dates",
    "ends when it starts",
    "negative count",
)
# Unusual but complete: a reader takes these as it takes the others.
ODD = ("byte order mark", "utf-16", "two gzip members", "line end after gzip")


class Sender(NamedTuple):
    """An organization that mails reports."""

    style: str  # whose habits it follows, a key of REPORT_IDS
    organization_name: str
    contact_info: str | None
    domain: str  # stands in TLS-Report-Submitter and in file names
    network: str  # first two bytes of its addresses


class Recipient(NamedTuple):
    """A domain that reports are about, and what goes wrong there when something does."""

    policy_domain: str
    mode: str
    max_age: int  # seconds
    mx: tuple[str, ...]
    result_type: str
    failure_reason_code: str
    has_sts: bool
    tlsa: str | None


class Facts(NamedTuple):
    """What a document says, before it is put into a sender's words."""

    number: int
    sender: Sender
    recipient: Recipient
    start: datetime
    end: datetime
    policies: list[dict[str, Any]]


class Truth(NamedTuple):
    """What one good report adds up to."""

    policies: int
    failure_details: int
    failed_session_count: int
    total_successful_session_count: int
    total_failure_session_count: int


class Report(NamedTuple):
    """One input, ready to be put into a file or a mail."""

    number: int
    facts: Facts
    report_id: str
    content: bytes  # as attached: gzip, or bare JSON from senders who do not compress
    truth: Truth | None  # None if broken on purpose


RESULTS = (
    ("validation-failure", "MX_HOSTS_MISMATCH"),
    ("certificate-expired", "certificate has expired"),
    ("certificate-host-mismatch", "X509_V_ERR_HOSTNAME_MISMATCH"),
    ("certificate-not-trusted", "unable to get local issuer certificate"),
    ("starttls-not-supported", "STARTTLS not offered"),
    ("sts-policy-fetch-error", "bad https response code: 404"),
    ("sts-webpki-invalid", "tls: failed to verify certificate"),
    ("tlsa-invalid", "no TLSA record matches"),
)
WORDS = ("harbour", "maple", "quartz", "lantern", "orchard", "pepper", "saddle", "tundra", "willow", "zephyr")


def _senders() -> tuple[Sender, ...]:
    large = (
        Sender("google", "Google Inc.", "smtp-tls-reporting@google.com", "google.com", "209.85"),
        Sender("microsoft", "Microsoft Corporation", "tlsrpt-noreply@microsoft.com", "microsoft.com", "40.92"),
        Sender("mailru", "Mail.ru", "tls_support@corp.mail.ru", "mail.ru", "94.100"),
    )
    small = []
    for number in range(SMALL_SENDERS):
        style = ("postfix", "stalwart", "mox", "halon")[number % 4]
        domain = f"mx{number % 3}.{WORDS[number % 10]}-{number}.example.net"
        name = domain if style in {"stalwart", "mox"} else f"{WORDS[number % 10].title()} Mail {number}"
        contact = None if style == "stalwart" else f"postmaster@{domain}"
        small.append(Sender(style, name, contact, domain, f"198.{18 + number % 2}"))
    return large + tuple(small)


SENDERS = _senders()


@lru_cache(maxsize=DOMAINS)
def _recipient(seed: int, number: int) -> Recipient:
    random = Random(f"{seed}/domain/{number}")
    domain = f"{random.choice(WORDS)}{random.choice(('', '-mail', '-group'))}-{number}.example"
    hosts = tuple(f"mx{host + 1}.mail-gateway.{domain}" for host in range(random.choice((1, 2, 2, 3, 3))))
    tlsa = f"3 1 1 {random.randbytes(32).hex().upper()}"
    result_type, reason = random.choice(RESULTS)
    return Recipient(
        policy_domain=domain,
        mode="enforce" if random.random() < 0.45 else "testing",
        max_age=random.choice((86_400, 604_800, 2_592_000)),
        mx=hosts if random.random() < 0.85 else (f"*.{domain}",),
        result_type=result_type,
        failure_reason_code=reason,
        has_sts=random.random() < 0.85,
        tlsa=tlsa if random.random() < 0.25 else None,
    )


def _rows(random: Random, sender: Sender, recipient: Recipient) -> list[dict[str, Any]]:
    """Return the failure rows of one policy: mostly one or two, rarely hundreds."""
    count = min(420, int(random.random() ** (-1 / 0.70)))
    rows: list[dict[str, Any]] = []
    for _ in range(count):
        host = random.choice(recipient.mx).replace("*", "mail")
        row: dict[str, Any] = {"result-type": recipient.result_type}
        if sender.style not in {"microsoft", "mailru"}:
            draw = random.getrandbits(16)
            row["sending-mta-ip"] = f"{sender.network}.{draw >> 8}.{draw & 255}"
            row["receiving-ip"] = f"203.0.113.{len(host)}"
        if sender.style != "mailru":
            row["receiving-mx-hostname"] = host
        if sender.style in {"postfix", "halon"}:
            row["receiving-mx-helo"] = host
        row["failed-session-count"] = 1 + int(9 * random.random() ** 4)
        if sender.style != "google":
            row["failure-reason-code"] = recipient.failure_reason_code
        rows.append(row)
    return rows


def _policies(random: Random, sender: Sender, recipient: Recipient) -> list[dict[str, Any]]:
    kinds = []
    if recipient.has_sts:
        kinds.append("sts")
    if recipient.tlsa is not None and sender.style not in {"google", "mailru"}:
        kinds.append("tlsa")
    policies: list[dict[str, Any]] = []
    successful = 1 + int(40 * random.random() ** 6 / (1.02 - random.random()))
    for kind in kinds or ["no-policy-found"]:
        policy: dict[str, Any] = {"policy-type": kind}
        if kind == "sts" and sender.style != "mailru":
            policy["policy-string"] = [
                "version: STSv1",
                f"mode: {recipient.mode}",
                *(f"mx: {host}" for host in recipient.mx),
                f"max_age: {recipient.max_age}",
            ]
        elif kind == "tlsa":
            # Microsoft writes the records of a name as a JSON list inside one string.
            record = f'["{recipient.tlsa}"]' if sender.style == "microsoft" else recipient.tlsa
            policy["policy-string"] = [record]
        policy["policy-domain"] = recipient.policy_domain
        if kind == "sts" and sender.style not in {"microsoft", "mailru"}:
            policy["mx-host"] = list(recipient.mx)
        rows = _rows(random, sender, recipient) if random.random() < FAILING else []
        summary: dict[str, Any] = {
            "total-successful-session-count": successful,
            "total-failure-session-count": sum(row["failed-session-count"] for row in rows),
        }
        entry: dict[str, Any] = {"policy": policy, "summary": summary}
        if rows or sender.style in {"postfix", "stalwart", "mox"}:
            entry["failure-details"] = rows
        policies.append(entry)
    return policies


def _facts(seed: int, number: int) -> Facts:
    random = Random(f"{seed}/report/{number}")
    draw = random.random()
    if draw < 0.38:
        sender = SENDERS[0]
    elif draw < 0.66:
        sender = SENDERS[1]
    elif draw < 0.72:
        sender = SENDERS[2]
    else:
        sender = SENDERS[3 + int(SMALL_SENDERS * random.random() ** 2)]
    recipient = _recipient(seed, int(DOMAINS * random.random() ** 3))
    start = FIRST_DAY + timedelta(days=int(DAYS * random.random()))
    # Mail.ru and Stalwart end at the next midnight, the others a second before it.
    end = start + timedelta(days=1, seconds=0 if sender.style in {"mailru", "stalwart"} else -1)
    return Facts(number, sender, recipient, start, end, _policies(random, sender, recipient))


# Each id holds the number of the report, so that no two reports share an identity by chance.
REPORT_IDS: dict[str, Callable[[Facts], str]] = {
    "google": lambda facts: f"{facts.start:%Y-%m-%dT%H:%M:%SZ}_{facts.recipient.policy_domain}_{facts.number}",
    "microsoft": lambda facts: f"{134_000_000_000_000_000 + facts.number}+{facts.recipient.policy_domain}",
    "mailru": lambda facts: f"{_uuid(facts.number)}@mail.ru",
    "postfix": lambda facts: f"{facts.start:%Y-%m-%dT%H:%M:%SZ}_idx{facts.number}_{facts.recipient.policy_domain}",
    "stalwart": lambda facts: f"{facts.start.timestamp():.0f}_{facts.number}",
    "mox": lambda facts: f"{facts.start:%Y%m%d}.{facts.number}.{facts.recipient.policy_domain}@{facts.sender.domain}",
    "halon": lambda facts: f"{facts.number:012x}",
}


def _uuid(number: int) -> str:
    digits = f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _document(facts: Facts) -> dict[str, Any]:
    """Return the report as RFC 8460 section 4.4 has it, members in the order of its sender."""
    document = {
        "organization-name": facts.sender.organization_name,
        "date-range": {"start-datetime": _time(facts.start), "end-datetime": _time(facts.end)},
        "contact-info": facts.sender.contact_info,
        "report-id": REPORT_IDS[facts.sender.style](facts),
        "policies": facts.policies,
    }
    return dict(sorted(document.items())) if facts.sender.style == "mailru" else document


def _written(document: dict[str, Any], style: str) -> bytes:
    # Mail.ru writes its reports in lines indented by three; the others save the space.
    if style == "mailru":
        return json.dumps(document, indent=3).encode()
    return json.dumps(document, separators=(",", ":")).encode()


def _gzip(content: bytes, moment: datetime) -> bytes:
    """Return one gzip member; gzip.compress would write a header that differs between Python versions."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = compressor.compress(content) + compressor.flush()
    header = struct.pack("<4sLBB", b"\x1f\x8b\x08\x00", int(moment.timestamp()), 0, 255)
    return header + body + struct.pack("<LL", zlib.crc32(content), len(content))


def _spoil(document: dict[str, Any], kind: str) -> None:
    """Take from a document what no reader can do without."""
    if kind == "no policies":
        del document["policies"]
    elif kind == "policies are numbers":
        document["policies"] = [1, 2, 3]
    elif kind == "no date-range":
        del document["date-range"]
    elif kind == "dates are no dates":
        document["date-range"] = {"start-datetime": "last week", "end-datetime": "yesterday"}
    elif kind == "ends when it starts":
        document["date-range"]["end-datetime"] = document["date-range"]["start-datetime"]
    elif kind == "negative count":
        for entry in document["policies"]:
            entry["summary"]["total-successful-session-count"] = -1


def _packed(content: bytes, facts: Facts, dress: str | None, *, bare: bool) -> bytes:
    """Return the attachment that holds this document, broken or oddly dressed if asked."""
    if dress == "cut json":
        content = content[: len(content) * 2 // 3]
    elif dress == "byte order mark":
        content = b"\xef\xbb\xbf" + content
    elif dress == "utf-16":
        content = content.decode().encode("utf-16")
    if bare and dress is None:
        return content
    packed = _gzip(content, facts.end)
    if dress == "cut gzip":
        return packed[: len(packed) * 2 // 3]
    if dress == "wrong checksum":
        return packed[:-8] + bytes(255 - byte for byte in packed[-8:-4]) + packed[-4:]
    if dress == "two gzip members":
        half = len(content) // 2
        return _gzip(content[:half], facts.end) + _gzip(content[half:], facts.end)
    if dress == "line end after gzip":
        return packed + b"\r\n"
    return packed


def _truth(policies: list[dict[str, Any]]) -> Truth:
    rows = [row for entry in policies for row in entry.get("failure-details", ())]
    summaries = [entry["summary"] for entry in policies]
    return Truth(
        policies=len(policies),
        failure_details=len(rows),
        failed_session_count=sum(row["failed-session-count"] for row in rows),
        total_successful_session_count=sum(summary["total-successful-session-count"] for summary in summaries),
        total_failure_session_count=sum(summary["total-failure-session-count"] for summary in summaries),
    )


class Workload(NamedTuple):
    """What decides every byte that is written."""

    seed: int
    bad: float  # share of reports that no reader can use
    odd: float  # share of reports in unusual dress

    def dress(self, number: int) -> str | None:
        """Return how the report of this number is broken or dressed, None for most."""
        if not self.bad and not self.odd:
            return None
        random = Random(f"{self.seed}/dress/{number}")
        draw = random.random()
        if draw < self.bad:
            return random.choice(BAD)
        if draw < self.bad + self.odd:
            return random.choice(ODD)
        return None

    def origin(self, number: int) -> int:
        """Return the number of the report that this input brings: its own, unless it comes a second time."""
        origin = number
        random = Random(f"{self.seed}/origin/{origin}")
        while origin and random.random() < REDELIVERED:
            origin = random.randrange(origin)
            random = Random(f"{self.seed}/origin/{origin}")
        # Whether a broken file counts twice is nothing that this data wants to decide.
        return number if self.dress(origin) in BAD else origin

    def report(self, number: int, *, bare: bool) -> Report:
        """Return the report of this number; with `bare`, senders who do not compress leave the gzip out."""
        facts = _facts(self.seed, number)
        dress = self.dress(number)
        document = _document(facts)
        truth = None if dress in BAD else _truth(facts.policies)
        if dress in BAD:
            _spoil(document, str(dress))
        content = _written(document, facts.sender.style)
        packed = _packed(content, facts, dress, bare=bare and facts.sender.style == "halon")
        return Report(number, facts, document["report-id"], packed, truth)


def _file_name(report: Report) -> str:
    """Return the name of RFC 8460 section 5.1, the number of the report as its unique part."""
    facts = report.facts
    ending = "json.gz" if report.content.startswith(b"\x1f\x8b") else "json"
    begin, end = int(facts.start.timestamp()), int(facts.end.timestamp())
    return f"{facts.sender.domain}!{facts.recipient.policy_domain}!{begin}!{end}!{report.number:06d}.{ending}"


SUBJECTS = {
    "google": "Report Domain: {domain} Submitter: {submitter} Report-ID: <{id}@google.com>",
    "microsoft": "Report Domain: {domain} Submitter: {submitter} Report-ID:\n {id}",
    "mailru": "Report Domain: {domain}\n Submitter: {submitter}\n Report-ID: <{id}>",
    "stalwart": "Report Domain: {domain} Submitter: {submitter} Report-ID: <{id}>",
}
PLAIN_SUBJECT = "Report Domain: {domain} Submitter: {submitter} Report-ID: <{id}@{submitter}>"
TEXTS = {
    "google": (
        'text/plain; charset="UTF-8"; format=flowed; delsp=yes',
        "This is an aggregate TLS report from {submitter}\n",
    ),
    "microsoft": (
        'text/html; charset="us-ascii"',
        """<html>
<body>
<div>This is an aggregate TLS report from {submitter}</div>
<br>
<p><em>Read how we treat what you send us in our privacy statement.</em></p>
</body>
</html>
""",
    ),
}
PLAIN_TEXT = ("text/plain; charset=utf-8", "TLS report from {submitter} about mail to {domain}, attached.\n")


FOLD = "\n\t "


def _folded(random: Random, size: int, indent: str) -> str:
    """Return that many random bytes as the folded base64 of a signature."""
    text = base64.b64encode(random.randbytes(size)).decode()
    return indent.join(text[at : at + 68] for at in range(0, len(text), 68))


def _trace(random: Random, report: Report, number: int) -> str:
    """Return the header fields that relays and receivers put on top: most of the bytes of such a mail."""
    facts = report.facts
    sender, domain = facts.sender.domain, facts.recipient.policy_domain
    received = facts.end + timedelta(hours=4 + 10 * random.random())
    date = format_datetime(received)
    token = f"{number:09X}{random.getrandbits(24):06X}"
    trace = (
        f"Return-Path: <bounce-{token.lower()}@{sender}>\n"
        f"Delivered-To: tls-reports@{domain}\n"
        f"Received: from mail.{domain} (localhost [127.0.0.1])\n"
        f"\tby mail.{domain} (Postfix) with ESMTP id {token}\n"
        f"\tfor <tls-reports@{domain}>; {date}\n"
        f"Received: from out7.{sender} (out7.{sender} [{facts.sender.network}.7.7])\n"
        f"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n"
        f"\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\n"
        f"\t(No client certificate requested)\n"
        f"\tby mail.{domain} (Postfix) with ESMTPS id {token[::-1]}\n"
        f"\tfor <tls-reports@{domain}>; {date}\n"
        f"Authentication-Results: mail.{domain};\n"
        f"\tdkim=pass (2048-bit key; unprotected) header.d={sender} header.i=@{sender}\n"
        f"\t header.a=rsa-sha256 header.s=s2026;\n"
        f"\tspf=pass smtp.mailfrom={sender};\n"
        f"\tdmarc=pass (policy=reject) header.from={sender}\n"
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
        f"\td={sender}; s=s2026; t={received.timestamp():.0f};\n"
        f"\th=from:to:subject:date:message-id:mime-version:content-type:\n"
        f"\t tls-report-domain:tls-report-submitter;\n"
        f"\tbh={_folded(random, 32, '')};\n"
        f"\tb={_folded(random, 256, FOLD)}\n"
    )
    if facts.sender.style == "google":
        return trace + (
            f"X-Google-DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
            f"\td=1e100.net; s=s2026;\n"
            f"\th=to:from:subject:message-id;\n"
            f"\tbh={_folded(random, 32, '')};\n"
            f"\tb={_folded(random, 256, FOLD)}\n"
        )
    if facts.sender.style == "microsoft":
        return trace + f"X-Microsoft-Antispam-Message-Info:\n\t{_folded(random, 510, FOLD)}\n"
    return trace + "X-Spam-Status: No, score=-2.1 required=5.0 tests=BAYES_00,DKIM_SIGNED,DKIM_VALID\n"


def _mail(report: Report, seed: int, number: int) -> bytes:
    """Return the mail of RFC 8460 section 5.3 as it lies in a mailbox, input `number` with this report."""
    random = Random(f"{seed}/mail/{number}")
    facts = report.facts
    sender, domain, style = facts.sender.domain, facts.recipient.policy_domain, facts.sender.style
    words = {"domain": domain, "submitter": sender, "id": report.report_id}
    boundary = f"=_{random.getrandbits(96):024x}"
    text_type, text = TEXTS.get(style, PLAIN_TEXT)
    name = _file_name(report)
    kind = "application/tlsrpt+gzip" if name.endswith(".gz") else "application/tlsrpt+json"
    named = "" if style == "microsoft" else f';\n\tname="{name}"'
    attachment = base64.encodebytes(report.content).decode()
    return (
        f"{_trace(random, report, number)}"
        f"MIME-Version: 1.0\n"
        f"Date: {format_datetime(facts.end + timedelta(hours=3))}\n"
        f"TLS-Report-Domain: {domain}\n"
        f"TLS-Report-Submitter: {sender}\n"
        f"Message-ID: <{report.number:x}.{facts.end.timestamp():.0f}@{sender}>\n"
        f"Subject: {SUBJECTS.get(style, PLAIN_SUBJECT).format(**words)}\n"
        f"From: tls-reports@{sender}\n"
        f"To: tls-reports@{domain}\n"
        f'Content-Type: multipart/report; boundary="{boundary}"; report-type=tlsrpt\n'
        f"\n"
        f"--{boundary}\n"
        f"Content-Type: {text_type}\n"
        f"\n"
        f"{text.format(**words)}\n"
        f"--{boundary}\n"
        f"Content-Type: {kind}{named}\n"
        f'Content-Disposition: attachment;\n\tfilename="{name}"\n'
        f"Content-Transfer-Encoding: base64\n"
        f"\n"
        f"{attachment}\n"
        f"--{boundary}--\n"
    ).encode()


def write(workload: Workload, count: int, form: str, out: Path) -> dict[str, Any]:
    """Write that many inputs below `out` and return the manifest, which is written last."""
    reports = out / "reports"
    reports.mkdir(parents=True)
    good: dict[int, Truth] = {}
    refused = 0
    with (reports / "reports.mbox").open("wb") if form == "mbox" else nullcontext() as mbox:
        for number in range(count):
            report = workload.report(workload.origin(number), bare=form != "gz")
            if report.truth is None:
                refused += 1
            else:
                good[report.number] = report.truth
            if form == "gz":
                name = _file_name(report._replace(number=number))
                (reports / name).write_bytes(report.content)
                continue
            mail = _mail(report, workload.seed, number)
            if mbox is None:
                (reports / f"{number:06d}.eml").write_bytes(mail)
            else:
                mbox.write(b"From tls-reports %s\n%s\n" % (report.facts.end.ctime().encode(), mail))
    manifest = {
        "form": form,
        "seed": workload.seed,
        "bad": workload.bad,
        "odd": workload.odd,
        "deliveries": count,
        "files": 1 if form == "mbox" else count,
        "reports": len(good),
        "duplicates": count - refused - len(good),
        "refused": refused,
        **{name: sum(column) for name, column in zip(Truth._fields, zip(*good.values(), strict=True), strict=True)},
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest


def main() -> int:
    """Write the workload that the command line asks for."""
    parser = argparse.ArgumentParser(description="Write made-up TLS reports of which everything is known.")
    parser.add_argument("count", type=int, help="how many deliveries")
    parser.add_argument("form", choices=("gz", "eml", "mbox"))
    parser.add_argument("out", type=Path, help="a directory that does not exist yet")
    parser.add_argument("--seed", type=int, default=8460)
    parser.add_argument("--bad", type=float, default=0.0, metavar="P", help="share that no reader can use")
    parser.add_argument("--odd", type=float, default=0.0, metavar="P", help="share in unusual dress")
    options = parser.parse_args()
    workload = Workload(options.seed, options.bad, options.odd)
    print(json.dumps(write(workload, options.count, options.form, options.out)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
