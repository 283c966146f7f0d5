"""Where this user's state and cache are, on each system."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from openmsistream.config.places import user_cache_dir, user_state_dir


def test_the_variable_of_ours_decides_before_the_system(tmp_path: Path) -> None:
    environ = {"OPENMSISTREAM_STATE_DIR": str(tmp_path), "XDG_STATE_HOME": "/x"}
    assert user_state_dir(environ) == tmp_path


def test_linux_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert user_state_dir({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "openmsistream"
    assert user_cache_dir({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "openmsistream"


@pytest.mark.parametrize("value", ["", "not/absolute"])
def test_linux_without_a_usable_xdg_has_it_below_home(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert user_state_dir({"XDG_STATE_HOME": value}) == Path.home() / ".local" / "state" / "openmsistream"
    assert user_cache_dir({}) == Path.home() / ".cache" / "openmsistream"


def test_macos_has_it_in_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert user_state_dir({}) == Path.home() / "Library" / "Application Support" / "openmsistream"
    assert user_cache_dir({}) == Path.home() / "Library" / "Caches" / "openmsistream"


def test_windows_has_it_in_the_local_application_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert user_state_dir({"LOCALAPPDATA": str(tmp_path)}) == tmp_path / "openmsistream"
    assert user_cache_dir({"LOCALAPPDATA": str(tmp_path)}) == tmp_path / "openmsistream" / "cache"
    assert user_state_dir({}) == Path.home() / "AppData" / "Local" / "openmsistream"
