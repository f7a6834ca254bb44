"""Every result type and cause has its page, whole; commands are safe to paste; `explain` finds each."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from click.testing import CliRunner
from forked import run as run_program
from hypothesis import example, given
from hypothesis import strategies as st
from stories import POISONS

from tlsrpt.advice import ADVICE
from tlsrpt.cause import POLICY_TYPES, RESULT_TYPES, classify
from tlsrpt.knowledge import EXPLANATIONS, FAULTS, IMPACTS, commands, explain, markdown
from tui.cli import program

PAGE = Path(__file__).parent.parent / "docs" / "causes.md"
PROGRAMS = {"openssl", "curl", "dig", "delv", "posttls-finger", "nc", "od", "head", "printf", "tlsrpt"}
REASONS = (
    None,
    "mtasts-policy-mx-mismatch",
    "MX not authorized by policy.",
    "io-timeout-during-handshake",
    "CERT_HAS_EXPIRED",
    "hostname mismatch",
    "self-signed certificate",
    "handshake_failure",
    "TLSA record does not match",
    "VALIDATION_FAILURE",
)
# Causes that no result type names, each with a reason that leads to it; views.sql makes "unclassified".
DERIVED = {
    "mx-not-in-policy": "mtasts-policy-mx-mismatch",
    "transient": "io-timeout-during-handshake",
    "tls-negotiation": "handshake_failure",
    "unexplained": None,
}
UNNAMED = {"unclassified", "unknown"}
STRANGE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
HOSTILE = ("$(reboot)", "a;b", "`id`", "-oProxyCommand=x", "a b", "../x", "a\nb", "ip:$(id)", "ip:1;id", "{mx}", "'")
DOMAIN, MX = "example.org", "mx1.example.org"


class Ended(NamedTuple):
    status: int
    out: str
    err: str


def run(*arguments: str) -> Ended:
    """Run `explain` in this process, as `main` does."""
    done = CliRunner().invoke(program, ["explain", *arguments], standalone_mode=False)
    if isinstance(done.exception, click.ClickException):
        return Ended(done.exception.exit_code, done.stdout, done.exception.format_message())
    if done.exception is not None:
        raise done.exception
    return Ended(done.return_value, done.stdout, done.stderr)


def really(*arguments: str) -> Ended:
    """Run the real program."""
    ended = run_program("explain", *arguments, fresh=True, environment={"PYTHONUTF8": "1"})
    return Ended(ended.status, ended.out.decode(), ended.err.decode())


def tokens(command: str) -> list[str]:
    """Return the words and operators that a shell reads in a command."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def programs(command: str) -> set[str]:
    """Return what a command starts."""
    words = tokens(command)
    return {words[0], *(after for before, after in itertools.pairwise(words) if before in {";", "|", "&&", "||"})}


# The texts


def test_every_cause_that_a_report_can_lead_to_has_a_page() -> None:
    causes = {
        classify(policy_type, result_type, reason, MX, ("mx1.example.org",)).cause
        for policy_type in POLICY_TYPES
        for result_type in RESULT_TYPES
        for reason in REASONS
    }
    assert causes >= set(DERIVED)
    assert causes | RESULT_TYPES | UNNAMED <= set(EXPLANATIONS)


def test_no_page_is_about_a_cause_that_does_not_exist() -> None:
    assert set(EXPLANATIONS) == RESULT_TYPES | set(DERIVED) | UNNAMED


@pytest.mark.parametrize("cause", sorted(RESULT_TYPES - {"validation-failure"}) + sorted(DERIVED))
def test_a_page_says_of_enforce_what_is_counted(cause: str) -> None:
    result_type, reason = ("validation-failure", DERIVED[cause]) if cause in DERIVED else (cause, None)
    assert explain(cause).impact == classify("sts", result_type, reason, None, ()).impact


@pytest.mark.parametrize("cause", [*EXPLANATIONS, "never-heard-of"])
def test_every_page_has_each_of_its_parts(cause: str) -> None:
    about = explain(cause)
    assert about.act in {"act", "wait", "not yours"}
    assert about.fault in FAULTS
    assert about.impact in IMPACTS
    assert not about.title.endswith(".")
    for text in (about.advice, about.meaning, about.enforce, about.sender, about.fix, about.beware):
        assert text.endswith(".")
        assert "  " not in text
        assert "{" not in text
    assert all(about.causes)
    assert about.causes
    assert about.commands
    assert re.fullmatch(r"RFC \d{4}(?: [\d.]+)?(?:, RFC \d{4}(?: [\d.]+)?)*", about.rfc)


