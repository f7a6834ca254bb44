"""Who signed a mail: right signatures, every wrong one, keys, servers that are believed, and hostile mail."""

from __future__ import annotations

import base64
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hostile.mails import HEADERS, HOSTILE, report_mail
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signing import NAME, SECONDS, SIGNED, ed25519_record, public_key, record, sign

from tlsrpt.authentication import STATES, Authentication, KeyLookupError, KeyOf, NoKeyError, authenticate
from tlsrpt.limits import LIMITS
from tlsrpt.reporters import REPORTERS, Accepted, is_known

NOW = SIGNED + timedelta(hours=1)
REPORT = report_mail()
BODY = b" What  it says \n\n ends.\t\n\n\n"
SMALL = HEADERS + b"Subject: a\n  folded\tone\n\n" + BODY
ADDRESS = "tls@sender.example"
CHANGED = "changed on its way (a gateway, an mbox) or forged"
OF = "signature of sender.example, selector s1"
PASS = Authentication("pass", "sender.example", ADDRESS, "", SIGNED)


class Asked:
    """The keys of a test, and what was asked for."""

    def __init__(self, **keys: bytes | Exception) -> None:
        self.keys = {NAME: record(), **{f"{selector}._domainkey.sender.example": key for selector, key in keys.items()}}
        self.names: list[str] = []

    def __call__(self, name: str) -> bytes:
        self.names.append(name)
        key = self.keys.get(name, NoKeyError("no such record"))
        if isinstance(key, Exception):
            raise key
        return key


def judged(message: bytes, key_of: KeyOf | None = None, *, now: datetime = NOW, by: str = "") -> Authentication:
    return authenticate(message, key_of or Asked(), now, trusted_authserv_id=by)


def seen(message: bytes, key: bytes | Exception | None = None) -> tuple[str, str]:
    """Return the state of a mail whose key this is, and the reason without the name of the signature."""
    found = judged(message, Asked(s1=record() if key is None else key))
    assert (found.signer is None) == (found.made is None) == (found.state not in {"pass", "expired"})
    return found.state, found.reason.removeprefix(f"{OF}: ").removeprefix("DKIM-Signature ")


def sent_by(sender: str) -> bytes:
    """Return the report with another From."""
    return REPORT.replace(b"Reports <tls@Sender.Example>", sender.encode())


def seconds(work: Callable[[], object]) -> float:
    """Return what some work takes, the best of three; waiting for a processor does not count."""
    took = []
    for _ in range(3):
        began = time.thread_time()
        work()
        took.append(time.thread_time() - began)
    return min(took)


# Right signatures


