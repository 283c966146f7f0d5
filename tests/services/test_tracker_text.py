"""JSON as people type it: what is meant is read, and every slip has its line and column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsistream.services.tracker.text import Place, parse, read

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(value=_JSON, indent=st.sampled_from([None, 0, 2]), ascii_only=st.booleans())
def test_what_is_json_is_read_as_json_without_a_slip(value: object, indent: int | None, ascii_only: bool) -> None:
    reading = parse(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    assert reading.whole
    assert reading.slips == []
    assert reading.value == value


@given(text=st.text(alphabet='{}[]",:\\ntu0a \n'))
def test_no_text_is_too_strange(text: str) -> None:
    reading = parse(text)
    assert reading.whole or reading.slips


def _slips(text: str) -> list[tuple[int, int, str]]:
    return [(slip.place.line, slip.place.column, slip.what) for slip in parse(text).slips]


def test_a_path_with_single_backslashes_is_meant_as_it_stands() -> None:
    text = '{\n  "a": "C:\\Users\\new"\n}'
    assert parse(text).value == {"a": "C:\\Users\\new"}
    assert _slips(text) == [(2, 8, "there is a single backslash")]


def test_a_path_that_ends_with_a_backslash_ends_at_its_quote() -> None:
    text = '{\n  "a": "C:\\data\\",\n  "b": "x"\n}'
    assert parse(text).value == {"a": "C:\\data\\", "b": "x"}
    assert _slips(text) == [(2, 8, "there is a single backslash")]


def test_a_network_path_keeps_both_its_first_backslashes_when_they_are_doubled() -> None:
    assert parse('["\\\\\\\\server\\\\share"]').value == ["\\\\server\\share"]


def test_a_comma_too_many_is_passed_over() -> None:
    text = '{\n  "a": "x",\n}'
    assert parse(text).value == {"a": "x"}
    assert _slips(text) == [(2, 11, "there is a comma before }")]


def test_a_comma_too_few_is_told_where_it_belongs() -> None:
    text = '{\n  "a": "x"\n  "b": "y"\n}'
    assert parse(text).value == {"a": "x", "b": "y"}
    assert _slips(text) == [(2, 11, "the comma at the end is missing")]


def test_records_one_after_the_other_are_a_list() -> None:
    text = '{"a": "x"}\n{"a": "y"}\n'
    reading = parse(text)
    assert reading.value == [{"a": "x"}, {"a": "y"}]
    assert reading.place((1, "a")) == Place(2, 7)
    assert _slips(text) == [(1, 1, "there is more than one record")]


def test_a_name_that_stands_twice_is_told() -> None:
    assert _slips('{"a": "x",\n"a": "y"}') == [(2, 1, "this name stands here twice")]


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("", 1, 1, "the file is empty"),
        ('{\n"a": "x\n}', 2, 6, "the quote at the end of this text is missing on its line"),
        ('{\n"a": x}', 2, 6, "a value is expected here, not 'x}'"),
        ('{\na: "x"}', 2, 1, "a name between quotes is expected here, not 'a: \"x\"}'"),
        ('{"a": "x"', 1, 10, "the file ends before }"),
        ('{"a": 007}', 1, 7, "a value is expected here, not '007}'"),
        ('{"a" "x"}', 1, 6, "the colon behind the name is missing"),
        ('{"a": NaN}', 1, 7, "a value is expected here, not 'NaN}'"),
        ("[" * 40, 1, 32, "brackets stand in brackets too deeply"),
        ('["a"] "b"', 1, 7, "there is something behind the end"),
    ],
)
def test_where_nothing_can_be_made_of_it_that_is_said(text: str, line: int, column: int, what: str) -> None:
    assert not parse(text).whole
    assert _slips(text) == [(line, column, what)]


def test_a_file_of_an_old_editor_is_read_and_told(tmp_path: Path) -> None:
    file = tmp_path / "tracker.json"
    file.write_bytes('["x",\n"Müller"]'.encode("cp1252"))
    reading = read(file)
    assert reading.value == ["x", "Müller"]
    assert [(slip.place, slip.what) for slip in reading.slips] == [
        (Place(2, 3), "there is a character that is not in UTF-8")
    ]


def test_a_file_in_utf_16_is_read_and_told(tmp_path: Path) -> None:
    file = tmp_path / "tracker.json"
    file.write_text('["x"]', encoding="utf-16")
    reading = read(file)
    assert reading.value == ["x"]
    assert [slip.what for slip in reading.slips] == ["the file is in UTF-16"]


def test_a_mark_at_the_beginning_is_no_slip(tmp_path: Path) -> None:
    file = tmp_path / "tracker.json"
    file.write_text('["x"]', encoding="utf-8-sig")
    assert read(file).slips == []
