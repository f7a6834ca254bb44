"""A batch on its way into the store: what is new, what came before, what replaces what.

Everything that can be done before the store is opened is done before: other processes wait meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from loaders.rows import TRUST, Incoming, better, facts, time_text
from tlsrpt.delivery import Mail
from tlsrpt.parse import Hints, parse
from tlsrpt.report import Report, ReportError
from tlsrpt.store import Rows, Store

if TYPE_CHECKING:
    import duckdb


class Arrival(NamedTuple):
    """A delivery that has been opened, and how that ended."""

    source: str
    name: str
    outcome: str  # "report", "refused" or "skipped"
    reason: str
    content: bytes  # what to keep of a refused one
    mail: Mail | None
    vouched: bool
    of: int | None = None  # place in the batch of the report that a refused entry belongs to


class ReadFile(NamedTuple):
    """A file that has been read to its end."""

    path: str
    size: int
    mtime_ns: int
    vouched: bool
    reports: int


class Batch:
    """What is to be stored in one transaction."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.incoming: list[Incoming] = []
        self.files: list[ReadFile] = []
        self.replaced: list[int] = []  # deliveries that this batch reads again
        self.replaced_reports: dict[int, int] = {}  # place of a report read again -> its number until now
        self.again: set[str] = set()  # sources that were read before, in a file that has changed since
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self.arrivals or self.files or self.replaced)


# Of a report whose receipt nobody knows.
_LONG_AGO = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)


class Stored(NamedTuple):
    """What a batch came to."""

    reports: int
    duplicates: int
    superseded: int
    refused: int
    skipped: int
    unchecked: int
    anew: int  # reports read again, none of them new


def identity(secret: bytes, report: Report) -> int:
    """Return the key under which a report is the same report, keyed so that nobody can aim at another's."""
    span = f"{time_text(report.start_datetime)}\0{time_text(report.end_datetime)}"
    text = f"{report.submitter}\0{report.report_id}\0{span}"
    return _hash(text.encode("utf-8", "surrogatepass"), secret)


def content_hash(document: bytes) -> int:
    """Return a hash of a document's bytes."""
    return _hash(document, b"")


def _hash(content: bytes, key: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8, key=key).digest(), "big", signed=True)


class _Known(NamedTuple):
    report: int
    key: int
    content_hash: int
    trust: str
    received: datetime | None
    delivery: int
    superseded: bool


def write(store: Store, batch: Batch, now: datetime) -> Stored:
    """Store a batch in one transaction and return what it came to.

    A report that is there already, with the same content, is a duplicate: counted once, every delivery
    remembered, believed at the best trust of them. With other content, under the same trust, the newest
    by receipt supersedes the others, and all are kept.
    """
    unique, repeats = _within(batch.incoming)
    rows = facts(store, enumerate(unique))
    with store.writing() as connection:
        # Before anything is taken out, so that no number is given twice.
        report, delivery = _next(connection, "reports", "report"), _next(connection, "deliveries", "delivery")
        _forget(connection, list(batch.replaced_reports.values()))
        known = _known(connection, unique)
        before = {
            place: same
            for place, incoming in enumerate(unique)
            if (same := _same(connection, incoming, known.get(incoming.key, ())))
        }
        for fact in rows:
            raised = {"report": report} | ({"delivery": delivery} if fact.table == "reports" else {})
            fact.insert(connection, raised, list(before))
        numbers = [before[place].report if place in before else report + place for place in range(len(unique))]
        _raise_trust(connection, [(before[place], unique[place].trust) for place in before])
        superseded = _supersede(connection, unique, known, before, report)
        kept = [first and place not in before for first, place in zip(repeats.first, repeats.unique_of, strict=True)]
        numbers = [numbers[place] for place in repeats.unique_of]
        for place, was in batch.replaced_reports.items():
            connection.execute("UPDATE deliveries SET report = ? WHERE report = ?", [numbers[place], was])
        rows_of = _deliveries(batch, numbers, kept)
        rows_of, replaced = _not_again(connection, batch.again, rows_of)
        for table in ("payloads", "deliveries") if (replaced := replaced + batch.replaced) else ():
            connection.execute(
                f"DELETE FROM {table} WHERE delivery IN (SELECT unnest(?::BIGINT[]))",  # noqa: S608 - our names
                [replaced],
            )
        _insert(store, connection, rows_of, delivery, now)
        _files(store, connection, batch.files)
    new = len(unique) - len(before)
    anew = len(batch.replaced_reports)
    return Stored(
        new - anew,
        len(batch.incoming) - new,
        superseded,
        sum(row.outcome == "refused" for row in rows_of),
        sum(row.outcome == "skipped" for row in rows_of),
        sum(incoming.trust == "unchecked" for place, incoming in enumerate(unique) if place not in before),
        anew,
    )


# --------------------------------------------------------------------------------------------------------
# The same report again.