@pytest.mark.parametrize("crlf", [False, True], ids=["LF", "CRLF"])
@pytest.mark.parametrize("c", ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple", "relaxed", None])
@pytest.mark.parametrize("message", [REPORT, SMALL, HEADERS + b"\n", HEADERS + b"\n\n\n \n\n"])
def test_a_right_signature_passes(message: bytes, c: str | None, *, crlf: bool) -> None:
    signed = sign(message, c=c)
    found = judged(signed.replace(b"\n", b"\r\n") if crlf else signed)
    assert found == PASS


@pytest.mark.parametrize("c", ["relaxed/relaxed", "simple/simple"])
def test_a_right_ed25519_signature_passes(c: str) -> None:
    signed = sign(SMALL, c=c, a="ed25519-sha256")
    assert judged(signed, Asked(s1=ed25519_record())) == PASS
    assert seen(signed.replace(b"Subject: a", b"Subject: b"), ed25519_record()) == ("fail", CHANGED)
    assert seen(signed.replace(b"ends", b">From"), ed25519_record()) == ("fail", CHANGED)


@pytest.mark.parametrize(
    ("c", "body", "same"),
    [
        ("relaxed", b"a b\n", [b"a  b", b"a\tb\n", b"a \t b \t\n", b"a b\n\n \n\t\n", b"a b\r\n", b"a b "]),
        ("relaxed", b" a\n\n b\n", [b"\ta\n\n  b", b"  a\n \n\tb\n\n"]),
        ("relaxed", b"", [b"\n", b" ", b"\n\n\t\n"]),
        ("simple", b"a  b\n", [b"a  b", b"a  b\n\n\n", b"a  b\r\n\r\n"]),
        ("simple", b"", [b"\n", b"\n\n\n"]),
    ],
)
def test_white_space_that_canonicalization_takes_away_does_not_matter(c: str, body: bytes, same: list[bytes]) -> None:
    signed = sign(HEADERS + b"\n" + body, c=f"relaxed/{c}").removesuffix(body)
    assert [judged(signed + other).state for other in (body, *same)] == ["pass"] * (1 + len(same))


@pytest.mark.parametrize(
    ("c", "body", "others"),
    [
        ("relaxed", b"a b\n", [b"ab\n", b" a b\n", b"\na b\n", b"a\x0bb\n", b"a b\n\n.\n", b"a\nb\n"]),
        ("relaxed", b"", [b"a\n", b"\r", b"\x0b\n"]),
        ("simple", b"a  b\n", [b"a b\n", b"a  b \n", b"a  b\n \n", b"a\t b\n", b"\na  b\n"]),
        ("simple", b"", [b" ", b"\n \n", b"a"]),
    ],
)
def test_all_other_white_space_matters(c: str, body: bytes, others: list[bytes]) -> None:
    signed = sign(HEADERS + b"\n" + body, c=f"relaxed/{c}").removesuffix(body)
    assert {judged(signed + other).reason for other in others} == {f"{OF}: {CHANGED}"}


def test_white_space_around_signed_headers_does_not_matter_if_they_are_relaxed() -> None:
    refolded = (b"Subject: a\n  folded\tone\n", b"SUBJECT:\ta folded\n\t one \t\n")
    assert judged(sign(SMALL).replace(*refolded)) == PASS
    assert judged(sign(SMALL, c="simple/relaxed").replace(*refolded)).reason == f"{OF}: {CHANGED}"


@pytest.mark.parametrize(
    "message",
    [
        sign(REPORT, i="reports@mail.Sender.Example"),
        sign(REPORT, i="@sender.example", q="dns/txt", z="From:a|To:b", darn="x"),
        sign(REPORT, d="Sender.EXAMPLE", a="RSA-SHA256"),
        sign(REPORT, h="from : subject : subject : x-not-there"),
        sign(REPORT, h="from:dkim-signature"),
        sign(REPORT, q="other:dns/txt"),
        sign(REPORT, t=None),
        sign(REPORT, t=str(SECONDS + 86_400)),
        sign(REPORT, x=str(SECONDS + 3_600)),
        sign(REPORT, x="999999999999"),
        sign(REPORT, first=["b", "s"]),
        sign(REPORT, first=["b"], c="simple/simple"),
        sign(REPORT, folded=" "),
        sign(REPORT, folded="", c="simple/simple"),
        sign(REPORT, folded=" \n \t "),
        sign(REPORT, name="dkim-SIGNATURE", c="simple/simple"),
    ],
)
def test_an_unusual_signature_that_is_right_passes(message: bytes) -> None:
    assert judged(message)._replace(made=SIGNED) == PASS


def test_blanks_around_b_are_no_part_of_what_was_signed() -> None:
    signed = sign(SMALL, first=["b"])
    assert judged(re.sub(rb"\bb=([^;]*);", rb"b= \n \1 \n\t;", signed)).state == "pass"


def test_the_domain_of_from_may_be_below_the_one_that_signs() -> None:
    message = REPORT.replace(b"tls@Sender.Example", b"TLS@a.b.Sender.Example")
    assert judged(sign(message)) == Authentication("pass", "sender.example", "tls@a.b.sender.example", "", SIGNED)


def test_a_sender_beyond_ascii_is_compared_as_a_label() -> None:
    message = REPORT.replace(b"tls@Sender.Example", "tls@Bücher.example".encode())
    keys = Asked()
    keys.keys = {"s1._domainkey.xn--bcher-kva.example": record()}
    found = judged(sign(message, d="xn--bcher-kva.example"), keys)
    assert found == Authentication("pass", "xn--bcher-kva.example", "tls@xn--bcher-kva.example", "", SIGNED)


def test_mail_without_a_blank_line_is_all_headers() -> None:
    assert judged(sign(HEADERS + b"\n").removesuffix(b"\n")).state == "pass"


# When it was signed

DATED = datetime(2026, 5, 13, 15, 42)  # in HEADERS


def test_a_mail_was_signed_when_the_signature_says() -> None:
    assert judged(sign(REPORT, t="86400")).made == datetime(1970, 1, 2)
    later = SECONDS + 86_400
    assert judged(sign(REPORT, t=str(later))).made == SIGNED + timedelta(days=1)
    assert judged(sign(REPORT, t=str(later), h="from")).made == SIGNED + timedelta(days=1)


def test_a_signature_without_its_time_has_that_of_date_if_that_is_signed() -> None:
    assert judged(sign(REPORT, t=None)) == PASS._replace(made=DATED)
    assert judged(sign(REPORT, t=None, h="from : DATE")) == PASS._replace(made=DATED)
    assert judged(sign(REPORT, t=None, x=str(SECONDS))).made == DATED
    assert judged(sign(REPORT, t=None, h="from")) == PASS._replace(made=None)


@pytest.mark.parametrize("date", [b"", b"Date: Fri, May 09 2017\n", b"Date:\n", b"Date: 31 Feb 2026 00:00\n"])
def test_a_date_that_is_none_is_no_time_of_signing(date: bytes) -> None:
    message = REPORT.replace(b"Date: Wed, 13 May 2026 08:42:00 -0700\n", date)
    assert judged(sign(message, t=None)) == PASS._replace(made=None)
    assert judged(sign(message)) == PASS


def test_nobody_can_make_a_mail_younger() -> None:
    signed, dated = sign(REPORT), sign(REPORT, t=None)
    assert judged(signed.replace(f"t={SECONDS}".encode(), f"t={SECONDS + 1}".encode())).state == "fail"
    assert judged(dated.replace(b"Date: Wed, 13", b"Date: Thu, 14")).state == "fail"
    assert judged(b"Date: Thu, 14 May 2026 08:42:00 -0700\n" + dated).state == "fail"
    assert judged(sign(REPORT, t=None, h="from").replace(b"Date: Wed, 13", b"Date: Thu, 14")).made is None


# Wrong signatures


def test_what_was_changed_does_not_verify() -> None:
    signed = sign(SMALL)
    assert seen(signed) == ("pass", "")
    assert seen(signed.replace(b"ends", b">From")) == ("fail", CHANGED)
    assert seen(signed.replace(b"Subject: a", b"Subject: b")) == ("fail", CHANGED)
    assert seen(signed.replace(b"c=relaxed/relaxed", b"c=simple/relaxed")) == ("fail", CHANGED)
    assert seen(sign(SMALL, bits=1_024)) == ("fail", CHANGED)


def test_what_was_added_in_front_of_what_was_signed_does_not_verify() -> None:
    once, twice = sign(SMALL, h="from:to"), sign(SMALL, h="from:to:to")
    assert judged(b"To: b@example.com\n" + once).state == "pass"
    assert judged(b"To: b@example.com\n" + twice).state == "fail"


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        *[({tag: None}, f"has no {tag}=") for tag in ("v", "a", "b", "bh", "d", "h", "s")],
        ({"v": "2"}, "has another version than 1"),
        ({"a": "rsa-sha1"}, "uses rsa-sha1, which proves nothing any more"),
        ({"a": "rsa-md5"}, "uses an unknown algorithm"),
        ({"l": "10"}, "has l=, which RFC 8460 section 3 forbids"),
        ({"c": "relaxed/nowsp"}, "has an unknown canonicalization (c=)"),
        ({"c": "relaxed/"}, "has an unknown canonicalization (c=)"),
        ({"c": "relaxed/relaxed/relaxed"}, "has an unknown canonicalization (c=)"),
        ({"h": "to:subject"}, "does not cover From (h=)"),
        ({"q": "dns/caa"}, "has its key elsewhere than in DNS (q=)"),
        ({"i": "a@example"}, "has i= outside d="),
        ({"i": "a@notsender.example"}, "has i= outside d="),
        ({"i": "sender.example"}, "has i= outside d="),
        ({"i": "a@b c.sender.example"}, "has i= outside d="),
        ({"t": "never"}, "has t= or x= that is no time"),
        ({"t": "1" * 13}, "has t= or x= that is no time"),
        ({"t": "1" * 3_000}, "has t= or x= that is no time"),
        ({"x": "-1"}, "has t= or x= that is no time"),
        ({"x": ""}, "has t= or x= that is no time"),
        ({"x": "9" * 3_000}, "has t= or x= that is no time"),
        ({"t": str(SECONDS + 3_600 + 86_401)}, "was made in the future (t=)"),
        ({"x": str(SECONDS - 1)}, "expired before it was made (x=)"),
        ({"b": "AAA"}, "has b= that is not base64"),
        ({"b": "A!AA"}, "has b= that is not base64"),
        ({"bh": "A"}, "has bh= that is not base64"),
        ({"d": "example"}, "has d= or s= that DNS cannot have"),
        ({"d": "sender..example"}, "has d= or s= that DNS cannot have"),
        ({"d": ".sender.example"}, "has d= or s= that DNS cannot have"),
        ({"d": "sender.example."}, "has d= or s= that DNS cannot have"),
        ({"d": "-sender.example"}, "has d= or s= that DNS cannot have"),
        ({"d": "send er.example"}, "has d= or s= that DNS cannot have"),
        ({"d": f"{'a' * 64}.sender.example"}, "has d= or s= that DNS cannot have"),
        ({"d": "a." * 300 + "sender.example"}, "has d= or s= that DNS cannot have"),
        ({"s": "../s1"}, "has d= or s= that DNS cannot have"),
        ({"s": "s1..x"}, "has d= or s= that DNS cannot have"),
        ({"s": "a." * 115 + "s1"}, "has d= or s= that DNS cannot have"),
        ({"s": "*"}, "has d= or s= that DNS cannot have"),
        ({"d": "sender.example\0"}, "is malformed"),
        ({"d": "sender.\x1b]0;x\x07example"}, "is malformed"),
        ({"d": "sénder.example"}, "is malformed"),
        ({"D": "sender.example", "0": "x"}, "is malformed"),
        ({"x-y": "1"}, "is malformed"),
        ({"z": "1;;n=1"}, "is malformed"),
        ({"z": "1;d=sender.example"}, "has a tag twice"),
        ({"z": "a" * 4_096}, "is larger than 4 KiB"),
    ],
)
def test_a_signature_against_the_rules_fails_and_nobody_is_asked(tags: dict[str, Any], reason: str) -> None:
    keys = Asked()
    found = judged(sign(REPORT, **tags), keys)
    assert found == Authentication("fail", None, ADDRESS, f"DKIM-Signature {reason}")
    assert keys.names == []


