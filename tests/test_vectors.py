"""The thirty-two reports that a reader of TLS reports has to get right, through the store."""

from __future__ import annotations

import gzip
import json
from datetime import date

from reports import document, policy, row
from shelf import ask, filled, mail, put

from queries import domains, failures, policies, reports
from tlsrpt.store import Store
from tui.text import safe

COUNTS = """
    SELECT policy_type, total_successful_session_count, total_failure_session_count, would_block, unclassified,
        evaluated
    FROM policies ORDER BY report, policy
"""


def counts(store: Store) -> list[tuple[object, ...]]:
    return ask(store, COUNTS)


def defects(store: Store) -> set[str]:
    return {message for (message,) in ask(store, "SELECT message FROM defects")}


def test_j01_the_example_of_the_rfc() -> None:
    rows = [
        row("certificate-expired", 100, receiving_mx_hostname="mx1.mail.example.com"),
        row("starttls-not-supported", 200, receiving_mx_hostname="mx2.mail.example.com"),
        row(
            "validation-failure",
            3,
            receiving_mx_hostname="mx-backup.mail.example.com",
            failure_reason_code="X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED",
            additional_information="https://reports.example/report_info ? id = 5065427 c2",
        ),
    ]
    lines = ["version: STSv1", "mode: testing", "mx: *.mail.example.com", "max_age: 86400"]
    example = policy(successful=5326, failed=303, rows=rows, policy_string=lines, mx_host="*.mail.example.com")
    store = filled(document(example))
    assert counts(store) == [("sts", 5326, 303, 303, 0, 5629)]
    assert [(one.key, one.failed_session_count) for one in failures.by_cause(store)] == [
        ("starttls-not-supported", 200),
        ("certificate-expired", 100),
        ("certificate-not-trusted", 3),
    ]
    assert defects(store) == {"a string instead of a list"}


def test_j02_no_policy_found_is_no_evidence() -> None:
    store = filled(document(policy("no-policy-found", successful=48)))
    assert counts(store) == [("no-policy-found", 48, 0, 0, 0, 0)]


def test_j03_two_fetch_errors_for_one_session() -> None:
    rows = [
        {"result-type": "sts-policy-fetch-error", "failed-session-count": 1, "failure-reason-code": reason}
        for reason in ("bad https response code: 404", "bad https response code: 503")
    ]
    store = filled(document(policy(successful=0, failed=1, rows=rows, policy_string=..., mx_host=...)))
    assert counts(store) == [("sts", 0, 1, 0, 0, 0)]
    assert "rows add up to 2, the summary says 1" in defects(store)


def test_j04_a_fetch_error_without_addresses() -> None:
    store = filled(document(policy(successful=0, failed=3, rows=[
        {"result-type": "sts-policy-fetch-error", "failed-session-count": 3}
    ])))  # fmt: skip
    assert counts(store) == [("sts", 0, 3, 0, 0, 0)]
    [series] = failures.series(store)
    assert (series.cause, series.mx_key, series.impact) == ("sts-policy-fetch-error", "*", "none")


def test_j05_no_contact_and_a_range_that_ends_at_midnight() -> None:
    span = {"start-datetime": "2026-03-10T00:00:00Z", "end-datetime": "2026-03-11T00:00:00Z"}
    found = document(policy(rows=[]), contact_info=None, date_range=span, organization_name="mx.stalwart.example")
    store = filled(mail(found, TLS_Report_Submitter="mx.stalwart.example"))
    [report] = reports.newest(store)
    assert (report.day, report.organization) == (date(2026, 3, 10), "mx.stalwart.example")


def test_j06_no_time_zone_is_utc() -> None:
    span = {"start-datetime": "2026-05-01T00:00:00", "end-datetime": "2026-05-01T23:59:59"}
    store = filled(document(date_range=span))
    assert reports.newest(store)[0].day == date(2026, 5, 1)
    assert defects(store) == {"no time zone, taken as UTC"}


def test_j07_an_end_before_the_start() -> None:
    span = {"start-datetime": "2020-04-13T00:10:00Z", "end-datetime": "2020-04-13T00:00:00Z"}
    store = filled(document(date_range=span))
    assert reports.newest(store)[0].day == date(2020, 4, 13)
    assert len(defects(store)) == 1


def test_j08_another_spelling_of_the_mx() -> None:
    details = row(receiving_mx_host_name="mx2.example.com")
    del details["receiving-mx-hostname"]
    store = filled(document(policy(failed=1, rows=[details])))
    assert failures.series(store)[0].mx_key == "mx2.example.com"


