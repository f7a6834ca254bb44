import gzip
import inspect
import io
import itertools
import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostile import archives
from hostile.archives import REPORT, Entry, tar_header, tar_of, zip_by_hand, zip_of
from hostile.mails import HEADERS, report_mail

from loaders import Delivery, Done, File, Source, SourceError, directory
from loaders.directory import Directory, measure, reopened
from tlsrpt.limits import LIMITS

SMALL = LIMITS._replace(message_size=20_000)
FROM = b"From tls@sender.example Wed May 13 11:43:04 2026\n"


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def deliveries(*paths: Path, limits: object = LIMITS) -> list[Delivery]:
    assert isinstance(limits, type(LIMITS))
    return [one for one in Directory(paths, limits=limits).deliveries() if isinstance(one, Delivery)]


def only(path: Path, limits: object = LIMITS) -> Delivery:
    [delivery] = deliveries(path, limits=limits)
    return delivery


def found(*paths: Path) -> list[str]:
    return [Path(delivery.source).name for delivery in deliveries(*paths)]


def refusals(path: Path, limits: object = LIMITS) -> list[tuple[str, str]]:
    return [(one.member, one.refused) for one in deliveries(path, limits=limits) if one.refused]


# Finding files


def test_a_file_is_delivered_as_it_lies_and_then_done(tmp_path: Path) -> None:
    path = write(tmp_path / "report.json.gz", gzip.compress(REPORT))
    source: Source = Directory([path])
    status = path.stat()
    assert list(source.deliveries()) == [
        Delivery(str(path), "", gzip.compress(REPORT)),
        Done(File(str(path), status.st_size, status.st_mtime_ns)),
    ]


def test_a_directory_is_walked_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b/z.json", "b/a.json", "c.json", "a/deep/er/x.eml", "a.json"):
        write(tmp_path / name, b"{}")
    assert found(tmp_path) == ["a.json", "x.eml", "a.json", "z.json", "c.json"]


def test_hidden_files_are_passed_over_unless_given(tmp_path: Path) -> None:
    hidden = write(tmp_path / ".hidden", b"{}")
    write(tmp_path / ".cache" / "x", b"{}")
    assert found(tmp_path) == []
    assert found(hidden) == [".hidden"]


def test_a_maildir_is_read_with_its_folders_but_not_what_is_still_being_delivered(tmp_path: Path) -> None:
    for folder in ("", ".Junk/"):
        for place in ("cur/1:2,S", "new/2", "tmp/3", "dovecot.index"):
            write(tmp_path / folder / place, report_mail())
    write(tmp_path / "dovecot-uidlist", b"3 V1\n")
    assert found(tmp_path) == ["1:2,S", "2", "1:2,S", "2"]


def test_a_directory_called_tmp_is_read_where_there_is_no_maildir(tmp_path: Path) -> None:
    write(tmp_path / "tmp" / "a.json", b"{}")
    assert found(tmp_path) == ["a.json"]


def test_reading_a_maildir_or_a_mistyped_path_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        deliveries(tmp_path / "typo")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_does_not_exist_is_named_before_anything_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", b"{}")
    with pytest.raises(SourceError, match=f"^{tmp_path}/no: no such file or directory$"):
        next(iter(Directory([path, tmp_path / "no"]).deliveries()))
    with pytest.raises(SourceError):
        measure([tmp_path / "no"])


def test_names_that_are_not_text_are_told_as_text(tmp_path: Path) -> None:
    for name in (b"\xff\n\x1b[31m.json", "ä.json".encode()):
        write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)), b"{}")
    first, second = deliveries(tmp_path)
    assert (first.source, second.source) == (f"{tmp_path}/ä.json", f"{tmp_path}/\\xff\n\x1b[31m.json")
    assert first.content == second.content == b"{}"


def test_directories_may_lie_deeper_than_the_stack(tmp_path: Path) -> None:
    write(tmp_path / Path(*"d" * 200) / "a.json", b"{}")
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        assert found(tmp_path) == ["a.json"]
    finally:
        sys.setrecursionlimit(before)


