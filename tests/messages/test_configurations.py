"""What is said of a configuration that cannot be used: each time one line, and exit code 3."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import UPLOAD_ONE, Program, put

CONFIG = 3


def said(tmp_path: Path, config: object, env: dict[str, str] | None = None, code: int = CONFIG) -> str:
    """The one line with which UploadDataFile ends under this configuration, without a broker."""
    file = put(tmp_path, "file.dat", b"content")
    log = tmp_path / "program.log"
    program = Program(UPLOAD_ONE, file, "--config", config, "--topic_name", "t", log=log, env=env)
    try:
        assert program.ends() == code, program.said
        (line,) = program.said.splitlines()
    finally:
        program.kill()
    return line.removeprefix("error: ")


def written(tmp_path: Path, text: str) -> Path:
    return put(tmp_path, "mine.config", text)


def test_a_configuration_that_is_not_found_is_told_with_the_places_that_were_looked_at(tmp_path: Path) -> None:
    line = said(tmp_path, "prot", {"OPENMSISTREAM_CONFIG_FILE_DIR": str(tmp_path)})
    assert line.startswith("there is no configuration file 'prot.config' (looked in ")
    assert f", {tmp_path}, " in line
    assert "packaged); did you mean prod" in line


def test_a_file_that_is_no_configuration(tmp_path: Path) -> None:
    config = written(tmp_path, "bootstrap.servers: lab:9092\n")
    assert said(tmp_path, config) == (
        f"{config}, line 1: this stands before the first section; begin the file with a section such as [broker]"
    )


def test_a_misspelt_property_is_told_with_its_line_and_what_was_meant(tmp_path: Path) -> None:
    config = written(tmp_path, "[broker]\nbootstrap.servers = 127.0.0.1:1\n[producer]\nlinger.mss = 5\n")
    assert said(tmp_path, config) == (
        f"{config}, line 4: linger.mss in [producer] is no property of Kafka clients; did you mean linger.ms"
    )


def test_a_property_of_another_client_is_told_with_its_name_here(tmp_path: Path) -> None:
    config = written(tmp_path, "[broker]\nbootstrap.servers = 127.0.0.1:1\nssl.truststore.location = a.jks\n")
    assert said(tmp_path, config).endswith("is no property of Kafka clients; did you mean ssl.ca.location")


def test_a_property_that_only_the_installed_client_knows_is_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer client has properties that our list has not: it is asked."""
    from openmsistream.config import known, load, rules
    from openmsistream.kafka.checked import check_names

    older = {name: kind for name, kind in known.known().items() if name != "socket.nagle.disable"}
    monkeypatch.setattr(rules, "known", lambda: older)
    config = written(tmp_path, "[broker]\nbootstrap.servers = 127.0.0.1:1\nsocket.nagle.disable = true\n")
    settings = load(config)
    assert [unknown.name for unknown in settings.unknown] == ["socket.nagle.disable"]
    check_names(settings)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    config = written(tmp_path, "[broker]\nbootstrap.servers = $NOBODY_HAS_SET_THIS\n")
    assert said(tmp_path, config) == (
        f"{config}, line 2, [broker] bootstrap.servers: the environment variable NOBODY_HAS_SET_THIS is not set; set "
        "NOBODY_HAS_SET_THIS before the program is started"
    )


def test_a_number_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    config = written(tmp_path, "[broker]\nbootstrap.servers = 127.0.0.1:1\n[producer]\nlinger.ms = fast\n")
    assert said(tmp_path, config) == (
        f"{config}, line 4: linger.ms = 'fast' (file [producer]) is not a number; write it in digits, such as "
        "linger.ms = 1000"
    )


def test_a_word_that_is_not_one_of_those_that_there_are(tmp_path: Path) -> None:
    config = written(tmp_path, "[broker]\nbootstrap.servers = 127.0.0.1:1\nsecurity.protocol = TLS\n")
    assert said(tmp_path, config) == (
        f'the settings in {config} were refused: Invalid value "TLS" for configuration property "security.protocol"; '
        "write one of: plaintext, ssl, sasl_plaintext, sasl_ssl"
    )


def test_encryption_is_refused_until_it_is_there(tmp_path: Path) -> None:
    config = written(tmp_path, "[broker]\nbootstrap.servers = 127.0.0.1:1\n[kafkacrypto]\nnode_id = me\n")
    assert said(tmp_path, config) == (
        f"{config} asks for encryption by its section [kafkacrypto], which this version cannot do yet; nothing was sent; "
        "without that section files travel as plain text, protected by TLS only where security.protocol says so"
    )


def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    config = written(tmp_path, "[broker]\nbootstrap.servers = 127.0.0.1:1\nssl.ca.location = nowhere.pem\n")
    assert said(tmp_path, config) == (
        f"{config}, line 3: ssl.ca.location = nowhere.pem (file [broker]): there is no such file; correct the path; one "
        "that does not begin at the root is looked for in the working folder"
    )


def test_a_broker_whose_name_nobody_knows(tmp_path: Path) -> None:
    config = written(tmp_path, "[broker]\nbootstrap.servers = no-such-host.invalid:9092\n")
    line = said(tmp_path, config, code=4)
    assert line.startswith(
        "no broker answered at no-such-host.invalid:9092 (Failed to resolve 'no-such-host.invalid:9092'"
    )
    assert line.endswith("; check bootstrap.servers, the network, and that the broker runs")
