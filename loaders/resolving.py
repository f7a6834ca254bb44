"""What DNS says to a resolver's client: TXT, MX, addresses and TLSA, with what DNSSEC makes of them.

A stub validates nothing itself: it asks a resolver that does, and believes its AD flag only where nobody
else could have set it. Names are absolute: neither a search list nor a hosts file has a say. Whatever comes
back, there is an answer in bounded time, and records in another order make the same facts.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.wire
from dns.edns import EDECode

from tlsrpt.limits import LIVE_LIMITS, LiveLimits
from tlsrpt.published import Answer, HostFacts, Measures, Mx, MxFacts, Settings, Tlsa, TlsaFacts, TxtFacts

_LONGEST_CHAIN = 16  # CNAMEs; no resolver follows more
_ROUNDS = 2  # to each resolver in turn: datagrams get lost
_PAYLOAD = 1_232  # bytes of a datagram that no path breaks into pieces
_TLSA_RECORDS = 64
_CODES = 8  # extended errors of one reply that are told
_REASON = 4_096  # characters, the bound of the model
_TLSA_DATA = 32 << 10  # bytes; twice as many hexadecimal digits
_ANSWERED = {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}

# Extended DNS Errors (RFC 8914): those of validation, and those that do not tell what went wrong.
_OF_DNSSEC = {
    EDECode.DNSSEC_INDETERMINATE,
    EDECode.DNSSEC_BOGUS,
    EDECode.SIGNATURE_EXPIRED,
    EDECode.SIGNATURE_NOT_YET_VALID,
    EDECode.DNSKEY_MISSING,
    EDECode.RRSIGS_MISSING,
    EDECode.NO_ZONE_KEY_BIT_SET,
    EDECode.NSEC_MISSING,
    EDECode.SIGNATURE_EXPIRED_BEFORE_VALID,
}
_VAGUE = {EDECode.OTHER, EDECode.CACHED_ERROR}
_EDE_NAMES = {int(code): code for code in EDECode}

# All public IPv6 addresses are in the first; the others are parts of it that lead elsewhere (6to4) or are for
# documentation (RFC 9637), which not every Python knows. NAT64's 64:ff9b::/96 is outside.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC = (ipaddress.IPv6Network("2002::/16"), ipaddress.IPv6Network("3fff::/20"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
T = TypeVar("T")
Read = Callable[[dns.wire.Parser], T]  # the data of one record, all of it; raises DNSException


class _NoAnswerError(Exception):
    """One resolver gave no answer to go by; the message is the reason."""


class _Server(NamedTuple):
    address: Address
    port: int


class _Said(NamedTuple, Generic[T]):
    answer: Answer
    values: Sequence[T] = ()  # of the records, each once
    ttl: int | None = None


class _Question(NamedTuple, Generic[T]):
    name: dns.name.Name
    rdtype: dns.rdatatype.RdataType
    read: Read[T]


class _Record(NamedTuple):
    owner: str  # as `_host` writes it
    rdtype: int
    rdclass: int
    ttl: int  # seconds
    data: int  # where in the message it is, and how long
    size: int


class _Reply(NamedTuple):
    wire: bytes
    flags: int
    rcode: dns.rcode.Rcode
    answer: Sequence[_Record] = ()
    authority: Sequence[_Record] = ()
    codes: frozenset[int] = frozenset()  # of extended errors


class Lookups:
    """Questions to the resolvers of the settings, else to the system's. Nothing that DNS says raises."""

    def __init__(self, settings: Settings, *, limits: LiveLimits = LIVE_LIMITS) -> None:
        """Find the resolvers. Raises ValueError, with a sentence for the operator, if there is none to use."""
        self._servers = [_server(text) for text in settings.resolver] or _system_servers()
        # RFC 4035 section 4.9.3 asks for a secure path to the resolver: anybody on the way can set a bit.
        self._believed = settings.trust_ad or all(server.address.is_loopback for server in self._servers)
        self._private_too = settings.allow_private_addresses
        self._limits = limits

    async def txt(self, name: str, kind: Literal["mta-sts-record", "tlsrpt-record"]) -> tuple[TxtFacts, Measures]:
        """Return the TXT records of a name; one that goes beyond the bounds is cut and ends in "…"."""
        said, measures = await self._ask(name, dns.rdatatype.TXT, _strings)
        texts = sorted(_text(strings, self._limits) for strings in said.values)
        records = tuple(texts[: self._limits.txt_records])
        return TxtFacts(kind=kind, records=records, **_fields(said)), measures

    async def mx(self, domain: str) -> tuple[MxFacts, Measures]:
        """Return the MX records of a domain; a host may be anything that fits into a name, even an address."""
        said, measures = await self._ask(domain, dns.rdatatype.MX, _mx)
        found = sorted(said.values)
        kept = found[: self._limits.mx_hosts]
        hosts = tuple(Mx(preference=preference, host=host) for preference, host in kept)
        return MxFacts(hosts=hosts, dropped=len(found) - len(kept), **_fields(said)), measures

    async def host(self, name: str) -> tuple[HostFacts, Measures]:
        """Return the addresses of a host: those to contact, and those refused, each within the bound.

        An address in place of a name has none: mail and policy hosts are names (RFC 5321 section 5.1).
        """
        if _is_no_host(name):
            return HostFacts(a=Answer(status="none"), aaaa=Answer(status="none")), Measures()
        (a, of_a), (aaaa, of_aaaa) = await asyncio.gather(
            self._ask(name, dns.rdatatype.A, _ipv4), self._ask(name, dns.rdatatype.AAAA, _ipv6)
        )
        found: set[Address] = {*a.values, *aaaa.values}
        allowed = {address for address in found if self._private_too or _is_public(address)}
        contacted = _some(allowed, self._limits.addresses)
        refused = _some(found - allowed, self._limits.addresses)
        facts = HostFacts(
            a=a.answer,
            aaaa=aaaa.answer,
            addresses=tuple(str(address) for address in sorted(contacted + refused, key=_order)),
            refused=tuple(map(str, refused)),
            dropped=len(found) - len(contacted) - len(refused),
        )
        ttls = [said.ttl for said in (a, aaaa) if said.ttl is not None and said.values]
        seconds = max(measures.seconds or 0.0 for measures in (of_a, of_aaaa))
        return facts, Measures(ttl=min(ttls, default=None), seconds=seconds)

    async def tlsa(self, host: str) -> tuple[TlsaFacts, Measures]:
        """Return the TLSA records of a mail host's port 25, also those whose data is too short or too long."""
        if _is_no_host(host):
            return TlsaFacts(status="none"), Measures()
        said, measures = await self._ask(f"_25._tcp.{host}", dns.rdatatype.TLSA, _tlsa)
        kept = tuple(
            Tlsa(usage=usage, selector=selector, matching_type=matching_type, data=data[:_TLSA_DATA].hex())
            for usage, selector, matching_type, data in sorted(said.values)[:_TLSA_RECORDS]
        )
        return TlsaFacts(records=kept, **_fields(said)), measures

    async def dkim_key(self, name: str) -> tuple[Answer, bytes]:
        """Return the record of a DKIM key, its strings joined; b"" if no TXT record looks like one (RFC 6376 3.6.2)."""
        said, _ = await self._ask(name, dns.rdatatype.TXT, _strings)
        records = (b"".join(strings) for strings in said.values)
        return said.answer, min(filter(_is_dkim_key, records), default=b"")

    async def _ask(self, name: str, rdtype: dns.rdatatype.RdataType, read: Read[T]) -> tuple[_Said[T], Measures]:
        """Return the first answer of any resolver, else all that went wrong."""
        try:
            question = _Question(dns.name.from_text(name), rdtype, read)
        except (dns.exception.DNSException, UnicodeError):
            return _Said(Answer(status="failed", reason="not a name that DNS can have")), Measures()
        began = time.monotonic()
        said = await self._said(question)
        return said, Measures(ttl=said.ttl, seconds=round(time.monotonic() - began, 3))

    async def _said(self, question: _Question[T]) -> _Said[T]:
        reasons: list[str] = []
        try:
            async with asyncio.timeout(self._limits.dns_seconds):
                for server in self._servers * _ROUNDS:
                    try:
                        return await self._said_by(server, question)
                    except _NoAnswerError as error:
                        reasons.append(str(error))
        except TimeoutError:
            reasons.append(self._silence())
        return _Said(Answer(status="failed", reason="; ".join(dict.fromkeys(reasons))[:_REASON]))

    async def _said_by(self, server: _Server, question: _Question[T]) -> _Said[T]:
        """Return the answer of one resolver. Raises _NoAnswerError."""
        reply = await self._exchange(server, question)
        if reply.rcode == dns.rcode.SERVFAIL and await self._has_unchecked(server, question):
            # A resolver that was merely slow has an answer by now.
            reply = await self._exchange(server, question)
            told = reply.codes - _VAGUE
            if reply.rcode == dns.rcode.SERVFAIL and (not told or told & _OF_DNSSEC):
                reason = f"{_refusal(reply)}, but there is an answer when checking is disabled"
                return _Said(Answer(status="bogus", reason=reason))
        if reply.rcode not in _ANSWERED:
            raise _NoAnswerError(_refusal(reply))
        return _followed(reply, question, believed=self._believed)

    async def _has_unchecked(self, server: _Server, question: _Question[T]) -> bool:
        """Return whether there is an answer when the resolver is told not to validate (RFC 4035 section 3.2.2)."""
        try:
            return (await self._exchange(server, question, dns.flags.CD)).rcode in _ANSWERED
        except _NoAnswerError:
            return False

    async def _exchange(self, server: _Server, question: _Question[T], flags: int = 0) -> _Reply:
        """Return what one resolver replies to the question, of any RCODE, whole. Raises _NoAnswerError."""
        # Some resolvers tell AD if they are asked with AD, others if asked with DO.
        flags |= dns.flags.RD | dns.flags.AD
        query = dns.message.make_query(question.name, question.rdtype, want_dnssec=True, payload=_PAYLOAD, flags=flags)
        try:
            async with asyncio.timeout(self._limits.dns_query_seconds):
                reply = await _by_udp(server, query)
                if reply.flags & dns.flags.TC:
                    reply = await _by_tcp(server, query)
        except TimeoutError as error:
            raise _NoAnswerError(self._silence()) from error
        except EOFError as error:
            raise _NoAnswerError("connection closed before the answer") from error
        except OSError as error:
            raise _NoAnswerError((error.strerror or type(error).__name__).lower()) from error
        except dns.exception.DNSException as error:
            raise _NoAnswerError("malformed answer") from error
        if reply.flags & dns.flags.TC:
            raise _NoAnswerError("truncated, even over TCP")
        return reply

    def _silence(self) -> str:
        return f"no answer in {self._limits.dns_query_seconds:g} s"


