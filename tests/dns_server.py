"""A DNS server on loopback, UDP and TCP on one random port: a validating resolver as its clients see it.

    with dns_server(Zone("example.com", "mx1 60 IN A 127.0.0.11", signed=True), secure=["example.com"]) as server:
        settings = Settings(resolver=(server.address,))

It can also be the name server of its zones (`resolver=False`), tell lies (`hook`), and change its data
(`set`). Everything that it was asked is in its `log`.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from bisect import bisect_right
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    # Takes the question and whether it came over TCP. Returns the whole answer as bytes, b"" for silence, or
    # None for the answer that would have been given. It runs in the server's thread.
    Hook = Callable[[dns.message.QueryMessage, bool], bytes | None]

_DAY = 86_400  # seconds
_LONGEST_CHAIN = 32
_LARGEST_DATAGRAM = 1_232  # bytes, however many the client would take


class Question(NamedTuple):
    """One entry of the log."""

    name: str  # lower-case, without a final dot
    type: str  # "MX"


class Zone:
    """A zone from the text of its records; SOA and NS are added unless they are there.

    `signed` signs it with ECDSA P-256: RRSIG, NSEC and DNSKEY. With `expired`, signatures ended a day ago.
    """

    def __init__(self, origin: str, text: str, *, signed: bool = False, expired: bool = False) -> None:
        self.origin = dns.name.from_text(origin)
        self.signed = signed or expired
        self.data = dns.zone.from_text(
            f"$TTL 300\n{text}\n", self.origin, relativize=False, check_origin=False, allow_include=False
        )
        for rdtype, value in (("SOA", "ns admin 1 3600 600 86400 60"), ("NS", "ns")):
            if self.data.get_rdataset(self.origin, rdtype) is None:
                made = dns.rdata.from_text("IN", rdtype, value, origin=self.origin, relativize=False)
                with self.data.writer() as changes:
                    changes.add(self.origin, 300, made)
        if self.signed:
            self._sign(expired=expired)
        self.names: list[dns.name.Name] = sorted(self.data)

    def _sign(self, *, expired: bool) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        dnskey = dns.dnssec.make_dnskey(key.public_key(), Algorithm.ECDSAP256SHA256, flags=257)
        now = int(time.time())
        end = now - _DAY if expired else now + _DAY
        dns.dnssec.sign_zone(self.data, keys=[(key, dnskey)], inception=now - 7 * _DAY, expiration=end)

    def rrset(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> list[dns.rrset.RRset]:
        """Return the records of one type and, if the zone is signed, their signatures."""
        found = [self.data.get_rrset(name, rdtype), self.data.get_rrset(name, dns.rdatatype.RRSIG, rdtype)]
        return [rrset for rrset in found if rrset is not None]

    def exists(self, name: dns.name.Name) -> bool:
        """Return whether a name has records, or names below it have."""
        return any(other.is_subdomain(name) for other in self.names)

    def denial(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """Return what goes with an answer that says no: SOA and, if signed, the proof (RFC 4035 section 3.1.3)."""
        proofs = self.rrset(self.origin, dns.rdatatype.SOA)
        if self.signed:
            covering = [self._before(name)]
            if not self.exists(name):
                encloser = name.parent()
                while not self.exists(encloser):
                    encloser = encloser.parent()
                covering.append(self._before(dns.name.from_text("*", encloser)))
            for owner in dict.fromkeys(covering):
                proofs += self.rrset(owner, dns.rdatatype.NSEC)
        return proofs

    def _before(self, name: dns.name.Name) -> dns.name.Name:
        """Return the name itself or the last one before it, in DNSSEC's order."""
        return self.names[bisect_right(self.names, name) - 1]


