"""The cause behind a result type, and what `enforce` would do about it.

Senders name one cause differently: Postfix calls a self-signed certificate "validation-failure", Stalwart
calls every certificate fault "certificate-not-trusted", and nobody has a result type for an MX that the
policy does not list. Series of failures are told apart by cause, so that they agree across senders.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tlsrpt.limits import LIMITS
from tlsrpt.mta_sts import matches

if TYPE_CHECKING:
    from tlsrpt.report import Policy

# "STARTTLS Validation Result Types" at IANA (RFC 8460 section 6.6).
RESULT_TYPES = frozenset({
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    "tlsa-invalid",
    "dnssec-invalid",
    "dane-required",
    "sts-policy-fetch-error",
    "sts-policy-invalid",
    "sts-webpki-invalid",
})  # fmt: skip
POLICY_TYPES = frozenset({"sts", "tlsa", "no-policy-found"})

DANE_CAUSES = frozenset({"tlsa-invalid", "dnssec-invalid", "dane-required"})
POLICY_CAUSES = frozenset(
    {"sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"}
)  # the policy cannot be had
BLOCKING = frozenset({"would-block", "unclear"})  # impacts that count as blocked under enforce

# Kept narrow: "mx1.example.com: hostname mismatch" is about a certificate.
_MX_NOT_IN_POLICY = re.compile(
    r"policy-mx-mismatch|\bmx(?:[ _]?hosts?)?[ _-](?:mismatch|not (?:authori[sz]ed|allowed|listed))",
    re.IGNORECASE,
)
_TRANSIENT = re.compile(r"time[d]?[- ]?out|\bclosed\b|\breset\b|\bi/o\b|\btemporar", re.IGNORECASE)
_EXPIRED = re.compile(r"expired", re.IGNORECASE)
_NAME_MISMATCH = re.compile(
    r"host ?name[ _-]?mismatch|name mismatch|NotValidForName|not valid for name|no alternative certificate subject",
    re.IGNORECASE,
)
_CERTIFICATE = re.compile(
    r"self[- ]signed|unable to get (?:local )?issuer|not yet valid|NotValidYet|X509_V_ERR_|unknown ?issuer"
    r"|unknown (?:certificate )?authority|certificate verify failed|invalid peer certificate"
    r"|unsuitable certificate purpose",
    re.IGNORECASE,
)
_NEGOTIATION = re.compile(
    r"handshake[_ ]failure|protocol[_ ]version|tls-remote-|no shared cipher|unsupported protocol|wrong version number"
    r"|\balert\b",
    re.IGNORECASE,
)
_TLSA = re.compile(r"\btlsa\b|\bdane\b", re.IGNORECASE)


class Cause(NamedTuple):
    """What failed, in words that agree across senders, and what `enforce` would make of it.

    `impact` is one of
    "would-block": enforce keeps the session from delivering to that MX;
    "unclear":     the sender did not say enough; counted as would-block, for safety, and marked;
    "projected":   the sender saw no policy, but would be kept from delivering if it saw one in enforce;
    "dane":        keeps DANE senders from delivering already, whatever MTA-STS says;
    "none":        enforce changes nothing: transient, or the sender could not get the policy.
    """

    cause: str  # a registered result type, or "mx-not-in-policy", "transient", "tls-negotiation", "unexplained"
    impact: str


@lru_cache(maxsize=1024)
def classify(
    policy_type: str,
    result_type: str,
    reason: str | None,
    receiving_mx_hostname: str | None,
    mx_patterns: tuple[str, ...],
) -> Cause:
    """Return the cause of a failure-details row.

    `mx_patterns` are those of the policy as this sender saw it; without any, an MX is not held against it.
    Source of the mapping: RFC 8460 section 4.3 and what Postfix, Stalwart and mox write for each fault.
    """
    cause, impact = _certain(policy_type, result_type, reason or "")
    if result_type == "validation-failure" and (
        _MX_NOT_IN_POLICY.search(reason or "") or _outside(policy_type, receiving_mx_hostname, mx_patterns)
    ):
        cause, impact = "mx-not-in-policy", "would-block"
    if cause in DANE_CAUSES or (policy_type == "tlsa" and impact != "none"):
        return Cause(cause, "dane")
    if policy_type != "sts" and impact != "none":
        return Cause(cause, "projected")
    return Cause(cause, impact)


def _outside(policy_type: str, mx: str | None, patterns: tuple[str, ...]) -> bool:
    return policy_type == "sts" and mx is not None and bool(patterns) and not _covered(mx, patterns)


@lru_cache(maxsize=1024)
def _covered(mx: str, patterns: tuple[str, ...]) -> bool:
    return any(matches(mx, pattern) for pattern in patterns)


def _certain(policy_type: str, result_type: str, reason: str) -> tuple[str, str]:
    """Return cause and impact as an sts policy would have it, the MX left aside."""
    if result_type in POLICY_CAUSES:
        return result_type, "none"
    if result_type == "certificate-not-trusted":
        # Under DANE, Postfix says this of a certificate that no TLSA record matches.
        umbrella = "tlsa-invalid" if policy_type == "tlsa" else result_type
        return _certificate_fault(reason) or umbrella, "would-block"
    if result_type == "validation-failure":
        return _validation_failure(policy_type, reason)
    if result_type in RESULT_TYPES:
        return result_type, "would-block"
    return result_type, "unclear"


def _certificate_fault(reason: str) -> str | None:
    if _EXPIRED.search(reason):
        return "certificate-expired"
    if _NAME_MISMATCH.search(reason):
        return "certificate-host-mismatch"
    return None


def _validation_failure(policy_type: str, reason: str) -> tuple[str, str]:
    if _TRANSIENT.search(reason):
        return "transient", "none"
    if fault := _certificate_fault(reason):
        return fault, "would-block"
    if policy_type == "tlsa" and _TLSA.search(reason):
        return "tlsa-invalid", "would-block"
    if _CERTIFICATE.search(reason):
        return "certificate-not-trusted", "would-block"
    if _NEGOTIATION.search(reason):
        return "tls-negotiation", "would-block"
    return "unexplained", "unclear"


class Evaluation(NamedTuple):
    """What one policy of a report says about enforce. Sessions; see the class Policy for what may be added."""

    would_block: int  # failed sessions that enforce keeps from delivering
    unclassified: int  # failed sessions that no failure-details row explains
    evaluated: int  # sessions in which the policy was available and applied
    causes: tuple[Cause, ...]  # of each failure-details row, in order


def evaluate(policy: Policy) -> Evaluation:
    """Return what a policy element says about enforce; only `sts` elements block or are evaluated.

    Summary and rows disagree in both directions in practice. mox adds rows without raising the total: with
    no failures in the summary the rows are believed. Mail.ru counts one session in two rows: otherwise the
    summary bounds them. Sessions in which the sender could not get the policy are no evidence about it.
    """
    if not policy.failure_details:
        failed = policy.total_failure_session_count
        is_sts = policy.policy_type == "sts"
        evaluated = min(policy.total_successful_session_count + failed, LIMITS.session_count)
        return Evaluation(0, failed, evaluated if is_sts else 0, ())
    causes = tuple(
        [
            classify(
                policy.policy_type,
                row.result_type,
                row.failure_reason_code,
                row.receiving_mx_hostname,
                policy.mx_host,
            )
            for row in policy.failure_details
        ]
    )
    failed = policy.total_failure_session_count
    explained = blocking = unavailable = 0
    for row, cause in zip(policy.failure_details, causes, strict=True):
        explained += row.failed_session_count
        if cause.impact in BLOCKING:
            blocking += row.failed_session_count
        elif cause.cause in POLICY_CAUSES:
            unavailable += row.failed_session_count
    # Rows may say anything; what they add up to stays a number that every store and reader takes.
    blocking = min(blocking, LIMITS.session_count)
    unclassified = max(0, failed - explained)
    if policy.policy_type != "sts":
        return Evaluation(0, unclassified, 0, causes)
    would_block = min(blocking, failed) if failed else blocking
    evaluated = policy.total_successful_session_count + max(failed - min(failed, unavailable), would_block)
    evaluated = min(evaluated, LIMITS.session_count)
    return Evaluation(min(would_block, evaluated), unclassified, evaluated, causes)
