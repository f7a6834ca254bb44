"""What a domain is told to publish, read again as DNS, senders and web servers read it."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dns.rdatatype
import dns.rdtypes.txtbase
import dns.zone
import pytest
from certificates import Authority, pem, shown
from checks import DOMAIN, MX1, MX2, NONE, NOW, POLICY_HOST, body, check, face, fetched, host, txt

from loaders import SourceError
from loaders.https import fetch
from loaders.wire import Trust
from tlsrpt import mta_sts, record
from tlsrpt.published import Answer, Check, Facts, FetchFacts, Mx, MxFacts, Settings
from tlsrpt.publishing import NothingToSetUpError, Setup, Step, caddy, fresh_id, nginx, setup
from tlsrpt.publishing import txt as txt_line
from tui.setting_up import say, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TLSRPT, MTA_STS = f"_smtp._tls.{DOMAIN}", f"_mta-sts.{DOMAIN}"
FETCH = f"{POLICY_HOST} [192.0.2.80]"
FAILED = Answer(status="failed", reason="SERVFAIL")
BARE: dict[str, Facts | None] = {
    TLSRPT: txt("tlsrpt-record"),
    MTA_STS: txt("mta-sts-record"),
    POLICY_HOST: host(),
    FETCH: None,
}


def looked(changed: Mapping[str, Facts | None] | None = None) -> Check:
    """Return a check of a domain that receives mail and publishes nothing but what is `changed`."""
    return check(BARE | dict(changed or {}))


def named(domain: str) -> Check:
    """Return a check of another domain, which has one MX."""
    mx = MxFacts(status="found", hosts=(Mx(preference=10, host=MX1),))
    [seen] = [one for one in check().observations if one.kind == "mx"]
    observation = seen.model_copy(update={"subject": domain, "facts": mx})
    return check().model_copy(update={"policy_domain": domain, "observations": (observation,)})


def steps(plan: Setup) -> dict[str, Step]:
    """Return the steps by the first words of their titles."""
    return {step.title.partition(" ")[0]: step for step in plan.steps}


def told(step: Step) -> str:
    return "\n".join(step.words)


def records(zone: str) -> dict[tuple[str, str], list[str]]:
    """Return the records of a zone's text by name and type, TXT with its strings joined as senders do."""
    found: dict[tuple[str, str], list[str]] = {}
    read = dns.zone.from_text(zone, ".", relativize=False, check_origin=False, allow_include=False)
    for name, _, data in read.iterate_rdatas():
        text = b"".join(data.strings).decode() if isinstance(data, dns.rdtypes.txtbase.TXTBase) else data.to_text()
        found.setdefault((name.to_text(omit_final_dot=True), dns.rdatatype.to_text(data.rdtype)), []).append(text)
    return found


# --------------------------------------------------------------------------------------------------------
# What is there, and what is to do.


def test_a_domain_without_anything_gets_all_steps_in_the_order_in_which_they_are_safe() -> None:
    plan = setup(looked())
    assert [step.title.partition(" ")[0] for step in plan.steps] == ["Ask", "Serve", "Announce", "Look"]
    assert not any(step.there for step in plan.steps)
    assert all(step.text for step in plan.steps)
    assert plan.steps[3].text == f"tlsrpt check {DOMAIN}\n"
    assert plan.steps[1].text == plan.policy.replace("\r\n", "\n")
    assert f"{POLICY_HOST} has no address yet" in told(plan.steps[1])


@pytest.mark.parametrize("mode", ["testing", "enforce"])
def test_what_is_to_publish_is_read_strictly_and_without_a_lint(mode: str) -> None:
    plan = setup(looked(), mode=mode, max_age=604_800)
    assert mta_sts.parse_policy(plan.policy) == (mta_sts.Policy(mode, 604_800, (MX1, MX2)), ())
    assert plan.policy.count("\r\n") == plan.policy.count("\n") == 5
    found = records(plan.zone)
    assert set(found) == {(TLSRPT, "TXT"), (MTA_STS, "TXT")}
    assert record.parse(found[TLSRPT, "TXT"]) == (record.TlsrptRecord((f"mailto:tlsrpt@{DOMAIN}",)), ())
    assert mta_sts.parse_record(found[MTA_STS, "TXT"]) == (mta_sts.Record(fresh_id(NOW)), ())