class _Repeats(NamedTuple):
    unique_of: list[int]  # for each incoming report, its place among the unique ones
    first: list[bool]  # whether it is the one whose document is kept


def _within(incoming: Sequence[Incoming]) -> tuple[list[Incoming], _Repeats]:
    unique: list[Incoming] = []
    places: dict[int, list[int]] = defaultdict(list)
    repeats = _Repeats([], [])
    for one in incoming:
        same = next((place for place in places[one.key] if _equal(unique[place], one)), None)
        if same is None:
            same = len(unique)
            unique.append(one)
            places[one.key].append(same)
            repeats.first.append(True)
        else:
            unique[same] = unique[same]._replace(trust=better(unique[same].trust, one.trust))
            repeats.first.append(False)
        repeats.unique_of.append(same)
    return unique, repeats


def _equal(one: Incoming, other: Incoming) -> bool:
    return one.content_hash == other.content_hash or _bare(one.report) == _bare(other.report)


def _bare(report: Report) -> Report:
    """Return a report without what its form alone brought about."""
    return report._replace(defects=())


def _forget(connection: duckdb.DuckDBPyConnection, reports: list[int]) -> None:
    """Take out reports that are about to be stored anew, with the refused entries that they had."""
    if not reports:
        return
    those = "(SELECT unnest($reports::BIGINT[]))"
    entries = f"SELECT delivery FROM deliveries WHERE outcome = 'refused' AND report IN {those}"  # noqa: S608
    for table, which in (
        ("payloads", f"delivery IN ({entries})"),
        ("deliveries", f"outcome = 'refused' AND report IN {those}"),
        ("reports", f"report IN {those}"),
        ("policies", f"report IN {those}"),
        ("failures", f"report IN {those}"),
        ("defects", f"report IN {those}"),
    ):
        connection.execute(f"DELETE FROM {table} WHERE {which}", {"reports": reports})  # noqa: S608 - our names


def _known(connection: duckdb.DuckDBPyConnection, unique: Sequence[Incoming]) -> dict[int, list[_Known]]:
    if not unique:
        return {}
    days = sorted({incoming.report.day for incoming in unique})
    # The same report has the same day, and days are what rows are ordered by.
    found = connection.execute(
        """
        SELECT report, report_key, content_hash, trust, received_at, delivery, superseded FROM reports
        WHERE day BETWEEN $since AND $until AND report_key IN (SELECT unnest($keys::BIGINT[]))
        """,
        {"since": days[0], "until": days[-1], "keys": [incoming.key for incoming in unique]},
    ).fetchall()
    known: dict[int, list[_Known]] = defaultdict(list)
    for row in found:
        one = _Known(*row)
        known[one.key].append(one)
    return known


def _same(connection: duckdb.DuckDBPyConnection, incoming: Incoming, known: Sequence[_Known]) -> _Known | None:
    for one in known:
        if one.content_hash == incoming.content_hash:
            return one
    # Other bytes may still be the same report: another order of members, other spacing.
    for one in known:
        kept = connection.execute("SELECT content FROM payloads WHERE delivery = ?", [one.delivery]).fetchall()
        if kept and _says(kept[0][0], incoming):
            return one
    return None


def _says(document: bytes, incoming: Incoming) -> bool:
    report = incoming.report
    domain = report.policies[0].policy_domain if report.policies else None
    around = Mail(None, None, None, domain, report.submitter, None)
    try:
        readings = parse(document, Hints(around)).readings
    except ReportError:
        return False
    return any(_bare(reading.report) == _bare(report) for reading in readings)


def _raise_trust(connection: duckdb.DuckDBPyConnection, pairs: Sequence[tuple[_Known, str]]) -> None:
    raised: dict[str, list[int]] = defaultdict(list)
    for known, trust in pairs:
        if TRUST.index(trust) > TRUST.index(known.trust):
            raised[trust].append(known.report)
    for trust, reports in raised.items():
        _update(connection, "trust", trust, reports)


def _supersede(
    connection: duckdb.DuckDBPyConnection,
    unique: Sequence[Incoming],
    known: dict[int, list[_Known]],
    before: dict[int, _Known],
    base: int,
) -> int:
    """Let the newest of several versions of a report count, within the same trust."""
    versions: dict[tuple[int, str], list[tuple[datetime, int, bool]]] = defaultdict(list)
    upgraded = {same.report: better(same.trust, unique[place].trust) for place, same in before.items()}
    for key in {incoming.key for incoming in unique}:
        for one in known.get(key, ()):
            trust = upgraded.get(one.report, one.trust)
            versions[key, trust].append((one.received or _LONG_AGO, one.report, one.superseded))
    for place, incoming in enumerate(unique):
        if place not in before:
            at = (incoming.received or _LONG_AGO, base + place, False)
            versions[incoming.key, incoming.trust].append(at)
    older: list[int] = []
    for found in versions.values():
        if len(found) < 2:
            continue
        found.sort()
        newest = found[-1][1]
        replaced = [report for _, report, superseded in found[:-1] if not superseded]
        older += replaced
        if found[-1][2]:
            _update(connection, "superseded", "false", [newest])
        if replaced:
            message = f"replaces report {', '.join(map(str, replaced))}, which has the same identity and says otherwise"
            connection.execute("INSERT INTO defects VALUES (?, 'report-id', ?)", [newest, message])
            connection.execute("UPDATE reports SET defects = defects + 1 WHERE report = ?", [newest])
    if older:
        _update(connection, "superseded", "true", older)
    return len(older)


