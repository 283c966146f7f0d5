"""A service as a value, its record, and where records are kept."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from openmsistream.errors import UsageError
from openmsistream.services.records import Records
from openmsistream.services.service import Service, service_name
from openmsistream.services.supervisor import ServiceError

ONE = Service(
    name="up", target="DataFileUploadDirectory", args=("/data/in", "--config", "local"),
    command=("/opt/bin/DataFileUploadDirectory", "/data/in", "--config", "local"), folder="/", user="ada",
    writes=("/data/in",), environ={"A": "b"}, variables=("SECRET",), version="2.0", installed=12.5,
)  # fmt: skip

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="modes of files")


def test_a_record_gives_the_same_service_again() -> None:
    assert Service.from_json(ONE.to_json()) == ONE


def test_a_record_of_a_later_form_is_not_read() -> None:
    later = ONE.to_json().replace('"form": 1', '"form": 2')
    with pytest.raises(ValueError, match="not a record of a service in a form that is known here"):
        Service.from_json(later)


def test_what_a_later_version_has_added_to_a_record_is_passed_over() -> None:
    said = json.loads(ONE.to_json()) | {"colour": "red"}
    assert Service.from_json(json.dumps(said)) == ONE


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": 1}', '{"form": 1, "name": "x"}'])
def test_anything_else_is_no_record(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Service.from_json(text)


@pytest.mark.parametrize("name", ["up", "up_2", "scan-room.3", "A" * 80])
def test_these_are_names_of_services(name: str) -> None:
    assert service_name(name) == name


def test_the_ending_of_a_unit_is_not_part_of_a_name() -> None:
    assert service_name("up.service") == "up"


@pytest.mark.parametrize("name", ["", "-up", ".up", "a b", "a/b", "../up", "a@b", "ü", "A" * 81, "a\nb"])
def test_these_are_not(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a service"):
        service_name(name)


def test_a_record_is_found_again_by_its_name(tmp_path: Path) -> None:
    records = Records(tmp_path / "services")
    records.write(ONE)
    assert records.names() == ["up"]
    assert records.read("up") == ONE
    assert records.read("down") is None


def test_a_damaged_record_is_named_with_what_to_do(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.file("up").write_text("{", "utf-8")
    with pytest.raises(ServiceError, match=r"up\.json is no record of a service: .*install it again"):
        records.read("up")


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    records = Records(tmp_path)
    values = {"A": 'q"\\`$x\n  y ', "B": "", "C": "ünï #1"}
    records.write_values("up", values)
    assert records.values("up") == values


@on_posix
def test_only_their_owner_may_read_values(tmp_path: Path) -> None:
    records = Records(tmp_path)
    before = os.umask(0)
    try:
        records.write_values("up", {"A": "b"})
        records.write(ONE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(records.values_file("up").stat().st_mode) == 0o600
    assert stat.S_IMODE(records.file("up").stat().st_mode) == 0o644


@on_posix
def test_others_may_read_a_record_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        Records(tmp_path).write(ONE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "up.json").stat().st_mode) == 0o644


def test_without_values_there_is_no_file_for_them(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write_values("up", {"A": "b"})
    records.write_values("up", {})
    assert not records.values_file("up").exists()
    assert records.values("up") == {}


def test_a_forgotten_service_leaves_nothing(tmp_path: Path) -> None:
    records = Records(tmp_path / "openmsistream" / "services")
    records.write(ONE)
    records.write_values("up", {"A": "b"})
    records.remove("up")
    assert list(tmp_path.rglob("*")) == []


def test_records_of_others_stay_when_one_is_forgotten(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write(ONE)
    (tmp_path / "down.json").write_text("{}", "utf-8")
    records.remove("up")
    assert records.names() == ["down"]


def test_the_variable_that_moves_state_does_not_move_records(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path), "OPENMSISTREAM_STATE_DIR": "/elsewhere"}
    assert "elsewhere" not in str(Records.of("user", environ).folder)