def test_enforce_from_the_beginning_is_what_it_is_said_to_be() -> None:
    assert "In testing nothing is refused" in told(steps(setup(looked()))["Serve"])
    assert f"In enforce no mail comes in by {MX1}, {MX2}" in told(steps(setup(looked(), mode="enforce"))["Serve"])


def test_a_valid_tlsrpt_record_is_left_alone() -> None:
    facts = txt("tlsrpt-record", "v=TLSRPTv1; rua=mailto:a@example.net")
    plan = setup(looked({TLSRPT: facts}))
    assert steps(plan)["Ask"] == Step("Ask for reports", f"{TLSRPT}: mailto:a@example.net", (), "")
    assert set(records(plan.zone)) == {(MTA_STS, "TXT")}
    wanted = setup(looked({TLSRPT: facts}), ["mailto:a@example.net", "mailto:b@example.net"])
    assert told(steps(wanted)["Ask"]) == "It does not name mailto:b@example.net: add it there."


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (("v=TLSRPTv1; rua=tls@example.com",), 'replaces what is there: "tls@example.com" has no scheme'),
        (
            ("v=TLSRPTv1; rua=mailto:a@example.com", "v=TLSRPTv1; rua=mailto:b@example.com"),
            "2 records, so none counts",
        ),
    ],
)
def test_an_invalid_tlsrpt_record_is_replaced_and_the_reason_said(there: tuple[str, ...], words: str) -> None:
    plan = setup(looked({TLSRPT: txt("tlsrpt-record", *there)}))
    step = steps(plan)["Ask"]
    assert not step.there
    assert words in told(step)
    assert (TLSRPT, "TXT") in records(plan.zone)


def test_an_invalid_mta_sts_record_is_replaced_and_the_reason_said() -> None:
    plan = setup(looked({MTA_STS: txt("mta-sts-record", "v=STSv1; id=2026-03-10")}))
    assert '"2026-03-10" is not 1 to 32 letters or digits' in told(steps(plan)["Announce"])
    assert (MTA_STS, "TXT") in records(plan.zone)


def test_text_records_of_others_are_not_replaced() -> None:
    step = steps(setup(looked({TLSRPT: txt("tlsrpt-record", "v=spf1 -all")})))["Ask"]
    assert step.text
    assert "replaces" not in told(step)


def test_a_record_that_could_not_be_looked_up_may_be_there() -> None:
    for facts in (txt("tlsrpt-record").model_copy(update={"status": "failed", "reason": "SERVFAIL"}), None):
        step = steps(setup(looked({TLSRPT: facts})))["Ask"]
        assert step.text
        assert "two records are as good as none" in told(step)


def test_nothing_is_to_stand_beside_a_cname() -> None:
    step = steps(setup(looked({MTA_STS: txt("mta-sts-record", cnames=("sts.example.net",))})))["Announce"]
    assert "CNAME to sts.example.net" in told(step)


def test_of_a_domain_that_has_everything_nothing_is_left_to_do() -> None:
    plan = setup(check())
    assert [bool(step.there) for step in plan.steps] == [True, True, True, False]
    assert steps(plan)["Serve"].there == f"https://{POLICY_HOST}/.well-known/mta-sts.txt: mode testing"
    assert "new id" in told(steps(plan)["Announce"])
    assert plan.zone == ""


def test_a_policy_that_is_served_stays_as_it_is_whatever_was_asked_for() -> None:
    served = body(MX1, MX2, mode="enforce", max_age=604_800).replace("\r\n", "\n")
    plan = setup(check({FETCH: fetched(served)}), mode="testing")
    assert plan.policy == served
    assert steps(plan)["Serve"].there.endswith("mode enforce")


