"""What each cause means, what `enforce` would do about it, and how to confirm and mend it.

Texts only, in our words, short enough for one screen; `markdown` makes docs/causes.md of them. The RFC sections
hold the definitions. What a sender's side sees is told of software whose code or manual says so: Postfix
(smtp_proto.c, smtp_tls_policy.c), Exchange Online (Microsoft's list of non-delivery reports), Stalwart and mox
(their delivery queues).
"""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple

_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?", re.IGNORECASE | re.ASCII)
_ADDRESS = re.compile(r"[0-9a-f.:]+", re.IGNORECASE | re.ASCII)


class Explanation(NamedTuple):
    """One cause, for a reader who has to decide what to do."""

    title: str
    act: str  # "act", "wait" or "not yours"
    advice: str  # one sentence: why to act or to wait
    fault: str  # one of FAULTS: on which side it usually lies; the advice has the exceptions
    impact: str  # one of IMPACTS: what it comes to under a policy of type sts
    meaning: str
    enforce: str  # what enforce does about it
    sender: str  # what the sender's side sees then
    causes: tuple[str, ...]  # likely ones first
    commands: tuple[str, ...]  # to confirm, with {domain}, {host}, {mx} and {at}
    fix: str
    beware: str  # what is easily got wrong
    rfc: str  # section that defines it


# {mx} stands in host:port, {at} is an argument by itself, {host} is a name in any case.
_CONNECT = "openssl s_client -starttls smtp -connect {mx}:25 -servername {host}"
_AS_SENDER = f"{_CONNECT} -verify_hostname {{host}} -brief </dev/null"
_LEAF = f"{_CONNECT} </dev/null 2>/dev/null | openssl x509 -noout -serial -issuer -dates -ext subjectAltName"
_KEY = (
    f"{_CONNECT} </dev/null 2>/dev/null | openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER"
    " | openssl dgst -sha256"
)
_CHAIN = f"{_CONNECT} -showcerts </dev/null"
_VERSIONS = (
    f"{_CONNECT} -tls1_2 -brief </dev/null",
    f"{_CONNECT} -tls1_3 -brief </dev/null",
    f"{_CONNECT} -tls1_1 -cipher DEFAULT@SECLEVEL=0 -brief </dev/null",
)
_EHLO = "printf 'EHLO probe.example\\r\\nQUIT\\r\\n' | nc -w 15 {at} 25"
_ADDRESSES = "dig +short A {host}; dig +short AAAA {host}"
_POSTFIX = 'posttls-finger -c -l secure -F /etc/ssl/certs/ca-certificates.crt -s {host} "[{host}]" {host}'
_MX = "dig +short MX {domain}"
_CHECK = "tlsrpt check {domain}"
_POLICY_HOST = "mta-sts.{domain}"
_FILE = f"https://{_POLICY_HOST}/.well-known/mta-sts.txt"
_FETCH = f"curl -sS -i --tlsv1.2 --max-time 60 --max-filesize 65536 {_FILE}"
_FETCH_AT = f"curl -sS -i --resolve {_POLICY_HOST}:443:$ADDRESS {_FILE}"  # of those that the line before it lists
_BYTES = f"curl -sS --max-time 60 {_FILE} | od -c | head"
_POLICY_ADDRESSES = f"dig +short A {_POLICY_HOST}; dig +short AAAA {_POLICY_HOST}"
_WEB = f"openssl s_client -connect {_POLICY_HOST}:443"
_TLSA = "dig +dnssec +multi TLSA _25._tcp.{host}"
_DANE_ONLY = "posttls-finger -c -l dane-only {domain}"

_BLOCKS = "Blocks: another MX is tried, else mail waits and bounces after days."
_LETS_THROUGH = (
    "Does not block by itself: mail flows, unprotected; a policy in a sender's cache stays in force."
    " No evidence for enforce."
)
_DANE = "Enforce changes nothing here: senders that use DANE refuse this MX already today."
_BOUNCES = "Mail bounces after 4-5 days (RFC 5321 4.5.4.1), Microsoft's after one."
_AT_ONCE = "Stalwart bounces at once, others after 4-5 days (RFC 5321 4.5.4.1), Microsoft after one."
_NOT_VERIFIED = (
    'Postfix defers: 4.7.5 "Server certificate not verified". Exchange Online: 5.7.5 "failed MTA-STS validation"'
)
_DELIVERED = (
    "Nothing: mail is delivered. It waits only where a cached policy no longer fits or, at some (mox), while DNS"
    " fails for _mta-sts."
)
_AS_IT_TURNS_OUT = (
    "Depends on the cause: Postfix defers with 4.7.4 or 4.7.5, Exchange Online has 5.4.8 or 5.7.5. Ask for a line of"
    " the log."
)