def _update(connection: duckdb.DuckDBPyConnection, column: str, value: str, reports: list[int]) -> None:
    for table in ("reports", "policies", "failures"):
        connection.execute(
            f"UPDATE {table} SET {column} = ? WHERE report IN (SELECT unnest(?::BIGINT[]))",  # noqa: S608 - our names
            [value, reports],
        )


# --------------------------------------------------------------------------------------------------------
# How it came.


def _next(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> int:
    [(number,)] = connection.execute(f"SELECT coalesce(max({column}), 0) + 1 FROM {table}").fetchall()  # noqa: S608
    return int(number)


class _Delivery(NamedTuple):
    place: int  # in the batch
    source: str
    name: str
    outcome: str
    reason: str
    report: int | None
    vouched: bool
    content: bytes
    mail: Mail | None


def _deliveries(batch: Batch, numbers: Sequence[int], kept: Sequence[bool]) -> list[_Delivery]:
    """Return how each thing came; `numbers` are the reports' in the store, `kept` says whose document is new."""
    report_of = {incoming.delivery: place for place, incoming in enumerate(batch.incoming)}
    rows = []
    for place, (source, name, how, reason, given, mail, vouched, of) in enumerate(batch.arrivals):
        outcome, content, report = how, given, None
        if of is not None:
            if not kept[of]:
                continue  # a refused entry of a report that is a duplicate is a duplicate
            report = numbers[of]
        if (incoming := report_of.get(place)) is not None:
            report = numbers[incoming]
            outcome = "loaded" if kept[incoming] else "duplicate"
            content = batch.incoming[incoming].document if kept[incoming] else b""
        rows.append(_Delivery(place, source, name, outcome, reason, report, vouched, content, mail))
    return rows


def _not_again(
    connection: duckdb.DuckDBPyConnection, again: set[str], rows: list[_Delivery]
) -> tuple[list[_Delivery], list[int]]:
    """Return the rows without those that are stored already, and the stored ones that new ones replace.

    An mbox that grows is read whole each time; its older messages must not leave a row each time too.
    """
    if not again:
        return rows, []
    found = connection.execute(
        "SELECT source, name, outcome, report, delivery FROM deliveries WHERE source IN (SELECT unnest($1::VARCHAR[]))",
        [list(again)],
    ).fetchall()
    stored = {(source, name, report): delivery for source, name, outcome, report, delivery in found
              if outcome in {"loaded", "duplicate"}}  # fmt: skip
    replaced = [delivery for _, _, outcome, _, delivery in found if outcome in {"refused", "skipped"}]
    return [row for row in rows if (row.source, row.name, row.report) not in stored], replaced


def _insert(
    store: Store, connection: duckdb.DuckDBPyConnection, rows: Sequence[_Delivery], base: int, now: datetime
) -> None:
    if not rows:
        return
    mails = [row.mail for row in rows]
    columns: dict[str, Sequence[object]] = {
        "delivery": [base + row.place for row in rows],
        "source": [row.source for row in rows],
        "name": [row.name for row in rows],
        "outcome": [row.outcome for row in rows],
        "reason": [row.reason for row in rows],
        "report": [row.report for row in rows],
        "vouched": [row.vouched for row in rows],
        "loaded_at": [time_text(now)] * len(rows),
        "received_at": [mail and time_text(mail.received) for mail in mails],
        "sender": [mail and mail.sender for mail in mails],
        "subject": [mail and mail.subject for mail in mails],
        "message_id": [mail and mail.message_id for mail in mails],
        "report_domain": [mail and mail.report_domain for mail in mails],
        "report_submitter": [mail and mail.report_submitter for mail in mails],
        "size": [len(row.content) for row in rows],
    }
    Rows(store, "deliveries", columns).insert(connection)
    kept = [row for row in rows if row.content]
    if kept:
        payloads: dict[str, Sequence[object]] = {
            "delivery": [base + row.place for row in kept],
            "content": [row.content for row in kept],
        }
        Rows(store, "payloads", payloads).insert(connection)


def _files(store: Store, connection: duckdb.DuckDBPyConnection, files: Sequence[ReadFile]) -> None:
    if not files:
        return
    paths = [file.path for file in files]
    connection.execute("DELETE FROM files WHERE path IN (SELECT unnest($1::VARCHAR[]))", [paths])
    columns = dict(zip(ReadFile._fields, zip(*files, strict=True), strict=True))
    Rows(store, "files", columns).insert(connection)
