"""One address of an MX as senders meet it: SMTP with STARTTLS (RFC 5321, RFC 3207).

A bad certificate does not end a look: it is part of the face. The outcome of a try is one of

- "starttls": TLS 1.2 or newer, whatever the certificate
- "refused", "unreachable", "timeout": no connection
- "silent": connected, but no whole answer in time; `reason` says to what
- "closed": the server ended the connection before TLS; `reason` says when
- "bad-answer": a line too long, too many of them, or not SMTP
- "banner-refused", "ehlo-refused", "starttls-refused": an answer that sends us away, in `reason`
- "starttls-not-offered": not among the keywords, which are in `reason`; something on the way may have
  masked it ("XXXXXXXA")
- "plaintext-after-starttls": more than the answer came before TLS, as if somebody had slipped it in
- "tls-failed": no TLS 1.2 or newer, or an error in it

and that of the whole look is that of the best try, or "tls-too-old": no TLS but 1.0 or 1.1, whose face it is.

Facts of two looks at an unchanged server are equal, unless it refuses in ever different words.
"""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress
from typing import NamedTuple

from loaders.wire import Trust, Wire, WireError
from tlsrpt.limits import LIVE_LIMITS, LiveLimits
from tlsrpt.published import Face, Measures, MxTlsFacts, Settings

# From worst to best: the further a try came, the better.
_OUTCOMES = (
    "unreachable",
    "refused",
    "timeout",
    "silent",
    "closed",
    "bad-answer",
    "banner-refused",
    "ehlo-refused",
    "starttls-not-offered",
    "starttls-refused",
    "plaintext-after-starttls",
    "tls-failed",
    "starttls",
)
_TLS = ("starttls", "tls-failed")

# RFC 5321 section 4.2. A line may end without a text, and without the space before it.
_LINE = re.compile(rb"([2-5][0-5][0-9])(?:([ -])(.*))?", re.DOTALL)

# Bounds of the models.
_TEXT = 4_096  # characters
_FACES = 3
_FAILURES = 64


async def look(
    mx: str, address: str, settings: Settings, trust: Trust, *, limits: LiveLimits = LIVE_LIMITS
) -> tuple[MxTlsFacts, Measures]:
    """Return what several connections to one address of an MX came to, one after the other.

    The first ones are made as senders make them, with SNI; then one without SNI, and one with nothing newer
    than TLS 1.1. Raises nothing, whatever the server does.
    """

    async def once(name: str | None = mx, *, old: bool = False) -> _Try:
        return await _try(address, settings, trust, limits, name, old=old)

    tries = [await once()]
    # Twice short of TLS is enough: once may be a hiccup or one of a pool, and more would be a nuisance.
    while len(tries) < limits.tries and (len(tries) < 2 or any(each.outcome in _TLS for each in tries)):
        tries.append(await once())
    best = max(tries, key=lambda each: (_OUTCOMES.index(each.outcome), each.reason))
    outcome, reason = best.outcome, best.reason
    faces = _distinct([each.face for each in tries if each.face is not None])
    failures = sorted({each.outcome for each in tries if each.face is None}) if faces else []
    unnamed = await once(None) if faces else None
    old = await once(old=True) if outcome in _TLS else None
    if old is not None and old.face is not None and not faces:
        outcome, faces = "tls-too-old", [old.face]
    facts = MxTlsFacts(
        outcome=outcome,
        reason=reason,
        faces=tuple(faces[:_FACES]),
        failures=tuple(failures[:_FAILURES]),
        without_sni=unnamed.face if unnamed is not None and _new(unnamed.face, faces) else None,
        # What happens with SNI as well says nothing about SNI.
        without_sni_outcome=""
        if unnamed is None or unnamed.face is not None or unnamed.outcome in failures
        else unnamed.outcome,
        old_version=old.face.version if old is not None and old.face is not None else "",
    )
    banner = next((each.banner for each in tries if each.banner), "")
    return facts, Measures(seconds=round(max(each.seconds for each in tries), 3), banner=banner)


class _Try:
    """One connection: as much as is known of it, whenever and however it ends."""

    def __init__(self) -> None:
        self.outcome = ""
        self.reason = ""
        self.step = ""  # what was waited for last
        self.banner = ""
        self.face: Face | None = None
        self.seconds = 0.0


async def _try(
    address: str, settings: Settings, trust: Trust, limits: LiveLimits, name: str | None, *, old: bool
) -> _Try:
    found = _Try()
    wire: Wire | None = None
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        async with asyncio.timeout(limits.connection_seconds):
            wire = await Wire.connect(address, settings.smtp_port)
            peer = _Peer(wire, limits)
            if await _ready(peer, settings.ehlo_name, found):
                found.step = "TLS handshake"
                found.face = await wire.secure(trust, name, old=old)
                found.outcome = "starttls"
            await peer.goodbye()
    except WireError as error:
        found.outcome, found.reason = _ended(error, found.step)
    except TimeoutError:
        if not found.outcome:  # else it was the goodbye that took too long
            found.outcome = "silent" if wire is not None else "timeout"
            found.reason = f"{found.step or 'connection'}: no answer in {limits.connection_seconds:g} s"
    finally:
        if wire is not None:
            await wire.close()
    found.seconds = clock() - began
    return found