@pytest.mark.parametrize("domain", ["evil.example", "er.example", "mail.sender.example", "sender.example.com"])
def test_a_signature_of_another_domain_fails_and_nobody_is_asked(domain: str) -> None:
    keys = Asked()
    found = judged(sign(REPORT, d=domain), keys)
    reason = f"signature of {domain}, selector s1: that is not the domain of From"
    assert found == Authentication("fail", None, ADDRESS, reason)
    assert keys.names == []


def test_a_signature_that_has_expired_is_told_from_a_wrong_one() -> None:
    signed = sign(REPORT, x=str(SECONDS + 7 * 86_400))
    at = SIGNED + timedelta(days=7)
    assert judged(signed, now=at).state == "pass"
    found = judged(signed, now=at + timedelta(seconds=1))
    reason = f"{OF}: valid, but expired since 2026-05-20 15:43 UTC"
    assert found == Authentication("expired", "sender.example", ADDRESS, reason, SIGNED)
    changed = judged(signed.replace(b"Subject: ", b"Subject: [list] "), now=at + timedelta(days=900))
    assert changed == Authentication("fail", None, ADDRESS, f"{OF}: {CHANGED}")


def test_mail_without_a_signature_is_not_signed() -> None:
    nothing = Authentication("none", None, ADDRESS, "not signed")
    assert judged(REPORT) == nothing
    assert authenticate(REPORT, None, NOW) == nothing
    assert judged(b"") == Authentication("none", None, None, "not signed")


def test_nothing_is_checked_where_checking_is_off() -> None:
    found = authenticate(sign(REPORT), None, NOW)
    assert found == Authentication("not-checked", None, ADDRESS, "signatures are not checked")


