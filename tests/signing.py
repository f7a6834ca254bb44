"""Mail with DKIM signatures (RFC 6376), right ones and whatever else a signer may write.

    sign(message, d="sender.example", x=None)

puts a signature above a message; `record()` is the key to it, as its TXT record. Nothing here is used by what
is tested: canonicalization is written anew, and the arithmetic is cryptography's.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNED = datetime(2026, 5, 13, 15, 43, 4)  # UTC: when the signatures are made
SECONDS = int(SIGNED.replace(tzinfo=UTC).timestamp())
NAME = "s1._domainkey.sender.example"
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@cache
def private_key(bits: int) -> rsa.RSAPrivateKey:
    """Return a key, the same for the same size."""
    return rsa.generate_private_key(65_537, bits)


def public_key(bits: int = 2_048, *, bare: bool = False) -> str:
    """Return p= of a key; `bare` as RFC 6376 has it, without the wrapping that everybody uses."""
    form = serialization.PublicFormat.PKCS1 if bare else serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(private_key(bits).public_key().public_bytes(serialization.Encoding.DER, form)).decode()


def ed25519_record(**tags: str | None) -> bytes:
    """Return the record of the Ed25519 key, as `record` does (RFC 8463 section 4)."""
    raw = ED25519.public_key().public_bytes_raw()
    return record(**{"k": "ed25519", "p": base64.b64encode(raw).decode(), **tags})


def record(**tags: str | None) -> bytes:
    """Return the record of the key with these tags besides or instead; None leaves one out."""
    kept = {"v": "DKIM1", "k": "rsa", "p": public_key(), **tags}
    return "; ".join(f"{tag}={value}" for tag, value in kept.items() if value is not None).encode()


def sign(
    message: bytes,
    *,
    bits: int = 2_048,
    first: Sequence[str] = (),
    name: str = "DKIM-Signature",
    folded: str = "\n\t",
    **tags: str | None,
) -> bytes:
    """Return a message below a signature of it, with LF.

    `tags` come besides or instead of the usual ones; None leaves one out; a b= is taken as it is. Those in
    `first` stand first, and `folded` before each other one.
    """
    message = message.replace(b"\r\n", b"\n")
    head, _, body = message.partition(b"\n\n")
    of_headers, _, of_body = (tags.get("c", "relaxed/relaxed") or "simple").partition("/")
    kept = {
        "v": "1",
        "a": "rsa-sha256",
        "c": "relaxed/relaxed",
        "d": "sender.example",
        "s": "s1",
        "t": str(SECONDS),
        "h": "From:To:Subject:Date:Message-ID",
        "bh": base64.b64encode(hashlib.sha256(_body(body, of_body)).digest()).decode(),
        "b": "",
        **tags,
    }
    order = sorted(kept, key=lambda tag: tag not in first)
    written = [(tag, value) for tag in order if (value := kept[tag]) is not None]
    unsigned = _header(name, written, folded)
    fields: list[tuple[bytes, bytes]] = re.findall(rb"(?:\A|\n)([^:\n]+):([^\n]*(?:\n[ \t][^\n]*)*)", head)
    lines = []
    for wanted in (kept["h"] or "").lower().split(":"):
        places = [place for place, (found, _) in enumerate(fields) if found.decode().lower() == wanted.strip()]
        if places:
            lines.append(_canonical(*fields.pop(places[-1]), of_headers))
    lines.append(_canonical(name.encode(), unsigned.partition(b":")[2], of_headers).removesuffix(b"\r\n"))
    made = _signature(b"".join(lines), kept["a"], bits)
    value = kept["b"] or re.sub("(.{60})", rf"\1{folded or ' '}", base64.b64encode(made).decode())
    return _header(name, [(tag, value if tag == "b" else other) for tag, other in written], folded) + b"\n" + message


def _signature(text: bytes, algorithm: str | None, bits: int) -> bytes:
    if algorithm == "ed25519-sha256":
        return ED25519.sign(hashlib.sha256(text).digest())
    return private_key(bits).sign(text, padding.PKCS1v15(), hashes.SHA256())


def _header(name: str, tags: list[tuple[str, str]], folded: str) -> bytes:
    return f"{name}: {f';{folded}'.join(f'{tag}={value}' for tag, value in tags)}".encode("latin-1")


def _canonical(name: bytes, value: bytes, how: str) -> bytes:
    if how == "relaxed":
        return name.lower().strip() + b":" + b" ".join(value.split()) + b"\r\n"
    return name + b":" + value.replace(b"\n", b"\r\n") + b"\r\n"


def _body(body: bytes, how: str) -> bytes:
    lines = body.split(b"\n")
    if how == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines) or (b"" if how == "relaxed" else b"\r\n")