# The wire


async def _by_udp(server: _Server, query: dns.message.Message) -> _Reply:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET if server.address.version == 4 else socket.AF_INET6
    # A socket for each question, connected: a random port, and nothing from anybody else.
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(0)
        datagrams.connect((str(server.address), server.port))
        await loop.sock_sendall(datagrams, query.to_wire())
        while True:
            # What is no reply to this may be forged; the true one may follow (RFC 5452 section 9.1).
            with suppress(dns.query.BadResponse):
                return _reply(await loop.sock_recv(datagrams, 1 << 16), query)


async def _by_tcp(server: _Server, query: dns.message.Message) -> _Reply:
    reader, writer = await asyncio.open_connection(str(server.address), server.port)
    try:
        writer.write(query.to_wire(prepend_length=True))
        size = int.from_bytes(await reader.readexactly(2), "big")
        return _reply(await reader.readexactly(size), query)
    finally:
        writer.transport.abort()


# A message. dnspython reads the header and names. It does not read the records: one TLSA record with a hash of
# the wrong length, a mistake to be told, would make it refuse all, and hostile names take it seconds.


def _reply(wire: bytes, query: dns.message.Message) -> _Reply:
    """Return what a message says. Raises BadResponse if it is no reply to the query, else DNSException."""
    try:
        header = dns.message.from_wire(wire, question_only=True)
    except dns.exception.DNSException as error:
        raise dns.query.BadResponse from error
    if not query.is_response(header):
        raise dns.query.BadResponse
    if header.flags & dns.flags.TC:
        return _Reply(wire, header.flags, header.rcode())  # the rest will be asked for again
    parser = dns.wire.Parser(wire, 4)
    questions, *counts = parser.get_struct("!HHHH")
    for _ in range(questions):
        parser.get_name(decompress=True)
        parser.get_struct("!HH")
    answer, authority, additional = ([_record(parser) for _ in range(count)] for count in counts)
    codes = {
        code for record in additional if record.rdtype == dns.rdatatype.OPT for code in _value(wire, record, _codes)
    }
    return _Reply(wire, header.flags, header.rcode(), answer, authority, frozenset(codes))