# Keys


@pytest.mark.parametrize(
    "key",
    [
        record(v=None, k=None),
        record(p=public_key(bare=True)),
        record(p=re.sub("(.{40})", r"\1 ", public_key())),
        record(s="*"),
        record(s="email"),
        record(s="tlsrpt"),
        record(s="other : tlsrpt"),
        record(s="email:other"),
        record(h="sha1:sha256"),
        record(h="SHA256"),
        record(t="s"),
        record(t="other"),
        record(n="a note", x="unknown"),
        record() + b" ; ",
    ],
)
def test_a_key_for_this_passes(key: bytes) -> None:
    assert seen(sign(REPORT), key) == ("pass", "")


def test_a_key_of_1024_bits_passes() -> None:
    assert seen(sign(REPORT, bits=1_024), record(p=public_key(1_024))) == ("pass", "")


def test_the_kind_of_a_key_has_to_fit_the_signature() -> None:
    assert seen(sign(REPORT), ed25519_record()) == ("fail", "its key record is not for RSA (k=)")
    signed = sign(REPORT, a="ed25519-sha256")
    assert seen(signed, ed25519_record(k="ED25519")) == ("pass", "")
    for key in (record(), ed25519_record(k=None), ed25519_record(k="rsa")):
        assert seen(signed, key) == ("fail", "its key record is not for Ed25519 (k=)")


@pytest.mark.parametrize("size", [1, 31, 33, 44])
def test_an_ed25519_key_has_32_bytes(size: int) -> None:
    key = ed25519_record(p=base64.b64encode(b"a" * size).decode())
    assert seen(sign(REPORT, a="ed25519-sha256"), key) == ("fail", "its key record has a key that cannot be read")


def test_a_signature_of_another_ed25519_key_or_size_fails() -> None:
    other = ed25519_record(p=base64.b64encode(b"a" * 32).decode())
    assert seen(sign(REPORT, a="ed25519-sha256"), other) == ("fail", CHANGED)
    assert seen(sign(REPORT, a="ed25519-sha256", b="AAAA"), ed25519_record()) == ("fail", CHANGED)


def der(kind: int, *contents: bytes) -> bytes:
    """Return a value of a kind of ASN.1 in DER."""
    content = b"".join(contents)
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([kind, *([0x80 | len(size), *size] if len(content) > 0x7F else [len(content)])]) + content


def integers(*numbers: int) -> bytes:
    """Return a bare key with these as modulus and exponent, or whatever they are."""
    return der(0x30, *(der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big")) for number in numbers))


def another(algorithm: str, *parameters: bytes, key: bytes = b"a" * 32) -> bytes:
    """Return a key of another algorithm, which is an object identifier in hexadecimal digits."""
    return der(0x30, der(0x30, der(0x06, bytes.fromhex(algorithm)), *parameters), der(0x03, b"\0", key))


def holding(key: bytes) -> bytes:
    """Return a record with this key, whatever it is."""
    return record(p=base64.b64encode(key).decode())


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (record(v="DKIM2"), "does not begin with v=DKIM1"),
        (b"p=" + public_key().encode() + b"; v=DKIM1", "does not begin with v=DKIM1"),
        (record(p=None), "has no p="),
        (b"", "has no p="),
        (b"v=spf1 -all", "has no p="),
        (record(k="ed25519"), "is not for RSA (k=)"),
        (record(h="sha1"), "is not for SHA-256 (h=)"),
        (record(s="other"), "is for another service (s=)"),
        (record(s=""), "is for another service (s=)"),
        (record(t="y"), "is only for testing (t=y)"),
        (record(t="s : Y"), "is only for testing (t=y)"),
        (record(p="A"), "has p= that is not base64"),
        (record(p="AAAA"), "has a key that cannot be read"),
        (holding(integers()), "has a key that cannot be read"),
        (
            holding(integers((1 << 1_022) + 1, 65_537)),
            "has a key of 1023 bits, and 1024 are the least (RFC 8301 section 3.2)",
        ),
        (holding(integers(0, 65_537)), "has a key that cannot be read"),
        (holding(integers(1 << 2_047, 1)), "has a key that cannot be read"),
        (holding(integers((1 << 2_047) + 1, (1 << 32) + 1)), "has an exponent that nobody uses"),
        (holding(another("2b6570")), "has a key that cannot be read"),  # Ed25519, named RSA
        (holding(another("2a864886f70d010101", key=b"")), "has a key that cannot be read"),
        (holding(integers((1 << 11_000) + 1, (1 << 11_000) - 1)), "has an exponent that nobody uses"),
        (record(n="a" * 4_096), "is larger than 4 KiB"),
        (record() + b";;", "is malformed"),
        (record() + b"; \xff=1", "is malformed"),
        (record(n="\x1b[2J"), "is malformed"),
        (record() + b"; k=rsa", "has a tag twice"),
    ],
)
def test_a_key_that_is_not_for_this_fails(key: bytes, reason: str) -> None:
    assert seen(sign(REPORT), key) == ("fail", f"its key record {reason}")


def test_a_key_that_is_not_for_subdomains_is_none_for_them() -> None:
    assert seen(sign(REPORT, i="a@sender.example"), record(t="s")) == ("pass", "")
    reason = "its key record is not for subdomains (t=s)"
    assert seen(sign(REPORT, i="a@mail.sender.example"), record(t="s")) == ("fail", reason)


def test_a_key_that_is_gone_leaves_the_signature_unchecked() -> None:
    assert seen(sign(REPORT), record(p="")) == ("not-checked", "its key is gone (revoked)")
    assert seen(sign(REPORT), NoKeyError("no such record")) == ("not-checked", "its key is gone (no such record)")