async def _ready(peer: _Peer, ehlo_name: str, found: _Try) -> bool:
    """Return whether the server awaits TLS; if not, the try has its outcome. Raises WireError."""
    found.step = "banner"
    answer = await peer.answer()
    found.banner = answer.lines[0]
    if answer.code != 220:
        return _sent_away(found, "banner-refused", answer)
    found.step = "EHLO"
    answer = await peer.ask(f"EHLO {ehlo_name or own_name(socket.gethostname(), peer.local_address)}")
    if answer.code != 250:
        return _sent_away(found, "ehlo-refused", answer)
    keywords = [line.split(" ", 1)[0].upper() for line in answer.lines[1:]]
    if "STARTTLS" not in keywords:
        found.outcome = "starttls-not-offered"
        found.reason = ("keywords: " + (" ".join(keywords) or "none"))[:_TEXT]
        return False
    found.step = "STARTTLS"
    answer = await peer.ask("STARTTLS")
    if answer.code != 220:
        return _sent_away(found, "starttls-refused", answer)
    if peer.unread:
        raise WireError("plaintext-after-starttls", f"{len(peer.unread)} bytes between the answer and TLS")
    return True


def _sent_away(found: _Try, outcome: str, answer: _Answer) -> bool:
    found.outcome = outcome
    found.reason = f"{answer.code} {' '.join(answer.lines)}".rstrip()[:_TEXT]
    return False


def _ended(error: WireError, step: str) -> tuple[str, str]:
    """Return outcome and reason, the same for a connection that was closed and one that was reset."""
    if error.outcome == "closed" and step == "TLS handshake":
        return "tls-failed", "connection closed in the TLS handshake"
    if error.outcome == "closed":
        return "closed", f"{step}: connection closed"
    if error.outcome == "bad-answer":
        return "bad-answer", f"{step}: {error.reason}"
    return error.outcome, error.reason[:_TEXT]


class _Answer(NamedTuple):
    """An answer of an SMTP server."""

    code: int
    lines: tuple[str, ...]  # without the code; at least one


class _Peer:
    """An SMTP server at the other end, within bounds."""

    def __init__(self, wire: Wire, limits: LiveLimits) -> None:
        self.unread = b""  # received, but not part of an answer so far
        self._wire = wire
        self._limits = limits

    @property
    def local_address(self) -> str:
        """Return our own address as the connection has it."""
        return self._wire.local_address

    async def ask(self, command: str) -> _Answer:
        """Send a command and return the answer. Raises WireError."""
        await self._wire.write(command.encode("ascii", "replace") + b"\r\n")
        return await self.answer()

    async def answer(self) -> _Answer:
        """Return the next answer, all of its lines. Raises WireError."""
        code = b""
        lines: list[str] = []
        while len(lines) < self._limits.smtp_lines:
            match = _LINE.fullmatch(await self._line())
            if match is None:
                raise WireError("bad-answer", "a line that is not SMTP")
            if code and match[1] != code:
                raise WireError("bad-answer", "different codes in one answer")
            code = match[1]
            lines.append((match[3] or b"").decode("utf-8", "backslashreplace")[:_TEXT])
            if match[2] != b"-":
                return _Answer(int(code), tuple(lines))
        raise WireError("bad-answer", f"an answer beyond {self._limits.smtp_lines} lines")

    async def goodbye(self) -> None:
        """Send QUIT and wait a little for the answer, whatever it is (RFC 5321 section 4.1.1.10)."""
        with suppress(WireError, TimeoutError):
            async with asyncio.timeout(self._limits.goodbye_seconds):
                await self.ask("QUIT")

    async def _line(self) -> bytes:
        while b"\n" not in self.unread and len(self.unread) <= self._limits.smtp_line:
            data = await self._wire.read()
            if not data:
                raise WireError("closed", "connection closed")
            self.unread += data
        line, _, self.unread = self.unread.partition(b"\n")
        if len(line) >= self._limits.smtp_line:
            raise WireError("bad-answer", f"a line beyond {self._limits.smtp_line} bytes")
        return line.removesuffix(b"\r")


def own_name(host_name: str, local_address: str) -> str:
    """Return what a host calls itself, its address if it has no name (RFC 5321 section 4.1.3)."""
    if "." in host_name.strip("."):
        return host_name
    address = local_address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _distinct(faces: list[Face]) -> list[Face]:
    """Return each face once, in an order that does not depend on who answered first."""
    return sorted(set(faces), key=lambda face: (_chain(face), face.version, face.cipher, repr(face.faults)))


def _new(face: Face | None, faces: list[Face]) -> bool:
    return face is not None and _chain(face) not in map(_chain, faces)


def _chain(face: Face) -> list[str]:
    return [certificate.der for certificate in face.chain]
