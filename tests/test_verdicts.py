"""The vectors of the decision, V01 to V20, asked with the real command on reports and checks in a store.

All vectors are in one store, each as a domain of its own.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from histories import (
    DAY,
    DOMAIN,
    GOOGLE,
    HERON,
    MICROSOFT,
    NOW,
    ORGS,
    OSIER,
    WINDOW,
    Desk,
    Forged,
    Ready,
    Repair,
    changed,
    counted,
    fails,
    history,
    judged,
    moment,
    when,
)

from tlsrpt.published import Mx

if TYPE_CHECKING:
    from pathlib import Path

    from histories import History

STATUS = {
    "READY": 0,
    "IN_FORCE": 0,
    "N_A": 0,
    "READY_WITH_WARNINGS": 3,
    "INSUFFICIENT_EVIDENCE": 4,
    "NOT_READY": 5,
    "IN_FORCE_FAILING": 5,
}
MORNING = NOW.replace(hour=6)
THREE = ("mx1", "mx2", "mx3")
MISMATCH, FETCH = "certificate-host-mismatch", "sts-policy-fetch-error"


def dane_failure(org: str, ago: int, policy_domain: str) -> Any:
    rows = (fails(result_type="tlsa-invalid", mx="mx1"),)
    return counted("tlsa", 20, org, ago, rows=rows, policy_domain=policy_domain)


# The switch of V18 at 05:00 two days before DAY, and one organization that goes on with the policy of before.
SWITCHED = history(ttl=3_600, looks=range(16, -3, -1), days=(-1, 0, 1, *WINDOW), behind={HERON: 30}).since(
    2, id="B", mode="enforce", max_age=604_800
)
# The policy of V19 until five days before, when it was served for the last time, and the one since.
ENFORCED = history(
    ttl=3_600, mode="enforce", max_age=2_592_000, left=60, looks=(35, 20, 5, 5 - 1 / 1440, 4, 3, 2, 1, 0)
).since(5 - 1 / 1440, id="B", max_age=604_800)
TWENTY_DAYS = history(
    mode="enforce", max_age=604_800, left=80, looks=range(20, -1, -1), days=[ago for ago in range(1, 20) if ago != 4]
)

VECTORS: dict[str, History] = {
    "V01": history(),
    "V02": history(sessions=80),
    "V03": history(orgs=(GOOGLE,)),
    "V04": history(failures=[fails(GOOGLE, 3, 2), fails(GOOGLE, 6, 1)]),
    "V05": history(failures=[fails(HERON, 3, 1)]),
    "V06": history(failures=[fails(GOOGLE, 10, 12)]),
    "V07": history(mx2="expired"),
    "V08": history(mx1="timeout", mx2="timeout"),
    "V09": history(days=[ago for ago in WINDOW if ago > 6]),
    "V10": history(sessions=5_000, sees=dict.fromkeys(ORGS, "no-policy-found")),
    "V11": history(sessions=5_000, sees=dict.fromkeys(ORGS, "tlsa")),
    "V12": history(failures=[fails(MICROSOFT, ago, 2, FETCH, "") for ago in (3, 5, 7)]),
    "V13": history(
        looks=range(41, -1, -1), days=[ago for ago in range(2, 41) if ago % 7 != 4], sessions=3_300
    ).since(3, id="B", mx=THREE),
    "V14": history(others=[dane_failure(OSIER, 3, "@"), dane_failure(HERON, 5, "mx1.@")]),
    "V15-90": history(left=9, life=90),
    "V15-6.6": history(left=3, life=6.6),
    "V16-missing": history(),
    "V16-there": history(days=(1, *WINDOW), sessions=1_300),
    "V17-failing": history(forged=[Forged(300, failed=50)]),
    "V17-succeeding": history(sessions=80, forged=[Forged(300, successful=50, org=OSIER)]),
    "V17-revising": history(
        domain="v17-revising.example",
        failures=[fails(GOOGLE, 3, 2), fails(GOOGLE, 6, 1)],
        forged=[Forged(12, successful=51, org=GOOGLE, report_id="DAY_v17-revising.example@google.com")],
    ),
    "V18": SWITCHED,
    "V19": ENFORCED,
    "V20-free": TWENTY_DAYS,
    "V20-planned": TWENTY_DAYS,
}  # fmt: skip


def domain_of(vector: str) -> str:
    return f"{vector.lower().replace('.', '-')}.example"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    histories = [one.but(domain=domain_of(vector)) for vector, one in VECTORS.items()]
    return Desk(tmp_path_factory.mktemp("vectors")).load(*histories)


def asked(desk: Desk, vector: str, verdict: str, now: datetime = NOW, **states: str) -> Ready:
    """Return the verdict on a vector, which has to be this one, with its exit status and these states."""
    found = desk.ready(domain_of(vector), now)
    reasons = {one["criterion"]: (one["state"], one["reason"]) for one in found.told["criteria"]}
    assert found.verdict == verdict, reasons
    assert found.status == STATUS[verdict]
    assert {name: found.states[name] for name in states} == states, reasons
    if verdict == "READY":
        assert found.lowering == {}
    return found


def test_v01_two_weeks_four_organizations_1200_sessions_and_no_failure_are_ready(desk: Desk) -> None:
    found = asked(desk, "V01", "READY")
    assert found.told["evaluated"] == 1_200
    assert found.told["would_block"] == 0
    assert [one["state"] for one in found.told["conditions"]] == ["PASS", "PASS", "PASS"]
    assert {one["organization"] for one in found.told["holders"]} == set(ORGS)


def test_v02_eighty_sessions_are_too_few(desk: Desk) -> None:
    found = asked(desk, "V02", "INSUFFICIENT_EVIDENCE")
    assert found.lowering == {"C23": "UNKNOWN", "C25": "UNKNOWN"}


def test_v03_google_alone_is_too_little(desk: Desk) -> None:
    asked(desk, "V03", "INSUFFICIENT_EVIDENCE", C22="UNKNOWN", C23="PASS", C24="PASS")


def test_v04_a_name_mismatch_that_google_meets_on_two_days_of_the_last_seven_is_not_ready(desk: Desk) -> None:
    found = asked(desk, "V04", "NOT_READY", C24="FAIL", C26="PASS")
    assert "FAIL" not in {state for name, state in found.lowering.items() if name != "C24"}
    facts = found.criterion("C24")["facts"]
    assert [(fact["about"], fact["sessions"]) for fact in facts] == [(GOOGLE, 2), (GOOGLE, 1)]
    assert all(fact["report"] for fact in facts)
    assert "upper bound 0.64%" in found.criterion("C25")["facts"][0]["detail"]
    [series] = found.told["series"]
    assert (series["cause"], series["mx_key"], series["recurring"]) == (MISMATCH, f"mx2.{domain_of('V04')}", True)


def test_v05_one_session_that_did_not_fail_again_is_ready_with_warnings(desk: Desk) -> None:
    found = asked(desk, "V05", "READY_WITH_WARNINGS", C24="WARN", C25="PASS")
    assert found.lowering == {"C24": "WARN"}


def test_v06_failures_that_were_mended_leave_the_rate_once_the_fix_is_recorded(desk: Desk) -> None:
    before = asked(desk, "V06", "NOT_READY", C24="PASS", C25="FAIL", C05="PASS")
    assert before.lowering == {"C25": "FAIL"}
    assert "lower bound 0.58%" in before.criterion("C25")["facts"][0]["detail"]
    desk.fix(Repair(MISMATCH, "mx2", 9), domain_of("V06"))
    after = asked(desk, "V06", "READY", C24="PASS", C25="PASS")
    assert (after.told["would_block"], after.told["evaluated"]) == (0, 1_188)
    [series] = after.told["series"]
    assert series["status"] == "closed"
    # As of before it was recorded, the answer stays what it was.
    assert desk.ready(domain_of("V06"), when(9) - timedelta(hours=1)).told["fixes"] == []


def test_v07_an_expired_certificate_that_no_report_tells_of_is_not_ready(desk: Desk) -> None:
    found = asked(desk, "V07", "NOT_READY", C05="FAIL", C24="PASS", C25="PASS", C28="PASS")
    assert domain_of("V07") in found.criterion("C05")["reason"]
    assert "mx2" in found.criterion("C05")["reason"]
    assert found.told["series"] == []


def test_v08_where_port_25_is_blocked_the_mxs_are_not_known(desk: Desk) -> None:
    found = asked(desk, "V08", "INSUFFICIENT_EVIDENCE", C05="UNKNOWN")
    assert set(found.lowering) == {"C05", "C06"}


def test_v09_five_settled_days_without_a_report_are_no_clean_days(desk: Desk) -> None:
    asked(desk, "V09", "INSUFFICIENT_EVIDENCE", C21="UNKNOWN", C24="UNKNOWN", C07="WARN")


def test_v10_sessions_of_senders_that_see_no_policy_prove_nothing(desk: Desk) -> None:
    found = asked(desk, "V10", "INSUFFICIENT_EVIDENCE", C23="UNKNOWN", C29="WARN")
    assert found.told["evaluated"] == 0


def test_v11_sessions_under_dane_prove_nothing(desk: Desk) -> None:
    found = asked(desk, "V11", "INSUFFICIENT_EVIDENCE", C23="UNKNOWN", C30="PASS")
    assert found.told["evaluated"] == 0


def test_v12_fetch_errors_at_microsoft_on_three_days_are_not_ready_though_google_gets_it(desk: Desk) -> None:
    found = asked(desk, "V12", "NOT_READY", C28="FAIL", C24="PASS")
    assert found.lowering == {"C28": "FAIL"}
    assert {fact["about"] for fact in found.criterion("C28")["facts"]} == {MICROSOFT}


def test_v13_the_time_in_testing_counts_from_the_change_of_the_mx_set(desk: Desk) -> None:
    found = asked(desk, "V13", "INSUFFICIENT_EVIDENCE", C20="UNKNOWN")
    assert f"{DAY - timedelta(days=3)}" in found.criterion("C20")["reason"]
    before = desk.ready(domain_of("V13"), NOW - timedelta(days=4))
    assert before.states["C20"] == "PASS"


def test_v14_dane_failures_are_not_ready_and_enforce_is_not_their_cause(desk: Desk) -> None:
    found = asked(desk, "V14", "NOT_READY", C30="FAIL", C24="PASS", C25="PASS")
    assert found.lowering == {"C30": "FAIL"}
    assert "enforce is not" in found.criterion("C30")["reason"]
    assert {fact["about"] for fact in found.criterion("C30")["facts"]} == {OSIER, HERON}


def test_v15_a_certificate_is_short_of_time_by_its_own_lifetime(desk: Desk) -> None:
    assert asked(desk, "V15-90", "READY_WITH_WARNINGS").lowering == {"C06": "WARN"}
    asked(desk, "V15-6.6", "READY", C06="PASS")


def test_v16_a_day_that_has_not_settled_is_not_missed(desk: Desk) -> None:
    missing = asked(desk, "V16-missing", "READY", MORNING)
    there = asked(desk, "V16-there", "READY", MORNING)
    assert missing.states == there.states
    assert missing.told["settled_to"] == there.told["settled_to"] == f"{DAY - timedelta(days=3)}"


def test_v17_forged_failures_are_listed_and_keep_nothing_back(desk: Desk) -> None:
    found = asked(desk, "V17-failing", "READY")
    assert found.told["evaluated"] == 1_200
    [claim] = found.told["claims"]
    assert (claim["organization"], claim["reports"]) == ("forger.example", 300)
    assert (claim["sessions"], claim["failed"], claim["would_block"]) == (15_000, 15_000, 15_000)
    assert claim["trust"] in {"unchecked", "unverified"}
    assert found.told["series"] == []
    assert found.states["C31"] == "UNKNOWN"


def test_v17_forged_successes_lift_nothing(desk: Desk) -> None:
    found = asked(desk, "V17-succeeding", "INSUFFICIENT_EVIDENCE", C23="UNKNOWN", C25="UNKNOWN")
    assert found.told["evaluated"] == 80
    [claim] = found.told["claims"]
    assert (claim["organization"], claim["reports"], claim["sessions"]) == (OSIER, 300, 15_000)


def test_v17_a_forged_revision_takes_the_place_of_no_report(desk: Desk) -> None:
    found = asked(desk, "V17-revising", "NOT_READY", C24="FAIL", C33="PASS")
    assert (found.told["would_block"], found.told["evaluated"]) == (3, 1_200)
    [claim] = found.told["claims"]
    assert (claim["organization"], claim["reports"]) == (GOOGLE, 12)


@pytest.mark.parametrize(
    ("asked_at", "kind"), [(NOW, "previous"), (NOW.replace(hour=23), "previous"), (NOW + timedelta(days=2), "stale")]
)
def test_v18_the_policy_of_before_is_expected_until_caches_have_run_out(
    desk: Desk, asked_at: datetime, kind: str
) -> None:
    found = desk.ready(domain_of("V18"), asked_at)
    holders = {one["organization"]: (one["mode"], one["kind"]) for one in found.told["holders"]}
    assert holders[HERON] == ("testing", kind)
    assert {holders[org] for org in ORGS if org != HERON} == {("enforce", "current")}


def test_v18_a_domain_in_enforce_is_in_force_and_not_asked_for_testing(desk: Desk) -> None:
    found = asked(desk, "V18", "IN_FORCE", C03="N-A")
    assert found.told["mode"] == "enforce"


def plan(desk: Desk, vector: str, now: datetime, *options: str) -> tuple[int, dict[str, Any]]:
    """Return how `tlsrpt plan` ended and what it said."""
    ended = desk.run("plan", domain_of(vector), "--as-of", moment(now), "--format", "json", *options)
    assert ended.out, ended
    return ended.status, json.loads(ended.out)


def test_v18_the_plan_tells_who_goes_on_with_the_policy_of_before(desk: Desk) -> None:
    _, told = plan(desk, "V18", NOW)
    assert {one["organization"]: one["kind"] for one in told["holders"]}[HERON] == "previous"


def test_v19_a_rollback_says_three_times(desk: Desk) -> None:
    began = when(0)
    _, told = plan(desk, "V19", began, "--rollback")
    times = {
        name: datetime.fromisoformat(text).replace(tzinfo=None) - began
        for name, text in told["rollback"]["times"].items()
    }
    assert times["expected"] == timedelta(hours=1)
    assert times["typical"] == timedelta(hours=24)
    # The look that found the next policy was a minute after the last that found this one.
    assert timedelta(days=25) <= times["worst"] <= timedelta(days=25, minutes=1)


def test_v20_a_raise_is_refused_over_a_move_within_the_new_max_age(desk: Desk) -> None:
    move = DAY + timedelta(days=21)
    desk.done("answer", domain_of("V20-planned"), "C42", "no", "--on", f"{move}", "--as-of", moment(NOW))
    _, planned = plan(desk, "V20-planned", NOW, "--max-age", "2592000")
    _, free = plan(desk, "V20-free", NOW, "--max-age", "2592000")
    assert not planned["due"]
    reasons = {one["what"]: (one["state"], one["reason"]) for one in planned["needs"]}
    assert reasons["no change within max_age"][0] == "FAIL"
    assert f"{move}" in reasons["no change within max_age"][1]
    assert {one["what"]: one["state"] for one in free["needs"]}["no change within max_age"] == "PASS"
    _, shorter = plan(desk, "V20-planned", NOW)
    assert shorter


# The command as it is installed


@pytest.mark.parametrize(("vector", "status"), [("V01", 0), ("V05", 3), ("V02", 4), ("V04", 5)])
def test_the_installed_command_ends_with_the_status_of_the_verdict(desk: Desk, vector: str, status: int) -> None:
    ended = desk.installed("ready", domain_of(vector), "--as-of", moment(NOW), "--format", "json")
    assert (ended.status, ended.err) == (status, "")
    assert STATUS[json.loads(ended.out)[0]["verdict"]] == status


def test_all_vectors_together_are_a_board_worst_first(desk: Desk) -> None:
    ended = desk.run("ready", "--as-of", moment(NOW), "--format", "json")
    board = {one["policy_domain"]: one["verdict"] for one in json.loads(ended.out)}
    assert ended.status == 5
    assert {board[domain_of(vector)] for vector in ("V04", "V07", "V12", "V14")} == {"NOT_READY"}
    order = [STATUS[verdict] for verdict in board.values()]
    assert order == sorted(order, reverse=True)
    alone = desk.ready_all(list(board))
    assert board == {one.told["policy_domain"]: one.verdict for one in alone}
    assert len(board) == len(VECTORS)


# How states make a verdict


def test_what_is_not_required_warns_however_it_stands() -> None:
    blind = history(
        sees={OSIER: "no-policy-found"},
        failures=[fails(OSIER, ago, 1, "starttls-not-supported") for ago in (3, 5)],
    )
    told = judged(blind)
    assert told.state("C29").state == "FAIL"
    assert told.verdict == "READY_WITH_WARNINGS"
    unvalidated = judged(history(tlsa=("mx1", "mx2"), secure=None))
    assert unvalidated.state("C10").state == "UNKNOWN"
    assert unvalidated.verdict == "READY_WITH_WARNINGS"


def test_a_failure_counts_before_what_is_unknown() -> None:
    told = judged(history(sessions=80, mx2="expired"))
    assert (told.state("C23").state, told.state("C05").state) == ("UNKNOWN", "FAIL")
    assert told.verdict == "NOT_READY"


def test_the_operators_list_lowers_no_verdict() -> None:
    told = judged(history(answers=dict.fromkeys(("C11", "C12", "C40", "C41", "C42", "C43"), False)))
    assert told.verdict == "READY"


def test_a_domain_in_enforce_that_would_fail_is_in_force_and_failing() -> None:
    told = judged(history(mode="enforce", max_age=604_800, mx2="expired"))
    assert told.verdict == "IN_FORCE_FAILING"


def test_a_domain_without_mail_has_no_verdict() -> None:
    told = judged(history(facts={"@": changed(hosts=(Mx(preference=0, host=""),))}))
    assert told.verdict == "N_A"


def test_a_warning_that_was_accepted_counts_for_fourteen_days_and_no_longer(tmp_path: Path) -> None:
    desk = Desk(tmp_path).load(history(max_age=1_209_600))
    assert desk.ready().lowering == {"C08": "WARN"}
    reason = ("--reason", "the template of the host", "--name", "Ada", "--as-of", moment(NOW))
    desk.done("acknowledge", DOMAIN, "C08", *reason)
    accepted = desk.ready()
    assert (accepted.verdict, accepted.status) == ("READY", 0)
    assert accepted.criterion("C08")["acknowledged"]
    assert accepted.lowering == {"C08": "WARN"}
    assert desk.ready(now=NOW + timedelta(days=13)).criterion("C08")["acknowledged"] is None  # not looked at since
    desk.load(history(max_age=1_209_600, looks=(-13, -15)).but(now=NOW + timedelta(days=30)))
    thirteen, fifteen = (desk.ready(now=NOW + timedelta(days=ago)).criterion("C08") for ago in (13, 15))
    assert thirteen["acknowledged"]
    assert fifteen["acknowledged"] is None
    assert fifteen["state"] == "WARN"


def test_what_is_required_cannot_be_waived(desk: Desk) -> None:
    ended = desk.run("acknowledge", domain_of("V02"), "C40", "--reason", "in a hurry", "--as-of", moment(NOW))
    assert ended.status == 2
    assert "is a question" in ended.err
    ended = desk.run("acknowledge", domain_of("V02"), "C23", "--reason", "in a hurry", "--as-of", moment(NOW))
    assert ended.status != 0
    assert desk.ready(domain_of("V02")).verdict == "INSUFFICIENT_EVIDENCE"


def test_answers_are_taken_back_one_by_one_as_repairs_and_accepted_warnings_are(tmp_path: Path) -> None:
    desk = Desk(tmp_path).load(history(max_age=1_209_600))
    now, later = moment(NOW), moment(NOW + timedelta(hours=2))
    assert "recorded as answer 1" in desk.done("answer", DOMAIN, "C41", "yes", "--as-of", now).err
    assert "recorded as answer 2" in desk.done("answer", DOMAIN, "C41", "no", "--as-of", now).err
    assert desk.ready().criterion("C41")["reason"].startswith("no")
    assert desk.run("answer", "else.example", "--withdraw", "2", "--as-of", later).status == 1
    assert "answer 2 is withdrawn" in desk.done("answer", DOMAIN, "--withdraw", "2", "--as-of", later).err
    assert desk.run("answer", DOMAIN, "--withdraw", "2", "--as-of", later).err.strip() == (
        f"{DOMAIN} has no answer 2 that was not withdrawn"
    )
    # What was so before stays so, and the answer before it counts again.
    assert desk.ready().criterion("C41")["reason"].startswith("no")
    assert desk.ready(now=NOW + timedelta(hours=3)).criterion("C41")["state"] == "PASS"
    for what, given in (
        ("fix", ("--cause", "certificate-expired", "--mx", f"mx2.{DOMAIN}")),
        ("acknowledge", ("C08", "--reason", "the template of the host")),
    ):
        desk.done(what, DOMAIN, *given, "--as-of", now)
        assert "is withdrawn" in desk.done(what, DOMAIN, "--withdraw", "1", "--as-of", later).err
        assert desk.run(what, DOMAIN, "--withdraw", "1", "--as-of", later).status == 1


def test_an_answer_needs_a_question_and_yes_or_no(desk: Desk) -> None:
    for given, words in (
        (("C40",), "a criterion and yes or no are needed"),
        ((), "tlsrpt answer v02.example C11 yes"),
        (("C24", "yes"), "C24: not one of C11, C12"),
    ):
        ended = desk.run("answer", "v02.example", *given)
        assert ended.status == 2
        assert words in ended.err