def test_a_policy_that_misses_an_mx_stays_and_is_told_so() -> None:
    step = steps(setup(check({FETCH: fetched(body(MX1))})))["Serve"]
    assert step.there
    assert told(step) == f"It does not cover {MX2}: add what is missing, and then give the record a new id."


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (fetched(body(MX1, MX2), outcome="timeout", reason="no answer in 5 s"), "no answer in 5 s"),
        (fetched(body(MX1, MX2), content_type="text/html"), 'served as "text/html"'),
        (fetched(body(MX1, MX2), face=face("expired", POLICY_HOST)), "expired"),
    ],
)
def test_a_policy_that_senders_do_not_take_is_still_to_be_served(facts: FetchFacts, words: str) -> None:
    step = steps(setup(check({FETCH: facts})))["Serve"]
    assert not step.there
    assert f"not as senders take it: {FETCH}: {words}" in told(step)
    assert step.text == body(MX1, MX2).replace("\r\n", "\n")


def test_an_address_that_cannot_be_reached_from_here_is_no_fault_of_the_policy() -> None:
    away = FetchFacts(outcome="unreachable", reason="no route")
    changed = {FETCH: fetched(body(MX1, MX2)), f"{POLICY_HOST} [2001:db8::1]": away}
    assert steps(setup(check(changed)))["Serve"].there


def test_an_invalid_policy_is_replaced_and_so_are_several() -> None:
    invalid = setup(check({FETCH: fetched("version: STSv1\n")}))
    assert "replaces what is there: no mode" in told(steps(invalid)["Serve"])
    several = setup(check({FETCH: fetched(body(MX1), body(MX2))}))
    assert "replaces 2 different files" in told(steps(several)["Serve"])
    for plan in (invalid, several):
        assert mta_sts.parse_policy(plan.policy)[0] == mta_sts.Policy("testing", 86_400, (MX1, MX2))


# --------------------------------------------------------------------------------------------------------
# MXs.


def test_a_domain_without_mx_is_its_own() -> None:
    plan = setup(
        looked({DOMAIN: MxFacts(status="none")}).model_copy(update={"observations": implicit(host("192.0.2.1"))})
    )
    assert plan.mx == (DOMAIN,)


def implicit(own: Facts, mx: Facts | None = None) -> Any:
    """Return the observations of a domain without MX records that has this address itself."""
    [seen] = [one for one in check().observations if one.kind == "mx"]
    return (
        seen.model_copy(update={"facts": mx or MxFacts(status="none")}),
        seen.model_copy(update={"facts": own}),
    )


NULL_MX = MxFacts(status="found", hosts=(Mx(preference=0, host=""),))


@pytest.mark.parametrize(
    ("mx", "own", "words"),
    [
        (NULL_MX, host("192.0.2.1"), "receives no mail"),
        (MxFacts(status="none"), host(), "receives no mail"),
        (MxFacts(status="none"), host(a=FAILED, aaaa=NONE), "its addresses cannot be read: SERVFAIL"),
        (MxFacts(status="no-name"), host(), "does not exist in DNS"),
        (MxFacts(status="failed", reason="SERVFAIL"), host(), "cannot be read: SERVFAIL"),
        (MxFacts(status="bogus", reason="signature expired"), host(), "cannot be read: signature expired"),
        (MxFacts(status="found", hosts=(Mx(preference=0, host=MX1),), dropped=30), host(), "31 MX records: too many"),
    ],
)
def test_without_known_mxs_there_is_nothing_to_set_up(mx: MxFacts, own: Facts, words: str) -> None:
    seen = check().model_copy(update={"observations": implicit(own, mx)})
    with pytest.raises(NothingToSetUpError, match=words):
        setup(seen)


