"""Loading: batches, repeats, refusals, trust, and reading again."""

from __future__ import annotations

import errno
import gzip
import io
import itertools
import json
import mailbox
import os
import random
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reports import document, policy, row
from shelf import Deliveries, ask, filled, mail, put

import loaders
from loaders import Status, Summary, known_files, load, reread
from loaders import run as run_module
from loaders.batch import Batch, Stored, write
from loaders.directory import Directory
from queries import deliveries, domains, failures, reports
from tlsrpt.archive import ArchiveError
from tlsrpt.delivery import Refused
from tlsrpt.parse import RefusedEntry, parse
from tlsrpt.store import Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports import Document

    from loaders import Delivery, Done


def numbers(summary: Summary) -> tuple[int, int, int, int]:
    return summary.reports, summary.duplicates, summary.refused, summary.skipped


def load_path(store: Store, path: Path, *, vouch: bool = False) -> Summary:
    known = known_files(store, vouch=vouch)
    return load(Directory([path], known=known), store, known=known, vouch=vouch)


def some(count: int) -> list[Document]:
    return [document(report_id=f"id-{number}") for number in range(count)]


def test_everything_in_a_report_is_stored() -> None:
    rows = [row(count=2, receiving_ip="2001:db8::0:1", receiving_mx_helo="helo", additional_information="https://x.example/",
                failure_reason_code="CERT", **{"result-type": "Certificate-Expired"})]  # fmt: skip
    store = filled(mail(document(policy(failed=2, rows=rows))))
    one = reports.one(store, 1)
    assert one is not None
    assert one.head.organization_name == "Sender Inc."
    assert one.head.contact_info == "tls@sender.example"
    assert (one.policies[0].mode, one.policies[0].max_age) == ("testing", 86400)
    assert one.policies[0].policy_string[1] == "mode: testing"
    assert one.policies[0].mx_host == ["mx1.example.com", "mx2.example.com"]
    [detail] = one.details
    assert detail == (
        0, "certificate-expired", "Certificate-Expired", "certificate-expired", "would-block", "192.0.2.1",
        "mx1.example.com", "helo", "2001:db8::1", 2, "https://x.example/", "CERT",
    )  # fmt: skip
    assert json.loads(one.document) == document(policy(failed=2, rows=rows))
    [how] = one.deliveries
    assert (how.source, how.sender, how.message_id) == ("0.json", "sender.example", "<1@sender.example>")
    assert how.name == "sender.example!example.com!1!2!001.json.gz"
    assert how.received_at is not None


def test_loading_again_adds_nothing() -> None:
    store = Store.memory()
    assert numbers(put(store, *some(5))) == (5, 0, 0, 0)
    before = ask(store, "SELECT count(*), sum(total_successful_session_count) FROM policies")
    assert numbers(put(store, *some(5))) == (0, 5, 0, 0)
    assert ask(store, "SELECT count(*), sum(total_successful_session_count) FROM policies") == before


def test_the_same_report_in_other_clothes_is_a_duplicate() -> None:
    found = document(policy(failed=1, rows=[row()]))
    spaced = json.dumps(dict(reversed(found.items())), indent=4).encode()
    lenient = json.dumps(found).replace('"mx1.example.com"', '"MX1.example.com."').encode()
    store = Store.memory()
    assert numbers(put(store, found, spaced)) == (1, 1, 0, 0)
    assert numbers(put(store, lenient)) == (0, 1, 0, 0)


def test_a_report_without_an_id_is_itself_again() -> None:
    store = Store.memory()
    found = document(report_id=...)
    assert numbers(put(store, found, found)) == (1, 1, 0, 0)


def test_batches_end_where_they_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_BATCH_REPORTS", 3)
    store = Store.memory()
    summary = put(store, *some(10), *some(4), b"{}", b"text", document(report_id="id-3"))
    assert numbers(summary) == (10, 5, 0, 2)
    assert ask(store, "SELECT count(*), count(DISTINCT report) FROM reports") == [(10, 10)]
    assert ask(store, "SELECT count(*), count(DISTINCT delivery) FROM deliveries") == [(17, 17)]


