"""Reports as files: single ones, directories, Maildirs, mboxes, archives, and standard input.

What a file is, its first bytes tell, never its name. Archives and mboxes are streamed: they may have any
number of members, each bounded as a message is, and nothing is ever written to where a member says.
"""
# ruff: noqa: PTH116, PTH118 - pathlib costs three times as much, in a loop over 100,000 files

from __future__ import annotations

import errno
import gzip
import io
import itertools
import os
import re
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import BinaryIO, NamedTuple, cast

from loaders import Delivery, Done, File, SourceError
from tlsrpt import archive
from tlsrpt.archive import ArchiveError, larger_than
from tlsrpt.limits import LIMITS, Limits
from tlsrpt.mail import is_mail, without_from_line

STANDARD_INPUT = "-"

_HEAD = 64 << 10  # a larger buffer takes thrice as long to get
_CHUNK = 1 << 20  # of a stream
_BATCH = 5_000  # files asked about at once
_INPUT = 1 << 30  # bytes of standard input
_OF_THE_DISK = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOMEM}  # may be gone next time
_NAMED = 10  # unreadable members of an archive that its refusal names
# Never follows a link, never waits for a FIFO's other end. Windows has some of these, and one of its own.
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FLAGS = (
    os.O_RDONLY | _NO_FOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)

Paths = Iterable[str | os.PathLike[str]]
Known = Callable[[list[File]], set[File]]


class Directory:
    """A source of deliveries out of files and directories, in the order of their names."""

    def __init__(self, paths: Paths, *, known: Known = lambda _: set(), limits: Limits = LIMITS) -> None:
        self.known_files = 0  # so far; they were read before and are not opened
        self._paths = [os.fspath(path) for path in paths]
        self._known = known
        self._limits = limits

    def deliveries(self) -> Iterator[Delivery | Done]:
        """Yield each delivery, and Done after the last one of a file that could be opened.

        A path that does not exist is a SourceError, before anything else happens.
        """
        found = _found(self._paths)
        while batch := list(itertools.islice(found, _BATCH)):
            known = self._known([one.file for one in batch])
            for one in batch:
                if one.file in known:
                    self.known_files += 1
                elif (yield from self._file(one)):
                    yield Done(one.file)
        if STANDARD_INPUT in self._paths:
            yield from self._standard_input()

    def _file(self, one: _Found) -> Generator[Delivery, None, bool]:
        source = one.file.path
        if one.problem:
            yield Delivery(source, "", b"", one.problem)
            return True
        try:
            descriptor = os.open(one.path, _FLAGS & ~_NO_FOLLOW if one.given else _FLAGS)
        except OSError as error:
            yield Delivery(source, "", b"", _reason(error))
            return False
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                yield Delivery(source, "", b"", "not a regular file")
            else:
                return (yield from _opened(descriptor, source, self._limits))
        finally:
            os.close(descriptor)
        return True

    def _standard_input(self) -> Iterator[Delivery]:
        # A zip is read from its end, so the input becomes a file without a name.
        with tempfile.TemporaryFile() as copy:
            while chunk := sys.stdin.buffer.read(_CHUNK):
                copy.write(chunk)
                if copy.tell() > _INPUT:
                    yield Delivery(STANDARD_INPUT, "", b"", larger_than(_INPUT))
                    return
            copy.seek(0)
            yield from _opened(copy.fileno(), STANDARD_INPUT, self._limits)


def reopened(content: bytes, source: str, limits: Limits = LIMITS) -> Iterator[Delivery]:
    """Yield what is in the bytes of a file that was kept, as `Directory` would of the file."""
    with tempfile.TemporaryFile() as copy:
        copy.write(content)
        copy.seek(0)  # which flushes, too
        yield from _opened(copy.fileno(), source, limits)


def measure(paths: Paths) -> tuple[int, int]:
    """Return how many files there are to read, and their bytes; standard input is not counted."""
    files = size = 0
    for one in _found([os.fspath(path) for path in paths]):
        files += 1
        size += one.file.size
    return files, size


# Finding files


class _Found(NamedTuple):
    path: str  # as the system knows it
    file: File
    problem: str = ""  # why it is not opened
    given: bool = False  # by the operator, so it may be a symbolic link


def _found(paths: list[str]) -> Iterator[_Found]:
    """Return the files of these paths, found one by one as they are asked for."""
    given = [(path, _status(path)) for path in paths if path != STANDARD_INPUT]
    return itertools.chain.from_iterable(
        _walk(path) if stat.S_ISDIR(status.st_mode) else [_one(path, status, given=True)] for path, status in given
    )