def test_without_a_look_at_mxs_there_is_nothing_to_set_up() -> None:
    with pytest.raises(NothingToSetUpError, match="not looked at"):
        setup(looked({DOMAIN: None}))


def test_an_mx_of_several_preferences_is_listed_once() -> None:
    hosts = (Mx(preference=10, host=MX1), Mx(preference=20, host=MX1))
    assert setup(looked({DOMAIN: MxFacts(status="found", hosts=hosts)})).mx == (MX1,)


ODD = [
    "mx\\032one.example.com",
    "mx\x1b[2j.example.com",
    "a.example\nmode: none",
    'mx".example.com',
    "*.example.com",
    "192.0.2.1",
    "2001:db8::1",
    "mx_1.example.com",
    "-mx.example.com",
    "mx..example.com",
    "mx.bücher.example",
    f"{'a' * 64}.example.com",
    "example.com;}",
    "a." * 130 + "example",
]


@pytest.mark.parametrize("odd", ODD)
def test_an_mx_that_is_no_host_name_stops_everything(odd: str) -> None:
    hosts = (Mx(preference=10, host=MX1), Mx(preference=20, host=odd))
    with pytest.raises(NothingToSetUpError, match="is no host name"):
        setup(looked({DOMAIN: MxFacts(status="found", hosts=hosts)}))


@pytest.mark.parametrize("odd", [*ODD, "", ".", "example.com.", "a" * 60 + ".b" * 92])
def test_a_domain_that_has_no_room_for_records_or_is_none_is_refused(odd: str) -> None:
    with pytest.raises(NothingToSetUpError, match="no room for these records, or is no domain"):
        setup(named(odd))


def test_a_domain_with_letters_of_its_own_is_published_in_a_labels(capsys: pytest.CaptureFixture[str]) -> None:
    seen = named("xn--mnchen-3ya.example")
    plan = setup(seen)
    assert set(records(plan.zone)) == {
        ("_smtp._tls.xn--mnchen-3ya.example", "TXT"),
        ("_mta-sts.xn--mnchen-3ya.example", "TXT"),
    }
    say(seen, plan)
    assert "xn--mnchen-3ya.example (münchen.example): what to publish" in capsys.readouterr().out


# --------------------------------------------------------------------------------------------------------
# What was asked for.


@pytest.mark.parametrize(
    "ruas",
    [["mailto:a@example.com"], ["https://reports.example/tls?a=1"], ["mailto:a@example.com", "https://r.example/"]],
)
def test_reports_go_where_they_are_wanted(ruas: list[str]) -> None:
    [published] = records(setup(looked(), ruas).zone)[TLSRPT, "TXT"]
    found, _ = record.parse([published])
    assert found == record.TlsrptRecord(tuple(ruas))


def test_reports_by_https_only_miss_some() -> None:
    step = steps(setup(looked(), ["https://reports.example/tls"]))["Ask"]
    assert "Not all of them can" in told(step)
    assert "mail one a day" in told(steps(setup(looked(), ["https://r.example/", "MAILTO:a@example.com"]))["Ask"])


@pytest.mark.parametrize(
    ("rua", "words"),
    [
        ("reports@example.com", "has no scheme"),
        ("ftp://example.com/", "neither mailto: nor https:"),
        ("mailto:nobody", "no proper mail address"),
        ("mailto:a@example.com\n", "."),
        ('mailto:"a"@example.com', "is not a URI"),
    ],
)
def test_reports_cannot_go_where_nobody_sends_them(rua: str, words: str) -> None:
    for seen in (looked(), check()):
        with pytest.raises(ValueError, match=words):
            setup(seen, [rua])


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"max_age": mta_sts.MAX_AGE + 1}, "is over 31557600"),
        ({"max_age": -1}, "is not 1 to 10 digits"),
        ({"mode": "strict"}, "no mode"),
        ({"mode": "testing\r\nmx: evil.example"}, "blanks around it, or of more than one line"),
    ],
)
def test_a_policy_that_cannot_be_published_is_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        setup(looked(), **choices)


