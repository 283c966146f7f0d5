"""A configuration is found by name, by path, in the folder of the environment, or among the packaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from openmsistream.config import load
from openmsistream.config.lookup import FOLDER_VARIABLE, PACKAGED, find
from openmsistream.errors import ConfigError

BROKER = "[broker]\nbootstrap.servers = lab:9092\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(BROKER, encoding="utf-8")
    return path


def test_a_name_without_a_dot_gets_the_suffix(elsewhere: Path) -> None:
    make(elsewhere / "mine.config")
    assert find("mine", {}).name == "mine.config"


def test_a_name_with_a_dot_is_taken_as_it_is(elsewhere: Path) -> None:
    make(elsewhere / "mine.ini")
    assert find("mine.ini", {}).name == "mine.ini"


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = make(tmp_path / "other" / "mine.config")
    assert find(path, {}) == path


def test_the_folder_of_the_environment_is_searched(tmp_path: Path) -> None:
    path = make(tmp_path / "lab configs" / "mine.config")
    assert load("mine", environ={FOLDER_VARIABLE: str(path.parent)}).path == path


def test_the_current_folder_comes_before_that_of_the_environment(elsewhere: Path, tmp_path: Path) -> None:
    make(elsewhere / "mine.config")
    make(tmp_path / "configs" / "mine.config")
    assert find("mine", {FOLDER_VARIABLE: str(tmp_path / "configs")}).absolute() == elsewhere / "mine.config"


def test_the_folder_of_the_environment_comes_before_the_packaged_ones(tmp_path: Path) -> None:
    path = make(tmp_path / "configs" / "prod.config")
    assert find("prod", {FOLDER_VARIABLE: str(path.parent)}) == path


def test_packaged_ones_are_found_beside_a_folder_of_the_environment(tmp_path: Path) -> None:
    assert find("local", {FOLDER_VARIABLE: str(tmp_path)}) == PACKAGED / "local.config"


def test_a_missing_one_names_the_places_and_what_is_near(elsewhere: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find("locl", {FOLDER_VARIABLE: str(tmp_path / "configs")})
    assert "'locl.config'" in caught.value.what
    for place in (elsewhere, tmp_path / "configs", PACKAGED):
        assert str(place) in caught.value.what
    assert caught.value.advice.startswith("did you mean local")


def test_a_missing_one_that_resembles_nothing_lists_the_packaged_names() -> None:
    with pytest.raises(ConfigError) as caught:
        find("zzzzzzzz", {})
    assert "local, local_broker_test" in caught.value.advice


def test_a_path_without_its_suffix_is_recognised(elsewhere: Path) -> None:
    make(elsewhere / "mine.config")
    with pytest.raises(ConfigError) as caught:
        find("./mine", {})
    assert caught.value.advice == "did you mean ./mine.config"


def test_a_folder_is_not_a_configuration(elsewhere: Path) -> None:
    (elsewhere / "mine.config").mkdir()
    with pytest.raises(ConfigError, match="there is no configuration file"):
        find("mine", {})