def test_a_key_that_cannot_be_asked_for_is_a_temporary_error() -> None:
    reason = "its key could not be had (no answer in 2 s)"
    assert seen(sign(REPORT), KeyLookupError("no answer in 2 s")) == ("temporary-error", reason)


def test_no_key_is_asked_for_when_the_body_was_changed() -> None:
    keys = Asked()
    assert judged(sign(SMALL).replace(b"ends", b"begins"), keys).state == "fail"
    assert keys.names == []


# Several signatures


def test_the_best_of_several_signatures_counts() -> None:
    keys = Asked(down=KeyLookupError("SERVFAIL"))
    levels: list[tuple[str, dict[str, Any]]] = [
        ("fail", {"a": "rsa-sha1"}),
        ("not-checked", {"s": "gone"}),
        ("temporary-error", {"s": "down"}),
        ("expired", {"x": str(SECONDS + 1)}),
        ("pass", {}),
    ]
    above = below = REPORT
    for count, (state, tags) in enumerate(levels, 1):
        above = sign(above, **tags)
        below = REPORT
        for _, other in reversed(levels[:count]):
            below = sign(below, **other)
        assert judged(above, keys).state == judged(below, keys).state == state


def test_a_signature_of_another_domain_does_not_stand_in_for_one_that_fails() -> None:
    found = judged(sign(sign(REPORT, a="rsa-sha1"), d="evil.example"))
    assert found.state == "fail"
    assert found.signer is None


def test_of_50_signatures_the_first_five_are_looked_at() -> None:
    message = sign(REPORT)
    for number in range(49):
        message = sign(message, s=f"gone{number}")
    keys = Asked()
    assert judged(message, keys).state == "not-checked"
    assert keys.names == [f"gone{number}._domainkey.sender.example" for number in range(48, 43, -1)]


def test_nobody_is_asked_any_more_once_a_signature_passes() -> None:
    keys = Asked()
    assert judged(sign(sign(REPORT, s="gone")), keys).state == "pass"
    assert keys.names == [NAME]


# Headers around them


@pytest.mark.parametrize(
    "name",
    [
        "From",
        "Subject",
        "date",
        "CONTENT-TYPE",
        "Content-Transfer-Encoding",
        "TLS-Report-Domain",
        "TLS-Report-Submitter",
    ],
)
def test_a_second_header_of_those_that_count_is_never_a_pass(name: str) -> None:
    message = REPORT.replace(b"MIME-Version", b"Content-Transfer-Encoding: 7bit\nMIME-Version")
    signed = sign(message, h="from:message-id")
    assert judged(signed).state == "pass"
    header = name.encode() + b": tls@sender.example\n"
    keys = Asked()
    for doubled in (header + signed, signed.replace(b"MIME-Version", header + b"MIME-Version")):
        found = judged(doubled, keys)
        assert found.state == "fail"
        assert found.reason.lower() == f"2 {name} headers".lower()
        assert (found.address is None) == (name == "From")
    assert keys.names == []


@pytest.mark.parametrize(
    "header",
    [
        b"From : evil@sender.example\n",
        b"no colon\n",
        b">From somebody\n",
        b"X: a\rFrom: evil@sender.example\n",
        b"\xff: a\n",
        b" folded from nothing\n",
    ],
)
def test_headers_that_readers_may_read_in_two_ways_are_never_a_pass(header: bytes) -> None:
    assert judged(header + sign(REPORT)) == Authentication("fail", None, ADDRESS, "malformed headers")


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("tls@sender.example", ADDRESS),
        ("<TLS@SENDER.EXAMPLE>", ADDRESS),
        ("Sender Inc. [TLS] <tls@sender.example>", ADDRESS),
        ('"Doe, J. <j@other.example>" <tls@sender.example>', ADDRESS),
        (r'"a \" (b" c<tls@sender.example> (and (a \) "comment) too)', ADDRESS),
        ("(by) tls@sender.example (of us)", ADDRESS),
        ("=?utf-8?q?J=C3=A4n?=\n\t<tls@sender.example>", ADDRESS),
        ("Jän <tls@sender.example>", ADDRESS),
        ("a.b+c=d@mail.sender.example", "a.b+c=d@mail.sender.example"),
        ("evil@other.example, tls@sender.example", None),
        ("tls@sender.example, evil@other.example", None),
        ("<tls@sender.example> <evil@other.example>", None),
        ("tls@sender.example <evil@other.example>", None),
        ("evil@other.example <tls@sender.example>", None),
        ("Group: tls@sender.example;", None),
        ("undisclosed:;", None),
        ("tls@evil@sender.example", None),
        ("tls @sender.example", None),
        ("tls@[192.0.2.1]", None),
        ("tls@localhost", None),
        ("tls@sender..example", None),
        pytest.param("tls@" + "a." * 300 + "sender.example", None, id="300 labels"),
        pytest.param("tls@" + "ä" * 300 + ".example", None, id="300 letters"),
        ("tls@\uff53ender.example", None),
        ("t\x1bs@sender.example", None),
        ("täs@sender.example", None),
        ("tls", None),
        ("", None),
        ("<>", None),
        ('"tls@sender.example', None),
        ("(tls@sender.example", None),
        ("tls@sender.example)", None),
        ("(" * 9 + ")" * 9 + "tls@sender.example", None),
        ("(" * 8 + ")" * 8 + "tls@sender.example", ADDRESS),
    ],
)
def test_from_has_one_address_or_none(sender: str, address: str | None) -> None:
    message = sent_by(sender)
    found = judged(sign(message))
    assert found.address == address
    assert found.state == ("pass" if address else "fail")
    assert judged(message).address == address
    if not address:
        assert found.reason == "no From header with one address"


