"""Who signed a mail: by its DKIM signature (RFC 6376, RFC 8460 section 3), or by the word of a trusted server.

Everything here takes time in proportion to what it reads. cryptography does the arithmetic, and is loaded once
there is a key to use.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

import idna

from tlsrpt import mail
from tlsrpt.archive import larger_than
from tlsrpt.limits import LIMITS, Limits
from tlsrpt.mail import MailError

# The best first: the best of several signatures is what counts. "vouched" is what the operator says instead.
STATES = ("pass", "expired", "temporary-error", "not-checked", "fail", "none", "vouched")


class Authentication(NamedTuple):
    """Who sent a mail, and how that is known."""

    state: str  # one of STATES
    signer: str | None  # the aligned domain that signed (d=), as A-label, lower-case; only with pass and expired
    address: str | None  # of From, lower-case; None unless there is exactly one
    reason: str  # in words, "" for a plain pass
    # When it was signed, UTC without tzinfo: t=, else Date if that is signed; only with pass and expired.
    made: datetime | None = None


class NoKeyError(Exception):
    """There is no key of this name, or there is none any more; the message tells how that is known."""


class KeyLookupError(Exception):
    """Nobody could be asked for the key now; the message tells why."""


# Returns the TXT record of a key name such as "s1._domainkey.example.com". Raises NoKeyError or KeyLookupError.
KeyOf = Callable[[str], bytes]


class _RefusedError(Exception):
    """A signature does not count; the message is the reason."""


def authenticate(
    message: bytes, key_of: KeyOf | None, now: datetime, *, trusted_authserv_id: str = "", limits: Limits = LIMITS
) -> Authentication:
    """Return who signed a whole mail as it was received, without a "From " line.

    `key_of` None: signatures are not checked. `now` is UTC without tzinfo. `trusted_authserv_id` names the
    server whose Authentication-Results are believed, if they are the topmost (RFC 8601 section 5). There is an
    answer for any bytes, in a time that grows with their number alone.
    """
    try:
        headers, rest = mail.split(message, limits)
    except MailError as error:
        return Authentication("fail", None, None, str(error))
    fields = _fields(headers.raw)
    address = _address(fields, limits)
    if trusted_authserv_id:
        told = _told(fields, address, trusted_authserv_id, limits)
        if told is not None:
            return told
    signatures = fields.places(b"dkim-signature")
    if not signatures:
        return Authentication("none", None, address, "not signed")
    if key_of is None:
        return Authentication("not-checked", None, address, "signatures are not checked")
    fault = _fault(fields, address)
    if address is None or fault:
        return Authentication("fail", None, address, fault)
    signed = _Signed(fields, rest[1:].replace(b"\r\n", b"\n"), address, {})
    best = Authentication("none", None, address, "")
    for place in signatures[: limits.signatures]:
        found = _checked(place, signed, key_of, now, limits)
        if STATES.index(found.state) < STATES.index(best.state):
            best = found
        if best.state == "pass":
            break
    return best


# Headers

_FIELD = re.compile(rb"\n([!-9;-~]++):([^\n]*+(?:\n[ \t][^\n]*+)*+)")

# Headers that say who sent a report or what its parts are. Only one of each can have been signed, and a reader
# may take another (RFC 6376 section 8.15).
_SINGLE = (
    "From",
    "Subject",
    "Date",
    "Content-Type",
    "Content-Transfer-Encoding",
    "TLS-Report-Domain",
    "TLS-Report-Submitter",
)


class _Fields(NamedTuple):
    """The headers of a mail from the top, with LF, each without its last line break."""

    names: list[bytes]  # lower-case
    all: list[tuple[bytes, bytes]]  # name, and what follows its colon
    malformed: bool  # whether there is more than these

    def places(self, name: bytes) -> list[int]:
        """Return which of the headers have this lower-case name."""
        return [place for place, other in enumerate(self.names) if other == name] if name in self.names else []


def _fields(raw: bytes) -> _Fields:
    found = _FIELD.findall(raw)
    size = sum(len(name) + len(value) + 2 for name, value in found)
    malformed = size != len(raw.removesuffix(b"\n")) or b"\r" in raw
    return _Fields([name.lower() for name, _ in found], found, malformed)


def _fault(fields: _Fields, address: str | None) -> str:
    """Return why a mail with such headers cannot be anybody's, "" if it can."""
    for name in _SINGLE:
        count = fields.names.count(name.lower().encode())
        if count > 1:
            return f"{count} {name} headers"
    if fields.malformed:
        return "malformed headers"
    return "" if address else "no From header with one address"


