"""The table classes read and write the CSV files that the published package does."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from openmsistream.aliases.dataclass_table import (
    BadTable,
    DataclassTable,
    DataclassTableAppendOnly,
    DataclassTableReadOnly,
)
from openmsistream.errors import FolderError

WHEN = datetime(2026, 4, 6, 17, 32, 8)


@dataclass
class Row:
    filename: str
    path: Path
    n: int = 1
    x: float = 2.5
    z: complex = 1j
    ok: bool = False
    when: datetime = WHEN
    chunks: set[int] = field(default_factory=set)
    names: list[str] = field(default_factory=list)
    pair: tuple[int, ...] = ()


TEXT = """filename;path;n;x;z;ok;when;chunks;names;pair
"'a;b.csv'";"'s/a;b.csv'";7;1.5;1j;True;'Mon Apr 06, 2026 at 17:32:08';{1, 2};['x', 'y'];(1, 2)
'b.csv';'b.csv';1;2.5;1j;False;'Mon Apr 06, 2026 at 17:32:08';set();[];()"""
"""As OpenMSIStream 1.8.8 writes it."""


def first(n: int = 7) -> Row:
    return Row("a;b.csv", Path("s/a;b.csv"), n, 1.5, 1j, True, WHEN, {1, 2}, ["x", "y"], (1, 2))


def second() -> Row:
    return Row("b.csv", Path("b.csv"))


def text_of(table: DataclassTable | DataclassTableAppendOnly) -> str:
    return table.filepath.read_text("utf-8").removeprefix("sep=;\n" if sys.platform == "win32" else "")


@pytest.fixture
def table(tmp_path: Path) -> DataclassTable:
    return DataclassTable(Row, filepath=tmp_path / "rows.csv")


def test_objects_are_written_as_the_published_package_writes_them(table: DataclassTable) -> None:
    assert text_of(table) == "filename;path;n;x;z;ok;when;chunks;names;pair"
    table.add_entries([first(), second()])
    table.dump_to_file()
    assert text_of(table) == TEXT


def test_what_was_written_is_read_again(table: DataclassTable) -> None:
    table.filepath.write_text(TEXT, "utf-8")
    again = DataclassTable(Row, filepath=table.filepath)
    assert [Row(**again.get_entry_attrs(address)) for address in again.obj_addresses] == [first(), second()]


@pytest.mark.parametrize("name", ["back\\slash", "tab\there", 'it\'s "quoted"', "line\nfeed", "ünï"])
def test_every_name_comes_back_as_it_was(table: DataclassTable, name: str) -> None:
    """In the published package those with a backslash, a tab or both kinds of quotes do not."""
    table.add_entries(Row(name, Path(name)))
    (row,) = table.as_read_only().objects
    assert (row.filename, row.path) == (name, Path(name))


def test_objects_are_looked_up_and_changed_by_their_addresses(table: DataclassTable) -> None:
    table.add_entries([first(), second()])
    one, two = table.obj_addresses
    assert table.get_entry_attrs(one, "n", "ok") == {"n": 7, "ok": True}
    table.set_entry_attrs(two, n=9)
    assert table.obj_addresses_by_key_attr("n") == {7: [one], 9: [two]}
    table.remove_entries(one)
    assert (table.n_entries, table.obj_addresses) == (1, [two])
    table.dump_to_file()
    assert "'b.csv';'b.csv';9;" in text_of(table)


def test_the_file_is_not_written_for_every_object(table: DataclassTable) -> None:
    table.add_entries(first())
    assert "a;b.csv" not in text_of(table)
    table.UPDATE_FILE_EVERY = 0  # type: ignore[misc]
    table.add_entries(second())
    assert text_of(table) == TEXT


def test_the_end_of_a_with_writes_what_was_added(tmp_path: Path) -> None:
    with DataclassTableAppendOnly(Row, filepath=tmp_path / "rows.csv") as table:
        table.add_entries([first()])
        table.add_entries(second())
    assert text_of(table) == TEXT
    assert not hasattr(table, "set_entry_attrs")


def test_a_table_that_is_only_read_makes_no_file(tmp_path: Path) -> None:
    table = DataclassTableReadOnly(Row, filepath=tmp_path / "none.csv")
    assert (table.n_entries, list(table.objects), table.filepath.exists()) == (0, [], False)


def test_a_table_that_is_only_read_gives_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("sep=;\n" + TEXT, "utf-8")
    assert DataclassTableReadOnly(Row, filepath=file).lines == TEXT.splitlines()[1:]


@pytest.mark.parametrize(
    ("do", "error", "words"),
    [
        (lambda t: t.add_entries([3]), TypeError, r"^3 is no Row$"),
        (lambda t: t.get_entry_attrs("0x1"), ValueError, r"^there is no object at 0x1 in .*rows\.csv$"),
        (lambda t: t.remove_entries(["0x1"]), ValueError, r"^there is no object at 0x1 in "),
        (lambda t: t.obj_addresses_by_key_attr("m"), ValueError, r"^'m' is no field of Row$"),
        (lambda t: t.set_entry_attrs(t.obj_addresses[0], m=1), ValueError, r"^'m' is no field of Row$"),
        (lambda t: t.add_entries(t._objects[t.obj_addresses[0]]), ValueError, r"is in .*rows\.csv already$"),
    ],
)
def test_what_cannot_be_done_is_told(table: DataclassTable, do: Any, error: type[Exception], words: str) -> None:
    table.add_entries(second())
    with pytest.raises(error, match=words):
        do(table)


def test_a_file_of_another_table_is_refused(table: DataclassTable) -> None:
    table.filepath.write_text("x;y\n1;2", "utf-8")
    with pytest.raises(
        BadTable, match=r"rows\.csv has the columns x;y instead of filename;.*; it is another table; choose"
    ):
        DataclassTable(Row, filepath=table.filepath)
    assert issubclass(BadTable, RuntimeError)


def test_a_row_that_cannot_be_read_is_told_with_its_number(table: DataclassTable) -> None:
    table.filepath.write_text(TEXT.replace(";7;", ";seven;"), "utf-8")
    with pytest.raises(BadTable, match=r"^row 2 of .*rows\.csv cannot be read \(.*seven.*\); correct it, or take"):
        DataclassTable(Row, filepath=table.filepath)


def test_only_dataclasses_whose_fields_a_cell_can_hold_have_tables(tmp_path: Path) -> None:
    @dataclass
    class Bad:
        maybe: int | None

    with pytest.raises(TypeError, match=r"^<class 'int'> is no dataclass$"):
        DataclassTable(int)
    with pytest.raises(ValueError, match=r"^the field maybe has type .*, which a cell of a table cannot hold$"):
        DataclassTable(Bad, filepath=tmp_path / "bad.csv")


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"gone.rows\.csv cannot be written: .*; make room, or choose another file$"):
        DataclassTable(Row, filepath=tmp_path / "gone" / "rows.csv")
