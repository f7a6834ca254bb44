"""gzip, zip and tar, read one bounded member at a time; no size that an archive states is believed.

The readers are our own because those of the standard library trust more than a mailbox may: tarfile takes in
a pax header of any size and recurses over chained ones, and the zipfile of Python 3.11 reads entries that
overlap, which is how 26 KiB become gigabytes.
"""

from __future__ import annotations

import io
import itertools
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from tlsrpt.limits import LIMITS

GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"

_LONG_NAME = 64 << 10  # bytes of a tar header that carries a name or pax records
_DIRECTORY = 64 << 20  # bytes of the directory of an operator's zip: some 500,000 entries
_BLOCK = 512  # of a tar


class ArchiveError(Exception):
    """This archive, or this member of it, cannot be read, for this reason."""


class TooLargeError(ArchiveError):
    """It unpacks to more than it may."""


def larger_than(size: int) -> str:
    """Return the refusal of something larger than this many bytes."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size and not size % (1 << shift):
            return f"larger than {size >> shift} {unit}"
    return f"larger than {size} bytes"


def label(name: bytes) -> str:
    """Return the name of a member as text that can be stored; it is never used as a path."""
    return name.decode("utf-8", "backslashreplace")[: LIMITS.text_length]


# gzip


def gunzip(content: bytes, most: int, members: int) -> tuple[bytes, str]:
    """Return what a gzip file holds, of at most so many bytes, and a remark on what follows it or ""."""
    inflated, rest = _inflate(content, most)
    if not rest:
        return inflated, ""
    parts = [inflated]
    while rest.startswith(GZIP):
        if len(parts) == members:
            raise ArchiveError(f"more than {members} members")
        most -= len(inflated)
        inflated, rest = _inflate(rest, most)
        parts.append(inflated)
    remark = ""
    if rest:
        # Mimecast ends its gzip with a line break; tapes and some gateways pad with zeros.
        what = "bytes" if rest.strip(b"\0") else "bytes of zero padding"
        remark = f"{len(rest)} {what} after the gzip stream"
    return b"".join(parts), remark


def inflated_head(content: bytes) -> bytes:
    """Return the first bytes of a gzip file, enough to tell what is in it; b"" if it is damaged."""
    try:
        return zlib.decompressobj(31).decompress(content, 264)
    except zlib.error:
        return b""


def _inflate(content: bytes, most: int, window: int = 31) -> tuple[bytes, bytes]:
    stream = zlib.decompressobj(window)
    try:
        inflated = stream.decompress(content, most + 1)
    except zlib.error as error:
        raise ArchiveError(f"damaged: {str(error).rpartition(': ')[2]}") from error
    if len(inflated) > most:
        raise TooLargeError(f"{larger_than(most)} when unpacked")
    if not stream.eof:
        raise ArchiveError("truncated")
    return inflated, stream.unused_data


# zip


class ZipEntry(NamedTuple):
    """A line of a zip's directory, as claimed."""

    name: str
    flags: int
    method: int
    checksum: int
    compressed: int  # bytes
    size: int  # bytes
    offset: int  # of the local header

    @property
    def is_content(self) -> bool:
        """Return whether this is a file with something in it, and not a shadow file of macOS."""
        empty = self.size == self.checksum == 0
        return not empty and not self.name.endswith("/") and not self.name.startswith("__MACOSX/")


ReadAt = Callable[[int, int], bytes]  # (size, offset), as os.pread after its first argument


def zip_entries(read_at: ReadAt, size: int, most: int | None = None) -> Iterator[ZipEntry]:
    """Return the entries of a zip in order, after a look at all of them; `most` of them, if it is given.

    With `most` the directory is held to what a mail may have, and zip64 is not read: nothing that fits into
    a mail needs it.
    """
    count, directory = _zip_directory(read_at, size, LIMITS.zip_directory if most else _DIRECTORY, zip64=not most)
    if most and count > most:
        raise ArchiveError(f"more than {most} entries")
    spans = sorted((entry.offset, entry.offset + 30 + entry.compressed) for entry in _zip_lines(directory))
    if any(end > following for (_, end), (following, _) in itertools.pairwise(spans)):
        raise ArchiveError("overlapping entries")
    return _zip_lines(directory)


def read_entry(read_at: ReadAt, entry: ZipEntry, most: int) -> bytes:
    """Return the content of a zip entry, at most so many bytes."""
    if entry.flags & 0x2041:
        raise ArchiveError("encrypted entries are not supported")
    if entry.method not in {0, 8}:
        raise ArchiveError(f"compression method {entry.method} is not supported")
    if entry.compressed > most + 1024:  # deflate may add a little to what cannot be compressed
        raise TooLargeError(larger_than(most))
    header = read_at(30, entry.offset)
    if len(header) < 30 or not header.startswith(ZIP):
        raise ArchiveError("damaged entry")
    name_size, extra_size = struct.unpack("<HH", header[26:])
    raw = read_at(entry.compressed, entry.offset + 30 + name_size + extra_size)
    content = _inflate(raw, most, -15)[0] if entry.method else raw
    if len(content) > most:
        raise TooLargeError(larger_than(most))
    if len(content) != entry.size:
        raise ArchiveError("damaged entry: not the size it states")
    if zlib.crc32(content) != entry.checksum:
        raise ArchiveError("damaged entry: incorrect checksum")
    return content


