"""What is said when a broker is not to be spoken to as the configuration does, or refuses: tried with a real broker.

Exit code 4: nobody answers, as far as can be told. Exit code 5: refused, by the broker or by us (its certificate).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType
from lab import UPLOAD_ONE, Lab, Program, expect, put, same
from secured import Secured

ACCESS = 5
UNREACHABLE = 4


@pytest.fixture
def safe(secured: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A topic name and folders of this test at the secured broker; looked at through its open port."""
    monkeypatch.delenv("OPENMSISTREAM_STATE_DIR", raising=False)
    made = Lab(secured.address, tmp_path)
    try:
        yield made
    finally:
        made.close()


def configured(lab: Lab, lines: Mapping[str, str], name: str = "mine") -> Path:
    file = lab.place / f"{name}.config"
    text = "".join(f"{key} = {value}\n" for key, value in lines.items())
    file.write_text(f"[broker]\n{text}[consumer]\nsession.timeout.ms = 6000\n", "utf-8")
    return file


def the_line(program: Program, code: int, limit: float = 10.0) -> str:
    """The one line that a program said at its end, which came in time, with this exit code."""
    assert program.ends(limit) == code, program.said
    (line,) = program.said.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def refused(lab: Lab, lines: Mapping[str, str], code: int) -> str:
    """What an uploader says at its end; a downloader that is started with it has to say the same."""
    config = configured(lab, lines)
    programs = lab.upload_program(config=config), lab.download_program(config=config)
    said, also = (the_line(program, code) for program in programs)
    assert said == also
    return said


# -- what works ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["tls", "mutual", "scram"])
def test_a_file_travels_through_tls_client_certificates_and_passwords(safe: Lab, secured: Secured, way: str) -> None:
    certificate = secured.trusted.sign("instrument")
    lines = {"tls": secured.tls(), "mutual": secured.mutual(certificate), "scram": secured.scram()}[way]
    config = configured(safe, lines)
    up, down = safe.upload_program(config=config), safe.download_program(config=config)
    up.wait_for("first start")
    put(safe.source, "a/file.dat", b"over a safe way" * 10_000)
    expect(lambda: safe.target.exists() and same(safe.source, safe.target), 30, lambda: up.said + down.said)
    assert "WARNING" not in up.said
    assert up.stop() == 0
    assert down.stop() == 0


def test_the_least_rights_are_enough_to_send_and_to_receive(safe: Lab, secured: Secured) -> None:
    """Neither the settings of a topic may be asked for nor a topic be made by whoever may only write or read."""
    safe.make_topic(1)
    secured.allow(ResourceType.TOPIC, safe.topic, AclOperation.WRITE, AclOperation.READ)
    secured.allow(ResourceType.GROUP, f"group-{safe.topic}", AclOperation.READ)
    config = configured(safe, secured.words())
    up = safe.upload_program(config=config)
    down = safe.download_program("--consumer_group_id", f"group-{safe.topic}", config=config)
    up.wait_for(f"topic {safe.topic}: 1 partitions, 1 replicas; this user may not ask for its settings, the usual ones")
    up.wait_for("first start")
    put(safe.source, "file.dat", b"with least rights")
    expect(lambda: safe.target.exists() and same(safe.source, safe.target), 30, lambda: up.said + down.said)


# -- another protocol than the port's --------------------------------------------------------------------------


def test_no_tls_against_a_port_for_tls(safe: Lab, secured: Secured) -> None:
    said = refused(safe, {"bootstrap.servers": secured.at("TLS")}, UNREACHABLE)
    assert said == (
        f"no broker answered at {secured.at('TLS')} (it closes every connection at once, as a port does that wants TLS "
        "or a password; security.protocol is PLAINTEXT); set security.protocol to what this port wants, or use "
        "another port"
    )


