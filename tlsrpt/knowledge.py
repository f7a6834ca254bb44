"""What each cause means, what `enforce` would do about it, and how to confirm and mend it.

Texts only, in our words, short enough for one screen. The RFC sections hold the definitions.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)
_ADDRESS = re.compile(r"[0-9a-f.:]+", re.IGNORECASE)


class Explanation(NamedTuple):
    """One cause, for a reader who has to decide what to do."""

    title: str
    act: str  # "act", "wait" or "not yours"
    advice: str  # one sentence: why to act or to wait
    meaning: str
    enforce: str  # what enforce does about it
    causes: tuple[str, ...]  # likely ones first
    commands: tuple[str, ...]  # to confirm, with {domain} and {mx}
    fix: str
    rfc: str  # section that defines it


_CONNECT = "openssl s_client -starttls smtp -connect {mx}:25 -servername {host}"
_CERTIFICATE = (
    f"{_CONNECT} -verify_hostname {{host}} -brief </dev/null",
    f"{_CONNECT} </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName",
)
_POLICY_HOST = "mta-sts.{domain}"
_FETCH = f"curl -sS -D /dev/stderr --proto =https --max-time 60 https://{_POLICY_HOST}/.well-known/mta-sts.txt"
_BLOCKS = "Blocks: another MX is tried, else mail waits and bounces after days."
_LETS_THROUGH = "Does not block by itself: mail flows, unprotected unless a policy is cached."
_DANE = "Enforce changes nothing here: senders that use DANE refuse this MX already today."

EXPLANATIONS = {
    "starttls-not-supported": Explanation(
        "The MX did not offer STARTTLS",
        "act",
        "Yours, unless a single network sees it: then something on the way may strip TLS.",
        "The server did not announce STARTTLS, or refused the command.",
        _BLOCKS,
        (
            "TLS is off on one machine of a pool or on a backup MX",
            "key or certificate cannot be read, so the daemon hides STARTTLS",
            "a firewall rewrites SMTP (EHLO answers full of X)",
            "a rate limiter or greylisting front end answers 454",
        ),
        (
            "printf 'EHLO probe.example\\r\\nQUIT\\r\\n' | nc -w 15 {mx} 25",
            "dig +short A {mx}; dig +short AAAA {mx}",
        ),
        "Offer STARTTLS on every address of the MX, switch SMTP inspection off, retire dead backup MXs.",
        "RFC 8460 4.3.1",
    ),
    "certificate-host-mismatch": Explanation(
        "The certificate is for another name",
        "act",
        "Yours: the certificate has to name the MX host.",
        "No subjectAltName of the certificate matches the MX host name. The subject CN does not count.",
        _BLOCKS,
        (
            "the certificate names mail.… while the MX is mx1.…",
            "another certificate is served when SNI is absent or on one address",
            "a wildcard stands one label short",
            "the MX points to an alias of a shared host",
        ),
        _CERTIFICATE,
        "Issue a certificate with a SAN for each MX name, or point the MX record at the name it has. "
        "A change of the policy alone does not mend this.",
        "RFC 8460 4.3.1, RFC 8461 4.2",
    ),
    "certificate-expired": Explanation(
        "The certificate has expired",
        "act",
        "Yours, unless one small sender alone says so: then its clock may be wrong.",
        "The certificate was past its end date when the sender looked.",
        _BLOCKS,
        (
            "renewal failed",
            "renewed, but the mail daemon was not reloaded",
            "one machine of a pool was missed",
            "an intermediate certificate expired",
        ),
        (_CERTIFICATE[1], _CERTIFICATE[0]),
        "Renew, deploy to every machine, reload the daemon; automate it, with an alarm weeks ahead.",
        "RFC 8460 4.3.1",
    ),
    "certificate-not-trusted": Explanation(
        "The certificate chain is not trusted",
        "act",
        "Yours in most cases; with a complete chain and one sender, its list of CAs may be old.",
        "No chain from the certificate to a CA that the sender trusts.",
        _BLOCKS,
        (
            "the intermediate certificate is not sent",
            "self-signed, or from a private CA",
            "chain in the wrong order, or an outdated cross-signature",
            "the certificate is not for servers",
        ),
        (
            f"{_CONNECT} -showcerts </dev/null",
            _CERTIFICATE[0],
        ),
        "Serve the whole chain without the root, from a CA that common systems trust.",
        "RFC 8460 4.3.1, RFC 8461 4.2",
    ),
    "validation-failure": Explanation(
        "TLS validation failed",
        "act",
        "Look first: the sender did not say what failed.",
        "Something other than the named causes; the reason code, if any, tells more.",
        "Treated as blocking until it is explained.",
        ("see the reason codes below",),
        _CERTIFICATE,
        "Check certificate, names and TLS versions of this MX; ask the sender if nothing is wrong.",
        "RFC 8460 4.3.3",
    ),
    "mx-not-in-policy": Explanation(
        "The MX is not in the policy",
        "act",
        "Yours: policy and MX records do not agree.",
        "No mx line of the policy covers this MX. A wildcard stands for exactly one label.",
        _BLOCKS,
        (
            "an MX was added or renamed, the policy was not",
            "a provider moved to new host names",
            "*.example.org meant to cover a.b.example.org",
            "the sender still has an older policy cached",
        ),
        ("dig +short MX {domain}", _FETCH, "dig +short TXT _mta-sts.{domain}"),
        "Add it to the policy, then change the id in the TXT record; or remove the MX record if it is stale.",
        "RFC 8461 4.1",
    ),
    "transient": Explanation(
        "A passing network fault",
        "wait",
        "Act only if it comes back for days at the same MX.",
        "The connection timed out or broke during the handshake.",
        "Does not block: the sender tries again.",
        (
            "packet loss or an overloaded server",
            "a firewall that cuts long handshakes",
            "limits on connections",
        ),
        (f"{_CONNECT} -brief </dev/null",),
        "Nothing, if it is rare. Otherwise look into load, limits and firewall of this MX.",
        "RFC 8460 4.3.3",
    ),
    "tls-negotiation": Explanation(
        "No common TLS version or cipher",
        "act",
        "Yours if your TLS is old; not yours if one old sender alone says so.",
        "Both sides speak TLS and found nothing in common.",
        _BLOCKS,
        (
            "the MX speaks only TLS 1.0 or 1.1",
            "the cipher list is too narrow, or RSA and ECDSA do not meet",
            "the sender's TLS is too old",
        ),
        (
            f"{_CONNECT} -tls1_2 -brief </dev/null",
            f"{_CONNECT} -tls1_3 -brief </dev/null",
        ),
        "Offer TLS 1.2 and 1.3 with the default ciphers of a current library.",
        "RFC 8460 4.3.3, RFC 8461 4.2",
    ),
    "unexplained": Explanation(
        "Failed, and the sender does not say why",
        "act",
        "Look first: if everything checks out and one sender alone reports it, it is not yours.",
        "The sender validated and failed, with no reason or one that says nothing.",
        "Unclear; counted as blocking to be on the safe side.",
        (
            "the MX is not covered by the policy the sender has",
            "a chain or name fault on one address of the MX",
            "a fault of this sender, such as with resumed sessions",
        ),
        ("dig +short MX {domain}", *_CERTIFICATE[:1], _FETCH),
        "Compare MX records with the policy, check every address; then ask the sender.",
        "RFC 8460 4.3.3",
    ),
    "unclassified": Explanation(
        "Counted as failed, without details",
        "wait",
        "Nothing to act on in these reports; look at what the same sender details elsewhere.",
        "A summary counts more failed sessions than its failure details explain.",
        "Unknown: it is not counted as blocking.",
        ("the sender sends no details", "details were cut off because of their size"),
        ("dig +short MX {domain}",),
        "Check each MX yourself; ask the sender if it goes on.",
        "RFC 8460 4.4",
    ),
    "unknown": Explanation(
        "The sender named no cause",
        "wait",
        "Look at the report; there may be a reason code.",
        "The failure has no result type.",
        "Unclear; counted as blocking to be on the safe side.",
        ("a sender that departs from the RFC",),
        _CERTIFICATE,
        "Check this MX; ask the sender if it goes on.",
        "RFC 8460 4.3",
    ),
    "sts-policy-fetch-error": Explanation(
        "The policy could not be fetched",
        "act",
        "Yours if several senders say so; wait a day if it is one.",
        "The sender found the TXT record and could not get the policy over HTTPS.",
        _LETS_THROUGH,
        (
            "404, a server error, or a redirect: redirects are not followed",
            "bot protection or geo-blocking in front of the policy host",
            "an IPv6 address that does not answer",
            "slow: some senders wait 2 to 4 seconds",
        ),
        (_FETCH, "dig +short A mta-sts.{domain}; dig +short AAAA mta-sts.{domain}"),
        "Serve the file with status 200 on every address, to any client, without a redirect.",
        "RFC 8460 4.3.2.2, RFC 8461 3.3",
    ),
    "sts-policy-invalid": Explanation(
        "The policy has a fault in it",
        "act",
        "Yours, and cheap to mend.",
        "The sender got a policy and could not read it.",
        _LETS_THROUGH,
        (
            "an HTML page with status 200 in its place",
            "a byte order mark, blank lines or a missing key",
            "no mx line, or max_age missing",
        ),
        (f"{_FETCH} | od -c | head",),
        "Write the file anew: version, mode, mx, max_age, plain text; then change the id in the TXT record.",
        "RFC 8460 4.3.2.2, RFC 8461 3.2",
    ),
    "sts-webpki-invalid": Explanation(
        "The policy host's certificate is not valid",
        "act",
        "Yours. It is about mta-sts.<domain>, not about an MX.",
        "The HTTPS certificate of the policy host did not validate.",
        _LETS_THROUGH,
        (
            "expired, or without a SAN for mta-sts.<domain>",
            "a CNAME to a host whose certificate names only itself",
            "the intermediate certificate is not sent",
        ),
        (
            f"openssl s_client -connect {_POLICY_HOST}:443 -verify_hostname {_POLICY_HOST} -brief </dev/null",
            "dig +short CNAME mta-sts.{domain}; dig +short CAA {domain}",
        ),
        "Issue a certificate for mta-sts.<domain> and serve it with its chain.",
        "RFC 8460 4.3.2.2, RFC 8461 3.3",
    ),
    "tlsa-invalid": Explanation(
        "No TLSA record matches",
        "act",
        "Yours, and urgent: mail from DANE senders waits now.",
        "The certificate of the MX matches none of its TLSA records.",
        _DANE,
        (
            "certificate renewed with a new key, TLSA not",
            "wrong hash, selector or usage",
            "usage 2 without the CA certificate in the chain",
        ),
        ("dig +dnssec +multi TLSA _25._tcp.{host}", "posttls-finger -c -l dane-only {domain}"),
        "Publish the new record beside the old, wait two TTLs, then change the key; keep keys on renewal.",
        "RFC 8460 4.3.2.1, RFC 7672",
    ),
    "dnssec-invalid": Explanation(
        "DNSSEC did not validate",
        "act",
        "Yours if several senders say so; else that sender's resolver.",
        "The resolver of the sender got no valid records for the MX.",
        _DANE,
        (
            "expired signatures",
            "DS does not match after a key roll or a move",
            "name servers that answer TLSA queries with errors",
        ),
        ("delv TLSA _25._tcp.{host}", "dig +cd +short TLSA _25._tcp.{host}"),
        "Mend the signatures or the DS record; test with several resolvers.",
        "RFC 8460 4.3.2.1",
    ),
    "dane-required": Explanation(
        "The sender insists on DANE",
        "act",
        "Between you and that sender.",
        "This sender delivers to you only over DANE and found no usable TLSA record.",
        _DANE,
        ("TLSA records or DNSSEC were dropped", "an agreement that outlived a move to another provider"),
        ("dig +dnssec +short TLSA _25._tcp.{host}", "dig +dnssec +short MX {domain}"),
        "Publish TLSA records again, or agree with the sender to do without.",
        "RFC 8460 4.3.2.1",
    ),
}

_OTHER = Explanation(
    "A cause that this program does not know",
    "wait",
    "Look at the report and its reason code; ask the sender.",
    "The result type is not in the registry of RFC 8460.",
    "Unclear; counted as blocking to be on the safe side.",
    ("a newer result type", "a sender that departs from the RFC"),
    _CERTIFICATE,
    "Check this MX; ask the sender what it means.",
    "RFC 8460 6.6",
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
    where = host
    if mx_key.startswith("ip:") and _ADDRESS.fullmatch(address):
        where = f"[{address}]" if ":" in address else address
    name = domain if _NAME.fullmatch(domain) else "$DOMAIN"
    return [command.format(domain=name, mx=where, host=host) for command in explanation.commands]
