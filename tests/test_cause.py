"""Causes that agree across senders, and what enforce would do about each."""

from __future__ import annotations

import pytest
from reports import document, policy, report_of, row

from tlsrpt.cause import RESULT_TYPES, Cause, classify, evaluate
from tlsrpt.knowledge import explain
from tlsrpt.mta_sts import directives, matches

MX = "mx1.example.com"
PATTERNS = ("mx1.example.com", "*.backup.example.com")

# One fault as different senders name it: the same cause.
SAME_CAUSE = [
    ("certificate-not-trusted", "self-signed, as RFC 8460 has it", "certificate-not-trusted", None),
    ("certificate-not-trusted", "self-signed, Postfix", "validation-failure", "self-signed certificate"),
    ("certificate-not-trusted", "issuer, Postfix", "validation-failure", "unable to get local issuer certificate"),
    ("certificate-not-trusted", "issuer, Stalwart", "certificate-not-trusted",
     "invalid peer certificate: UnknownIssuer"),
    ("certificate-not-trusted", "too early, Postfix", "validation-failure", "certificate not yet valid"),
    ("certificate-not-trusted", "OpenSSL's name", "validation-failure", "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"),
    ("certificate-expired", "as RFC 8460 has it", "certificate-expired", "X509_V_ERR_CERT_HAS_EXPIRED"),
    ("certificate-expired", "Stalwart", "certificate-not-trusted", "invalid peer certificate: Expired"),
    ("certificate-expired", "Postfix", "validation-failure", "certificate has expired"),
    ("certificate-host-mismatch", "as RFC 8460 has it", "certificate-host-mismatch", None),
    ("certificate-host-mismatch", "Stalwart", "certificate-not-trusted", "invalid peer certificate: NotValidForName"),
    ("certificate-host-mismatch", "not the policy", "validation-failure", "mx1.example.com: hostname mismatch"),
    ("mx-not-in-policy", "mox", "validation-failure", "mtasts-policy-mx-mismatch"),
    ("mx-not-in-policy", "mox, cached", "validation-failure", "mtasts-policy-mx-mismatch+fallback-to-cached-policy"),
    ("mx-not-in-policy", "Stalwart", "validation-failure", "MX not authorized by policy."),
    ("mx-not-in-policy", "Microsoft", "validation-failure", "MX_HOSTS_MISMATCH"),
    ("tls-negotiation", "an alert", "validation-failure", "tls-remote-handshake_failure"),
    ("tls-negotiation", "no cipher", "validation-failure", "no shared cipher"),
    ("starttls-not-supported", "as RFC 8460 has it", "starttls-not-supported", "454"),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "result_type", "reason"), [(c, t, r) for c, _, t, r in SAME_CAUSE],
                         ids=[f"{c}: {who}" for c, who, _, _ in SAME_CAUSE])  # fmt: skip
def test_one_cause_however_it_is_named_and_enforce_would_block_it(
    cause: str, result_type: str, reason: str | None
) -> None:
    assert classify("sts", result_type, reason, MX, PATTERNS) == Cause(cause, "would-block")


@pytest.mark.parametrize("reason", ["io-timeout-during-handshake", "connection-closed-during-handshake",
                                    "read: connection reset by peer", "i/o error", "temporary failure",
                                    "TLS handshake timed out"])  # fmt: skip
def test_what_passes_by_itself_is_transient_and_blocks_nothing(reason: str) -> None:
    assert classify("sts", "validation-failure", reason, MX, PATTERNS) == Cause("transient", "none")


def test_a_validation_failure_without_a_reason_is_unclear_at_a_listed_mx() -> None:
    assert classify("sts", "validation-failure", None, MX, PATTERNS) == Cause("unexplained", "unclear")


def test_and_names_the_policy_at_an_mx_that_it_does_not_cover() -> None:
    for mx in ("mx3.example.com", "a.b.backup.example.com", "backup.example.com"):
        assert classify("sts", "validation-failure", None, mx, PATTERNS).cause == "mx-not-in-policy"
    assert classify("sts", "validation-failure", None, "one.backup.example.com", PATTERNS).cause == "unexplained"


def test_nothing_is_held_against_an_mx_where_the_policy_is_not_known() -> None:
    assert classify("sts", "validation-failure", None, "mx9.example.com", ()).cause == "unexplained"
    assert classify("tlsa", "validation-failure", None, "mx9.example.com", PATTERNS).cause == "unexplained"
    assert classify("sts", "validation-failure", None, None, PATTERNS).cause == "unexplained"


@pytest.mark.parametrize("result_type", ["sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"])
def test_a_policy_that_was_not_available_blocks_nothing(result_type: str) -> None:
    assert classify("sts", result_type, "bad https response code: 404", None, ()) == Cause(result_type, "none")


@pytest.mark.parametrize("result_type", ["tlsa-invalid", "dnssec-invalid", "dane-required"])
def test_dane_results_stay_dane_under_any_policy_type(result_type: str) -> None:
    for policy_type in ("tlsa", "sts", "no-policy-found"):
        assert classify(policy_type, result_type, None, MX, PATTERNS) == Cause(result_type, "dane")


