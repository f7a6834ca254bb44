"""What the operator wrote down: the watched domains, the mailboxes, and how live checks are made.

A TOML file, `$TLSRPT_CONFIG` or `config.toml` in this user's configuration directory. None is the same as
an empty one.

    domains = ["example.com", "example.org"]

    [live]
    resolver = ["127.0.0.1:53"]
    vantage = "berlin"

    [ready]
    profile = "cautious"
    min_sessions = 1000

    [mailbox.reports]
    host = "imap.example.com"
    user = "tlsrpt@example.com"
    password_command = ["pass", "show", "tlsrpt"]
"""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import click
import idna
from platformdirs import user_config_dir
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tlsrpt.enforce.parameters import PROFILES, Parameters
from tlsrpt.enforce.parameters import parameters as of_profile
from tlsrpt.published import Settings
from tlsrpt.reporters import Accepted

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


class ConfigError(click.ClickException):
    """The file cannot be used. The command ends with 2, as for an option that cannot be used."""

    exit_code = 2


def domain(name: str) -> str:
    """Return a domain as it is stored: an A-label, lower-case, without a final dot.

    Raises ValueError, with the reason, for what can be no mail domain: an IP address, a mail address, a
    single label.
    """
    name = name.strip().removesuffix(".").lower()
    if is_address(name):
        raise ValueError("an IP address is no domain")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise ValueError("not a domain name") from error
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a domain name")
    if len(labels) == 1:
        raise ValueError("a domain has at least one dot")
    return name


def is_address(name: str) -> bool:
    """Return whether a name is an IP address, in brackets or not."""
    try:
        ipaddress.ip_address(name.strip("[]").removeprefix("ipv6:"))
    except ValueError:
        return False
    return True


class Live(Settings):
    """How live checks are made, and what this place is called."""

    vantage: Annotated[str, Field(max_length=256)] = ""  # "": the name of this machine

    def settings(self) -> Settings:
        """Return what is kept with each check."""
        return Settings.model_validate(self.model_dump(exclude={"vantage"}))


_CONFIG = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
_Text = Annotated[str, Field(max_length=1_024, pattern=r"^[^\x00-\x1f\x7f]*$")]


def _words(value: object) -> object:
    """Return a command that was written as one string as its words; no shell is asked."""
    return tuple(shlex.split(value)) if isinstance(value, str) else value


def _named(folder: str) -> str:
    """Return the name of a folder; that of INBOX may be written in any case (RFC 9051 section 5.1)."""
    return "INBOX" if folder.upper() == "INBOX" else folder


_Folder = Annotated[_Text, AfterValidator(_named)]
_Command = Annotated[tuple[_Text, ...], BeforeValidator(_words), Field(max_length=100)]


