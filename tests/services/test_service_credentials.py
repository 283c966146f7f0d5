"""The variables of a service: which it needs, and where their values come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from openmsistream.errors import ConfigError, UsageError
from openmsistream.services import environment_file
from openmsistream.services.credentials import ALL, Wanted, complete, given, passed_on, wanted, without_value

CONFIG = """\
[broker]
bootstrap.servers = $LAB_BROKER
sasl.password = ${LAB_PASSWORD}
[consumer]
client.id = $LAB_USER-$LAB_ROOM
[s3]
access_key_id = $LAB_KEY
[heartbeat]
sasl.password = $LAB_BEAT
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    made = tmp_path / "lab.config"
    made.write_text(CONFIG, "utf-8")
    return made


def test_a_configuration_needs_the_variables_of_its_clients(config: Path) -> None:
    found = wanted(config, ())
    assert found.needed == ("LAB_BROKER", "LAB_PASSWORD", "LAB_USER")
    assert set(found.used) == {"LAB_ROOM", "LAB_KEY", "LAB_BEAT"}


def test_a_section_for_one_purpose_is_needed_by_who_has_that_purpose(config: Path) -> None:
    assert "LAB_KEY" in wanted(config, ("s3",)).needed
    assert "LAB_BEAT" in wanted(config, ("heartbeat",)).needed
    assert {"LAB_KEY", "LAB_BEAT"} <= set(wanted(config, ALL).needed)


def test_the_local_broker_s_address_is_not_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "x.config"
    file.write_text("[broker]\nbootstrap.servers = $OPENMSISTREAM_LOCAL_BROKER\n", "utf-8")
    assert wanted(file, ()) == Wanted((), ("OPENMSISTREAM_LOCAL_BROKER",))


def test_without_a_configuration_nothing_is_needed() -> None:
    assert wanted(None, ALL) == Wanted()


def test_options_win_over_files_and_a_name_alone_takes_the_present_value(tmp_path: Path) -> None:
    file = tmp_path / "lab.env"
    file.write_text("A=1\nB=2\nC\n", "utf-8")
    found = given(["B=x=y", "D"], [file], {"C": "3", "D": "4"})
    assert found == {"A": "1", "B": "x=y", "C": "3", "D": "4"}


def test_a_name_alone_that_is_not_set_is_refused() -> None:
    with pytest.raises(UsageError, match="--env D: the environment has no such variable; write --env NAME=VALUE"):
        given(["D"], [], {})


def test_what_is_no_name_is_refused_and_its_value_is_not_shown() -> None:
    with pytest.raises(UsageError) as refused:
        given(["A B=s3cret"], [], {})
    assert "not the name of a variable" in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("value", ["a\0b", "a\udcffb"])
def test_a_value_that_is_no_text_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(UsageError, match=r"^the value of LAB is no text \(UTF-8\); give another one$"):
        given([f"LAB={value}"], [], {})


def test_what_is_not_given_comes_from_the_environment() -> None:
    assert complete(Wanted(("A",), ("B",)), {}, {"A": "1", "B": "2", "C": "3"}, None) == {"A": "1", "B": "2"}


def test_what_is_only_used_may_be_missing() -> None:
    assert complete(Wanted((), ("B",)), {}, {}, None) == {}


def test_all_that_is_missing_is_named_where_nobody_can_be_asked() -> None:
    with pytest.raises(UsageError) as refused:
        complete(Wanted(("A", "B", "C")), {"B": "x"}, {}, None)
    assert str(refused.value) == (
        "the configuration needs A and C, which are not set; add --env A=VALUE, or --env-file FILE with such lines"
    )


def test_an_empty_value_is_as_good_as_none() -> None:
    assert complete(Wanted(("A",)), {"A": ""}, {"A": "x"}, None) == {"A": "x"}
    with pytest.raises(UsageError, match="the configuration needs A, which is not set"):
        complete(Wanted(("A",)), {"A": ""}, {}, None)


def test_a_value_may_stand_in_a_file_and_an_empty_one_is_none() -> None:
    assert without_value(["A", "B", "C"], {"A": "x", "B_FILE": "/b", "C": ""}) == ["C"]


def test_a_person_is_asked_until_there_is_an_answer() -> None:
    answers = iter(["", "secret"])
    asked = []

    def ask(name: str) -> str:
        asked.append(name)
        return next(answers)

    assert complete(Wanted(("A",)), {}, {}, ask) == {"A": "secret"}
    assert asked == ["A", "A"]


def test_a_file_that_holds_the_value_stands_for_it(tmp_path: Path) -> None:
    assert complete(Wanted(("A",)), {"A_FILE": "/run/secrets/a"}, {}, None) == {"A_FILE": "/run/secrets/a"}
    assert complete(Wanted(("A",)), {}, {"A_FILE": str(tmp_path / "a")}, None) == {"A_FILE": str(tmp_path / "a")}


def test_variables_that_say_where_things_are_go_along_with_absolute_paths(tmp_path: Path) -> None:
    found = passed_on({"OPENMSISTREAM_CONFIG_FILE_DIR": str(tmp_path), "HOME": "/x", "OPENMSISTREAM_STATE_DIR": ""})
    assert found == {"OPENMSISTREAM_CONFIG_FILE_DIR": str(tmp_path)}


# -- files ---------------------------------------------------------------------------------------------------


def test_a_file_may_have_comments_empty_lines_quotes_and_export(tmp_path: Path) -> None:
    file = tmp_path / "lab.env"
    file.write_text("\ufeff# account\n\nexport A='x y'\nB=\"#z\"\n  C = 1 \nD=it's\nE=\n", "utf-8")
    assert environment_file.read(file, {}) == {"A": "x y", "B": "#z", "C": "1", "D": "it's", "E": ""}


def test_a_line_that_is_no_variable_is_named_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "lab.env"
    file.write_text("A=1\ns3cret value\n", "utf-8")
    with pytest.raises(ConfigError) as refused:
        environment_file.read(file, {})
    assert str(refused.value) == f"{file}, line 2: not NAME=VALUE; correct that line"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lab\.env cannot be read: "):
        environment_file.read(tmp_path / "lab.env", {})


@pytest.mark.parametrize("value", ["", "a b", '"', "\\", "$x `y`", "a\nb", " # ", "ü"])
def test_what_is_written_for_systemd_is_read_back_the_same(value: str) -> None:
    assert environment_file.read_back(environment_file.written({"A": value, "B": "x"})) == {"A": value, "B": "x"}
