"""The criteria of `enforce`: what each one asks, when it passes, warns, fails or cannot be told.

Data only; `tlsrpt.enforce.live_criteria` and `tlsrpt.enforce.report_criteria` work the states out, `tlsrpt.enforce.verdict` brings them
together.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from tlsrpt.enforce.parameters import Parameters

STATES = ("FAIL", "UNKNOWN", "WARN", "PASS", "N-A")  # what stands in the way first


class Fact(NamedTuple):
    """One row that a state rests on."""

    day: date | None  # UTC
    about: str  # an organization, a host, a policy
    detail: str
    sessions: int | None = None
    report: int | None = None  # number of the report in this store


class Found(NamedTuple):
    """How a criterion stands."""

    state: str  # one of STATES
    reason: str  # one line, with the numbers
    remedy: str = ""  # one line
    facts: tuple[Fact, ...] = ()
    # What a warning is about, without what changes from day to day: as long as it is the same, it stays
    # acknowledged.
    basis: tuple[str, ...] = ()


class Criterion(NamedTuple):
    """One thing that is asked before a policy goes to `enforce`."""

    name: str  # "C05"
    title: str
    kind: str  # "live", "reports" or "answer"
    required: bool  # for READY
    lowers: bool  # whether anything but PASS lowers a verdict
    why: str
    passes: str
    warns: str
    fails: str
    unknown: str
    source: str


def _live(name: str, title: str, *texts: str, required: bool = True) -> Criterion:
    return Criterion(name, title, "live", required, True, *texts)  # noqa: FBT003 - a row of a table


def _reports(name: str, title: str, *texts: str, required: bool = True, lowers: bool = True) -> Criterion:
    return Criterion(name, title, "reports", required, lowers, *texts)


def _answer(name: str, title: str, why: str, yes: str, source: str) -> Criterion:
    no, unanswered = ("answered no, or not answered", "-") if name >= "C40" else ("answered no", "not answered")
    texts = (why, f"answered yes: {yes}", no, "-", unanswered, source)
    return Criterion(name, title, "answer", False, False, *texts)  # noqa: FBT003 - a row of a table


# fmt: off
CRITERIA: tuple[Criterion, ...] = (
    _live("C01", "MTA-STS record",
          "Without one valid record no sender looks for the policy, and its TTL bounds the way back.",
          "exactly one valid record, TTL at most `txt_ttl_max`",
          "valid, but with a longer TTL, two ids, or delegated in part",
          "none, several, or not valid",
          "DNS gave no answer", "RFC 8461 section 3.1"),
    _live("C02", "policy fetch",
          "Senders that cannot fetch the policy neither protect this mail nor notice a way back.",
          "status 200, text/plain, strictly valid, the same bytes on every address and try, within two seconds",
          "slower than two seconds, a field twice, or the version not first",
          "any address fails, a redirect, another media type, a bad certificate, or a policy that a strict sender rejects",
          "not reached from here", "RFC 8461 sections 3.2 and 3.3"),
    _live("C03", "mode and id",
          "The way to enforce leads through testing, and an id must stand for one policy only.",
          "mode testing, and no other policy stood under its id",
          "-",
          "mode none, no policy, or one id for two policies",
          "less than 24 hours of looks", "RFC 8461 sections 3.1 and 5"),
    _live("C04", "every MX in the policy",
          "Under enforce senders do not deliver to an MX that no pattern covers.",
          "every MX name is covered, and every pattern covers one",
          "a pattern without MX, a wildcard, an MX that is a CNAME, or MX names that changed within 7 days",
          "an MX that is not covered",
          "DNS gave no answer, or there is no policy to compare with", "RFC 8461 section 4.1"),
    _live("C05", "every MX speaks trusted TLS",
          "Reports never prove that every MX works: successes name none. So each address of each MX is looked at.",
          "STARTTLS, TLS 1.2 or newer, a trusted chain, the MX name as SAN, in date, on every address, three times alike",
          "TLS 1.0 or 1.1 offered as well, a wildcard in part of a label, a weak key, or looked at with other settings",
          "any address of any MX fails",
          "port 25 is blocked here, or an address was not reached; with little mail, until seen from two places",
          "RFC 8461 section 4.2"),
    _live("C06", "certificates last",
          "A certificate that ends under enforce holds mail back from that minute on.",
          "every certificate of an MX and of the policy host lasts 14 days, or a third of its life, whichever is less",
          "less than that",
          "less than 3 days or a tenth of its life, or expired",
          "a certificate was not seen", "RFC 8461 section 4.2"),
    _live("C07", "TLSRPT record",
          "Without reports nobody tells you that mail is being held back.",
          "one valid record with a mailto: destination, and a report about one of the last 3 settled days",
          "valid, but no report of these days, or a destination that some senders cannot use",
          "missing or not valid",
          "DNS gave no answer", "RFC 8460 section 3"),
    _live("C08", "max_age",
          "It is how long senders keep a policy: short while testing, so that a mistake is short too.",
          "3600 to 604800 seconds while testing",
          "longer or shorter while testing, or at the limit of the format",
          "0, missing, or no number",
          "there is no policy to read it from", "RFC 8461 sections 3.2 and 10.2"),
    _live("C09", "a new id for each change",
          "Senders notice a change of the policy by its id alone.",
          "each change seen came with a new id, the file first",
          "the id came first, and no cache can hold the earlier policy under it any more; or the new id was not seen yet",
          "the policy changed and its id did not, or the id came first",
          "less than 24 hours of looks", "RFC 8461 sections 3.1 and 8.1"),
    _live("C10", "DANE",
          "Senders that use DANE refuse an MX whose TLSA records do not match, whatever the policy says.",
          "every TLSA record set matches, validated by DNSSEC",
          "TLSA records for some MXs only, or unusable ones",
          "one that does not match, or DNSSEC that does not validate",
          "no resolver that validates", "RFC 7672 section 2.1", required=False),
    _answer("C11", "no single points", "One web server, one MX or a renewal by hand is a single mistake away from held mail.",
            "two addresses or a provider for the policy host, two MXs or a provider, certificates renewed by themselves",
            "RFC 8461 section 8"),
    _answer("C12", "every mail domain judged", "Subdomains and alias domains inherit nothing: each needs its own policy.",
            "every domain that takes mail is listed here and judged by itself", "RFC 8461 section 3.4"),
    _reports("C20", "time in testing",
             "Senders need days to find the policy, and mail comes in weekly rhythms.",
             "`obs_days` in testing with the MX set of now; `recent_days` after a way back from enforce",
             "`recent_days` at least", "-", "less", "local rule; guides: 1 to 4 weeks"),
    _reports("C21", "coverage",
             "A day without a report is no clean day; it is no day at all.",
             "`min_active_days_recent` and `min_active_days_obs` days with sessions, no gap longer than `max_gap_days`",
             "one of the three missed by at most 2", "-", "missed by more", "local rule"),
    _reports("C22", "organizations",
             "One reporter sees the domain from one place only.",
             "`min_orgs` organizations with evaluated sessions, `min_anchors` of them large",
             "two organizations, or a large one missing", "-", "fewer than two", "local rule"),
    _reports("C23", "volume",
             "Few sessions prove little.",
             "`min_sessions` evaluated sessions in the window",
             "100 at least; with little mail, fewer", "-", "fewer than 100", "local rule"),
    _reports("C24", "no recurring failure",
             "What fails again and again would hold mail back again and again.",
             "nothing that would block in the recent days, and days enough with sessions",
             "a failure that did not recur, or passing faults in more than 1 % of the sessions",
             "a failure that would block recurs, and no fix closed it",
             "too few days with sessions, or too few since a fix", "RFC 8460 section 4.3; recurring: docs/criteria.md"),
    _reports("C25", "rate that would block",
             "The bound says how large the rate may still be, given what was counted.",
             "the upper bound is `p_target` at most",
             "the upper bound is `p_warn` at most; few organizations and days, or one organization for nine in ten sessions",
             "the lower bound is more than `p_fail`",
             "too little to tell, or failures without details in more than 1 % of the sessions",
             "Clopper and Pearson 1934"),
    _reports("C26", "each organization",
             "A rate over all may hide that one sender cannot deliver at all.",
             "no organization with 20 sessions or more fails in over 5 % of them",
             "one small one does", "a large one does, or two", "-", "local rule"),
    _reports("C27", "policy that senders have",
             "Sessions under an old policy say nothing about this one; a strange policy may be an attack.",
             "95 % of the sessions of the last 3 settled days are under the policy served now",
             "less, or a policy that caches may still hold",
             "a policy that was never published, or an old one longer than caches may hold it in 5 % of the sessions",
             "most senders do not say which policy they had", "RFC 8460 section 4.4"),
    _reports("C28", "policy reaches senders",
             "A sender that could not fetch the policy is not protected, and its sessions are no evidence.",
             "nobody failed to get the policy in the recent days",
             "fetch errors that do not recur, or at one small organization",
             "an invalid policy or certificate of its host, not fixed; fetch errors at a large or at two organizations",
             "-", "RFC 8460 section 4.3.2.2"),
    _reports("C29", "senders blind in testing",
             "Some senders ignore a policy in testing and will honour it in enforce: nothing is known about them.",
             "less than 20 % of all sessions are theirs",
             "20 % or more", "failures of theirs recur that enforce would block", "-",
             "RFC 8461 section 5", required=False),
    _reports("C30", "DANE results",
             "Failures under DANE hold mail back today; enforce is not their cause and does not change them.",
             "no DANE failure in the recent days", "isolated ones", "recurring ones", "-", "RFC 8460 section 4.3.2.1"),
    _reports("C31", "authentic reports",
             "Anybody can mail a report; those whose sender nobody answers for are claims and count for nothing.",
             "90 % of the sessions are from reports that are vouched for or signed by a known reporter",
             "50 % or more", "-", "less", "RFC 8460 section 5.3", required=False, lowers=False),
    _reports("C32", "nothing unexplained",
             "What no detail explains may be anything.",
             "no unknown result types, and failures without details in less than 0.1 % of the sessions",
             "more", "-", "-", "RFC 8460 section 4.3", required=False),
    _reports("C33", "quality of the reports",
             "Reports that were replaced, or that could not be used, leave holes.",
             "less than 5 % of the reports", "more", "-", "-", "local rule", required=False),
    _answer("C40", "way back rehearsed", "In the hour that counts nobody should look for who may change the web server.",
            "the way back was tried, and the policy can be changed within an hour", "RFC 8461 section 8.3"),
    _answer("C41", "alarms in place", "Reports lag by a day and more; checks do not.",
            "somebody is told when checks or reports go wrong", "docs/checks.md"),
    _answer("C42", "no change planned", "A move of MX, provider or authority within the life of a policy is a trap.",
            "no MX, authority or provider changed in the last 7 days or will in the next 14", "RFC 8461 section 8.2"),
    _answer("C43", "postmaster read", "Partners whose mail waits write to postmaster.",
            "somebody reads the mail of postmaster", "RFC 5321 section 4.5.1"),
)
# fmt: on
BY_NAME = {criterion.name: criterion for criterion in CRITERIA}
ANSWERED = tuple(criterion.name for criterion in CRITERIA if criterion.kind == "answer")


def criterion(name: str) -> Criterion | None:
    """Return a criterion by its name, in any case of letters."""
    return BY_NAME.get(name.upper())


# The page


def markdown() -> str:
    """Return docs/criteria.md."""
    parts = [_OPENING]
    for kind, heading in (("live", "Live"), ("reports", "Reports"), ("answer", "Answers")):
        parts.append(f"## {heading}\n\n{_KINDS[kind]}\n")
        parts += [_section(one) for one in CRITERIA if one.kind == kind]
    rows = "".join(
        f"| `{name}` | {_default(field.default)} | {_range(field.metadata)} | {field.description} |\n"
        for name, field in Parameters.model_fields.items()
    )
    parts.append(f"{_PARAMETERS}\n| Parameter | Default | Range | Meaning |\n| --- | --- | --- | --- |\n{rows}")
    return "\n".join(parts)


_OPENING = """\
# Criteria