def test_each_row_carries_its_reports_day_organization_and_trust() -> None:
    store = filled(*[document(policy(failed=1, rows=[row()]), day=f"2026-03-{day:02}") for day in (12, 10, 11)])
    for table in ("policies", "failures"):
        assert ask(
            store,
            f"SELECT count(*) FROM {table} JOIN reports USING (report, day, organization, trust, superseded)",
        ) == [(3,)]
    # Day order, whatever the order of arrival: questions about a period read few row groups.
    assert ask(store, "SELECT list(day ORDER BY rowid) = list(day ORDER BY day) FROM policies") == [(True,)]


# Trust.


def test_mail_is_unchecked_and_a_bare_file_is_vouched_for() -> None:
    store = Store.memory()
    summary = put(store, mail(document()), gzip.compress(json.dumps(document(report_id="file")).encode()))
    assert summary.unchecked == 1
    assert {report.report_id: report.trust for report in reports.newest(store)} == {
        "2026-03-10_example.com": "unchecked",
        "file": "vouched",
    }


def test_the_operator_may_answer_for_mail() -> None:
    store = Store.memory()
    summary = put(store, mail(document()), vouch=True)
    assert summary.unchecked == 0
    assert reports.newest(store)[0].trust == "vouched"


def test_answering_for_mail_later_raises_its_trust_and_counts_nothing_twice(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(mail(document(policy(failed=1, rows=[row()]))))
    store = Store.memory()
    assert load_path(store, tmp_path).unchecked == 1
    assert numbers(load_path(store, tmp_path, vouch=True)) == (0, 1, 0, 0)
    for table in ("reports", "policies", "failures"):
        assert ask(store, f"SELECT trust FROM {table}") == [("vouched",)]
    # And what is answered for stays so when the file is read without a word.
    assert numbers(load_path(store, tmp_path)) == (0, 1, 0, 0)
    assert reports.newest(store)[0].trust == "vouched"


def test_a_forged_revision_does_not_replace_what_is_vouched_for() -> None:
    genuine = document(policy(successful=100))
    forged = document(policy(successful=0, failed=900, rows=[row(count=900)]))
    store = filled(genuine)
    put(store, mail(forged, received="Fri, 20 Mar 2026 10:00:00 +0000"))
    assert {(report.trust, report.superseded, report.sts_failed) for report in reports.newest(store)} == {
        ("vouched", False, 0),
        ("unchecked", False, 900),
    }


def test_of_three_versions_the_newest_counts_in_any_order() -> None:
    versions = [
        mail(document(policy(successful=number)), received=f"Wed, {10 + number} Mar 2026 10:00:00 +0000")
        for number in (1, 2, 3)
    ]
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        store = Store.memory()
        for place in order:
            put(store, versions[place])
        assert domains.overview(store)[0].sts_successful == 3
        assert sorted(report.superseded for report in reports.newest(store)) == [False, True, True]
        assert numbers(put(store, versions[0])) == (0, 1, 0, 0)


# Refusals.


def test_what_is_refused_is_kept_with_its_reason_and_its_bytes() -> None:
    store = Store.memory()
    cut = gzip.compress(json.dumps(document()).encode())[:-20]
    put(store, cut, document(), b'{"policies": []}', names=("cut.json.gz", "good.json", "none.json"))
    refused = deliveries.refused(store)
    assert {one.source: one.reason for one in refused} == {
        "cut.json.gz": "gzip: truncated",
        "none.json": "date-range.start-datetime: missing",
    }
    assert deliveries.content(store, next(one.delivery for one in refused if one.source == "cut.json.gz")) == cut
    assert domains.totals(store).refused == 2


def test_a_refused_entry_is_kept_beside_the_report() -> None:
    store = Store.memory()
    put(store, document(policy(), policy(failed=-1, domain="bad.example")))
    [entry] = deliveries.refused(store)
    assert entry.name == "policies[1]"
    assert json.loads(deliveries.content(store, entry.delivery))["policy"]["policy-domain"] == "bad.example"
    assert numbers(put(store, document(policy(), policy(failed=-1, domain="bad.example")))) == (0, 1, 0, 0)
    assert len(deliveries.refused(store)) == 1


def test_other_mail_is_passed_over_and_counted() -> None:
    store = Store.memory()
    other = b"From: a@example.com\r\nSubject: lunch\r\nDate: Wed, 11 Mar 2026 10:00:00 +0000\r\n\r\nAt one?\r\n"
    assert numbers(put(store, other, b"# a README")) == (0, 0, 0, 2)
    assert {outcome.reason for outcome in deliveries.outcomes(store)} == {"other mail", "not a report"}


# Reading again.


def test_rereading_tries_what_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.memory()
    with monkeypatch.context() as older:
        # An older version that knew no such container.
        older.setattr(run_module, "unpack", lambda content, name, **_: [Refused(name, content, None, "unknown")])
        put(store, mail(document()), b"junk", names=("good.eml", "junk"))
    assert len(deliveries.refused(store)) == 2
    summary = reread(store)
    # What is still no report stays refused: something announced one, and its bytes are not thrown away.
    assert (summary.reports, summary.skipped, summary.refused) == (1, 0, 1)
    [still] = deliveries.refused(store)
    assert (still.source, still.reason, deliveries.content(store, still.delivery)) == ("junk", "unknown", b"junk")
    [report] = reports.newest(store)
    assert report.trust == "unchecked"
    one = reports.one(store, report.report)
    assert one is not None
    assert [how.source for how in one.deliveries] == ["good.eml"]


def test_rereading_what_is_still_bad_changes_nothing_but_the_time() -> None:
    store = filled(b"{}", b'{"policies": 7, "date-range": {}}')
    before = [one[1:5] for one in deliveries.refused(store)]
    assert before
    assert reread(store).refused == len(before)
    assert [one[1:5] for one in deliveries.refused(store)] == before


def test_rereading_an_archive_reads_all_its_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, found in enumerate(some(20)):
            archive.writestr(f"{number}.json", json.dumps(found))
    store = Store.memory()
    with monkeypatch.context() as older:
        older.setattr("tlsrpt.archive.read_entry", lambda *_: (_ for _ in ()).throw(ArchiveError("not supported")))
        assert numbers(load_path(store, path)) == (0, 0, 1, 0)
    summary = reread(store)
    assert (summary.reports, summary.refused) == (20, 0)
    assert ask(store, "SELECT count(*) FROM deliveries WHERE source LIKE '%a.zip: %.json'") == [(20,)]


def test_rereading_twice_reads_the_same_and_gives_no_number_twice() -> None:
    store = filled(document(policy(), "text", policy(failed=-1)), b'{"policies": 1, "date-range": 2}')  # type: ignore[arg-type]
    for _ in range(3):
        summary = reread(store)
        assert (summary.reports, summary.anew, summary.refused) == (0, 1, 3)
        assert ask(store, "SELECT count(*), count(DISTINCT delivery) FROM deliveries") == [(4, 4)]
        assert ask(store, "SELECT count(*) FROM reports") == [(1,)]


def test_rereading_a_part_keeps_the_mail_around_it() -> None:
    broken = mail(gzip.compress(b'{"policies": [], "date-range": 7}'), TLS_Report_Submitter="header.example")
    store = filled(broken)
    [before] = deliveries.refused(store)
    reread(store)
    [after] = deliveries.refused(store)
    assert (after.sender, after.subject, after.name) == (before.sender, before.subject, before.name)
    assert after.sender == "sender.example"


def test_rereading_everything_changes_nothing_where_nothing_changed() -> None:
    rows = [row(count=3), "bad row"]
    odd = gzip.compress(json.dumps(document(policy(failed=3, rows=rows))).encode()) + b"\r\n"  # type: ignore[arg-type]
    store = Store.memory()
    put(store, odd, mail(document(policy(), policy(failed=-1))), names=("odd.json.gz", "b.eml"))
    put(store, mail(document(policy(successful=11)), received="Fri, 20 Mar 2026 10:00:00 +0000"))
    put(store, odd, names=("again.json.gz",))
    looks = (
        "SELECT * EXCLUDE (report, delivery) FROM reports ORDER BY ALL",
        "SELECT * EXCLUDE (report) FROM policies ORDER BY ALL",
        "SELECT * EXCLUDE (report) FROM failures ORDER BY ALL",
        "SELECT place, regexp_replace(message, '[0-9]+', 'N') FROM defects ORDER BY ALL",
        "SELECT source, name, outcome, reason, vouched, sender, size FROM deliveries ORDER BY ALL",
        "SELECT d.source, p.content FROM payloads p JOIN deliveries d USING (delivery) ORDER BY ALL",
        "SELECT d.source, r.report_id, r.trust FROM deliveries d JOIN reports r USING (report) ORDER BY ALL",
    )
    before = [ask(store, look) for look in looks]
    summary = reread(store, everything=True)
    assert (summary.reports, summary.anew) == (0, 3)
    for look, was in zip(looks, before, strict=True):
        assert ask(store, look) == was


def test_rereading_reads_the_good_rows_of_a_report_whose_bad_ones_became_readable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = document(policy(successful=1), policy(successful=2, domain="second.example"))
    store = Store.memory()
    with monkeypatch.context() as older:
        reading = parse(json.dumps(found).encode())
        report = reading.readings[0].report
        entry = RefusedEntry("policies[1]", b"{}", "not understood")
        shorter = reading.readings[0]._replace(report=report._replace(policies=report.policies[:1]), refused=(entry,))
        older.setattr(run_module, "parse", lambda *_: reading._replace(readings=(shorter,)))
        put(store, found)
    assert len(domains.overview(store)) == 1
    assert len(deliveries.refused(store)) == 1
    summary = reread(store)
    assert (summary.reports, summary.anew, summary.refused) == (0, 1, 0)
    assert len(domains.overview(store)) == 2
    assert deliveries.refused(store) == []
    assert domains.totals(store).reports == 1


# What a stranger may try, and what must not cost anything else.


def test_rows_that_add_up_to_more_than_anything_cost_nothing_else() -> None:
    most = [row(count=2**53 - 1)] * 1_100
    store = Store.memory()
    assert numbers(put(store, document(policy(successful=0, rows=most)), document(report_id="good"))) == (2, 0, 0, 0)
    assert ask(store, "SELECT max(would_block) FROM policies") == [(2**53 - 1,)]


def test_half_a_surrogate_in_the_name_of_a_member_costs_nothing_else() -> None:
    text = json.dumps(document()).replace("{", '{"\\ud800": 1, "\\ud800": 2, ', 1)
    store = Store.memory()
    assert numbers(put(store, text.encode(), document(report_id="good"))) == (2, 0, 0, 0)


@pytest.mark.parametrize("depth", [900, 960, 980, 985, 988, 990, 992, 995, 999, 1_500])
def test_nesting_just_within_what_the_decoder_takes_costs_only_its_report(depth: int) -> None:
    deep = json.dumps(document()).replace('"policies": [', '"policies": [' + "[" * depth + "]" * depth + ", ", 1)
    store = Store.memory()
    summary = put(store, deep.encode(), f"[{deep},{deep}]".encode(), document(report_id="good"))
    assert summary.refused >= 1
    assert "good" in {report.report_id for report in reports.newest(store)}


def test_a_flood_of_bad_entries_is_kept_as_one_document() -> None:
    store = Store.memory()
    put(store, document(policies=[policy(), *[0] * 900]))
    assert len(deliveries.refused(store)) == 100
    summary = put(store, json.dumps([document(report_id="other"), *[0] * 5_000]).encode())
    assert numbers(summary) == (0, 0, 1, 0)


def test_members_of_a_mailed_tar_that_exceed_what_is_left_are_one_refusal() -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for number in range(60):
            member = tarfile.TarInfo(f"{number}.json")
            member.size = 2_000_000
            archive.addfile(member, io.BytesIO(b" " * member.size))
    store = Store.memory()
    put(store, mail(content.getvalue()))
    assert len(deliveries.refused(store)) == 1


def test_mail_without_a_telling_header_stays_unchecked_when_read_again() -> None:
    inner = b"Content-Type: application/tlsrpt+json\r\n\r\n" + json.dumps(document()).encode()
    outer = (
        b'From: a@b.example\r\nContent-Type: multipart/mixed; boundary="="\r\n\r\n'
        b"--=\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--=--\r\n"
    )
    store = filled(outer)
    assert reports.newest(store)[0].trust == "unchecked"
    reread(store, everything=True)
    assert reports.newest(store)[0].trust == "unchecked"


# Versions, receipt and repeats.


def test_reading_again_does_not_make_an_old_version_the_newest() -> None:
    store = filled(document(policy(successful=1), policy(failed=-1)))
    put(store, document(policy(successful=2)), names=("b.json",))
    assert domains.overview(store)[0].sts_successful == 2
    reread(store)
    reread(store, everything=True)
    assert domains.overview(store)[0].sts_successful == 2


def test_a_version_whose_successor_has_another_trust_counts_in_its_own() -> None:
    old, new = (
        mail(document(policy(successful=1))),
        mail(document(policy(successful=2)), received="Fri, 13 Mar 2026 10:00:00 +0000"),
    )
    store = filled(old, new)
    put(store, old, vouch=True)
    assert {(one.trust, one.superseded) for one in reports.newest(store)} == {("vouched", False), ("unchecked", False)}


def test_what_was_received_last_counts_in_any_order_of_loading() -> None:
    first, second = document(policy(successful=1)), document(policy(successful=2))
    came = [
        mail(first, received="Mon, 02 Mar 2026 10:00:00 +0000"),
        mail(second, received="Tue, 03 Mar 2026 10:00:00 +0000"),
        mail(first, received="Wed, 04 Mar 2026 10:00:00 +0000"),
    ]
    for order in itertools.permutations(came):
        store = Store.memory()
        for content in order:
            put(store, content)
        assert domains.overview(store)[0].sts_successful == 1


def test_the_mail_and_the_file_saved_from_it_are_one_report() -> None:
    found = document(contact_info=None)
    store = Store.memory()
    assert numbers(put(store, json.dumps(found).encode(), mail(found))) == (1, 1, 0, 0)
    assert numbers(put(Store.memory(), mail(found), json.dumps(found).encode())) == (1, 1, 0, 0)


def test_a_report_without_an_id_is_one_however_it_is_written() -> None:
    found = document(report_id=...)
    store = Store.memory()
    assert numbers(put(store, found, json.dumps(found, indent=1).encode())) == (1, 1, 0, 0)


def test_a_touched_file_keeps_its_refused_entries(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document(policy(), policy(failed=-1))))
    store = Store.memory()
    load_path(store, path)
    os.utime(path, ns=(1, 1))
    load_path(store, path)
    [entry] = deliveries.refused(store)
    assert deliveries.content(store, entry.delivery)