def test_files_are_found_only_as_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "_BATCH", 1_000)
    for number in range(1_000):
        write(tmp_path / "a" / str(number), b"{}")
    late = write(tmp_path / "b" / "late", b"{}")
    read = iter(Directory([tmp_path]).deliveries())
    assert isinstance(next(read), Delivery)
    late.rename(late.with_name("renamed"))
    assert Path(*[one.source for one in read if isinstance(one, Delivery)][-1:]).name == "renamed"


def test_measure_counts_files_and_bytes_without_reading(tmp_path: Path) -> None:
    write(tmp_path / "a.json", b"{}")
    write(tmp_path / "b" / "c", b"12345")
    assert measure([tmp_path, tmp_path / "a.json", "-"]) == (3, 9)


# Known files


def test_known_files_are_counted_and_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "_BATCH", 1_000)
    for number in range(2_500):
        write(tmp_path / f"{number:04}.json", b"{}")
    asked = []

    def known(files: list[File]) -> set[File]:
        asked.append(len(files))
        for file in files[1:]:
            Path(file.path).unlink()
        return set(files[1:])

    source = Directory([tmp_path], known=known)
    done = [one.file.path[-9:] for one in source.deliveries() if isinstance(one, Done)]
    assert done == ["0000.json", "1000.json", "2000.json"]
    assert asked == [1_000, 1_000, 500]
    assert source.known_files == 2_497


