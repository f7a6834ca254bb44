"""The MTA-STS policy as a sender fetches it from one address of the policy host (RFC 8461 sections 3.2, 3.3).

A bad certificate does not end a fetch: it is part of the face, and the answer may have faults of its own. The
outcome of a fetch is one of

- "fetched": status 200 and the whole body, whatever its media type and whatever the certificate
- "redirect": a status 3xx, which no sender follows; `location` is where to
- "http-status": any other status
- "too-large": a body beyond the bound
- "bad-answer": not HTTP/1.x, contradictory lengths, bad chunks, too much besides the body, or a coded body
- "closed": the connection ended before the answer did
- "tls-failed": no TLS, or an error in it
- "timeout": the time was up; `reason` says at what, and after how many bytes
- "refused", "unreachable": no connection

Facts of two fetches from an unchanged server are equal, but for the bytes of an answer that trickled until
the time was up.
"""

from __future__ import annotations

import asyncio

import h11

from loaders.wire import Trust, Wire, WireError
from tlsrpt.certificate import matches
from tlsrpt.limits import LIVE_LIMITS, LiveLimits
from tlsrpt.published import Face, FetchFacts, Measures, Settings

_PATH = "/.well-known/mta-sts.txt"
_BEGINNING = b"HTTP/1."

# From worst to best: the less was reached, the worse.
_OUTCOMES = (
    "unreachable",
    "refused",
    "timeout",
    "tls-failed",
    "closed",
    "bad-answer",
    "too-large",
    "http-status",
    "redirect",
    "fetched",
)
_SILENT = ("unreachable", "refused", "timeout")

# Bounds of the models, in characters.
_TEXT = 4_096
_BODY = 65_536
_BODIES = 3


async def fetch(
    host: str, address: str, settings: Settings, trust: Trust, *, limits: LiveLimits = LIVE_LIMITS
) -> tuple[FetchFacts, Measures]:
    """Return what several tries at one address of the policy host came to, one after the other.

    If they differ, the worst is what counts, and `reason` says how many of them were so. Raises nothing,
    whatever the server does.
    """
    tries = [await _try(host, address, settings, trust, limits)]
    # Nobody there: one more try tells a hiccup, more of them would only take long.
    more = min(limits.tries, 2 if tries[0].outcome in _SILENT else limits.tries) - 1
    tries += [await _try(host, address, settings, trust, limits) for _ in range(more)]
    worst = min(tries, key=_badness)
    alike = sum(_kind(each) == _kind(worst) for each in tries)
    told = worst.reason if alike == len(tries) else f"{alike} of {len(tries)} tries: {worst.reason or worst.outcome}"
    bodies = {each.body for each in tries if each.body is not None}
    facts = FetchFacts(
        outcome=worst.outcome,
        reason=told[:_TEXT],
        status=worst.status,
        location=worst.location,
        content_type=worst.content_type,
        bodies=tuple(sorted(bodies)[:_BODIES]),
        face=min(
            (each.face for each in tries if each.face is not None), key=lambda face: _order(face, host), default=None
        ),
    )
    return facts, Measures(seconds=round(max(each.seconds for each in tries), 3))


class _Try:
    """One fetch: as much as is known of it, whenever and however it ends."""

    def __init__(self) -> None:
        self.outcome = ""
        self.reason = ""
        self.status: int | None = None
        self.location = ""
        self.content_type = ""
        self.body: str | None = None
        self.face: Face | None = None
        self.seconds = 0.0


async def _try(host: str, address: str, settings: Settings, trust: Trust, limits: LiveLimits) -> _Try:
    found = _Try()
    wire: Wire | None = None
    answer: _Answer | None = None
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        async with asyncio.timeout(limits.fetch_seconds):
            wire = await Wire.connect(address, settings.https_port)
            found.face = await wire.secure(trust, host)
            answer = _Answer(wire, limits)
            await answer.ask(host, settings.https_port)
            await _take(answer, found, limits)
    except WireError as error:
        found.outcome, found.reason = error.outcome, error.reason
    except TimeoutError:
        found.outcome = "timeout"
        found.reason = f"{_awaited(wire, answer)} in {limits.fetch_seconds:g} s"
    finally:
        if wire is not None:
            await wire.close()
    found.seconds = clock() - began
    return found