def test_mail_without_from_is_never_a_pass() -> None:
    message = REPORT.replace(b"From: Reports <tls@Sender.Example>\n", b"")
    assert judged(sign(message)) == Authentication("fail", None, None, "no From header with one address")


# Known reporters


@pytest.mark.parametrize(
    ("signer", "address", "known"),
    [
        ("google.com", "noreply-smtp-tls-reporting@google.com", True),
        ("microsoft.com", "tlsrpt-noreply@microsoft.com", True),
        ("corp.mail.ru", "noreply-smtp-tls-reporting@corp.mail.ru", True),
        ("evil.example", "noreply-smtp-tls-reporting@google.com", False),
        ("gmail.com", "attacker@gmail.com", False),
        ("google.com", "somebody@google.com", False),
        ("google.com", "tlsrpt-noreply@microsoft.com", False),
        ("mail.google.com", "noreply-smtp-tls-reporting@google.com", False),
        ("google.com", None, False),
        ("sender.example", "anyone@sender.example", True),
        ("sender.example", None, True),
        ("other.example", "tls@other.example", True),
        ("other.example", "anyone@other.example", False),
        ("a.sender.example", "anyone@a.sender.example", False),
    ],
)
def test_a_reporter_is_known_by_signature_and_address(signer: str, address: str | None, *, known: bool) -> None:
    accepted = (Accepted("sender.example"), Accepted("other.example", "tls@other.example"))
    assert is_known(signer, address, accepted) is known


def test_reporters_are_written_as_they_are_compared() -> None:
    for reporter in REPORTERS:
        assert reporter.organization in reporter.domains
        for text in (*reporter.domains, *reporter.signers, *reporter.addresses):
            assert text == text.lower()
        for address in reporter.addresses:
            domain = address.rpartition("@")[2]
            assert any(f".{domain}".endswith(f".{signer}") for signer in reporter.signers)


def test_who_signs_for_somebody_else_is_not_believed() -> None:
    google = sent_by("Google Inc. <noreply-smtp-tls-reporting@google.com>")
    found = judged(sign(google, d="evil.example"))
    assert (found.state, found.signer) == ("fail", None)
    own = sent_by("Google Inc. <attacker@gmail.com>")
    keys = Asked()
    keys.keys = {"s1._domainkey.gmail.com": record()}
    found = judged(sign(own, d="gmail.com"), keys)
    assert (found.state, found.signer, found.address) == ("pass", "gmail.com", "attacker@gmail.com")
    assert not is_known("gmail.com", found.address)


# The word of a server


class Word(NamedTuple):
    """What Authentication-Results say, and what follows."""

    value: str
    state: str
    reason: str = ""
    signer: str | None = None


SAYS = "mx.example.com says dkim="
PASSES = (f"{SAYS}pass", "sender.example")
WORDS = (
    Word("mx.example.com; dkim=pass header.d=sender.example", "pass", *PASSES),
    Word("MX.Example.COM 1; DKIM=Pass header.D=Sender.Example;", "pass", *PASSES),
    Word("(a) mx.example.com (b (c)) 1 (d)\n ; (e) dkim/1 = pass (f) header.d=sender.example (;)", "pass", *PASSES),
    Word('"mx.example.com"; dkim=pass reason="good; dkim=fail \\" (" header.d="sender.example"', "pass", *PASSES),
    Word("mx.example.com; spf=fail smtp.mailfrom=a@b; dkim=pass header.i=@sender.example; dmarc=x", "pass", *PASSES),
    Word('mx.example.com; dkim=pass header.i="a b"@sender.example header.b=ab/+==', "pass", *PASSES),
    Word("mx.example.com; dkim=fail header.d=evil.example;dkim=pass header.d=sender.example", "pass", *PASSES),
    Word("mx.example.com; dkim=pass header.d=sender.example header.d=evil.example", "pass", *PASSES),
    Word("mx.example.com; dkim=temperror header.d=sender.example", "temporary-error", f"{SAYS}temperror"),
    Word("mx.example.com; dkim=temperror; dkim=fail", "temporary-error", f"{SAYS}temperror"),
    Word("mx.example.com; dkim=none", "none", f"{SAYS}none"),
    Word("mx.example.com; dkim=none (not signed); dkim=fail", "fail", f"{SAYS}fail"),
    *(
        Word(f"mx.example.com; dkim={result} header.d=sender.example", "fail", f"{SAYS}{result}")
        for result in ("fail", "policy", "neutral", "permerror", "softfail", "whatever")
    ),
    *(
        Word(f"mx.example.com; dkim=pass{told}", "fail", f"{SAYS}pass of {who}, and that is not the domain of From")
        for told, who in (
            (" header.d=evil.example", "evil.example"),
            (" header.i=tls@evil.example", "evil.example"),
            (" header.d=mail.sender.example", "mail.sender.example"),
            (" header.d=a\x1b.example", "nobody"),
            (' header.i="@sender.example"@evil.example', "evil.example"),
            (" header.s=s1", "nobody"),
            ("", "nobody"),
        )
    ),
)


def results(value: str, message: bytes = REPORT) -> bytes:
    return b"Authentication-Results: " + value.encode() + b"\n" + message


@pytest.mark.parametrize("word", WORDS)
def test_the_word_of_a_trusted_server_stands_in_for_the_check(word: Word) -> None:
    keys = Asked()
    found = judged(results(word.value, sign(REPORT)), keys, by="mx.example.com")
    assert found == Authentication(word.state, word.signer, ADDRESS, word.reason)
    assert keys.names == []


