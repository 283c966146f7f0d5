"""One ledger, one program: the lock, the refusals, and what a kill leaves behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from openmsistream.errors import LedgerError
from openmsistream.ledger import database
from openmsistream.ledger.database import VERSION, Ledger, fact, is_in_use, reader, stream_in_use, under
from openmsistream.ledger.sent import SCHEMA, SentLedger

ROOT = Path(__file__).parents[2]


def child(code: str, path: Path) -> subprocess.Popen[str]:
    """Another process that runs this code with the ledger's path as its argument."""
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def kill(process: subprocess.Popen[str]) -> None:
    """End it the hard way, without a last word."""
    process.kill()
    process.wait(20)
    assert process.stdout is not None
    process.stdout.close()


HOLD = """
import sys, time
from pathlib import Path
from openmsistream.ledger.sent import SentLedger
ledger = SentLedger(Path(sys.argv[1]))
print("open", flush=True)
time.sleep(60)
"""

WRITE = """
import sys
from pathlib import Path
from openmsistream.files.chunk import FileState
from openmsistream.ledger.sent import SentFile, SentLedger
ledger = SentLedger(Path(sys.argv[1]))
ledger.use_stream("c", "t", "id")
for turn in range(10**9):
    ledger.write([SentFile(name, "sent", FileState(turn, 0, 0, 0)) for name in ("a", "b", "c")])
    print(turn, flush=True)
"""


def test_a_second_opener_is_told_that_another_program_is_at_work(tmp_path: Path) -> None:
    with SentLedger(tmp_path / "l.sqlite"), pytest.raises(LedgerError) as caught:
        SentLedger(tmp_path / "l.sqlite")
    assert "another program is already at work on this folder and topic" in str(caught.value)
    assert "stop that one first" in caught.value.advice


def test_another_process_that_holds_it_keeps_us_out_until_it_is_killed(tmp_path: Path) -> None:
    process = child(HOLD, tmp_path / "l.sqlite")
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(LedgerError, match="another program"):
            SentLedger(tmp_path / "l.sqlite")
    finally:
        kill(process)
    SentLedger(tmp_path / "l.sqlite").close()


def test_closing_lets_the_next_one_in(tmp_path: Path) -> None:
    for _ in range(3):
        SentLedger(tmp_path / "l.sqlite").close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 on this system")
