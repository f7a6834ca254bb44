"""The store: its schema step by step, its turns among processes, and what SQL may not do."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import duckdb
import pytest
from shelf import ask

from queries import decisions
from tlsrpt import store as module
from tlsrpt.store import Gate, Rows, Store, StoreError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_store_is_made_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "data" / "tlsrpt.duckdb"
    before = os.umask(0o022)
    try:
        store = Store.open(path, create=True)
        with store.writing() as connection:
            connection.execute("INSERT INTO properties VALUES ('x', 'y')")
            made = list(path.parent.iterdir())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}
    assert f"{path.name}.gate" in {file.name for file in made}


def test_a_store_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "tlsrpt.duckdb"
    Store.open(path, create=True)
    path.chmod(0o644)
    with Store.open(path).reading():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_store_is_made_by_asking(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store at .* `tlsrpt load PATH` makes one"):
        Store.open(tmp_path / "nothing.duckdb")
    assert list(tmp_path.iterdir()) == []


def test_steps_are_recorded_by_name(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.duckdb", create=True)
    assert ask(store, "SELECT name FROM steps") == [(name,) for name in module._steps()]


def test_a_newer_store_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    with Store.open(path, create=True).writing() as connection:
        connection.execute("INSERT INTO steps VALUES ('0099_wonders.sql', now()::TIMESTAMP)")
    with pytest.raises(StoreError, match=r"made by a newer version of tlsrpt \(it has 0099_wonders.sql\)"):
        Store.open(path)


def test_an_older_store_gets_the_steps_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.duckdb"
    Store.open(path, create=True)
    steps = module._steps() | {"0002_more.sql": "CREATE TABLE more (a BIGINT); INSERT INTO more VALUES (1);"}
    monkeypatch.setattr(module, "_steps", lambda: steps)
    store = Store.open(path)
    assert ask(store, "SELECT a FROM more") == [(1,)]


def test_answers_of_before_they_had_numbers_get_them_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.duckdb"
    with monkeypatch.context() as patch:
        before = {name: step for name, step in module._steps().items() if name < "0005"}
        patch.setattr(module, "_steps", lambda: before)
        with Store.open(path, create=True).writing() as connection:
            for said in (True, False):
                connection.execute(
                    "INSERT INTO answers VALUES ('example.org', 'C40', ?, '', '', NULL, '2026-11-20 12:00')", [said]
                )
    store = Store.open(path)
    assert [(one.answer, one.number) for one in decisions.answers(store)] == [(True, 1), (False, 2)]


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.duckdb"
    Store.open(path, create=True)
    steps = module._steps() | {"0002_more.sql": "CREATE TABLE more (a BIGINT); SELECT no_such_function();"}
    with monkeypatch.context() as patch:
        patch.setattr(module, "_steps", lambda: steps)
        with pytest.raises(StoreError, match="no_such_function"):
            Store.open(path)
    store = Store.open(path)
    assert ask(store, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'more'") == [(0,)]


def test_another_database_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    connection = duckdb.connect(str(path))
    connection.execute("CREATE TABLE mine (a BIGINT)")
    connection.close()
    with pytest.raises(StoreError, match="no store of tlsrpt"):
        Store.open(path)


@pytest.mark.parametrize("content", [b"not a database at all", b""])
def test_another_file_is_no_store(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "COPY properties TO '{}/stolen.csv'",
        "ATTACH '{}/other.duckdb'",
        "EXPORT DATABASE '{}/all'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '9GB'",
        "SELECT * FROM glob('/etc/*')",
    ],
)
@pytest.mark.parametrize("kind", ["file", "memory"])
def test_sql_reaches_nothing_outside_the_store(tmp_path: Path, kind: str, statement: str) -> None:
    store = Store.memory() if kind == "memory" else Store.open(tmp_path / "s.duckdb", create=True)
    with pytest.raises(StoreError), store.writing() as connection:
        connection.execute(statement.format(tmp_path))
    with pytest.raises(StoreError), store.reading() as connection:
        connection.execute(statement.format(tmp_path))
    assert not (tmp_path / "stolen.csv").exists()


def test_reading_writes_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.duckdb", create=True)
    with pytest.raises(StoreError), store.reading() as connection:
        connection.execute("DELETE FROM properties")


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_transaction_that_fails_keeps_nothing(tmp_path: Path, kind: str) -> None:
    store = Store.memory() if kind == "memory" else Store.open(tmp_path / "s.duckdb", create=True)
    before = ask(store, "FROM properties")

    def fail() -> None:
        with store.writing() as connection:
            connection.execute("INSERT INTO properties VALUES ('x', 'y')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert ask(store, "FROM properties") == before
    with store.writing() as connection:
        connection.execute("INSERT INTO properties VALUES ('x', 'y')")
    assert len(ask(store, "FROM properties")) == len(before) + 1


def test_columns_arrive_as_they_are(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.duckdb", create=True)
    columns: dict[str, list[object]] = {
        "delivery": [1, 2],
        "source": ["a'; DROP TABLE reports; --", "ü\x1b[31m"],
        "name": ["", "n"],
        "outcome": ["loaded", "refused"],
        "reason": ["", "r"],
        "report": [None, 2**62],
        "vouched": [True, False],
        "mailed": [False, True],
        "loaded_at": ["2026-01-02 03:04:05", "2026-01-02 03:04:05.678901"],
        "received_at": [None, "2026-01-01 00:00:00"],
        "sender": [None, "x"],
        "subject": [None, None],
        "message_id": [None, None],
        "report_domain": [None, None],
        "report_submitter": [None, None],
        "size": [0, 5],
    }
    with store.writing() as connection:
        Rows(store, "deliveries", columns).insert(connection)
        Rows(store, "payloads", {"delivery": [2], "content": [b"\x00\xff\x1f"]}).insert(connection)
    found = ask(store, "SELECT * REPLACE (CAST(loaded_at AS VARCHAR) AS loaded_at, received_at IS NULL AS received_at) "
                       "FROM deliveries ORDER BY delivery")  # fmt: skip
    assert found[0][1] == columns["source"][0]
    assert found[1][:7] == (2, "ü\x1b[31m", "n", "refused", "r", 2**62, False)
    assert [row[8] for row in found] == columns["loaded_at"]
    assert [row[9] for row in found] == [True, False]
    assert ask(store, "SELECT content FROM payloads") == [(b"\x00\xff\x1f",)]


# Turns.

_HOLD = """
import sys
from pathlib import Path
from tlsrpt.store import Store
with Store(Path(sys.argv[1])).writing() as connection:
    print("holding", flush=True)
    sys.stdin.readline()
