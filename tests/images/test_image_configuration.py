"""Credentials and settings that reach a program in a container."""

from __future__ import annotations

from containers import DOWNLOAD, HOME, REPOSITORY, UPLOAD, Harbour, Way, mounted
from lab import expect

VARIABLES = ("CONFLUENT_BOOTSTRAP_SERVERS", "CONFLUENT_USERNAME", "CONFLUENT_PASSWORD")


def test_all_missing_variables_are_named_at_the_start(base_image: str, harbour: Harbour) -> None:
    volumes = {
        **mounted(harbour.folder("data"), f"{HOME}/data"),
        **mounted(REPOSITORY / "config.config", f"{HOME}/config.config", "ro"),
    }

    code, said = harbour.ran(
        base_image, UPLOAD, "data", "--config", "config.config", "--topic_name", "t", volumes=volumes
    )

    assert code != 0
    assert [name for name in VARIABLES if name in said] == list(VARIABLES), said
    assert "Traceback" not in said


def test_one_missing_variable_is_named_alone(base_image: str, harbour: Harbour) -> None:
    volumes = {
        **mounted(harbour.folder("data"), f"{HOME}/data"),
        **mounted(REPOSITORY / "config.config", f"{HOME}/config.config", "ro"),
    }
    environment = {VARIABLES[0]: "127.0.0.1:9", VARIABLES[1]: "me"}

    code, said = harbour.ran(
        base_image, DOWNLOAD, "data", "--config", "config.config", "--topic_name", "t", volumes=volumes,
        environment=environment,
    )  # fmt: skip

    assert code != 0
    assert [name for name in VARIABLES if name in said] == [VARIABLES[2]], said


def test_a_value_is_read_from_the_file_that_name_file_names(way: Way) -> None:
    secret = way.harbour.file("servers", "broker:9092\n")
    way.config.write_text("[broker]\nbootstrap.servers = $CONFLUENT_BOOTSTRAP_SERVERS\n")
    volumes = {
        **mounted(way.here, f"{HOME}/data"),
        **mounted(way.config, f"{HOME}/lab.config", "ro"),
        **mounted(secret, "/run/secrets/servers", "ro"),
    }

    uploader = way.uploader(volumes=volumes, environment={"CONFLUENT_BOOTSTRAP_SERVERS_FILE": "/run/secrets/servers"})
    way.put("file.txt", "x")

    expect(lambda: way.on_the_topic == ["file.txt"], 60, lambda: uploader.said)
    assert "/run/secrets/servers" in uploader.run("openmsistream config show lab.config")


def test_a_file_with_a_secret_that_is_not_there_is_named_with_its_variable(base_image: str, harbour: Harbour) -> None:
    config = harbour.file("lab.config", "[broker]\nbootstrap.servers = $CONFLUENT_BOOTSTRAP_SERVERS\n")
    volumes = {**mounted(harbour.folder("data"), f"{HOME}/data"), **mounted(config, f"{HOME}/lab.config", "ro")}

    code, said = harbour.ran(
        base_image, UPLOAD, "data", "--config", "lab.config", "--topic_name", "t", volumes=volumes,
        environment={"CONFLUENT_BOOTSTRAP_SERVERS_FILE": "/run/secrets/servers"},
    )  # fmt: skip

    assert code != 0
    assert "CONFLUENT_BOOTSTRAP_SERVERS_FILE" in said
    assert "/run/secrets/servers" in said
    assert "Traceback" not in said


def test_the_time_zone_is_that_of_tz(base_image: str, harbour: Harbour) -> None:
    words = ["python", "-c", "import datetime as d; print(d.datetime(2026, 7, 1).astimezone().strftime('%H%z'))"]

    assert harbour.ran(base_image, *words) == (0, "00+0000\n")
    assert harbour.ran(base_image, *words, environment={"TZ": "America/New_York"}) == (0, "00-0400\n")
