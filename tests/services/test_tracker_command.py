"""`openmsistream tracker`: what it says of a file, what it adds, what it shows."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from openmsistream.commands.main import main

RECORD = {
    "type": "Producer", "service_name": "indenter", "service_local_location": "C:\\openmsi",
    "service_local_target_folder": "C:\\data", "installation_notes": "", "primary_contact_name": "Ada",
    "primary_contact_email": "ada@example.org", "machine_metadata": "PC 12", "code_metadata": "main",
}  # fmt: skip

OLD = r"""{
  "type": "Producer",
  "service_name": "htmdec_producer",
  "service_local_location": "C:\Users\lab\EZ\",
  "service_local_target_folder": "D:\data",
  "installation_notes": "Daemon Installation using Services on Windows 7"
  "primary_contact_name": "Ada",
  "primary_contact_email": "",
  "machine_metadata": "",
  "code_metadata": "",
}
"""


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as end:
        main(["tracker", *map(str, words)])
    said = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, said.out, said.err


def options(**changed: str) -> list[str]:
    return [word for name, value in {**RECORD, **changed}.items() for word in (f"--{name}", value)]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", StringIO())
    return tmp_path / "tracker.json"


def put(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2), encoding="utf-8")


# -- check -------------------------------------------------------------------------------------------------------


def test_the_example_of_the_repository_has_nothing_to_be_said_of(capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[2] / "tracker.json"
    assert run(capsys, "check", example) == (0, f"{example}: 1 record, no mistakes\n", "")


def test_one_record_alone_is_good_too(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(file, RECORD)
    said = "tracker.json: 1 record, no mistakes; it is in the old shape, one record without a list around it\n"
    assert run(capsys, "check") == (0, said, "")


def test_every_mistake_has_its_line_column_and_field(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without = {name: value for name, value in RECORD.items() if name != "code_metadata"}
    put(file, [RECORD, {**without, "service_name": " ", "primary_contact_name": 5, "primary_contact_email": "nobody"}])
    code, out, err = run(capsys, "check")
    assert code == 3
    assert out.splitlines() == [
        'tracker.json:13:3: record 2, code_metadata: this field is missing; add the line "code_metadata": "...", (it may '
        'be "" where nothing is known)',
        "tracker.json:15:21: record 2, service_name: this is empty; fill it in: others have to find the thing by it",
        'tracker.json:19:29: record 2, primary_contact_name: this is a number, not a text; put it between quotes: "..."',
        'tracker.json:20:30: record 2, primary_contact_email: this is not an address; write name@place.org, or "" when '
        "there is none",
    ]
    assert err == "error: tracker.json has 4 mistakes; correct them\n"


def test_a_missing_field_that_has_to_be_filled_in_is_not_said_to_be_empty_at_will(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(file, [{name: value for name, value in RECORD.items() if name != "primary_contact_name"}])
    _, out, _ = run(capsys, "check")
    assert out.endswith('primary_contact_name: this field is missing; add the line "primary_contact_name": "...",\n')


def test_a_file_that_is_no_json_is_told_line_by_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(OLD, encoding="utf-8")
    code, out, err = run(capsys, "check")
    assert code == 3
    assert [line.split(": ")[:2] for line in out.splitlines()] == [
        ["tracker.json:4:29", "service_local_location"],
        ["tracker.json:5:34", "service_local_target_folder"],
        ["tracker.json:6:74", "the comma at the end is missing; add it"],
        ["tracker.json:10:22", "there is a comma before }; remove it"],
    ]
    assert err.endswith("what is only badly written is put right by: openmsistream tracker check tracker.json --mend\n")


def test_mending_keeps_what_was_meant_and_the_file_as_it_was(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(OLD, encoding="utf-8")
    code, _, err = run(capsys, "check", "--mend")
    assert code == 0
    assert err == "tracker.json is put right in 4 places; as it was it is kept in tracker.json.before\n"
    mended = json.loads(file.read_text(encoding="utf-8"))
    assert mended["service_local_location"] == "C:\\Users\\lab\\EZ\\"
    assert file.with_name("tracker.json.before").read_text(encoding="utf-8") == OLD


def test_what_cannot_be_read_to_its_end_is_not_mended(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('{"type": "Producer', encoding="utf-8")
    code, out, _ = run(capsys, "check", "--mend")
    assert code == 3
    assert out.startswith("tracker.json:1:10: type: the quote at the end of this text is missing on its line")
    assert file.read_text(encoding="utf-8") == '{"type": "Producer'


@pytest.mark.parametrize(
    "changed",
    [
        {"installation_notes": "TeamViewer 123, password: hunter22"},
        {"code_metadata": "https://ada:hunter22@git.example.org/code"},
        {"machine_metadata": "cflt q7Xm2LpR9vTz4KbN8wYc1HdF6sJg3AeU5oIi"},
        {"api_key": "ABCDEF"},
    ],
)
def test_what_looks_like_a_password_is_spoken_of_and_not_shown(
    file: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str]
) -> None:
    put(file, [{**RECORD, **changed}])
    code, out, _ = run(capsys, "check")
    assert code == 0
    assert f"look at this: record 1, {next(iter(changed))}: this looks like a password or key" in out
    assert next(iter(changed.values())) not in out


@pytest.mark.parametrize(
    "value",
    [
        "https://git.example.org/lab/code.git at 1f3870be274f6c49b3e31a0c6728957f1f3870be",
        r"C:\Data\Indentation_2024_Run12",
    ],
)
def test_a_commit_or_a_path_is_no_password(file: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    put(file, [{**RECORD, "code_metadata": value}])
    assert run(capsys, "check") == (0, "tracker.json: 1 record, no mistakes\n", "")


def test_a_type_that_looks_mistyped_is_spoken_of(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(file, [{**RECORD, "type": "Prodcuer"}, {**RECORD, "type": "MyOwnAnalysis", "service_name": "other"}])
    code, out, _ = run(capsys, "check")
    assert code == 0
    assert out.splitlines() == [
        "tracker.json:3:13: look at this: record 1, type: Prodcuer is not a known type; write Producer if that is meant",
        "tracker.json: 2 records, no mistakes, 1 to look at",
    ]


def test_a_path_whose_backslash_was_taken_for_a_tab_is_spoken_of(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(json.dumps([RECORD]).replace(r"C:\\data", r"C:\temp"), encoding="utf-8")
    code, out, _ = run(capsys, "check")
    assert code == 0
    assert r"service_local_target_folder: there is a tab in this path; write \\t if \t is meant" in out


def test_two_records_of_one_service_are_spoken_of(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(file, [RECORD, RECORD])
    _, out, _ = run(capsys, "check")
    assert "record 2: record 1 is of the same service at the same place; remove one of the two" in out


def test_mistakes_can_be_had_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(file, [5])
    code, out, _ = run(capsys, "check", "--json")
    assert code == 3
    assert json.loads(out) == [
        {
            "line": 2, "column": 3, "field": "record 1", "mistake": True, "what": "a record is expected here",
            "advice": 'write { "type": "...", "service_name": "...", ... }',
        }
    ]  # fmt: skip


def test_a_file_that_is_not_there_is_said_to_be_missing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "error: there is no file tracker.json; name the tracker, or make one with: openmsistream tracker add\n"
    assert run(capsys, "check") == (7, "", said)


# -- add ---------------------------------------------------------------------------------------------------------


def test_a_first_record_makes_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "add", *options()) == (0, "tracker.json: 1 record, indenter among them\n", "")
    assert json.loads(file.read_text(encoding="utf-8")) == [RECORD]


def test_what_is_there_stays_with_fields_that_nobody_knows(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {**RECORD, "room": "12"}
    put(file, [before])
    run(capsys, "add", *options(service_name="other"))
    assert json.loads(file.read_text(encoding="utf-8")) == [before, {**RECORD, "service_name": "other"}]


def test_a_file_in_the_old_shape_becomes_a_list_and_that_is_said(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(file, RECORD)
    _, out, _ = run(capsys, "add", *options(service_name="other"))
    assert "tracker.json was one record alone (the old shape), and is a list of records now" in out
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 2


def test_the_same_service_twice_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(file, [RECORD])
    code, _, err = run(capsys, "add", *options(machine_metadata="another"))
    assert code == 2
    assert err == (
        "error: tracker.json has a record of indenter at C:\\openmsi already; --replace puts this one in its place\n"
    )


def test_replacing_keeps_the_place_and_fields_that_nobody_knows(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(file, [{**RECORD, "room": "12"}, {**RECORD, "service_name": "other"}])
    run(capsys, "add", "--replace", *options(machine_metadata="another"))
    assert json.loads(file.read_text(encoding="utf-8"))[0] == {**RECORD, "room": "12", "machine_metadata": "another"}


def test_without_a_terminal_all_that_is_missing_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "add", "--type", "Producer", "--service_name", "x", "--primary_contact_name", "Ada")
    assert code == 2
    assert err == (
        "error: --service_local_location, --service_local_target_folder are missing; there is no terminal to ask at\n"
    )
    assert not file.exists()


def test_at_a_terminal_what_is_missing_is_asked_for(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(file, [RECORD])

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("Consumer\n\nnew\nhere\nthere\nby hand\n\n\nmine\nv1\n"))
    code, out, _ = run(capsys, "add")
    assert code == 0
    assert (
        out.count("name of the service, of the container, or of its image: ") == 2
    )  # asked again: it may not be empty
    assert json.loads(file.read_text(encoding="utf-8"))[1] == {
        "type": "Consumer", "service_name": "new", "service_local_location": "here", "service_local_target_folder": "there",
        "installation_notes": "by hand", "primary_contact_name": "Ada", "primary_contact_email": "ada@example.org",
        "machine_metadata": "mine", "code_metadata": "v1",
    }  # fmt: skip


def test_nothing_is_added_to_a_file_with_mistakes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(OLD, encoding="utf-8")
    code, _, err = run(capsys, "add", *options())
    assert code == 3
    assert "tracker.json:4:29: service_local_location: there is a single backslash" in err
    assert file.read_text(encoding="utf-8") == OLD


def test_a_dry_run_prints_the_file_and_writes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "add", "--dry_run", *options())
    assert code == 0
    assert json.loads(out) == [RECORD]
    assert not file.exists()


def test_an_address_that_is_none_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "add", *options(primary_contact_email="ada"))
    assert code == 2
    assert err == (
        'error: --primary_contact_email: this is not an address; write name@place.org, or "" when there is none\n'
    )


def test_a_password_is_added_with_a_warning(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "add", *options(installation_notes="password=hunter22"))
    assert code == 0
    assert "installation_notes looks like a password or key: a tracker is read by others" in err


# -- list --------------------------------------------------------------------------------------------------------


def test_the_list_has_a_line_for_each_record(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(file, [RECORD, {**RECORD, "service_name": "other", "primary_contact_email": ""}])
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert out.splitlines() == [
        "indenter  Producer  C:\\data  Ada <ada@example.org>  PC 12",
        "other  Producer  C:\\data  Ada  PC 12",
        "2 records",
    ]


def test_the_list_shows_what_can_be_read_and_says_that_there_are_mistakes(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(OLD, encoding="utf-8")
    code, out, err = run(capsys, "list")
    assert code == 0
    assert out.startswith("htmdec_producer  Producer  D:\\data  Ada")
    assert err == "tracker.json has 4 mistakes; see: openmsistream tracker check tracker.json\n"


def test_the_list_as_json_is_always_a_list(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(file, RECORD)
    _, out, _ = run(capsys, "list", "--json")
    assert json.loads(out) == [RECORD]
