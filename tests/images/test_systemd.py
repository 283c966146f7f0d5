"""Services under a real systemd: installed, started, killed, stalled, upgraded, removed; files cross through them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from containers import DOWNLOAD, UPLOAD, Container
from lab import expect
from units import BIN, SECRET, USER, Machine

CODE = """\
from openmsistream import DataFileStreamProcessor

class Lines(DataFileStreamProcessor):
    def _process_downloaded_data_file(self, datafile, lock):
        with lock, open(self._output_dir / "lines.txt", "a") as out:
            out.write(f"{datafile.relative_filepath} {len(datafile.bytestring)}\\n")

def tell(args):
    import json, os, time
    with open("/srv/told/args.json", "w") as out:
        json.dump({"args": args, "secret": os.environ.get("LAB_USER"), "uid": os.getuid()}, out)
    while True:
        time.sleep(1)
"""


@pytest.fixture
def machine(systemd_machine: Container, topic: str) -> Machine:
    """A machine of this test's own, without a broker."""
    return Machine(systemd_machine, topic)


@pytest.fixture
def wired(machine: Machine, broker_container: Any) -> Machine:
    """The same with Kafka at broker:9092."""
    return machine


def test_a_file_crosses_through_an_uploader_a_downloader_and_a_processor_of_a_user_s_own(wired: Machine) -> None:
    here, there, code = (wired.folder(f"/srv/{name}") for name in ("here", "there", "code"))
    wired.put(f"{code}/lines.py", CODE)
    wired.install_program(UPLOAD, here, "up")
    wired.install_program(DOWNLOAD, there, "down")
    more = f"--config /srv/lab.config --topic_name {wired.topic} --env LAB_USER=x --start"
    wired.typed(f"cd {code} && SUDO_USER={USER} InstallService Lines=lines {more}")

    wired.put(f"{here}/a.txt", "hello\n")

    wired.has(f"{there}/a.txt", "hello\n")
    wired.has(f"{code}/Lines_output/lines.txt", "a.txt 6\n")
    said = wired.status("Lines")
    assert said["well"]
    assert said["service"]["user"] == USER
    assert "Lines" in wired.manage("list")
    assert wired.typed(f"stat -c %U {there}/a.txt").strip() == USER


def test_a_stop_drains_and_a_start_goes_on_where_it_was(wired: Machine) -> None:
    here, there = wired.folder("/srv/here"), wired.folder("/srv/there")
    wired.install_program(UPLOAD, here, "up")
    wired.install_program(DOWNLOAD, there, "down")
    wired.typed(f"for n in $(seq 100); do head -c 20000 /dev/urandom > {here}/$n.dat; done; chown {USER}: {here}/*.dat")

    wired.manage("up stop")

    state = wired.status("up")["state"]
    assert (state["condition"], state["exit_code"]) == ("stopped", 0)
    wired.put(f"{here}/later.txt", "later")
    wired.manage("up start")
    wired.has(f"{there}/later.txt", "later")
    sums = "sha256sum *.dat *.txt"
    sent = wired.typed(f"cd {here} && {sums}")
    expect(lambda: wired.typed(f"cd {there} && {sums}", check=False) == sent, 60, lambda: wired.journal("down"))


def test_a_killed_unit_is_back_and_nothing_is_lost(wired: Machine) -> None:
    here, there = wired.folder("/srv/here"), wired.folder("/srv/there")
    wired.install_program(UPLOAD, here, "up")
    wired.install_program(DOWNLOAD, there, "down")
    for name in ("up", "down"):
        before = wired.pid(name)
        wired.put(f"{here}/before-{name}.txt", name)
        wired.typed(f"systemctl kill --signal=KILL {name}")
        wired.put(f"{here}/after-{name}.txt", name)
        wired.is_up_again(name, before)

    for name in ("up", "down"):
        wired.has(f"{there}/before-{name}.txt", name)
        wired.has(f"{there}/after-{name}.txt", name)
    said = wired.status("up")
    assert said["state"]["restarts"] == 1
    assert "code=killed, status=9/KILL" in said["last_error"]


def test_a_program_that_stands_still_is_ended_and_started_again(wired: Machine) -> None:
    wired.install_program(UPLOAD, wired.folder("/srv/here"), "up")
    sooner = "[Service]\\nWatchdogSec=4\\nTimeoutStopSec=2\\nTimeoutAbortSec=2\\nRestartSec=1\\n"
    wired.typed(
        f"mkdir -p /etc/systemd/system/up.service.d && printf '{sooner}' > /etc/systemd/system/up.service.d/o.conf"
    )
    wired.typed("systemctl daemon-reload && systemctl restart up")
    before = wired.pid("up")

    wired.typed(f"kill -STOP {before}")

    wired.is_up_again("up", before)
    assert "Watchdog timeout" in wired.journal("up")


