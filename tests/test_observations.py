"""What was seen of domains: in the store, whatever the order it comes in, and out of it again."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import tarfile
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from certificates import Authority, shown
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from reports import document
from shelf import ask, mail, put

from loaders import Summary, known_files, load, reread
from loaders.directory import Directory
from loaders.observations import record
from queries import Scope, deliveries, published
from tlsrpt.certificate import read
from tlsrpt.check_file import checks_json, facts_json, read_checks, read_facts
from tlsrpt.published import (
    Answer,
    Check,
    Face,
    FetchFacts,
    HostFacts,
    Measures,
    Mx,
    MxFacts,
    MxTlsFacts,
    Observation,
    Settings,
    Tlsa,
    TlsaFacts,
    TxtFacts,
    subject,
)
from tlsrpt.report import ReportError
from tlsrpt.store import Store
from tui.progress import read_again, summed_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tlsrpt.published import Facts

NOON = datetime(2026, 3, 10, 12)


def at(hour: int) -> datetime:
    return NOON + timedelta(hours=hour)


def check(when: datetime = NOON, *, domain: str = "example.com", **found: str) -> Check:
    """Return a check that found a TXT record under each name."""
    return Check(
        policy_domain=domain,
        checked_at=when,
        vantage="desk",
        observations=tuple(
            Observation(
                subject=name,
                facts=TxtFacts(kind="mta-sts-record", status="found", records=(text,)),
                measures=Measures(ttl=300, seconds=0.25),
            )
            for name, text in found.items()
        ),
    )


def spans(store: Store) -> list[tuple[str, str, int, int]]:
    """Return subject, record, and the hours of the first and the last look of each row."""
    found = ask(store, "SELECT subject, facts, first_seen, last_seen FROM observations ORDER BY subject, first_seen")
    hour = timedelta(hours=1)
    return [
        (name, json.loads(facts)["records"][0], (first - NOON) // hour, (last - NOON) // hour)
        for name, facts, first, last in found
    ]


# Rows.


def test_what_stays_the_same_is_one_row() -> None:
    store = Store.memory()
    assert [record(store, [check(at(hour), a="x")]) for hour in (0, 1, 2)] == [1, 1, 1]
    assert spans(store) == [("a", "x", 0, 2)]
    assert ask(store, "SELECT ttl, seconds, banner FROM observations") == [(300, 0.25, "")]


def test_what_changes_goes_or_comes_back_is_another_row() -> None:
    store = Store.memory()
    record(
        store, [check(at(0), a="x", b="y"), check(at(1), a="z", b="y"), check(at(2), a="x"), check(at(3), a="x", b="y")]
    )
    assert spans(store) == [("a", "x", 0, 0), ("a", "z", 1, 1), ("a", "x", 2, 3), ("b", "y", 0, 1), ("b", "y", 3, 3)]


def test_a_look_in_between_that_found_otherwise_splits_a_row() -> None:
    store = Store.memory()
    record(store, [check(at(0), a="x"), check(at(4), a="x")])
    record(store, [check(at(2), a="z")])
    assert spans(store) == [("a", "x", 0, 0), ("a", "z", 2, 2), ("a", "x", 4, 4)]
    record(store, [check(at(1))])
    assert spans(store)[0] == ("a", "x", 0, 0)
    record(store, [check(at(3), a="z")])
    assert spans(store) == [("a", "x", 0, 0), ("a", "z", 2, 3), ("a", "x", 4, 4)]


def test_a_look_that_came_before_is_not_counted_again() -> None:
    store = Store.memory()
    assert record(store, [check(a="x"), check(a="x"), check(a="z")]) == 1
    assert record(store, [check(a="z")]) == 0
    assert spans(store) == [("a", "x", 0, 0)]
    assert record(store, []) == 0


def test_other_places_and_other_settings_are_series_of_their_own() -> None:
    store = Store.memory()
    desk = Settings(smtp_port=2525)
    one, other = check(at(0), a="x"), check(at(1), a="z").model_copy(update={"settings": desk})
    elsewhere = check(at(2), a="y").model_copy(update={"vantage": "rack"})
    assert record(store, [one, other, elsewhere, check(at(3), a="x"), check(at(1), domain="example.net", a="x")]) == 5
    assert ask(store, "SELECT settings, vantage, count(*) FROM observations GROUP BY ALL ORDER BY ALL") == [
        ("", "desk", 2),
        ("", "rack", 1),
        ('{"smtp_port":2525}', "desk", 1),
    ]
    newest = published.newest(store, "example.com", at=at(1))
    assert newest is not None
    assert newest.settings == desk


CHECKS = st.lists(
    st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"]), max_size=2), min_size=1, max_size=7
).map(lambda found: [check(at(hour), **texts) for hour, texts in enumerate(found)])


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_the_order_of_looks_and_repeats_of_them_decide_nothing(data: st.DataObject) -> None:
    checks = data.draw(CHECKS)
    mixed = data.draw(st.permutations(checks)) + data.draw(st.lists(st.sampled_from(checks), max_size=3))
    in_order, otherwise = Store.memory(), Store.memory()
    record(in_order, checks)
    cut = data.draw(st.integers(0, len(mixed)))
    counted = record(otherwise, mixed[:cut]) + sum(record(otherwise, [one]) for one in mixed[cut:])
    assert counted == len(checks)
    assert spans(otherwise) == spans(in_order)
    for one in checks:
        for store in (in_order, otherwise):
            again = published.newest(store, "example.com", at=one.checked_at)
            assert again is not None
            assert {(seen.subject, seen.facts) for seen in again.observations} == {
                (seen.subject, seen.facts) for seen in one.observations
            }
    # A row ends only where another look found it otherwise.
    rows = spans(in_order)
    assert all(
        earlier[0] != later[0] or earlier[1] != later[1] or earlier[3] + 1 < later[2]
        for earlier, later in itertools.pairwise(rows)
    )
    in_order.close()
    otherwise.close()


def test_looks_are_stored_by_a_number_of_statements_that_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for number in (2, 40):
        store = Store.memory()
        record(store, [check(at(0), domain=f"{place}.example", a="x", b="x") for place in range(number)])
        with store.reading() as connection:
            said = _Counting(connection)
            monkeypatch.setattr(store, "writing", lambda said=said: _Inside(said))
            record(store, [check(at(1), domain=f"{place}.example", a="x", b="z") for place in range(number)])
        counts.append(said.statements)
    assert counts[0] == counts[1]


class _Counting:
    """A connection that counts what it is asked."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.statements = 0

    def execute(self, *asked: Any) -> Any:
        self.statements += 1
        return self._connection.execute(*asked)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Inside:
    def __init__(self, connection: _Counting) -> None:
        self._connection = connection

    def __enter__(self) -> _Counting:
        return self._connection

    def __exit__(self, *_: object) -> None:
        pass


