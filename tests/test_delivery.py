import base64
import gzip
import json

import pytest
from hostile import archives, mails
from hostile.archives import REPORT, Entry, tar_of, zip_by_hand, zip_of
from hostile.child import Outcome, unpack_apart
from hostile.mails import ANNOUNCED, HEADERS, NAME, TEXT, attachment, forwarded, message, report_mail
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tlsrpt.delivery import Document, Mail, Opened, Refused, Skipped, unpack
from tlsrpt.limits import LIMITS

MEBIBYTE = 1 << 20
DMARC = b'<?xml version="1.0"?>\n<feedback><report_metadata/></feedback>'
DMARC_SUBJECT = b"Subject: Report domain: example.com Submitter: sender.example Report-ID: 1\n"


def only(content: bytes, name: str = "") -> Opened:
    [opened] = unpack(content, name)
    return opened


def document(content: bytes, name: str = "") -> Document:
    opened = only(content, name)
    assert isinstance(opened, Document), opened
    return opened


def refusal(content: bytes, name: str = "") -> str:
    opened = only(content, name)
    assert isinstance(opened, Refused), opened
    return opened.reason


def reports(content: bytes) -> list[bytes]:
    return [opened.content for opened in unpack(content) if isinstance(opened, Document)]


# Told apart by first bytes


@pytest.mark.parametrize("name", ["report.json", "report.json.gz", "mail.eml", "", "archive.zip"])
@pytest.mark.parametrize(
    "content",
    [
        REPORT,
        gzip.compress(REPORT),
        zip_of({"a": REPORT}),
        tar_of({"a": REPORT}),
        base64.encodebytes(gzip.compress(REPORT)),
    ],
    ids=["json", "gzip", "zip", "tar", "base64"],
)
def test_a_report_is_found_whatever_the_file_is_called(content: bytes, name: str) -> None:
    assert document(content, name).content == REPORT


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_json_is_handed_on_untouched_in_every_encoding(encoding: str) -> None:
    content = ("\r\n\t " + REPORT.decode()).encode(encoding)
    assert document(content) == Document("", content, None, ())


def test_an_array_of_reports_is_one_document() -> None:
    assert document(b"[" + REPORT + b"," + REPORT + b"]").content.startswith(b"[")


def test_json_of_something_else_is_skipped() -> None:
    assert only(b'{"name": "left-pad", "version": "1"}', "package.json") == Skipped("package.json", "not a report")
    assert only(b"[section]\nkey = value\n", "a.ini") == Skipped("a.ini", "not a report")


def test_json_that_was_announced_by_its_name_is_left_to_the_parser() -> None:
    assert document(b'{"organiz', "a.example!b.example!1!2.json").content == b'{"organiz'
    assert document(gzip.compress(b"{}"), NAME).name == NAME


@pytest.mark.parametrize("key", ["policies", "date-range", "organization-name", "report-id", "tls-report"])
def test_one_key_of_a_report_is_enough(key: str) -> None:
    assert document(json.dumps({key: None}).encode())


@pytest.mark.parametrize("content", [b"", b"\n", b"# Read me\n", b"\x89PNG\r\n\x1a\n", b"\0" * 600, b"name: value\n"])
def test_other_files_are_skipped(content: bytes) -> None:
    assert only(content, "x") == Skipped("x", "not a report")


def test_what_claims_to_be_a_report_and_is_not_is_refused() -> None:
    assert refusal(b"not found", NAME) == "neither JSON nor an archive nor mail"
    assert refusal(b"", NAME) == "empty"
    assert refusal(gzip.compress(b""), NAME) == "empty"