@pytest.mark.parametrize(
    "value",
    [
        "mx.evil.example; dkim=pass header.d=sender.example",
        "mx.example.com.evil.example; dkim=pass header.d=sender.example",
        "mx.example.com dkim=pass header.d=sender.example",
        "mx.example.com x; dkim=pass header.d=sender.example",
        "x; mx.example.com; dkim=pass header.d=sender.example",
        "; dkim=pass header.d=sender.example",
        "",
        "mx.example.com",
        "mx.example.com; none",
        "mx.example.com; spf=pass; dmarc=pass header.from=sender.example",
        "mx.example.com; dkim-atps=pass header.d=sender.example",
        "mx.example.com; x=y dkim=pass header.d=sender.example",
        'mx.example.com; spf=pass reason="; dkim=pass header.d=sender.example"',
        "mx.example.com; spf=pass (; dkim=pass header.d=sender.example)",
        "mx.example.com; dkim=pass header.d=sender.example (",
        'mx.example.com; dkim=pass header.d=sender.example "',
        "mx.example.com; dkim=pass header.d=sender.example )",
        "mx.example.com; dkim=pass header.d=sender.example \\",
        "mx.example.com; dkim=pass header.d sender.example",
        "mx.example.com; dkim=pass\x1b header.d=sender.example",
        "mx.example.com; dkim=fail; dkim pass; dkim=",
        "mx.example.com; " + "(" * 9 + ")" * 9 + "dkim=pass header.d=sender.example",
        pytest.param("mx.example.com; dkim=pass header.d=sender.example; " + "x" * 8_192, id="larger than 8 KiB"),
    ],
)
def test_other_words_are_nobody_s_and_the_signature_is_checked(value: str) -> None:
    assert judged(results(value), by="mx.example.com") == judged(REPORT)
    assert judged(results(value, sign(REPORT)), by="mx.example.com") == judged(sign(REPORT))


def test_only_the_topmost_word_is_looked_at() -> None:
    good = "mx.example.com; dkim=pass header.d=sender.example"
    assert judged(results("mx.evil.example; dkim=fail", results(good)), by="mx.example.com").state == "none"
    assert judged(results("mx.example.com; dkim=fail", results(good)), by="mx.example.com").state == "fail"
    assert judged(results(good, results("mx.evil.example; dkim=fail")), by="mx.example.com").state == "pass"


def test_no_word_is_believed_unless_a_server_is_trusted() -> None:
    assert judged(results("mx.example.com; dkim=pass header.d=sender.example")).state == "none"
    assert judged(results("; dkim=pass header.d=sender.example")).state == "none"


def test_the_word_of_a_trusted_server_does_not_need_a_check() -> None:
    word = results("mx.example.com; dkim=pass header.d=sender.example", sign(REPORT))
    assert authenticate(word, None, NOW, trusted_authserv_id="mx.example.com").state == "pass"


def test_a_trusted_server_does_not_make_up_for_two_senders() -> None:
    good = results("mx.example.com; dkim=pass header.d=sender.example")
    found = judged(b"From: evil@sender.example\n" + good, by="mx.example.com")
    assert found == Authentication("fail", None, None, f"{SAYS}pass, but: 2 From headers")
    found = judged(b"Content-Type: text/plain\n" + good, by="mx.example.com")
    assert found == Authentication("fail", None, ADDRESS, f"{SAYS}pass, but: 2 Content-Type headers")


# Hostile mail

LONG = 62 << 10
ROOM = 3_500  # bytes that fit into a signature beside what it has to have


def above(header: str) -> bytes:
    return header.encode() + b"\n" + REPORT