def _text(value: bytes) -> str:
    return value.replace(b"\n", b"").decode("utf-8", "replace")


_QUOTED = r'"(?:[^"\\]++|\\.)*+"'
_is_quoted = re.compile(_QUOTED, re.DOTALL).fullmatch
_OUTSIDE = re.compile(rf'[^"()]++|{_QUOTED}|\(', re.DOTALL)
_INSIDE = re.compile(r"[^()\\]++|\\.|[()]", re.DOTALL)


def _uncommented(text: str, deepest: int) -> str | None:
    """Return a structured header with a blank for each comment (RFC 5322 section 3.2.2), None if it is malformed."""
    kept = []
    at = depth = 0
    while at < len(text):
        piece = (_INSIDE if depth else _OUTSIDE).match(text, at)
        if piece is None:
            return None
        at = piece.end()
        if piece[0] == "(":
            depth += 1
            kept.append(" ")
        elif not depth:
            kept.append(piece[0])
        elif piece[0] == ")":
            depth -= 1
        if depth > deepest:
            return None
    return None if depth else "".join(kept)


_ADDR_SPEC = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]++@[^\s\"<>,;:@\[\]\\]++"
_MAILBOX = re.compile(rf"\s*+(?:({_ADDR_SPEC})|(?:{_QUOTED}|[^\"<>,;:@\\]++)*+<\s*+({_ADDR_SPEC})\s*+>)\s*+", re.DOTALL)


def _address(fields: _Fields, limits: Limits) -> str | None:
    """Return the one address of the one From, lower-case and its domain as A-label; else None."""
    if fields.names.count(b"from") != 1:
        return None
    text = _uncommented(_text(fields.all[fields.names.index(b"from")][1]), limits.comment_depth)
    found = text and _MAILBOX.fullmatch(text)
    if not found:
        return None
    local, _, domain = (found[1] or found[2]).lower().rpartition("@")
    name = _domain(domain)
    return f"{local}@{name}" if name else None


_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_is_domain = re.compile(rf"(?!.{{254}}){_LABEL}(?:\.{_LABEL})+").fullmatch
# Microsoft writes selectors with "_".
_is_selector = re.compile(r"(?!.{254})[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*").fullmatch


def _domain(text: str) -> str | None:
    """Return a domain name of at least two labels as A-label, lower-case; None if it is none."""
    name = text.lower()
    if not name.isascii() and len(name) <= 253:
        # No mapping: full-width letters must not become somebody's real name.
        with suppress(idna.IDNAError):
            name = idna.encode(name).decode("ascii")
    return name if _is_domain(name) else None


def _is_within(name: str, domain: str) -> bool:
    return f".{name}".endswith(f".{domain}")


def _covers(domain: str, address: str) -> bool:
    """Return whether the domain of an address is this one or below it."""
    return _is_within(address.rpartition("@")[2], domain)


# Signatures


class _Signed(NamedTuple):
    """A mail with one sender, ready to be verified."""

    fields: _Fields
    body: bytes  # with LF
    address: str
    hashes: dict[str, bytes]  # of the body, by canonicalization, as they become known


class _Signature(NamedTuple):
    """A DKIM-Signature that is in order (RFC 6376 section 3.5)."""

    algorithm: str  # one of _ALGORITHMS
    domain: str
    selector: str
    identity: str  # domain of i=
    names: list[bytes]  # of the signed headers, lower-case
    of_headers: str  # canonicalization: "simple" or "relaxed"
    of_body: str
    body_hash: bytes
    signature: bytes
    made: int | None  # seconds since 1970
    expires: int | None  # likewise


_CHANGED = "changed on its way (a gateway, an mbox) or forged"
_ALGORITHMS = {"rsa-sha256": "RSA", "ed25519-sha256": "Ed25519"}  # what a= may be, and the keys for it


def _checked(place: int, signed: _Signed, key_of: KeyOf, now: datetime, limits: Limits) -> Authentication:
    """Return what one signature makes of a mail."""
    seconds = int(now.replace(tzinfo=UTC).timestamp())
    try:
        signature = _signature(signed.fields.all[place][1], seconds, limits)
    except _RefusedError as error:
        return Authentication("fail", None, signed.address, f"DKIM-Signature {error}")
    of = f"signature of {signature.domain}, selector {signature.selector}"
    # This is told without a question to DNS: the names in it are chosen by whoever wrote the mail.
    if not _covers(signature.domain, signed.address):
        return Authentication("fail", None, signed.address, f"{of}: that is not the domain of From")
    try:
        _verify(place, signature, signed, key_of, limits)
    except _RefusedError as error:
        return Authentication("fail", None, signed.address, f"{of}: {error}")
    except NoKeyError as error:
        return Authentication("not-checked", None, signed.address, f"{of}: its key is gone ({error})")
    except KeyLookupError as error:
        return Authentication("temporary-error", None, signed.address, f"{of}: its key could not be had ({error})")
    made = _made(signature, signed.fields)
    if signature.expires is not None and signature.expires < seconds:
        since = datetime.fromtimestamp(signature.expires, UTC)
        reason = f"{of}: valid, but expired since {since:%Y-%m-%d %H:%M} UTC"
        return Authentication("expired", signature.domain, signed.address, reason, made)
    return Authentication("pass", signature.domain, signed.address, "", made)


def _made(signature: _Signature, fields: _Fields) -> datetime | None:
    """Return when the signer says that it signed; both places are under its signature."""
    if signature.made is not None:
        return datetime.fromtimestamp(signature.made, UTC).replace(tzinfo=None)
    dates = fields.places(b"date") if b"date" in signature.names else []
    return mail.moment(fields.all[dates[0]][1]) if dates else None


_TAG = re.compile(r"[ \t\r\n]*+([A-Za-z][A-Za-z0-9_]*+)[ \t\r\n]*+=([ \t\r\n!-:<-~]*+)")
_is_canonicalization = re.compile("(simple|relaxed)(?:/(simple|relaxed))?").fullmatch
_is_time = re.compile("[0-9]{1,12}").fullmatch
_DAY = 86_400  # seconds


def _tags(value: bytes) -> dict[str, str]:
    """Return a list of tags (RFC 6376 section 3.2). Raises _RefusedError."""
    *pieces, last = value.decode("latin-1").split(";")
    if last.strip(" \t\r\n"):
        pieces.append(last)
    tags: dict[str, str] = {}
    for piece in pieces:
        found = _TAG.fullmatch(piece)
        if not found:
            raise _RefusedError("is malformed")
        if found[1] in tags:
            raise _RefusedError("has a tag twice")
        tags[found[1]] = found[2].strip()
    return tags


def _words(tags: dict[str, str], name: str, default: str) -> list[str]:
    """Return the words of a tag whose value is a list, lower-case."""
    return [word.strip().lower() for word in tags.get(name, default).split(":")]


def _signature(value: bytes, now: int, limits: Limits) -> _Signature:
    """Return a DKIM-Signature in parts. Raises _RefusedError."""
    if len(value) > limits.signature_size:
        raise _RefusedError(f"is {larger_than(limits.signature_size)}")
    tags = _tags(value)
    missing = [tag for tag in ("v", "a", "b", "bh", "d", "h", "s") if not tags.get(tag)]
    if missing:
        raise _RefusedError(f"has no {missing[0]}=")
    if tags["v"] != "1":
        raise _RefusedError("has another version than 1")
    if "l" in tags:
        raise _RefusedError("has l=, which RFC 8460 section 3 forbids")
    algorithm = tags["a"].lower()
    if algorithm not in _ALGORITHMS:
        old = "rsa-sha1, which proves nothing any more" if algorithm == "rsa-sha1" else "an unknown algorithm"
        raise _RefusedError(f"uses {old}")
    if "dns/txt" not in _words(tags, "q", "dns/txt"):
        raise _RefusedError("has its key elsewhere than in DNS (q=)")
    canonicalization = _is_canonicalization(tags.get("c", "simple").lower())
    if not canonicalization:
        raise _RefusedError("has an unknown canonicalization (c=)")
    names = _words(tags, "h", "")
    if "from" not in names:
        raise _RefusedError("does not cover From (h=)")
    domain, selector, identity = _signer(tags)
    return _Signature(
        algorithm,
        domain,
        selector,
        identity,
        [name.encode() for name in names],
        canonicalization[1],
        canonicalization[2] or "simple",
        _decoded(tags["bh"], "bh="),
        _decoded(tags["b"], "b="),
        *_times(tags, now),
    )


def _signer(tags: dict[str, str]) -> tuple[str, str, str]:
    """Return the domain, the selector, and the domain of i=. Raises _RefusedError."""
    domain, selector = tags["d"].lower(), tags["s"].lower()
    if not _is_domain(domain) or not _is_selector(selector) or len(_key_name(selector, domain)) > 253:
        raise _RefusedError("has d= or s= that DNS cannot have")
    _, at, identity = tags.get("i", f"@{domain}").lower().rpartition("@")
    if not at or not _is_domain(identity) or not _is_within(identity, domain):
        raise _RefusedError("has i= outside d=")
    return domain, selector, identity


def _times(tags: dict[str, str], now: int) -> tuple[int | None, int | None]:
    """Return t= and x=. Raises _RefusedError if they cannot be."""
    numbers = [tags.get(tag) for tag in ("t", "x")]
    if not all(_is_time(number) for number in numbers if number is not None):
        raise _RefusedError("has t= or x= that is no time")
    made, expires = (None if number is None else int(number) for number in numbers)
    if made is not None and made > now + _DAY:
        raise _RefusedError("was made in the future (t=)")
    if made is not None and expires is not None and expires < made:
        raise _RefusedError("expired before it was made (x=)")
    return made, expires


def _decoded(value: str, tag: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(value.split()), strict_mode=True)
    except binascii.Error as error:
        raise _RefusedError(f"has {tag} that is not base64") from error


def _without_b(value: bytes) -> bytes:
    """Return a DKIM-Signature with b= empty, as it was when it was signed (RFC 6376 section 3.7)."""
    pieces = [(piece, piece.partition(b"=")) for piece in value.split(b";")]
    return b";".join(name + b"=" if name.strip() == b"b" else piece for piece, (name, _, _) in pieces)


# Verification


def _key_name(selector: str, domain: str) -> str:
    return f"{selector}._domainkey.{domain}"


def _verify(place: int, signature: _Signature, signed: _Signed, key_of: KeyOf, limits: Limits) -> None:
    """Return if a signature is right. Raises _RefusedError, NoKeyError or KeyLookupError."""
    if _body_hash(signature.of_body, signed) != signature.body_hash:
        raise _RefusedError(_CHANGED)
    record = key_of(_key_name(signature.selector, signature.domain))
    try:
        verify = _key(record, signature, limits)
    except _RefusedError as error:
        raise _RefusedError(f"its key record {error}") from error
    text = _signed_headers(place, signature, signed.fields)
    try:
        verify(signature.signature, text)
    except Exception as error:  # InvalidSignature, and whatever else OpenSSL has against such bytes
        raise _RefusedError(_CHANGED) from error


_RUN = re.compile(rb"  ++")


def _single_blanks(text: bytes) -> bytes:
    return _RUN.sub(b" ", text.replace(b"\t", b" "))


def _body_hash(canonicalization: str, signed: _Signed) -> bytes:
    """Return the hash of the body without the empty lines at its end (RFC 6376 sections 3.4.3 and 3.4.4)."""
    if canonicalization not in signed.hashes:
        body = signed.body
        if canonicalization == "relaxed":
            body = _single_blanks(body).replace(b" \n", b"\n").removesuffix(b" ")
        body = body.rstrip(b"\n")
        if body or canonicalization == "simple":
            body += b"\n"
        signed.hashes[canonicalization] = hashlib.sha256(body.replace(b"\n", b"\r\n")).digest()
    return signed.hashes[canonicalization]


def _signed_headers(place: int, signature: _Signature, fields: _Fields) -> bytes:
    """Return what the signature is over: headers of one name from the bottom up (RFC 6376 sections 3.7 and 5.4.2)."""
    left = defaultdict(list)
    for other, name in enumerate(fields.names):
        if other != place:
            left[name].append(fields.all[other])
    chosen = [left[name].pop() for name in signature.names if left[name]]
    own, value = fields.all[place]
    chosen.append((own, _without_b(value)))
    if signature.of_headers == "relaxed":
        chosen = [(name.lower(), _single_blanks(value.replace(b"\n", b"")).strip(b" ")) for name, value in chosen]
    return b"\n".join(name + b":" + value for name, value in chosen).replace(b"\n", b"\r\n")


# Returns if a signature, the first, is that of some bytes with a certain key, else raises.
_Verify = Callable[[bytes, bytes], None]


def _key(record: bytes, signature: _Signature, limits: Limits) -> _Verify:
    """Return what verifies with the key in a record (RFC 6376 section 3.6.1).

    Raises NoKeyError if it was revoked, _RefusedError if it is not for this signature.
    """
    if len(record) > limits.key_size:
        raise _RefusedError(f"is {larger_than(limits.key_size)}")
    tags = _tags(record)
    if "p" not in tags:
        raise _RefusedError("has no p=")
    if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v"):
        raise _RefusedError("does not begin with v=DKIM1")
    if not tags["p"]:
        raise NoKeyError("revoked")
    kind = _ALGORITHMS[signature.algorithm]
    if tags.get("k", "rsa").lower() != kind.lower():
        raise _RefusedError(f"is not for {kind} (k=)")
    if "sha256" not in _words(tags, "h", "sha256"):
        raise _RefusedError("is not for SHA-256 (h=)")
    if not {"*", "email", "tlsrpt"}.intersection(_words(tags, "s", "*")):
        raise _RefusedError("is for another service (s=)")
    flags = _words(tags, "t", "")
    if "y" in flags:
        raise _RefusedError("is only for testing (t=y)")
    if "s" in flags and signature.identity != signature.domain:
        raise _RefusedError("is not for subdomains (t=s)")
    data = _decoded(tags["p"], "p=")
    return _rsa(data) if kind == "RSA" else _ed25519(data)


# How an RSA key begins, as SubjectPublicKeyInfo or bare (RFC 8017 appendix A.1.1). cryptography gets no other:
# it looks for primes in the key of a DH, for minutes.
_is_rsa = re.compile(
    rb"\x30(?:[\0-\x7f]|\x81.|\x82..)(?:\x02|\x30[\x0b\x0d]\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01)", re.DOTALL
).match
_EXPONENTS = range(3, 1 << 32)  # an RSA key with a larger one takes long to use, a smaller one proves nothing


def _rsa(data: bytes) -> _Verify:
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415 - see above

    try:
        key = serialization.load_der_public_key(data) if _is_rsa(data) else None
    except Exception as error:
        raise _RefusedError("has a key that cannot be read") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise _RefusedError("has a key that cannot be read")
    if key.key_size < 1_024:
        raise _RefusedError(f"has a key of {key.key_size} bits, and 1024 are the least (RFC 8301 section 3.2)")
    if key.public_numbers().e not in _EXPONENTS:
        raise _RefusedError("has an exponent that nobody uses")
    return lambda signature, text: key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())