def test_a_broker_that_is_away_at_the_start_is_told_and_the_start_is_tried_again(machine: Machine) -> None:
    machine.put("/srv/lab.config", "[broker]\nbootstrap.servers = 127.0.0.1:1\n")
    here = machine.folder("/srv/here")
    told = machine.install(f"{UPLOAD} {here} --config lab.config --service_name up --start", check=False)

    assert "no broker answered at 127.0.0.1:1" in told
    assert "it is tried again by itself" in told
    said = machine.status("up")
    assert said["state"]["condition"] == "waiting"
    assert said["state"]["enabled"]
    assert machine.typed("systemctl is-enabled up").strip() == "enabled"


def test_it_is_started_with_the_machine(wired: Machine) -> None:
    here, there = wired.folder("/srv/here"), wired.folder("/srv/there")
    wired.install_program(UPLOAD, here, "up")
    wired.install_program(DOWNLOAD, there, "down")

    wired.at.made.restart(timeout=30)

    expect(lambda: wired.at.tried("systemctl is-active up down")[0] == 0, 90, lambda: wired.journal("*"))
    wired.put(f"{here}/a.txt", "after")
    wired.has(f"{there}/a.txt", "after")


def test_an_upgrade_of_the_package_keeps_the_service(wired: Machine) -> None:
    here, there = wired.folder("/srv/here"), wired.folder("/srv/there")
    wired.install_program(UPLOAD, here, "up")
    wired.install_program(DOWNLOAD, there, "down")
    package = f"$({BIN}/python -c 'import openmsistream; print(openmsistream.__path__[0])')"
    # what pip does when it upgrades: files of the package and the scripts are removed and written again
    wired.typed(f"P={package}; cp -r $P $P.new && rm -r $P && mv $P.new $P && touch {BIN}/{UPLOAD}")

    wired.manage("up restart")
    wired.manage("down reinstall")

    wired.put(f"{here}/a.txt", "after")
    wired.has(f"{there}/a.txt", "after")


def test_removing_leaves_the_data_and_nothing_else(wired: Machine) -> None:
    here = wired.folder("/srv/here")
    wired.install_program(UPLOAD, here, "up")
    wired.put(f"{here}/a.txt", "x")

    told = wired.manage("up remove")

    assert "removed: up; its data stay" in told
    assert wired.read(f"{here}/a.txt") == "x"
    left = wired.typed("find /etc/systemd /var/lib /run /var/cache -name '*up.*' -o -name 'openmsistream*'")
    assert [line for line in left.splitlines() if "/up." in line or "openmsistream-up" in line] == []
    assert wired.typed("systemctl show up --property=LoadState --value").strip() == "not-found"
    again = wired.manage("up remove", check=False)
    assert again.strip() == "error: there is no service up; none is installed; see InstallService --help"


def test_words_with_spaces_quotes_percents_and_dollars_reach_the_program_unharmed(machine: Machine) -> None:
    odd = [
        "a b", "100%", "%h", "$HOME", "${HOME}", "$$", 'q"q', "it's", "back\\slash\\n", "", "ünï 数据", "tab\there",
        "line\nfeed", ";", "-x",
    ]  # fmt: skip
    machine.folder("/srv/told")
    code = machine.folder("/srv/my code %h")
    machine.put(f"{code}/lines.py", CODE)
    words = " ".join("$'" + "".join(f"\\x{byte:02x}" for byte in word.encode()) + "'" for word in odd)
    value = "$'" + "".join(f"\\x{byte:02x}" for byte in SECRET.encode()) + "'"
    machine.typed(
        f"cd '{code}' && InstallService lines:tell {words} --run_as {USER} --env LAB_USER={value} --writable /srv/told --start"
    )

    expect(lambda: bool(machine.read("/srv/told/args.json")), 30, lambda: machine.journal("tell"))
    told = json.loads(machine.read("/srv/told/args.json"))
    assert told["args"] == odd
    assert told["secret"] == SECRET
    assert told["uid"] != 0


def test_folders_with_odd_names_can_be_worked_on(wired: Machine) -> None:
    here, there = wired.folder('/srv/he re 100% $HOME "q" é'), wired.folder("/srv/th\\ere")
    wired.install_program(UPLOAD, here, "up")
    wired.install_program(DOWNLOAD, there, "down")
    wired.put(f"{here}/a.txt", "x")
    wired.has(f"{there}/a.txt", "x")


