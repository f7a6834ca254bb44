"""MTA-STS records and policies: what a strict sender takes, and a lint for everything else."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reports import document, policy, report_of

from tlsrpt.mta_sts import (
    FATAL,
    LINTS,
    MODES,
    Policy,
    Record,
    canonical,
    directives,
    matches,
    parse_policy,
    parse_record,
    policy_text,
    record_text,
)

ID32 = "0123456789abcdefABCDEF0123456789"

# id, TXT records, id or None, lints
RECORDS: list[tuple[str, list[str], str | None, list[str]]] = [
    ("T01", ["v=STSv1; id=20260310T000000"], "20260310T000000", []),
    ("T02", ["v=STSv1;id=a;"], "a", []),
    ("T03", ["v=STSv1; id=2026-03-10"], None, ["mta-sts-id-invalid"]),
    ("T04, 32", [f"v=STSv1; id={ID32}"], ID32, []),
    ("T04, 33", [f"v=STSv1; id={ID32}x"], None, ["mta-sts-id-invalid"]),
    ("T05", ["v=STSv1 ; id=a"], None, ["mta-sts-record-space"]),
    ("T06, V", ["V=STSv1; id=a"], None, ["mta-sts-record-version"]),
    ("T06, sts", ["v=stsv1; id=a"], None, ["mta-sts-record-version"]),
    ("T07", [" v=STSv1; id=a"], None, ["mta-sts-record-version"]),
    ("T08", ["id=a; v=STSv1"], None, ["mta-sts-record-version"]),
    ("T09", ["v=STSv1; id=a", "v=STSv1; id=b"], None, ["mta-sts-record-several"]),
    ("T10", ["v=STSv1; id=a", "v=spf1 -all"], "a", []),
    ("T11", ["v=STSv1; i" + "d=abc"], "abc", []),
    ("T12", ["v=STSv1; id=a; id=b"], "a", ["mta-sts-id-several"]),
    ("T13", ["v=STSv1; id=2026-01-01; id=b"], None, ["mta-sts-id-invalid", "mta-sts-id-several"]),
    ("T14", ["v=STSv1; id=a;;"], None, ["mta-sts-record-invalid"]),
    ("T15", ["v=STSv1; id = a"], None, ["mta-sts-record-invalid", "mta-sts-id-missing"]),
    ("T16", ["v=STSv1; id=a; foo=bar"], "a", []),
    ("T17", ["v=STSv1; ID=a"], None, ["mta-sts-id-missing"]),
    ("T18, what the CNAME led to", ["v=STSv1; id=a"], "a", []),
    ("nothing", [], None, ["mta-sts-record-missing"]),
    ("the record of the other RFC", ["v=TLSRPTv1; rua=mailto:a@x.example"], None, ["mta-sts-record-missing"]),
    ("version alone", ["v=STSv1"], None, ["mta-sts-record-invalid"]),
    ("blanks around the delimiter", ["v=STSv1;\t id=a \t;\t foo=bar;  "], "a", []),
    ("blank at the end", ["v=STSv1; id=a "], None, ["mta-sts-record-invalid"]),
    ("empty id", ["v=STSv1; id="], None, ["mta-sts-id-invalid"]),
    ("id in other letters", ["v=STSv1; id=é"], None, ["mta-sts-id-invalid"]),
    ("extension with =", ["v=STSv1; id=a; foo=b=c"], None, ["mta-sts-record-invalid"]),
    ("extension with a long name", [f"v=STSv1; id=a; {'n' * 33}=b"], None, ["mta-sts-record-invalid"]),
    ("extension before", ["v=STSv1; f.o_o-=b; id=a"], "a", []),
]


@pytest.mark.parametrize(("texts", "policy_id", "lints"), [case[1:] for case in RECORDS],
                         ids=[case[0] for case in RECORDS])  # fmt: skip
def test_a_record_is_taken_or_dropped_and_every_fault_told(
    texts: list[str], policy_id: str | None, lints: list[str]
) -> None:
    record, found = parse_record(texts)
    assert record == (Record(policy_id) if policy_id else None)
    assert list(dict.fromkeys(lint.name for lint in found)) == lints


MX1, MX2 = "mx1.example.com", "mx2.example.com"
BOTH = (MX1, MX2)
LINES = ("version: STSv1", "mode: testing", f"mx: {MX1}", f"mx: {MX2}", "max_age: 86400")
GOOD = Policy("testing", 86_400, BOTH)


def body(*lines: str, **changes: str) -> str:
    """Return a policy file of these lines, or the good one with fields replaced; "" takes one out."""
    if lines:
        return "".join(f"{line}\n" for line in lines)
    kept = (changes.get(line.partition(":")[0], line) for line in LINES if line != f"mx: {MX2}" or "mx" not in changes)
    return "".join(f"{line}\n" for line in kept if line)


def mx(*patterns: str) -> str:
    """Return the good file with other patterns."""
    return body(mx="\n".join(f"mx: {pattern}" for pattern in patterns))


def lax(*lints: str) -> list[str]:
    """Return lints of a policy that only tolerant senders have."""
    return [*lints, "policy-read-by-some"]


# id, body, policy or None, lints
POLICIES: list[tuple[str, str, Policy | None, list[str]]] = [
    ("P01", "".join(f"{line}\r\n" for line in LINES), GOOD, []),
    ("P02", "\n".join(LINES), GOOD, []),
    ("P03, middle", body(mode="mode: testing\n"), None, lax("policy-blank-line")),
    ("P03, end", body() + "\n", None, lax("policy-blank-line")),
    ("P04", "\ufeff" + body(), None, lax("policy-bom")),
    ("P05", "\r".join(LINES), None, lax("policy-bare-cr")),
    ("P06", body(mode="mode: Enforce"), None, lax("policy-mode-missing")),
    ("P07", body(mode="mode: testing\nmode: enforce"), GOOD, ["policy-field-twice"]),
    ("P08", body() + "foo: bar baz\n", GOOD, []),
    ("P09", mx("mx1.example.com."), None, lax("policy-mx-invalid")),
    ("P10", mx("mx1.example.com, mx2.example.com"), None, lax("policy-mx-invalid")),
    ("P11, bare", mx("*"), None, lax("policy-mx-invalid")),
    ("P11, two", mx("*.*.example.com"), None, lax("policy-mx-invalid")),
    ("P11, partial", mx("mx*.example.com"), None, lax("policy-mx-invalid")),
    ("P12, a year", body(max_age="max_age: 31557600"), Policy("testing", 31_557_600, BOTH),
     ["policy-max-age-exact-year"]),
    ("P12, over", body(max_age="max_age: 31557601"), Policy("testing", 31_557_601, BOTH), ["policy-max-age-over"]),
    ("P13, unit", body(max_age="max_age: 604800s"), None, ["policy-max-age-invalid"]),
    ("P13, negative", body(max_age="max_age: -1"), None, ["policy-max-age-invalid"]),
    ("P13, comma", body(max_age="max_age: 604,800"), None, ["policy-max-age-invalid"]),
    ("P14", body(mode="mode: none", mx=""), Policy("none", 86_400, ()), ["policy-none-without-mx"]),
    ("P15", body(mode="mode: enforce", mx=""), None, ["policy-mx-missing"]),
    ("P16", "# comment\n" + body(), None, lax("policy-comment")),
    ("P17, before the colon", body(version="version : STSv1"), None, lax("policy-space-before-colon")),
    ("P17, leading", body(version=" version: STSv1"), None, lax("policy-leading-space")),
    ("P18, M05", mx("mx.bücher.example"), None, lax("policy-mx-invalid")),
    ("P19", "<!DOCTYPE html>\n<html><body>Welcome</body></html>\n", None, ["policy-html"]),
    ("P24", body(mode="mode: enforce", max_age="max_age: 0"), Policy("enforce", 0, BOTH), ["policy-max-age-zero"]),
    ("nothing", "", None, ["policy-empty"]),
    ("only line ends", "\ufeff\r\n \n", None, ["policy-empty"]),
    ("lower-case doctype after blanks", "\n <html>", None, ["policy-html"]),
    ("no blank after the colon", body().replace(": ", ":"), GOOD, []),
    ("tabs around values", body().replace(": ", ":\t ").replace("\n", " \t\n"), GOOD, []),
    ("mixed line ends", body().replace("\n", "\r\n", 2), GOOD, []),
    ("CR CR LF", body().replace("\n", "\r\r\n"), None, lax("policy-bare-cr")),
    ("line of blanks", body() + " \t", None, lax("policy-blank-line")),
    ("none with mx", body(mode="mode: none"), Policy("none", 86_400, BOTH), []),
    ("other order", body(*reversed(LINES)), Policy("testing", 86_400, (MX2, MX1)), ["policy-version-not-first"]),
    ("short", body(max_age="max_age: 3599"), Policy("testing", 3_599, BOTH), ["policy-max-age-short"]),
    ("hour", body(max_age="max_age: 3600"), Policy("testing", 3_600, BOTH), []),
    ("leading zeros", body(max_age="max_age: 0000086400"), GOOD, []),
    ("eleven digits", body(max_age="max_age: 00000086400"), None, ["policy-max-age-invalid"]),
    ("other digits", body(max_age="max_age: ٣٦٠٠"), None, ["policy-max-age-invalid"]),
    ("no max_age", body(max_age=""), None, ["policy-max-age-missing"]),
    ("no version", body(version=""), None, lax("policy-version-missing")),
    ("next version", body(version="version: STSv2"), None, lax("policy-version-missing")),
    ("capitals", body(*(line.capitalize() for line in LINES)), None,
     lax("policy-version-missing", "policy-mode-missing", "policy-max-age-missing", "policy-mx-missing")),
    ("wildcard", mx("*.example.com"), Policy("testing", 86_400, ("*.example.com",)), ["policy-mx-wildcard"]),
    ("capitals in a pattern", mx("MX1.Example.COM"), Policy("testing", 86_400, (MX1,)), []),
    ("address", mx("192.0.2.1"), None, lax("policy-mx-invalid")),
    ("address literal", mx("[IPv6:2001:db8::1]"), None, lax("policy-mx-invalid")),
    ("port", mx("mx1.example.com:25"), None, lax("policy-mx-invalid")),
    ("empty pattern", mx(""), None, ["policy-mx-invalid"]),
    ("one good and one bad pattern", mx(MX1, "mx_2.example.com"), None, lax("policy-mx-invalid")),
    ("long label", mx("a" * 64), None, lax("policy-mx-invalid")),
    ("pattern in capitals of the key", body() + "MX: mx3.example.com\n", GOOD, ["policy-key-misspelt"]),
    ("second age misspelt", body() + "max-age: 1\n", GOOD, ["policy-key-misspelt"]),
    ("many", mx(*(f"mx{number}.example.com" for number in range(101))),
     Policy("testing", 86_400, tuple(f"mx{number}.example.com" for number in range(101))), ["policy-too-many-mx"]),
    ("first value bad, second good", body(mode="mode: Testing\nmode: testing"), None,
     lax("policy-field-twice", "policy-mode-missing")),
    ("no colon", body() + "hello\n", None, lax("policy-syntax")),
    ("extension without a value", body() + "foo:\n", None, lax("policy-syntax")),
    ("control character", body() + "foo: a\0b\n", None, lax("policy-syntax")),
    ("NUL in a known field", body(mode="mode: testing\0"), None, ["policy-mode-missing"]),
    ("other writing in an extension", body() + "note: Grüße = 1; 2\n", GOOD, []),
    ("Unicode line separator", body() + "note: a\u2028mode:enforce\x85b\n", GOOD, []),
    ("JSON", '{"error": "not found"}', None,
     ["policy-syntax", "policy-version-missing", "policy-mode-missing", "policy-max-age-missing",
      "policy-mx-missing"]),
]  # fmt: skip


@pytest.mark.parametrize(("file", "expected", "lints"), [case[1:] for case in POLICIES],
                         ids=[case[0] for case in POLICIES])  # fmt: skip
def test_a_policy_is_taken_or_not_and_every_fault_told(file: str, expected: Policy | None, lints: list[str]) -> None:
    found, told = parse_policy(file)
    assert found == expected
    assert list(dict.fromkeys(lint.name for lint in told)) == lints


def test_every_lint_has_a_case_and_no_other_is_given() -> None:
    assert {name for *_, lints in [*RECORDS, *POLICIES] for name in lints} == LINTS


@pytest.mark.parametrize(("file", "message"), [
    (body(mode="mode: Enforce"), 'no mode; "mode: Enforce" is not read as one'),
    (body(mode="Mode: enforce"), 'no mode; "Mode: enforce" is not read as one'),
    (body(mode="mode=enforce"), 'no mode; "mode=enforce" is not read as one'),
    (body(max_age="max-age: 86400"), 'no max_age; "max-age: 86400" is not read as one'),
    (body(version="version: stsv1"), 'no "version: STSv1"; "version: stsv1" is not read as one'),
    (body(mode="mode: Enforce"), "tolerant senders may read mode enforce here"),
    (f"{body()}\n\n", ("2 lines are, line 6 first, blank; strict senders (mox, postfix-tlspol) reject the policy, "
                       "KumoMTA skips such a line")),
    (body(mode="mode: none", mx=""), "mode none without an mx line; Stalwart rejects the policy"),
    (body() + "mode: enforce\n", 'mode 2 times, of which "testing" counts; KumoMTA rejects the policy'),
    (mx("192.0.2.1"), 'mx "192.0.2.1" is an address; strict senders (mox, postfix-tlspol) reject the policy'),
])  # fmt: skip
def test_a_message_quotes_what_was_seen_and_names_who_reads_it_otherwise(file: str, message: str) -> None:
    assert message in [lint.message for lint in parse_policy(file)[1]]


@pytest.mark.parametrize(("pattern", "words"), [
    ("", "is empty"), ("a.example b.example", "is a list"), ("bücher.example", "is not in A-labels"),
    ("a.example:25", "has a port"), ("a.example.", "ends in a dot"), ("*", "is a bare wildcard"),
    ("*.*.example", "has a wildcard"), ("mx*.example", "has a wildcard"), ("*mx.example", "has a wildcard"),
    ("[192.0.2.1]", "is an address"), ("2001:db8::1", "is an address"), ("a_b.example", "is not a host name"),
    ("-a.example", "is not a host name"), ("a..example", "is not a host name"),
    (".".join(["a" * 60] * 5), "is not a host name"),
])  # fmt: skip
def test_a_bad_pattern_is_told_what_it_is(pattern: str, words: str) -> None:
    [message] = [lint.message for lint in parse_policy(mx(pattern))[1] if lint.name == "policy-mx-invalid"]
    assert words in message


def test_what_invalidates_a_policy_leaves_none() -> None:
    for _, _, expected, lints in POLICIES:
        assert (expected is None) == bool(FATAL & set(lints))


def test_over_the_limit_every_sender_that_differs_is_named() -> None:
    [lint] = parse_policy(body(max_age="max_age: 9999999999"))[1]
    for sender in ("chasquid", "postfix-mta-sts-resolver", "postfix-tlspol", "mox", "Stalwart"):
        assert sender in lint.message


@pytest.mark.parametrize("line", ["a:b", "mx:", "\r", "x", "mode:enforce", "mx: *.example.com", "# x", " a : b"])
def test_sixty_four_kib_of_one_line_are_a_few_lints(line: str) -> None:
    assert len(parse_policy(f"{line}\n" * (65_536 // (len(line) + 1)))[1]) < 15


def test_a_file_to_publish_has_the_version_first_and_crlf() -> None:
    made = policy_text(Policy("enforce", 604_800, ("MX1.example.com", "*.example.net")))
    assert made == (
        "version: STSv1\r\nmode: enforce\r\nmx: MX1.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"
    )


@pytest.mark.parametrize("wrong", [
    Policy("Enforce", 86_400, BOTH), Policy("enforce", 86_400, ()), Policy("enforce", -1, BOTH),
    Policy("enforce", 31_557_601, BOTH), Policy("enforce", 86_400, ("mx1.example.com.",)),
    Policy("enforce", 86_400, (f"{MX1}\nmx: {MX2}",)), Policy("enforce", 86_400, (f"{MX1} ",)),
    Policy("enforce\nfoo: bar", 86_400, BOTH), Policy("enforce", 10**10, BOTH),
])  # fmt: skip
def test_no_file_is_made_of_a_policy_that_would_read_otherwise(wrong: Policy) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        policy_text(wrong)


def test_a_record_to_publish_reads_back_and_a_bad_id_makes_none() -> None:
    assert parse_record([record_text(ID32)]) == (Record(ID32), ())
    for wrong in ("", "2026-03-10", f"{ID32}x", "a\n", "é"):
        with pytest.raises(ValueError, match="32 letters or digits"):
            record_text(wrong)


def test_the_canonical_form_is_that_of_reports() -> None:
    lines = [
        "version: STSv1",
        "mode: enforce",
        "mx: MX2.example.com",
        "mx: *.example.net",
        f"mx: {MX2}",
        "max_age: 86400",
    ]
    found, _ = parse_policy(body(*lines))
    assert found
    [quoted] = report_of(document(policy(policy_string=lines))).policies
    assert canonical(found) == quoted.canonical == "mode=enforce max_age=86400 mx=*.example.net,mx2.example.com"


@pytest.mark.parametrize(("name", "host", "pattern", "covered"), [
    ("M01", "mx1.example.com", "*.example.com", True),
    ("M02", "example.com", "*.example.com", False),
    ("M02", "a.b.example.com", "*.example.com", False),
    ("M03", "mx1.example.com.", "MX1.Example.com", True),
    ("M04", "mx1.example.com.provider.net", "mx1.example.com", False),
    ("M06", "mx1.example.com", "mx1.example.com", True),
    ("M13", "example.com", "example.com", True),
    ("no label", ".example.com", "*.example.com", False),
    ("bare", "mx1.example.com", "*", False),
])  # fmt: skip
def test_a_pattern_covers_one_label_or_the_very_host(name: str, host: str, pattern: str, *, covered: bool) -> None:
    assert matches(host, pattern) is covered, name


_LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
_PATTERN = st.builds(
    lambda star, labels: star + ".".join(labels) + ".example",
    st.sampled_from(["", "*."]),
    st.lists(_LABEL, min_size=1, max_size=4),
)


@given(
    st.builds(
        Policy,
        st.sampled_from(MODES),
        st.integers(0, 31_557_600),
        st.lists(_PATTERN, min_size=1, max_size=5).map(tuple),
    )
)
def test_a_file_to_publish_reads_back_strictly_and_leniently(given_policy: Policy) -> None:
    made = policy_text(given_policy)
    assert parse_policy(made)[0] == given_policy
    assert tuple(directives(made.splitlines())) == given_policy


_PIECES = st.sampled_from([*LINES, *(f"{line}\n" for line in LINES), "\n", "\r", "\r\n", "\ufeff", "\0", " ", "\t", ":",
                           "mode", "mx", "#", "*", ".", "<", "é", "1", "max_age: ", "mx: "])  # fmt: skip


@given(st.text(max_size=200) | st.lists(_PIECES, max_size=20).map("".join))
@example("version: STSv1\nmode: none\nmax_age: 1\nmx:" + " " * 300)
def test_any_text_is_a_policy_or_is_told_why_not(text: str) -> None:
    found, lints = parse_policy(text)
    assert (found is None) == any(lint.name in FATAL for lint in lints)
    assert len(lints) <= 50
    assert {lint.name for lint in lints} <= LINTS
    if found and found.max_age <= 31_557_600:
        assert parse_policy(policy_text(found))[0] == found


@given(st.lists(st.text(max_size=40) | st.text("v=STSv1; id\t", max_size=20).map("v=STSv1; ".__add__), max_size=4))
def test_any_text_is_a_record_or_is_told_why_not(texts: list[str]) -> None:
    record, lints = parse_record(texts)
    assert record or lints
    assert {lint.name for lint in lints} <= LINTS