def test_the_same_unreadable_bytes_are_refused_once_wherever_they_lie(tmp_path: Path) -> None:
    for folder in ("cur", "new", "tmp"):
        (tmp_path / folder).mkdir()
    (tmp_path / "new" / "1.a").write_bytes(mail(gzip.compress(b'{"policies": 1}')))
    store = Store.memory()
    load_path(store, tmp_path)
    (tmp_path / "new" / "1.a").rename(tmp_path / "cur" / "1.a:2,")
    load_path(store, tmp_path)
    (tmp_path / "cur" / "1.a:2,").rename(tmp_path / "cur" / "1.a:2,S")
    load_path(store, tmp_path)
    [refused] = deliveries.refused(store)
    assert refused.source.endswith("1.a:2,S")


def test_a_file_that_could_not_be_read_is_one_refusal_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document()))
    store = Store.memory()

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr("loaders.directory.os.read", fail)
        for _ in range(3):
            assert load_path(store, path).refused == 1
        assert [one.reason for one in deliveries.refused(store)] == ["input/output error"]
    assert load_path(store, path).reports == 1
    assert deliveries.refused(store) == []


def test_the_store_does_not_read_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document()))
    store = Store.open(tmp_path / "s.duckdb", create=True)
    with store.staying(), store.writing() as connection:
        connection.execute("INSERT INTO properties VALUES ('x', 'y')")  # so that it has a log, too
    assert numbers(load_path(store, tmp_path)) == (1, 0, 0, 0)
    assert not [one for one in ask(store, "SELECT source FROM deliveries") if "/s.duckdb" in one[0]]


