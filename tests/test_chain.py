"""Dates above the leaf, as a real server shows them: OpenSSL's depth is that of its path, not of what was sent."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import TYPE_CHECKING

import pytest
from certificates import Authority, Issuer, Shown, _context, _key, _made
from mx_server import mx_servers

from loaders import smtp
from loaders.wire import Trust
from tlsrpt.certificate import CertificateFault, faults
from tlsrpt.published import Settings
from tlsrpt.store import utc_now

if TYPE_CHECKING:
    from pathlib import Path

HOST, ADDRESS = "mx.example.com", "127.0.0.1"
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def context(issuer: Issuer, *sent: Issuer) -> ssl.SSLContext:
    leaf = _made(HOST, _key("leaf"), issuer, names=(HOST,))
    return _context(Shown(_key("leaf"), (leaf, *(one.certificate for one in sent))))


async def found(server: ssl.SSLContext, authority: Authority, folder: Path) -> list[CertificateFault]:
    with mx_servers({ADDRESS: server}) as port:
        ca_file = authority.write(folder)
        facts, _ = await smtp.look(ADDRESS, ADDRESS, Settings(smtp_port=port, ca_file=ca_file), Trust(ca_file))
    [face] = facts.faces
    return faults(face, HOST, utc_now())


async def test_an_expired_intermediate_is_found_behind_a_certificate_that_nobody_needs(
    authority: Authority, tmp_path: Path
) -> None:
    expired = authority.intermediate(expired=True)
    [fault] = await found(context(expired, Authority("Unknown Root").root, expired), authority, tmp_path)
    assert fault.name == "certificate-intermediate-expired"
    assert fault.detail.startswith("Test Intermediate expired ")


async def test_an_expired_certificate_that_nobody_needs_is_no_fault(authority: Authority, tmp_path: Path) -> None:
    server = context(authority.root, authority.intermediate(expired=True))
    assert await found(server, authority, tmp_path) == []


async def test_an_intermediate_that_is_not_valid_yet_is_a_fault(authority: Authority, tmp_path: Path) -> None:
    key = _key("intermediate")
    early = Issuer(_made("Test Intermediate", key, authority.root, authority=True, begins=DAY, ends=9 * DAY), key)
    [fault] = await found(context(early, early), authority, tmp_path)
    assert fault.name == "certificate-not-trusted"
    assert fault.detail.startswith("Test Intermediate is valid from ")


async def test_a_root_that_has_expired_is_a_fault_though_it_was_not_sent(tmp_path: Path) -> None:
    key = _key("old root")
    old = Authority("Old Root")
    old.root = Issuer(_made("Old Root", key, None, authority=True, begins=-9 * DAY, ends=-DAY), key)
    assert await found(context(old.root), old, tmp_path) == [
        CertificateFault("certificate-not-trusted", "an authority above the leaf is out of date")
    ]