def _record(parser: dns.wire.Parser) -> _Record:
    owner = _host(parser.get_name(decompress=True))
    rdtype, rdclass, ttl, size = parser.get_struct("!HHIH")
    data = parser.current
    parser.get_bytes(size)
    return _Record(owner, rdtype, rdclass, ttl if ttl < 1 << 31 else 0, data, size)  # RFC 2181 section 8


def _value(wire: bytes, record: _Record, read: Read[T]) -> T:
    """Return the data of a record. Raises DNSException if it is more or less than that."""
    parser = dns.wire.Parser(wire, record.data)
    with parser.restrict_to(record.size):
        return read(parser)


def _followed(reply: _Reply, question: _Question[T], *, believed: bool) -> _Said[T]:
    """Return what an answer says at the end of its CNAMEs. Raises _NoAnswerError if that makes no sense."""
    records: defaultdict[tuple[str, int], list[_Record]] = defaultdict(list)
    for record in reply.answer:
        if record.rdclass == dns.rdataclass.IN:
            records[record.owner, record.rdtype].append(record)
    names = [_host(question.name)]
    used: list[_Record] = []
    try:
        while not (found := records[names[-1], question.rdtype]):
            aliases = records[names[-1], dns.rdatatype.CNAME]
            targets = {_value(reply.wire, alias, _name) for alias in aliases}
            if not targets:
                break
            if len(targets) > 1:
                raise _NoAnswerError("malformed answer: several CNAME records of one name")
            if len(names) > _LONGEST_CHAIN:
                raise _NoAnswerError("malformed answer: CNAME records without end")
            names += targets
            used += aliases
        values = list(dict.fromkeys(_value(reply.wire, record, question.read) for record in found))
        ttls = [record.ttl for record in (*used, *found)]
        if not found:
            ttls += [
                min(record.ttl, _value(reply.wire, record, _negative_ttl))
                for record in reply.authority
                if record.rdtype == dns.rdatatype.SOA
            ]
    except dns.exception.DNSException as error:
        raise _NoAnswerError("malformed answer") from error
    no_name = reply.rcode == dns.rcode.NXDOMAIN
    if found and no_name:
        raise _NoAnswerError("malformed answer: NXDOMAIN with records")
    answer = Answer(
        status="found" if found else "no-name" if no_name else "none",
        secure=bool(reply.flags & dns.flags.AD) if believed else None,
        cnames=tuple(names[1:]),
    )
    return _Said(answer, values, min(ttls, default=None))


