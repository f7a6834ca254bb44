"""Every finding: how bad it is, what it is called, and what to do about it. Data only, a finding a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

# Worst first. "fail": to be mended before enforce, as senders would fail or cannot use what is published. "unreached": it could
# not be seen from here, which says nothing about it.
LEVELS = ("fail", "unreached", "warn", "note")


class Advice(NamedTuple):
    """What to make of a finding."""

    level: str  # one of LEVELS
    criterion: str  # what it counts for when a domain is judged: "C05"; "" for nothing
    title: str
    remedy: str  # with {domain}, {host} and {address} to be filled in
    source: str  # where that is written


_TLSRPT = "RFC 8460 section 3"
_STS = "RFC 8461 section 3.1"
_FILE = "RFC 8461 section 3.2"
_FETCH = "RFC 8461 section 3.3"
_MATCH = "RFC 8461 section 4.1"
_TLS = "RFC 8461 section 4.2"
_DANE = "RFC 7672 section 2.1"

# fmt: off
_RECORDS = {
    "tlsrpt-record-missing": Advice("fail", "C07", "no TLSRPT record", "Publish one, so that senders report what fails: `tlsrpt setup {domain}` writes it.", _TLSRPT),
    "tlsrpt-record-several": Advice("fail", "C07", "several TLSRPT records", "Leave one TXT record that begins with v=TLSRPTv1 at _smtp._tls.{domain}; with two, senders use none.", _TLSRPT),
    "tlsrpt-record-invalid": Advice("fail", "C07", "TLSRPT record not valid", "Write it as v=TLSRPTv1; rua=mailto:ADDRESS. `tlsrpt setup {domain}` has a line to paste.", _TLSRPT),
    "tlsrpt-record-space": Advice("fail", "C07", "blank before the first semicolon", "Write v=TLSRPTv1; without a blank before the semicolon: senders compare these bytes.", _TLSRPT),
    "tlsrpt-record-version": Advice("fail", "C07", "version misspelt", "Begin the record with exactly v=TLSRPTv1; in these cases of letters.", _TLSRPT),
    "tlsrpt-rua-missing": Advice("fail", "C07", "no destination for reports", "Add rua=mailto:ADDRESS to the TLSRPT record of {domain}.", _TLSRPT),
    "tlsrpt-rua-no-scheme": Advice("fail", "C07", "destination without a scheme", "Write mailto: before the address in rua.", _TLSRPT),
    "tlsrpt-rua-scheme": Advice("fail", "C07", "destination of another scheme", "Use mailto: or https: in rua; senders use no other.", _TLSRPT),
    "tlsrpt-rua-invalid": Advice("fail", "C07", "destination is no URI", "Correct the URI in rua; write ! as %21, a comma as %2C and a semicolon as %3B inside it.", _TLSRPT),
    "tlsrpt-rua-several-fields": Advice("warn", "C07", "rua stands twice", "Put all destinations into one rua, separated by commas: some senders read the first only.", _TLSRPT),
    "tlsrpt-rua-not-first": Advice("warn", "C07", "rua is not the first field", "Move rua right behind the version: some senders look nowhere else.", _TLSRPT),
    "tlsrpt-rua-https-only": Advice("warn", "C07", "no mailto destination", "Add a mailto: destination: senders that report by mail alone send nothing now.", _TLSRPT),
    "mta-sts-record-missing": Advice("fail", "C01", "no MTA-STS record", "Publish it once the policy is served: `tlsrpt setup {domain}` has both.", _STS),
    "mta-sts-record-several": Advice("fail", "C01", "several MTA-STS records", "Leave one TXT record that begins with v=STSv1 at _mta-sts.{domain}; with two, senders use none.", _STS),
    "mta-sts-record-invalid": Advice("fail", "C01", "MTA-STS record not valid", "Write it as v=STSv1; id=ID, where ID has 1 to 32 letters and digits.", _STS),
    "mta-sts-record-space": Advice("fail", "C01", "blank before the first semicolon", "Write v=STSv1; without a blank before the semicolon: senders compare these bytes (erratum 6285).", _STS),
    "mta-sts-record-version": Advice("fail", "C01", "version misspelt", "Begin the record with exactly v=STSv1; in these cases of letters.", _STS),
    "mta-sts-id-missing": Advice("fail", "C01", "no id", "Add id=ID to the MTA-STS record of {domain}, a new one of 1 to 32 letters and digits.", _STS),
    "mta-sts-id-invalid": Advice("fail", "C01", "id not valid", "Use 1 to 32 letters and digits in id, without hyphens, dots or colons; a time such as 20260310T120000 does.", _STS),
    "mta-sts-id-several": Advice("warn", "C01", "id stands twice", "Leave one id in the record: the first counts.", _STS),
    "mta-sts-record-ttl": Advice("warn", "C01", "TTL of the record above an hour", "Lower the TTL of _mta-sts.{domain} to 3600 or less: so long a way back from a mistake takes.", "RFC 8461 section 8.1"),
    "record-delegated": Advice("note", "C01", "record led elsewhere by CNAME", "Whoever runs the target changes id and policy; look from time to time what they publish.", "RFC 8461 section 8.2"),
    "delegation-partial": Advice("warn", "C01", "record delegated, policy host not", "Delegate mta-sts.{domain} to the same provider, or neither: else id and policy change apart from each other.", "RFC 8461 section 8.2"),
    "dns-failed": Advice("unreached", "", "DNS gave no answer", "Look again; if it stays so, ask another resolver (--resolver) and the operator of the zone. Some senders hold mail back meanwhile.", "RFC 5321 section 5.1"),
    "dns-bogus": Advice("fail", "C10", "DNSSEC validation fails", "Mend the signatures or the DS record of the zone of {host}: senders that validate cannot see this name.", "RFC 4035 section 5.5"),
}

_POLICY = {
    "policy-host-none": Advice("fail", "C02", "policy host without address", "Give {host} an address and serve the policy there: `tlsrpt setup {domain}` writes files and configuration.", _FETCH),
    "policy-host-unreached": Advice("unreached", "C02", "policy host not reached from here", "Try from another network before blaming the host; then look at its firewall, port 443 on every address.", _FETCH),
    "policy-address-unreached": Advice("unreached", "C02", "no way to this address from here", "Look from a machine that has IPv6 (or IPv4) as this address needs.", _FETCH),
    "policy-refused": Advice("fail", "C02", "connection refused at one address", "Let the web server of {host} listen on {address}, or take the address out of DNS.", _FETCH),
    "policy-timeout": Advice("fail", "C02", "no answer in time at one address", "Find out why {host} does not answer on {address}; senders wait a minute at most, some two seconds.", _FETCH),
    "policy-closed": Advice("fail", "C02", "connection closed before the answer was whole", "Look into the log of the web server of {host} on {address}.", _FETCH),
    "policy-tls-failed": Advice("fail", "C02", "no TLS with the policy host", "Let the web server of {host} on {address} speak TLS 1.2 or 1.3 for the name {host}.", _FETCH),
    "policy-redirect": Advice("fail", "C02", "policy redirected", "Serve the file itself at https://{host}/.well-known/mta-sts.txt: senders must not follow redirects.", _FETCH),
    "policy-http-status": Advice("fail", "C02", "status other than 200", "Serve the file with status 200 at https://{host}/.well-known/mta-sts.txt, to every client and user agent.", _FETCH),
    "policy-too-large": Advice("fail", "C02", "policy larger than 64 KiB", "Serve the policy alone, a few lines; senders stop reading at 64 KiB.", _FETCH),
    "policy-bad-answer": Advice("fail", "C02", "answer is no proper HTTP", "Mend the web server of {host} on {address}, or whatever stands before it.", _FETCH),
    "policy-media-type": Advice("fail", "C02", "media type is not text/plain", "Serve mta-sts.txt as text/plain: some senders take nothing else.", _FILE),
    "policy-differs": Advice("fail", "C02", "addresses serve different policies", "Put the same file on every address of {host}.", _FETCH),
    "policy-tries-differ": Advice("fail", "C02", "one address serves different policies", "Put the same file on every machine behind {address}.", _FETCH),
    "policy-slow": Advice("warn", "C02", "policy is slow", "Make {host} answer within two seconds: some senders give up then.", _FETCH),
    "policy-bom": Advice("fail", "C02", "byte order mark before the policy", "Save the file without a byte order mark.", _FILE),
    "policy-bare-cr": Advice("fail", "C02", "lines end in CR alone", "End each line with CR LF or LF.", _FILE),
    "policy-blank-line": Advice("fail", "C02", "blank line in the policy", "Take out blank lines, at the end too: strict senders refuse the file.", _FILE),
    "policy-syntax": Advice("fail", "C02", "line that is no field", "Write each line as key: value, and nothing else.", _FILE),
    "policy-comment": Advice("fail", "C02", "comment in the policy", "Take comments out: the format has none.", _FILE),
    "policy-space-before-colon": Advice("fail", "C02", "blank before a colon", "Write keys right before the colon.", _FILE),
    "policy-leading-space": Advice("fail", "C02", "blank before a key", "Begin each line with its key.", _FILE),
    "policy-html": Advice("fail", "C02", "a web page instead of the policy", "Serve the policy file at this path; the server answers with a page of its own.", _FILE),
    "policy-empty": Advice("fail", "C02", "empty policy", "Put the policy into the file: `tlsrpt setup {domain}` writes one.", _FILE),
    "policy-version-missing": Advice("fail", "C02", "no version in the policy", "Make version: STSv1 the first line.", _FILE),
    "policy-version-not-first": Advice("warn", "C02", "version is not the first line", "Make version: STSv1 the first line: large senders ask for that.", _FILE),
    "policy-mode-missing": Advice("fail", "C02", "no mode in the policy", "Add mode: testing (or enforce, or none), in small letters.", _FILE),
    "policy-max-age-missing": Advice("fail", "C08", "no max_age in the policy", "Add max_age: 86400 while testing.", _FILE),
    "policy-max-age-invalid": Advice("fail", "C08", "max_age is no number", "Write max_age in seconds, digits only.", _FILE),
    "policy-max-age-zero": Advice("fail", "C08", "max_age is 0", "Raise max_age, to 86400 while testing: with 0 nobody keeps the policy, and some refuse it.", _FILE),
    "policy-max-age-over": Advice("warn", "C08", "max_age beyond the limit", "Lower max_age to 31536000 or less: senders differ in what they make of more.", _FILE),
    "policy-max-age-exact-year": Advice("warn", "C08", "max_age exactly at the limit", "Publish 31536000 instead: some senders take the limit itself for a day.", _FILE),
    "policy-max-age-short": Advice("warn", "C08", "max_age below an hour", "Raise max_age to 86400 or more.", _FILE),
    "policy-max-age-long": Advice("warn", "C08", "max_age of more than a week while testing", "Lower max_age to 86400 until the mode is enforce.", _FILE),
    "policy-mx-missing": Advice("fail", "C02", "no mx in the policy", "Add an mx line for each MX of {domain}.", _FILE),
    "policy-mx-invalid": Advice("fail", "C02", "mx line not valid", "Write one host name a line, in A-labels, without final dot, port or address; a wildcard only as the whole first label.", _FILE),
    "policy-mx-wildcard": Advice("warn", "C04", "wildcard in the policy", "Name each MX by itself where you can: a wildcard lets in every host of that level.", _MATCH),
    "policy-too-many-mx": Advice("warn", "C04", "more than 100 mx lines", "Use fewer patterns: some senders stop reading.", _FILE),
    "policy-field-twice": Advice("warn", "C02", "field stands twice", "Leave one of each: the first counts, and some senders refuse the file.", _FILE),
    "policy-key-misspelt": Advice("warn", "C02", "key looks misspelt", "Write known keys in small letters: version, mode, mx, max_age. Others are ignored.", _FILE),
    "policy-none-without-mx": Advice("warn", "C02", "mode none without mx lines", "Keep the mx lines: some senders refuse the file without them, and keep the old policy.", "RFC 8461 section 8.3"),
    "policy-read-by-some": Advice("note", "C02", "lenient senders read it all the same", "Mend the faults above: strict senders see no policy, lenient ones do.", _FILE),
    "policy-mode-none": Advice("warn", "C03", "policy withdrawn", "Publish mode: testing with a new id to begin again, or go on with the removal.", "RFC 8461 section 8.3"),
    "policy-mode-enforce": Advice("note", "C03", "policy in force", "Nothing; look at certificates and MX changes before they are made.", "RFC 8461 section 5"),
    "policy-unannounced": Advice("fail", "C01", "policy served, but no valid record", "Publish the _mta-sts.{domain} record: without it no sender fetches the policy.", _STS),
    "policy-changed-id-kept": Advice("fail", "C09", "policy changed, id did not", "Publish a new id at _mta-sts.{domain}: senders that have the old policy do not see the change.", _STS),
    "policy-changed-lately": Advice("warn", "C09", "policy changed, new id not seen yet", "Publish a new id at _mta-sts.{domain} as soon as every address serves the new policy.", _STS),
    "id-changed-first": Advice("warn", "C09", "id changed before the policy", "Publish another new id now: senders may hold the old policy under this one.", "RFC 8461 section 8.1"),
    "id-reused": Advice("fail", "C03", "id of an earlier policy used again", "Publish an id that was never used: senders that know this one keep the policy they have.", _STS),
    "id-changed-alone": Advice("note", "C09", "id changed, policy did not", "Nothing; senders fetched the same policy again.", _STS),
    "caches-still-enforce": Advice("warn", "", "senders may still enforce an earlier policy", "Keep every MX as that policy wants it until then, and keep serving a policy with mode none.", "RFC 8461 section 8.3"),
}

_MX = {
    "domain-none": Advice("fail", "C04", "domain does not exist", "Check the spelling of {domain}, and its registration.", "RFC 5321 section 5.1"),
    "mx-null": Advice("note", "C04", "null MX: the domain takes no mail", "Nothing; a policy would be of no use.", "RFC 7505"),
    "mx-none": Advice("note", "C04", "no MX and no address: the domain takes no mail", "Nothing, unless it should: then publish an MX record.", "RFC 5321 section 5.1"),
    "mx-implicit": Advice("note", "C04", "no MX record: the domain is its own MX", "Publish an MX record, or list {domain} itself in the policy.", "RFC 5321 section 5.1"),
    "mx-address-literal": Advice("fail", "C04", "MX names an address", "Let the MX record name a host: a certificate and a policy are about names.", "RFC 5321 section 5.1"),
    "mx-cname": Advice("warn", "C04", "MX is a CNAME", "Let the MX record name the target itself; certificates and policies are about the name in the MX record.", "RFC 2181 section 10.3"),
    "mx-no-address": Advice("warn", "C04", "MX without address", "Give {host} an address or take it out of the MX records.", "RFC 5321 section 5.1"),
    "mx-not-in-policy": Advice("fail", "C04", "MX not covered by the policy", "Add mx: {host} to the policy, then change the id: under enforce senders do not deliver there.", _MATCH),
    "policy-mx-unused": Advice("warn", "C04", "pattern that covers no MX", "Take it out of the policy, unless an MX of that name is on its way.", _MATCH),
    "not-all-looked-at": Advice("unreached", "C05", "more than is looked at", "Look at the others by hand: how they stand is not known.", "docs/checks.md"),
    "address-refused": Advice("fail", "C05", "private or special address", "Take {address} out of the public DNS of {host}: senders cannot reach it. --allow-private-addresses looks all the same.", "RFC 6890"),
    "port-25-blocked": Advice("unreached", "C05", "no MX reached from here", "Most networks block port 25. Run `tlsrpt check {domain} --format json` on a server that sends mail, and load the file here.", "docs/checks.md"),
    "mx-unreached": Advice("unreached", "C05", "not reached from here", "Look from another network; if it stays so, find out whether {host} answers on {address} at all.", "docs/checks.md"),
    "mx-silent": Advice("unreached", "C05", "no answer in time", "Look again; a server that makes strangers wait may need this place to be known to it.", "RFC 5321 section 4.5.3.2"),
    "mx-turned-away": Advice("unreached", "C05", "the server turned this place away", "Look from an address with a good name, such as a mail server of yours; this says nothing about its TLS.", "RFC 5321 section 3.1"),
    "mx-bad-answer": Advice("fail", "C05", "answer is no proper SMTP", "Find out what answers on port 25 of {address}: it may be a proxy and not {host}.", "RFC 5321 section 4.2"),
    "starttls-not-offered": Advice("fail", "C05", "STARTTLS not offered", "Turn on TLS in the mail server {host} on {address}, with certificate and key; switch off SMTP inspection in a firewall before it.", "RFC 3207 section 4"),
    "starttls-refused": Advice("fail", "C05", "STARTTLS offered, then refused", "Look into the log of {host} on {address}: certificate or key cannot be read, or connections are limited.", "RFC 3207 section 4"),
    "starttls-plaintext-after": Advice("fail", "C05", "plain text after the answer to STARTTLS", "Update the mail server {host}, and suspect whoever stands between: somebody puts text into the connection.", "RFC 3207 section 4.2"),
    "tls-failed": Advice("fail", "C05", "TLS does not come about", "Look at the TLS settings of {host} on {address}: TLS 1.2 or 1.3 with usual ciphers and a certificate.", _TLS),
    "tls-too-old": Advice("fail", "C05", "TLS 1.2 is not offered", "Turn on TLS 1.2 and 1.3 in the mail server {host} on {address}.", _TLS),
    "tls-old-version": Advice("warn", "C05", "old TLS offered as well", "Turn off TLS 1.0 and 1.1 in {host} once no sender you care for needs them.", "RFC 8996"),
    "mx-unsteady": Advice("fail", "C05", "some connections fail", "Look at every machine behind {address}: some of them do not do TLS as the others do.", _TLS),
    "mx-pool-differs": Advice("note", "C05", "connections show different certificates", "Nothing, as long as each of them is good; findings about one of them stand by themselves.", _TLS),
    "certificate-without-sni": Advice("note", "C05", "another certificate without SNI", "Nothing: senders that check MTA-STS name the host. Others see the other certificate.", "RFC 8461 section 7.2"),
}

_DANE_ADVICE = {
    "tlsa-mismatch": Advice("fail", "C10", "no TLSA record matches", "Publish a TLSA record for the certificate that {host} shows, or put the old key back. This is DANE: mail of DANE senders fails now, whatever the policy says.", _DANE),
    "tlsa-unusable": Advice("warn", "C10", "no usable TLSA record", "Publish TLSA records of usage 3 (or 2), best 3 1 1: mail senders use no others.", "RFC 7672 section 3.1.3"),
    "tlsa-some-mx": Advice("warn", "C10", "TLSA for some MXs only", "Publish TLSA records for every MX, or DANE senders can be led to one without.", _DANE),
    "tlsa-unverified": Advice("note", "C10", "DNSSEC not known", "Ask a validating resolver on this machine, or one you trust with trust_ad, to judge TLSA records.", "RFC 7672 section 2.2"),
    "tlsa-unsigned": Advice("note", "C10", "TLSA without DNSSEC", "Sign the zone, or take the TLSA records out: senders ignore them so.", _DANE),
    "non-standard": Advice("note", "", "look with other settings than usual", "Take it as a look at a test set-up: senders use ports 25 and 443 and their own authorities.", "docs/checks.md"),
}

# On an MX, mail waits for it under enforce; on the policy host, senders cannot fetch the policy.
_CERTIFICATE = {
    "certificate-expired": ("fail", "certificate expired", "Renew the certificate of {host} and reload {server}; watch that renewal does both."),
    "certificate-not-yet-valid": ("fail", "certificate not valid yet", "Install a certificate that is valid now on {server}; check the clocks of both sides."),
    "certificate-name-mismatch": ("fail", "certificate for other names", "Get a certificate whose SAN has {host}, and let {server} show it."),
    "certificate-common-name-only": ("fail", "name in the CN only", "Get a certificate that has {host} as a SAN: senders do not look at the CN, though OpenSSL's own check does."),
    "certificate-no-names": ("fail", "certificate without names", "Get a certificate whose SAN has {host}, and let {server} show it."),
    "certificate-self-signed": ("fail", "self-signed certificate", "Get a certificate from an authority that senders trust, and let {server} show it with its chain."),
    "certificate-not-trusted": ("fail", "chain that senders do not trust", "Let {server} send a full chain to an authority that senders trust."),
    "certificate-chain-incomplete": ("fail", "intermediate certificate missing", "Let {server} send the intermediate certificates as well, all but the root."),
    "certificate-intermediate-expired": ("fail", "expired certificate in the chain", "Replace the intermediate that {server} sends by the current one of the authority."),
    "certificate-wrong-purpose": ("fail", "certificate not made for servers", "Get a certificate with the purpose TLS server for {host}."),
    "certificate-unreadable": ("fail", "certificate cannot be read", "Let {server} show a proper X.509 certificate."),
    "certificate-none": ("fail", "no certificate shown", "Give {server} a certificate."),
    "certificate-partial-wildcard": ("warn", "wildcard in part of a label", "Get a certificate that names {host}: many senders take a wildcard for a whole label only."),
    "certificate-weak-key": ("warn", "weak key", "Get a certificate with an RSA key of 2048 bits or more, or an EC key: some senders refuse this one."),
    "certificate-weak-signature": ("warn", "weak signature", "Get a new certificate: signatures with SHA-1 or MD5 are refused by many senders."),
    "certificate-ends-now": ("fail", "certificate ends within days", "Renew the certificate of {host} on {server} now, and find out why that was not done by itself."),
    "certificate-ended-since": ("unreached", "the certificate seen then has ended since", "Look again, as this look is too old: `tlsrpt check {domain}`."),
    "certificate-ends-soon": ("warn", "certificate ends soon", "See that the certificate of {host} on {server} is renewed and loaded in time."),
}
# fmt: on


def _certificates() -> Iterator[tuple[str, Advice]]:
    for name, (level, title, remedy) in _CERTIFICATE.items():
        ends = (
            "C06"
            if name
            in {"certificate-expired", "certificate-ends-now", "certificate-ended-since", "certificate-ends-soon"}
            else ""
        )
        on_mx = remedy.replace("{server}", "the mail server on {address}")
        on_web = remedy.replace("{server}", "the web server on {address}")
        yield name, Advice(level, ends or "C05", title, on_mx, _TLS)
        yield f"policy-host-{name}", Advice(level, ends or "C02", f"policy host: {title}", on_web, _FETCH)


ADVICE: Mapping[str, Advice] = _RECORDS | _POLICY | _MX | dict(_certificates()) | _DANE_ADVICE


def markdown() -> str:
    """Return docs/findings.md."""
    opening = (
        "# Findings\n\nWhat `tlsrpt check` and the screen Published find, worst first. `fail`: to be mended before"
        " `enforce`, as senders would fail\nor cannot use what is published. `unreached`: it could not be seen from here. `warn`: better"
        " mended. `note`: good to know. The\ncriterion is what a finding counts for when a domain is judged.\n"
    )
    parts = [opening]
    for level in LEVELS:
        rows = "".join(
            f"| `{name}` | {advice.criterion} | {advice.title} | {advice.remedy.replace('{', '').replace('}', '')} |"
            f" {advice.source} |\n"
            for name, advice in ADVICE.items()
            if advice.level == level
        )
        head = "| Finding | Criterion | What it is | What to do | Source |\n| --- | --- | --- | --- | --- |\n"
        parts.append(f"## {level}\n\n{head}{rows}")
    return "\n".join(parts)
