"""Who sent a mail, and what that makes its report worth; and whom the operator accepts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from loaders.batch import content_hash, supersede
from loaders.rows import Standing
from tlsrpt.authentication import Authentication, KeyOf, authenticate
from tlsrpt.limits import MAILBOX_LIMITS, MailboxLimits
from tlsrpt.reporters import Accepted, is_known

if TYPE_CHECKING:
    import duckdb

    from tlsrpt.parse import Reading
    from tlsrpt.store import Store


class Senders:
    """Tells of each mail who signed it, and whether that is a reporter to believe."""

    def __init__(
        self,
        keys: KeyOf | None,
        accepted: Iterable[Accepted],
        now: datetime,
        *,
        trusted_authserv_id: str = "",
        flood: Flood | None = None,
    ) -> None:
        self._keys = keys  # None: signatures are not checked
        self._accepted = tuple(accepted)
        self._now = now
        self._authserv_id = trusted_authserv_id
        self._flood = flood

    def authenticate(self, message: bytes, outermost: bool) -> Authentication:  # noqa: FBT001 - as `unpack` asks
        """Return who sent a mail; only in the outermost one the word of the trusted server is its own."""
        trusted = self._authserv_id if outermost else ""
        return authenticate(message, self._keys, self._now, trusted_authserv_id=trusted)

    def standing(self, found: Authentication) -> Standing:
        """Return what a report is worth that came in such a mail."""
        if found.state in {"pass", "expired"} and found.signer:
            known = is_known(found.signer, found.address, self._accepted)
            return Standing("known" if known else "signed", found.signer, found.address)
        # What could not be checked may be genuine; what is not signed, or wrongly, is to be ignored (RFC 8460
        # section 3), and is kept as a claim.
        unknown = found.state in {"temporary-error", "not-checked"}
        return Standing("unchecked" if unknown else "unverified", None, found.address)

    def too_many(self, standing: Standing, reading: Reading, received: datetime | None) -> str:
        """Return why a report that came at this time is one too many, "" if it is not."""
        if self._flood is None or standing.trust in BELIEVED:
            return ""
        return self._flood.counted(reading, received)


BELIEVED = frozenset({"known", "vouched"})


class Flood:
    """Counts the reports of unknown senders by the UTC day that a mailbox got them: anyone can send them.

    By that day, not by the day of reading, so that the mail of years can be read at once.
    """

    def __init__(self, store: Store, limits: MailboxLimits = MAILBOX_LIMITS) -> None:
        self._store = store
        self._limits = limits

    @cached_property
    def _counts(self) -> Counter[tuple[date | None, str | None]]:
        """How many came by day and domain, and by day alone. Most visits bring none, and then nobody asks."""
        with self._store.reading() as connection:
            found = connection.execute(
                """
                WITH unknown AS (
                    SELECT reports.report, CAST(reports.received_at AS DATE) AS came
                    FROM reports JOIN deliveries ON deliveries.delivery = reports.delivery
                    WHERE reports.trust NOT IN ('known', 'vouched') AND starts_with(deliveries.source, 'imap://')
                )
                SELECT came, policy_domain, count(DISTINCT policies.report)
                FROM policies JOIN unknown ON unknown.report = policies.report
                GROUP BY came, policy_domain
                UNION ALL
                SELECT came, NULL, count(*) FROM unknown GROUP BY came
                """
            ).fetchall()
        return Counter({(came, domain): count for came, domain, count in found})

    @cached_property
    def _stored(self) -> frozenset[int]:
        """The hashes of those stored when one was first too many."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT content_hash FROM reports WHERE trust NOT IN ('known', 'vouched')"
            ).fetchall()
        return frozenset(number for (number,) in found)

    def counted(self, reading: Reading, received: datetime | None) -> str:
        """Count a report; return why it is one too many, "" if it is not."""
        came = received.date() if received is not None else None
        domains = [(came, domain) for domain in {policy.policy_domain for policy in reading.report.policies}]
        limits = self._limits
        if self._counts[came, None] >= limits.unknown_per_day:
            reason = f"more than {limits.unknown_per_day:,} reports of one day from senders who are not known"
        elif any(self._counts[one] >= limits.unknown_per_domain for one in domains):
            most = limits.unknown_per_domain
            reason = f"more than {most:,} reports of one day about a domain from senders who are not known"
        else:
            self._counts.update([(came, None), *domains])
            return ""
        # What is stored already is no more of it.
        return "" if content_hash(reading.document) in self._stored else reason


