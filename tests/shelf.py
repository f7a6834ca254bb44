"""A store for tests, filled from documents and mails made in the test."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import loaders
from loaders import Delivery, Done, File, Summary
from tlsrpt.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports import Document


class Deliveries:
    """A source of things held in memory, each a file of its own."""

    def __init__(self, *contents: bytes | Document, names: tuple[str, ...] = ()) -> None:
        self.contents = contents
        self.names = names

    def deliveries(self) -> Iterator[Delivery | Done]:
        """Yield each, numbered in order, as JSON if it is a document."""
        for number, content in enumerate(self.contents):
            name = self.names[number] if self.names else f"{number}.json"
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            yield Delivery(name, "", data)
            yield Done(File(name, len(data), number))


def put(store: Store, *contents: bytes | Document, vouch: bool = False, names: tuple[str, ...] = ()) -> Summary:
    """Load documents, mails or other bytes and return the summary."""
    return loaders.load(Deliveries(*contents, names=names), store, vouch=vouch)


def filled(*contents: bytes | Document, vouch: bool = False) -> Store:
    """Return a store in memory with these loaded."""
    store = Store.memory()
    put(store, *contents, vouch=vouch)
    return store


def mail(found: Document | bytes, *, received: str = "Wed, 11 Mar 2026 10:00:00 +0000", **headers: str) -> bytes:
    """Return a mail as Google writes it, with a report as its attachment."""
    content = found if isinstance(found, bytes) else gzip.compress(json.dumps(found).encode(), mtime=0)
    all_headers = {
        "Received": f"from mx.sender.example by mx.example.com; {received}",
        "From": "noreply@sender.example",
        "Subject": "Report Domain: example.com Submitter: sender.example Report-ID: <1@sender.example>",
        "TLS-Report-Domain": "example.com",
        "TLS-Report-Submitter": "sender.example",
        "Message-ID": "<1@sender.example>",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/report; boundary="=-="; report-type=tlsrpt',
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in all_headers.items() if value)
    body = base64.encodebytes(content).decode().replace("\n", "\r\n")
    return (
        f"{head}\r\n--=-=\r\nContent-Type: text/plain\r\n\r\nThis is a report.\r\n"
        f"--=-=\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="sender.example!example.com!1!2!001.json.gz"\r\n\r\n'
        f"{body}\r\n--=-=--\r\n"
    ).encode()


def ask(store: Store, question: str, *given: object) -> list[tuple[Any, ...]]:
    """Return the rows that a question of the test's own gives."""
    with store.reading() as connection:
        return connection.execute(question, list(given)).fetchall()
