"""What a domain that has nothing yet publishes, and in which order (RFC 8460 section 3, RFC 8461 section 3).

Reports are asked for first: they show what a policy would meet. Then the policy is served, and only when it
is there do senders get to know of it by the record.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from ipaddress import ip_address
from typing import NamedTuple

from tlsrpt import mta_sts, record
from tlsrpt.certificate import faults, listed
from tlsrpt.published import Check, FetchFacts, HostFacts, MxFacts, TxtFacts
from tlsrpt.record import Lint, quoted

TTL = 3_600  # seconds: short enough for a way back, long enough for caches
_TXT = 255  # bytes of one string of a TXT record (RFC 1035 section 3.3)
_LONGEST = 253  # characters of a name
_UNKNOWN = {"failed", "bogus"}  # no answer from DNS
_SERVE = "Serve the policy"

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label is no number: that would be an address, in one of its many spellings.
_is_host = re.compile(rf"(?=.{{1,{_LONGEST}}}$)(?:{_LABEL}\.)*(?!\d+$){_LABEL}").fullmatch


class Step(NamedTuple):
    """One thing to do, or done already."""

    title: str
    there: str  # what is published already and can stay; "" if it is still to do
    words: tuple[str, ...]  # how and why, a paragraph each
    text: str  # what to publish or run, as it is; "" if there is nothing to do


class Setup(NamedTuple):
    """What to publish for a domain."""

    policy_domain: str
    mx: tuple[str, ...]  # that the policy has to cover
    steps: tuple[Step, ...]
    zone: str  # the records still to publish, in zone-file form (RFC 1035 section 5)
    policy: str  # the policy file: the one that is served and can stay, else a new one, with CRLF


class NothingToSetUpError(Exception):
    """There is nothing to set up, or its MXs are not known; the message says which."""


def setup(
    check: Check, ruas: Sequence[str] = (), *, mode: str = "testing", max_age: int = 86_400, web: Sequence[str] = ()
) -> Setup:
    """Return what a domain should publish, given what was just seen of it.

    `ruas` are where reports go, mailto: or https: URIs; `web` names the web server by one host name or by
    addresses, for the records of the policy host. Raises NothingToSetUpError, also if a name from DNS is none
    that a policy can hold, and ValueError for a URI, an age or a web server that cannot be published.
    """
    domain = check.policy_domain
    host = f"mta-sts.{domain}"
    if not _is_host(domain) or len(f"_smtp._tls.{domain}") > _LONGEST:
        raise NothingToSetUpError(f"{quoted(domain)} has no room for these records, or is no domain")
    mx = _mx(check)
    new = mta_sts.policy_text(mta_sts.Policy(mode, max_age, mx))
    kept = _kept(check)
    reports = _reports(check, record.text(ruas or [f"mailto:tlsrpt@{domain}"]), chosen=bool(ruas))
    led = [_led(check, host, web)] if web else []
    announced = _announced(check, mta_sts.record_text(fresh_id(check.checked_at)))
    last = Step(
        "Look whether senders would find it so",
        "",
        ("Then load the reports as they come; they say when the policy may go to enforce.",),
        f"tlsrpt check {domain}\n",
    )
    served = _served(check, host, mx, new) if kept is None else _still_served(check, host, mx, kept)
    if kept is None and not web and _has_no_address(check, host):
        words = f"{host} has no address yet: --web HOST or --web ADDRESS writes its records as well."
        served = served._replace(words=(*served.words, words))
    zone = "".join(step.text for step in (*led, reports, announced))
    return Setup(domain, mx, (reports, *led, served, announced, last), zone, new if kept is None else kept)


def fresh_id(now: datetime) -> str:
    """Return an id that no earlier policy had: senders compare ids for equality only (RFC 8461 section 3.1)."""
    return f"{now:%Y%m%dT%H%M%S}"


def txt(name: str, text: str) -> str:
    """Return a TXT record of ASCII in zone-file form, in strings of at most 255 bytes (RFC 1035 section 5.1)."""
    strings = [text[at : at + _TXT] for at in range(0, len(text), _TXT)]
    return f"{name}. {TTL} IN TXT {' '.join(map(_string, strings))}\n"


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


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
    for host in hosts:
        if not _is_host(host):
            raise NothingToSetUpError(f"MX {quoted(host)} of {domain} is no host name: no policy can cover it")
    if hosts:
        return hosts
    own = check.one(HostFacts, domain)
    if not mx.hosts and own is not None and own.addresses:
        return (domain,)  # its own MX (RFC 5321 section 5.1)
    if not mx.hosts and own is not None and (failed := _failed(own)):
        raise NothingToSetUpError(f"{domain} has no MX records, and its addresses cannot be read: {failed}")
    raise NothingToSetUpError(f"{domain} receives no mail: there is nothing to set up")


def _failed(host: HostFacts) -> str:
    """Return why the addresses of a host are not known, "" if they are."""
    return next((answer.reason or answer.status for answer in (host.a, host.aaaa) if answer.status in _UNKNOWN), "")


def _instead(facts: TxtFacts | None, lints: Sequence[Lint]) -> list[str]:
    """Return words about what is there now at the name of a record."""
    if facts is None or facts.status in _UNKNOWN:
        why = facts.reason or facts.status if facts else "not looked at"
        return [f"What is there now cannot be read ({why}). Look before you add it: two records are as good as none."]
    words = []
    if facts.cnames:
        words.append(f"The name is a CNAME to {facts.cnames[0]}, beside which nothing stands: publish it there.")
    # Other TXT records, those of a wildcard say, are none of ours.
    if wrong := [lint.message for lint in lints if not lint.name.endswith("-record-missing")]:
        words.append(f"It replaces what is there: {'; '.join(wrong)}.")
    return words


def _reports(check: Check, wanted: str, *, chosen: bool) -> Step:
    name = f"_smtp._tls.{check.policy_domain}"
    title = "Ask for reports"
    facts = check.one(TxtFacts, name)
    found, lints = record.parse(facts.records if facts else ())
    asked, _ = record.parse([wanted])
    assert asked is not None
    if found is not None:
        more = [rua for rua in asked.ruas if chosen and rua not in found.ruas]
        words = (f"It does not name {', '.join(more)}: add it there.",) if more else ()
        return Step(title, f"{name}: {', '.join(found.ruas)}", words, "")
    mailed = any(rua.lower().startswith("mailto:") for rua in asked.ruas)
    how = (
        "Senders mail one a day, from the day after. The address has to take mail and need not have TLS itself."
        if mailed
        else "Senders post one a day, from the day after. Not all of them can: a mailto: beside it misses none."
    )
    return Step(title, "", (how, *_instead(facts, lints)), txt(name, wanted))


def _announced(check: Check, wanted: str) -> Step:
    name = f"_mta-sts.{check.policy_domain}"
    facts = check.one(TxtFacts, name)
    found, lints = mta_sts.parse_record(facts.records if facts else ())
    title = "Announce it, once the file is served"
    if found is not None:
        again = "Whenever the policy changes it needs a new id, after the file has changed."
        return Step(title, f"{name}: id {found.id}", (again,), "")
    why = "Senders that see this first would look for a policy that is not there."
    return Step(title, "", (why, *_instead(facts, lints)), txt(name, wanted))


# --------------------------------------------------------------------------------------------------------
# The policy and its host.


def _kept(check: Check) -> str | None:
    """Return the policy that is served already, None if there is none or none that counts.

    Another one in its place would need a new id, and whoever sets up what is missing does not want one.
    """
    bodies = _bodies(check)
    return bodies[0] if len(bodies) == 1 and mta_sts.parse_policy(bodies[0])[0] is not None else None


def _bodies(check: Check) -> list[str]:
    return sorted({body for _, facts in check.all(FetchFacts) for body in facts.bodies})


def _served(check: Check, host: str, mx: Sequence[str], text: str) -> Step:
    words = [_where(host)]
    bodies = _bodies(check)
    if len(bodies) > 1:
        words.append(f"It replaces {len(bodies)} different files that are there.")
    elif bodies:
        wrong = "; ".join(lint.message for lint in mta_sts.parse_policy(bodies[0])[1])
        words.append(f"It replaces what is there: {wrong}.")
    if "\r\nmode: testing\r\n" in text:
        words.append("In testing nothing is refused. It goes on to enforce when reports and checks say that it may.")
    else:
        words.append(f"In enforce no mail comes in by {listed(mx)} unless all is well there: start in testing.")
    return Step(_SERVE, "", tuple(words), text.replace("\r\n", "\n"))


def _still_served(check: Check, host: str, mx: Sequence[str], text: str) -> Step:
    policy, _ = mta_sts.parse_policy(text)
    assert policy is not None
    words = []
    missed = [name for name in mx if not any(mta_sts.matches(name, pattern) for pattern in policy.mx)]
    if missed and policy.mode != "none":
        words.append(f"It does not cover {listed(missed)}: add what is missing, and then give the record a new id.")
    wrong = [
        f"{observation.subject}: {fault}"
        for observation, facts in check.all(FetchFacts)
        if (fault := _fetch_fault(facts, host, check.checked_at))
    ]
    if wrong:
        words = [_where(host), f"It is there, but not as senders take it: {'; '.join(wrong)}.", *words]
        return Step(_SERVE, "", tuple(words), text.replace("\r\n", "\n"))
    return Step(_SERVE, f"{_url(host)}: mode {policy.mode}", tuple(words), "")


def _url(host: str) -> str:
    return f"https://{host}/.well-known/mta-sts.txt"


def _where(host: str) -> str:
    return f"At {_url(host)}, as text/plain, without redirect, with a certificate for {host}."


def _fetch_fault(facts: FetchFacts, host: str, now: datetime) -> str:
    """Return what senders have against a policy from one address, "" if nothing."""
    if facts.outcome == "unreachable":  # from here; an IPv6 address is so from many places
        return ""
    if facts.outcome != "fetched":
        return facts.reason or facts.outcome
    if facts.content_type.partition(";")[0].strip().lower() != "text/plain":
        return f"served as {quoted(facts.content_type)}"
    return "; ".join(fault.detail for fault in faults(facts.face, host, now)) if facts.face else ""


def _has_no_address(check: Check, host: str) -> bool:
    known = check.one(HostFacts, host)
    return known is not None and not known.addresses and not _failed(known)


def _led(check: Check, host: str, web: Sequence[str]) -> Step:
    """Return the step with the records that lead the policy host to a web server. Raises ValueError."""
    found = [_record(name) for name in web]
    if len(found) > 1 and any(kind == "CNAME" for kind, _ in found):
        raise ValueError("a web server is given by one name or by addresses: nothing stands beside a CNAME")
    if ("CNAME", f"{host}.") in found:
        raise ValueError(f"{host} cannot be led to itself")
    title = f"Lead {host} to the web server"
    known = check.one(HostFacts, host)
    if known is not None:
        cnames = known.a.cnames or known.aaaa.cnames
        now = [("CNAME", f"{cnames[0]}.")] if cnames else [_record(address) for address in known.addresses]
        if set(now) == set(found):
            return Step(title, f"{host}: {', '.join(data for _, data in now)}", (), "")
    words = []
    if known is not None and (failed := _failed(known)):
        words.append(f"What is there now cannot be read ({failed}): look before you add it.")
    elif known is not None and now:
        words.append(f"It replaces what is there: {', '.join(data for _, data in now)}.")
    text = "".join(f"{host}. {TTL} IN {kind} {data}\n" for kind, data in dict.fromkeys(found))
    return Step(title, "", tuple(words), text)


def _record(web: str) -> tuple[str, str]:
    """Return type and data of the record that leads to a web server. Raises ValueError."""
    with suppress(ValueError):
        address = ip_address(web.partition("%")[0])
        if "%" not in web:  # a zone of IPv6 means something on this machine only
            return ("A" if address.version == 4 else "AAAA"), str(address)
    name = web.removesuffix(".").lower()
    if not _is_host(name):
        raise ValueError(f"{quoted(web)} is neither an address nor a host name in A-labels")
    return "CNAME", f"{name}."


# --------------------------------------------------------------------------------------------------------
# Web servers.


def nginx(domain: str, root: str) -> str:
    """Return a server block for nginx that serves the policy from the folder `root`. Raises ValueError."""
    host = f"mta-sts.{domain}"
    return f"""\
# The policy host of {domain} for nginx. Certificate paths are those of certbot; change them if yours differ.
server {{
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name {host};
    ssl_certificate /etc/letsencrypt/live/{host}/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/{host}/privkey.pem;
    root {_path(root)};
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
    """Return a site for Caddy, which gets its certificate itself, for the policy in `root`. Raises ValueError."""
    return f"""\
# The policy host of {domain} for Caddy.
mta-sts.{domain} {{
	root * {_path(root)}
	handle /.well-known/mta-sts.txt {{
		header Content-Type text/plain
		file_server
	}}
	handle {{
		respond 404
	}}
}}
"""


def _path(root: str) -> str:
    """Return a folder between quotation marks. Raises ValueError for what web servers take for more than a name.

    Escapes and variables are not the same in both, and nginx has no way to write a dollar sign.
    """
    if not root.isprintable() or not frozenset(root).isdisjoint('"\\${}'):
        raise ValueError(f"a web server cannot be given {quoted(root, 1_000)} as a folder; choose another name")
    return f'"{root}"'
