"""Look at what domains publish now: records, policy, and every address of every MX.

Nothing but what the operator named is contacted: a domain's DNS, its policy host and its MXs. The looks at
one address follow each other; different ones go on side by side, within bounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from loaders import SourceError, https, smtp
from loaders.resolving import Lookups
from loaders.wire import Trust
from tlsrpt.limits import LIVE_LIMITS, LiveLimits
from tlsrpt.published import (
    Check,
    Facts,
    HostFacts,
    Measures,
    MxFacts,
    MxTlsFacts,
    Observation,
    Settings,
    subject,
)
from tlsrpt.store import utc_now

_LOOK_UP = 0.05  # seconds between looks at whether to stop

T = TypeVar("T")


class Step(NamedTuple):
    """How far the look at one domain has come, for showing."""

    policy_domain: str
    done: int  # of `total` looks, which grows as addresses become known
    total: int
    doing: str  # what was looked at last, such as "mx1.example.com [192.0.2.1]"


class Stopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """The look was stopped; what was found before has been told."""


def look(
    domains: Sequence[str],
    settings: Settings,
    *,
    vantage: str,
    found: Callable[[Check], None],
    progress: Callable[[Step], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
    limits: LiveLimits = LIVE_LIMITS,
) -> None:
    """Look at domains, a few at once, and tell each as soon as it is `found`, in this thread.

    Domains are A-labels, lower-case, without a final dot. Whatever the other side does becomes a fact and
    ends within the limits. Raises SourceError when the settings cannot be used, and Stopped soon after
    `stopped` is true.
    """
    run = _Run(settings, vantage, progress or (lambda _: None), limits)
    with asyncio.Runner() as runner:
        runner.run(run.all(domains, found, stopped))


class _Run:
    """One run over some domains, which may share hosts."""

    def __init__(self, settings: Settings, vantage: str, progress: Callable[[Step], None], limits: LiveLimits) -> None:
        self.settings = settings
        self.vantage = vantage
        self.progress = progress
        self.limits = limits
        try:
            self.trust = Trust(settings.ca_file)
        except OSError as error:
            raise SourceError(f"ca_file {settings.ca_file}: {error.strerror}") from error
        except ValueError as error:
            raise SourceError(f"ca_file: {error}") from error
        try:
            self.lookups = Lookups(settings, limits=limits)
        except ValueError as error:
            raise SourceError(f"resolver: {error}") from error
        self._at_once = asyncio.Semaphore(limits.checks_at_once)
        self._mx: dict[tuple[str, str], asyncio.Task[tuple[MxTlsFacts, Measures]]] = {}
        self._addresses: dict[str, asyncio.Lock] = {}

    async def all(self, domains: Sequence[str], found: Callable[[Check], None], stopped: Callable[[], bool]) -> None:
        """Look at each domain, until stopped."""
        left = {asyncio.ensure_future(self._in_turn(domain)) for domain in dict.fromkeys(domains)}
        try:
            while left:
                done, left = await asyncio.wait(left, timeout=_LOOK_UP, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    found(task.result())
                if left and stopped():
                    raise Stopped
        finally:
            await _cancel([*left, *self._mx.values()])

    async def _in_turn(self, domain: str) -> Check:
        async with self._at_once:
            return await _Look(self, domain).all()

    async def mx_tls(self, mx: str, address: str) -> tuple[MxTlsFacts, Measures]:
        """Return what an MX shows at an address; one look serves all domains that have it."""
        if (mx, address) not in self._mx:
            self._mx[mx, address] = asyncio.ensure_future(self._mx_tls(mx, address))
        return await self._mx[mx, address]

    async def _mx_tls(self, mx: str, address: str) -> tuple[MxTlsFacts, Measures]:
        # A server that is asked by several names at once may well refuse some of them.
        async with self._addresses.setdefault(address, asyncio.Lock()):
            return await smtp.look(mx, address, self.settings, self.trust, limits=self.limits)


class _Look:
    """The look at one domain."""

    def __init__(self, run: _Run, domain: str) -> None:
        self._run = run
        self._dns = run.lookups
        self._domain = domain
        self._at_once = asyncio.Semaphore(run.limits.connections_at_once)
        self._done = self._total = 0

    async def all(self) -> Check:
        """Return everything seen, in reading order."""
        began = utc_now().replace(microsecond=0)
        tlsrpt, mta_sts = f"_smtp._tls.{self._domain}", f"_mta-sts.{self._domain}"
        found = await asyncio.gather(
            self._one(tlsrpt, partial(self._dns.txt, tlsrpt, "tlsrpt-record")),
            self._one(mta_sts, partial(self._dns.txt, mta_sts, "mta-sts-record")),
            self._policy(f"mta-sts.{self._domain}"),
            self._mail(),
        )
        return Check(
            policy_domain=self._domain,
            checked_at=began,
            vantage=self._run.vantage,
            settings=self._run.settings,
            observations=tuple(_flat(found)),
        )

    async def _one(
        self, about: str, looking: Callable[[], Coroutine[Any, Any, tuple[Facts, Measures]]]
    ) -> list[Observation]:
        """Return one observation, telling of it."""
        self._total += 1
        facts, measures = await looking()
        self._done += 1
        self._run.progress(Step(self._domain, self._done, self._total, about))
        return [Observation(subject=about, facts=facts, measures=measures)]

    async def _policy(self, host: str) -> list[Observation]:
        """Return the addresses of the policy host and the policy as each of them serves it."""
        run = self._run
        [seen] = await self._one(host, partial(self._dns.host, host))
        fetches = [
            self._one(
                subject(host, address),
                partial(self._bounded, partial(https.fetch, host, address, run.settings, run.trust, limits=run.limits)),
            )
            for address in _contacted(seen.facts, self._run.limits)
        ]
        return [seen, *_flat(await asyncio.gather(*fetches))]

    async def _mail(self) -> list[Observation]:
        """Return the MXs of the domain, or the domain as its own, and each of their addresses."""
        [seen] = await self._one(self._domain, partial(self._dns.mx, self._domain))
        assert isinstance(seen.facts, MxFacts)
        hosts = [mx.host for mx in seen.facts.hosts if mx.host]
        if seen.facts.status == "none":
            hosts = [self._domain]  # RFC 5321 section 5.1
        return [seen, *_flat(await asyncio.gather(*map(self._mx, dict.fromkeys(hosts))))]

    async def _mx(self, host: str) -> list[Observation]:
        """Return the addresses of an MX, its TLSA records, and what each address shows."""
        [[seen], [tlsa]] = await asyncio.gather(
            self._one(host, partial(self._dns.host, host)),
            self._one(f"_25._tcp.{host}", partial(self._dns.tlsa, host)),
        )
        looks = [
            self._one(subject(host, address), partial(self._bounded, partial(self._run.mx_tls, host, address)))
            for address in _contacted(seen.facts, self._run.limits)
        ]
        return [seen, tlsa, *_flat(await asyncio.gather(*looks))]

    async def _bounded(self, looking: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._at_once:
            return await looking()


def _contacted(facts: Facts, limits: LiveLimits) -> list[str]:
    assert isinstance(facts, HostFacts)
    return [address for address in facts.addresses if address not in facts.refused][: limits.addresses]


def _flat(found: Sequence[list[Observation]]) -> list[Observation]:
    return [observation for several in found for observation in several]


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have let go of their connections."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
