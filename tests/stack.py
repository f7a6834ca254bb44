"""A small Internet on loopback: signed DNS, policy hosts and MXs of every kind, for the whole program.

Each MX kind has a domain of its own, so that what is found there can be told apart.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from certificates import Authority, server_context
from dns_server import DnsServer, Zone, dns_server
from mx_server import mx_servers
from policy_host import PolicySpec, policy_hosts

from tlsrpt.published import Settings

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

POLICY_ADDRESS = "127.0.0.2"


class Stack(NamedTuple):
    """What runs, and the settings that lead the program to it."""

    settings: Settings
    dns: DnsServer
    authority: Authority


def zone_text(
    domain: str,
    mx: Mapping[str, Sequence[str]],
    *,
    mta_sts: str | None = "v=STSv1; id=20260310T000000",
    tlsrpt: str | None = "v=TLSRPTv1; rua=mailto:tlsrpt@example.com",
    policy_address: str | None = POLICY_ADDRESS,
    more: str = "",
) -> str:
    """Return the zone of a domain whose MXs, given without the domain, have these addresses."""
    lines = [f"@ 3600 IN SOA ns.{domain}. admin.{domain}. 1 3600 600 86400 300", f"@ 3600 IN NS ns.{domain}."]
    lines += ["ns 3600 IN A 127.0.0.1"]
    for number, (host, addresses) in enumerate(mx.items(), start=1):
        lines.append(f"@ 3600 IN MX {number}0 {host}.{domain}.")
        lines += [f"{host} 3600 IN {'AAAA' if ':' in address else 'A'} {address}" for address in addresses]
    if mta_sts is not None:
        lines.append(f'_mta-sts 300 IN TXT "{mta_sts}"')
    if tlsrpt is not None:
        lines.append(f'_smtp._tls 3600 IN TXT "{tlsrpt}"')
    if policy_address is not None:
        lines.append(f"mta-sts 3600 IN A {policy_address}")
    return "\n".join([*lines, more, ""])


def policy(*mx: str, mode: str = "testing", max_age: int = 86_400) -> bytes:
    """Return a policy file."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {name}" for name in mx), f"max_age: {max_age}"]
    return "".join(f"{line}\r\n" for line in lines).encode()


@contextmanager
def stack(
    folder: Path,
    zones: Sequence[Zone],
    mx: Mapping[str, ssl.SSLContext | Sequence[ssl.SSLContext] | None],
    policies: Mapping[str, PolicySpec],
    authority: Authority,
    secure: Sequence[str] = (),
) -> Iterator[Stack]:
    """Run DNS, MXs and policy hosts, the latter two by address."""
    with ExitStack() as running:
        dns = running.enter_context(dns_server(*zones, secure=secure))
        smtp_port = running.enter_context(mx_servers(mx)) if mx else 9
        https_port = running.enter_context(policy_hosts(policies)) if policies else 9
        settings = Settings(
            resolver=(f"127.0.0.1:{dns.port}",),
            smtp_port=smtp_port,
            https_port=https_port,
            ca_file=authority.write(folder),
            allow_private_addresses=True,
            ehlo_name="probe.example",
        )
        yield Stack(settings, dns, authority)


__all__ = ["POLICY_ADDRESS", "Stack", "policy", "server_context", "stack", "zone_text"]