@pytest.mark.parametrize(
    ("web", "expected"),
    [
        (["WWW.example.net."], {"CNAME": ["www.example.net."]}),
        (["192.0.2.5"], {"A": ["192.0.2.5"]}),
        (["2001:DB8:0::5", "192.0.2.5", "192.0.2.5"], {"AAAA": ["2001:db8::5"], "A": ["192.0.2.5"]}),
    ],
)
def test_the_policy_host_is_led_to_the_web_server(web: list[str], expected: dict[str, list[str]]) -> None:
    plan = setup(looked(), web=web)
    found = records(plan.zone)
    assert {kind: data for (name, kind), data in found.items() if name == POLICY_HOST} == expected
    assert [step.title.partition(" ")[0] for step in plan.steps] == ["Ask", "Lead", "Serve", "Announce", "Look"]
    assert steps(plan)["Lead"].text in plan.zone
    assert "no address yet" not in told(steps(plan)["Serve"])


def test_a_policy_host_that_leads_there_already_is_left_alone_and_another_is_replaced() -> None:
    seen = looked({POLICY_HOST: host("192.0.2.80", "2001:db8::80")})
    there = setup(seen, web=["2001:db8:0::80", "192.0.2.80"])
    assert steps(there)["Lead"].there == f"{POLICY_HOST}: 192.0.2.80, 2001:db8::80"
    assert not any(name == POLICY_HOST for name, _ in records(there.zone))
    other = steps(setup(seen, web=["www.example.net"]))["Lead"]
    assert told(other) == "It replaces what is there: 192.0.2.80, 2001:db8::80."
    alias = host("192.0.2.80", a=Answer(status="found", cnames=("www.example.net", "cdn.example.net")))
    assert steps(setup(looked({POLICY_HOST: alias}), web=["www.example.net"]))["Lead"].there
    failed = steps(setup(looked({POLICY_HOST: host(a=FAILED)}), web=["www.example.net"]))["Lead"]
    assert "cannot be read (SERVFAIL)" in told(failed)


@pytest.mark.parametrize(
    ("web", "words"),
    [
        (["www.example.net", "192.0.2.5"], "nothing stands beside a CNAME"),
        (["a.example.net", "b.example.net"], "nothing stands beside a CNAME"),
        (["a.example.net", "a.example.net"], "nothing stands beside a CNAME"),
        ([POLICY_HOST], "cannot be led to itself"),
        (["fe80::1%eth0"], "neither an address nor a host name"),
        (["192.0.2.999"], "neither an address nor a host name"),
        *(([odd], "neither an address nor a host name") for odd in ("", "a b", "a.\n", "x;y", "*.a.example", "bücher")),
    ],
)
def test_a_policy_host_is_not_led_to_what_is_no_web_server(web: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        setup(looked(), web=web)


# --------------------------------------------------------------------------------------------------------
# Records.


@pytest.mark.parametrize("text", ["", "short", "x" * 255, "x" * 256, "y" * 1_000, 'a"b\\c;d$e(f)' * 60, '"' * 255])
def test_a_txt_record_is_read_back_whatever_its_length(text: str) -> None:
    if text:
        assert records(txt_line("t.example", text))["t.example", "TXT"] == [text]


def test_many_destinations_make_several_strings_that_are_one_record() -> None:
    ruas = [f"mailto:reports-{number}@example.com" for number in range(20)]
    plan = setup(looked(), ruas)
    assert steps(plan)["Ask"].text.count('" "') == 2
    [published] = records(plan.zone)[TLSRPT, "TXT"]
    assert record.parse([published])[0] == record.TlsrptRecord(tuple(ruas))


# --------------------------------------------------------------------------------------------------------
# What is said and written.


def test_what_is_to_be_copied_is_said_whole(capsys: pytest.CaptureFixture[str]) -> None:
    seen = looked()
    plan = setup(seen, [f"mailto:reports-{number}@example.com" for number in range(200)], web=["192.0.2.5"])
    say(seen, plan)
    lines = capsys.readouterr().out.splitlines()
    for step in plan.steps:
        for line in step.text.splitlines():
            assert line in lines
    headings = [line for line in lines if line[:1].isdigit()]
    assert headings == [f"{number}. {step.title}" for number, step in enumerate(plan.steps, start=1)]


def test_words_of_strangers_do_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]0;T\x07\x9b2J\u202e"
    seen = looked(
        {
            TLSRPT: txt("tlsrpt-record", f"v=TLSRPTv1; rua={evil}"),
            MTA_STS: txt("mta-sts-record", f"v=STSv1; id={evil}", cnames=(evil,)),
            FETCH: fetched(f"version: STSv1\nmode: {evil}\n"),
        }
    )
    plan = setup(seen)
    assert evil not in plan.zone + plan.policy
    say(seen, plan)
    assert frozenset(capsys.readouterr().out).isdisjoint(evil[:1] + "\x07\x9b\u202e")


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_files_are_laid_out_and_a_second_time_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    plan = setup(looked(), web=["192.0.2.5"])
    assert len(write(plan, folder)) == 4
    root = str(folder / "www")
    assert everything(folder) == {
        "www/.well-known/mta-sts.txt": plan.policy.encode(),
        "records.zone": plan.zone.encode(),
        "nginx.conf": nginx(DOMAIN, root).encode(),
        "Caddyfile": caddy(DOMAIN, root).encode(),
    }
    assert write(plan, folder) == []
    (folder / "nginx.conf").unlink()
    assert write(plan, folder) == [folder / "nginx.conf"]


