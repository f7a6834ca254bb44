"""The report: what a sender tells a domain about TLS to its mail servers (RFC 8460 section 4).

Names are the RFC's with hyphens turned into underscores. Values are as the sender wrote them after the
repairs listed as defects; domain and host names are A-labels, lower-case, without a final dot. Every text
here was written by a stranger: it is shown only through `tui.text.safe`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple


class Defect(NamedTuple):
    """A departure from the RFC that was read past."""

    where: str  # place in the document, such as "policies[0].summary"; "" for the document as a whole
    message: str


class FailureDetails(NamedTuple):
    """Sessions that failed alike (RFC 8460 section 4.4, "failure-details")."""

    result_type: str  # lower-case with hyphens; "unknown" if the sender gave none; not limited to the registry
    result_type_raw: str | None  # as sent
    sending_mta_ip: str | None
    receiving_mx_hostname: str | None
    receiving_mx_helo: str | None
    receiving_ip: str | None
    failed_session_count: int
    additional_information: str | None
    failure_reason_code: str | None


class Policy(NamedTuple):
    """One applied policy, its counts and its failures (RFC 8460 section 4.4, one element of "policies").

    Counts are sessions, not messages. Sessions under `sts` and `tlsa` of one report overlap and must never
    be added up; `failure_details` neither raise nor lower the counts of the summary.
    """

    policy_type: str  # "sts", "tlsa", "no-policy-found", or what else was sent, lower-case
    policy_domain: str
    policy_string: tuple[str, ...]  # the policy as the sender saw it, one line an element
    mx_host: tuple[str, ...]  # MX patterns of the policy, not the MX contacted
    total_successful_session_count: int
    total_failure_session_count: int
    failure_details: tuple[FailureDetails, ...]
    mode: str | None  # of an sts policy: "testing", "enforce", "none", or what else policy_string says
    max_age: int | None  # seconds
    canonical: str  # the policy without order, case and spacing; "" if the sender told nothing of it.
    # sts: "mode=… max_age=… mx=a,b"; tlsa: the records, sorted, joined by "; ". Reports carry no id of the
    # policy, so this is what shows that it has changed.


class Report(NamedTuple):
    """One report of one organization (RFC 8460 section 4.4)."""

    organization_name: str | None
    start_datetime: datetime  # UTC, without tzinfo
    end_datetime: datetime  # UTC, without tzinfo, exclusive
    contact_info: str | None
    report_id: str
    policies: tuple[Policy, ...]
    day: date  # UTC day that its counts belong to
    first_day: date  # first and last UTC day that it covers; the same as `day` for a daily report
    last_day: date
    submitter: str  # domain that speaks for the sender, else its organization_name, else ""
    defects: tuple[Defect, ...]


class ReportError(Exception):
    """This delivery cannot be read as a report; it is refused with this reason, and the next one goes on."""