# Facts.

FACTS: list[Facts] = [
    TxtFacts(kind="tlsrpt-record", status="bogus", reason="SERVFAIL", secure=False, cnames=("a.example",)),
    MxFacts(status="found", secure=True, hosts=(Mx(preference=10, host="mx1.example.com"), Mx(preference=20, host=""))),
    HostFacts(a=Answer(status="found"), aaaa=Answer(status="none"), addresses=("192.0.2.1",), dropped=1),
    TlsaFacts(status="found", records=(Tlsa(usage=3, selector=1, matching_type=1, data="ab"),)),
    FetchFacts(outcome="fetched", status=200, content_type="text/plain", bodies=("version: STSv1\n\x00\u2028ü",)),
    MxTlsFacts(outcome="timeout", reason="no answer in 20 s", failures=("timeout",)),
]


@pytest.mark.parametrize("facts", FACTS, ids=lambda facts: facts.kind)
def test_facts_come_back_as_they_were(facts: Facts) -> None:
    assert read_facts(facts_json(facts)) == facts
    store = Store.memory()
    seen = Observation(subject="x\x00'", facts=facts, measures=Measures(ttl=1, seconds=0.5, banner="220 \x1b[31m"))
    whole = check().model_copy(update={"observations": (seen,), "settings": Settings(resolver=("127.0.0.1:53",))})
    record(store, [whole])
    assert published.newest(store, "example.com") == whole
    assert read_checks(checks_json([whole]).encode(), NOON).checks == (whole,)


def test_facts_are_kept_without_what_is_nothing_special() -> None:
    assert facts_json(MxFacts(status="none")) == '{"kind":"mx","status":"none"}'
    assert facts_json(MxFacts(status="none", secure=False, hosts=())) == '{"kind":"mx","secure":false,"status":"none"}'


