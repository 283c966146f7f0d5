"""A service as a systemd unit, and what systemctl and the journal say of one. Whether systemd agrees: tests/images."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from openmsistream.errors import UsageError
from openmsistream.services.service import Service
from openmsistream.services.supervisor import State
from openmsistream.services.systemd.state import last_error, properties, state_of
from openmsistream.services.systemd.unit import MARK, Surroundings, unit, value, whole, word

ONE = Service(
    name="up", target="DataFileUploadDirectory", args=("/data/in",), command=("/opt/v/bin/DataFileUploadDirectory", "/data/in"),
    folder="/", user="ada", writes=("/data/in",), reads=("/etc/lab.config",), version="2.0",
)  # fmt: skip
HOMELESS = Surroundings()


def lines(service: Service = ONE, around: Surroundings = HOMELESS) -> list[str]:
    return unit(service, around).splitlines()


def test_a_unit_begins_with_the_mark_that_it_is_ours() -> None:
    assert lines()[0].startswith(MARK + " 2.0")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a b", '"a b"'), ('"', '"\\""'), ("\\", '"\\\\"'), ("100%", '"100%%"'), ("$X", '"$$X"'), ("\n", '"\\x0a"'),
        ("", '""'), ("ü", '"ü"'), ("'", '"\'"'), ("\x01", '"\\x01"'),
    ],
)  # fmt: skip
def test_a_word_of_a_command_is_quoted(text: str, quoted: str) -> None:
    assert word(text) == quoted


def test_a_dollar_means_nothing_outside_of_a_command() -> None:
    assert value("A=$X") == '"A=$X"'
    assert whole("/a $b 5%") == "/a $b 5%%"


@pytest.mark.parametrize("folder", ["/srv/x\nUser=root", "/srv/x\\", "/srv/x ", "/srv/x\t"])
def test_a_folder_whose_name_would_be_more_than_one_setting_is_refused(folder: str) -> None:
    """A line that ends with a backslash goes on in the next one: the user that it runs as would be gone."""
    with pytest.raises(
        UsageError, match=r"cannot stand in a unit of systemd.*; rename it, or install from another folder"
    ):
        lines(replace(ONE, folder=folder))


def test_a_folder_to_write_to_has_no_line_break_in_its_name() -> None:
    with pytest.raises(UsageError, match=r"the path '/srv/x\\ny' has a line break or the like"):
        lines(replace(ONE, writes=("/srv/x\ny",)))


def test_it_runs_as_the_user_that_was_named() -> None:
    assert "User=ada" in lines()


def test_it_gives_signs_of_life_when_it_can() -> None:
    assert "WatchdogSec=60" in lines()
    assert not any(line.startswith("WatchdogSec") for line in lines(replace(ONE, watched=False)))
    assert "Type=notify" in lines(replace(ONE, watched=False))


def test_it_never_gives_up_and_waits_longer_each_time() -> None:
    assert {
        "Restart=on-failure",
        "RestartSec=5",
        "RestartSteps=6",
        "RestartMaxDelaySec=300",
        "StartLimitIntervalSec=0",
    } <= set(lines())


def test_a_systemd_that_does_not_know_growing_waits_is_not_told_of_them() -> None:
    old = lines(around=Surroundings(version=252))
    assert not any("RestartSteps" in line for line in old)
    assert "RestartSec=30" in old


def test_only_the_folders_of_the_program_can_be_written_to() -> None:
    assert 'ReadWritePaths="-/data/in"' in lines()
    assert 'ReadWritePaths="-/data/in" "-/home/ada/.local/state/openmsistream"' in lines(
        around=Surroundings(home="/home/ada")
    )


def test_who_has_no_home_keeps_state_where_systemd_makes_a_folder() -> None:
    assert 'Environment="XDG_STATE_HOME=%S/openmsistream-up"' in lines()
    assert not any("XDG_STATE_HOME" in line for line in lines(around=Surroundings(home="/home/ada")))


@pytest.mark.parametrize(
    ("paths", "home", "seen"),
    [
        (("/data",), "", "yes"),
        (("/home/x/data",), "", "read-only"),
        (("/homes",), "", "yes"),
        (("/data",), "/home/ada", "read-only"),
    ],
)
def test_homes_are_hidden_when_nothing_of_it_is_there(paths: tuple[str, ...], home: str, seen: str) -> None:
    assert f"ProtectHome={seen}" in lines(replace(ONE, writes=paths), Surroundings(home=home))


@pytest.mark.parametrize(("path", "private"), [("/data", "yes"), ("/tmp/data", "no"), ("/var/tmp", "no")])
def test_it_has_a_tmp_of_its_own_unless_its_data_are_there(path: str, private: str) -> None:
    assert f"PrivateTmp={private}" in lines(replace(ONE, writes=(path,)))


def test_it_waits_for_the_mounts_that_it_needs() -> None:
    assert 'RequiresMountsFor="/data/in" "/etc/lab.config"' in lines()


def test_values_are_read_from_their_file_and_never_stand_in_the_unit() -> None:
    found = lines(replace(ONE, variables=("SECRET",)), Surroundings(values_file="/var/lib/x 5%/up.env"))
    assert "EnvironmentFile=/var/lib/x 5%%/up.env" in found
    assert not any("SECRET" in line for line in found)


def test_a_user_s_unit_has_no_user_and_changes_no_file_systems() -> None:
    found = lines(replace(ONE, scope="user"))
    assert "WantedBy=default.target" in found
    for setting in (
        "User=",
        "ProtectSystem=",
        "PrivateTmp=",
        "ReadWritePaths=",
        "RequiresMountsFor=",
        "CapabilityBoundingSet=",
    ):
        assert not any(line.startswith(setting) for line in found), setting


# -- what is told of a unit ----------------------------------------------------------------------------------

SHOWN = """\
LoadState=loaded
ActiveState=active
SubState=running
MainPID=77
NRestarts=2
ExecMainCode=0
ExecMainStatus=0
Result=success
UnitFileState=enabled
StateChangeTimestampMonotonic=40000000
StatusText=3 done; a=b
"""


def told(**changed: str) -> State:
    return state_of({**properties(SHOWN), **changed}, now=1000.0, since_boot=100.0)


def test_a_unit_that_runs() -> None:
    assert told() == State("running", since=940.0, pid=77, restarts=2, enabled=True, said="3 done; a=b")


@pytest.mark.parametrize(
    ("changed", "condition"),
    [
        ({"LoadState": "not-found"}, "absent"),
        ({"ActiveState": "activating", "SubState": "start"}, "starting"),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, "waiting"),
        ({"ActiveState": "activating", "SubState": "auto-restart-queued"}, "waiting"),
        ({"ActiveState": "deactivating", "SubState": "stop-sigterm"}, "stopping"),
        ({"ActiveState": "failed", "SubState": "failed"}, "failed"),
        ({"ActiveState": "inactive", "SubState": "dead"}, "stopped"),
    ],
)
def test_how_a_unit_stands(changed: dict[str, str], condition: str) -> None:
    assert told(**changed).condition == condition


@pytest.mark.parametrize(
    ("code", "status", "exit_code"), [("0", "0", None), ("1", "4", 4), ("1", "0", 0), ("2", "9", -9), ("3", "6", -6)]
)
def test_how_its_process_ended(code: str, status: str, exit_code: int | None) -> None:
    assert told(ExecMainCode=code, ExecMainStatus=status).exit_code == exit_code


def entry(message: object, priority: int, who: str = "up") -> str:
    return json.dumps(
        {
            "MESSAGE": message,
            "PRIORITY": str(priority),
            "SYSLOG_IDENTIFIER": who,
            "__REALTIME_TIMESTAMP": "1795298577991074",
        }
    )


def test_the_last_error_is_what_the_program_said_of_it_with_its_time() -> None:
    journal = [
        entry("error: the first", 3), entry("error: no broker answered", 3), entry("a warning", 4),
        entry("up.service: Failed with result 'exit-code'.", 4, "systemd"), entry("Failed to start up.service", 3, "systemd"),
    ]  # fmt: skip
    assert last_error(journal).startswith("no broker answered (at 2026-11-2")


def test_an_end_by_a_signal_is_what_systemd_said_of_it() -> None:
    journal = [
        entry("error: before", 3),
        entry("up.service: Main process exited, code=killed, status=9/KILL", 4, "systemd"),
    ]
    assert "code=killed, status=9/KILL" in last_error(journal)


def test_what_cannot_be_read_in_a_journal_is_passed_over() -> None:
    assert last_error(["", "{", "[]", entry([1, 2], 3), entry("just so", 6)]) == ""
