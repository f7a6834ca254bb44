"""Who sends reports: the organizations that are known, and under which domains they speak.

Domains of a report are told apart exactly; only what stands in this table is one organization under
several names. No public-suffix list: two customers of one provider must not become one reporter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Reporter(NamedTuple):
    """An organization that sends reports."""

    organization: str  # the domain that stands for it on every screen
    domains: tuple[str, ...]  # domains of contact-info, TLS-Report-Submitter and From
    signers: tuple[str, ...]  # domains that sign its mail (DKIM's d=)
    addresses: tuple[str, ...]  # of From, lower-case


REPORTERS = (
    Reporter(
        "google.com",
        ("google.com", "smtp-tls-reporting.bounces.google.com"),
        ("google.com",),
        ("noreply-smtp-tls-reporting@google.com",),
    ),
    Reporter("microsoft.com", ("microsoft.com",), ("microsoft.com",), ("tlsrpt-noreply@microsoft.com",)),
    Reporter(
        "mail.ru",
        ("mail.ru", "corp.mail.ru"),
        ("corp.mail.ru",),
        ("noreply-smtp-tls-reporting@corp.mail.ru",),
    ),
)

_ORGANIZATION = {domain: reporter.organization for reporter in REPORTERS for domain in reporter.domains}


def organization(submitter: str) -> str:
    """Return the one name of the organization that a submitter domain belongs to."""
    return _ORGANIZATION.get(submitter, submitter) or "(unknown)"


class Accepted(NamedTuple):
    """A reporter whom the operator accepted."""

    signer: str  # the domain that signs its mail
    address: str = ""  # of From, lower-case; "" for any that the domain signs


def is_known(signer: str, address: str | None, accepted: Iterable[Accepted] = ()) -> bool:
    """Return whether mail that this domain signed for this address is a known reporter's.

    Both have to fit: whoever has a mailbox at a large domain gets that domain's signature.
    """
    return any(signer in reporter.signers and address in reporter.addresses for reporter in REPORTERS) or any(
        signer == reporter.signer and reporter.address in {"", address} for reporter in accepted
    )


class _Habit(NamedTuple):
    """What a sender, or a program that senders run, does that others do not."""

    organization: str  # "" for whoever has the handwriting
    cause: str  # "" for every cause
    handwriting: str  # in a reason code; "" if it is told by the organization
    words: str


# Peculiarities that bear on whose fault a failure is. By handwriting: programs that many senders run.
_HABITS = (
    _Habit("google.com", "mx-not-in-policy", "", "Google writes this as validation-failure without a reason"),
    _Habit("google.com", "unexplained", "", "Google writes validation-failure for much, an MX mismatch too"),
    _Habit(
        "microsoft.com", "unexplained", "", "Microsoft was seen to fail so though policy and certificate were right"
    ),
    _Habit("microsoft.com", "sts-policy-fetch-error", "", "Microsoft names neither address nor MX in fetch errors"),
    _Habit("mail.ru", "", "", "Mail.ru counts one session in several rows: its details add up to more"),
    _Habit(
        "", "certificate-not-trusted", "invalid peer certificate", "Stalwart calls every certificate fault not trusted"
    ),
    _Habit("", "mx-not-in-policy", "MX not authorized by policy", "Stalwart refuses such mail at once under enforce"),
    _Habit("", "mx-not-in-policy", "mtasts-policy-mx-mismatch", "mox adds such rows without counting a failure"),
)


def peculiarities(name: str, cause: str, reasons: Iterable[str | None]) -> list[str]:
    """Return what is known of how an organization tells a cause, from its name and the reason codes it wrote."""
    written = [reason.lower() for reason in reasons if reason]
    return [
        habit.words
        for habit in _HABITS
        if habit.organization in {"", name}
        and habit.cause in {"", cause}
        and (not habit.handwriting or any(habit.handwriting.lower() in reason for reason in written))
    ]