def _refusal(reply: _Reply) -> str:
    """Return the RCODE with the codes of what else is told; texts are left out, they vary from time to time."""
    return "; ".join([dns.rcode.to_text(reply.rcode), *map(_ede, sorted(reply.codes)[:_CODES])])


def _ede(code: int) -> str:
    """Return an extended error in words (RFC 8914); Python versions differ in naming an unknown one."""
    known = _EDE_NAMES.get(code)
    return f"EDE {code}" if known is None else dns.edns.EDEOption(known).to_text()


# Data of records


def _name(data: dns.wire.Parser) -> str:
    return _host(data.get_name(decompress=True))


def _mx(data: dns.wire.Parser) -> tuple[int, str]:
    return data.get_uint16(), _name(data)


def _strings(data: dns.wire.Parser) -> tuple[bytes, ...]:
    strings = []
    while data.remaining():
        strings.append(data.get_counted_bytes())
    return tuple(strings)


def _ipv4(data: dns.wire.Parser) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(data.get_bytes(4))


def _ipv6(data: dns.wire.Parser) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(data.get_bytes(16))


def _tlsa(data: dns.wire.Parser) -> tuple[int, int, int, bytes]:
    return data.get_uint8(), data.get_uint8(), data.get_uint8(), data.get_remaining()


