"""The kinds of histories: what may befall a mail domain while its operator waits to switch to enforce."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from bench.histories import (
    ANCHORS,
    FOREIGN,
    NEVER,
    VANTAGES,
    Fault,
    History,
    Host,
    Look,
    Noise,
    Policy,
    Repair,
    Report,
    Row,
    Sender,
    Tally,
    World,
    arrived,
)

OFTEN = 0.25  # share of sessions that meet a fault, for one that nobody can miss
PLAIN_FAULTS = ("expired", "name", "self-signed", "untrusted", "starttls")
_NAMES = ("harbour", "maple", "quartz", "lantern", "orchard", "pepper", "saddle", "tundra", "willow", "zephyr")
_STYLES = ("postfix", "stalwart", "mox", "plain", "mute")


# The world before anything goes wrong


def _world(random: Random, index: int) -> World:
    domain = f"{random.choice(_NAMES)}-{index}.example"
    names = [f"mx{number}.{domain}" for number in range(1, random.choice((2, 2, 3)) + 1)]
    days = random.randint(32, 44)
    return World(
        domain=domain,
        days=days,
        hosts=tuple(map(Host, names)),
        policies=(Policy(-0.5, -0.4, tuple(names)),),
        senders=(
            Sender("google.com", "plain", random.uniform(12, 80)),
            Sender("microsoft.com", "plain", random.uniform(8, 50)),
            *_small(random, random.randint(2, 5)),
        ),
        looks=_looks(random, days),
        renewals={name: random.randrange(-40, 20) for name in (*names, f"mta-sts.{domain}")},
        max_age=random.choice((86_400, 86_400, 604_800)),
    )


def _small(random: Random, count: int) -> tuple[Sender, ...]:
    return tuple(
        Sender(
            f"{name}.example.net",
            random.choice(_STYLES),
            random.uniform(1, 9),
            tells_policy=random.random() > 0.05,
            keeps=random.choice((0.0, 1.0, 1.0)),
        )
        for name in random.sample(_NAMES, count)
    )


def _looks(random: Random, days: int) -> tuple[Look, ...]:
    """Return a check each day at one hour, for some domains from a second place as well."""
    first, hour = random.choice((0, 0, 0, 1, 4)), random.randint(3, 20)
    looks = [Look(day + hour / 24, VANTAGES[0]) for day in range(first, days)]
    if random.random() < 0.25:
        other = random.randint(1, 22)
        looks += [Look(day + other / 24, VANTAGES[1]) for day in range(first, days)]
    return tuple(sorted(looks))


# What goes wrong. Each of these takes a world and returns one with a story.


def _span(random: Random, world: World) -> tuple[int, int]:
    """Return the first and last day of a fault that comes while somebody is waiting for READY, or was there."""
    first = random.choice((-20, random.randint(2, 24)))
    last = world.days if random.random() < 0.7 else max(first, 4) + random.randint(3, 12)
    return first, min(last, world.days)


def _fault(random: Random, world: World, cause: str, mx: str, *, met: float = 0.0, look: str = "bad") -> World:
    first, last = _span(random, world)
    fault = Fault("mx", cause, mx, first, last, frozenset(range(first, last + 1)), met, look=look)
    return _with(world, fault)


def _with(world: World, *faults: Fault) -> World:
    near = [day for fault in faults for day in (fault.first, fault.last + 1)]
    return replace(world, faults=world.faults + faults, interesting=(*world.interesting, *near))


def _backup(world: World) -> str:
    return world.hosts[-1].name


def _safe(_: Random, world: World) -> World:
    return world


def _small_volume(random: Random, world: World) -> World:
    # Never 300 sessions in two weeks.
    less = random.uniform(2, 16) / sum(sender.volume for sender in world.senders)
    senders = (sender._replace(volume=sender.volume * less) for sender in world.senders)
    return replace(world, senders=tuple(senders), late=0.0)


def _few_senders(random: Random, world: World) -> World:
    # One large sender is missing, or the small ones are.
    missing = random.choice((ANCHORS[:1], ANCHORS[1:], [sender.domain for sender in world.senders[2:]]))
    return replace(world, senders=tuple(sender for sender in world.senders if sender.domain not in missing))


def _hidden_backup(random: Random, world: World) -> World:
    return _fault(random, world, random.choice(PLAIN_FAULTS), _backup(world))


def _bad_mx(random: Random, world: World) -> World:
    met = random.uniform(0.01, 2 * OFTEN)
    return _fault(random, world, random.choice(PLAIN_FAULTS), _backup(world), met=met)


def _pool(random: Random, world: World) -> World:
    # One of the machines behind an address has the old certificate.
    return _fault(random, world, "expired", _backup(world), met=random.uniform(0.0, 0.05), look="pool")


def _unlisted(random: Random, world: World) -> World:
    name = f"mx9.{world.domain}"
    world = replace(world, renewals=world.renewals | {name: 3})
    return _fault(random, world, "unlisted", name, met=random.choice((0.0, 0.002, 0.01, 0.05)))


def _unlisted_at_times(random: Random, world: World) -> World:
    # It stands in DNS on some days, when the others are overloaded, say.
    world = _unlisted(random, world)
    return _at_times(random, world, random.choice((0.1, 0.3)), random.choice((0.01, 0.05)))


def _at_times(random: Random, world: World, share: float, met: float) -> World:
    fault = world.faults[-1]
    days = frozenset(day for day in fault.days if random.random() < share or day in {fault.first, fault.last})
    near = tuple(day + 1 for day in days if day > 8)
    return replace(
        world, faults=(fault._replace(days=days, met=met),), interesting=(*world.interesting, *near[:3], *near[-3:])
    )


def _flapping(random: Random, world: World) -> World:
    world = _fault(random, world, random.choice(PLAIN_FAULTS), _backup(world))
    return _at_times(random, world, random.choice((0.2, 0.5)), random.choice((0.0, 0.02, 0.1)))


def _out_of_sight(random: Random, world: World) -> World:
    # Only senders that do not report meet it, and no check does.
    return _fault(random, world, random.choice(PLAIN_FAULTS), _backup(world), look="good")


def _unreached_backup(random: Random, world: World) -> World:
    return _fault(random, world, random.choice(PLAIN_FAULTS), _backup(world), look="nothing")


def _port_blocked(_: Random, world: World) -> World:
    return replace(world, blind_to_mx=frozenset(host.name for host in world.hosts))


def _timeouts(random: Random, world: World) -> World:
    days = random.sample(range(world.days), random.randint(2, 12))
    noise = [Noise(day, random.choice(world.senders).domain, "timeout", 0.01) for day in days]
    return replace(world, noise=tuple(noise), interesting=tuple(sorted(days)[-2:]))


def _own_fault(random: Random, world: World) -> World:
    # One small sender fails for reasons of its own on a single day.
    day, sender = random.randint(6, world.days - 4), random.choice(world.senders[2:]).domain
    noise = Noise(day, sender, random.choice(PLAIN_FAULTS[:4]), random.choice((0.02, 0.02, 1.0)))
    return replace(world, noise=(noise,), interesting=(day, day + 2, day + 9))


def _fetch_errors(random: Random, world: World) -> World:
    sender = random.choice(world.senders[2:]).domain
    days = random.sample(range(world.days), random.randint(1, 8))
    noise = [Noise(day, sender, "fetch", 0.3) for day in days]
    return replace(world, noise=tuple(noise), interesting=tuple(day + 2 for day in days[:3]))


def _policy_host(random: Random, world: World) -> World:
    first = random.randint(3, world.days - 3)
    last = min(world.days, first + random.randint(1, 8))
    days = frozenset(day for day in range(first, last + 1) if random.random() < 0.6 or day == first)
    cause, met = random.choice(("fetch", "webpki")), random.choice((0.0, 0.2))
    return _with(world, Fault("policy", cause, "*", first, last, days, met))


def _forged_failures(random: Random, world: World) -> World:
    # Somebody claims failures at a healthy domain, in the name of senders large and unknown.
    forged = []
    for number in range(random.randint(20, 60)):
        sender = random.choice((*world.senders, Sender("elsewhere.example.org", "plain", 0)))
        day = random.randint(0, world.days - 2)
        rows = (Row(random.choice(PLAIN_FAULTS), world.hosts[0].name, random.choice((3, 40, 900))),)
        tally = Tally("sts", world.policies[0].mx, 0, rows[0].sessions, rows)
        # Every other one says that it is the report that this sender has sent already.
        forged.append(Report(day + 1.8, day, sender, (tally,), (number % 2) * (900 + number), forged=True))
    return replace(world, forged=tuple(forged))


def _forged_successes(random: Random, world: World) -> World:
    # Somebody claims what a small domain is short of.
    return replace(_small_volume(random, world), forged=_praise(world, world.policies[0].mx))


def _praise(world: World, mx: tuple[str, ...]) -> tuple[Report, ...]:
    tally = Tally("sts", mx, 200, 0, ())
    return tuple(
        Report(day + 1.9, day, sender, (tally,), forged=True)
        for day in range(world.days - 1)
        for sender in world.senders[:4]
    )


def _forged_over_faults(random: Random, world: World) -> World:
    # Somebody sends another version of each true report, in which nothing fails.
    world = _bad_mx(random, world)
    return replace(world, forged=_praise(world, world.policies[0].mx))


def _silence(random: Random, world: World) -> World:
    since = random.randint(6, world.days - 8)
    lost = frozenset(range(since, world.days))
    world = replace(world, lost=lost, late=0.0, interesting=(since, since + 3, since + 5, since + 7))
    if random.random() < 0.4:
        return _with(world, _forever("name", _backup(world), since + 1, world.days, met=OFTEN))
    return world


def _forever(cause: str, mx: str, first: int, days: int, *, met: float, look: str = "bad") -> Fault:
    return Fault("mx", cause, mx, first, days, frozenset(range(first, days + 1)), met, look=look)


def _policy_change(random: Random, world: World) -> World:
    # An MX is added: policy first, the record when all caches are over. Or taken away: the other way round.
    change = random.randint(4, 18) + 0.4
    mx = world.policies[0].mx
    after = change + world.max_age / 86_400 + 2
    if random.random() < 0.5 or len(mx) < 3:
        hosts: tuple[Host, ...] = (*world.hosts, Host(f"mx7.{world.domain}", since=after))
        second = (*mx, hosts[-1].name)
    else:
        hosts = (*world.hosts[:-1], world.hosts[-1]._replace(until=change - 2))
        second = mx[:-1]
    looks = world.looks
    if random.random() < 0.5:  # a look while the file is new and the id is not, and one after
        looks = tuple(sorted((*looks, *(Look(change + later, VANTAGES[0]) for later in (0.02, 0.08)))))
    return replace(
        world,
        hosts=hosts,
        policies=(*world.policies, Policy(change, change + 0.05, second)),
        looks=looks,
        renewals=world.renewals | {hosts[-1].name: 3},
        senders=tuple(sender._replace(keeps=sender.keeps * world.max_age / 86_400) for sender in world.senders),
        days=min(44, max(world.days, int(change) + 20)),
        interesting=(int(change), int(change) + 8, int(change) + 14, int(change) + 16),
    )


def _gap(random: Random, world: World) -> World:
    # For some days the mailbox took nothing, and those reports are lost.
    first = random.randint(3, world.days - 8)
    last = first + random.randint(3, 8)
    return replace(world, lost=frozenset(range(first, last + 1)), late=0.0, interesting=(first + 2, last + 2, last + 5))


def _foreign_policy(random: Random, world: World) -> World:
    # Somebody on the way hands a policy of his own to one sender, and his MX to deliver to.
    first = random.randint(3, world.days - 5)
    last = min(world.days, first + random.randint(1, 10))
    by = (random.choice(world.senders).domain,)
    days = frozenset(range(first, last + 1))
    return _with(world, Fault("policy", FOREIGN, "*", first, last, days, random.choice((0.3, 1.0)), by, look="good"))


def _stale_sender(random: Random, world: World) -> World:
    # A large sender goes on with the old policy when no cache may have it any more.
    world = _policy_change(random, replace(world, max_age=86_400))
    change = int(world.policies[-1].since)
    keeping = random.choice(ANCHORS)
    senders = (one._replace(keeps=99.0) if one.domain == keeping else one for one in world.senders)
    world = replace(world, senders=tuple(senders))
    return _with(world, Fault("policy", "stale", "*", change + 2, world.days, frozenset(), by=(keeping,)))


def _record_fault(random: Random, world: World) -> World:
    # A record is gone from DNS for some days, or the id was forgotten when the policy changed.
    cause = random.choice(("txt", "tlsrpt", "id kept"))
    if cause != "id kept":
        first, last = _span(random, world)
        return _with(world, Fault("record", cause, "*", first, last, frozenset(range(first, last + 1))))
    world = _policy_change(random, replace(world, max_age=86_400))
    change = int(world.policies[-1].since)
    second = world.policies[-1]._replace(since=change + 0.97, announced=99.0)
    world = replace(world, policies=(world.policies[0], second))
    return _with(world, Fault("record", cause, "*", change, world.days, frozenset(range(change + 1, world.days))))


def _one_place(random: Random, world: World) -> World:
    # One of two places sees it: an address behind which not all machines are alike, say.
    hours = [random.randint(1, 22) / 24 for _ in VANTAGES]
    looks = (Look(day + hour, place) for day in range(world.days) for hour, place in zip(hours, VANTAGES, strict=True))
    world = _fault(random, replace(world, looks=tuple(sorted(looks))), random.choice(PLAIN_FAULTS), _backup(world))
    return replace(world, faults=(world.faults[0]._replace(place=random.choice(VANTAGES)),))


def _said_mended(random: Random, world: World) -> World:
    # The operator mends it and says so.
    senders = (sender._replace(style="plain") if sender.style == "mute" else sender for sender in world.senders)
    first, last = random.randint(0, 6), random.randint(7, 16)
    days, met = frozenset(range(first, last + 1)), random.choice((0.01, 0.03, 0.3))
    fault = Fault("mx", random.choice(PLAIN_FAULTS), _backup(world), first, last, days, met)
    world = replace(world, senders=tuple(senders), repair=Repair(last + 1.1, fault.cause, fault.mx))
    return replace(_with(world, fault), interesting=(last + 1, last + 8, last + 10))


def _said_and_not_mended(random: Random, world: World) -> World:
    # The operator says so, and only the senders know better.
    world = _said_mended(random, world)
    fault = world.faults[0]
    first, days = fault.first, frozenset(range(fault.first, world.days))
    return replace(world, faults=(fault._replace(first=first, last=world.days, days=days, look="good"),))


def _late(random: Random, world: World) -> World:
    return replace(world, late=random.uniform(0.2, 0.6))


def _late_bad_news(random: Random, world: World) -> World:
    # Only the reports tell, and they take their time.
    world = replace(_late(random, world), late=0.7)
    return _fault(random, world, random.choice(PLAIN_FAULTS), _backup(world), met=0.1, look="good")


def _repaired(random: Random, world: World) -> World:
    first, last = random.randint(0, 6), random.randint(7, 14)
    met = random.choice((0.0, 0.03, 0.3))
    fault = Fault(
        "mx", random.choice(PLAIN_FAULTS), _backup(world), first, last, frozenset(range(first, last + 1)), met
    )
    return _with(world, fault)


def _dane(random: Random, world: World) -> World:
    # A key was changed and its TLSA record was not: those who use DANE fail, MTA-STS has no part in it.
    first, last = _span(random, world)
    both = tuple(sender._replace(sees="both") for sender in world.senders[1:3])
    world = replace(world, dane=True, senders=(world.senders[0], *both, *world.senders[3:]))
    by = tuple(sender.domain for sender in both)
    days = frozenset(range(first, last + 1))
    return _with(world, Fault("dane", "tlsa", world.hosts[0].name, first, last, days, random.choice((0.01, 0.5)), by))


def _delivered_twice(random: Random, world: World) -> World:
    # Every report comes twice; once, they are fewer than 300 sessions in two weeks.
    return replace(_small_volume(random, world), twice=1.0)


def _revised(random: Random, world: World) -> World:
    world = replace(world, revised=random.choice((0.02, 0.3)))
    return _bad_mx(random, world) if random.random() < 0.5 else world


def _counted_twice(random: Random, world: World) -> World:
    # Sessions are counted under sts and under tlsa; once, they are often fewer than 300 in two weeks.
    world = _small_volume(random, world) if random.random() < 0.7 else world
    senders = tuple(sender._replace(sees="both") for sender in world.senders[1:])
    return replace(world, dane=True, senders=(world.senders[0], *senders))


def _no_looks(random: Random, world: World) -> World:
    # The job that looks has stopped, and then something breaks.
    stop = random.randint(3, world.days - 4)
    looks = tuple(look for look in world.looks if look.at < stop)
    world = replace(world, looks=looks, interesting=(stop, stop + 1))
    return _with(world, _forever("expired", _backup(world), stop + 1, world.days, met=0.0))


def _runs_out(random: Random, world: World) -> World:
    # Nobody renews the certificate of an MX.
    end = random.randint(18, world.days - 2)
    met = random.choice((0.0, OFTEN))
    world = replace(world, renewals=world.renewals | {_backup(world): NEVER})
    world = _with(world, _forever("expired", _backup(world), end, world.days, met=met))
    return replace(world, interesting=(*world.interesting, end - 14, end - 4, end - 2))


def _blind(random: Random, world: World) -> World:
    # Many sessions are of senders that ignore policies in testing.
    others = Sender("spruce.example.net", "postfix", random.uniform(5, 150), sees="no-policy-found")
    world = replace(world, senders=(*world.senders, others))
    return _bad_mx(random, world) if random.random() < 0.3 else world


Story = Callable[[Random, World], World]
KINDS: dict[str, Story] = {
    "safe": _safe,
    "small volume": _small_volume,
    "few senders": _few_senders,
    "hidden bad MX": _hidden_backup,
    "bad MX": _bad_mx,
    "bad pool member": _pool,
    "unlisted MX": _unlisted,
    "unlisted at times": _unlisted_at_times,
    "flapping": _flapping,
    "out of sight": _out_of_sight,
    "unreached bad MX": _unreached_backup,
    "port 25 blocked": _port_blocked,
    "timeouts": _timeouts,
    "sender's own fault": _own_fault,
    "fetch errors at one": _fetch_errors,
    "policy host broken": _policy_host,
    "forged failures": _forged_failures,
    "forged successes": _forged_successes,
    "forged over faults": _forged_over_faults,
    "silence": _silence,
    "policy change": _policy_change,
    "gap": _gap,
    "foreign policy": _foreign_policy,
    "stale sender": _stale_sender,
    "record fault": _record_fault,
    "bad from one place": _one_place,
    "late reports": _late,
    "late bad news": _late_bad_news,
    "repaired": _repaired,
    "said mended": _said_mended,
    "said, not mended": _said_and_not_mended,
    "DANE failing": _dane,
    "delivered twice": _delivered_twice,
    "revised": _revised,
    "counted twice": _counted_twice,
    "looks stopped": _no_looks,
    "runs out": _runs_out,
    "blind senders": _blind,
}


def draw(seed: int, index: int) -> History:
    """Return the history of this number."""
    random = Random(f"{seed}/{index}")
    kind = list(KINDS)[index % len(KINDS)]
    world = KINDS[kind](random, _world(random, index))
    return History(kind, world, arrived(random, world))