def test_what_is_no_report_fills_a_batch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_BATCH_ARRIVALS", 10)
    sizes: list[int] = []

    def recorded(store: Store, batch: Batch, now: datetime) -> Stored:
        sizes.append(len(batch.arrivals))
        return write(store, batch, now)

    monkeypatch.setattr(run_module, "write", recorded)
    put(Store.memory(), *[b"hello"] * 35)
    assert sizes == [10, 10, 10, 5]


# Files.


def test_known_files_are_not_opened_again(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    for number, found in enumerate(some(20)):
        (folder / f"{number:02}.json.gz").write_bytes(gzip.compress(json.dumps(found).encode()))
    (folder / "bad.json.gz").write_bytes(gzip.compress(b'{"policies": 1}'))
    store = Store.open(tmp_path / "s.duckdb", create=True)
    assert numbers(load_path(store, folder)) == (20, 0, 1, 0)
    second = load_path(store, folder)
    assert numbers(second) == (0, 20, 0, 0)
    assert second.files == 0
    # One that changed is read, and only that one.
    (folder / "03.json.gz").write_bytes(gzip.compress(json.dumps(document(report_id="new")).encode()))
    third = load_path(store, folder)
    assert numbers(third) == (1, 19, 0, 0)
    assert third.files == 1


def test_a_file_is_known_by_whatever_name_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document()))
    store = Store.memory()
    assert load_path(store, tmp_path / "a.json").files == 1
    monkeypatch.chdir(tmp_path)
    assert load_path(store, Path("a.json")).files == load_path(store, Path()).files == 0