def _status(path: str) -> os.stat_result:
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            os.scandir(path).close()
    except (OSError, ValueError) as error:
        raise SourceError(f"{_label(path)}: {_reason(error)}") from error
    return status


def _walk(directory: str) -> Iterator[_Found]:
    rest = [(directory, iter(_names(directory)))]
    while rest:
        directory, names = rest[-1]
        name = next(names, None)
        if name is None:
            rest.pop()
            continue
        path = os.path.join(directory, name)
        try:
            if name.endswith("/"):
                rest.append((path, iter(_names(path))))
            else:
                yield _one(path, os.lstat(path), given=False)
        except OSError as error:
            yield _Found(path, File(_label(path), 0, 0), _reason(error))


def _names(directory: str) -> list[str]:
    """Return what is to be read in a directory, sorted, directories with a final slash."""
    with os.scandir(directory) as entries:
        names = [f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries]
    if "cur/" in names and "new/" in names:
        # A Maildir. What is in tmp is not delivered yet; folders are hidden directories (Maildir++).
        return sorted(name for name in names if name.endswith("/") and name != "tmp/")
    return sorted(name for name in names if not name.startswith("."))


def _one(path: str, status: os.stat_result, *, given: bool) -> _Found:
    file = File(_label(path), status.st_size, status.st_mtime_ns)
    if stat.S_ISREG(status.st_mode):
        return _Found(path, file, given=given)
    problem = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
    return _Found(path, file, problem)