EXPLANATIONS = {
    "starttls-not-supported": Explanation(
        title="The MX did not offer STARTTLS",
        act="act",
        advice="Yours, unless a single network sees it: then something on the way may strip TLS.",
        fault="receiver",
        impact="would-block",
        meaning="The server did not announce STARTTLS, or refused the command.",
        enforce=_BLOCKS,
        sender=(
            'Postfix defers: 4.7.4 "TLS is required, but was not offered by host". Exchange Online, with DANE:'
            f" 4/5.7.321. {_AT_ONCE}"
        ),
        causes=(
            "TLS is off on one machine of a pool or on a backup MX",
            "key or certificate cannot be read, so the daemon hides STARTTLS",
            "a firewall rewrites SMTP (EHLO answers full of X)",
            "a rate limiter or greylisting front end answers 454",
        ),
        commands=(_EHLO, _ADDRESSES),
        fix="Offer STARTTLS on every address of the MX, switch SMTP inspection off, retire dead backup MXs.",
        beware="Ask every address, several times, from outside your firewall: one bad machine of a pool is enough.",
        rfc="RFC 8460 4.3.1",
    ),
    "certificate-host-mismatch": Explanation(
        title="The certificate is for another name",
        act="act",
        advice="Yours: the certificate has to name the MX host.",
        fault="receiver",
        impact="would-block",
        meaning="No subjectAltName of the certificate matches the MX host name. The subject CN does not count.",
        enforce=_BLOCKS,
        sender=f"{_NOT_VERIFIED}; with DANE 5.7.325. {_BOUNCES}",
        causes=(
            "the certificate names mail.… while the MX is mx1.…",
            "another certificate is served without SNI or on one address",
            "a wildcard stands one label short",
            "the MX points to an alias of a shared host",
        ),
        commands=(_AS_SENDER, _LEAF),
        fix="Issue a certificate with a SAN for each MX name, or point the MX record at the name it has.",
        beware=(
            "A change of the policy alone never mends this. OpenSSL falls back to the CN: believe the list of SANs, not"
            " its verdict."
        ),
        rfc="RFC 8460 4.3.1, RFC 8461 4.2",
    ),
    "certificate-expired": Explanation(
        title="The certificate has expired",
        act="act",
        advice="Yours, unless one small sender alone says so: then its clock may be wrong.",
        fault="receiver",
        impact="would-block",
        meaning="The certificate was past its end date when the sender looked.",
        enforce=_BLOCKS,
        sender=f"{_NOT_VERIFIED}; with DANE 4/5.7.322. {_BOUNCES}",
        causes=(
            "renewal failed",
            "renewed, but the mail daemon was not reloaded",
            "one machine of a pool was missed",
            "an intermediate certificate expired",
        ),
        commands=(_LEAF, _AS_SENDER),
        fix="Renew, deploy to every machine, reload the daemon; automate it, with an alarm weeks ahead.",
        beware=(
            "Serial numbers tell machines of a pool apart. DANE hides this: with TLSA usage 3 expiry is ignored (RFC"
            " 7671 5.1)."
        ),
        rfc="RFC 8460 4.3.1",
    ),
    "certificate-not-trusted": Explanation(
        title="The certificate chain is not trusted",
        act="act",
        advice="Yours in most cases; with a complete chain and one sender, its list of CAs may be old.",
        fault="receiver",
        impact="would-block",
        meaning="No chain from the certificate to a CA that the sender trusts.",
        enforce=_BLOCKS,
        sender=f"{_NOT_VERIFIED}. {_BOUNCES}",
        causes=(
            "the intermediate certificate is not sent",
            "self-signed, or from a private CA",
            "chain in the wrong order, or an outdated cross-signature",
            "the certificate is not for servers, or not yet valid",
        ),
        commands=(_CHAIN, _AS_SENDER, _POSTFIX),
        fix="Serve the whole chain without the root, from a CA that common systems trust.",
        beware="Stalwart says so of any certificate fault; its reason tells which.",
        rfc="RFC 8460 4.3.1, RFC 8461 4.2",
    ),
    "validation-failure": Explanation(
        title="TLS validation failed",
        act="act",
        advice="Look first: the sender did not say what failed.",
        fault="either",
        impact="unclear",
        meaning=(
            "A result type for whatever has no other. tlsrpt finds the cause by reason code and MX, and calls the rest"
            " unexplained."
        ),
        enforce="Blocks, unless it is a passing network fault; counted as blocking until it is explained.",
        sender=_AS_IT_TURNS_OUT,
        causes=(
            "the MX is not in the policy: there is no result type for that",
            "a network fault during the handshake",
            "a fault of the certificate, named in the reason code (Postfix)",
            "no common TLS version or cipher",
        ),
        commands=(_MX, _AS_SENDER, _VERSIONS[0]),
        fix="Hold the MX against the policy, check certificate, names and TLS versions; then ask the sender.",
        beware="It does not mean that the MX is missing in the policy: that is one cause of several.",
        rfc="RFC 8460 4.3.3",
    ),
    "mx-not-in-policy": Explanation(
        title="The MX is not in the policy",
        act="act",
        advice="Yours: policy and MX records do not agree.",
        fault="receiver",
        impact="would-block",
        meaning="No mx line of the policy covers this MX. A wildcard stands for exactly one label.",
        enforce=_BLOCKS,
        sender=(f'Exchange Online: 4/5.4.8 "MX hosts of … failed MTA-STS validation". mox defers. {_AT_ONCE}'),
        causes=(
            "an MX was added or renamed, the policy was not",
            "a provider moved to new host names",
            "*.example.org meant to cover a.b.example.org",
            "the sender still has an older policy cached",
        ),
        commands=(_MX, _FETCH, f"dig +short TXT _mta-sts.{{domain}}; {_CHECK}"),
        fix="Add it to the policy, then change the id in the TXT record; or remove the MX record if it is stale.",
        beware=(
            "The name in the MX record counts, not what a CNAME leads to. A new MX goes into the policy first, into DNS"
            " later."
        ),
        rfc="RFC 8461 4.1",
    ),
    "transient": Explanation(
        title="A passing network fault",
        act="wait",
        advice="Act only if it comes back for days at the same MX.",
        fault="either",
        impact="none",
        meaning="The connection timed out or broke during the handshake.",
        enforce="Does not block: the sender tries again.",
        sender="A deferral that a later try clears; its log names a timeout or a lost connection.",
        causes=(
            "packet loss or an overloaded server",
            "a firewall that cuts long handshakes",
            "limits on connections",
        ),
        commands=(f"{_CONNECT} -brief </dev/null",),
        fix="Nothing, if it is rare. Otherwise look into load, limits and firewall of this MX.",
        beware="Every try counts as a session: one mail that is tried for hours makes a long row.",
        rfc="RFC 8460 4.3.3",
    ),
    "tls-negotiation": Explanation(
        title="No common TLS version or cipher",
        act="act",
        advice="Yours if your TLS is old; not yours if one old sender alone says so.",
        fault="either",
        impact="would-block",
        meaning="Both sides speak TLS and found nothing in common.",
        enforce=_BLOCKS,
        sender=(
            'Postfix defers: 4.7.5 "Cannot start TLS: handshake failure". Exchange Online, with DANE:'
            f" 4/5.7.321. {_BOUNCES}"
        ),
        causes=(
            "the MX speaks only TLS 1.0 or 1.1",
            "the cipher list is too narrow, or RSA and ECDSA do not meet",
            "the sender's TLS is too old",
        ),
        commands=_VERSIONS,
        fix="Offer TLS 1.2 and 1.3 with the default ciphers of a current library.",
        beware="One of the first two commands has to succeed; the last should fail.",
        rfc="RFC 8460 4.3.3, RFC 8461 4.2",
    ),
    "unexplained": Explanation(
        title="Failed, the sender does not say why",
        act="act",
        advice="Look first: if everything checks out and one sender alone reports it, it is not yours.",
        fault="either",
        impact="unclear",
        meaning="The sender validated and failed, with no reason or one that says nothing.",
        enforce="Unclear; counted as blocking to be on the safe side.",
        sender=_AS_IT_TURNS_OUT,
        causes=(
            "the MX is not covered by the policy the sender has",
            "a chain or name fault on one address of the MX",
            "a fault of this sender, such as with resumed sessions",
        ),
        commands=(_MX, _AS_SENDER, _FETCH),
        fix="Compare MX records with the policy, check every address; then ask the sender.",
        beware=(
            "Known: Exchange Online broke off TLS 1.3 with servers in Go that send session tickets (golang/go issue"
            " 70232)."
        ),
        rfc="RFC 8460 4.3.3",
    ),
    "unclassified": Explanation(
        title="Counted as failed, without details",
        act="wait",
        advice="Nothing to act on in these reports; look at what the same sender details elsewhere.",
        fault="either",
        impact="unknown",
        meaning="A summary counts more failed sessions than its failure details explain.",
        enforce="Unknown: it is not counted as blocking.",
        sender="Not known; ask the sender for a line of its log.",
        causes=("the sender sends no details", "details were cut off because of their size"),
        commands=(_MX, _CHECK),
        fix="Check each MX yourself; ask the sender if it goes on.",
        beware="Details are counted by row and may overlap, so totals and rows need not agree.",
        rfc="RFC 8460 4.4",
    ),
    "unknown": Explanation(
        title="The sender named no cause",
        act="wait",
        advice="Look at the report; there may be a reason code.",
        fault="sender",
        impact="unclear",
        meaning="The failure has no result type.",
        enforce="Unclear; counted as blocking to be on the safe side.",
        sender=_AS_IT_TURNS_OUT,
        causes=("a sender that departs from the RFC",),
        commands=(_AS_SENDER, _LEAF),
        fix="Check this MX; ask the sender if it goes on.",
        beware="The fault is real all the same: only its name is missing.",
        rfc="RFC 8460 4.3",
    ),
    "sts-policy-fetch-error": Explanation(
        title="The policy could not be fetched",
        act="act",
        advice="Yours if several senders say so; wait a day if it is one.",
        fault="receiver",
        impact="none",
        meaning="The sender found the TXT record and could not get the policy over HTTPS.",
        enforce=_LETS_THROUGH,
        sender=_DELIVERED,
        causes=(
            "404, a server error, or a redirect: redirects are not followed",
            "bot protection or geo-blocking in front of the policy host",
            "an IPv6 address that does not answer",
            "slow: some senders wait 2 to 4 seconds",
        ),
        commands=(_FETCH, _POLICY_ADDRESSES, _FETCH_AT),
        fix="Serve the file with status 200 on every address, to any client, without a redirect.",
        beware="Test without curl -L. That one sender gets the policy does not refute another.",
        rfc="RFC 8460 4.3.2.2, RFC 8461 3.3",
    ),
    "sts-policy-invalid": Explanation(
        title="The policy has a fault in it",
        act="act",
        advice="Yours, and cheap to mend.",
        fault="receiver",
        impact="none",
        meaning="The sender got a policy and could not read it.",
        enforce=_LETS_THROUGH,
        sender=_DELIVERED,
        causes=(
            "an HTML page with status 200 in its place",
            "a byte order mark, blank lines or a missing key",
            "no mx line, or max_age missing",
        ),
        commands=(_BYTES, _CHECK),
        fix="Write the file anew: version, mode, mx, max_age, plain text; then change the id in the TXT record.",
        beware="Senders differ in what they take: a strict one refuses what another reads, even mode none without mx.",
        rfc="RFC 8460 4.3.2.2, RFC 8461 3.2",
    ),
    "sts-webpki-invalid": Explanation(
        title="The policy host's certificate fails",
        act="act",
        advice="Yours. It is about mta-sts.<domain>, not about an MX.",
        fault="receiver",
        impact="none",
        meaning="The HTTPS certificate of the policy host did not validate.",
        enforce=_LETS_THROUGH,
        sender=_DELIVERED,
        causes=(
            "expired, or without a SAN for mta-sts.<domain>",
            "a CNAME to a host whose certificate names only itself",
            "the intermediate certificate is not sent",
            "the CDN was not given the name, or a CAA record forbids its CA",
        ),
        commands=(
            f"{_WEB} -verify_hostname {_POLICY_HOST} -brief </dev/null",
            f"{_WEB} </dev/null 2>/dev/null | openssl x509 -noout -dates -ext subjectAltName",
            f"dig +short CNAME {_POLICY_HOST}; dig +short CAA {{domain}}",
        ),
        fix="Issue a certificate for mta-sts.<domain> and serve it with its chain.",
        beware="While it lasts nobody can fetch a change of the policy, a way back from enforce included.",
        rfc="RFC 8460 4.3.2.2, RFC 8461 3.3",
    ),
    "tlsa-invalid": Explanation(
        title="No TLSA record matches",
        act="act",
        advice="Yours, and urgent: mail from DANE senders waits now.",
        fault="receiver",
        impact="dane",
        meaning="The certificate of the MX matches none of its TLSA records.",
        enforce=_DANE,
        sender=(
            'Now, whatever the policy says. Postfix defers: 4.7.5 "Server certificate not verified". Exchange Online:'
            f" 4/5.7.323. {_BOUNCES}"
        ),
        causes=(
            "certificate renewed with a new key, TLSA not",
            "wrong hash, selector or usage",
            "usage 2 without the CA certificate in the chain",
        ),
        commands=(
            _TLSA,
            _DANE_ONLY,
            _KEY,
        ),
        fix="Publish the new record beside the old, wait two TTLs, then change the key; keep keys on renewal.",
        beware="The last command gives the data for a record 3 1 1. Usages 0 and 1 count for nothing in mail.",
        rfc="RFC 8460 4.3.2.1, RFC 7672",
    ),
    "dnssec-invalid": Explanation(
        title="DNSSEC did not validate",
        act="act",
        advice="Yours if several senders say so; else that sender's resolver.",
        fault="receiver",
        impact="dane",
        meaning="The resolver of the sender got no valid records for the MX.",
        enforce=_DANE,
        sender=(
            'Now, whatever the policy says. Postfix defers: 4.7.5 "TLSA lookup error". Exchange Online: 4/5.7.324,'
            f' or 4/5.4.312 "DNS query failed". {_BOUNCES}'
        ),
        causes=(
            "expired signatures",
            "DS does not match after a key roll or a move",
            "name servers that answer TLSA queries with errors",
        ),
        commands=("delv _25._tcp.{host} TLSA; delv {host} A", _TLSA, "dig +cd +short TLSA _25._tcp.{host}"),
        fix="Mend the signatures or the DS record; test with several resolvers.",
        beware="MTA-STS does not step in: while DNSSEC fails, DANE senders use no other policy.",
        rfc="RFC 8460 4.3.2.1",
    ),
    "dane-required": Explanation(
        title="The sender insists on DANE",
        act="act",
        advice="Between you and that sender.",
        fault="either",
        impact="dane",
        meaning="This sender delivers to you only over DANE and found no usable TLSA record.",
        enforce=_DANE,
        sender=(
            'Now, whatever the policy says. Postfix (dane-only) defers: 4.7.5 "no TLSA records found" or "non DNSSEC'
            f' destination". {_AT_ONCE}'
        ),
        causes=("TLSA records or DNSSEC were dropped", "an agreement that outlived a move to another provider"),
        commands=("dig +dnssec +short TLSA _25._tcp.{host}", "dig +dnssec +short MX {domain}", _DANE_ONLY),
        fix="Publish TLSA records again, or agree with the sender to do without.",
        beware="Every MX needs its records, not the one alone that was reported.",
        rfc="RFC 8460 4.3.2.1, RFC 7672 6",
    ),
}