def test_many_files_are_asked_about_while_others_are_being_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_BATCH_REPORTS", 50)
    monkeypatch.setattr("loaders.directory._BATCH", 20)
    folder = tmp_path / "reports"
    folder.mkdir()
    for number, found in enumerate(some(300)):
        (folder / f"{number:03}.json").write_text(json.dumps(found))
    store = Store.open(tmp_path / "s.duckdb", create=True)
    assert load_path(store, folder).reports == 300
    assert numbers(load_path(store, folder)) == (0, 300, 0, 0)


def test_an_mbox_that_grows_leaves_no_second_row_for_its_older_messages(tmp_path: Path) -> None:
    path = tmp_path / "inbox"
    box = mailbox.mbox(path)
    messages = [
        mail(document()),
        mail(gzip.compress(b'{"policies": 1}')),
        b"From: a@b.example\nSubject: lunch\n\nno\n",
        mail(document(report_id="later")),
    ]
    for message in messages[:3]:
        box.add(message)
    box.flush()
    store = Store.memory()
    assert numbers(load_path(store, path)) == (1, 0, 1, 1)
    box.add(messages[3])
    box.close()
    assert numbers(load_path(store, path)) == (1, 1, 1, 1)
    assert ask(store, "SELECT outcome, count(*) FROM deliveries GROUP BY outcome ORDER BY outcome") == [
        ("loaded", 2),
        ("refused", 1),
        ("skipped", 1),
    ]