def test_of_a_certificate_only_its_bytes_are_kept_and_believed() -> None:
    [leaf, *_] = shown("good", "mx1.example.com", Authority()).chain
    whole = read(leaf.public_bytes(Encoding.DER))
    facts = MxTlsFacts(outcome="starttls", faces=(Face(version="TLSv1.3", cipher="AES", chain=(whole,)),))
    assert json.loads(facts_json(facts))["faces"][0]["chain"] == [{"der": whole.der}]
    assert read_facts(facts_json(facts)) == facts
    seen = Observation(subject=subject("mx1.example.com", "192.0.2.1"), facts=facts)
    lie = json.loads(checks_json([check().model_copy(update={"observations": (seen,)})]))
    told_of = lie["checks"][0]["observations"][0]["facts"]["faces"][0]["chain"][0]
    assert told_of["names"] == ["mx1.example.com"]
    told_of["names"] = ["other.example"]
    [[one]] = [one.observations for one in read_checks(json.dumps(lie).encode(), NOON).checks]
    assert one == seen


# Questions.


def test_the_newest_look_is_that_of_a_time_and_a_place() -> None:
    store = Store.memory()
    rack = check(at(1), b="y").model_copy(update={"vantage": "rack"})
    record(store, [check(at(0), a="x"), rack, check(at(2))])

    def found(**when: Any) -> tuple[datetime, tuple[str, ...]] | None:
        one = published.newest(store, "example.com", **when)
        return None if one is None else (one.checked_at, tuple(seen.subject for seen in one.observations))

    assert found() == (at(2), ())
    assert found(at=at(1)) == (at(1), ("b",))
    assert found(at=at(1), vantage="desk") == (at(0), ("a",))
    assert found(at=at(-1)) is None
    assert published.newest(store, "example.net") is None


def test_whatever_was_seen_is_cut_at_the_time_that_is_asked_about() -> None:
    store = Store.memory()
    record(store, [check(at(0), a="x"), check(at(2), a="x", b="y"), check(at(4), a="x", b="z")])

    def found(when: datetime | None) -> list[tuple[str, datetime, datetime]]:
        return [
            (one.observation.subject, one.first_seen, one.last_seen)
            for one in published.seen(store, "example.com", at=when)
        ]

    assert found(None) == [("a", at(0), at(4)), ("b", at(2), at(2)), ("b", at(4), at(4))]
    assert found(at(3)) == [("a", at(0), at(2)), ("b", at(2), at(2))]
    assert found(at(-1)) == []
    [one, *_] = published.seen(store, "example.com")
    assert (one.vantage, one.settings, one.observation.measures.ttl) == ("desk", Settings(), 300)


def test_each_domain_is_listed_with_its_last_look() -> None:
    store = Store.memory()
    assert published.checked(store) == []
    record(store, [check(at(0)), check(at(3)), check(at(1), domain="a.example")])
    assert published.checked(store) == [("a.example", at(1), "desk", 1), ("example.com", at(3), "desk", 2)]
    assert published.checked(store, Scope(policy_domain="example.com"), at=at(2)) == [("example.com", at(0), "desk", 1)]


# Files.


def told(entry: dict[str, Any] | None = None, **more: object) -> bytes:
    """Return a file with one check, some members of which are replaced."""
    whole = json.loads(checks_json([check(a="x")]))
    whole["checks"][0] |= entry or {}
    return json.dumps(whole | more).encode()


SEEN = json.loads(told())["checks"][0]["observations"][0]


_TOO_MANY = "observations: Tuple should have at most 1000 items after validation, not 1001"
_NO_TEXT = "observations.0.subject: Input should be a valid string, unable to parse raw data as a unicode string"


def reason(content: bytes) -> str:
    with pytest.raises(ReportError) as caught:
        read_checks(content, NOON)
    return str(caught.value)


