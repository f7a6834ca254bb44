"""Write the sample reports: five domains over five weeks, each with one story, and a cabinet of oddities.

    python sample_reports/generate.py [OUT]

Every run writes the same bytes, whatever the Python and the zlib beneath it. A story is data (STORIES), the
handwriting of a sender is a pair of functions: its report and the mail around it. Names are example names,
addresses are documentation addresses, mails are unsigned, and no sender ever sent any of this.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import sys
import tarfile
import textwrap
import zipfile
import zlib
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from looks import looks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

HERE = Path(__file__).resolve().parent
AS_OF = date(2026, 3, 20)
DAYS = [AS_OF - timedelta(days=before) for before in range(35, 0, -1)]

Json = dict[str, Any]

# ---------------------------------------------------------------------------------------------------------
# Who reports


class Reporter(NamedTuple):
    """An organization that sends reports."""

    organization: str
    contact: str | None
    submitter: str  # domain that it sends its reports from
    network: str  # a documentation network, less its last octet
    style: str  # a key of STYLES


REPORTERS = {
    "google": Reporter("Google Inc.", "smtp-tls-reporting@google.com", "google.com", "192.0.2.", "google"),
    "microsoft": Reporter(
        "Microsoft Corporation", "tlsrpt-noreply@microsoft.com", "microsoft.com", "192.0.2.", "microsoft"
    ),
    "mailru": Reporter("Mail.ru", "tls_support@corp.mail.ru", "mail.ru", "192.0.2.", "mailru"),
    "nordpost": Reporter("mx.nordpost.example", None, "mx.nordpost.example", "203.0.113.", "stalwart"),
    "osier": Reporter("mail.osier.example", "postmaster@osier.example", "osier.example", "203.0.113.", "stalwart"),
    # Two sites with one program: for one day and domain they choose the same report-id.
    "haldor": Reporter(
        "Haldor Freight", "tlsrpt@haldor-freight.example", "haldor-freight.example", "203.0.113.", "postfix"
    ),
    "pinecrest": Reporter("Pinecrest School", "tlsrpt@pinecrest.example", "pinecrest.example", "203.0.113.", "postfix"),
    "larkspur": Reporter(
        "mail.larkspur.example",
        "postmaster@mail.larkspur.example",
        "mail.larkspur.example",
        "203.0.113.",
        "mox",
    ),
    "tidewater": Reporter(
        "Tidewater Hosting", "tls-reports@tidewater.example", "tidewater.example", "203.0.113.", "halon"
    ),
}

# ---------------------------------------------------------------------------------------------------------
# What happens


class Sts(NamedTuple):
    """An MTA-STS policy, served from this day on."""

    since: date
    mode: str
    max_age: int  # seconds
    mx: tuple[str, ...]


class Traffic(NamedTuple):
    """Sessions that one reporter has on a working day; half of it on a weekend."""

    low: int
    high: int
    percent: int = 100  # of the days have any traffic


class Trouble(NamedTuple):
    """What one reporter sees fail, on each day from the first to the last."""

    reporter: str
    result_type: str
    mx: str | None  # None: failed before any MX was contacted
    first: date
    low: int  # sessions a day
    high: int
    last: date = DAYS[-1]
    reason: str | None = None
    rise: int = 0  # sessions more with every third day
    counted: bool = True  # in the total of failed sessions too


class Story(NamedTuple):
    """Five weeks of one policy domain."""

    domain: str
    policies: tuple[Sts, ...]  # oldest first
    traffic: dict[str, Traffic]  # by reporter
    troubles: tuple[Trouble, ...] = ()
    dane: bool = False


READY = Story(
    "example.com",
    (Sts(DAYS[0], "testing", 86400, ("mx1.example.com", "mx2.example.com")),),
    {
        "google": Traffic(70, 120),
        "microsoft": Traffic(35, 70),
        "mailru": Traffic(3, 9, 85),
        "nordpost": Traffic(2, 6, 85),
        "osier": Traffic(2, 5, 75),
        "tidewater": Traffic(4, 11, 90),
        "haldor": Traffic(3, 9, 80),
        "pinecrest": Traffic(2, 4, 60),
    },
    dane=True,
)

EXPIRED = date(2026, 3, 8)
EXPIRED_AT_BACKUP = Story(
    "example.org",
    (Sts(DAYS[0], "testing", 86400, ("mx1.example.org", "mx2.example.org")),),
    {
        "google": Traffic(45, 80),
        "microsoft": Traffic(25, 50),
        "nordpost": Traffic(3, 7, 90),
        "tidewater": Traffic(2, 6, 80),
        "haldor": Traffic(2, 6, 70),
        "larkspur": Traffic(2, 4),
    },
    (
        Trouble("google", "certificate-expired", "mx2.example.org", EXPIRED, 6, 12),
        Trouble("microsoft", "certificate-expired", "mx2.example.org", EXPIRED, 4, 8),
        Trouble(
            "nordpost",
            "certificate-not-trusted",
            "mx2.example.org",
            EXPIRED,
            1,
            3,
            reason="invalid peer certificate: Expired",
        ),
        Trouble("larkspur", "certificate-expired", "mx2.example.org", EXPIRED, 1, 2),
        Trouble(
            "larkspur",
            "validation-failure",
            "mx1.example.org",
            date(2026, 2, 24),
            1,
            1,
            last=date(2026, 2, 26),
            reason="io-timeout-during-handshake",
        ),
    ),
)

THIRD_MX = date(2026, 3, 2)
POLICY_HOST_DOWN = date(2026, 2, 25)
MX_NOT_IN_POLICY = Story(
    "example.net",
    (Sts(DAYS[0], "testing", 86400, ("mx1.example.net", "mx2.example.net")),),
    {
        "google": Traffic(25, 45),
        "microsoft": Traffic(12, 25),
        "mailru": Traffic(2, 5),
        "nordpost": Traffic(2, 5, 80),
        "tidewater": Traffic(2, 5, 75),
        "larkspur": Traffic(2, 5),
    },
    (
        Trouble("google", "validation-failure", "mx3.example.net", THIRD_MX, 2, 4),
        Trouble(
            "nordpost",
            "validation-failure",
            "mx3.example.net",
            THIRD_MX,
            1,
            2,
            reason="MX not authorized by policy.",
        ),
        # In testing mox delivers, counts a success and adds a row all the same.
        Trouble(
            "larkspur",
            "validation-failure",
            "mx3.example.net",
            THIRD_MX,
            1,
            2,
            reason="mtasts-policy-mx-mismatch",
            counted=False,
        ),
        Trouble("microsoft", "sts-policy-fetch-error", None, POLICY_HOST_DOWN, 3, 3, last=POLICY_HOST_DOWN),
        # Mail.ru writes a row for each attempt and counts the session once: two rows of 1, total 1.
        Trouble(
            "mailru",
            "sts-policy-fetch-error",
            None,
            POLICY_HOST_DOWN,
            1,
            1,
            last=POLICY_HOST_DOWN,
            reason="bad https response code: 503",
        ),
        Trouble(
            "mailru",
            "sts-policy-fetch-error",
            None,
            POLICY_HOST_DOWN,
            1,
            1,
            last=POLICY_HOST_DOWN,
            reason='Get "https://mta-sts.example.net/.well-known/mta-sts.txt": context deadline exceeded',
            counted=False,
        ),
    ),
)

THIN_EVIDENCE = Story(
    "bakery.example",
    (Sts(DAYS[0], "testing", 604800, ("mx.bakery.example",)),),
    {"google": Traffic(1, 4, 28), "haldor": Traffic(1, 2, 14)},
)

ENFORCED = date(2026, 3, 6)
FAILING = date(2026, 3, 8)
ENFORCED_TOO_EARLY = Story(
    "clinic.example",
    (
        Sts(DAYS[0], "testing", 86400, ("mx1.clinic.example", "mx2.clinic.example")),
        Sts(ENFORCED, "enforce", 2592000, ("mx1.clinic.example", "mx2.clinic.example")),
    ),
    {
        "google": Traffic(20, 40),
        "microsoft": Traffic(10, 22),
        "haldor": Traffic(3, 7, 90),
        "osier": Traffic(2, 4, 60),
    },
    (
        Trouble("google", "starttls-not-supported", "mx2.clinic.example", FAILING, 1, 2, rise=1),
        Trouble("google", "certificate-host-mismatch", "mx2.clinic.example", FAILING, 1, 2),
        Trouble("microsoft", "starttls-not-supported", "mx2.clinic.example", FAILING, 1, 2, rise=1),
    ),
)

STORIES = (READY, EXPIRED_AT_BACKUP, MX_NOT_IN_POLICY, THIN_EVIDENCE, ENFORCED_TOO_EARLY)

# A report about this day came when nobody waited for it any more, with dates that lack their zone.
LATE = ("microsoft", READY.domain, date(2026, 2, 20))
LATE_BY = timedelta(days=24)
# A report that was mailed to both addresses of the domain's TLSRPT record.
TWICE = ("google", READY.domain, date(2026, 3, 2))
# A report that its sender counted anew and sent again under the same id.
REVISED = ("nordpost", EXPIRED_AT_BACKUP.domain, date(2026, 3, 17))

# ---------------------------------------------------------------------------------------------------------
# What a reporter counts on a day, before it is put in the words of its style


class Row(NamedTuple):
    """Sessions that failed alike."""

    result_type: str
    mx: str | None
    sending_ip: str
    sessions: int
    reason: str | None


class Entry(NamedTuple):
    """Sessions under one policy."""

    policy_type: str
    sts: Sts | None
    successful: int
    failed: int
    rows: tuple[Row, ...] = ()


class Sheet(NamedTuple):
    """What one reporter has to tell one domain about one day."""

    reporter: Reporter
    domain: str
    day: date
    sent: datetime
    entries: tuple[Entry, ...]


def midnight(day: date) -> datetime:
    """Return the first moment of the day, UTC."""
    return datetime.combine(day, time(), UTC)


def digest(*words: object) -> str:
    """Return a made-up, stable hexadecimal number."""
    return hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()


def seen_policies(story: Story, reporter: Reporter, day: date) -> list[Sts]:
    """Return the policies that the reporter applied that day; two when it saw a change come."""
    # Microsoft keeps its cached policy until the next day; Google tells both apart on the day itself.
    known = [p for p in story.policies if p.since <= day - timedelta(days=reporter.style == "microsoft")]
    policies = known or [story.policies[0]]
    changed = len(policies) > 1 and policies[-1].since == day and reporter.style == "google"
    return policies[-2:] if changed else policies[-1:]


def failed_rows(story: Story, name: str, day: date, rng: Random) -> tuple[tuple[Row, ...], int]:
    """Return what failed that day, and the total that the reporter makes of it."""
    rows: list[Row] = []
    total = 0
    for trouble in story.troubles:
        if trouble.reporter != name or not trouble.first <= day <= trouble.last:
            continue
        count = rng.randint(trouble.low, trouble.high) + trouble.rise * ((day - trouble.first).days // 3)
        total += count if trouble.counted else 0
        # Google writes one row for each address that it sends from.
        shares = [count - count // 2, count // 2] if REPORTERS[name].style == "google" else [count]
        networks = (REPORTERS[name].network, "2001:db8:64::")
        for network, share in zip(networks, filter(None, shares), strict=False):
            sending_ip = f"{network}{rng.randint(10, 40)}"
            rows.append(Row(trouble.result_type, trouble.mx, sending_ip, share, trouble.reason))
    return tuple(rows), total


def entries(story: Story, name: str, day: date, rng: Random) -> tuple[Entry, ...]:
    """Return what the reporter counts that day; nothing if it has nothing to report."""
    reporter = REPORTERS[name]
    traffic = story.traffic[name]
    happens = rng.randrange(100) < traffic.percent
    successful = rng.randint(traffic.low, traffic.high)
    if day.isoweekday() > 5:
        successful = (successful + 1) // 2
    rows, failed = failed_rows(story, name, day, rng)
    *old, sts = seen_policies(story, reporter, day)
    if not happens or (reporter.style == "mox" and not rows):  # mox reports failures only
        return ()
    if any(row.mx is None for row in rows):
        return (Entry("sts", None, 0, failed, rows),)
    if reporter.style == "postfix" and story.dane:
        return (Entry("tlsa", None, successful, 0),)
    if reporter.style == "postfix" and sts.mode == "testing":  # its plug-ins hand on enforced ones only
        return (Entry("no-policy-found", None, successful, 0),)
    if old:
        before = successful // 3
        return (Entry("sts", old[0], before, 0), Entry("sts", sts, successful - before, failed, rows))
    found = Entry("sts", sts, successful, failed, rows)
    if reporter.style == "microsoft" and story.dane:  # the same sessions once more
        return (found, Entry("tlsa", None, successful, failed))
    return (found,)


def sheets() -> Iterable[Sheet]:
    """Yield everything there is to report, day by day."""
    for day in DAYS:
        for story in STORIES:
            for name in story.traffic:
                reporter = REPORTERS[name]
                # A generator for each report: changing one story leaves the others as they are.
                rng = Random(f"{name} {story.domain} {day}")
                counted = entries(story, name, day, rng)
                low, high = STYLES[reporter.style].minutes
                sent = midnight(day) + timedelta(days=1, minutes=rng.randint(low, high))
                if counted:
                    yield Sheet(reporter, story.domain, day, sent, counted)


# ---------------------------------------------------------------------------------------------------------
# Handwritings: the report


def policy_lines(sts: Sts) -> list[str]:
    """Return the policy as its file has it."""
    mx = [f"mx: {pattern}" for pattern in sts.mx]
    return ["version: STSv1", f"mode: {sts.mode}", *mx, f"max_age: {sts.max_age}"]


def tlsa_records(domain: str) -> list[str]:
    """Return the TLSA records of the domain's two servers."""
    return [f"3 1 1 {digest('key', mx, domain).upper()}" for mx in ("mx1", "mx2")]