@pytest.mark.parametrize(
    ("magic", "kind"),
    [(b"BZh9", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07\0", "rar")],
)
def test_archives_that_are_not_supported_are_refused_by_name_where_a_report_is_expected(
    magic: bytes, kind: str
) -> None:
    assert refusal(magic + b"...", f"tls-reports.{kind}") == f"{kind} archives are not supported"
    assert refusal(message(TEXT, attachment(magic + b"..."))) == f"{kind} archives are not supported"
    assert only(magic + b"...", "backup") == Skipped("backup", "not a report")


def test_a_dmarc_report_in_a_file_is_skipped() -> None:
    for content in (DMARC, gzip.compress(DMARC), zip_of({"a.xml": DMARC})):
        assert [opened.what for opened in unpack(content) if isinstance(opened, Skipped)] == ["dmarc report"]


def test_more_than_a_message_may_have_is_refused_unread() -> None:
    assert refusal(REPORT + b" " * LIMITS.message_size) == "larger than 16 MiB"


def test_a_document_larger_than_the_limit_is_refused() -> None:
    assert refusal(REPORT + b" " * LIMITS.document_size) == "larger than 10 MiB"
    assert refusal(gzip.compress(REPORT + b" " * LIMITS.document_size)) == "gzip: larger than 10 MiB when unpacked"


# gzip


@pytest.mark.parametrize(
    ("rest", "remark"),
    [
        (b"\r\n", "2 bytes after the gzip stream"),  # Mimecast
        (b"\0" * 100, "100 bytes of zero padding after the gzip stream"),
    ],
)
def test_bytes_after_a_gzip_stream_are_noted(rest: bytes, remark: str) -> None:
    [defect] = document(gzip.compress(REPORT) + rest).defects
    assert defect == ("", remark)


def test_the_members_of_a_gzip_file_are_one_document() -> None:
    packed = b"".join(gzip.compress(REPORT[at : at + 10]) for at in range(0, len(REPORT), 10))
    assert document(packed).content == REPORT
    assert document(packed).defects == ()


def test_more_gzip_members_than_eight_are_refused() -> None:
    assert document(gzip.compress(b"") * 7 + gzip.compress(REPORT)).content == REPORT
    assert refusal(gzip.compress(b"") * 8 + gzip.compress(REPORT)) == "gzip: more than 8 members"


def test_damaged_gzip_is_refused_with_what_is_wrong() -> None:
    assert refusal(gzip.compress(REPORT)[:-9]) == "gzip: truncated"
    assert refusal(gzip.compress(REPORT)[:-1]) == "gzip: truncated"
    assert refusal(archives.gzip_wrong_checksum()) == "gzip: damaged: incorrect data check"


def test_a_long_name_in_a_gzip_header_does_no_harm() -> None:
    assert document(archives.gzip_with_long_name()).content == REPORT


def test_gzip_in_gzip_is_read_three_layers_deep() -> None:
    assert document(archives.gzip_nested(3)).content == REPORT
    assert refusal(archives.gzip_nested(4)) == "more than 3 containers in one another"


def test_base64_of_base64_is_read_and_noted() -> None:
    packed = base64.b64encode(base64.encodebytes(gzip.compress(REPORT)))
    assert [defect.message for defect in document(packed).defects] == ["encoded as base64"] * 2


@pytest.mark.parametrize("end", [b"=", b"x", b"x=x", b"x===", b"=" * 8, b"\xff", b"\n\n--\n"])
def test_base64_that_does_not_end_well_is_something_else(end: bytes) -> None:
    packed = base64.b64encode(gzip.compress(REPORT))[:40]
    assert only(packed + b"x" + end, "x") == Skipped("x", "not a report")


# zip


def test_every_report_in_a_zip_is_read_in_order() -> None:
    content = zip_of(
        {
            "2026/": b"",
            "2026/b.json": REPORT,
            "__MACOSX/2026/._b.json": b"\0\5\x16\7",
            "empty.json": b"",
            "2026/a.json.gz": gzip.compress(REPORT),
        }
    )
    assert [opened.name for opened in unpack(content)] == ["2026/b.json", "2026/a.json.gz"]
    assert reports(content) == [REPORT, REPORT]


def test_stored_entries_are_read() -> None:
    assert document(zip_by_hand(Entry(method=0))).content == REPORT


def test_a_report_beside_a_broken_one_is_kept() -> None:
    content = zip_by_hand(Entry(b"bad", checksum=1), Entry(b"good"), Entry(b"worse", flags=1))
    good, bad = unpack(content, "a.zip")
    assert good == Document("good", REPORT, None, ())
    # One refusal for all, with the archive.
    reason = "zip: bad: damaged entry: incorrect checksum; worse: encrypted entries are not supported"
    assert bad == Refused("a.zip", content, None, reason)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry(flags=1), "encrypted entries are not supported"),
        (Entry(method=9), "compression method 9 is not supported"),
        (Entry(method=12), "compression method 12 is not supported"),
        (Entry(method=14), "compression method 14 is not supported"),
        (Entry(size=3), "damaged entry: not the size it states"),
        (Entry(size=1 << 31), "damaged entry: not the size it states"),
        (Entry(content=zip_of({"a": REPORT})), "a zip in a zip is not supported"),
        (Entry(offset=5), "damaged entry"),
        (Entry(offset=1 << 31), "damaged entry"),
    ],
)
def test_zip_entries_that_cannot_be_read_are_refused(entry: Entry, reason: str) -> None:
    assert refusal(zip_by_hand(entry)).removeprefix("zip: ").removeprefix("report.json: ") == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (archives.zip_overlapping(2), "overlapping entries"),
        (archives.zip_huge_directory(), "directory larger than 64 KiB"),
        (archives.zip64(zip_of({"a": REPORT})), "zip64 is not supported"),
        (zip_by_hand(*[Entry()] * 17), "more than 16 entries"),
        (zip_of({"a": REPORT})[:-30], "truncated"),
        (zip_of({"a": REPORT})[10:].join([b"PK\3\4"] * 2), "damaged"),
        (b"PK\3\4 not a zip", "truncated"),
    ],
)
def test_zips_that_cannot_be_trusted_are_refused_as_a_whole(content: bytes, reason: str) -> None:
    assert refusal(content) == f"zip: {reason}"


