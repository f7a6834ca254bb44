"""Read again what the store kept, as this version reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from loaders import Delivery, Status, Summary
from loaders.batch import Stored, write
from loaders.directory import reopened
from loaders.rows import Standing
from loaders.run import CONTAINER, Origin, Reader, file_name
from loaders.senders import Senders, accepted
from tlsrpt.authentication import Authentication
from tlsrpt.delivery import Document, Mail, Refused, Skipped, unpack
from tlsrpt.parse import Hints, parse
from tlsrpt.report import Defect, ReportError
from tlsrpt.store import Store, utc_now

# One transaction's worth.
_CHUNK = 2_000
_CHUNK_BYTES = 16 << 20

_REFUSED = "outcome = 'refused' AND report IS NULL AND size > 0"
_REPORTS = "outcome = 'loaded'"
_REPORTS_WITH_REFUSED_ENTRIES = (
    "outcome = 'loaded' AND report IN (SELECT report FROM deliveries WHERE outcome = 'refused' AND report IS NOT NULL)"
)


class _Kept(NamedTuple):
    delivery: int
    origin: Origin
    name: str
    reason: str
    content: bytes
    mail: Mail | None
    report: int | None
    standing: Standing | None
    container: tuple[str, ...]  # what was odd about the container that the document came in


def reread(
    store: Store, *, everything: bool, stopped: Callable[[], bool], progress: Callable[[Status], None]
) -> Summary:
    """Read refused deliveries again, and reports with refused entries; or refused deliveries and all reports.

    Each chunk is one transaction, in which the new rows take the place of the old ones.
    """
    began = time.monotonic()
    now = utc_now()
    reader = Reader(store, now, Senders(None, accepted(store), now))
    total = Stored()
    interrupted = False
    steps = (
        (_REFUSED, _try_again),
        (_REPORTS if everything else _REPORTS_WITH_REFUSED_ENTRIES, _derive_anew),
    )
    wanted, size = _measure(store, [which for which, _ in steps])
    done = bytes_done = 0
    with store.staying():
        for which, read in steps:
            # What a step itself adds is not read again.
            for chunk in _chunks(store, which, until=_newest(store)):
                for kept in chunk:
                    if interrupted := stopped():
                        break
                    read(reader, kept)
                    done += 1
                    bytes_done += len(kept.content)
                total = total.plus(write(store, reader.next_batch(), now))
                seconds = time.monotonic() - began
                progress(Status(done, bytes_done, total.reports, total.refused, seconds, wanted, size))
                if interrupted:
                    break
            if interrupted:
                break
    return Summary(*total, seconds=time.monotonic() - began, interrupted=interrupted)


def _try_again(reader: Reader, kept: _Kept) -> None:
    """Take in a refused delivery once more; what becomes of it replaces the refusal."""
    reader.batch.replaced.append(kept.delivery)
    # What came in a mail stays within the limits of a mail; a file of the operator's may be any archive.
    inside = (
        [Delivery(kept.origin.source, "", kept.content)] if kept.mail else reopened(kept.content, kept.origin.source)
    )
    taken = False
    for delivery in inside:
        origin = kept.origin.inside(delivery.member)
        if delivery.refused is not None:
            reader.refuse(Refused(kept.name, delivery.content, kept.mail, delivery.refused), origin)
            taken = True
            continue
        for opened in unpack(delivery.content, kept.name or origin.name):
            if isinstance(opened, Skipped):
                continue
            # A part that was kept by itself has lost the mail around it; the store has not.
            # Whether a signature held was found out when it came; keys are changed within weeks.
            same = opened.mail is None or opened.mail == (kept.mail and kept.mail._replace(authentication=None))
            whole = opened._replace(mail=kept.mail) if kept.mail and same else opened
            reader.take(whole, origin)
            taken = True
    if not taken:
        # It announced a report when it came, and its bytes alone do not tell; they are not thrown away.
        reader.refuse(Refused(kept.name, kept.content, kept.mail, kept.reason), kept.origin)


def _derive_anew(reader: Reader, kept: _Kept) -> None:
    """Take in the document of a report once more; one that can no longer be read stays as it is."""
    assert kept.report is not None
    assert kept.standing is not None
    try:
        parsed = parse(kept.content, Hints(kept.mail, kept.name or kept.origin.name))
    except ReportError:
        return
    document = Document(kept.name, kept.content, kept.mail, tuple(Defect("", said) for said in kept.container))
    place = reader.document(parsed, document, kept.origin, kept.standing)
    reader.batch.replaced.append(kept.delivery)
    reader.batch.replaced_reports[place] = kept.report


def _newest(store: Store) -> int:
    with store.reading() as connection:
        [(newest,)] = connection.execute("SELECT coalesce(max(delivery), 0) FROM deliveries").fetchall()
    return int(newest)


def _measure(store: Store, conditions: Sequence[str]) -> tuple[int, int]:
    """Return how many deliveries some of the conditions name, and the bytes that were kept of them."""
    with store.reading() as connection:
        # The conditions are the three above.
        [(files, size)] = connection.execute(
            f"SELECT count(*), coalesce(sum(size), 0) FROM deliveries WHERE {' OR '.join(f'({one})' for one in conditions)}"  # noqa: S608, E501
        ).fetchall()
    return files, size


def _chunks(store: Store, which: str, until: int) -> Iterator[list[_Kept]]:
    """Yield what was kept of the deliveries that the condition `which` names, oldest first, in chunks."""
    after = 0
    while True:
        with store.reading() as connection:
            # The conditions are the three above; numbers are bound.
            sizes = connection.execute(
                f"SELECT delivery, size FROM deliveries WHERE {which} AND delivery > ? AND delivery <= ? "  # noqa: S608 - the conditions above
                f"ORDER BY delivery LIMIT {_CHUNK}",
                [after, until],
            ).fetchall()
            chosen: list[int] = []
            room = _CHUNK_BYTES
            for delivery, size in sizes:
                if chosen and size > room:
                    break
                chosen.append(delivery)
                room -= size
            if not chosen:
                return
            found = connection.execute(_KEPT, {"deliveries": chosen, "container": CONTAINER}).fetchall()
        after = chosen[-1]
        yield [_kept(*row) for row in found]


def _kept(*row: Any) -> _Kept:  # noqa: ANN401 - a row of the question below
    delivery, source, name, reason, vouched, mailed, content, message_id, sender, subject, *rest = row
    report_domain, report_submitter, received, state, signer, address, why, report, *standing, container = rest
    known = Authentication(state, signer, address, why) if state else None
    mail = Mail(message_id, sender, subject, report_domain, report_submitter, received, known) if mailed else None
    origin = Origin(source, file_name(source.rpartition(": ")[2]), vouched)
    odd = tuple(container or ())
    return _Kept(delivery, origin, name, reason, content, mail, report, Standing(*standing) if report else None, odd)


_KEPT = """
SELECT d.delivery, d.source, d.name, d.reason, d.vouched, d.mailed, p.content, d.message_id, d.sender,
    d.subject, d.report_domain, d.report_submitter, d.received_at, d.authentication, d.signer, d.address,
    d.authentication_reason, d.report, r.trust, r.signer, r.address,
    (SELECT list(message) FROM defects WHERE report = d.report AND place = $container) AS container
FROM deliveries AS d
JOIN payloads AS p ON p.delivery = d.delivery
LEFT JOIN reports AS r ON r.report = d.report
WHERE d.delivery IN (SELECT unnest($deliveries::BIGINT[]))
ORDER BY d.delivery
"""
