"""Certificates as senders judge them: names, dates, keys, and every fault rather than the first."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any

from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field, model_validator

_TEXT = Annotated[str, Field(max_length=4_096)]


class Certificate(BaseModel):
    """A certificate. `der` is the truth; the other fields are read from it and never believed from outside."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    der: Annotated[str, Field(max_length=131_072)]  # base64
    subject: _TEXT = ""
    issuer: _TEXT = ""
    serial: _TEXT = ""  # hexadecimal
    names: tuple[_TEXT, ...] = ()  # SAN dNSName entries, lower-case
    common_name: _TEXT = ""  # never used to match
    not_before: datetime | None = None  # UTC, without tzinfo
    not_after: datetime | None = None
    key: _TEXT = ""  # "RSA 2048", "EC secp256r1", "Ed25519"
    signature: _TEXT = ""  # hash of the signature, such as "sha256"
    sha256: _TEXT = ""  # of the certificate, hexadecimal
    unreadable: _TEXT = ""  # why it cannot be read, if it cannot

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, given: Any) -> Any:  # noqa: ANN401 - whatever came
        if isinstance(given, dict) and isinstance(given.get("der"), str):
            return {"der": given["der"]} | _fields(given["der"])
        return given


def read(der: bytes) -> Certificate:
    """Return a certificate from its DER bytes; one that cannot be read says so itself."""
    return Certificate(der=base64.b64encode(der).decode("ascii"))


def _fields(der: str) -> dict[str, object]:
    raise NotImplementedError
