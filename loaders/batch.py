"""A batch on its way into the store: what is new, what came before, what replaces what.

Everything that can be done before the store is opened is done before: other processes wait meanwhile.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from loaders.rows import TRUST, Incoming, facts, time_text
from tlsrpt.authentication import Authentication
from tlsrpt.delivery import Mail
from tlsrpt.parse import Hints, parse
from tlsrpt.report import Report, ReportError
from tlsrpt.store import Rows, Store

if TYPE_CHECKING:
    import duckdb

    from loaders import Reached
    from loaders.observations import Look


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
        self.looks: list[Look] = []
        self.files: list[ReadFile] = []
        self.reached: dict[tuple[str, str], Reached] = {}  # by account and folder
        self.replaced: list[int] = []  # deliveries that this batch reads again
        self.replaced_reports: dict[int, int] = {}  # place of a report read again -> its number until now
        self.again: set[str] = set()  # sources that were read before, in a file that has changed since
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self.arrivals or self.looks or self.files or self.reached or self.replaced)


_REPLACES = "identity"  # the place of the defect of a report that others had to give way to


class Stored(NamedTuple):
    """What a batch came to, or several."""

    reports: int = 0
    duplicates: int = 0
    superseded: int = 0
    refused: int = 0
    skipped: int = 0
    unchecked: int = 0
    signed: int = 0
    unverified: int = 0
    anew: int = 0  # reports read again, none of them new
    checks: int = 0

    def plus(self, other: Stored) -> Stored:
        """Return what both came to."""
        return Stored(*map(sum, zip(self, other, strict=True)))


def identity(secret: bytes, report: Report, signer: str | None = None) -> int:
    """Return the key under which a report is the same report, keyed so that nobody can aim at another's.

    Whoever signed it stands in it for what the report says of itself: under its own signature nobody can take
    the place of somebody else's report.
    """
    span = f"{time_text(report.start_datetime)}\0{time_text(report.end_datetime)}"
    text = f"{signer or report.submitter}\0{report.report_id}\0{span}"
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
    delivery: int


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
        before = {place: same for place, incoming in enumerate(unique) if (same := _same(connection, incoming, known))}
        for fact in rows:
            raised = {"report": report} | ({"delivery": delivery} if fact.table == "reports" else {})
            fact.insert(connection, raised, list(before))
        _renumber(connection, batch, repeats.unique_of, report)
        again = {repeats.unique_of[place]: was for place, was in batch.replaced_reports.items()}
        numbers = [
            before[place].report if place in before else again.get(place, report + place)
            for place in range(len(unique))
        ]
        _raise_trust(connection, [(before[place], unique[place]) for place in before])
        _receive(connection, [(before[place].report, unique[place].received) for place in before])
        superseded = _supersede(store, connection, unique) if unique else 0
        kept = [first and place not in before for first, place in zip(repeats.first, repeats.unique_of, strict=True)]
        numbers = [numbers[place] for place in repeats.unique_of]
        rows_of = _deliveries(batch, numbers, kept)
        rows_of, replaced = _not_again(connection, batch.again, rows_of)
        for table in ("payloads", "deliveries") if (replaced := replaced + batch.replaced) else ():
            connection.execute(
                f"DELETE FROM {table} WHERE delivery IN (SELECT unnest(?::BIGINT[]))",  # noqa: S608 - our names
                [replaced],
            )
        _insert(store, connection, rows_of, delivery, now)
        checks = _checks(store, connection, batch.looks, now)
        _files(store, connection, batch.files)
        _reached(connection, batch.reached.values())
    new = len(unique) - len(before)
    anew = len(batch.replaced_reports)
    trusts = Counter(incoming.standing.trust for place, incoming in enumerate(unique) if place not in before)
    return Stored(
        new - anew,
        len(batch.incoming) - new + len(batch.looks) - checks,
        superseded,
        sum(row.outcome == "refused" for row in rows_of),
        sum(row.outcome == "skipped" for row in rows_of),
        trusts["unchecked"],
        trusts["signed"],
        trusts["unverified"],
        anew,
        checks,
    )


def _checks(store: Store, connection: duckdb.DuckDBPyConnection, looks: Sequence[Look], now: datetime) -> int:
    if not looks:
        return 0
    from loaders.observations import write as observed  # noqa: PLC0415 - with the models, which reports do without

    return observed(store, connection, looks, now)


# --------------------------------------------------------------------------------------------------------
# The same report again.


class _Repeats(NamedTuple):
    unique_of: list[int]  # for each incoming report, its place among the unique ones
    first: list[bool]  # whether it is the one whose document is kept


def _within(incoming: Sequence[Incoming]) -> tuple[list[Incoming], _Repeats]:
    unique: list[Incoming] = []
    places: dict[int, list[int]] = defaultdict(list)
    repeats = _Repeats([], [])
    contents: dict[int, int] = {}
    for one in incoming:
        same = contents.get(one.content_hash)
        if same is None:
            same = next((place for place in places[one.key] if _equal(unique[place], one)), None)
        if same is None:
            same = len(unique)
            unique.append(one)
            places[one.key].append(same)
            contents[one.content_hash] = same
            repeats.first.append(True)
        else:
            first = unique[same]
            received = max(filter(None, (first.received, one.received)), default=None)
            better = max(first, one, key=_trust)
            unique[same] = first._replace(standing=better.standing, key=better.key, received=received)
            repeats.first.append(False)
        repeats.unique_of.append(same)
    return unique, repeats


def _trust(one: Incoming) -> int:
    return TRUST.index(one.standing.trust)


def _equal(one: Incoming, other: Incoming) -> bool:
    return _bare(one.report) == _bare(other.report)


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


class _Before(NamedTuple):
    """What the store has of the reports of a batch."""

    by_key: dict[int, list[_Known]]
    by_content: dict[int, _Known]


def _period(unique: Sequence[Incoming]) -> dict[str, date]:
    """Return the days of reports: the same report has the same day, and days are what rows are ordered by."""
    days = [incoming.report.day for incoming in unique]
    return {"since": min(days), "until": max(days)}


def _known(connection: duckdb.DuckDBPyConnection, unique: Sequence[Incoming]) -> _Before:
    before = _Before(defaultdict(list), {})
    if not unique:
        return before
    found = connection.execute(
        """
        SELECT report, report_key, content_hash, trust, delivery FROM reports
        WHERE day BETWEEN $since AND $until AND (report_key IN (SELECT unnest($keys::BIGINT[]))
            OR content_hash IN (SELECT unnest($contents::BIGINT[])))
        ORDER BY report
        """,
        {
            **_period(unique),
            "keys": [incoming.key for incoming in unique],
            "contents": [incoming.content_hash for incoming in unique],
        },
    ).fetchall()
    for row in found:
        one = _Known(*row)
        before.by_key[one.key].append(one)
        before.by_content.setdefault(one.content_hash, one)
    return before


def _same(connection: duckdb.DuckDBPyConnection, incoming: Incoming, known: _Before) -> _Known | None:
    # The same bytes are the same report, whoever passed them on: a report without contact-info has its
    # submitter from the mail around it, and the file saved from that mail has none.
    if one := known.by_content.get(incoming.content_hash):
        return one
    # Other bytes may still be the same report: another order of members, other spacing.
    for one in known.by_key.get(incoming.key, ()):
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


def _raise_trust(connection: duckdb.DuckDBPyConnection, pairs: Sequence[tuple[_Known, Incoming]]) -> None:
    """Let reports be worth what the better of two deliveries is, and be whose that one says."""
    raised = [(known.report, one) for known, one in pairs if _trust(one) > TRUST.index(known.trust)]
    if not raised:
        return
    given = {
        "reports": [report for report, _ in raised],
        "trusts": [one.standing.trust for _, one in raised],
        "organizations": [one.organization for _, one in raised],
        "signers": [one.standing.signer for _, one in raised],
        "addresses": [one.standing.address for _, one in raised],
        "keys": [one.key for _, one in raised],
    }
    own = "signer = raised.signer, address = raised.address, report_key = raised.report_key"
    for table, more in (("reports", f", {own}"), ("policies", ""), ("failures", "")):
        connection.execute(
            f"""
            UPDATE {table} SET trust = raised.trust, organization = raised.organization{more}
            FROM (SELECT unnest($reports::BIGINT[]) AS report, unnest($trusts::VARCHAR[]) AS trust,
                unnest($organizations::VARCHAR[]) AS organization, unnest($signers::VARCHAR[]) AS signer,
                unnest($addresses::VARCHAR[]) AS address, unnest($keys::BIGINT[]) AS report_key) AS raised
            WHERE {table}.report = raised.report
            """,  # noqa: S608 - our names
            given,
        )


def _receive(connection: duckdb.DuckDBPyConnection, pairs: Sequence[tuple[int, datetime | None]]) -> None:
    """Note that reports came again, so that what is newest does not depend on the order of loading."""
    received = [(report, at) for report, at in pairs if at is not None]
    if received:
        connection.execute(
            """
            UPDATE reports SET received_at = pairs.received_at
            FROM (SELECT unnest($reports::BIGINT[]) AS report, unnest($times::TIMESTAMP[]) AS received_at) AS pairs
            WHERE reports.report = pairs.report
                AND (reports.received_at IS NULL OR reports.received_at < pairs.received_at)
            """,
            {"reports": [report for report, _ in received], "times": [at for _, at in received]},
        )


def _renumber(connection: duckdb.DuckDBPyConnection, batch: Batch, unique_of: Sequence[int], base: int) -> None:
    """Give reports that were read again the numbers that they had."""
    pairs = [(base + unique_of[place], was) for place, was in batch.replaced_reports.items()]
    for table in ("reports", "policies", "failures", "defects") if pairs else ():
        connection.execute(
            f"""
            UPDATE {table} SET report = pairs.was
            FROM (SELECT unnest($now::BIGINT[]) AS now, unnest($was::BIGINT[]) AS was) AS pairs
            WHERE {table}.report = pairs.now
            """,  # noqa: S608 - our names
            {"now": [now for now, _ in pairs], "was": [was for _, was in pairs]},
        )


def _supersede(store: Store, connection: duckdb.DuckDBPyConnection, unique: Sequence[Incoming]) -> int:
    period = _period(unique)
    return supersede(store, connection, {incoming.key for incoming in unique}, period["since"], period["until"])


def supersede(
    store: Store, connection: duckdb.DuckDBPyConnection, keys: Iterable[int], since: date, until: date
) -> int:
    """Let the newest of several versions of a report count, within the same trust; return how many went.

    `since` and `until` are days between which the reports with these keys lie. The newest is the one received
    last; of those that came at an unknown time, the one loaded last.
    """
    found = connection.execute(
        """
        WITH these AS (
            SELECT report_key, trust, report, superseded, received_at FROM reports
            WHERE day BETWEEN $since AND $until AND report_key IN (SELECT unnest($keys::BIGINT[]))
        )
        SELECT report_key, trust, report, superseded FROM these
        WHERE report_key IN (SELECT report_key FROM these GROUP BY report_key HAVING count(*) > 1)
        ORDER BY report_key, trust, received_at NULLS FIRST, report
        """,
        {"since": since, "until": until, "keys": list(keys)},
    ).fetchall()
    versions: dict[tuple[int, str], list[tuple[int, bool]]] = defaultdict(list)
    for key, trust, report, superseded in found:
        versions[key, trust].append((report, superseded))
    older = [report for one in versions.values() for report, superseded in one[:-1] if not superseded]
    newer = [report for *_, (report, superseded) in versions.values() if superseded]
    if newer:
        _update(connection, "superseded", "false", newer)
    if older:
        _update(connection, "superseded", "true", older)
    told = [([report for report, _ in one[:-1]], one[-1][0]) for one in versions.values() if len(one) > 1]
    _tell_replaced(store, connection, told)
    return len(older)


def _tell_replaced(store: Store, connection: duckdb.DuckDBPyConnection, told: Sequence[tuple[list[int], int]]) -> None:
    """Note at each newest version, in `told` beside those before it, that it took their place."""
    if not told:
        return
    newest = [report for _, report in told]
    those = "report IN (SELECT unnest($1::BIGINT[]))"
    connection.execute(f"DELETE FROM defects WHERE place = $2 AND {those}", [newest, _REPLACES])  # noqa: S608 - our names
    messages = []
    for older, _ in told:
        message = f"replaces report {', '.join(map(str, older))}, which has the same identity and says otherwise"
        messages.append(message)
    columns: dict[str, Sequence[object]] = {
        "report": newest,
        "place": [_REPLACES] * len(newest),
        "message": messages,
    }
    Rows(store, "defects", columns).insert(connection)
    connection.execute(
        f"""
        UPDATE reports SET defects = (SELECT count(*) FROM defects WHERE defects.report = reports.report)
        WHERE {those}
        """,  # noqa: S608 - our names
        [newest],
    )


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

    An mbox that grows is read whole each time, and a Maildir renames its messages; neither must leave a row
    each time too.
    """
    stored: set[tuple[str, str, int | None]] = set()
    replaced: list[int] = []
    if again:
        found = connection.execute(
            """
            SELECT source, name, outcome, report, delivery, size FROM deliveries
            WHERE source IN (SELECT unnest($1::VARCHAR[]))
            """,
            [list(again)],
        ).fetchall()
        for source, name, outcome, report, delivery, size in found:
            if outcome in {"loaded", "duplicate"}:
                stored.add((source, name, report))
            elif outcome == "skipped" or (outcome == "refused" and not size):
                replaced.append(delivery)
    if refused := {row.content for row in rows if row.outcome == "refused" and row.report is None and row.content}:
        same = connection.execute(
            """
            SELECT d.delivery, p.content FROM deliveries AS d JOIN payloads AS p ON p.delivery = d.delivery
            WHERE d.outcome = 'refused' AND d.report IS NULL AND d.size IN (SELECT unnest($1::BIGINT[]))
            """,
            [list({len(content) for content in refused})],
        ).fetchall()
        replaced += [delivery for delivery, content in same if content in refused]
    return [row for row in rows if (row.source, row.name, row.report) not in stored], replaced