@pytest.mark.parametrize("turns", [1, 7, 40])
def test_a_kill_in_the_middle_of_writing_leaves_whole_transactions_and_all_that_were_reported(
    tmp_path: Path, turns: int
) -> None:
    process = child(WRITE, tmp_path / "l.sqlite")
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(turns)]
    kill(process)
    with SentLedger(tmp_path / "l.sqlite") as ledger:
        assert not ledger.use_stream("c", "t", "id")
        rows = [ledger.get(name) for name in ("a", "b", "c")]
        sizes = {row.file.size for row in rows if row is not None}
        assert len(sizes) == 1
        assert sizes.pop() >= said[-1]
        assert ledger.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_ledger_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    SentLedger(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={VERSION + 1}")
    connection.close()
    with pytest.raises(LedgerError, match=rf"newer openmsistream \(its version {VERSION + 1}, known here {VERSION}\)"):
        SentLedger(path)


@pytest.mark.parametrize("name", ["l.sqlite", "l.sqlite.lock"])
def test_a_damaged_ledger_is_refused_with_words(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"this is no database at all" * 400)
    with pytest.raises(LedgerError) as caught:
        SentLedger(tmp_path / "l.sqlite")
    assert f"{name} is damaged" in caught.value.what
    assert "move it away" in caught.value.advice


def test_a_refused_ledger_is_not_locked(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerError):
        SentLedger(path)
    path.unlink()
    SentLedger(path).close()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be written") as caught:
        SentLedger(tmp_path / "file" / "l.sqlite")
    assert "--state_dir" in caught.value.advice


def test_a_transaction_that_fails_is_taken_back_whole_and_the_next_one_works(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite", SCHEMA, durability="NORMAL") as ledger:
        with pytest.raises(UnicodeEncodeError), ledger.transaction() as connection:
            connection.executemany("INSERT INTO fact VALUES (?, 1)", [("a",), ("\udcff",)])
        with ledger.transaction() as connection:
            assert fact(connection, "a", "2") == "2"


def test_a_full_disk_is_an_error_of_the_ledger(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite", SCHEMA, durability="NORMAL") as ledger:
        pages = ledger.connection.execute("PRAGMA page_count").fetchone()[0]
        ledger.connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(LedgerError, match=r"cannot be written .*full"), ledger.transaction() as connection:
            fact(connection, "a", "x" * 1_000_000)
        ledger.connection.execute(f"PRAGMA max_page_count={pages + 1000}")
        with ledger.transaction() as connection:
            fact(connection, "a", "x")


def test_a_fact_is_remembered_from_the_first_time_on(tmp_path: Path) -> None:
    with SentLedger(tmp_path / "l.sqlite") as ledger:
        assert fact(ledger.connection, "id", "one") == "one"
    with SentLedger(tmp_path / "l.sqlite") as ledger:
        assert fact(ledger.connection, "id", "two") == "one"


def test_a_reader_sees_what_is_written_beside_it_and_can_write_nothing(tmp_path: Path) -> None:
    with SentLedger(tmp_path / "l.sqlite") as ledger:
        connection = reader(tmp_path / "l.sqlite")
        fact(ledger.connection, "id", "one")
        assert connection.execute("SELECT value FROM fact").fetchall() == [("one",)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM fact")
        connection.close()


def test_a_reader_of_no_ledger_says_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger at"):
        reader(tmp_path / "l.sqlite")


def test_a_reader_of_a_damaged_ledger_says_so(tmp_path: Path) -> None:
    (tmp_path / "l.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerError, match="is damaged"):
        reader(tmp_path / "l.sqlite")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def test_a_ledger_is_in_use_as_long_as_a_program_holds_it(place: Path) -> None:
    assert not is_in_use(place)
    with SentLedger(place):
        assert is_in_use(place)
        assert is_in_use(place)  # asking takes nothing away
    assert not is_in_use(place)


def test_asking_whether_it_is_in_use_keeps_no_program_from_starting(place: Path) -> None:
    SentLedger(place).close()
    assert not is_in_use(place)
    SentLedger(place).close()


def test_the_stream_in_use_is_the_one_last_worked_on(place: Path) -> None:
    with SentLedger(place) as ledger:
        assert stream_in_use(ledger.connection) is None
        for topic_id in ("a", "b", "a"):
            ledger.use_stream("cluster", "t", topic_id)
        assert stream_in_use(ledger.connection) == (1, "t")


@pytest.mark.parametrize(
    ("below", "found"), [("", 6), ("a", 3), ("a/b", 1), ("a-", 1), ("a/b/", 0), ("x", 0), ("é", 1)]
)
def test_below_a_path_is_the_path_itself_and_what_is_in_it(below: str, found: int) -> None:
    paths = ["a", "a/b", "a/z", "a-", "a0", "é/x"]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (path TEXT PRIMARY KEY)")
        connection.executemany("INSERT INTO t VALUES (?)", ((path,) for path in paths))
        condition, parameters = under(below)
        assert connection.execute(f"SELECT count(*) FROM t WHERE {condition}", parameters).fetchone() == (found,)


def test_a_ledger_at_rest_is_read_where_nothing_may_be_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite wants to make a file beside a ledger even to read it; in a folder of somebody else it may not."""
    SentLedger(place).close()
    as_it_is = database._open_to_read

    def refused(path: Path, how: str) -> sqlite3.Connection:
        if how == "mode=ro":
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return as_it_is(path, how)

    monkeypatch.setattr(database, "_open_to_read", refused)
    database.reader(place).close()
    place.with_name(place.name + "-wal").write_bytes(b"not yet in the ledger itself")
    with pytest.raises(LedgerError, match=r"cannot be read .*; try again, as the user that the program runs as"):
        database.reader(place)