def test_credentials_are_nowhere_but_in_a_file_of_the_administrator_s(wired: Machine) -> None:
    wired.install_program(UPLOAD, wired.folder("/srv/here"), "up")

    assert wired.typed("stat -c '%a %U' /var/lib/openmsistream/services/up.env").strip() == "600 root"
    for command in (
        "systemctl show up", "systemctl cat up", "systemctl status up", "ps axww", "cat /var/lib/openmsistream/services/up.json",
        "ManageService up status --json", "journalctl --no-pager", "ManageService up reinstall --dry_run",
    ):  # fmt: skip
        assert "s3cret" not in wired.typed(command), command
    assert "Permission denied" in wired.typed("cat /var/lib/openmsistream/services/up.env", user=USER, check=False)


def test_messages_have_their_levels_in_the_journal(wired: Machine) -> None:
    here = wired.folder("/srv/here")
    wired.install_program(UPLOAD, here, "up")
    wired.typed(f"rm -r {here} && systemctl restart up", check=False)

    assert "first start on" in wired.journal("up", "--priority=info")
    said = wired.journal("up", "--priority=err", "--identifier=up")
    assert here in said
    assert "first start on" not in said
    assert not re.search(r"<[0-7]>", wired.journal("up"))


def test_systemd_finds_nothing_wrong_and_calls_the_unit_ok(wired: Machine) -> None:
    wired.install_program(UPLOAD, wired.folder("/srv/here"), "up")
    wired.folder("/srv/told")
    code = wired.folder("/srv/code")
    wired.put(f"{code}/lines.py", CODE)
    wired.typed(f"cd {code} && InstallService lines:tell --run_as {USER} --writable /srv/told --start")

    for name in ("up", "tell"):
        assert wired.typed(f"systemd-analyze verify /etc/systemd/system/{name}.service 2>&1").strip() == ""
        found = re.search(
            r"exposure level for \S+: ([0-9.]+)", wired.typed(f"systemd-analyze security --no-pager {name}")
        )
        assert found is not None
        assert float(found[1]) <= 3.0


def test_it_runs_as_a_user_that_cannot_write_elsewhere(wired: Machine) -> None:
    wired.folder("/srv/told")
    other = wired.folder("/srv/other")
    code = wired.folder("/srv/code")
    wired.put(f"{code}/poke.py", f"""\
import pathlib, time
def poke():
    said = []
    for place in ("/srv/told", "{other}", "/etc", pathlib.Path.home(), "/opt/openmsistream", "/tmp"):
        try:
            (pathlib.Path(place) / "poked").write_text("x")
            said.append(str(place))
        except OSError:
            continue
    pathlib.Path("/srv/told/said").write_text(" ".join(said))
    time.sleep(600)
""")  # fmt: skip
    wired.typed(f"cd {code} && InstallService poke:poke --run_as {USER} --writable /srv/told --start")
    wired.has("/srv/told/said", "/srv/told /tmp")
    assert wired.typed("ls /tmp/poked", check=False).endswith("No such file or directory\n")  # its own /tmp


def test_an_account_without_a_home_keeps_what_it_remembers_below_var_lib(wired: Machine) -> None:
    wired.typed("useradd --system lab")
    here = wired.folder("/srv/here", owner="lab")
    wired.put("/srv/lab.config", "[broker]\nbootstrap.servers = broker:9092\n")
    wired.put("/srv/where.py", """\
import os, pathlib, time
from openmsistream.config.places import user_state_dir
def tell():
    user_state_dir().mkdir(parents=True, exist_ok=True)
    (user_state_dir() / "kept").write_text("x")
    pathlib.Path("/srv/here/told").write_text(str(user_state_dir()))
    time.sleep(600)
""")  # fmt: skip
    wired.typed(f"cd /srv && InstallService where:tell --run_as lab --writable {here} --start")
    wired.has(f"{here}/told", "/var/lib/openmsistream-tell/openmsistream")
    words = f"{UPLOAD} {here} --config lab.config --topic_name {wired.topic} --service_name up --run_as lab --start"
    wired.typed(f"cd /srv && InstallService {words}")
    assert wired.status("up")["well"]


