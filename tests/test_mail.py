import base64
import quopri
from datetime import datetime

import pytest
from hostile.archives import REPORT
from hostile.mails import ANNOUNCED, HEADERS, HOSTILE, NAME, TEXT, attachment, deep, forwarded, message, report_mail
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tlsrpt.limits import LIMITS
from tlsrpt.mail import Mail, MailError, Part, describe, is_mail, parts, split, standard_parts, usual_parts


def described(headers: bytes) -> Mail:
    return describe(split(headers + b"\n", LIMITS)[0])


def parts_of(content: bytes) -> list[Part]:
    return parts(content, *split(content, LIMITS), LIMITS)


# What the headers say


def test_a_mail_is_described_by_its_headers() -> None:
    assert described(HEADERS + ANNOUNCED) == Mail(
        message_id="<1@sender.example>",
        sender="sender.example",
        subject="Report Domain: example.com Submitter: sender.example Report-ID: <1@sender.example>",
        report_domain="example.com",
        report_submitter="sender.example",
        received=datetime(2026, 5, 13, 15, 43, 4),
    )
    assert described((HEADERS + ANNOUNCED).replace(b"\n", b"\r\n")) == described(HEADERS + ANNOUNCED)


def test_what_a_mail_does_not_say_is_none() -> None:
    assert described(b"X-Header: a\n") == Mail(None, None, None, None, None, None)


@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("tls@Sender.Example", "sender.example"),
        ('"Doe, J. @ work" <j@sender.example>', "sender.example"),
        ("j@sender.example (J. Doe)", "sender.example"),
        ("=?utf-8?q?J=C3=A4n?= <j@sender.example>", "sender.example"),
        ("nobody", None),
        ("<>", None),
        ("j@", None),
        ("((((((((((", None),
    ],
)
def test_the_sender_is_the_domain_of_from(sender: str, domain: str | None) -> None:
    assert described(b"From: " + sender.encode() + b"\n").sender == domain


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("Wed, 13 May 2026 11:43:04 -0400", "2026-05-13 15:43:04"),
        ("13 may 2026 11:43 +0530", "2026-05-13 06:13:00"),
        ("Wed, 13 May 2026 11:43:60 GMT (leap)", "2026-05-13 11:43:59"),
        ("Wed, 13 May 2026 11:43:04 EST", "2026-05-13 16:43:04"),
        ("Wed, 13 May 2026 11:43:04", "2026-05-13 11:43:04"),
        ("Fri, May 09 2017 16:54:30 -0800", "None"),  # M17, from the RFC's own example
        ("31 Feb 2026 11:43:04 +0000", "None"),
        ("13 Mai 2026 11:43:04 +0000", "None"),
        ("1 Jan 0001 00:00:00 +2300", "None"),
        ("31 Dec 9999 23:59:59 -2300", "None"),
        ("١٣ May 2026 11:43:04 +0000", "None"),
        ("", "None"),
    ],
)
def test_a_date_is_read_as_utc_or_not_at_all(date: str, moment: str) -> None:
    assert str(described(b"Date: " + date.encode() + b"\n").received) == moment


def test_the_topmost_received_goes_before_the_date_unless_it_has_none() -> None:
    date = b"Date: Wed, 13 May 2026 01:00:00 +0000\n"
    assert str(described(date + b"Received: by x; Thu, 14 May 2026 01:00:00 +0000\n").received) == "2026-05-14 01:00:00"
    assert str(described(date + b"Received: by x; yesterday\n").received) == "2026-05-13 01:00:00"


def test_the_first_of_several_headers_is_read() -> None:
    assert described(b"Subject: one\nSubject: two\n").subject == "one"


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert described(b"Subject: caf\xe9\n").subject == "caf\ufffd"


@pytest.mark.parametrize(
    "content",
    [HEADERS, b"From a@b Mon Jan  1 00:00:00 2024\nX-A: b\nSubject: c\n", b"received: x\r\n", b"X-A: b\r\nDate: c\r\n"],
)
def test_headers_are_recognized(content: bytes) -> None:
    assert is_mail(content, LIMITS)


@pytest.mark.parametrize(
    "content", [b"", b"From here on\n", b"key: value\n", b": x", b"Date\n", b"http://x.example/\n"]
)
def test_other_text_is_not_taken_for_headers(content: bytes) -> None:
    assert not is_mail(content, LIMITS)