def accepted(store: Store, more: Iterable[Accepted] = ()) -> tuple[Accepted, ...]:
    """Return the reporters that the operator accepts: those recorded, and `more`, which are configured."""
    with store.reading() as connection:
        found = connection.execute("SELECT signer, address FROM accepted WHERE withdrawn_at IS NULL").fetchall()
    return (*more, *(Accepted(*row) for row in found))


def accept(store: Store, reporter: Accepted, note: str, name: str, now: datetime) -> int:
    """Record that a reporter is accepted and return the number of that. Raises StoreError."""
    with store.writing() as connection:
        found = connection.execute(
            "INSERT INTO accepted SELECT coalesce(max(acceptance), 0) + 1, ?, ?, ?, ?, ?, NULL FROM accepted"
            " RETURNING acceptance",
            [*reporter, note, name, now],
        ).fetchall()
    return int(found[0][0])


def withdraw(store: Store, reporter: Accepted, now: datetime) -> bool:
    """Take back that a reporter is accepted, without an address for all of them; return whether it was.

    Raises StoreError.
    """
    with store.writing() as connection:
        found = connection.execute(
            "UPDATE accepted SET withdrawn_at = ?"
            " WHERE signer = ? AND ? IN ('', address) AND withdrawn_at IS NULL RETURNING 1",
            [now, *reporter],
        ).fetchall()
    return bool(found)


def regrade(store: Store, believed: Sequence[Accepted]) -> int:
    """Bring what is stored in line with who is known now; return how many reports that changed.

    Raises StoreError.
    """
    with store.reading() as connection:
        if not (wrong := _wrong(connection, believed)):
            return 0
    with store.writing() as connection:
        changed = 0
        for trust, (signer, address) in wrong:
            changed += _regrade(store, connection, trust, signer, address)
    return changed


_Sender = tuple[str, str | None]


def _wrong(connection: duckdb.DuckDBPyConnection, believed: Sequence[Accepted]) -> list[tuple[str, _Sender]]:
    """Return the senders whose reports are worth something else now, and what."""
    found = connection.execute(
        "SELECT DISTINCT signer, address, trust FROM reports WHERE trust IN ('signed', 'known') ORDER BY ALL"
    ).fetchall()
    wrong = []
    for signer, address, trust in found:
        due = "known" if is_known(signer, address, believed) else "signed"
        if due != trust:
            wrong.append((due, (signer, address)))
    return wrong


def _regrade(store: Store, connection: duckdb.DuckDBPyConnection, trust: str, signer: str, address: str | None) -> int:
    found = connection.execute(
        """
        UPDATE reports SET trust = ?
        WHERE signer = ? AND address IS NOT DISTINCT FROM ? AND trust IN ('signed', 'known') AND trust <> ?
        RETURNING report, report_key, day
        """,
        [trust, signer, address, trust],
    ).fetchall()
    if not found:
        return 0
    numbers, keys, days = zip(*found, strict=True)
    for table in ("policies", "failures"):
        connection.execute(
            f"UPDATE {table} SET trust = ? WHERE report IN (SELECT unnest(?::BIGINT[]))",  # noqa: S608 - our names
            [trust, list(numbers)],
        )
    supersede(store, connection, set(keys), min(days), max(days))
    return len(numbers)
