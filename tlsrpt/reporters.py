"""Who sends reports: the organizations that are known, and under which domains they speak.

Domains of a report are told apart exactly; only what stands in this table is one organization under
several names. No public-suffix list: two customers of one provider must not become one reporter.
"""

from __future__ import annotations

from typing import NamedTuple


class Reporter(NamedTuple):
    """An organization that sends reports."""

    organization: str  # the domain that stands for it on every screen
    domains: tuple[str, ...]  # domains of contact-info, TLS-Report-Submitter and From


REPORTERS = (
    Reporter("google.com", ("google.com", "smtp-tls-reporting.bounces.google.com")),
    Reporter("microsoft.com", ("microsoft.com",)),
    Reporter("mail.ru", ("mail.ru", "corp.mail.ru")),
)

_ORGANIZATION = {domain: reporter.organization for reporter in REPORTERS for domain in reporter.domains}


def organization(submitter: str) -> str:
    """Return the one name of the organization that a submitter domain belongs to."""
    return _ORGANIZATION.get(submitter, submitter) or "(unknown)"
