"""Reports as rows of the store: the facts, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from tlsrpt.cause import Cause, Evaluation, evaluate
from tlsrpt.report import FailureDetails, Policy
from tlsrpt.reporters import organization
from tlsrpt.store import Rows, Store

if TYPE_CHECKING:
    from tlsrpt.report import Report

# From least to most; what is told twice is believed once, at the better of the two.
TRUST = ("unverified", "unchecked", "signed", "known", "vouched")


class Standing(NamedTuple):
    """What a report is worth, and whose it is."""

    trust: str  # in TRUST
    signer: str | None = None  # domain whose signature is valid and aligned with From
    address: str | None = None  # of From


class Incoming(NamedTuple):
    """A report on its way into the store."""

    report: Report
    document: bytes  # its JSON
    key: int  # keyed hash of who sent it, report_id, start and end
    content_hash: int  # of `document`
    standing: Standing
    received: datetime | None
    excluded: str | None
    delivery: int  # place of its delivery in the batch

    @property
    def organization(self) -> str:
        """Whose report it is: a signature tells, not what the report says, unless the signature covers that."""
        submitter, signer = self.report.submitter, self.standing.signer
        if signer is None or submitter == signer or submitter.endswith(f".{signer}"):
            return organization(submitter)
        return organization(signer)


_REPORTS = (
    "report", "day", "first_day", "last_day", "start_datetime", "end_datetime", "organization", "organization_name",
    "submitter", "contact_info", "report_id", "report_key", "content_hash", "trust", "superseded", "excluded",
    "received_at", "delivery", "defects", "signer", "address",
)  # fmt: skip
_SHARED = ("report", "policy", "day", "organization", "trust", "superseded")
_POLICY = tuple(name for name in Policy._fields if name != "failure_details")
_POLICIES = _SHARED + _POLICY + Evaluation._fields[:3]
_FAILURES = _SHARED + _POLICY[:2] + FailureDetails._fields + Cause._fields + ("mx_key",)
_DEFECTS = ("report", "place", "message")

_Row = tuple[Any, ...]


def facts(store: Store, numbered: Iterable[tuple[int, Incoming]]) -> list[Rows]:
    """Return the rows of reports under the numbers given, for the tables reports, policies, failures, defects.

    Deliveries keep their place in the batch; the caller raises them to their numbers.
    """
    reports: list[_Row] = []
    policies: list[_Row] = []
    failures: list[_Row] = []
    defects: list[_Row] = []
    for number, incoming in numbered:
        report, (trust, signer, address) = incoming.report, incoming.standing
        day, name = _day(report.day), incoming.organization
        reports.append((
            number, day, _day(report.first_day), _day(report.last_day), time_text(report.start_datetime),
            time_text(report.end_datetime), name, report.organization_name, report.submitter, report.contact_info,
            report.report_id, incoming.key, incoming.content_hash, trust, False, incoming.excluded,
            time_text(incoming.received), incoming.delivery, len(report.defects), signer, address,
        ))  # fmt: skip
        for place, policy in enumerate(report.policies):
            said = evaluate(policy)
            shared = (number, place, day, name, trust, False)
            policies.append(shared + policy[:6] + policy[7:] + said[:3])
            whose = shared + policy[:2]
            for row, cause in zip(policy.failure_details, said.causes, strict=True):
                failures.append(whose + row + cause + (_mx_key(row),))
        if report.defects:
            defects += [(number, where, message) for where, message in report.defects]
    # Day order is what keeps questions about a period quick.
    reports.sort(key=itemgetter(1))
    policies.sort(key=itemgetter(2))
    failures.sort(key=itemgetter(2))
    return [
        _rows(store, "reports", _REPORTS, reports),
        _rows(store, "policies", _POLICIES, policies),
        _rows(store, "failures", _FAILURES, failures),
        _rows(store, "defects", _DEFECTS, defects),
    ]


def _mx_key(row: FailureDetails) -> str:
    """Return what stands for the place of a failure: the MX, else its address, else "*"."""
    return row.receiving_mx_hostname or (f"ip:{row.receiving_ip}" if row.receiving_ip else "*")


def _rows(store: Store, table: str, names: Sequence[str], rows: Sequence[_Row]) -> Rows:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return Rows(store, table, dict(zip(names, columns, strict=True)))


@lru_cache(maxsize=4096)
def _day(day: date) -> str:
    return day.isoformat()


@lru_cache(maxsize=4096)
def time_text(moment: datetime | None) -> str | None:
    """Return a time as the store takes it."""
    return moment.isoformat(" ") if moment else None
