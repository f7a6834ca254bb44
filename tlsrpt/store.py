"""The store (being written)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


class StoreError(Exception):
    """The store cannot be used; the message says why and what helps."""


class Store:
    """Reports in one DuckDB file, or in memory."""

    @classmethod
    def open(cls, path: Path) -> Store:
        """Return the store at this path, made if need be."""
        raise NotImplementedError

    @classmethod
    def memory(cls) -> Store:
        """Return an empty store in memory."""
        raise NotImplementedError

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection to ask questions of; nested uses in one thread share it."""
        raise NotImplementedError