def test_a_zone_without_records_is_one_too(tmp_path: Path) -> None:
    write(setup(check()), tmp_path)
    assert records((tmp_path / "records.zone").read_text()) == {}


@pytest.mark.parametrize("name", ["www/.well-known/mta-sts.txt", "records.zone", "nginx.conf", "Caddyfile"])
@pytest.mark.parametrize("kind", ["file", "folder", "link", "link to nothing"])
def test_what_is_there_already_stops_everything_before_it_is_written(tmp_path: Path, name: str, kind: str) -> None:
    folder, other = tmp_path / "out", tmp_path / "other"
    plan = setup(looked())
    there = folder / name
    there.parent.mkdir(parents=True)
    if kind == "file":
        there.write_text("mine")
    elif kind == "folder":
        there.mkdir()
    else:
        there.symlink_to(other)
    if kind == "link":
        write(plan, tmp_path / "same")
        other.write_bytes((tmp_path / "same" / name).read_bytes())
    before = everything(folder)
    with pytest.raises(SourceError, match=f"{name} is there already"):
        write(plan, folder)
    assert everything(folder) == before
    assert other.exists() == (kind == "link")


@pytest.mark.parametrize("name", ["file", "file/below", "x" * 300])
def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SourceError, match=r"^\S+: [A-Z][a-z ]+$"):
        write(setup(looked()), tmp_path / name)


@pytest.mark.parametrize("name", ['a"b', "$document_root", "{env.HOME}", "a\\b", "a\nb", "a\udcff"])
def test_a_folder_that_a_web_server_would_take_for_something_else_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="choose another name"):
        write(setup(looked()), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------------------------------------
# Web servers, the real ones.

NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{site}
}}
"""
CADDY = """\
{{
	admin off
	auto_https off
}}
{site}
"""


def found(program: str) -> str:
    """Return where a web server is; without it the test is skipped, or fails where servers are required."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None and os.environ.get("REQUIRE_SERVERS") == "1":
        pytest.fail(f"{program} is not installed, and REQUIRE_SERVERS is 1")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


