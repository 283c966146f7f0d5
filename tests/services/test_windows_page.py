"""docs/services-windows.md: its commands are commands, and what it says of waits and limits is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from openmsistream.services.command_lines import LIST, MODES, of_install, of_manage
from openmsistream.services.install import split
from openmsistream.services.target import parser_of, target
from openmsistream.services.windows import life as windows_life
from openmsistream.services.windows import log as windows_log
from openmsistream.services.windows import plan as windows_plan
from openmsistream.services.windows.services import PASSWORD

PAGE = (Path(__file__).parents[2] / "docs" / "services-windows.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("InstallService ")])
def test_what_is_installed_can_be_installed(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, theirs = split(of_install(), line.split()[1:])
    parser = parser_of(target(options.target))
    assert parser is not None
    folder = tmp_path / "scans"
    folder.mkdir()
    parsed = parser.parse_args([str(folder) if word == r"C:\data\scans" else word for word in theirs])
    assert parsed.topic_name == "scans"
    assert options.start


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("ManageService ")])
def test_what_is_managed_can_be_managed(line: str) -> None:
    parsed = of_manage().parse_args(line.split()[1:])
    assert parsed.run_mode in MODES or parsed.service_name == LIST


def test_numbers_and_names_on_the_page_are_those_of_the_programs() -> None:
    assert windows_plan.RESTARTS == (5, 15, 60, 300)
    assert "after 5 s, then 15 s, a minute, and every 5 minutes" in PAGE
    assert windows_plan.STOP_WITHIN == 20
    assert "killed after 20 s" in PAGE
    assert windows_life.WATCHDOG == 60
    assert windows_log.LARGEST == 10_000_000
    assert "10 MB and the 10 MB before" in PAGE
    assert PASSWORD in PAGE