def test_a_file_that_changed_is_not_known(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", b"{}")
    [first] = (one.file for one in Directory([path]).deliveries() if isinstance(one, Done))
    write(path, b"{ }")
    assert [one for one in Directory([path], known=lambda _: {first}).deliveries() if isinstance(one, Delivery)]


# Files that cannot be read


def test_special_files_are_refused_and_the_walk_goes_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a-fifo")
    (tmp_path / "b-loop").symlink_to("b-loop")
    (tmp_path / "c-zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "d-socket"))
    write(tmp_path / "e.json", b"{}")
    assert [(Path(one.source).name, one.refused) for one in deliveries(tmp_path)] == [
        ("a-fifo", "not a regular file"),
        ("b-loop", "a symbolic link"),
        ("c-zero", "a symbolic link"),
        ("d-socket", "not a regular file"),
        ("e.json", None),
    ]


def test_a_symbolic_link_that_the_operator_names_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "real" / "a.json", b"{}")
    (tmp_path / "file").symlink_to(tmp_path / "real" / "a.json")
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    assert only(tmp_path / "file").content == b"{}"
    assert only(tmp_path / "folder").content == b"{}"
    assert only(Path("/dev/zero")).refused == "not a regular file"


def test_a_fifo_in_the_place_of_a_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", b"{}")

    def replace(_: list[File]) -> set[File]:
        path.unlink()
        os.mkfifo(path)
        return set()

    [delivery, _] = Directory([tmp_path], known=replace).deliveries()
    assert isinstance(delivery, Delivery)
    assert delivery.refused == "not a regular file"


def test_a_file_that_cannot_be_opened_is_refused_and_not_done(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        write(tmp_path / name, b"{}")

    def remove(files: list[File]) -> set[File]:
        Path(files[0].path).unlink()
        return set()

    first, second, done = Directory([tmp_path], known=remove).deliveries()
    assert first == Delivery(str(tmp_path / "a.json"), "", b"", "no such file or directory")
    assert isinstance(second, Delivery)
    assert isinstance(done, Done)
    assert done.file.path == second.source


NOBODY = """
import os, sys
from loaders.directory import Directory, reopened
from loaders import Delivery
if os.geteuid() == 0:
    os.setuid(65534)
for one in Directory(sys.argv[1:]).deliveries():
    print(one.refused if isinstance(one, Delivery) else "done")
"""


def test_files_and_directories_without_permission_are_refused_and_the_walk_goes_on(tmp_path: Path) -> None:
    for parent in itertools.takewhile(lambda parent: parent.stat().st_mode & 0o001 == 0, tmp_path.parents):
        parent.chmod(0o711)
    tmp_path.chmod(0o755)
    write(tmp_path / "a.json", b"{}").chmod(0)
    write(tmp_path / "b" / "c.json", b"{}").parent.chmod(0)
    write(tmp_path / "d.json", b"{}")
    run = [sys.executable, "-c", NOBODY, str(tmp_path)]
    lines = subprocess.run(run, stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout.splitlines()
    (tmp_path / "b").chmod(0o700)
    assert lines == ["permission denied", "permission denied", "done", "None", "done"]


def test_a_file_larger_than_a_message_may_be_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as sparse:
        sparse.truncate(1 << 40)
    write(tmp_path / "b.json", b" " * 20_000)
    write(tmp_path / "c.json", b" " * 20_001)
    assert only(tmp_path / "a.json") == Delivery(str(tmp_path / "a.json"), "", b"", "larger than 16 MiB")
    assert len(only(tmp_path / "b.json", SMALL).content) == 20_000
    assert only(tmp_path / "c.json", SMALL).refused == "larger than 20000 bytes"


@pytest.mark.parametrize("size", [0, 65_535, 65_536, 65_537, 3_000_000])
def test_files_of_every_size_are_read_whole(tmp_path: Path, size: int) -> None:
    content = bytes(range(1, 252)) * (size // 251 + 1)
    assert only(write(tmp_path / "a", content[:size])).content == content[:size]


# zip


@pytest.mark.parametrize("name", ["reports.zip", "reports"])
def test_a_zip_is_delivered_member_by_member(tmp_path: Path, name: str) -> None:
    content = zip_of({"2026/": b"", "2026/b.json.gz": gzip.compress(REPORT), "__MACOSX/x": b"x", "a.json": REPORT})
    path = write(tmp_path / name, content)
    assert deliveries(path) == [
        Delivery(str(path), "2026/b.json.gz", gzip.compress(REPORT)),
        Delivery(str(path), "a.json", REPORT),
    ]


@pytest.mark.parametrize("end", [bytes, archives.zip64])
def test_a_zip_may_have_any_number_of_members(tmp_path: Path, end: Callable[[bytes], bytes]) -> None:
    path = write(tmp_path / "a.zip", end(zip_of({f"{number:040}": b"x" for number in range(2_000)})))
    found = deliveries(path)
    assert len(found) == 2_000
    assert found[-1] == Delivery(str(path), f"{1_999:040}", b"x")


def test_zip64_sizes_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("a", "b"):
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(REPORT)
    assert [one.content for one in deliveries(tmp_path / "a.zip")] == [REPORT, REPORT]


def test_members_of_a_zip_that_cannot_be_read_are_named_and_the_archive_is_kept(tmp_path: Path) -> None:
    content = zip_by_hand(
        Entry(b"a", flags=1),
        Entry(b"good", REPORT),
        Entry(b"b", bytes(30_000)),
        Entry(b"c", checksum=1),
        Entry(b"d", method=99),
    )
    path = write(tmp_path / "a.zip", content)
    good, bad, done = Directory([path], limits=SMALL).deliveries()
    assert good == Delivery(str(path), "good", REPORT)
    assert bad == Delivery(
        str(path),
        "",
        content,
        "zip: a: encrypted entries are not supported; b: larger than 20000 bytes when unpacked; "
        "c: damaged entry: incorrect checksum; d: compression method 99 is not supported",
    )
    assert isinstance(done, Done)
    assert list(reopened(content, str(path), SMALL)) == [good, bad]


def test_an_archive_with_many_bad_members_names_some_and_counts_the_rest(tmp_path: Path) -> None:
    content = zip_by_hand(*[Entry(str(number).encode(), flags=1) for number in range(30)])
    [(_, reason)] = refusals(write(tmp_path / "a.zip", content))
    assert reason.count("encrypted") == 10
    assert reason.endswith("; and 20 more")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (archives.zip_overlapping(2), "zip: overlapping entries"),
        (zip_of({"a": REPORT})[:-30], "zip: truncated"),
        (archives.zip64(zip_of({"a": REPORT})).replace(b"PK\6\6", b"PK\6\5"), "zip: damaged"),
        (b"PK\3\4" * 40_000, "zip: truncated"),
    ],
)
def test_a_zip_that_cannot_be_trusted_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = write(tmp_path / "a.zip", content)
    first, done = Directory([path]).deliveries()
    # Kept whole, unless it is too large to keep.
    assert first == Delivery(str(path), "", content, reason)
    assert isinstance(done, Done)


# tar


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_is_delivered_member_by_member(tmp_path: Path, mode: str) -> None:
    path = write(tmp_path / "reports", tar_of({"a/b.json.gz": gzip.compress(REPORT), "n" * 200: REPORT}, mode))
    assert deliveries(path) == [
        Delivery(str(path), "a/b.json.gz", gzip.compress(REPORT)),
        Delivery(str(path), "n" * 200, REPORT),
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_tar_is_refused_from_the_damage_on(tmp_path: Path, *, packed: bool) -> None:
    content = tar_of({"a": REPORT, "b": os.urandom(5_000), "c": REPORT})
    content = gzip.compress(content)[:3_000] if packed else content[:3_000]
    first, second = deliveries(write(tmp_path / "a.tar", content))
    assert (first.member, first.content) == ("a", REPORT)
    assert (second.member, second.content, second.refused) == ("", content, "tar: truncated")


def test_only_regular_members_of_a_tar_are_delivered_and_none_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", archives.tar_of_odd_members())
    assert only(path) == Delivery(str(path), "../../../owned.json", REPORT)
    assert list(tmp_path.iterdir()) == [path]


def test_a_member_of_a_tar_that_is_too_large_is_passed_over(tmp_path: Path) -> None:
    content = tar_of({"a": bytes(30_000), "b": REPORT})
    for name, mode in (("a.tar", content), ("a.tar.gz", gzip.compress(content))):
        first, second = deliveries(write(tmp_path / name, mode), limits=SMALL)
        assert (first.member, first.refused) == ("a", "tar: larger than 20000 bytes")
        assert (second.member, second.content) == ("b", REPORT)


def test_a_tar_of_giant_or_chained_headers_takes_no_memory(tmp_path: Path) -> None:
    assert refusals(write(tmp_path / "a", archives.tar_giant_header())) == [("", "tar: header larger than 64 KiB")]
    chained = archives.tar_chained_headers() + tar_header(b"0", 2) + b"{}".ljust(512, b"\0")
    assert only(write(tmp_path / "b", chained)).member == "a"


# mbox


def mbox(*messages: bytes, line_break: bytes = b"\n") -> bytes:
    return b"".join(FROM + message + b"\n" for message in messages).replace(b"\n", line_break)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("line_break", [b"\n", b"\r\n"])
def test_an_mbox_is_delivered_message_by_message(tmp_path: Path, line_break: bytes, *, packed: bool) -> None:
    messages = [report_mail(), HEADERS + b"\nFirst.\n\nFrom here on text.\n", report_mail()]
    content = mbox(*messages, line_break=line_break)
    path = write(tmp_path / "reports", gzip.compress(content) if packed else content)
    assert deliveries(path) == [
        Delivery(str(path), f"message {number}", message.replace(b"\n", line_break))
        for number, message in enumerate(messages, 1)
    ]


def test_a_mangled_line_is_mended(tmp_path: Path) -> None:
    content = mbox(HEADERS + b"\n>From here\n>>From there\n> From x\n")
    assert only(write(tmp_path / "a", content)).content == HEADERS + b"\nFrom here\n>From there\n> From x\n"


def test_a_message_is_found_where_the_blank_line_before_it_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a", FROM + HEADERS + b"\nno line break at the end\n" + FROM + HEADERS + b"\n")
    assert [one.member for one in deliveries(path)] == ["message 1", "message 2"]


def test_a_message_of_an_mbox_that_is_too_large_is_refused_alone(tmp_path: Path) -> None:
    large = HEADERS + b"\n" + b"x" * 72 + b"\n" + b"y\n" * 3_000_000
    path = write(tmp_path / "a", mbox(large, report_mail(), large, HEADERS + b"\n" + b"z" * 20_000, report_mail()))
    assert [(one.content, one.refused) for one in deliveries(path, limits=SMALL)] == [
        (b"", "larger than 20000 bytes"),
        (report_mail(), None),
        (b"", "larger than 20000 bytes"),
        (b"", "larger than 20000 bytes"),
        (report_mail(), None),
    ]


def test_messages_are_found_wherever_the_chunks_of_an_mbox_end(tmp_path: Path) -> None:
    for filler in itertools.chain(range(0, 140, 7), range(4_000, 4_200, 23)):
        messages = [HEADERS + b"\n" + b"x" * ((1 << 20) - filler - len(HEADERS) - len(FROM)) + b"\n", report_mail()]
        assert [one.content for one in deliveries(write(tmp_path / "a", mbox(*messages)))] == messages


def test_a_cut_gzip_of_an_mbox_is_refused_from_there_on(tmp_path: Path) -> None:
    content = mbox(*[HEADERS + b"\n" + os.urandom(1 << 20).replace(b"\n", b"").hex().encode() + b"\n"] * 3)
    *before, last = deliveries(write(tmp_path / "a", gzip.compress(content, 1)[:-2_000_000]))
    assert before
    assert not any(one.refused for one in before)
    assert last.refused == "mbox: truncated"


@pytest.mark.parametrize("end", [b"\r\n", b"\0" * 40, b"rubbish"])
def test_bytes_after_the_gzip_of_an_mbox_cost_nothing(tmp_path: Path, end: bytes) -> None:
    content = gzip.compress(mbox(*[report_mail()] * 50)) + end
    assert [one.content for one in deliveries(write(tmp_path / "a", content))] == [report_mail()] * 50


def test_the_messages_before_a_cut_are_kept_however_short_the_mbox_is(tmp_path: Path) -> None:
    *before, last = deliveries(write(tmp_path / "a", gzip.compress(mbox(*[report_mail()] * 50))[:-20]))
    assert len(before) >= 45
    assert {one.content for one in before} == {report_mail()}
    assert last.refused == "mbox: truncated"


def test_an_mbox_in_an_archive_is_split_too(tmp_path: Path) -> None:
    content = mbox(report_mail(), report_mail())
    packed = gzip.compress(content)
    for name, archive in (
        ("a.zip", zip_of({"in/box": content})),
        ("a.tar", tar_of({"in/box": content})),
        ("b.zip", zip_of({"in/box": packed})),
        ("b.tar", tar_of({"in/box": packed})),
    ):
        found = deliveries(write(tmp_path / name, archive))
        assert [(one.member, one.content) for one in found] == [
            ("in/box message 1", report_mail()),
            ("in/box message 2", report_mail()),
        ]


def test_an_mbox_of_many_messages_is_streamed(tmp_path: Path) -> None:
    write(tmp_path / "a", mbox(*[report_mail()] * 5_000))
    read = iter(Directory([tmp_path / "a"]).deliveries())
    assert all(isinstance(next(read), Delivery) for _ in range(5_000))
    assert isinstance(next(read), Done)


# Standard input


@pytest.mark.parametrize(
    ("content", "members"),
    [
        (REPORT, [""]),
        (gzip.compress(REPORT), [""]),
        (zip_of({"a": REPORT, "b": REPORT}), ["a", "b"]),
        (tar_of({"a": REPORT, "b": REPORT}, "w:gz"), ["a", "b"]),
        (mbox(report_mail(), report_mail()), ["message 1", "message 2"]),
        (b"", [""]),
    ],
    ids=itertools.count(),  # compressed bytes tell the time, and would be other names for other workers
)
def test_standard_input_is_read_like_a_file(
    monkeypatch: pytest.MonkeyPatch, content: bytes, members: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    found = list(Directory(["-"]).deliveries())
    assert [one.member for one in found if isinstance(one, Delivery)] == members
    assert {one.source for one in found if isinstance(one, Delivery)} == {"-"}
    assert not any(isinstance(one, Done) for one in found)


def test_endless_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loaders.directory._INPUT", 3 << 20)
    with Path("/dev/zero").open("rb") as endless:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(endless))
        assert list(Directory(["-"]).deliveries()) == [Delivery("-", "", b"", "larger than 3 MiB")]


# Damaged files


@pytest.fixture
def descriptors() -> Iterator[None]:
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("name", archives.BOMBS)
def test_a_bomb_in_a_file_ends_in_deliveries_each_no_larger_than_a_message(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "bomb", archives.BOMBS[name]())
    *found, done = Directory([path]).deliveries()
    assert all(isinstance(one, Delivery) and len(one.content) <= LIMITS.message_size for one in found)
    assert isinstance(done, Done)


@pytest.mark.usefixtures("descriptors")
def test_a_reader_who_stops_early_leaves_no_file_open(tmp_path: Path) -> None:
    path = write(tmp_path / "a", gzip.compress(mbox(*[report_mail()] * 10)))
    read = Directory([path]).deliveries()
    next(iter(read))
    del read