What `tlsrpt ready` asks before it says that a domain's MTA-STS policy may go from `testing` to `enforce`. Each criterion
stands at PASS, WARN, FAIL, UNKNOWN or N-A, with the rows that it rests on. The verdict is worked out so:

- a required criterion at FAIL: NOT_READY
- else a required one at UNKNOWN: INSUFFICIENT_EVIDENCE
- else a warning that nobody acknowledged: READY_WITH_WARNINGS
- else: READY

A criterion that is not required warns when it fails or cannot be told. A domain in `enforce` is IN_FORCE, or
IN_FORCE_FAILING if a required criterion fails; one that takes no mail is N_A. Strength in one criterion buys off nothing
in another. Answers of the operator and C31 are shown and never lower a verdict.

Only reports that are vouched for or signed by a known reporter count, in both directions; the others are listed as
claims. An acknowledgement lasts 14 days at most, and until the warning is about something else.

A **settled** day ended at least `settle_lag_h` hours ago; the *recent* days are the last `recent_days` settled ones, the
*window* the last `obs_days`. What was reported about days after them counts against a domain, never for its coverage.

A failure is told apart by organization, cause and place. It **recurs** if one organization has it on `recur_days` days,
or `recur_orgs` organizations have it, or one has it `burst_min` times on a day in `burst_rate` of its sessions. It is
**closed** by a fix (`tlsrpt fix`) once a look after it agrees and no report about a later day has it; the day of the fix
counts neither way, and `recent_days` settled days have to follow. A report about several days counts on its last one. Failures at an MX that is in neither DNS nor policy for
a week, and that nobody has met since, are **historical**. Closed and historical failures leave the rate.
"""
_KINDS = {
    "live": "They rest on the newest look that can tell and is not older than 24 hours: `tlsrpt check`, or a file of checks.",
    "reports": "They rest on reports; a day without one is no clean day.",
    "answer": "`tlsrpt answer DOMAIN CRITERION yes` or `no`.",
}
_PARAMETERS = """\
## Parameters

In the configuration, under `[ready]`; `profile = "cautious"` asks for 28 days in testing. Every answer says which were
used. A domain that has fewer than `min_sessions` sessions in 28 days of testing is judged as one with little mail: over 28
days, C23 and C25 warn where they could not tell, C05 has to pass from two places, and the best verdict is
READY_WITH_WARNINGS.

    [ready]
    profile = "cautious"
    min_sessions = 1000
"""


def _section(one: Criterion) -> str:
    required = "Required." if one.required else "Not required."
    states = (("PASS", one.passes), ("WARN", one.warns), ("FAIL", one.fails), ("UNKNOWN", one.unknown))
    rows = "".join(f"| {state} | {words} |\n" for state, words in states if words != "-")
    return (
        f"### {one.name} {one.title}\n\n{one.why} {required} Source: {one.source}.\n\n"
        f"| State | When |\n| --- | --- |\n{rows}"
    )


def _default(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _range(metadata: list[object]) -> str:
    least = next((one.ge for one in metadata if hasattr(one, "ge")), None)
    most = next((one.le for one in metadata if hasattr(one, "le")), None)
    return "a list" if least is None else f"{least:g} to {most:g}" if isinstance(least, float) else f"{least} to {most}"