def test_an_archive_with_nothing_in_it_is_skipped_or_refused_where_a_report_was_announced() -> None:
    for empty in (zip_of({}), zip_of({"folder/": b""}), tar_of({})):
        assert only(empty, "x") == Skipped("x", "not a report")
    assert refusal(zip_of({"folder/": b""}), NAME) == "empty"


# tar


def test_every_report_in_a_tar_is_read() -> None:
    long_name = "folder/" * 30 + "a.json"
    content = tar_of({"a.json": REPORT, "b.json.gz": gzip.compress(REPORT), long_name: REPORT, "read.me": b"x"})
    opened = list(unpack(content))
    assert [one.name for one in opened] == ["a.json", "b.json.gz", long_name, "read.me"]
    assert reports(content) == [REPORT] * 3
    assert reports(gzip.compress(content)) == [REPORT] * 3


def test_only_regular_files_of_a_tar_are_looked_at() -> None:
    assert only(archives.tar_of_odd_members()) == Document("../../../owned.json", REPORT, None, ())


@pytest.mark.parametrize("cut", [700, 1030])
def test_a_cut_tar_is_refused_from_there_on(cut: int) -> None:
    content = tar_of({"a": REPORT[:20], "b": REPORT * 100})[: 1024 + cut]
    assert [opened for opened in unpack(content) if isinstance(opened, Refused)][-1].reason == "tar: truncated"


def test_a_tar_with_a_damaged_header_is_refused_from_there_on() -> None:
    content = bytearray(tar_of({"a": REPORT, "b": REPORT}))
    content[1024] ^= 1
    first, second = unpack(bytes(content))
    assert isinstance(first, Document)
    assert isinstance(second, Refused)
    assert second.reason == "tar: damaged header"


# Mail


def test_a_report_in_a_mail_comes_with_what_the_mail_says() -> None:
    opened = document(report_mail())
    assert opened.name == NAME
    assert opened.content == REPORT
    assert opened.mail is not None
    assert opened.mail.message_id == "<1@sender.example>"
    assert opened.mail.sender == "sender.example"
    assert opened.mail.report_submitter == "sender.example"


def test_a_from_line_before_a_mail_is_dropped() -> None:
    assert document(b"From tls@sender.example Wed May 13 11:43:04 2026\n" + report_mail()).content == REPORT