def _insert(
    store: Store, connection: duckdb.DuckDBPyConnection, rows: Sequence[_Delivery], base: int, now: datetime
) -> None:
    if not rows:
        return
    mails = [row.mail for row in rows]
    senders = [_sender(row) for row in rows]
    columns: dict[str, Sequence[object]] = {
        "delivery": [base + row.place for row in rows],
        "source": [row.source for row in rows],
        "name": [row.name for row in rows],
        "outcome": [row.outcome for row in rows],
        "reason": [row.reason for row in rows],
        "report": [row.report for row in rows],
        "vouched": [row.vouched for row in rows],
        "mailed": [row.mail is not None for row in rows],
        "loaded_at": [time_text(now)] * len(rows),
        "received_at": [mail and time_text(mail.received) for mail in mails],
        "sender": [mail and mail.sender for mail in mails],
        "subject": [mail and mail.subject for mail in mails],
        "message_id": [mail and mail.message_id for mail in mails],
        "report_domain": [mail and mail.report_domain for mail in mails],
        "report_submitter": [mail and mail.report_submitter for mail in mails],
        "size": [len(row.content) for row in rows],
        "authentication": [sender and sender.state for sender in senders],
        "authentication_reason": [sender and sender.reason for sender in senders],
        "signer": [sender and sender.signer for sender in senders],
        "address": [sender and sender.address for sender in senders],
    }
    Rows(store, "deliveries", columns).insert(connection)
    kept = [row for row in rows if row.content]
    if kept:
        payloads: dict[str, Sequence[object]] = {
            "delivery": [base + row.place for row in kept],
            "content": [row.content for row in kept],
        }
        Rows(store, "payloads", payloads).insert(connection)


_VOUCHED = Authentication("vouched", None, None, "")


def _sender(row: _Delivery) -> Authentication | None:
    if row.outcome == "skipped":
        return None
    if row.mail is None:
        return _VOUCHED
    return _VOUCHED if row.vouched else row.mail.authentication


def _reached(connection: duckdb.DuckDBPyConnection, reached: Iterable[Reached]) -> None:
    for one in reached:
        connection.execute("DELETE FROM cursors WHERE account = ? AND folder = ?", [one.account, one.folder])
        if one.uidvalidity is not None:  # without one, numbers mean nothing next time (RFC 9051 section 2.3.1.1)
            row = [one.account, one.folder, one.uidvalidity, one.uid]
            connection.execute("INSERT INTO cursors VALUES (?, ?, ?, ?)", row)


def _files(store: Store, connection: duckdb.DuckDBPyConnection, files: Sequence[ReadFile]) -> None:
    if not files:
        return
    paths = [file.path for file in files]
    connection.execute("DELETE FROM files WHERE path IN (SELECT unnest($1::VARCHAR[]))", [paths])
    columns = dict(zip(ReadFile._fields, zip(*files, strict=True), strict=True))
    Rows(store, "files", columns).insert(connection)