def test_tls_against_a_port_without(safe: Lab, secured: Secured) -> None:
    said = refused(safe, {**secured.tls(), "bootstrap.servers": secured.address}, UNREACHABLE)
    assert said == (
        f"no broker answered at {secured.address} (there is no TLS at this port, as it seems, and security.protocol is "
        "SSL); use the broker's port for TLS, or leave SSL away in security.protocol"
    )


def test_a_password_for_a_port_that_asks_for_none(safe: Lab, secured: Secured) -> None:
    said = refused(safe, {**secured.words(), "bootstrap.servers": secured.address}, ACCESS)
    assert said == (
        f"the broker at {secured.address} cannot be used: the broker asks for no password at this port, and "
        "security.protocol is SASL_PLAINTEXT; use the port that asks for one, or leave SASL_ away in security.protocol"
    )


def test_no_password_for_a_port_that_asks_for_one(safe: Lab, secured: Secured) -> None:
    said = refused(safe, {"bootstrap.servers": secured.at("WORDS")}, UNREACHABLE)
    assert "as a port does that wants TLS or a password; security.protocol is PLAINTEXT" in said


# -- certificates --------------------------------------------------------------------------------------------------


def test_a_broker_whose_certificate_an_unknown_authority_has_signed(safe: Lab, secured: Secured) -> None:
    said = refused(safe, secured.tls(authority=secured.stranger), ACCESS)
    assert re.search(
        f"^the broker at {secured.at('TLS')} cannot be used: the broker's certificate was not accepted "
        r"\(.*(issuer|self.signed|signature).*\); name the certificate of the authority that signed it in ssl.ca.location",
        said,
    )


def test_a_broker_whose_certificate_is_for_another_host(safe: Lab, secured: Secured) -> None:
    said = refused(safe, secured.tls("OTHERHOST"), ACCESS)
    assert "(IP address mismatch, certificate is not valid for '127.0.0.1')" in said
    assert "and the broker in bootstrap.servers as its certificate names it" in said


def test_a_broker_that_asks_for_a_certificate_and_gets_none(safe: Lab, secured: Secured) -> None:
    said = refused(safe, secured.tls("MUTUAL"), ACCESS)
    assert said == (
        f"the broker at {secured.at('MUTUAL')} cannot be used: the broker asks for a certificate of this client and got "
        "none; name one in ssl.certificate.location, and its key in ssl.key.location"
    )


def test_a_certificate_that_the_broker_does_not_accept(safe: Lab, secured: Secured) -> None:
    said = refused(safe, secured.mutual(secured.stranger.sign("instrument")), ACCESS)
    assert said == (
        f"the broker at {secured.at('MUTUAL')} cannot be used: the broker does not accept the certificate of this "
        "client; use a certificate that an authority known to the broker has signed and that has not expired "
        "(ssl.certificate.location, ssl.key.location)"
    )


# -- passwords -------------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_said_with_the_user_and_without_the_password(safe: Lab, secured: Secured) -> None:
    said = refused(safe, secured.scram(password="wrong-horse"), ACCESS)
    assert said == (
        f"the broker at {secured.at('SCRAM')} cannot be used: the broker refused the user 'owner' or the password "
        "(SCRAM-SHA-512); correct sasl.username and sasl.password"
    )


def test_a_mechanism_that_the_broker_does_not_take(safe: Lab, secured: Secured) -> None:
    said = refused(safe, secured.words(mechanism="PLAIN"), ACCESS)
    assert said.endswith("does not take sasl.mechanism PLAIN; set sasl.mechanism to what it takes: SCRAM-SHA-512")


def test_a_password_without_a_mechanism(safe: Lab, secured: Secured) -> None:
    lines = secured.words()
    del lines["sasl.mechanism"]
    config = configured(safe, lines)
    assert the_line(safe.upload_program(config=config), 3) == (
        f"the settings in {config} ask for SASL and name no mechanism; set sasl.mechanism to what the broker takes: "
        "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
    )


# -- rights ------------------------------------------------------------------------------------------------------------