async def _take(answer: _Answer, found: _Try, limits: LiveLimits) -> None:
    """Note the answer: its head, and the body if a sender would take one. Raises WireError."""
    head = await answer.head()
    found.status = head.status_code
    found.location = _field(head, b"location")
    found.content_type = _field(head, b"content-type")
    if head.status_code != 200:
        found.outcome = "redirect" if 300 <= head.status_code < 400 else "http-status"
        found.reason = _text(f"HTTP {head.status_code} ".encode() + head.reason).rstrip()
        return
    if (coding := _field(head, b"content-encoding")).lower() not in {"", "identity"}:
        raise WireError("bad-answer", f"content coding {coding!r}, though none was accepted")
    # h11 has seen to it that a length has digits, few of them, and no rival.
    if not _field(head, b"transfer-encoding") and int(_field(head, b"content-length") or 0) > limits.policy_size:
        raise WireError("too-large", f"Content-Length beyond {limits.policy_size} bytes")
    # Line ends and a byte order mark are for the parser to judge.
    found.body = (await answer.body()).decode("utf-8", "backslashreplace")[:_BODY]
    found.outcome = "fetched"


class _Answer:
    """An answer as it comes in: HTTP/1.x, within bounds."""

    def __init__(self, wire: Wire, limits: LiveLimits) -> None:
        self.received = 0  # bytes
        self._wire = wire
        self._limits = limits
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.policy_head)
        self._beginning = b""
        self._body = bytearray()
        self._ended = False

    async def ask(self, host: str, port: int) -> None:
        """Send the request. Raises WireError."""
        headers = [
            ("Host", host if port == 443 else f"{host}:{port}"),
            ("User-Agent", "tlsrpt"),
            ("Accept", "text/plain"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        ]
        request = self._http.send(h11.Request(method="GET", target=_PATH, headers=headers))
        await self._wire.write(request + self._http.send(h11.EndOfMessage()))

    async def head(self) -> h11.Response:
        """Return status and header fields, past interim answers. Raises WireError."""
        while not isinstance(event := await self._event(), h11.Response):
            pass
        return event

    async def body(self) -> bytes:
        """Return the whole body. Raises WireError."""
        while not isinstance(await self._event(), h11.EndOfMessage):
            if len(self._body) > self._limits.policy_size:
                raise WireError("too-large", f"body beyond {self._limits.policy_size} bytes")
        return bytes(self._body)

    async def _event(self) -> h11.Event:
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                if self._ended:
                    raise WireError("closed", f"connection closed after {self.received} bytes") from error
                raise WireError("bad-answer", str(error)[:_TEXT]) from error
            if isinstance(event, h11.Data):
                self._body += event.data
            self._weigh()
            if isinstance(event, h11.Event):
                return event
            await self._more()

    def _weigh(self) -> None:
        # Interim answers, chunk extensions and trailers are none of h11's bounds as long as each ends.
        besides = self.received - len(self._http.trailing_data[0]) - len(self._body)
        if besides > self._limits.policy_head:
            raise WireError("bad-answer", f"more than {self._limits.policy_head} bytes besides the body")

    async def _more(self) -> None:
        data = await self._wire.read()
        self.received += len(data)
        self._ended = not data
        self._beginning = (self._beginning + data)[: len(_BEGINNING)]
        # Before HTTP/1.0 an answer was a body and nothing else; h11 would wait for the end of its head.
        if not _BEGINNING.startswith(self._beginning):
            raise WireError("bad-answer", "not HTTP/1.x")
        self._http.receive_data(data)


def _awaited(wire: Wire | None, answer: _Answer | None) -> str:
    """Return what there was not when the time was up."""
    if wire is None:
        return "no connection"
    if answer is None:
        return "no end of the TLS handshake"
    return f"no end of the answer after {answer.received} bytes" if answer.received else "no answer"


def _field(head: h11.Response, name: bytes) -> str:
    return _text(b", ".join(value for key, value in head.headers if key == name))


def _text(sent: bytes) -> str:
    return sent.decode("utf-8", "backslashreplace")[:_TEXT]


def _kind(each: _Try) -> tuple[str, int | None]:
    return each.outcome, each.status


def _badness(each: _Try) -> tuple[int, int, str, str, str]:
    """Order tries from worst to best, in whatever order they came."""
    return _OUTCOMES.index(each.outcome), each.status or 0, each.reason, each.location, each.content_type


def _order(face: Face, host: str) -> tuple[bool, list[str]]:
    """Order faces, those with faults or for other hosts first, in whatever order they came."""
    good = not face.faults and bool(face.chain) and matches(face.chain[0].names, host)
    return good, [certificate.der for certificate in face.chain]