# Limits


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (b"X-A: " + b"a" * (256 << 10) + b"\n", "header block larger than 256 KiB"),
        (b"X-A: b\n" * 501, "more than 500 headers"),
        (b"Subject: " + b"a" * 8_192 + b"b\n", "subject header larger than 8 KiB"),
        (b"From: " + b" \n " * 3_000 + b"\n", "from header larger than 8 KiB"),
        (b"Content-Type: " + b"a" * 4_096 + b"b\n", "content-type header larger than 4 KiB"),
    ],
)
def test_headers_beyond_the_limits_are_refused(headers: bytes, reason: str) -> None:
    with pytest.raises(MailError, match=f"^{reason}$"):
        split(headers + b"\n", LIMITS)


def test_headers_within_the_limits_are_read() -> None:
    headers = b"X-A: b\n" * 498 + b"Subject: " + b"a" * 8_192 + b"\nX-B:\n" + b" c\n" * 10_000
    assert described(headers).subject == "a" * 8_192


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (message(*[TEXT] * 201), "more than 200 parts"),
        (message(*[TEXT] * 500, kind="multipart/digest"), "more than 410 lines that begin like boundaries"),
        (message(*[TEXT] * 201, kind="multipart/digest"), "more than 200 parts"),
        (deep(21), "parts in parts more than 20 deep"),
        (deep(51), "more than 50 parts in parts"),
        (message(TEXT)[:-12] + b"\r" * 400_001, "more than 400000 lines"),
    ],
)
def test_parts_beyond_the_limits_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(MailError, match=f"^{reason}$"):
        parts_of(content)


# Parts


def test_the_parts_of_a_report_mail_are_found_by_hand() -> None:
    content = report_mail()
    text, report = parts_of(content)
    assert text == Part("text/plain", "", b"This is an aggregate TLS report.\n")
    assert (report.content_type, report.name, report.content[:2]) == ("application/tlsrpt+gzip", NAME, b"\x1f\x8b")
    assert usual_parts(*split(content, LIMITS), LIMITS) == [text, report]


def test_an_attached_mail_is_one_part_as_it_stands() -> None:
    inner = report_mail()
    assert parts_of(forwarded(1, inner))[1] == Part("message/rfc822", "", inner)
    assert standard_parts(forwarded(1, inner), LIMITS)[1] == Part("message/rfc822", "", inner)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("attachment; filename=a.json", "a.json"),
        ('attachment; filename="a b.json"; size=3', "a b.json"),
        ("attachment; filename*0=a; filename*1=.json", "a.json"),  # M7, Amazon
        ("attachment; filename*=utf-8''%C3%A4.json", "ä.json"),
        ("attachment; filename*=unicode_escape''%5Cx41.json", "\\x41.json"),
        ("attachment; filename*=zip''a.json", "a.json"),
        ('attachment; filename="a\\"b.json"', 'a"b.json'),
        ('attachment; x="; filename=no"; filename=a.json', "a.json"),
        ("attachment; filename=ä.json", "\ufffd\ufffd.json"),
        ("attachment", "label"),
    ],
)
def test_file_names_are_read_in_every_spelling(disposition: str, name: str) -> None:
    part = f"Content-Type: application/json; name=label\nContent-Disposition: {disposition}\n\n".encode() + REPORT
    [found] = parts_of(message(part))
    assert found == Part("application/json", name, REPORT)


@pytest.mark.parametrize("encoding", ["7bit", "8BIT", "binary", "x-uuencode", "x-unknown", ""])
def test_other_encodings_leave_the_bytes_alone(encoding: str) -> None:
    content = b"begin 644 a\n=41\xff\nend"
    [part] = parts_of(message(attachment(content, encoding=encoding)))
    assert part.content == content


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(REPORT),
        base64.b64encode(REPORT).rstrip(b"="),
        base64.encodebytes(REPORT) + b"\n-- \nA footer that a list added\n",
        b"\n\n" + b"\n".join(bytes([byte]) for byte in base64.b64encode(REPORT)),
        base64.b64encode(REPORT).rstrip(b"=") + b"\n",
    ],
)
def test_base64_that_is_not_quite_valid_is_decoded(text: bytes) -> None:
    part = b"Content-Type: application/tlsrpt+json\nContent-Transfer-Encoding: BASE64 \n\n" + text
    assert parts_of(message(part)) == [Part("application/tlsrpt+json", "", REPORT)]


def test_cut_base64_is_decoded_as_far_as_it_goes() -> None:
    part = b"Content-Transfer-Encoding: base64\n\n" + base64.b64encode(b"abcdef")[:5]
    assert parts_of(message(part)) == [Part("text/plain", "", b"abc")]


def test_headers_that_the_standard_library_stumbles_over_are_refused_or_read() -> None:
    for name in ("charset that is a codec", "charset with a zero byte"):
        assert parts_of(HOSTILE[name]())


# The two ways agree


