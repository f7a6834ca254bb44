"""The store: everything known, in one DuckDB file that several processes may use.

DuckDB lets one process write or many read. So a connection is opened for each use and closed after it,
which costs about 10 ms whatever the size, and an advisory lock on two files beside the store lets readers
and writers take turns. DuckDB's own lock stays as the safety net against programs that know no gate.

Nothing here opens the database file by other means while DuckDB has it: closing any descriptor of it would
drop DuckDB's lock without a word.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import duckdb
import nanoarrow

if sys.platform == "win32":
    fcntl = None  # DuckDB's own lock, with retries, has to do
else:
    import fcntl

# How long one waits for a store that another process uses, before saying so.
PATIENCE = 30.0  # seconds
# And how much longer once one is stopped: others often are done with it in less.
_LAST = 0.1  # seconds

# SQL over strangers' data reads and writes no files, loads no code and changes no setting.
_LOCKED_DOWN: Mapping[str, str] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "512MB",
    "threads": "2",
    "lock_configuration": "true",
}
_WRITING = {
    # Readable by DuckDB clients from 1.2 on; 2.0's own format is read by none of them.
    "storage_compatibility_version": "v1.2.0",
    # A checkpoint rewrites the last 122,880 rows of each table. With the 512 MB of a reader a load of 100,000
    # reports peaked at 376 MB, with these two below 300, in the same time.
    "memory_limit": "128MB",
    "checkpoint_threshold": "32MB",
}

_HOLDER = re.compile(r"\(PID (\d+)\)")


def _never() -> bool:
    return False


class StoreError(Exception):
    """The store cannot be used; the message says why and what helps."""


class Store:
    """Evidence in one DuckDB file, or in memory.

    A store may be shared by threads: each use has a connection of its own, since one connection used by two
    threads answers wrongly without a word.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._memory = duckdb.connect(":memory:", config=dict(_LOCKED_DOWN)) if path is None else None
        self._writers = threading.Lock()  # in memory: one writer at a time, as with a file
        self._here = threading.local()
        self._stays: tuple[_Stay, ...] = ()
        self._staying = threading.Lock()  # while they change
        self._asked: list[duckdb.DuckDBPyConnection] = []  # that questions are asked through now
        self._given_up = False
        self._views_made = False

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Store:
        """Return the store at `path`; `create` makes it, readable by its owner only, if there is none.

        Raises StoreError if there is none, if it was made by a newer version, or if it is no store.
        """
        store = cls(path)
        if not path.exists():
            if not create:
                raise StoreError(f"no store at {path}: `tlsrpt load PATH` makes one")
            _make_private_directory(path.parent)
        elif store._is_current():
            return store
        with store.writing():
            return store

    @classmethod
    def memory(cls) -> Store:
        """Return an empty store in memory."""
        store = cls(None)
        _bring_up(store._connection)
        return store

    def close(self) -> None:
        """Let go of a store in memory; one on disk is open only while it is used."""
        if self._memory is not None:
            self._memory.close()

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        assert self._memory is not None
        return self._memory

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection for questions; uses inside it, in the same thread, share it.

        Raises StoreError if the store cannot be read.
        """
        shared = getattr(self._here, "connection", None)
        if shared is not None:
            yield shared
            return
        with ExitStack() as stack:
            connection = stack.enter_context(self._looking())
            self._here.connection = connection
            self._asked.append(connection)
            try:
                if self._given_up:
                    raise StoreError("nobody waits for an answer any more")
                yield connection
            except duckdb.Error as error:
                raise StoreError(_first_line(error)) from error
            finally:
                self._asked.remove(connection)
                self._here.connection = None

    def give_up(self) -> None:
        """End all questions, of every thread, and answer no other: whoever asked is about to end.

        Returns when none runs any more.
        """
        self._given_up = True
        while [connection for connection in tuple(self._asked) if self.interrupt(connection)]:
            time.sleep(_LAST / 2)

    def interrupt(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Have a question given up that is asked through this, and return whether it goes on so far.

        One that is just about to begin does not heed it, and has to be interrupted again.
        """
        if connection not in self._asked:
            return False
        with suppress(duckdb.Error):  # it has been closed meanwhile
            connection.interrupt()
        return True

    @contextmanager
    def stoppable(self, stopped: Callable[[], bool]) -> Iterator[None]:
        """Let no use inside this, in the same thread, wait for others any more once `stopped` is true."""
        before = self._stopped
        self._here.stopped = stopped
        try:
            yield
        finally:
            self._here.stopped = before

    @property
    def _stopped(self) -> Callable[[], bool]:
        stopped: Callable[[], bool] = getattr(self._here, "stopped", _never)
        return stopped

    @contextmanager
    def _looking(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a cursor of what is open already, in memory or for a stay, else a connection to the file."""
        if self._memory is not None:
            with self._memory.cursor() as cursor:
                yield cursor
            return
        for stay in self._stays:
            if (borrowed := stay.borrow()) is not None:
                try:
                    with borrowed:
                        yield borrowed
                finally:
                    stay.give_back()
                return
        with self._opened(write=False) as (connection, _):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection inside one transaction: it is committed at the end, or nothing of it is kept.

        Raises StoreError if the store cannot be written.
        """
        stay = next((stay for stay in self._stays if stay.thread == threading.get_ident()), None)
        with ExitStack() as stack:
            if self._memory is not None:
                stack.enter_context(self._writers)
                connection = self._memory.cursor()
                stack.callback(connection.close)
            elif stay is not None:
                connection = stay.connection()
            else:
                connection, _ = stack.enter_context(self._opened(write=True))
            self._here.connection = connection
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                with suppress(duckdb.Error):
                    connection.execute("ROLLBACK")
                if stay is not None:
                    stay.leave()
                if isinstance(error, duckdb.Error):
                    raise StoreError(_first_line(error)) from error
                raise
            finally:
                self._here.connection = None
            if stay is not None:
                stay.leave_if_others_wait()

    @contextmanager
    def staying(self) -> Iterator[_Stay]:
        """Keep the file open between the transactions of this thread, as long as nobody else waits for it.

        Closing writes everything into its final place, which is dear for each batch of a long load. Other
        threads of this process read through what is open; those that stay too take turns, as processes do.
        """
        stay = _Stay(self)
        with self._staying:
            self._stays += (stay,)
        try:
            yield stay
        finally:
            with self._staying:
                self._stays = tuple(other for other in self._stays if other is not stay)
            stay.leave()

    @contextmanager
    def _opened(self, *, write: bool) -> Iterator[tuple[duckdb.DuckDBPyConnection, Gate]]:
        assert self.path is not None
        until, stopped = time.monotonic() + PATIENCE, self._stopped
        with Gate(self.path, write=write, until=until, stopped=stopped) as gate, _private_files(self.path):
            connection = _connect(self.path, write=write, until=until, stopped=stopped)
            try:
                if write and not self._views_made:
                    _bring_up(connection)
                    self._views_made = True
                yield connection, gate
            except duckdb.Error as error:
                raise StoreError(_first_line(error)) from error
            finally:
                connection.close()

    @cached_property
    def columns(self) -> dict[str, dict[str, str]]:
        """The columns of each table and their types."""
        with self.reading() as connection:
            found = connection.execute(
                "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal"
            ).fetchall()
        tables: dict[str, dict[str, str]] = {}
        for table, name, kind in found:
            tables.setdefault(table, {})[name] = kind
        return tables

    def _is_current(self) -> bool:
        """Return whether the store has every step that we know; refuse it if it has more."""
        with self.reading() as connection:
            missing = set(_steps()) - _applied(connection, self.path)
        return not missing


# --------------------------------------------------------------------------------------------------------
# Opening a file that others use too.


def _connect(path: Path, *, write: bool, until: float, stopped: Callable[[], bool]) -> duckdb.DuckDBPyConnection:
    config: dict[str, Any] = dict(_LOCKED_DOWN)
    if write:
        config |= _WRITING
    pause = 0.01
    while True:
        try:
            return duckdb.connect(str(path), read_only=not write, config=config)
        except duckdb.Error as error:
            if "Could not set lock" not in str(error):
                what = "if it is damaged, put it aside and load or fetch the reports again"
                raise StoreError(f"{path} cannot be opened: {_first_line(error)}; {what}") from error
            if stopped():
                until = min(until, time.monotonic() + _LAST)
            if time.monotonic() > until:
                holder = _HOLDER.search(str(error))
                whom = f"process {holder[1]}" if holder else "another process"
                raise _in_use(path, whom) from error
        time.sleep(pause)
        pause = min(pause * 1.5, _LAST)


@contextmanager
def _private_files(path: Path) -> Iterator[None]:
    """Let whatever DuckDB makes (database, log, temporary files) be for its owner's eyes."""
    with suppress(OSError):
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    with _PRIVATE:
        yield


class _Umask:
    """A umask for the whole process, while any of its threads is inside: the last one out puts back the former."""

    def __init__(self, umask: int) -> None:
        self._umask = umask
        self._before = 0
        self._inside = 0
        self._changing = threading.Lock()

    def __enter__(self) -> None:
        with self._changing:
            if not self._inside:
                self._before = os.umask(self._umask)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._changing:
            self._inside -= 1
            if not self._inside:
                os.umask(self._before)


_PRIVATE = _Umask(0o077)


class Gate:
    """One's turn at the store, so that neither readers nor writers starve.

    Who waits holds the turnstile: a writer alone, readers together. So a writer that waits is overtaken by
    nobody, and whoever is inside can tell that others wait. The kernel lets go of both locks when a process
    dies. Entering raises StoreError when it is `until` (time.monotonic), or soon after `stopped` is true.
    """

    def __init__(self, path: Path, *, write: bool, until: float, stopped: Callable[[], bool] = _never) -> None:
        self._path = path
        self._write = write
        self._until = until
        self._stopped = stopped
        self._turnstile = self._room = -1

    def __enter__(self) -> Self:
        if sys.platform == "win32":
            return self
        with ExitStack() as stack:
            stack.callback(self._close)
            # A reader may have no right to write here; then DuckDB's own lock has to do.
            with suppress(OSError):
                self._turnstile = _lock_file(f"{self._path}.gate")
                self._room = _lock_file(f"{self._path}.lock")
            if self._room >= 0:
                kind = fcntl.LOCK_EX if self._write else fcntl.LOCK_SH
                self._lock(self._turnstile, kind)
                self._lock(self._room, kind)
                fcntl.flock(self._turnstile, fcntl.LOCK_UN)
                if self._write:
                    os.ftruncate(self._room, 0)
                    os.pwrite(self._room, str(os.getpid()).encode(), 0)
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def others_wait(self) -> bool:
        """Return whether somebody waits for the store."""
        if sys.platform == "win32" or self._turnstile < 0:
            return True  # nobody can tell: let them in
        try:
            fcntl.flock(self._turnstile, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._turnstile, fcntl.LOCK_UN)
        return False

    def _close(self) -> None:
        for descriptor in (self._room, self._turnstile):
            if descriptor >= 0:
                os.close(descriptor)
        self._turnstile = self._room = -1

    def _lock(self, descriptor: int, kind: int) -> None:
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._stopped():
                    self._until = min(self._until, time.monotonic() + _LAST)
                if time.monotonic() > self._until:
                    raise _in_use(self._path, self._holder()) from None
            else:
                return
            time.sleep(0.02)

    def _holder(self) -> str:
        with suppress(OSError, ValueError):
            return f"process {int(Path(f'{self._path}.lock').read_text(encoding='ascii'))}"
        return "another process"


def _lock_file(name: str) -> int:
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


class _Stay:
    """A store kept open by one thread between its transactions."""

    def __init__(self, store: Store) -> None:
        self.thread = threading.get_ident()
        self._store = store
        self._open = ExitStack()
        self._held: tuple[duckdb.DuckDBPyConnection, Gate] | None = None
        self._borrowed = 0
        self._changed = threading.Condition()

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return the open connection, opened if need be."""
        if self._held is None:
            held = self._open.enter_context(self._store._opened(write=True))  # noqa: SLF001 - its other half
            with self._changed:
                self._held = held
        return self._held[0]

    def borrow(self) -> duckdb.DuckDBPyConnection | None:
        """Return a cursor for another thread to read with, if the store is open."""
        with self._changed:
            if self._held is None:
                return None
            self._borrowed += 1
            return self._held[0].cursor()

    def give_back(self) -> None:
        """Say that a borrowed cursor has been closed."""
        with self._changed:
            self._borrowed -= 1
            self._changed.notify_all()

    def leave_if_others_wait(self) -> None:
        """Close the store if somebody waits for it."""
        if self._held is not None and self._held[1].others_wait():
            self.leave()

    def leave(self) -> None:
        """Close the store, once those who read through it are done; whoever comes now waits at the gate."""
        with self._changed:
            self._held = None
            self._changed.wait_for(lambda: not self._borrowed)
        self._open.close()


def _make_private_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}") from error


def utc_now() -> datetime:
    """Return the time as the store has times: UTC, without tzinfo."""
    return datetime.now(UTC).replace(tzinfo=None)


def _in_use(path: Path, whom: str) -> StoreError:
    return StoreError(f"{path} is in use by {whom}; try again when it is done")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


# --------------------------------------------------------------------------------------------------------
# The schema, step by step.


@cache
def _steps() -> dict[str, str]:
    """Return the steps by name, in order. An applied step is never edited."""
    found = [entry for entry in (files("tlsrpt") / "schema").iterdir() if entry.name.endswith(".sql")]
    return {entry.name: entry.read_text(encoding="utf-8") for entry in sorted(found, key=lambda entry: entry.name)}


def _applied(connection: duckdb.DuckDBPyConnection, path: object) -> set[str]:
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if "steps" not in tables:
        if tables:
            raise StoreError(f"{path} is a DuckDB file, but no store of tlsrpt")
        return set()
    applied = {name for (name,) in connection.execute("SELECT name FROM steps").fetchall()}
    if ahead := sorted(applied - set(_steps())):
        raise StoreError(f"{path} was made by a newer version of tlsrpt (it has {', '.join(ahead)}); upgrade this one")
    return applied


def _bring_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Apply the steps that a store lacks, each in a transaction with the record of its name."""
    [(path,)] = connection.execute("SELECT path FROM duckdb_databases() WHERE NOT internal").fetchall()
    applied = _applied(connection, path)
    for name, text in _steps().items():
        if name in applied:
            continue
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE IF NOT EXISTS steps (name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)")
        connection.execute(text)
        connection.execute("INSERT INTO steps VALUES (?, ?)", [name, utc_now()])
        if not connection.execute("SELECT 1 FROM properties WHERE name = 'secret'").fetchall():
            connection.execute("INSERT INTO properties VALUES ('secret', ?)", [secrets.token_hex(16)])
        connection.execute("COMMIT")
    connection.execute((files("tlsrpt") / "views.sql").read_text(encoding="utf-8"))


# --------------------------------------------------------------------------------------------------------
# Columns in.

Column = Sequence[Any]

_ARROW = {
    "BIGINT": nanoarrow.int64,
    "BOOLEAN": nanoarrow.bool_,
    "DOUBLE": nanoarrow.float64,
    "BLOB": nanoarrow.binary,
    # Dates and times travel as ISO 8601 text: DuckDB reads it faster than Python converts it.
    "DATE": nanoarrow.string,
    "TIMESTAMP": nanoarrow.string,
    "VARCHAR": nanoarrow.string,
}


class Rows:
    """Rows for one table, given as columns of equal length by name, ready to be inserted.

    Dates and timestamps are ISO 8601 text; a VARCHAR[] column takes sequences of str.
    """

    def __init__(self, store: Store, table: str, columns: Mapping[str, Column]) -> None:
        self.table = table
        self.count = len(next(iter(columns.values())))
        kinds = store.columns[table]
        arrays = {name: _array(column, kinds[name]) for name, column in columns.items()}
        schema = nanoarrow.struct({name: array.schema for name, array in arrays.items()})
        self._array = nanoarrow.c_array_from_buffers(schema, self.count, [None], children=list(arrays.values()))

    def insert(
        self,
        connection: duckdb.DuckDBPyConnection,
        raised: Mapping[str, int] | None = None,
        dropped: Sequence[int] = (),
    ) -> None:
        """Insert the rows, the columns in `raised` by so much higher, without those of the reports `dropped`."""
        if not self.count:
            return
        what, where, given = "*", "", dict[str, object](raised or {})
        if raised:
            what = f"* REPLACE ({', '.join(f'{name} + ${name} AS {name}' for name in raised)})"
        if dropped:
            where = " WHERE report NOT IN (SELECT unnest($dropped::BIGINT[]))"
            given["dropped"] = list(dropped)
        connection.register("incoming", nanoarrow.ArrayStream(self._array))
        # Names of our own tables and columns; values are bound.
        connection.execute(f"INSERT INTO {self.table} BY NAME SELECT {what} FROM incoming{where}", given)  # noqa: S608
        connection.unregister("incoming")


def _array(column: Column, kind: str) -> Any:  # noqa: ANN401 - an Arrow array, which has no type stubs
    if kind == "VARCHAR[]":
        offsets = [0]
        for value in column:
            offsets.append(offsets[-1] + len(value))
        strings = nanoarrow.c_array([item for value in column for item in value], nanoarrow.string())
        return nanoarrow.c_array_from_buffers(
            nanoarrow.list_(nanoarrow.string()),
            len(column),
            [None, nanoarrow.c_buffer(offsets, nanoarrow.int32())],
            children=[strings],
        )
    try:
        return nanoarrow.c_array(column, _ARROW[kind]())
    except UnicodeEncodeError:
        # Readers replace lone surrogates; one that slipped through costs its character, not the batch.
        clean = [value and value.encode("utf-8", "replace").decode() for value in column]
        return nanoarrow.c_array(clean, _ARROW[kind]())