def test_under_tlsa_everything_that_fails_is_for_dane_senders() -> None:
    assert classify("tlsa", "starttls-not-supported", None, MX, ()) == Cause("starttls-not-supported", "dane")
    # Postfix says "not trusted" of a certificate that no TLSA record matches, Stalwart and mox "validation".
    assert classify("tlsa", "certificate-not-trusted", None, MX, ()) == Cause("tlsa-invalid", "dane")
    assert classify("tlsa", "validation-failure", "no matching TLSA record", MX, ()) == Cause("tlsa-invalid", "dane")
    assert classify("tlsa", "validation-failure", "io-timeout-during-handshake", MX, ()).impact == "none"


def test_without_a_policy_failures_are_projected() -> None:
    assert classify("no-policy-found", "certificate-expired", None, MX, ()).impact == "projected"
    assert classify("no-policy-found", "validation-failure", "i/o error", MX, ()).impact == "none"


def test_a_result_type_nobody_registered_is_kept_and_unclear() -> None:
    assert classify("sts", "tls-version-invalid", None, MX, PATTERNS) == Cause("tls-version-invalid", "unclear")


def test_every_cause_has_its_explanation() -> None:
    derived = {"mx-not-in-policy", "transient", "tls-negotiation", "unexplained", "unclassified", "unknown"}
    texts = [explain(cause) for cause in sorted(RESULT_TYPES | derived)]
    assert len({text.title for text in texts}) == len(texts)
    assert explain("never-heard-of").meaning


# What one policy element says about enforce: successful, failed, rows -> would block, unclassified, evaluated.
ARITHMETIC = [
    ("all well", 20, 0, [], (0, 0, 20)),
    ("rows and summary agree", 100, 7, [("certificate-expired", 7, None)], (7, 0, 107)),
    ("mox: rows without a total", 20, 0, [("validation-failure", 4, "mtasts-policy-mx-mismatch")], (4, 0, 24)),
    ("rows explain a part", 100, 7, [("certificate-expired", 2, None)], (2, 5, 107)),
    ("no rows at all", 10, 3, [], (0, 3, 13)),
    ("rows count a session twice", 0, 1, [("certificate-expired", 1, None), ("starttls-not-supported", 1, None)],
     (1, 0, 1)),
    ("the policy could not be fetched", 0, 3, [("sts-policy-fetch-error", 3, None)], (0, 0, 0)),
    ("Mail.ru: one fetch error in two rows", 0, 1,
     [("sts-policy-fetch-error", 1, "404"), ("sts-policy-fetch-error", 1, "503")], (0, 0, 0)),
    ("some fetched, some failed", 50, 5, [("sts-policy-fetch-error", 3, None), ("certificate-expired", 2, None)],
     (2, 0, 52)),
    ("transient failures are evidence", 10, 2, [("validation-failure", 2, "io-timeout-during-handshake")], (0, 0, 12)),
    ("unclear counts for safety", 10, 2, [("validation-failure", 2, None)], (2, 0, 12)),
]  # fmt: skip


@pytest.mark.parametrize(("successful", "failed", "rows", "expected"), [case[1:] for case in ARITHMETIC],
                         ids=[case[0] for case in ARITHMETIC])  # fmt: skip
def test_the_arithmetic_of_one_policy(
    successful: int, failed: int, rows: list[tuple[str, int, str | None]], expected: tuple[int, int, int]
) -> None:
    details = [row(kind, count, failure_reason_code=reason) for kind, count, reason in rows]
    [found] = report_of(document(policy("sts", "example.com", successful, failed, details))).policies
    assert evaluate(found)[:3] == expected


def test_an_unknown_policy_type_blocks_nothing_now() -> None:
    assert classify("foo", "certificate-expired", None, MX, PATTERNS).impact == "projected"


@pytest.mark.parametrize("policy_type", ["tlsa", "no-policy-found", "something-else"])
def test_only_sts_is_evidence_about_enforce(policy_type: str) -> None:
    [found] = report_of(document(policy(policy_type, failed=4, rows=[row(count=3)]))).policies
    assert evaluate(found)[:3] == (0, 1, 0)


# RFC 8461 section 4.1.


@pytest.mark.parametrize(
    ("pattern", "mx", "covered"),
    [
        ("*.example.com", "mx1.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("MX1.Example.com", "mx1.example.com.", True),
        ("mx1.example.com", "mx1.example.com.provider.net", False),
        ("*.example.com", ".example.com", False),
    ],
)
def test_a_pattern_covers_a_host(pattern: str, mx: str, covered: bool) -> None:  # noqa: FBT001 - a column of the table
    assert matches(mx, pattern) is covered


def test_policy_lines_are_read_leniently() -> None:
    said = directives(["mode:testing ", "max_age: 86400", "mx: A.example.", "mx:b.example", "nmx: c", "rubbish", "mx:"])
    assert said == ("testing", 86400, ("a.example", "b.example"))
    assert directives(["max_age: 99999999999", "mode:"]) == (None, None, ())
