"""What the operator wrote down: the watched domains, and how live checks are made.

A TOML file, `$TLSRPT_CONFIG` or `config.toml` in this user's configuration directory. None is the same as
an empty one.

    domains = ["example.com", "example.org"]

    [live]
    resolver = ["127.0.0.1:53"]
    vantage = "berlin"

    [ready]
    profile = "cautious"
    min_sessions = 1000
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import click
import idna
from platformdirs import user_config_dir
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from tlsrpt.enforce.parameters import PROFILES, Parameters
from tlsrpt.enforce.parameters import parameters as of_profile
from tlsrpt.published import Settings

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


class Config(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    domains: tuple[Annotated[str, AfterValidator(domain)], ...] = ()  # watched
    live: Live = Live()
    ready: dict[str, Any] = Field(default_factory=dict, max_length=50)  # a profile, and parameters that differ from it


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
    return f"{key}: {first['msg'].removeprefix('Value error, ')}"
