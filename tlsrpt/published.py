"""What a domain publishes, as it was seen at one time from one place.

A Check holds observations: facts and nothing else. What they mean, and what to do about it, is worked out
from them by `tlsrpt.findings` whenever it is asked, so that an old observation profits from a better
program. Facts stay the same as long as what is published stays the same; what varies from look to look
without meaning anything (TTL left in a cache, seconds, the text of a banner) stands apart as measures.

A check also travels: `tlsrpt check --format json` writes it, `tlsrpt load` reads it on another machine. So
these models validate, and bound, what comes from outside. Every text in them was written by a stranger: it
is shown only through `tui.text.safe`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from tlsrpt.certificate import Certificate  # noqa: TC001 - pydantic reads it at run time

# Bounds of single values, for what is seen on the wire and what is loaded from a file alike. One error ends a
# list: a million bad items in a file would otherwise make a million errors.
Name = Annotated[str, Field(max_length=1_100)]  # a DNS name with its escapes, or a host and its address
Text = Annotated[str, Field(max_length=4_096)]
Body = Annotated[str, Field(max_length=65_536)]
Few = Annotated[tuple[Name, ...], Field(max_length=64, fail_fast=True)]

CONFIG = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Settings(BaseModel):
    """What the operator set for live checks, kept with each result. Nothing here turns verification off."""

    model_config = CONFIG | ConfigDict(extra="forbid")

    resolver: Annotated[
        tuple[Name, ...], Field(max_length=8, fail_fast=True)
    ] = ()  # "host:port" each; none: the system's
    trust_ad: bool = False  # believe the AD flag of a resolver that is not on this machine
    smtp_port: Annotated[int, Field(ge=1, le=65_535)] = 25
    https_port: Annotated[int, Field(ge=1, le=65_535)] = 443
    ca_file: Text = ""  # PEM file that replaces the trust store
    allow_private_addresses: bool = False
    # "": this machine's name, else its address. It goes out as it is, so it is one word of printable ASCII.
    ehlo_name: Annotated[str, Field(max_length=255, pattern=r"^[!-~]*$")] = ""

    @property
    def as_senders(self) -> bool:
        """Whether what was looked at is what senders meet: at another port or by another authority is a test set-up."""
        return (self.smtp_port, self.https_port, self.ca_file) == (25, 443, "")


class Answer(BaseModel):
    """What DNS said to one question.

    `status` is "found", "none" (the name has no such record), "no-name" (NXDOMAIN), "bogus" (DNSSEC
    validation failed: no answer unless checking is disabled) or "failed" (SERVFAIL, timeout, nonsense).
    """

    model_config = CONFIG

    status: Literal["found", "none", "no-name", "bogus", "failed"]
    reason: Text = ""  # of "bogus" and "failed", such as "SERVFAIL" or "no answer in 5 s"
    secure: bool | None = None  # validated by DNSSEC; None: no resolver that can be trusted to tell
    cnames: Few = ()  # the names that the question was led to, in order


class TxtFacts(Answer):
    """TXT records of a name. Strings of one record are joined without spaces (RFC 8461 section 3.1)."""

    kind: Literal["mta-sts-record", "tlsrpt-record"]
    records: Annotated[tuple[Body, ...], Field(max_length=64, fail_fast=True)] = ()  # sorted


class Mx(BaseModel):
    """One MX record."""

    model_config = CONFIG

    preference: Annotated[int, Field(ge=0, le=65_535)]
    host: Name  # A-label, lower-case, without a final dot; "" for the null MX (RFC 7505)


class MxFacts(Answer):
    """MX records of a domain. "none" with an address makes the domain its own implicit MX (RFC 5321 5.1)."""

    kind: Literal["mx"] = "mx"
    hosts: Annotated[tuple[Mx, ...], Field(max_length=20, fail_fast=True)] = ()  # by preference and name
    dropped: int = 0  # records beyond the bound, not looked at


class HostFacts(BaseModel):
    """The addresses of an MX host, a policy host, or of the domain itself."""

    model_config = CONFIG

    kind: Literal["host"] = "host"
    a: Answer
    aaaa: Answer
    addresses: Annotated[tuple[Name, ...], Field(max_length=64, fail_fast=True)] = ()  # IPv4 first, sorted
    refused: Annotated[tuple[Name, ...], Field(max_length=64, fail_fast=True)] = ()  # of these, private or special ones
    dropped: int = 0  # of these, how many go beyond the bound and were not contacted


class Tlsa(BaseModel):
    """One TLSA record (RFC 6698 section 2.1)."""

    model_config = CONFIG

    usage: int
    selector: int
    matching_type: int
    data: Body  # lower-case hexadecimal


class TlsaFacts(Answer):
    """TLSA records at _25._tcp.<host>."""

    kind: Literal["tlsa"] = "tlsa"
    records: Annotated[tuple[Tlsa, ...], Field(max_length=64, fail_fast=True)] = ()  # sorted


class Fault(BaseModel):
    """What OpenSSL has against a certificate of a chain."""

    model_config = CONFIG

    code: int  # X509_V_ERR_…; `tlsrpt.certificate` has the words
    depth: int  # 0 is the leaf


class Face(BaseModel):
    """What a server shows in one TLS handshake, taken whatever is wrong with it."""

    model_config = CONFIG

    version: Name  # "TLSv1.3"
    cipher: Name
    chain: Annotated[tuple[Certificate, ...], Field(max_length=16, fail_fast=True)]  # as sent, leaf first
    faults: Annotated[
        tuple[Fault, ...], Field(max_length=64, fail_fast=True)
    ] = ()  # of verification against the trust store


class FetchFacts(BaseModel):
    """The policy fetched from one address of the policy host (RFC 8461 section 3.3).

    `outcome` is "fetched", or what prevented it; `loaders.https` lists them.
    """

    model_config = CONFIG

    kind: Literal["policy"] = "policy"
    outcome: Name
    reason: Text = ""
    status: int | None = None  # of HTTP
    location: Text = ""  # where a redirect leads
    content_type: Text = ""
    bodies: Annotated[tuple[Body, ...], Field(max_length=3, fail_fast=True)] = ()  # the different ones of all tries
    face: Face | None = None


class MxTlsFacts(BaseModel):
    """One address of one MX, as a sender meets it.

    `outcome` is "starttls" when TLS came about in a way that a sender may use, or what prevented it;
    `loaders.smtp` lists them.
    """

    model_config = CONFIG

    kind: Literal["mx-tls"] = "mx-tls"
    outcome: Name
    reason: Text = ""  # what the server said, or the error
    faces: Annotated[tuple[Face, ...], Field(max_length=3, fail_fast=True)] = ()  # the different ones of all tries
    failures: Few = ()  # outcomes of tries that failed while others did not
    without_sni: Face | None = None  # only if it shows another chain than with SNI
    without_sni_outcome: Name = ""  # what prevented TLS without SNI, if something did
    old_version: Name = ""  # "TLSv1" or "TLSv1.1" if it is offered as well


Facts = Annotated[
    TxtFacts | MxFacts | HostFacts | TlsaFacts | FetchFacts | MxTlsFacts,
    Field(discriminator="kind"),
]


class Measures(BaseModel):
    """What varies from look to look, as of the last one."""

    model_config = CONFIG

    # Seconds left, the least of a chain of CNAMEs.
    ttl: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] | None = None
    seconds: Annotated[float, Field(ge=0, le=1e9)] | None = None  # that it took; of several tries the longest
    banner: Text = ""


class Observation(BaseModel):
    """One thing seen."""

    model_config = CONFIG

    # A name; for "policy" and "mx-tls" a host and an address: "mx1.example.com [192.0.2.1]".
    subject: Name
    facts: Facts
    measures: Measures = Measures()

    @property
    def kind(self) -> str:
        """Return what sort of thing it is."""
        return self.facts.kind

    @property
    def host(self) -> str:
        """Return the name in the subject."""
        return self.subject.partition(" ")[0]

    @property
    def address(self) -> str:
        """Return the address in the subject, "" if it has none."""
        return self.subject.partition(" [")[2].removesuffix("]")


F = TypeVar("F", bound=BaseModel)


class Check(BaseModel):
    """Everything seen of one domain in one look."""

    model_config = CONFIG

    policy_domain: Name  # A-label, lower-case, without a final dot
    checked_at: datetime  # UTC, without tzinfo, whole seconds
    vantage: Annotated[str, Field(min_length=1, max_length=256)]  # where from
    settings: Settings = Settings()
    observations: Annotated[tuple[Observation, ...], Field(max_length=1_000, fail_fast=True)]

    def all(self, facts: type[F]) -> Iterator[tuple[Observation, F]]:
        """Yield the observations with facts of this type, in order."""
        for observation in self.observations:
            if isinstance(observation.facts, facts):
                yield observation, observation.facts

    def one(self, facts: type[F], subject: str) -> F | None:
        """Return the facts of this type about one subject, None if it was not looked at."""
        return next((found for observation, found in self.all(facts) if observation.subject == subject), None)


class Seen(NamedTuple):
    """One thing for as long as it stayed the same, seen from one place with one set of settings."""

    observation: Observation  # measures are those of the last look
    first_seen: datetime  # UTC, without tzinfo: the first and the last look that found it so
    last_seen: datetime
    vantage: str
    settings: Settings = Settings()


def subject(host: str, address: str) -> str:
    """Return the subject of what was seen at one address of a host."""
    return f"{host} [{address}]"
