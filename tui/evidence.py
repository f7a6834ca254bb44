"""Where the answers of a session come from: the store on disk, or paths read into memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from queries import EVERYTHING, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from loaders import Status, Summary
    from tlsrpt.enforce.blast import Damage
    from tlsrpt.store import Store

# Days; None is all of them. A report is about a day that is over, so that today alone would always be empty.
WINDOWS: tuple[int | None, ...] = (2, 7, 14, 30, 90, None)
DAMAGES = 500  # domains of which it is kept whose fault what fails there is
USUAL = 30  # days, when the store has reports in them


def end_of(day: date) -> datetime:
    """Return the last second of a UTC day."""
    return datetime.combine(day, time(23, 59, 59))


class Evidence:
    """The reports that are looked at. Nothing heavy is imported before the first question."""

    def __init__(self, database: Path, paths: Sequence[str] = (), as_of: date | None = None) -> None:
        self.database = database
        self.paths = tuple(paths)  # in memory if there are any
        self.as_of = as_of
        self.version = 0  # goes up when there may be new answers
        self._damages: dict[tuple[int, str], Mapping[tuple[str, str], Damage]] = {}
        self._store: Store | None = None
        self._lock = Lock()
        self._written = self._last_write()

    def store(self) -> Store | None:
        """Return the store to ask, None while there is none on disk. Raises StoreError."""
        from tlsrpt.store import Store as Opened  # noqa: PLC0415 - duckdb waits for the first frame

        with self._lock:
            if self._store is None:
                if self.paths:
                    self._store = Opened.memory()
                elif self.database.exists():
                    self._store = Opened.open(self.database)
            return self._store

    def made(self) -> Store:
        """Return the store to write to, made if there is none. Raises StoreError."""
        from tlsrpt.store import Store as Opened  # noqa: PLC0415 - as above

        return self.store() or Opened.open(self.database, create=True)

    def give_up(self) -> None:
        """End the questions that are being asked, so that the program can end."""
        if self._store is not None:
            self._store.give_up()

    def close(self) -> None:
        """Let go of the store."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def read_paths(self, progress: Callable[[Status], None], stopped: Callable[[], bool]) -> Summary:
        """Read the paths into memory; the operator chose them, so they count as vouched for."""
        from loaders import load  # noqa: PLC0415 - duckdb and pydantic wait for the first frame
        from loaders.directory import Directory  # noqa: PLC0415 - likewise

        store = self.store()
        assert store is not None
        return load(Directory(self.paths), store, vouch=True, progress=progress, stopped=stopped)

    def only_report(self) -> int | None:
        """Return the number of a report, None if there is none; for a store that has no more than one."""
        from queries import reports  # noqa: PLC0415 - asked once, in a thread

        store = self.store()
        found = [] if store is None else reports.newest(store, limit=1)
        return found[0].report if found else None

    def known_damages(self, policy_domain: str) -> Mapping[tuple[str, str], Damage] | None:
        """Return what `damages` found for what is known now, None if nobody asked for it yet."""
        return self._damages.get((self.version, policy_domain))

    def damages(self, store: Store, policy_domain: str) -> Mapping[tuple[str, str], Damage]:
        """Return what fails at a domain and whose fault it is, by cause and MX; found once for what is known now.

        Raises StoreError.
        """
        from tui import judging  # noqa: PLC0415 - pydantic and cryptography wait for the first frame

        asked = self.version, policy_domain
        found = self._damages.get(asked)
        if found is None:
            found = judging.damages(store, policy_domain, self.now())
            with self._lock:
                if len(self._damages) >= DAMAGES:
                    del self._damages[next(iter(self._damages))]
                self._damages[asked] = found
        return found

    def today(self) -> date:
        """Return the day that windows end at."""
        return self.as_of or datetime.now(UTC).date()

    def now(self) -> datetime:
        """Return the moment that answers are for: UTC, without tzinfo, whole seconds."""
        if self.as_of is not None:
            return end_of(self.as_of)
        return datetime.now(UTC).replace(tzinfo=None, microsecond=0)

    def scope(self, days: int | None, within: Scope = EVERYTHING) -> Scope:
        """Return `within`, limited to the last so many days."""
        since = None if days is None else self.today() - timedelta(days=days - 1)
        return replace(within, since=since, until=self.as_of)

    def first_window(self, wanted: int | None = USUAL) -> tuple[int | None, int]:
        """Return the window to begin with, the one wanted on a store that has reports in it, and how much was refused.

        Raises StoreError.
        """
        if self.paths:
            return None, 0
        from queries import domains  # noqa: PLC0415 - asked once, in a thread

        store = self.store()
        if store is None:
            return None, 0
        found = domains.totals(store, self.scope(wanted))
        return wanted if found.reports else None, found.refused

    def changed(self) -> bool:
        """Return whether somebody wrote to the store since the last call."""
        if self.paths:
            return False
        written = self._last_write()
        if written == self._written:
            return False
        self._written = written
        return True

    def _last_write(self) -> tuple[int, ...]:
        found = []
        for path in (self.database, self.database.with_name(self.database.name + ".wal")):
            try:
                status = path.stat()
            except OSError:
                continue
            found += [status.st_mtime_ns, status.st_size]
        return tuple(found)


def window_words(days: int | None, evidence: Evidence) -> str:
    """Return a window in words."""
    if days is None:
        return f"all days to {evidence.as_of}" if evidence.as_of else "all days"
    words = f"{days} days"
    return f"{words} to {evidence.as_of}" if evidence.as_of else f"last {words}"