def test_titles_tell_causes_apart() -> None:
    assert len({about.title for about in EXPLANATIONS.values()}) == len(EXPLANATIONS)


def test_what_blocks_says_so_and_when_mail_comes_back() -> None:
    for about in EXPLANATIONS.values():
        assert about.enforce.startswith("Blocks") or about.impact != "would-block"
        assert ("RFC 5321 4.5.4.1" in about.sender) is (about.impact in {"would-block", "dane"})


PITFALLS = {
    "certificate-host-mismatch": "policy alone never mends",
    "certificate-expired": "usage 3",
    "sts-policy-fetch-error": "without curl -L",
    "validation-failure": "one cause of several",
}


@pytest.mark.parametrize("cause", PITFALLS)
def test_pitfalls_stand_on_the_pages_they_belong_to(cause: str) -> None:
    assert PITFALLS[cause] in explain(cause).beware


@pytest.mark.parametrize("cause", EXPLANATIONS)
def test_a_page_fits_a_small_terminal(cause: str) -> None:
    page = run(cause, "--domain", DOMAIN, "--mx", MX).out.partition("\n\n")[0]
    assert sum(-(-len(line) // 80) for line in page.splitlines()) <= 23


# The commands


@pytest.mark.parametrize("cause", [*EXPLANATIONS, "never-heard-of"])
@pytest.mark.parametrize(
    ("domain", "mx"), [(DOMAIN, MX), (DOMAIN, "ip:192.0.2.1"), (DOMAIN, "ip:2001:db8::1"), ("", "*")]
)
def test_every_command_starts_known_programs_and_is_filled_in(cause: str, domain: str, mx: str) -> None:
    for command in commands(explain(cause), domain, mx):
        assert programs(command) <= PROGRAMS
        assert "{" not in command
        # Of the addresses of a policy host, the command before lists which there are.
        left = {"$ADDRESS"} if "--resolve" in command else set()
        left |= set() if domain else {"$DOMAIN"}
        left |= set() if mx == MX else {"$MX"}
        assert set(re.findall(r"\$\w+", command)) <= left


def test_an_address_stands_in_brackets_only_where_a_port_follows() -> None:
    told = commands(explain("starttls-not-supported"), DOMAIN, "ip:2001:db8::1")
    assert told[0].endswith("nc -w 15 2001:db8::1 25")
    assert "-connect [2001:db8::1]:25" in commands(explain("transient"), DOMAIN, "ip:2001:db8::1")[0]


def test_a_policy_is_fetched_without_following_redirects_as_senders_do() -> None:
    fetches = [command for about in EXPLANATIONS.values() for command in about.commands if "curl" in command]
    assert fetches
    assert not any(re.search(r"curl .*(?: -\w*L|--location)", command) for command in fetches)


@pytest.mark.parametrize("cause", ["certificate-host-mismatch", "certificate-expired", "sts-webpki-invalid"])
def test_names_are_listed_where_openssl_would_fall_back_to_the_cn(cause: str) -> None:
    assert any("subjectAltName" in command for command in explain(cause).commands)


@given(st.text(), st.text())
@example("$(reboot)", "a;b")
@example("\N{KELVIN SIGN}", "\N{LATIN SMALL LETTER LONG S}")
@example("example.org", "ip:2001:db8::1")
def test_whatever_a_name_is_a_shell_reads_the_same_words(domain: str, mx: str) -> None:
    for about in EXPLANATIONS.values():
        for plain, filled in zip(commands(about, "", ""), commands(about, domain, mx), strict=True):
            assert len(tokens(filled)) == len(tokens(plain))
            assert programs(filled) == programs(plain)
            assert filled.count("$") <= plain.count("$")
            assert filled.isascii()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_not_put_in_at_all(name: str) -> None:
    for about in EXPLANATIONS.values():
        assert commands(about, name, name) == commands(about, "", "")


# The command `explain`


@pytest.mark.parametrize("cause", EXPLANATIONS)
@pytest.mark.parametrize("form", ["table", "json", "markdown"])
def test_explain_writes_the_page_of_every_cause(cause: str, form: str) -> None:
    status, out, err = run(cause, "--domain", DOMAIN, "--mx", MX, "--format", form)
    assert (status, err) == (0, "")
    about = explain(cause)
    if form == "json":
        page = json.loads(out)[0]
        assert page["name"] == cause
        assert page["causes"] == list(about.causes)
        assert page["commands"] == commands(about, DOMAIN, MX)
        assert (page["fault"], page["impact"]) == (about.fault, about.impact)
        return
    for command in commands(about, DOMAIN, MX):
        assert command in out.splitlines()  # whole, to be copied
    words = " ".join(out.replace("\\", "").split())
    for text in (about.title, about.advice, about.meaning, about.enforce, about.sender, about.fix, about.beware):
        assert text in words
    assert [words.index(f"{n}. {one}") for n, one in enumerate(about.causes, 1)] == sorted(
        words.index(f"{n}. {one}") for n, one in enumerate(about.causes, 1)
    )


@pytest.mark.parametrize("finding", ADVICE)
def test_explain_writes_the_page_of_every_finding(finding: str) -> None:
    status, out, _ = run(finding, "--domain", DOMAIN, "--mx", MX, "--format", "json")
    page: dict[str, Any] = json.loads(out)[-1]
    assert (status, page["kind"], page["name"]) == (0, "finding", finding)
    assert page["level"] == ADVICE[finding].level
    assert not re.search(r"[{}]|DOMAIN|HOST\b", page["remedy"])


def test_a_name_that_is_a_cause_and_a_finding_has_both_pages() -> None:
    kinds = [page["kind"] for page in json.loads(run("certificate-expired", "--format", "json").out)]
    assert kinds == ["cause", "finding"]
    assert run("certificate-expired").out.count("\n\n") == 1


def test_a_finding_about_the_policy_host_names_it() -> None:
    out = run("policy-host-none", "--domain", DOMAIN, "--mx", MX).out
    assert f"Give mta-sts.{DOMAIN} an address" in " ".join(out.split())


@pytest.mark.parametrize("name", ["TLSA-invalid", "tlsa_invalid", " tlsa-invalid "])
def test_letters_and_underscores_may_differ(name: str) -> None:
    assert run(name).out == run("tlsa-invalid").out != ""


def test_without_a_cause_all_are_listed_with_a_line_each() -> None:
    status, out, _ = run()
    assert status == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    for cause, about in EXPLANATIONS.items():
        assert about.title in lines[cause]
        assert f" {about.act} " in lines[cause]
        assert len(lines[cause]) <= 80
    rows = {row["cause"]: row for row in json.loads(run("--format", "json").out)}
    assert list(rows) == list(EXPLANATIONS)
    assert rows["tlsa-invalid"]["blocks"] == "already"
    assert rows["transient"]["blocks"] == "no"
    assert run("--format", "markdown").out.count("\n| ") == len(EXPLANATIONS) + 1


@pytest.mark.parametrize(
    ("word", "near"),
    [("certificate-expird", "certificate-expired"), ("expired", "certificate-expired"), ("startls", "starttls-")],
)
def test_a_word_that_is_near_a_name_is_told_it(word: str, near: str) -> None:
    status, out, err = run(word)
    assert (status, out) == (2, "")
    assert near in err.partition("near:")[2]


def test_a_word_that_is_near_nothing_is_told_where_names_are() -> None:
    status, _, err = run("q" * 100_000)
    assert status == 2
    assert err.endswith("tlsrpt explain lists the causes")
    assert len(err) < 1000


def test_an_address_and_a_name_in_other_letters_are_filled_in() -> None:
    assert "-connect [2001:db8::1]:25" in run("transient", "--mx", "[2001:DB8:0::1]").out
    out = run("sts-policy-invalid", "--domain", "BÜCHER.example.").out
    assert "https://mta-sts.xn--bcher-kva.example/" in out


@pytest.mark.parametrize("option", ["--domain", "--mx"])
@pytest.mark.parametrize(
    "name", ["$(reboot)", "a;b", "-oProxyCommand=x", "../x", "{domain}", "localhost", "fe80::1%$(reboot)"]
)
def test_what_can_be_no_name_is_refused(option: str, name: str) -> None:
    status, out, err = run("transient", f"{option}={name}")
    assert (status, out) == (2, "")
    assert err.startswith(name)


@pytest.mark.parametrize("arguments", [("{}",), ("transient", "--domain", "{}"), ("transient", "--mx", "{}")])
def test_words_of_strangers_are_shown_safely(arguments: tuple[str, ...]) -> None:
    poison = "".join(POISONS.values())
    status, out, err = really(*(argument.format(poison) for argument in arguments))
    assert (status, out) == (2, "")
    assert err.startswith("tlsrpt: ")
    assert not STRANGE.search(err.rstrip("\n"))


# docs/causes.md


def test_the_page_of_causes_is_that_of_the_code(*, update_goldens: bool) -> None:
    if update_goldens:
        PAGE.write_text(markdown(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == markdown()


def test_the_page_of_causes_has_a_section_for_each() -> None:
    assert re.findall(r"^## (.+)$", markdown(), re.MULTILINE) == list(EXPLANATIONS)