def test_a_maildir_is_read_whatever_its_flags(tmp_path: Path) -> None:
    for folder in ("cur", "new", "tmp"):
        (tmp_path / folder).mkdir()
    (tmp_path / "new" / "1.host").write_bytes(mail(document()))
    store = Store.memory()
    assert numbers(load_path(store, tmp_path)) == (1, 0, 0, 0)
    (tmp_path / "new" / "1.host").rename(tmp_path / "cur" / "1.host:2,S")
    assert numbers(load_path(store, tmp_path)) == (0, 1, 0, 0)


# Stopping and failing.


def test_a_stopped_load_keeps_what_was_finished() -> None:
    store = Store.memory()
    left = iter([False] * 6 + [True] * 100)
    summary = load(Deliveries(*some(50)), store, stopped=lambda: next(left))
    assert summary.interrupted
    assert summary.reports == domains.totals(store).reports == 4
    assert numbers(put(store, *some(50))) == (46, 4, 0, 0)


def test_progress_is_told_with_numbers_that_only_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_TELL_EVERY", 0.0)
    told: list[Status] = []
    load(Deliveries(*some(30), b"{"), Store.memory(), progress=told.append)
    assert told[-1].files == 31
    assert told[-1].reports == 30
    assert [status.reports for status in told] == sorted(status.reports for status in told)


def test_a_store_that_cannot_be_written_says_so_and_ends_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_BATCH_REPORTS", 2)
    store = Store.open(tmp_path / "s.duckdb", create=True)
    with store.writing() as connection:
        connection.execute("CREATE UNIQUE INDEX one_a_day ON reports (day)")
    with pytest.raises(StoreError, match=r"(?i)duplicate key"):
        put(store, *some(10))


def _not_staying(_: Store) -> NoReturn:
    raise StoreError("the disk is full")


@contextmanager
def _not_leaving(store: Store) -> Iterator[object]:
    with STAYING(store) as stay:
        yield stay
    raise StoreError("the disk is full")


STAYING = Store.staying