_OTHER = Explanation(
    title="A cause that this program does not know",
    act="wait",
    advice="Look at the report and its reason code; ask the sender.",
    fault="either",
    impact="unclear",
    meaning="The result type is not in the registry of RFC 8460.",
    enforce="Unclear; counted as blocking to be on the safe side.",
    sender=_AS_IT_TURNS_OUT,
    causes=("a newer result type", "a sender that departs from the RFC"),
    commands=(_AS_SENDER, _LEAF),
    fix="Check this MX; ask the sender what it means.",
    beware="A newer version of this program may know it.",
    rfc="RFC 8460 6.6",
)

# What each impact of tlsrpt.cause means, in a few words.
IMPACTS = {
    "would-block": "enforce would block these sessions",
    "unclear": "not explained; counted as if enforce would block",
    "projected": "the sender saw no policy; it would block if it saw one in enforce",
    "dane": "blocked for DANE senders already, whatever the policy says",
    "none": "enforce would not block these sessions",
    "unknown": "no details; not counted as blocking",
}
FAULTS = ("receiver", "sender", "either")


def explain(cause: str) -> Explanation:
    """Return what is known about a cause, and for one that nobody registered what to do anyway."""
    return EXPLANATIONS.get(cause, _OTHER)


def commands(explanation: Explanation, domain: str, mx_key: str) -> list[str]:
    """Return the commands that confirm it, ready for a shell.

    Names come from reports, so only what can be nothing but a name or an address is put in; anything else
    leaves a shell variable, $DOMAIN or $MX, for the reader to fill.
    """
    host = mx_key if _NAME.fullmatch(mx_key) else "$MX"
    address = mx_key.removeprefix("ip:")
    at = where = host
    if mx_key.startswith("ip:") and _ADDRESS.fullmatch(address):
        at, where = address, f"[{address}]" if ":" in address else address
    name = domain if _NAME.fullmatch(domain) else "$DOMAIN"
    return [command.format(domain=name, mx=where, at=at, host=host) for command in explanation.commands]


