"""The configuration: where it is, what it may say, and how it says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tlsrpt.published import Settings
from tui import config
from tui.config import Config, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    def written(text: str) -> Path:
        path = tmp_path / "tlsrpt.toml"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv("TLSRPT_CONFIG", str(path))
        return path

    return written


def test_without_a_file_everything_is_as_usual(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TLSRPT_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config.read() == Config()
    assert config.path() == tmp_path / "tlsrpt" / "config.toml"


def test_the_file_of_this_user_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TLSRPT_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "tlsrpt").mkdir()
    (tmp_path / "tlsrpt" / "config.toml").write_text('domains = ["example.com"]', encoding="utf-8")
    assert config.read().domains == ("example.com",)


def test_the_settings_of_live_checks_stand_apart_from_the_name_of_the_place(write: Callable[[str], Path]) -> None:
    write('[live]\nresolver = ["127.0.0.1:5353"]\nsmtp_port = 2525\nca_file = "/etc/ca.pem"\nvantage = "berlin"\n')
    live = config.read().live
    assert live.vantage == "berlin"
    assert live.settings() == Settings(resolver=("127.0.0.1:5353",), smtp_port=2525, ca_file="/etc/ca.pem")


def test_watched_domains_are_a_labels(write: Callable[[str], Path]) -> None:
    write('domains = ["München.DE.", "Example.org"]')
    assert config.read().domains == ("xn--mnchen-3ya.de", "example.org")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("verify = false", "verify: no such key"),
        ("[live]\nverify = false", "live.verify: no such key"),
        ('[live]\nehlo_name = "a\\nMAIL"', "live.ehlo_name: String should match pattern '^[!-~]*$'"),
        ("[live]\nsmtp_port = 70000", "live.smtp_port: Input should be less than or equal to 65535"),
        ("[live]\ntrust_ad = []", "live.trust_ad: Input should be a valid boolean"),
        ('domains = ["example.com", "192.0.2.1"]', "domains.1: an IP address is no domain"),
        ('domains = "example.com"', "domains: Input should be a valid tuple"),
        ("domains = [", "Invalid value (at end of document)"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_file_and_key(write: Callable[[str], Path], text: str, reason: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        config.read()
    assert caught.value.message == f"{path}: {reason}"
    assert caught.value.exit_code == 2


def test_a_file_that_was_named_has_to_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TLSRPT_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match=r"none\.toml, which \$TLSRPT_CONFIG names: no such file"):
        config.read()


def test_a_file_that_cannot_be_read_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TLSRPT_CONFIG", str(tmp_path))
    with pytest.raises(ConfigError, match="Is a directory"):
        config.read()
    (tmp_path / "latin.toml").write_bytes(b'domains = ["m\xfcnchen.de"]')
    monkeypatch.setenv("TLSRPT_CONFIG", str(tmp_path / "latin.toml"))
    with pytest.raises(ConfigError, match="utf-8"):
        config.read()


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Example.COM.", "example.com"),
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_a_domain_has_one_form(name: str, known: str) -> None:
    assert config.domain(name) == known


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "example", "a..example", "-a.example", "a-.example", "a" * 64 + ".example", "a." * 130 + "example"),
        *("user@example.com", "a b.example", "*.example.com", "_dmarc.example.com", "a\x1b[31m.example", "a/b.example"),
        *("192.0.2.1", "2001:db8::1", "[192.0.2.1]", "[IPv6:2001:db8::1]", "\u202e.example"),
    ],
)
def test_what_is_no_domain_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="domain"):
        config.domain(name)