def receiving_ip(mx: str) -> str:
    """Return the address of a server."""
    return f"198.51.100.{int(digest(mx)[:2], 16) or 1}"


def dates(day: date, *, until_midnight: bool = False) -> Json:
    """Return the date-range of a day: to its last second, or to the next midnight."""
    end = midnight(day) + timedelta(days=1) - timedelta(seconds=not until_midnight)
    return {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{end:%Y-%m-%dT%H:%M:%SZ}"}


def summary(entry: Entry) -> Json:
    """Return the two totals."""
    return {
        "total-successful-session-count": entry.successful,
        "total-failure-session-count": entry.failed,
    }


def document(sheet: Sheet, report_id: str, policies: list[Json]) -> Json:
    """Return a report with its members in the usual order."""
    until_midnight = STYLES[sheet.reporter.style].until_midnight
    return {
        "organization-name": sheet.reporter.organization,
        "date-range": dates(sheet.day, until_midnight=until_midnight),
        "contact-info": sheet.reporter.contact,
        "report-id": report_id,
        "policies": policies,
    }


def compact(report: Json) -> bytes:
    """Return the report on one line."""
    return json.dumps(report, separators=(",", ":")).encode()


def google(sheet: Sheet) -> bytes:
    """Return a report of Google: no reason codes, details only when there are any."""
    policies = []
    for entry in sheet.entries:
        policy: Json = {"policy-type": entry.policy_type}
        if entry.sts:
            policy["policy-string"] = policy_lines(entry.sts)
        policy["policy-domain"] = sheet.domain
        if entry.sts:
            policy["mx-host"] = list(entry.sts.mx)
        one: Json = {"policy": policy, "summary": summary(entry)}
        if entry.rows:
            one["failure-details"] = [
                {
                    "result-type": row.result_type,
                    "sending-mta-ip": row.sending_ip,
                    "receiving-ip": receiving_ip(row.mx or ""),
                    "receiving-mx-hostname": row.mx,
                    "failed-session-count": row.sessions,
                }
                for row in entry.rows
            ]
        policies.append(one)
    return compact(document(sheet, f"{sheet.day}T00:00:00Z_{sheet.domain}", policies))


def filetime(moment: datetime) -> int:
    """Return the moment as Windows counts it, in 100 ns since 1601."""
    return (int(moment.timestamp()) + 11_644_473_600) * 10**7 + int(digest(moment)[:5], 16)


def microsoft(sheet: Sheet) -> bytes:
    """Return a report of Microsoft: no mx-host, no addresses, TLSA records as JSON within a string."""
    policies = []
    for entry in sheet.entries:
        policy: Json = {"policy-type": entry.policy_type}
        if entry.sts:
            policy["policy-string"] = policy_lines(entry.sts)
        if entry.policy_type == "tlsa":
            policy["policy-string"] = [json.dumps(tlsa_records(sheet.domain), separators=(",", ":"))]
        policy["policy-domain"] = sheet.domain
        one: Json = {"policy": policy, "summary": summary(entry)}
        if entry.rows:
            one["failure-details"] = [
                {"result-type": row.result_type}
                | ({"receiving-mx-hostname": row.mx} if row.mx else {})
                | {"failed-session-count": row.sessions}
                for row in entry.rows
            ]
        policies.append(one)
    return compact(document(sheet, f"{filetime(sheet.sent)}+{sheet.domain}", policies))


def mailru_id(sheet: Sheet) -> str:
    """Return a number that looks like a UUID."""
    number = digest(sheet.domain, sheet.day)
    return "-".join((number[:8], number[8:12], number[12:16], number[16:20], number[20:32])) + "@mail.ru"


def mailru(sheet: Sheet) -> bytes:
    """Return a report of Mail.ru: sorted keys, to the next midnight, neither policy-string nor mx-host."""
    policies = []
    for entry in sheet.entries:
        one: Json = {
            "policy": {"policy-domain": sheet.domain, "policy-type": entry.policy_type},
            "summary": summary(entry),
        }
        if entry.rows:
            one["failure-details"] = [
                {
                    "failed-session-count": row.sessions,
                    "failure-reason-code": row.reason,
                    "result-type": row.result_type,
                }
                for row in entry.rows
            ]
        policies.append(one)
    report = document(sheet, mailru_id(sheet), policies)
    return json.dumps(report, indent=3, sort_keys=True).encode()


def stalwart_id(sheet: Sheet) -> str:
    """Return the start of the day and a number."""
    return f"{int(midnight(sheet.day).timestamp())}_{int(digest(sheet.reporter, sheet.domain)[:15], 16)}"


def stalwart(sheet: Sheet) -> bytes:
    """Return a report of a Stalwart host: nulls where nothing is known, mx lines last."""
    policies = []
    for entry in sheet.entries:
        policy: Json = {"policy-type": entry.policy_type, "policy-string": []}
        if entry.sts:
            version, mode, *mx, max_age = policy_lines(entry.sts)
            policy["policy-string"] = [version, mode, max_age, *mx]
        policy["policy-domain"] = sheet.domain
        policy["mx-host"] = list(entry.sts.mx) if entry.sts else []
        details = [
            {
                "result-type": row.result_type,
                "sending-mta-ip": row.sending_ip,
                "receiving-mx-hostname": row.mx,
                "receiving-mx-helo": None,
                "receiving-ip": receiving_ip(row.mx or ""),
                "failed-session-count": row.sessions,
                "additional-information": None,
                "failure-reason-code": row.reason,
            }
            for row in entry.rows
        ]
        policies.append({"policy": policy, "summary": summary(entry), "failure-details": details})
    return compact(document(sheet, stalwart_id(sheet), policies))


def postfix(sheet: Sheet) -> bytes:
    """Return a report of a Postfix host: policies come before the id, which names no sender."""
    policies = []
    for entry in sheet.entries:
        policy: Json = {"policy-type": entry.policy_type, "policy-domain": sheet.domain}
        if entry.sts:
            policy |= {"policy-string": policy_lines(entry.sts), "mx-host": list(entry.sts.mx)}
        if entry.policy_type == "tlsa":
            policy |= {"policy-string": [record.lower() for record in tlsa_records(sheet.domain)]}
        policies.append({"policy": policy, "summary": summary(entry), "failure-details": []})
    report = document(sheet, "", policies)
    del report["report-id"]
    return json.dumps(report | {"report-id": f"{sheet.day}T00:00:00Z_idx1_{sheet.domain}"}).encode()


def mox(sheet: Sheet) -> bytes:
    """Return a report of a mox host: the empty string where nothing is known."""
    policies = []
    for entry in sheet.entries:
        policy: Json = {"policy-type": entry.policy_type, "policy-domain": sheet.domain}
        if entry.sts:
            policy |= {"policy-string": policy_lines(entry.sts), "mx-host": list(entry.sts.mx)}
        details = [
            {
                "result-type": row.result_type,
                "sending-mta-ip": row.sending_ip,
                "receiving-mx-hostname": row.mx,
                "receiving-mx-helo": "",
                "receiving-ip": receiving_ip(row.mx or ""),
                "failed-session-count": row.sessions,
                "additional-information": "",
                "failure-reason-code": row.reason or "",
            }
            for row in entry.rows
        ]
        policies.append({"policy": policy, "summary": summary(entry), "failure-details": details})
    return compact(document(sheet, f"{sheet.day:%Y%m%d}.{sheet.domain}@{sheet.reporter.submitter}", policies))


def halon_id(sheet: Sheet) -> str:
    """Return a number without meaning."""
    return digest(sheet.domain, sheet.day)[:16]


def halon(sheet: Sheet) -> bytes:
    """Return a report of a Halon script: plain JSON, pretty, no details when all is well."""
    policies = [
        {
            "policy": {
                "policy-type": entry.policy_type,
                "policy-string": policy_lines(entry.sts) if entry.sts else "",
                "policy-domain": sheet.domain,
                "mx-host": list(entry.sts.mx) if entry.sts else [],
            },
            "summary": summary(entry),
        }
        for entry in sheet.entries
    ]
    report = document(sheet, halon_id(sheet), policies)
    return json.dumps(report, indent=2).encode()


# ---------------------------------------------------------------------------------------------------------
# Handwritings: the mail around it


class Post(NamedTuple):
    """One mailing of a report."""

    sheet: Sheet
    attachment: bytes  # the report, packed as the sender packs it
    recipient: str

    @property
    def name(self) -> str:
        """The file name of the attachment."""
        return file_name(self.sheet)

    @property
    def domain(self) -> str:
        """The domain reported on."""
        return self.sheet.domain

    @property
    def submitter(self) -> str:
        """The domain that reports."""
        return self.sheet.reporter.submitter

    def token(self, use: str) -> str:
        """Return a made-up word that differs from mail to mail."""
        return digest(use, self.submitter, self.name, self.sheet.sent, self.recipient)[:24]


Part = tuple[str, str]  # the header of a part, the body of a part


def base64_lines(content: bytes) -> str:
    """Return the content in lines of base64."""
    return base64.encodebytes(content).decode()


def message(header: str, parts: Sequence[Part], boundary: str) -> str:
    """Return a mail with these parts; `header` says how it is made up."""
    body = "".join(f"--{boundary}\n{head}\n\n{text}\n" for head, text in parts)
    return f"{header}\n\n{body}--{boundary}--\n"


def envelope(post: Post, sender: str, host: str) -> str:
    """Return what the receiving server puts on top."""
    number = int(post.token("address")[:2], 16) or 1
    return (
        f"Return-Path: <{sender}>\n"
        f"Received: from {host} ({host} [{post.sheet.reporter.network}{number}])\n"
        f"\tby mx1.{post.domain} with ESMTPS id {post.token('queue')[:12]}\n"
        f"\tfor <{post.recipient}>; {format_datetime(post.sheet.sent)}\n"
    )


def google_mail(post: Post) -> str:
    """Return a mail of Google: another spelling of the id in the Subject."""
    boundary = post.token("boundary")
    header = (
        envelope(post, f"3{post.token('sender')}@smtp-tls-reporting.bounces.google.com", "mail-out1.google.com")
        + f"MIME-Version: 1.0\nDate: {format_datetime(post.sheet.sent - timedelta(seconds=2))}\n"
        f"Message-ID: <{post.token('id')}@google.com>\n"
        f"TLS-Report-Domain: {post.domain}\nTLS-Report-Submitter: google.com\n"
        f"Subject: Report Domain: {post.domain} Submitter: google.com \n"
        f" Report-ID: <{post.sheet.day:%Y.%m.%d}T00.00.00Z+{post.domain}@google.com>\n"
        f"From: noreply-smtp-tls-reporting@google.com\nTo: {post.recipient}\n"
        f'Content-Type: multipart/report; boundary="{boundary}"; report-type=tlsrpt'
    )
    text = f"Sample text. The report attached is about TLS to the servers \nof {post.domain}.\n"
    attached = (
        f'Content-Type: application/tlsrpt+gzip; \n\tname="{post.name}"\n'
        f'Content-Disposition: attachment; \n\tfilename="{post.name}"\nContent-Transfer-Encoding: base64'
    )
    plain = 'Content-Type: text/plain; charset="UTF-8"; format=flowed; delsp=yes'
    return message(header, [(plain, text), (attached, base64_lines(post.attachment))], boundary)


def microsoft_mail(post: Post) -> str:
    """Return a mail of Microsoft: HTML first, the id bare and on a line of its own, a name in one place."""
    boundary = f"_{post.token('boundary')}_"
    header = (
        envelope(post, "tlsrpt-noreply@microsoft.com", "mail-out1.outbound.protection.microsoft.com")
        + f"From: <tlsrpt-noreply@microsoft.com>\nTo: <{post.recipient}>\n"
        f"Date: {format_datetime(post.sheet.sent - timedelta(seconds=5))}\n"
        f"Subject: Report Domain: {post.domain} Submitter: microsoft.com Report-ID:\n"
        f" {filetime(post.sheet.sent)}+{post.domain}\n"
        f"MIME-Version: 1.0\nMessage-ID: <{post.token('id')}@{post.domain}>\n"
        f"TLS-Report-Domain: {post.domain}\nTLS-Report-Submitter: microsoft.com\n"
        "X-MS-TrafficTypeDiagnostic: sample:EE_\n"
        f'Content-Type: multipart/report; report-type=tlsrpt;\n\tboundary="{boundary}"'
    )
    html = "<html><body><p>Sample text. The TLS report is attached.</p></body></html>\n"
    attached = (
        "Content-Type: application/tlsrpt+gzip\nContent-Transfer-Encoding: base64\n"
        f'Content-Disposition: attachment;\n\tfilename="{post.name}"'
    )
    first = "Content-Type: text/html; charset=us-ascii\nContent-Transfer-Encoding: 7bit"
    return message(header, [(first, html), (attached, base64_lines(post.attachment))], boundary)


def mailru_mail(post: Post) -> str:
    """Return a mail of Mail.ru: a Subject of four lines, and a third part with nothing in it."""
    boundary = f"===={post.token('boundary')}=="
    header = (
        envelope(post, "noreply-smtp-tls-reporting@corp.mail.ru", "out1.mail.ru")
        + f'Content-Type: multipart/report; report-type="tlsrpt"; boundary="{boundary}"\n'
        "MIME-Version: 1.0\nFrom: noreply-smtp-tls-reporting@corp.mail.ru\n"
        f"To: {post.recipient}\n"
        f"Subject: Report Domain:\n {post.domain}\n Submitter: mail.ru\n Report-ID:\n"
        f" <{mailru_id(post.sheet)}>\n"
        f"TLS-Report-Domain: {post.domain}\nTLS-Report-Submitter: mail.ru\n"
        f"Auto-Submitted: auto-generated\nMessage-ID: <{post.token('id')}@mail.ru>\n"
        f"Date: {format_datetime(post.sheet.sent)}"
    )
    plain = 'Content-Type: text/plain; charset="utf-8"\nMIME-Version: 1.0\nContent-Transfer-Encoding: 7bit'
    attached = (
        f'Content-Type: application/tlsrpt+gzip; name="{post.name}"\nMIME-Version: 1.0\n'
        "Content-Transfer-Encoding: base64\n"
        f'Content-Disposition: attachment; filename="{post.name}"'
    )
    text = f"Sample text. TLS report about {post.domain}, attached.\n"
    return message(header, [(plain, text), (attached, base64_lines(post.attachment)), (plain, "")], boundary)


def stalwart_mail(post: Post) -> str:
    """Return a mail of a Stalwart host: no report-type, an id without a domain."""
    host = post.sheet.reporter.organization
    boundary = post.token("boundary")
    header = (
        envelope(post, f"noreply-tls@{post.submitter}", host)
        + f"From: <noreply-tls@{post.submitter}>\nTo: <{post.recipient}>\n"
        "Auto-Submitted: auto-generated\n"
        f"TLS-Report-Domain: {post.domain}\nTLS-Report-Submitter: {post.submitter}\n"
        f"Subject: Report Domain: {post.domain} Submitter: {post.submitter}\n"
        f"\tReport-ID: <{stalwart_id(post.sheet)}>\n"
        f"Message-ID: <{post.token('id')}@{host}>\nDate: {format_datetime(post.sheet.sent)}\n"
        f'MIME-Version: 1.0\nContent-Type: multipart/report; boundary="{boundary}"'
    )
    text = f"Sample text. {host} reports on its TLS sessions with {post.domain}.\n"
    attached = (
        f'Content-Type: application/tlsrpt+gzip\nContent-Disposition: attachment; filename="{post.name}"\n'
        "Content-Transfer-Encoding: base64"
    )
    plain = 'Content-Type: text/plain; charset="utf-8"\nContent-Transfer-Encoding: 7bit'
    return message(header, [(plain, text), (attached, base64_lines(post.attachment))], boundary)


def postfix_mail(post: Post) -> str:
    """Return a mail of a Postfix host: colons in the id, and TLS asked for by nobody."""
    boundary = f"==============={post.token('boundary')}=="
    header = (
        envelope(post, f"tlsrpt@{post.submitter}", f"mail.{post.submitter}")
        + f'Content-Type: multipart/report; report-type="tlsrpt"; boundary="{boundary}"\n'
        f"MIME-Version: 1.0\nSubject: Report Domain: {post.domain} Submitter: {post.submitter}\n"
        f" Report-ID: <{post.sheet.day}T00:00:00Z_idx1_{post.domain}@{post.submitter}>\n"
        f"From: tlsrpt@{post.submitter}\nTo: {post.recipient}\n"
        f"Message-ID: <{post.token('id')}@{post.submitter}>\nDate: {format_datetime(post.sheet.sent)}\n"
        f"TLS-Report-Domain: {post.domain}\nTLS-Report-Submitter: {post.submitter}\nTLS-Required: No"
    )
    text = f"Sample text: TLS report of {post.sheet.reporter.organization}.\n"
    attached = (
        "Content-Type: application/tlsrpt+gzip\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n"
        f'Content-Disposition: attachment;\n filename="{post.name}"'
    )
    plain = 'Content-Type: text/plain; charset="us-ascii"\nMIME-Version: 1.0'
    return message(header, [(plain, text), (attached, base64_lines(post.attachment))], boundary)


def mox_mail(post: Post) -> str:
    """Return a mail of a mox host: all by the book, with a longer text."""
    boundary = post.token("boundary")
    header = (
        envelope(post, f"postmaster@{post.submitter}", post.submitter)
        + f"From: <postmaster@{post.submitter}>\nTo: <{post.recipient}>\n"
        f"Subject: Report Domain: {post.domain} Submitter: {post.submitter} Report-ID:\n"
        f" <{post.sheet.day:%Y%m%d}.{post.domain}@{post.submitter}>\n"
        f"TLS-Report-Domain: {post.domain}\nTLS-Report-Submitter: {post.submitter}\nTLS-Required: No\n"
        f"Message-Id: <{post.token('id')}@{post.submitter}>\nDate: {format_datetime(post.sheet.sent)}\n"
        f'MIME-Version: 1.0\nContent-Type: multipart/report; report-type="tlsrpt";\n\tboundary="{boundary}"'
    )
    text = (
        f"Sample text. Attached is a report on TLS between {post.submitter}\nand the servers of "
        f"{post.domain}.\n\nPeriod: {post.sheet.day}, UTC\nSubmitter: {post.submitter}\n"
    )
    attached = (
        "Content-Type: application/tlsrpt+gzip\n"
        f'Content-Disposition: attachment;\n\tfilename="{post.name}"\nContent-Transfer-Encoding: base64'
    )
    plain = "Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 7bit"
    return message(header, [(plain, text), (attached, base64_lines(post.attachment))], boundary)


def halon_mail(post: Post) -> str:
    """Return a mail of a Halon script: the id is at the domain reported on, the report is not packed."""
    boundary = post.token("boundary")
    header = (
        envelope(post, f"tls-reports@{post.submitter}", f"out.{post.submitter}")
        + f"From: tls-reports@{post.submitter}\nTo: {post.recipient}\n"
        f"Subject: Report Domain: {post.domain} Submitter: {post.submitter}\n"
        f" Report-ID: <{halon_id(post.sheet)}@{post.domain}>\n"
        f"TLS-Report-Domain: {post.domain}\nTLS-Report-Submitter: {post.submitter}\n"
        f"Message-ID: <{post.token('id')}@{post.submitter}>\nDate: {format_datetime(post.sheet.sent)}\n"
        "X-Mailer: Halon\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type="tlsrpt"; boundary="{boundary}"'
    )
    attached = (
        f'Content-Type: application/tlsrpt+json\nContent-Disposition: attachment; filename="{post.name}"\n'
        "Content-Transfer-Encoding: base64"
    )
    parts = [("Content-Type: text/plain", "Sample text.\n"), (attached, base64_lines(post.attachment))]
    return message(header, parts, boundary)


class Style(NamedTuple):
    """The handwriting of a sender."""

    report: Callable[[Sheet], bytes]
    mail: Callable[[Post], str]
    minutes: tuple[int, int]  # from the end of the day until the mail is there
    unique: str = ""  # last piece of the file name
    packed: bool = True
    until_midnight: bool = False


STYLES = {
    "google": Style(google, google_mail, (600, 960), unique="!001"),
    "microsoft": Style(microsoft, microsoft_mail, (1100, 1300)),
    "mailru": Style(mailru, mailru_mail, (9, 12), unique="!001", until_midnight=True),
    "stalwart": Style(stalwart, stalwart_mail, (5, 120), until_midnight=True),
    "postfix": Style(postfix, postfix_mail, (60, 240), unique="!1"),
    "mox": Style(mox, mox_mail, (10, 240)),
    "halon": Style(halon, halon_mail, (30, 60), packed=False),
}


def file_name(sheet: Sheet) -> str:
    """Return the file name that the sender chooses (RFC 8460 section 5.1)."""
    style = STYLES[sheet.reporter.style]
    begin = int(midnight(sheet.day).timestamp())
    end = begin + 86400 - (not style.until_midnight)
    unique = f"!{filetime(sheet.sent)}" if sheet.reporter.style == "microsoft" else style.unique
    suffix = "json.gz" if style.packed else "json"
    return f"{sheet.reporter.submitter}!{sheet.domain}!{begin}!{end}{unique}.{suffix}"


# ---------------------------------------------------------------------------------------------------------
# Containers. Nothing is compressed, for each build of zlib compresses differently: stored blocks are the
# same bytes everywhere.


def gz(content: bytes) -> bytes:
    """Return the content as a gzip member."""
    stored = struct.pack("<BHH", 1, len(content), len(content) ^ 0xFFFF) + content
    return gz_member(stored, zlib.crc32(content), len(content))


def gz_member(deflated: bytes, checksum: int, size: int) -> bytes:
    """Return a gzip member around a deflate stream."""
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + deflated + struct.pack("<II", checksum, size)


def zipped(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a zip archive; a name that ends with a slash is a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            member = zipfile.ZipInfo(name, (AS_OF.year, AS_OF.month, AS_OF.day, 0, 0, 0))
            member.create_system = 3
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    return buffer.getvalue()


def tarred(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mtime = int(midnight(AS_OF).timestamp())
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def crlf(mail: str) -> bytes:
    """Return the mail as it is on the wire."""
    return mail.replace("\n", "\r\n").encode()


# ---------------------------------------------------------------------------------------------------------
# The mailbox


def post(sheet: Sheet, local_part: str = "tlsrpt", report: bytes | None = None) -> str:
    """Return the mail with this report; `report` stands in for what the sender would write."""
    style = STYLES[sheet.reporter.style]
    content = report or style.report(sheet)
    packed = gz(content) if style.packed else content
    return style.mail(Post(sheet, packed, f"{local_part}@{sheet.domain}"))


def report_file(sheet: Sheet) -> bytes:
    """Return the report as the sender attaches it."""
    style = STYLES[sheet.reporter.style]
    return gz(style.report(sheet)) if style.packed else style.report(sheet)


def late(sheet: Sheet) -> tuple[Sheet, bytes]:
    """Return the sheet sent weeks later, and its report with dates that lack their zone."""
    sheet = sheet._replace(sent=sheet.sent + LATE_BY)
    report = json.loads(microsoft(sheet))
    report["date-range"] = {key: moment.removesuffix("Z") for key, moment in report["date-range"].items()}
    return sheet, compact(report)


def revised(sheet: Sheet) -> Sheet:
    """Return the sheet counted anew, six hours later: two more failed sessions."""
    (entry,) = sheet.entries
    (row,) = entry.rows
    entry = entry._replace(failed=entry.failed + 2, rows=(row._replace(sessions=row.sessions + 2),))
    return sheet._replace(sent=sheet.sent + timedelta(hours=6), entries=(entry,))


def mbox(mails: Iterable[tuple[datetime, str]]) -> bytes:
    """Return one file with all mails, oldest first."""
    ordered = sorted(mails)
    return "".join(f"From MAILER-DAEMON {sent:%a %b %d %H:%M:%S %Y}\n{mail}\n" for sent, mail in ordered).encode()


def mailbox() -> dict[str, bytes]:
    """Return five weeks of reports: two in an archive, one in an mbox, one in a Maildir, one in files."""
    files: dict[str, bytes] = {"Maildir/tmp/.keep": b""}
    archived: list[tuple[str, bytes]] = []
    inbox: list[tuple[datetime, str]] = []
    in_maildir = 0
    names = {reporter: name for name, reporter in REPORTERS.items()}
    for sheet in sheets():
        what = (names[sheet.reporter], sheet.domain, sheet.day)
        eml = f"mail/{sheet.day}-{what[0]}-{sheet.domain}"
        week = (sheet.day - DAYS[0]).days // 7
        if what == LATE:
            sheet_late, report = late(sheet)
            files[f"{eml}-late.eml"] = crlf(post(sheet_late, report=report))
        elif week < 2:
            archived.append((f"{sheet.day:%Y-%m}/{file_name(sheet)}", report_file(sheet)))
        elif week == 2:
            inbox.append((sheet.sent, post(sheet)))
        elif week == 3:
            # Without the usual ":2,S": a colon in a name cannot be checked out everywhere.
            folder = "cur" if in_maildir % 3 else "new"
            in_maildir += 1
            name = f"{int(sheet.sent.timestamp())}.{in_maildir:04}.mail.example"
            files[f"Maildir/{folder}/{name}"] = post(sheet).encode()
        elif what[0] in {"google", "microsoft", "mailru"}:
            files[f"{sheet.day:%Y-%m}/{file_name(sheet)}"] = report_file(sheet)
        else:
            files[f"{eml}.eml"] = crlf(post(sheet))
        if what == TWICE:
            inbox.append((sheet.sent + timedelta(seconds=1), post(sheet, "postmaster")))
        if what == REVISED:
            files[f"{eml}-revised.eml"] = crlf(post(revised(sheet)))
    return files | {"archive.zip": zipped(archived), "inbox.mbox": mbox(inbox)}


# ---------------------------------------------------------------------------------------------------------
# Oddities: everything about them is read, some of it with a defect noted

ODD = "oddities.example"
ODD_ORGANIZATION = "Curious Sender"
ODD_SUBMITTER = "curious.example"


def odd_day(name: str) -> date:
    """Return the day that the oddity is about."""
    return DAYS[int(digest(name)[:4], 16) % len(DAYS)]


def odd_entry(successful: int = 3, failed: int = 0, *details: Json, **policy: object) -> Json:
    """Return one element of policies; `policy` replaces members, a member of None is left out."""
    members: Json = {
        "policy-type": "sts",
        "policy-string": ["version: STSv1", "mode: testing", f"mx: mx1.{ODD}", "max_age: 86400"],
        "policy-domain": ODD,
        "mx-host": [f"mx1.{ODD}"],
    } | {key.replace("_", "-"): value for key, value in policy.items()}
    entry: Json = {
        "policy": {key: value for key, value in members.items() if value is not None},
        "summary": {
            "total-successful-session-count": successful,
            "total-failure-session-count": failed,
        },
    }
    return entry | ({"failure-details": list(details)} if details else {})


def odd_row(**changes: object) -> Json:
    """Return one element of failure-details with a failure of no weight; None leaves a member out."""
    row: Json = {
        "result-type": "validation-failure",
        "sending-mta-ip": "203.0.113.7",
        "receiving-mx-hostname": f"mx1.{ODD}",
        "receiving-ip": "198.51.100.7",
        "failed-session-count": 1,
        "failure-reason-code": "io-timeout-during-handshake",
    } | {key.replace("_", "-"): value for key, value in changes.items()}
    return {key: value for key, value in row.items() if value is not None}


def odd(name: str, *policies: object, **changes: object) -> Json:
    """Return a report with one id for each name; without policies, with one that is in order."""
    return {
        "organization-name": ODD_ORGANIZATION,
        "date-range": dates(odd_day(name)),
        "contact-info": f"tls@{ODD_SUBMITTER}",
        "report-id": f"{name}@{ODD_SUBMITTER}",
        "policies": list(policies) or [odd_entry()],
    } | {key.replace("_", "-"): value for key, value in changes.items()}


def pretty(report: object) -> bytes:
    """Return the report as a person would want to read it."""
    return json.dumps(report, indent=2, ensure_ascii=False).encode() + b"\n"


def odd_fields() -> dict[str, Json]:
    """Return reports, or the one entry of a report, with members that are not as the RFC wants them."""
    day = odd_day("offset-and-fraction")
    no_summary = odd_entry()
    del no_summary["summary"]
    counts_left_out = odd_entry()
    del counts_left_out["summary"]["total-failure-session-count"]
    strings = odd_entry()
    strings["summary"] = {key: str(value) for key, value in strings["summary"].items()}
    nulls = odd_entry(3, 1)
    nulls["policy"] |= {"policy-string": None, "mx-host": None}
    nulls["failure-details"] = [odd_row() | dict.fromkeys(list(odd_row())[1:4]) | {"receiving-mx-helo": None}]
    nothing_failed = odd_entry() | {"failure-details": None}
    escapes = "\x1b]0;owned\x07\x1b[31mred\x1b[0m [bold]markup[/] \u202egnp.tfel\u202c =1+1"
    return {
        "mx-host-is-a-string": odd_entry(mx_host=f"mx1.{ODD}"),
        "mx-host-with-prefix": odd_entry(mx_host=[f"mx: mx1.{ODD}"]),
        "placeholder-names": odd_entry(
            3,
            1,
            odd_row(
                failure_reason_code=None,
                failure_error_code="io-timeout-during-handshake",
                additional_info_uri="https://curious.example/info?id=1",
            ),
            mx_host=None,
            mx_host_pattern=[f"mx1.{ODD}"],
        ),
        "receiving-mx-host-name": odd_entry(
            3, 1, odd_row(receiving_mx_hostname=None, receiving_mx_host_name=f"mx1.{ODD}")
        ),
        "policy-string-is-one-string": odd_entry(
            policy_string=f"version: STSv1\r\nmode: testing\r\nmx: mx1.{ODD}\r\nmax_age: 86400"
        ),
        "policy-lines-in-any-order": odd_entry(
            policy_string=["max_age:86400", "mode: testing ", f"mx: mx1.{ODD} ", "nmx: none", "version:STSv1"]
        ),
        "policy-domain-upper-case": odd_entry(policy_domain="Oddities.EXAMPLE."),
        "tlsa-json-in-json": odd_entry(policy_type="tlsa", policy_string=[json.dumps(tlsa_records(ODD))], mx_host=None),
        "unknown-policy-type": odd_entry(policy_type="carrier-pigeon", policy_string=None, mx_host=None),
        "unknown-result-type": odd_entry(3, 1, odd_row(result_type="tls-version-invalid")),
        "result-type-upper-case": odd_entry(3, 1, odd_row(result_type="VALIDATION_FAILURE")),
        "no-result-type": odd_entry(3, 1, odd_row(result_type=None)),
        "no-failed-session-count": odd_entry(3, 1, odd_row(failed_session_count=None)),
        "no-summary": no_summary,
        "zero-count-left-out": counts_left_out,
        "counts-are-strings": strings,
        "failures-without-details": odd_entry(3, 1),
        "failure-details-is-null": nothing_failed,
        "rows-that-are-not-objects": odd_entry(3, 1, odd_row()) | {"failure-details": [odd_row(), "row", None]},
        "empty-strings": odd_entry(
            3, 1, odd_row(sending_mta_ip="", receiving_mx_helo="", additional_information=""), mx_host=""
        ),
        "odd-addresses": odd_entry(3, 1, odd_row(sending_mta_ip="2001:0db8:abcd:0012::1", receiving_ip="x.x.x.x")),
        "policies-is-an-object": odd("policies-is-an-object", policies=odd_entry()),
        "one-bad-entry": odd("one-bad-entry", odd_entry(2, -1), "policy", odd_entry()),
        "null-everything": odd("null-everything", nulls, organization_name=None, contact_info=None, report_id=None),
        "no-names": {
            key: value
            for key, value in odd("no-names").items()
            if key not in {"organization-name", "contact-info", "report-id"}
        },
        "odd-report-id": odd("odd-report-id", report_id="../../etc/passwd #1 <a@b> 'x';--"),
        "unknown-members": odd("unknown-members", odd_entry() | {"x-extra": [1]}, x_extra={"deep": [None]}),
        "terminal-escapes": odd("terminal-escapes", organization_name=f"{ODD_ORGANIZATION} {escapes}"),
        "no-time-zone": odd(
            "no-time-zone",
            date_range={
                "start-datetime": f"{odd_day('no-time-zone')}T00:00:00",
                "end-datetime": f"{odd_day('no-time-zone')}T23:59:59",
            },
        ),
        "offset-and-fraction": odd(
            "offset-and-fraction",
            date_range={
                "start-datetime": f"{day} 01:00:00.000+01:00",
                "end-datetime": f"{day}t23:59:59.999z",
            },
        ),
        "end-before-start": odd(
            "end-before-start",
            date_range={"start-datetime": "2026-03-10T00:10:00Z", "end-datetime": "2026-03-10T00:00:00Z"},
        ),
        "a-whole-week": odd(
            "a-whole-week",
            date_range={"start-datetime": "2026-03-02T00:00:00Z", "end-datetime": "2026-03-08T23:59:59Z"},
        ),
        "a-few-hours": odd(
            "a-few-hours",
            date_range={"start-datetime": "2026-03-11T06:30:00Z", "end-datetime": "2026-03-11T09:30:00Z"},
        ),
    }


def odd_bytes() -> dict[str, bytes]:
    """Return reports that are in order, in bytes that are not."""

    def plain(name: str) -> bytes:
        return pretty(odd(name))

    twice = pretty(odd("duplicate-key")).replace(
        b'      "summary"', b'      "summary": {"total-successful-session-count": 1},\n      "summary"', 1
    )
    members = plain("two-gzip-members")
    return {
        "two-gzip-members.json.gz": gz(members[:40]) + gz(members[40:]),
        "bytes-after-gzip.json.gz": gz(plain("bytes-after-gzip")) + b"\r\n",
        "gzip-named-json.json": gz(plain("gzip-named-json")),
        "json-named-gz.json.gz": plain("json-named-gz"),
        "gzip-in-gzip.json.gz": gz(gz(plain("gzip-in-gzip"))),
        "zip-named-gz.json.gz": zipped([("report.json", plain("zip-named-gz"))]),
        "folders-in-zip.zip": zipped(
            [
                ("reports/", b""),
                ("reports/first.json", plain("folders-in-zip-1")),
                ("reports/second.json.gz", gz(plain("folders-in-zip-2"))),
                ("reports/empty.json", b""),
                ("__MACOSX/reports/._first.json", b"\0\x05\x16\x07\0\x02\0\0Mac OS X"),
            ]
        ),
        "reports.tar": tarred(
            [("./first.json", plain("tar-1")), ("./second.json.gz", gz(plain("tar-2")))],
        ),
        "utf-8-bom.json": b"\xef\xbb\xbf" + plain("utf-8-bom"),
        "utf-16.json": b"\xff\xfe" + plain("utf-16").decode().encode("utf-16-le"),
        "cp1252.json": pretty(odd("cp1252", organization_name="Café Curious\u2026 Zürich")).decode().encode("cp1252"),
        "crlf-and-tabs.json": json.dumps(odd("crlf-and-tabs"), indent="\t").replace("\n", "\r\n").encode(),
        "array-of-reports.json": pretty([odd("array-1"), odd("array-2")]),
        "two-documents.json": plain("two-documents-1") + plain("two-documents-2"),
        "trailing-garbage.json": plain("trailing-garbage") + b"\r\n-- \r\nsent by a script\r\n",
        "duplicate-key.json": twice,
    }


def odd_header(name: str, content_type: str, *, announced: bool = True) -> str:
    """Return the header of a mail about the oddity."""
    sent = midnight(odd_day(name)) + timedelta(days=1, hours=3)
    tlsrpt = f"TLS-Report-Domain: {ODD}\nTLS-Report-Submitter: {ODD_SUBMITTER}\n" if announced else ""
    subject = f"Report Domain: {ODD} Submitter: {ODD_SUBMITTER} Report-ID: <{name}@{ODD_SUBMITTER}>"
    return (
        f"Return-Path: <tls@{ODD_SUBMITTER}>\n"
        f"Received: from mail.{ODD_SUBMITTER} (mail.{ODD_SUBMITTER} [203.0.113.7])\n"
        f"\tby mx1.{ODD} with ESMTPS id {digest(name)[:12]}; {format_datetime(sent)}\n"
        f"From: tls@{ODD_SUBMITTER}\nTo: tlsrpt@{ODD}\nSubject: {subject if announced else 'Reports'}\n"
        f"{tlsrpt}Message-ID: <{name}@{ODD_SUBMITTER}>\nDate: {format_datetime(sent)}\n"
        f"MIME-Version: 1.0\nContent-Type: {content_type}"
    )


def odd_attachment(content: bytes, media_type: str = "application/tlsrpt+gzip", name: str = "") -> Part:
    """Return a part with this content."""
    named = f'\nContent-Disposition: attachment; filename="{name}"' if name else ""
    return f"Content-Type: {media_type}{named}\nContent-Transfer-Encoding: base64", base64_lines(content)


def odd_mail(name: str, *parts: Part, content_type: str = "multipart/report; report-type=tlsrpt") -> str:
    """Return a mail with a text and these parts."""
    boundary = f"={digest(name)[:20]}="
    text = ("Content-Type: text/plain", "Sample text.\n")
    return message(odd_header(name, f'{content_type};\n boundary="{boundary}"'), [text, *parts], boundary)


DMARC = f"""<?xml version="1.0" encoding="UTF-8"?>
<feedback>
  <report_metadata>
    <org_name>{ODD_ORGANIZATION}</org_name>
    <email>dmarc@{ODD_SUBMITTER}</email>
    <report_id>1</report_id>
    <date_range><begin>1772928000</begin><end>1773014399</end></date_range>
  </report_metadata>
  <policy_published><domain>{ODD}</domain><p>none</p></policy_published>
</feedback>
"""


def odd_mails() -> dict[str, str]:
    """Return mails that are not made up as the RFC wants them, and two that carry no TLS report at all."""

    def packed(name: str, **changes: object) -> bytes:
        return gz(pretty(odd(name, **changes)))

    no_domain = odd_entry(policy_type="no-policy-found", policy_domain=None, policy_string=None, mx_host=None)
    forwarded = odd_mail("forwarded", odd_attachment(packed("forwarded")))
    outer = "=forward="
    split = (
        "Content-Type: application/tlsrpt+gzip\nContent-Transfer-Encoding: base64\n"
        f'Content-Disposition: attachment;\n filename*0="{ODD_SUBMITTER}!{ODD}!";\n filename*1="1!2.json.gz"'
    )
    unpadded = base64_lines(packed("base64-without-padding", report_id="base64-without-padding.12"))
    nameless = odd_mail("no-message-id", odd_attachment(packed("no-message-id"))).splitlines(keepends=True)
    dates_and_ids = ("Message-ID:", "Date:", "Received:", "\tby ", "TLS-Report-")
    dmarc_name = f"{ODD_SUBMITTER}!{ODD}!1772928000!1773014399"
    dmarc = message(
        odd_header("dmarc-report", 'multipart/mixed; boundary="=dmarc="', announced=False).replace(
            "Subject: Reports", f"Subject: Report domain: {ODD} Submitter: {ODD_SUBMITTER} Report-ID: <1>"
        ),
        [
            ("Content-Type: text/plain", "Sample text.\n"),
            odd_attachment(zipped([(f"{dmarc_name}.xml", DMARC.encode())]), "application/zip", f"{dmarc_name}.zip"),
        ],
        "=dmarc=",
    )
    return {
        "no-policy-domain": odd_mail(
            "no-policy-domain", odd_attachment(packed("no-policy-domain", policies=[no_domain]))
        ),
        "forwarded": message(
            odd_header("forwarding", f'multipart/mixed; boundary="{outer}"', announced=False),
            [("Content-Type: text/plain", "See below.\n"), ("Content-Type: message/rfc822", forwarded)],
            outer,
        ),
        "two-reports-in-one": odd_mail(
            "two-reports-in-one",
            odd_attachment(packed("two-in-one-1")),
            odd_attachment(packed("two-in-one-2")),
        ),
        "octet-stream-in-mixed": odd_mail(
            "octet-stream-in-mixed",
            odd_attachment(packed("octet-stream-in-mixed"), "application/octet-stream", "report.json"),
            content_type="multipart/mixed",
        ),
        "zip-labelled-gzip": odd_mail(
            "zip-labelled-gzip",
            odd_attachment(zipped([("report.json", pretty(odd("zip-labelled-gzip")))]), "application/gzip"),
        ),
        "json-labelled-gzip": odd_mail("json-labelled-gzip", odd_attachment(pretty(odd("json-labelled-gzip")))),
        "the-mail-is-the-report": odd_header("the-mail-is-the-report", "application/tlsrpt+gzip")
        + "\nContent-Transfer-Encoding: base64\n\n"
        + base64_lines(packed("the-mail-is-the-report")),
        "json-as-text": odd_header("json-as-text", "text/plain") + "\n\n" + pretty(odd("json-as-text")).decode(),
        "misspelt-content-type": odd_mail(
            "misspelt-content-type", odd_attachment(packed("misspelt-content-type"))
        ).replace("Content-Type: application/", "ContentType: application/"),
        "split-file-name": odd_mail("split-file-name", (split, base64_lines(packed("split-file-name")))),
        "base64-without-padding": odd_mail(
            "base64-without-padding", (odd_attachment(b"")[0], unpadded.rstrip("=\n") + "\n")
        ),
        "base64-twice": odd_mail("base64-twice", odd_attachment(base64_lines(packed("base64-twice")).encode())),
        "no-message-id": "".join(line for line in nameless if not line.startswith(dates_and_ids)),
        "invalid-date": odd_mail("invalid-date", odd_attachment(packed("invalid-date"))).replace(
            "\nDate: ", "\nDate: Some day, "
        ),
        "dmarc-report": dmarc,
        "other-mail": odd_header("other-mail", "text/plain", announced=False)
        + "\n\nDo these TLS reports ever stop? {not a report}\n",
    }


def oddities() -> dict[str, bytes]:
    """Return one file for each oddity; its name tells what is odd."""
    files: dict[str, bytes] = {}
    for name, found in odd_fields().items():
        report = found if "date-range" in found else odd(name, found)
        files[f"oddities/{name}.json"] = pretty(report)
    files |= {f"oddities/{name}": content for name, content in odd_bytes().items()}
    return files | {f"oddities/{name}.eml": crlf(mail) for name, mail in odd_mails().items()}


# ---------------------------------------------------------------------------------------------------------
# Refused: things that say they are reports and cannot be read as one


def bomb(megabytes: int) -> bytes:
    """Return a few kilobytes of gzip that inflate to this many megabytes of blanks.

    One deflate block with codes made for it (RFC 1951 section 3.2.7): "repeat the last byte 258 times"
    takes two zero bits. Bits are written in the order in which they are read.
    """
    repeats = (megabytes << 20) // 258
    lengths = dict.fromkeys((18, 1, 2), "100") | {18: "100", 1: "010", 2: "010"}
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1)

    def zeros(run: int) -> str:
        return "0" + f"{run - 11:07b}"[::-1]

    bits = (
        "1" + "01"  # the last block, with codes of its own
        "10111" + "00000" + "0111"  # 286 literal and length codes, 1 distance code, 18 code lengths
        + "".join(lengths.get(symbol, "000") for symbol in order)
        + zeros(32) + "11"  # the blank: 10
        + zeros(138) + zeros(85) + "11"  # the end: 11
        + zeros(28) + "10"  # length 258: 0
        + "10"  # distance 1: 0
        + "10" + "00" * repeats + "11"
    )  # fmt: skip
    bits += "0" * (-len(bits) % 8)
    deflated = int(bits[::-1], 2).to_bytes(len(bits) // 8, "little")
    size = 1 + 258 * repeats
    return gz_member(deflated, zlib.crc32(b" " * size), size)


def encrypted() -> bytes:
    """Return a zip archive whose only member says that it needs a password."""
    content = bytearray(zipped([("report.json", bytes.fromhex(digest("a") + digest("b")))]))
    content[6] |= 1  # flags of the local header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # flags in the directory
    return bytes(content)


def refused() -> dict[str, bytes]:
    """Return one file for each reason to refuse; its name tells the reason."""

    def whole(name: str) -> bytes:
        return gz(pretty(odd(name)))

    without = {
        missing: {key: value for key, value in odd(f"no-{missing}").items() if key != missing}
        for missing in ("policies", "date-range")
    }
    moment = "2026-03-12T00:00:00Z"
    damaged = bytearray(whole("announced-but-broken"))
    damaged[13] ^= 0xFF  # the length of the stored block no longer agrees with its complement
    wrong_sum = bytearray(whole("wrong-checksum"))
    wrong_sum[-8] ^= 0xFF
    ready = pretty(odd("too-many-gzip-members"))
    depth = 20_000
    deep = compact(odd("depth-bomb", policies=0))[:-2] + b"[" * depth + b"]" * depth + b"}"
    files = {
        "cut-off.json.gz": whole("cut-off")[: len(whole("cut-off")) // 2],
        "wrong-checksum.json.gz": bytes(wrong_sum),
        "not-json.json.gz": gz(b'{"organization-name": "Curious Sender", and then the script fell over\n'),
        "no-policies.json": pretty(without["policies"]),
        "no-date-range.json": pretty(without["date-range"]),
        "end-equals-start.json": pretty(
            odd("end-equals-start", date_range={"start-datetime": moment, "end-datetime": moment})
        ),
        "gzip-bomb.json.gz": bomb(12),
        "too-many-gzip-members.json.gz": b"".join(gz(ready[at : at + 20]) for at in range(0, len(ready), 20)),
        "depth-bomb.json": deep,
        "encrypted.zip": encrypted(),
        "announced-but-broken.eml": crlf(
            odd_mail("announced-but-broken", odd_attachment(bytes(damaged), name="report.json.gz"))
        ),
        "announced-but-empty.eml": crlf(odd_mail("announced-but-empty")),
    }
    return {f"refused/{name}": content for name, content in files.items()}


# ---------------------------------------------------------------------------------------------------------


def samples() -> dict[str, bytes]:
    """Return every file by its path."""
    return {"as-of.txt": f"{AS_OF}\n".encode()} | mailbox() | looks() | oddities() | refused()


def write(files: dict[str, bytes], out: Path) -> None:
    """Write the files, and remove from their folders what an earlier run wrote there."""
    if out != HERE and out.exists() and any(out.iterdir()) and not (out / "as-of.txt").exists():
        sys.exit(f"{out} is neither empty nor a folder of samples")
    folders = {path.split("/")[0] for path in files if "/" in path}
    for found in (found for folder in sorted(folders) for found in (out / folder).rglob("*")):
        if found.is_file() and found.relative_to(out).as_posix() not in files:
            found.unlink()
    for path, content in files.items():
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def main() -> None:
    """Write the samples where the command line says, else beside this script."""
    out = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HERE
    files = samples()
    write(files, out)
    print(textwrap.fill(f"{len(files)} files, {sum(map(len, files.values())):,} bytes, as of {AS_OF}, in {out}", 110))


if __name__ == "__main__":
    main()