class DnsServer:
    """What runs while the context of `dns_server` lasts."""

    def __init__(
        self,
        zones: Collection[Zone],
        *,
        resolver: bool,
        secure: Collection[str],
        bogus: Collection[str],
        hook: Hook | None,
    ) -> None:
        self.port = 0
        self.log: list[Question] = []
        self._zones: dict[dns.name.Name, Zone] = {}
        for zone in zones:
            self.set(zone)
        self._resolver = resolver
        self._secure = [dns.name.from_text(name) for name in secure]
        self._bogus = [dns.name.from_text(name) for name in bogus]
        self._hook = hook

    @property
    def address(self) -> str:
        """Return where it listens, as a setting for `resolver`."""
        return f"127.0.0.1:{self.port}"

    def set(self, zone: Zone) -> None:
        """Serve this zone from now on, in place of the one with the same origin."""
        self._zones = {**self._zones, zone.origin: zone}

    def reply(self, wire: bytes, *, tcp: bool) -> bytes:
        """Return the answer to a message, b"" for none."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return b""
        if not isinstance(query, dns.message.QueryMessage) or len(query.question) != 1:
            return b""
        asked = query.question[0]
        self.log.append(Question(_text(asked.name), dns.rdatatype.to_text(asked.rdtype)))
        answer = self._hook(query, tcp) if self._hook else None
        if answer is not None:
            return answer
        response = self._response(query)
        whole = response.to_wire(max_size=65_535)
        room = 65_535 if tcp else max(512, min(query.payload, _LARGEST_DATAGRAM))
        if len(whole) <= room:
            return whole
        for section in (response.answer, response.authority, response.additional):
            section.clear()
        response.flags |= dns.flags.TC
        return response.to_wire()

    def _response(self, query: dns.message.QueryMessage) -> dns.message.Message:
        asked = query.question[0]
        response = dns.message.make_response(query, recursion_available=self._resolver)
        names = self._answer(response, asked.name, asked.rdtype)
        if self._resolver:
            self._validate(query, response, names)
        if not query.ednsflags & dns.flags.DO:
            _leave_out_dnssec(response, asked.rdtype)
        return response

    def _answer(
        self, response: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
    ) -> list[dns.name.Name]:
        """Put what the zones have into the response; return the names that the question was led through."""
        names = [name]
        while len(names) <= _LONGEST_CHAIN:
            zone = self._zone_of(names[-1])
            if zone is None:
                if len(names) == 1:
                    response.set_rcode(dns.rcode.NXDOMAIN if self._resolver else dns.rcode.REFUSED)
                elif self._resolver:
                    response.set_rcode(dns.rcode.NXDOMAIN)
                return names
            if not self._resolver:
                response.flags |= dns.flags.AA
            found = zone.rrset(names[-1], rdtype)
            alias = zone.rrset(names[-1], dns.rdatatype.CNAME)
            if found or not alias:
                response.answer += found
                if not found:
                    response.authority += zone.denial(names[-1])
                    if not zone.exists(names[-1]):
                        response.set_rcode(dns.rcode.NXDOMAIN)
                return names
            response.answer += alias
            if alias[0][0].target in names:
                return names
            names.append(alias[0][0].target)
        return names

    def _validate(
        self, query: dns.message.QueryMessage, response: dns.message.Message, names: list[dns.name.Name]
    ) -> None:
        if any(_is_under(name, self._bogus) for name in names):
            if not query.flags & dns.flags.CD:
                response.set_rcode(dns.rcode.SERVFAIL)
                response.answer.clear()
                response.authority.clear()
        elif all(_is_under(name, self._secure) for name in names) and (
            query.flags & dns.flags.AD or query.ednsflags & dns.flags.DO
        ):
            response.flags |= dns.flags.AD

    def _zone_of(self, name: dns.name.Name) -> Zone | None:
        zones = [zone for origin, zone in self._zones.items() if name.is_subdomain(origin)]
        return max(zones, key=lambda zone: len(zone.origin), default=None)


@contextmanager
def dns_server(
    *zones: Zone,
    resolver: bool = True,
    secure: Collection[str] = (),
    bogus: Collection[str] = (),
    hook: Hook | None = None,
) -> Iterator[DnsServer]:
    """Serve zones in a thread.

    As a resolver it follows CNAMEs across its zones, sets AD on names under those in `secure`, and answers
    SERVFAIL for names under those in `bogus` unless asked with CD. There are no names but those of its zones:
    NXDOMAIN. As a name server it refuses questions about others.
    """
    server = DnsServer(zones, resolver=resolver, secure=secure, bogus=bogus, hook=hook)
    udp, tcp = _sockets()
    server.port = udp.getsockname()[1]
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=[_serve(server, udp, tcp, stop)])
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def _sockets() -> tuple[socket.socket, socket.socket]:
    """Return sockets for UDP and TCP with the same free port; questions wait in them until they are served."""
    while True:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:  # another program has it
            udp.close()
            tcp.close()
        else:
            return udp, tcp


async def _serve(server: DnsServer, udp: socket.socket, tcp: socket.socket, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    connections: set[asyncio.Transport] = set()
    udp.settimeout(0)
    loop.add_reader(udp, _answer_datagram, server, udp)
    listening = await loop.create_server(lambda: _Connection(server, connections), sock=tcp)
    await stop.wait()
    loop.remove_reader(udp)
    udp.close()
    listening.close()
    for connection in connections:
        connection.abort()  # not close: it waits until the client has taken everything
    await asyncio.sleep(0)  # transports let go of their sockets in the next turn of the loop


def _answer_datagram(server: DnsServer, udp: socket.socket) -> None:
    wire, client = udp.recvfrom(65_535)
    if reply := server.reply(wire, tcp=False):
        udp.sendto(reply, client)


class _Connection(asyncio.Protocol):
    def __init__(self, server: DnsServer, connections: set[asyncio.Transport]) -> None:
        self._server = server
        self._connections = connections
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= 2 + (size := int.from_bytes(self._received[:2], "big")):
            wire, self._received = self._received[2 : 2 + size], self._received[2 + size :]
            if reply := self._server.reply(wire, tcp=True):
                self._transport.write(len(reply).to_bytes(2, "big") + reply)


def _leave_out_dnssec(response: dns.message.Message, asked: dns.rdatatype.RdataType) -> None:
    added = {dns.rdatatype.RRSIG, dns.rdatatype.NSEC} - {asked}
    for section in (response.answer, response.authority):
        section[:] = [rrset for rrset in section if rrset.rdtype not in added]


def _is_under(name: dns.name.Name, origins: list[dns.name.Name]) -> bool:
    return any(name.is_subdomain(origin) for origin in origins)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