def _label(path: str) -> str:
    """Return a path as text that can be stored: a name need not be UTF-8."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "truncated"
    if isinstance(error, zlib.error):
        return f"damaged: {str(error).rpartition(': ')[2]}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


# Reading a file


def _opened(descriptor: int, source: str, limits: Limits) -> Generator[Delivery, None, bool]:
    """Yield what is in an open file; return whether the system let it be read to its end."""
    kind = ""
    try:
        head = os.read(descriptor, _HEAD)
        kind, packed = _kind(head)
        if not kind:
            yield _single(descriptor, head, source, limits)
        elif kind == "zip":
            yield from _zip(descriptor, source, limits)
        else:
            os.lseek(descriptor, 0, os.SEEK_SET)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                stream = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if packed else file
                yield from _STREAMS[kind](stream, source, limits)
    except (ArchiveError, OSError, EOFError, zlib.error) as error:
        # What came before the damage has been handed on.
        read = not (isinstance(error, OSError) and error.errno in _OF_THE_DISK)
        content = _whole(descriptor, limits) if kind and read else b""
        yield Delivery(source, "", content, f"{kind}: {_reason(error)}" if kind else _reason(error))
        return read
    return True


def _kind(head: bytes) -> tuple[str, bool]:
    """Return what a file of several deliveries is, "" for any other file, and whether it is in gzip."""
    if head.startswith((archive.ZIP, archive.EMPTY_ZIP)):
        return "zip", False
    packed = head.startswith(archive.GZIP)
    if packed:
        head = archive.inflated_head(head)
    if head.startswith(b"From "):
        return "mbox", packed
    return ("tar" if archive.is_tar(head) and not is_mail(head, LIMITS) else ""), packed


def _single(descriptor: int, head: bytes, source: str, limits: Limits) -> Delivery:
    if len(head) < _HEAD and len(head) <= limits.message_size:
        return Delivery(source, "", head)
    chunks, size = [head], max(len(head), os.fstat(descriptor).st_size)
    while chunks[-1] and size <= limits.message_size:
        chunks.append(os.read(descriptor, _CHUNK))
        size = max(size, sum(map(len, chunks)))
    if size > limits.message_size:
        return Delivery(source, "", b"", larger_than(limits.message_size))
    return Delivery(source, "", b"".join(chunks))


def _whole(descriptor: int, limits: Limits) -> bytes:
    """Return a whole archive, to be tried again later; b"" if it is larger than what is kept."""
    size = os.fstat(descriptor).st_size
    return _read_at(descriptor, size, 0) if size <= limits.message_size else b""


def _read_at(descriptor: int, size: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


def _zip(descriptor: int, source: str, limits: Limits) -> Iterator[Delivery]:
    read_at = partial(_read_at, descriptor)
    unreadable: list[str] = []
    for entry in archive.zip_entries(read_at, os.fstat(descriptor).st_size):
        if not entry.is_content:
            continue
        try:
            content = archive.read_entry(read_at, entry, limits.message_size)
        except ArchiveError as error:
            unreadable.append(f"{entry.name}: {error}")
        else:
            yield from _member(content, source, entry.name, limits)
    if unreadable:
        # One refusal for all, with the archive: a member cannot be tried again by itself.
        more = f"; and {len(unreadable) - _NAMED} more" if len(unreadable) > _NAMED else ""
        reason = f"zip: {'; '.join(unreadable[:_NAMED])}{more}"
        yield Delivery(source, "", _whole(descriptor, limits), reason)


def _tar(stream: BinaryIO, source: str, limits: Limits) -> Iterator[Delivery]:
    for entry in archive.tar_entries(stream):
        if entry.size > limits.message_size:
            yield Delivery(source, entry.name, b"", f"tar: {larger_than(limits.message_size)}")
        else:
            yield from _member(archive.read_tar_entry(stream, entry), source, entry.name, limits)


def _member(content: bytes, source: str, name: str, limits: Limits) -> Iterator[Delivery]:
    kind, packed = _kind(content[:_HEAD])
    if kind == "mbox":
        stream: BinaryIO = io.BytesIO(content)
        for delivery in _mbox(cast("BinaryIO", gzip.GzipFile(fileobj=stream)) if packed else stream, source, limits):
            yield delivery._replace(member=f"{name} {delivery.member}")
    else:
        yield Delivery(source, name, content)


# mbox

_LOOK = 4 << 10  # bytes in which a "From " line and the first header below it have to end
_SEPARATOR = re.compile(rb"\nFrom [^\n]*+\n[!-9;-~]++:")
_MANGLED = re.compile(rb"\n>(>*+From )")


def _mbox(stream: BinaryIO, source: str, limits: Limits) -> Iterator[Delivery]:
    for number, message in enumerate(_messages(stream, limits.message_size), 1):
        if message is None:
            yield Delivery(source, f"message {number}", b"", larger_than(limits.message_size))
        else:
            yield Delivery(source, f"message {number}", message)


def _messages(stream: BinaryIO, most: int) -> Iterator[bytes | None]:
    """Yield the messages of an mbox, None for one that has more than `most` bytes.

    Not the blank line before it but the header below it makes a line the start of a message: programs that
    append forget the one, and a text that begins a line with "From " lacks the other.
    """
    data, at, too_large = b"", 0, False
    broken: Exception | None = None
    chunks = _chunks(stream)
    while True:
        try:
            chunk = next(chunks, b"")
        except (EOFError, OSError, zlib.error) as error:
            broken, chunk = error, b""
        if not chunk:
            break
        data += chunk
        start = 0
        while 0 <= (end := data.find(b"\nFrom ", at)) < len(data) - _LOOK:
            at = end + 1
            if _SEPARATOR.match(data, end):
                yield None if too_large else _unquoted(data[start:at], most)
                start, too_large = at, False
        at = end if end >= 0 else max(at, len(data) - 5)
        data, at = data[start:], at - start
        if len(data) > most + _LOOK:
            data, at, too_large = data[at:], 0, True
    start = 0
    for separator in _SEPARATOR.finditer(data, at):
        yield None if too_large else _unquoted(data[start : separator.start() + 1], most)
        start, too_large = separator.start() + 1, False
    if broken is not None:
        raise broken  # the last message may have lost its end
    yield None if too_large else _unquoted(data[start:], most)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what can be read, also just before a damage; bytes after the end of a gzip are passed over."""
    read = cast("io.BufferedReader", stream).read1
    while True:
        try:
            chunk = read(_CHUNK)
        except gzip.BadGzipFile as error:
            if str(error).startswith("Not a gzipped file"):
                return
            raise
        if not chunk:
            return
        yield chunk


def _unquoted(message: bytes, most: int) -> bytes | None:
    """Return a message as it was before it was put into the mbox."""
    message = without_from_line(message)
    for blank_line in (b"\r\n\r\n", b"\n\n"):
        if message.endswith(blank_line):
            message = message[: -len(blank_line) // 2]
    if b"\n>" in message:
        message = _MANGLED.sub(rb"\n\1", message)
    return message if len(message) <= most else None


_STREAMS = {"tar": _tar, "mbox": _mbox}