def test_j09_one_report_to_two_addresses() -> None:
    store = Store.memory()
    found = document()
    summary = put(store, mail(found, Message_ID="<a@x.example>"), mail(found, Message_ID="<b@x.example>"))
    assert (summary.reports, summary.duplicates) == (1, 1)
    one = reports.one(store, 1)
    assert one is not None
    assert [(how.outcome, how.message_id) for how in one.deliveries] == [
        ("loaded", "<a@x.example>"),
        ("duplicate", "<b@x.example>"),
    ]


def test_j10_two_sites_with_the_same_report_id() -> None:
    sites = [document(contact_info=f"postmaster@{site}.example") for site in ("north", "south")]
    store = filled(*sites)
    assert domains.totals(store).reports == domains.totals(store).organizations == 2


def test_j11_a_revised_report_takes_the_place_of_the_first() -> None:
    first = document(policy(successful=10, failed=1, rows=[row(count=1)]))
    second = document(policy(successful=10, failed=6, rows=[row(count=6)]))
    store = Store.memory()
    put(store, mail(first))
    summary = put(store, mail(second, received="Thu, 12 Mar 2026 10:00:00 +0000"))
    assert (summary.reports, summary.superseded) == (1, 1)
    assert domains.overview(store)[0].sts_failed == 6
    assert [report.superseded for report in reports.newest(store)] == [False, True]
    assert any("replaces report 1" in message for message in defects(store))


def test_j11_and_the_order_of_arrival_does_not_matter_but_that_of_receipt() -> None:
    first = document(policy(failed=1, rows=[row(count=1)]))
    second = document(policy(failed=6, rows=[row(count=6)]))
    store = filled(mail(second, received="Thu, 12 Mar 2026 10:00:00 +0000"), mail(first))
    assert domains.overview(store)[0].sts_failed == 6


def test_j12_several_policies_of_one_day_are_each_counted_once() -> None:
    store = filled(document(
        policy(successful=90),
        policy(successful=10, policy_string=["version: STSv1", "mode: testing", "mx: old.example", "max_age: 1"]),
        policy("no-policy-found", successful=1),
    ))  # fmt: skip
    [domain] = domains.overview(store)
    assert (domain.sts_successful, domain.no_policy_successful) == (100, 1)
    assert [seen.successful for seen in policies.as_seen(store) if seen.policy_type == "sts"] == [90, 10]


def test_j13_sts_and_tlsa_sessions_overlap_and_are_not_added() -> None:
    store = filled(document(policy(successful=50), policy("tlsa", successful=50)))
    [domain] = domains.overview(store)
    assert (domain.sts_successful, domain.tlsa_successful) == (50, 50)
    assert sum(int(str(row[-1])) for row in counts(store)) == 50


def test_j14_failures_that_the_summary_does_not_count() -> None:
    details = row("validation-failure", 4, receiving_mx_hostname="mx2.example.com",
                  failure_reason_code="mtasts-policy-mx-mismatch")  # fmt: skip
    store = filled(document(policy(successful=20, rows=[details])))
    assert counts(store) == [("sts", 20, 0, 4, 0, 24)]
    [domain] = domains.overview(store)
    assert (domain.sts_failed, domain.would_block) == (0, 4)


def test_j15_failures_that_no_row_explains_are_unclassified() -> None:
    store = filled(document(policy(successful=100, failed=7, rows=[row(count=2)])))
    assert counts(store) == [("sts", 100, 7, 2, 5, 107)]
    assert [(one.key, one.failed_session_count) for one in failures.by_cause(store)] == [
        ("unclassified", 5),
        ("certificate-expired", 2),
    ]


def test_j16_an_mx_outside_the_policy() -> None:
    details = row("validation-failure", 2, receiving_mx_hostname="mx3.example.com")
    store = filled(document(policy(failed=2, rows=[details])))
    [series] = failures.series(store)
    assert (series.cause, series.impact) == ("mx-not-in-policy", "would-block")


def test_j17_a_timeout_is_transient() -> None:
    details = row("validation-failure", 2, failure_reason_code="io-timeout-during-handshake")
    store = filled(document(policy(failed=2, rows=[details])))
    [series] = failures.series(store)
    assert (series.cause, series.impact) == ("transient", "none")


def test_j18_stalwart_hides_the_cause_in_the_reason() -> None:
    details = row("certificate-not-trusted", failure_reason_code="invalid peer certificate: Expired")
    store = filled(document(policy(failed=1, rows=[details])))
    assert failures.series(store)[0].cause == "certificate-expired"
    assert failures.by_result_type(store)[0].key == "certificate-not-trusted"