def _ed25519(data: bytes) -> _Verify:
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - see above

    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(data)
    except Exception as error:
        raise _RefusedError("has a key that cannot be read") from error
    # The hash is what is signed, not the text (RFC 8463 section 3).
    return lambda signature, text: key.verify(signature, hashlib.sha256(text).digest())


# Authentication-Results (RFC 8601 section 2.2)

_VALUE = rf'(?:[^\s;"]++|{_QUOTED})++'
_AUTHSERV_ID = re.compile(rf"\s*+({_QUOTED}|[^\s\";=]++)(?:\s++[0-9]++)?\s*+", re.DOTALL)
_STATEMENT = re.compile(rf'((?:[^";]++|{_QUOTED})*+)(?:;|\Z)', re.DOTALL)
_OF_DKIM = re.compile(r"\s*+dkim\s*+[/=]", re.IGNORECASE)
_PROPERTY = rf'([^\s=;"]++)\s*+=\s*+({_VALUE})'
_PROPERTIES = re.compile(_PROPERTY, re.DOTALL)
_DKIM = re.compile(
    rf"\s*+dkim(?:/[0-9]++)?\s*+=\s*+([a-z]++)((?:\s++(?:{_PROPERTY}))*+)\s*+", re.DOTALL | re.IGNORECASE
)