def test_a_user_s_own_service_needs_no_administrator_and_says_what_lingering_is_for(wired: Machine) -> None:
    wired.typed(f"loginctl enable-linger {USER}")
    expect(lambda: "running" in wired.typed("systemctl --user is-system-running", user=USER, check=False), 30)
    here = wired.folder("/home/openmsi/here")
    wired.put("/home/openmsi/lab.config", "[broker]\nbootstrap.servers = broker:9092\n")
    words = f"{UPLOAD} here --config lab.config --topic_name {wired.topic} --service_name mine --user --start"

    told = wired.typed(f"InstallService {words}", user=USER)

    assert f"lingering is on for {USER}" in told
    wired.put(f"{here}/a.txt", "x")
    expect(lambda: wired.status("mine", "--user", user=USER)["heartbeat"]["files"] == 1, 30)
    told = wired.manage("mine status", user=USER, check=False)
    assert told == "error: there is no system service mine, but a user one; type: ManageService mine status --user\n"
    wired.manage("mine remove --user", user=USER)
    left = wired.typed("find .config/systemd .local/state/openmsistream -name '*mine*'", user=USER, check=False)
    assert "mine" not in left


def test_without_lingering_a_user_s_service_says_what_to_type(wired: Machine) -> None:
    wired.typed(f"loginctl enable-linger {USER}")
    expect(lambda: "running" in wired.typed("systemctl --user is-system-running", user=USER, check=False), 30)
    wired.typed(f"rm /var/lib/systemd/linger/{USER}")
    wired.folder("/home/openmsi/here")
    told = wired.typed(f"InstallService {UPLOAD} here --config local --user", user=USER)
    assert f"for it to run always, type once: loginctl enable-linger {USER}" in told


def test_one_of_the_machine_is_refused_to_a_user_with_what_to_type(machine: Machine) -> None:
    machine.folder("/srv/here")
    told = machine.typed(f"InstallService {UPLOAD} /srv/here --config local", user=USER, check=False)
    assert told.startswith("error: only the administrator can install a service of the machine; type: sudo ")
    assert "--user" in told


def test_it_never_runs_as_root_unasked(machine: Machine) -> None:
    told = machine.typed(f"InstallService {UPLOAD} /srv --config local", check=False)
    assert told.startswith(
        "error: nobody was named for it to run as, and it does not run as root unasked; add --run_as USER"
    )


def test_code_of_a_user_s_own_is_loaded_as_that_user_when_it_is_installed(machine: Machine) -> None:
    """Whoever may write to its folder would be the administrator otherwise."""
    code = machine.folder("/srv/code")
    machine.put(f"{code}/own.py", """\
import os
print("loaded by", os.getuid())
from openmsistream import DataFileStreamProcessor
class Lines(DataFileStreamProcessor):
    def _process_downloaded_data_file(self, datafile, lock): pass
""")  # fmt: skip
    told = machine.typed(f"cd {code} && SUDO_USER={USER} InstallService Lines=own --config local --dry_run")
    assert f"loaded by {machine.typed(f'id -u {USER}').strip()}\n" in told
    assert "--output_dir" in told
    told = machine.typed(f"cd {code} && SUDO_USER={USER} InstallService Lines=own --nonsense", check=False)
    assert "error: unrecognized arguments: --nonsense; see Lines --help\n" in told


def test_the_administrator_makes_no_folder_where_a_link_of_a_user_leads(machine: Machine) -> None:
    machine.folder("/srv/here")
    machine.typed(
        f"cd ~{USER} && mkdir -p /usr/lib/trusted .local && ln -s /usr/lib/trusted .local/state && chown -hR {USER}: .local"
    )
    told = machine.install(f"{UPLOAD} here --config local --env OPENMSISTREAM_LOCAL_BROKER=x:1", check=False)
    assert "/.local/state/openmsistream cannot be made" in told
    assert machine.typed("ls /usr/lib/trusted") == ""


def test_a_folder_whose_name_would_change_the_unit_is_refused(machine: Machine) -> None:
    machine.folder("/srv/told")
    for name in ("a\\", "a\nExecStartPre=+/bin/touch /srv/told/by-root"):
        folder = machine.folder(f"/srv/odd/{name}")
        machine.put(f"{folder}/own.py", "def work(): pass\n")
        quoted = "$'" + "".join(f"\\x{byte:02x}" for byte in folder.encode()) + "'"
        told = machine.typed(f"cd {quoted} && InstallService own:work --run_as {USER}", check=False)
        assert told.startswith("error: ")
        assert "rename it" in told
    assert (
        machine.typed(
            "ls /srv/told; ls /etc/systemd/system/*.service; ls -d /var/lib/openmsistream", check=False
        ).count("No such")
        == 2
    )


def test_records_in_a_folder_that_is_an_account_s_are_not_trusted(machine: Machine) -> None:
    """An account of that name may have its home there, and a record says as whom a service runs."""
    machine.folder("/srv/here")
    machine.typed(f"mkdir /var/lib/openmsistream && chown {USER} /var/lib/openmsistream")
    told = machine.install(f"{UPLOAD} here --config local --env OPENMSISTREAM_LOCAL_BROKER=x:1", check=False)
    assert told.startswith("error: /var/lib/openmsistream is not the administrator's alone")
    assert "sudo chown root: /var/lib/openmsistream" in told