def _negative_ttl(data: dns.wire.Parser) -> int:
    """Return the last number of an SOA record (RFC 2308 section 4)."""
    return int.from_bytes(data.get_remaining()[-4:], "big")


def _codes(data: dns.wire.Parser) -> list[int]:
    """Return the extended errors of an OPT record (RFC 8914 section 2)."""
    codes = []
    while data.remaining():
        option, value = data.get_uint16(), data.get_counted_bytes(2)
        if option == dns.edns.OptionType.EDE:
            codes.append(int.from_bytes(value[:2], "big"))
    return codes


# Settings


def _server(text: str) -> _Server:
    """Return a resolver given as "192.0.2.53", "192.0.2.53:53", "[2001:db8::53]:53" or "2001:db8::53"."""
    host, _, port = text.rpartition(":")
    for address, number in ((text, "53"), (host, port)):
        if address.startswith("[") and address.endswith("]"):
            address = address[1:-1]  # noqa: PLW2901 - the same without its brackets
        if number.isascii() and number.isdigit() and 1 <= int(number[:6]) <= 65_535:
            with suppress(ValueError):
                return _Server(ipaddress.ip_address(address), int(number))
    raise ValueError(f"{text} is not an IP address with or without a port, such as 192.0.2.53:53 or [2001:db8::53]:53")


def _system_servers() -> list[_Server]:
    try:
        resolver = dns.resolver.Resolver()
        return [_Server(ipaddress.ip_address(str(server)), resolver.port) for server in resolver.nameservers]
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise ValueError("this system has no resolver that can be used: set one") from error


# Values


def _fields(said: _Said[Any]) -> dict[str, Any]:
    return said.answer.model_dump()


def _text(strings: Sequence[bytes], limits: LiveLimits) -> str:
    joined = b"".join(strings[: limits.txt_strings])
    cut = len(strings) > limits.txt_strings or len(joined) > limits.txt_size
    return joined[: limits.txt_size].decode("utf-8", "backslashreplace") + "…" * cut


def _is_dkim_key(record: bytes) -> bool:
    """Return whether it begins with the version of a key, or has a key and no version (RFC 6376 section 3.6.1)."""
    first, *others = (b"".join(tag.split()) for tag in record.split(b";"))
    return first == b"v=DKIM1" or (
        not first.startswith(b"v=") and any(tag.startswith(b"p=") for tag in (first, *others))
    )


def _host(name: dns.name.Name) -> str:
    """Return a name with DNS escapes, lower-case, without its final dot; "" for the root (RFC 7505)."""
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def _is_no_host(name: str) -> bool:
    """Return whether it is nothing, or an address where a name belongs."""
    bare = name.removesuffix(".").removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        return not bare
    return True


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address not in _GLOBAL_UNICAST or any(address in network for network in _NOT_PUBLIC):
            return False
    return address.is_global and not address.is_multicast


def _order(address: Address) -> tuple[int, int]:
    return address.version, int(address)


def _some(addresses: Iterable[Address], most: int) -> list[Address]:
    """Return at most so many, the lowest of both families in turn, sorted."""
    ordered = sorted(addresses, key=_order)
    four, six = ([address for address in ordered if address.version == version] for version in (4, 6))
    in_turn = [address for pair in itertools.zip_longest(four, six) for address in pair if address is not None]
    return sorted(in_turn[:most], key=_order)