def _zip_directory(read_at: ReadAt, size: int, largest: int, *, zip64: bool) -> tuple[int, bytes]:
    start = max(0, size - 22 - 0xFFFF)  # the end record may be followed by a comment
    tail = read_at(size - start, start)
    at = tail.rfind(EMPTY_ZIP)
    if at < 0 or len(tail) - at < 22:
        raise ArchiveError("truncated")
    disk, first_disk, _, count, length, offset = struct.unpack("<HHHHII", tail[at + 4 : at + 20])
    if at >= 20 and tail.startswith(b"PK\x06\x07", at - 20):
        if not zip64:
            raise ArchiveError("zip64 is not supported")
        record = read_at(56, struct.unpack("<Q", tail[at - 12 : at - 4])[0] & (1 << 62) - 1)
        if len(record) < 56 or not record.startswith(b"PK\x06\x06"):
            raise ArchiveError("damaged")
        count, length, offset = struct.unpack("<QQQ", record[32:56])
    elif disk or first_disk:
        raise ArchiveError("an archive in several parts is not supported")
    if length > largest:
        raise ArchiveError(f"directory {larger_than(largest)}")
    if offset + length > start + at:
        raise ArchiveError("damaged")
    return count, read_at(length, offset)


def _zip_lines(directory: bytes) -> Iterator[ZipEntry]:
    at = 0
    while at < len(directory):
        if len(directory) - at < 46 or not directory.startswith(b"PK\x01\x02", at):
            raise ArchiveError("damaged directory")
        flags, method, _, checksum, compressed, size, name_size, extra_size, comment_size = struct.unpack_from(
            "<HHIIIIHHH", directory, at + 8
        )
        offset = struct.unpack_from("<I", directory, at + 42)[0]
        name_end = at + 46 + name_size
        if 0xFFFFFFFF in {compressed, size, offset}:
            extra = directory[name_end : name_end + extra_size]
            size, compressed, offset = _zip64_numbers(extra, size, compressed, offset)
        yield ZipEntry(label(directory[at + 46 : name_end]), flags, method, checksum, compressed, size, offset)
        at = name_end + extra_size + comment_size


def _zip64_numbers(extra: bytes, *numbers: int) -> Iterator[int]:
    fields = io.BytesIO(extra)
    while len(field := fields.read(4)) == 4:
        kind, length = struct.unpack("<HH", field)
        if kind == 1:
            break
        fields.seek(length, os.SEEK_CUR)
    for number in numbers:
        if number != 0xFFFFFFFF:
            yield number
        else:
            field = fields.read(8)
            if len(field) < 8:
                raise ArchiveError("damaged directory")
            yield int.from_bytes(field, "little") & (1 << 62) - 1


# tar


class TarEntry(NamedTuple):
    """A regular file in a tar; the stream stands at its first byte."""

    name: str
    size: int  # bytes, as claimed


def is_tar(head: bytes) -> bool:
    """Return whether these first bytes are those of a tar."""
    return head[257:262] == b"ustar"


def tar_entries(stream: BinaryIO, most: int | None = None) -> Iterator[TarEntry]:
    """Yield the regular files of a tar that starts where the stream does.

    Links, devices, directories and empty files are passed over. The content of an entry is read, or not,
    before the next one is asked for. Not more than `most` headers are read.
    """
    at, count = 0, 0
    name, size = None, None  # told by the header in front, for the one that follows it
    while header := _tar_header(stream):
        count += 1
        if most and count > most:
            raise ArchiveError(f"more than {most} members")
        kind, stated = header[156:157], _tar_number(header[124:136])
        at += _BLOCK
        if kind in b"Lx":
            records = _tar_records(stream, stated)
            name, size = (records.rstrip(b"\0"), size) if kind == b"L" else _pax(records, name, size)
            length = stated
        else:
            length = stated if size is None else size
            if kind in b"0\x007" and length:
                yield TarEntry(label(_tar_name(header) if name is None else name), length)
            name, size = None, None
        at += -(-length // _BLOCK) * _BLOCK
        if stream.tell() < at:
            stream.seek(at)


def read_tar_entry(stream: BinaryIO, entry: TarEntry) -> bytes:
    """Return the content of a tar entry whose stated size was found to be acceptable."""
    content = stream.read(entry.size)
    if len(content) < entry.size:
        raise ArchiveError("truncated")
    return content


def _tar_header(stream: BinaryIO) -> bytes:
    header = stream.read(_BLOCK)
    if not header.strip(b"\0"):  # the end mark, or the end without one
        return b""
    if len(header) < _BLOCK:
        raise ArchiveError("truncated")
    if sum(header) - sum(header[148:156]) + 8 * 0x20 != _tar_number(header[148:156]):
        raise ArchiveError("damaged header")
    return header


def _tar_number(field: bytes) -> int:
    if field[0] == 0x80:  # base 256, by GNU tar for what octal digits cannot hold
        number = int.from_bytes(field[1:], "big")
    else:
        digits = field.split(b"\0", 1)[0].strip()
        if not re.fullmatch(rb"[0-7]*", digits):
            raise ArchiveError("damaged header")
        number = int(digits or b"0", 8)
    if number >= 1 << 62:
        raise ArchiveError("damaged header")
    return number


def _tar_name(header: bytes) -> bytes:
    name, prefix = header[:100].rstrip(b"\0"), header[345:500].rstrip(b"\0")
    return prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name


def _tar_records(stream: BinaryIO, size: int) -> bytes:
    if size > _LONG_NAME:
        raise ArchiveError(f"header {larger_than(_LONG_NAME)}")
    records = stream.read(size)
    if len(records) < size:
        raise ArchiveError("truncated")
    return records


def _pax(records: bytes, name: bytes | None, size: int | None) -> tuple[bytes | None, int | None]:
    for record in records.split(b"\n"):
        key, _, value = record.partition(b" ")[2].partition(b"=")
        if key == b"path":
            name = value
        elif key == b"size" and re.fullmatch(rb"[0-9]{1,18}", value):
            size = int(value)
    return name, size