# docs/causes.md


def markdown() -> str:
    """Return docs/causes.md."""
    impacts = "".join(f"| `{impact}` | {words} |\n" for impact, words in IMPACTS.items())
    rows = "".join(
        f"| [{cause}](#{cause}) | {_escaped(about.title)} | {about.act} | {about.fault} | `{about.impact}` |\n"
        for cause, about in EXPLANATIONS.items()
    )
    return "\n".join([
        "# Causes\n",
        _paragraph(
            "What `tlsrpt explain` and the screen of a failure say of each result type of RFC 8460, and of the causes"
            " that are told apart where senders name one fault differently. The impact is that under a policy of type"
            " `sts`: the same failure under `tlsa` is `dane`, under `no-policy-found` it is `projected`. In commands"
            " `$DOMAIN`, `$MX` and `$ADDRESS` are to be filled in; `tlsrpt explain CAUSE --domain DOMAIN --mx HOST`"
            " does that for the first two."
        ),
        f"| Impact | What it says |\n| --- | --- |\n{impacts}",
        f"| Cause | What it is | Act or wait | Fault | Impact |\n| --- | --- | --- | --- | --- |\n{rows}",
        *(_section(cause, about) for cause, about in EXPLANATIONS.items()),
    ])  # fmt: skip


def _section(cause: str, about: Explanation) -> str:
    likely = "".join(_paragraph(f"{n}. {_escaped(words)}", "   ") for n, words in enumerate(about.causes, 1))
    shell = "\n".join(commands(about, "", ""))
    words = (
        ("Enforce", about.enforce),
        ("The sender sees", about.sender),
        ("Fix", about.fix),
        ("Beware", about.beware),
        ("See", about.rfc),
    )
    enforce, sender, fix, beware, see = (_paragraph(f"**{label}.** {_escaped(text)}") for label, text in words)
    opening = _paragraph(f"{_escaped(about.title)}. {_escaped(about.meaning)} {_escaped(about.advice)}")
    return "\n".join([
        f"## {cause}\n",
        opening,
        enforce,
        sender,
        f"**Likely**, most likely first:\n\n{likely}",
        fix,
        beware,
        f"**To confirm:**\n\n```sh\n{shell}\n```\n",
        see,
    ])  # fmt: skip


def _paragraph(text: str, indent: str = "") -> str:
    """Return text as lines, ending with a newline."""
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) + "\n"


def _escaped(text: str) -> str:
    """Return text of which Markdown takes nothing for its own."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