@pytest.mark.parametrize("staying", [_not_staying, _not_leaving])
def test_what_goes_wrong_with_the_store_beside_batches_ends_the_load_too(
    monkeypatch: pytest.MonkeyPatch, staying: object
) -> None:
    monkeypatch.setattr(run_module, "_BATCH_REPORTS", 2)
    monkeypatch.setattr(Store, "staying", staying)
    with pytest.raises(StoreError, match="the disk is full"):
        put(Store.memory(), *some(10))


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_two_loads_into_one_store_at_a_time_do_not_wait_for_each_other_to_end(tmp_path: Path, kind: str) -> None:
    store = Store.memory() if kind == "memory" else Store.open(tmp_path / "s.duckdb", create=True)
    begun, over = threading.Event(), threading.Event()

    class Slow(Deliveries):
        def deliveries(self) -> Iterator[Delivery | Done]:
            begun.set()
            assert over.wait(20)
            yield from super().deliveries()

    slow = threading.Thread(target=load, args=[Slow(*some(20)), store], kwargs={"vouch": True})
    slow.start()
    begun.wait()
    assert put(store, *some(10)).reports == 10
    over.set()
    slow.join()
    assert domains.totals(store).reports == 20


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path / "s.duckdb", create=True)
    with monkeypatch.context() as broken:
        broken.setattr("loaders.batch._files", lambda *_: ask(store, "SELECT no_such_function()"))
        with pytest.raises(StoreError):
            put(store, *some(10))
    for table in ("reports", "policies", "deliveries", "payloads", "files"):
        assert ask(store, f"SELECT count(*) FROM {table}") == [(0,)]
    assert put(store, *some(10)).reports == 10


def test_a_number_of_statements_that_does_not_grow_with_the_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = {5: 0, 500: 0}
    for count in counted:
        store = Store.memory()
        seen: list[str] = []
        original = loaders.batch.Rows.insert  # type: ignore[attr-defined]
        monkeypatch.setattr(
            "loaders.batch.Rows.insert",
            lambda self, *given, o=original, s=seen: (s.append(self.table), o(self, *given)),
        )
        put(store, *some(count))
        counted[count] = len(seen)
        monkeypatch.undo()
    assert counted[5] == counted[500] <= 8


# Whatever comes.

_SEEDS = (
    mail(document(policy(failed=1, rows=[row()]))),
    gzip.compress(json.dumps(document()).encode(), mtime=0),
    json.dumps([document(), document(day="2026-03-11")]).encode(),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.sampled_from(_SEEDS), changes=st.integers(0, 2**32), count=st.integers(0, 12))
def test_any_damage_ends_as_a_report_a_refusal_or_a_skip(seed: bytes, changes: int, count: int) -> None:
    chance = random.Random(changes)
    content = bytearray(seed)
    for _ in range(count):
        place = chance.randrange(len(content))
        content[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(4))
    store = Store.memory()
    summary = put(store, bytes(content))
    assert summary.reports + summary.duplicates + summary.refused + summary.skipped >= 1
    outcomes = ask(store, "SELECT outcome, reason FROM deliveries")
    assert outcomes
    assert all(reason for outcome, reason in outcomes if outcome == "refused")
    store.close()


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_at_all_end_as_something(content: bytes) -> None:
    store = Store.memory()
    summary = put(store, content)
    assert summary.reports + summary.refused + summary.skipped >= 1
    store.close()


def test_names_that_are_no_text_are_stored_as_text(tmp_path: Path) -> None:
    name = os.path.join(os.fsencode(tmp_path), b"r\xff\x1b[31m.json")  # noqa: PTH118 - bytes
    with open(name, "wb") as file:  # noqa: PTH123 - bytes
        file.write(json.dumps(document()).encode())
    store = Store.memory()
    assert numbers(load_path(store, tmp_path)) == (1, 0, 0, 0)
    assert r"\xff" in ask(store, "SELECT source FROM deliveries")[0][0]


def test_failures_of_the_fingerprint_keep_their_first_day() -> None:
    store = filled(*[document(policy(failed=1, rows=[row()]), day=f"2026-03-{day:02}") for day in (10, 12)])
    [print_] = failures.fingerprints(store)
    assert (print_.first_day.day, print_.last_day.day, print_.days) == (10, 12, 2)
