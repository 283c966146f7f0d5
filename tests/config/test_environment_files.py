"""A variable may be the text of a file that NAME_FILE names, and all that are missing are named at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from openmsistream.config import Settings, load
from openmsistream.config.show import as_dict, as_lines
from openmsistream.errors import ConfigError

Load = Callable[..., Settings]

PASSWORD = "[producer]\nsasl.password = $PW\n"
ALL = """\
[broker]
bootstrap.servers = $SERVERS
sasl.username = $NAME
[consumer]
sasl.password = $PW
sasl.username = $NAME
[s3]
region = $REGION
"""


def secret(place: Path, content: bytes = b"hush\n") -> Path:
    file = place / "secret"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("content", [b"hush", b"hush\n", b"hush\r\n", b"\xef\xbb\xbfhush\n"])
def test_the_value_is_the_file_s_text_without_its_last_newline(read: Load, tmp_path: Path, content: bytes) -> None:
    got = read(PASSWORD, PW_FILE=str(secret(tmp_path, content)))
    assert got.producer.properties["sasl.password"] == "hush"


def test_other_white_space_of_the_file_is_part_of_the_value(read: Load, tmp_path: Path) -> None:
    got = read(PASSWORD, PW_FILE=str(secret(tmp_path, b" a\nb \n\n")))
    assert got.producer.properties["sasl.password"] == " a\nb \n"


def test_text_behind_the_variable_and_later_variables_come_from_files_too(read: Load, tmp_path: Path) -> None:
    got = read("[producer]\nclient.id = $A-$PW\n", A="a", PW_FILE=str(secret(tmp_path)))
    assert got.producer.properties["client.id"] == "a-hush"


def test_an_empty_variable_gives_way_to_the_file(read: Load, tmp_path: Path) -> None:
    assert read(PASSWORD, PW="", PW_FILE=str(secret(tmp_path))).producer.properties["sasl.password"] == "hush"


def test_a_file_variable_that_is_empty_names_no_file(read: Load) -> None:
    assert read(PASSWORD, PW="x", PW_FILE="").producer.properties["sasl.password"] == "x"


def test_both_set_are_refused_by_name_and_shown_nowhere(read: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(PASSWORD, PW="clear", PW_FILE=str(secret(tmp_path)))
    assert str(caught.value) == "both PW and PW_FILE are set; keep one of them: PW_FILE names a file with the value"


def test_a_missing_file_is_named_with_its_variable(read: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(PASSWORD, PW_FILE=str(tmp_path / "nowhere"))
    assert caught.value.what == f"PW_FILE names {tmp_path / 'nowhere'}, which is not there"
    assert caught.value.advice == "put the value of PW into that file, or name another"


@pytest.mark.skipif(sys.platform == "win32", reason="there it is one of the files that may not be read")
def test_a_folder_in_place_of_the_file_is_told(read: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"which is a folder; name a file that holds the value of PW$"):
        read(PASSWORD, PW_FILE=str(tmp_path))


def test_a_file_that_is_no_text_is_told_and_not_shown(read: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"which is not UTF-8 text; put the value of PW into it as text$"):
        read(PASSWORD, PW_FILE=str(secret(tmp_path, b"\xff\xfe")))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(read: Load, tmp_path: Path) -> None:
    file = secret(tmp_path)
    file.chmod(0)
    with pytest.raises(ConfigError, match="which cannot be read: Permission denied; give the user that"):
        read(PASSWORD, PW_FILE=str(file))


def test_a_section_for_one_purpose_has_its_values_from_files_too(read: Load, tmp_path: Path) -> None:
    got = read("[s3]\nregion = $REGION\n", REGION_FILE=str(secret(tmp_path, b"eu\n")))
    assert got.section("s3") == {"region": "eu"}


def test_what_is_shown_says_that_a_value_is_from_a_file_and_hides_it(read: Load, tmp_path: Path) -> None:
    file = secret(tmp_path)
    got = read(PASSWORD, PW_FILE=str(file))
    assert got.producer.entries["sasl.password"].origin == f"file [producer] $PW from {file}"
    shown = "\n".join(as_lines(got))
    assert f"$PW from {file}" in shown
    assert "hush" not in shown + str(as_dict(got))


def test_a_secret_from_a_file_is_hidden_in_what_leaves_this_machine(read: Load, tmp_path: Path) -> None:
    assert "hush" in read(PASSWORD, PW_FILE=str(secret(tmp_path))).secrets


# -- what is missing -----------------------------------------------------------------------------------------------


def test_all_that_are_missing_are_named_at_once_each_once_and_with_its_place(read: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(ALL)
    assert caught.value.what == (
        f"{tmp_path / 'mine.config'} needs environment variables that are not set: "
        "SERVERS (line 2), NAME (line 3), PW (line 5), REGION (line 8, [s3])"
    )
    assert caught.value.advice == "set them before the program is started"


def test_a_section_for_one_purpose_keeps_nobody_from_starting(read: Load) -> None:
    assert read(ALL, SERVERS="a:1", NAME="me", PW="x").group_id is None


def test_all_that_a_section_for_one_purpose_lacks_are_named_at_once(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"not set: KEY \(\[s3\]\), REGION \(\[s3\]\); set them before"):
        read("[s3]\naccess_key_id = $KEY\nregion = $REGION\n").section("s3")


@pytest.mark.parametrize("key", ["bootstrap.servers", "sasl.username", "sasl.password"])
def test_a_credential_that_was_not_filled_in_is_as_good_as_none(read: Load, key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}: the environment variable PW is empty; set PW before"):
        read(f"[producer]\n{key} = $PW\n", PW="")


def test_a_list_that_is_not_filled_in_is_told_as_such(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"not set: SERVERS \(line 2, empty\), NAME \(line 3\)"):
        read(ALL, SERVERS="", PW="x", REGION="eu")


def test_whoever_named_no_configuration_is_told_how() -> None:
    with pytest.raises(ConfigError) as caught:
        load("test", environ={})
    assert (
        caught.value.advice
        == "name a configuration of your own with --config, or set them before the program is started"
    )


def test_in_a_container_it_is_told_where_to_put_them(read: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        read(ALL, SERVERS="a:1", NAME="me", OPENMSISTREAM_CONTAINER="1", REGION="eu")
    assert caught.value.advice == "set PW in the file that --env-file names; PW_FILE may name a file that holds it"


def test_in_a_container_quotation_marks_around_a_credential_are_warned_about(read: Load) -> None:
    """Docker takes the lines of an env file as they are."""
    (warning,) = read(PASSWORD, PW='"hush"', OPENMSISTREAM_CONTAINER="1").warnings
    assert warning == "the value of PW has quotation marks around it, and they count as part of it"
    assert read(PASSWORD, PW='"hush"').warnings == ()


def test_in_a_container_the_broker_of_this_machine_has_to_be_named(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"^OPENMSISTREAM_LOCAL_BROKER is not set; set it to HOST:PORT of a broker"):
        read(
            "[broker]\nbootstrap.servers = $OPENMSISTREAM_LOCAL_BROKER\n", OPENMSISTREAM_CONTAINER="1", HOME="/nowhere"
        )