def test_folders_that_are_missing_are_made_for_the_account(machine: Machine) -> None:
    for folder in ("/home/openmsi/a/b", "/srv/c/d"):
        machine.install(f"{DOWNLOAD} {folder} --config local --replace")
        above = folder.rpartition("/")[0]
        assert machine.typed(f"stat -c %U {folder} {above}").split() == [USER, USER]


def test_a_folder_that_its_user_cannot_write_to_is_told_at_once(machine: Machine) -> None:
    machine.folder("/srv/here", owner="root")
    told = machine.install(f"{UPLOAD} here --config local", check=False)
    assert told.startswith(
        f"error: the user {USER} cannot write to /srv/here; give it to them (sudo chown -R {USER} FOLDER)"
    )


def test_a_missing_variable_is_told_when_it_is_installed(machine: Machine) -> None:
    machine.folder("/srv/here")
    machine.put("/srv/lab.config", "[broker]\nbootstrap.servers = $LAB_BROKER\nsasl.password = $LAB_PASSWORD\n")
    told = machine.install(f"{UPLOAD} here --config lab.config", check=False)
    assert told == (
        "error: the configuration needs LAB_BROKER and LAB_PASSWORD, which are not set; "
        "add --env LAB_BROKER=VALUE, or --env-file FILE with such lines\n"
    )


def test_a_unit_that_is_not_ours_is_never_replaced(machine: Machine) -> None:
    machine.folder("/srv/here")
    words = f"{UPLOAD} here --config local --env OPENMSISTREAM_LOCAL_BROKER=x:1 --service_name dbus"
    assert "there is a service dbus already" in machine.install(words, check=False)
    told = machine.install(f"{words} --replace", check=False)
    assert "is there already and is not ours; choose another name with --service_name" in told
    assert (
        machine.typed("ls /etc/systemd/system/dbus.service /var/lib/openmsistream/services", check=False).count(
            "No such"
        )
        == 2
    )


def test_a_service_is_replaced_when_that_is_asked_for(wired: Machine) -> None:
    here, other, there = (wired.folder(f"/srv/{name}") for name in ("here", "other", "there"))
    wired.install_program(UPLOAD, here, "up")
    wired.install_program(DOWNLOAD, there, "down")
    told = wired.install(f"{UPLOAD} {other} --config local --service_name up", check=False)
    assert told == (
        "error: there is a service up already; choose another name with --service_name, or replace it with --replace\n"
    )
    wired.install_program(UPLOAD, other, "up", "--replace")
    wired.put(f"{other}/a.txt", "x")
    wired.has(f"{there}/a.txt", "x")


OLD = """\
[Unit]
Description = Something
[Service]
Type = simple
KillMode = none
User = root
ExecStart = /usr/bin/python3 /opt/old/working_dir/up_service_executable.py
Restart = always
RestartSec = 120
[Install]
WantedBy = multi-user.target
"""


def test_a_unit_of_openmsistream_1_is_taken_over_when_it_is_replaced(wired: Machine) -> None:
    here = wired.folder("/srv/here")
    wired.typed("mkdir -p /opt/old/working_dir")
    wired.put("/opt/old/working_dir/up_service_executable.py", "import time\ntime.sleep(3600)\n")
    wired.put("/opt/old/working_dir/up_install_args.txt", f"{UPLOAD}\n{here}\n--config\nlab.config\n")
    wired.put("/etc/systemd/system/up.service", OLD)
    wired.typed("systemctl daemon-reload && systemctl enable --now up")
    old = wired.pid("up")

    told = wired.manage("up status", check=False)
    assert told.startswith("error: up was installed by OpenMSIStream 1; install it anew in its place")
    assert f"sudo InstallService {UPLOAD} {here} --config lab.config --service_name up --replace --start" in told

    wired.install_program(UPLOAD, here, "up", "--replace")
    assert wired.status("up")["well"]
    assert wired.typed(f"test -d /proc/{old} && echo runs", check=False) == ""


def test_a_dry_run_shows_the_unit_and_makes_nothing(machine: Machine) -> None:
    told = machine.install(f"{DOWNLOAD} there --config local --dry_run")
    assert "ExecStart=" in told
    assert "# folders that would be made: /srv/there" in told
    assert machine.typed("ls /srv/there /var/lib/openmsistream", check=False).count("No such file") == 2
