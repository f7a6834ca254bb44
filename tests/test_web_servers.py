"""The configuration that `setup --write` lays out, in a real web server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from certificates import Authority, shown
from checks import DOMAIN, MX1, MX2, POLICY_HOST, check, host, txt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from loaders.https import fetch
from loaders.wire import Trust, Wire
from tlsrpt.mta_sts import parse_policy
from tlsrpt.published import Settings
from tlsrpt.publishing import setup
from tui.setting_up import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NGINX = shutil.which("nginx")
WITHOUT = "nginx is not installed: what setup writes for it was not tried"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def nginx(folder: Path, block: str) -> Iterator[None]:
    """Run nginx with one server block of ours, in the foreground and with nothing outside of the folder."""
    assert NGINX is not None
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # whose files those of a test are
    (folder / "own.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;\n{user}"
        f"events {{ }}\nhttp {{\naccess_log off;\n{temporary}{block}}}\n"
    )
    with subprocess.Popen([NGINX, "-p", folder, "-c", folder / "own.conf", "-e", folder / "errors"]) as running:
        try:
            yield
        finally:
            running.terminate()


async def test_nginx_serves_what_setup_lays_out_as_senders_want_it(tmp_path: Path) -> None:
    if NGINX is None:
        assert not os.environ.get("REQUIRE_SERVERS"), WITHOUT
        pytest.skip(WITHOUT)
    authority, folder, port = Authority(), tmp_path / "out", free_port()
    bare = check(
        {f"_mta-sts.{DOMAIN}": txt("mta-sts-record"), POLICY_HOST: host(), f"{POLICY_HOST} [192.0.2.80]": None}
    )
    write(setup(bare), folder)
    own = shown("good", POLICY_HOST, authority)
    pem = own.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "pair.pem").write_bytes(pem + own.chain[0].public_bytes(Encoding.PEM))
    block = (folder / "nginx.conf").read_text().replace("listen [::]:443 ssl;", "").replace("443", f"127.0.0.1:{port}")
    for name in ("fullchain", "privkey"):
        block = block.replace(f"/etc/letsencrypt/live/{POLICY_HOST}/{name}.pem", str(tmp_path / "pair.pem"))
    trust, settings = Trust(authority.write(tmp_path)), Settings(https_port=port)
    with nginx(tmp_path, block):
        facts, _ = await fetch(POLICY_HOST, "127.0.0.1", settings, trust)
        while facts.outcome == "refused":  # until it listens; the test's own time limit ends this
            facts, _ = await fetch(POLICY_HOST, "127.0.0.1", settings, trust)
        assert (facts.outcome, facts.content_type) == ("fetched", "text/plain")
        policy, lints = parse_policy(facts.bodies[0])
        assert not lints
        assert policy is not None
        assert policy.mx == (MX1, MX2)
        wire = await Wire.connect("127.0.0.1", port)
        await wire.secure(trust, POLICY_HOST)
        await wire.write(f"GET /records.zone HTTP/1.1\r\nHost: {POLICY_HOST}\r\nConnection: close\r\n\r\n".encode())
        assert (await wire.read()).startswith(b"HTTP/1.1 404 ")
        await wire.close()
