"""Mails: as senders of reports build them, and as an attacker would."""

import base64
import gzip
from collections.abc import Callable

from hostile.archives import MEBIBYTE, REPORT, gzip_bomb

NAME = "sender.example!example.com!1778544000!1778630399!001.json.gz"


def attachment(
    content: bytes = gzip.compress(REPORT, mtime=0),
    *,
    kind: str = "application/tlsrpt+gzip",
    name: str = NAME,
    encoding: str = "base64",
) -> bytes:
    """A part with its headers."""
    naming = f'Content-Disposition: attachment;\n\tfilename="{name}"\n' if name else ""
    head = f"Content-Type: {kind}\n{naming}Content-Transfer-Encoding: {encoding}\n\n"
    return head.encode() + (base64.encodebytes(content) if encoding == "base64" else content)


TEXT = b"Content-Type: text/plain; charset=utf-8\n\nThis is an aggregate TLS report.\n"
HEADERS = (
    b"Return-Path: <tls@sender.example>\n"
    b"Received: from mail.sender.example (mail.sender.example [192.0.2.1])\n"
    b"\tby mx.example.com with ESMTPS id 1; Wed, 13 May 2026 11:43:04 -0400\n"
    b"Received: from inner; Wed, 13 May 2026 01:00:00 +0000\n"
    b"Date: Wed, 13 May 2026 08:42:00 -0700\n"
    b"From: Reports <tls@Sender.Example>\n"
    b"To: tls-reports@example.com\n"
    b"Message-ID: <1@sender.example>\n"
)
ANNOUNCED = (
    b"Subject: Report Domain: example.com\n Submitter: sender.example\n Report-ID: <1@sender.example>\n"
    b"TLS-Report-Domain: example.com\nTLS-Report-Submitter: sender.example\n"
)


def message(
    *parts: bytes,
    kind: str = "multipart/report; report-type=tlsrpt",
    headers: bytes = HEADERS + ANNOUNCED,
    boundary: str = "=_next",
) -> bytes:
    """A mail of these parts."""
    head = headers + f'MIME-Version: 1.0\nContent-Type: {kind};\n boundary="{boundary}"\n\n'.encode()
    line = b"--" + boundary.encode()
    return head + b"".join(line + b"\n" + part + b"\n" for part in parts) + line + b"--\n"


def report_mail() -> bytes:
    """A mail as RFC 8460 section 5.3 describes it."""
    return message(TEXT, attachment())


def deep(levels: int) -> bytes:
    head = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(levels))
    return HEADERS + ANNOUNCED + head + TEXT


def forwarded(levels: int, inner: bytes) -> bytes:
    for _ in range(levels):
        inner = message(
            TEXT, b"Content-Type: message/rfc822\n\n" + inner, kind="multipart/mixed", headers=HEADERS, boundary=f"f{_}"
        )
    return inner


def _with(header: bytes) -> bytes:
    """A mail with one more header, which stands first if that matters."""
    if not header.startswith(b"X-"):
        return header + report_mail()
    return message(TEXT, attachment(), headers=HEADERS + ANNOUNCED + header)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "Subject of encoded words": lambda: _with(b"Subject: " + b"=?utf-8?b?YQ==?= " * 20_000 + b"\n"),
    "Content-Type of semicolons": lambda: _with(b'Content-Type: multipart/mixed; x="' + b";" * 100_000 + b"\n"),
    "Content-Type of semicolons, folded": lambda: _with(
        b'Content-Type: multipart/mixed; x="' + b";\n " * 60_000 + b"\n"
    ),
    "Content-Type of semicolons in a part": lambda: message(
        TEXT, b'Content-Type: text/plain; x="' + b";" * 100_000 + b'"\n\ntext'
    ),
    "Content-Type of semicolons after a lone CR": lambda: message(
        TEXT, b'X: y\rContent-Type: text/plain; x="' + b";" * 100_000 + b'"\n\ntext'
    ),
    "1,000 multiparts in one another": lambda: deep(1_000),
    "100,000 multiparts in one another": lambda: deep(100_000),
    "40 multiparts in one another": lambda: deep(40),
    "1,000 mails in one another": lambda: (
        HEADERS + ANNOUNCED + b"Content-Type: message/rfc822\n\n" * 1_000 + report_mail()
    ),
    "100,000 parts": lambda: message(*[b"\n\nx"] * 100_000),
    "100,000 parts that end without a line": lambda: message(*[b"\n\nx"] * 100_000)[:-20],
    "headers of 15 MiB": lambda: _with(b"X-Filler: " + b"a" * (15 * MEBIBYTE) + b"\n"),
    "200,000 folded lines": lambda: _with(b"X-Filler: a\n" + b" b\n" * 200_000),
    "100,000 headers": lambda: _with(b"X-Y: z\n" * 100_000),
    "file name in 100,000 pieces": lambda: _with(
        b"Content-Type: text/plain" + b"".join(b";\n name*%d=a" % number for number in range(100_000)) + b"\n"
    ),
    "comments in comments": lambda: _with(b"From: " + b"(" * 5_000 + b"\n"),
    "8,000,000 lines": lambda: HEADERS + ANNOUNCED + b"\n\r" + b"a\n" * (7 * MEBIBYTE),
    "uuencoded part": lambda: message(
        TEXT, attachment(b"begin 644 a\n" + b"M" * 500_000 + b"\nend\n", encoding="x-uuencode")
    ),
    "charset that is a codec": lambda: message(
        TEXT, b"Content-Type: application/tlsrpt+gzip; name*=unicode_escape''%5Cx00\n\n{"
    ),
    "charset with a zero byte": lambda: message(
        TEXT, b"Content-Type: application/tlsrpt+gzip; name*=a\0b''c\nX: \r\n\n{"
    ),
    "gzip bomb as attachment": lambda: message(TEXT, attachment(gzip_bomb())),
    "ten gzip bombs of 9 MiB": lambda: message(TEXT, *[attachment(gzip.compress(bytes(9 * MEBIBYTE)))] * 10),
}

# Those that hide a report in something harmless, which is read.
HARMLESS = {"comments in comments", "charset that is a codec", "charset with a zero byte"}