@pytest.mark.parametrize(
    "part",
    [
        attachment(),
        attachment(name=""),  # M4
        attachment(kind="application/octet-stream", name=""),  # M5
        attachment(kind="application/x-zip-compressed", name="x"),
        attachment(zip_of({"a.json": REPORT}), name="a.gz"),  # M6
        attachment(REPORT),
        attachment(REPORT, kind="application/tlsrpt+json", encoding="7bit"),
        attachment(REPORT, kind="application/tlsrpt+json", encoding="8bit"),
        attachment(REPORT.replace(b"=", b"=3D"), kind="application/json", encoding="quoted-printable"),
        attachment(base64.encodebytes(gzip.compress(REPORT))),  # M15
        b"ContentType: application/tlsrpt+gzip\nContent-Transfer-Encoding: base64\n\n"  # M8
        + base64.encodebytes(gzip.compress(REPORT)),
        attachment(REPORT, kind="text/plain", encoding="7bit", name=""),  # M9
        attachment().rstrip(b"\n=") + b"\n",  # M14
    ],
)
@pytest.mark.parametrize("kind", ["multipart/report; report-type=tlsrpt", "multipart/mixed", "MULTIPART/Related"])
def test_the_report_is_found_whatever_the_labels_say(part: bytes, kind: str) -> None:
    mail = message(TEXT, part, b"Content-Type: text/plain\n\n", kind=kind)
    assert reports(mail) == [REPORT]
    assert reports(mail.replace(b"\n", b"\r\n")) == [REPORT]


def test_a_whole_message_may_be_the_report() -> None:
    assert document(HEADERS + attachment()).content == REPORT
    assert document(HEADERS + b"\n" + REPORT).content == REPORT


def test_all_reports_of_a_mail_are_read() -> None:
    assert (
        reports(message(TEXT, attachment(), attachment(REPORT), attachment(zip_of({"a": REPORT, "b": REPORT}))))
        == [REPORT] * 4
    )


def test_more_than_ten_report_attachments_are_refused() -> None:
    opened = list(unpack(message(*[attachment()] * 12)))
    # Each of the others by itself, so that none is lost.
    assert [type(one) for one in opened] == [Document] * 10 + [Refused] * 2
    assert {one.reason for one in opened if isinstance(one, Refused)} == {"more than 10 report attachments"}


def test_a_forwarded_report_is_labelled_by_the_inner_mail() -> None:
    inner = message(TEXT, attachment(), headers=HEADERS.replace(b"<1@", b"<inner@"))
    opened = document(forwarded(1, inner))
    assert opened.mail is not None
    assert opened.mail.message_id == "<inner@sender.example>"
    assert reports(forwarded(3, inner)) == [REPORT]
    assert refusal(forwarded(4, report_mail())) == "more than 3 mails in one another"


def test_a_mail_attached_under_another_label_is_read() -> None:
    mail = message(TEXT, attachment(report_mail(), kind="application/octet-stream", name="a.eml"), headers=HEADERS)
    assert reports(mail) == [REPORT]


@pytest.mark.parametrize(
    "mail",
    [
        HEADERS + DMARC_SUBJECT + attachment(DMARC, kind="text/xml", name="a.xml"),
        message(
            TEXT,
            attachment(gzip.compress(DMARC), kind="application/gzip", name="a.gz"),
            kind="multipart/mixed",
            headers=HEADERS,
        ),
        message(
            TEXT,
            attachment(zip_of({"a.xml": DMARC}), kind="application/zip", name="a!b!1!2.zip"),
            kind="multipart/mixed",
            headers=HEADERS + DMARC_SUBJECT,
        ),
        message(
            TEXT,
            attachment(b"PK\3\4cut", kind="application/zip", name="a!b!1!2.xml.zip"),
            kind="multipart/mixed",
            headers=HEADERS + DMARC_SUBJECT,
        ),
        forwarded(1, HEADERS + DMARC_SUBJECT + attachment(DMARC, kind="text/xml", name="")),
    ],
)
def test_a_dmarc_mail_is_skipped_once(mail: bytes) -> None:
    assert only(mail, "m") == Skipped("m", "dmarc report")


@pytest.mark.parametrize(
    "mail",
    [
        HEADERS + b"Subject: Lunch?\n\nAt noon.\n",
        HEADERS + b"Content-Type: application/json\n\n{}",
        message(
            TEXT,
            attachment(b"PK\3\4broken", kind="application/zip", name="a.zip"),
            kind="multipart/mixed",
            headers=HEADERS,
        ),
        message(
            TEXT,
            attachment(gzip.compress(b"x")[:-4], kind="application/gzip", name="a.gz"),
            kind="multipart/mixed",
            headers=HEADERS,
        ),
        message(
            b"Content-Type: text/rfc822-headers\n\n" + HEADERS + ANNOUNCED,
            kind="multipart/report; report-type=delivery-status",
            headers=HEADERS,
        ),
        message(*[TEXT] * 201, kind="multipart/digest", headers=HEADERS),
    ],
)
def test_other_mail_is_skipped_once(mail: bytes) -> None:
    assert only(mail, "m") == Skipped("m", "other mail")


