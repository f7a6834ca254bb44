"""The next step: given when it is due and not before, with what to publish, what to watch, and the way back."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from histories import DAY, DOMAIN, GOOGLE, HERON, MICROSOFT, NOW, WINDOW, Desk, changed, fails, history, judged

from tlsrpt.enforce.evidence import Answer
from tlsrpt.enforce.planning import LADDER, Plan, plan
from tlsrpt.enforce.verdict import judge
from tlsrpt.mta_sts import parse_policy

if TYPE_CHECKING:
    from pathlib import Path

    from histories import History


def planned(told: History, max_age: int | None = None) -> Plan:
    return plan(judged(told), max_age)


def planned_move(told: History, on: date) -> Plan:
    """Return the plan for a domain whose operator says that a change comes on a day."""
    judgement = judged(told)
    answer = Answer(
        DOMAIN, "C42", answer=False, note="provider moves", name="me", on_day=on, recorded_at=NOW - timedelta(days=1)
    )
    evidence = judgement.evidence.__class__(**{**vars_of(judgement.evidence), "answers": (answer,)})
    return plan(judge(evidence))


def vars_of(evidence: Any) -> dict[str, Any]:
    return {name: getattr(evidence, name) for name in evidence.__dataclass_fields__}


def needs(found: Plan) -> dict[str, str]:
    return {need.what: need.state for need in found.needs}


ENFORCED = history(
    mode="enforce",
    max_age=604_800,
    left=80,
    looks=range(30, -1, -1),
    days=[ago for ago in range(1, 28) if ago % 7 != 4],
    sessions=2_400,
)


# Due and not due


def test_a_ready_domain_is_told_the_exact_policy_and_record() -> None:
    found = planned(history())
    assert (found.step, found.due) == ("switch", True)
    assert found.way is not None
    policy, lints = parse_policy(found.way.policy)
    assert policy is not None
    assert (policy.mode, policy.max_age, policy.mx) == ("enforce", 604_800, ("mx1.example.com", "mx2.example.com"))
    assert lints == ()
    assert found.way.record == f'_mta-sts.{DOMAIN}. 3600 IN TXT "v=STSv1; id=20260520T120000"\n'


def test_the_file_comes_before_the_record_and_is_looked_at_in_between() -> None:
    way = planned(history()).way
    assert way is not None
    texts = [step.text for step in way.steps]
    places = [next(n for n, text in enumerate(texts) if word in text) for word in ("mode:", "tlsrpt check", "v=STSv1")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("told", "step", "words"),
    [
        (history(mx2="expired"), "mend", "Renew the certificate of mx2.example.com"),
        (history(sessions=80), "wait", "Wait for more"),
        (history(failures=[fails(HERON)]), "acknowledge", "tlsrpt acknowledge example.com"),
        (history(looks=()), "wait", "nobody looked at the domain yet"),
        (history(looks=(), sessions=0), "set up", "tlsrpt setup example.com"),
    ],
    ids=["not ready", "too little", "a warning", "never looked at", "nothing known"],
)
def test_what_is_not_due_is_not_offered(told: History, step: str, words: str) -> None:
    found = planned(told)
    assert found.step == step
    assert words in found.headline
    assert found.way is None
    assert found.due is (step == "set up")


def test_the_first_max_age_in_enforce_is_a_week_at_most() -> None:
    assert planned(history(), LADDER[1]).due
    refused = planned(history(), LADDER[2])
    assert not refused.due
    assert "604,800 at most" in refused.headline


@pytest.mark.parametrize("max_age", [0, -1, 31_557_600])
def test_a_max_age_that_senders_take_otherwise_is_refused(max_age: int) -> None:
    with pytest.raises(ValueError, match="not between 1 and"):
        planned(history(), max_age)


def test_a_switch_waits_for_a_move_within_the_life_of_the_policy() -> None:
    assert not planned_move(history(), DAY + timedelta(days=5)).due
    assert "2026-05-25" in planned_move(history(), DAY + timedelta(days=5)).headline
    assert planned_move(history(), DAY + timedelta(days=30)).due


def test_an_id_is_never_one_that_stood_there_before() -> None:
    told = history().since(3, id="20260520T120000")
    way = planned(told).way
    assert way is not None
    assert "id=20260520T120001" in way.record
    assert planned(told).rollback is not None


# The ladder


def test_max_age_is_raised_a_rung_when_everything_holds() -> None:
    told = ENFORCED.but(answers={"C40": True})
    found = planned(told)
    assert found.step in {"raise", "watch"}
    assert needs(found)["one rung at a time"] == "PASS"
    assert needs(found)["long enough on this rung"] == "PASS"
    assert needs(found)["C40 way back rehearsed"] == "PASS"
    missing = {what for what, state in needs(found).items() if state != "PASS"}
    assert missing <= {"a renewal in enforce"}
    assert found.due is (missing == set())


@pytest.mark.parametrize(
    ("told", "max_age", "what"),
    [
        (ENFORCED, LADDER[3], "one rung at a time"),
        (ENFORCED, None, "C40 way back rehearsed"),
        (ENFORCED.but(looks=range(5, -1, -1)), None, "long enough on this rung"),
        (ENFORCED.since(9, policy_host="http-status").since(7, policy_host="good"), None, "policy host there"),
        (ENFORCED.since(9, mx2="wrong-name").since(7, mx2="good"), None, "good at every look since"),
    ],
    ids=["two rungs", "never rehearsed", "too early", "policy host away", "an MX that failed"],
)
def test_max_age_is_not_raised_before_its_time(told: History, max_age: int | None, what: str) -> None:
    found = planned(told, max_age)
    assert not found.due
    assert needs(found)[what] != "PASS"


def test_max_age_is_lowered_at_once_before_a_move() -> None:
    found = planned(ENFORCED, LADDER[0])
    assert found.due
    assert found.way is not None
    assert "max_age: 86400\r\n" in found.way.policy
    assert "mode: enforce" in found.way.policy


def test_a_month_is_a_sensible_end() -> None:
    found = planned(ENFORCED.but(max_age=LADDER[2]))
    assert (found.step, found.due) == ("watch", False)
    assert "nothing to raise" in found.headline


# After the switch


def test_the_watch_tells_who_sees_enforce_and_what_is_new() -> None:
    told = history(
        days=(1, 2, 3, *[ago for ago in WINDOW if ago > 3]), looks=range(16, -1, -1), failures=[fails(GOOGLE, 2, 3)]
    ).since(5, id="B", mode="enforce", max_age=604_800)
    watched = {need.what: need for need in planned(told).watch}
    assert watched["senders see enforce"].state == "PASS"
    assert watched[GOOGLE].reason.startswith("first under enforce on")
    assert "new since the switch" in watched["certificate-host-mismatch at mx2.example.com"].reason


def test_going_back_is_told_when_a_large_sender_fails_for_days_and_nothing_quick_mends_it() -> None:
    broken = [fails(GOOGLE, ago, 6, "validation-failure", "mx2", "handshake_failure") for ago in (2, 3, 5)]
    told = history(failures=broken).since(8, id="B", mode="enforce", max_age=604_800)
    found = planned(told)
    assert (found.step, found.due) == ("go back", True)
    assert found.way is not None
    assert "mode: testing" in found.way.policy


def test_a_certificate_is_mended_rather_than_the_policy_taken_back() -> None:
    told = history(mx2="expired", failures=[fails(GOOGLE, ago, 6, "certificate-expired") for ago in (2, 3)]).since(
        8, id="B", mode="enforce", max_age=604_800, mx2="expired"
    )
    found = planned(told)
    assert found.step == "mend"
    assert found.headline.startswith("Mend it now")
    assert found.rollback is not None


# The way back, and off


def test_the_way_back_keeps_the_mxs_and_has_an_id_of_its_own() -> None:
    found = planned(ENFORCED)
    assert found.rollback is not None
    policy, _ = parse_policy(found.rollback.policy)
    assert policy is not None
    assert (policy.mode, policy.max_age) == ("testing", 86_400)
    assert policy.mx == ("mx1.example.com", "mx2.example.com")
    assert "back" in found.rollback.record


def test_the_worst_time_of_a_way_back_counts_what_is_about_to_be_published() -> None:
    found = planned(history())
    assert found.rollback is not None
    assert found.rollback.times.worst == NOW + timedelta(seconds=604_800)
    assert found.rollback.times.typical == NOW + timedelta(hours=24)


def test_removal_waits_for_every_policy_that_was_served() -> None:
    found = planned(ENFORCED)
    assert found.removal is not None
    policy, _ = parse_policy(found.removal.policy)
    assert policy is not None
    assert policy.mode == "none"
    assert policy.mx
    assert found.removal.times.worst == NOW + timedelta(days=7)
    assert f"{NOW + timedelta(days=7):%Y-%m-%d}" in found.removal.steps[-1].title


def test_who_holds_a_policy_sees_a_change_when_that_runs_out() -> None:
    rows = {one.organization: one for one in planned(ENFORCED).holders}
    assert rows[GOOGLE].mode == "enforce"
    assert rows[GOOGLE].max_age == 604_800
    assert rows[GOOGLE].latest == NOW + timedelta(days=7)


# Mistakes


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (ENFORCED.but(facts={"_smtp._tls.@": changed(status="none", records=())}), "enforce-without-tlsrpt"),
        (history(max_age=2_592_000), "max-age-long-in-testing"),
        (ENFORCED.but(max_age=3_600), "max-age-short-in-enforce"),
        (history(mx=("mx1", "mx2", "mx3"), policy_mx=("mx1", "mx2")), "mx-missing"),
        (history(max_age=604_800).since(3, max_age=86_400), "id-not-changed"),
        (history(left=2), "certificate-ending"),
        (ENFORCED.but(left=5), "certificate-ends-within-max-age"),
    ],
)
def test_mistakes_that_guides_warn_of_are_found_by_name(told: History, name: str) -> None:
    assert name in {one.name for one in planned(told).mistakes}


def test_a_good_domain_makes_none_of_them() -> None:
    assert planned(history()).mistakes == ()


# The command


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("planning")).load(
        history(domain="ready.example"), history(domain="bad.example", mx2="expired")
    )


def run(desk: Desk, *words: str) -> Any:
    return desk.run("plan", *words, "--as-of", "2026-05-20T12:00")


def test_files_are_laid_out_with_the_way_back_beside_them(desk: Desk, tmp_path: Path) -> None:
    done = run(desk, "ready.example", "--write", str(tmp_path / "out"))
    assert done.status == 0
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    policy = "www/.well-known/mta-sts.txt"
    assert files == {policy, "records.zone", f"rollback/{policy}", "rollback/records.zone"}
    assert "mode: enforce\r\n" in (tmp_path / "out" / policy).read_bytes().decode()
    assert "mode: testing\r\n" in (tmp_path / "out" / "rollback" / policy).read_bytes().decode()


def test_nothing_is_written_for_a_step_that_is_not_due(desk: Desk, tmp_path: Path) -> None:
    done = run(desk, "bad.example", "--write", str(tmp_path / "out"))
    assert done.status == 1
    assert not (tmp_path / "out").exists()


def test_the_way_back_is_there_at_any_time(desk: Desk, tmp_path: Path) -> None:
    done = run(desk, "bad.example", "--rollback", "--write", str(tmp_path / "out"))
    assert done.status == 0
    assert "mode: testing" in done.out
    assert "Worst" in done.out
    assert (tmp_path / "out" / "records.zone").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--rollback", "--remove"),
        ("--rollback", "--mode", "enforce"),
        ("--remove", "--max-age", "604800"),
        ("--add-mx", "mx9.ready.example", "--write", "out"),
    ],
)
def test_options_that_ask_for_different_things_are_refused(desk: Desk, words: tuple[str, ...]) -> None:
    done = run(desk, "ready.example", *words)
    assert done.status == 2
    assert words[0] in done.err


def test_no_way_back_is_made_of_what_nobody_looked_at(tmp_path: Path) -> None:
    done = run(Desk(tmp_path).load(history(domain="ready.example", looks=())), "ready.example", "--rollback")
    assert done.status == 1
    assert "no look has seen the policy" in done.err


def test_a_short_max_age_that_is_asked_for_is_named_as_a_mistake(desk: Desk) -> None:
    done = run(desk, "ready.example", "--max-age", "5")
    assert "max-age-short-in-enforce: max_age 5 s in enforce" in done.out


def test_what_is_to_be_copied_is_not_broken(desk: Desk) -> None:
    done = run(desk, "ready.example")
    assert '   _mta-sts.ready.example. 3600 IN TXT "v=STSv1; id=20260520T120000"\n' in done.out
    assert all(line in done.out for line in ("   version: STSv1\n", "   mode: enforce\n", "   max_age: 604800\n"))


def test_a_plan_as_json_has_everything(desk: Desk) -> None:
    found = json.loads(run(desk, "ready.example", "--format", "json").out)
    assert found["due"] is True
    assert found["way"]["policy"].startswith("version: STSv1\r\n")
    assert found["rollback"]["times"]["worst"] == "2026-05-27T12:00:00Z"
    assert {one["organization"] for one in found["holders"]} >= {GOOGLE, MICROSOFT}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--mode", "enforce"], 0),
        (["--mode", "enforce", "--add-mx", "*.ready.example"], 3),
        (["--mode", "enforce", "--drop-mx", "mx2.ready.example"], 5),
    ],
)
def test_a_draft_ends_with_the_status_of_its_outcome(desk: Desk, words: list[str], status: int) -> None:
    assert run(desk, "ready.example", *words).status == status


def test_a_draft_comes_from_a_file_and_a_bad_one_is_told_by_line(desk: Desk, tmp_path: Path) -> None:
    draft = tmp_path / "draft.txt"
    draft.write_text("version: STSv1\nmode: Enforce\nmx: mx1.ready.example\nmax_age: 604800\n")
    done = run(desk, "ready.example", "--what-if", str(draft))
    assert done.status == 5
    assert "no mode" in done.out
    assert run(desk, "ready.example", "--what-if", str(tmp_path / "none")).status == 1