class _Result(NamedTuple):
    """What a server found of one signature."""

    result: str  # lower-case
    domain: str | None  # of header.d, else of header.i


def _told(fields: _Fields, address: str | None, authserv_id: str, limits: Limits) -> Authentication | None:
    """Return what the topmost Authentication-Results say, None if they are not this server's or not about DKIM."""
    places = fields.places(b"authentication-results")
    results = _results(fields.all[places[0]][1], authserv_id, limits) if places else []
    if not results:
        return None
    found = [_of_result(result, fields, address, authserv_id) for result in results]
    return min(found, key=lambda one: STATES.index(one.state))


def _of_result(found: _Result, fields: _Fields, address: str | None, authserv_id: str) -> Authentication:
    says = f"{authserv_id} says dkim={found.result}"
    if found.result != "pass":
        state = {"temperror": "temporary-error", "none": "none"}.get(found.result, "fail")
        return Authentication(state, None, address, says)
    fault = _fault(fields, address)
    if address is None or fault:
        return Authentication("fail", None, address, f"{says}, but: {fault}")
    if found.domain is None or not _covers(found.domain, address):
        signer = found.domain or "nobody"
        return Authentication("fail", None, address, f"{says} of {signer}, and that is not the domain of From")
    return Authentication("pass", found.domain, address, says)


def _results(value: bytes, authserv_id: str, limits: Limits) -> list[_Result]:
    """Return what one header of this server says about DKIM; nothing if it is malformed or another's."""
    if len(value) > limits.header_size:
        return []
    text = _uncommented(_text(value), limits.comment_depth)
    name, *statements = _STATEMENT.findall(text or "")
    by = _AUTHSERV_ID.fullmatch(name)
    if not by or _unquoted(by[1]).lower() != authserv_id.lower():
        return []
    found = [_DKIM.fullmatch(statement) for statement in statements if _OF_DKIM.match(statement)]
    return [_result(one[1], one[2]) for one in found if one] if all(found) else []


def _result(result: str, properties: str) -> _Result:
    values = {name.lower(): _unquoted(value) for name, value in reversed(_PROPERTIES.findall(properties))}
    signer = values.get("header.d") or values.get("header.i", "").rpartition("@")[2]
    return _Result(result.lower(), _domain(signer))


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if _is_quoted(value) else value