def test_a_file_of_checks_is_loaded_like_any_other(tmp_path: Path) -> None:
    content = checks_json([check(at(hour), a="x") for hour in range(3)]).encode()
    (tmp_path / "a.json").write_bytes(content)
    (tmp_path / "b.gz").write_bytes(gzip.compress(content))
    with tarfile.open(tmp_path / "c.tar", "w") as archive:
        entry = tarfile.TarInfo("inside.json")
        other = checks_json([check(at(5), a="x")]).encode()
        entry.size = len(other)
        archive.addfile(entry, io.BytesIO(other))
    (tmp_path / "report.json").write_text(json.dumps(document()))
    store = Store.memory()
    known = known_files(store)
    summary = load(Directory([tmp_path], known=known), store, known=known)
    assert (summary.checks, summary.reports, summary.refused, summary.skipped) == (4, 1, 0, 0)
    assert spans(store) == [("a", "x", 0, 5)]
    sources = [source for (source,) in ask(store, "SELECT source FROM checks ORDER BY checked_at")]
    assert sources == [str(tmp_path / "a.json")] * 3 + [f"{tmp_path / 'c.tar'}: inside.json"]
    assert load(Directory([tmp_path]), store).checks == 0
    assert load(Directory([tmp_path], known=known), store, known=known).checks == 0


def test_new_checks_are_summed_up_where_there_are_any() -> None:
    assert summed_up(Summary(checks=2)).startswith("0 new reports, 2 new checks, 0 duplicates, ")
    assert read_again(Summary(checks=1)).startswith("0 reports became readable, 1 check too, 0 read anew, ")
    assert "check" not in summed_up(Summary(reports=1)) + read_again(Summary(reports=1))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_of_checks_is_read_in_any_encoding_that_shells_write(encoding: str) -> None:
    assert put(Store.memory(), told().decode().encode(encoding)).checks == 1


def test_files_one_after_the_other_are_read_and_a_torn_end_is_refused_by_itself() -> None:
    store = Store.memory()
    torn = checks_json([check(at(2), a="x")]).encode()[:-30]
    summary = put(store, b"".join(checks_json([check(at(hour), a="x")]).encode() for hour in (0, 1)) + torn)
    assert (summary.checks, summary.refused) == (2, 1)
    [refused] = deliveries.refused(store)
    assert refused.name == "document 3"
    assert refused.reason.startswith("not JSON: ")


def test_members_for_human_eyes_are_passed_over() -> None:
    content = checks_json([check(a="x")], lambda one: {"findings": [one.vantage], "vantage": "elsewhere"})
    assert json.loads(content)["checks"][0]["findings"] == ["desk"]
    assert read_checks(content.encode(), NOON).checks == (check(a="x"),)


def test_a_check_that_cannot_be_read_costs_no_other() -> None:
    whole = json.loads(checks_json([check(at(hour), a="x") for hour in range(4)]))
    whole["checks"][1]["observations"][0]["facts"]["kind"] = "no such thing"
    whole["checks"][2] = "text"
    store = Store.memory()
    summary = put(store, json.dumps(whole).encode())
    assert (summary.checks, summary.refused) == (2, 2)
    names = {row.name: row.reason for row in deliveries.refused(store)}
    assert names["checks[2]"] == "not a JSON object"
    assert names["checks[1]"].startswith("observations.0.facts: ")
    again = [reread(store) for _ in range(2)]
    assert [(one.checks, one.refused) for one in again] == [(0, 2), (0, 2)]
    assert {row.name for row in deliveries.refused(store)} == set(names)


