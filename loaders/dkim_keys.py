"""The keys that mail was signed with, from DNS."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING

from loaders.resolving import Lookups
from tlsrpt.authentication import KeyLookupError, NoKeyError
from tlsrpt.limits import LIVE_LIMITS, LiveLimits
from tlsrpt.reporters import REPORTERS

if TYPE_CHECKING:
    from tlsrpt.published import Answer, Settings
    from tlsrpt.reporters import Accepted

_SLICE = 0.1  # seconds after which one looks whether to stop
_STOPPED = "the run was stopped"

# Names come from mail that anyone wrote.
_is_name = re.compile(r"(?!.{254})[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+", re.IGNORECASE | re.ASCII).fullmatch


class Keys:
    """Keys by their names, for one run. Each is asked for once, whatever the answer.

    For threads in which no event loop runs. A call takes as long as one lookup, or two before it is given up.
    """

    def __init__(
        self,
        settings: Settings,
        accepted: Iterable[Accepted] = (),
        *,
        stopped: Callable[[], bool] = lambda: False,
        limits: LiveLimits = LIVE_LIMITS,
    ) -> None:
        """Nothing is asked yet, and once `stopped` is true, nothing is asked any more.

        For keys of known reporters and of those `accepted` there is room however many names others made up.
        """
        signers = {signer for reporter in REPORTERS for signer in reporter.signers}
        signers |= {reporter.signer for reporter in accepted}
        self._believed = tuple(f"._domainkey.{signer}" for signer in signers)
        self._settings = settings
        self._stopped = stopped
        self._limits = limits
        self._lookups: Lookups | None = None
        self._known: dict[str, bytes | NoKeyError | KeyLookupError] = {}
        self._asked = 0
        self._unanswered = 0  # in a row
        self._nobody = ""  # why nobody can be asked

    def __call__(self, name: str) -> bytes:
        """Return the record of a key. Raises NoKeyError if there is none, KeyLookupError if that is not known."""
        if name not in self._known:
            try:
                self._known[name] = self._found(name)
            except (NoKeyError, KeyLookupError) as error:
                self._known[name] = error
        known = self._known[name]
        if isinstance(known, bytes):
            return known
        raise type(known)(*known.args)

    def _found(self, name: str) -> bytes:
        if not _is_name(name):
            raise NoKeyError("not a name that DNS can have")
        if self._nobody or self._stopped():
            raise KeyLookupError(self._nobody or _STOPPED)
        if not name.endswith(self._believed):
            if self._asked == self._limits.key_lookups:
                raise KeyLookupError(f"more than {self._limits.key_lookups} keys in one run")
            self._asked += 1
        answer, record = self._answer(name)
        if answer.status == "failed":
            self._note_failure(answer.reason)
        else:
            self._unanswered = 0
        if answer.status in {"failed", "bogus"}:
            raise KeyLookupError(answer.reason)
        if not record:
            raise NoKeyError("no key among its TXT records" if answer.status == "found" else "no such record")
        return record

    def _answer(self, name: str) -> tuple[Answer, bytes]:
        try:
            self._lookups = self._lookups or Lookups(self._settings, limits=self._limits)
        except ValueError as error:
            self._nobody = str(error)
            raise KeyLookupError(self._nobody) from error
        return asyncio.run(self._unless_stopped(self._lookups.dkim_key(name)))

    async def _unless_stopped(self, lookup: Coroutine[None, None, tuple[Answer, bytes]]) -> tuple[Answer, bytes]:
        asked = asyncio.ensure_future(lookup)
        while not (await asyncio.wait([asked], timeout=_SLICE))[0]:
            if self._stopped():
                raise KeyLookupError(_STOPPED)
        return asked.result()

    def _note_failure(self, reason: str) -> None:
        self._unanswered += 1
        if self._unanswered == self._limits.unanswered:
            self._unanswered = 0
            # Whoever signs may name a server that keeps silent. Whether ours does too is told by a name that every
            # resolver knows.
            if not self._stopped() and self._answer(".")[0].status == "failed":
                self._nobody = reason