@pytest.mark.parametrize(
    "mail",
    [
        message(TEXT),
        message(TEXT, kind="multipart/mixed"),
        message(TEXT, headers=HEADERS, kind="multipart/report; report-type=TLSRPT"),
        HEADERS + DMARC_SUBJECT + b"\nThe attachment was removed.\n",
        HEADERS + ANNOUNCED + b"\n",
    ],
)
def test_a_mail_that_announces_a_report_and_has_none_is_refused_whole(mail: bytes) -> None:
    opened = only(mail, "m")
    assert isinstance(opened, Refused)
    assert opened.reason == "announces a TLS report and holds none"
    assert opened.content == mail
    assert opened.mail is not None


def test_a_broken_report_attachment_is_refused_with_that_part() -> None:
    broken = gzip.compress(REPORT)[:-12]
    [opened] = unpack(message(TEXT, attachment(broken)))
    assert isinstance(opened, Refused)
    assert (opened.name, opened.content, opened.reason) == (NAME, broken, "gzip: truncated")
    assert isinstance(opened.mail, Mail)


def test_an_empty_report_attachment_is_refused() -> None:
    assert refusal(message(TEXT, attachment(b""), headers=HEADERS, kind="multipart/mixed")) == "empty"


def test_no_other_encoding_than_those_of_mime_is_undone() -> None:
    part = attachment(b"begin 644 a\n+" + b"x" * 40 + b"\nend\n", encoding="x-uuencode")
    assert refusal(message(TEXT, part)) == "neither JSON nor an archive nor mail"


# Hostile


HOSTILE = archives.BOMBS | mails.HOSTILE


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("hostile")
    files = []
    for name, build in HOSTILE.items():
        files.append(folder / name)
        files[-1].write_bytes(build())
    return unpack_apart(files)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_ends_soon_in_little_memory(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes[name]
    assert outcome.kinds
    assert outcome.growth < 60 * MEBIBYTE
    assert outcome.seconds < 2


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - mails.HARMLESS - {"zip of many large entries"}))
def test_a_bomb_is_never_a_report(outcomes: dict[str, Outcome], name: str) -> None:
    assert "Document" not in outcomes[name].kinds


def test_what_one_delivery_unpacks_to_is_bounded_over_all_of_it() -> None:
    opened = list(unpack(archives.BOMBS["zip of many large entries"]()))
    assert [type(one) for one in opened] == [Document] * 2 + [Refused]
    assert isinstance(opened[-1], Refused)
    assert opened[-1].reason.count("larger than 20 MiB with all that is around it unpacked") == 14


anything = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
beginnings = st.sampled_from(
    [
        b"",
        b"\x1f\x8b\x08\0",
        b"PK\3\4",
        b"PK\5\6",
        b"{",
        b"\xff\xfe{",
        b"From a\n",
        HEADERS,
        HEADERS + b"\n",
        b"<?xml",
        b"BZh",
    ]
)


@anything
@given(beginnings, st.binary(max_size=2000))
def test_any_bytes_are_unpacked_without_an_exception(beginning: bytes, rest: bytes) -> None:
    assert all(isinstance(opened, Document | Refused | Skipped) for opened in unpack(beginning + rest))


SHAPES = [
    report_mail(),
    report_mail().replace(b"\n", b"\r\n"),
    forwarded(2, report_mail()),
    zip_of({"a.json": REPORT, "b.json.gz": gzip.compress(REPORT)}),
    tar_of({"a.json": REPORT, "n" * 120: REPORT}),
    gzip.compress(tar_of({"a.json": REPORT})),
    archives.gzip_with_long_name(10),
    REPORT.decode().encode("utf-16"),
]


@anything
@given(st.sampled_from(SHAPES), st.data())
def test_damaged_deliveries_are_unpacked_without_an_exception(shape: bytes, data: st.DataObject) -> None:
    content = bytearray(shape)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 40))
        content[at : at + length] = data.draw(
            st.binary(max_size=20) | st.sampled_from([b"\r", b"\n\n", b"--=_next", b"\0"])
        )
    assert list(unpack(bytes(content))) or bytes(content)