class Mailbox(BaseModel):
    """An IMAP mailbox. No password stands here, only where it is kept."""

    model_config = _CONFIG

    host: Annotated[_Text, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 0  # 0: that of `tls`
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    ca_file: _Text = ""  # PEM; replaces the authorities of the system
    user: Annotated[_Text, Field(min_length=1)]
    auth: Literal["login", "plain", "xoauth2", "oauthbearer"] = "login"
    password_command: _Command = ()
    token_command: _Command = ()
    password_file: _Text = ""
    password_credential: Annotated[str, Field(max_length=255, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$|^$")] = ""
    keyring: bool = False
    folders: Annotated[tuple[Annotated[_Folder, Field(min_length=1)], ...], Field(min_length=1, max_length=100)] = (
        "INBOX",
    )
    after: Literal["keep", "move", "delete"] = "keep"
    move_to: _Folder = ""
    trusted_authserv_id: _Text = ""
    vouch: bool = False

    @property
    def _places(self) -> int:
        places = (self.password_command, self.token_command, self.password_file, self.password_credential, self.keyring)
        return sum(map(bool, places))

    @property
    def asks(self) -> bool:
        """Whether the password is asked for, as it is kept nowhere."""
        return not self._places

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self._places > 1:
            raise ValueError("one place of the password alone: a command, a file, a credential or the keyring")
        if bool(self.token_command) and "oauth" not in self.auth:
            raise ValueError(f'auth = "{self.auth}" takes no token_command: password_command, or auth = "xoauth2"')
        if (self.after == "move") != bool(self.move_to):
            raise ValueError('after = "move" and move_to = "FOLDER" go together')
        if self.move_to in self.folders:
            raise ValueError(f"move_to: {self.move_to} is one of the folders that are read")
        return self

    @property
    def own_port(self) -> int:
        """The port, as given or as usual (RFC 8314 section 3.2)."""
        return self.port or (993 if self.tls == "implicit" else 143)


class Dkim(BaseModel):
    """How signatures of mail are checked."""

    model_config = _CONFIG

    check: Literal["dns", "off"] = "dns"  # off: nobody's DNS is asked for keys


class Reporter(BaseModel):
    """A reporter that is believed: whoever signs as this domain, from this address or from any."""

    model_config = _CONFIG

    signer: Annotated[str, AfterValidator(domain)]
    address: Annotated[_Text, AfterValidator(str.lower)] = ""


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]  # of a mailbox


class Config(BaseModel):
    """The whole file."""

    model_config = _CONFIG

    domains: tuple[Annotated[str, AfterValidator(domain)], ...] = ()  # watched
    live: Live = Live()
    mailbox: Annotated[dict[Name, Mailbox], Field(max_length=100)] = Field(default_factory=dict)
    dkim: Dkim = Dkim()
    reporters: Annotated[tuple[Reporter, ...], Field(max_length=10_000)] = ()
    ready: dict[str, Any] = Field(default_factory=dict, max_length=50)  # a profile, and parameters that differ from it

    def accepted(self) -> list[Accepted]:
        """Return the reporters that are believed beside those that the program knows."""
        return [Accepted(one.signer, one.address) for one in self.reporters]


def path() -> Path:
    """Return where the file is, whether there is one or not."""
    named = os.environ.get("TLSRPT_CONFIG")
    return Path(named) if named else Path(user_config_dir("tlsrpt")) / "config.toml"


def read() -> Config:
    """Return what the file says. Raises ConfigError with the file, the key and the reason."""
    file = path()
    try:
        return Config.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        if os.environ.get("TLSRPT_CONFIG"):
            raise ConfigError(f"{file}, which $TLSRPT_CONFIG names: no such file") from error
        return Config()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigError(f"{file}: {complaint(error)}") from error
    except ValueError as error:  # of TOML, or of UTF-8
        raise ConfigError(f"{file}: {error}") from error


def watched() -> tuple[str, ...]:
    """Return the domains that are watched, none if the file cannot be used: what is wrong is told elsewhere."""
    try:
        return read().domains
    except ConfigError:
        return ()


def parameters(profile: str | None = None) -> tuple[str, Parameters]:
    """Return the profile, as given or as configured, and its parameters with those of the configuration.

    Raises ConfigError with the file, the key and the reason.
    """
    chosen = dict(read().ready)
    configured = chosen.pop("profile", "default")
    used = profile or configured
    if used not in PROFILES:
        raise ConfigError(f"{path()}: ready.profile: not one of {', '.join(PROFILES)}")
    try:
        return used, of_profile(used, chosen)
    except ValidationError as error:
        raise ConfigError(f"{path()}: ready.{complaint(error)}") from error


def complaint(error: ValidationError) -> str:
    """Return the first thing wrong as a key and a reason."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{key}: no such key"
    if first["type"] == "string_pattern_mismatch" and first["loc"][-1] == "[key]":
        return f"{key.removesuffix('.[key]')}: a name has up to 64 letters, digits and . _ @ -, and begins with one"
    return f"{key}: {first['msg'].removeprefix('Value error, ')}"