def test_a_check_that_became_readable_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.memory()
    put(store, told({"checked_at": "2031-01-01T00:00:00Z"}))
    assert [row.reason for row in deliveries.refused(store)] == ["checked_at: more than two days ahead"]
    monkeypatch.setattr("loaders.again.utc_now", lambda: datetime(2031, 1, 1))
    assert reread(store).checks == 1
    assert deliveries.refused(store) == []
    assert ask(store, "SELECT checked_at FROM checks") == [(datetime(2031, 1, 1),)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (told(tlsrpt_check=2), "made by a newer version of tlsrpt (format 2); upgrade this one"),
        (told(tlsrpt_check="x"), "tlsrpt_check: not a format that there is"),
        (told(checks={}), "checks: not a list"),
        (told(checks=[]), "an empty list, no check in it"),
        (told(checks=[{}] * 1_001), "more than 1,000 checks in one document"),
        (b'{"tlsrpt_check": 1', "not JSON: Expecting ',' delimiter at line 1, column 19"),
        (b'{"tlsrpt_check": 1, "checks": ' + b"[" * 100_000, "nested too deeply for JSON"),
        (b'{"tlsrpt_check": ' + b"1" * 5_000 + b"}", "not JSON: a number of thousands of digits"),
        (b'{"tlsrpt_check": "\xff"}', "not JSON: not in an encoding of Unicode"),
        (b'{"tlsrpt_check": [' + b"{}," * 200_001 + b"]}", "too many values for a file of checks"),
        (told({"checked_at": "2026-03-12T12:00:01Z"}), "checked_at: more than two days ahead"),
        (told({"checked_at": "1999-12-31T23:59:59Z"}), "checked_at: before the year 2000"),
        (told({"checked_at": "0001-01-01T00:00:00+02:00"}), "checked_at: not within the years that there are"),
        (told({"policy_domain": "no domain"}), "policy_domain: not a domain name"),
        (told({"vantage": ""}), "vantage: String should have at least 1 character"),
        (told({"settings": {"verify": False}}), "settings.verify: Extra inputs are not permitted"),
        (told({"observations": [SEEN] * 1_001}), _TOO_MANY),
        (told({"observations": [{"subject": "\ud800"}]}), _NO_TEXT),
    ],
)  # fmt: skip
def test_what_is_no_check_is_refused_with_its_place_and_reason(content: bytes, expected: str) -> None:
    assert reason(content) == expected


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": "tlsrpt-record", "status": "found", "records": [1] * 1_000},
        {"kind": "mx", "status": "found", "hosts": [1] * 1_000},
        {"kind": "tlsa", "status": "found", "records": [1] * 1_000, "cnames": [1] * 1_000},
        {"kind": "mx-tls", "outcome": "starttls", "faces": [{"version": "", "cipher": "", "chain": [1] * 1_000}] * 3},
    ],
    ids=lambda facts: facts["kind"],
)
def test_of_a_flood_of_bad_values_only_the_first_is_told(facts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Check.model_validate(json.loads(told({"observations": [SEEN | {"facts": facts}] * 1_000}))["checks"][0])
    assert caught.value.error_count() <= 2


@pytest.mark.parametrize(
    "measures", [{"ttl": 10**30}, {"ttl": -1}, {"seconds": float("inf")}, {"seconds": float("nan")}]
)
def test_numbers_that_the_store_has_no_room_for_are_refused(measures: dict[str, float]) -> None:
    whole = json.loads(told())
    whole["checks"][0]["observations"][0]["measures"] = measures
    store = Store.memory()
    summary = put(store, json.dumps(whole).encode(), json.dumps(document()).encode())
    assert (summary.checks, summary.refused, summary.reports) == (0, 1, 1)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    store = Store.memory()
    yield store
    store.close()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**400, "\ud800", "\0", ""]),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
    max_leaves=4,
)
PLACES = [
    (), ("policy_domain",), ("checked_at",), ("vantage",), ("settings",), ("settings", "resolver"), ("observations",),
    ("observations", 0), ("observations", 0, "subject"), ("observations", 0, "facts"),
    ("observations", 0, "facts", "records"), ("observations", 0, "facts", "reason"), ("observations", 0, "measures"),
    ("observations", 0, "measures", "ttl"), ("observations", 0, "measures", "seconds"),
    ("observations", 0, "measures", "banner"),
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), value=JSON)
def test_any_value_anywhere_ends_as_a_check_or_a_refusal(
    place: tuple[str | int, ...], value: object, store: Store
) -> None:
    whole = json.loads(told())
    inner: Any = whole["checks"]
    *outer, last = (0, *place)
    for step in outer:
        inner = inner[step]
    inner[last] = value
    summary = put(store, json.dumps(whole).encode())
    # It may be known already.
    assert summary.checks + summary.refused <= 1
    assert summary.skipped == summary.reports == 0


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200) | st.binary(max_size=50).map(lambda tail: told() + tail))
def test_any_bytes_end_as_checks_or_a_reason(content: bytes) -> None:
    with suppress(ReportError):
        assert read_checks(content, NOON).checks


def test_a_check_is_kept_under_its_a_label_in_utc_and_whole_seconds() -> None:
    content = told({"policy_domain": "BÜCHER.example.", "checked_at": "2026-03-10T13:00:00.5+01:00"})
    [one] = read_checks(content, NOON).checks
    assert (one.policy_domain, one.checked_at) == ("xn--bcher-kva.example", NOON)


def test_a_check_in_a_mail_is_refused() -> None:
    store = Store.memory()
    summary = put(store, mail(told()), vouch=True)
    assert (summary.checks, summary.refused) == (0, 1)
    [refused] = deliveries.refused(store)
    assert refused.reason == "a check in a mail: give the file itself"
    assert (reread(store).checks, len(deliveries.refused(store))) == (0, 1)
