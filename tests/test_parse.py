"""Reading one document: the strict pass, the repairing pass, and that both say the same."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reports import Document, changed, defects_of, document, policy, read, report_of, row

from tlsrpt import parse as strict
from tlsrpt.delivery import Mail
from tlsrpt.limits import LIMITS
from tlsrpt.parse import Hints, excluded, parse
from tlsrpt.repair import repair
from tlsrpt.report import Defect, Policy, ReportError

POLICY = "policies.0.policy"
SUMMARY = "policies.0.summary"
ROW = "policies.0.failure-details.0"


def mail(**said: Any) -> Mail:
    return Mail(**dict.fromkeys(Mail._fields) | said)


def first(found: Document) -> Policy:
    return report_of(found).policies[0]


def test_a_well_formed_report_is_read_in_rfc_words_without_a_defect() -> None:
    report = report_of(document(policy(failed=2, rows=[row(count=2, receiving_ip="203.0.113.5")])))
    assert report.organization_name == "Sender Inc."
    assert report.submitter == "sender.example"
    assert report.start_datetime == datetime(2026, 3, 10)
    assert report.end_datetime == datetime(2026, 3, 11)
    assert report.day == report.first_day == report.last_day == date(2026, 3, 10)
    [found] = report.policies
    assert (found.policy_type, found.mode, found.max_age) == ("sts", "testing", 86400)
    assert found.mx_host == ("mx1.example.com", "mx2.example.com")
    [failure] = found.failure_details
    assert failure.result_type == failure.result_type_raw == "certificate-expired"
    assert (failure.sending_mta_ip, failure.receiving_ip) == ("192.0.2.1", "203.0.113.5")
    assert failure.failed_session_count == 2
    assert report.defects == ()


def test_both_passes_say_the_same_of_a_well_formed_report() -> None:
    content = json.dumps(
        document(
            policy(successful=90),
            policy("tlsa", "mx1.example.com", policy_string=["3 1 1 ABCD"]),
            policy("no-policy-found", failed=3, rows=[row("starttls-not-supported", 3)]),
        )
    ).encode()
    quick = parse(content)
    assert quick == repair(content, Hints(), LIMITS)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.text(min_size=1, max_size=40).filter(lambda text: "\x00" not in text),
    counts=st.lists(st.integers(0, 10**12), min_size=2, max_size=2),
    reason=st.text(max_size=60).filter(lambda text: "\x00" not in text),
    mx=st.sampled_from(["mx1.example.com", "MX1.example.com.", "bücher.example", "not a name", "a..b"]),
)
def test_the_passes_never_disagree(name: str, counts: list[int], reason: str, mx: str) -> None:
    found = document(
        policy(successful=counts[0], failed=counts[1], rows=[row(count=counts[1], receiving_mx_hostname=mx)]),
        organization_name=name,
    )
    found["policies"][0]["failure-details"][0]["failure-reason-code"] = reason
    content = json.dumps(found).encode()
    assert parse(content) == repair(content, Hints(), LIMITS)


# The deviations of senders: a change to a well-formed report, the defect it leaves, and what is read.
REPAIRS: list[tuple[str, str, object, str, str, object]] = [
    ("organization-name null", "organization-name", None, "organization-name", "missing", None),
    ("organization-name a number", "organization-name", 7, "organization-name", "a number instead of text", "7"),
    ("contact-info an object", "contact-info", {}, "contact-info", "not text, passed over", None),
    ("mx-host a string", f"{POLICY}.mx-host", "MX1.Example.com", "policies[0].policy.mx-host",
     "a string instead of a list", ("mx1.example.com",)),
    ("mx-host with mx:", f"{POLICY}.mx-host", ["mx: mx1.example.com"], "policies[0].policy.mx-host",
     'a pattern with "mx:" before it', ("mx1.example.com",)),
    ("policy-string one string", f"{POLICY}.policy-string", "version: STSv1\r\nmode: enforce\r\nmax_age: 60",
     "policies[0].policy.policy-string", "one string instead of a list",
     ("version: STSv1", "mode: enforce", "max_age: 60")),
    ("policy-string with semicolons", f"{POLICY}.policy-string", "version: STSv1; mode: enforce",
     "policies[0].policy.policy-string", "one string instead of a list", ("version: STSv1", "mode: enforce")),
    ("policy-domain in upper case", f"{POLICY}.policy-domain", "Example.COM.", "policies[0].policy.policy-domain",
     "written in another way", "example.com"),
    ("policy-domain a U-label", f"{POLICY}.policy-domain", "bücher.example", "policies[0].policy.policy-domain",
     "not an A-label", "xn--bcher-kva.example"),
    ("policy-type in upper case", f"{POLICY}.policy-type", "STS", "policies[0].policy.policy-type",
     "written in another way", "sts"),
    ("policy-type unknown", f"{POLICY}.policy-type", "dane-only", "policies[0].policy.policy-type",
     "not a policy type of RFC 8460", "dane-only"),
    ("policy-type missing", f"{POLICY}.policy-type", ..., "policies[0].policy.policy-type", "missing", "unknown"),
    ("a count as text", f"{SUMMARY}.total-successful-session-count", "12",
     "policies[0].summary.total-successful-session-count", "a number written as text", 12),
    ("a count with a fraction", f"{SUMMARY}.total-successful-session-count", 12.0,
     "policies[0].summary.total-successful-session-count", "a number with a fraction", 12),
    ("a zero left out", f"{SUMMARY}.total-successful-session-count", ...,
     "policies[0].summary.total-successful-session-count", "missing, taken as 0", 0),
    ("result-type in upper case", f"{ROW}.result-type", "Certificate_Expired",
     "policies[0].failure-details[0].result-type", "written in another way", "certificate-expired"),
    ("result-type unknown", f"{ROW}.result-type", "quantum-flux", "policies[0].failure-details[0].result-type",
     "not a registered result type", "quantum-flux"),
    ("result-type missing", f"{ROW}.result-type", ..., "policies[0].failure-details[0].result-type", "missing",
     "unknown"),
    ("sending-mta-ip empty", f"{ROW}.sending-mta-ip", "", "policies[0].failure-details[0].sending-mta-ip",
     "empty, taken as missing", None),
    ("sending-mta-ip no address", f"{ROW}.sending-mta-ip", "x.x.x.x", "policies[0].failure-details[0].sending-mta-ip",
     "not an IP address, kept as text", "x.x.x.x"),
    ("receiving-mx-hostname with a dot", f"{ROW}.receiving-mx-hostname", "mx1.example.com.",
     "policies[0].failure-details[0].receiving-mx-hostname", "written in another way", "mx1.example.com"),
    ("failed-session-count missing", f"{ROW}.failed-session-count", ...,
     "policies[0].failure-details[0].failed-session-count", "missing, taken as 1", 1),
]  # fmt: skip
_FIELD = {"failed-session-count": "failed_session_count"}


@pytest.mark.parametrize(("at", "value", "where", "message", "expected"), [case[1:] for case in REPAIRS],
                         ids=[case[0] for case in REPAIRS])  # fmt: skip
def test_a_deviation_is_repaired_and_noted_at_its_place(
    at: str, value: object, where: str, message: str, expected: object
) -> None:
    reading = read(changed(at, value))
    assert Defect(where, message) in reading.report.defects
    assert not reading.refused
    field = at.rpartition(".")[2].replace("-", "_")
    holder: Any = reading.report
    if at.startswith(ROW):
        holder = reading.report.policies[0].failure_details[0]
    elif at.startswith("policies"):
        holder = reading.report.policies[0]
    assert getattr(holder, field) == expected


@pytest.mark.parametrize("value", [..., None, ""])
def test_no_policy_string_and_no_mx_host_are_ordinary(value: object) -> None:
    report = report_of(changed(f"{POLICY}.policy-string", value, changed(f"{POLICY}.mx-host", value)))
    assert report.policies[0].policy_string == ()
    assert report.policies[0].mx_host == ()
    assert not [defect for defect in report.defects if "policy." in defect.where]


@pytest.mark.parametrize("value", [..., None, []])
def test_no_failure_details_are_ordinary_where_nothing_failed(value: object) -> None:
    found = changed("policies.0.failure-details", value, document(policy(rows=[])))
    assert defects_of(found) == []


@pytest.mark.parametrize("value", [..., None])
def test_contact_info_may_be_missing(value: object) -> None:
    report = report_of(document(contact_info=value), Hints(mail(report_submitter="mx.stalwart.example")))
    assert report.contact_info is None
    assert report.submitter == "mx.stalwart.example"


def test_the_submitter_is_of_contact_info_then_header_then_from_then_file_name_then_organization() -> None:
    bare = document(contact_info=...)
    name = "named.example!example.com!1!2.json"
    assert report_of(document(), Hints(mail(report_submitter="other.example"))).submitter == "sender.example"
    assert report_of(bare, Hints(mail(sender="from.example"), name)).submitter == "from.example"
    assert report_of(bare, Hints(None, f"folder/{name}")).submitter == "named.example"
    assert report_of(bare).submitter == "sender inc."


def test_mx_patterns_are_taken_from_the_policy_where_mx_host_is_missing() -> None:
    assert first(changed(f"{POLICY}.mx-host", ...)).mx_host == ("mx1.example.com", "mx2.example.com")


def test_names_of_other_readers_and_old_drafts_are_understood() -> None:
    found = document(policy(failed=1, rows=[row()]))
    inner, details = found["policies"][0]["policy"], found["policies"][0]["failure-details"][0]
    inner["mx-host-pattern"] = inner.pop("mx-host")
    details["receiving-mx-host-name"] = details.pop("receiving-mx-hostname")
    details |= {"additional-info-uri": "https://x.example/", "failure-error-code": "E1"}
    found["policies"][0]["summary"] = {"success-aggregate": 3, "failure-aggregate": 1}
    details["session-count"] = details.pop("failed-session-count")
    policy_found = first(found)
    assert policy_found.mx_host == ("mx1.example.com", "mx2.example.com")
    assert policy_found.total_successful_session_count == 3
    [failure] = policy_found.failure_details
    assert failure.receiving_mx_hostname == "mx1.example.com"
    assert failure.additional_information == "https://x.example/"
    assert failure.failure_reason_code == "E1"
    assert failure.failed_session_count == 1
    assert len(defects_of(found)) == 7


def test_tlsa_records_in_a_json_string_are_taken_apart() -> None:
    inside = json.dumps(["3 1 1 AB", "3 1 1 CD"])
    found = first(document(policy("tlsa", policy_string=[inside])))
    assert found.policy_string == ("3 1 1 AB", "3 1 1 CD")
    assert found.canonical == "3 1 1 ab; 3 1 1 cd"


def test_policies_may_be_an_object_or_called_tls_report_or_stand_alone() -> None:
    one = policy()
    assert "policies" in defects_of(document(policies=one))[0].where
    assert report_of(document(policies=..., tls_report=[one])).policies[0].policy_domain == "example.com"
    alone = document(policies=...) | one
    assert report_of(alone).policies[0].total_successful_session_count == 10
    inline = {**one["policy"], "summary": one["summary"]}
    assert report_of(document(policies=[inline])).policies[0].policy_type == "sts"


def test_no_policies_at_all_are_a_valid_report() -> None:
    report = report_of(document(policies=[]))
    assert report.policies == ()
    assert report.defects == ()


def test_a_missing_policy_domain_is_taken_from_what_is_nearest() -> None:
    bare = changed(f"{POLICY}.policy-domain", ..., document(policy("no-policy-found"), policy("tlsa", "near.example")))
    header = Hints(mail(report_domain="header.example"), "a!file.example!1!2.json")
    assert report_of(bare, header).policies[0].policy_domain == "header.example"
    assert report_of(bare, Hints(None, "a!file.example!1!2.json")).policies[0].policy_domain == "file.example"
    assert report_of(bare).policies[0].policy_domain == "near.example"
    alone = changed(f"{POLICY}.policy-domain", ..., document(policy(), report_id="2026-03-10T00:00:00Z_by-id.example"))
    assert report_of(alone).policies[0].policy_domain == "by-id.example"
    nothing = changed("report-id", "17", alone)
    assert report_of(nothing).policies[0].policy_domain == "(unknown)"


def test_a_missing_report_id_becomes_a_hash_that_does_not_change() -> None:
    found = document(report_id=...)
    assert report_of(found).report_id == report_of(found).report_id
    assert report_of(found).report_id != report_of(document(policy(successful=11), report_id=...)).report_id


def test_unknown_members_change_nothing() -> None:
    found = document(extra={"deep": [1]})
    found["policies"][0]["policy"]["x"] = found["policies"][0]["summary"]["y"] = 1
    assert report_of(found) == report_of(document())


def test_a_member_named_twice_is_noted_and_the_last_one_counts() -> None:
    text = json.dumps(document()).replace(
        '"summary"', '"summary": {"total-successful-session-count": 1, "total-failure-session-count": 1}, "summary"'
    )
    [reading] = parse(text.encode()).readings
    assert reading.report.policies[0].total_successful_session_count == 10
    assert reading.report.defects == (Defect("policies[0].summary", "stands there twice, the last one counts"),)


# Refused entries cost nothing else.


@pytest.mark.parametrize(
    "value", [-1, 2**53, 1.5, True, "twelve", "-1", [], float("nan"), 10**400], ids=lambda value: str(value)[:12]
)
def test_a_count_that_is_none_refuses_its_policy_only(value: object) -> None:
    found = changed(f"{SUMMARY}.total-failure-session-count", value, document(policy(), policy(domain="good.example")))
    reading = read(found)
    assert [one.policy_domain for one in reading.report.policies] == ["good.example"]
    [entry] = reading.refused
    assert entry.where == "policies[0]"
    assert "policies[0].summary.total-failure-session-count" in entry.reason
    assert b'"example.com"' in entry.content
    assert any(defect.where == "policies[0]" for defect in reading.report.defects)


def test_rows_that_cannot_be_read_are_refused_one_by_one() -> None:
    rows: list[Any] = [row(count=3), "text", row(count=-2), row("certificate-host-mismatch", 4)]
    reading = read(document(policy(failed=7, rows=rows)))
    assert [one.failed_session_count for one in reading.report.policies[0].failure_details] == [3, 4]
    assert [entry.where for entry in reading.refused] == [
        "policies[0].failure-details[1]",
        "policies[0].failure-details[2]",
    ]


def test_entries_that_are_no_objects_are_refused() -> None:
    reading = read(document(policies=[policy(), 7, None, {"summary": {}}]))
    assert len(reading.report.policies) == 1
    assert [entry.where for entry in reading.refused] == ["policies[1]", "policies[2]", "policies[3]"]


def test_a_report_whose_only_entry_is_bad_is_refused_with_that_reason() -> None:
    with pytest.raises(ReportError, match="a negative number of sessions"):
        read(changed(f"{SUMMARY}.total-failure-session-count", -1))


# Whole documents.


def test_several_reports_in_one_document_are_all_read() -> None:
    one, other = document(), document(day="2026-03-11")
    for text in (json.dumps([one, other]), json.dumps(one) + "\n" + json.dumps(other)):
        parsed = parse(text.encode())
        assert [reading.report.day.day for reading in parsed.readings] == [10, 11]
        # Each carries its own document, so that it can be read again alone.
        assert parse(parsed.readings[1].document).readings[0].report.day.day == 11


def test_a_bad_report_beside_a_good_one_is_refused_alone() -> None:
    parsed = parse(json.dumps([document(), {"policies": 1}, document(day="2026-03-11")]).encode())
    assert len(parsed.readings) == 2
    assert [(entry.where, entry.reason) for entry in parsed.refused] == [("[1]", "policies is not a list")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbf" + json.dumps(document()).encode(), "begins with a byte order mark"),
        (json.dumps(document()).encode("utf-16"), "written in UTF-16, taken over"),
        (json.dumps(document()).encode("utf-32-le"), "written in UTF-32-LE, taken over"),
        (json.dumps(document(organization_name="Müller"), ensure_ascii=False).encode("cp1252"),
         "not UTF-8, read as Windows-1252"),
        (json.dumps(document()).encode() + b"-- \nbanner", "10 characters after the document, passed over"),
        (json.dumps(document()).encode() + b"{broken", "7 characters after the document, passed over"),
    ],
)  # fmt: skip
def test_bytes_that_are_not_quite_json_are_read_with_a_defect(content: bytes, message: str) -> None:
    [reading] = parse(content).readings
    assert reading.report.policies[0].policy_domain == "example.com"
    assert Defect("", message) in reading.report.defects


def test_line_ends_blanks_and_key_order_mean_nothing() -> None:
    found = dict(reversed(document().items()))
    text = json.dumps(found, indent=3).replace("\n", "\r\n").replace("   ", "\t")
    assert report_of(json.loads(text)) == report_of(document())
    [reading] = parse(f"\r\n {text}\r\n".encode()).readings
    assert reading.report.defects == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"not json", "not JSON: Expecting value at line 1, column 1"),
        (b"[]", "an empty list, no report in it"),
        (b"7", "not a JSON object"),
        (b"{}", "no policies in it"),
        (json.dumps(document(policies=...)).encode(), "no policies in it"),
        (json.dumps(document(policies=None)).encode(), "no policies in it"),
        (json.dumps(document(date_range=...)).encode(), "date-range.start-datetime: missing"),
        (json.dumps(changed("date-range.end-datetime", "soon")).encode(), "date-range.end-datetime: 'soon'"),
        (json.dumps(changed("date-range.start-datetime", "1999-12-31T00:00:00Z")).encode(), "date-range"),
        (json.dumps(changed("date-range.end-datetime", "2026-03-10T00:00:00Z")).encode(), "it ends when it starts"),
        (json.dumps(changed("date-range.end-datetime", "2026-03-08T00:00:00Z")).encode(), "ends before it starts"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"policies":[' + b"[],[]," * 150_000 + b"0]}", "too many values"),
        (b'{"policies":[' + b"0," * 1_100_000 + b"0]}", "too many values"),
        (b'{"report-id": ' + b"9" * 5_000 + b"}", "a number of thousands of digits"),
    ],
    ids=range(16),
)
def test_what_is_no_report_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ReportError, match=r".") as caught:
        parse(content)
    assert reason in str(caught.value)


def test_hostile_text_is_kept_but_for_what_no_store_takes() -> None:
    report = report_of(document(organization_name="a\x00b\ud800c\x1b[31m"))
    assert report.organization_name == "ab�c\x1b[31m"
    assert {defect.where for defect in report.defects} == {"organization-name"}


def test_long_texts_and_long_lists_are_cut_and_noted() -> None:
    long = document(
        policy(failed=1, rows=[row(failure_reason_code="r" * 9_000)], mx_host=["m.example"] * 300),
        organization_name="o" * 999,
    )
    report = report_of(long)
    assert len(report.organization_name or "") == LIMITS.name_length
    assert len(report.policies[0].failure_details[0].failure_reason_code or "") == LIMITS.text_length
    assert len(report.policies[0].mx_host) == LIMITS.mx_hosts
    assert len(report.defects) == 3


def test_a_flood_of_defects_is_cut_to_a_number() -> None:
    rows = [row(count=1, sending_mta_ip="nowhere") for _ in range(500)]
    report = report_of(document(policy(failed=500, rows=rows)))
    assert len(report.defects) == LIMITS.defects + 1
    assert report.defects[-1].message == "400 more departures, not listed"


def test_more_rows_than_a_policy_may_have_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    small = LIMITS._replace(failure_details=3, failure_details_total=4, policies=2)
    rows = [row() for _ in range(5)]
    found = document(*[policy(failed=5, rows=rows) for _ in range(3)])
    [reading] = repair(json.dumps(found).encode(), Hints(), small).readings
    assert [len(one.failure_details) for one in reading.report.policies] == [3, 1]
    monkeypatch.undo()


# Days.


@pytest.mark.parametrize(
    ("start", "end", "days", "message"),
    [
        ("2026-05-01T00:00:00Z", "2026-05-01T23:59:59Z", (1, 1, 1), None),
        ("2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z", (1, 1, 1), None),
        ("2026-05-01T00:00:00", "2026-05-01T23:59:59", (1, 1, 1), "no time zone, taken as UTC"),
        ("2026-05-01 02:00:00.5+02:00", "2026-05-02t01:59:59+02:00", (1, 1, 1), None),
        ("2026-05-01", "2026-05-02", (1, 1, 1), "a date without a time, taken as midnight UTC"),
        ("2026-05-01T00:00:00Z", "2026-05-01T23:59:60Z", (1, 1, 1), "a leap second, taken as :59"),
        ("2026-04-30T22:00:00Z", "2026-05-01T21:59:59Z", (1, 1, 1), None),
        ("2026-05-01T14:00:00Z", "2026-05-01T15:00:00Z", (1, 1, 1), None),
        ("2026-05-01T00:10:00Z", "2026-05-01T00:00:00Z", (1, 1, 1),
         "ends before it starts, taken for the day of its start"),
        ("2026-05-04T00:00:00Z", "2026-05-10T23:59:59Z", (10, 4, 10), "covers 7 days, counted on the last full one"),
        ("2026-05-04T06:00:00Z", "2026-05-10T06:00:00Z", (9, 4, 10), "covers 7 days, counted on the last full one"),
    ],
)  # fmt: skip
def test_counts_belong_to_a_day(start: str, end: str, days: tuple[int, int, int], message: str | None) -> None:
    report = report_of(document(date_range={"start-datetime": start, "end-datetime": end}))
    assert (report.day.day, report.first_day.day, report.last_day.day) == days
    assert report.day.month == 5
    messages = {defect.message for defect in report.defects}
    assert messages == ({message} if message else set())


def test_a_date_that_cannot_be_read_is_taken_from_the_file_name() -> None:
    found = document(date_range={"start-datetime": "yesterday", "end-datetime": "2026-03-10T23:59:59Z"})
    report = report_of(found, Hints(None, "a!b.example!1773100800!1773187199!1.json"))
    assert report.day == date(2026, 3, 10)
    assert Defect("date-range.start-datetime", "not readable, taken from the file name") in report.defects


@pytest.mark.parametrize(
    ("days_later", "reason"),
    [
        (1, None),
        (24, None),
        (91, "its period began more than 90 days before it was received"),
        (-2, "its period begins after it was received"),
    ],
)
def test_what_is_too_old_or_in_the_future_is_kept_out_of_decisions(days_later: int, reason: str | None) -> None:
    report = report_of(document())
    received = datetime.fromtimestamp(report.start_datetime.timestamp() + days_later * 86_400)
    assert excluded(report, received, received) == reason


def test_a_range_of_more_than_eight_days_is_kept_out_of_decisions() -> None:
    found = document(date_range={"start-datetime": "2026-03-01T00:00:00Z", "end-datetime": "2026-03-10T00:00:00Z"})
    assert excluded(report_of(found), None, datetime(2026, 3, 20)) == "it covers more than 8 days"


# Policies in one form.


def test_the_canonical_policy_ignores_order_case_and_spacing() -> None:
    one = ["version: STSv1", "mode: testing", "mx: A.example", "mx: b.example", "max_age: 9"]
    other = ["max_age:9", "mx:b.example. ", "mx:a.example", "mode: testing", "x: y"]
    for lines in (one, other):
        found = first(document(policy(policy_string=lines)))
        assert found.canonical == "mode=testing max_age=9 mx=a.example,b.example"


def test_an_mx_line_with_a_u_label_is_compared_as_an_a_label() -> None:
    lines = ["version: STSv1", "mode: testing", "mx: mx.bücher.example", "max_age: 1"]
    found = first(document(policy(policy_string=lines, mx_host=...)))
    assert found.mx_host == ("mx.xn--bcher-kva.example",)


def test_a_policy_line_repeated_counts_as_its_first() -> None:
    lines = ["version: STSv1", "mode: testing", "mode: enforce", "max_age: 1", "max_age: 2"]
    found = first(document(policy(policy_string=lines)))
    assert (found.mode, found.max_age) == ("testing", 1)


# Any bytes.


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
@example(b'{"policies":[{}],"date-range":{"start-datetime":"2026-01-01T00:00:00+14:00"}}')
def test_any_bytes_are_a_report_or_a_reason(content: bytes) -> None:
    with suppress(ReportError):
        assert parse(content).readings


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=6,
)
_PLACES = ["organization-name", "date-range", "date-range.start-datetime", "contact-info", "report-id", "policies",
           "policies.0", POLICY, f"{POLICY}.policy-string", f"{POLICY}.mx-host", f"{POLICY}.policy-domain", SUMMARY,
           f"{SUMMARY}.total-failure-session-count", "policies.0.failure-details", ROW, f"{ROW}.result-type",
           f"{ROW}.sending-mta-ip", f"{ROW}.failed-session-count"]  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(at=st.sampled_from(_PLACES), value=_JSON)
def test_any_value_at_any_place_costs_at_most_its_own_entry(at: str, value: object) -> None:
    found = changed(at, value, document(policy(failed=1, rows=[row()]), policy(domain="good.example")))
    try:
        parsed = parse(json.dumps(found).encode())
    except ReportError:
        assert not at.startswith("policies.0")
        return
    [reading] = parsed.readings
    if at.startswith("policies.0"):
        good = [one for one in reading.report.policies if one.policy_domain == "good.example"]
        assert len(good) >= 1
        assert good[-1].total_successful_session_count == 10


def test_texts_of_a_size_nobody_has_are_not_remembered() -> None:
    lines = [f"mx: {'a' * 60}{n}.example" for n in range(150)]
    before = strict._read_policy.cache_info().currsize
    first(document(policy(policy_string=lines)))
    assert strict._read_policy.cache_info().currsize == before