def test_no_right_on_a_topic(safe: Lab, secured: Secured) -> None:
    safe.make_topic(1)
    assert refused(safe, secured.words(), ACCESS) == (
        f"asking for the topic '{safe.topic}' at {secured.at('WORDS')} was refused: Topic authorization failed; ask "
        "whoever runs the broker for rights on this topic: Describe and Read to receive, Describe and Write to send"
    )


def test_no_right_to_make_a_topic_that_is_missing(safe: Lab, secured: Secured) -> None:
    secured.allow(ResourceType.TOPIC, safe.topic, AclOperation.DESCRIBE)
    said = the_line(safe.upload_program(config=configured(safe, secured.words())), 6)
    assert said == (
        f"the topic '{safe.topic}' does not exist and could not be made: Authorization failed; ask whoever runs the "
        "broker to make it, or name one that exists with --topic_name"
    )


def test_no_right_to_write(safe: Lab, secured: Secured) -> None:
    safe.make_topic(1)
    secured.allow(ResourceType.TOPIC, safe.topic, AclOperation.READ)
    config = configured(safe, secured.words())
    put(safe.source, "file.dat", b"content")
    one = safe.program(UPLOAD_ONE, safe.source / "file.dat", "--config", config, "--topic_name", safe.topic)
    up = safe.upload_program("--upload_existing", config=config)
    for program in (one, up):
        assert program.ends(15) == ACCESS, program.said
        assert program.said.splitlines()[-1] == (
            f"error: this user may not write topic {safe.topic}; ask whoever runs the broker for the right Write on this "
            "topic"
        )
    secured.allow(ResourceType.TOPIC, safe.topic, AclOperation.WRITE)
    up = safe.upload_program("--upload_existing", config=config)
    expect(lambda: {m.key() for m in safe.records()} == {b"file.dat"}, 30, lambda: up.said)


def test_no_right_to_read_a_topic_and_none_to_read_in_a_group(safe: Lab, secured: Secured) -> None:
    safe.make_topic(1)
    secured.allow(ResourceType.TOPIC, safe.topic, AclOperation.WRITE)
    config, group = configured(safe, secured.words()), f"group-{safe.topic}"
    down = safe.download_program("--consumer_group_id", group, config=config)
    assert down.ends(15) == ACCESS
    assert down.said.splitlines()[-1] == (
        f"error: this user may not read topic {safe.topic}; ask whoever runs the broker for the right Read on this topic"
    )
    secured.allow(ResourceType.TOPIC, safe.topic, AclOperation.READ)
    down = safe.download_program("--consumer_group_id", group, config=config)
    assert down.ends(15) == ACCESS
    assert down.said.splitlines()[-1] == (
        f"error: reading topic '{safe.topic}' as a member of group '{group}' at {secured.at('WORDS')} was refused: Group "
        "authorization failed; ask whoever runs the broker for the right Read on this group, or name another with "
        "--consumer_group_id"
    )


def test_a_right_that_is_taken_away_from_a_running_reader_ends_it_with_a_line(safe: Lab, secured: Secured) -> None:
    safe.make_topic(1)
    group = f"group-{safe.topic}"
    secured.allow(ResourceType.TOPIC, safe.topic, AclOperation.READ, AclOperation.WRITE)
    secured.allow(ResourceType.GROUP, group, AclOperation.READ)
    config = configured(safe, secured.words())
    down = safe.download_program("--consumer_group_id", group, config=config)
    with safe.uploading():
        put(safe.source, "file.dat", b"content")
        expect(lambda: safe.target.exists() and same(safe.source, safe.target))
    secured.take_back(safe.topic)
    assert down.ends(30) == ACCESS
    last = down.said.splitlines()[-1]
    assert last.startswith(f"error: reading topic '{safe.topic}' as a member of group '{group}' at ")
    assert "Topic authorization failed; ask whoever runs the broker for rights on this topic" in last
    assert "Traceback" not in down.said
