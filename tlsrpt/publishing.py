"""What a domain that has nothing yet publishes, and in which order (RFC 8460 section 3, RFC 8461 section 3).

Reports are asked for first: they show what a policy would meet. Then the policy is served, and only when it
is there do senders get to know of it by the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from tlsrpt import mta_sts, record
from tlsrpt.published import Check, FetchFacts, HostFacts, MxFacts, TxtFacts

TTL = 3_600  # seconds: short enough for a way back, long enough for caches
_TXT = 255  # bytes of one string of a TXT record (RFC 1035 section 3.3)


class Step(NamedTuple):
    """One thing to do, or done already."""

    title: str
    there: str  # what is published already and can stay; "" if it is still to do
    words: tuple[str, ...]  # how and why, a paragraph each
    text: str  # what to publish or run, as it is; "" if there is nothing to do


class Setup(NamedTuple):
    """What to publish for a domain."""

    policy_domain: str
    steps: tuple[Step, ...]
    zone: str  # the records still to publish, in zone-file form (RFC 1035 section 5)
    policy: str  # the policy file, with CRLF


class NothingToSetUpError(Exception):
    """There is nothing to set up, or its MXs are not known; the message says which."""


def setup(
    check: Check, ruas: Sequence[str] = (), *, mode: str = "testing", max_age: int = 86_400, web: Sequence[str] = ()
) -> Setup:
    """Return what a domain should publish, given what was just seen of it.

    `ruas` are where reports go, mailto: or https: URIs; `web` names the web server by host or addresses, for
    the records of the policy host. Raises NothingToSetUpError, and ValueError for a URI or age that cannot be
    published.
    """
    domain = check.policy_domain
    policy = mta_sts.Policy(mode, max_age, _mx(check))
    policy_text = mta_sts.policy_text(policy)
    reports = record.text(ruas or [f"mailto:tlsrpt@{domain}"])
    steps = (
        _reports(check, reports),
        _served(check, policy_text, web),
        _announced(check, mta_sts.record_text(fresh_id(check.checked_at))),
        Step(
            "Look whether senders would find it so",
            "",
            ("Then load the reports as they come; they say when the policy may go to enforce.",),
            f"tlsrpt check {domain}\n",
        ),
    )
    zone = "".join(step.text for step in (steps[0], steps[2]) if step.text)
    return Setup(domain, steps, _host_records(check, web) + zone, policy_text)


def fresh_id(now: datetime) -> str:
    """Return an id that no earlier policy had: senders compare ids for equality only (RFC 8461 section 3.1)."""
    return f"{now:%Y%m%dT%H%M%S}"


def txt(name: str, text: str) -> str:
    """Return a TXT record in zone-file form, in strings of at most 255 bytes (RFC 1035 section 5.1)."""
    strings = [text[at : at + _TXT] for at in range(0, len(text), _TXT)]
    return f"{name}. {TTL} IN TXT {' '.join(map(_quoted, strings))}\n"


def _mx(check: Check) -> tuple[str, ...]:
    """Return the MXs that the policy has to cover."""
    domain = check.policy_domain
    mx = check.one(MxFacts, domain)
    if mx is None or mx.status in {"failed", "bogus"}:
        raise NothingToSetUpError(f"the MX records of {domain} cannot be read: {mx.reason if mx else 'not looked at'}")
    if mx.status == "no-name":
        raise NothingToSetUpError(f"{domain} does not exist in DNS")
    if mx.dropped:
        raise NothingToSetUpError(f"{domain} has {len(mx.hosts) + mx.dropped} MX records: too many to write down here")
    hosts = tuple(dict.fromkeys(host.host for host in mx.hosts if host.host))
    if hosts:
        return hosts
    own = check.one(HostFacts, domain)
    if mx.hosts or own is None or not own.addresses:
        raise NothingToSetUpError(f"{domain} receives no mail: there is nothing to set up")
    return (domain,)  # its own MX (RFC 5321 section 5.1)


def _reports(check: Check, wanted: str) -> Step:
    name = f"_smtp._tls.{check.policy_domain}"
    facts = check.one(TxtFacts, name)
    found, lints = record.parse(facts.records if facts else ())
    if found is not None:
        return Step("Ask for reports", f"{name}: {', '.join(found.ruas)}", (), "")
    words = ["Senders mail one a day, from the day after. The address has to take mail and need not have TLS itself."]
    if facts and facts.records:
        words.append(f"It replaces what is there: {'; '.join(lint.message for lint in lints)}.")
    return Step("Ask for reports", "", tuple(words), txt(name, wanted))


def _served(check: Check, text: str, web: Sequence[str]) -> Step:
    host = f"mta-sts.{check.policy_domain}"
    title = "Serve the policy"
    bodies = {body for _, facts in check.all(FetchFacts) for body in facts.bodies}
    policies = [mta_sts.parse_policy(body)[0] for body in bodies]
    if len(policies) == 1 and policies[0] is not None:
        return Step(title, f"https://{host}/.well-known/mta-sts.txt: mode {policies[0].mode}", (), "")
    words = [
        f"At https://{host}/.well-known/mta-sts.txt, as text/plain, without redirect, with a certificate for {host}."
    ]
    known = check.one(HostFacts, host)
    if not web and not (known and known.addresses):
        words.append(f"{host} has no address yet: --web HOST or --web ADDRESS writes its records as well.")
    words.append("In testing nothing is refused. It goes on to enforce when reports and checks say that it may.")
    return Step(title, "", tuple(words), text.replace("\r\n", "\n"))


def _announced(check: Check, wanted: str) -> Step:
    name = f"_mta-sts.{check.policy_domain}"
    facts = check.one(TxtFacts, name)
    found, lints = mta_sts.parse_record(facts.records if facts else ())
    title = "Announce it, once the file is served"
    if found is not None:
        again = "Whenever the policy changes it needs a new id, after the file has changed."
        return Step(title, f"{name}: id {found.id}", (again,), "")
    words = ["Senders that see this first would look for a policy that is not there."]
    if facts and facts.records:
        words.append(f"It replaces what is there: {'; '.join(lint.message for lint in lints)}.")
    return Step(title, "", tuple(words), txt(name, wanted))


def _host_records(check: Check, web: Sequence[str]) -> str:
    """Return the records that lead the policy host to a web server."""
    host = f"mta-sts.{check.policy_domain}"
    kinds = {name: "AAAA" if ":" in name else "A" if name.replace(".", "").isdigit() else "CNAME" for name in web}
    ends = {name: f"{name.removesuffix('.')}." if kind == "CNAME" else name for name, kind in kinds.items()}
    return "".join(f"{host}. {TTL} IN {kinds[name]} {ends[name]}\n" for name in web)


# --------------------------------------------------------------------------------------------------------
# Web servers.


def nginx(domain: str, root: str) -> str:
    """Return a server block for nginx that serves the policy from the folder `root`."""
    host = f"mta-sts.{domain}"
    return f"""\
# The policy host of {domain} for nginx. Certificate paths are those of certbot; change them if yours differ.
server {{
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name {host};
    ssl_certificate /etc/letsencrypt/live/{host}/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/{host}/privkey.pem;
    root {_quoted(root)};
    location = /.well-known/mta-sts.txt {{
        types {{ }}
        default_type text/plain;
    }}
    location / {{
        return 404;
    }}
}}
"""


def caddy(domain: str, root: str) -> str:
    """Return a site for Caddy, which gets the certificate itself, that serves the policy from `root`."""
    return f"""\
# The policy host of {domain} for Caddy.
mta-sts.{domain} {{
	root * {_quoted(root)}
	handle /.well-known/mta-sts.txt {{
		header Content-Type text/plain
		file_server
	}}
	handle {{
		respond 404
	}}
}}
"""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