"""


def test_one_waits_for_a_writer_and_says_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.duckdb"
    store = Store.open(path, create=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "holding\n"
        monkeypatch.setattr(module, "PATIENCE", 0.2)
        with pytest.raises(StoreError, match=f"in use by process {holder.pid}; try again when it is done"):
            ask(store, "SELECT 1")
        monkeypatch.setattr(module, "PATIENCE", 30.0)
        # And one that waits long enough is served as soon as the writer has done.
        answers: list[object] = []
        waiting = threading.Thread(target=lambda: answers.append(ask(store, "SELECT 1")))
        waiting.start()
        holder.stdin.write("\n")
        holder.stdin.close()
        waiting.join()
        assert answers == [[(1,)]]


def test_a_writer_that_stays_lets_others_in_between_its_transactions(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    store = Store.open(path, create=True)
    counts: list[int] = []

    def look() -> None:
        [(count,)] = ask(Store(path), "SELECT count(*) FROM properties")
        counts.append(count)

    with store.staying():
        for number in range(2_000):
            with store.writing() as connection:
                connection.execute("INSERT INTO properties VALUES (?, '')", [str(number)])
                if number == 3:
                    looking = threading.Thread(target=look)
                    looking.start()
            if counts:
                break
    looking.join()
    # It saw some, not all: it was let in while the writing went on.
    assert 4 < counts[0] < 2_000


def test_two_threads_that_stay_take_turns_and_others_read_meanwhile(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.duckdb", create=True)
    [(before,)] = ask(store, "SELECT count(*) FROM properties")
    met = threading.Barrier(2, timeout=20)

    def stay(name: str) -> None:
        with store.staying():
            met.wait()
            for number in range(20):
                with store.writing() as connection:
                    connection.execute("INSERT INTO properties VALUES (?, '')", [f"{name}{number}"])

    threads = [threading.Thread(target=stay, args=[name]) for name in "ab"]
    for thread in threads:
        thread.start()
    counts = [before]
    while any(thread.is_alive() for thread in threads):
        counts.append(ask(store, "SELECT count(*) FROM properties")[0][0])
    assert counts == sorted(counts)
    assert ask(store, "SELECT count(*) FROM properties") == [(before + 40,)]


def test_a_writer_that_leaves_is_overtaken_by_no_reader(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.duckdb", create=True)
    with store.staying() as stay:
        with store.writing() as connection:
            connection.execute("INSERT INTO properties VALUES ('a', '')")
        reading = stay.borrow()
        assert reading is not None
        leaving = threading.Thread(target=stay.leave)
        leaving.start()
        # It waits for the one who reads, and nobody else can begin to.
        until = time.monotonic() + 20
        while (another := stay.borrow()) is not None:
            another.close()
            stay.give_back()
            assert time.monotonic() < until
        assert leaving.is_alive()
        assert reading.execute("SELECT count(*) FROM properties WHERE name = 'a'").fetchall() == [(1,)]
        reading.close()
        stay.give_back()
        leaving.join()
        assert ("a", "") in ask(store, "FROM properties")


def test_waiting_for_a_store_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    store = Store.open(path, create=True)
    stop = threading.Event()
    with Gate(path, write=True, until=time.monotonic() + 20) as gate:
        said: list[str] = []

        def use() -> None:
            with pytest.raises(StoreError) as raised, store.stoppable(stop.is_set), store.writing():
                pass
            said.append(str(raised.value))

        using = threading.Thread(target=use)
        using.start()
        while not gate.others_wait():
            assert using.is_alive()
        began = time.monotonic()
        stop.set()
        using.join()
        assert time.monotonic() - began < 0.5
    assert said == [f"{path} is in use by process {os.getpid()}; try again when it is done"]
    # Who need not wait is not kept from it, so that what was done until then is not lost.
    with store.stoppable(stop.is_set), store.writing() as connection:
        connection.execute("INSERT INTO properties VALUES ('last', '')")
    assert ("last", "") in ask(store, "FROM properties")


def test_a_gate_tells_whether_others_wait(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    until = time.monotonic() + 20
    inside = Gate(path, write=True, until=until)
    with inside:
        assert not inside.others_wait()
        entered = threading.Event()

        def enter() -> None:
            with Gate(path, write=False, until=until):
                entered.set()

        other = threading.Thread(target=enter)
        other.start()
        while not inside.others_wait():
            assert time.monotonic() < until
        assert not entered.is_set()
    other.join()
    assert entered.is_set()


def test_readers_do_not_wait_for_each_other(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.duckdb", create=True)
    met = threading.Barrier(3, timeout=20)

    def read() -> None:
        with store.reading() as connection:
            met.wait()
            connection.execute("SELECT 1").fetchall()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert not met.broken


def test_the_umask_is_as_before_whichever_of_several_threads_ends_last(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "s.duckdb", create=True)
    before = os.umask(0o022)
    first, second = ExitStack(), ExitStack()
    try:
        inside = threading.Barrier(2, timeout=20)
        threads = [threading.Thread(target=_reads, args=(store, inside)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Entered and left crosswise, as threads may.
        for stack in (first, second):
            stack.enter_context(module._private_files(tmp_path / "s.duckdb"))
        assert os.umask(0o077) == 0o077
        first.close()
        assert os.umask(0o077) == 0o077
        second.close()
        assert os.umask(0o022) == 0o022
    finally:
        first.close()
        second.close()
        os.umask(before)


def _reads(store: Store, inside: threading.Barrier) -> None:
    with store.reading():
        inside.wait()


def test_a_killed_writer_leaves_what_it_committed_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    store = Store.open(path, create=True)
    with store.writing() as connection:
        connection.execute("INSERT INTO properties VALUES ('kept', '')")
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "holding\n"
        holder.kill()
    assert ("kept", "") in ask(store, "FROM properties")
    with store.writing() as connection:
        connection.execute("INSERT INTO properties VALUES ('after', '')")


def test_older_clients_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    Store.open(path, create=True)
    # Bytes 12 to 19 of a DuckDB file are its storage version; 1.2 reads 65 and older, 2.0 writes 69.
    assert int.from_bytes(path.read_bytes()[12:20], "little") <= 65