@contextmanager
def running(command: list[str], ready: str) -> Iterator[None]:
    """Run a server, from when it says that it is ready."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if ready in line:
                    break
            else:
                pytest.fail("".join(said))
            yield
        finally:
            process.kill()


def free_port(address: str) -> int:
    with socket.socket() as taken:
        taken.bind((address, 0))
        port: int = taken.getsockname()[1]
        return port


def status(address: str, port: int, path: str) -> str:
    """Return the status line for a path of the policy host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address, port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=POLICY_HOST) as secure,
    ):
        secure.sendall(f"GET {path} HTTP/1.1\r\nHost: {POLICY_HOST}\r\nConnection: close\r\n\r\n".encode())
        return secure.makefile("rb").readline().decode().strip()


def laid_out(folder: Path) -> tuple[Setup, Authority, Path]:
    """Return a plan, written below a folder with a blank in its name, and a certificate for its policy host."""
    plan = setup(looked())
    write(plan, folder / "of mail")
    (folder / "of mail/www/other.txt").write_text("not for everybody")
    authority = Authority()
    certificate = folder / "certificate.pem"
    certificate.write_bytes(pem(shown("good", POLICY_HOST, authority)))
    return plan, authority, certificate


async def assert_serves(plan: Setup, authority: Authority, folder: Path, address: str, port: int) -> None:
    ca_file = authority.write(folder)
    facts, _ = await fetch(POLICY_HOST, address, Settings(https_port=port, ca_file=ca_file), Trust(ca_file))
    assert facts.outcome == "fetched", facts.reason
    assert facts.content_type == "text/plain"
    assert facts.bodies == (plan.policy,)
    seen = looked({POLICY_HOST: host(address), f"{POLICY_HOST} [{address}]": facts})
    assert steps(setup(seen))["Serve"].there
    for path in ("/", "/other.txt", "/.well-known/", "/.well-known/mta-sts.txt/", "/.well-known/mta-sts.txt.bak"):
        assert status(address, port, path).startswith("HTTP/1.1 404"), path


async def test_nginx_serves_the_policy_and_nothing_else(tmp_path: Path) -> None:
    program = found("nginx")
    plan, authority, certificate = laid_out(tmp_path)
    address = "127.0.13.1"
    port = free_port(address)
    site = (tmp_path / "of mail/nginx.conf").read_text()
    for line, instead in {
        "listen 443 ssl;": f"listen {address}:{port} ssl;",
        "listen [::]:443 ssl;": "",
        f"/etc/letsencrypt/live/{POLICY_HOST}/fullchain.pem": str(certificate),
        f"/etc/letsencrypt/live/{POLICY_HOST}/privkey.pem": str(certificate),
    }.items():
        assert site.count(line) == 1
        site = site.replace(line, instead)
    whole = tmp_path / "whole.conf"
    whole.write_text(NGINX.format(folder=tmp_path, site=site))
    command = [program, "-p", str(tmp_path), "-e", "stderr", "-c", str(whole)]
    with running(command, "event method"):  # said when it listens
        await assert_serves(plan, authority, tmp_path, address, port)


def test_caddy_takes_the_file_as_it_is(tmp_path: Path) -> None:
    program = found("caddy")
    laid_out(tmp_path)
    command = [program, "validate", "--config", str(tmp_path / "of mail/Caddyfile")]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


async def test_caddy_serves_the_policy_and_nothing_else(tmp_path: Path) -> None:
    program = found("caddy")
    plan, authority, certificate = laid_out(tmp_path)
    address = "127.0.13.2"
    port = free_port(address)
    site = (tmp_path / "of mail/Caddyfile").read_text()
    head = f"\n{POLICY_HOST} {{\n"
    assert site.count(head) == 1
    site = site.replace(
        head, f"\nhttps://{POLICY_HOST}:{port} {{\n\tbind {address}\n\ttls {certificate} {certificate}\n"
    )
    whole = tmp_path / "Caddyfile"
    whole.write_text(CADDY.format(site=site))
    with running([program, "run", "--config", str(whole)], "serving initial configuration"):
        await assert_serves(plan, authority, tmp_path, address, port)