def mostly(*usual: str, odd: tuple[str, ...]) -> st.SearchStrategy[str]:
    """One of the usual values, now and then an odd one."""
    return st.sampled_from(usual * (20 * len(odd) // len(usual) + 1) + odd)


KINDS = mostly(
    "text/plain", "TEXT/html; charset=utf-8", "application/tlsrpt+gzip", "a/json;name=a.json", "message/rfc822",
    odd=("weird", "", "a/b; name", "a/b/c", "\x1fa/b"),
)  # fmt: skip
NAMES = mostly("", "a", '"a b"', '"a;b=c"', odd=("a;b", '"a\\b"', "<a>", "a; filename=b", "\n a"))
BODIES = mostly(
    "", "text", "text\n", "\n\ntext\n-- \n", REPORT.decode(), HEADERS.decode() + "\nx", "\xff\0\n",
    odd=("\n--b\n", "--=_x--", "--=_x \n"),
)  # fmt: skip
ODD_LINES = mostly("", "X-A: b\n c\n", odd=("no header\n", "X B: c\n", ":\n", "From x\n", "X-A:\n\n"))
BOUNDARIES = mostly("=_x", "----=_Part 1.2", "bb", odd=("b", "--", "b--", "a'()+_,-./:=?"))
SPELLINGS = mostly('"{}"', odd=("{}", '"{} "', "<{}>", '"{}'))


@st.composite
def leaves(draw: st.DrawFn) -> bytes:
    body = draw(BODIES).encode("latin-1")
    encoding = draw(st.sampled_from(["", "7bit", "base64", "Base64", "quoted-printable", "x-uuencode"]))
    if encoding.lower() == "base64":
        body = base64.encodebytes(body)[: draw(st.sampled_from([None, -2, 7]))]
    if encoding == "quoted-printable":
        body = quopri.encodestring(body)
    head = f"Content-Type: {draw(KINDS)}\n" if draw(st.booleans()) else ""
    if name := draw(NAMES):
        head += f"Content-Disposition:{draw(st.sampled_from(['', ' ', chr(10) + ' ']))}attachment; filename={name}\n"
    if encoding:
        head += f"Content-Transfer-Encoding: {encoding}\n"
    return f"{head}{draw(ODD_LINES)}\n".encode() + body


@st.composite
def trees(draw: st.DrawFn, depth: int = 0) -> bytes:
    if depth == 3 or (depth and draw(st.booleans())):
        return draw(leaves())
    boundary = draw(BOUNDARIES)
    kind = draw(mostly("mixed", "report; report-type=tlsrpt", "Alternative", odd=("digest",)))
    content = f"Content-Type: multipart/{kind}; boundary={draw(SPELLINGS).format(boundary)}\n\n"
    content += draw(mostly("", "preamble\n", odd=("--", "\n")))
    whole = content.encode()
    for part in draw(st.lists(trees(depth + 1), min_size=draw(st.sampled_from([1, 1, 1, 0])), max_size=3)):
        whole += f"--{boundary}{draw(mostly('', odd=(' ', chr(9), 'x', '--')))}\n".encode() + part + b"\n"
    return whole + draw(mostly(f"--{boundary}--\n", odd=("", f"--{boundary}-- \nepilogue", "--"))).encode()


BREAKS = st.sampled_from(["\n", "\r\n"])
thorough = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@thorough
@given(trees(), BREAKS, st.sampled_from([b"", HEADERS]))
def test_parts_found_by_hand_are_those_of_the_standard_library(tree: bytes, line_break: str, head: bytes) -> None:
    content = (head + tree).replace(b"\n", line_break.encode())
    by_hand = usual_parts(*split(content, LIMITS), LIMITS)
    assert by_hand is None or by_hand == standard_parts(content, LIMITS)


@thorough
@given(st.data())
def test_parts_of_damaged_mails_found_by_hand_are_those_of_the_standard_library(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([report_mail(), forwarded(1, report_mail())])))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        some = data.draw(
            st.sampled_from([b"\n", b"\n\n", b"--=_next\n", b"\n--=_next--", b"\n ", b'"', b";", b"\t", b"a", b":"])
        )
        content[at : at + data.draw(st.integers(0, 3))] = some
    by_hand = usual_parts(*split(bytes(content), LIMITS), LIMITS)
    assert by_hand is None or by_hand == standard_parts(bytes(content), LIMITS)


def test_usual_mails_are_all_taken_apart_by_hand() -> None:
    for content in (report_mail(), report_mail().replace(b"\n", b"\r\n"), forwarded(2, report_mail()), HEADERS + TEXT):
        assert usual_parts(*split(content, LIMITS), LIMITS) is not None
