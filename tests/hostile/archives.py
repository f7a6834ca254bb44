"""gzip, zip and tar files that lie, burst or break."""

import functools
import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

MEBIBYTE = 1 << 20
REPORT = b'{"organization-name":"Example","report-id":"1","date-range":{},"policies":[]}'


# gzip


def gzip_bomb(mebibytes: int = 2048) -> bytes:
    """A gzip file that grows a thousandfold; its checksum is never reached."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = deflate.compress(bytes(MEBIBYTE)) + deflate.flush(zlib.Z_FULL_FLUSH)
    again = deflate.compress(bytes(MEBIBYTE)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return first + again * (mebibytes - 1) + deflate.flush()


def gzip_members(count: int) -> bytes:
    return gzip.compress(b"{}") * count


def gzip_with_long_name(size: int = 5 * MEBIBYTE) -> bytes:
    packed = gzip.compress(REPORT, mtime=0)
    return packed[:3] + b"\x08" + packed[4:10] + b"n" * size + b"\0" + packed[10:]


def gzip_nested(layers: int) -> bytes:
    content = REPORT
    for _ in range(layers):
        content = gzip.compress(content)
    return content


def gzip_wrong_checksum() -> bytes:
    packed = bytearray(gzip.compress(REPORT))
    packed[-8] ^= 1
    return bytes(packed)


# zip


class Entry(NamedTuple):
    """An entry of a zip made by hand; what is None is told as it is."""

    name: bytes = b"report.json"
    content: bytes = REPORT
    method: int = 8
    flags: int = 0
    size: int | None = None
    checksum: int | None = None
    offset: int | None = None


@functools.lru_cache(1)
def _deflated(content: bytes) -> bytes:
    deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
    return deflate.compress(content) + deflate.flush()


def zip_by_hand(*entries: Entry) -> bytes:
    body, directory = b"", b""
    for entry in entries:
        packed = _deflated(entry.content) if entry.method else entry.content
        checksum = zlib.crc32(entry.content) if entry.checksum is None else entry.checksum
        size = len(entry.content) if entry.size is None else entry.size
        offset = len(body) if entry.offset is None else entry.offset
        common = struct.pack(
            "<HHHHHIIIHH", 20, entry.flags, entry.method, 0, 0, checksum, len(packed), size, len(entry.name), 0
        )
        directory += b"PK\x01\x02\x14\0" + common + struct.pack("<HHHII", 0, 0, 0, 0, offset) + entry.name
        body += b"PK\x03\x04" + common + entry.name + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end


def zip_overlapping(entries: int = 12) -> bytes:
    """Entries that share one kernel: 16 MiB of zeros, told many times."""
    return zip_by_hand(*[Entry(b"a.json", bytes(16 * MEBIBYTE), offset=0)] * entries)


def zip_huge_directory(entries: int = 60_000) -> bytes:
    line = b"PK\x01\x02" + bytes(24) + struct.pack("<H", 40) + bytes(16) + b"n" * 40
    start = zip_by_hand(Entry())
    end = struct.pack("<HHHHIIH", 0, 0, entries & 0xFFFF, entries & 0xFFFF, len(line) * entries, len(start), 0)
    return start + line * entries + b"PK\x05\x06" + end


def zip64(content: bytes) -> bytes:
    """The same zip, with the numbers of its directory where zip64 has them."""
    end = len(content) - 22
    count, length, offset = struct.unpack("<HII", content[end + 10 : end + 20])
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, length, offset)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1)
    return content[:end] + record + locator + content[end : end + 8] + b"\xff" * 12 + content[end + 20 :]


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


# tar


def tar_of(members: dict[str, bytes], mode: str = "w") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload] # a mode is a str here
        for name, content in members.items():
            information = tarfile.TarInfo(name)
            information.size = len(content)
            archive.addfile(information, io.BytesIO(content))
    return target.getvalue()


def tar_header(kind: bytes, size: int, name: bytes = b"x") -> bytes:
    """The header of a tar member of any type, claiming any size."""
    number = b"%011o\0" % size if size < 1 << 33 else b"\x80" + size.to_bytes(11, "big")
    fields = name.ljust(100, b"\0") + b"0000644\0" * 3 + number + b"00000000000\0"
    tail = kind + bytes(100) + b"ustar\x0000" + bytes(247)
    checksum = sum(fields) + 8 * 0x20 + sum(tail)
    return fields + b"%06o\0 " % checksum + tail


def tar_of_odd_members() -> bytes:
    """Links, devices and a FIFO, names that lead elsewhere, and one report."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, kind in [
            ("../../tmp/owned", tarfile.SYMTYPE),
            ("/dev/sda", tarfile.BLKTYPE),
            ("tty", tarfile.CHRTYPE),
            ("pipe", tarfile.FIFOTYPE),
            ("hard", tarfile.LNKTYPE),
            ("folder", tarfile.DIRTYPE),
        ]:
            information = tarfile.TarInfo(name)
            information.type = kind
            information.linkname = "/etc/passwd"
            archive.addfile(information)
        report = tarfile.TarInfo("../../../owned.json")
        report.size = len(REPORT)
        archive.addfile(report, io.BytesIO(REPORT))
    return target.getvalue()


def tar_chained_headers(count: int = 5_000) -> bytes:
    """One pax header after the other, over which the standard library recurses."""
    return (tar_header(b"x", 8) + b"8 path=a".ljust(512, b"\0")) * count


def tar_giant_header() -> bytes:
    return tar_header(b"x", 8 << 30) + bytes(4096)


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip of 2 GiB": gzip_bomb,
    "gzip of 50,000 members": lambda: gzip_members(50_000),
    "gzip with a name of 5 MiB": lambda: gzip_with_long_name()[:-4],
    "gzip nine layers deep": lambda: gzip_nested(9),
    "gzip bomb in a zip": lambda: zip_by_hand(Entry(b"a!b!1!2.json.gz", gzip_bomb(512))),
    "zip of overlapping entries": zip_overlapping,
    "zip of 200 MiB": lambda: zip_by_hand(*[Entry(content=bytes(20 * MEBIBYTE))] * 10),
    "zip of many large entries": lambda: zip_by_hand(*[Entry(content=b'{"policies":1}' + b" " * (9 * MEBIBYTE))] * 16),
    "zip with a huge directory": zip_huge_directory,
    "zip that understates a size": lambda: zip_by_hand(Entry(content=bytes(64 * MEBIBYTE), size=10)),
    "tar of chained headers": tar_chained_headers,
    "tar with a giant header": tar_giant_header,
    "tar with a giant member": lambda: tar_header(b"0", 1 << 50) + bytes(4096),
    "tar in a gzip bomb": lambda: gzip.compress(tar_header(b"0", 1 << 40) + bytes(64 * MEBIBYTE), 1),
}
