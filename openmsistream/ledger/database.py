"""One ledger file: opened by one program at a time, its schema known, its writes durable in batches."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from openmsistream.errors import LedgerError

VERSION = 1
"""The schema's version, kept in SQLite's user_version. A ledger of a newer version is refused, not guessed at."""

_STREAM = "stream"

Durability = Literal["NORMAL", "FULL"]
"""NORMAL: what was written survives kill -9. FULL: it survives a power cut as well, at a sync for each transaction."""


class Ledger:
    """An open ledger file and the lock that keeps others from it. Use it in `with`, or `close` it.

    Raises LedgerError when another program holds it, when it is damaged or from a newer version, or cannot be written.
    """

    def __init__(self, path: Path, schema: str, *, durability: Durability) -> None:
        self.path = path
        self._lock = _take_lock(path)
        try:
            self.connection = _open(path, schema, durability)
        except BaseException:
            self._lock.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written in this `with`, or nothing of it. Raises LedgerError when it cannot be written."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:  # SQLite itself takes back what a full disk has stopped
                    self.connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise _unwritable(self.path, error) from error
        except sqlite3.DatabaseError as error:
            raise _damaged(self.path, error) from error

    def close(self) -> None:
        self.connection.close()
        self._lock.close()

    def set_fact(self, name: str, value: str) -> None:
        """Remember a single value."""
        self.connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def reader(path: Path) -> sqlite3.Connection:
    """A read-only connection beside the program that writes. Raises LedgerError when there is no ledger."""
    if not path.exists():
        raise LedgerError(f"there is no ledger at {path}", "name a folder that a program has worked on")
    try:
        try:
            return _open_to_read(path, "mode=ro")
        except sqlite3.OperationalError:
            log = path.with_name(path.name + "-wal")
            if log.exists() and log.stat().st_size:
                raise
            return _open_to_read(path, "immutable=1")  # at rest, in a folder where this user may not write
    except sqlite3.OperationalError as error:
        raise _unreadable(path, error) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, error) from error


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A `reader` for the time of a `with`, in which what SQLite complains of becomes a LedgerError."""
    with closing(reader(path)) as connection:
        try:
            yield connection
        except sqlite3.OperationalError as error:
            raise _unreadable(path, error) from error
        except sqlite3.DatabaseError as error:
            raise _damaged(path, error) from error


def _open_to_read(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, check_same_thread=False, timeout=30)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _take_lock(path: Path) -> sqlite3.Connection:
    """An exclusive lock that the system drops when this process ends, however it ends.

    SQLite's own lock on a small file beside the ledger: the same on every system, and no second kind of code for it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = sqlite3.connect(
            path.with_name(path.name + ".lock"), timeout=0.2, isolation_level=None, check_same_thread=False
        )
        lock.execute("PRAGMA locking_mode=EXCLUSIVE")
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise LedgerError(
                f"another program is already at work on this folder and topic (it holds {path.name} in {path.parent})",
                "stop that one first, or use another folder or topic",
            ) from error
        raise _unwritable(path, error) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path.with_name(path.name + ".lock"), error) from error
    except OSError as error:
        raise _unwritable(path, error) from error
    return lock


def is_in_use(path: Path) -> bool:
    """Is a program at work on the ledger at `path`? Taking the lock for reading fails exactly then, and disturbs nobody."""
    lock = path.with_name(path.name + ".lock")
    if not lock.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{lock.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as probe:
            probe.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    except sqlite3.DatabaseError:
        return False  # whatever it is, nobody holds it as a lock
    return False


def _open(path: Path, schema: str, durability: Durability) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={durability}")
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > VERSION:
            raise LedgerError(
                f"the ledger {path} was written by a newer openmsistream (its version {found}, known here {VERSION})",
                "use that version, or move the ledger away to begin anew",
            )
        if found == 0:
            connection.executescript(f"BEGIN;{schema};PRAGMA user_version={VERSION};COMMIT;")
    except sqlite3.OperationalError as error:
        raise _unwritable(path, error) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, error) from error
    return connection


def broken(path: Path, error: sqlite3.DatabaseError) -> LedgerError:
    """What an error that reading met means for the ledger at `path`."""
    return _unwritable(path, error) if isinstance(error, sqlite3.OperationalError) else _damaged(path, error)


def _damaged(path: Path, error: Exception) -> LedgerError:
    return LedgerError(
        f"the ledger {path} is damaged ({error})",
        "move it away to begin anew: files are then sent, or read, once more",
    )


def _unreadable(path: Path, error: Exception) -> LedgerError:
    return LedgerError(f"the ledger {path} cannot be read ({error})", "try again, as the user that the program runs as")


def _unwritable(path: Path, error: Exception) -> LedgerError:
    if "full" in str(error):
        return LedgerError(
            f"the ledger {path} cannot be written (the disk is full)", "make room there, then start again"
        )
    why = error.strerror if isinstance(error, OSError) else error
    return LedgerError(
        f"the ledger {path} cannot be written ({why})",
        "make its folder writable, or name another with --state_dir",
    )


STREAMS = """
CREATE TABLE stream (
    id INTEGER PRIMARY KEY,
    cluster TEXT NOT NULL,
    topic TEXT NOT NULL,
    topic_id TEXT NOT NULL,
    UNIQUE (cluster, topic, topic_id)
);
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE request (path TEXT PRIMARY KEY, asked REAL NOT NULL) WITHOUT ROWID;
"""
"""Tables that each ledger has: the streams it knows (a re-created topic is another stream), single facts, and the paths
that somebody asked to be tried again (requests.py)."""


def stream_of(connection: sqlite3.Connection, cluster: str, topic: str, topic_id: str) -> tuple[int, bool]:
    """The number under which this ledger keeps a stream, and whether it is new to the ledger."""
    key = (cluster, topic, topic_id)
    query = "SELECT id FROM stream WHERE cluster=? AND topic=? AND topic_id=?"
    row = connection.execute(query, key).fetchone()
    if row is None:
        number = connection.execute("INSERT INTO stream (cluster, topic, topic_id) VALUES (?, ?, ?)", key).lastrowid
        assert number is not None
    else:
        number = int(row[0])
    connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (_STREAM, str(number)))
    return number, row is None


def stream_in_use(connection: sqlite3.Connection) -> tuple[int, str] | None:
    """The number and the topic of the stream that was last worked on; None when none ever was."""
    query = (
        "SELECT stream.id, stream.topic FROM stream, fact WHERE fact.name=? AND stream.id=CAST(fact.value AS INTEGER)"
    )
    found = connection.execute(query, (_STREAM,)).fetchone()
    return None if found is None else (int(found[0]), str(found[1]))


def under(path: str) -> tuple[str, tuple[str, ...]]:
    """The condition, and its parameters, that a row's path is this one or lies below it; "" is the whole root."""
    if not path:
        return "1", ()
    beyond = path + "0"  # "0" comes right after "/"; the outer bounds are what an index can be asked for
    return "path>=? AND path<? AND (path=? OR path>=?)", (path, beyond, path, path + "/")


def fact(connection: sqlite3.Connection, name: str, default: str) -> str:
    """A single remembered value; when there is none, `default` is remembered from now on."""
    connection.execute("INSERT OR IGNORE INTO fact VALUES (?, ?)", (name, default))
    return str(connection.execute("SELECT value FROM fact WHERE name=?", (name,)).fetchone()[0])
