"""TLSRPT records: what a literal reader takes, and a lint for everything else."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tlsrpt.record import LINTS, Fields, Lint, few, fields, parse, text

A, B = "mailto:a@x.example", "mailto:b@x.example"
WEB = "https://x.example/t"
GOOD = f"v=TLSRPTv1; rua={A}"

# id, TXT records, destinations or None, lints
CASES: list[tuple[str, list[str], tuple[str, ...] | None, list[str]]] = [
    ("R01", ["v=TLSRPTv1; rua=mailto:r@example.com"], ("mailto:r@example.com",), []),
    ("R02", [f"v=TLSRPTv1;rua={A},{WEB}"], (A, WEB), []),
    ("R03", ["v=TLSRPTv1; rua=r@example.com"], None, ["tlsrpt-rua-no-scheme"]),
    ("R04", ["v=TLSRPTv1"], None, ["tlsrpt-record-invalid"]),
    ("R05", ["v=TLSRPTv1; foo=bar"], None, ["tlsrpt-rua-missing"]),
    ("R06", ["v=TSLRPTv1; rua=mailto:r@example.com"], None, ["tlsrpt-record-version"]),
    ("R07", [GOOD, f"v=TLSRPTv1; rua={B}"], None, ["tlsrpt-record-several"]),
    ("R08", [f"v=TLSRPTv1; rua={A}; rua={B}"], (A, B), ["tlsrpt-rua-several-fields"]),
    ("R09", ["v=TLSRPTv1; rua=mailto:a!b@x.example"], None, ["tlsrpt-rua-invalid"]),
    ("R10", [f"v=TLSRPTv1; rua={WEB}"], (WEB,), ["tlsrpt-rua-https-only"]),
    ("R11", [f"v=TLSRPTv1; ext=1; rua={A}"], (A,), ["tlsrpt-rua-not-first"]),
    ("R12", ["v=TLSRPTv1; rua=http://x.example/t"], None, ["tlsrpt-rua-scheme"]),
    ("nothing", [], None, ["tlsrpt-record-missing"]),
    ("other records", ["v=spf1 -all", "v=DMARC1; p=none", "v=STSv1; id=a", ""], None, ["tlsrpt-record-missing"]),
    ("beside other records", ["v=spf1 -all", GOOD], (A,), []),
    ("a delimiter at the end", [f"{GOOD} ; "], (A,), []),
    ("blanks around commas", [f"v=TLSRPTv1;\t rua={A} ,\t{B}"], (A, B), []),
    ("blank before the delimiter", [f"v=TLSRPTv1 ;rua={A}"], None, ["tlsrpt-record-space"]),
    ("blank, and no scheme", ["v=TLSRPTv1 ; rua=r"], None, ["tlsrpt-record-space", "tlsrpt-rua-no-scheme"]),
    ("blank, beside a good one", [GOOD, f"v=TLSRPTv1 ;rua={B}"], (A,), ["tlsrpt-record-space"]),
    ("near miss, beside a good one", [GOOD, f"v=tlsrptv1; rua={B}"], (A,), []),
    ("wrong case", [f"v=tlsrptv1; rua={A}"], None, ["tlsrpt-record-version"]),
    ("blank before", [f" {GOOD}"], None, ["tlsrpt-record-version"]),
    ("quotation mark before", [f'"{GOOD}"'], None, ["tlsrpt-record-version"]),
    ("version last", [f"rua={A}; v=TLSRPTv1"], None, ["tlsrpt-record-version"]),
    ("comma for the delimiter", [f"v=TLSRPTv1, rua={A}"], None, ["tlsrpt-record-version"]),
    ("two delimiters", [f"v=TLSRPTv1;; rua={A}"], None, ["tlsrpt-record-invalid", "tlsrpt-rua-not-first"]),
    ("blank at the end", [f"{GOOD} "], None, ["tlsrpt-record-invalid"]),
    ("only a delimiter", ["v=TLSRPTv1;"], None, ["tlsrpt-record-invalid", "tlsrpt-rua-missing"]),
    ("rua in capitals", [f"v=TLSRPTv1; RUA={A}"], None, ["tlsrpt-rua-missing"]),
    ("blanks around =", [f"v=TLSRPTv1; rua = {A}"], None, ["tlsrpt-record-invalid", "tlsrpt-rua-missing"]),
    ("blank after =", [f"v=TLSRPTv1; rua= {A}"], None, ["tlsrpt-rua-invalid"]),
    ("empty", ["v=TLSRPTv1; rua="], None, ["tlsrpt-rua-invalid"]),
    ("comma at the end", [f"{GOOD},"], None, ["tlsrpt-rua-invalid"]),
    ("blank for a comma", [f"{GOOD} {B}"], None, ["tlsrpt-rua-invalid"]),
    ("semicolon in a URI", ["v=TLSRPTv1; rua=mailto:a;b@x.example"], None,
     ["tlsrpt-record-invalid", "tlsrpt-rua-invalid"]),
    ("no mail address", ["v=TLSRPTv1; rua=mailto:x.example"], None, ["tlsrpt-rua-invalid"]),
    ("slashes", ["v=TLSRPTv1; rua=mailto://a@x.example"], None, ["tlsrpt-rua-invalid"]),
    ("no host", ["v=TLSRPTv1; rua=https:///t"], None, ["tlsrpt-rua-invalid"]),
    ("bad escape", ["v=TLSRPTv1; rua=mailto:a%2@x.example"], None, ["tlsrpt-rua-invalid"]),
    ("not ASCII", ["v=TLSRPTv1; rua=mailto:ä@x.example"], None, ["tlsrpt-rua-invalid"]),
    ("one good, one without a scheme", [f"{GOOD},b@x.example"], None, ["tlsrpt-rua-no-scheme"]),
    ("one good, one of another scheme", [f"{GOOD},http://x.example"], (A,), ["tlsrpt-rua-scheme"]),
    ("an extension after it", [f"{GOOD}; ext=1"], (A,), []),
    ("an extension with a blank", [f"{GOOD}; ext=1 2"], None, ["tlsrpt-record-invalid"]),
    ("percent-encoded", ["v=TLSRPTv1; rua=mailto:a%21b@x.example"], ("mailto:a%21b@x.example",), []),
    ("query", ["v=TLSRPTv1; rua=https://x.example:8443/t?a=b&c,MAILTO:a@x.example?subject=t"],
     ("https://x.example:8443/t?a=b&c", "MAILTO:a@x.example?subject=t"), []),
    ("everything at once", ["v=TLSRPTv1; x=1; rua=r,http://x; y; rua=,mailto:a!b"], None,
     ["tlsrpt-record-invalid", "tlsrpt-rua-several-fields", "tlsrpt-rua-not-first", "tlsrpt-rua-no-scheme",
      "tlsrpt-rua-scheme", "tlsrpt-rua-invalid"]),
]  # fmt: skip


@pytest.mark.parametrize(("texts", "ruas", "lints"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_record_is_taken_or_dropped_and_every_fault_told(
    texts: list[str], ruas: tuple[str, ...] | None, lints: list[str]
) -> None:
    record, found = parse(texts)
    assert (record and record.ruas) == ruas
    assert list(dict.fromkeys(lint.name for lint in found)) == lints


def test_every_lint_has_a_case_and_no_other_is_given() -> None:
    assert {name for *_, lints in CASES for name in lints} == LINTS


@pytest.mark.parametrize(("record", "message"), [
    ("v=TLSRPTv1; RUA=mailto:a@x.example", 'no rua field; "RUA=mailto:a@x.example" is not read as one'),
    ("v=TLSRPTv1; rua=a@x.example", '"a@x.example" has no scheme; reporters drop it or fail on it'),
    ("v=TLSRPTv1; rua=mailto:a@x.example!10m",
     '"mailto:a@x.example!10m" has a "!" that is not percent-encoded'),
    ("v=TLSRPTv1; rua=https://x.example",
     'only https destinations ("https://x.example"); reporters that send mail only (mox) send nothing'),
    ("v=TSLRPTv1; x", '"v=TSLRPTv1; x" does not begin with "v=TLSRPTv1;"'),
])  # fmt: skip
def test_a_message_quotes_what_was_seen(record: str, message: str) -> None:
    assert [lint.message for lint in parse([record])[1]] == [message]


def test_a_long_text_is_quoted_in_part() -> None:
    [lint] = parse([f"v=TLSRPTv1; rua=mailto:{'a' * 4_000}"])[1]
    assert len(lint.message) < 130
    assert "…" in lint.message


def test_many_faults_of_one_sort_are_counted() -> None:
    _, lints = parse(["v=TLSRPTv1; " + ";".join(f"rua=a{number}" for number in range(400))])
    assert [lint.name for lint in lints] == ["tlsrpt-rua-several-fields", *["tlsrpt-rua-no-scheme"] * 3]
    assert lints[-1].message.endswith(", and 397 more")
    assert len(few(Lint(f"name-{number}", "") for number in range(80))) == 50


def test_fields_are_told_apart_by_the_grammar_of_both_records() -> None:
    assert fields("v=STSv1; a=1 ; id=x;id=;b", "id") == Fields(("x", ""), False, ("a=1", "b"), ('"b" is not a field',))  # noqa: FBT003 - a whole value


def test_a_record_to_publish_escapes_what_a_uri_may_not_hold() -> None:
    made = text(["mailto:a!b@x.example", "https://x.example/a,b;c"])
    assert made == "v=TLSRPTv1; rua=mailto:a%21b@x.example,https://x.example/a%2Cb%3Bc"


@pytest.mark.parametrize("ruas", [
    [], [""], ["a@x.example"], ["http://x.example"], [A, "http://x.example"], ["mailto:a b@x"], [f"{A} ", B],
    [f"{A}\n"], [f" {A}"], [f"{A} "], ["mailto:ä@x.example"],
])  # fmt: skip
def test_no_record_is_made_for_a_destination_that_nobody_can_use(ruas: list[str]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        text(ruas)


_RUAS = st.lists(
    st.from_regex(r"mailto:[a-z0-9._+!;,'=&$-]{1,12}@[a-z0-9]{1,8}(\.[a-z]{2,5}){0,2}", fullmatch=True)
    | st.from_regex(
        r"https://[a-z0-9]{1,8}(\.[a-z]{2,5})?(:[0-9]{1,4})?(/[a-zA-Z0-9!,;=%]{0,0}[a-z!,;=]{0,8})?", fullmatch=True
    ),
    min_size=1,
    max_size=4,
)


@given(_RUAS)
def test_a_record_to_publish_reads_back(ruas: list[str]) -> None:
    made = text(ruas)
    record, lints = parse([made])
    assert record
    assert text(record.ruas) == made
    assert len(record.ruas) == len(ruas)
    assert {lint.name for lint in lints} <= {"tlsrpt-rua-https-only"}


_PIECES = st.sampled_from(
    ["v=TLSRPTv1", ";", " ", "\t", "rua", "=", ",", "mailto:", "https://", "a@x", "!", "%", "é", "\0"]
)


@given(st.lists(st.text(max_size=60) | st.lists(_PIECES, max_size=14).map("".join), max_size=4))
@example(["v=TLSRPTv1;" + "\t" * 4_000 + ","])
@example(["v=TLSRPTv1;rua=https:" + "/" * 4_000])
def test_any_text_is_a_record_or_is_told_why_not(texts: list[str]) -> None:
    record, lints = parse(texts)
    assert record or lints
    assert len(lints) <= 50
    assert {lint.name for lint in lints} <= LINTS
