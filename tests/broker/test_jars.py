"""The pinned jars: fetched, checked, refused by name."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from openmsistream.broker.installation import jars_folder
from openmsistream.broker.jars import fetch_with_jgo, provide
from openmsistream.broker.pins import Jar, Pins, load_pins
from openmsistream.errors import BrokerProcessError, ConfigError

RIGHT = b"what was tested"
JAR = Jar("org.example:part:1.0", "part-1.0.jar", len(RIGHT), hashlib.sha256(RIGHT).hexdigest())
PINS = Pins("1.0", (JAR,))


class Repository:
    """Gives out the contents it was made with, one for each request, the last one ever after."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = list(contents)
        self.asked = 0

    def __call__(self, jar: Jar, folder: Path) -> Path:
        self.asked += 1
        folder.mkdir(parents=True)
        path = folder / jar.file
        path.write_bytes(self.contents.pop(0) if len(self.contents) > 1 else self.contents[0])
        return path


def get(tmp_path: Path, repository: Repository) -> list[Path]:
    return provide(PINS, tmp_path / "jars", lambda _: None, repository, tmp_path / "m2")


def test_a_right_jar_is_kept_under_its_name(tmp_path: Path) -> None:
    assert [path.read_bytes() for path in get(tmp_path, Repository(RIGHT))] == [RIGHT]


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    repository = Repository(RIGHT)
    get(tmp_path, repository)
    get(tmp_path, repository)
    assert repository.asked == 1


def test_a_jar_that_differs_is_refused_by_name_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(BrokerProcessError, match=rf"part-1\.0\.jar.*{JAR.sha256}"):
        get(tmp_path, Repository(b"other"))
    assert not (tmp_path / "jars" / JAR.file).exists()


def test_a_jar_that_came_damaged_is_fetched_once_more(tmp_path: Path) -> None:
    repository = Repository(RIGHT[:4], RIGHT)
    get(tmp_path, repository)
    assert repository.asked == 2


def test_a_jar_that_changed_on_disk_is_refused_by_name(tmp_path: Path) -> None:
    (path,) = get(tmp_path, Repository(RIGHT))
    path.write_bytes(b"what was altered")
    with pytest.raises(BrokerProcessError, match=r"part-1\.0\.jar in .*delete that file"):
        get(tmp_path, Repository(RIGHT))


def test_a_jar_that_was_only_touched_is_accepted(tmp_path: Path) -> None:
    (path,) = get(tmp_path, Repository(RIGHT))
    os.utime(path, (0, 0))
    assert get(tmp_path, Repository(b"unused")) == [path]


def test_a_right_copy_in_the_local_maven_repository_is_taken(tmp_path: Path) -> None:
    place = tmp_path / "m2" / "org" / "example" / "part" / "1.0"
    place.mkdir(parents=True)
    (place / JAR.file).write_bytes(RIGHT)
    repository = Repository(b"unused")
    get(tmp_path, repository)
    assert repository.asked == 0


def test_a_wrong_copy_in_the_local_maven_repository_is_passed_over(tmp_path: Path) -> None:
    place = tmp_path / "m2" / "org" / "example" / "part" / "1.0"
    place.mkdir(parents=True)
    (place / JAR.file).write_bytes(b"cut sho")
    (path,) = get(tmp_path, Repository(RIGHT))
    assert path.read_bytes() == RIGHT


def test_a_fetch_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken(jar: Jar, folder: Path) -> Path:
        folder.mkdir(parents=True)
        (folder / jar.file).write_bytes(RIGHT[:4])
        raise BrokerProcessError("the line broke")

    with pytest.raises(BrokerProcessError, match="the line broke"):
        provide(PINS, tmp_path / "jars", lambda _: None, broken, tmp_path / "m2")
    assert [path.name for path in (tmp_path / "jars").iterdir()] == ["lock"]


def test_the_amount_to_fetch_is_said_before(tmp_path: Path) -> None:
    said: list[str] = []
    provide(PINS, tmp_path / "jars", said.append, Repository(RIGHT), tmp_path / "m2")
    assert said[0] == "fetching Apache Kafka, once: 1 files, 0 MB"


def test_a_folder_where_all_are_may_be_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(tmp_path, Repository(RIGHT))
    (tmp_path / "jars" / "checked.json").unlink()  # what would be written

    def refused(*_asked: object, **_named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refused)
    monkeypatch.setattr(Path, "open", io_open_for_reading)
    assert provide(PINS, tmp_path / "jars", lambda _: None, Repository(b"unused"), tmp_path / "m2")


def io_open_for_reading(self: Path, mode: str = "r", **named: object) -> object:
    if mode not in ("r", "rb"):
        raise PermissionError(13, "Permission denied", str(self))
    return open(self, mode, **named)  # type: ignore[call-overload]


def test_a_jar_s_time_is_in_whole_seconds_for_layers_of_images(tmp_path: Path) -> None:
    (path,) = get(tmp_path, Repository(RIGHT))
    assert path.stat().st_mtime_ns % 1_000_000_000 == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such modes")
def test_a_jar_can_be_read_by_every_user(tmp_path: Path) -> None:
    (path,) = get(tmp_path, Repository(RIGHT))
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_folder_for_them_can_be_named(tmp_path: Path) -> None:
    assert jars_folder({"OPENMSISTREAM_KAFKA_DIR": str(tmp_path)}) == tmp_path
    assert jars_folder({"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}).name == f"kafka-{load_pins().version}"


def test_without_jgo_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jgo.config", None)
    with pytest.raises(ConfigError, match=r"pip install 'openmsistream\[broker\]'.*KAFKA_HOME"):
        fetch_with_jgo(JAR, tmp_path)


def test_the_pins_name_one_kafka_and_a_log_binding() -> None:
    pins = load_pins()
    names = [jar.file for jar in pins.jars]
    assert f"kafka_2.13-{pins.version}.jar" in names
    assert any(name.startswith("log4j-slf4j") for name in names)
    assert len(set(names)) == len(names)
    assert all(len(jar.sha256) == 64 for jar in pins.jars)