@pytest.mark.parametrize(
    "message",
    [
        above("DKIM-Signature: v=1; b=" + "A " * (LONG // 2)),
        above("DKIM-Signature: v=1; b=" + "A\n " * (LONG // 3)),
        above("DKIM-Signature: " + "a=b;" * (LONG // 4)),
        sign(REPORT, b="A" + " \n " * (ROOM // 3) + "A"),
        sign(REPORT, b="AAAA" * (ROOM // 4)),
        sign(REPORT, b="A\n\t" * (ROOM // 3)),
        sign(REPORT, z="x b" + " \n " * (ROOM // 3) + "x"),
        sign(REPORT, h="from" + ":a" * (ROOM // 2)),
        sign(REPORT, h="from" + " :" * (ROOM // 2)),
        sign(REPORT, d="a." * (ROOM // 2) + "sender.example"),
        sign(REPORT, d="a" * ROOM),
        sign(REPORT, s="s" * ROOM),
        sign(REPORT, i="@" * ROOM + "sender.example"),
        above("DKIM-Signature: " + "a=b;" * (ROOM // 4)),
        above("DKIM-Signature: " + ";" * ROOM),
        above("DKIM-Signature: " + "=" * ROOM),
        above("DKIM-Signature: " + " \n " * (ROOM // 3)),
        sent_by("(" * ROOM),
        sent_by("()" * ROOM),
        sent_by('"\\' * ROOM),
        sent_by("a@" * ROOM),
        sent_by("<" * ROOM),
        sent_by(" " * ROOM + "x"),
        above("Authentication-Results: mx.example.com; " + "(" * ROOM),
        above("Authentication-Results: mx.example.com; " + "()" * ROOM),
        above("Authentication-Results: mx.example.com; dkim=pass " + "a=b " * (ROOM // 4) + "!"),
        above("Authentication-Results: mx.example.com; dkim=pass" + ' a="' * (ROOM // 4)),
        above("Authentication-Results: mx.example.com; dkim=pass" + " " * ROOM + "!"),
        above("Authentication-Results: mx.example.com" + ";" * ROOM),
    ],
)
def test_no_header_takes_long(message: bytes) -> None:
    assert seconds(lambda: judged(message, by="mx.example.com")) < 0.05


@pytest.mark.parametrize(
    "body",
    [b" " * (1 << 20) + b"x", b" \t" * (1 << 19) + b"\n", b"\n" * (1 << 20), b"x \n" * (1 << 18), b"\r" * (1 << 20)],
    ids=["blanks", "blanks and tabs", "empty lines", "blanks at the end of lines", "lone CR"],
)
@pytest.mark.parametrize("c", ["relaxed/relaxed", "simple/simple"])
def test_no_body_takes_long(body: bytes, c: str) -> None:
    message = sign(HEADERS + b"\n" + body, c=c)
    assert judged(message).state == "pass"
    assert seconds(lambda: judged(message)) < 1


def test_500_headers_that_are_all_signed_do_not_take_long() -> None:
    extra = b"".join(b"X%d: a\n" % number for number in range(480))
    message = sign(extra + REPORT, h="from" + "".join(f":x{number}" for number in range(480)))
    assert judged(message).state == "pass"
    assert seconds(lambda: judged(message)) < 0.05


def test_a_key_that_would_take_seconds_is_not_used() -> None:
    key = holding(integers((1 << 11_000) + 1, (1 << 11_000) - 1))
    assert len(key) < LIMITS.key_size
    assert seen(sign(REPORT), key) == ("fail", "its key record has an exponent that nobody uses")
    assert seconds(lambda: judged(sign(REPORT), Asked(s1=key))) < 0.5
    largest = holding(integers((1 << 11_000) + 1, 65_537))
    assert seen(sign(REPORT), largest) == ("fail", CHANGED)


def test_nothing_looks_for_primes_in_a_key_that_is_not_for_rsa() -> None:
    dh = holding(another("2a864886f70d010301", integers((1 << 4_253) - 1, 2), key=der(0x02, b"\x04")))
    assert seconds(lambda: seen(sign(REPORT), dh)) < 0.5
    assert seen(sign(REPORT), dh) == ("fail", "its key record has a key that cannot be read")


@pytest.mark.parametrize("build", HOSTILE.values(), ids=HOSTILE)
def test_hostile_mail_is_nobody_s(build: Callable[[], bytes]) -> None:
    assert judged(sign(build()) if len(build()) < 1 << 20 else build()).state in STATES


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.DEBUG):
        judged(sign(REPORT))
        judged(sign(REPORT), Asked(s1=record(p="AAAA")))
        judged(sign(SMALL).replace(b"Subject: a", b"Subject: b"))
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_neither_dns_nor_cryptography_is_loaded_for_mail_that_is_not_signed() -> None:
    program = (
        "import sys; from datetime import datetime; from tlsrpt.authentication import authenticate;"
        "authenticate(b'From: a@b.example\\n\\n', None, datetime(2026, 5, 13));"
        "print({'dns', 'cryptography'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def pieces() -> Iterator[bytes]:
    """What mails and their signatures are made of."""
    yield from (
        b"\n",
        b"\r\n",
        b"\n\n",
        b"\n ",
        b"\r",
        b"\0",
        b";",
        b"=",
        b":",
        b"(",
        b")",
        b'"',
        b"\\",
        b"@",
        b"<",
        b">",
    )
    yield from (b"From:", b"DKIM-Signature:", b"Authentication-Results:", b"Content-Type:", b"mx.example.com")
    yield from (b"v=1", b"a=rsa-sha256", b"d=sender.example", b"s=s1", b"h=from", b"bh=", b"b=", b"x=1", b"i=@", b"c=")
    yield from (b" dkim=pass header.d=sender.example", b"tls@sender.example", b"\xff", sign(SMALL), record(), SMALL)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.sampled_from(list(pieces())) | st.binary(max_size=20), max_size=40),
    st.binary(max_size=40) | st.sampled_from([record(), b"p=", b"v=DKIM1; p=AAAA"]),
)
def test_any_bytes_end_in_a_state(message: Sequence[bytes], key: bytes) -> None:
    found = authenticate(b"".join(message), lambda _: key, NOW, trusted_authserv_id="mx.example.com")
    assert found.state in STATES
    assert (found.signer is not None) == (found.state in {"pass", "expired"})


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(sign(SMALL)) - 1), st.binary(min_size=0, max_size=3), st.integers(0, 3))
def test_a_mail_with_other_bytes_in_it_passes_only_as_the_same_sender_s(place: int, put: bytes, taken: int) -> None:
    signed = sign(SMALL)
    found = judged(signed[:place] + put + signed[place + taken :])
    assert found.state in {"pass", "fail", "none", "not-checked"}
    assert found.state != "pass" or found == PASS


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_key_record_ends_in_a_state(key: bytes) -> None:
    assert judged(sign(SMALL), Asked(s1=key)).state in {"fail", "not-checked"}
    for start in (b"\x30", integers((1 << 2_047) + 1, 65_537)[:-5], another("2a864886f70d010101")[:18]):
        assert judged(sign(SMALL), Asked(s1=holding(start + key))).state == "fail"
    hostile = ed25519_record(p=base64.b64encode(key[:32].ljust(32, b"\0")).decode())
    assert judged(sign(SMALL, a="ed25519-sha256"), Asked(s1=hostile)).state == "fail"