def test_j19_a_result_type_of_its_own() -> None:
    store = filled(document(policy(failed=1, rows=[row("tls-version-invalid")])))
    [series] = failures.series(store)
    assert (series.cause, series.impact) == ("tls-version-invalid", "unclear")
    assert defects(store) == {"not a registered result type"}


def test_j20_a_policy_that_was_never_published_is_seen_as_such() -> None:
    foreign = ["version: STSv1", "mode: enforce", "mx: evil.example", "max_age: 604800"]
    store = filled(document(policy()), document(policy(policy_string=foreign, mx_host=...), day="2026-03-11"))
    assert [seen.canonical for seen in policies.as_seen(store)] == [
        "mode=enforce max_age=604800 mx=evil.example",
        "mode=testing max_age=86400 mx=mx1.example.com,mx2.example.com",
    ]


def test_j21_a_negative_count_costs_its_entry_only() -> None:
    store = Store.memory()
    summary = put(store, document(policy(failed=-1), policy(domain="other.example")))
    assert (summary.reports, summary.refused) == (1, 1)
    assert [domain.policy_domain for domain in domains.overview(store)] == ["other.example"]


def test_j22_markup_and_escapes_are_shown_literally() -> None:
    name = "[red]x[/red]\x1b[31m\u202e"
    store = filled(document(organization_name=name))
    one = reports.one(store, 1)
    assert one is not None
    assert one.head.organization_name == name
    assert safe(name) == r"[red]x[/red]\x1b[31m\u202e"


def test_j23_a_bomb_is_refused_before_it_goes_off() -> None:
    store = Store.memory()
    summary = put(store, gzip.compress(b'{"policies": [' + b" " * (65 << 20)))
    assert (summary.reports, summary.refused) == (0, 1)
    assert "larger than 10 MiB" in ask(store, "SELECT reason FROM deliveries")[0][0]


def test_j24_and_j25_mail_that_nobody_checked_is_not_believed() -> None:
    forged = document(policy(failed=9, rows=[row(count=9)]), contact_info="smtp-tls-reporting@google.com")
    store = filled(mail(forged, From="x@attacker.example"), document())
    assert {report.organization: report.trust for report in reports.newest(store)} == {
        "google.com": "unchecked",
        "sender.example": "vouched",
    }


def test_j26_a_label_means_nothing() -> None:
    content = gzip.compress(json.dumps(document()).encode())
    attachment = (
        mail(content).replace(b"application/tlsrpt+gzip", b"application/octet-stream").replace(b".json.gz", b".json")
    )
    assert domains.totals(filled(attachment)).reports == 1


def test_j27_the_domain_is_in_the_header() -> None:
    entry = policy("no-policy-found")
    del entry["policy"]["policy-domain"]
    store = filled(mail(document(entry), TLS_Report_Domain="header.example"))
    assert [domain.policy_domain for domain in domains.overview(store)] == ["header.example"]
    assert defects(store) == {"missing, taken to be header.example"}


def test_j28_a_tlsa_policy_belongs_to_the_mx_host() -> None:
    store = filled(document(policy("tlsa", "mx1.example.com", successful=30)))
    assert domains.overview(store)[0].policy_domain == "mx1.example.com"
    assert counts(store) == [("tlsa", 30, 0, 0, 0, 0)]


def test_j29_the_future_is_visible_and_kept_out_of_decisions() -> None:
    store = filled(mail(document(day="2031-01-01")))
    one = reports.one(store, 1)
    assert one is not None
    assert one.head.excluded == "its period begins after it was received"
    assert one.head.day == date(2031, 1, 1)


def test_j30_a_week_is_covered_and_counted_once() -> None:
    span = {"start-datetime": "2026-05-04T00:00:00Z", "end-datetime": "2026-05-10T23:59:59Z"}
    store = filled(document(date_range=span))
    one = reports.one(store, 1)
    assert one is not None
    assert (one.head.first_day, one.head.day, one.head.last_day) == (
        date(2026, 5, 4),
        date(2026, 5, 10),
        date(2026, 5, 10),
    )
    assert [day.sts_successful for day in domains.days(store)] == [10]


def test_j31_a_member_named_twice() -> None:
    text = json.dumps(document()).replace('"summary"', '"summary": {}, "summary"')
    store = filled(text.encode())
    assert counts(store) == [("sts", 10, 0, 0, 0, 10)]
    assert defects(store) == {"stands there twice, the last one counts"}


def test_j32_the_document_wins_over_the_subject() -> None:
    store = filled(
        mail(document(report_id="in-the-document"), Subject="Report Domain: a Submitter: b Report-ID: <other@x>")
    )
    assert reports.newest(store)[0].report_id == "in-the-document"
